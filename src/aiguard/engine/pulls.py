"""
How one item at a time leaves a component: here, on the loop, or from a worker thread.

A stream's stages wait, all of them, in the innermost `surface(pull)`; items pass them by, straight from the pull to
the caller. So a stage's scope is the whole stream, and an item costs no walk through the pipeline. The clock of a pull
runs only while somebody waits for the component, never while the consumer takes its time.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import math
import threading
import types
from asyncio import current_task
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiguard import deadline
from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.engine.runtime import AsyncRuntime, BlockingRuntime, Patience, given_up
from aiguard.engine.timers import NO_TASK, Watch, running_timers
from aiguard.isolation.thread import Job, Workers
from aiguard.signals import Boxed, Expired
from aiguard.stream import async_iterated, iterated

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from aiguard.call import Call

CLOSING_GRACE: Final = 1.0
"""Seconds that a stream's own cleanup may take once nobody wants its items any more."""

_UNSET: Final = object()


class Consumer(Protocol):
    """
    The guarded stream, as a pull sees it.

    Attributes:
        judge: What each item must pass.
    """

    judge: Callable[[Any], Any] | None

    def resumed(self, error: BaseException) -> Any:
        """Let the pipeline go on with `error`; return the next item, from wherever it comes, or end the stream."""


class Pull:
    """
    What items are pulled from.

    Attributes:
        hasty: Whether closing must not wait for the source: nobody closes it, the stream was just dropped.
    """

    __slots__ = ("_began", "_call", "_clock", "_journal", "_left", "hasty")

    def __init__(self, call: Call, until: float) -> None:
        self._call = call
        self._clock = call.clock
        self._journal = call.journal
        self._left = until - call.clock.now()
        self._began: float | None = None
        self.hasty = False


@types.coroutine
def surface(pull: Pull) -> Generator[Pull, None, None]:
    """Hand `pull` to the driver; return when it is exhausted, raise what it raised."""
    yield pull


class AsyncPull(Pull):
    """Pulls on the loop; one timer serves the whole stream."""

    _task: asyncio.Task[Any]

    __slots__ = ("_armed", "_cancelling", "_loop", "_next", "_scope", "_task", "_timers", "_watch", "done", "source")

    def __init__(self, source: AsyncIterator[Any], call: Call, until: float) -> None:
        super().__init__(call, until)
        self.source = source
        self._next = source.__anext__
        self._timers = running_timers(self._clock)
        self._loop = self._timers.loop
        self._scope = call.run.scope
        self._watch: Watch | None = None
        self._armed = False  # a rung's items are there already: they need no timer
        self.done = False

    async def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next item, or what `stream` makes of the end, of an error and of time used up."""
        clock = self._clock
        began = clock.now()
        left = self._left
        task = current_task(self._loop)
        if task is None:
            raise RuntimeError(NO_TASK)
        self._task = task
        self._cancelling = task.cancelling()
        self._began = began
        if not self._armed and left < math.inf:
            self._armed = True
            self._timers.add(began + left, self)
        try:
            token = deadline.current.set((began + left, clock))
            scope = self._scope
            scope_token = scope.enter() if scope is not None else None
            try:
                item = await (self._next() if sent is None else sent())
            finally:
                self._began = None
                if scope is not None:
                    scope.leave(scope_token)
                deadline.current.reset(token)
            self._left = left = left - (clock.now() - began)
            if left < 0 or self._watch is not None:
                raise Expired  # noqa: TRY301 - to the pipeline, as everything else
            if stream.judge is not None:
                item = stream.judge(item)
            self._journal.delivered += 1
            return item
        except BaseException as error:  # noqa: BLE001 - the pipeline's stages know what is theirs
            caught = error
        if self._watch is not None and isinstance(caught, Exception | asyncio.CancelledError):
            caught = given_up(self._watch)
        try:
            return await stream.resumed(caught)
        finally:
            del caught  # its traceback holds this frame

    def due(self, now: float) -> float | None:
        """Come back later while the consumer is at work or time is left; else cancel the task that waits."""
        watch = self._watch
        if watch is not None:
            return None if watch.done else watch.due(now)
        began = self._began
        if began is None:
            self._armed = False  # the next pull arms it again
            return None
        moment = began + self._left
        if now < moment:
            return moment
        self._watch = watch = Watch(self._task, self._cancelling)
        return watch.due(now)

    async def close(self) -> None:
        """Close the source; its cleanup may await, for a while."""
        self.done = True
        if self._armed:
            self._timers.drop()
        close = getattr(self.source, "aclose", None) or getattr(self.source, "close", None)
        if close is None:
            return
        timers = running_timers(self._clock)
        watch = timers.watch(self._clock.now() + CLOSING_GRACE)
        try:
            closing = close()
            if inspect.isawaitable(closing):
                await closing
        except Exception as error:  # noqa: BLE001 - the answer is out already, or an error that says more
            logger.warning("a stream's cleanup raised %s", class_name(error))
        except asyncio.CancelledError:
            if not watch.over():
                raise
            logger.warning("a stream's cleanup took longer than %g s", CLOSING_GRACE)
        finally:
            timers.end(watch)


class InlinePull(Pull):
    """Pulls in the caller's thread."""

    __slots__ = ("_next", "_scope", "source")

    def __init__(self, source: Iterator[Any], call: Call, until: float) -> None:
        super().__init__(call, until)
        self.source = source
        self._next = source.__next__
        self._scope = call.run.scope

    def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next item, or what `stream` makes of the end, of an error and of time used up."""
        clock = self._clock
        began = clock.now()
        left = self._left
        try:
            token = deadline.current.set((began + left, clock))
            scope = self._scope
            scope_token = scope.enter() if scope is not None else None
            try:
                item = self._next() if sent is None else sent()
            finally:
                if scope is not None:
                    scope.leave(scope_token)
                deadline.current.reset(token)
            self._left = left = left - (clock.now() - began)
            if left < 0:
                raise Expired  # noqa: TRY301 - to the pipeline, as everything else
            if stream.judge is not None:
                item = stream.judge(item)
            self._journal.delivered += 1
            return item
        except BaseException as error:  # noqa: BLE001 - the pipeline's stages know what is theirs
            caught = error
        try:
            return stream.resumed(caught)
        finally:
            del caught  # its traceback holds this frame

    def close(self) -> None:
        """Close the source."""
        _close_source(self.source)


class ThreadPull(Pull):
    """Pulls from one worker thread that holds the source for its whole life; the caller is free at the deadline."""

    __slots__ = ("_closing", "_demand", "_error", "_item", "_job", "_patience", "_ready", "_sent", "_workers", "source")

    def __init__(self, workers: Workers, patience: Patience, call: Call, until: float) -> None:
        super().__init__(call, until)
        self._workers = workers
        self._patience = patience
        self._demand = threading.Lock()
        self._ready = threading.Lock()
        self._demand.acquire()
        self._ready.acquire()
        self._closing = False
        self._item: Any = _UNSET
        self._error: BaseException | None = None
        self._sent: Callable[[], Any] | None = None
        self.source: Any = None
        self._job = Job(self._serve, (), {}, (until, call.clock), call.run.scope, self._ready.release)
        workers.start(self._job)
        self._demanded(None)  # the component is called here, so that its errors come before the first item

    def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next item, or what `stream` makes of the end, of an error and of time used up."""
        try:
            item = self._demanded(sent if sent is not None else self.source.__next__)
            if stream.judge is not None:
                item = stream.judge(item)
            self._journal.delivered += 1
            return item
        except BaseException as error:  # noqa: BLE001 - the pipeline's stages know what is theirs
            caught = error
        try:
            return stream.resumed(caught)
        finally:
            del caught  # its traceback holds this frame

    def _demanded(self, step: Callable[[], Any] | None) -> Any:
        began = self._clock.now()
        self._sent = step
        self._demand.release()
        try:
            ready = self._patience.hold(self._ready, self._left, self._workers)
        except BaseException:
            self._walk_away()
            raise
        if not ready:
            self._walk_away()
            raise Expired
        self._left -= self._clock.now() - began
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error
        if self._left < 0:
            raise Expired
        item, self._item = self._item, None
        return item

    def _serve(self) -> None:
        """Be the worker: one step per demand."""
        call = self._call
        while True:
            self._demand.acquire()
            if self._closing:
                if self.source is not None:
                    _close_source(self.source)
                return
            deadline.current.set((self._clock.now() + self._left, self._clock))
            try:
                if self._sent is None:
                    self.source = iterated(call.fn(*call.args, **call.kwargs))
                else:
                    self._item = self._sent()
            except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, whatever it is
                self._error = error
            self._ready.release()

    def _walk_away(self) -> None:
        self._closing = True
        if self._workers.leave(self._job):
            self._call.run.abandoned = self._job
        with contextlib.suppress(RuntimeError):  # the worker has not even seen the last demand: it finds out then
            self._demand.release()  # once it comes back from the component, the worker finds that it may go

    def close(self) -> None:
        """Close the source in its own thread and let the thread go."""
        if self._closing:
            return
        self._closing = True
        self._demand.release()
        if self.hasty or not self._patience.hold(self._ready, CLOSING_GRACE, self._workers):
            if not self.hasty:
                logger.warning("a stream's cleanup took longer than %g s", CLOSING_GRACE)
            if self._workers.leave(self._job):
                self._call.run.abandoned = self._job


def _close_source(source: object) -> None:
    close = getattr(source, "close", None)
    if close is not None:
        try:
            close()
        except Exception as error:  # noqa: BLE001 - the answer is out already, or an error that says more
            logger.warning("a stream's cleanup raised %s", class_name(error))


class AsyncStreamRuntime(AsyncRuntime):
    """Surfaces the items of an async stream."""

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        result = call.fn(*call.args, **call.kwargs)
        if inspect.isawaitable(result):
            result = await super().invoke(call.answered_by(lambda: result, (), {}, call.run), until)
        pull = AsyncPull(async_iterated(result), call, until)
        try:
            await surface(pull)
        finally:
            await pull.close()


class InlineStreamRuntime(BlockingRuntime):
    """Surfaces the items of a generator that runs in the caller's thread."""

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        try:
            source = iterated(call.fn(*call.args, **call.kwargs))
        except StopIteration as stop:
            raise Boxed(stop) from stop
        pull = InlinePull(source, call, until)
        try:
            await surface(pull)
        finally:
            pull.close()


class ThreadStreamRuntime(BlockingRuntime):
    """Surfaces the items of a generator that runs in a worker thread of its own."""

    def __init__(self, workers: Workers, rung_workers: Workers, patience: Patience) -> None:
        super().__init__(rung_workers, patience)
        self._workers = workers

    async def invoke(self, call: Call, until: float) -> Any:
        """Open the stream and surface it."""
        try:
            pull = ThreadPull(self._workers, self._patience, call, until)
        except StopIteration as stop:
            raise Boxed(stop) from stop
        try:
            await surface(pull)
        finally:
            pull.close()
