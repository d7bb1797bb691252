"""
A clock that only the simulation moves, and the smallest event loop that `asyncio` tasks run on.

The loop of `aiguard.testing` asks the operating system at every turn; this one never does, so that a schedule costs a
millisecond. It keeps what asyncio promises (first come, first served, and timers by their moment) and uses what it
leaves open: timers of the same moment fire in an order that the seed decides.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Coroutine
    from contextvars import Context

START: Final = 1024.0 + 13 / 1024
"""
Where the clock begins: a fraction of two, so that sums of the times in a schedule are exact, and none that puts coarse
times on the border between two slices of a window, where rounding decides to which of them a moment belongs.
"""


class SimulatedClock:
    """
    A clock that stands still unless it is moved.

    Args:
        chance: What `random` answers for the whole of a schedule: the reference need not know who asked how often.

    Attributes:
        jumped: Seconds that passed all at once, while nobody could do anything.
    """

    def __init__(self, chance: float) -> None:
        self._now = START
        self._chance = chance
        self.jumped = 0.0

    def now(self) -> float:
        """Return simulated seconds."""
        return self._now

    def wall(self) -> float:
        """Return simulated seconds since the epoch."""
        return self._now + 1_700_000_000.0

    def random(self) -> float:
        """Return the chance of this schedule."""
        return self._chance

    def drives(self, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether `loop` counts on this clock."""
        return isinstance(loop, SimulatedLoop) and loop.clock is self

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += seconds

    def jump(self, seconds: float) -> None:
        """Let time pass all at once, as for a process that was suspended."""
        self._now += seconds
        self.jumped += seconds

    def reach(self, moment: float) -> None:
        """Let time pass up to `moment`."""
        self._now = max(self._now, moment)


class SimulatedPatience:
    """How a thread waits on a simulated clock: there is only one, so time simply passes."""

    def __init__(self, clock: SimulatedClock) -> None:
        self._clock = clock

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.advance(seconds)

    def hold(self, lock: threading.Lock, seconds: float, worker: object) -> bool:  # noqa: ARG002 - there is no worker
        """Wait for a lock that nobody else could release."""
        self._clock.advance(max(0.0, seconds))
        return lock.acquire(blocking=False)


class SimulatedLoop(asyncio.AbstractEventLoop):
    """
    An event loop on a simulated clock.

    Attributes:
        clock: The clock.
        faults: What was told to the exception handler: there must be nothing.
    """

    def __init__(self, clock: SimulatedClock, chance: random.Random | None) -> None:
        self.clock = clock
        self.faults: list[str] = []
        self._tie = chance.random if chance is not None else _no_tie
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, float, int, asyncio.TimerHandle]] = []
        self._sequence = 0
        self._thread_id = threading.get_ident()

    # --- what runs

    def run(self, until: float = float("inf"), task: asyncio.Task[Any] | None = None) -> None:
        """Run until nothing is left to do, or nothing before `until`, or `task` is done."""
        ready, timers, clock = self._ready, self._timers, self.clock
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(finalizer=self._finalize)
        asyncio._set_running_loop(self)
        try:
            while True:
                for _ in range(len(ready)):
                    handle = ready.popleft()
                    if not handle._cancelled:
                        handle._run()
                while timers and (timers[0][3]._cancelled or timers[0][0] <= clock._now):
                    timer = heappop(timers)[3]
                    if not timer._cancelled:
                        ready.append(timer)
                if not ready:
                    if not timers or timers[0][0] > until or (task is not None and task.done()):
                        return
                    clock._now = timers[0][0]
        finally:
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    @property
    def pending(self) -> int:
        """How many callbacks are still to come."""
        return sum(not handle.cancelled() for handle in self._ready) + sum(
            not timer.cancelled() for *_, timer in self._timers
        )

    def _finalize(self, stream: Any) -> None:
        self.call_soon(self.create_task, stream.aclose())

    # --- what asyncio asks of a loop

    def time(self) -> float:
        """Return simulated seconds."""
        return self.clock._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:  # type: ignore[override]
        """Call back in the next turn."""
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Call back in the next turn; there is only one thread."""
        return self.call_soon(callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back after `delay` seconds."""
        return self.call_at(self.clock._now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call back at `when`."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._sequence += 1
        heappush(self._timers, (when, self._tie(), self._sequence, timer))
        return timer

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future on this loop."""
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], **kwargs: Any) -> asyncio.Task[Any]:  # type: ignore[override]
        """Return a task on this loop."""
        return asyncio.Task(coro, loop=self, **kwargs)

    def get_debug(self) -> bool:
        """Return false."""
        return False

    def is_running(self) -> bool:
        """Whether it is this loop that runs."""
        return asyncio._get_running_loop() is self

    def is_closed(self) -> bool:
        """Return false: it is dropped, not closed."""
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what a real loop would log: a schedule that leaves anything here has failed."""
        self.faults.append(f"{context.get('message')}: {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Nothing: a cancelled timer is passed over when its moment comes."""


def _no_tie() -> float:
    return 0.0
