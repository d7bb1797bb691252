"""Whether attempts multiply: the boundary's, and those of what it calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.check.attempts import attempts_of
from aiguard.check.finding import Finding
from aiguard.check.rules import STACKED_RETRIES
from aiguard.check.uses import Search
from aiguard.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.check.clients import Retrier
    from aiguard.check.subject import Subject


def stacking(subject: Subject) -> Iterator[Finding]:
    """Find what the guarded function uses that retries as well."""
    declared = subject.declared
    attempts = attempts_of(subject.policy.retry)
    if declared is None or declared.component is None or attempts == 1:
        return
    for path, found in Search(subject.name, declared.component, subject.policies).found():
        name = f"`{path}`, {found.what}," if path else found.what
        reason = f"{name} retries too: {_multiplied(attempts, found)}; {found.remedy}"
        yield Finding(STACKED_RETRIES, Problem(reason, subject.name, "retry", None, declared.position))


def _multiplied(attempts: int | None, found: Retrier) -> str:
    outer = f"{attempts} attempts" if attempts is not None else "each attempt"
    if found.attempts is None:
        return f"{outer} × as many of {found.whose} as it likes"
    total = f" = {attempts * found.attempts} {found.unit}" if attempts is not None else ""
    return f"{outer} × {found.attempts} of {found.whose}{total}"
