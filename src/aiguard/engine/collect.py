"""A stream as one answer: pulled to its end before anybody sees an item."""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any

from aiguard import deadline
from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.contract.breach import Breach
from aiguard.contract.pieces import text_of_piece
from aiguard.engine.clocks import NO_CLOCKS, Clocks, Pace
from aiguard.engine.runtime import given_up
from aiguard.engine.timers import Timers, Watch, current_task, running_timers
from aiguard.failure import Failure, FailureKind
from aiguard.signals import Expired, Halted
from aiguard.stream import Buffered, async_iterated, iterated

if TYPE_CHECKING:
    from collections.abc import Callable


class _Size:
    """How much text a stream has given so far."""

    __slots__ = ("_left",)

    def __init__(self, max_bytes: int | None) -> None:
        self._left = max_bytes

    def add(self, item: object) -> None:
        """Count one item. Raises `Breach` once the stream is larger than the contract allows."""
        if self._left is None:
            return
        text = item if isinstance(item, str | bytes) else text_of_piece(item)
        if text is not None:
            self._left -= len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
            if self._left < 0:
                raise Breach(FailureKind.OUTPUT_TOO_LARGE, "the stream is larger than `max_bytes` allows")


class _Whole:
    """
    A generator function as a function of its whole stream, with the name and the signature of the generator.

    Args:
        fn: The generator function.
        max_bytes: How much text is collected.
        clocks: What its items may take.
        halted: Says why no further item is to be asked for; `None` where nobody does.
        pace: Those clocks already running, where somebody else waits for the collection.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        max_bytes: int | None,
        clocks: Clocks = NO_CLOCKS,
        halted: Callable[[], Failure | None] | None = None,
        pace: Pace | None = None,
    ) -> None:
        self.__wrapped__ = fn
        self.__qualname__ = getattr(fn, "__qualname__", type(fn).__qualname__)
        self._fn = fn
        self._max_bytes = max_bytes
        self.clocks = clocks
        self._halted = halted
        self._pace = pace

    def _go_on(self) -> None:
        """Raises `Halted` where the boundary was halted meanwhile."""
        if self._halted is not None and (why := self._halted()) is not None:
            raise Halted(why)

    def _begun(self) -> Pace | None:
        """Return the clocks of an attempt that begins now, within the deadline that its runtime has published."""
        if self.clocks is NO_CLOCKS:
            return None
        pace = self._pace
        if pace is None:
            frame = deadline.current.get()
            assert frame is not None  # noqa: S101 - for the type checker: every runtime has published one
            until, clock, run = frame
            pace = Pace(self.clocks, clock.now(), until, clock, run)
        pace.begin()
        return pace


class Collected(_Whole):
    """A generator function as a plain one."""

    def at(self, pace: Pace) -> Collected:
        """Return the same, for somebody who waits for it by `pace`."""
        return Collected(self._fn, self._max_bytes, self.clocks, self._halted, pace)

    def __call__(self, *args: Any, **kwargs: Any) -> Buffered:
        """Return the whole stream. Raises `Expired` where an item came too late, `Breach` where there is too much."""
        items: list[Any] = []
        size = _Size(self._max_bytes)
        pace = self._begun()
        source = iterated(self._fn(*args, **kwargs))
        try:
            for item in source:
                if pace is not None:
                    pace.step()
                self._go_on()
                size.add(item)
                items.append(item)
        finally:
            _note(items)
            close = getattr(source, "close", None)
            if close is not None:
                try:
                    close()
                except Exception as error:  # noqa: BLE001 - the whole is here already, or an error that says more
                    _log_cleanup(error)
        return Buffered(items)


class CollectedAsync(_Whole):
    """An async generator function as a coroutine function."""

    async def __call__(self, *args: Any, **kwargs: Any) -> Buffered:
        """Return the whole stream. Raises `Expired` where an item is too late, `Breach` where there is too much."""
        pace = self._begun()
        if pace is None:
            return await self._collect(args, kwargs, None)
        timers = running_timers(pace.clock)
        watch = _PacedWatch(timers, pace)
        timers.add(watch.look(), watch)
        try:
            whole = await self._collect(args, kwargs, pace)
        except (Exception, asyncio.CancelledError):
            if watch.cancelled:
                raise watch.given_up() from None
            raise
        finally:
            timers.end(watch)
        if watch.cancelled:
            raise watch.given_up()
        return whole

    async def _collect(self, args: tuple[Any, ...], kwargs: dict[str, Any], pace: Pace | None) -> Buffered:
        items: list[Any] = []
        size = _Size(self._max_bytes)
        result = self._fn(*args, **kwargs)
        source = async_iterated(await result if inspect.isawaitable(result) else result)
        try:
            async for item in source:
                if pace is not None:
                    pace.step()
                self._go_on()
                size.add(item)
                items.append(item)
        finally:
            _note(items)
            close = getattr(source, "aclose", None) or getattr(source, "close", None)
            if close is not None:
                try:
                    closing = close()
                    if inspect.isawaitable(closing):
                        await closing
                except Exception as error:  # noqa: BLE001 - the whole is here already, or an error that says more
                    _log_cleanup(error)
        return Buffered(items)


class _PacedWatch(Watch):
    """Cancels the task that collects once an item is late."""

    def __init__(self, timers: Timers, pace: Pace) -> None:
        task = current_task(timers.loop)
        assert task is not None  # noqa: S101 - for the type checker: the runtime that awaits this has looked
        super().__init__(task, task.cancelling())
        self._pace = pace

    def look(self) -> float:
        """Return when to look for the first time."""
        return self._pace.look(self._pace.clock.now())

    def due(self, now: float) -> float | None:
        """Look again later while there is time; else cancel the task."""
        return self._pace.look(now) if now < self._pace.moment and not self.cancelled else super().due(now)

    def given_up(self) -> BaseException:
        """Return what ends the collection: the caller's own cancellation goes first."""
        error = given_up(self)
        return Expired(self._pace.limit) if type(error) is Expired else error


def _note(items: list[Any]) -> None:
    """Note for the attempt that the component had begun to answer, where it had."""
    frame = deadline.current.get()
    if items and frame is not None and frame[2] is not None:
        frame[2].answering = True


def _log_cleanup(error: Exception) -> None:
    logger.warning("a stream's cleanup raised %s", class_name(error))
