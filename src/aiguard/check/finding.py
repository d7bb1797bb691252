"""One thing that was found, and by which rule."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from aiguard.check.rules import INVALID

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiguard.check.rules import Rule, Severity
    from aiguard.problem import Problem


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One thing that was found.

    Attributes:
        rule: By which rule; it says how severe it is as a rule.
        problem: What is wrong, and where.
        must: Whether it is an error here in any case: much is at stake, or the mode is strict.
    """

    rule: Rule
    problem: Problem
    must: bool = False

    @property
    def severity(self) -> Severity:
        """How severe it is."""
        return "error" if self.must else self.rule.severity

    @property
    def message(self) -> str:
        """What is wrong, in one line, without the place."""
        return " ".join(str(replace(self.problem, position=None)).split())


def invalid(problems: Iterable[Problem]) -> list[Finding]:
    """Return problems as findings."""
    return [Finding(INVALID, problem) for problem in problems]
