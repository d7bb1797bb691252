"""
circuitbreaker's decorator.

Its README, "Configuration" and "What does failure mean": as specific as possible about what counts, hence a breaker
around the component alone, which does not hear of an invalid answer. Its `fallback_function` answers only while the
circuit is open, so what answers in every other case is an `except`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from circuitbreaker import circuit

from benchmarks.peers.guarded import name
from benchmarks.workload import OPEN_FOR, AsyncComponent, Component, Triage, fallback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""
    guarded: AsyncComponent = circuit(failure_threshold=5, recovery_timeout=OPEN_FOR, name=name("circuit"))(component)

    async def triage(ticket: str) -> Triage:
        try:
            return Triage.model_validate_json(await guarded(ticket))
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component."""
    guarded: Component = circuit(failure_threshold=5, recovery_timeout=OPEN_FOR, name=name("circuit"))(component)

    def triage(ticket: str) -> Triage:
        try:
            return Triage.model_validate_json(guarded(ticket))
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage
