"""
The usual stack, composed by hand: tenacity, pybreaker, `asyncio.timeout` and pydantic.

Each is used as its own documentation shows: tenacity as a decorator, pybreaker as a decorator and, where a coroutine
is guarded, as `calling()`. The order is the one that all of them ask for: the breaker judges each attempt, the retry
goes round the breaker and never retries a rejection, and an invalid answer is asked for again without opening the
breaker. What it lacks beside a boundary makes it cheaper: it has no bulkhead, and its deadline is tenacity's
`stop_before_delay`, which costs nothing while calls succeed.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pybreaker
from pydantic import ValidationError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, stop_before_delay, wait_random_exponential

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

_RETRIED = (ConnectionError, TimeoutError, ValidationError)


def _breaker() -> pybreaker.CircuitBreaker:
    return pybreaker.CircuitBreaker(fail_max=5, reset_timeout=OPEN_FOR, throw_new_error_on_trip=False)


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component."""
    breaker = _breaker()

    @retry(
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(DEADLINE),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
        retry=retry_if_exception_type(_RETRIED),
        reraise=True,
    )
    async def ask(ticket: str) -> Triage:
        with breaker.calling():
            async with asyncio.timeout(ATTEMPT_TIMEOUT):
                answer = await component(ticket)
        return Triage.model_validate_json(answer)

    async def triage(ticket: str) -> Triage:
        try:
            return await ask(ticket)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component, without any timeout: what `isolation="inline"` is compared with."""
    guarded = _breaker()(component)

    @retry(
        stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(DEADLINE),
        wait=wait_random_exponential(multiplier=0.1, max=2.0),
        retry=retry_if_exception_type(_RETRIED),
        reraise=True,
    )
    def ask(ticket: str) -> Triage:
        return Triage.model_validate_json(guarded(ticket))

    def triage(ticket: str) -> Triage:
        try:
            return ask(ticket)
        except Exception:  # noqa: BLE001 - whatever went wrong, the caller gets the fallback
            return fallback()

    return triage


def threaded(component: Component) -> Callable[[str], Triage]:
    """Wrap a sync component with a timeout that holds: each attempt runs in a pool's thread."""
    pool = ThreadPoolExecutor(PERMITS)

    def attempt(ticket: str) -> str:
        return pool.submit(component, ticket).result(ATTEMPT_TIMEOUT)

    return synchronous(attempt)
