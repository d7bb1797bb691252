"""
One timer for many attempts.

`loop.call_at` costs more than everything else an attempt does, and almost every timer is cancelled unfired. Here each
loop has one heap of moments and at most one armed timer, for the earliest of them.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

from aiguard.errors import MisuseError

if TYPE_CHECKING:
    from aiguard.clock import Clock

if sys.version_info >= (3, 12):
    from asyncio import current_task
else:
    # before 3.12 `asyncio.current_task` is written in Python, and costs more than the lookup that it does
    from asyncio.tasks import _current_tasks  # type: ignore[attr-defined]

    current_task = _current_tasks.get

_SWEEP: Final = 64
"""Dead entries are swept out once there are more than this many and they outnumber the live ones."""

INSIST_EVERY: Final = 0.25
"""Seconds after which a component that swallowed its cancellation is cancelled again."""


class Watch:
    """
    Cancels a task at a moment, and again until it gives way; knows its own cancellation from anybody else's.

    Args:
        task: The task.
        before: How many cancellations it had pending when the watch began.

    Attributes:
        cancelled: How often it has cancelled the task.
        done: Whether it need not fire any more.
    """

    cancelled = 0
    done = False
    _ours = False

    def __init__(self, task: asyncio.Task[Any], before: int) -> None:
        self._task = task
        self._before = before

    def due(self, now: float) -> float | None:
        """Cancel the task; return when to come back."""
        self.cancelled += 1
        self._task.cancel()
        return now + INSIST_EVERY

    def over(self) -> bool:
        """End the watch; return whether it was this watch, and nobody else, that cancelled the task."""
        if not self.done:
            self.done = True
            left = self._before
            for _ in range(self.cancelled):
                left = self._task.uncancel()
            self._ours = self.cancelled > 0 and left <= self._before
            self.release()
        return self._ours

    def release(self) -> None:
        """Let go of the task: the queue may hold this watch until its moment."""
        del self._task


NO_TASK: Final = "a guarded async function must be awaited inside a task, on the event loop it began on"


_OTHER_TIME: Final = "the boundary counts on a virtual clock, and this event loop does not: run it with `clock.run(…)`"


class Timers:
    """
    The moments of one event loop, counted on `clock`.

    Attributes:
        clock: What the moments are counted on.
        thread: The thread that runs the loop.
    """

    __slots__ = ("_armed", "_dead", "_handle", "_heap", "_loop", "_sequence", "clock", "thread")

    def __init__(self, loop: asyncio.AbstractEventLoop, clock: Clock) -> None:
        self._loop = weakref.ref(loop)  # a strong one would keep every closed loop alive
        self.thread = threading.get_ident()
        self.clock = clock
        self._heap: list[tuple[float, int, Any]] = []
        self._sequence = 0
        self._dead = 0
        self._armed = float("inf")
        self._handle: weakref.ref[asyncio.TimerHandle] | None = None  # a strong one would keep a closed loop alive

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The loop, while there is one."""
        return self._loop()

    def watch(self, moment: float) -> Watch:
        """Return a watch over the running task, due at `moment`; it must be ended."""
        task = current_task(self._loop())
        if task is None:
            raise MisuseError(NO_TASK)
        watch = Watch(task, task.cancelling())
        self.add(moment, watch)
        return watch

    def end(self, watch: Watch) -> None:
        """End a watch, most often before its moment."""
        if watch.cancelled:
            watch.over()
        elif not watch.done:
            watch.done = True
            watch.release()
        self.drop()

    def add(self, moment: float, watch: Any) -> None:
        """Call `watch.due` at `moment`, unless it is done by then."""
        self._sequence = sequence = self._sequence + 1  # no two watches are ever compared
        heappush(self._heap, (moment, sequence, watch))
        if moment < self._armed:
            self._arm(moment)

    def drop(self) -> None:
        """Note that one watch is done before its moment."""
        self._dead = dead = self._dead + 1
        if dead > _SWEEP and dead * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].done]
            heapify(self._heap)
            self._dead = 0

    def _arm(self, moment: float) -> None:
        armed = self._handle() if self._handle is not None else None
        if armed is not None:
            armed.cancel()
        self._armed = moment
        loop = self._loop()
        if loop is not None:
            self._handle = weakref.ref(loop.call_later(max(0.0, moment - self.clock.now()), self._fire))

    def _fire(self) -> None:
        self._handle = None
        self._armed = float("inf")
        now = self.clock.now()
        heap = self._heap
        while heap and (heap[0][0] <= now or heap[0][2].done):
            watch = heappop(heap)[2]
            if watch.done:
                self._dead = max(0, self._dead - 1)
                continue
            again = watch.due(now)
            if again is not None:
                self.add(again, watch)
        if heap:
            self._arm(heap[0][0])


class _Thread(threading.local):
    """The timers of the loop that this thread runs; it runs one at a time."""

    timers: Timers | None = None


_thread = _Thread()


def running_timers(clock: Clock) -> Timers:
    """
    Return the timers of the running loop, counted on `clock`.

    `asyncio.get_running_loop` asks for the process id before Python 3.12: a system call in every attempt.
    """
    timers = _thread.timers
    if (
        timers is None
        or timers.clock is not clock
        # set while the loop runs, in this thread; a kind of loop without it is asked for each time
        or getattr(timers._loop(), "_thread_id", None) != timers.thread  # noqa: SLF001 - same file
    ):
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise MisuseError(NO_TASK) from None
        drives = getattr(clock, "drives", None)
        if drives is not None and not drives(loop):
            raise MisuseError(_OTHER_TIME)
        timers = _thread.timers = _timers_of(loop, clock)
    return timers


_known: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Timers] = weakref.WeakKeyDictionary()
_known_lock = threading.Lock()


def _timers_of(loop: asyncio.AbstractEventLoop, clock: Clock) -> Timers:
    """Return the timers of `loop`, made anew where it counts on another clock or runs in another thread."""
    with _known_lock:
        timers = _known.get(loop)
        if timers is None or timers.clock is not clock or timers.thread != threading.get_ident():
            timers = _known[loop] = Timers(loop, clock)
    return timers
