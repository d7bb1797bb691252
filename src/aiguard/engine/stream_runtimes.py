"""The runtimes of passthrough streams: where the pull comes from that a stream's stages wait for."""

from __future__ import annotations

import inspect
import math
from typing import TYPE_CHECKING, Any

from aiguard import deadline
from aiguard.engine.async_pull import AsyncPull
from aiguard.engine.pulls import InlinePull, surface
from aiguard.engine.runtime import AsyncRuntime, BlockingRuntime, Patience, run_here
from aiguard.engine.thread_pull import ThreadPull
from aiguard.signals import Boxed
from aiguard.stream import async_iterated, iterated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiguard.call import Call
    from aiguard.isolation.thread import Workers


class AsyncStreamRuntime(AsyncRuntime):
    """Surfaces the items of an async stream."""

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        token = deadline.current.set((until, call.clock))
        try:
            result = call.fn(*call.args, **call.kwargs)
        except StopIteration as stop:
            raise Boxed(stop) from stop
        finally:
            deadline.current.reset(token)
        if inspect.isawaitable(result):
            result = await super().invoke(call.answered_by(lambda: result, (), {}, call.run), until)
        await self._surface(AsyncPull(async_iterated(result), call, until))

    async def replay(self, items: list[Any], call: Call) -> None:
        """Surface the items of a rung's answer."""
        await self._surface(AsyncPull(_replayed(items), call, math.inf))

    async def _surface(self, pull: AsyncPull) -> None:
        try:
            await surface(pull)
        except GeneratorExit:  # the pipeline itself is thrown away: nothing may be awaited any more
            pull.forget()
            raise
        except BaseException:
            await pull.close()
            raise
        await pull.close()


async def _replayed(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


class InlineStreamRuntime(BlockingRuntime):
    """Surfaces the items of a generator that runs in the caller's thread."""

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        await self._surface(InlinePull(iterated(run_here(call, until)), call, until))

    async def replay(self, items: list[Any], call: Call) -> None:
        """Surface the items of a rung's answer."""
        await self._surface(InlinePull(iter(items), call, math.inf))

    async def _surface(self, pull: InlinePull | ThreadPull) -> None:
        try:
            await surface(pull)
        finally:
            pull.close()


class ThreadStreamRuntime(InlineStreamRuntime):
    """Surfaces the items of a generator that runs in a worker thread of its own."""

    def __init__(self, workers: Workers, rung_workers: Workers, patience: Patience) -> None:
        super().__init__(rung_workers, patience)
        self._workers = workers

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        # a rung never takes the component's threads, which may all hang
        workers = self._workers if call.run.rung is None else self._rung_workers
        try:
            pull = ThreadPull(workers, self._patience, call, until)
        except StopIteration as stop:
            raise Boxed(stop) from stop
        await self._surface(pull)
