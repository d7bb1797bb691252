"""Halts, and gates that tests read without waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.gate_file import GateFile, State
from aiguard.halts import EVERY, Halt
from aiguard.switch import Gate

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.clock import Clock


class HandClock:
    """
    A clock that a test moves.

    Attributes:
        moment: What it shows.
    """

    def __init__(self) -> None:
        self.moment = 1000.0

    def now(self) -> float:
        """Return what it shows."""
        return self.moment

    def wall(self) -> float:
        """Return the same, as Unix seconds."""
        return self.moment

    def random(self) -> float:
        """Return nothing that anybody asks for."""
        raise NotImplementedError


def halt_of(
    boundary: str = EVERY,
    *,
    key: str | None = None,
    since: float = 0.0,
    until: float | None = None,
    stays: bool = False,
    reason: str = "INC-12",
) -> Halt:
    """Return a halt of Anna's."""
    return Halt("0" * 32, boundary, key, "anna", reason, since, until, stays, recorded=False)


def halt(state: Path, *halts: Halt) -> State:
    """Put these halts in force, and no others."""
    return GateFile(state).change(lambda _: halts)


def add(state: Path, one: Halt) -> State:
    """Put this halt in force too."""
    return GateFile(state).change(lambda halts: (*halts, one))


def gate_at(state: Path, clock: Clock | None = None) -> Gate:
    """Return a gate that looks at the file each time that it is asked."""
    return Gate(lambda: state, fresh=0.0) if clock is None else Gate(lambda: state, clock, fresh=0.0)
