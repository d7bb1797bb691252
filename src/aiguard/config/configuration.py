"""A file and an environment, read: what they say of every boundary."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Final

from aiguard.config.block import EMPTY, Block, placed
from aiguard.config.environment import Environment, name_in_environment
from aiguard.config.json_text import read_json
from aiguard.config.layers import explicit, laid
from aiguard.config.reading import BlockReader
from aiguard.config.text import no_pause
from aiguard.config.toml_text import read_toml
from aiguard.config.yaml_text import read_yaml
from aiguard.errors import PolicyError
from aiguard.policy import Policy, check_name
from aiguard.problem import Position, Problem, nearest, shown
from aiguard.rung import BoundaryRung

if TYPE_CHECKING:
    from typing import Self

    from aiguard.config.text import Flaw, Mark, Node

VERSION: Final = 1
SECTIONS: Final = ("version", "defaults", "boundaries")
NOT_BUILT: Final = frozenset({"directory", "control"})
"""Sections that the design names and this version does not have: refused, never ignored."""

Read = Callable[[bytes, Callable[[], None]], "tuple[Node | None, list[Flaw]]"]
READERS: Final[Mapping[str, Read]] = {".yaml": read_yaml, ".yml": read_yaml, ".json": read_json, ".toml": read_toml}


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
        self.environment = Environment(environ)
        self._problems = list(self.environment.problems)
        self._names: dict[str, str] = {}
        self._known: dict[str, tuple[Policy, Policy]] = {}
        self._falls: dict[str, list[str]] = {}  # who falls back to which other boundaries
        breathe()
        if file is not None:
            self._read(file, data, breathe)
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
            return code
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
        self._known[name] = (code, policy)
        return policy

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

    def _read(self, file: str, data: bytes, breathe: Callable[[], None]) -> None:
        def at(mark: Mark) -> Position:
            return Position(file, *mark)

        suffix = PurePath(file).suffix.lower()
        if suffix not in READERS:
            self._problems.append(Problem(f"must end in one of {', '.join(READERS)}", position=Position(file)))
            return
        root, flaws = READERS[suffix](data, breathe)
        self._problems += [Problem(flaw.reason, position=at(flaw.mark)) for flaw in flaws]
        if root is None:
            return
        if not isinstance(root.value, dict):
            reason = f"must be a mapping with the sections {', '.join(SECTIONS)}"
            self._problems.append(Problem(reason, position=at(root.mark)))
            return
        for key, node in root.value.items():
            if key not in SECTIONS:
                built = "not built in this version of aiguard" if key in NOT_BUILT else None
                reason = f"section `{key}`: {built or 'no such section' + nearest(key, SECTIONS)}"
                self._problems.append(Problem(reason, position=at(node.key)))
        self._check_version(root, at)
        if "defaults" in root.value:
            self.defaults = self._block(None, root.value["defaults"], at)
        self._read_boundaries(root.value.get("boundaries"), at, breathe)

    def _check_version(self, root: Node, at: Callable[[Mark], Position]) -> None:
        node = root.value.get("version") if isinstance(root.value, dict) else None
        if node is None:
            self._problems.append(Problem(f"`version: {VERSION}` is required", position=at(root.mark)))
        elif type(node.value) is not int or node.value != VERSION:
            reason = f"section `version`={shown(node.plain())}: this version of aiguard reads version {VERSION}"
            self._problems.append(Problem(reason, position=at(node.mark)))

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
