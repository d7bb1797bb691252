"""What holds one stage of a boundary to its reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from tests.simulation.conformance import Side
    from tests.simulation.taps import Visit

NEARLY: Final = 1e-9
"""Seconds that rounding may cost: two moments so close may come in either order."""


class Check:
    """
    Hears of every call at its stage: that it asks, is let in to the next stage, comes back from there, and ends.

    Args:
        side: The boundary.
    """

    def __init__(self, side: Side) -> None:
        self.side = side
        self.played = side.played
        self.clock = side.clock
        self.policy = side.policy

    def asked(self, visit: Visit) -> None:
        """A call comes."""

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """It is let in."""

    def came_back(self, visit: Visit, inner: Visit) -> None:
        """It comes back."""

    def ended(self, visit: Visit) -> None:
        """It leaves."""

    def over(self) -> None:
        """The schedule is over."""

    def expect(self, holds: object, what: str, visit: Visit) -> None:
        """Tell what is wrong where something does not hold."""
        if not holds:
            self.wrong(what, visit)

    def on_time(self, due: float, jumped: float, what: str, visit: Visit) -> None:
        """Tell where something happens earlier than due, or later than a clock that has jumped since explains."""
        late = self.clock.now() - due
        if not -NEARLY <= late <= self.clock.jumped - jumped + NEARLY:
            self.wrong(f"{what} begins {late:g} s late", visit)

    def wrong(self, what: str, visit: Visit) -> None:
        """Tell what is wrong."""
        self.played.disagree(f"call {visit.call.args[0]} at {visit.stage} of {self.side.name}: {what}")


def near(one: float, other: float) -> bool:
    """Whether two moments are the same but for rounding."""
    return abs(one - other) < NEARLY
