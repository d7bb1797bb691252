"""Whether somebody checks the answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.check.rules import NO_CONTRACT, REASK_WITHOUT_CONTRACT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.check.finding import Finding
    from aiguard.check.subject import Subject


def contract(subject: Subject) -> Iterator[Finding]:
    """Find a boundary without an output contract."""
    policy = subject.policy
    if policy.output is not None or not subject.whole:
        return
    if policy.reask:
        reason = "does nothing: without `output`, no answer is invalid"
        yield subject.finding(REASK_WITHOUT_CONTRACT, reason, "reask")
    reason = "missing: every answer leaves the boundary unchecked"
    yield subject.finding(NO_CONTRACT, reason, "output")
