"""What further attempts add, and what a window of time allows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiguard import Budget, RetryBudget


TENTHS: Final = 10
SIXTIETHS: Final = 60


@dataclass
class RetryBudgetModel:
    """
    What the calls of one key share of the retry budget.

    Attributes:
        policy: Its settings.
        calls: When each call began.
        further: When each further attempt was allowed.
    """

    policy: RetryBudget
    calls: list[float] = field(default_factory=list)
    further: list[float] = field(default_factory=list)

    def spend(self, now: float) -> bool:
        """Whether there may be one more."""
        width = self.policy.per / TENTHS
        age = [now // width - moment // width for moment in self.calls]
        spent = [now // width - moment // width for moment in self.further]
        calls = sum(slices < TENTHS for slices in age)  # forgotten early rather than late
        further = sum(slices <= TENTHS for slices in spent)  # and these late rather than early
        if further >= max(self.policy.floor, int(self.policy.ratio * calls + 1e-9)):
            return False
        self.further.append(now)
        return True


@dataclass(eq=False)
class Booking:
    """
    What one attempt may spend.

    Attributes:
        end: When the sixtieth of the window ends that it is booked in; `None` while its holder waits for a permit.
        until: How long its holder may wait.
    """

    end: float | None
    until: float = 0.0


@dataclass
class BudgetModel:
    """
    What one boundary spends.

    Attributes:
        policy: Its settings.
        bookings: All that was ever reserved, but for what was given back.
        ends: When each sixtieth ends that something was booked in, in order.
    """

    policy: Budget
    bookings: list[Booking] = field(default_factory=list)
    ends: list[float] = field(default_factory=list)

    def reserve(self, now: float) -> Booking | None:
        """Return what an attempt may spend, or `None`."""
        held = sum(self._is_held(one, now) for one in self.bookings)
        end = self._slice(now)
        if self.policy.calls is not None and held >= self.policy.calls:
            return None
        booking = Booking(end)
        self.bookings.append(booking)
        return booking

    def _is_held(self, booking: Booking, now: float) -> bool:
        return booking.until > now if booking.end is None else booking.end + self.policy.per > now

    def wait(self, booking: Booking, until: float) -> None:
        """Hear that the attempt waits, until then at most."""
        booking.end, booking.until = None, until

    def begin(self, booking: Booking, now: float) -> None:
        """Hear that the attempt begins after its wait."""
        booking.end = self._slice(now)

    def give_back(self, booking: Booking) -> None:
        """Hear that there was no attempt."""
        self.bookings.remove(booking)

    def _slice(self, now: float) -> float:
        """Return the end of the sixtieth that is booked in at `now`."""
        if not self.ends or self.ends[-1] <= now:
            self.ends.append(now + self.policy.per / SIXTIETHS)
        return self.ends[-1]
