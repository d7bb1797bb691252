"""What an input contract means for a call, over all shapes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    Boundary,
    Breaker,
    Budget,
    Bulkhead,
    FailureKind,
    InputContract,
    InputRejectedError,
    MisuseError,
    OneOf,
    OutputContract,
    PolicyError,
    Range,
    Retry,
    Rung,
    guard,
    last_good,
)
from tests.shapes import Items

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness

BELOW_TEN = InputContract(Range(0, 10), name="score-in", version=2)


def test_a_bad_input_is_rejected_before_the_component_is_asked(scenario: Callable[..., Harness]) -> None:
    """As a typed error that is a `ValueError` too, and says nothing of the value; a good one passes."""
    harness = scenario("ok", input=BELOW_TEN)
    error = harness.fails(77)
    assert isinstance(error, InputRejectedError)
    assert isinstance(error, ValueError)
    assert str(error) == (
        "boundary 'scenario': input_rejected: the input breaks score-in@2: the first argument must be from 0 to 10"
    )
    assert error.__cause__ is None
    assert harness.calls == 0
    assert harness(5) == "ok"


def test_the_outcome_says_so(scenario: Callable[..., Harness]) -> None:
    """There was no attempt."""
    outcome = scenario("never", input=BELOW_TEN).outcome(77)
    assert not outcome.ok
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.stage) == (FailureKind.INPUT_REJECTED, "input")
    assert outcome.attempts == ()


def test_it_is_not_retried_and_nothing_hears_of_it(scenario: Callable[..., Harness]) -> None:
    """Breaker, budget, bulkhead and retry budget are behind it."""
    harness = scenario(
        "ok",
        input=BELOW_TEN,
        retry=Retry(attempts=3),
        breaker=Breaker(failure_rate=0.1, minimum_calls=1),
        budget=Budget(calls=1),
        bulkhead=Bulkhead(limit=1),
    )
    for _ in range(5):
        assert harness.fails(77).failure.kind is FailureKind.INPUT_REJECTED
    assert harness.boundary.breaker.current_state == "closed"
    assert harness.boundary.contracts["score-in@2"].judged == 5
    assert harness(5) == "ok"


def test_an_open_breaker_does_not_hide_a_bad_input(scenario: Callable[..., Harness]) -> None:
    """The input is judged first, also where an open breaker would answer at once."""
    harness = scenario(ConnectionError, input=BELOW_TEN, breaker=Breaker(minimum_calls=1))
    harness.fails(5)
    assert harness.fails(5).failure.kind is FailureKind.CIRCUIT_OPEN
    assert harness.fails(77).failure.kind is FailureKind.INPUT_REJECTED


def test_a_boundary_that_is_off_says_so_first(scenario: Callable[..., Harness]) -> None:
    """The gate is in front of it."""
    harness = scenario("never", input=BELOW_TEN, mode="off")
    assert harness.fails(77).failure.kind is FailureKind.HALTED


def ai(*_: Any) -> str:
    """Answer as a model does."""
    return "ai"


def rules(*_: Any) -> str:
    """Answer by rules."""
    return "rules"


@pytest.mark.parametrize(("on_breach", "answer"), [("reject", "rules"), ("fallback", "ai")])
def test_rungs_with_ai_answer_only_where_the_contract_lets_them(
    scenario: Callable[..., Harness], on_breach: str, answer: str
) -> None:
    """What is too odd for one model is too odd for another, unless somebody says that it is not."""
    contract = InputContract(Range(0, 10), on_breach=on_breach)  # type: ignore[arg-type]
    harness = scenario("never", input=contract, fallback=[Rung(ai, ai=True), rules])
    outcome = harness.outcome(77)
    assert (outcome.value or answer, outcome.rung, outcome.degraded) == (answer, answer, True)
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.INPUT_REJECTED
    assert harness.calls == 0


def test_a_later_call_of_the_same_boundary_is_not_let_to_more_rungs(scenario: Callable[..., Harness]) -> None:
    """What a contract lets one call do, it lets that call do."""
    contract = InputContract(Range(0, 10), on_breach="fallback")
    harness = scenario("never", "never", input=contract, fallback=[Rung(ai, ai=True), rules])
    assert harness.outcome(77).rung == "ai"
    harness.boundary.mode = "off"
    assert harness.outcome(5).rung == "rules"


def test_a_warning_changes_nothing_but_what_is_counted(scenario: Callable[..., Harness]) -> None:
    """The component is asked and answers."""
    contract = InputContract(Range(0, 10), on_breach="warn")
    harness = scenario("ok", input=contract)
    outcome = harness.outcome(77)
    assert outcome.ok
    assert not outcome.degraded
    assert dict(harness.boundary.contracts["input"].codes) == {"range": 1}


def test_a_fallback_needs_a_rung(shape: str, scenario: Callable[..., Harness]) -> None:
    """A ladder without one answers nobody."""
    del shape
    with pytest.raises(PolicyError, match="no rung that could answer"):
        scenario("never", input=InputContract(Range(0, 10), on_breach="fallback"))


def test_what_a_held_back_stream_is_fed_is_found_by_name(clock: VirtualClock) -> None:
    """Sync or async, whatever collects its items."""
    contract = InputContract({"amount": Range(0, 10)})

    @guard("sync", deadline=1.0, stream="buffer", isolation="inline", input=contract)
    def stream(country: str, amount: float) -> Iterator[str]:
        yield f"{amount} {country}"

    @guard("async", deadline=1.0, stream="buffer", input=contract)
    async def astream(country: str, amount: float) -> AsyncIterator[str]:
        yield f"{amount} {country}"

    async def drained(amount: float) -> list[str]:
        return [item async for item in astream("DE", amount)]

    assert list(stream("DE", 5)) == ["5 DE"]
    assert clock.run(drained(5)) == ["5 DE"]
    with pytest.raises(InputRejectedError):
        list(stream("DE", amount=77))
    with pytest.raises(InputRejectedError):
        clock.run(drained(77))


@pytest.mark.usefixtures("clock")
class TestArguments:
    """Where the values are found."""

    def test_a_method_has_its_instance_aside(self) -> None:
        """In the way of calling it, and in what is the first argument."""

        class Service:
            @guard("named", deadline=1.0, isolation="inline", input=InputContract({"amount": Range(0, 10)}))
            def named(self, amount: float) -> float:
                return amount

            @guard("first", deadline=1.0, isolation="inline", input=InputContract(Range(0, 10)))
            def first(self, amount: float) -> float:
                return amount

        service = Service()
        for method in (service.named, service.first):
            assert method(5) == method(amount=5) == 5
            with pytest.raises(InputRejectedError):
                method(77)
            with pytest.raises(InputRejectedError):
                method(amount=77)

    def test_a_name_that_there_is_not_is_refused_at_declaration(self) -> None:
        """With boundary, setting, contract and what was perhaps meant."""
        with pytest.raises(PolicyError) as caught:

            @guard("score", deadline=1.0, input=InputContract({"amout": Range()}, name="score-in", version=2))
            def score(amount: float) -> float:
                return amount

        assert str(caught.value) == (
            "boundary 'score': setting `input`=score-in@2: there is no parameter 'amout'; did you mean `amount`?"
        )

    def test_a_boundary_judges_whatever_it_is_given(self) -> None:
        """By the names of that function; a function without them is a programmer's error."""
        boundary = Boundary("score", deadline=1.0, isolation="inline", input=InputContract({"amount": Range(0, 10)}))
        assert boundary.call(lambda amount: amount, 5) == 5
        with pytest.raises(InputRejectedError):
            boundary.call(lambda country, amount: (country, amount), "DE", 77)
        with pytest.raises(MisuseError, match="no parameter 'amount'"):
            boundary.call(lambda country: country, "DE")

    def test_arguments_that_do_not_bind_are_a_type_error(self) -> None:
        """As without a contract."""

        @guard("score", deadline=1.0, isolation="inline", input=InputContract({"amount": Range(0, 10)}))
        def score(amount: float) -> float:
            return amount

        with pytest.raises(MisuseError, match="missing a required argument: 'amount'"):
            score()  # type: ignore[call-arg]

    def test_nothing_is_changed_on_the_way(self) -> None:
        """The component gets the very object that was given, also where a type could have made another of it."""
        row: dict[str, Any] = {"amount": 5}

        @guard("score", deadline=1.0, isolation="inline", input=InputContract({"row": dict[str, float]}))
        def score(row: dict[str, float]) -> bool:
            return row is given

        given = row
        assert score(row)


# --- what is counted


@pytest.mark.parametrize("shape", ["sync", "thread", "async"])
def test_rates_are_kept_by_contract_and_version(scenario: Callable[..., Harness]) -> None:
    """Input and output beside each other; an answer counts for the output, whatever it was."""
    output = OutputContract(int, name="score-out", version=3)
    harness = scenario(1, "no number", ConnectionError, 2, input=BELOW_TEN, output=output)
    harness(5)
    harness.fails(5)
    harness.fails(5)
    harness.fails(77)
    found = harness.boundary.contracts
    assert list(found) == ["score-in@2", "score-out@3"]
    assert (found["score-in@2"].judged, found["score-in@2"].broken) == (4, 1)
    assert (found["score-out@3"].judged, found["score-out@3"].broken) == (2, 1)
    assert sum(found["score-out@3"].codes.values()) == 1


@pytest.mark.parametrize("shape", ["sync", "thread", "async"])
def test_each_attempt_counts_for_the_output(scenario: Callable[..., Harness]) -> None:
    """An answer that was asked for again broke the contract all the same."""
    harness = scenario("bad", "3", output=OutputContract(int, name="out"), reask=1)
    harness()
    found = harness.boundary.contracts["out"]
    assert (found.judged, found.broken, dict(found.codes)) == (2, 1, {"malformed_output": 1})


@pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
def test_a_stream_counts_as_one_answer(scenario: Callable[..., Harness]) -> None:
    """Whole or broken at an item."""
    harness = scenario(Items(1, 2), Items(1, "bad"), output=OutputContract(int, name="out", format="python"))
    harness()
    harness.outcome()
    found = harness.boundary.contracts["out"]
    assert (found.judged, found.broken, dict(found.codes)) == (2, 1, {"schema_violation": 1})


def test_counts_are_forgotten_after_ten_minutes(scenario: Callable[..., Harness], clock: VirtualClock) -> None:
    """And stand there until then."""
    harness = scenario("ok", input=BELOW_TEN)
    harness.fails(77)
    clock.advance(500.0)
    assert harness.boundary.contracts["score-in@2"].broken == 1
    clock.advance(200.0)
    assert harness.boundary.contracts["score-in@2"].broken == 0


@pytest.mark.usefixtures("clock")
def test_a_boundary_without_contracts_counts_nothing() -> None:
    """There is no entry to watch."""
    assert dict(Boundary("plain", deadline=1.0).contracts) == {}


@pytest.mark.usefixtures("clock")
def test_a_rejected_question_is_not_kept_by_last_good() -> None:
    """Only answers of the component are."""

    @guard(
        "score",
        deadline=1.0,
        isolation="inline",
        input=InputContract({"country": OneOf("DE")}),
        fallback=[last_good(by=lambda country: country, ttl=60.0), "floor"],
    )
    def score(country: str) -> str:
        return country

    assert score("FR") == "floor"
    assert score("DE") == "DE"


def test_many_threads_may_call_at_once(clock: VirtualClock) -> None:
    """Each call is judged by itself, and every one is counted."""
    del clock

    @guard("score", deadline=5.0, isolation="inline", input=InputContract({"amount": Range(0, 10)}))
    def score(amount: float) -> float:
        return amount

    rejected: list[float] = []

    def call(amount: float) -> None:
        for _ in range(200):
            try:
                score(amount)
            except InputRejectedError:
                rejected.append(amount)

    threads = [threading.Thread(target=call, args=(amount,)) for amount in (5.0, 77.0, 6.0, 78.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rejected) == [77.0] * 200 + [78.0] * 200
    rates = score.boundary.contracts["input"]
    assert (rates.judged, rates.broken) == (800, 400)
