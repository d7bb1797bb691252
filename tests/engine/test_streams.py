"""What a guarded stream promises: in the caller's thread, in a worker thread, on a loop."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    Boundary,
    BoundaryError,
    Breaker,
    Bulkhead,
    BulkheadFullError,
    ComponentError,
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
    remaining,
)
from tests.shapes import Hang, Takes
from tests.streaming import Streams

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock

AGAIN = Retry(attempts=3, wait=lambda _: 0.0)


def held(guarded: Any) -> int:
    """Return how many permits are taken."""
    return int(guarded.boundary.bulkhead.in_flight)


# --- laziness


@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_what_is_never_iterated_acquires_nothing(streams: Streams, mode: str) -> None:
    """A hundred streams that nobody pulls from take no permit, start no thread and call nothing."""
    guarded = streams.guarded(["a"], stream=mode, bulkhead=Bulkhead(limit=1))
    many = [guarded("x") for _ in range(100)]
    assert held(guarded) == 0
    assert streams.called == 0
    assert guarded.boundary._state.workers.alive == 0
    assert {stream.outcome for stream in many} == {None}
    del many
    assert streams.drain(guarded()) == ["a"]


def test_a_stream_closed_before_it_began_never_begins(streams: Streams) -> None:
    """Closing what was never pulled from calls nothing, and there is nothing to pull afterwards."""
    guarded = streams.guarded(["a"])
    stream = guarded()
    streams.close(stream)
    with pytest.raises(streams.ended):
        streams.next(stream)
    assert streams.called == 0


# --- the permit


def test_the_permit_is_held_to_the_end(streams: Streams) -> None:
    """A stream counts as one call in flight from its first pull until it is exhausted."""
    guarded = streams.guarded(["a", "b"], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    assert streams.next(stream) == "a"
    assert held(guarded) == 1
    with pytest.raises(BulkheadFullError):
        streams.next(guarded())
    assert streams.drain(stream) == ["b"]
    assert held(guarded) == 0
    assert streams.closed == 1


def test_closing_gives_the_permit_back(streams: Streams) -> None:
    """An early close closes the component's generator and gives everything back."""
    guarded = streams.guarded(["a", "b"], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    streams.next(stream)
    streams.close(stream)
    streams.close(stream)
    assert (held(guarded), streams.closed) == (0, 1)
    with pytest.raises(streams.ended):
        streams.next(stream)


def test_an_error_gives_the_permit_back(streams: Streams) -> None:
    """A break in the middle gives everything back."""
    guarded = streams.guarded(["a", ConnectionError()], bulkhead=Bulkhead(limit=1))
    with pytest.raises(StreamInterruptedError):
        streams.drain(guarded())
    assert (held(guarded), streams.closed) == (0, 1)


def test_a_dropped_stream_gives_the_permit_back(streams: Streams) -> None:
    """A stream that is dropped without being closed is closed: an async one in a task on its loop."""
    guarded = streams.guarded(["a", "b"], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    streams.next(stream)
    del stream
    streams.settle()
    assert (held(guarded), streams.closed) == (0, 1)


def test_a_stream_that_is_broken_out_of_gives_the_permit_back(on_loop: Streams) -> None:
    """`async for` with a `break` needs no `aclosing`: the permit comes back without it."""
    guarded = on_loop.guarded(["a", "b"], bulkhead=Bulkhead(limit=1))

    async def consume() -> None:
        async for _ in guarded():
            break
        for _ in range(5):
            await asyncio.sleep(0)
        assert held(guarded) == 0

    on_loop.runner.run(consume())
    assert on_loop.closed == 1


def test_a_dropped_stream_in_a_cycle_gives_the_permit_back(streams: Streams) -> None:
    """The collector may be the one that drops it."""
    guarded = streams.guarded(["a", "b"], bulkhead=Bulkhead(limit=1))
    holder: dict[str, Any] = {"stream": guarded()}
    holder["self"] = holder
    streams.next(holder["stream"])
    del holder
    gc.collect()
    streams.settle()
    assert (held(guarded), streams.closed) == (0, 1)


def test_the_collector_may_close_a_streams_pipeline_first(blocking: Streams) -> None:
    """In a cycle nobody says what is finalized first: the permit comes back, and nothing is raised."""
    rung = blocking.component(["r1", "r2"])
    for script in (["a", "b"], [ConnectionError()]):
        guarded = blocking.guarded(
            script, name=f"cycle-{len(script)}", bulkhead=Bulkhead(limit=1), fallback=[rung] if len(script) == 1 else []
        )
        stream = guarded()
        blocking.next(stream)
        stream._chain.cr_await.close()
        del stream
        gc.collect()
        assert held(guarded) == 0


def test_a_stream_that_a_task_returned_is_closed_when_dropped(on_loop: Streams) -> None:
    """No timer keeps a stream alive through the task that pulled from it last."""
    guarded = on_loop.guarded(["a", "b"], bulkhead=Bulkhead(limit=1))

    async def begun() -> Any:
        stream = guarded()
        await anext(stream)
        return stream

    stream = on_loop.runner.run(begun())
    del stream
    gc.collect()
    on_loop.settle()
    assert held(guarded) == 0


def test_a_stream_dropped_after_its_loop_was_closed_gives_the_permit_back(clock: VirtualClock) -> None:
    """Nothing can be awaited any more then: the permit comes back, and the breaker has heard of no failure."""
    streams = Streams("async", clock)
    guarded = streams.guarded(["a", "b"], bulkhead=Bulkhead(limit=1), breaker=Breaker(), retry=AGAIN)
    stream = guarded()
    with streams.runner:
        streams.next(stream)
    del stream
    gc.collect()
    clock.run(asyncio.sleep(0))
    gc.collect()
    assert held(guarded) == 0
    assert guarded.boundary.breaker.fail_counter == 0


def test_the_end_of_the_loop_closes_a_dropped_stream(clock: VirtualClock) -> None:
    """`asyncio.run` may end in the same moment: the cleanup runs, permit and verdict are as after a close."""
    closed: list[str] = []

    @guard("ends-with-its-loop", deadline=5.0, stream="passthrough", bulkhead=Bulkhead(limit=1), breaker=Breaker())
    async def component() -> Any:
        try:
            for item in range(3):
                yield item
        finally:
            await asyncio.sleep(0)
            closed.append("closed")

    async def consume() -> None:
        async for _ in component():
            break

    clock.run(consume())
    gc.collect()
    assert closed == ["closed"]
    assert held(component) == 0
    assert component.boundary.breaker is not None
    assert component.boundary.breaker.fail_counter == 0


def test_cancelling_the_consumer_closes_the_stream(on_loop: Streams) -> None:
    """The caller's cancellation in the middle of a pull leaves as it is, and everything is given back first."""
    guarded = on_loop.guarded(["a", Hang()], bulkhead=Bulkhead(limit=1), breaker=Breaker(), retry=AGAIN)

    async def consume(stream: Any) -> None:
        await anext(stream)
        await anext(stream)

    async def main() -> None:
        task = asyncio.create_task(consume(guarded()))
        for _ in range(5):
            await asyncio.sleep(0)
        assert held(guarded) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert held(guarded) == 0
        assert on_loop.closed == 1

    on_loop.runner.run(main())
    assert guarded.boundary.breaker.fail_counter == 0


# --- how often it is tried, and who answers


def test_a_stream_is_retried_before_its_first_item(streams: Streams) -> None:
    """Nobody has seen anything yet: another attempt is as good."""
    guarded = streams.guarded([ConnectionError()], [ConnectionError()], ["a", "b"], retry=AGAIN)
    stream = guarded()
    assert streams.drain(stream) == ["a", "b"]
    assert [attempt.reason for attempt in stream.outcome.attempts] == ["initial", "retry", "retry"]
    assert streams.closed == 3


def test_a_stream_is_never_retried_after_its_first_item(streams: Streams) -> None:
    """A break in the middle leaves as what it is: how many were delivered, and why it ended."""
    guarded = streams.guarded(["a", "b", ConnectionError("boom")], ["never"], retry=AGAIN, fallback=["floor"])
    stream = guarded()
    assert streams.next(stream) == "a"
    assert streams.next(stream) == "b"
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    error = caught.value
    assert error.delivered == 2
    assert error.boundary == "stream"
    assert error.failure.kind is FailureKind.STREAM_INTERRUPTED
    assert error.failure.stage == "component"
    assert isinstance(error.__cause__, ComponentError)
    assert isinstance(error.__cause__.__cause__, ConnectionError)
    assert error.outcome is not None
    assert error.outcome is stream.outcome
    assert not error.outcome.ok
    assert len(error.outcome.attempts) == 1
    assert streams.called == 1
    with pytest.raises(streams.ended):
        streams.next(stream)


def test_the_breaker_hears_of_a_break_in_the_middle(streams: Streams) -> None:
    """A stream that breaks after its first item is a failure of the component."""
    guarded = streams.guarded(["a", ConnectionError()], breaker=Breaker(minimum_calls=1))
    with pytest.raises(StreamInterruptedError):
        streams.drain(guarded())
    assert guarded.boundary.breaker.current_state == "open"


def test_an_early_close_says_nothing_of_the_component(streams: Streams) -> None:
    """The breaker counts neither a success nor a failure when the consumer has had enough."""
    guarded = streams.guarded(["a", "b"], ["a", "b"], breaker=Breaker())
    stream = guarded()
    streams.next(stream)
    streams.close(stream)
    assert guarded.boundary.breaker._window.calls == 0
    dropped = guarded()
    streams.next(dropped)
    del dropped
    streams.settle()
    assert guarded.boundary.breaker._window.calls == 0


def test_an_early_close_gives_the_probe_back(streams: Streams) -> None:
    """A half-open breaker lets the next call probe after a consumer left the first one."""
    guarded = streams.guarded(["a", "b"], ["c"], breaker=Breaker(probes=1, concurrent_probes=1))
    guarded.boundary.breaker.half_open()
    stream = guarded()
    streams.next(stream)
    streams.close(stream)
    assert guarded.boundary.breaker.current_state == "half-open"
    assert streams.drain(guarded()) == ["c"]
    assert guarded.boundary.breaker.current_state == "closed"


def test_a_stream_that_gives_nothing_is_a_success(streams: Streams) -> None:
    """An empty stream ends without an error."""
    guarded = streams.guarded([], breaker=Breaker())
    stream = guarded()
    assert streams.drain(stream) == []
    assert stream.outcome.ok
    assert guarded.boundary.breaker._window.calls == 1


@pytest.mark.parametrize(
    ("rung", "items", "name"),
    [("floor", ["floor"], "value"), (["f", "g"], ["f", "g"], "value"), (lambda *_: "made", ["made"], "<lambda>")],
)
@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_a_rung_answers_before_the_first_item(
    streams: Streams, mode: str, rung: Any, items: list[str], name: str
) -> None:
    """A value is one item, a list is several, a plain function is asked."""
    guarded = streams.guarded([ConnectionError()], stream=mode, fallback=[rung], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    assert streams.drain(stream) == items
    assert stream.outcome.degraded
    assert stream.outcome.rung == name
    assert stream.outcome.failure.kind is FailureKind.CONNECTION
    assert held(guarded) == 0


@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_a_rung_may_stream(streams: Streams, mode: str) -> None:
    """A generator of the component's shape is a rung like any other."""
    rung = streams.component(["r1", "r2"])
    guarded = streams.guarded([ConnectionError()], stream=mode, fallback=[rung])
    stream = guarded()
    assert streams.drain(stream) == ["r1", "r2"]
    assert stream.outcome.degraded
    assert streams.closed == 2


def test_the_next_rung_answers_where_a_rung_breaks_before_its_first_item(streams: Streams) -> None:
    """A rung that fails at once is passed over."""
    rung = streams.component([ValueError("no")])
    guarded = streams.guarded([ConnectionError()], fallback=[rung, "floor"])
    assert streams.drain(guarded()) == ["floor"]


def test_no_other_rung_answers_once_a_rung_has_delivered(streams: Streams) -> None:
    """Half a rung's answer is with the caller: another one would be a different answer."""
    rung = streams.component(["r1", ValueError("no")])
    guarded = streams.guarded([ConnectionError()], fallback=[rung, "floor"])
    stream = guarded()
    assert streams.next(stream) == "r1"
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert caught.value.delivered == 1


def test_a_stream_served_by_a_rung_may_be_closed_early(streams: Streams) -> None:
    """What a rung gives is given back as early as what the component gives; the outcome names the rung."""
    rung = streams.component(["r1", "r2"])
    guarded = streams.guarded([ConnectionError()], fallback=[rung], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    assert streams.next(stream) == "r1"
    streams.close(stream)
    assert streams.closed == 2
    assert held(guarded) == 0
    assert stream.outcome.source == "fallback"


def test_a_rung_that_cannot_answer_a_stream_is_refused(clock: VirtualClock) -> None:
    """A coroutine function gives no items, and a generator of the other kind cannot be driven."""
    del clock

    async def no_stream() -> str:
        return "x"

    def other_kind() -> Any:
        yield "x"

    for rung in (no_stream, other_kind):
        with pytest.raises(PolicyError, match="refused"):

            @guard("refused", deadline=1.0, stream="passthrough", fallback=[rung])
            async def component() -> Any:
                yield "a"


# --- time


def test_a_slow_consumer_is_not_cut(streams: Streams) -> None:
    """The time a consumer takes between two pulls never counts against the deadline."""
    guarded = streams.guarded(["a", "b", "c"], deadline=2.0, attempt_timeout=1.0)
    stream = guarded()
    items = []
    for _ in range(3):
        items.append(streams.next(stream))
        streams.clock.advance(60.0)
    assert items == ["a", "b", "c"]
    with pytest.raises(streams.ended):
        streams.next(stream)
    assert stream.outcome.ok


def test_a_slow_consumer_in_one_task_is_not_cancelled(on_loop: Streams) -> None:
    """The timer of a stream finds its consumer at work, and lets it work."""
    guarded = on_loop.guarded(["a", Takes(0.5), "b"], deadline=2.0)

    async def consume() -> list[str]:
        items = []
        async for item in guarded():
            items.append(item)
            await asyncio.sleep(30.0)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        return items

    assert on_loop.runner.run(consume()) == ["a", "b"]


def test_a_stalled_stream_is_cut_when_its_waiting_time_is_used_up(streams: Streams) -> None:
    """The deadline of a stream is what may be waited for the component, over all pulls together."""
    guarded = streams.guarded(["a", Takes(1.5), "b", Takes(1.5), "late"], deadline=2.0, bulkhead=Bulkhead(limit=1))
    stream = guarded()
    assert streams.next(stream) == "a"
    streams.clock.advance(10.0)
    assert streams.next(stream) == "b"
    streams.clock.advance(10.0)
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert isinstance(caught.value.__cause__, DeadlineExceededError)
    assert caught.value.failure.stage == "deadline"
    assert caught.value.delivered == 2
    if streams.kind != "inline":
        assert streams.clock.elapsed == pytest.approx(22.0)
    if streams.kind == "thread":
        assert guarded.boundary.abandoned == 1
    else:
        assert held(guarded) == 0


def test_a_stream_that_hangs_before_its_first_item_is_retried(streams: Streams) -> None:
    """Before the first item the ordinary kinds apply."""
    guarded = streams.guarded([Takes(1.5), "late"], ["a"], deadline=3.0, attempt_timeout=1.0, retry=AGAIN)
    stream = guarded()
    assert streams.drain(stream) == ["a"]
    assert stream.outcome.attempts[0].failure.kind is FailureKind.TIMEOUT
    assert stream.outcome.attempts[0].failure.stage == "attempt"


def test_an_abandoned_stream_holds_its_permit_until_its_thread_ends(clock: VirtualClock) -> None:
    """A sync stream that is cut leaves its thread behind: permit and thread are counted until it really ends."""
    streams = Streams("thread", clock)
    guarded = streams.guarded(["a", Takes(30.0), "late"], deadline=2.0, bulkhead=Bulkhead(limit=1))
    with pytest.raises(StreamInterruptedError):
        streams.drain(guarded())
    assert (held(guarded), guarded.boundary.abandoned) == (1, 1)
    clock.advance(30.0)
    done = threading.Lock()
    done.acquire()
    assert not clock.wait(done, clock.now())
    for _ in range(1000):
        if not guarded.boundary.abandoned and not held(guarded):
            break
        done.acquire(timeout=0.001)
    assert (held(guarded), guarded.boundary.abandoned, streams.closed) == (0, 0, 1)


def test_the_deadline_is_visible_inside_each_pull_only(streams: Streams) -> None:
    """`remaining()` says inside the component how long it may still be waited for, and nothing to the consumer."""
    guarded = streams.guarded(["a", Takes(1.0), "b", "c"], deadline=5.0)
    stream = guarded()
    for _ in range(3):
        streams.next(stream)
        assert remaining() is None
        streams.clock.advance(7.0)
    assert streams.left == [pytest.approx(5.0), pytest.approx(5.0), pytest.approx(4.0), pytest.approx(4.0)]
    streams.close(stream)
    assert remaining() is None


def test_the_deadline_does_not_leak_within_one_task(on_loop: Streams) -> None:
    """In a task of its own, a consumer sees no deadline between two pulls either."""
    guarded = on_loop.guarded(["a", "b"], deadline=5.0)

    async def consume() -> None:
        async for _ in guarded():
            assert remaining() is None
        assert remaining() is None

    on_loop.runner.run(consume())


def test_the_deadline_is_visible_where_a_function_opens_the_stream(streams: Streams) -> None:
    """The call that returns an iterable, which is where an SDK connects, sees the deadline too."""
    seen: list[float | None] = []
    settings: Any = {"deadline": 5.0, "stream": "passthrough"}
    if streams.is_async:

        async def aopen() -> Any:
            seen.append(remaining())
            return streams.component(["a"])()

        guarded: Any = guard("opens", shape="async_generator", **settings)(aopen)
    else:

        def sopen() -> Any:
            seen.append(remaining())
            return ["a"]

        guarded = guard("opens", shape="generator", isolation=streams.kind, **settings)(sopen)
    assert streams.drain(guarded()) == ["a"]
    assert seen == [pytest.approx(5.0)]


def test_a_nested_stream_has_no_more_time_than_the_boundary_around_it(on_loop: Streams) -> None:
    """A stream inside another boundary ends at the outer deadline."""
    inner = on_loop.guarded(["a", Hang()], deadline=60.0, name="inner")

    @guard("outer", deadline=2.0)
    async def outer() -> list[Any]:
        return [item async for item in inner()]

    with pytest.raises(DeadlineExceededError):
        on_loop.run(outer)
    assert on_loop.clock.elapsed == pytest.approx(2.0)


# --- the generator's own protocol


def test_the_return_value_of_a_generator_survives(blocking: Streams) -> None:
    """`yield from` a guarded stream gives what the component returned."""

    @guard("returns", deadline=5.0, stream="passthrough", isolation=blocking.kind)
    def component() -> Any:
        yield 1
        return 42

    def consumer() -> Any:
        return (yield from component())

    stream = consumer()
    assert next(stream) == 1
    with pytest.raises(StopIteration) as ended:
        next(stream)
    assert ended.value.value == 42


def test_what_is_sent_arrives(streams: Streams) -> None:
    """`send` and `asend` reach the component."""
    guarded = streams.guarded(["a", "b"])
    stream = guarded()
    assert streams.next(stream) == "a"
    assert streams.send(stream, "hello") == "b"
    assert streams.sent == ["hello"]
    streams.close(stream)


def test_what_is_thrown_arrives(streams: Streams) -> None:
    """`throw` and `athrow` reach the component, which may go on."""
    if streams.is_async:

        async def acomponent() -> Any:
            try:
                yield 1
            except KeyError:
                yield "caught"

        guarded: Any = guard("thrown", deadline=5.0, stream="passthrough")(acomponent)
    else:

        def component() -> Any:
            try:
                yield 1
            except KeyError:
                yield "caught"

        guarded = guard("thrown", deadline=5.0, stream="passthrough", isolation=streams.kind)(component)
    stream = guarded()
    streams.next(stream)
    assert streams.throw(stream, KeyError("x")) == "caught"
    assert streams.drain(stream) == []


def test_what_is_thrown_and_not_caught_breaks_the_stream(streams: Streams) -> None:
    """An exception that the component lets through is the component's."""
    guarded = streams.guarded(["a", "b"], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    streams.next(stream)
    with pytest.raises(StreamInterruptedError):
        streams.throw(stream, KeyError("x"))
    assert (streams.closed, held(guarded)) == (1, 0)


def test_an_exception_thrown_before_the_first_pull_is_raised(streams: Streams) -> None:
    """As with any generator: it comes back as it is, and the component never begins."""
    guarded = streams.guarded(["a"])
    stream = guarded()
    with pytest.raises(KeyError):
        streams.throw(stream, KeyError("x"))
    assert streams.called == 0
    with pytest.raises(streams.ended):
        streams.next(stream)


def test_a_value_sent_before_the_first_pull_is_refused(streams: Streams) -> None:
    """As with any generator: nobody is there yet to take it, save `None`."""
    guarded = streams.guarded(["a"])
    with pytest.raises(TypeError):
        streams.send(guarded(), "early")
    assert streams.send(guarded(), None) == "a"


def test_the_end_stays_the_end(streams: Streams) -> None:
    """However often one asks, a stream that has ended has ended."""
    guarded = streams.guarded(["a"])
    stream = guarded()
    streams.drain(stream)
    for _ in range(3):
        with pytest.raises(streams.ended):
            streams.next(stream)
    assert streams.called == 1


def test_two_pulls_at_once_are_refused(on_loop: Streams) -> None:
    """The second of two concurrent pulls is a clear error; the first one and the stream go on undisturbed."""
    guarded = on_loop.guarded(["a", Takes(1.0), "b", "c"], bulkhead=Bulkhead(limit=2), retry=AGAIN)

    async def consume() -> tuple[Any, list[Any]]:
        stream = guarded()
        await anext(stream)
        both = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        return both, [item async for item in stream]

    both, rest = on_loop.runner.run(consume())
    assert both[0] == "b"
    assert isinstance(both[1], RuntimeError)
    assert "already" in str(both[1])
    assert not isinstance(both[1], BoundaryError)
    assert rest == ["c"]
    assert held(guarded) == 0


def test_two_first_pulls_at_once_are_refused(on_loop: Streams) -> None:
    """A stream begins once, whoever asks at the same time."""
    guarded = on_loop.guarded([Takes(1.0), "a", "b"], ["wrong"], bulkhead=Bulkhead(limit=2))

    async def consume() -> tuple[Any, list[Any]]:
        stream = guarded()
        both = await asyncio.gather(anext(stream), anext(stream), return_exceptions=True)
        return both, [item async for item in stream]

    both, rest = on_loop.runner.run(consume())
    assert both[0] == "a"
    assert isinstance(both[1], RuntimeError)
    assert rest == ["b"]
    assert on_loop.called == 1
    assert held(guarded) == 0


def test_a_stream_is_not_closed_under_a_pull(on_loop: Streams) -> None:
    """Closing while another task pulls is refused, as a plain async generator refuses it."""
    guarded = on_loop.guarded(["a", Takes(1.0), "b"], bulkhead=Bulkhead(limit=1))

    async def consume() -> Any:
        stream = guarded()
        await anext(stream)
        both = await asyncio.gather(anext(stream), stream.aclose(), return_exceptions=True)
        await stream.aclose()
        return both

    both = on_loop.runner.run(consume())
    assert both[0] == "b"
    assert isinstance(both[1], RuntimeError)
    assert (held(guarded), on_loop.closed) == (0, 1)


def test_two_threads_pulling_at_once_are_refused(blocking: Streams) -> None:
    """The second of two concurrent pulls is a clear error; the first one and the stream go on undisturbed."""
    inside, go_on = threading.Event(), threading.Event()

    @guard("two-threads", deadline=5.0, stream="passthrough", isolation=blocking.kind, bulkhead=Bulkhead(limit=1))
    def component() -> Any:
        yield "a"
        inside.set()
        go_on.wait(5.0)
        yield "b"
        yield "c"

    stream = component()
    next(stream)
    got: list[Any] = []
    other = threading.Thread(target=lambda: got.append(next(stream)), daemon=True)
    other.start()
    assert inside.wait(5.0)
    error: BaseException | None = None
    try:
        next(stream)
    except (RuntimeError, ValueError) as caught:
        error = caught
    finally:
        go_on.set()
        other.join(5.0)
    assert error is not None
    assert not isinstance(error, BoundaryError)
    assert got == ["b"]
    assert list(stream) == ["c"]
    assert held(component) == 0


# --- cleanup


def test_cleanup_may_wait(on_loop: Streams) -> None:
    """The `finally` of an async component may await, after a close and after a break alike."""
    log: list[str] = []

    async def component() -> Any:
        try:
            yield "a"
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0.2)
            log.append("clean")

    guarded: Any = guard("cleans", deadline=5.0, stream="passthrough", bulkhead=Bulkhead(limit=1))(component)
    stream = guarded()
    on_loop.next(stream)
    on_loop.close(stream)
    cut = guarded()
    on_loop.next(cut)
    with pytest.raises(StreamInterruptedError):
        on_loop.next(cut)
    assert log == ["clean", "clean"]
    assert held(guarded) == 0


@pytest.mark.parametrize("stubborn", [False, True])
def test_cleanup_that_hangs_is_bounded(on_loop: Streams, caplog: pytest.LogCaptureFixture, *, stubborn: bool) -> None:
    """Nobody waits longer than a second for a stream's cleanup, even if it swallows its cancellation once."""

    async def component() -> Any:
        try:
            yield "a"
        finally:
            if stubborn:
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(3600)
            await asyncio.sleep(3600)

    guarded: Any = guard("hangs-in-cleanup", deadline=5.0, stream="passthrough", bulkhead=Bulkhead(limit=1))(component)
    stream = guarded()
    on_loop.next(stream)

    async def close() -> int:
        await stream.aclose()
        task = asyncio.current_task()
        assert task is not None
        return task.cancelling()

    assert on_loop.runner.run(close()) == 0
    assert on_loop.clock.elapsed == pytest.approx(1.25 if stubborn else 1.0)
    assert held(guarded) == 0
    assert "cleanup" in caplog.text


def test_cleanup_in_a_thread_is_bounded(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """A sync stream whose cleanup hangs is left behind after a second, and keeps its permit until it ends."""

    @guard("hangs-in-thread", deadline=5.0, stream="passthrough", bulkhead=Bulkhead(limit=1))
    def component() -> Any:
        try:
            yield "a"
        finally:
            clock.hang()

    stream = component()
    next(stream)
    stream.close()
    assert clock.elapsed == pytest.approx(1.0)
    assert (held(component), component.boundary.abandoned) == (1, 1)
    assert "cleanup" in caplog.text


def test_what_cleanup_raises_is_logged(streams: Streams, caplog: pytest.LogCaptureFixture) -> None:
    """The consumer that closes a stream hears nothing of what its cleanup raises, and the log nothing of its text."""
    if streams.is_async:

        async def acomponent() -> Any:
            try:
                yield "a"
            finally:
                raise ValueError("SECRET")

        guarded: Any = guard("raises", deadline=5.0, stream="passthrough")(acomponent)
    else:

        def component() -> Any:
            try:
                yield "a"
            finally:
                raise ValueError("SECRET")

        guarded = guard("raises", deadline=5.0, stream="passthrough", isolation=streams.kind)(component)
    stream = guarded()
    streams.next(stream)
    streams.close(stream)
    assert "ValueError" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_sync_stream_has_one_worker_for_its_whole_life(clock: VirtualClock) -> None:
    """Body, pulls and cleanup run in one thread, with the caller's context, and the thread is let go."""
    threads: list[threading.Thread] = []

    @guard("one-worker", deadline=5.0, stream="passthrough")
    def component() -> Any:
        try:
            for item in range(3):
                threads.append(threading.current_thread())
                yield item
        finally:
            threads.append(threading.current_thread())

    for _ in range(3):
        stream = component()
        next(stream)
        next(stream)
        stream.close()
    assert len(set(threads)) == 1
    assert threads[0] is not threading.current_thread()
    assert component.boundary._state.workers.busy == 0
    assert component.boundary._state.workers.alive == 1
    del clock


def test_a_call_that_opens_no_stream_lets_its_worker_go(clock: VirtualClock) -> None:
    """A function that fails before there is anything to iterate leaves no thread behind."""

    @guard("never-opens", deadline=5.0, shape="generator", stream="passthrough", bulkhead=Bulkhead(limit=2))
    def component(*, fail: bool = True) -> list[str]:
        if fail:
            raise ConnectionError
        return ["a"]

    for _ in range(3):
        with pytest.raises(ComponentError) as caught:
            next(component())  # type: ignore[call-overload]
        assert caught.value.failure.kind is FailureKind.CONNECTION
    assert component.boundary._state.workers.busy == 0
    assert list(component(fail=False)) == ["a"]
    del clock


# --- contracts


def test_in_passthrough_each_item_is_held_to_the_contract(streams: Streams) -> None:
    """Items are parsed and judged one by one; a breach ends the stream where it stands."""
    guarded = streams.guarded(["1", 2, "three"], output=int, bulkhead=Bulkhead(limit=1), breaker=Breaker())
    stream = guarded()
    assert streams.next(stream) == 1
    assert streams.next(stream) == 2
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    cause = caught.value.__cause__
    assert isinstance(cause, InvalidOutputError)
    assert cause.failure.stage == caught.value.failure.stage == "output"
    assert (held(guarded), streams.closed, guarded.boundary.breaker.fail_counter) == (0, 1, 0)


def test_in_passthrough_a_first_item_that_breaks_the_contract_may_be_asked_again(streams: Streams) -> None:
    """Nothing was delivered: `reask` applies."""
    guarded = streams.guarded(["bad"], ["1", "2"], output=int, reask=1)
    stream = guarded()
    assert streams.drain(stream) == [1, 2]
    assert [attempt.reason for attempt in stream.outcome.attempts] == ["initial", "reask"]


def test_in_passthrough_a_rung_is_held_to_the_contract(streams: Streams) -> None:
    """A rung whose first item breaks the contract is passed over."""
    guarded = streams.guarded([ConnectionError()], output=int, fallback=[streams.component(["bad"]), [7, 8]])
    assert streams.drain(guarded()) == [7, 8]


def test_in_buffer_the_whole_is_held_to_the_contract(streams: Streams) -> None:
    """Text is joined and judged as one; the items leave as they came."""
    guarded = streams.guarded(['{"a"', ": 1}"], stream="buffer", output=dict[str, int])
    stream = guarded()
    assert streams.drain(stream) == ['{"a"', ": 1}"]
    assert stream.outcome.value == {"a": 1}


def test_in_buffer_other_items_are_judged_as_a_list(streams: Streams) -> None:
    """What is not text is one list."""
    guarded = streams.guarded([1, 2], stream="buffer", output=list[int])
    stream = guarded()
    assert streams.drain(stream) == [1, 2]
    assert stream.outcome.value == [1, 2]


def test_in_buffer_nothing_leaves_before_the_whole_is_valid(streams: Streams) -> None:
    """An invalid whole is a failed call: it is asked for again, or answered by a rung, and no item was seen."""
    guarded = streams.guarded(["{", "no"], ["1", "2"], stream="buffer", output=int, reask=1)
    assert streams.drain(guarded()) == ["1", "2"]
    other = streams.guarded(["no"], stream="buffer", output=int, name="floored", fallback=["0"])
    assert streams.drain(other()) == ["0"]
    bare = streams.guarded(["no"], stream="buffer", output=int, name="bare")
    with pytest.raises(InvalidOutputError):
        streams.next(bare())


def test_in_buffer_a_break_in_the_middle_is_retried(streams: Streams) -> None:
    """Nothing was delivered yet, however far the component had come."""
    guarded = streams.guarded(["a", ConnectionError()], ["b", "c"], stream="buffer", retry=AGAIN)
    assert streams.drain(guarded()) == ["b", "c"]
    assert streams.closed == 2


def test_in_buffer_items_are_released_one_by_one(streams: Streams) -> None:
    """The call is over before the first item leaves, and holds nothing while they are consumed."""
    guarded = streams.guarded(["a", "b", "c"], stream="buffer", bulkhead=Bulkhead(limit=1))
    stream = guarded()
    assert streams.next(stream) == "a"
    assert held(guarded) == 0
    assert stream.outcome.ok
    streams.clock.advance(100.0)
    assert streams.next(stream) == "b"
    streams.close(stream)
    with pytest.raises(streams.ended):
        streams.next(stream)


def test_in_buffer_a_stream_that_grows_too_large_is_stopped_early(streams: Streams) -> None:
    """The component is closed as soon as the limit is passed, not when it is done."""
    guarded = streams.guarded(["x" * 60, "y" * 60, Hang()], stream="buffer", output=OutputContract(str, max_bytes=100))
    with pytest.raises(InvalidOutputError) as caught:
        streams.next(guarded())
    assert caught.value.failure.kind is FailureKind.OUTPUT_TOO_LARGE
    assert streams.closed == 1
    assert streams.clock.elapsed == 0.0


def test_in_buffer_the_deadline_cuts_the_whole(streams: Streams) -> None:
    """A buffered stream is a call: it has an answer by the deadline, or an error."""
    guarded = streams.guarded(["a", Hang()], stream="buffer", deadline=2.0, fallback=["floor"])
    stream = guarded()
    assert streams.drain(stream) == ["floor"]
    assert stream.outcome.failure.kind is FailureKind.TIMEOUT


def test_in_buffer_cleanup_that_fails_costs_no_verdict(streams: Streams) -> None:
    """What a component raises while it is closed early does not replace why it was closed."""
    settings: Any = {"deadline": 5.0, "stream": "buffer", "output": OutputContract(str, max_bytes=10)}
    if streams.is_async:

        async def acomponent() -> Any:
            try:
                yield "x" * 60
            finally:
                raise ValueError("cleanup")

        guarded: Any = guard("cleans-badly", **settings)(acomponent)
    else:

        def component() -> Any:
            try:
                yield "x" * 60
            finally:
                raise ValueError("cleanup")

        guarded = guard("cleans-badly", isolation=streams.kind, **settings)(component)
    with pytest.raises(InvalidOutputError) as caught:
        streams.next(guarded())
    assert caught.value.failure.kind is FailureKind.OUTPUT_TOO_LARGE


# --- outcome, shapes, programmer's errors


def test_the_outcome_is_there_once_the_stream_has_ended(streams: Streams) -> None:
    """`None` before, an `Outcome` afterwards, whichever way it ended."""
    guarded = streams.guarded(["a", "b"], ["c"], [ConnectionError()])
    stream: Any = guarded()
    streams.next(stream)
    before = stream.outcome
    assert before is None
    streams.drain(stream)
    assert stream.outcome.ok
    assert stream.outcome.source == "component"
    closed = guarded()
    streams.next(closed)
    streams.close(closed)
    assert closed.outcome is not None
    failed = guarded()
    with pytest.raises(ComponentError):
        streams.next(failed)
    assert not failed.outcome.ok


def test_the_outcome_form_is_for_calls(streams: Streams) -> None:
    """`.outcome(…)` of a stream function says what to do instead."""
    guarded = streams.guarded(["a"])
    with pytest.raises(TypeError, match="attribute"):
        guarded.outcome("x")
    assert streams.called == 0


class ClientStream:
    """What an SDK gives back for `stream=True`: iterable, with a `close` of its own."""

    def __init__(self, items: list[Any], log: list[str]) -> None:
        self._items = iter(items)
        self._log = log

    def __iter__(self) -> Any:
        return self

    def __next__(self) -> Any:
        return next(self._items)

    def close(self) -> None:
        """Close the response."""
        self._log.append("closed")


class AsyncClientStream:
    """The same of an async SDK: `close`, and no `aclose`."""

    def __init__(self, items: list[Any], log: list[str]) -> None:
        self._items = iter(items)
        self._log = log

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        for item in self._items:
            return item
        raise StopAsyncIteration

    async def close(self) -> None:
        """Close the response."""
        await asyncio.sleep(0)
        self._log.append("closed")


@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_a_clients_own_stream_is_iterated_and_closed(streams: Streams, mode: str) -> None:
    """With `shape`, what a function returns or an `async def` resolves to is a stream, and closed at its end."""
    log: list[str] = []
    settings: Any = {"deadline": 5.0, "stream": mode, "output": OutputContract(str, max_bytes=10)}
    if streams.is_async:

        async def acreate(*items: str) -> Any:
            await asyncio.sleep(0)
            return AsyncClientStream(list(items), log)

        guarded: Any = guard("client", shape="async_generator", **settings)(acreate)
    else:

        def create(*items: str) -> Any:
            return ClientStream(list(items), log)

        guarded = guard("client", shape="generator", isolation=streams.kind, **settings)(create)
    assert streams.drain(guarded("a", "b")) == ["a", "b"]
    assert log == ["closed"]
    with pytest.raises(BoundaryError):
        streams.drain(guarded("a" * 100, "b"))
    assert log == ["closed"] * 2


def test_any_iterable_is_a_stream_where_the_shape_says_so(blocking: Streams) -> None:
    """A function that returns a list may be declared a stream."""

    @guard("listed", deadline=5.0, shape="generator", stream="passthrough", isolation=blocking.kind)
    def component() -> list[int]:
        return [1, 2]

    assert list(component()) == [1, 2]


def test_an_awaited_stream_is_timed_from_its_opening(on_loop: Streams) -> None:
    """What an `async def` takes to resolve counts as waiting for the component."""

    @guard("slow-to-open", deadline=2.0, shape="async_generator", stream="passthrough")
    async def component() -> Any:
        await asyncio.sleep(1.5)
        return on_loop.component([Takes(1.0), "late"])()

    with pytest.raises(DeadlineExceededError):
        on_loop.next(component())
    assert on_loop.clock.elapsed == pytest.approx(2.0)


@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_arguments_that_do_not_bind_are_the_programmers_error(streams: Streams, mode: str) -> None:
    """A `TypeError`, at the first pull, never counted and never answered by a rung; everything is given back."""
    settings: Any = {
        "deadline": 5.0,
        "stream": mode,
        "fallback": ["floor"],
        "breaker": Breaker(),
        "bulkhead": Bulkhead(limit=1),
    }
    if streams.is_async:

        async def acomponent(*, a: int) -> Any:
            yield a

        guarded: Any = guard("binds", **settings)(acomponent)
    else:

        def component(*, a: int) -> Any:
            yield a

        guarded = guard("binds", isolation=streams.kind, **settings)(component)
    with pytest.raises(TypeError, match="required"):
        streams.drain(guarded())
    assert held(guarded) == 0
    assert guarded.boundary.breaker._window.calls == 0
    assert guarded.boundary._state.workers.busy == 0


@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_a_result_that_cannot_be_iterated_is_the_programmers_error(streams: Streams, mode: str) -> None:
    """A declared stream that is none is a `TypeError` that says so, never counted, never answered by a rung."""
    settings: Any = {"deadline": 5.0, "stream": mode, "fallback": ["floor"], "breaker": Breaker()}
    if streams.is_async:

        async def acomponent() -> Any:
            return 5

        guarded: Any = guard("no-stream", shape="async_generator", **settings)(acomponent)
    else:

        def component() -> Any:
            return 5

        guarded = guard("no-stream", shape="generator", isolation=streams.kind, **settings)(component)
    with pytest.raises(TypeError, match="cannot be iterated"):
        streams.drain(guarded())
    assert guarded.boundary.breaker._window.calls == 0


def test_a_type_error_of_the_component_is_its_own(streams: Streams) -> None:
    """A `TypeError` out of the body is a failure like any other."""
    guarded = streams.guarded([TypeError("mine")], breaker=Breaker())
    with pytest.raises(ComponentError):
        streams.next(guarded())
    assert guarded.boundary.breaker.fail_counter == 1


def test_a_generator_needs_a_stream_mode(clock: VirtualClock) -> None:
    """A generator without `stream`, and `stream` without a generator, are refused at declaration."""
    del clock
    with pytest.raises(PolicyError, match="required"):

        @guard("no-mode", deadline=1.0)
        def component() -> Any:
            yield 1

    with pytest.raises(PolicyError, match="no generator"):

        @guard("no-generator", deadline=1.0, stream="buffer")
        def function() -> Any:
            return 1


def test_a_boundary_streams_without_a_decorator(blocking: Streams) -> None:
    """`Boundary.stream` is the same, and refuses what does not stream."""
    boundary = Boundary("bare", deadline=5.0, stream="passthrough", isolation=blocking.kind)
    assert list(boundary.stream(blocking.component(["a", "b"]))) == ["a", "b"]
    with pytest.raises(TypeError, match="generator"):
        boundary.stream(len, "x")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="stream"):
        boundary.call(blocking.component(["a"]))


def test_stop_iteration_inside_a_component_ends_no_stream(streams: Streams) -> None:
    """A `StopIteration` that leaks inside a generator is a failure, not an end."""
    guarded = streams.guarded([StopIteration()], name="stops")
    with pytest.raises(ComponentError):
        streams.next(guarded())


def test_a_stop_iteration_of_the_function_that_opens_a_stream_is_a_failure(blocking: Streams) -> None:
    """A function that raises it instead of returning an iterable has not given an empty stream."""

    @guard("stops-early", deadline=5.0, shape="generator", stream="passthrough", isolation=blocking.kind)
    def component() -> Any:
        raise StopIteration

    with pytest.raises(ComponentError):
        next(component())


def test_a_boundary_that_is_off_never_streams(streams: Streams) -> None:
    """The gate stands before a stream as before a call."""
    guarded = streams.guarded(["a"], mode="off")
    with pytest.raises(HaltedError):
        streams.next(guarded())
    floored = streams.guarded(["a"], mode="off", name="floored", fallback=[Rung(lambda *_: "rule", inline=True)])
    assert streams.drain(floored()) == ["rule"]
    assert streams.called == 0


def test_a_halt_ends_a_stream_in_the_middle(streams: Streams) -> None:
    """Switched off after its first item, a stream gives no other."""
    guarded = streams.guarded(["a", "b", "c"], bulkhead=Bulkhead(limit=1))
    stream = guarded()
    streams.next(stream)
    guarded.boundary.mode = "off"
    with pytest.raises(StreamInterruptedError) as caught:
        streams.next(stream)
    assert isinstance(caught.value.__cause__, HaltedError)
    assert caught.value.delivered == 1
    assert (held(guarded), streams.closed) == (0, 1)


def test_a_nested_stream_keeps_what_was_delivered(blocking: Streams) -> None:
    """A boundary around a broken stream says so with the inner error as its cause."""
    inner = blocking.guarded(["a", ConnectionError()], name="inner")

    @guard("outer", deadline=5.0, isolation=blocking.kind)
    def outer() -> list[Any]:
        return list(inner())

    with pytest.raises(StreamInterruptedError) as caught:
        outer()
    assert caught.value.boundary == "outer"
    assert isinstance(caught.value.__cause__, StreamInterruptedError)
    assert caught.value.delivered == caught.value.__cause__.delivered == 1


def test_a_method_may_stream(streams: Streams) -> None:
    """Guarded streams work on methods."""
    component = streams.component(["a"])
    settings: Any = {} if streams.is_async else {"isolation": streams.kind}
    decorate: Callable[[Any], Any] = guard("method", deadline=5.0, stream="passthrough", **settings)

    class Model:
        ask = decorate(component)

    assert streams.drain(Model().ask("x")) == ["a"]
