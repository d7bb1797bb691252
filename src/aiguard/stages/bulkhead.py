"""The bulkhead: no more than so many calls inside the component at once, and a bounded queue for the rest."""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiguard.collector import afterwards, take
from aiguard.errors import BoundaryError, BulkheadFullError, DeadlineExceededError
from aiguard.failure import Failure, FailureKind
from aiguard.priority import SHEDDABLE
from aiguard.signals import Expired, Full
from aiguard.stages.adaptive_limit import AdaptiveLimit, is_overload
from aiguard.stages.line import Line

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed, Waiter
    from aiguard.strategies import Bulkhead

SAMPLES: Final = 64
"""Successful calls that are looked back on for the quickest: enough to have met a quick one, few enough to notice that
the component has become slower."""


class Permits:
    """
    The permits of one bulkhead and the line of those who wait.

    Attributes:
        limit: Permits in all; as of now, where the limit adapts.
        queue: Places in the line.
        in_flight: Permits taken.
        adaptive: What it learns of the component; `None` where the limit is fixed.
    """

    __slots__ = ("_line", "_lock", "_quickest", "_shedding", "_took", "adaptive", "in_flight", "limit", "queue")

    def __init__(self, policy: Bulkhead) -> None:
        self.limit = policy.limit
        self.queue = policy.queue
        self.adaptive = adaptive_limit(policy)
        self._took: deque[float] | tuple[()] = ()
        self._quickest: float | None = 0.0  # `None` once it has to be looked for
        self.reset()

    def configure(self, policy: Bulkhead) -> None:
        """
        Change limit and queue; what is taken stays taken, and who waits goes on waiting, or goes in where it may.

        A limit that adapts keeps what it has learned, inside the bounds of `policy`.
        """
        adaptive = adaptive_limit(policy)
        with self._lock:
            self.queue = policy.queue
            if adaptive is not None and self.adaptive is not None:
                self.adaptive.clamp(adaptive.floor, adaptive.ceiling)
            else:
                self.adaptive = adaptive
            self.limit = policy.limit if self.adaptive is None else self.adaptive.limit
            woken = self._served()
        self._wake(woken)

    def reset(self) -> None:
        """Start afresh: in a forked process, where the parent's calls are not. What was learned is kept."""
        self._lock = threading.Lock()
        self._line: Line | None = None  # large, and most bulkheads never queue
        self._shedding = False
        self.in_flight = 0

    def let_all_in(self) -> None:
        """Let everybody in who waits: the bulkhead was taken away."""
        with self._lock:
            self.limit = max(self.limit, self.in_flight + self.queued)
            woken = self._served()
        self._wake(woken)

    @property
    def queued(self) -> int:
        """How many stand in line."""
        line = self._line
        return 0 if line is None else len(line)

    @property
    def quickest(self) -> float:
        """Seconds that the quickest of the last successful calls took, from admission; 0 before there was one."""
        quickest = self._quickest
        if quickest is None:
            with self._lock:
                quickest = self._quickest_of()
        return quickest

    # --- who waits

    def try_take(self) -> bool:
        """Take a permit if one is free; who waits goes first, since a freed permit is handed over, not put back."""
        self._lock.acquire()  # not `with`, which takes twice as long
        try:
            if self.in_flight < self.limit:
                self.in_flight += 1
                return True
            return False
        finally:
            self._lock.release()

    def join(self, waiter: Waiter) -> bool:
        """
        Stand in line; `True` if a permit was free after all.

        Where the line is full, a waiter takes the place of the youngest of the lowest priority below its own. Raises
        `Full`, with the reason, or `Expired` where there is too little time left for any call.
        """
        with self._lock:
            if self.in_flight < self.limit:
                self.in_flight += 1
                return True
            if waiter.left() <= self._quickest_of():
                raise Expired
            if self._shedding and waiter.priority == SHEDDABLE:
                raise Full(self._shed())
            line = self._line
            displaced = None
            if (0 if line is None else len(line)) >= self.queue:
                displaced = None if line is None else line.last_below(waiter.priority)
                if displaced is None:
                    raise Full(self._crowd())
                displaced.refusal = Full("the queue is full, and a call of higher priority took this one's place")
            if line is None:
                line = self._line = Line()
            line.add(waiter)
        if displaced is not None:
            displaced.wake()
        return False

    def until(self, deadline: float) -> float:
        """Return the moment from which a permit is of no more use to whose time is over at `deadline`."""
        return deadline - self.quickest

    def leave(self, waiter: Waiter) -> None:
        """Step out of line; a permit that was handed over meanwhile goes to the next."""
        if not take(self._lock):
            afterwards(partial(self.leave, waiter))
            return
        try:
            line = self._line
            if line is not None and line.remove(waiter):
                if not line:
                    self._line = None
                return
            handed, waiter.admitted = waiter.admitted, False
        finally:
            self._lock.release()
        if handed:
            self.give_back()

    # --- who comes out

    def give_back(self) -> None:
        """Hand the permit to the next in line, or put it back; one over a limit that has fallen is gone."""
        if not self._lock.acquire(False) and not take(self._lock):  # noqa: FBT003 - by position: it is quicker
            afterwards(self.give_back)
            return
        try:
            self.in_flight -= 1
            if self._line is None and not self._shedding:
                return
            woken = self._served()
        finally:
            self._lock.release()
        self._wake(woken)

    def succeeded(self, took: float | None) -> None:
        """Give the permit of a call back that succeeded, after `took` seconds inside where that was measured."""
        self._lock.acquire()  # not `with`, which takes twice as long
        try:
            if took is not None:
                if not self._took:
                    self._took = deque(maxlen=SAMPLES)
                self._took.append(took)
                self._quickest = None
            adaptive = self.adaptive
            if adaptive is not None and self.in_flight * 2 >= self.limit:  # else it says no: this spares the call
                adaptive.succeeded(self.in_flight)
                self.limit = adaptive.limit
            self.in_flight -= 1
            if self._line is None and not self._shedding:
                return
            woken = self._served()
        finally:
            self._lock.release()
        self._wake(woken)

    def overloaded(self, generation: int) -> None:
        """Lower the limit after a call of that generation ran into an overload; turn away who is sheddable."""
        shed: list[Waiter] = []
        with self._lock:
            if self.adaptive is None or not self.adaptive.overloaded(generation):
                return
            self.limit = self.adaptive.limit
            if self.in_flight > self.limit:
                self._shedding = True
                if self._line is not None:
                    shed = self._line.sheddable()
                    for waiter in shed:
                        waiter.refusal = Full(self._shed())
                    self._line = self._line or None
        for waiter in shed:
            waiter.wake()

    # --- with the lock held

    def _served(self) -> list[Waiter]:
        """Hand out what is free; return who is to be woken: with a permit, or because there is no time left for it."""
        woken: list[Waiter] = []
        line = self._line
        if line is not None:
            while self.in_flight < self.limit and (waiter := line.first()) is not None:
                if waiter.left() < self._quickest_of():
                    waiter.refusal = Expired()
                else:
                    waiter.admitted = True
                    self.in_flight += 1
                woken.append(waiter)
            self._line = line or None
        if self.in_flight < self.limit:
            self._shedding = False
        return woken

    def _quickest_of(self) -> float:
        quickest = self._quickest
        if quickest is None:
            quickest = self._quickest = min(self._took)
        return quickest

    def _crowd(self) -> str:
        places = f"{self.queued} of {self.queue} places in the queue" if self.queue else "there is no queue"
        return f"all permits are taken (limit: {self.limit}), and {places}"

    def _shed(self) -> str:
        return f"the component is overloaded, its limit has fallen to {self.limit}, and no sheddable call may wait"

    # --- without it

    def _wake(self, woken: list[Waiter]) -> None:
        """Wake them; the permit of one who can no longer be reached goes to the next."""
        while woken:
            lost = [waiter for waiter in woken if not waiter.wake()]
            if not lost:
                return
            with self._lock:
                for waiter in lost:
                    self.in_flight -= waiter.admitted
                    waiter.admitted = False
                woken = self._served()


def adaptive_limit(policy: Bulkhead) -> AdaptiveLimit | None:
    """Return the limit that adapts, as it begins; `None` where `policy` has a fixed one."""
    if policy.floor is None and policy.ceiling is None:
        return None
    return AdaptiveLimit(policy.limit, policy.limit if policy.floor is None else policy.floor, policy.most)


class BulkheadStage:
    """Hold a permit while the call is inside; an abandoned thread holds it until it really ends."""

    def __init__(self, permits: Permits) -> None:
        self.permits = permits

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `BulkheadFullError`, or `DeadlineExceededError` where waiting took the time that a call takes."""
        permits = self.permits
        if not permits.try_take():
            await self._wait(call)
        adaptive = permits.adaptive
        generation = 0 if adaptive is None else adaptive.generation
        began = call.clock.now() if permits.queue else None
        took: float | None = None
        succeeded = False
        try:
            value = await proceed(call)
            # a stream that was delivered took as long as its consumer did, which says nothing of the component
            if began is not None and not call.journal.delivered:
                took = call.clock.now() - began
            succeeded = True
            return value
        except BoundaryError as error:
            if adaptive is not None and is_overload(error.failure, shortened=call.journal.shortened):
                permits.overloaded(generation)
            raise
        finally:
            abandoned = call.run.abandoned
            if abandoned is not None:
                abandoned.when_ended(permits.give_back)
            elif succeeded and (adaptive is not None or took is not None):
                permits.succeeded(took)
            else:
                permits.give_back()

    async def _wait(self, call: Call) -> None:
        """Wait for a permit, and with it for the moment in which what was reserved is spent."""
        permits = self.permits
        began = call.clock.now()
        reservation = call.run.reservation
        if reservation is not None:
            reservation.defer(call.deadline)
        try:
            await call.runtime.acquire(permits, call)
        except Full as full:
            raise BulkheadFullError(Failure(FailureKind.BULKHEAD_FULL, "bulkhead", str(full))) from None
        except Expired:
            raise self._late(call) from None
        finally:
            call.journal.waited += call.clock.now() - began
        now = call.clock.now()
        if now >= call.deadline:
            permits.give_back()
            raise self._late(call)
        if reservation is not None:
            reservation.begin(now)

    def _late(self, call: Call) -> DeadlineExceededError:
        left = call.deadline - call.clock.now()
        message = "the deadline came while waiting for a permit"
        if left > 0:
            quickest = self.permits.quickest
            message = f"{left:.3g} s were left to wait for a permit in, and no call of late took under {quickest:.3g} s"
        return DeadlineExceededError(Failure(FailureKind.DEADLINE_EXHAUSTED, "bulkhead", message))
