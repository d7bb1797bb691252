"""After a call nothing of it is left: no reference, no thread, no timer, no task, no growth."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Boundary, BoundaryError, Breaker, Bulkhead, Retry, guard
from aiguard import boundary as boundary_module
from aiguard.call import Call, Journal
from aiguard.engine import timers
from aiguard.engine.pulls import Pull
from aiguard.engine.streams import AsyncStream, SyncStream, _closing
from aiguard.events import Run
from aiguard.isolation.thread import Job
from tests.streaming import KINDS, Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.testing import VirtualClock

OURS = (Call, Journal, Run, Job, Pull, AsyncStream, SyncStream, timers.Watch, BoundaryError)
AGAIN = Retry(attempts=2, wait=lambda _: 0.1)


class Thing:
    """Something that a weak reference can watch."""


@contextlib.contextmanager
def uncollected() -> Iterator[None]:
    """Let nothing be freed by the collector: what dies inside dies because nobody refers to it."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def ours() -> int:
    """Return how many objects of one call are alive."""
    # by identity: what tests leave about lies to `isinstance`, and may have a class that cannot be hashed
    wanted = set(map(id, OURS))
    return sum(not wanted.isdisjoint(map(id, type.mro(type(thing)))) for thing in gc.get_objects())


def _component(kind: str, clock: VirtualClock, what: str) -> Callable[..., Any]:
    def work(argument: Any) -> Thing:
        del argument
        if what == "raises":
            raise ConnectionError
        if what == "late":
            clock.sleep(5.0)
        return Thing()

    async def awork(argument: Any) -> Thing:
        if what == "late":
            await asyncio.sleep(5.0)
        return work(argument)

    return awork if kind == "async" else work


@pytest.fixture(params=["inline", "thread", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each way of running a function."""
    return str(request.param)


def _guarded(kind: str, clock: VirtualClock, what: str, **settings: Any) -> Any:
    settings |= {"deadline": 2.0, "breaker": Breaker(minimum_calls=1000), "bulkhead": Bulkhead(limit=4)}
    if kind != "async":
        settings["isolation"] = kind
    decorate: Callable[[Any], Any] = guard(f"leaks-{what}", retry=AGAIN, **settings)
    return decorate(_component(kind, clock, what))


def _use(kind: str, clock: VirtualClock, guarded: Any, argument: Any) -> Any:
    try:
        return clock.run(guarded(argument)) if kind == "async" else guarded(argument)
    except BoundaryError as error:
        return type(error)


@pytest.mark.parametrize("what", ["answers", "raises", "late"])
def test_arguments_and_answers_die_with_the_call(kind: str, clock: VirtualClock, what: str) -> None:
    """Without the collector's help where a call answers; an error and its traceback are a cycle, which it frees."""
    guarded = _guarded(kind, clock, what)
    with uncollected():
        argument = Thing()
        watched = weakref.ref(argument)
        answer = _use(kind, clock, guarded, argument)
        del argument
        result = weakref.ref(answer) if what == "answers" else None
        del answer
        _settle(clock, guarded)
        if what != "answers":
            gc.collect()
        assert watched() is None
        assert result is None or result() is None


@pytest.mark.parametrize("what", ["answers", "raises", "late"])
def test_a_degraded_call_dies_like_any_other(kind: str, clock: VirtualClock, what: str) -> None:
    """With a ladder, too, that hears of the failure."""

    def rung(argument: Any, *, failure: Any) -> str:
        del argument
        return str(failure.kind)

    guarded = _guarded(kind, clock, what, fallback=[rung])
    with uncollected():
        argument = Thing()
        watched = weakref.ref(argument)
        _use(kind, clock, guarded, argument)
        del argument
        _settle(clock, guarded)
        if what != "answers":
            gc.collect()
        assert watched() is None


def test_an_error_that_was_handled_dies_with_what_it_held(kind: str, clock: VirtualClock) -> None:
    """An error holds the outcome, which holds the error: a cycle that the collector frees, and nothing else holds."""
    guarded = _guarded(kind, clock, "raises")
    with uncollected():
        watched: Any = None
        try:
            clock.run(guarded(Thing())) if kind == "async" else guarded(Thing())
        except BoundaryError as error:
            watched = weakref.ref(error)
        _settle(clock, guarded)
        gc.collect()
        assert watched() is None


@pytest.mark.parametrize("stream_kind", KINDS)
@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
@pytest.mark.parametrize("how", ["exhausted", "closed", "broken", "retried", "degraded"])
def test_a_stream_dies_when_it_is_dropped(clock: VirtualClock, stream_kind: str, mode: str, how: str) -> None:
    """However it ended, or was retried on the way; the collector frees the cycles of what was raised."""
    streams = Streams(stream_kind, clock)
    scripts: Any = {
        "broken": [["a", ConnectionError]] * 2,
        "retried": [[ConnectionError], ["a", "b"]],
        "degraded": [[ConnectionError]] * 2,
    }.get(how, [["a", "b"]])
    guarded = streams.guarded(*scripts, stream=mode, retry=AGAIN, fallback=[["r", "s"]] if how == "degraded" else [])
    with streams.runner, uncollected():
        argument = Thing()
        watched = weakref.ref(argument)
        stream = guarded(argument)
        gone = weakref.ref(stream)
        del argument
        if how == "closed":
            streams.next(stream)
            streams.close(stream)
        else:
            with contextlib.suppress(BoundaryError):
                streams.drain(stream)
        del stream
        streams.settle()
        if how != "exhausted":
            gc.collect()
        assert gone() is None
        assert watched() is None


@pytest.mark.parametrize("stream_kind", KINDS)
@pytest.mark.parametrize("how", ["begun", "retried", "degraded"])
def test_an_open_stream_ends_when_it_is_dropped(clock: VirtualClock, stream_kind: str, how: str) -> None:
    """So that its permit comes back at once, and not when the collector happens to run."""
    streams = Streams(stream_kind, clock)
    scripts: Any = {"retried": [[ConnectionError], ["a", "b"]], "degraded": [[ConnectionError]] * 2}.get(
        how, [["a", "b"]]
    )
    guarded = streams.guarded(
        *scripts, retry=AGAIN, fallback=[["r", "s"]] if how == "degraded" else [], bulkhead=Bulkhead(limit=1)
    )
    with streams.runner, uncollected():
        stream = guarded()
        streams.next(stream)
        del stream
        if how != "begun" and sys.version_info >= (3, 12):
            gc.collect()  # from 3.12 on the traceback of what was retried holds every caller's frame, and so the stream
        streams.settle()
        assert guarded.boundary.bulkhead.in_flight == 0


def _settle(clock: VirtualClock, guarded: Any) -> None:
    """Let every worker come to rest."""
    never = threading.Lock()
    never.acquire()
    clock.wait(never, clock.now() + 60.0)
    for workers in (guarded.boundary._state.workers, guarded.boundary._state.rung_workers):
        for _ in range(2000):
            if not workers.busy:
                break
            never.acquire(timeout=0.001)
        never.acquire(timeout=0.002)  # from "at rest" to "has let go of its job" it is a few instructions
        assert workers.busy == 0


@pytest.mark.parametrize("what", ["answers", "raises", "late"])
def test_many_calls_leave_nothing(kind: str, clock: VirtualClock, what: str) -> None:
    """After a hundred calls there are no more calls, attempts, jobs and errors about than before."""
    guarded = _guarded(kind, clock, what)
    _use(kind, clock, guarded, None)
    _settle(clock, guarded)
    gc.collect()
    before = ours()
    for _ in range(100):
        _use(kind, clock, guarded, None)
        if what == "late" and kind == "thread":
            _settle(clock, guarded)
    _settle(clock, guarded)
    gc.collect()
    assert ours() <= before + 2  # a worker at rest, and the last context of it
    assert guarded.boundary.bulkhead.in_flight == 0
    assert guarded.boundary._state.workers.alive <= 4


def _heap() -> list[Any]:
    held = timers._thread.timers
    assert held is not None
    return held._heap


def test_timers_of_calls_that_are_over_are_swept(clock: VirtualClock) -> None:
    """A thousand quick calls under a long deadline leave a bounded number of dead timers, not a thousand."""

    @guard("quick", deadline=3600.0)
    async def component() -> str:
        return "ok"

    async def main() -> None:
        most = 0
        for _ in range(1000):
            await component()
            most = max(most, len(_heap()))
        assert most < 200
        await asyncio.gather(*(component() for _ in range(500)))
        for _ in range(200):
            await component()
        assert len(_heap()) < 200

    clock.run(main())


@pytest.mark.parametrize("exit_", ["exhausted", "closed"])
def test_timers_of_streams_that_are_over_are_swept(clock: VirtualClock, exit_: str) -> None:
    """A thousand quick streams leave a bounded number of dead timers too, those of their cleanup included."""

    @guard("quick-stream", deadline=3600.0, stream="passthrough")
    async def component() -> Any:
        for item in range(3):
            yield item

    async def main() -> None:
        most = 0
        for _ in range(1000):
            stream = component()
            async for _item in stream:
                if exit_ == "closed":
                    break
            await stream.aclose()
            most = max(most, len(_heap()))
        assert most < 300

    clock.run(main())


def test_timers_hold_no_arguments(clock: VirtualClock) -> None:
    """A timer that waits for its moment holds neither a call nor a stream that is over."""

    @guard("held", deadline=3600.0, stream="passthrough")
    async def stream(_: Any) -> Any:
        yield 1

    @guard("held-call", deadline=3600.0)
    async def call(_: Any) -> int:
        return 1

    async def main() -> None:
        for use in (stream, call):
            argument = Thing()
            watched = weakref.ref(argument)
            answer: Any = use(argument)
            if use is stream:
                async for _item in answer:
                    pass
            else:
                await answer
            del argument, answer
            await asyncio.sleep(0)
            assert watched() is None, use

    with uncollected():
        clock.run(main())


def test_a_closed_loop_is_let_go(clock: VirtualClock) -> None:
    """A guarded call on a loop does not keep that loop alive."""

    @guard("looped", deadline=10.0)
    async def component() -> str:
        return "ok"

    loops: list[weakref.ref[Any]] = []

    async def main() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        await component()

    for _ in range(5):
        clock.run(main())
    gc.collect()
    assert [loop() for loop in loops] == [None] * 5


def test_cancelled_calls_leave_nothing(clock: VirtualClock) -> None:
    """Permits, line, tasks and objects are as before after a hundred cancelled calls and streams."""
    settings: Any = {"deadline": 100.0, "bulkhead": Bulkhead(limit=5, queue=100), "fallback": ["floor"]}

    async def call() -> str:
        await asyncio.sleep(3600)
        return "never"

    async def stream() -> Any:
        await asyncio.sleep(3600)
        yield "never"

    guarded: Any = guard("cancelled", **settings)(call)
    streamed: Any = guard("cancelled-stream", stream="passthrough", **settings)(stream)

    async def main() -> None:
        tasks = [asyncio.ensure_future(guarded()) for _ in range(50)]
        tasks += [asyncio.ensure_future(anext(streamed())) for _ in range(50)]
        await asyncio.sleep(1.0)
        assert guarded.boundary.bulkhead.queued == 45
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        for each in (guarded, streamed):
            assert (each.boundary.bulkhead.in_flight, each.boundary.bulkhead.queued) == (0, 0)
        await asyncio.sleep(2.0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert not _closing

    clock.run(main())
    gc.collect()
    before = ours()
    clock.run(main())
    gc.collect()
    assert ours() <= before + 2


def test_a_boundary_that_nobody_knows_any_more_is_freed(clock: VirtualClock) -> None:
    """A boundary's state dies with it, breaker and bulkhead included."""
    boundary = Boundary("short-lived", deadline=1.0, breaker=Breaker(), bulkhead=Bulkhead(limit=1), isolation="inline")
    assert boundary.call(len, "abc") == 3
    watched = weakref.ref(boundary._state.partition.breaker)
    known = boundary_module._REGISTRY.swap({})
    del boundary, known
    gc.collect()
    assert watched() is None
    del clock
