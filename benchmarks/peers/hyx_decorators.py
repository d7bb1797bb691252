"""
hyx: five of its decorators, one inside the other.

Each as its page shows it (docs/components: retry, circuit_breakers, timeout, bulkhead, fallback), delays and jitter as
the best practices of the retry page ask. No page says in which order to put them; this is the order of the other
peers: the breaker judges each attempt and does not hear of an invalid answer. hyx is for asyncio alone (docs/faq.md),
and its timeout has to be made in the event loop in which it will run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyx.bulkhead import bulkhead
from hyx.circuitbreaker import consecutive_breaker
from hyx.fallback import fallback as fall_back
from hyx.retry import retry
from hyx.retry.backoffs import expo
from hyx.retry.jitters import full
from hyx.timeout import timeout
from hyx.timeout.exceptions import MaxDurationExceeded
from pydantic import ValidationError

from benchmarks.workload import (
    ATTEMPT_TIMEOUT,
    ATTEMPTS,
    OPEN_FOR,
    PERMITS,
    QUEUE,
    AsyncComponent,
    Triage,
    fallback,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


async def _rules(_error: Exception, _ticket: str) -> Triage:
    return fallback()


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Wrap an async component; call it in the event loop in which that will run."""
    timed = timeout(ATTEMPT_TIMEOUT)(component)
    limited = bulkhead(max_concurrency=PERMITS, max_capacity=PERMITS + QUEUE)(timed)
    attempt: AsyncComponent = consecutive_breaker(failure_threshold=5, recovery_time_secs=OPEN_FOR)(limited)

    async def ask(ticket: str) -> Triage:
        return Triage.model_validate_json(await attempt(ticket))

    retrying = retry(
        on=(ConnectionError, MaxDurationExceeded, ValidationError),
        attempts=ATTEMPTS - 1,  # it counts what comes after the first
        backoff=expo(min_delay_secs=0.1, max_delay_secs=2.0, jitter=full),
    )
    guarded: Callable[[str], Awaitable[Triage]] = fall_back(_rules)(retrying(ask))
    return guarded
