"""
Two attempts at once, and an end to the one that is not needed any more.

    on a loop    the caller's task waits; the first is a task, the second another one once the first is late
    in threads   the caller's thread steps the first and looks up when that is late; a worker steps the second

A task that is called off is cancelled, and again until it gives way; nobody waits for it. A thread cannot be cancelled:
who waits for the component in it walks away, and its permit is given back when it really ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from aiguard.engine.calls import step
from aiguard.engine.runtime import AsyncRuntime, ThreadRuntime, result_of
from aiguard.engine.timers import Watch, running_timers
from aiguard.isolation.thread import Job
from aiguard.signals import Expired, Full

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from aiguard.call import Call, Queue, Race
    from aiguard.engine.runtime import Patience
    from aiguard.engine.timers import Timers
    from aiguard.isolation.thread import Workers


def _do_not_queue() -> NoReturn:
    """Turn a second attempt away: where all permits are taken, one more in the line would make others late."""
    raise Full


# --- on a loop


class RacingTasks(AsyncRuntime):
    """Runs coroutines on the event loop of whoever calls, and a second one where the first is late."""

    async def race(self, race: Race) -> None:
        """Run the first in a task, and the second in another once it is due, until it is decided."""
        timers = running_timers(race.call.clock)
        alarm = _Alarm(timers)
        lane = _TaskLane(self._rung_workers)
        lane.begin(race.first(lane), alarm)
        lanes = [lane]
        try:
            await self._decided(race, lanes, alarm)
        except asyncio.CancelledError:
            await _given_way(lanes, alarm)
            raise
        finally:
            alarm.end()
            losers = [lane for lane in lanes if lane.call_off(timers)]
        if losers:
            # one turn: who gives way at once has given everything back before the caller goes on
            await self.sleep(0)

    async def _decided(self, race: Race, lanes: list[_TaskLane], alarm: _Alarm) -> None:
        """Return once it is decided. Raises what no attempt may keep to itself."""
        clock = race.call.clock
        while True:
            for lane in lanes:
                if lane.task.done():
                    lane.task.result()  # cancelled by somebody else, or ended by what nobody may keep
            if race.is_decided():
                return
            now = clock.now()
            due = race.due(now)
            if due > now:
                await alarm.wait(due)
                continue
            lane = _SecondTaskLane(self._rung_workers)
            begin = race.second(lane, now)
            if begin is not None:
                lane.begin(begin(), alarm)
                lanes.append(lane)


async def _given_way(lanes: list[_TaskLane], alarm: _Alarm) -> None:
    """Pass the caller's cancellation on, each time it comes, and return once everybody has given way."""
    for lane in lanes:
        lane.task.cancel()
    while not all(lane.task.done() for lane in lanes):
        try:
            await alarm.wait(math.inf)
        except asyncio.CancelledError:
            for lane in lanes:
                lane.task.cancel()


class _TaskLane(AsyncRuntime):
    """
    What one of two attempts waits through.

    Attributes:
        called_off: Whether its answer is not wanted any more.
        task: What runs it.
    """

    called_off = False
    task: asyncio.Task[None]

    def begin(self, attempt: Coroutine[Any, Any, None], alarm: _Alarm) -> None:
        """Run the attempt in a task of its own, in the caller's context."""
        self.task = task = asyncio.get_running_loop().create_task(attempt)
        task.add_done_callback(alarm.ring)

    def call_off(self, timers: Timers) -> bool:
        """Cancel the attempt, and again until it gives way; `False` where it has ended."""
        task = self.task
        loop = timers.loop
        if task.done() or loop is None or loop.is_closed():
            return False
        self.called_off = True
        watch = Watch(task, task.cancelling())
        now = timers.clock.now()
        timers.add(watch.due(now) or now, watch)
        task.add_done_callback(lambda _: timers.end(watch))
        return True

    async def invoke(self, call: Call, until: float) -> Any:
        """Await the component. Whatever one that was called off ends with, it was cancelled."""
        try:
            value = await super().invoke(call, until)
        except Exception:
            if self.called_off:
                raise asyncio.CancelledError from None
            raise
        if self.called_off:
            raise asyncio.CancelledError
        return value


class _SecondTaskLane(_TaskLane):
    """What a second attempt waits through: it takes a permit that is free, or none."""

    async def acquire(self, queue: Queue, call: Call) -> None:  # noqa: ARG002 - the same for every queue
        """Turn it away."""
        _do_not_queue()


class _Alarm:
    """
    Wakes a task at a moment, or when an attempt has ended; an entry of the loop's timers.

    Attributes:
        done: Whether it need not fire any more.
    """

    __slots__ = ("_armed", "_future", "_timers", "done")

    def __init__(self, timers: Timers) -> None:
        self._timers = timers
        self._armed = False
        self._future: asyncio.Future[None] | None = None
        self.done = False

    async def wait(self, moment: float) -> None:
        """Wait until then at the latest, or for something to look at."""
        if moment < math.inf and not self._armed:
            self._armed = True
            self._timers.add(moment, self)
        self._future = future = asyncio.get_running_loop().create_future()
        await future

    def ring(self, ended: asyncio.Task[None] | None = None) -> None:
        """Wake the task that waits."""
        if ended is not None and not ended.cancelled():
            ended.exception()  # seen: what it is goes to whoever waits, if somebody still does
        future = self._future
        if future is not None and not future.done():
            future.set_result(None)

    def due(self, now: float) -> None:  # noqa: ARG002 - as the timers ask
        """Wake the task: it is time to look."""
        self._armed = False
        self.ring()

    def end(self) -> None:
        """Let go of the task: the queue of timers may hold this until its moment."""
        self.done = True
        self._future = None
        if self._armed:
            self._timers.drop()


# --- in threads


class _CalledOff(BaseException):
    """An attempt is not needed any more: as a cancellation, it passes everybody on its way out."""


class RacingThreads(ThreadRuntime):
    """
    Runs plain functions in worker threads, and a second one where the first is late.

    Args:
        workers: The threads of the component.
        rung_workers: Those of its rungs.
        hedge_workers: Those that step second attempts.
        patience: How threads wait.
    """

    def __init__(self, workers: Workers, rung_workers: Workers, hedge_workers: Workers, patience: Patience) -> None:
        super().__init__(workers, rung_workers, patience)
        self._hedge_workers = hedge_workers

    async def race(self, race: Race) -> None:
        """Run the first from here, and the second from a worker once it is due, until it is decided."""
        lane = _FirstThreadLane(self._workers, self._rung_workers, self._patience, self._hedge_workers, race)
        try:
            await race.first(lane)
            lane.wait_for_second()
        except _CalledOff:
            pass
        finally:
            lane.end()


class _ThreadLane(ThreadRuntime):
    """What one of two attempts waits through."""

    _called_off = False

    def __init__(self, workers: Workers, rung_workers: Workers, patience: Patience) -> None:
        super().__init__(workers, rung_workers, patience)
        self._bell = _Bell()

    def _look(self, now: float) -> float:  # noqa: ARG002 - the first's lane looks at the time
        """Do what is to be done now; return when to look again. Raises `_CalledOff`."""
        if self._called_off:
            raise _CalledOff
        return math.inf

    async def invoke(self, call: Call, until: float) -> Any:
        """Run the component in a worker; at `until`, or where it is called off, the worker is left behind."""
        clock, workers, bell, hold = call.clock, self._workers, self._bell, self._patience.hold
        now = clock.now()
        moment = min(until, self._look(now))
        job = Job(call.fn, call.args, call.kwargs, (until, clock, call.run), call.run.scope, bell.ring)
        workers.start(job)
        try:
            hold(bell.lock, moment - now, workers)
            while not job.ended and (now := clock.now()) < until:
                hold(bell.lock, min(until, self._look(now)) - now, workers)
        except BaseException:
            self._leave(workers, job, call)
            raise
        expired = not job.ended and self._leave(workers, job, call)
        if self._called_off:  # meanwhile: whatever it ended with, it is not wanted
            raise _CalledOff
        if expired:
            raise Expired
        return result_of(job, call, until)


class _FirstThreadLane(_ThreadLane):
    """What the first attempt waits through, in the caller's thread, which begins the second and hears from it."""

    def __init__(self, workers: Workers, rung_workers: Workers, patience: Patience, crew: Workers, race: Race) -> None:
        super().__init__(workers, rung_workers, patience)
        self._crew = crew
        self._race = race
        self._second: _SecondThreadLane | None = None
        self._job: Job | None = None

    def wait_for_second(self) -> None:
        """Wait, where the first has failed, for the second's answer: until the deadline at most."""
        call = self._race.call
        while self._job is not None and (left := call.deadline - call.clock.now()) > 0:
            self._look(call.clock.now())
            self._patience.hold(self._bell.lock, left, self._crew)

    def end(self) -> None:
        """Call the second off, and let go of everything: what is raced for refers to this."""
        if self._second is not None and self._job is not None:
            self._second.call_off()
            self._crew.leave(self._job)
        del self._race, self._job, self._second

    def _look(self, now: float) -> float:
        race, job = self._race, self._job
        if job is not None:
            if job.ended:
                job.result()  # interrupted by what nobody may keep
            if race.is_decided():
                raise _CalledOff
            return math.inf
        due = race.due(now)
        if due > now:
            return due
        lane = _SecondThreadLane(self._workers, self._rung_workers, self._patience)
        begin = race.second(lane, now)
        if begin is not None:
            frame = (race.call.deadline, race.call.clock, None)
            job = Job(partial(_stepped, begin), (), {}, frame, None, self._bell.ring)
            self._crew.start(job)
            self._second, self._job = lane, job
        return math.inf


class _SecondThreadLane(_ThreadLane):
    """What the second attempt waits through, in a worker's thread: it takes a permit that is free, or none."""

    def call_off(self) -> None:
        """Let it walk away from whatever it waits for."""
        self._called_off = True
        self._bell.ring()

    async def acquire(self, queue: Queue, call: Call) -> None:  # noqa: ARG002 - the same for every queue
        """Turn it away."""
        _do_not_queue()


def _stepped(begin: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Be the worker of a second attempt."""
    with contextlib.suppress(_CalledOff):
        step(begin())


class _Bell:
    """
    Wakes one thread, from any other, as often as there is something to look at.

    Attributes:
        lock: What that thread waits for.
    """

    __slots__ = ("lock",)

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.lock.acquire()

    def ring(self) -> None:
        """Wake it; twice before it looks is once."""
        with contextlib.suppress(RuntimeError):
            self.lock.release()
