"""Whether a ladder ends on something that cannot fail, and whether that was ever tried."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiguard.check.rules import NEVER_DRILLED, NO_FLOOR, TIER_WITHOUT_FLOOR
from aiguard.governance.floor import floor_of, kind_of
from aiguard.risk import TIERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiguard.check.finding import Finding
    from aiguard.check.subject import Subject
    from aiguard.governance.floor import Kind

_WHY: Final[Mapping[Kind, str]] = {
    "model": "calls a model, which may fail as well",
    "boundary": "is another boundary, which may fail as well",
    "last good answer": "answers only what was answered before",
}


def floor(subject: Subject) -> Iterator[Finding]:
    """Find a ladder without a floor."""
    ladder = subject.policy.fallback
    at = "fallback"
    if ladder:
        why = _WHY.get(kind_of(ladder[-1]))
        if why is None:
            return
        at = f"fallback[{len(ladder) - 1}]"
        reason = f"its last rung {why}: end it with a value, or with a function without AI"
    elif subject.whole:
        reason = "missing, so a call that fails raises: give a value, or a function without AI"
    else:
        return
    if TIERS[subject.policy.risk].must:
        stakes = f"`risk` is {subject.policy.risk}, and nothing answers while it is halted: {reason}"
        yield subject.finding(TIER_WITHOUT_FLOOR, stakes, "fallback", at=at, silent=True)
    else:
        yield subject.finding(NO_FLOOR, reason, "fallback", at=at, silent=True)


def drilling(subject: Subject) -> Iterator[Finding]:
    """Find a floor that nobody has tried, though much depends on it."""
    present = floor_of(subject.policy.fallback)
    if present is None or not TIERS[subject.policy.risk].must:
        return
    drill = subject.around.drills.get(subject.name)
    todo = f"run `aiguard drill {subject.name}`, with the same AIGUARD_STATE"
    if drill is None:
        reason = f"`risk` is {subject.policy.risk}, and no drill of its floor is on record here: {todo}"
        yield subject.finding(NEVER_DRILLED, reason, "fallback", silent=True)
    elif drill.floor != present:
        reason = f"`risk` is {subject.policy.risk}, and its last drill was of another floor: {todo}"
        yield subject.finding(NEVER_DRILLED, reason, "fallback", silent=True)
