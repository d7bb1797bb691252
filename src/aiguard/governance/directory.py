"""Who acts, and who may: what follows from the people, teams and control rules of a file."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from aiguard.config.block import EMPTY
from aiguard.config.contents import UnreadableFileError, contents
from aiguard.config.document import document_of
from aiguard.config.layers import laid
from aiguard.config.people import People
from aiguard.config.people_form import people_of
from aiguard.config.reading import BlockReader
from aiguard.config.text import Node
from aiguard.errors import PolicyError
from aiguard.owner import Owner
from aiguard.policy import check_name
from aiguard.problem import Position, Problem
from aiguard.risk import TIERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Self

    from aiguard.config.block import Block
    from aiguard.config.document import Document
    from aiguard.config.people import Action, Person
    from aiguard.risk import Risk


class Listed(NamedTuple):
    """
    What a file says of a boundary that matters to who halts it.

    Attributes:
        owner: Who answers for it, as the file says it; `None` where it does not.
        risk: What is at stake; `None` where the file does not say it, and `"high"` where that cannot be read: a slip of
            the pen makes nothing easier to resume.
    """

    owner: Owner | str | None
    risk: Risk | None


@dataclass(frozen=True, kw_only=True)
class Directory(People):
    """
    People, teams, and who may do what, as a file says it.

    Attributes:
        boundaries: The boundaries that the file names.
        risk: What is at stake at a boundary that the file does not name, by its `defaults`.
    """

    boundaries: Mapping[str, Listed] = field(default_factory=dict)
    risk: Risk | None = None

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """
        Read it from a file; nothing that the file names is imported, and what is wrong with a policy is no matter.

        Raises:
            PolicyError: With everything that is wrong with the file's text or with who is in it.
        """
        try:
            data = contents(path)
        except UnreadableFileError as error:
            raise PolicyError(Problem(str(error), position=Position(str(path)))) from None
        document = document_of(str(path), data)
        people, problems = people_of(document)
        if document.problems or problems:
            raise PolicyError(*document.problems, *problems)
        defaults = _said(document, document.sections.get("defaults"))
        return cls(
            people=people.people,
            teams=people.teams,
            control=people.control,
            boundaries=_listed(document, defaults),
            risk=_risk(defaults.settings.get("risk")),
        )

    @staticmethod
    def acting() -> str:
        """
        Return the user name of the effective user, as the operating system has it; of who has none, the number.

        What the environment says (`USER`, `LOGNAME`) is not looked at: anybody may write it.
        """
        import pwd  # noqa: PLC0415 - not everywhere, and only who acts needs it

        user = os.geteuid()
        try:
            return pwd.getpwuid(user).pw_name
        except KeyError:
            return str(user)

    def person_of(self, user: str) -> Person | None:
        """Return the person whom the operating system knows by that user name."""
        return self.people.get(user)

    def teams_of(self, user: str) -> tuple[str, ...]:
        """Return the teams of a person, by their user name."""
        return tuple(team.name for team in self.teams.values() if user in team.members)

    def may(self, action: Action, user: str) -> bool:
        """Whether a person of the directory, or a team of theirs, is listed for `action`; else nobody may."""
        allowed = self.control.get(action, ())
        return user in self.people and any(name in allowed for name in (user, *self.teams_of(user)))


_READ = frozenset({"owner", "risk"})


def _listed(document: Document, defaults: Block) -> dict[str, Listed]:
    section = document.sections.get("boundaries")
    if section is None or not isinstance(section.value, dict):
        return {}
    found = {}
    for name, node in section.value.items():
        try:
            check_name(name)
        except PolicyError:
            continue
        said = laid(defaults.settings, _said(document, node).settings)
        found[name] = Listed(_owner(said.get("owner")), _risk(said.get("risk")))
    return found


def _said(document: Document, node: Node | None) -> Block:
    """Return the settings of a block that name nothing to import."""
    if node is None or not isinstance(node.value, dict):
        return EMPTY
    told = {name: item for name, item in node.value.items() if name in _READ}
    return BlockReader(None, document.at).block(Node(told, node.mark, node.key))


def _owner(said: object) -> Owner | str | None:
    if isinstance(said, dict):
        try:
            return Owner(**said)
        except PolicyError:
            return None
    return said if isinstance(said, str) else None


def _risk(said: object) -> Risk | None:
    if said is None:
        return None
    return next((risk for risk in TIERS if risk == said), "high")
