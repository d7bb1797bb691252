"""Boundaries to be looked at, without a file or code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard import Policy, Position
from aiguard.check.subject import Declared, Subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiguard.check import Finding

HERE = Position("app.py", 7)


def subject(*, component: Callable[..., Any] | None = None, coded: bool = False, **settings: Any) -> Subject:
    """Return a boundary with these settings: of the file, or of code."""
    policy = Policy(**settings)
    declared = Declared(policy, component, HERE) if coded or component is not None else None
    return Subject(name="embed", policy=policy, declared=declared, policies={"embed": policy})


def reasons(findings: Iterable[Finding]) -> list[str]:
    """Return what was found: rule and reason."""
    return [f"{finding.rule.id}: {finding.problem.reason}" for finding in findings]
