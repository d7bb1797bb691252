"""Who answers for a boundary."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from pydantic import AfterValidator, Field, model_validator

from aiguard.errors import PolicyError
from aiguard.problem import Problem
from aiguard.settings import REQUIRED, SettingsGroup

LONGEST_RUNBOOK: Final = 500
"""Characters of a runbook's address: it goes into every error."""


def one_line(text: str) -> str:
    """Return `text`. Raises `ValueError` where it cannot stand in a line."""
    if text.isprintable() and text.strip() == text:
        return text
    msg = "must be one line of printable characters, without spaces around it"
    raise ValueError(msg)


Line = Annotated[str, Field(min_length=1), AfterValidator(one_line)]
Runbook = Annotated[str, Field(min_length=1, max_length=LONGEST_RUNBOOK), AfterValidator(one_line)]


class Owner(SettingsGroup):
    """
    Who answers for a boundary: a team, a person, or a person of a team.

    Attributes:
        team: The team, as the file's `directory` names it.
        person: The person, as the file's `directory` names them. One of the two is required.
        runbook: Where it is written what to do, an address as a rule; by default that of the person, else of the team,
            in the `directory`. It stands in errors and on spans.
    """

    PREFIX: ClassVar[str | None] = "owner."

    team: Line | None = None
    person: Line | None = None
    runbook: Runbook | None = None

    @property
    def name(self) -> str:
        """Whom telemetry names: the team, else the person."""
        return self.team or self.person or ""

    def __str__(self) -> str:
        return f"{self.team} ({self.person})" if self.team and self.person else self.name

    @model_validator(mode="after")
    def _names_somebody(self) -> Owner:
        if not self.name:
            raise PolicyError(Problem(f"{REQUIRED}: a `team`, a `person`, or both", setting="owner"))
        return self


def name_of(owner: Owner | str | None) -> str | None:
    """Return whom telemetry names."""
    return owner.name if isinstance(owner, Owner) else owner


def label_of(owner: Owner | str | None) -> str | None:
    """Return the owner as a person reads it."""
    return None if owner is None else str(owner)


def runbook_of(owner: Owner | str | None) -> str | None:
    """Return where it is written what to do, where that is known."""
    return owner.runbook if isinstance(owner, Owner) else None
