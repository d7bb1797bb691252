"""Who is in a file: its sections `directory` and `control`, as data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from aiguard.owner import Owner
from aiguard.problem import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

Action = Literal["halt", "resume"]

ACTIONS: Final[tuple[Action, ...]] = ("halt", "resume")


class Person(NamedTuple):
    """
    A person of the directory.

    Attributes:
        user: The user name by which the operating system knows them, and by which records name them.
        name: What people call them.
        contact: How they are reached.
        runbook: Where it is written what to do with what they own.
    """

    user: str
    name: str
    contact: str | None = None
    runbook: str | None = None


class Team(NamedTuple):
    """
    A team of the directory.

    Attributes:
        name: Its name.
        members: The user names of its people.
        runbook: Where it is written what to do with what it owns.
    """

    name: str
    members: tuple[str, ...]
    runbook: str | None = None


@dataclass(frozen=True, kw_only=True)
class People:
    """
    People, teams, and who may do what.

    Attributes:
        people: By user name.
        teams: By name; none is called as a person is.
        control: The people and teams that may halt, and that may resume.
    """

    people: Mapping[str, Person] = field(default_factory=dict)
    teams: Mapping[str, Team] = field(default_factory=dict)
    control: Mapping[Action, tuple[str, ...]] = field(default_factory=dict)

    def owner(self, given: Owner | str | None) -> Owner | None:
        """Return an owner with its runbook: its own, else the person's, else the team's; `None` for who is not here."""
        if given is None or self.why_unknown(given) is not None:
            return None
        if isinstance(given, str):
            given = Owner(team=given) if given in self.teams else Owner(person=given)
        person, team = self.people.get(given.person or ""), self.teams.get(given.team or "")
        runbook = given.runbook or (person and person.runbook) or (team and team.runbook)
        return given if runbook is None else given.model_copy(update={"runbook": runbook})

    def why_unknown(self, owner: Owner | str) -> str | None:
        """Return why there is no such owner here, with the nearest that there is; `None` where there is."""
        if isinstance(owner, str):
            everybody = [*self.people, *self.teams]
            if owner in everybody:
                return None
            return f"{shown(owner)} is neither a team nor a person of the directory{nearest(owner, everybody)}"
        if owner.team is not None and owner.team not in self.teams:
            return f"{shown(owner.team)} is no team of the directory{nearest(owner.team, self.teams)}"
        if owner.person is not None and owner.person not in self.people:
            return f"{shown(owner.person)} is no person of the directory{nearest(owner.person, self.people)}"
        if owner.team is not None and owner.person is not None and owner.person not in self.teams[owner.team].members:
            return f"{shown(owner.person)} is no member of the team {shown(owner.team)}"
        return None


NOBODY: Final = People()
"""What a file without these sections says."""
