"""
Worker threads that a caller can walk away from.

A thread cannot be killed. What can be done is to free the caller at its deadline, and to go on counting the thread
until it really ends: it keeps its permit, and no more than `limit` are ever alive.
"""

from __future__ import annotations

import threading
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiguard import deadline
from aiguard.collector import afterwards, take
from aiguard.signals import Full

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.events import Release, Scope

IDLE_SECONDS: Final = 10.0
"""An idle worker ends after this: long enough for a steady trickle, short enough to give its memory back."""

DEFAULT_LIMIT: Final = 64
"""Workers of a boundary that has no bulkhead."""


class Job:
    """
    One function to be run by a worker in its caller's context, and what became of it.

    Args:
        fn: The function.
        args: Its positional arguments.
        kwargs: Its keyword arguments.
        frame: What it sees of its boundary.
        scope: The span that it runs in.
        notify: Called in the worker once it is done, unless its caller has walked away.
    """

    crew: Workers
    ended = False
    abandoned = False
    releases: tuple[Release, ...] = ()
    _value: Any = None
    _error: BaseException | None = None

    def __init__(  # noqa: PLR0917 - positional for speed
        self,
        fn: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        frame: deadline.Frame,
        scope: Scope | None,
        notify: Callable[[], object],
    ) -> None:
        self._fn = fn
        self._args = args
        self._kwargs = kwargs
        self._frame = frame
        self._scope = scope
        self._context = copy_context()
        self.notify = notify

    def result(self) -> Any:
        """Return what the function returned or raise what it raised, KeyboardInterrupt and SystemExit included."""
        error = self._error
        if error is None:
            return self._value
        self._error = None
        try:
            raise error
        finally:
            del error  # the traceback holds this frame: without this, a reference cycle

    def when_ended(self, release: Release) -> None:
        """Call `release` once the thread is done with this job; at once if it is already."""
        if not self.crew.postpone(self, release):
            release()

    def run(self) -> None:
        """Run the function; keep what it returns or raises."""
        try:
            self._value = self._context.run(self._entered)
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, whatever it is
            self._error = error

    def forget(self) -> None:
        """Drop what nobody will ask for."""
        self._value = self._error = None

    def _entered(self) -> Any:
        deadline.current.set(self._frame)
        if self._scope is not None:
            self._scope.enter()
        fn, args, kwargs = self._fn, self._args, self._kwargs
        del self._fn, self._args, self._kwargs  # what is held only here is freed as the function lets go of it
        return fn(*args, **kwargs)


class _Worker(threading.Thread):
    """
    A daemon thread that runs one job after another.

    Attributes:
        resting: Whether it has told of its last job and waits for the next.
    """

    resting = False

    def __init__(self, crew: Workers, job: Job) -> None:
        super().__init__(name=f"aiguard-{crew.name}", daemon=True)
        self._crew = crew
        self._wake = threading.Lock()
        self._wake.acquire()
        self._job: Job | None = job

    def take(self, job: Job) -> Callable[[], object]:
        """Give a job to this idle worker; return what sets it off."""
        self.resting = False
        self._job = job
        return self._wake.release

    def run(self) -> None:
        """Run jobs until idle for long."""
        while True:
            job, self._job = self._job, None
            while job is not None:
                job.run()
                job = self._crew.rest(self, job)
                self.resting = job is None
            if not self._wake.acquire(True, IDLE_SECONDS) and self._crew.retire(self):  # noqa: FBT003 - quicker so
                return


class Workers:
    """
    The worker threads of one boundary.

    Args:
        name: Name of the boundary.
        limit: How many may be alive at once; `None` for 64.
        queues: Whether a job waits for a worker where all are busy, as long as its caller waits for it.

    Attributes:
        name: Name of the boundary: its threads carry it.
        limit: How many may be alive at once.
        alive: How many are.
        abandoned: How many of those run something nobody waits for.
    """

    def __init__(self, name: str, limit: int | None, *, queues: bool = False) -> None:
        self.name = name
        self.configure(limit)
        self._queues = queues
        self.reset()

    def configure(self, limit: int | None) -> None:
        """Change how many may be alive at once; those that are over it end when they are idle."""
        self.limit = DEFAULT_LIMIT if limit is None else limit

    def reset(self) -> None:
        """Start afresh: in a forked process, where the parent's threads are not."""
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self._queue: dict[Job, None] = {}  # in order, and quick to step out of
        self.alive = 0
        self.abandoned = 0

    @property
    def busy(self) -> int:
        """How many run something."""
        with self._lock:
            return self.alive - len(self._idle)

    @property
    def active(self) -> int:
        """How many run something, or are about to tell that it is done."""
        with self._lock:
            return self.alive - sum(worker.resting for worker in self._idle)

    def start(self, job: Job) -> None:
        """Run `job` in a worker. Raises `Full` where all are busy."""
        self.assign(job)()

    def assign(self, job: Job) -> Callable[[], object]:
        """
        Give `job` to a worker; return what sets it off. Raises `Full` where all are busy.

        Set it off last: a worker that wakes while its caller still runs waits for the interpreter's lock once more.
        """
        job.crew = self
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                if self.alive >= self.limit:
                    if self._queues:
                        self._queue[job] = None
                        return _nothing
                    raise Full(self._crowd())
                self.alive += 1
        return worker.take(job) if worker is not None else partial(self._hire, job)

    def _crowd(self) -> str:
        return (
            f"all {self.limit} worker threads are busy, {self.abandoned} of them left behind by calls that timed out; "
            "`bulkhead` sets how many there may be"
        )

    def _hire(self, job: Job) -> None:
        try:
            _Worker(self, job).start()
        except BaseException:
            with self._lock:
                self.alive -= 1
            raise

    def leave(self, job: Job) -> bool:
        """Walk away from `job`; `False` if it ended first."""
        if not take(self._lock):
            afterwards(partial(self.leave, job))
            return True  # if it has ended, what waits for its end is done as soon as that is seen
        try:
            if job.ended:
                return False
            if job in self._queue:  # it never began
                del self._queue[job]
                job.ended = True
                return True
            job.abandoned = True
            self.abandoned += 1
        finally:
            self._lock.release()
        return True

    def postpone(self, job: Job, release: Release) -> bool:
        """Keep `release` for the end of `job`; `False` if that is past."""
        if not take(self._lock):
            afterwards(partial(job.when_ended, release))
            return True
        try:
            if job.ended:
                return False
            job.releases += (release,)
        finally:
            self._lock.release()
        return True

    def rest(self, worker: _Worker, job: Job) -> Job | None:
        """Take `worker` back, before anybody hears that its job is done; return the next one that waits for it."""
        with self._lock:
            job.ended = True
            if job.abandoned:
                self.abandoned -= 1
            waiting = next(iter(self._queue), None) if self._queue else None
            if waiting is None:
                self._idle.append(worker)
            else:
                del self._queue[waiting]
        if not job.abandoned:
            job.notify()
            return waiting
        job.forget()
        for release in job.releases:
            release()
        return waiting

    def retire(self, worker: _Worker) -> bool:
        """Let an idle worker end; `False` if a job is on its way to it."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            self.alive -= 1
        return True


def _nothing() -> None:
    """Set nothing off: the job begins when a worker is free."""
