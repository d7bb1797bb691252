"""The ladder alone, on virtual time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from aiguard import BoundaryError, FailureKind, OutputContract
from aiguard.contract import Judge
from aiguard.errors import MisuseError
from aiguard.events import RunEnded, RunStarted
from aiguard.signals import Full
from aiguard.stages.fallback import FallbackStage, Form, Step, Way
from aiguard.stream import Buffered
from tests.stages.fakes import Ear, Rest, call_for, failing, later, run, runtime_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock

DOWN = failing(FailureKind.CONNECTION)


def ladder(*steps: Step, schema: Any = None, timeout: float | None = None, form: Form = Form.VALUE) -> FallbackStage:
    """Return a ladder of these rungs."""
    return FallbackStage(steps, Judge.of(OutputContract(schema)) if schema else None, timeout, form)


def value(answer: Any = "floor") -> Step:
    """Return a rung that is a value."""
    return Step("value", Way.VALUE, lambda: answer)


def asks(fn: Callable[..., Any], way: Way = Way.INVOKE, **more: Any) -> Step:
    """Return a rung that is a function."""
    return Step(more.pop("name", "rung"), way, fn, **more)


def test_an_answer_passes_untouched(clock: VirtualClock) -> None:
    """The ladder is for failures."""
    call = call_for(clock)
    assert run(ladder(value()), Rest("ok"), call) == "ok"
    assert (call.journal.rung, call.journal.failure) == (None, None)


def test_the_floor_answers_and_the_cause_is_kept(clock: VirtualClock) -> None:
    """Which rung answered, and why it had to, is written down."""
    call = call_for(clock)
    assert run(ladder(value()), Rest(DOWN), call) == "floor"
    assert call.journal.rung == "value"
    assert call.journal.failure is DOWN.failure


@pytest.mark.parametrize("ending", [KeyboardInterrupt(), SystemExit(), GeneratorExit(), MisuseError("wrong")])
def test_what_is_no_failure_of_the_component_is_never_answered(clock: VirtualClock, ending: BaseException) -> None:
    """An interrupt, a cancellation or a programmer's error passes the ladder by."""
    with pytest.raises(type(ending)):
        run(ladder(value()), Rest(ending), call_for(clock))


def test_a_stream_that_has_delivered_is_not_answered_anew(clock: VirtualClock) -> None:
    """Half of another answer would be a different answer."""
    call = call_for(clock)
    call.journal.delivered = 2
    with pytest.raises(BoundaryError):
        run(ladder(value()), Rest(DOWN), call)


@pytest.mark.parametrize(("way", "name"), [(Way.INVOKE, "invoke"), (Way.OFFLOAD, "offload"), (Way.INLINE, "inline")])
def test_a_rung_is_run_its_way_with_the_calls_arguments(clock: VirtualClock, way: Way, name: str) -> None:
    """It is asked what the component was asked."""
    call = call_for(clock, "ticket", urgent=True)
    step = asks(lambda ticket, *, urgent: (ticket, urgent), way)
    assert run(ladder(step), Rest(DOWN), call) == ("ticket", True)
    assert [ran[0] for ran in runtime_of(call).ran] == [name]


def test_a_rung_may_ask_why(clock: VirtualClock) -> None:
    """A rung that takes `failure` is given it; the call's own arguments are not changed."""
    call = call_for(clock, "ticket")
    answer = run(ladder(asks(lambda _, *, failure: failure.kind, wants_failure=True)), Rest(DOWN), call)
    assert answer is FailureKind.CONNECTION
    assert call.kwargs == {}


def test_the_next_rung_answers_where_one_fails(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a rung raises or answers, only a good answer ends the descent; no text of it is logged."""

    def raises() -> Any:
        raise LookupError("the patient's name")

    def full() -> Any:
        raise Full

    def nested() -> Any:
        raise failing(FailureKind.CIRCUIT_OPEN)

    steps = [
        asks(raises, name="raises"),
        asks(full, name="full"),
        asks(nested, name="nested"),
        asks(lambda: "no number", name="breaks"),
        asks(lambda: "7", name="good"),
        asks(lambda: pytest.fail("never asked"), name="never"),
    ]
    ear = Ear()
    call = call_for(clock, ear=ear)
    assert run(ladder(*steps, schema=int), Rest(DOWN), call) == 7
    assert call.journal.rung == "good"
    assert "patient" not in caplog.text
    assert caplog.text.count("did not answer") == 4
    ended = [(event.run.rung, event.run.failure is None) for event in ear.events if isinstance(event, RunEnded)]
    assert ended == [("raises", False), ("full", False), ("nested", False), ("breaks", False), ("good", True)]
    assert [event.run.rung for event in ear.events if isinstance(event, RunStarted)] == [rung for rung, _ in ended]


def test_where_no_rung_answers_the_components_error_leaves(clock: VirtualClock) -> None:
    """The original error, not the last rung's."""

    def raises() -> Any:
        raise LookupError

    call = call_for(clock)
    with pytest.raises(BoundaryError) as caught:
        run(ladder(asks(raises), asks(raises)), Rest(DOWN), call)
    assert caught.value is DOWN
    assert call.journal.rung is None


@pytest.mark.parametrize("kind", FailureKind)
def test_ai_rungs_are_skipped_where_a_person_or_the_input_said_no(clock: VirtualClock, kind: FailureKind) -> None:
    """A halted call or a rejected input is not handed to another AI."""
    call = call_for(clock)
    steps = [asks(lambda: "ai", ai=True, name="ai"), asks(lambda: "rules", name="rules")]
    answer = run(ladder(*steps), Rest(failing(kind)), call)
    assert answer == ("rules" if kind in {FailureKind.HALTED, FailureKind.INPUT_REJECTED} else "ai")


# --- time


@pytest.mark.parametrize(
    ("timeout", "left", "reserve"), [(None, 10.0, 1.0), (None, 0.5, 0.05), (3.0, 10.0, 3.0), (3.0, 4.0, 2.0)]
)
def test_time_is_held_back_for_callable_rungs(
    clock: VirtualClock, timeout: float | None, left: float, reserve: float
) -> None:
    """A tenth of what is left, or `fallback_timeout`, but never more than half."""
    stage = ladder(asks(lambda: "rung"), timeout=timeout)
    assert stage.reserve(left) == pytest.approx(reserve)
    rest = Rest("ok")
    run(stage, rest, call_for(clock, within=left))
    assert rest.calls[0].deadline == pytest.approx(clock.start + left - reserve)


def test_values_need_no_time(clock: VirtualClock) -> None:
    """Where all rungs are values, the component has the whole deadline, and the floor answers after it."""
    call = call_for(clock, within=5.0)
    rest = Rest(later(clock, 6.0, DOWN))
    assert run(ladder(value()), rest, call) == "floor"
    assert rest.calls[0].deadline == call.deadline


def test_a_hung_rung_cannot_starve_the_next(clock: VirtualClock) -> None:
    """What is left is shared: each rung has its part at least, and what an earlier one did not use."""
    call = call_for(clock, within=12.0)
    late = asks(later(clock, 100.0), name="late")

    def hang() -> Any:
        clock.advance(4.0)
        raise LookupError

    def fail() -> Any:
        clock.advance(1.0)
        raise LookupError

    steps = [asks(hang, name="hung"), asks(fail, name="quick"), asks(lambda: "ok")]
    assert run(ladder(*steps), Rest(DOWN), call) == "ok"
    assert [until for _, until in runtime_of(call).ran] == pytest.approx([4.0, 8.0, 12.0])
    call = call_for(clock, within=12.0)
    assert run(ladder(late, value()), Rest(DOWN), call) == "floor"


def test_a_rung_that_answers_too_late_has_not_answered(clock: VirtualClock) -> None:
    """Validation counts: an answer after the rung's share goes to the next rung."""
    call = call_for(clock, within=4.0)
    steps = [asks(later(clock, 3.0, "late"), name="late"), asks(lambda: "in time")]
    assert run(ladder(*steps), Rest(DOWN), call) == "in time"


def test_without_time_only_values_answer(clock: VirtualClock) -> None:
    """A callable rung is not begun after the deadline; the floor costs none."""
    call = call_for(clock, within=1.0)
    rest = Rest(later(clock, 2.0, DOWN))
    assert run(ladder(asks(lambda: pytest.fail("never asked")), value()), rest, call) == "floor"
    with pytest.raises(BoundaryError):
        run(ladder(asks(lambda: pytest.fail("never asked"))), rest, call_for(clock, within=1.0))


# --- contract and form


def test_a_computed_rung_is_held_to_the_contract(clock: VirtualClock) -> None:
    """Its answer is judged like the component's."""
    assert run(ladder(asks(lambda: "[1, 2]"), schema=list[int]), Rest(DOWN), call_for(clock)) == [1, 2]


def test_a_buffered_answer_is_made_of_items(clock: VirtualClock) -> None:
    """For a buffered stream a rung's answer is items and a judged whole."""
    answer = run(ladder(asks(lambda: [1, 2]), schema=list[int], form=Form.BUFFER), Rest(DOWN), call_for(clock))
    assert (answer.items, answer.value) == ([1, 2], [1, 2])
    assert run(ladder(asks(lambda: "one"), form=Form.BUFFER), Rest(DOWN), call_for(clock)) == Buffered(["one"])
    floor = run(ladder(value(["a", "b"]), form=Form.BUFFER), Rest(DOWN), call_for(clock))
    assert floor.items == ["a", "b"]


def test_in_passthrough_a_rungs_items_are_surfaced(clock: VirtualClock) -> None:
    """They go to the consumer through the runtime, like the component's own."""
    for step in (value(["a", "b"]), asks(lambda: ["a", "b"], Way.INLINE)):
        call = call_for(clock)
        assert run(ladder(step, form=Form.PASSTHROUGH), Rest(DOWN), call) is not DOWN
        assert runtime_of(call).ran[-1][0] == "replay ['a', 'b']"
