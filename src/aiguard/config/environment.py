"""Settings from the environment: `AIGUARD__TICKET_TRIAGE__RETRY__ATTEMPTS=5`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from aiguard.config.block import EMPTY, Block
from aiguard.config.layers import laid
from aiguard.config.reading import BlockReader, settings_of
from aiguard.config.yaml_text import read_yaml
from aiguard.policy import Policy
from aiguard.problem import Position, Problem, shown
from aiguard.settings import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "AIGUARD__"


def name_in_environment(boundary: str) -> str:
    """Return what a boundary is called there: in capitals, `.` and `-` as `_`."""
    return re.sub(r"[.-]", "_", boundary).upper()


class Environment:
    """
    What the environment says of boundaries.

    Attributes:
        blocks: The settings by the boundary's name as it is there.
        variables: The variables that speak of settings, by the boundary's name as it is there.
    """

    def __init__(self, variables: Mapping[str, str]) -> None:
        """Raises nothing: what is wrong is in `problems`."""
        self.blocks: dict[str, Block] = {}
        self.variables: dict[str, list[str]] = {}
        self.problems: list[Problem] = []
        for variable in sorted(variables):
            if variable.startswith(PREFIX):
                self._read(variable, variables[variable])

    def block(self, boundary: str) -> Block:
        """Return the settings of a boundary."""
        return self.blocks.get(name_in_environment(boundary), EMPTY)

    def _read(self, variable: str, text: str) -> None:
        # a name may hold two underscores itself: each way to read it that ends in a setting counts for its own boundary
        words = variable.removeprefix(PREFIX).split("__")
        ways = [("__".join(words[:cut]), "__".join(words[cut:]).lower()) for cut in range(1, len(words))]
        known = [(boundary, _SETTINGS[setting]) for boundary, setting in ways if boundary and setting in _SETTINGS]
        if not known:
            self.problems.append(Problem(_why(ways), None, None, None, Position(variable)))
            return
        if not text.strip():
            reason = "is empty: unset it, or write `null` to take the setting away"
            self.problems.append(Problem(reason, position=Position(variable)))
            return
        node, flaws = read_yaml(text.encode(errors="surrogateescape"))
        if node is None or flaws:
            reasons = [flaw.reason for flaw in flaws] or ["holds nothing that can be read"]
            self.problems.extend(Problem(reason, None, None, shown(text), Position(variable)) for reason in reasons)
            return
        problems: list[Problem] = []
        for boundary, setting in known:
            reader = BlockReader(None, lambda _mark: Position(variable))
            block = reader.setting(setting, node)
            problems.extend(reader.problems)
            below = self.blocks.get(boundary, EMPTY)
            self.blocks[boundary] = Block(laid(below.settings, block.settings), {**below.positions, **block.positions})
            self.variables.setdefault(boundary, []).append(variable)
        self.problems.extend(problems)


def _why(ways: list[tuple[str, str]]) -> str:
    if not ways or not ways[0][0]:
        return f"must be {PREFIX}<BOUNDARY>__<SETTING>"
    setting = ways[0][1]
    return f"`{setting}`: {unknown(setting, Policy)}"


_SETTINGS: Final = settings_of()
