"""Whether somebody answers for a boundary, and has looked at it of late."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.check.rules import MISSING_OWNER, REVIEW_PASSED, UNKNOWN_OWNER
from aiguard.config.people import NOBODY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.check.finding import Finding
    from aiguard.check.subject import Subject


def owning(subject: Subject) -> Iterator[Finding]:
    """Find a boundary without an owner, or with one whom the file does not know."""
    owner, people = subject.policy.owner, subject.around.people
    if owner is None:
        if subject.whole:
            reason = "missing: name the team or the person that answers for it"
            yield subject.finding(MISSING_OWNER, reason, "owner", silent=True, must=True)
    elif people is not NOBODY or subject.around.strict:
        why = people.why_unknown(owner)
        if why is not None:
            yield subject.finding(UNKNOWN_OWNER, why, "owner", silent=True, must=True)


def reviewing(subject: Subject) -> Iterator[Finding]:
    """Find a boundary whose review is overdue."""
    day = subject.policy.review_by
    if day is not None and day < subject.around.today:
        reason = f"{day} has passed: look at the boundary again, and set the day of the next review"
        yield subject.finding(REVIEW_PASSED, reason, "review_by", silent=True, must=True)
