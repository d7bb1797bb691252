"""What every form of a setting is read with: positions, import paths, times, and a record of what was refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.config.durations import seconds
from aiguard.config.imports import ImportRefusedError, imported
from aiguard.problem import Position, Problem, nearest, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.config.text import Mark, Node

REFUSED: Final = object()
"""What reading gives where it has told of a problem."""


class Reader:
    """
    Reads settings of one boundary; goes on after each problem, so that all of them are told.

    Args:
        boundary: The boundary's name; `None` for the defaults.
        at: Makes a position of a mark in the text.

    Attributes:
        boundary: The boundary's name.
        at: Makes a position of a mark in the text.
        positions: Where each setting stands that was read, by its path.
        problems: What was refused so far.
    """

    def __init__(self, boundary: str | None, at: Callable[[Mark], Position]) -> None:
        self.boundary = boundary
        self.at = at
        self.positions: dict[str, Position] = {}
        self.problems: list[Problem] = []

    def time(self, node: Node, path: str) -> Any:
        """Return seconds, of text with units."""
        try:
            return seconds(str(node.value))
        except ValueError as error:
            return self.refuse(node, path, str(error))

    def imported(self, node: Node, path: str) -> Any:
        """Return the object that an import path leads to."""
        if not isinstance(node.value, str):
            return self.refuse(node, path, "must be an import path of the form 'package.module:name'")
        try:
            return imported(node.value)
        except ImportRefusedError as error:
            return self.refuse(node, path, str(error))

    def function(self, node: Node, path: str) -> Any:
        """Return the function that an import path leads to."""
        found = self.imported(node, path)
        if found is not REFUSED and not callable(found):
            return self.refuse(node, path, f"is no function, but of type {type(found).__name__}")
        return found

    def parts(self, node: Node, path: str, known: tuple[str, ...], needed: str | None = None) -> Any:
        """Return the items of a mapping that may hold only `known` keys."""
        if not isinstance(node.value, dict):
            return self.refuse(node, path, f"must be a mapping with the keys {', '.join(known)}")
        strays = [(name, item) for name, item in node.value.items() if name not in known]
        for name, item in strays:
            self.refuse(item, f"{path}.{name}", f"no such setting{nearest(name, known)}", key=True)
        if strays:
            return REFUSED
        if needed is not None and needed not in node.value:
            return self.refuse(node, path, f"`{needed}` is required")
        return node.value

    def refuse(self, node: Node, path: str, *reasons: str, key: bool = False) -> Any:
        """Tell of a problem at the value, or at the key, of `node`."""
        position = self.at(node.key if key else node.mark)
        value = shown(node.plain())
        self.problems.extend(Problem(reason, self.boundary, path or None, value, position) for reason in reasons)
        return REFUSED
