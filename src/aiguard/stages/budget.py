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
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from aiguard.errors import BudgetExhaustedError, BulkheadFullError
from aiguard.failure import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiguard.call import Call, Proceed
    from aiguard.strategies import Budget

UNITS: Final = ("calls",)
"""What is counted."""

INDEXES: Final = tuple(range(len(UNITS)))

Amounts: TypeAlias = tuple[int, ...]
"""How much of each unit, in that order; whole numbers, since sums of fractions drift."""

CALL: Final[Amounts] = (1,)
NOTHING: Final[Amounts] = (0,)

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
    """

    def __init__(self, budget: Budget) -> None:
        self._slices: deque[Slice] = deque()
        self._deferred: dict[Reservation, float] = {}
        self._limits: Amounts = NOTHING
        self._left: list[int] = [0] * len(UNITS)
        self._lock = threading.Lock()
        self.configure(budget)

    def configure(self, budget: Budget) -> None:
        """Change what may be spent; what is spent stays spent, and is forgotten after the window as it is now."""
        with self._lock:
            before, self._limits = self._limits, (budget.calls,)
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
            for unit in INDEXES:
                if amounts[unit] > left[unit]:
                    self._make_room(amounts, now)
                    break
            for unit in INDEXES:
                amount = amounts[unit]
                left[unit] -= amount
                spent[unit] += amount
        finally:
            self._lock.release()
        return Reservation(self, amounts, booked)

    def settle(self, reservation: Reservation, amounts: Amounts, now: float) -> None:
        """
        Say, once, what an attempt has really spent.

        What it did not need is free again. What it spent beyond its reservation is booked now, and may overshoot:
        the next ones pay for that.
        """
        with self._lock:
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
                message = f"{used} of {limit} {name} are spent or reserved in {self._per:g} s"
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


def _add(sums: list[int], amounts: Sequence[int]) -> None:
    for unit in INDEXES:
        sums[unit] += amounts[unit]


def _subtract(sums: list[int], amounts: Sequence[int]) -> None:
    for unit in INDEXES:
        sums[unit] -= amounts[unit]


class BudgetStage:
    """Reserve before the attempt, settle after it."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `BudgetExhaustedError`, which says when there will be enough."""
        ledger = self.ledger
        run = call.run
        run.reservation = reservation = ledger.reserve(CALL, call.clock.now())
        began = True
        try:
            return await proceed(call)
        except BulkheadFullError as full:
            began = full.failure.stage != "attempt"  # no worker was free
            raise
        finally:
            # an attempt that began has spent what it reserved: nothing is left to settle
            if run.started is None or not began:
                ledger.settle(reservation, NOTHING, call.clock.now())
