"""
interlock-cb's resilience pipeline with the same features, built in the order its guide recommends.

Its guide: fallback, retry, circuit breaker, bulkhead, timeout, outermost first; retries through its tenacity
integration, `CircuitOpenError` never retried; errors that say nothing about the dependency's health are left out by
a classifier. The breaker's window is timed, as the boundary's is (its default counts calls, and costs as much).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from interlock import CallTimeoutError, CircuitBreaker, Config, Pipeline, WindowType
from interlock.integrations.tenacity import retry_unless_open
from pydantic import ValidationError
from tenacity import wait_random_exponential

from benchmarks.workload import (
    ATTEMPT_TIMEOUT,
    ATTEMPTS,
    DEADLINE,
    OPEN_FOR,
    PERMITS,
    AsyncComponent,
    Component,
    Triage,
    fallback,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


class _HealthOnly:
    """An invalid answer is asked for again; it does not open the breaker."""

    def is_failure(self, *, result: object, exception: BaseException | None) -> bool:  # noqa: ARG002 - its protocol
        return exception is not None and not isinstance(exception, ValidationError)


def _pipeline(*, timeout: bool) -> Pipeline:
    breaker = CircuitBreaker(
        name="benchmark",
        config=Config(
            failure_rate_threshold=0.5,
            minimum_number_of_calls=10,
            window_type=WindowType.TIME_BASED,
            window_size=60,
            permitted_calls_in_half_open=3,
            wait_duration_in_open=OPEN_FOR,
        ),
        classifier=_HealthOnly(),
    )
    builder = (
        Pipeline.builder()
        .fallback(lambda _error: fallback())
        .retry(
            attempts=ATTEMPTS,
            retry=retry_unless_open(ConnectionError, TimeoutError, CallTimeoutError, ValidationError),
            wait=wait_random_exponential(multiplier=0.1, max=2.0),
        )
        .circuit_breaker(breaker)
        .bulkhead(PERMITS, max_wait=DEADLINE)
    )
    return (builder.timeout(ATTEMPT_TIMEOUT) if timeout else builder).build()


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""

    async def triage(ticket: str) -> Triage:
        return Triage.model_validate_json(await component(ticket))

    guarded: Callable[[str], Awaitable[Triage]] = _pipeline(timeout=True)(triage)
    return guarded


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component, without any timeout: what `isolation="inline"` is compared with."""

    def triage(ticket: str) -> Triage:
        return Triage.model_validate_json(component(ticket))

    guarded: Callable[[str], Triage] = _pipeline(timeout=False)(triage)
    return guarded


def threaded(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component with its timeout, which starts a thread for each attempt."""

    def triage(ticket: str) -> Triage:
        return Triage.model_validate_json(component(ticket))

    guarded: Callable[[str], Triage] = _pipeline(timeout=True)(triage)
    return guarded
