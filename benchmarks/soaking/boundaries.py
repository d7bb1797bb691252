"""The boundaries of the long run, every stage on, and the faults that their components meet."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final

from aiguard import Breaker, Budget, Bulkhead, Hedge, OutputContract, Retry, RetryBudget, Rung, guard, last_good
from aiguard.testing import Drip, Fails, Garbage, Hang, Latency, OneOf, Truncation, inject

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiguard.testing.faults import Fault

SHARED: Final = "soak-provider"
BREAKER: Final = Breaker(
    minimum_calls=40, failure_rate=0.7, window=2.0, slow_call=0.1, slow_rate=0.9, open_for=0.2, open_for_max=0.5
)
RETRIES: Final = RetryBudget(ratio=0.3, floor=10, per=2.0)


def tenant(question: int) -> int:
    """Split breaker, cooldown and retry budget in four."""
    return question % 4


def rules(question: int) -> str:
    """Answer without a model."""
    return str(-question)


async def a_moment(question: int) -> str:
    """Answer without a model, after a moment."""
    await asyncio.sleep(0.001)
    return str(-question)


def declare() -> dict[str, Any]:
    """Return the guarded functions, by the name of their boundary."""
    shared: dict[str, Any] = {"dependency": SHARED, "breaker": BREAKER, "retry_budget": RETRIES, "key": tenant}
    memory = last_good(by=tenant, ttl=0.5, size=64)

    @guard(
        "soak-chat",
        output=int,
        deadline=0.5,
        attempt_timeout=0.15,
        retry=Retry(attempts=3),
        reask=1,
        hedge=Hedge(after=0.05),
        budget=Budget(calls=4000, per=1.0),
        bulkhead=Bulkhead(limit=24, queue=16, floor=4, ceiling=32),
        fallback=[a_moment, memory, Rung(rules, inline=True), 0],
        **shared,
    )
    async def chat(question: int) -> str:
        await asyncio.sleep(random.random() * 0.01)
        return str(question)

    @guard(  # type: ignore[untyped-decorator]  # which of its overloads it is hangs on settings in a dict
        "soak-stream",
        stream="passthrough",
        deadline=0.5,
        first_item=0.1,
        idle=0.1,
        on_break="rung",
        retry=Retry(attempts=2),
        bulkhead=Bulkhead(limit=16, queue=16),
        fallback=[["the", "end"]],
        **shared,
    )
    async def stream(question: int) -> AsyncIterator[str]:
        for item in range(question % 5 + 1):
            await asyncio.sleep(0.001)
            yield str(item)

    @guard(
        "soak-elements",
        output=list[int],
        stream="elements",
        deadline=0.5,
        retry=Retry(attempts=2),
        reask=1,
        bulkhead=Bulkhead(limit=16, queue=16),
        **shared,
    )
    async def elements(question: int) -> AsyncIterator[str]:
        for piece in (f"[{question}", ", 2", ", 3]"):
            await asyncio.sleep(0.001)
            yield piece

    @guard(
        "soak-embed",
        output=OutputContract(list[float]),
        deadline=0.5,
        attempt_timeout=0.15,
        retry=Retry(attempts=3),
        reask=1,
        hedge=Hedge(after=0.05),
        budget=Budget(calls=4000, per=1.0),
        bulkhead=Bulkhead(limit=12, queue=8, floor=4, ceiling=16),
        fallback=[rules_of_vectors, [0.0]],
        **shared,
    )
    def embed(question: int) -> list[float]:
        time.sleep(random.random() * 0.01)
        return [float(question), 1.0]

    @guard(
        "soak-lines",
        stream="buffer",
        deadline=0.5,
        idle=0.2,
        retry=Retry(attempts=2),
        breaker=Breaker(minimum_calls=20, window_calls=50, open_for=0.2, open_for_max=0.5),
        bulkhead=Bulkhead(limit=8, queue=8),
        fallback=[["nothing"]],
    )
    def lines(question: int) -> Iterator[str]:
        for line in range(question % 4 + 1):
            time.sleep(0.001)
            yield f"{line}"

    return {"chat": chat, "stream": stream, "elements": elements, "embed": embed, "lines": lines}


def rules_of_vectors(question: int) -> list[float]:
    """Answer without a model."""
    return [float(-question)]


OFTEN: Final[list[Fault | list[Fault]]] = [
    Fails("overloaded"),
    Fails("overloaded", retry_after=0.02),
    Fails("rate_limited", retry_after=0.03),
    Fails("connection"),
    Fails("server_error"),
    Fails("bad_request"),
    Latency(0.05, jitter=0.3),
    Garbage(),
    RuntimeError,
    Drip(0.03),
    [Truncation(after=1), Fails("connection")],
]
RATE: Final = 0.2
"""Attempts that meet one of these; on the loop some of them hang. A hung thread would keep its permit to the end."""

RARE: Final = OneOf(Fails("auth"), Fails("quota_exhausted"))
RARELY: Final = 0.002
"""Attempts that meet one of these, by which a breaker opens at once."""


def faults(names: list[str], seed: int) -> list[inject]:
    """Return what the components of those boundaries meet; the first of it counts every attempt."""
    found = [inject(None, RARE, rate=RARELY, seed=seed)]
    for name in names:
        often = OFTEN if name in {"embed", "lines"} else [*OFTEN, Hang()]
        found.append(inject(f"soak-{name}", OneOf(*often), rate=RATE, seed=seed))
    return found
