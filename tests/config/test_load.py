"""Reloads while everything calls."""

from __future__ import annotations

import asyncio
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import Breaker, Bulkhead, Retry, guard
from aiguard.engine.state import State
from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiguard import Outcome, Policy

RELOADS = 1000


@pytest.fixture(autouse=True)
def _restless() -> Iterator[None]:
    """Threads take turns ten times as often as usual: what can go wrong between two lines does so sooner."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    with fresh_registry():
        yield
    sys.setswitchinterval(before)


def policies(number: int) -> str:
    """Return a file that differs from the one before in limits, windows, retries and rungs."""
    limit = 6 + number % 7
    retry = "null" if number % 2 else "{attempts: 2}"
    bulkhead = f"bulkhead: {{limit: {limit}, queue: 200}}"
    return (
        "version: 1\n"
        f"defaults: {{breaker: {{minimum_calls: {limit}, window: {limit % 3 + 1}}}}}\n"
        "boundaries:\n"
        f"  sync: {{{bulkhead}, owner: o{number}, fallback: [{{value: {number}}}]}}\n"
        f"  async: {{{bulkhead}, retry: {retry}}}\n"
        f"  thread: {{bulkhead: {{limit: {limit + 8}, queue: 200}}}}\n"
    )


class Hammer:
    """Calls guarded functions from threads and event loops until it is told to stop."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.calls = 0
        self.failed: list[Outcome[int]] = []

    def settle(self, outcome: Outcome[int]) -> None:
        """Count a call."""
        self.calls += 1
        if outcome.value != 2:
            self.failed.append(outcome)

    def threads(self, work: Any) -> None:
        """Call a plain function, with a breath after each call: else reloading would mostly wait for its turn."""
        while not self.over.wait(0.002):
            self.settle(work.outcome(1))

    def loop(self, work: Any) -> None:
        """Call a coroutine function from ten tasks on a loop of its own."""

        async def one() -> None:
            while not self.over.is_set():
                await asyncio.sleep(0.005)
                self.settle(await work.outcome(1))

        async def all_of_them() -> None:
            await asyncio.gather(*(one() for _ in range(10)))

        asyncio.run(all_of_them())


def test_a_thousand_reloads_under_load(tmp_path: Path) -> None:
    """Eight threads and two event loops call all the while: no call fails, no permit is lost."""

    @guard("sync", deadline=20.0, isolation="inline", bulkhead=Bulkhead(limit=8, queue=100), fallback=["rung"])
    def inline(number: int) -> int:
        return number + 1

    @guard("async", deadline=20.0, bulkhead=Bulkhead(limit=8, queue=100), breaker=Breaker())
    async def awaited(number: int) -> int:
        await asyncio.sleep(0)
        return number + 1

    @guard("thread", deadline=20.0, bulkhead=Bulkhead(limit=8), retry=Retry())
    def threaded(number: int) -> int:
        return number + 1

    hammer = Hammer()
    threads = [threading.Thread(target=hammer.threads, args=(work,)) for work in [inline] * 6 + [threaded] * 2]
    threads += [threading.Thread(target=hammer.loop, args=(awaited,)) for _ in range(2)]
    file = tmp_path / "aiguard.yaml"
    file.write_text("version: 1\n")
    aiguard.configure(file)
    for thread in threads:
        thread.start()
    try:
        for number in range(RELOADS):
            file.write_text(policies(number))
            aiguard.reload()
    finally:
        hammer.over.set()
        for thread in threads:
            thread.join(30)
    assert hammer.failed == []
    assert hammer.calls > RELOADS
    for work in (inline, awaited, threaded):
        permits = work.boundary.bulkhead
        assert permits is not None
        assert (permits.in_flight, permits.queued, permits.queue) == (0, 0, 200)


@pytest.mark.parametrize("key", [None, "eu"])
def test_a_breaker_that_a_reload_brings_is_there_before_the_first_call_that_passes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    """A call that comes while a reload is under way finds the breaker of the policy it begins with."""

    @guard("summarise", deadline=20.0, isolation="inline", breaker=None, key=lambda _: key)
    def summarise(number: int) -> int:
        return number + 1

    answers = [summarise(1)]
    take_over = State.take_over

    def in_between(state: State, policy: Policy, before: Policy) -> None:
        answers.append(summarise(2))
        take_over(state, policy, before)

    monkeypatch.setattr(State, "take_over", in_between)
    file = tmp_path / "aiguard.yaml"
    file.write_text("version: 1\nboundaries: {summarise: {breaker: {minimum_calls: 7}}}\n")
    aiguard.configure(file)
    assert answers == [2, 3]
    assert summarise.boundary.breaker is not None
