"""Halting and resuming: who may, what is in force, what is on the record."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard.gate_file import GateFile, NewerError
from aiguard.governance.control import Control
from aiguard.governance.directory import Listed
from aiguard.governance.errors import ControlError, StoreError
from aiguard.governance.reconciliation import reconcile
from aiguard.governance.verification import verified
from aiguard.halts import EVERY, Halt
from aiguard.monitor.client import Answers
from aiguard.state_directory import UnusableError
from aiguard.switch import PROVEN, Switch
from tests.governance.operating import NOON, RULES, directory, events, operator, recorded
from tests.halting import HandClock, gate_at

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.risk import Risk


def gate(state: Path) -> list[tuple[str, bool]]:
    """Return which boundaries the gate's file names, and whether it says that this is on the record."""
    return [(halt.boundary, halt.recorded) for halt in GateFile(state).read().halts]


def spoil(state: Path) -> None:
    """Leave a store that nobody can open."""
    operator(state).store.path.parent.mkdir(parents=True, exist_ok=True)
    operator(state).store.path.write_bytes(b"notes of the meeting" * 100)


def lose(state: Path, how: str) -> None:
    """Have the gate's file say nothing of what it said."""
    path = GateFile(state).path
    if how == "damaged":
        with path.open("r+b") as file:
            file.truncate(100)
        return
    path.unlink()
    if how == "made anew":
        GateFile(state).make()


def no_store(*_: object) -> Any:
    """Fail as a store that cannot be written."""
    raise StoreError("store", "the disk is full")


def no_gate(*_: object) -> Any:
    """Fail as a gate's file that cannot be written."""
    raise UnusableError("the disk is gone")


def test_a_halt_is_in_force_and_on_the_record(state: Path) -> None:
    """With who, why and since when, in both."""
    done = operator(state).halt("low-risk", reason="INC-12", key="tenant-7", for_=60.0)
    assert (done.number, done.unrecorded) == (1, None)
    assert GateFile(state).read().halts == (done.halt,)
    assert done.halt[1:] == ("low-risk", "tenant-7", "anna", "INC-12", NOON, NOON + 60.0, False, True)
    [record] = recorded(state)
    assert record == {
        "actor": "anna",
        "at": NOON,
        "boundary": "low-risk",
        "by": "anna",
        "event": "halt",
        "halt": done.halt.id,
        "key": "tenant-7",
        "reason": "INC-12",
        "seq": 1,
        "since": NOON,
        "stays": False,
        "uid": 1001,
        "until": NOON + 60.0,
    }


def test_a_resume_lifts_it_and_says_why(state: Path) -> None:
    """The gate is empty, the record has both."""
    halt = operator(state).halt("low-risk", reason="INC-12").halt
    done = operator(state).resume("low-risk", reason="INC-12 is closed")
    assert (done.lifted, done.number, done.left) == ((halt,), 2, ())
    assert operator(state).halts() == ()
    assert recorded(state)[1] | {"at": NOON, "ends": True} == recorded(state)[1]
    assert (recorded(state)[1]["halt"], recorded(state)[1]["reason"]) == (halt.id, "INC-12 is closed")
    assert verified(state).flaws == ()


REFUSED: list[tuple[str, str, str, dict[str, Any]]] = [
    ("reason", "anna", "halt low-risk", {"reason": "  "}),
    ("reason", "anna", "halt low-risk", {"reason": "one\ntwo"}),
    ("reason", "anna", "halt low-risk", {"reason": "x" * 201}),
    ("expiry", "anna", "halt low-risk", {"reason": "INC-12", "for_": -3600.0}),
    ("expiry", "anna", "halt low-risk", {"reason": "INC-12", "for_": 0.0}),
    ("expiry", "anna", "halt low-risk", {"reason": "INC-12", "for_": float("inf")}),
    ("key", "anna", "halt low-risk", {"reason": "INC-12", "key": ""}),
    ("reason", "anna", "halt low-risk", {"reason": None}),
    ("reason", "anna", "halt low-risk", {"reason": 5}),
    ("reason", "anna", "resume low-risk", {"reason": 5}),
    ("expiry", "anna", "halt low-risk", {"reason": "INC-12", "for_": "4h"}),
    ("expiry", "anna", "halt low-risk", {"reason": "INC-12", "for_": 10**400}),
    ("boundary", "anna", "halt low-rsik", {"reason": "INC-12"}),
    ("boundary", "anna", "halt low/risk", {"reason": "INC-12", "unknown": True}),
    ("person", "eve", "halt low-risk", {"reason": "INC-12"}),
    ("person", "eve", "resume low-risk", {"reason": "INC-12"}),
    ("rights", "carl", "resume low-risk", {"reason": "INC-12"}),
    ("reason", "anna", "resume low-risk", {"reason": ""}),
    ("not-halted", "anna", "resume low-risk", {"reason": "INC-12"}),
]


@pytest.mark.parametrize(("rule", "person", "tried", "said"), REFUSED)
def test_what_is_refused_names_its_rule_and_is_recorded(
    state: Path, rule: str, person: str, tried: str, said: dict[str, Any]
) -> None:
    """And nothing is halted, nothing resumed by it."""
    action, name = tried.split()
    with pytest.raises(ControlError, match=f"rule: {rule}") as refused:
        getattr(operator(state, person), action)(name, **said)
    assert refused.value.rule == rule
    [record] = recorded(state)
    assert (record["event"], record["action"], record["rule"]) == ("refused", action, rule)
    assert (record["actor"], record["boundary"]) == (person, name)
    assert operator(state).halts() == ()


@pytest.mark.parametrize("action", ["halt", "resume"])
@pytest.mark.parametrize("name", [None, 5, ["low-risk"]])
def test_a_name_that_is_no_text_is_refused(state: Path, action: str, name: Any) -> None:
    """As every other wrong name is, by the same error."""
    with pytest.raises(ControlError, match="a boundary's name is text") as refused:
        getattr(operator(state), action)(name, reason="INC-12")
    assert refused.value.rule == "boundary"
    assert recorded(state)[0]["boundary"] == str(name)


def test_a_name_that_nobody_knows_is_told_the_nearest(state: Path) -> None:
    """It is halted all the same where that is meant."""
    with pytest.raises(ControlError, match="did you mean `low-risk`"):
        operator(state).halt("low-rsik", reason="INC-12")
    operator(state).halt("low-rsik", reason="INC-12", unknown=True)
    assert gate(state) == [("low-rsik", True)]
    operator(state).halt("low-rsik", reason="again")  # the record knows it now


def test_what_was_said_too_long_is_cut_in_the_record_of_its_refusal(state: Path) -> None:
    """Nobody fills the disk by being refused."""
    with pytest.raises(ControlError):
        operator(state).halt("x" * 10_000, reason="y" * 10_000, key="z" * 10_000)
    [record] = recorded(state)
    assert [len(record[one]) for one in ("boundary", "reason", "key")] == [200, 200, 200]


def test_at_high_risk_somebody_else_resumes(state: Path) -> None:
    """Who halted is refused, also under rules that say nothing of the risk by now."""
    operator(state, "anna").halt("high-risk", reason="INC-12")
    with pytest.raises(ControlError, match="anna halted it: somebody else") as refused:
        operator(state, "anna").resume("high-risk", reason="it is fine")
    assert refused.value.rule == "not-self"
    assert operator(state, "ben").resume("high-risk", reason="it is fine").left == ()
    assert events(state) == ["halt", "refused", "resume"]


def test_lowering_the_risk_does_not_make_a_timed_halt_cheaper_to_lift(state: Path) -> None:
    """What was high when it was halted stays so."""
    operator(state).halt("high-risk", reason="INC-12", for_=60.0)
    lowered = directory(boundaries={"high-risk": Listed(None, "low")})
    with pytest.raises(ControlError, match="not-self"):
        operator(state, "anna", lowered).resume("high-risk", reason="it is fine")


def test_two_who_halted_lift_each_others_halts(state: Path) -> None:
    """Each resumes what the other halted, and is told what is left."""
    operator(state, "anna").halt("high-risk", reason="INC-12")
    operator(state, "ben").halt("high-risk", reason="INC-13")
    done = operator(state, "anna").resume("high-risk", reason="it is fine")
    assert [halt.by for halt in done.lifted] == ["ben"]
    assert [halt.by for halt in done.left] == ["anna"]
    assert operator(state, "ben").resume("high-risk", reason="it is fine").left == ()


def test_everything_is_resumed_as_it_was_halted(state: Path) -> None:
    """A halt of everything outlives the resume of one boundary, and one boundary's halt that of everything."""
    operator(state).halt(EVERY, reason="INC-12")
    operator(state).halt("low-risk", reason="INC-13")
    done = operator(state).resume("low-risk", reason="it is fine")
    assert [halt.boundary for halt in done.left] == [EVERY]
    with pytest.raises(ControlError, match=r"no halt of 'low-risk' is in force.*every boundary"):
        operator(state).resume("low-risk", reason="it is fine")
    assert operator(state, "ben").resume(EVERY, reason="it is fine").left == ()


def test_a_halt_of_everything_is_of_the_highest_risk_there_is(state: Path) -> None:
    """Who halted everything does not resume a boundary of high risk by that."""
    operator(state, "anna").halt(EVERY, reason="INC-12")
    with pytest.raises(ControlError, match="not-self"):
        operator(state, "anna").resume(EVERY, reason="it is fine")


def test_a_key_is_resumed_as_it_was_halted(state: Path) -> None:
    """The other key stays halted."""
    for key in ("a", 7, None):
        operator(state).halt("low-risk", reason="INC-12", key=key)
    done = operator(state).resume("low-risk", reason="it is fine", key="7")
    assert [halt.key for halt in done.lifted] == ["7"]
    assert [halt.key for halt in done.left] == ["a", None]


@pytest.mark.parametrize(("name", "left"), [("low-risk", 0), ("medium-risk", 0), ("no-risk-said", 1)])
def test_an_expiry_is_recorded_by_the_next_operation(state: Path, name: str, left: int) -> None:
    """It is taken out of the gate only where it is known that the boundary may go on by itself."""
    operator(state).halt(name, reason="INC-12", for_=60.0)
    operator(state, at=NOON + 60.0).halt("other", reason="INC-13", unknown=True)
    assert events(state) == ["halt", "halt", "expired"]
    assert gate(state) == [*[(name, True)] * left, ("other", True)]
    operator(state, at=NOON + 61.0).halt("other", reason="INC-14", unknown=True)
    assert events(state).count("expired") == 1
    assert verified(state).flaws == ()


def test_an_expired_halt_ends_once_its_risk_is_known(state: Path) -> None:
    """It does not fill the gate for ever, nor come back when somebody declares another risk."""
    operator(state).halt("no-risk-said", reason="INC-12", for_=60.0)
    for later in (60.0, 61.0):
        operator(state, at=NOON + later).halt("other", reason="INC-13", unknown=True)
    assert [one.get("ends") for one in recorded(state) if one["event"] == "expired"] == [None]
    rules = replace(RULES, boundaries={"no-risk-said": Listed(None, "low")})
    for later in (62.0, 63.0):
        operator(state, rules=rules, at=NOON + later).halt("other", reason="INC-14", unknown=True)
    assert [one.get("ends") for one in recorded(state) if one["event"] == "expired"] == [None, True]
    assert {name for name, _ in gate(state)} == {"other"}
    assert verified(state).flaws == ()


def test_no_expiry_switches_high_risk_back_on(state: Path) -> None:
    """The halt stays until somebody resumes."""
    halt = operator(state).halt("high-risk", reason="INC-12", for_=60.0).halt
    assert halt.stays
    operator(state, at=NOON + 3600.0).halt("low-risk", reason="INC-13")
    assert halt in operator(state).halts()
    assert "expired" not in events(state)
    operator(state, at=NOON + 3600.0).halt(EVERY, reason="INC-14", for_=1.0)
    operator(state, at=NOON + 7200.0).halt("low-risk", reason="INC-15")
    assert EVERY in {halt.boundary for halt in operator(state).halts()}  # it may hold a boundary of high risk


def test_without_rules_whoever_can_write_the_files_may(state: Path) -> None:
    """They are recorded by their user name."""
    operator(state, "eve", None).halt("triage", reason="INC-12", unknown=True)
    operator(state, "eve", None).resume("triage", reason="it is fine")
    assert [(one["event"], one["actor"], one["uid"]) for one in recorded(state)] == [
        ("halt", "eve", 1004),
        ("resume", "eve", 1004),
    ]


def test_a_file_that_cannot_be_read_stops_no_stop(state: Path) -> None:
    """But it resumes nothing: who may stands in it."""
    operator(state, "anna", None, broken="line 7: no").halt("triage", reason="INC-12", unknown=True)
    with pytest.raises(ControlError, match="line 7: no") as refused:
        operator(state, "anna", None, broken="line 7: no").resume("triage", reason="it is fine")
    assert refused.value.rule == "file"


def test_a_halt_holds_without_the_record_and_is_written_down_later(state: Path) -> None:
    """By the next operation that can, as one of the person who halted."""
    spoil(state)
    done = operator(state, "carl").halt("low-risk", reason="INC-12")
    assert done.number is None
    assert "not a database" in str(done.unrecorded)
    assert gate(state) == [("low-risk", False)]
    operator(state).store.path.unlink()
    operator(state, "anna", at=NOON + 60.0).halt("medium-risk", reason="INC-13")
    assert gate(state) == [("low-risk", True), ("medium-risk", True)]
    late = recorded(state)[1]
    assert (late["event"], late["late"], late["by"], late["actor"]) == ("halt", True, "carl", "anna")
    assert (late["at"], late["since"]) == (NOON + 60.0, NOON)
    assert verified(state).flaws == ()


@pytest.mark.parametrize("kind", ["newer", "spoiled"])
def test_nothing_is_resumed_without_the_record(state: Path, kind: str) -> None:
    """The halt stays."""
    operator(state).halt("low-risk", reason="INC-12")
    if kind == "newer":
        with contextlib.closing(sqlite3.connect(operator(state).store.path)) as connection:
            connection.execute("PRAGMA user_version = 7")
    else:
        spoil(state)
    with pytest.raises(StoreError) as refused:
        operator(state, "ben").resume("low-risk", reason="it is fine")
    assert refused.value.rule == ("store-version" if kind == "newer" else "store")
    assert gate(state) == [("low-risk", True)]
    assert operator(state).halt("medium-risk", reason="INC-13").number is None


def test_a_halt_that_the_gate_has_lost_is_put_back(state: Path) -> None:
    """Also where the file was replaced; the record says so."""
    operator(state).halt("low-risk", reason="INC-12")
    GateFile(state).path.unlink()
    operator(state).halt("medium-risk", reason="INC-13")
    assert sorted(gate(state)) == [("low-risk", True), ("medium-risk", True)]
    assert events(state) == ["halt", "halt", "restored"]
    assert verified(state).flaws == ()


@pytest.mark.parametrize("made_anew", [False, True])
@pytest.mark.parametrize("spoiled", [False, True])
def test_a_halt_without_the_gates_file_lifts_no_other(
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    made_anew: bool,  # noqa: FBT001 - one of two ways to lose it
    spoiled: bool,  # noqa: FBT001 - whether the record can be written
) -> None:
    """The file that it makes names all that the record knows, from the first write on."""
    operator(state).halt("low-risk", reason="INC-12")
    GateFile(state).path.unlink()
    if made_anew:
        GateFile(state).make()
    control = operator(state)
    if spoiled:
        monkeypatch.setattr(control.store, "changed", no_store)
    stop = control._stop
    written: list[list[tuple[str, bool]]] = []

    def watched(halt: Halt) -> Any:
        back = stop(halt)
        written.append(gate(state))
        return back

    monkeypatch.setattr(control, "_stop", watched)
    control.halt("medium-risk", reason="INC-13")
    assert written == [[("low-risk", True), ("medium-risk", False)]]
    assert gate(state) == [("low-risk", True), ("medium-risk", not spoiled)]


@pytest.mark.parametrize("how", ["gone", "made anew", "damaged"])
def test_a_resume_without_the_gates_file_lifts_what_it_says(state: Path, how: str) -> None:
    """What was lost is put back, but for what is lifted."""
    operator(state).halt("low-risk", reason="INC-12")
    operator(state).halt("medium-risk", reason="INC-13")
    lose(state, how)
    done = operator(state).resume("low-risk", reason="it is fine")
    assert [halt.boundary for halt in done.lifted] == ["low-risk"]
    assert gate(state) == [("medium-risk", True)]
    assert verified(state).flaws == ()


@pytest.mark.parametrize("how", ["gone", "damaged"])
def test_a_resume_makes_no_gates_file_that_knows_less_than_the_record(state: Path, how: str) -> None:
    """Where the record cannot be read, what was lost stays lost: an empty file would say that nothing is halted."""
    operator(state).halt("low-risk", reason="INC-12")
    lose(state, how)
    spoil(state)
    with pytest.raises(StoreError):
        operator(state, "ben").resume("low-risk", reason="it is fine")
    with pytest.raises(UnusableError):
        GateFile(state).read()


def test_a_record_that_nobody_may_look_for_stops_no_stop(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may say what is halted, so nothing is resumed."""

    def no_look(_: GateFile) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(GateFile, "is_lost", no_look)
    with pytest.raises(StoreError, match="Permission denied"):
        operator(state).resume("low-risk", reason="it is fine")
    operator(state).halt("low-risk", reason="INC-12")
    assert gate(state) == [("low-risk", True)]


def test_a_resume_is_refused_before_the_record_where_the_gate_cannot_be_changed(state: Path) -> None:
    """Else it would take effect with somebody's unrelated operation, days later."""
    halt = operator(state).halt("low-risk", reason="INC-12").halt
    kept = GateFile(state).path.rename(state / "kept")
    GateFile(state).path.mkdir()
    with pytest.raises(ControlError, match="nothing is resumed") as refused:
        operator(state).resume("low-risk", reason="it is fine")
    assert refused.value.rule == "gate"
    GateFile(state).path.rmdir()
    kept.rename(GateFile(state).path)
    operator(state).halt("medium-risk", reason="INC-13")
    assert halt in operator(state).halts()
    assert events(state) == ["halt", "refused", "halt"]


def test_a_refused_resume_says_why_whatever_becomes_of_the_gate(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That nothing was lifted comes before that the gate's file could not be tidied up."""
    control = operator(state)
    monkeypatch.setattr("aiguard.governance.control.settle", no_gate)
    with pytest.raises(ControlError, match="not-halted"):
        control.resume("low-risk", reason="it is fine")


def test_nothing_is_recorded_as_put_back_that_could_not_be(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor again with each operation."""
    operator(state).halt("low-risk", reason="INC-12")
    GateFile(state).change(lambda _: ())
    control = operator(state)
    with control.store.changed(control.actor, NOON) as change:
        monkeypatch.setattr(GateFile, "change", no_gate)
        with pytest.raises(UnusableError):
            reconcile(change, control.gate, NOON, lambda _: None)
    assert events(state) == ["halt"]


def test_a_gate_of_a_newer_version_is_not_taken_for_damaged(state: Path) -> None:
    """What it says is not put aside."""
    operator(state).halt("low-risk", reason="INC-12")
    operator(state).resume("low-risk", reason="it is fine")
    with GateFile(state).path.open("r+b") as file:
        file.seek(16)
        file.write(b"\x07")
    control = operator(state)
    with control.store.changed(control.actor, NOON) as change, pytest.raises(NewerError):
        reconcile(change, control.gate, NOON, lambda _: None)


@pytest.mark.parametrize(("for_", "risk"), [(None, None), (60.0, "low"), (60.0, "high"), (60.0, None)])
def test_a_halt_is_in_force_before_any_process_is_asked(
    state: Path, monkeypatch: pytest.MonkeyPatch, for_: float | None, risk: Risk | None
) -> None:
    """One that hangs takes seconds to say nothing; till the risk is known, no time ends the halt."""
    seen: list[list[bool]] = []

    def asked(directory: Path) -> Answers[Any]:
        seen.append([halt.stays for halt in GateFile(directory).read().halts])
        boundaries = [{"name": "no-risk-said", "risk": risk}] if risk else []
        return Answers(({"boundaries": boundaries},), ())

    monkeypatch.setattr("aiguard.governance.known.states", asked)
    done = operator(state).halt("no-risk-said", reason="INC-12", for_=for_)
    assert seen == [[True]] * (for_ is not None)
    assert (done.halt.stays, done.halt.recorded) == (risk == "high", True)
    assert operator(state).halts() == (done.halt,)
    assert verified(state).flaws == ()


def test_the_record_is_asked_for_a_name_before_the_processes(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was halted once is halted again at once."""
    operator(state).halt("elsewhere", reason="INC-12", unknown=True)
    monkeypatch.setattr("aiguard.governance.known.states", lambda _: pytest.fail("a process was asked"))
    operator(state).halt("elsewhere", reason="INC-13")


def test_what_was_declared_in_this_process_is_known(state: Path) -> None:
    """Before a call of it has ended, with what is at stake there."""

    @aiguard.guard("declared-here", deadline=1.0, risk="high", owner="anna")
    def declared() -> str:
        return "fine"

    operator(state).halt("declared-here", reason="INC-12")
    assert operator(state).halt("declared-here", reason="INC-13", for_=60.0).halt.stays
    with pytest.raises(ControlError, match="not-self"):
        operator(state).resume("declared-here", reason="it is fine")
    with pytest.raises(ControlError, match="did you mean `declared-here`"):
        operator(state).halt("declard-here", reason="INC-14")


def test_the_defaults_of_the_file_say_what_is_at_stake_where_it_lists_nothing(state: Path) -> None:
    """A boundary under them is of high risk in every process, so also to who halts and resumes it."""
    rules = replace(RULES, risk="high")
    halt = operator(state, rules=rules).halt("elsewhere", reason="INC-12", for_=60.0, unknown=True).halt
    assert halt.stays
    with pytest.raises(ControlError, match="not-self"):
        operator(state, rules=rules).resume("elsewhere", reason="it is fine")
    assert not operator(state, rules=rules).halt("low-risk", reason="INC-13", for_=60.0).halt.stays


@pytest.mark.parametrize(
    ("key", "other", "hint"),
    [("a", None, "; name the key that is halted"), (None, "a", "; it was halted without a key, or for another")],
)
def test_who_resumes_with_another_key_is_told_so(state: Path, key: str | None, other: str | None, hint: str) -> None:
    """The name itself is right, and no other is near."""
    operator(state).halt("low-risk", reason="INC-12", key=key)
    with pytest.raises(ControlError, match="not-halted") as refused:
        operator(state).resume("low-risk", reason="it is fine", key=other)
    assert hint in str(refused.value)
    assert "did you mean" not in str(refused.value)


def test_a_process_that_starts_without_the_gates_file_does_not_take_nothing_for_clear(state: Path) -> None:
    """Where there is a record, the file was lost: nothing is known until a control operation brings it back."""
    operator(state).halt("high-risk", reason="INC-12")
    GateFile(state).path.unlink()
    clock = HandClock()
    gate = gate_at(state, clock)
    unsure = Switch("high-risk", gate, risk="high", on_stale="off").halted()
    assert unsure is not None
    assert "the next `aiguard halt` or `aiguard resume` brings it back" in unsure.message
    assert Switch("another", gate).halted() is None
    assert not GateFile(state).path.exists()
    with contextlib.suppress(ControlError):  # which is not halted
        operator(state, "ben").resume("low-risk", reason="to bring it back")
    clock.moment += PROVEN
    halted = Switch("high-risk", gate, risk="high", on_stale="off").halted()
    assert halted is not None
    assert "INC-12" in halted.message


def test_a_record_is_never_made_before_the_gates_file(state: Path) -> None:
    """Of a refusal too: else the first call would take the file for lost."""
    with pytest.raises(ControlError):
        operator(state).halt("low-risk", reason="")
    assert GateFile(state).read().halts == ()
    assert Switch("low-risk", gate_at(state), risk="high", on_stale="off").halted() is None


def test_a_damaged_gate_resumes_nothing_when_it_is_made_anew(state: Path) -> None:
    """The first write after the damage has everything that the record knows."""
    operator(state).halt("low-risk", reason="INC-12")
    with GateFile(state).path.open("r+b") as file:
        file.truncate(100)
    written: list[list[str]] = []
    control = operator(state)
    change = control.gate.change

    class Watched(GateFile):
        def change(self, fn: Any) -> Any:
            after = change(fn)
            written.append([halt.boundary for halt in after.halts])
            return after

    control.gate = Watched(state)
    control.halt("medium-risk", reason="INC-13")
    assert written[0] == ["low-risk", "medium-risk"]


def test_what_was_lifted_and_still_stands_is_taken_out(state: Path) -> None:
    """As where a process was killed between the record of a resume and the gate."""
    control = operator(state)
    halt = control.halt("low-risk", reason="INC-12").halt
    control.resume("low-risk", reason="it is fine")
    GateFile(state).change(lambda halts: (*halts, halt))
    control.halt("medium-risk", reason="INC-13")
    assert gate(state) == [("medium-risk", True)]


def test_a_spoiled_state_stops_no_stop(state: Path) -> None:
    """The halt holds by the gate's file; nothing is resumed."""
    operator(state).halt("low-risk", reason="INC-12")
    with contextlib.closing(sqlite3.connect(operator(state).store.path, isolation_level=None)) as connection:
        connection.execute("UPDATE halts SET halt = 'notes'")
    done = operator(state).halt("medium-risk", reason="INC-13")
    assert "audit verify" in str(done.unrecorded)
    assert gate(state) == [("low-risk", True), ("medium-risk", False)]
    with pytest.raises(StoreError, match="damaged"):
        operator(state, "ben").resume("low-risk", reason="it is fine")
    assert [flaw.kind for flaw in verified(state).flaws] == ["state"]


def test_a_gate_that_cannot_be_written_halts_nothing_and_says_so(state: Path) -> None:
    """The refusal is recorded."""
    GateFile(state).path.mkdir(parents=True)
    with pytest.raises(ControlError, match="nothing is halted") as refused:
        operator(state).halt("low-risk", reason="INC-12")
    assert refused.value.rule == "gate"
    assert recorded(state)[0]["rule"] == "gate"


def test_the_functions_act_as_the_user_of_the_system(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of the user's name."""
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    monkeypatch.setenv("USER", "anna")
    monkeypatch.setenv("LOGNAME", "anna")
    monkeypatch.chdir(state.parent)
    halt = aiguard.control.halt("triage", reason="INC-12", unknown=True).halt
    assert halt.by == Control(state).actor.person != "anna"
    assert aiguard.control.halts() == (halt,)
    assert aiguard.control.resume("triage", reason="it is fine").lifted == (halt,)


FILE = """
version: 1
boundaries:
  triage: {deadline: 2.0, risk: high, fallback: [{call: "not.there:yet"}]}
directory:
  people: {anna: {name: Anna Example}}
control: {halt: [anna]}
"""


def test_the_functions_go_by_the_file(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where what it imports is not there: the operator's machine need not be the program's."""
    (state.parent / "aiguard.yaml").write_text(FILE)
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    monkeypatch.chdir(state.parent)
    with pytest.raises(aiguard.ControlError, match="is no person of the directory"):
        aiguard.control.halt("triage", reason="INC-12")
    monkeypatch.setattr("aiguard.governance.directory.Directory.acting", staticmethod(lambda: "anna"))
    halt: Halt = aiguard.control.halt("triage", reason="INC-12", for_=60.0).halt
    assert (halt.by, halt.stays) == ("anna", True)
    with pytest.raises(aiguard.ControlError, match="lists nobody"):
        aiguard.control.resume("triage", reason="it is fine")


OPERATOR = """
import sys
from pathlib import Path
from aiguard.governance.control import Control
for number in range(int(sys.argv[2])):
    Control(Path(sys.argv[1])).halt(sys.argv[3], reason="INC-12", unknown=True)
    if number:
        Control(Path(sys.argv[1])).resume(sys.argv[3], reason="it is fine")
"""


def test_four_operators_at_once_leave_one_chain_and_one_state(state: Path) -> None:
    """What one finds of another's in between is nobody's loss."""
    operators = [subprocess.Popen([sys.executable, "-c", OPERATOR, str(state), "10", name]) for name in "abcd"]
    assert [one.wait(120.0) for one in operators] == [0] * 4
    with operator(state).store.read() as reading:
        in_force = set(reading.in_force())
    assert {halt.id for halt in operator(state).halts()} == in_force == set()
    assert verified(state).flaws == ()
