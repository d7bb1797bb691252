"""Items of an async stream: pulled on the loop, with one timer for the whole stream."""

from __future__ import annotations

import asyncio
import inspect
import math
import weakref
from typing import TYPE_CHECKING, Any

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.deadline import earliest, publish, withdraw
from aiguard.engine.clocks import NO_CLOCKS, Clocks
from aiguard.engine.pulls import CLOSING_GRACE, ClockedPull, Consumer, caught, refuse_second
from aiguard.engine.runtime import given_up
from aiguard.engine.timers import NO_TASK, Watch, current_task, running_timers
from aiguard.errors import MisuseError
from aiguard.signals import Expired, Halted
from aiguard.switch import FRESH

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiguard.call import Call


class _Reminder:
    """A pull in the queue of timers, which must not keep it alive: a dropped stream ends at once."""

    __slots__ = ("_pull",)

    def __init__(self, pull: AsyncPull) -> None:
        self._pull = weakref.ref(pull)

    @property
    def done(self) -> bool:
        """Whether the pull is gone, or needs no timer any more."""
        pull = self._pull()
        return pull is None or pull.done

    def due(self, now: float) -> float | None:
        """Let the pull see to it."""
        pull = self._pull()
        return pull.due(now) if pull is not None else None


class AsyncPull(ClockedPull):
    """
    Pulls on the loop that the stream began on.

    Attributes:
        done: Whether its timer need not come back.
    """

    __slots__ = (
        "__weakref__",
        "_armed",
        "_cancelling",
        "_loop",
        "_next",
        "_run",
        "_scope",
        "_task",
        "_timers",
        "_watch",
        "done",
    )

    def __init__(self, source: AsyncIterator[Any], call: Call, until: float, clocks: Clocks = NO_CLOCKS) -> None:
        super().__init__(source, call, until, clocks)
        self._next: Any = source.__anext__
        self._timers = running_timers(self._clock)
        self._loop = self._timers.loop
        self._scope = call.run.scope
        self._run = call.run
        self._task: asyncio.Task[Any] | None = None
        self._cancelling = 0
        self._watch: Watch | None = None
        self._armed = False
        self.done = False

    async def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:  # noqa: C901, PLR0912, PLR0915 - one frame an item
        """Return the next item, or what `stream` makes of the end, of an error and of time used up."""
        if self.began is not None:
            refuse_second("asynchronous generator")
        task = current_task(self._loop)
        if task is None:
            raise MisuseError(NO_TASK)
        now = self._now
        switch = stream.switch
        gate = switch.gate
        left = self._left
        limit = self._most
        if left < limit:  # noqa: PLR1730 - `min` is a call: it would double what the clocks cost an item
            limit = left
        self._task = task
        self._cancelling = task.cancelling()
        self.began = began = now()
        if not self._armed and limit < math.inf:  # a rung's items are there already: they need no timer
            self._armed = True
            self._timers.add(began + min(limit, self._idle), _Reminder(self))
        try:
            if (gate.known is not switch.clear or began >= gate.due) and self._is_ai:
                why = switch.halted(self._key)
                if why is not None:
                    raise Halted(why)  # noqa: TRY301 - to the pipeline, as everything else
            token = publish((earliest(began + limit, self._clock), self._clock, self._run))
            scope = self._scope
            scope_token = scope.enter() if scope is not None else None
            try:
                item = await (self._next() if sent is None else sent())
            finally:
                if scope is not None:
                    scope.leave(scope_token)
                withdraw(token)
            took = now() - began
            if took > limit or self._watch is not None:
                raise self._late()  # noqa: TRY301 - to the pipeline, as everything else
            self._left = left - took
            if self._fresh:
                self._answered()
            if stream.judge is not None:
                item = stream.judge(item)
                took = now() - began
            if took > FRESH and self._is_ai and (why := switch.halted(self._key)) is not None:
                raise Halted(why)  # noqa: TRY301 - it was waited for, or judged for long, and comes too late
            if stream.note is not None:
                stream.note(began, item)
        except BaseException as raised:  # noqa: BLE001 - the pipeline's stages know what is theirs
            error = caught(raised)
        else:
            self.began = self._task = None
            self.tally.delivered += 1
            return item
        self.began = self._task = None
        if self._watch is not None and issubclass(type(error), Exception | asyncio.CancelledError):
            error = given_up(self._watch)
            if type(error) is Expired:
                error = self._late()
        item = None  # what stays in is in no frame of the error
        self._left = left - (now() - began)
        try:
            return await stream.resumed(error)
        finally:
            del error, stream

    def due(self, now: float) -> float | None:
        """Come back later while the consumer is at work or time is left; else cancel the task that waits."""
        watch = self._watch
        if watch is not None:
            return None if watch.done else watch.due(now)
        began, task = self.began, self._task
        if began is None or task is None:
            self._armed = False  # the next pull arms it again
            return None
        moment = began + min(self._left, self._most)
        if now < moment:
            return min(moment, now + self._idle)  # what follows the first item may have less time
        self._watch = watch = Watch(task, self._cancelling)
        return watch.due(now)

    def forget(self) -> None:
        """Let go of everything: the queue of timers may hold this pull until its moment."""
        self.done = True
        if self._armed:
            self._armed = False
            self._timers.drop()
        self.source = self._next = self._task = None
        del self._call, self.tally, self._scope

    async def close(self) -> None:
        """Close the source; its cleanup may await, for a while."""
        source = self.source
        self.forget()
        close = getattr(source, "aclose", None) or getattr(source, "close", None)
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
