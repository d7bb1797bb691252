"""The retry stage alone: its pure decisions as tables, its loop on virtual time, tenacity's objects in it."""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from aiguard import BoundaryError, DeadlineExceededError, Failure, FailureKind, PolicyError, Retry, RetryBudget
from aiguard.contract.rates import Tally
from aiguard.events import RetryBudgetExhausted, Retrying, RunEnded
from aiguard.failure import INVALID_OUTPUTS, REJECTIONS, RETRIED_BY_DEFAULT
from aiguard.stages.partition import Partition
from aiguard.stages.retry import RetryStage, after_pause, full_jitter
from aiguard.stages.retry_budget import RetryTally
from tests.stages.fakes import Ear, Rest, call_for, failing, run, runtime_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call
    from aiguard.testing import VirtualClock

DOWN = FailureKind.CONNECTION


def started(then: Any) -> Callable[[Call], Any]:
    """Return a step of an attempt that the bulkhead lets in."""

    def begin(call: Call) -> Any:
        call.run.started = call.clock.now()
        return then(call) if callable(then) else then

    return begin


def attempts(*script: Any) -> Rest:
    """Return a rest of the pipeline whose attempts all begin."""
    return Rest(*(started(step) for step in script))


def down(kind: FailureKind = DOWN, **fields: Any) -> BoundaryError:
    """Return a failure that may pass."""
    return failing(kind, **fields)


# --- pure decisions


@pytest.mark.parametrize(
    ("failures", "most"), [(1, 0.1), (2, 0.2), (3, 0.4), (4, 0.8), (5, 1.6), (6, 2.0), (7, 2.0), (2000, 2.0)]
)
def test_the_wait_is_full_jitter_under_a_cap(failures: int, most: float) -> None:
    """It spreads over the whole of 0 to 0.1 s × 2ⁿ⁻¹, at most 2 s, however long it goes on."""
    assert full_jitter(failures, 0.0) == 0.0
    assert full_jitter(failures, 0.5) == pytest.approx(most / 2)
    assert full_jitter(failures, 1.0) == pytest.approx(most)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_the_wait_is_never_negative_nor_over_its_cap(failures: int, chance: float) -> None:
    """No number of failures and no chance leaves the range."""
    assert 0.0 <= full_jitter(failures, chance) <= 2.0


RETRIED = {
    "timeout",
    "connection",
    "server_error",
    "malformed_transport",
    "overloaded",
    "rate_limited",
    "stream_interrupted",
    "worker_crashed",
    "worker_poisoned",
}
"""Column three of the table in the architecture, invalid outputs aside: those are asked for again."""


@pytest.mark.parametrize("kind", FailureKind)
def test_what_is_retried_by_default(clock: VirtualClock, kind: FailureKind) -> None:
    """Each kind is tried again or not as the architecture's table says."""
    rest = attempts(down(kind), "ok")
    with contextlib.suppress(BoundaryError):
        run(RetryStage(Retry(attempts=2), 0), rest, call_for(clock))
    assert len(rest.calls) == (2 if kind in RETRIED else 1)


def test_no_retry_setting_means_one_attempt(clock: VirtualClock) -> None:
    """The stage is always there, with one attempt."""
    rest = attempts(down(), "ok")
    with pytest.raises(BoundaryError) as caught:
        run(RetryStage(None, 0), rest, call_for(clock))
    assert caught.value.failure.kind is DOWN
    assert len(rest.calls) == 1


def test_attempts_counts_the_first(clock: VirtualClock) -> None:
    """Three attempts are two retries; the last error leaves."""
    errors = [down(), down(), down(), down()]
    rest = attempts(*errors)
    with pytest.raises(BoundaryError) as caught:
        run(RetryStage(Retry(attempts=3), 0), rest, call_for(clock))
    assert caught.value is errors[2]
    assert len(rest.calls) == 3


def test_the_kinds_to_retry_may_be_named(clock: VirtualClock) -> None:
    """`on` replaces the default set."""
    stage = RetryStage(Retry(attempts=2, on={FailureKind.UNCLASSIFIED}), 0)  # type: ignore[arg-type]
    assert run(stage, attempts(down(FailureKind.UNCLASSIFIED), "ok"), call_for(clock)) == "ok"
    with pytest.raises(BoundaryError):
        run(stage, attempts(down(), "ok"), call_for(clock))


@pytest.mark.parametrize("kind", sorted(REJECTIONS | INVALID_OUTPUTS | {FailureKind.DEADLINE_EXHAUSTED}))
def test_what_can_never_be_retried_is_refused_at_declaration(kind: FailureKind) -> None:
    """A rejection is no failure of the component, an invalid answer has `reask`."""
    with pytest.raises(PolicyError, match=kind.value):
        Retry(on=frozenset({kind}))


# --- the loop


def test_waits_are_drawn_from_the_calls_clock(clock: VirtualClock) -> None:
    """Nothing but the clock is a source of chance: two equal clocks give equal waits."""
    call = call_for(clock)
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(attempts=4), 0), attempts(down()), call)
    twin = type(clock)()
    assert runtime_of(call).slept == [full_jitter(number, twin.random()) for number in (1, 2, 3)]


def test_a_servers_wish_is_a_floor(clock: VirtualClock) -> None:
    """`Retry-After` is waited for and a jitter over it: not everybody comes back at the same moment."""
    call = call_for(clock)
    run(RetryStage(Retry(attempts=2), 0), attempts(down(FailureKind.RATE_LIMITED, retry_after=3.0), "ok"), call)
    twin = type(clock)()
    assert runtime_of(call).slept == [3.0 + full_jitter(1, twin.random())]
    assert runtime_of(call).slept != [3.0]


@pytest.mark.parametrize(
    ("floor", "failures", "chance", "left", "expected"),
    [
        (3.0, 1, 0.0, 10.0, 3.0),
        (3.0, 1, 0.5, 10.0, 3.05),
        (3.0, 2, 0.5, 10.0, 3.1),
        (3.0, 9, 0.5, 10.0, 4.0),  # as long as any jitter gets
        (3.0, 9, 0.5, 5.0, 4.0),  # what is left holds the longest jitter exactly
        (3.0, 9, 0.5, 4.0, 3.5),  # one second of room: half of it
        (3.0, 9, 0.25, 3.4, 3.1),
        (3.0, 9, 0.5, 3.0, 4.0),  # not even the floor fits: nothing to shrink for
        (3.0, 9, 0.5, 2.0, 4.0),
        (3.0, 9, 0.5, -1.0, 4.0),
    ],
)
def test_the_jitter_over_a_floor_shrinks_to_what_fits(
    floor: float, failures: int, chance: float, left: float, expected: float
) -> None:
    """It is drawn from 0 to its usual cap, or to the end of the time where that comes first and the floor fits."""
    assert after_pause(floor, failures, chance, left) == pytest.approx(expected)


@given(st.floats(0.001, 3600), st.integers(1, 200), st.floats(0, 0.999), st.floats(0, 7200))
def test_a_floor_that_fits_is_waited_for_in_time(floor: float, failures: int, chance: float, left: float) -> None:
    """Never less than the floor, never past the end where the floor is not."""
    delay = after_pause(floor, failures, chance, left)
    assert floor <= delay <= floor + 2.0
    assert left - floor < 1e-6 or delay < left


@pytest.mark.parametrize(
    ("wait", "retry_after", "within", "expected"),
    [
        (1.5, 1.0, 10.0, [1.5]),  # the policy's own is longer than any jitter over the floor
        (0.2, 1.0, 10.0, [1.05]),
        (0.2, None, 10.0, [0.2]),
        (0.2, 0.0, 10.0, [0.2]),
        (0.2, 1.0, 1.04, [1.02]),  # the jitter shrinks
        (0.2, 1.0, 1.0, []),  # the floor does not fit
        (1.5, 1.0, 1.5, []),  # the policy's own wait never shrinks
    ],
)
def test_a_wait_of_ones_own_is_held_to_the_floor(
    clock: VirtualClock, wait: float, retry_after: float | None, within: float, expected: list[float]
) -> None:
    """Tenacity's `wait` holds unless the server's wish, with its jitter, is longer."""
    call = call_for(clock, within=within)
    clock.random = lambda: 0.5  # type: ignore[method-assign]
    stage = RetryStage(Retry(attempts=2, wait=tenacity.wait_fixed(wait)), 0)
    with contextlib.suppress(BoundaryError):
        run(stage, attempts(down(FailureKind.RATE_LIMITED, retry_after=retry_after), "ok"), call)
    assert runtime_of(call).slept == pytest.approx(expected)


def test_nobody_sleeps_past_the_deadline(clock: VirtualClock) -> None:
    """A wait that does not fit is not begun: the failure leaves at once, for the ladder to answer."""
    call = call_for(clock, within=2.0)
    with pytest.raises(BoundaryError) as caught:
        run(RetryStage(Retry(), 0), attempts(down(FailureKind.RATE_LIMITED, retry_after=2.0), "ok"), call)
    assert caught.value.failure.retry_after == 2.0
    assert clock.elapsed == 0.0


def test_a_delivered_item_ends_all_retrying(clock: VirtualClock) -> None:
    """Half an answer is with the caller: neither a retry nor a reask may begin another one."""
    for error in (down(), failing(FailureKind.SCHEMA_VIOLATION)):
        call = call_for(clock)
        call.journal.delivered = 1
        rest = attempts(error, "ok")
        with pytest.raises(BoundaryError):
            run(RetryStage(Retry(), 3), rest, call)
        assert len(rest.calls) == 1


@pytest.mark.parametrize("kind", sorted(INVALID_OUTPUTS))
def test_an_invalid_answer_is_asked_for_again_but_for_a_truncated_one(clock: VirtualClock, kind: FailureKind) -> None:
    """`reask` adds so many attempts, at once; the same question would be cut at the same length once more."""
    call, rest = call_for(clock), attempts(down(kind))
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(attempts=5), 2), rest, call)
    assert len(rest.calls) == (1 if kind is FailureKind.TRUNCATED else 3)
    assert not runtime_of(call).slept


def test_reasks_and_retries_are_counted_apart(clock: VirtualClock) -> None:
    """An invalid answer spends no retry, a failure no reask."""
    rest = attempts(down(FailureKind.EMPTY_OUTPUT), down(), down(FailureKind.EMPTY_OUTPUT), down(), "ok")
    call = call_for(clock)
    assert run(RetryStage(Retry(attempts=3), 2, budgeted=False), rest, call) == "ok"
    assert [made.reason for made in call.journal.runs] == ["initial", "reask", "retry", "reask", "retry"]
    assert [made.number for made in call.journal.runs] == [1, 2, 3, 4, 5]


def test_only_who_is_asked_again_is_told_what_was_wrong(clock: VirtualClock) -> None:
    """A component that lost its connection has nothing to mend."""

    def component(*, feedback: str = "") -> str:
        return feedback

    rest = attempts(down(), down(FailureKind.EMPTY_OUTPUT), "ok")
    assert run(RetryStage(Retry(), 1), rest, call_for(clock, fn=component)) == "ok"
    assert [attempt.kwargs for attempt in rest.calls] == [{}, {}, {"feedback": "empty_output: it failed"}]


def test_what_answers_came_to_is_counted(clock: VirtualClock) -> None:
    """Each answer once, at its end: broken, repaired or as it should be; what failed without an answer is none."""
    tally = Tally()
    stage = RetryStage(Retry(), 1, tally=tally)

    def repaired(call: Call) -> str:
        call.run.repaired = "fence"
        return "ok"

    run(stage, attempts(down(), down(FailureKind.EMPTY_OUTPUT), repaired), call_for(clock))
    rates = tally.rates(clock.now())
    assert (rates.judged, rates.broken, rates.repaired) == (2, 1, 1)
    assert dict(rates.codes) == {"empty_output": 1}
    run(stage, attempts("ok"), call_for(clock))
    rates = tally.rates(clock.now())
    assert (rates.judged, rates.broken, rates.repaired) == (3, 1, 1)


def test_every_attempt_is_written_down(clock: VirtualClock) -> None:
    """Number, reason, failure and times are those of the attempt, the contract's verdict included."""

    def slow(call: Call) -> Any:
        call.run.started = clock.now()
        clock.advance(0.5)
        return down()

    call = call_for(clock)
    run(RetryStage(Retry(attempts=2, wait=tenacity.wait_fixed(1)), 0), Rest(slow, started("ok")), call)
    first, second = call.journal.runs
    assert (first.number, first.reason, first.started, first.ended) == (1, "initial", 1000.0, 1000.5)
    assert first.failure is not None
    assert first.failure.kind is DOWN
    assert (second.number, second.reason, second.started, second.failure) == (2, "retry", 1001.5, None)
    assert second.ended == 1001.5
    assert (first.cancelled, second.cancelled) == (False, False)


def test_each_attempt_has_a_run_of_its_own(clock: VirtualClock) -> None:
    """What one attempt leaves behind, a thread or a span, is not seen by the next."""
    rest = attempts(down(), "ok")
    run(RetryStage(Retry(), 0), rest, call_for(clock))
    assert rest.calls[0].run is not rest.calls[1].run
    assert rest.calls[0].journal is rest.calls[1].journal
    assert rest.calls[0].deadline == rest.calls[1].deadline


def test_a_rejected_call_has_no_attempt(clock: VirtualClock) -> None:
    """What never began is not written down."""
    call = call_for(clock)
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(), 0), Rest(failing(FailureKind.CIRCUIT_OPEN)), call)
    assert not call.journal.runs


@pytest.mark.parametrize("kind", sorted(REJECTIONS - {FailureKind.COOLING_DOWN}))
def test_only_a_pause_is_waited_out(clock: VirtualClock, kind: FailureKind) -> None:
    """Who is turned away for another reason goes to the ladder at once, though it is said when that will be over."""
    call, rest = call_for(clock), Rest(failing(kind, retry_after=1.0), started("ok"))
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(), 0), rest, call)
    assert len(rest.calls) == 1
    assert not runtime_of(call).slept


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(), GeneratorExit(), TypeError("misuse")])
def test_an_interrupt_ends_the_attempt_and_passes(clock: VirtualClock, ending: BaseException) -> None:
    """It is written down as cancelled, and never retried."""
    ear = Ear()
    call, rest = call_for(clock, ear=ear), attempts(ending, "ok")
    with pytest.raises(type(ending)):
        run(RetryStage(Retry(on=tenacity.retry_always), 0), rest, call)
    assert len(rest.calls) == len(call.journal.runs) == 1
    assert [(type(event), event.run.cancelled) for event in ear.events if isinstance(event, RunEnded)] == [
        (RunEnded, True)
    ]


def test_listeners_hear_of_each_further_attempt(clock: VirtualClock) -> None:
    """Number, reason, delay and failure of what follows are told, before the wait."""
    ear = Ear()
    stage = RetryStage(Retry(wait=tenacity.wait_fixed(1)), 1)
    call = call_for(clock, ear=ear)
    run(stage, attempts(down(), down(FailureKind.EMPTY_OUTPUT), "ok"), call)
    told = [event for event in ear.events if isinstance(event, Retrying)]
    assert [(event.number, event.reason, event.delay, event.failure.kind) for event in told] == [
        (2, "retry", 1.0, DOWN),
        (3, "reask", 0.0, FailureKind.EMPTY_OUTPUT),
    ]
    assert [event.run for event in ear.events if isinstance(event, RunEnded)] == call.journal.runs


# --- a component that must not be asked twice


@pytest.mark.parametrize("kind", FailureKind)
def test_what_may_have_begun_is_not_repeated(clock: VirtualClock, kind: FailureKind) -> None:
    """`idempotent=False`: tried again is only what the component itself refused to begin."""
    rest = attempts(down(kind), "ok")
    with contextlib.suppress(BoundaryError):
        run(RetryStage(Retry(attempts=2), 0, idempotent=False), rest, call_for(clock))
    assert len(rest.calls) == (2 if kind in {"rate_limited", "overloaded"} else 1)


def test_of_what_may_be_repeated_only_what_was_named_is(clock: VirtualClock) -> None:
    """A narrower `on` stays narrower."""
    stage = RetryStage(Retry(attempts=2, on=frozenset({FailureKind.OVERLOADED})), 0, idempotent=False)
    rest = attempts(down(FailureKind.RATE_LIMITED), "ok")
    with pytest.raises(BoundaryError):
        run(stage, rest, call_for(clock))
    assert len(rest.calls) == 1


# --- a pause that somebody else asked for


def cooling(left: float | None) -> BoundaryError:
    """Return what a call is turned away with that came into a pause."""
    return failing(FailureKind.COOLING_DOWN, stage="cooldown", retry_after=left)


def test_a_pause_is_waited_out(clock: VirtualClock) -> None:
    """The call goes on once it is over, with a jitter, as if the component itself had asked for it."""
    call, rest = call_for(clock), Rest(cooling(3.0), started("ok"))
    assert run(RetryStage(Retry(), 0), rest, call) == "ok"
    twin = type(clock)()
    assert runtime_of(call).slept == [3.0 + full_jitter(1, twin.random())]
    assert [(made.number, made.reason) for made in call.journal.runs] == [(1, "initial")]
    assert call.journal.tries == 1


def test_a_wait_for_a_pause_counts_no_attempt(clock: VirtualClock) -> None:
    """However often it happens, before the first attempt, between two, or after what would be the last."""
    call = call_for(clock)
    rest = Rest(cooling(1.0), cooling(1.0), started(down()), cooling(1.0), cooling(0.5), started("ok"))
    assert run(RetryStage(Retry(attempts=2), 0), rest, call) == "ok"
    assert [(made.number, made.reason) for made in call.journal.runs] == [(1, "initial"), (2, "retry")]
    assert len(runtime_of(call).slept) == 5


def test_listeners_hear_what_the_pause_holds_up(clock: VirtualClock) -> None:
    """The number and the reason are those of the attempt that waits."""
    ear = Ear()
    rest = Rest(cooling(1.0), started(down()), cooling(2.0), started("ok"))
    run(RetryStage(Retry(wait=lambda _: 0.5), 0), rest, call_for(clock, ear=ear))
    told = [event for event in ear.events if isinstance(event, Retrying)]
    assert [(event.number, event.reason, event.failure.kind.value) for event in told] == [
        (1, "initial", "cooling_down"),
        (2, "retry", "connection"),
        (2, "retry", "cooling_down"),
    ]


def test_what_has_begun_to_answer_is_not_asked_twice_where_that_would_hurt(clock: VirtualClock) -> None:
    """An overload in the middle of a stream that is held back is no refusal to begin."""

    def broke(call: Call) -> Any:
        call.run.started = clock.now()
        call.run.answering = True
        raise failing(FailureKind.OVERLOADED)

    for idempotent, tried in ((True, 2), (False, 1)):
        rest = Rest(*[broke] * 2)
        with pytest.raises(BoundaryError):
            run(RetryStage(Retry(attempts=2), 0, idempotent=idempotent), rest, call_for(clock))
        assert len(rest.calls) == tried


@pytest.mark.parametrize(
    ("retry", "idempotent", "waited"),
    [
        (Retry(), True, True),
        (Retry(), False, True),  # nothing was begun
        (Retry(attempts=1), True, True),  # no attempt was made, so there is still one
        (None, True, False),
        (Retry(on={"rate_limited"}), True, True),  # type: ignore[arg-type]
        (Retry(on={"connection"}), True, False),  # type: ignore[arg-type]
        (Retry(on={"overloaded"}), False, False),  # type: ignore[arg-type]
        (Retry(on=tenacity.retry_always), True, False),  # it knows exceptions, and there is none
        (Retry(stop=tenacity.stop_after_attempt(1)), True, True),
    ],
)
def test_who_waits_a_pause_out(clock: VirtualClock, retry: Retry | None, idempotent: bool, waited: bool) -> None:  # noqa: FBT001 - parameters
    """Who would wait for "too many requests"; anybody else's call goes to the ladder at once."""
    call, rest = call_for(clock), Rest(cooling(1.0), started("ok"))
    with contextlib.suppress(BoundaryError):
        run(RetryStage(retry, 0, idempotent=idempotent), rest, call)
    assert len(rest.calls) == (2 if waited else 1)
    assert bool(runtime_of(call).slept) is waited


@pytest.mark.parametrize(("left", "waited"), [(1.99, True), (2.0, False), (2.5, False), (None, False)])
def test_a_pause_that_does_not_fit_goes_to_the_ladder_at_once(
    clock: VirtualClock,
    left: float | None,
    waited: bool,  # noqa: FBT001 - a parameter
) -> None:
    """No time is spent on what cannot succeed."""
    call, rest = call_for(clock, within=2.0), Rest(cooling(left), started("ok"))
    with contextlib.suppress(BoundaryError):
        run(RetryStage(Retry(), 0), rest, call)
    assert len(rest.calls) == (2 if waited else 1)
    assert (clock.elapsed > 0) is waited
    assert clock.elapsed < 2.0


def test_a_pause_inside_the_component_is_not_waited_for(clock: VirtualClock) -> None:
    """A nested boundary turned the call away: its rejection is an attempt of this one, and is not tried again."""
    rest = attempts(failing(FailureKind.COOLING_DOWN, retry_after=1.0), "ok")
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(), 0), rest, call_for(clock))
    assert len(rest.calls) == 1


# --- the retry budget


def nothing_to_spend() -> Partition:
    """Return what calls share that may not try again."""
    return Partition(None, RetryTally(RetryBudget(ratio=0, floor=0)))


@pytest.mark.parametrize(
    ("error", "reason"), [(down(), "retry"), (failing(FailureKind.EMPTY_OUTPUT, stage="output"), "reask")]
)
def test_where_the_budget_is_spent_the_original_error_leaves(
    clock: VirtualClock, error: BoundaryError, reason: str
) -> None:
    """At once, with a word to whoever reads it; listeners hear of it too."""
    ear = Ear()
    call, rest = call_for(clock, ear=ear, partition=nothing_to_spend()), attempts(error, "ok")
    with pytest.raises(BoundaryError) as caught:
        run(RetryStage(Retry(), 1), rest, call)
    assert caught.value is error
    assert len(rest.calls) == 1
    assert clock.elapsed == 0.0
    assert "retry_budget" in " ".join(caught.value.__notes__)
    assert [event.reason for event in ear.events if isinstance(event, RetryBudgetExhausted)] == [reason]
    assert not [event for event in ear.events if isinstance(event, Retrying)]


def test_an_error_that_nobody_would_try_again_says_nothing_of_a_budget(clock: VirtualClock) -> None:
    """The budget is asked last: only where everything else is for another attempt."""
    for error, within in ((down(FailureKind.AUTH), 10.0), (down(retry_after=3.0), 2.0)):
        partition = nothing_to_spend()
        with pytest.raises(BoundaryError) as caught:
            run(RetryStage(Retry(), 0), attempts(error), call_for(clock, within=within, partition=partition))
        assert not hasattr(caught.value, "__notes__")


def test_retries_and_reasks_spend_the_same_budget(clock: VirtualClock) -> None:
    """One of each is two."""
    partition = Partition(None, RetryTally(RetryBudget(ratio=0, floor=2)))
    rest = attempts(down(), failing(FailureKind.EMPTY_OUTPUT), down(), "never")
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(attempts=9), 9), rest, call_for(clock, partition=partition))
    assert len(rest.calls) == 3


def test_who_has_no_budget_is_never_refused(clock: VirtualClock) -> None:
    """`retry_budget=None`: attempts are limited by the call's own policy alone."""
    rest = attempts(*[down()] * 9, "ok")
    stage = RetryStage(Retry(attempts=10), 0, budgeted=False)
    assert run(stage, rest, call_for(clock, within=1000.0, partition=nothing_to_spend())) == "ok"


def test_a_wait_for_a_pause_spends_nothing(clock: VirtualClock) -> None:
    """No attempt is added by it."""
    rest = Rest(cooling(1.0), cooling(1.0), started("ok"))
    assert run(RetryStage(Retry(), 0), rest, call_for(clock, partition=nothing_to_spend())) == "ok"


@pytest.mark.parametrize(
    ("stage", "counted"),
    [
        (RetryStage(Retry(), 0), True),
        (RetryStage(Retry(), 0, counting=False), False),
    ],
)
def test_calls_are_counted_where_somebody_may_spend(
    clock: VirtualClock,
    stage: RetryStage,
    counted: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Once a call, whatever becomes of it: ten calls at a tenth are one further attempt."""
    partition = Partition(None, RetryTally(RetryBudget(ratio=0.1, floor=0)))
    for _ in range(9):
        run(stage, attempts("ok"), call_for(clock, partition=partition))
    assert not partition.retries.spend(clock.now())
    run(stage, attempts("ok"), call_for(clock, partition=partition))
    assert partition.retries.spend(clock.now()) is counted


def test_a_run_that_the_hedge_wrote_down_is_not_written_again(clock: VirtualClock) -> None:
    """Neither where it succeeded nor where it failed; numbers go on after the hedge's own."""

    def hedged(then: Any) -> Callable[[Call], Any]:
        def step(call: Call) -> Any:
            call.run.started = clock.now()
            call.run.closed = True
            call.journal.tries += 1
            return then

        return step

    ear = Ear()
    call = call_for(clock, ear=ear)
    rest = Rest(hedged(down()), hedged("ok"))
    assert run(RetryStage(Retry(), 0), rest, call) == "ok"
    assert not call.journal.runs
    assert not [event for event in ear.events if isinstance(event, RunEnded)]
    assert [made.run.number for made in rest.calls] == [1, 3]


# --- tenacity


def with_cause(error: Exception, kind: FailureKind = DOWN) -> BoundaryError:
    """Return the error of an attempt in which the component raised `error`."""
    leaving = failing(kind, exception=error)
    leaving.__cause__ = error
    return leaving


def test_the_state_is_counted_on_the_calls_clock(clock: VirtualClock) -> None:
    """Attempt number, times, outcome and arguments are those of this call, on virtual time."""
    seen: list[dict[str, Any]] = []
    raised = ValueError("no")

    def wait(state: Any) -> float:
        seen.append(
            {
                "attempt_number": state.attempt_number,
                "seconds_since_start": state.seconds_since_start,
                "fn": state.fn,
                "args": state.args,
                "kwargs": state.kwargs,
                "failed": state.outcome.failed,
                "exception": state.outcome.exception(),
            }
        )
        return 2.0

    call = call_for(clock, "ticket", urgent=True)
    run(RetryStage(Retry(wait=wait), 0), attempts(with_cause(raised), with_cause(raised), "ok"), call)
    common = {"fn": call.fn, "args": ("ticket",), "kwargs": {"urgent": True}, "failed": True, "exception": raised}
    assert seen == [
        {"attempt_number": 1, "seconds_since_start": 0.0, **common},
        {"attempt_number": 2, "seconds_since_start": 2.0, **common},
    ]


@pytest.mark.parametrize(
    ("wait", "expected"),
    [
        (tenacity.wait_none(), []),
        (tenacity.wait_fixed(0.5), [0.5, 0.5, 0.5]),
        (tenacity.wait_incrementing(start=0.1, increment=0.2), [0.1, 0.3, 0.5]),
        (tenacity.wait_exponential(multiplier=0.1, max=0.3), [0.1, 0.2, 0.3]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(2)), [1.0, 2.0, 2.0]),
        (tenacity.wait_fixed(1) + tenacity.wait_fixed(0.5), [1.5, 1.5, 1.5]),
        (lambda state: -float(state.attempt_number), []),
    ],
)
def test_tenacitys_waits_are_waited(clock: VirtualClock, wait: Any, expected: list[float]) -> None:
    """A `wait_*` object says how long; a negative wait is none."""
    call = call_for(clock)
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(attempts=4, wait=wait), 0), attempts(down()), call)
    assert runtime_of(call).slept == pytest.approx(expected)


@pytest.mark.parametrize("seconds", [math.nan, -0.5, -3.0, 0.0])
def test_a_wait_that_is_none_is_told_as_none(clock: VirtualClock, seconds: float) -> None:
    """Whatever the policy's own object makes of it, the next attempt follows at once."""
    ear = Ear()
    stage = RetryStage(Retry(attempts=2, wait=lambda _: seconds), 0)
    assert run(stage, attempts(down(), "ok"), call_for(clock, ear=ear)) == "ok"
    assert [event.delay for event in ear.events if isinstance(event, Retrying)] == [0.0]
    assert clock.elapsed == 0.0


def test_tenacitys_random_waits_stay_in_their_range(clock: VirtualClock) -> None:
    """`wait_random_exponential` draws from its own chance, within its bounds."""
    call = call_for(clock, within=1000.0)
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(attempts=6, wait=tenacity.wait_random_exponential(max=1)), 0), attempts(down()), call)
    assert all(0.0 <= seconds <= 1.0 for seconds in runtime_of(call).slept)


@pytest.mark.parametrize(
    ("stop", "made"),
    [
        (tenacity.stop_after_attempt(4), 4),
        (tenacity.stop_after_delay(2.5), 4),
        (tenacity.stop_after_attempt(2) | tenacity.stop_after_delay(100), 2),
        (tenacity.stop_all(tenacity.stop_after_attempt(2), tenacity.stop_after_delay(1.5)), 3),
    ],
)
def test_tenacitys_stops_stop(clock: VirtualClock, stop: Any, made: int) -> None:
    """A `stop_*` object ends it, on the virtual clock, and `attempts` says nothing then."""
    rest = attempts(down())
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(stop=stop, wait=tenacity.wait_fixed(1)), 0), rest, call_for(clock))
    assert len(rest.calls) == made


def test_a_stop_that_looks_at_the_coming_wait_sees_it(clock: VirtualClock) -> None:
    """`stop_before_delay` asks whether the next wait still fits, as in tenacity's own loop, which waits first."""
    rest = attempts(down())
    stop = tenacity.stop_before_delay(2.5)
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(stop=stop, wait=tenacity.wait_fixed(1)), 0), rest, call_for(clock))
    assert len(rest.calls) == 3
    assert clock.elapsed == 2.0


def test_the_coming_wait_that_a_stop_sees_is_the_servers_where_that_is_longer(clock: VirtualClock) -> None:
    """What would really be waited is what counts, not what the policy alone would have waited."""
    rest = attempts(down(FailureKind.RATE_LIMITED, retry_after=3.0))
    stop = tenacity.stop_before_delay(2.5)
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(stop=stop, wait=tenacity.wait_fixed(1)), 0), rest, call_for(clock))
    assert len(rest.calls) == 1


def test_stop_and_attempts_contradict_each_other() -> None:
    """One of them decides, so giving both is refused."""
    with pytest.raises(PolicyError, match="contradict"):
        Retry(attempts=2, stop=tenacity.stop_after_attempt(3))


@pytest.mark.parametrize(
    ("predicate", "raised", "retried"),
    [
        (tenacity.retry_if_exception_type(KeyError), KeyError(), True),
        (tenacity.retry_if_exception_type(KeyError), ValueError(), False),
        (tenacity.retry_if_not_exception_type(KeyError), ValueError(), True),
        (tenacity.retry_if_not_exception_type(KeyError), KeyError(), False),
        (tenacity.retry_if_exception(lambda error: "busy" in str(error)), ValueError("busy"), True),
        (tenacity.retry_if_exception_message(message="busy"), ValueError("idle"), False),
        (tenacity.retry_if_exception_cause_type(OSError), ValueError(), False),
        (tenacity.retry_if_exception_type(KeyError) | tenacity.retry_if_exception_type(OSError), OSError(), True),
        (tenacity.retry_if_exception_type(LookupError) & tenacity.retry_if_exception_type(KeyError), KeyError(), True),
        (tenacity.retry_if_result(lambda value: value is None), ValueError(), False),
        (tenacity.retry_always, ValueError(), True),
        (tenacity.retry_never, ValueError(), False),
    ],
)
def test_tenacitys_predicates_are_asked_about_the_components_exception(
    clock: VirtualClock,
    predicate: Any,
    raised: Exception,
    retried: bool,  # noqa: FBT001 - a parameter
) -> None:
    """A `retry_*` object decides on what the component raised, whatever its kind."""
    rest = attempts(with_cause(raised, FailureKind.BAD_REQUEST), "ok")
    try:
        run(RetryStage(Retry(on=predicate), 0), rest, call_for(clock))
    except BoundaryError:
        assert not retried
    assert len(rest.calls) == (2 if retried else 1)


def test_where_nothing_was_raised_the_predicate_sees_our_error(clock: VirtualClock) -> None:
    """A timeout by our own clock is a `TimeoutError` to a predicate."""
    error = DeadlineExceededError(Failure(FailureKind.TIMEOUT, "attempt", "too slow"))
    rest = attempts(error, "ok")
    assert run(RetryStage(Retry(on=tenacity.retry_if_exception_type(TimeoutError)), 0), rest, call_for(clock)) == "ok"


def test_the_predicate_sees_the_exception_wherever_it_is_kept(clock: VirtualClock) -> None:
    """A nested boundary's error is the cause alone; of an answer that broke a contract, only the failure keeps it."""
    caused, kept = failing(DOWN), failing(DOWN, exception=KeyError())
    caused.__cause__ = KeyError()
    stage = RetryStage(Retry(attempts=2, on=tenacity.retry_if_exception_type(KeyError)), 0)
    for error in (caused, kept):
        assert run(stage, attempts(error, "ok"), call_for(clock)) == "ok"


@pytest.mark.parametrize("kind", sorted(REJECTIONS | {FailureKind.DEADLINE_EXHAUSTED}))
@pytest.mark.parametrize("predicate", [tenacity.retry_if_not_exception_type(KeyError), tenacity.retry_always])
def test_no_predicate_makes_a_rejection_retried(clock: VirtualClock, kind: FailureKind, predicate: Any) -> None:
    """A negative predicate would, in tenacity's own loop."""
    rest = attempts(failing(kind), "ok")
    with pytest.raises(BoundaryError):
        run(RetryStage(Retry(on=predicate), 0), rest, call_for(clock))
    assert len(rest.calls) == 1


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_no_predicate_makes_an_interrupt_retried(clock: VirtualClock, ending: BaseException) -> None:
    """`retry_if_not_exception_type` retries KeyboardInterrupt three times in tenacity's own loop."""
    rest = attempts(ending, "ok")
    with pytest.raises(type(ending)):
        run(RetryStage(Retry(on=tenacity.retry_if_not_exception_type(KeyError)), 0), rest, call_for(clock))
    assert len(rest.calls) == 1


@pytest.mark.parametrize("name", ["wait", "stop", "on"])
def test_a_policy_whose_objects_fail_tries_nothing_again(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The component's error leaves, and not the one of the policy's own object, whose class is logged."""

    def broken(_: Any) -> Any:
        raise ZeroDivisionError

    error = down()
    settings: dict[str, Any] = {name: broken}
    with pytest.raises(BoundaryError) as caught:
        run(RetryStage(Retry(**settings), 0), attempts(error, "ok"), call_for(clock))
    assert caught.value is error
    assert caplog.messages == ["retry: a wait, stop or retry object failed: ZeroDivisionError"]


def test_the_default_set_is_the_table() -> None:
    """`RETRIED_BY_DEFAULT` is column three of the architecture's table."""
    assert set(RETRIED_BY_DEFAULT) == RETRIED
