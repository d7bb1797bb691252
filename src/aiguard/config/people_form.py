"""How a file writes its sections `directory` and `control`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.config.people import ACTIONS, NOBODY, People, Person, Team
from aiguard.config.reader import REFUSED, Reader
from aiguard.owner import LONGEST_RUNBOOK, one_line
from aiguard.problem import Problem, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiguard.config.document import Document
    from aiguard.config.text import Node

SECTIONS: Final = ("people", "teams")
PERSON: Final = ("name", "contact", "runbook")
TEAM: Final = ("members", "runbook")


def people_of(document: Document) -> tuple[People, list[Problem]]:
    """Return who is in a file, and everything that is wrong with what it says of them."""
    reader = _PeopleReader(None, document.at)
    people = reader.people(document.sections.get("directory"), document.sections.get("control"))
    return people, reader.problems


class _PeopleReader(Reader):
    """Reads both sections; goes on after each problem."""

    def people(self, directory: Node | None, control: Node | None) -> People:
        """Return who is there, as far as that can be read."""
        sections = self._mapping(directory, "directory", SECTIONS)
        people = self._people(sections.get("people"))
        teams = self._teams(sections.get("teams"), people)
        if directory is None and control is None:
            return NOBODY
        rules = self._mapping(control, "control", ACTIONS)
        everybody = [*people, *teams]
        allowed = {
            action: self._names(rules[action], f"control.{action}", everybody, "neither a team nor a person")
            for action in ACTIONS
            if action in rules
        }
        return People(people=people, teams=teams, control=allowed)

    def refuse(self, node: Node, path: str, *reasons: str, key: bool = False) -> Any:
        """Tell of a problem of a section; what people and teams are made of stays unsaid."""
        value = "" if isinstance(node.value, dict | list) or key else f"={shown(node.value)}"
        position = self.at(node.key if key else node.mark)
        self.problems.extend(Problem(f"section `{path}`{value}: {reason}", position=position) for reason in reasons)
        return REFUSED

    def _people(self, node: Node | None) -> dict[str, Person]:
        found: dict[str, Person] = {}
        called: dict[str, str] = {}
        for user, item in self._entries(node, "directory.people"):
            path = f"directory.people.{user}"
            said = self.parts(item, path, PERSON, "name")
            if said is REFUSED:
                found[user] = Person(user, user)  # they are there: who names them is not wrong too
                continue
            name = self._line(said["name"], f"{path}.name")
            known = called.setdefault(str(name).casefold(), user)
            if name is not None and known != user:
                self.refuse(
                    said["name"], f"{path}.name", f"{known!r} has this name already: nobody could tell who it was"
                )
            contact, runbook = (self._optional(said, one, path) for one in ("contact", "runbook"))
            found[user] = Person(user, name or user, contact, runbook)
        return found

    def _teams(self, node: Node | None, people: Mapping[str, Person]) -> dict[str, Team]:
        found: dict[str, Team] = {}
        for name, item in self._entries(node, "directory.teams"):
            path = f"directory.teams.{name}"
            if name in people:
                self.refuse(item, path, "is a person too: an owner of this name would be either; rename one", key=True)
            said = self.parts(item, path, TEAM, "members")
            if said is REFUSED:
                found[name] = Team(name, ())
                continue
            members = self._names(said["members"], f"{path}.members", people, "no person")
            if said["members"].value == []:
                self.refuse(said["members"], f"{path}.members", "is empty: nobody would answer")
            found[name] = Team(name, members, self._optional(said, "runbook", path))
        return found

    def _entries(self, node: Node | None, path: str) -> Iterable[tuple[str, Node]]:
        """Return the entries of a mapping by names that can stand in a line."""
        for name, item in self._mapping(node, path, None).items():
            try:
                one_line(name)
            except ValueError as error:
                self.refuse(item, f"{path}.{shown(name)}", str(error), key=True)
            else:
                if name:
                    yield name, item
                else:
                    self.refuse(item, path, "a name is empty", key=True)

    def _mapping(self, node: Node | None, path: str, known: tuple[str, ...] | None) -> dict[str, Node]:
        """Return what is in a mapping of `known` keys, or of any."""
        if node is None or node.value is None:
            return {}
        if not isinstance(node.value, dict):
            self.refuse(node, path, "must be a mapping" + (f" with the keys {', '.join(known)}" if known else ""))
            return {}
        strays = [name for name in node.value if known is not None and name not in known]
        for name in strays:
            self.refuse(node.value[name], f"{path}.{name}", f"no such key{nearest(name, known or ())}", key=True)
        return {name: item for name, item in node.value.items() if name not in strays}

    def _names(self, node: Node, path: str, known: Iterable[str], nobody: str) -> tuple[str, ...]:
        """Return a list of names that are all `known`, each once."""
        if not isinstance(node.value, list):
            self.refuse(node, path, "must be a list of names")
            return ()
        everybody = list(known)
        found: list[str] = []
        for index, item in enumerate(node.value):
            name, place = item.value, f"{path}[{index}]"
            if not isinstance(name, str):
                self.refuse(item, place, "must be a name: write it in quotes")
            elif name not in everybody:
                self.refuse(item, place, f"is {nobody} of the directory{nearest(name, everybody)}")
            elif name in found:
                self.refuse(item, place, "stands there twice")
            else:
                found.append(name)
        return tuple(found)

    def _optional(self, said: Mapping[str, Node], name: str, path: str) -> str | None:
        return self._line(said[name], f"{path}.{name}") if name in said and said[name].value is not None else None

    def _line(self, node: Node, path: str) -> str | None:
        """Return a text of one line."""
        text: Any = node.value
        if not isinstance(text, str) or not text:
            self.refuse(node, path, "must be a text: write it in quotes")
            return None
        if len(text) > LONGEST_RUNBOOK:
            self.refuse(node, path, f"must not be over {LONGEST_RUNBOOK} characters")
            return None
        try:
            return one_line(text)
        except ValueError as error:
            self.refuse(node, path, str(error))
            return None
