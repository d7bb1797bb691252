"""A halt through the gate's file: it reaches calls that have begun, in every shape, and nothing of an AI leaves."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import AfterValidator

from aiguard import (
    BoundaryError,
    Breaker,
    FailureKind,
    HaltedError,
    Hedge,
    Outcome,
    Retry,
    Rung,
    StreamInterruptedError,
    guard,
    last_good,
)
from aiguard.engine.state import SURROUNDINGS
from aiguard.stream import Interrupted
from aiguard.switch import Switch
from aiguard.telemetry import metrics
from aiguard.telemetry.content import CAPTURE
from aiguard.testing import fresh_registry, virtual_time
from tests import halting
from tests.halting import gate_at, halt_of
from tests.shapes import Held, Takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiguard.halts import Halt
    from aiguard.testing import VirtualClock
    from tests.shapes import Harness
    from tests.streaming import Streams

    Scenario = Callable[..., Harness]

SAID = "halted by anna since 1970-01-01T00:00:00Z: INC-12"


class Letter(str):
    """An answer, or an item, that is told from others by what it is."""

    __slots__ = ()


def held_in_frames(error: BaseException | None) -> list[Letter]:
    """Return the letters that the frames of an error hold as locals, and those of what led to it."""
    found: list[Letter] = []
    while error is not None:
        frames = error.__traceback__
        while frames is not None:
            if "aiguard" in frames.tb_frame.f_globals["__name__"].split("."):
                found += [one for one in frames.tb_frame.f_locals.values() if isinstance(one, Letter)]
            frames = frames.tb_next
        error = error.__cause__ or error.__context__
    return found


class Operator:
    """
    Somebody at another terminal.

    Args:
        state: The directory that they share with this process.
    """

    def __init__(self, state: Path) -> None:
        self._state = state

    def halt(self, *halts: Halt) -> None:
        """Halt everything, or what is given."""
        halting.halt(self._state, *(halts or (halt_of(),)))

    def resume(self) -> None:
        """Lift all halts."""
        halting.halt(self._state)

    def meanwhile(self, then: Any = "an answer") -> Callable[[], Any]:
        """Return what a component does during which everything is halted."""

        def component() -> Any:
            self.halt()
            if isinstance(then, BaseException):
                raise then
            return then

        return component


@pytest.fixture
def operator(clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Operator:  # noqa: ARG001 - first
    """Return who halts boundaries; those of the test look at the file each time that they ask."""
    state = tmp_path / "state"
    monkeypatch.setattr(SURROUNDINGS, "gate", gate_at(state))
    return Operator(state)


def kind_of(outcome: Outcome[Any] | None) -> FailureKind | None:
    """Return why a call was not answered by its component."""
    return outcome.failure.kind if outcome is not None and outcome.failure is not None else None


def halted(error: BoundaryError) -> bool:
    """Whether that is what ended a call, or a stream of which items were out."""
    if isinstance(error, StreamInterruptedError):
        assert isinstance(error.__cause__, HaltedError)
        return error.failure.message.endswith(SAID)
    return isinstance(error, HaltedError) and error.failure.message == SAID


def test_on_entry(scenario: Scenario, operator: Operator) -> None:
    """The component is not asked; who, why and since when is said; resumed, it answers."""
    harness = scenario("ok", "ok", retry=Retry())
    assert harness() == "ok"
    operator.halt()
    error = harness.fails()
    assert (error.failure.kind, error.failure.stage) == (FailureKind.HALTED, "gate")
    assert SAID in str(error)
    assert harness.calls == 1
    operator.resume()
    assert harness() == "ok"


def test_before_an_answer_leaves(scenario: Scenario, operator: Operator) -> None:
    """What the component was at is not given out; a rung that is no AI answers."""
    harness = scenario(Takes(1.0, operator.meanwhile()), Takes(1.0, operator.meanwhile()))
    assert halted(harness.fails())
    operator.resume()
    harness = scenario(Takes(1.0, operator.meanwhile()), name="floor", fallback=["floor"])
    outcome = harness.outcome()
    assert (outcome.rung, kind_of(outcome)) == ("value", FailureKind.HALTED)


def test_in_a_call_that_waits_in_another_thread(scenario: Scenario, operator: Operator) -> None:
    """In real time: who halts does not wait for it."""
    held = Held("an answer")
    harness = scenario(held)
    call = harness.start(held)
    operator.halt()
    held.let_go.set()
    if harness.is_stream and not harness.is_async and harness.inline:
        with pytest.raises(BoundaryError):  # its item took no time on the virtual clock: the stream's end is halted
            call.result()
        return
    with pytest.raises(BoundaryError) as caught:
        call.result()
    assert halted(caught.value)


def test_before_every_attempt(scenario: Scenario, operator: Operator, shape: str) -> None:
    """What would be tried again is not: neither after a failure nor after an invalid answer."""
    harness = scenario(operator.meanwhile(ConnectionError()), "never", retry=Retry(attempts=3, wait=lambda _: 1.0))
    assert halted(harness.fails())
    assert harness.calls == 1
    operator.resume()
    harness = scenario(operator.meanwhile('"bad"'), "1", name="reask", output=int, reask=2, **whole(shape))
    assert halted(harness.fails())
    assert harness.calls == 1


def test_an_attempt_that_was_not_made_is_not_written_down(scenario: Scenario, operator: Operator) -> None:
    """The outcome has those that were."""
    harness = scenario(operator.meanwhile(ConnectionError()), retry=Retry(attempts=3, wait=lambda _: 1.0))
    outcome = harness.outcome()
    assert [attempt.failure and attempt.failure.kind for attempt in outcome.attempts] == [FailureKind.CONNECTION]
    assert kind_of(outcome) is FailureKind.HALTED


def whole(shape: str) -> dict[str, Any]:
    """Return the setting under which a stream is one answer."""
    return {"stream": "buffer"} if shape.endswith("generator") else {}


@pytest.mark.parametrize("shape", ["thread", "thread_generator"])
def test_before_a_hedge_in_threads(scenario: Scenario, operator: Operator, clock: VirtualClock, shape: str) -> None:
    """A second attempt is not made, and the first one's answer stays in."""

    def late() -> str:
        operator.halt()
        clock.sleep(3.0)
        return "late"

    harness = scenario(late, "never", hedge=Hedge(after=1.0), **whole(shape))
    assert halted(harness.fails())
    assert harness.calls == 1


@pytest.mark.parametrize("shape", ["async", "async_generator"])
def test_before_a_hedge_on_the_loop(scenario: Scenario, operator: Operator, clock: VirtualClock, shape: str) -> None:
    """The same of tasks."""
    harness = scenario(Takes(3.0, "late"), "never", hedge=Hedge(after=1.0), **whole(shape))

    async def halting_it() -> None:
        call = asyncio.ensure_future(harness.acall())
        await asyncio.sleep(0.5)
        operator.halt()
        with pytest.raises(HaltedError):
            await call

    clock.run(halting_it())
    assert harness.calls == 1


@pytest.mark.parametrize("shape", ["async", "thread"])
def test_an_answer_of_a_hedge_stays_in(scenario: Scenario, operator: Operator, shape: str) -> None:
    """Whichever attempt was the quicker one."""
    del shape
    harness = scenario(Takes(8.0, "late"), operator.meanwhile("quick"), hedge=Hedge(after=1.0))
    assert halted(harness.fails())
    assert harness.calls == 2


def test_an_open_breaker_does_not_hide_a_halt(scenario: Scenario, operator: Operator) -> None:
    """Also on the short way out of a call to which nobody listens; and what is halted opens no breaker."""
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1))
    harness.fails()
    assert harness.fails().failure.kind is FailureKind.CIRCUIT_OPEN
    operator.halt()
    assert halted(harness.fails())
    operator.resume()
    assert harness.fails().failure.kind is FailureKind.CIRCUIT_OPEN
    harness = scenario(*[operator.meanwhile()] * 3, name="closed", breaker=Breaker(minimum_calls=1))
    for _ in range(3):
        harness.fails()
        operator.resume()
    assert harness.boundary.breaker.current_state == "closed"


# --- rungs


def test_rungs_with_ai_are_skipped(scenario: Scenario, operator: Operator) -> None:
    """Before they are asked, whatever the component failed with."""
    asked = []

    def smaller(*_: object) -> str:
        asked.append("smaller")
        return "smaller"

    ladder = [Rung(smaller, ai=True), "floor"]
    harness = scenario("never", fallback=ladder)
    operator.halt()
    assert harness() == "floor"
    operator.resume()
    harness = scenario(operator.meanwhile(ConnectionError()), name="ill", fallback=ladder)
    assert harness() == "floor"
    assert asked == []
    operator.resume()
    assert scenario(ConnectionError(), name="well", fallback=ladder)() == "smaller"


def test_an_answer_of_a_rung_with_ai_stays_in(scenario: Scenario, operator: Operator, shape: str) -> None:
    """Halted while it was at it: the next one that is no AI answers, or the call fails with what it failed with."""

    def smaller(*_: object) -> Any:
        operator.halt()
        return "smaller"

    harness = scenario(ConnectionError(), fallback=[Rung(smaller, ai=True), "floor"], **whole(shape))
    assert harness() == "floor"
    assert harness.boundary.mode == "on"
    operator.resume()
    harness = scenario(ConnectionError(), name="alone", fallback=[Rung(smaller, ai=True)], **whole(shape))
    assert harness.fails().failure.kind is FailureKind.CONNECTION


def test_a_plain_rung_answers_although_it_is_halted_meanwhile(scenario: Scenario, operator: Operator) -> None:
    """A halt is for AI."""

    def rules(*_: object) -> Any:
        operator.halt()
        return "rules"

    assert scenario(ConnectionError(), fallback=[rules])() == "rules"


def test_what_was_kept_of_the_component_answers(scenario: Scenario, operator: Operator, shape: str) -> None:
    """`last_good` is no AI: it was good when it was given, and its age is told."""
    harness = scenario("ok", "never", fallback=[last_good(by=lambda *_: 1, ttl=60.0)], **whole(shape))
    assert harness() == "ok"
    operator.halt()
    outcome = harness.outcome()
    assert (outcome.rung, harness.calls) == ("last_good", 1)


def test_an_answer_that_was_copied_for_long_is_not_kept(
    scenario: Scenario, operator: Operator, clock: VirtualClock, shape: str
) -> None:
    """Halted while `last_good` copied it, it stays in, and is no answer to a later call either."""

    class Slow(Letter):
        """An answer that takes 150 ms to be copied."""

        def __deepcopy__(self, memo: object) -> Slow:
            operator.halt()
            clock.advance(0.15)
            return self

    kept = last_good(by=lambda *_: 1, ttl=60.0)
    harness = scenario(Slow("a"), ConnectionError(), fallback=[kept], **whole(shape))
    error = harness.fails()
    assert halted(error)
    assert held_in_frames(error) == []
    operator.resume()
    assert harness.fails().failure.kind is FailureKind.CONNECTION


# --- keys


def test_a_key_is_halted_alone(scenario: Scenario, operator: Operator) -> None:
    """By the policy's `key`, and by that of `options`; compared as text."""
    harness = scenario(*["ok"] * 9, key=lambda tenant=None: tenant)
    operator.halt(halt_of(key="7"))
    assert halted(harness.fails(7))
    assert halted(harness.fails("7"))
    assert [harness(8), harness(None), harness()] == ["ok"] * 3
    plain = scenario(*["ok"] * 9, name="plain")
    assert plain() == "ok"
    whole, split = plain.guarded, harness.guarded
    plain.guarded, harness.guarded = whole.options(key="7"), split.options(key="7")
    assert halted(plain.fails())
    assert halted(harness.fails(8))
    plain.guarded = whole.options(key="8")
    assert plain() == "ok"


def test_a_key_is_halted_in_calls_that_have_begun(scenario: Scenario, operator: Operator) -> None:
    """Between attempts, and before the answer leaves; also of hedged ones, which are told from the call."""

    def meanwhile() -> str:
        operator.halt(halt_of(key="7"))
        return "an answer"

    harness = scenario(Takes(1.0, meanwhile), Takes(1.0, meanwhile), key=lambda tenant: tenant)
    assert halted(harness.fails(7))
    operator.resume()
    assert harness(8) == "an answer"


@pytest.mark.parametrize("shape", ["async", "thread"])
def test_a_key_is_halted_before_a_hedge(
    scenario: Scenario, operator: Operator, clock: VirtualClock, shape: str
) -> None:
    """The second attempt is one of the same call."""
    del shape
    harness = scenario(Takes(3.0, "late"), "never", key=lambda tenant: tenant, hedge=Hedge(after=1.0))

    async def halting_it() -> None:
        call = asyncio.ensure_future(harness.acall(7))
        await asyncio.sleep(0.5)
        operator.halt(halt_of(key="7"))
        with pytest.raises(HaltedError):
            await call

    if harness.is_async:
        clock.run(halting_it())
    else:

        def late() -> str:
            operator.halt(halt_of(key="7"))
            clock.sleep(3.0)
            return "late"

        harness = scenario(late, "never", name="threads", key=lambda tenant: tenant, hedge=Hedge(after=1.0))
        assert halted(harness.fails(7))
    assert harness.calls == 1


# --- streams


class Halting(Takes):
    """A second in which everything is halted."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    @property
    def seconds(self) -> float:  # type: ignore[override]
        """Halt everything; return how long the component takes."""
        self._operator.halt()
        return 1.0


def test_before_every_item(streams: Streams, operator: Operator) -> None:
    """What the consumer has, it has; the component is asked for no more, and closed."""
    stream = streams.guarded(["a", "b", "c"])()
    assert streams.next(stream) == "a"
    operator.halt()
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)
    assert (caught.value.delivered, len(streams.left), streams.closed) == (1, 1, 1)
    assert kind_of(stream.outcome) is FailureKind.STREAM_INTERRUPTED
    with pytest.raises(StopAsyncIteration if streams.is_async else StopIteration):
        streams.next(stream)


@pytest.mark.parametrize("given", [0, 2])
def test_an_item_that_was_waited_for_stays_in(streams: Streams, operator: Operator, given: int) -> None:
    """Halted while the component was at it."""
    stream = streams.guarded([*["a"] * given, Halting(operator), "b"])()
    for _ in range(given):
        assert streams.next(stream) == "a"
    with pytest.raises(BoundaryError) as caught:
        streams.next(stream)
    assert halted(caught.value)


def judged_slowly(streams: Streams, operator: Operator) -> Any:
    """Return a type whose "b" is judged for 150 ms, in which everything is halted."""

    def judged(text: str) -> str:
        if text == "b":
            operator.halt()
            streams.clock.advance(0.15)
        return Letter(text)

    return Annotated[str, AfterValidator(judged)]


def listed(item: Any) -> Any:
    """Return the type of lists of such items."""
    return list[item]


def test_an_item_that_was_judged_for_long_stays_in(streams: Streams, operator: Operator) -> None:
    """Halted while its validator was at it, it leaves neither as an item nor in a frame of the error."""
    stream = streams.guarded(["a", "b", "c"], output=judged_slowly(streams, operator))()
    assert streams.next(stream) == "a"
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)
    assert (caught.value.delivered, held_in_frames(caught.value)) == (1, [])


@pytest.mark.parametrize("pieces", [['["a", "b", "c"]'], ['["a", ', '"b", "c"]']])
def test_an_element_that_was_judged_for_long_stays_in(streams: Streams, operator: Operator, pieces: list[str]) -> None:
    """The same of elements, whether their text was there already or is waited for."""
    stream = streams.guarded(pieces, stream="elements", output=listed(judged_slowly(streams, operator)))()
    assert streams.next(stream) == "a"
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)
    assert (caught.value.delivered, held_in_frames(caught.value)) == (1, [])


@pytest.mark.parametrize("mode", ["passthrough", "elements"])
def test_what_stays_in_is_not_captured(
    streams: Streams, operator: Operator, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    """Where content is captured, that of a stream is what has left."""
    monkeypatch.setattr(metrics, "is_counted", lambda: True)
    monkeypatch.setattr(CAPTURE, "tap", object())
    judged = judged_slowly(streams, operator)
    if mode == "elements":
        stream = streams.guarded(['["a", "b"]'], stream=mode, output=listed(judged))()
    else:
        stream = streams.guarded(["a", "b"], stream=mode, output=judged)()
    assert streams.next(stream) == "a"
    with pytest.raises(StreamInterruptedError):
        streams.next(stream)
    assert stream._begun().journal.items.items == ["a"]


def test_a_whole_that_is_collected_is_collected_no_further(streams: Streams, operator: Operator) -> None:
    """The component is asked for no item more than the one that it was at."""
    guarded = streams.guarded(["a", Halting(operator), "b", "c"], stream="buffer", fallback=[["floor"]])
    assert streams.drain(guarded()) == ["floor"]
    assert (len(streams.left), streams.closed) == (3, 1)


def test_items_of_a_whole_leave_no_more(streams: Streams, operator: Operator) -> None:
    """They were all there; those that the consumer has not taken stay in."""
    stream = streams.guarded(["a", "b", "c"], stream="buffer")()
    assert streams.next(stream) == "a"
    assert stream.outcome.ok
    operator.halt()
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)
    assert (caught.value.delivered, caught.value.boundary) == (1, "stream")
    assert caught.value.outcome is stream.outcome
    assert kind_of(stream.outcome) is FailureKind.STREAM_INTERRUPTED
    with pytest.raises(StopAsyncIteration if streams.is_async else StopIteration):
        streams.next(stream)


@pytest.mark.parametrize("closed", [False, True])
def test_the_value_of_a_whole_of_which_items_stay_in_stays_in_too(
    streams: Streams, operator: Operator, *, closed: bool
) -> None:
    """Its outcome says so before the next item is asked for, and after the stream was closed."""
    stream = streams.guarded(["a", "b"], stream="buffer", output=str)()
    assert streams.next(stream) == "a"
    assert stream.outcome.value == "ab"
    if closed:
        streams.close(stream)
    operator.halt()
    assert (stream.outcome.value, kind_of(stream.outcome)) == (None, FailureKind.STREAM_INTERRUPTED)
    assert halted(stream.outcome.error)
    streams.close(stream)
    operator.resume()
    assert (stream.outcome.value, stream.outcome.ok) == (None, False)


def test_a_whole_that_is_out_has_its_value_behind_a_halt(streams: Streams, operator: Operator) -> None:
    """The consumer has it already."""
    stream = streams.guarded(["a", "b"], stream="buffer", output=str)()
    assert [streams.next(stream), streams.next(stream)] == ["a", "b"]
    operator.halt()
    assert (stream.outcome.value, stream.outcome.ok) == ("ab", True)


def test_an_item_of_a_whole_that_stays_in_is_in_no_frame(streams: Streams, operator: Operator) -> None:
    """Neither the answer nor an item of it can be had from the error's traceback."""
    stream = streams.guarded([Letter("a"), Letter("b")], stream="buffer")()
    assert streams.next(stream) == "a"
    operator.halt()
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert held_in_frames(caught.value) == []


def test_items_of_a_floor_leave(streams: Streams, operator: Operator) -> None:
    """They are no AI's, however they leave."""
    operator.halt()
    for mode in ("buffer", "passthrough"):
        assert streams.drain(streams.guarded([], name=mode, stream=mode, fallback=[["x", "y"]])()) == ["x", "y"]


def test_items_of_a_rung_with_ai_leave_no_more(streams: Streams, operator: Operator) -> None:
    """Neither the one that stands behind the marker, nor a further one."""
    smaller = Rung(streams.component(["r1", "r2", "r3"]), ai=True)
    stream = streams.guarded(["a", ConnectionError()], on_break="rung", fallback=[smaller])()
    assert streams.next(stream) == "a"
    assert isinstance(streams.next(stream), Interrupted)
    operator.halt()
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)
    operator.resume()

    stream = streams.guarded([ConnectionError()], name="other", fallback=[smaller_of(streams)])()
    assert streams.next(stream) == "r1"
    operator.halt()
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)


def test_an_item_behind_the_marker_is_not_lost_where_a_halt_ends(
    streams: Streams, operator: Operator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it stays in, the stream has ended, although nobody who asks once more is told of a halt."""
    stream = streams.guarded(["a", ConnectionError()], on_break="rung", fallback=[smaller_of(streams)])()
    assert streams.next(stream) == "a"
    assert isinstance(streams.next(stream), Interrupted)
    plain = Switch.halted

    def ending(switch: Switch, key: Any = None) -> Any:
        why = plain(switch, key)
        operator.resume()
        return why

    operator.halt()
    monkeypatch.setattr(Switch, "halted", ending)
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)


def smaller_of(streams: Streams) -> Rung:
    """Return a rung with AI that streams."""
    return Rung(streams.component(["r1", "r2", "r3"]), ai=True)


def test_a_rung_that_is_no_ai_goes_on_behind_a_halt(streams: Streams, operator: Operator) -> None:
    """The consumer hears that the rest is another's."""
    stream = streams.guarded(["a", "b"], on_break="rung", fallback=[smaller_of(streams), ["floor"]])()
    assert streams.next(stream) == "a"
    operator.halt()
    marker, item = streams.drain(stream)
    assert (marker.failure.kind, marker.failure.message, item) == (FailureKind.HALTED, SAID, "floor")


def test_elements_leave_no_more(streams: Streams, operator: Operator) -> None:
    """Neither those that are closed already, nor those that are still waited for."""
    guarded = streams.guarded(['[{"name": "a"}, {"name": "b"}', "]"], stream="elements", output=list[dict[str, str]])
    stream = guarded()
    assert streams.next(stream) == {"name": "a"}
    operator.halt()
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert halted(caught.value)
    operator.resume()
    pieces = ['[{"name": ', Halting(operator), '"a"}', "]"]
    guarded = streams.guarded(pieces, name="waited", stream="elements", output=list[dict[str, str]])
    with pytest.raises(HaltedError) as waited:
        streams.next(guarded())
    assert halted(waited.value)


def test_a_key_is_halted_between_the_items_of_its_streams(streams: Streams, operator: Operator) -> None:
    """And in no others."""
    scripts = (["a", "b"] for _ in range(9))
    guarded = streams.guarded(*scripts, key=lambda tenant: tenant)
    mine, other = guarded(7), guarded(8)
    assert [streams.next(mine), streams.next(other)] == ["a", "a"]
    operator.halt(halt_of(key="7"))
    assert streams.next(other) == "b"
    with pytest.raises(StreamInterruptedError):
        streams.next(mine)


# --- what surrounds it


def test_in_virtual_time_no_halt_of_the_machine_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A test on a virtual clock reads no file, and needs none."""
    halting.halt(tmp_path / "state", halt_of())
    monkeypatch.setattr(SURROUNDINGS, "gate", gate_at(tmp_path / "state"))

    def declared() -> Any:
        @guard("triage", deadline=1.0, risk="high")
        def triage() -> str:
            return "ok"

        return triage

    with virtual_time():
        assert declared()() == "ok"
    with fresh_registry(), pytest.raises(HaltedError):
        declared()()
    assert caplog.messages == []


def test_what_nobody_can_halt_runs_or_not_by_its_risk(
    clock: VirtualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where little is at stake it goes on; where much is, it is off until somebody could stop it."""
    del clock
    state = tmp_path / "state"
    state.touch()
    monkeypatch.setattr(SURROUNDINGS, "gate", gate_at(state))

    def declared(name: str, **settings: Any) -> Any:
        @guard(name, deadline=1.0, **settings)
        def component() -> str:
            return "ok"

        return component

    assert declared("usual")() == "ok"
    assert declared("chosen", risk="high", on_stale="keep")() == "ok"
    with pytest.raises(HaltedError, match=r"whether the boundary is halted is not known: .* cannot be made"):
        declared("much-at-stake", risk="high")()
    with pytest.raises(HaltedError):
        declared("careful", on_stale="off")()
    assert len(caplog.records) == 1


def test_a_changed_policy_counts_for_halts_too(operator: Operator) -> None:
    """A halt that has run out holds again once much is at stake."""
    operator.halt(halt_of(until=1.0))

    @guard("usual", deadline=1.0)
    def usual() -> str:
        return "ok"

    assert usual() == "ok"
    state = usual.boundary._state
    policy = usual.boundary.policy
    state.take_over(policy.model_copy(update={"risk": "high"}), policy)
    with pytest.raises(HaltedError):
        usual()
