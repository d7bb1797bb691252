"""
stamina's decorator.

Its README and the docstring of `stamina.retry`: the exceptions named, a limit for the attempts and one for the time of
all of them, which decides whether there is another attempt and interrupts none. It retries and nothing else, so the
fallback is an `except`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError
from stamina import retry

from benchmarks.workload import ATTEMPTS, DEADLINE, AsyncComponent, Component, Triage, fallback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_retried = retry(
    on=(ConnectionError, TimeoutError, ValidationError),
    attempts=ATTEMPTS,
    timeout=DEADLINE,
    wait_initial=0.1,
    wait_max=2.0,
    wait_jitter=0.1,
)


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""

    @_retried
    async def ask(ticket: str) -> Triage:
        return Triage.model_validate_json(await component(ticket))

    async def triage(ticket: str) -> Triage:
        try:
            return await ask(ticket)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component."""

    @_retried
    def ask(ticket: str) -> Triage:
        return Triage.model_validate_json(component(ticket))

    def triage(ticket: str) -> Triage:
        try:
            return ask(ticket)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage
