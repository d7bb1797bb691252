"""
The budget: no more than so much in a window of time; reserved before an attempt, settled after it.

    reserved ────── it waits for a permit ──────▶ deferred ────── it begins ──────▶ spent
       │                                             │                                ▲
       │               it is turned away             ▼                                │
       ├─────────────────────────────────────────▶ free                               │
       └─────────────────────────────── it begins ────────────────────────────────────┘

What is reserved is booked at its moment and forgotten a window later, whatever became of its holder. What is deferred
is held for as long as its holder may wait, and booked at the moment at which it begins: however long attempts queue,
no window sees too many.
"""

from __future__ import annotations

import threading
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiguard.collector import afterwards, take
from aiguard.errors import BoundaryError, BudgetExhaustedError, BulkheadFullError
from aiguard.failure import Failure, FailureKind
from aiguard.stages.metering import CALL, Amounts, Largest, at_least, counted, is_whole, limits_of
from aiguard.stages.pricing import BILLIONTHS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiguard.call import Call, Proceed
    from aiguard.stages.metering import Meter
    from aiguard.strategies import Budget

UNITS: Final = ("calls", "tokens", "USD")
"""What is counted; dollars in billionths."""

INDEXES: Final = tuple(range(len(UNITS)))

NOTHING: Final[Amounts] = (0,) * len(UNITS)

SLICES: Final = 60
"""A window forgets in sixtieths, and late rather than early: by a second in a minute, so that none sees too much."""


class Slice:
    """
    What was booked in a sixtieth of the window.

    Attributes:
        end: The moment before which all of it was booked.
        spent: How much of each unit.
        forgotten: Whether the window has left it behind.
    """

    __slots__ = ("end", "forgotten", "spent")

    def __init__(self, end: float) -> None:
        self.end = end
        self.spent: list[int] = [0] * len(UNITS)
        self.forgotten = False


class Reservation:
    """
    What one attempt may spend.

    Attributes:
        amounts: How much of each unit.
        booked: The slice that it is booked in; `None` while it is deferred, and once its holder has waited too long.
    """

    __slots__ = ("_ledger", "amounts", "booked")

    def __init__(self, ledger: Ledger, amounts: Amounts, booked: Slice) -> None:
        self._ledger = ledger
        self.amounts = amounts
        self.booked: Slice | None = booked

    def defer(self, until: float) -> None:
        """Keep it, for that long at most: the attempt waits."""
        self._ledger.defer(self, until)

    def begin(self, now: float) -> None:
        """Spend it: the attempt begins now."""
        self._ledger.begin(self, now)


class Ledger:
    """
    What one boundary has spent and reserved in its window.

    It holds a number a slice and unit, for the slices that something was booked in: little, and no more with traffic.

    Attributes:
        largest: The most that one of the last attempts used.
    """

    def __init__(self, budget: Budget) -> None:
        self.largest = Largest()
        self._slices: deque[Slice] = deque()
        self._deferred: dict[Reservation, float] = {}
        self._limits: Amounts = NOTHING
        self._left: list[int] = [0] * len(UNITS)
        self._lock = threading.Lock()
        self.configure(budget)

    def configure(self, budget: Budget) -> None:
        """Change what may be spent; what is spent stays spent, and is forgotten after the window as it is now."""
        with self._lock:
            before, self._limits = self._limits, limits_of(budget)
            _add(self._left, self._limits)
            _subtract(self._left, before)
            self._per = budget.per
            self._due = float("-inf")  # the moment from which there is something to forget, or a new slice

    def forked(self) -> None:
        """Start with a fresh lock: in a forked process nobody is left to release the old one, or to begin."""
        self._lock = threading.Lock()
        for reservation in tuple(self._deferred):
            self._drop(reservation)

    @property
    def spent(self) -> Amounts:
        """How much of each unit is spent or reserved, as of the last reservation."""
        return tuple(limit - left for limit, left in zip(self._limits, self._left, strict=True))

    def reserve(self, amounts: Amounts, now: float) -> Reservation:
        """Set aside what an attempt is expected to spend. Raises `BudgetExhaustedError`."""
        self._lock.acquire()  # not `with`, which takes twice as long
        try:
            if now >= self._due:
                self._turn(now)
            left, booked = self._left, self._current
            spent = booked.spent
            calls, tokens, money = amounts  # unit by unit, not in a loop: every attempt comes by here
            if calls > left[0] or tokens > left[1] or money > left[2]:
                self._make_room(amounts, now)
            left[0] -= calls
            spent[0] += calls
            if tokens or money:
                left[1] -= tokens
                spent[1] += tokens
                left[2] -= money
                spent[2] += money
        finally:
            self._lock.release()
        return Reservation(self, amounts, booked)

    def settle(self, reservation: Reservation, amounts: Amounts, now: float) -> None:
        """
        Say, once, what an attempt has really spent.

        What it did not need is free again. What it spent beyond its reservation is booked now, and may overshoot:
        the next ones pay for that.
        """
        if not take(self._lock):
            afterwards(partial(self.settle, reservation, amounts, now))
            return
        try:
            if now >= self._due:
                self._turn(now)
            self._drop(reservation)
            booked = reservation.booked
            for unit in INDEXES:
                beyond = amounts[unit] - (0 if booked is None else reservation.amounts[unit])
                into = self._current if beyond > 0 else booked
                if into is not None and not into.forgotten:
                    into.spent[unit] += beyond
                    self._left[unit] -= beyond
        finally:
            self._lock.release()

    def learn(self, amounts: Amounts) -> None:
        """Note what an attempt used that went to its end: by default the next ones reserve as much."""
        with self._lock:
            self.largest.add(*amounts[1:])

    def defer(self, reservation: Reservation, until: float) -> None:
        """Hold a reservation while its attempt waits, until then at most."""
        with self._lock:
            booked, reservation.booked = reservation.booked, None
            self._unbook(booked, reservation.amounts)
            self._deferred[reservation] = until
            _subtract(self._left, reservation.amounts)

    def begin(self, reservation: Reservation, now: float) -> None:
        """Book a deferred reservation now: its attempt begins."""
        with self._lock:
            if now >= self._due:
                self._turn(now)
            self._drop(reservation)
            reservation.booked = self._current
            _add(self._current.spent, reservation.amounts)
            _subtract(self._left, reservation.amounts)

    # --- with the lock held

    def _turn(self, now: float) -> None:
        """Forget the slices that the window has left behind; begin a new one where the last is over."""
        slices, per = self._slices, self._per
        while slices and slices[0].end + per <= now:
            old = slices.popleft()
            self._unbook(old, old.spent.copy())
            old.forgotten = True
        if slices:
            slices[-1].end = min(slices[-1].end, now + per / SLICES)  # the window may have become shorter
        if not slices or slices[-1].end <= now:
            slices.append(Slice(now + per / SLICES))
        self._current = slices[-1]
        self._due = min(self._current.end, slices[0].end + per)

    def _unbook(self, booked: Slice | None, amounts: Sequence[int]) -> None:
        if booked is not None and not booked.forgotten:
            _subtract(booked.spent, amounts)
            _add(self._left, amounts)

    def _drop(self, reservation: Reservation) -> None:
        """Let go of what is held for a reservation, if anything is."""
        if self._deferred.pop(reservation, None) is not None:
            _add(self._left, reservation.amounts)

    def _expire(self, now: float) -> None:
        """Let go of what is held for who cannot be waiting any more."""
        for reservation in [held for held, until in self._deferred.items() if until <= now]:
            self._drop(reservation)

    def _make_room(self, amounts: Amounts, now: float) -> None:
        """Let go of what is held in vain. Raises `BudgetExhaustedError` where that is not enough."""
        self._expire(now)
        for unit, name in enumerate(UNITS):
            if amounts[unit] > self._left[unit]:
                limit = self._limits[unit]
                used = limit - self._left[unit]
                message = (
                    f"{_shown(unit, used)} of {_shown(unit, limit)} {name} are spent or reserved in {self._per:g} s"
                )
                if used < limit:
                    message += f", and {_shown(unit, amounts[unit])} would have to be reserved"
                free_in = self._free_in(amounts, now)
                raise BudgetExhaustedError(Failure(FailureKind.BUDGET_EXHAUSTED, "budget", message, free_in))

    def _free_in(self, amounts: Amounts, now: float) -> float | None:
        """Return the seconds until the window has forgotten enough; `None` where that depends on who waits."""
        left = self._left.copy()
        for booked in self._slices:
            _add(left, booked.spent)
            if all(amounts[unit] <= left[unit] for unit in INDEXES):
                return booked.end + self._per - now
        return None


def _shown(unit: int, amount: int) -> str:
    if UNITS[unit] != "USD":
        return str(amount)
    return f"{amount / BILLIONTHS:.9f}".rstrip("0").removesuffix(".")


def _add(sums: list[int], amounts: Sequence[int]) -> None:
    for unit in INDEXES:
        sums[unit] += amounts[unit]


def _subtract(sums: list[int], amounts: Sequence[int]) -> None:
    for unit in INDEXES:
        sums[unit] -= amounts[unit]


class BudgetStage:
    """
    Reserve before the attempt, settle after it.

    Args:
        ledger: What is spent and reserved.
        meter: What counts tokens and money; `None` where only calls are limited.
    """

    def __init__(self, ledger: Ledger, meter: Meter | None = None) -> None:
        self.ledger = ledger
        self.meter = meter

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `BudgetExhaustedError`, which says when there will be enough."""
        ledger, meter = self.ledger, self.meter
        run = call.run
        amounts = CALL if meter is None else meter.expected(call)
        run.reservation = reservation = ledger.reserve(amounts, call.clock.now())
        began, known = True, False
        kind: FailureKind | None = None
        try:
            value = await proceed(call)
            known = True
        except BulkheadFullError as full:
            began = full.failure.stage != "attempt"  # no worker was free
            known, kind = True, full.failure.kind
            raise
        except BoundaryError as error:
            known, kind = True, error.failure.kind
            raise
        else:
            return value
        finally:
            if run.started is None or not began:
                ledger.settle(reservation, NOTHING, call.clock.now())
            elif meter is not None:  # else what it reserved is what it has spent: nothing is left to settle
                if run.abandoned is not None:
                    run.abandoned.when_ended(partial(self._settle_left_behind, meter, call, reservation))
                else:
                    used = meter.used(run)
                    spent = counted(kind, used, amounts) if known else at_least(used, amounts)
                    ledger.settle(reservation, spent, call.clock.now())
                    if known and used is not None and is_whole(kind):
                        ledger.learn(used)

    def _settle_left_behind(self, meter: Meter, call: Call, reservation: Reservation) -> None:
        """Settle what a thread has spent that went on after its call, now that it has ended."""
        self.ledger.settle(reservation, at_least(meter.used(call.run), reservation.amounts), call.clock.now())
