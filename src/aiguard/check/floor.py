"""Whether a ladder ends on something that cannot fail."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiguard.check.rules import NO_FLOOR
from aiguard.check.rungs import kind_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from aiguard.check.finding import Finding
    from aiguard.check.rungs import Kind
    from aiguard.check.subject import Subject

_WHY: Final[Mapping[Kind, str]] = {
    "model": "calls a model, which may fail as well",
    "boundary": "is another boundary, which may fail as well",
    "last good answer": "answers only what was answered before",
}


def floor(subject: Subject) -> Iterator[Finding]:
    """Find a ladder without a floor."""
    ladder = subject.policy.fallback
    if not ladder:
        if subject.whole:
            reason = "missing, so a call that fails raises: give a value, or a function without AI"
            yield subject.finding(NO_FLOOR, reason, "fallback", silent=True)
        return
    why = _WHY.get(kind_of(ladder[-1]))
    if why is not None:
        last = f"fallback[{len(ladder) - 1}]"
        reason = f"its last rung {why}: end it with a value, or with a function without AI"
        yield subject.finding(NO_FLOOR, reason, "fallback", at=last, silent=True)
