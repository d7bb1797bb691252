"""What attempts used, and where it is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    FailureKind,
    Hedge,
    InvalidOutputError,
    Retry,
    StreamInterruptedError,
    Usage,
    guard,
    report_usage,
    within,
)
from aiguard.contract import Breach
from aiguard.testing.virtual import fresh_registry
from aiguard.usage import total_of
from tests.shapes import Harness, Items

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]

AT_ONCE = Retry(attempts=3, wait=lambda _: 0.0)


def uses(usage: Usage, then: Any = "ok") -> Callable[[], Any]:
    """Return what reports `usage` and then answers, or raises."""

    def step() -> Any:
        report_usage(usage)
        if isinstance(then, BaseException):
            raise then
        return then

    return step


def completion(content: str = "42", *, finish_reason: str = "stop", sent: int = 10, answered: int = 5) -> Any:
    """Return a response as a client gives it, known by module and name."""
    choice = SimpleNamespace(finish_reason=finish_reason, message=SimpleNamespace(content=content))
    usage = SimpleNamespace(prompt_tokens=sent, completion_tokens=answered)
    cls = type("ChatCompletion", (SimpleNamespace,), {"__module__": "openai.types.chat"})
    return cls(choices=[choice], usage=usage, model="m")


# the numbers


def test_several_together_are_their_sum() -> None:
    """The model stays where all of them were of one."""
    assert total_of([Usage(1, 2, 1, "m"), Usage(10, 20, 0, "m")]) == Usage(11, 22, 1, "m")
    assert total_of([Usage(1, 2, 0, "m"), Usage(1, 1, 0, "other")]) == Usage(2, 3)
    assert total_of(None) is total_of([]) is None
    assert Usage(3, 4).total == 7


def test_outside_any_boundary_nothing_is_reported() -> None:
    """There is nobody to report to, with a deadline or without."""
    report_usage(Usage(1, 1))
    with within(5.0):
        report_usage(Usage(1, 1))


# one boundary


def test_what_a_component_reports_is_told_of_its_attempt(scenario: Scenario) -> None:
    """Also where it fails, and as often as it reports."""

    def twice() -> str:
        report_usage(Usage(1, 1, 0, "m"))
        return str(uses(Usage(2, 3, 1, "m"))())

    outcome = scenario(uses(Usage(5, 0), ConnectionError()), twice, retry=AT_ONCE).outcome()
    assert [attempt.usage for attempt in outcome.attempts] == [Usage(5, 0), Usage(3, 4, 1, "m")]
    assert outcome.usage == Usage(8, 4, 1)
    assert outcome.wasted == Usage(5, 0)


def test_what_nobody_reports_is_not_known(scenario: Scenario) -> None:
    """Nothing is not zero."""
    outcome = scenario("ok").outcome()
    assert outcome.usage is outcome.wasted is outcome.attempts[0].usage is None


def test_what_a_call_that_failed_used_is_wasted(scenario: Scenario) -> None:
    """All of it."""
    outcome = scenario(uses(Usage(1, 1), ConnectionError()), uses(Usage(2, 2), ConnectionError()), retry=AT_ONCE)
    failed = Harness.outcome(outcome)
    assert not failed.ok
    assert failed.wasted == failed.usage


def test_what_an_attempt_had_reported_before_it_ran_out_of_time_is_counted(scenario: Scenario) -> None:
    """A stream tells of it while it runs."""
    outcome = scenario(_reported_late).outcome()
    assert outcome.failure is not None
    assert outcome.usage == outcome.wasted == Usage(7, 0)


def _reported_late() -> None:
    report_usage(Usage(7, 0))
    raise TimeoutError


# without an adapter


@pytest.mark.parametrize("shape", ["sync", "thread", "async"])
def test_a_clients_response_is_read_without_an_adapter(shape: str, clock: VirtualClock) -> None:
    """It says what it used, whether or not a contract is there to read its text."""
    assert Harness(shape, clock, [completion()]).outcome().usage == Usage(10, 5, 0, "m")
    judged = Harness(shape, clock, [completion()], "judged", {"output": int}).outcome()
    assert (judged.value, judged.usage) == (42, Usage(10, 5, 0, "m"))


@pytest.mark.parametrize("shape", ["sync", "thread", "async"])
def test_a_response_that_breaks_its_contract_has_used_as_much(shape: str, clock: VirtualClock) -> None:
    """It was paid for."""
    script = [completion("what?"), completion("42", sent=20)]
    outcome = Harness(shape, clock, script, settings={"output": int, "reask": 1}).outcome()
    assert [attempt.usage for attempt in outcome.attempts] == [Usage(10, 5, 0, "m"), Usage(20, 5, 0, "m")]
    assert (outcome.value, outcome.wasted) == (42, Usage(10, 5, 0, "m"))


def test_what_was_reported_already_is_not_read_again(clock: VirtualClock) -> None:
    """An adapter that lets the response through has told of it."""
    outcome = Harness("async", clock, [uses(Usage(1, 2), completion())]).outcome()
    assert outcome.usage == Usage(1, 2)


def test_a_value_that_cannot_be_read_is_an_answer_all_the_same(clock: VirtualClock) -> None:
    """It reports nothing."""
    broken = type("ChatCompletion", (), {"__module__": "openai.types.chat"})()
    outcome = Harness("sync", clock, [broken]).outcome()
    assert (outcome.value, outcome.usage) == (broken, None)


# boundaries inside boundaries


@pytest.mark.parametrize("shape", ["sync", "thread", "async"])
def test_what_a_boundary_inside_used_counts_for_the_attempt_around_it(shape: str, clock: VirtualClock) -> None:
    """Its wasted tokens too, and those of a call that failed, and each of them once."""
    script = [uses(Usage(1, 0), ConnectionError()), completion(), uses(Usage(2, 0), ConnectionError()), KeyError()]
    inner = Harness(shape, clock, script, "inner", {"retry": Retry(attempts=2, wait=lambda _: 0.0)})
    guarded = inner.guarded

    def function() -> Any:
        return guarded()

    async def coroutine() -> Any:
        return await guarded()

    settings: Any = {"isolation": "thread" if shape == "thread" else "inline"} if shape != "async" else {}
    outer: Any = guard("outer", deadline=9.0, **settings)(coroutine if shape == "async" else function)
    for expected in (Usage(11, 5), Usage(2, 0)):
        outcome = clock.run(outer.outcome()) if shape == "async" else outer.outcome()
        assert outcome.attempts[0].usage == outcome.usage == expected


@pytest.mark.usefixtures("clock")
def test_what_a_stream_inside_used_counts_for_the_attempt_around_it() -> None:
    """Also where its consumer leaves before it is over."""

    @guard("inner", deadline=9.0, stream="passthrough", isolation="inline")
    def inner() -> Any:
        report_usage(Usage(3, 0))
        yield "a"
        report_usage(Usage(0, 1))
        yield "b"

    @guard("outer", deadline=9.0, isolation="inline")
    def outer(most: int) -> list[str]:
        items = inner()
        taken = [next(items) for _ in range(most)]
        items.close()
        return taken

    assert outer.outcome(2).usage == Usage(3, 1)
    assert outer.outcome(1).usage == Usage(3, 0)


def test_attempts_at_once_in_one_boundary_are_told_apart(clock: VirtualClock) -> None:
    """What tasks and threads report goes to the attempt they belong to."""

    @guard("asynchronous", deadline=9.0)
    async def asynchronous(count: int) -> int:
        await asyncio.sleep(0.1 * count)
        report_usage(Usage(count, 0))
        return count

    async def crowd() -> Any:
        return await asyncio.gather(*map(asynchronous.outcome, range(1, 9)))

    assert [outcome.usage for outcome in clock.run(crowd())] == [Usage(count, 0) for count in range(1, 9)]


def test_what_threads_inside_a_component_report_counts_where_they_carry_its_context() -> None:
    """As `asyncio.to_thread` does."""
    with fresh_registry():

        @guard("fan", deadline=9.0)
        async def fan() -> None:
            await asyncio.gather(*(asyncio.to_thread(report_usage, Usage(1, 1)) for _ in range(5)))

        assert asyncio.run(fan.outcome()).usage == Usage(5, 5)


# rungs


def test_what_a_rung_used_is_told_apart(scenario: Scenario) -> None:
    """It is part of the whole, and wasted only where no rung answered."""

    def smaller(*_: Any) -> str:
        report_usage(Usage(2, 1))
        return "rung"

    def broken(*_: Any) -> str:
        report_usage(Usage(3, 0))
        raise ValueError

    script = [uses(Usage(10, 0), ConnectionError())] * 2
    outcome = scenario(*script, fallback=[broken, smaller]).outcome()
    assert (outcome.rung_usage, outcome.usage, outcome.wasted) == (Usage(5, 1), Usage(15, 1), Usage(10, 0))
    lost = scenario(*script, name="lost", fallback=[broken]).outcome()
    assert (lost.usage, lost.wasted) == (Usage(13, 0), Usage(13, 0))


def test_what_another_boundary_on_the_ladder_used_is_told_by_both(clock: VirtualClock) -> None:
    """Its own outcome is not there to ask any more."""

    @guard("smaller", deadline=1.0)
    async def smaller() -> Any:
        return completion("small")

    @guard("larger", deadline=5.0, fallback=[smaller])
    async def larger() -> Any:
        raise ConnectionError

    assert clock.run(larger.outcome()).rung_usage == Usage(10, 5, 0, "m")


# hedges


@pytest.mark.parametrize("shape", ["thread", "async"])
def test_what_the_attempt_that_was_overtaken_used_is_wasted(shape: str, clock: VirtualClock) -> None:
    """As far as it had reported it when it was called off."""
    guarded = _hedged(shape, clock)
    outcome = clock.run(guarded.outcome()) if shape == "async" else guarded.outcome()
    assert [(attempt.reason, attempt.cancelled) for attempt in outcome.attempts] == [
        ("initial", True),
        ("hedge", False),
    ]
    assert [attempt.usage for attempt in outcome.attempts] == [Usage(100, 0), Usage(100, 10)]
    assert (outcome.usage, outcome.wasted) == (Usage(200, 10), Usage(100, 0))


def _hedged(shape: str, clock: VirtualClock) -> Any:
    begun: list[int] = []

    def begin() -> float:
        begun.append(1)
        report_usage(Usage(100, 0))
        return 5.0 if len(begun) == 1 else 0.1

    if shape == "async":

        @guard("hedged", deadline=9.0, hedge=Hedge(after=0.5))
        async def coroutine() -> str:
            await asyncio.sleep(begin())
            report_usage(Usage(0, 10))
            return "ok"

        return coroutine

    @guard("hedged", deadline=9.0, hedge=Hedge(after=0.5), isolation="thread")
    def function() -> str:
        clock.sleep(begin())
        report_usage(Usage(0, 10))
        return "ok"

    return function


# streams that are no whole answer


@pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
def test_a_stream_that_was_cut_off_before_its_first_item_is_tried_again(shape: str, clock: VirtualClock) -> None:
    """It is the component's failure, not an answer that breaks a contract."""
    cut = Breach(FailureKind.STREAM_INTERRUPTED, "its terminal event did not come")
    harness = Harness(shape, clock, [Items(cut), Items("a", "b")], settings={"retry": AT_ONCE})
    outcome = harness.outcome()
    failure = outcome.attempts[0].failure
    assert outcome.ok
    assert failure is not None
    assert (failure.kind, failure.stage) == (FailureKind.STREAM_INTERRUPTED, "component")


@pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
def test_a_stream_that_was_cut_off_after_an_item_leaves_as_an_interrupted_one(shape: str, clock: VirtualClock) -> None:
    """With how much was delivered; before any, with nothing."""
    cut = Breach(FailureKind.STREAM_INTERRUPTED, "its terminal event did not come")
    for delivered, script in ((1, Items("a", cut)), (0, Items(cut))):
        error = Harness(shape, clock, [script], f"cut{delivered}").fails()
        assert isinstance(error, StreamInterruptedError)
        assert (error.delivered, error.failure.kind) == (delivered, FailureKind.STREAM_INTERRUPTED)
        assert "its terminal event did not come" in str(error)


@pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
def test_a_stream_whose_answer_was_cut_breaks_its_contract_only_before_its_first_item(
    shape: str, clock: VirtualClock
) -> None:
    """Afterwards it is a stream that ended early, and the cause says why."""
    cut = Breach(FailureKind.TRUNCATED, "the answer was cut")
    before = Harness(shape, clock, [Items(cut)], "before").fails()
    assert isinstance(before, InvalidOutputError)
    after = Harness(shape, clock, [Items("a", cut)], "after").fails()
    assert isinstance(after, StreamInterruptedError)
    assert isinstance(after.__cause__, InvalidOutputError)
