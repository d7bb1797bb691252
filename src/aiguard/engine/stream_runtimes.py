"""The runtimes of streams: where the pull comes from that a stream's stages wait for, and who waits for a whole."""

from __future__ import annotations

import inspect
import math
import threading
from typing import TYPE_CHECKING, Any

from aiguard import deadline
from aiguard.contract.elements import ElementContract, ElementReader
from aiguard.engine.async_pull import AsyncPull
from aiguard.engine.clocks import NO_CLOCKS, Clocks, Pace
from aiguard.engine.collect import Collected
from aiguard.engine.element_pull import AsyncElementPull, ElementPull
from aiguard.engine.pulls import InlinePull, surface
from aiguard.engine.runtime import AsyncRuntime, BlockingRuntime, Patience, ThreadRuntime, result_of, run_here
from aiguard.engine.thread_pull import ThreadPull
from aiguard.isolation.thread import Job
from aiguard.signals import Boxed, Expired
from aiguard.stream import async_iterated, iterated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiguard.call import Call
    from aiguard.engine.shape import Shape
    from aiguard.engine.state import State
    from aiguard.isolation.thread import Workers
    from aiguard.policy import Policy


class AsyncStreamRuntime(AsyncRuntime):
    """
    Surfaces the items of an async stream.

    Args:
        rung_workers: The threads that run its rungs.
        clocks: What the component's items may take.
        elements: What they have to be the text of; `None` where each leaves as it is.
    """

    def __init__(self, rung_workers: Workers, clocks: Clocks = NO_CLOCKS, elements: ElementContract | None = None):
        super().__init__(rung_workers)
        self._clocks = clocks
        self._elements = elements

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        clocks = NO_CLOCKS if call.run.rung is not None else self._clocks
        moment = _opened_by(call, until, clocks)
        token = deadline.current.set((moment, call.clock, call.run))
        try:
            result = call.fn(*call.args, **call.kwargs)
        except StopIteration as stop:
            raise Boxed(stop) from stop
        finally:
            deadline.current.reset(token)
        if inspect.isawaitable(result):
            try:
                result = await super().invoke(call.answered_by(lambda: result, (), {}, call.run), moment)
            except Expired:
                raise _late_opening(moment, until) from None
        pull = AsyncPull(async_iterated(result), call, until, clocks)
        if self._elements is None or call.run.rung is not None:
            await self._surface(pull, call)
        else:
            await self._surface(AsyncElementPull(pull, ElementReader(self._elements), call), call)

    async def replay(self, items: list[Any], call: Call) -> None:
        """Surface the items of a rung's answer."""
        await self._surface(AsyncPull(_replayed(items), call, math.inf), call)

    async def _surface(self, pull: AsyncPull | AsyncElementPull, call: Call) -> None:
        try:
            await surface(pull)
        except GeneratorExit:  # the pipeline itself is thrown away: nothing may be awaited any more
            pull.forget()
            raise
        except BaseException:
            _note_taken(pull, call)
            await pull.close()
            raise
        await pull.close()


async def _replayed(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


class InlineStreamRuntime(BlockingRuntime):
    """
    Surfaces the items of a generator that runs in the caller's thread.

    Args:
        rung_workers: The threads that run its rungs.
        patience: How threads wait.
        clocks: What the component's items may take.
        elements: What they have to be the text of; `None` where each leaves as it is.
    """

    def __init__(
        self,
        rung_workers: Workers,
        patience: Patience,
        clocks: Clocks = NO_CLOCKS,
        elements: ElementContract | None = None,
    ) -> None:
        super().__init__(rung_workers, patience)
        self._clocks = clocks
        self._elements = elements

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        clocks = NO_CLOCKS if call.run.rung is not None else self._clocks
        moment = _opened_by(call, until, clocks)
        try:
            source = iterated(run_here(call, moment))
        except Expired:
            raise _late_opening(moment, until) from None
        await self._surface_items(InlinePull(source, call, until, clocks), call)

    async def replay(self, items: list[Any], call: Call) -> None:
        """Surface the items of a rung's answer."""
        await self._surface(InlinePull(iter(items), call, math.inf), call)

    async def _surface_items(self, pull: InlinePull | ThreadPull, call: Call) -> None:
        """Surface what a component or a rung gives: of a component's text the elements, where that is what it is."""
        if self._elements is None or call.run.rung is not None:
            await self._surface(pull, call)
        else:
            await self._surface(ElementPull(pull, ElementReader(self._elements), call), call)

    async def _surface(self, pull: InlinePull | ThreadPull | ElementPull, call: Call) -> None:
        try:
            await surface(pull)
        except BaseException:
            _note_taken(pull, call)
            raise
        finally:
            pull.close()


class ThreadStreamRuntime(InlineStreamRuntime):
    """Surfaces the items of a generator that runs in a worker thread of its own."""

    def __init__(
        self,
        workers: Workers,
        rung_workers: Workers,
        patience: Patience,
        clocks: Clocks = NO_CLOCKS,
        elements: ElementContract | None = None,
    ) -> None:
        super().__init__(rung_workers, patience, clocks, elements)
        self._workers = workers

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        is_rung = call.run.rung is not None
        # a rung never takes the component's threads, which may all hang
        workers = self._rung_workers if is_rung else self._workers
        try:
            pull = ThreadPull(workers, self._patience, call, until, NO_CLOCKS if is_rung else self._clocks)
        except StopIteration as stop:
            raise Boxed(stop) from stop
        await self._surface_items(pull, call)


class ThreadBufferRuntime(ThreadRuntime):
    """Collects a generator in a worker thread; its caller is free once an item is late."""

    async def invoke(self, call: Call, until: float) -> Any:
        """Collect the stream. Raises `Expired` at `until`, and where one of its clocks ran out."""
        collected = call.fn
        if not isinstance(collected, Collected) or collected.clocks is NO_CLOCKS:
            return await super().invoke(call, until)
        clock = call.clock
        now = clock.now()
        pace = Pace(collected.clocks, now if call.run.started is None else call.run.started, until, clock, call.run)
        ended = threading.Lock()
        ended.acquire()
        job = Job(collected.at(pace), call.args, call.kwargs, pace.frame, call.run.scope, ended.release)
        workers = self._workers
        workers.start(job)
        try:
            in_time = self._is_in_time(ended, pace)
        except BaseException:
            self._leave(workers, job, call)
            raise
        if not in_time and self._leave(workers, job, call):
            raise Expired(pace.limit)
        return result_of(job, call, until)

    def _is_in_time(self, ended: threading.Lock, pace: Pace) -> bool:
        """Wait for the collection as long as it keeps its pace."""
        now = pace.clock.now()
        while not self._patience.hold(ended, pace.look(now) - now, self._workers):
            now = pace.clock.now()
            if now >= pace.moment:
                return False
        return True


def surfacing(
    policy: Policy, state: State, shape: Shape, clocks: Clocks, elements: ElementContract | None
) -> AsyncStreamRuntime | InlineStreamRuntime:
    """Return what runs the streams of a boundary whose items leave before the whole is there."""
    if shape.is_async:
        return AsyncStreamRuntime(state.rung_workers, clocks, elements)
    if policy.isolation == "inline":
        return InlineStreamRuntime(state.rung_workers, state.patience, clocks, elements)
    return ThreadStreamRuntime(state.workers, state.rung_workers, state.patience, clocks, elements)


def _opened_by(call: Call, until: float, clocks: Clocks) -> float:
    """Return by when a stream must be open, for its first item to come in time."""
    started = call.run.started
    return until if started is None else min(until, started + clocks.first_item)


def _late_opening(moment: float, until: float) -> Expired:
    return Expired("first_item" if moment < until else "")


def _note_taken(pull: AsyncPull | AsyncElementPull | InlinePull | ThreadPull | ElementPull, call: Call) -> None:
    """Note how long the consumer took, for the rung that goes on: no deadline counts it."""
    if call.run.rung is None:
        call.journal.taken += pull.taken
