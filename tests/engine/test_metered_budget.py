"""Budgets of tokens and money: what is set aside, what is counted, and that no window ever sees too much."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import (
    Budget,
    BudgetExhaustedError,
    FailureKind,
    Hedge,
    Price,
    Retry,
    Usage,
    guard,
    report_usage,
)
from aiguard.contract import Breach
from aiguard.testing import fresh_registry, virtual_time
from tests.shapes import Hang, Harness, HttpError

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]

PRICES = {"m": Price(input=10, output=20)}


def uses(sent: int, answered: int = 0, then: Any = "ok", model: str = "m") -> Callable[[], Any]:
    """Return what reports so many tokens and then answers, or raises."""

    def step() -> Any:
        report_usage(Usage(sent, answered, 0, model))
        if isinstance(then, BaseException):
            raise then
        return then

    return step


def spent(guarded: Any) -> tuple[int, ...]:
    """Return the calls, tokens and billionths of a dollar that are spent or reserved."""
    amounts: tuple[int, ...] = guarded.boundary._state.ledger.spent
    return amounts


# what is counted


def test_tokens_are_counted_as_they_are_reported(scenario: Scenario, clock: VirtualClock) -> None:
    """The third call would need as many as the largest before it, which are not left; a minute later they are."""
    harness = scenario(*repeat(uses(30, 10), 9), budget=Budget(tokens=100))
    harness()
    harness()
    assert spent(harness) == (2, 80, 0)
    error = harness.fails()
    assert isinstance(error, BudgetExhaustedError)
    assert error.failure.message == ("80 of 100 tokens are spent or reserved in 60 s, and 40 would have to be reserved")
    assert (error.retry_after, harness.calls) == (61.0, 2)
    clock.advance(61.0)
    harness()


def test_money_is_counted_by_what_each_model_costs(scenario: Scenario) -> None:
    """By the boundary's table, in dollars; the outcome says what each call cost."""
    harness = scenario(*repeat(uses(1000, 500), 9), budget=Budget(usd=0.05), prices=PRICES)
    outcome = harness.outcome()
    assert outcome.usd == pytest.approx(0.02)
    assert outcome.usage == outcome.attempts[0].usage == Usage(1000, 500, 0, "m", 0.02)
    harness()
    error = harness.fails()
    assert error.failure.message == (
        "0.04 of 0.05 USD are spent or reserved in 60 s, and 0.02 would have to be reserved"
    )


def test_each_limit_holds_by_itself(scenario: Scenario) -> None:
    """Whichever is reached first refuses, and says so in its unit."""
    harness = scenario(*repeat(uses(10), 9), budget=Budget(calls=9, tokens=30, usd=1), prices=PRICES)
    for _ in range(3):
        harness()
    assert "30 of 30 tokens are spent or reserved in 60 s" in str(harness.fails())
    assert spent(harness) == (3, 30, 300_000)


def test_prices_without_a_budget_tell_what_calls_cost(scenario: Scenario) -> None:
    """Nothing is refused."""
    outcome = scenario(uses(100, 0, ConnectionError()), uses(200), prices=PRICES, retry=Retry(wait=lambda _: 0.0))
    ended = outcome.outcome()
    assert ended.usd == pytest.approx(0.003)
    assert ended.wasted == Usage(100, 0, 0, "m", 0.001)


def test_what_costs_nothing_known_has_no_price(scenario: Scenario) -> None:
    """Without a table there are no dollars."""
    outcome = scenario(uses(100)).outcome()
    assert (outcome.usage, outcome.usd) == (Usage(100, 0, 0, "m"), None)


def test_a_model_without_a_price_counts_as_the_dearest_and_is_told_of(
    scenario: Scenario, caplog: pytest.LogCaptureFixture
) -> None:
    """Once; the next calls are counted as quietly."""
    harness = scenario(*repeat(uses(100, 0, model="other"), 9), budget=Budget(usd=1.0), prices=PRICES)
    with caplog.at_level(logging.WARNING, "aiguard"):
        assert harness.outcome().usd == pytest.approx(0.001)
        harness()
    assert [record.getMessage() for record in caplog.records] == [
        "boundary 'scenario': `prices` has none for the model 'other', it counts as the dearest"
    ]


# what is set aside


def test_nobody_gets_in_where_nothing_is_left(scenario: Scenario) -> None:
    """Not even before it is known how much an attempt needs."""
    harness = scenario(uses(100), "ok", budget=Budget(tokens=100))
    harness()
    assert isinstance(harness.fails(), BudgetExhaustedError)


def test_the_next_ones_pay_for_what_was_spent_beyond_the_limit(scenario: Scenario, clock: VirtualClock) -> None:
    """What was not set aside may overshoot; nobody gets in until the window has forgotten that."""
    harness = scenario(uses(250), *repeat(uses(1), 9), budget=Budget(tokens=100))
    harness()
    assert "250 of 100 tokens are spent" in str(harness.fails())
    clock.advance(61.0)
    harness()


def test_an_attempt_larger_than_the_limit_does_not_shut_everybody_out(scenario: Scenario, clock: VirtualClock) -> None:
    """What is set aside by default is never more than the budget."""
    harness = scenario(uses(250), uses(5), uses(5), budget=Budget(tokens=100))
    for _ in range(2):
        harness()
        clock.advance(61.0)
    assert harness() == "ok"


def test_a_function_of_the_arguments_says_what_is_set_aside(scenario: Scenario) -> None:
    """Of this call: a longer question needs more."""
    harness = scenario(*repeat("ok", 9), budget=Budget(tokens=10, reserve_tokens=len))
    harness("four")
    assert spent(harness)[1] == 4
    assert "4 of 10 tokens are spent or reserved in 60 s, and 7 would" in str(harness.fails("sevenxx"))
    harness("six666")
    assert spent(harness)[1] == 10


@pytest.mark.parametrize("reserve", [lambda _: "many", lambda _: -1, lambda: 3], ids=range(3))
def test_a_function_that_gives_no_number_is_told_of_once(
    scenario: Scenario, caplog: pytest.LogCaptureFixture, reserve: Any
) -> None:
    """The call goes on, with as many as the largest of the last attempts used."""
    harness = scenario(*repeat(uses(40), 9), budget=Budget(tokens=100, reserve_tokens=reserve))
    with caplog.at_level(logging.WARNING, "aiguard"):
        assert [harness("q"), harness("q")] == ["ok", "ok"]
    assert len(caplog.records) == 1
    assert "`budget.reserve_tokens` gave no number of tokens" in caplog.records[0].getMessage()
    assert isinstance(harness.fails("q"), BudgetExhaustedError)


def test_money_is_set_aside_at_the_dearest_price(scenario: Scenario) -> None:
    """It is not known yet which model answers, nor how much of it is answered."""
    harness = scenario("ok", "ok", budget=Budget(usd=0.05, reserve_tokens=2000), prices=PRICES)
    harness()
    assert spent(harness) == (1, 2000, 40_000_000)
    assert isinstance(harness.fails(), BudgetExhaustedError)


# how attempts end


@pytest.mark.parametrize(
    ("step", "counted"),
    [
        (uses(30), 30),
        ("ok", 50),
        (uses(80), 80),
        (uses(30, 0, Breach(FailureKind.TRUNCATED, "cut")), 30),
        (Breach(FailureKind.TRUNCATED, "cut"), 50),
        (HttpError(429), 0),
        (HttpError(401), 0),
        (HttpError(400), 0),
        (uses(30, 0, HttpError(429)), 30),
        (HttpError(500), 50),
        (ConnectionError(), 50),
        (uses(30, 0, ConnectionError()), 50),
        (uses(80, 0, ConnectionError()), 80),
        (KeyError(), 50),
    ],
    ids=range(14),
)
def test_an_attempt_counts_for_what_it_is_known_to_have_used(scenario: Scenario, step: Any, counted: int) -> None:
    """Refused ones for nothing; those whose end nobody knows for as much as was set aside, at least."""
    harness = scenario(step, budget=Budget(tokens=1000, reserve_tokens=50))
    harness.outcome()
    assert spent(harness) == (1, counted, 0)


@pytest.mark.parametrize("shape", ["thread", "async", "thread_generator", "async_generator"])
def test_an_attempt_that_was_left_behind_keeps_what_was_set_aside(shape: str, clock: VirtualClock) -> None:
    """The provider may go on and bill it."""
    harness = Harness(shape, clock, [Hang()], settings={"deadline": 1.0, "budget": Budget(tokens=99, reserve_tokens=9)})
    harness.outcome()
    assert spent(harness) == (1, 9, 0)


def test_what_a_thread_reports_after_its_call_is_counted(clock: VirtualClock) -> None:
    """Once it has ended."""

    @guard("late", deadline=1.0, budget=Budget(tokens=99, reserve_tokens=9), isolation="thread")
    def late() -> None:
        clock.sleep(5.0)
        report_usage(Usage(70, 7))

    assert late.outcome().usage is None
    assert spent(late) == (1, 9, 0)
    clock.sleep(10.0)
    for _ in range(1000):  # its worker is idle before the last of what it held is given back
        if spent(late) == (1, 77, 0):
            return
        threading.Event().wait(0.01)
    pytest.fail(f"still {spent(late)}")


def test_what_is_turned_away_uses_nothing(scenario: Scenario) -> None:
    """Its reservation is free again."""
    harness = scenario(*repeat(uses(5), 9), budget=Budget(tokens=100, reserve_tokens=50), attempt_timeout=5.0)
    for _ in range(3):
        harness()
    assert spent(harness) == (3, 15, 0)


def test_a_hedge_is_set_aside_and_counted_too(clock: VirtualClock) -> None:
    """Both attempts use tokens, and the one that was called off keeps its reservation."""
    waits = iter([5.0, 0.1])

    @guard("hedged", deadline=9.0, hedge=Hedge(after=0.5), budget=Budget(tokens=100, reserve_tokens=30))
    async def hedged() -> str:
        await asyncio.sleep(next(waits))
        report_usage(Usage(20, 0))
        return "ok"

    assert clock.run(hedged()) == "ok"
    assert spent(hedged) == (2, 50, 0)


def test_what_a_boundary_inside_used_is_counted_outside(clock: VirtualClock) -> None:
    """At the price that the inner one knows."""

    @guard("inner", deadline=9.0, prices=PRICES)
    async def inner() -> str:
        report_usage(Usage(100, 0, 0, "m"))
        return "ok"

    dearer = {"m": Price(input=1000, output=1000)}

    @guard("outer", deadline=9.0, budget=Budget(tokens=1000, usd=1.0), prices=dearer)
    async def outer() -> str:
        await inner()
        return await inner()

    assert clock.run(outer.outcome()).usd == pytest.approx(0.002)
    assert spent(outer) == (1, 200, 2_000_000)


# no window sees too much


@settings(max_examples=60, deadline=None)
@given(
    attempts=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 20), st.integers(0, 10), st.booleans()), min_size=1, max_size=40
    ),
    limit=st.integers(20, 60),
)
def test_calls_at_once_never_overspend_where_what_is_set_aside_is_enough(
    attempts: list[tuple[int, int, int, bool]], limit: int
) -> None:
    """However many come at once, however long they take, whatever they end as: in tokens and in money."""
    used: list[tuple[float, int]] = []
    with fresh_registry(), virtual_time() as clock:
        budget = Budget(tokens=limit, usd=limit * 20e-6, per=10.0, reserve_tokens=20)

        @guard("b", deadline=60.0, budget=budget, prices=PRICES)
        async def component(tokens: int, seconds: int, fails: bool) -> str:  # noqa: FBT001 - as it is drawn
            begun = clock.elapsed
            await asyncio.sleep(seconds)
            used.append((begun, tokens))
            report_usage(Usage(tokens, 0, 0, "m"))
            if fails:
                raise ConnectionError
            return "ok"

        async def caller(moment: int, tokens: int, seconds: int, fails: bool) -> None:  # noqa: FBT001 - as above
            await asyncio.sleep(moment)
            await component.outcome(tokens, seconds, fails)

        async def crowd() -> None:
            await asyncio.gather(*(caller(*attempt) for attempt in attempts))

        clock.run(crowd())
    for start, _ in used:
        assert sum(tokens for begun, tokens in used if start <= begun < start + 10.0) <= limit


def test_threads_at_once_never_overspend_where_what_is_set_aside_is_enough(clock: VirtualClock) -> None:
    """Real threads, one ledger."""
    from tests.shapes import Background  # noqa: PLC0415 - real threads

    total: list[int] = []

    @guard("b", deadline=60.0, budget=Budget(tokens=1000, reserve_tokens=9), isolation="inline")
    def component(tokens: int) -> None:
        total.append(tokens)
        report_usage(Usage(tokens, 0))

    def caller() -> None:
        for number in range(100):
            component.outcome(number % 10)

    for background in [Background(caller) for _ in range(6)]:
        background.result()
    assert 991 <= sum(total) <= 1000
    assert spent(component)[1] == sum(total)
    assert clock.elapsed == 0.0
