"""The budget of calls: what counts, what does not, and that no window ever sees too many."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import Breaker, Budget, BudgetExhaustedError, Bulkhead, FailureKind, Hedge, Retry, guard
from aiguard.testing import fresh_registry, virtual_time
from tests.shapes import Harness, Takes

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]


def spent(guarded: Any) -> int:
    """Return the calls that a guarded function or a harness has spent."""
    calls: int = guarded.boundary._state.ledger.spent[0]
    return calls


def test_a_call_beyond_the_budget_goes_to_the_ladder(scenario: Scenario, clock: VirtualClock) -> None:
    """At once, with the time after which it is worth asking again, and it is."""
    harness = scenario(*repeat("ok", 9), budget=Budget(calls=2, per=60.0), fallback=["rung"])
    assert [harness(), harness()] == ["ok", "ok"]
    outcome = harness.outcome()
    assert (outcome.rung, outcome.attempts, harness.calls) == ("value", (), 2)
    failure = outcome.failure
    assert failure is not None
    assert (failure.kind, failure.stage) == (FailureKind.BUDGET_EXHAUSTED, "budget")
    assert failure.message == "2 of 2 calls are spent or reserved in 60 s"
    assert failure.retry_after == 61.0
    assert clock.elapsed == 0.0
    clock.advance(60.9)
    assert harness.outcome().degraded
    clock.advance(0.1)
    assert harness() == "ok"


def test_without_a_ladder_it_raises(scenario: Scenario) -> None:
    """`BudgetExhaustedError`, a rejection, with `retry_after`."""
    harness = scenario("ok", budget=Budget(calls=1))
    harness()
    error = harness.fails()
    assert isinstance(error, BudgetExhaustedError)
    assert error.retry_after == 61.0


def test_every_attempt_counts(scenario: Scenario) -> None:
    """Two are spent on two attempts of one call; the third is refused, and a refusal is not retried."""
    harness = scenario(*repeat(ConnectionError(), 9), budget=Budget(calls=2), retry=Retry(attempts=5))
    outcome = harness.outcome()
    assert isinstance(outcome.error, BudgetExhaustedError)
    assert (len(outcome.attempts), harness.calls) == (2, 2)


def test_an_open_breaker_spends_nothing(scenario: Scenario) -> None:
    """What never reaches the component is given back."""
    breaker = Breaker(minimum_calls=2)
    harness = scenario(*repeat(ConnectionError(), 9), budget=Budget(calls=3), breaker=breaker)
    for _ in range(2):
        harness.fails()
    for _ in range(9):
        assert harness.fails().failure.kind is FailureKind.CIRCUIT_OPEN
    assert (spent(harness), harness.calls) == (2, 2)


@pytest.mark.parametrize("queue", [0, 1])
def test_a_full_bulkhead_spends_nothing(scenario: Scenario, queue: int) -> None:
    """Turned away at once or after a wait."""
    harness = scenario("ok", budget=Budget(calls=1), bulkhead=Bulkhead(limit=1, queue=queue))
    assert harness.boundary.bulkhead.try_take()
    for _ in range(3):
        harness.fails()
    assert spent(harness) == 0
    harness.boundary.bulkhead.give_back()
    assert harness() == "ok"
    assert spent(harness) == 1


def test_a_hedge_is_a_call_too(clock: VirtualClock) -> None:
    """With a budget of one, the second attempt is refused, and the first one answers."""

    @guard("b", deadline=10.0, budget=Budget(calls=1), hedge=Hedge(after=1.0))
    async def component() -> str:
        await asyncio.sleep(3.0)
        return "ok"

    assert clock.run(component()) == "ok"
    assert clock.elapsed == 3.0
    assert spent(component) == 1


def test_who_waits_for_a_permit_is_counted_when_it_begins(clock: VirtualClock) -> None:
    """Reserved in one window, begun in another: the second one is full."""
    begun: list[float] = []

    @guard("b", deadline=30.0, bulkhead=Bulkhead(limit=1, queue=9), budget=Budget(calls=2, per=1.0))
    async def component() -> str:
        begun.append(clock.elapsed)
        await asyncio.sleep(5.0)
        return "ok"

    async def main() -> None:
        first, second = asyncio.create_task(component()), asyncio.create_task(component())
        await asyncio.sleep(3.0)  # the first is forgotten, the second waits and is not
        third = asyncio.create_task(component())
        await asyncio.sleep(1.0)
        with pytest.raises(BudgetExhaustedError) as caught:
            await component()
        assert caught.value.retry_after is None, "it depends on those who wait"
        await asyncio.sleep(1.5)
        assert begun == [0.0, 5.0]
        with pytest.raises(BudgetExhaustedError) as caught:
            await component()
        assert caught.value.retry_after == pytest.approx(0.5 + 1 / 60)
        await asyncio.gather(first, second, third)

    clock.run(main())
    assert begun == [0.0, 5.0, 10.0]


def test_who_is_cancelled_while_waiting_spends_nothing(clock: VirtualClock) -> None:
    """Its reservation is free at once."""

    @guard("b", deadline=30.0, bulkhead=Bulkhead(limit=1, queue=9), budget=Budget(calls=2))
    async def component() -> str:
        await asyncio.sleep(5.0)
        return "ok"

    async def main() -> None:
        first, second = asyncio.create_task(component()), asyncio.create_task(component())
        await asyncio.sleep(0)
        assert spent(component) == 2
        second.cancel()
        await asyncio.sleep(0)
        assert spent(component) == 1
        assert await component() == await first == "ok"

    clock.run(main())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32))
def test_no_window_ever_sees_too_many(seed: int) -> None:
    """Whatever comes, waits, fails, is retried or cancelled: in no window do more attempts begin than may."""
    chance = random.Random(seed)
    calls, per = chance.randint(1, 4), chance.choice([0.5, 1.0, 3.0])
    with virtual_time() as clock:
        begun: list[float] = []

        @guard(
            "b",
            deadline=8.0,
            attempt_timeout=2.0,
            retry=Retry(attempts=3, wait=lambda _: 0.25),
            retry_budget=None,
            budget=Budget(calls=calls, per=per),
            breaker=Breaker(minimum_calls=5, open_for=1.0),
            bulkhead=Bulkhead(limit=2, queue=5),
        )
        async def component() -> str:
            begun.append(clock.now())
            await asyncio.sleep(chance.choice([0.0, 0.5, 1.0, 5.0]))
            if chance.random() < 0.3:
                raise ConnectionError
            return "ok"

        async def main() -> None:
            tasks = []
            for _ in range(40):
                tasks.append(asyncio.create_task(component.outcome()))
                if chance.random() < 0.2:
                    chance.choice(tasks).cancel()
                await asyncio.sleep(chance.choice([0.0, 0.0, 0.125, 0.5]))
            await asyncio.gather(*tasks, return_exceptions=True)

        clock.run(main())
        assert begun
        for first, later in zip(begun, begun[calls:], strict=False):
            assert later - first > per


def test_threads_never_overspend_for_real() -> None:
    """Eight threads, one budget: exactly as many calls as it has reach the component."""
    with fresh_registry():
        reached: list[int] = []
        refused: list[Any] = []

        @guard("b", deadline=30.0, budget=Budget(calls=100, per=3600.0), isolation="inline")
        def component(number: int) -> int:
            reached.append(number)
            return number

        def thread() -> None:
            for number in range(25):
                outcome = component.outcome(number)
                if outcome.failure is not None:
                    refused.append(outcome.failure.kind)

        threads = [threading.Thread(target=thread) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        assert len(reached) == 100
        assert refused == [FailureKind.BUDGET_EXHAUSTED] * 100


def test_the_time_an_attempt_takes_does_not_count(scenario: Scenario, clock: VirtualClock) -> None:
    """It is spent when it begins: a long answer is forgotten no later than a short one."""
    harness = scenario(Takes(5.0), "ok", budget=Budget(calls=1, per=5.0), deadline=10.0)
    harness()
    error = harness.fails()
    assert isinstance(error, BudgetExhaustedError)
    assert error.retry_after == pytest.approx(5.0 / 60)
    clock.advance(0.1)
    assert harness() == "ok"
