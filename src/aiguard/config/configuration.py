"""A file and an environment, read: what they say of every boundary."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from aiguard.config.block import EMPTY, Block, placed
from aiguard.config.document import document_of
from aiguard.config.environment import Environment, name_in_environment
from aiguard.config.layers import explicit, laid
from aiguard.config.people import NOBODY
from aiguard.config.people_form import people_of
from aiguard.config.reading import BlockReader
from aiguard.config.text import no_pause
from aiguard.errors import PolicyError
from aiguard.policy import Policy, check_name
from aiguard.problem import Problem, nearest
from aiguard.rung import BoundaryRung
from aiguard.strict import VARIABLE, is_strict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

    from aiguard.config.document import Document
    from aiguard.config.text import Mark, Node
    from aiguard.problem import Position


class Configuration:
    """
    What a file and the environment say, read and checked as far as that goes without the code.

    Args:
        file: The file's name, for messages; `None` where there is none.
        data: What is in it.
        environ: The environment.
        breathe: Called often while it is read: another thread may want to go on.

    Attributes:
        file: The file's name.
        digest: SHA-256 of what is in it, as hex digits; empty where there is no file.
        defaults: The block that fills in what neither the boundary's block nor the code says.
        boundaries: The blocks of the file.
        people: Who is in the file.
        strict: Whether what has no owner, or is not in the file, does not start.
        environment: What the environment says.
        problems: Everything that is wrong with them; what is right is there all the same.
    """

    def __init__(
        self,
        file: str | None,
        data: bytes,
        environ: Mapping[str, str],
        breathe: Callable[[], None] = no_pause,
    ) -> None:
        self.file = file
        self.digest = hashlib.sha256(data).hexdigest() if file is not None else ""
        self.defaults = EMPTY
        self.boundaries: dict[str, Block] = {}
        self.people = NOBODY
        self.strict = False
        self.environment = Environment(environ)
        self._problems = list(self.environment.problems)
        try:
            self.strict = is_strict(environ)
        except PolicyError as error:
            self._problems += error.problems
        self._names: dict[str, str] = {}
        self._known: dict[str, tuple[Policy, Policy]] = {}
        self._falls: dict[str, list[str]] = {}  # who falls back to which other boundaries
        breathe()
        if file is not None:
            self._read(document_of(file, data, breathe), breathe)
        self.problems = tuple(in_order(self._problems))

    def checked(self) -> Self:
        """Return it. Raises `PolicyError` with everything that is wrong."""
        if self.problems:
            raise PolicyError(*self.problems)
        return self

    def policy(self, name: str, code: Policy) -> Policy:
        """Return the policy of a boundary that declares `code`. Raises `PolicyError`, with positions."""
        self._tell_apart(name)
        known = self._known.get(name)
        if known is not None and known[0] is code:
            return known[1]
        file, environment = self.boundaries.get(name, EMPTY), self.environment.block(name)
        blocks = (environment, file, self.defaults)
        if not any(block.settings for block in blocks):
            return self._owned(code)
        settings = explicit(code)
        settings = laid(self.defaults.settings, settings)
        for block in (file, environment):
            settings = laid(settings, block.settings)
        try:
            policy = Policy(**settings)
        except PolicyError as error:
            raise self.placed(name, error) from None
        if any(isinstance(rung, BoundaryRung) and rung.boundary == name for rung in policy.fallback):
            refusal = PolicyError(Problem("a boundary cannot fall back to itself", name, "fallback"))
            raise self.placed(name, refusal)
        policy = self._owned(policy)
        self._known[name] = (code, policy)
        return policy

    def clears(self, name: str, policy: Policy) -> bool:
        """Whether strict mode lets the boundary run. Raises `PolicyError` where it does not, with what to do."""
        if not self.strict:
            return True
        problems = []
        if name not in self.boundaries:
            reason = f"{VARIABLE} is set, and no file names it: give it a block in `boundaries`, `{{}}` will do"
            problems.append(Problem(reason + nearest(name, self.boundaries), name))
        if policy.owner is None:
            reason = f"{VARIABLE} is set, and nobody is named: name a team or a person of the file's `directory`"
            problems.append(Problem(reason, name, "owner"))
        elif (why := self.people.why_unknown(policy.owner)) is not None:
            problems.append(Problem(f"{VARIABLE} is set, and {why}", name, "owner"))
        if problems:
            raise self.placed(name, PolicyError(*problems))
        return True

    def _owned(self, policy: Policy) -> Policy:
        """Return `policy` with its owner as the directory knows them."""
        owner = self.people.owner(policy.owner) if self.people is not NOBODY else None
        return policy if owner is None or owner == policy.owner else policy.model_copy(update={"owner": owner})

    def forget(self, breathe: Callable[[], None]) -> None:
        """Let go of everything, piece by piece, once nobody asks any more."""
        for pieces in (self.boundaries, self._known):
            while pieces:
                pieces.popitem()
                breathe()

    def placed(self, name: str, error: PolicyError) -> PolicyError:
        """Return a refusal of the boundary `name` with the positions of what was refused."""
        blocks = self.environment.block(name), self.boundaries.get(name, EMPTY)
        problems = (replace(problem, boundary=name) for problem in error.problems)
        return PolicyError(*(placed(problem, blocks, self.defaults) for problem in problems))

    def _tell_apart(self, name: str) -> None:
        """Raises `PolicyError` for a name that the environment cannot tell from one that was there before."""
        there = name_in_environment(name)
        other = self._names.setdefault(there, name)
        if other != name:
            reason = f"the environment cannot tell it from {other!r}: both are {there} there; rename one of them"
            raise self.placed(name, PolicyError(Problem(reason)))

    # --- the file

    def _read(self, document: Document, breathe: Callable[[], None]) -> None:
        self._problems += document.problems
        if "defaults" in document.sections:
            self.defaults = self._block(None, document.sections["defaults"], document.at)
        self._read_boundaries(document.sections.get("boundaries"), document.at, breathe)
        self.people, problems = people_of(document)
        self._problems += problems

    def _read_boundaries(
        self, section: Node | None, at: Callable[[Mark], Position], breathe: Callable[[], None]
    ) -> None:
        if section is None or section.value is None:
            return
        if not isinstance(section.value, dict):
            reason = "section `boundaries`: must be a mapping of names to settings"
            self._problems.append(Problem(reason, position=at(section.mark)))
            return
        for name in list(section.value):
            node = section.value.pop(name)  # freed one by one: all at once would be one long piece of work
            breathe()
            try:
                check_name(name)
            except PolicyError as error:
                self._problems += [replace(problem, position=at(node.key)) for problem in error.problems]
                continue
            self.boundaries[name] = self._block(name, node, at)
            try:
                self._tell_apart(name)
            except PolicyError as error:
                self._problems += error.problems
        self._problems += self._circles()

    def _block(self, name: str | None, node: Node, at: Callable[[Mark], Position]) -> Block:
        reader = BlockReader(name, at)
        block = reader.block(node)
        self._problems += reader.problems
        others = [rung.boundary for rung in block.settings.get("fallback") or () if isinstance(rung, BoundaryRung)]
        if others and name is not None:
            self._falls[name] = others
        return block

    def _circles(self) -> list[Problem]:
        """Return what is wrong with boundaries that fall back to each other in a circle."""
        reason = "falls back to itself, by way of other boundaries"
        return [
            Problem(reason, name, "fallback", position=self.boundaries[name].position("fallback"))
            for name in in_circles(self._falls)
        ]


def in_circles(falls: Mapping[str, list[str]]) -> list[str]:
    """Return the names that lead back to themselves, each to others as `falls` has it."""
    found = []
    for name, first in falls.items():
        front, seen = list(first), set[str]()
        while front:
            other = front.pop()
            if other == name:
                found.append(name)
                break
            if other not in seen:
                seen.add(other)
                front += falls.get(other, ())
    return found


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return problems as they stand in the file; those of the environment last."""
    return sorted(problems, key=lambda one: (one.position is None or not one.position.line, one.position or ()))
