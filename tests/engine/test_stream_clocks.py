"""The clocks of a stream: the first item, silence, the whole; none of them counts what the consumer takes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    Breaker,
    Bulkhead,
    DeadlineExceededError,
    FailureKind,
    Hedge,
    PolicyError,
    Retry,
    StreamInterruptedError,
    guard,
    remaining,
)
from aiguard.deadline import publish, withdraw
from aiguard.engine.clocks import NO_CLOCKS, Clocks, Pace
from aiguard.events import Run
from aiguard.signals import Expired
from aiguard.testing.virtual import VirtualPatience
from tests.shapes import Hang, Harness, Items, Takes
from tests.streaming import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.testing import VirtualClock

AGAIN = Retry(attempts=3, wait=lambda _: 0.0)
CLOCKS: Any = {"deadline": 10.0, "attempt_timeout": 8.0, "first_item": 3.0, "idle": 1.0}


def at(streams: Streams, moment: float, late: float) -> Any:
    """Return when a late item ends a stream: what runs in its caller's thread comes back first."""
    return pytest.approx(late if streams.kind == "inline" else moment)


# --- which clock ends it, and how it says so


@pytest.mark.parametrize(
    ("settings", "takes", "ends"),
    [
        ({}, 5.0, ("first_item", "attempt", 3.0)),
        ({"first_item": None, "idle": None}, 9.0, ("attempt_timeout", "attempt", 8.0)),
        ({"first_item": None, "attempt_timeout": None}, 11.0, ("deadline", "deadline", 10.0)),
        ({"first_item": 8.0}, 9.0, ("attempt_timeout", "attempt", 8.0)),  # of two at the same moment the whole's counts
    ],
)
@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_the_nearest_clock_ends_the_wait_for_the_first_item(
    streams: Streams, *, mode: str, settings: dict[str, Any], takes: float, ends: tuple[str, str, float]
) -> None:
    """Kind `timeout`; stage and message say which clock it was."""
    limit, stage, moment = ends
    guarded = streams.guarded([Takes(takes), "a"], stream=mode, **(CLOCKS | settings))
    with pytest.raises(DeadlineExceededError) as caught:
        streams.next(guarded())
    failure = caught.value.failure
    assert (failure.kind, failure.stage) == (FailureKind.TIMEOUT, stage)
    assert limit in failure.message
    assert streams.clock.elapsed == at(streams, moment, takes)


def test_silence_after_the_first_item_interrupts(streams: Streams) -> None:
    """Before `idle` is over the item comes through; after it the stream has ended early, by a clock of ours."""
    guarded = streams.guarded(["a", Takes(0.9), "b", Takes(1.5), "late"], bulkhead=Bulkhead(limit=1), **CLOCKS)
    stream = guarded()
    assert [streams.next(stream), streams.next(stream)] == ["a", "b"]
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert caught.value.delivered == 2
    assert caught.value.failure.stage == "attempt"
    assert "idle" in caught.value.failure.message
    assert isinstance(caught.value.__cause__, DeadlineExceededError)
    assert streams.clock.elapsed == at(streams, 1.9, 2.4)
    if streams.kind == "thread":
        assert guarded.boundary.abandoned == 1
    else:
        assert (guarded.boundary.bulkhead.in_flight, streams.closed) == (0, 1)


def test_an_end_that_does_not_come_is_silence_too(streams: Streams) -> None:
    """A component that hangs behind its last item is cut as one that hangs before another, where it can be cut."""
    guarded = streams.guarded(["a", Hang()], **CLOCKS)
    if streams.kind == "inline":  # it came back: what was given is whole
        assert streams.drain(guarded()) == ["a"]
        return
    with pytest.raises(StreamInterruptedError) as caught:
        streams.drain(guarded())
    assert "idle" in caught.value.failure.message
    assert streams.clock.elapsed == pytest.approx(1.0)


def test_silence_may_be_longer_than_the_first_item_and_shorter(streams: Streams) -> None:
    """Each clock is its own: neither shortens the other."""
    patient = streams.guarded(["a", Takes(4.0), "b"], name="patient", deadline=10.0, first_item=1.0, idle=5.0)
    assert streams.drain(patient()) == ["a", "b"]
    slow = streams.guarded([Takes(4.0), "a", Takes(2.0), "b"], name="slow", deadline=10.0, first_item=5.0, idle=1.0)
    stream = slow()
    assert streams.next(stream) == "a"
    began = streams.clock.elapsed
    with pytest.raises(StreamInterruptedError):
        streams.next(stream)
    assert streams.clock.elapsed - began == at(streams, 1.0, 2.0)


def test_the_whole_ends_what_neither_other_clock_would(streams: Streams) -> None:
    """Items that each come in time may still be too many for the deadline."""
    steps = [step for _ in range(20) for step in (Takes(0.9), "item")]
    guarded = streams.guarded(steps, deadline=5.0, first_item=1.0, idle=1.0)
    with pytest.raises(StreamInterruptedError) as caught:
        streams.drain(guarded())
    assert caught.value.failure.stage == "deadline"
    assert caught.value.delivered == 5
    assert streams.clock.elapsed == at(streams, 5.0, 5.4)


def test_an_item_that_comes_at_the_last_moment_is_in_time(clock: VirtualClock) -> None:
    """A limit is what an item may take, not what it must stay under."""
    inline = Streams("inline", clock)
    guarded = inline.guarded([Takes(2.0), "a", Takes(1.0), "b"], deadline=3.0, first_item=2.0, idle=1.0)
    assert inline.drain(guarded()) == ["a", "b"]


@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_an_item_that_comes_before_anybody_could_look_is_late_all_the_same(streams: Streams, mode: str) -> None:
    """A component that holds up the loop, or answers in the same moment, gains nothing by it."""
    settings: Any = CLOCKS | {"stream": mode}

    def late() -> Any:
        streams.clock.advance(5.0)
        return "late"

    if streams.is_async:

        @guard("blocks", **settings)
        async def ablocks() -> Any:
            yield late()

        guarded: Any = ablocks
    else:

        @guard("blocks", isolation=streams.kind, **settings)
        def blocks() -> Any:
            yield late()

        guarded = blocks
    with pytest.raises(DeadlineExceededError) as caught:
        streams.next(guarded())
    assert "first_item" in caught.value.failure.message
    streams.settle()
    assert guarded.boundary._state.workers.busy == guarded.boundary.abandoned == 0


def test_a_stream_that_opens_late_in_its_thread_gives_it_back(clock: VirtualClock) -> None:
    """Nobody pulls from it any more."""
    streams = Streams("thread", clock)

    @guard("opens-late", shape="generator", stream="passthrough", **CLOCKS)
    def component() -> Any:
        clock.advance(5.0)
        return streams.component(["never"])()

    with pytest.raises(DeadlineExceededError, match="first_item"):
        next(component())
    streams._boundaries.append(component.boundary)
    streams.settle()
    assert component.boundary._state.workers.busy == component.boundary.abandoned == 0


def test_a_passthrough_stream_that_swallows_its_cancellation_is_cancelled_again(on_loop: Streams) -> None:
    """Every quarter of a second, until it gives way; what it gives then is late."""

    @guard("stubborn-items", deadline=10.0, stream="passthrough", idle=1.0)
    async def component() -> Any:
        yield "a"
        for _ in range(3):
            try:
                await asyncio.sleep(60.0)
            except asyncio.CancelledError:
                continue
        yield "late"

    stream = component()
    on_loop.next(stream)
    with pytest.raises(StreamInterruptedError, match="idle"):
        on_loop.next(stream)
    assert on_loop.clock.elapsed == pytest.approx(1.5)


def test_an_interrupt_leaves_the_collecting_thread_behind(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C frees the caller at once; the thread is counted until it ends."""
    streams = Streams("thread", clock)
    guarded = streams.guarded(["a", Hang()], stream="buffer", **CLOCKS)

    def interrupted(*_: Any) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(VirtualPatience, "hold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        streams.next(guarded())
    assert guarded.boundary.abandoned == 1


# --- before the first item the ordinary rules hold


def test_a_first_item_that_is_late_is_retried(streams: Streams) -> None:
    """Nobody has seen anything: another attempt is as good, with a clock of its own."""
    guarded = streams.guarded([Takes(5.0), "late"], [Takes(2.5), "b"], retry=AGAIN, **(CLOCKS | {"deadline": 20.0}))
    stream = guarded()
    assert streams.drain(stream) == ["b"]
    first, second = stream.outcome.attempts
    assert (first.failure.kind, second.reason, second.failure) == (FailureKind.TIMEOUT, "retry", None)
    assert "first_item" in first.failure.message


def test_a_first_item_that_is_late_goes_to_the_ladder(streams: Streams) -> None:
    """A rung answers as for any other failure before the first item; the clocks are not the rung's."""
    rung = streams.component([Takes(2.0), "r1", Takes(2.0), "r2"])
    guarded = streams.guarded([Takes(5.0), "late"], deadline=20.0, first_item=1.0, idle=1.0, fallback=[rung])
    stream = guarded()
    assert streams.drain(stream) == ["r1", "r2"]
    assert stream.outcome.failure.kind is FailureKind.TIMEOUT


def test_the_opening_of_a_stream_counts_for_its_first_item(streams: Streams) -> None:
    """What a client takes to connect is part of what the caller waits for."""
    settings: Any = {"deadline": 10.0, "stream": "passthrough", "first_item": 2.0}

    def items() -> Any:
        streams.clock.sleep(1.5)
        yield "late"

    if streams.is_async:

        async def aopen() -> Any:
            await asyncio.sleep(1.5)
            return streams.component([Takes(1.5), "late"])()

        guarded: Any = guard("opens", shape="async_generator", **settings)(aopen)
    else:

        def sopen() -> Any:
            streams.clock.sleep(1.5)
            return items()

        guarded = guard("opens", shape="generator", isolation=streams.kind, **settings)(sopen)
    with pytest.raises(DeadlineExceededError) as caught:
        streams.next(guarded())
    assert "first_item" in caught.value.failure.message
    assert streams.clock.elapsed == at(streams, 2.0, 3.0)


def test_an_opening_that_takes_too_long_is_a_late_first_item(streams: Streams) -> None:
    """Nothing more is asked of a stream that opened too late."""
    settings: Any = {"deadline": 10.0, "stream": "passthrough", "first_item": 2.0}
    if streams.is_async:

        async def aopen() -> Any:
            await asyncio.sleep(5.0)
            return streams.component(["never"])()

        guarded: Any = guard("opens-late", shape="async_generator", **settings)(aopen)
    else:

        def sopen() -> Any:
            streams.clock.sleep(5.0)
            return ["never"]

        guarded = guard("opens-late", shape="generator", isolation=streams.kind, **settings)(sopen)
    with pytest.raises(DeadlineExceededError) as caught:
        streams.next(guarded())
    assert "first_item" in caught.value.failure.message
    assert caught.value.failure.stage == "attempt"
    assert streams.called == 0


# --- the consumer's own time


def test_no_clock_counts_what_the_consumer_takes(streams: Streams) -> None:
    """Minutes between two pulls, under clocks of seconds."""
    guarded = streams.guarded([Takes(2.0), "a", Takes(0.9), "b", Takes(0.9), "c"], **CLOCKS)
    stream = guarded()
    items = []
    for _ in range(3):
        items.append(streams.next(stream))
        streams.clock.advance(120.0)
    assert items == ["a", "b", "c"]
    with pytest.raises(streams.ended):
        streams.next(stream)
    assert stream.outcome.ok


def test_no_clock_cancels_a_consumer_at_work(on_loop: Streams) -> None:
    """The timers of a stream come due while its consumer sleeps in the same task, and leave it alone."""
    guarded = on_loop.guarded(["a", Takes(0.5), "b", Takes(0.9), "c"], **CLOCKS)

    async def consume() -> list[str]:
        items = []
        async for item in guarded():
            items.append(item)
            await asyncio.sleep(30.0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return items

    assert on_loop.runner.run(consume()) == ["a", "b", "c"]


def test_inside_each_pull_the_nearest_clock_is_visible(streams: Streams) -> None:
    """`remaining()` says how long the component is waited for: first item, silence, or what is left of the whole."""
    guarded = streams.guarded(["a", "b", Takes(0.8), "c", "d"], deadline=2.5, first_item=2.0, idle=1.0)
    stream = guarded()
    for _ in range(4):
        streams.next(stream)
        assert remaining() is None
    streams.close(stream)
    assert streams.left == [pytest.approx(left) for left in (2.0, 1.0, 1.0, 0.2, 1.0)]


# --- the whole is collected under the same clocks


@pytest.mark.parametrize(("hangs_at", "moment"), [(0, 3.0), (1, 1.5), (4, 3.0)])
def test_a_buffered_item_that_hangs_ends_the_collection(streams: Streams, hangs_at: int, moment: float) -> None:
    """Nobody has seen anything, and nobody waits for the whole deadline either."""
    steps: list[Any] = [step for number in range(6) for step in (Takes(0.5), f"item {number}")]
    steps[2 * hangs_at] = Hang()
    guarded = streams.guarded(steps, stream="buffer", fallback=["floor"], **CLOCKS)
    stream = guarded()
    assert streams.drain(stream) == ["floor"]
    failure = stream.outcome.failure
    assert failure.kind is FailureKind.TIMEOUT
    assert failure.stage == "attempt"
    assert ("idle" if hangs_at else "first_item") in failure.message
    assert streams.clock.elapsed == at(streams, moment, 1000.0 + 0.5 * hangs_at)


def test_a_buffered_item_that_hangs_is_retried(streams: Streams) -> None:
    """Whatever had come before is dropped: the next attempt begins anew."""
    guarded = streams.guarded(["a", Takes(2.0), "b"], ["c", "d"], stream="buffer", retry=AGAIN, **CLOCKS)
    stream = guarded()
    assert streams.drain(stream) == ["c", "d"]
    assert "idle" in stream.outcome.attempts[0].failure.message


def test_a_buffered_stream_in_time_is_whole(streams: Streams) -> None:
    """Clocks that nothing runs into change nothing."""
    guarded = streams.guarded([Takes(2.5), "a", Takes(0.9), "b", Takes(0.9), "c"], stream="buffer", **CLOCKS)
    assert streams.drain(guarded()) == ["a", "b", "c"]
    assert streams.left[0] == pytest.approx(3.0)
    assert streams.left[2] == pytest.approx(1.0)


def test_a_hedged_stream_has_its_clocks_in_each_attempt(on_loop: Streams) -> None:
    """On a loop both attempts are collected under their own."""
    guarded = on_loop.guarded(
        ["a", Hang()], ["b", Takes(0.9), "c"], stream="buffer", hedge=Hedge(after=0.5), deadline=10.0, idle=1.0
    )
    stream = guarded()
    assert on_loop.drain(stream) == ["b", "c"]
    assert on_loop.clock.elapsed == pytest.approx(1.4)
    first, second = stream.outcome.attempts
    assert "idle" in first.failure.message
    assert (second.reason, second.failure) == ("hedge", None)


def test_the_deadline_of_a_buffered_stream_is_named(streams: Streams) -> None:
    """Items in time, too many of them."""
    steps = [step for _ in range(20) for step in (Takes(0.9), "item")]
    guarded = streams.guarded(steps, stream="buffer", deadline=5.0, idle=1.0)
    with pytest.raises(DeadlineExceededError) as caught:
        streams.drain(guarded())
    assert caught.value.failure.stage == "deadline"


def test_a_buffered_stream_left_behind_is_counted(clock: VirtualClock) -> None:
    """The thread that hangs keeps its permit until it ends."""
    streams = Streams("thread", clock)
    guarded = streams.guarded(["a", Hang()], stream="buffer", bulkhead=Bulkhead(limit=1), **CLOCKS)
    with pytest.raises(DeadlineExceededError):
        streams.drain(guarded())
    assert (guarded.boundary.abandoned, guarded.boundary.bulkhead.in_flight) == (1, 1)


def test_a_component_that_swallows_its_cancellation_is_late_all_the_same(on_loop: Streams) -> None:
    """What it gives after its time is discarded, in a collection as everywhere."""

    @guard("stubborn", deadline=10.0, stream="buffer", idle=1.0)
    async def component() -> Any:
        yield "a"
        try:
            await asyncio.sleep(3.0)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        yield "late"

    with pytest.raises(DeadlineExceededError) as caught:
        on_loop.drain(component())
    assert "idle" in caught.value.failure.message


def test_the_callers_own_cancellation_of_a_collection_leaves_as_it_is(on_loop: Streams) -> None:
    """Clocks that run tell their own cancellation from everybody else's."""
    guarded = on_loop.guarded(["a", Hang()], stream="buffer", deadline=10.0, idle=5.0)

    async def main() -> None:
        task = asyncio.ensure_future(anext(guarded()))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    on_loop.runner.run(main())
    assert on_loop.closed == 1


# --- what the breaker hears


class Timed:
    """What an attempt tells of its time."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, float]] = []

    def began(self, now: float) -> None:
        """Note when the component began."""
        self.heard.append(("began", now))

    def answered(self, now: float) -> None:
        """Note when its first item came."""
        self.heard.append(("answered", now))


def test_the_first_item_is_told_of_once(streams: Streams, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow call is one whose first item was slow, however long the stream goes on."""
    timed = Timed()
    monkeypatch.setattr(Run, "timed", timed)
    guarded = streams.guarded([Takes(1.5), "a", Takes(5.0), "b"], breaker=Breaker())
    assert streams.drain(guarded()) == ["a", "b"]
    heard: list[Any] = [(what, pytest.approx(moment - streams.clock.start)) for what, moment in timed.heard]
    assert heard == [("began", 0.0), ("answered", 1.5)]


# --- declaration


@pytest.mark.parametrize(
    ("setting", "value"), [("first_item", 1.0), ("idle", 1.0), ("on_break", "rung"), ("stream", "elements")]
)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_what_only_streams_have_is_refused_for_a_function(
    clock: VirtualClock, *, setting: str, value: Any, asynchronous: bool
) -> None:
    """Refused, never ignored, by its name."""
    del clock
    settings: Any = {"deadline": 2.0, "fallback": ["floor"], setting: value}
    if setting == "on_break":
        settings["stream"] = "passthrough"
    if value == "elements":
        settings |= {"output": list[str]}

    async def acall() -> str:
        return "x"

    def call() -> str:
        return "x"

    with pytest.raises(PolicyError, match="no generator") as caught:
        guard("no-stream", **settings)(acall if asynchronous else call)
    assert setting in {problem.setting for problem in caught.value.problems}


def test_two_attempts_in_threads_have_no_such_clocks(clock: VirtualClock) -> None:
    """Both settings are named."""
    del clock

    def component() -> Any:
        yield "x"

    settings: Any = {"deadline": 5.0, "stream": "buffer", "hedge": Hedge(after=1.0)}
    with pytest.raises(PolicyError, match="hedge") as caught:
        guard("both", idle=1.0, **settings)(component)
    assert caught.value.problems[0].setting == "idle"
    with pytest.raises(PolicyError, match="hedge") as caught:
        guard("both", first_item=1.0, **settings)(component)
    assert caught.value.problems[0].setting == "first_item"


# --- the pace alone


@pytest.fixture
def unpublished() -> Iterator[None]:
    """What a pace publishes is withdrawn behind the test, as runtimes do behind an attempt."""
    token = publish(None)
    yield
    withdraw(token)


@pytest.mark.usefixtures("unpublished")
def test_a_pace_knows_by_when_the_next_item_has_to_be_there(clock: VirtualClock) -> None:
    """First the first item's clock, then that of silence, and never beyond the whole."""
    pace = Pace(Clocks(3.0, 1.0), clock.now(), clock.now() + 4.0, clock, None)
    start = clock.start
    assert (pace.moment, pace.limit) == (start + 3.0, "first_item")
    assert pace.look(start) == start + 1.0  # the item may come at once, and silence begin
    assert pace.look(start + 2.5) == start + 3.0
    clock.advance(3.0)
    pace.step()
    assert (pace.moment, pace.limit) == (start + 4.0, "")
    clock.advance(0.5)
    pace.step()
    assert (pace.moment, pace.limit) == (start + 4.0, "")
    clock.advance(0.6)
    with pytest.raises(Expired) as caught:
        pace.step()
    assert caught.value.limit == ""


def test_without_clocks_a_pace_is_that_of_the_whole(clock: VirtualClock) -> None:
    """Nothing set is no limit."""
    pace = Pace(NO_CLOCKS, clock.now(), clock.now() + 4.0, clock, None)
    assert (pace.moment, pace.limit) == (clock.start + 4.0, "")
    assert pace.look(clock.now()) == clock.start + 4.0


@pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
def test_a_stream_never_sees_more_than_its_consumer_has(shape: str, clock: VirtualClock) -> None:
    """Its own clock stands still while the consumer works, the consumer's does not."""
    inner = Harness(shape, clock, [Items(remaining, remaining)], "inner", {"deadline": 2.0})

    @guard("outer", deadline=3.0, isolation="inline")
    def outer() -> list[Any]:
        items = []
        for item in inner.guarded():
            items.append(item)
            clock.advance(2.5 if len(items) == 1 else 0.0)
        return items

    @guard("aouter", deadline=3.0)
    async def aouter() -> list[Any]:
        items = []
        async for item in inner.guarded():
            items.append(item)
            await asyncio.sleep(2.5 if len(items) == 1 else 0.0)
        return items

    seen = clock.run(aouter()) if inner.is_async else outer()
    assert seen == [pytest.approx(2.0), pytest.approx(0.5)]
