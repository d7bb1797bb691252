"""What a passthrough stream costs an item."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiguard import Breaker, Bulkhead, Retry, guard
from benchmarks.figures import Section, Verdict, difference, figure
from benchmarks.peers.guarded import name
from benchmarks.slices import Subject, asynchronous, interleave, microseconds, synchronous
from benchmarks.workload import ATTEMPTS, PERMITS, QUEUE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from benchmarks.slices import Plan

ITEMS = tuple(f"token {number}" for number in range(1000))
MOST = 1.0  # µs more an item


def tokens(_ticket: str) -> Iterator[str]:
    """Yield a thousand items."""
    yield from ITEMS


async def tokens_async(_ticket: str) -> AsyncIterator[str]:
    """Yield a thousand items without suspending."""
    for item in ITEMS:
        yield item


async def tokens_suspending(_ticket: str) -> AsyncIterator[str]:
    """Give way to the event loop before each of a thousand items."""
    for item in ITEMS:
        await asyncio.sleep(0)
        yield item


def _guarded(stem: str, source: Callable[[str], Any]) -> Callable[[str], Any]:
    settings: dict[str, Any] = {
        "deadline": 30.0,
        "stream": "passthrough",
        "isolation": "inline",
        "retry": Retry(attempts=ATTEMPTS),
        "breaker": Breaker(),
        "bulkhead": Bulkhead(limit=PERMITS, queue=QUEUE),
    }
    stream: Callable[[str], Any] = guard(name(stem), **settings)(source)
    return stream


def _consume(source: Callable[[str], Iterator[str]]) -> Callable[[str], int]:
    def consume(ticket: str) -> int:
        seen = 0
        for _ in source(ticket):
            seen += 1
        return seen

    return consume


def consumed(stem: str, source: Callable[[str], Iterator[str]]) -> Callable[[str], int]:
    """Return what reads a guarded stream to its end and counts its items."""
    return _consume(_guarded(stem, source))


def _consume_async(source: Callable[[str], AsyncIterator[str]]) -> Callable[[str], Awaitable[int]]:
    async def consume(ticket: str) -> int:
        seen = 0
        async for _ in source(ticket):
            seen += 1
        return seen

    return consume


def _section(plan: Plan, title: str, group: str, bare: Subject, guarded: Subject) -> Section:
    taken = interleave([bare, guarded], plan)
    figures = [figure(group, it.name, it.label, "µs", microseconds(taken[it.name])) for it in (bare, guarded)]
    more = difference(microseconds(taken["guard"]), microseconds(taken["bare"]))
    verdict = Verdict(group, "guard-bare", "guard - bare, per item", "µs", more, MOST)
    return Section(title, tuple(figures), (verdict,))


def sync_stream(plan: Plan) -> Section:
    """Measure a generator in the caller's thread."""
    size = len(ITEMS)
    return _section(
        plan,
        'Sync stream, passthrough, isolation="inline", µs of CPU per item',
        "stream-sync",
        synchronous("bare", "bare generator", _consume(tokens), size, units=size),
        synchronous("guard", "aiguard", consumed("stream", tokens), size, units=size),
    )


def _async_section(plan: Plan, title: str, group: str, source: Callable[[str], AsyncIterator[str]]) -> Section:
    size = len(ITEMS)
    with asyncio.Runner() as runner:
        return _section(
            plan,
            title,
            group,
            asynchronous(runner, "bare", "bare async generator", _consume_async(source), size, units=size),
            asynchronous(runner, "guard", "aiguard", _consume_async(_guarded(group, source)), size, units=size),
        )


def async_stream(plan: Plan) -> Section:
    """Measure an async generator that never suspends."""
    return _async_section(plan, "Async stream, passthrough, µs of CPU per item", "stream-async", tokens_async)


def suspending_stream(plan: Plan) -> Section:
    """Measure an async generator that suspends before each item."""
    title = "Async stream that suspends for each item, passthrough, µs of CPU per item"
    return _async_section(plan, title, "stream-async-suspending", tokens_suspending)
