"""
Time that passes only when everybody waits.

    with virtual_time() as clock:

        @guard("slow", deadline=2.0, fallback=["late"])
        async def slow() -> str:
            await asyncio.sleep(3600)

        assert clock.run(slow()) == "late"      # in no time, and exactly two seconds later
        assert clock.now() == clock.start + 2.0

Boundaries declared inside the block count on the virtual clock, are unknown outside it, and wait without waiting: on
the event loop, in the caller's thread and in worker threads alike. No halt that is in force on this machine reaches
them: they read no file.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
import selectors
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiguard import boundary
from aiguard.config.live import nothing_configured
from aiguard.engine.dependency import DEPENDENCIES
from aiguard.engine.state import SURROUNDINGS
from aiguard.switch import NO_GATE

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from aiguard.isolation.thread import Workers

T = TypeVar("T")

_GLANCE: Final = 0.001
"""Real seconds between two looks at a thread that is neither done nor asleep."""


class VirtualClock:
    """
    A clock that stands still until everybody waits.

    Args:
        seed: Of the chance that boundaries read from it.

    Attributes:
        start: What it showed at first.
        slept: Every wait of a blocking boundary so far, in seconds.
    """

    def __init__(self, seed: int = 0) -> None:
        self.start = 1000.0
        self.slept: list[float] = []
        self._now = self.start
        self._wall = 1_700_000_000.0
        self._random = random.Random(seed)  # noqa: S311 - repeatable is what is wanted here
        self._changed = threading.Condition()
        self._sleepers: dict[threading.Thread, float] = {}
        self._awaited: dict[threading.Thread, threading.Lock] = {}
        self._over = False

    def now(self) -> float:
        """Return virtual seconds."""
        return self._now

    def wall(self) -> float:
        """Return virtual seconds since the epoch."""
        return self._wall + (self._now - self.start)

    def random(self) -> float:
        """Return a repeatable number in [0, 1)."""
        return self._random.random()

    @property
    def elapsed(self) -> float:
        """Virtual seconds since the start."""
        return self._now - self.start

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._changed:
            self._now += seconds
            self._changed.notify_all()

    def sleep(self, seconds: float) -> None:
        """Sleep, as a component that takes its time: in a boundary's worker thread others go on meanwhile."""
        thread = threading.current_thread()
        if not _is_worker(thread):
            self.advance(seconds)
            return
        with self._changed:
            until = self._now + seconds
            self._sleepers[thread] = until
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._over or self._now >= until)
            self._sleepers.pop(thread, None)

    def hang(self) -> None:
        """Never come back, as a component that hangs in its worker thread; the end of the block lets it go."""
        self.sleep(math.inf)

    def drives(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether `loop` counts on this clock: on any other, no timer of a boundary would ever come due."""
        return isinstance(loop, _VirtualLoop) and loop.virtual is self

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run `coroutine` on an event loop that counts on this clock."""
        with asyncio.Runner(loop_factory=lambda: _VirtualLoop(self)) as runner:
            return runner.run(coroutine)

    def wait(self, lock: threading.Lock, until: float) -> bool:
        """Wait for `lock`, at most until the virtual moment `until`."""
        if _is_worker(threading.current_thread()):
            return self._wait_in_worker(lock, until)
        while not lock.acquire(timeout=_GLANCE):
            if self._all_asleep():
                # whoever was about to release it has done so by now
                if lock.acquire(blocking=False):
                    return True
                if not self._pass_until(until):
                    return lock.acquire(blocking=False)
        return True

    def _wait_in_worker(self, lock: threading.Lock, until: float) -> bool:
        """Wait for a nested boundary: whoever waits outside lets time pass, so this thread must count as asleep."""
        thread = threading.current_thread()
        with self._changed:
            self._sleepers[thread], self._awaited[thread] = until, lock
            while not (got := lock.acquire(blocking=False)) and not self._over and self._now < until:
                self._changed.wait(_GLANCE)
            del self._sleepers[thread], self._awaited[thread]
            return got

    def _is_asleep(self, thread: threading.Thread, until: float) -> bool:
        awaited = self._awaited.get(thread)
        return until > self._now and _is_worker(thread) and (awaited is None or awaited.locked())

    def _all_asleep(self) -> bool:
        """Whether no worker thread of any boundary is on its way to somewhere."""
        with self._changed:
            asleep = sum(1 for thread, until in self._sleepers.items() if self._is_asleep(thread, until))
        return asleep >= sum(workers.active for workers in _all_workers())

    def _pass_until(self, until: float) -> bool:
        """Let time pass to the next sleeper's moment; `False` if `until` came first."""
        with self._changed:
            first = min(self._sleepers.values(), default=math.inf)
            if not math.isinf(moment := min(first, until)):  # else only somebody else's thread can end the wait
                self._now = max(self._now, moment)
            self._changed.notify_all()
            return first <= until and not math.isinf(first)

    def _end(self) -> None:
        with self._changed:
            self._over = True
            self._changed.notify_all()


class VirtualPatience:
    """How threads wait on a virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.slept.append(seconds)
        self._clock.advance(seconds)

    def hold(self, lock: threading.Lock, seconds: float, worker: Workers | None) -> bool:  # noqa: ARG002 - all are known
        """Wait for `lock`, at most so many virtual seconds."""
        return self._clock.wait(lock, self._clock.now() + max(0.0, seconds))


class _VirtualSelector(selectors.DefaultSelector):
    """Lets time pass where a real one would wait."""

    clock: VirtualClock

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready; if nothing is, and every thread sleeps, let time pass instead."""
        while True:
            ready = super().select(0 if timeout is not None and timeout <= 0 else _GLANCE if self._threads() else 0)
            if ready or (timeout is not None and timeout <= 0):
                return ready
            if not self.clock._all_asleep():  # noqa: SLF001 - same file
                continue
            if ready := super().select(0):  # woken by a thread that has fallen asleep since
                return ready
            if timeout is None:
                if not self.clock._pass_until(math.inf):  # noqa: SLF001 - same file
                    return super().select(None)
                continue
            moment = self.clock.now() + timeout
            if not self.clock._pass_until(moment):  # noqa: SLF001 - same file
                return []
            timeout = max(0.0, moment - self.clock.now())

    def _threads(self) -> bool:
        return any(workers.active for workers in _all_workers())


class _VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that counts on a virtual clock."""

    def __init__(self, clock: VirtualClock) -> None:
        selector = _VirtualSelector()
        selector.clock = clock
        self.virtual = clock
        super().__init__(selector)

    def time(self) -> float:
        """Return virtual seconds."""
        return self.virtual.now()

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Wait for the threads of others as long as it takes: a limit on this clock would be over at once."""
        await super().shutdown_default_executor()


def _is_worker(thread: threading.Thread) -> bool:
    return thread.name.startswith("aiguard-")


def _all_workers() -> list[Workers]:
    states = [known._state for known in boundary.boundaries()]  # noqa: SLF001 - one house
    return [workers for state in states for workers in (state.workers, state.rung_workers, state.hedge_workers)]


@contextlib.contextmanager
def virtual_time(seed: int = 0) -> Generator[VirtualClock]:
    """Declare boundaries on a virtual clock: they are known, and waited for, only inside this block."""
    clock = VirtualClock(seed)
    before = SURROUNDINGS.clock, SURROUNDINGS.patience, SURROUNDINGS.gate
    SURROUNDINGS.clock, SURROUNDINGS.patience = clock, VirtualPatience(clock)
    SURROUNDINGS.gate = NO_GATE
    with fresh_registry():
        try:
            yield clock
        finally:
            clock._end()  # noqa: SLF001 - same file
            SURROUNDINGS.clock, SURROUNDINGS.patience, SURROUNDINGS.gate = before


@contextlib.contextmanager
def fresh_registry() -> Generator[None]:
    """Know no boundary and no configuration at first, and afterwards only what was known before."""
    registry = boundary._REGISTRY  # noqa: SLF001 - one house
    before = registry.swap({})
    shared = DEPENDENCIES.swap(weakref.WeakValueDictionary())
    try:
        with nothing_configured():
            yield
    finally:
        registry.swap(before)
        DEPENDENCIES.swap(shared)
