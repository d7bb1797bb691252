"""
The only code that waits.

One runtime for each way of running a component: on the event loop, in the caller's thread, in a worker thread. The
blocking ones are written as coroutines that never suspend, so that one pipeline serves all.
"""

from __future__ import annotations

import asyncio
import threading
import time
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from aiguard.deadline import publish, withdraw
from aiguard.engine.timers import Watch, running_timers
from aiguard.isolation.thread import Job, Workers
from aiguard.signals import Boxed, Expired

if TYPE_CHECKING:
    from aiguard.call import Call, Queue, Race


class Patience(Protocol):
    """How a thread waits."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def hold(self, lock: threading.Lock, seconds: float, worker: Workers | None) -> bool:
        """Wait for `lock`, at most so long; `worker` is whose thread will release it, if one will."""


class SystemPatience:
    """Waits in real time."""

    __slots__ = ()

    sleep = staticmethod(time.sleep)

    def hold(self, lock: threading.Lock, seconds: float, worker: Workers | None) -> bool:  # noqa: ARG002 - for virtual time
        """Wait for `lock`, at most so long."""
        if 0 < seconds < threading.TIMEOUT_MAX:
            return lock.acquire(True, seconds)  # noqa: FBT003 - by position: it is quicker
        return lock.acquire(timeout=threading.TIMEOUT_MAX if seconds > 0 else 0)


SYSTEM_PATIENCE: Patience = SystemPatience()


class Ladder:
    """What every runtime does for rungs; their threads are never the component's, which may all hang."""

    def __init__(self, rung_workers: Workers) -> None:
        self._rung_workers = rung_workers

    async def inline(self, call: Call, until: float) -> Any:
        """Run a plain function here: it cannot be interrupted. Raises `Expired` if it came back too late."""
        return run_here(call, until)

    async def replay(self, items: list[Any], call: Call) -> None:
        """Surface items: what only the runtimes of passthrough streams can do."""
        raise NotImplementedError

    async def race(self, race: Race) -> None:
        """Run two attempts at once: what only the runtimes of hedged boundaries can do."""
        raise NotImplementedError


def run_here(call: Call, until: float) -> Any:
    """Run a plain function in the caller's thread."""
    clock = call.clock
    scope = call.run.scope
    token = publish((until, clock, call.run))
    scope_token = scope.enter() if scope is not None else None
    try:
        value = call.fn(*call.args, **call.kwargs)
    except StopIteration as stop:
        raise Boxed(stop) from stop
    finally:
        if scope is not None:
            scope.leave(scope_token)
        withdraw(token)
    if clock.now() > until:
        raise Expired
    return value


class AsyncRuntime(Ladder):
    """Runs coroutines on the event loop of whoever calls."""

    async def invoke(self, call: Call, until: float) -> Any:
        """Await the component; its task is cancelled at `until`, and again until it gives way."""
        clock = call.clock
        timers = running_timers(clock)
        watch = timers.watch(until)
        token = publish((until, clock, call.run))
        scope = call.run.scope
        scope_token = scope.enter() if scope is not None else None
        try:
            value = await call.fn(*call.args, **call.kwargs)
        except (Exception, asyncio.CancelledError) as error:
            if watch.cancelled:
                raise given_up(watch) from None
            if type(error) is StopIteration:
                raise Boxed(error) from error
            raise
        finally:
            timers.end(watch)
            if scope is not None:
                scope.leave(scope_token)
            withdraw(token)
        if watch.cancelled:
            raise given_up(watch)
        if clock.now() > until:
            raise Expired
        return value

    async def offload(self, call: Call, until: float) -> Any:
        """Run a plain function in a worker thread of the ladder."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        job = Job(
            call.fn, call.args, call.kwargs, (until, call.clock, call.run), call.run.scope, partial(_wake, loop, ended)
        )
        workers = self._rung_workers
        workers.start(job)
        timer = loop.call_later(max(0.0, until - call.clock.now()), _resolve, ended, False)  # noqa: FBT003 - a result
        try:
            in_time = await ended
        except BaseException:
            workers.leave(job)
            raise
        finally:
            timer.cancel()
        if not in_time and workers.leave(job):
            raise Expired
        return result_of(job, call, until)

    async def sleep(self, seconds: float) -> None:
        """Wait on the loop."""
        await asyncio.sleep(seconds)

    async def acquire(self, queue: Queue, call: Call) -> None:
        """Wait on the loop for a permit."""
        waiter = _LoopWaiter(call, asyncio.get_running_loop())
        if queue.join(waiter):
            return
        waiter.arm(queue)
        try:
            await waiter.future
        except BaseException:
            queue.leave(waiter)
            raise
        finally:
            waiter.timer.cancel()
        waiter.end(queue)


class BlockingRuntime(Ladder):
    """Runs plain functions in the caller's thread."""

    def __init__(self, rung_workers: Workers, patience: Patience) -> None:
        super().__init__(rung_workers)
        self._patience = patience

    async def invoke(self, call: Call, until: float) -> Any:
        """Run the component here: it cannot be interrupted. Raises `Expired` if it came back too late."""
        return run_here(call, until)

    async def offload(self, call: Call, until: float) -> Any:
        """Run a plain function in a worker thread of the ladder."""
        return self._run_in(self._rung_workers, call, until)

    async def sleep(self, seconds: float) -> None:
        """Block."""
        if seconds > 0:
            self._patience.sleep(seconds)

    async def acquire(self, queue: Queue, call: Call) -> None:
        """Block until there is a permit."""
        waiter = _ThreadWaiter(call)
        if queue.join(waiter):
            return
        hold = self._patience.hold
        try:
            # looked at again when the time is over: what the quickest call takes changes
            while (left := waiter.useful(queue)) > 0 and not hold(waiter.lock, left, None):
                pass
        except BaseException:
            queue.leave(waiter)
            raise
        waiter.end(queue)

    def _run_in(self, workers: Workers, call: Call, until: float) -> Any:
        ended = threading.Lock()
        ended.acquire()
        job = Job(call.fn, call.args, call.kwargs, (until, call.clock, call.run), call.run.scope, ended.release)
        go = workers.assign(job)
        left = until - call.clock.now()
        hold = self._patience.hold
        go()
        try:
            in_time = hold(ended, left, workers)
        except BaseException:
            self._leave(workers, job, call)
            raise
        if not in_time and self._leave(workers, job, call):
            raise Expired
        return result_of(job, call, until)

    def _leave(self, workers: Workers, job: Job, call: Call) -> bool:
        left = workers.leave(job)
        if left:
            call.run.abandoned = job
        return left


class ThreadRuntime(BlockingRuntime):
    """Runs plain functions in worker threads, so that the caller is free at the deadline."""

    def __init__(self, workers: Workers, rung_workers: Workers, patience: Patience) -> None:
        super().__init__(rung_workers, patience)
        self._workers = workers

    async def invoke(self, call: Call, until: float) -> Any:
        """Run the component in a worker; at `until` the caller is free and the worker is left behind."""
        return self._run_in(self._workers, call, until)


class _Waiter(ABC):
    """A call in a queue."""

    __slots__ = ("_call", "admitted", "priority", "refusal")

    def __init__(self, call: Call) -> None:
        self._call = call
        self.priority = call.journal.priority
        self.admitted = False
        self.refusal: Exception | None = None

    def left(self) -> float:
        """Return the seconds that are left of the call."""
        return self._call.deadline - self._call.clock.now()

    def useful(self, queue: Queue) -> float:
        """Return the seconds for which a permit would still be of use."""
        return queue.until(self._call.deadline) - self._call.clock.now()

    def end(self, queue: Queue) -> None:
        """End the wait: with a permit, or with the reason why there is none."""
        if self.admitted:
            return
        if self.refusal is None:
            queue.leave(self)
        raise self.refusal or Expired

    @abstractmethod
    def wake(self) -> bool:
        """Let it look."""


class _LoopWaiter(_Waiter):
    """
    A task in a queue.

    Attributes:
        future: Resolved once there is something to look at.
        timer: What resolves it when the time is over.
    """

    __slots__ = ("_loop", "_thread", "future", "timer")

    def __init__(self, call: Call, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(call)
        self._loop = loop
        self._thread = threading.get_ident()
        self.future: asyncio.Future[bool] = loop.create_future()

    def arm(self, queue: Queue) -> None:
        """Set the timer to the moment from which waiting is of no more use."""
        self.timer = self._loop.call_later(max(0.0, self.useful(queue)), self._look, queue)

    def _look(self, queue: Queue) -> None:
        """Go on waiting if the moment has moved: what the quickest call takes changes."""
        if self.useful(queue) > 0:
            self.arm(queue)
        else:
            _resolve(self.future, False)  # noqa: FBT003 - the future's result

    def wake(self) -> bool:
        """Let the task look; `False` if its loop is closed."""
        if threading.get_ident() == self._thread and not self._loop.is_closed():
            _resolve(self.future, True)  # noqa: FBT003 - the future's result
            return True
        return _wake(self._loop, self.future)


class _ThreadWaiter(_Waiter):
    """
    A thread in a queue.

    Attributes:
        lock: Released once there is something to look at.
    """

    __slots__ = ("lock",)

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self.lock = threading.Lock()
        self.lock.acquire()

    def wake(self) -> bool:
        """Let the thread look."""
        self.lock.release()
        return True


def given_up(watch: Watch) -> BaseException:
    """Return what ends an attempt that its watch cancelled: the caller's own cancellation goes first."""
    return Expired() if watch.over() else asyncio.CancelledError()


def result_of(job: Job, call: Call, until: float) -> Any:
    """Return what a worker's job ended with. Raises `Expired` where that came too late."""
    try:
        value = job.result()
    except StopIteration as stop:
        raise Boxed(stop) from stop
    if call.clock.now() > until:
        raise Expired
    return value


def _resolve(future: asyncio.Future[bool], value: bool) -> None:  # noqa: FBT001 - the future's result
    if not future.done():
        future.set_result(value)


def _wake(loop: asyncio.AbstractEventLoop, future: asyncio.Future[bool]) -> bool:
    """Resolve `future` from any thread; `False` if its loop is closed."""
    try:
        loop.call_soon_threadsafe(_resolve, future, True)  # noqa: FBT003 - the future's result
    except RuntimeError:
        return False
    return True
