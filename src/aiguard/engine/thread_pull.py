"""Items of a sync stream, pulled from one worker thread that holds the source for its whole life."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any

from aiguard import deadline
from aiguard.call import logger
from aiguard.engine.clocks import NO_CLOCKS, Clocks
from aiguard.engine.pulls import CLOSING_GRACE, ClockedPull, Consumer, caught, close_source, refuse_second
from aiguard.isolation.thread import Job
from aiguard.signals import Halted
from aiguard.stream import iterated

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call
    from aiguard.engine.runtime import Patience
    from aiguard.isolation.thread import Workers


class ThreadPull(ClockedPull):
    """Asks the worker for one item per demand; the caller is free at the deadline."""

    __slots__ = ("_closing", "_demand", "_error", "_item", "_job", "_patience", "_ready", "_step", "_until", "_workers")

    def __init__(
        self, workers: Workers, patience: Patience, call: Call, until: float, clocks: Clocks = NO_CLOCKS
    ) -> None:
        super().__init__(None, call, until, clocks)
        self._workers = workers
        self._patience = patience
        self._demand = threading.Lock()
        self._ready = threading.Lock()
        self._demand.acquire()
        self._ready.acquire()
        self._closing = False
        self._item: Any = None
        self._error: BaseException | None = None
        self._step: Callable[[], Any] | None = None
        self._job = Job(self._serve, (), {}, (until, call.clock, call.run), call.run.scope, self._ready.release)
        workers.start(self._job)
        # the component is called here, so that its errors come before the first item
        before = self._left
        error = self._demanded(None)
        self._most -= before - self._left
        if error is not None:
            self.close()
            try:
                raise error
            finally:
                del error  # its traceback holds this frame

    def pull(self, stream: Consumer, sent: Callable[[], Any] | None = None) -> Any:
        """Return the next item, or what `stream` makes of the end, of an error and of time used up."""
        if self.began is not None:
            refuse_second("generator")
        self.began = self._clock.now()
        error: BaseException | None = None
        item = None
        try:
            if self._is_ai and (why := stream.switch.halted(self._key)) is not None:
                raise Halted(why)  # noqa: TRY301 - to the pipeline, as everything else
            error = self._demanded(sent if sent is not None else self.source.__next__)
            if error is None:
                if self._fresh:
                    self._answered()
                item, self._item = self._item, None
                if stream.judge is not None:
                    item = stream.judge(item)
                if self._is_ai and (why := stream.switch.halted(self._key)) is not None:
                    raise Halted(why)  # noqa: TRY301 - it was waited for, or judged for long, and comes too late
                if stream.note is not None:
                    stream.note(self.began, item)
        except BaseException as raised:  # noqa: BLE001 - the pipeline's stages know what is theirs
            error = caught(raised)
        self.began = None
        if error is None:
            self.tally.delivered += 1
            return item
        item = None  # what stays in is in no frame of the error
        try:
            return stream.resumed(error)
        finally:
            del error

    def _demanded(self, step: Callable[[], Any] | None) -> BaseException | None:
        """Let the worker do one step; return what it raised: raised here again, it would hold our caller's frames."""
        began = self._clock.now()
        limit = min(self._left, self._most)
        self._step = step
        self._until = deadline.earliest(
            began + limit, self._clock
        )  # in the consumer's thread, whose deadline counts too
        self._demand.release()
        try:
            ready = self._patience.hold(self._ready, limit, self._workers)
        except BaseException:
            self._walk_away()
            raise
        took = self._clock.now() - began
        error: BaseException | None
        if ready:
            error, self._error = self._error, None
            if error is None and took > limit:
                error = self._late()
        else:
            self._walk_away()
            error = self._late()
        self._left -= took
        return error

    def _serve(self) -> None:
        """Be the worker: one step per demand."""
        call = self._call
        while True:
            self._demand.acquire()
            if self._closing:
                if self.source is not None:
                    close_source(self.source)
                return
            deadline.current.set((self._until, self._clock, call.run))
            try:
                if self._step is None:
                    self.source = iterated(call.fn(*call.args, **call.kwargs))
                else:
                    self._item = self._step()
            except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, whatever it is
                self._error = error
            self._step = None
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
