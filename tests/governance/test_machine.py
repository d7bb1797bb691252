"""Halt, resume, expiry, other rules, new objects, steps of the clock, in any order, against a small model."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiguard.gate_file import GateFile
from aiguard.governance.control import Control
from aiguard.governance.errors import ControlError
from aiguard.governance.store import Actor
from aiguard.governance.verification import verified
from aiguard.halts import EVERY
from tests.governance.operating import UIDS, WallClock, directory, events

NAMES = ["low-risk", "medium-risk", "high-risk", "no-risk-said", EVERY]
MEMORY = Path("/dev/shm")
"""A disk that needs no time to keep what it is given."""

PEOPLE = ["anna", "anna", "ben", "carl", "eve"]
RULES = {
    "all may": directory(halt=("anna", "ben", "carl"), resume=("anna", "ben", "carl")),
    "carl may not resume": directory(),
    "ben may nothing": directory(halt=("anna", "carl"), resume=("anna", "carl")),
    "everything is high": directory(**dict.fromkeys(["low-risk", "medium-risk", "no-risk-said"], "high")),  # type: ignore[arg-type]
}


@dataclass
class Modelled:
    """A halt, as the model knows it."""

    name: str
    key: str | None
    by: str
    until: float | None
    stays: bool
    recorded: bool


class Halting(RuleBasedStateMachine):
    """The model is a dict of halts in force; what the gate's file and the record say is held against it."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
        self.state = Path(self.folder.name) / "state"
        self.clock = WallClock()
        self.law = "all may"
        self.person = "anna"
        self.blocked = False
        self.model: dict[str, Modelled] = {}
        self.numbers = 0

    def teardown(self) -> None:
        self.folder.cleanup()

    @property
    def control(self) -> Control:
        """A new object each time: nothing but the files lives on, as where a process starts."""
        control = Control(self.state, RULES[self.law], clock=self.clock)
        control.actor = Actor(self.person, UIDS[self.person])
        return control

    def risk(self, name: str) -> str | None:
        """What the rules in force say of a boundary; of everything the highest."""
        listed = RULES[self.law].boundaries
        if name == EVERY:
            return "high"  # one of the boundaries is, under all rules
        return listed[name].risk

    def reconciled(self) -> None:
        """What each operation does beside its own: the record catches up, and what is over ends."""
        for id_, halt in list(self.model.items()):
            halt.recorded = True
            if halt.until is None or halt.stays or halt.until > self.clock.time:
                continue
            if halt.name != EVERY and self.risk(halt.name) in {"low", "medium"}:
                del self.model[id_]

    # --- what happens

    @rule(
        name=st.sampled_from(NAMES),
        key=st.sampled_from([None, None, "a"]),
        for_=st.sampled_from([None, 10.0, 10.0, 100.0]),
    )
    def halt(self, name: str, key: str | None, for_: float | None) -> None:
        may = RULES[self.law].may("halt", self.person)
        try:
            done = self.control.halt(name, reason="INC-12", key=key, for_=for_)
        except ControlError as refused:
            self.halt_refused(refused.rule, may=may)
            return
        assert may
        stays = for_ is not None and name != EVERY and self.risk(name) == "high"
        until = None if for_ is None else self.clock.time + for_
        self.model[done.halt.id] = Modelled(name, key, self.person, until, stays, recorded=not self.blocked)
        assert (done.number is None) is self.blocked
        if not self.blocked:
            self.reconciled()

    def halt_refused(self, rule: str, *, may: bool) -> None:
        assert not may
        assert rule in {"person", "rights"}

    @rule(name=st.sampled_from(NAMES), key=st.sampled_from([None, None, "a"]))
    def resume(self, name: str, key: str | None) -> None:
        may = RULES[self.law].may("resume", self.person)
        try:
            done = self.control.resume(name, reason="it is fine", key=key)
        except ControlError as refused:
            self.resume_refused(refused.rule, name, key, may=may)
            return
        assert may
        assert not self.blocked
        self.reconciled()
        lifted = {halt.id for halt in done.lifted}
        assert lifted == set(self.liftable(name, key))
        for id_ in lifted:
            del self.model[id_]

    def resume_refused(self, rule: str, name: str, key: str | None, *, may: bool) -> None:
        if not may:
            assert rule in {"person", "rights"}
        elif self.blocked:
            assert rule == "store"
        else:
            self.reconciled()
            assert self.liftable(name, key) == []
            meant = [one for one in self.model.values() if (one.name, one.key) == (name, key)]
            assert rule == ("not-self" if meant else "not-halted")

    def liftable(self, name: str, key: str | None) -> list[str]:
        """Which halts this person may lift: at high risk those of others."""
        high = self.risk(name) == "high"
        return [
            id_
            for id_, one in self.model.items()
            if (one.name, one.key) == (name, key) and not ((high or one.stays) and one.by == self.person)
        ]

    @rule(person=st.sampled_from(PEOPLE))
    def somebody_else(self, person: str) -> None:
        self.person = person

    @rule(rules=st.sampled_from(sorted(RULES)))
    def reload(self, rules: str) -> None:
        self.law = rules

    @rule(seconds=st.sampled_from([-1000.0, -5.0, 20.0, 50.0, 1000.0]))
    def step(self, seconds: float) -> None:
        self.clock.time += seconds

    @rule(really=st.sampled_from([True, False, False]))
    def block_or_free_the_store(self, really: bool) -> None:  # noqa: FBT001 - it is drawn
        """Put something in its place, or take it away again."""
        if not really and not self.blocked:
            return
        store, aside = self.state / "control", self.state / "aside"
        self.state.mkdir(exist_ok=True)
        if self.blocked:
            store.unlink()
            if aside.exists():
                aside.rename(store)
        else:
            if store.exists():
                store.rename(aside)
            store.write_text("in the way")
        self.blocked = not self.blocked

    @precondition(lambda self: not self.blocked and self.everything_recorded())
    @rule(how=st.sampled_from(["gone", "truncated"]))
    def damage_the_gate(self, how: str) -> None:
        """The next operation that can restores it: what it said is on the record."""
        path = GateFile(self.state).path
        if not path.exists():
            return
        if how == "gone":
            path.unlink()
        else:
            with path.open("r+b") as file:
                file.truncate(100)
        self.restore()

    def everything_recorded(self) -> bool:
        return all(one.recorded for one in self.model.values())

    def restore(self) -> None:
        """Resume something that is not halted, as somebody who may: every operation brings things together."""
        person, rules = self.person, self.law
        self.person, self.law = "anna", "all may"
        with pytest.raises(ControlError, match="not-halted"):
            self.control.resume("no-such", reason="it is fine")
        self.reconciled()
        self.person, self.law = person, rules

    # --- what holds

    @invariant()
    def the_gate_names_what_the_model_knows(self) -> None:
        path = GateFile(self.state).path
        there = GateFile(self.state).read().halts if path.exists() else ()
        found: dict[str, Any] = {one.id: (one.boundary, one.key, one.by, one.until, one.stays) for one in there}
        assert found == {id_: (one.name, one.key, one.by, one.until, one.stays) for id_, one in self.model.items()}
        assert {one.id: one.recorded for one in there} == {id_: one.recorded for id_, one in self.model.items()}

    @invariant()
    def no_time_ends_a_halt_at_high_risk(self) -> None:
        held = {one.id for one in self.control.halts() if one.holds(self.clock.time, "high")}
        assert held == set(self.model)

    @invariant()
    def the_record_holds_and_only_grows(self) -> None:
        if self.blocked or not self.control.store.exists():
            return
        verdict = verified(self.state)
        assert verdict.flaws == ()
        assert verdict.head.seq == verdict.anchored >= self.numbers
        self.numbers = verdict.head.seq
        assert len(events(self.state)) == self.numbers


TestHalting = Halting.TestCase
TestHalting.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
