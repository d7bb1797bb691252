"""A failing schedule, made smaller while it still fails: what is left is what it takes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiguard import PolicyError

if TYPE_CHECKING:
    from tests.simulation.judging import Bench
    from tests.simulation.playing import Played
    from tests.simulation.schedule import Schedule

_FIGURES: Final = re.compile(r"[\d.]+(e-\d+)?|call \d+|b\d")


def alike(one: str, other: str) -> bool:
    """Whether two complaints are the same but for their figures."""
    return _FIGURES.sub("", one) == _FIGURES.sub("", other)


def shrunk(schedule: Schedule, bench: Bench, tries: int = 2000) -> Schedule:
    """Return a schedule that fails in the same way, of which nothing can be taken away."""
    complaint = bench.judge(schedule).wrong[0]
    smaller = True
    while smaller:
        smaller = False
        for one in schedule.smaller():
            if tries <= 0:
                return schedule
            tries -= 1
            try:
                wrong = bench.judge(one).wrong
            except PolicyError:
                continue
            if any(alike(complaint, what) for what in wrong):
                schedule, smaller = one, True
                break
    return schedule


def report(schedule: Schedule, played: Played, what: str) -> str:
    """Return everything that there is to know of a failing schedule."""
    assert played.told is not None
    timeline = [f"  {moment:10.6f}  {event}" for moment, event in played.told]
    wrong = [f"  {complaint}" for complaint in played.wrong]
    again = f"python -m tests.simulation --replay {schedule.seed}"
    return "\n".join(
        [f"{what}:", str(schedule), "", "what happened:", *timeline, "", "wrong:", *wrong, "", f"again: {again}", ""]
    )
