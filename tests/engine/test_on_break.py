"""`on_break="rung"`: a stream that breaks after its first item goes on, and says so."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    Breaker,
    Bulkhead,
    FailureKind,
    InvalidOutputError,
    PolicyError,
    Retry,
    Rung,
    StreamInterruptedError,
    guard,
    last_good,
    remaining,
)
from aiguard.stream import Interrupted
from tests.shapes import Hang, Takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock
    from tests.streaming import Streams

AGAIN = Retry(attempts=3, wait=lambda _: 0.0)


def going_on(streams: Streams, *scripts: list[Any], **settings: Any) -> Any:
    """Guard a component whose stream goes on with a rung."""
    settings.setdefault("fallback", [["r1", "r2"]])
    return streams.guarded(*scripts, on_break="rung", **settings)


def marker_in(items: list[Any]) -> tuple[list[Any], Interrupted, list[Any]]:
    """Return what stands before the one marker, the marker, and what stands behind it."""
    (place,) = [place for place, item in enumerate(items) if isinstance(item, Interrupted)]
    return items[:place], items[place], items[place + 1 :]


BREAKS: dict[str, Any] = {
    "it raises": (["a", "b", ConnectionError()], {}, FailureKind.CONNECTION, "component"),
    "it is silent": (["a", "b", Takes(2.0), "late"], {"idle": 1.0}, FailureKind.TIMEOUT, "attempt"),
    "its time is over": (["a", "b", Takes(9.5), "late"], {}, FailureKind.TIMEOUT, "deadline"),
    "an item breaks the contract": (["1", "2", '"bad"'], {"output": int}, FailureKind.SCHEMA_VIOLATION, "output"),
}


@pytest.mark.parametrize("why", BREAKS)
def test_a_rung_goes_on_behind_a_marker(streams: Streams, why: str) -> None:
    """What was delivered, the marker, the rung's items; the outcome is that of a degraded call."""
    script, settings, kind, stage = BREAKS[why]
    rungs = [[7, 8]] if "output" in settings else [lambda *_: ["r1", "r2"]]
    guarded = going_on(streams, script, fallback=rungs, bulkhead=Bulkhead(limit=2), retry=AGAIN, **settings)
    stream = guarded()
    before, marker, behind = marker_in(streams.drain(stream))
    assert before == ([1, 2] if "output" in settings else ["a", "b"])
    assert behind == ([7, 8] if "output" in settings else ["r1", "r2"])
    assert (marker.delivered, marker.failure.kind, marker.failure.stage) == (2, kind, stage)
    outcome = stream.outcome
    assert (outcome.ok, outcome.source, outcome.rung) == (True, "fallback", marker.rung)
    assert outcome.failure is marker.failure
    assert len(outcome.attempts) == streams.called == 1
    if kind is FailureKind.TIMEOUT and streams.kind == "thread":
        assert guarded.boundary.abandoned == 1  # it keeps its permit until it ends
    else:
        assert guarded.boundary.bulkhead.in_flight == 0


def test_the_marker_is_a_frozen_value(clock: VirtualClock) -> None:
    """It can be kept and compared, and nobody changes it for somebody else."""
    del clock
    assert [field.name for field in dataclasses.fields(Interrupted)] == ["failure", "delivered", "rung"]
    marker: Any = Interrupted(None, 1, "rules")  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        marker.delivered = 2


def test_a_rung_may_stream_behind_the_marker(streams: Streams) -> None:
    """Its items come as they are made; the marker does not wait for the second."""
    rung = streams.component([Takes(1.0), "r1", Takes(1.0), "r2"])
    stream = going_on(streams, ["a", ConnectionError()], fallback=[rung])()
    assert streams.next(stream) == "a"
    assert isinstance(streams.next(stream), Interrupted)
    assert streams.clock.elapsed == pytest.approx(1.0)
    assert streams.next(stream) == "r1"
    assert streams.clock.elapsed == pytest.approx(1.0)
    assert streams.drain(stream) == ["r2"]
    assert streams.closed == 2


def test_before_the_first_item_there_is_no_marker(streams: Streams) -> None:
    """Nothing is out yet: the rung's answer is the whole answer."""
    stream = going_on(streams, [ConnectionError()])()
    assert streams.drain(stream) == ["r1", "r2"]
    assert stream.outcome.degraded


def test_by_default_a_break_is_raised(streams: Streams) -> None:
    """`on_break="raise"`: no rung is asked."""
    guarded = streams.guarded(["a", ConnectionError()], fallback=[["r1"]])
    with pytest.raises(StreamInterruptedError):
        streams.drain(guarded())


def test_a_rung_that_fails_before_its_first_item_is_passed_over(streams: Streams) -> None:
    """The marker names the one that goes on."""
    rungs = [
        Rung(streams.component([ValueError()]), name="first"),
        Rung(streams.component([Takes(60.0), "late"]), name="second"),
        Rung(lambda *_: ["bad"], name="third"),
        [7],
    ]
    stream = going_on(streams, ["1", ConnectionError()], fallback=rungs, output=int)()
    before, marker, behind = marker_in(streams.drain(stream))
    assert (before, behind) == ([1], [7])
    assert (marker.rung, marker.delivered) == ("value", 1)


def test_where_no_rung_answers_the_break_is_raised(streams: Streams) -> None:
    """As without a ladder; nothing tells of a rung that never was."""
    stream = going_on(streams, ["a", ConnectionError()], fallback=[streams.component([ValueError()])])()
    assert streams.next(stream) == "a"
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert (caught.value.delivered, caught.value.failure.stage) == (1, "component")
    assert (stream.outcome.ok, stream.outcome.rung) == (False, None)


def test_a_rung_that_breaks_ends_the_stream(streams: Streams) -> None:
    """A third answer would be one too many."""
    rung = streams.component(["r1", "r2", ValueError()])
    stream = going_on(streams, ["a", ConnectionError()], fallback=[rung, "never"])()
    with pytest.raises(StreamInterruptedError) as caught:
        streams.drain(stream)
    assert (caught.value.delivered, caught.value.failure.stage) == (3, "fallback")


def test_an_item_of_the_rung_that_breaks_the_contract_ends_the_stream(streams: Streams) -> None:
    """The rung's items are held to the contract one by one."""
    stream = going_on(streams, ["1", ConnectionError()], output=int, fallback=[lambda *_: [7, "bad"]])()
    items = [streams.next(stream), streams.next(stream), streams.next(stream)]
    assert (items[0], items[2]) == (1, 7)
    with pytest.raises(StreamInterruptedError):
        streams.next(stream)


def test_a_rung_without_items_ends_the_stream_behind_the_marker(streams: Streams) -> None:
    """An empty answer is an answer: who reads on learns that the beginning was cut, and that nothing follows."""
    rungs: list[Any] = [[], streams.component([])]
    for rung in rungs:
        stream = going_on(streams, ["a", ConnectionError()], fallback=[rung], name=f"empty-{type(rung).__name__}")()
        before, marker, behind = marker_in(streams.drain(stream))
        assert (before, behind, marker.delivered) == (["a"], [], 1)
        assert stream.outcome.degraded
        with pytest.raises(streams.ended):
            streams.next(stream)


def test_a_rung_is_told_why(streams: Streams) -> None:
    """One that takes `failure` gets the failure of the break."""
    told: list[Any] = []

    def rung(*_: Any, failure: Any) -> str:
        told.append(failure.kind)
        return "r1"

    assert streams.drain(going_on(streams, ["a", ConnectionError()], fallback=[rung])())[2:] == ["r1"]
    assert told == [FailureKind.CONNECTION]


def test_the_breaker_hears_of_the_break_and_the_permit_is_back_before_the_rung(streams: Streams) -> None:
    """The stages inside the ladder are over by then, as with calls."""
    seen: list[int] = []

    def rung(*_: Any) -> str:
        seen.append(guarded.boundary.bulkhead.in_flight)
        return "r1"

    guarded = going_on(
        streams,
        ["a", ConnectionError()],
        fallback=[rung],
        bulkhead=Bulkhead(limit=1),
        breaker=Breaker(minimum_calls=1),
    )
    streams.drain(guarded())
    assert seen == [0]
    assert guarded.boundary.breaker.current_state == "open"


def test_a_halt_goes_on_without_models(streams: Streams) -> None:
    """As for calls: rungs that are models are skipped."""
    rungs = [Rung(streams.component(["model"]), ai=True), ["rule"]]
    guarded = going_on(streams, ["a", "b"], fallback=rungs)
    stream = guarded()
    assert streams.next(stream) == "a"
    guarded.boundary.mode = "off"
    (marker, rule) = streams.drain(stream)
    assert (marker.failure.kind, rule) == (FailureKind.HALTED, "rule")


def test_a_halt_behind_the_last_item_is_no_silent_end(streams: Streams) -> None:
    """The stages look once more as a stream ends; what they say reaches the consumer."""
    guarded = going_on(streams, ["a"], fallback=[["rule"]])
    stream = guarded()
    streams.next(stream)
    guarded.boundary.mode = "off"
    assert [type(item) for item in streams.drain(stream)] == [Interrupted, str]


def test_the_rung_gets_what_is_left_of_the_waiting_time(streams: Streams) -> None:
    """What the consumer took is nobody's waiting, and what the component took is gone."""
    left: list[float | None] = []

    def rung(*_: Any) -> str:
        left.append(remaining())
        return "r1"

    guarded = going_on(streams, ["a", Takes(4.0), "b", ConnectionError()], fallback=[Rung(rung, inline=True)])
    stream = guarded()
    assert streams.next(stream) == "a"
    streams.clock.advance(300.0)
    assert streams.next(stream) == "b"
    streams.clock.advance(300.0)
    assert isinstance(streams.next(stream), Interrupted)
    assert left == [pytest.approx(6.0)]


def test_a_part_of_the_deadline_is_held_back_for_the_rung(streams: Streams) -> None:
    """A component that takes all it gets leaves a tenth, or `fallback_timeout`."""
    left: list[float | None] = []

    def rung(*_: Any) -> str:
        left.append(remaining())
        return "r1"

    guarded = going_on(
        streams, ["a", Takes(8.5), "late"], fallback=[Rung(rung, inline=True)], fallback_timeout=3.0, deadline=10.0
    )
    stream = guarded()
    streams.next(stream)
    streams.clock.advance(300.0)
    assert isinstance(streams.next(stream), Interrupted)
    assert left == [pytest.approx(3.0 if streams.kind != "inline" else 1.5)]


def test_a_stream_may_be_closed_at_the_marker(streams: Streams) -> None:
    """The rung's generator is closed, whether or not its first item was taken."""
    guarded = going_on(streams, ["a", ConnectionError()], fallback=[streams.component(["r1", "r2"])])
    stream = guarded()
    streams.next(stream)
    streams.next(stream)
    streams.close(stream)
    assert streams.closed == 2
    assert stream.outcome.rung is not None
    with pytest.raises(streams.ended):
        streams.next(stream)


def test_a_stream_may_be_dropped_at_the_marker(streams: Streams) -> None:
    """Everything is given back as from any other item."""
    # a class, raised anew: an exception that the script holds would hold the frames that it passed, and so the stream
    guarded = going_on(streams, ["a", ConnectionError], fallback=[streams.component(["r1", "r2"])])
    stream = guarded()
    streams.next(stream)
    streams.next(stream)
    del stream
    gc.collect()
    streams.settle()
    assert streams.closed == 2
    assert guarded.boundary._state.rung_workers.busy == 0


def test_what_is_sent_at_the_marker_has_no_receiver(streams: Streams) -> None:
    """The rung has not been asked for its second item yet, and its first is not lost."""
    stream = going_on(streams, ["a", ConnectionError()], fallback=[streams.component(["r1", "r2"])])()
    streams.next(stream)
    streams.next(stream)
    assert streams.send(stream, "hello") == "r1"
    assert streams.send(stream, "again") == "r2"
    assert streams.sent == [None, "again"]


def test_what_is_thrown_at_the_marker_reaches_the_rung(streams: Streams) -> None:
    """As at any other item."""
    stream = going_on(streams, ["a", ConnectionError()], fallback=[streams.component(["r1", "r2"])])()
    streams.next(stream)
    streams.next(stream)
    with pytest.raises(StreamInterruptedError):
        streams.throw(stream, KeyError())
    assert streams.closed == 2


def test_the_callers_cancellation_is_never_answered(on_loop: Streams) -> None:
    """It leaves as it is, whatever the ladder holds."""
    guarded = going_on(on_loop, ["a", Hang()])

    async def main() -> None:
        stream = guarded()
        await anext(stream)
        task = asyncio.ensure_future(anext(stream))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    on_loop.runner.run(main())
    assert on_loop.closed == 1


def test_the_next_call_of_the_same_boundary_begins_anew(streams: Streams) -> None:
    """A marker belongs to the one stream that broke."""
    guarded = going_on(streams, ["a", ConnectionError()], ["b"])
    streams.drain(guarded())
    assert streams.drain(guarded()) == ["b"]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"stream": "passthrough"}, "fallback"),
        ({"stream": "buffer", "fallback": ["x"]}, "buffer"),
    ],
)
def test_going_on_needs_a_rung_and_items_that_are_out(clock: VirtualClock, settings: Any, why: str) -> None:
    """Refused at declaration."""
    del clock
    decorate: Callable[..., Any] = guard
    with pytest.raises(PolicyError, match=why):
        decorate("refused", deadline=1.0, on_break="rung", **settings)


def test_last_good_needs_the_whole(clock: VirtualClock) -> None:
    """Of a stream that is given away item by item no whole answer is ever held."""
    del clock
    with pytest.raises(PolicyError, match='stream="buffer"'):

        @guard(
            "refused",
            deadline=1.0,
            stream="passthrough",
            on_break="rung",
            fallback=[last_good(by=lambda: 1, ttl=1.0)],
        )
        def component() -> Any:
            yield "a"


def test_a_contract_breach_of_an_item_is_raised_without_a_rung(streams: Streams) -> None:
    """The error of the item is the cause."""
    with pytest.raises(StreamInterruptedError) as caught:
        streams.drain(streams.guarded(["1", "bad"], output=int)())
    assert isinstance(caught.value.__cause__, InvalidOutputError)
