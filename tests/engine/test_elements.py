"""`stream="elements"`: what leaves are the closed, valid elements of the array that the component writes."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field

from aiguard import (
    Boundary,
    Breaker,
    Bulkhead,
    DeadlineExceededError,
    FailureKind,
    HaltedError,
    InvalidOutputError,
    OutputContract,
    PolicyError,
    Retry,
    Rung,
    StreamInterruptedError,
    guard,
    last_good,
)
from aiguard.stream import Interrupted
from tests.shapes import Hang, Takes
from tests.streaming import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock

AGAIN = Retry(attempts=3, wait=lambda _: 0.0)


class Item(BaseModel):
    """An element."""

    name: str


A, B, C = Item(name="a"), Item(name="b"), Item(name="c")


def listed(streams: Streams, *scripts: list[Any], **settings: Any) -> Any:
    """Guard a component that writes a list of items."""
    settings.setdefault("output", list[Item])
    return streams.guarded(*scripts, stream="elements", **settings)


def test_elements_leave_as_they_close(streams: Streams) -> None:
    """One from several pieces, several from one, each as soon as its last byte is there."""
    pieces = ['[{"na', Takes(1.0), 'me": "a"}', Takes(1.0), ', {"name": "b"}, {"name": "c"}', Takes(1.0), "]"]
    guarded = listed(streams, pieces)
    stream = guarded()
    moments = []
    for expected in (A, B, C):
        assert streams.next(stream) == expected
        moments.append(streams.clock.elapsed)
    assert moments == [pytest.approx(1.0), pytest.approx(2.0), pytest.approx(2.0)]
    assert streams.drain(stream) == []
    assert stream.outcome.ok
    assert stream.outcome.source == "component"
    assert streams.closed == 1


def test_bytes_will_do(streams: Streams) -> None:
    """Cut in the middle of a letter."""
    data = '[{"name": "é"}]'.encode()
    cut = data.index("é".encode()) + 1
    assert streams.drain(listed(streams, [data[:cut], data[cut:]])()) == [Item(name="é")]


def test_an_empty_array_gives_nothing(streams: Streams) -> None:
    """It is a valid answer, unless the list has to have elements."""
    stream = listed(streams, ["[", "]"])()
    assert streams.drain(stream) == []
    assert stream.outcome.ok
    some = Annotated[list[Item], Field(min_length=1)]
    with pytest.raises(InvalidOutputError):
        streams.drain(listed(streams, ["[]"], output=some, name="some")())


BROKEN: dict[str, Any] = {
    "malformed": (["[}"], FailureKind.MALFORMED_OUTPUT),
    "an element is invalid": (['[{"name": 1}, '], FailureKind.SCHEMA_VIOLATION),
    "never closed": (['[{"name": '], FailureKind.TRUNCATED),
    "nothing": ([], FailureKind.EMPTY_OUTPUT),
    "too large": (["[" + " " * 300], FailureKind.OUTPUT_TOO_LARGE),
    "too deep": (["[" * 250], FailureKind.MALFORMED_OUTPUT),
    "no text": ([{"name": "a"}], FailureKind.MALFORMED_OUTPUT),
}


@pytest.mark.parametrize("how", BROKEN)
def test_before_the_first_element_a_breach_is_that_of_a_call(streams: Streams, how: str) -> None:
    """Asked again where that helps, answered by a rung otherwise; the breaker hears of no failure."""
    script, kind = BROKEN[how]
    output = OutputContract(list[Item], max_bytes=300)
    guarded = listed(streams, script, script, output=output, reask=1, fallback=[[B]], breaker=Breaker())
    stream = guarded()
    assert streams.drain(stream) == [B]
    assert stream.outcome.failure.kind is kind
    assert stream.outcome.failure.stage == "output"
    assert streams.called == streams.closed == (1 if kind is FailureKind.TRUNCATED else 2)
    assert guarded.boundary.breaker.fail_counter == 0


def test_before_the_first_element_a_failure_is_retried(streams: Streams) -> None:
    """Pieces that closed nothing were seen by nobody: the next attempt begins with an empty page."""
    guarded = listed(streams, ['[{"name": ', ConnectionError()], ['[{"name": "b"}]'], retry=AGAIN)
    stream = guarded()
    assert streams.drain(stream) == [B]
    assert [attempt.reason for attempt in stream.outcome.attempts] == ["initial", "retry"]


def test_an_answer_that_is_asked_for_again_begins_anew(streams: Streams) -> None:
    """Nothing of the first answer is left in the second."""
    guarded = listed(streams, ['[{"name": "a", "x": 1}'], ['[{"name": "b"}]'], reask=1)
    stream = guarded()
    assert streams.drain(stream) == [B]
    assert [attempt.reason for attempt in stream.outcome.attempts] == ["initial", "reask"]


LATER: dict[str, Any] = {
    "malformed": (['[{"name": "a"} x'], "output"),
    "an element is invalid": (['[{"name": "a"}, {"name": 1}]'], "output"),
    "never closed": (['[{"name": "a"}, '], "output"),
    "something behind it": (['[{"name": "a"}] and'], "output"),
    "too many": (['[{"name": "a"}, {"name": "b"}]'], "output"),
    "too large": (['[{"name": "a"}', " " * 100], "output"),
    "it raises": (['[{"name": "a"}, ', ConnectionError()], "component"),
    "it is silent": (['[{"name": "a"}, ', Takes(5.0), "]"], "attempt"),
}
ONE = OutputContract(Annotated[list[Item], Field(max_length=1)], max_bytes=100)


@pytest.mark.parametrize("how", LATER)
def test_after_the_first_element_a_break_interrupts(streams: Streams, how: str) -> None:
    """What was delivered stands; how many elements, not pieces, is said."""
    script, stage = LATER[how]
    guarded = listed(
        streams, script, output=ONE, retry=AGAIN, reask=1, idle=1.0, fallback=[[B]], bulkhead=Bulkhead(limit=1)
    )
    stream = guarded()
    assert streams.next(stream) == A
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert (caught.value.delivered, caught.value.failure.stage) == (1, stage)
    assert streams.called == 1
    if (how, streams.kind) != ("it is silent", "thread"):
        assert guarded.boundary.bulkhead.in_flight == 0


@pytest.mark.parametrize("how", LATER)
def test_after_the_first_element_a_rung_may_go_on(streams: Streams, how: str) -> None:
    """Behind the marker, its items one by one."""
    script, stage = LATER[how]
    guarded = listed(streams, script, output=ONE, idle=1.0, fallback=[[B]], on_break="rung")
    stream = guarded()
    first, marker, last = streams.drain(stream)
    assert (first, last) == (A, B)
    assert isinstance(marker, Interrupted)
    assert (marker.delivered, marker.failure.stage) == (1, stage)
    assert stream.outcome.degraded


# --- rungs


@pytest.mark.parametrize(
    ("rung", "items"),
    [
        ([A, {"name": "b"}], [A, B]),
        (lambda *_: [A, {"name": "b"}, '{"name": "c"}'], [A, B, C]),
        (lambda *_: (A,), [A]),
        (A, [A]),
        ([], []),
    ],
)
def test_a_rung_gives_items_not_text(streams: Streams, rung: Any, items: list[Item]) -> None:
    """A list item by item, anything else as one; each judged as an element."""
    stream = listed(streams, [ConnectionError()], fallback=[rung])()
    assert streams.drain(stream) == items
    assert stream.outcome.degraded


def test_a_rung_may_stream_items(streams: Streams) -> None:
    """A generator of the component's shape; it gives elements already."""
    stream = listed(streams, [ConnectionError()], fallback=[streams.component([A, {"name": "b"}])])()
    assert streams.drain(stream) == [A, B]


def test_a_rung_is_held_to_the_element(streams: Streams) -> None:
    """One that breaks the contract at once is passed over; a value is refused at declaration."""
    stream = listed(streams, [ConnectionError()], fallback=[lambda *_: [{"name": 1}], [B]])()
    assert streams.drain(stream) == [B]
    with pytest.raises(PolicyError, match="contract"):
        listed(streams, [], name="refused", fallback=[[{"name": 1}]])


def test_rungs_that_need_the_whole_are_refused(clock: VirtualClock) -> None:
    """As for any stream that is given away item by item."""
    del clock
    settings: Any = {"deadline": 1.0, "stream": "elements", "output": list[Item]}

    async def whole() -> Any:
        return [A]

    for rung in (last_good(by=lambda: 1, ttl=1.0), whole):
        with pytest.raises(PolicyError, match="elements"):

            @guard("refused", fallback=[rung], **settings)
            async def component() -> Any:
                yield "[]"


def test_a_halt_keeps_models_out(streams: Streams) -> None:
    """Switched off, the elements that had come already stay where they are."""
    guarded = listed(
        streams,
        ['[{"name": "a"}, {"name": "b"}', "]"],
        on_break="rung",
        fallback=[Rung(lambda *_: [B], ai=True), [C]],
    )
    stream = guarded()
    assert streams.next(stream) == A
    guarded.boundary.mode = "off"
    marker, last = streams.drain(stream)
    assert (marker.failure.kind, last) == (FailureKind.HALTED, C)


def test_a_halt_without_rungs_interrupts(streams: Streams) -> None:
    """Before the next element, pulled or not."""
    guarded = listed(streams, ['[{"name": "a"}, {"name": "b"}', "]"])
    stream = guarded()
    streams.next(stream)
    guarded.boundary.mode = "off"
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert isinstance(caught.value.__cause__, HaltedError)


# --- clocks


def test_clocks_count_pieces(streams: Streams) -> None:
    """A long element whose pieces keep coming is not silence; it only uses up the whole."""
    pieces = ["[", Takes(0.9), '{"name"', Takes(0.9), ': "', Takes(0.9), 'a"', Takes(0.9), "}", Takes(0.9), "]"]
    guarded = listed(streams, pieces, deadline=10.0, first_item=0.5, idle=1.0)
    assert streams.drain(guarded()) == [A]
    short = listed(streams, pieces, deadline=3.0, first_item=0.5, idle=1.0, name="short")
    with pytest.raises(DeadlineExceededError) as caught:
        streams.drain(short())
    assert caught.value.failure.stage == "deadline"


def test_silence_before_the_first_element_is_a_timeout_like_any(streams: Streams) -> None:
    """No element is out: retried, although pieces had come."""
    guarded = listed(streams, ["[", Takes(2.0), "]"], ['[{"name": "b"}]'], idle=1.0, retry=AGAIN)
    stream = guarded()
    assert streams.drain(stream) == [B]
    assert "idle" in stream.outcome.attempts[0].failure.message


def test_a_slow_consumer_costs_no_time(streams: Streams) -> None:
    """Neither between elements of one piece nor between pieces."""
    guarded = listed(streams, ['[{"name": "a"}, {"name": "b"}, ', Takes(0.5), '{"name": "c"}]'], deadline=1.0, idle=0.6)
    stream = guarded()
    items = []
    for _ in range(3):
        items.append(streams.next(stream))
        streams.clock.advance(60.0)
    assert items == [A, B, C]
    assert streams.drain(stream) == []


# --- what is held is given back


def test_closing_gives_everything_back(streams: Streams) -> None:
    """Also with elements that were not taken."""
    guarded = listed(streams, ['[{"name": "a"}, {"name": "b"}', Hang()], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    streams.next(stream)
    streams.close(stream)
    assert (guarded.boundary.bulkhead.in_flight, streams.closed) == (0, 1)
    with pytest.raises(streams.ended):
        streams.next(stream)
    streams.settle()
    assert guarded.boundary._state.workers.busy == 0


def test_dropping_gives_everything_back(streams: Streams) -> None:
    """An async one in a task on its loop."""
    guarded = listed(streams, ['[{"name": "a"}, {"name": "b"}', "]"], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    streams.next(stream)
    del stream
    gc.collect()
    streams.settle()
    assert (guarded.boundary.bulkhead.in_flight, streams.closed) == (0, 1)


def test_a_stream_dropped_after_its_loop_was_closed_gives_its_permit_back(clock: VirtualClock) -> None:
    """Nothing can be awaited any more then."""
    streams = Streams("async", clock)
    guarded = listed(streams, ['[{"name": "a"}, ', "]"], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    with streams.runner:
        streams.next(stream)
    del stream
    gc.collect()
    clock.run(asyncio.sleep(0))
    gc.collect()
    assert guarded.boundary.bulkhead.in_flight == 0


def test_cancelling_the_consumer_closes_the_stream(on_loop: Streams) -> None:
    """The caller's cancellation leaves as it is, and everything is given back first."""
    guarded = listed(on_loop, ['[{"name": "a"}, ', Hang()], bulkhead=Bulkhead(limit=1))

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
    assert (guarded.boundary.bulkhead.in_flight, on_loop.closed) == (0, 1)


def test_two_pulls_at_once_are_refused(on_loop: Streams) -> None:
    """The first goes on undisturbed."""
    guarded = listed(on_loop, ['[{"name": "a"}, ', Takes(1.0), '{"name": "b"}]'])

    async def consume() -> Any:
        stream = guarded()
        await anext(stream)
        return await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)

    first, second = on_loop.runner.run(consume())
    assert first == B
    assert isinstance(second, RuntimeError)


def test_what_is_sent_and_thrown_reaches_the_component(streams: Streams) -> None:
    """For the next piece; elements that are there already are not lost."""
    guarded = listed(streams, ['[{"name": "a"}, {"name": "b"}', ', {"name": "c"}', "]"])
    stream = guarded()
    assert streams.next(stream) == A
    assert streams.send(stream, "hello") == B
    assert streams.sent == ["hello"]
    assert streams.next(stream) == C
    with pytest.raises(StreamInterruptedError):
        streams.throw(stream, KeyError())
    assert streams.closed == 1


# --- declaration


@pytest.mark.parametrize("output", [None, int, dict[str, int], OutputContract(list[int], checks=[bool])])
def test_anything_but_a_list_is_refused(clock: VirtualClock, output: Any) -> None:
    """At declaration; both settings are named, with the boundary."""
    del clock
    decorate: Callable[..., Any] = guard

    def component() -> Any:
        yield "[]"

    with pytest.raises(PolicyError) as caught:
        decorate("wrong", deadline=1.0, stream="elements", output=output)(component)
    (problem,) = caught.value.problems
    assert (problem.boundary, problem.setting) == ("wrong", "output")
    assert "`stream` ('elements')" in problem.reason


def test_a_boundary_streams_elements_without_a_decorator(blocking: Streams) -> None:
    """As with any other mode."""
    boundary = Boundary("bare", deadline=5.0, stream="elements", output=list[int], isolation=blocking.kind)
    assert list(boundary.stream(blocking.component(["[1, ", "2]"]))) == [1, 2]


def test_prose_is_read_over_where_that_is_allowed(streams: Streams) -> None:
    """`OutputContract(extract=True)`, as for a whole answer."""
    pieces = ["Here you are:\n```json\n[", "1, 2", "]\n```"]
    assert streams.drain(listed(streams, pieces, output=OutputContract(list[int], extract=True))()) == [1, 2]
    with pytest.raises(InvalidOutputError):
        streams.drain(listed(streams, pieces, output=list[int], name="bare")())
