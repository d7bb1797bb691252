"""The settings of one boundary as a file or the environment gives them, and where each of them stands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiguard.problem import Position, Problem


@dataclass(frozen=True, slots=True)
class Block:
    """
    The settings of one boundary as one source gives them.

    Attributes:
        settings: As `Policy` takes them; a group of settings is a dict.
        positions: Where each stands, by its path (`deadline`, `retry.attempts`, `fallback[1]`); `""` is the whole.
    """

    settings: Mapping[str, Any]
    positions: Mapping[str, Position]

    def position(self, setting: str | None) -> Position | None:
        """Return where `setting`, or else what it is a part of, stands; `None` where this source does not say it."""
        path = setting or ""
        while path:
            if path in self.positions:
                return self.positions[path]
            path = path[: max(path.rfind("."), path.rfind("["), 0)]
        return None


EMPTY = Block({}, {})


def placed(problem: Problem, blocks: tuple[Block, ...], defaults: Block) -> Problem:
    """
    Return `problem` with its position.

    It is where the uppermost of a boundary's `blocks`, or else the `defaults`, say the setting; where none does, it is
    where the boundary's first block begins.
    """
    if problem.position is not None:
        return problem
    said = [block.position(problem.setting) for block in (*blocks, defaults)]
    begun = [block.positions.get("") for block in blocks]
    return replace(problem, position=next((one for one in (*said, *begun) if one is not None), None))
