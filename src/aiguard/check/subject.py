"""What a rule looks at: one boundary, as file, environment and code together make it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from aiguard.check.finding import Finding
from aiguard.config.block import EMPTY, Block
from aiguard.config.people import NOBODY, People
from aiguard.problem import Problem, shown
from aiguard.risk import TIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiguard.check.rules import Rule
    from aiguard.governance.drills import Drill
    from aiguard.policy import Policy
    from aiguard.problem import Position

_NAME: Final = re.compile(r"[.\[]")  # what ends the name of a setting in its path


@dataclass(frozen=True, slots=True)
class Declared:
    """
    A boundary as the code declares it.

    Attributes:
        policy: What the code says of it.
        component: The function that it guards; `None` for a boundary without one.
        position: Where it is declared.
    """

    policy: Policy
    component: Callable[..., Any] | None
    position: Position


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """
    What is the same for every boundary.

    Attributes:
        people: Who is in the file.
        strict: Whether what has no owner, or is not in the file, does not start.
        today: Which day it is, in UTC.
        drills: The last drill of each boundary, as the state directory has it.
    """

    people: People = NOBODY
    strict: bool = False
    today: date = date.min
    drills: Mapping[str, Drill] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """
    One boundary.

    Attributes:
        name: Its name.
        policy: Its settings, laid over each other.
        declared: What the code says; `None` where no code declares it, or none was looked at.
        environment: What the environment says of it.
        block: What the file says of it.
        defaults: The file's block for all.
        policies: The settings of every boundary, for those that call each other.
        around: What is the same for every boundary.
    """

    name: str
    policy: Policy
    declared: Declared | None = None
    environment: Block = EMPTY
    block: Block = EMPTY
    defaults: Block = EMPTY
    policies: Mapping[str, Policy]
    around: Around = Around()

    @property
    def whole(self) -> bool:
        """
        Whether a setting that is missing is known to be missing.

        Where no code was looked at, a block with a deadline is taken for all there is: it is enough.
        """
        return self.declared is not None or self.policy.deadline is not None

    def position(self, setting: str) -> Position | None:
        """Return where `setting` is said, else where the boundary is named, or declared."""
        name = _NAME.split(setting, maxsplit=1)[0]
        in_code = self.declared is not None and name in self.declared.policy.model_fields_set
        said = self.environment.position(setting) or self.block.position(setting)
        if said is None and not in_code:
            said = self.defaults.position(setting)
        if said is not None:
            return said
        coded = self.declared.position if self.declared is not None else None
        named = self.block.positions.get("")
        return (coded or named) if in_code else (named or coded)

    def finding(
        self, rule: Rule, reason: str, setting: str, *, at: str | None = None, silent: bool = False, must: bool = False
    ) -> Finding:
        """
        Return a finding of this boundary.

        Args:
            rule: By which rule.
            reason: What is wrong, and what to do.
            setting: The setting that it is about.
            at: The setting whose place is shown; by default the same.
            silent: Whether its value stays unsaid: where it is missing, or too long to help.
            must: Whether it is an error where much is at stake, and in strict mode.
        """
        value = getattr(self.policy, setting)
        told = None if silent or value is None else shown(value)
        problem = Problem(reason, self.name, setting, told, self.position(at or setting))
        return Finding(rule, problem, must and (self.around.strict or TIERS[self.policy.risk].must))
