"""What steps the pipeline for generators, sync and async: nothing is begun before the first item is asked for."""

from __future__ import annotations

import asyncio
import contextlib
import types
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from aiguard.call import logger
from aiguard.engine.held import Held, HeldAsyncItem, HeldItem
from aiguard.engine.pipeline import value_of
from aiguard.engine.pulls import Pull, refuse_second
from aiguard.errors import BoundaryError
from aiguard.stream import Buffered, Interrupted
from aiguard.telemetry import metrics
from aiguard.telemetry.content import CAPTURE
from aiguard.telemetry.streams import ItemTimes

if TYPE_CHECKING:
    from aiguard.call import Call, Options
    from aiguard.engine.calls import Args, Kwargs
    from aiguard.engine.pipeline import Pipeline
    from aiguard.failure import Failure
    from aiguard.outcome import Outcome

T = TypeVar("T")


class _Dropped(BaseException):
    """Thrown into the pipeline of a stream that nobody wants any more: GeneratorExit would forbid cleanup to await."""


class _Stream(Generic[T]):
    """What the two kinds of guarded streams share."""

    _end: type[Exception]

    def __init__(
        self, pipeline: Pipeline, fn: Callable[..., Any], args: Args, kwargs: Kwargs, options: Options | None
    ) -> None:
        self._pipeline = pipeline
        self._begin_with = (fn, args, kwargs, options)
        self._call: Call | None = None
        self._chain: Any = None
        self._pull: Any = None
        self._released: Iterator[Any] | None = None
        self._given = 0
        self._ungiven = 0
        self._moving = False
        self._announced = False
        self.switch = pipeline.state.switch
        judge = pipeline.item_judge
        self.judge: Callable[[Any], Any] | None = judge.judge if judge is not None else None
        self.note: Callable[[float | None, Any], None] | None = None
        self._outcome: Outcome[Any] | None = None

    @property
    def outcome(self) -> Outcome[Any] | None:
        """What the stream ended as: of a whole whose items are not all out, no answer while the boundary is halted."""
        why = self._why_withheld() if self._ungiven else None
        if why is None:
            return self._outcome
        return self._pipeline.withheld(self._begun(), why, self._given).outcome

    def _start(self) -> None:
        self._call = call = self._pipeline.open(*self._begin_with)
        if call.journal.listener is not None or metrics.is_counted():
            self._time(call)
        self._chain = self._pipeline.chain(call)

    def _time(self, call: Call) -> None:
        """Have each item noted as it leaves: what nobody listens to pays nothing for that."""
        times = ItemTimes(call.clock.now, call.journal.begun, [] if CAPTURE.tap is not None else None)
        call.journal.items = times
        self.note = times.note

    def _advanced(self, answer: Any) -> Any:
        """Note where the pipeline stands: at a pull, which is returned, or at its end, which releases what it held."""
        if isinstance(answer, Pull):
            self._pull = answer
            return answer
        self._pull = self._chain = None
        call = self._begun()
        value = value_of(answer.value)
        self._pipeline.answered(call, value)
        self._outcome = self._pipeline.outcome(call, value)
        items = answer.value.items if type(answer.value) is Buffered else ()
        self._ungiven = len(items)
        self._released = iter(items)
        return None

    def _failed(self, error: BaseException) -> BaseException:
        """Note how the pipeline failed; return what leaves the boundary."""
        self._pull = self._chain = None
        self._released = iter(())
        call = self._begun()
        if issubclass(type(error), BoundaryError):  # by type alone: an exception's own `__class__` may lie
            ours = cast("BoundaryError", error)
            leaving = self._pipeline.failed(call, ours)
            self._outcome = getattr(leaving, "outcome", None) or ours.outcome
            return leaving
        self._pipeline.broken(call)
        self._outcome = self._pipeline.outcome(call, None, error=None if isinstance(error, _Dropped) else error)
        return error

    def _why_withheld(self) -> Failure | None:
        journal = self._begun().journal
        return self.switch.halted(journal.key) if journal.by_ai else None

    def _let_out(self) -> BoundaryError | None:
        """Count an item of a whole that was held back; return what is raised where it stays in, as all after it."""
        why = self._why_withheld()
        if why is None:
            self._given += 1
            self._ungiven -= 1
            return None
        self._released = iter(())
        self._ungiven = 0
        error = self._pipeline.withheld(self._begun(), why, self._given)
        self._outcome = error.outcome
        return error

    def _release(self) -> T:
        for item in self._released or ():
            error = self._let_out()
            if error is None:
                return item  # type: ignore[no-any-return]
            del item  # what stays in is in no frame of the error
            try:
                raise error
            finally:
                del error
        raise self._end

    def _keep_in(self) -> None:
        """Let out no more items of a whole; where the boundary is halted, its value stays in for good too."""
        self._released = iter(())
        self._outcome = self.outcome

    def _move(self, kind: str) -> None:
        """Note that the pipeline is under way; refuse a second caller before anything is touched."""
        pull = self._pull
        if self._moving or (pull is not None and pull.began is not None):
            refuse_second(kind)
        self._moving = True

    def _announce(self) -> Interrupted | None:
        """Return what tells of a break, once, after which a rung has gone on; `None` where there was none."""
        journal = self._begun().journal
        failure, rung = journal.failure, journal.rung
        if self._announced or journal.broke_after is None or failure is None or rung is None:
            return None
        self._announced = True
        return Interrupted(failure, journal.broke_after, rung)

    def _begun(self) -> Call:
        assert self._call is not None  # noqa: S101 - for the type checker: a stream that moves has begun
        return self._call


class SyncStream(_Stream[T], Iterator[T]):
    """
    A guarded generator.

    Attributes:
        outcome: What the stream ended as; `None` until it has ended.
    """

    _end = StopIteration

    def __iter__(self) -> SyncStream[T]:
        return self

    def __next__(self) -> T:
        pull = self._pull
        return pull.pull(self) if pull is not None else self._first()

    def send(self, value: Any) -> T:
        """Send a value into the component's generator and return the next item."""
        if self._released is None and self._pull is None and value is not None:
            raise TypeError(_JUST_STARTED)
        if isinstance(self._pull, Held):
            return self.__next__()
        return self._with(lambda source: source.send(value))

    def throw(self, error: BaseException) -> T:
        """Raise `error` inside the component's generator and return the next item."""
        if self._pull is None and not self._moving:
            self._keep_in()
            raise error
        if isinstance(self._pull, Held):
            self._pull = self._pull.behind
        return self._with(lambda source: source.throw(error))

    def close(self) -> None:
        """End the stream: the component's generator is closed, and everything held is given back."""
        self._keep_in()
        if self._chain is not None:
            with contextlib.suppress(_Dropped):
                self._resume(_Dropped())

    def __del__(self) -> None:
        if getattr(self, "_chain", None) is not None:
            pull = self._pull.behind if isinstance(self._pull, Held) else self._pull
            if pull is not None:
                pull.hasty = True
            # where it was part of a cycle, the collector may have closed the pipeline's inner coroutines before
            with contextlib.suppress(RuntimeError):
                self.close()

    def _first(self) -> T:
        if self._released is None:
            pull = self._resume(None)
            if pull is not None:
                return pull.pull(self)  # type: ignore[no-any-return]
        return self._release()

    def _with(self, step: Callable[[Any], Any]) -> T:
        pull = self._pull
        if pull is None:
            return self._first()
        return pull.pull(self, lambda: step(pull.source))  # type: ignore[no-any-return]

    def resumed(self, error: BaseException) -> T:
        """Let the pipeline go on with how a pull ended; return the next item from wherever it comes."""
        ended = issubclass(type(error), StopIteration)
        pull = self._resume(None if ended else error)
        item = pull.pull(self) if pull is not None else None
        marker = self._announce()
        if marker is not None:
            self._pull = HeldItem(item, self._pull) if self._pull is not None else None
            return cast("T", marker)
        if pull is not None:
            return cast("T", item)
        if ended:
            raise StopIteration(cast("StopIteration", error).value)
        return self._release()

    def _resume(self, error: BaseException | None) -> Any:
        self._move("generator")
        try:
            if self._chain is None:
                self._start()
            answer = self._chain.send(None) if error is None else self._chain.throw(error)
        except StopIteration as done:
            return self._advanced(done)
        except BaseException as failed:
            leaving = self._failed(failed)
            if leaving is failed:
                raise
        else:
            return self._advanced(answer)
        finally:
            self._moving = False
        try:
            raise leaving
        finally:
            del leaving


class AsyncStream(_Stream[T], AsyncIterator[T]):
    """
    A guarded async generator.

    Attributes:
        outcome: What the stream ended as; `None` until it has ended.
    """

    _end = StopAsyncIteration

    _loop: Callable[[], asyncio.AbstractEventLoop | None] | None = None

    def __aiter__(self) -> AsyncStream[T]:
        return self

    def __anext__(self) -> Awaitable[T]:
        pull = self._pull
        return pull.pull(self) if pull is not None else self._first()

    async def asend(self, value: Any) -> T:
        """Send a value into the component's generator and return the next item."""
        if self._released is None and self._pull is None and value is not None:
            raise TypeError(_JUST_STARTED)
        if isinstance(self._pull, Held):
            return await self.__anext__()
        return await self._with(lambda source: source.asend(value))

    async def athrow(self, error: BaseException) -> T:
        """Raise `error` inside the component's generator and return the next item."""
        if self._pull is None and not self._moving:
            self._keep_in()
            raise error
        if isinstance(self._pull, Held):
            self._pull = self._pull.behind
        return await self._with(lambda source: source.athrow(error))

    async def aclose(self) -> None:
        """End the stream: the component's generator is closed, and everything held is given back."""
        self._keep_in()
        if self._chain is not None:
            with contextlib.suppress(_Dropped):
                await self._resume(_Dropped())

    def __del__(self) -> None:
        chain = getattr(self, "_chain", None)
        if chain is not None:
            self._chain = None
            _Orphan(self._pipeline, self._begun(), chain).close(self._loop() if self._loop is not None else None)

    async def _first(self) -> T:
        if self._released is None:
            pull = await self._resume(None)
            if pull is not None:
                return await pull.pull(self)  # type: ignore[no-any-return]
        return self._release()

    def _with(self, step: Callable[[Any], Any]) -> Awaitable[T]:
        pull = self._pull
        if pull is None:
            return self._first()
        return pull.pull(self, lambda: step(pull.source))  # type: ignore[no-any-return]

    async def resumed(self, error: BaseException) -> T:
        """Let the pipeline go on with how a pull ended; return the next item from wherever it comes."""
        ended = issubclass(type(error), StopAsyncIteration)
        pull = await self._resume(None if ended else error)
        item = await pull.pull(self) if pull is not None else None
        marker = self._announce()
        if marker is not None:
            self._pull = HeldAsyncItem(item, self._pull) if self._pull is not None else None
            return cast("T", marker)
        if pull is not None:
            return cast("T", item)
        if ended:
            raise StopAsyncIteration
        return self._release()

    async def _resume(self, error: BaseException | None) -> Any:
        self._move("asynchronous generator")
        try:
            if self._chain is None:
                self._loop = weakref.ref(asyncio.get_running_loop())
                self._start()
            answer = await _until_pull(self._chain, error)
        except BaseException as failed:
            leaving = self._failed(failed)
            if leaving is failed:
                raise
        else:
            return self._advanced(answer)
        finally:
            self._moving = False
        try:
            raise leaving
        finally:
            del leaving


class _Ended:
    """A pipeline that ran to its end."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


@types.coroutine
def _until_pull(chain: Any, error: BaseException | None) -> Generator[Any, Any, Any]:
    """Step the pipeline to its next pull or its end; what it awaits goes to the loop."""
    try:
        wait = chain.send(None) if error is None else chain.throw(error)
        while not isinstance(wait, Pull):
            try:
                answer = yield wait
            except BaseException as thrown:  # noqa: BLE001 - whatever the loop throws belongs to the pipeline
                wait = chain.throw(thrown)
            else:
                wait = chain.send(answer)
    except StopIteration as done:
        return _Ended(done.value)
    return wait


class _Orphan:
    """The pipeline of an async stream that was dropped without being closed."""

    def __init__(self, pipeline: Pipeline, call: Call, chain: Any) -> None:
        self._pipeline = pipeline
        self._call = call
        self._chain: Any = chain

    def close(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Give back what it holds: in a task on its loop, or at once where that is gone."""
        if loop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._schedule, loop)
                return
        self._drop()

    def __del__(self) -> None:
        self._drop()  # its loop ended before the task could

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        task = loop.create_task(self._close())
        _closing.add(task)
        task.add_done_callback(_closing.discard)
        task.add_done_callback(lambda _: self._drop())  # a task that was cancelled first never began

    async def _close(self) -> None:
        if self._chain.cr_frame is None:
            return
        try:
            await _until_pull(self._chain, _Dropped())
        except _Dropped:
            pass
        except Exception as error:  # noqa: BLE001 - nobody is left to be told
            logger.warning("closing a dropped stream raised %s", type(error).__name__)

    def _drop(self) -> None:
        """End it, once; cleanup that is still to come may not wait any more."""
        chain, self._chain = self._chain, None
        if chain is not None:
            with contextlib.suppress(RuntimeError):
                chain.close()
            self._pipeline.broken(self._call)


_JUST_STARTED = "can't send non-None value to a just-started generator"

_closing: set[asyncio.Task[None]] = set()
"""Tasks that close dropped streams: the loop itself keeps only weak references to its tasks."""
