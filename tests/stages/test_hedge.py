"""The hedge stage alone: what is decided when, on its own, and on the loop's runtime on virtual time."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import BoundaryError, FailureKind, Hedge, RetryBudget
from aiguard.engine.calls import step
from aiguard.engine.race import RacingTasks
from aiguard.errors import MisuseError
from aiguard.events import BreakerMoved, Hedging, RetryBudgetExhausted, Run, RunEnded, RunStarted
from aiguard.isolation.thread import Workers
from aiguard.stages.hedge import HedgeStage, Pair, Told
from aiguard.stages.latencies import Latencies
from aiguard.stages.partition import Partition
from aiguard.stages.retry_budget import RetryTally
from tests.stages.fakes import Ear, FakeRuntime, Rest, call_for, failing, run, runtime_of

if TYPE_CHECKING:
    from aiguard.call import Call
    from aiguard.events import Event
    from aiguard.testing import VirtualClock

DOWN = FailureKind.CONNECTION


class Script:
    """The rest of the pipeline: each attempt takes its seconds on the loop, then answers or fails."""

    def __init__(self, *script: tuple[float, Any]) -> None:
        self.script = list(script)
        self.calls: list[Call] = []

    async def __call__(self, call: Call, /) -> Any:
        """Be admitted at once, take so long, then answer or raise."""
        seconds, then = self.script[len(self.calls)]
        self.calls.append(call)
        if isinstance(then, BoundaryError) and then.failure.stage != "component":
            raise then  # turned away
        call.run.started = call.clock.now()
        call.report(RunStarted(call.run))
        await asyncio.sleep(seconds)
        if isinstance(then, BaseException):
            raise then
        return then


def racing(clock: VirtualClock, *args: Any, **settings: Any) -> Call:
    """Return a call whose runtime can race."""
    call = call_for(clock, *args, **settings)
    call.runtime = RacingTasks(Workers("test", None))
    return call


def hedged(clock: VirtualClock, script: Script, call: Call, after: float = 1.0, **settings: Any) -> Any:
    """Run the stage with a fixed delay, on the loop."""
    return clock.run(HedgeStage(Hedge(after=after), Latencies(), **settings).run(script, call))


def begun(then: str) -> Any:
    """Return a step of an attempt that is admitted."""

    def begin(call: Call) -> str:
        call.run.started = call.clock.now()
        return then

    return begin


def written(call: Call) -> list[tuple[int, str, float, str | None, bool]]:
    """Return the attempts as they were written down."""
    start = call.journal.begun
    return [
        (
            made.number,
            made.reason,
            made.ended - start,
            made.failure.kind.value if made.failure is not None else None,
            made.cancelled,
        )
        for made in call.journal.runs
    ]


# --- who wins


@pytest.mark.parametrize(
    ("first", "second", "answer", "at", "attempts"),
    [
        # the first is in time: there is no second
        ((0.5, "one"), None, "one", 0.5, []),
        ((0.9375, "one"), None, "one", 0.9375, []),
        # it is late, and answers first
        ((1.5, "one"), (9.0, "two"), "one", 1.5, [(1, "initial", 1.5, None, False), (2, "hedge", 1.5, None, True)]),
        # the second answers first
        ((9.0, "one"), (0.5, "two"), "two", 1.5, [(1, "initial", 1.5, None, True), (2, "hedge", 1.5, None, False)]),
        # at the same moment: the first
        ((1.5, "one"), (0.5, "two"), "one", 1.5, [(1, "initial", 1.5, None, False), (2, "hedge", 1.5, None, True)]),
        # whatever the second ends with
        (
            (1.5, "one"),
            (0.5, MisuseError("no")),
            "one",
            1.5,
            [(1, "initial", 1.5, None, False), (2, "hedge", 1.5, None, True)],
        ),
        # one that fails decides nothing while the other runs
        ((1.5, DOWN), (3.0, "two"), "two", 4.0, [(1, "initial", 1.5, DOWN, False), (2, "hedge", 4.0, None, False)]),
        ((5.0, "one"), (0.5, DOWN), "one", 5.0, [(1, "initial", 5.0, None, False), (2, "hedge", 1.5, DOWN, False)]),
        (
            (5.0, "one"),
            (0.5, FailureKind.EMPTY_OUTPUT),
            "one",
            5.0,
            [(1, "initial", 5.0, None, False), (2, "hedge", 1.5, "empty_output", False)],
        ),
        # both fail: the first's error, whenever it came
        (
            (5.0, DOWN),
            (0.5, FailureKind.SERVER_ERROR),
            DOWN,
            5.0,
            [(1, "initial", 5.0, DOWN, False), (2, "hedge", 1.5, "server_error", False)],
        ),
        (
            (1.5, DOWN),
            (2.0, FailureKind.SERVER_ERROR),
            DOWN,
            3.0,
            [(1, "initial", 1.5, DOWN, False), (2, "hedge", 3.0, "server_error", False)],
        ),
    ],
)
def test_the_first_good_answer_wins(  # noqa: PLR0917 - a table
    clock: VirtualClock, first: Any, second: Any, answer: Any, at: float, attempts: Any
) -> None:
    """Whoever gives it; every attempt is written down in order, and the one that was called off says so."""

    def scripted(of: Any) -> Any:
        return (of[0], failing(of[1]) if isinstance(of[1], FailureKind) else of[1])

    script = Script(*(scripted(of) for of in (first, second) if of is not None))
    call = racing(clock)
    if isinstance(answer, FailureKind):
        with pytest.raises(BoundaryError) as caught:
            hedged(clock, script, call)
        assert caught.value is script.script[0][1]
    else:
        assert hedged(clock, script, call) == answer
    assert clock.elapsed == pytest.approx(at)
    if attempts == []:
        attempts = [(1, "initial", at, None, False)]
    assert written(call) == attempts
    assert len(script.calls) == (1 if second is None else 2)


def test_a_first_that_fails_before_the_second_begins_has_none(clock: VirtualClock) -> None:
    """The retry stage judges its error, as without a hedge."""
    call, script = racing(clock), Script((0.5, failing(DOWN)))
    with pytest.raises(BoundaryError):
        hedged(clock, script, call)
    assert clock.elapsed == 0.5
    assert len(script.calls) == 1


@pytest.mark.parametrize(
    "kind",
    [
        FailureKind.CIRCUIT_OPEN,
        FailureKind.BULKHEAD_FULL,
        FailureKind.COOLING_DOWN,
        FailureKind.BUDGET_EXHAUSTED,
    ],
)
@pytest.mark.parametrize("then", ["one", failing(DOWN)])
def test_a_second_that_is_turned_away_changes_nothing(clock: VirtualClock, kind: FailureKind, then: Any) -> None:
    """The first's answer or error leaves when it comes; the second has no attempt."""
    call, script = racing(clock), Script((3.0, then), (0.0, failing(kind, stage="breaker")))
    if isinstance(then, BoundaryError):
        with pytest.raises(BoundaryError) as caught:
            hedged(clock, script, call)
        assert caught.value is then
    else:
        assert hedged(clock, script, call) == then
    assert clock.elapsed == 3.0
    assert [row[:2] for row in written(call)] == [(1, "initial")]
    assert call.journal.tries == 2


def test_of_a_second_that_is_turned_away_no_end_is_told(clock: VirtualClock) -> None:
    """It never began."""
    ear = Ear()
    script = Script((3.0, "one"), (0.0, failing(FailureKind.BULKHEAD_FULL, stage="bulkhead")))
    assert hedged(clock, script, racing(clock, ear=ear)) == "one"
    assert [event.run.number for event in ear.events if isinstance(event, RunEnded)] == [1]


def test_a_first_that_is_turned_away_has_no_attempt_and_no_second(clock: VirtualClock) -> None:
    """Nothing is written down, and the run is not marked as written: the retry stage may go on with it."""
    call, script = racing(clock), Script((0.0, failing(FailureKind.COOLING_DOWN, stage="cooldown")))
    with pytest.raises(BoundaryError):
        hedged(clock, script, call)
    assert not call.journal.runs
    assert not call.run.closed
    assert call.run.failure is None


@pytest.mark.parametrize("which", [0, 1])
def test_a_programmers_error_is_raised_at_once(clock: VirtualClock, which: int) -> None:
    """No other attempt can make it good."""
    script = [(5.0, "slow"), (5.0, "slow")]
    script[which] = (1.5, MisuseError("no"))  # type: ignore[assignment]
    call = racing(clock)
    with pytest.raises(MisuseError):
        hedged(clock, Script(*script), call)
    assert clock.elapsed == 1.5 + which
    assert [row[-1] for row in written(call)] == [True, True]


# --- when it begins


@pytest.mark.parametrize(
    ("started", "after", "now", "deadline", "expected"),
    [
        (None, 1.0, 5.0, 10.0, 6.0),  # not admitted yet: ask again
        (4.0, 1.0, 4.5, 10.0, 5.0),
        (4.0, 1.0, 6.0, 10.0, 5.0),  # it is time
        (4.0, 6.0, 4.5, 10.0, math.inf),  # the deadline comes first
        (4.0, 5.99, 4.5, 10.0, 9.99),
        (None, 6.0, 5.0, 10.0, math.inf),
    ],
)
def test_a_second_is_due_after_the_firsts_admission(  # noqa: PLR0917 - a table
    clock: VirtualClock, started: float | None, after: float, now: float, deadline: float, expected: float
) -> None:
    """Time in a queue makes no attempt late: a second would only wait behind it."""
    start = clock.start
    call = call_for(clock, within=deadline)
    call.run.started = None if started is None else start + started
    pair = Pair(Rest("ok"), call, after, budgeted=True)
    assert pair.due(start + now) - start == pytest.approx(expected)


def test_there_is_one_second_at_most(clock: VirtualClock) -> None:
    """Once it was asked for, there is never another, whether it began or not."""
    for partition in (None, Partition(None, RetryTally(RetryBudget(ratio=0, floor=0)))):
        call = call_for(clock, partition=partition)
        call.run.started = clock.now()
        pair = Pair(Rest("ok"), call, 1.0, budgeted=True)
        assert pair.due(clock.now()) < math.inf
        assert (pair.second(runtime_of(call), clock.now() + 1.0) is None) is (partition is not None)
        assert pair.due(clock.now()) == math.inf


@pytest.mark.parametrize(("within", "raced"), [(1.0, False), (0.5, False), (1.01, True)])
def test_where_a_second_could_not_begin_in_time_there_is_no_race(
    clock: VirtualClock,
    within: float,
    raced: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Then it costs nothing: the attempt runs as without a hedge, and the retry stage writes it down."""
    call = call_for(clock, within=within)
    assert run(HedgeStage(Hedge(after=1.0), Latencies()), Rest("ok"), call) == "ok"
    rest = Rest("ok")
    assert run(HedgeStage(Hedge(after=1.0), Latencies()), rest, call) == "ok"
    assert (rest.calls[0] is call) is not raced


def test_number_reason_and_delay_are_told(clock: VirtualClock) -> None:
    """The second's number follows the last attempt's, and the first keeps its own."""
    ear = Ear()
    call = racing(clock, ear=ear)
    call.run.number = call.journal.tries = 3
    script = Script((9.0, "one"), (0.5, "two"))
    assert hedged(clock, script, call) == "two"
    assert [event for event in ear.events if isinstance(event, Hedging)] == [Hedging(4, 1.0)]
    assert [(made.number, made.reason) for made in call.journal.runs] == [(3, "initial"), (4, "hedge")]
    assert call.journal.tries == 4
    assert [attempt.run.number for attempt in script.calls] == [3, 4]


def test_of_two_good_answers_one_is_one_too_many(clock: VirtualClock) -> None:
    """Both ended before anybody looked: the first's is the call's, the second is written down as called off."""
    call = call_for(clock)
    pair = Pair(Rest(begun("one"), begun("two")), call, 1.0, budgeted=False)
    step(pair.first(call.runtime))
    second = pair.second(call.runtime, clock.now())
    assert second is not None
    step(second())
    pair.close()
    assert pair.winner().value == "one"
    assert [row[-1] for row in written(call)] == [False, True]


def test_what_has_not_given_way_is_written_down_as_it_is(clock: VirtualClock) -> None:
    """The call goes on: the attempt that still runs is over for it, at that moment."""
    call = call_for(clock)
    pair = Pair(Rest(begun("two")), call, 1.0, budgeted=False)
    call.run.started = clock.now()
    clock.advance(1.0)
    second = pair.second(call.runtime, clock.now())
    assert second is not None
    step(second())
    pair.close()
    assert written(call) == [(1, "initial", 1.0, None, True), (2, "hedge", 1.0, None, False)]


def test_one_that_was_called_off_stays_so_whatever_it_answers_later(clock: VirtualClock) -> None:
    """It swallowed its cancellation, and the call was over long before."""
    call = racing(clock)

    async def rest(attempt: Call) -> str:
        attempt.run.started = attempt.clock.now()
        if attempt.run.number == 2:
            return "two"
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(9.0)
        await asyncio.sleep(0.125)
        return "late"

    async def whole() -> Any:
        answer = await HedgeStage(Hedge(after=1.0), Latencies()).run(rest, call)
        await asyncio.sleep(0.25)
        return answer

    assert clock.run(whole()) == "two"
    assert written(call) == [(1, "initial", 1.125, None, True), (2, "hedge", 1.0, None, False)]


def test_where_nobody_listens_nothing_is_said(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """Not even that somebody could not be told."""
    assert hedged(clock, Script((9.0, "one"), (0.5, "two")), racing(clock)) == "two"
    assert not caplog.records


# --- the budget


def test_without_budget_there_is_no_second(clock: VirtualClock) -> None:
    """The first goes on alone; listeners hear why."""
    ear = Ear()
    call = racing(clock, ear=ear, partition=Partition(None, RetryTally(RetryBudget(ratio=0, floor=0))))
    script = Script((5.0, "one"))
    assert hedged(clock, script, call) == "one"
    assert clock.elapsed == 5.0
    assert [event for event in ear.events if isinstance(event, RetryBudgetExhausted)] == [RetryBudgetExhausted("hedge")]
    assert call.journal.tries == 1


def test_a_second_spends_one_of_the_budget(clock: VirtualClock) -> None:
    """Only where it begins."""
    partition = Partition(None, RetryTally(RetryBudget(ratio=0, floor=1)))
    assert hedged(clock, Script((0.5, "one")), racing(clock, partition=partition)) == "one"
    assert hedged(clock, Script((9.0, "one"), (0.5, "two")), racing(clock, partition=partition)) == "two"
    assert hedged(clock, Script((3.0, "one")), racing(clock, partition=partition)) == "one"


def test_who_has_no_budget_is_never_refused(clock: VirtualClock) -> None:
    """`retry_budget=None`."""
    call = racing(clock, partition=Partition(None, RetryTally(RetryBudget(ratio=0, floor=0))))
    assert hedged(clock, Script((9.0, "one"), (0.5, "two")), call, budgeted=False) == "two"


# --- what is late by experience


def taught(*seconds: float) -> Latencies:
    """Return what has seen attempts of these durations."""
    seen = Latencies()
    for duration in seconds:
        seen.add(duration)
    return seen


def test_before_enough_was_seen_nothing_is_late(clock: VirtualClock) -> None:
    """Nineteen attempts say nothing; the twentieth call is the last one without a hedge."""
    stage = HedgeStage(Hedge(), seen := taught(*[1.0] * 19))
    assert clock.run(stage.run(Script((8.0, "one")), racing(clock))) == "one"
    assert seen.late() == 1.0
    assert clock.run(stage.run(Script((8.0, "one"), (0.5, "two")), racing(clock))) == "two"
    assert clock.elapsed == 8.0 + 1.5


@pytest.mark.parametrize(
    ("script", "noted"),
    [
        (((0.5, "one"),), [0.5]),
        (((3.0, "one"), (9.0, "two")), [3.0]),
        (((9.0, "one"), (2.0, "two")), [3.0]),  # overtaken after so long: longer than that
        (((0.5, failing(DOWN)),), []),
        (((1.5, failing(DOWN)), (2.0, "two")), []),
        (((0.0, failing(FailureKind.CIRCUIT_OPEN, stage="breaker")),), []),
    ],
)
def test_what_first_attempts_take_is_noted(clock: VirtualClock, script: Any, noted: list[float]) -> None:
    """A failure says nothing, a second that won was only the quicker of two, one overtaken took at least so long."""
    seen = taught(*[1.0] * 20)
    try:
        clock.run(HedgeStage(Hedge(), seen).run(Script(*script), racing(clock)))
    except BoundaryError:
        assert not noted
    assert list(seen._latest)[20:] == noted


def test_what_was_answered_without_an_attempt_teaches_nothing(clock: VirtualClock) -> None:
    """There is no time that it took."""
    seen = Latencies()
    assert run(HedgeStage(Hedge(), seen), Rest("ok"), call_for(clock)) == "ok"
    assert not seen._latest


def test_the_late_ones_do_not_make_the_others_late(clock: VirtualClock) -> None:
    """One in twenty is slow, for ever: the measure stays, since those that are overtaken still count."""
    stage = HedgeStage(Hedge(), seen := taught(*[1.0] * 19, 5.0), budgeted=False)
    for number in range(300):
        slow = number % 20 == 0
        script = Script((5.0 if slow else 1.0, "one"), (1.0, "two"))
        clock.run(stage.run(script, racing(clock)))
    assert seen.late() == 1.0


def test_a_fixed_delay_learns_nothing(clock: VirtualClock) -> None:
    """Nobody would ask."""
    seen = Latencies()
    stage = HedgeStage(Hedge(after=1.0), seen)
    clock.run(stage.run(Script((0.5, "one")), racing(clock)))
    clock.run(stage.run(Script((0.5, "one")), racing(clock, within=0.9)))
    assert not seen._latest


# --- what is told


def test_each_attempt_is_told_to_end_once(clock: VirtualClock) -> None:
    """The one that was called off as cancelled, when it has really given way; numbers in the order of the events."""
    ear = Ear()
    assert hedged(clock, Script((9.0, "one"), (0.5, "two")), racing(clock, ear=ear)) == "two"
    told = [(event.run.number, event.run.cancelled) for event in ear.events if isinstance(event, RunEnded)]
    assert sorted(told) == [(1, True), (2, False)]


def test_of_a_loser_nothing_is_told_but_its_end(clock: VirtualClock) -> None:
    """The call may be over by then, and its span ended."""
    ear = Ear()
    call = racing(clock, ear=ear)

    async def rest(attempt: Call) -> Any:
        attempt.run.started = attempt.clock.now()
        if attempt.run.number == 2:
            return "two"
        try:
            await asyncio.sleep(9.0)
        finally:
            await asyncio.sleep(0)
            attempt.report(BreakerMoved("late", "closed", "open"))

    async def whole() -> Any:
        answer = await HedgeStage(Hedge(after=1.0), Latencies()).run(rest, call)
        await asyncio.sleep(0.1)
        return answer

    assert clock.run(whole()) == "two"
    assert not [event for event in ear.events if isinstance(event, BreakerMoved)]
    assert len([event for event in ear.events if isinstance(event, RunEnded)]) == 2


def test_while_it_is_not_decided_everything_is_told(clock: VirtualClock) -> None:
    """Both attempts are of this call."""
    ear = Ear()
    call = racing(clock, ear=ear)

    async def rest(attempt: Call) -> Any:
        attempt.run.started = attempt.clock.now()
        attempt.report(BreakerMoved("early", "closed", "open"))
        await asyncio.sleep(5.0)
        return "ok"

    assert clock.run(HedgeStage(Hedge(after=1.0), Latencies()).run(rest, call)) == "ok"
    assert len([event for event in ear.events if isinstance(event, BreakerMoved)]) == 2


@pytest.mark.parametrize("at", [0.5, 2.0])
def test_a_cancelled_call_has_its_attempts_written_down(clock: VirtualClock, at: float) -> None:
    """As cancelled, once, whoever cancels and however many there are."""
    ear = Ear()
    call, script = racing(clock, ear=ear), Script((9.0, "one"), (9.0, "two"))

    async def whole() -> None:
        task = asyncio.ensure_future(HedgeStage(Hedge(after=1.0), Latencies()).run(script, call))
        await asyncio.sleep(at)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(whole())
    begun = 1 if at < 1.0 else 2
    assert [row[2:] for row in written(call)] == [(at, None, True)] * begun
    assert [event.run.cancelled for event in ear.events if isinstance(event, RunEnded)] == [True] * begun
    assert call.run.closed


def test_what_the_attempts_inherit(clock: VirtualClock) -> None:
    """Deadline, arguments, key, priority and whose deadline it is: a second attempt is the same call."""
    call = racing(clock, "ticket", urgent=True)
    call.journal.priority, call.journal.shortened = 2, True
    script = Script((9.0, "one"), (0.5, "two"))
    hedged(clock, script, call)
    for attempt in script.calls:
        assert (attempt.args, attempt.kwargs, attempt.deadline) == (("ticket",), {"urgent": True}, call.deadline)
        assert attempt.fn is call.fn
        assert attempt.journal.partition is call.journal.partition
        assert (attempt.journal.priority, attempt.journal.shortened) == (2, True)
        assert attempt.journal.begun == call.journal.begun
    assert script.calls[0].run is call.run
    assert script.calls[1].run is not call.run


def test_each_waits_through_its_own_runtime(clock: VirtualClock) -> None:
    """Through the call's own, nothing could be called off alone."""
    call, rest, lanes = call_for(clock), Rest("ok"), [FakeRuntime(clock), FakeRuntime(clock)]
    pair = Pair(rest, call, 1.0, budgeted=False)
    step(pair.first(lanes[0]))
    second = pair.second(lanes[1], clock.now())
    assert second is not None
    step(second())
    assert [attempt.runtime for attempt in rest.calls] == lanes


@pytest.mark.parametrize(
    ("event", "passes"),
    [
        (RunStarted(Run()), True),
        (RunEnded(Run()), True),
        (BreakerMoved("a", "closed", "open"), False),
        (RetryBudgetExhausted("hedge"), False),
    ],
)
def test_once_it_is_decided_only_attempts_are_told(event: Event, passes: bool) -> None:  # noqa: FBT001 - a table
    """What has begun has to end for whoever listens; everything else is of a call that may be over."""
    ear = Ear()
    told = Told(ear)
    told.hear(event)
    told.decided = True
    told.hear(event)
    assert len(ear.events) == 1 + passes
