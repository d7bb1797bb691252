"""The bulkhead: no more than so many calls inside the component at once, and a bounded queue for the rest."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from aiguard.errors import BulkheadFullError, DeadlineExceededError
from aiguard.failure import Failure, FailureKind
from aiguard.signals import Expired, Full

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed, Waiter
    from aiguard.policy import Bulkhead


class Permits:
    """
    The permits of one bulkhead and the line of those who wait, first come first served.

    Attributes:
        limit: Permits in all.
        queue: Places in the line.
        in_flight: Permits taken.
    """

    __slots__ = ("_lock", "_waiting", "in_flight", "limit", "queue")

    def __init__(self, policy: Bulkhead) -> None:
        self.limit = policy.limit
        self.queue = policy.queue
        self.reset()

    def configure(self, policy: Bulkhead) -> None:
        """Change limit and queue; what is taken stays taken, and who waits goes on waiting, or goes in where it may."""
        with self._lock:
            self.limit = policy.limit
            self.queue = policy.queue
            free = min(max(0, self.limit - self.in_flight), len(self._waiting))
            self.in_flight += free
        for _ in range(free):
            self.give_back()

    def reset(self) -> None:
        """Start afresh: in a forked process, where the parent's calls are not."""
        self._lock = threading.Lock()
        self._waiting: deque[Waiter] | tuple[()] = ()  # a deque is large, and most bulkheads never queue
        self.in_flight = 0

    def let_all_in(self) -> None:
        """Let everybody in who waits: the bulkhead was taken away."""
        with self._lock:
            free = len(self._waiting)
            self.in_flight += free
            self.limit = max(self.limit, self.in_flight)
        for _ in range(free):
            self.give_back()

    @property
    def queued(self) -> int:
        """How many stand in line."""
        return len(self._waiting)

    def try_take(self) -> bool:
        """Take a permit if one is free; who waits goes first, since a freed permit is handed over, not put back."""
        with self._lock:
            if self.in_flight < self.limit:
                self.in_flight += 1
                return True
            return False

    def join(self, waiter: Waiter) -> bool:
        """Stand in line; `True` if a permit was free after all. Raises `Full` where the line is full."""
        with self._lock:
            if self.in_flight < self.limit:
                self.in_flight += 1
                return True
            if len(self._waiting) >= self.queue:
                raise Full
            if not self._waiting:
                self._waiting = deque()
            self._waiting.append(waiter)
            return False

    def leave(self, waiter: Waiter) -> bool:
        """Step out of line; `False` if a permit was handed over already and must be given back."""
        with self._lock:
            if not self._waiting or waiter not in self._waiting:
                return False
            self._waiting.remove(waiter)
            return True

    def give_back(self) -> None:
        """Hand the permit to the next in line, or put it back; one over a limit that was lowered is gone."""
        while True:
            with self._lock:
                if not self._waiting or self.in_flight > self.limit:
                    self.in_flight -= 1
                    return
                waiter = self._waiting.popleft()
            if waiter.wake():
                return


class BulkheadStage:
    """Hold a permit while the call is inside; an abandoned thread holds it until it really ends."""

    def __init__(self, permits: Permits) -> None:
        self.permits = permits

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `BulkheadFullError`, or `DeadlineExceededError` where the deadline came while waiting."""
        permits = self.permits
        if not permits.try_take():
            await self._wait(call)
        try:
            return await proceed(call)
        finally:
            abandoned = call.run.abandoned
            if abandoned is None:
                permits.give_back()
            else:
                abandoned.when_ended(permits.give_back)

    async def _wait(self, call: Call) -> None:
        permits = self.permits
        try:
            await call.runtime.acquire(permits, call)
        except Full:
            message = f"all {permits.limit} permits are taken and {permits.queue} calls wait already"
            raise BulkheadFullError(Failure(FailureKind.BULKHEAD_FULL, "bulkhead", message)) from None
        except Expired:
            message = "the deadline came while waiting for a permit"
            raise DeadlineExceededError(Failure(FailureKind.DEADLINE_EXHAUSTED, "bulkhead", message)) from None
