"""Operators at work: who acts and what time it is are what a test says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiguard.config.people import Person
from aiguard.governance.control import Control
from aiguard.governance.directory import Directory, Listed
from aiguard.governance.store import Actor, Store
from aiguard.risk import TIERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiguard.risk import Risk

NOON = 1_795_000_000.0

BOUNDARIES: Mapping[str, Listed] = {f"{risk}-risk": Listed(None, risk) for risk in TIERS}
"""One of each risk, and one that says nothing of it."""

UIDS = {"anna": 1001, "ben": 1002, "carl": 1003, "eve": 1004}


class WallClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.time = NOON

    def now(self) -> float:
        """Return the same: nothing here waits."""
        return self.time

    def wall(self) -> float:
        """Return the time that was set."""
        return self.time

    def random(self) -> float:
        """Return a number in [0, 1)."""
        return 0.5


def directory(
    halt: tuple[str, ...] = ("anna", "ben", "carl"),
    resume: tuple[str, ...] = ("anna", "ben"),
    boundaries: Mapping[str, Listed] | None = None,
    **risks: Risk,
) -> Directory:
    """Return a directory with anna, ben and carl, of whom these may halt and these resume."""
    people = {user: Person(user, user.title()) for user in ("anna", "ben", "carl")}
    listed = dict(BOUNDARIES if boundaries is None else boundaries) | {"no-risk-said": Listed(None, None)}
    listed |= {name: Listed(None, risk) for name, risk in risks.items()}
    return Directory(people=people, control={"halt": halt, "resume": resume}, boundaries=listed)


RULES = directory()


def operator(
    state: Path, person: str = "anna", rules: Directory | None = RULES, *, at: float = NOON, **settings: Any
) -> Control:
    """Return what a person uses to halt and to resume, at that time."""
    clock = WallClock()
    clock.time = at
    control = Control(state, rules, clock=clock, **settings)
    control.actor = Actor(person, UIDS[person])
    return control


def recorded(state: Path) -> list[dict[str, Any]]:
    """Return what the record says, from its beginning."""
    with Store(state).read() as reading:
        return [json.loads(text) for _, text, _ in reading.rows()]


def events(state: Path) -> list[str]:
    """Return the events on the record, from its beginning."""
    return [one["event"] for one in recorded(state)]
