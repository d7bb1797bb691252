"""The boundary, with every stage on."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from aiguard import Breaker, Bulkhead, Retry, RetryBudget, guard
from benchmarks.workload import (
    ATTEMPT_TIMEOUT,
    ATTEMPTS,
    DEADLINE,
    OPEN_FOR,
    PERMITS,
    QUEUE,
    AsyncComponent,
    Component,
    Triage,
    fallback,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_numbers = count(1)


def name(stem: str) -> str:
    """Return a name that no other boundary of this process has."""
    return f"benchmark-{stem}-{next(_numbers)}"


def everything(**changed: Any) -> dict[str, Any]:
    """Return the settings with every stage on."""
    return {
        "deadline": DEADLINE,
        "attempt_timeout": ATTEMPT_TIMEOUT,
        "retry": Retry(attempts=ATTEMPTS),
        "reask": 1,
        "retry_budget": RetryBudget(ratio=10.0),  # the peers have none
        "breaker": Breaker(failure_rate=0.5, minimum_calls=10, window=60.0, open_for=OPEN_FOR),
        "bulkhead": Bulkhead(limit=PERMITS, queue=QUEUE),
        "fallback": [fallback()],
        "output": Triage,
    } | changed


def asynchronous(component: AsyncComponent) -> Callable[[str], Awaitable[Triage]]:
    """Guard an async component."""
    guarded: Callable[[str], Awaitable[Triage]] = guard(name("async"), **everything())(component)
    return guarded


def synchronous(component: Component) -> Callable[[str], Triage]:
    """Guard a sync component that runs in the caller's thread."""
    guarded: Callable[[str], Triage] = guard(name("sync"), **everything(isolation="inline"))(component)
    return guarded


def threaded(component: Component) -> Callable[[str], Triage]:
    """Guard a sync component that runs in a thread of the boundary, as is the default."""
    guarded: Callable[[str], Triage] = guard(name("thread"), **everything())(component)
    return guarded
