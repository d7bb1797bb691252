"""When one run of a component ends, by itself or because somebody would not wait any longer."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Final

from tests.simulation.component import FOREVER

if TYPE_CHECKING:
    from tests.simulation.schedule import Step

INSISTS: Final = 0.25
"""Seconds after which a component that swallowed its cancellation is cancelled again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    How long somebody waits for a run.

    Attributes:
        until: When the attempt is over.
        gives_up: When the caller gives up.
        first: Seconds for the first item of a stream.
        idle: Seconds for each that follows.
    """

    until: float
    gives_up: float = inf
    first: float = inf
    idle: float = inf

    @property
    def clocked(self) -> bool:
        """Whether the items have clocks of their own."""
        return min(self.first, self.idle) < inf


@dataclass(slots=True)
class Ran:
    """
    How a run ended.

    Attributes:
        ended: When.
        alone: Whether by itself.
        cut: When it was cancelled first; infinity where it was not.
        by_clock: Whether a clock of its items ran out first.
    """

    ended: float
    alone: bool = True
    cut: float = inf
    by_clock: bool = False


def interrupted(step: Step, now: float, limits: Limits) -> Ran:
    """Return how a run ends that is cancelled when its time is over, and again until it gives way."""
    waits = [*step.gaps, inf if step.then == "hang" else step.seconds]
    swallows = step.swallows
    ran = Ran(now)
    whole, moment = min(limits.until, limits.gives_up), now + limits.first
    late = False
    while waits:
        following = min(whole, moment)
        if ran.ended + waits[0] < following:
            ran.ended += waits.pop(0)
            if ran.cut < inf and limits.clocked:
                return ran  # an item that comes too late is not waited for: it ends the collection
            moment = moment if late else ran.ended + limits.idle
            continue
        ran.ended = following
        if ran.cut == inf:
            ran.cut, ran.by_clock = following, moment < whole
        if swallows == 0:
            ran.alone = False
            return ran
        swallows -= 1
        if moment < whole:
            moment, late = moment + INSISTS, True
        else:
            whole = moment = whole + INSISTS
    return ran


def uninterrupted(step: Step, now: float, limits: Limits) -> Ran:
    """Return how a run ends that nobody can interrupt; between two items of a stream its clocks are looked at."""
    last = FOREVER if step.then == "hang" else step.seconds
    if not limits.clocked:
        return Ran(now + sum(step.gaps) + last)
    moment = now + limits.first
    for index, wait in enumerate([*step.gaps, last]):
        now += wait
        # the end is no item, and a failure no late one
        ends = index == len(step.gaps) and step.then != "invalid"
        if now > min(moment, limits.until) and not ends:
            return Ran(now, alone=False, cut=now, by_clock=moment < limits.until)
        moment = now + limits.idle
    return Ran(now)
