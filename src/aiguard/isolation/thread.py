"""
Worker threads that a caller can walk away from.

A thread cannot be killed. What can be done is to free the caller at its deadline, and to go on counting the thread
until it really ends: it keeps its permit, and no more than `limit` are ever alive.
"""

from __future__ import annotations

import os
import threading
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Any, Final

from aiguard.signals import Full

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.events import Release

IDLE_SECONDS: Final = 10.0
"""An idle worker ends after this: long enough for a steady trickle, short enough to give its memory back."""

DEFAULT_LIMIT: Final = 64
"""Workers of a boundary that has no bulkhead."""


class Job:
    """One function to be run by a worker, and what became of it."""

    __slots__ = (
        "_abandoned",
        "_context",
        "_ended",
        "_enter",
        "_error",
        "_fn",
        "_lock",
        "_notify",
        "_releases",
        "_value",
    )

    def __init__(self, fn: Callable[[], Any], notify: Callable[[], object], enter: Callable[[], object]) -> None:
        self._fn = fn
        self._notify = notify
        self._enter = enter
        self._context: Context = copy_context()
        self._lock = threading.Lock()
        self._ended = False
        self._abandoned = False
        self._releases: list[Release] = []
        self._value: Any = None
        self._error: BaseException | None = None

    def result(self) -> Any:
        """Return what the function returned or raise what it raised, KeyboardInterrupt and SystemExit included."""
        error, self._error = self._error, None
        if error is None:
            return self._value
        try:
            raise error
        finally:
            del error  # the traceback holds this frame: without this, a reference cycle

    def abandon(self) -> bool:
        """Walk away; `False` if the job ended first."""
        with self._lock:
            self._abandoned = not self._ended
        return self._abandoned

    def when_ended(self, release: Release) -> None:
        """Call `release` once the thread is done with this job; at once if it is already."""
        with self._lock:
            if not self._ended:
                self._releases.append(release)
                return
        release()

    def run(self) -> None:
        """Run the function in the caller's context."""
        try:
            self._value = self._context.run(self._entered)
        except BaseException as error:  # noqa: BLE001 - carried to the caller's thread, whatever it is
            self._error = error

    def finish(self) -> bool:
        """Tell the caller, or release what it left behind; return whether it had walked away."""
        with self._lock:
            self._ended = True
        if not self._abandoned:
            self._notify()
            return False
        self._value = self._error = None
        for release in self._releases:
            release()
        return True

    def _entered(self) -> Any:
        self._enter()
        return self._fn()


class _Worker(threading.Thread):
    """A daemon thread that runs one job after another."""

    def __init__(self, crew: Workers, job: Job) -> None:
        super().__init__(name=f"aiguard-{crew.name}", daemon=True)
        self._crew = crew
        self._wake = threading.Lock()
        self._wake.acquire()
        self._job: Job | None = job

    def take(self, job: Job) -> None:
        """Hand a job to this idle worker."""
        self._job = job
        self._wake.release()

    def run(self) -> None:
        """Run jobs until idle for long."""
        while True:
            job, self._job = self._job, None
            if job is not None:
                job.run()
                self._crew.rest(self, job)
            del job  # an idle worker keeps nothing of its last caller alive
            if not self._wake.acquire(timeout=IDLE_SECONDS) and self._crew.retire(self):
                return


class Workers:
    """
    The worker threads of one boundary.

    Attributes:
        name: Name of the boundary: its threads carry it.
        limit: How many may be alive at once.
        alive: How many are.
        abandoned: How many of those run something nobody waits for.
    """

    def __init__(self, name: str, limit: int | None) -> None:
        self.name = name
        self.limit = DEFAULT_LIMIT if limit is None else limit
        self._reset()

    def _reset(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._idle: list[_Worker] = []
        self.alive = 0
        self.abandoned = 0

    @property
    def busy(self) -> int:
        """How many run something."""
        with self._lock:
            return self.alive - len(self._idle)

    def start(self, job: Job) -> None:
        """Run `job` in a worker. Raises `Full` where all are busy."""
        if self._process != os.getpid():
            self._reset()  # forked: the parent's threads are not here
        with self._lock:
            worker = self._idle.pop() if self._idle else None
            if worker is None:
                if self.alive >= self.limit:
                    raise Full
                self.alive += 1
        if worker is not None:
            worker.take(job)
            return
        try:
            _Worker(self, job).start()
        except BaseException:
            with self._lock:
                self.alive -= 1
            raise

    def leave(self, job: Job) -> bool:
        """Walk away from `job`; `False` if it ended first."""
        with self._lock:
            left = job.abandon()
            self.abandoned += left
        return left

    def rest(self, worker: _Worker, job: Job) -> None:
        """Take `worker` back, before anybody hears that its job is done."""
        with self._lock:
            self._idle.append(worker)
        if job.finish():
            with self._lock:
                self.abandoned -= 1

    def retire(self, worker: _Worker) -> bool:
        """Let an idle worker end; `False` if a job is on its way to it."""
        with self._lock:
            if worker not in self._idle:
                return False
            self._idle.remove(worker)
            self.alive -= 1
        return True
