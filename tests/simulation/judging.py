"""One schedule, from its seed to a verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation import taps
from tests.simulation.conformance import Conformance
from tests.simulation.foretelling import FORETOLD, Foreteller
from tests.simulation.outside import compare, look, states
from tests.simulation.playing import Company, Played, play

if TYPE_CHECKING:
    from tests.simulation.schedule import Schedule


class Bench:
    """Plays one schedule after another; boundaries are declared anew only where the policy changes."""

    def __init__(self) -> None:
        self._company: Company | None = None

    def judge(self, schedule: Schedule, *, tell: bool = False) -> Played:
        """Play a schedule and hold it to the reference."""
        company = self._company
        if company is None or company.declared != (schedule.shape, schedule.boundaries):
            company = self._company = Company(schedule)
        hedged = any("hedge" in one.settings for one in schedule.boundaries)
        foretold = schedule.one_by_one and schedule.shape in FORETOLD and not hedged
        taps.CURRENT.tapping = not foretold
        taps.CURRENT.conformance = None
        played = company.begin(schedule, tell=tell)
        if not foretold:
            taps.CURRENT.conformance = Conformance(played)
        play(played)
        if taps.CURRENT.conformance is not None:
            taps.CURRENT.conformance.over()
        look(played)
        if foretold:
            teller = Foreteller(schedule, [guarded.boundary.policy for guarded in company.guarded])
            compare(played, teller.all())
            states(played, teller)
        return played
