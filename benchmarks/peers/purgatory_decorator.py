"""
purgatory's decorator, from the factory for the function's kind.

Its README, "Example with a decorator"; circuits in memory, as is its default. It has a breaker and nothing else, so the
fallback is an `except`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from purgatory import AsyncCircuitBreakerFactory, SyncCircuitBreakerFactory

from benchmarks.workload import OPEN_FOR, AsyncComponent, Component, Triage, fallback

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""
    circuits = AsyncCircuitBreakerFactory(default_threshold=5, default_ttl=OPEN_FOR)
    guarded: AsyncComponent = circuits("benchmark")(component)

    async def triage(ticket: str) -> Triage:
        try:
            return Triage.model_validate_json(await guarded(ticket))
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component."""
    circuits = SyncCircuitBreakerFactory(default_threshold=5, default_ttl=OPEN_FOR)
    guarded: Component = circuits("benchmark")(component)

    def triage(ticket: str) -> Triage:
        try:
            return Triage.model_validate_json(guarded(ticket))
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage
