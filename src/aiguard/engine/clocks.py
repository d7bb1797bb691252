"""The clocks of a stream, beside that of the whole: what its first item may take, and each that follows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.deadline import publish
from aiguard.signals import Expired

if TYPE_CHECKING:
    from aiguard.clock import Clock
    from aiguard.deadline import Frame, Metered
    from aiguard.policy import Policy


class Clocks(NamedTuple):
    """
    What the items of a stream may take, in seconds; infinity where nothing is set.

    Attributes:
        first_item: From the start of the attempt to the first item.
        idle: From the moment at which another item is waited for to that item, or to the end.
    """

    first_item: float = math.inf
    idle: float = math.inf


NO_CLOCKS: Final = Clocks()


def clocks_of(policy: Policy) -> Clocks:
    """Return the clocks that `policy` sets; `NO_CLOCKS` itself where there are none."""
    if policy.first_item is None and policy.idle is None:
        return NO_CLOCKS
    return Clocks(policy.first_item or math.inf, policy.idle or math.inf)


class Pace:
    """
    The clocks of one attempt whose items are collected: nobody consumes them meanwhile, so time simply passes.

    Whoever waits for the collection wakes at `look`, and asks again until `moment` has come.

    Args:
        clocks: What is set.
        started: When the attempt began.
        until: When the whole has to be there.
        clock: What all of it is counted on.
        run: The attempt.

    Attributes:
        clock: As given.
        moment: By when the next item has to be there.
        limit: The clock that says so; empty for that of the whole.
    """

    __slots__ = ("_idle", "_run", "_until", "clock", "limit", "moment")

    def __init__(self, clocks: Clocks, started: float, until: float, clock: Clock, run: Metered | None) -> None:
        self._idle = clocks.idle
        self._until = until
        self._run = run
        self.clock = clock
        self._expect(started + clocks.first_item, "first_item")

    @property
    def frame(self) -> Frame:
        """What the component sees until the next item is there."""
        return (self.moment, self.clock, self._run)

    def begin(self) -> None:
        """Publish the clock of the first item in this context."""
        publish(self.frame)

    def step(self) -> None:
        """Note that an item is there. Raises `Expired` if it came too late."""
        now = self.clock.now()
        if now > self.moment:
            raise Expired(self.limit)
        self._expect(now + self._idle, "idle")
        publish(self.frame)

    def look(self, now: float) -> float:
        """Return when to look again; what follows the first item may have less time than that."""
        return min(self.moment, now + self._idle)

    def _expect(self, moment: float, limit: str) -> None:
        self.moment, self.limit = (moment, limit) if moment < self._until else (self._until, "")
