"""What a process knows of halts, and the switch of each boundary: read seldom, armed, and honest about it."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import switch as module
from aiguard.failure import FailureKind
from aiguard.gate_file import GateFile, OpenGate
from aiguard.halts import EVERY, Halt
from aiguard.state_directory import state_directory
from aiguard.switch import FRESH, PROVEN, STALE, Gate, Known, Switch
from tests.halting import HandClock, gate_at, halt, halt_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiguard.risk import OnStale, Risk


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Return where a state directory may be made."""
    return tmp_path / "state"


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that the test moves."""
    return HandClock()


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what telemetry hears of broken gates."""
    heard: list[str] = []
    monkeypatch.setattr(module, "broken", heard.append)
    return heard


def said(switch: Switch, key: object = None) -> str | None:
    """Return why the switch lets nobody through."""
    failure = switch.halted(key)
    if failure is None:
        return None
    assert (failure.kind, failure.stage) == (FailureKind.HALTED, "gate")
    return failure.message


@dataclass(frozen=True)
class Case:
    """What is halted, who asks, and whether it is turned away."""

    halt: Halt
    key: object
    is_halted: bool


class Unspeakable:
    """A key without a text."""

    def __str__(self) -> str:
        raise LookupError


@pytest.mark.parametrize(
    "case",
    [
        Case(halt_of("triage"), None, is_halted=True),
        Case(halt_of("triage"), "tenant-7", is_halted=True),
        Case(halt_of(EVERY), None, is_halted=True),
        Case(halt_of("summary"), None, is_halted=False),
        Case(halt_of("triage", key="tenant-7"), "tenant-7", is_halted=True),
        Case(halt_of("triage", key="tenant-7"), "tenant-8", is_halted=False),
        Case(halt_of("triage", key="tenant-7"), None, is_halted=False),
        Case(halt_of("triage", key="None"), None, is_halted=False),
        Case(halt_of("triage", key="7"), 7, is_halted=True),
        Case(halt_of("triage", key="('a', 1)"), ("a", 1), is_halted=True),
        Case(halt_of(EVERY, key="tenant-7"), "tenant-7", is_halted=True),
        Case(halt_of("triage", key="tenant-7"), Unspeakable(), is_halted=False),
        Case(halt_of("triage", until=2000.0), None, is_halted=True),
        Case(halt_of("triage", until=999.0), None, is_halted=False),
        Case(halt_of("triage", until=999.0, stays=True), None, is_halted=True),
    ],
)
def test_who_is_turned_away(state: Path, clock: HandClock, case: Case) -> None:
    """By boundary and key; who, why and since when is said."""
    halt(state, case.halt)
    switch = Switch("triage", gate_at(state, clock))
    expected = "halted by anna since 1970-01-01T00:00:00Z: INC-12" if case.is_halted else None
    assert said(switch, case.key) == said(switch, case.key) == expected


def test_the_first_call_arms_the_gate_and_none_before(state: Path) -> None:
    """Nothing is made at import, or where a boundary is only declared."""
    gate = gate_at(state)
    switch = Switch("triage", gate)
    assert gate.age() is None
    assert not state.exists()
    assert said(switch) is None
    assert (state / "gate").is_file()
    age = gate.age()
    assert age is not None
    assert age < 10.0


def test_a_halt_and_a_resume_are_seen_by_the_next_call_that_looks(state: Path) -> None:
    """In a process that has seen none so far."""
    switch = Switch("triage", gate_at(state))
    assert said(switch) is None
    halt(state, halt_of("triage"))
    assert said(switch) is not None
    halt(state)
    assert said(switch) is None


def test_a_process_that_starts_during_a_halt_starts_halted(state: Path) -> None:
    """Its first call is turned away."""
    halt(state, halt_of("triage"))
    assert said(Switch("triage", gate_at(state))) is not None


def test_the_file_is_read_at_most_once_a_millisecond(
    state: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many boundaries ask however often."""
    gate = Gate(lambda: state, clock)
    switches = [Switch("triage", gate), Switch("summary", gate)]
    for switch in switches:
        switch.halted()
    reads = []
    real = OpenGate.head

    def head(opened: OpenGate) -> bytes:
        reads.append(clock.moment)
        return real(opened)

    monkeypatch.setattr(OpenGate, "head", head)
    halt(state, halt_of("triage"))
    for _ in range(10):
        assert [said(switch) for switch in switches] == [None, None]
    assert reads == []
    clock.moment += FRESH
    for _ in range(10):
        assert [said(switch) is not None for switch in switches] == [True, False]
    assert reads == [clock.moment]


def test_a_switch_by_hand_is_the_same_check(state: Path) -> None:
    """Off, whatever the file says, and told as what it is; on again, what the file says counts."""
    switch = Switch("triage", gate_at(state), off=True)
    assert said(switch) == "the boundary is switched off"
    switch.off = False
    assert said(switch) is None
    halt(state, halt_of("triage"))
    assert said(switch) is not None
    assert not switch.off
    switch.off = True
    assert said(switch) == "the boundary is switched off"


def test_switched_off_while_others_look_it_is_off(state: Path) -> None:
    """Whoever has just found nothing in the way does not forget it."""
    switch = Switch("triage", gate_at(state))
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            switch.halted()

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(2000):
        switch.off = True
        assert switch.halted() is not None
        switch.off = False
        assert switch.halted() is None
    ended.set()
    for thread in threads:
        thread.join()


class Hasty(Switch):
    """A switch that somebody turns off just while a call looks."""

    __slots__ = ()

    def _about(self, known: Known) -> list[Halt]:
        self.off = True
        return super()._about(known)


def test_switched_off_just_while_a_call_looks_it_is_off_for_the_next() -> None:
    """What that call found is not kept."""
    switch = Hasty("triage")
    assert said(switch) is None
    assert said(switch) == "the boundary is switched off"


def test_a_change_of_risk_counts_at_once(state: Path, clock: HandClock) -> None:
    """At a high risk a halt that has run out holds."""
    halt(state, halt_of("triage", until=999.0))
    switch = Switch("triage", gate_at(state, clock))
    assert said(switch) is None
    switch.configure("high", "keep")
    assert said(switch) is not None
    assert len(switch.halts()) == 1
    switch.configure("low", "keep")
    assert said(switch) is None
    assert switch.halts() == ()


def test_what_is_in_force_can_be_asked_for(state: Path) -> None:
    """The halts of keys too; not those of other boundaries."""
    mine, keyed = halt_of("triage"), halt_of("triage", key="tenant-7")
    halt(state, mine, halt_of("summary"), keyed)
    assert Switch("triage", gate_at(state)).halts() == (mine, keyed)


# --- the channel


BROKEN = {
    "renamed": lambda state: (state / "gate").rename(state / "away"),
    "removed": lambda state: (state / "gate").unlink(),
    "emptied": lambda state: os.truncate(state / "gate", 0),
    "cut": lambda state: os.truncate(state / "gate", 100),
    "a directory": lambda state: ((state / "gate").unlink(), (state / "gate").mkdir()),
    "writable by all": lambda state: (state / "gate").chmod(0o666),
    "its directory gone": lambda state: state.rename(state.with_name("moved")),
}


@pytest.mark.parametrize("breaks", BROKEN)
@pytest.mark.parametrize("halted", [False, True])
def test_what_was_known_last_stands_where_the_channel_breaks(
    state: Path, clock: HandClock, told: list[str], caplog: pytest.LogCaptureFixture, breaks: str, *, halted: bool
) -> None:
    """It is told, once; where that is the boundary's choice, it is halted once the last proof is too old."""
    halt(state, *([halt_of("triage")] if halted else []))
    gate = gate_at(state, clock)
    keeps, stops = Switch("triage", gate), Switch("triage", gate, on_stale="off")
    assert (said(keeps) is not None, said(stops) is not None) == (halted, halted)
    BROKEN[breaks](state)
    for _ in range(int(STALE)):
        clock.moment += PROVEN
        assert (said(keeps) is not None, said(stops) is not None) == (halted, halted)
    assert len(told) == 1
    assert [one.levelno for one in caplog.records] == [logging.WARNING]
    assert caplog.messages == [f"nobody can halt a boundary in this process: {told[0]}"]
    assert gate.age() == STALE
    clock.moment += PROVEN
    assert (said(keeps) is not None) is halted
    if halted:
        assert said(stops) == "halted by anna since 1970-01-01T00:00:00Z: INC-12"
    else:
        assert said(stops) == f"whether the boundary is halted is not known: {told[0]}"
    assert len(told) == 1


@pytest.mark.parametrize("breaks", [name for name in BROKEN if name != "a directory"])
def test_a_halt_mends_the_channel(state: Path, clock: HandClock, told: list[str], breaks: str) -> None:
    """Whatever it was, and whoever was cut off hears of it with the next proof."""
    gate = gate_at(state, clock)
    switch = Switch("triage", gate, on_stale="off")
    assert said(switch) is None
    BROKEN[breaks](state)
    clock.moment += 2 * STALE
    assert said(switch) is not None
    halt(state, halt_of("triage"))
    clock.moment += PROVEN
    assert said(switch) == "halted by anna since 1970-01-01T00:00:00Z: INC-12"
    assert gate.age() == 0.0
    halt(state)
    assert said(switch) is None
    assert told[1:] in ([], [f"'{state / 'gate'}' is another file than the one that was opened"])


def test_what_was_mended_in_place_is_proven_at_once(state: Path, clock: HandClock) -> None:
    """Nobody is kept off until the next second."""
    gate = gate_at(state, clock)
    switch = Switch("triage", gate, on_stale="off")
    switch.halted()
    BROKEN["emptied"](state)
    clock.moment += 2 * STALE
    assert said(switch) is not None
    halt(state)
    assert said(switch) is None


def test_another_file_in_its_place_is_opened(state: Path, clock: HandClock, told: list[str]) -> None:
    """It is told, and over."""
    gate = gate_at(state, clock)
    switch = Switch("triage", gate)
    assert said(switch) is None
    halt(state.with_name("other"), halt_of("triage"))
    (state.with_name("other") / "gate").replace(state / "gate")
    clock.moment += PROVEN
    assert said(switch) is not None
    assert gate.known.why is None
    assert gate.age() == 0.0
    [why] = told
    assert "is another file" in why


def test_a_file_that_was_made_anew_lifts_nothing(state: Path, clock: HandClock) -> None:
    """Nobody has written to it; once somebody has, it counts."""
    halt(state, halt_of("triage"))
    switch = Switch("triage", gate_at(state, clock))
    assert said(switch) is not None
    (state / "gate").unlink()
    assert said(Switch("triage", gate_at(state))) is None  # a process that starts now makes it, and knows nothing
    clock.moment += PROVEN
    assert said(switch) is not None
    halt(state)
    assert said(switch) is None


def test_each_cause_is_told_once(state: Path, clock: HandClock, told: list[str]) -> None:
    """Also where one follows another."""
    gate = gate_at(state, clock)
    switch = Switch("triage", gate)
    switch.halted()
    for broken in ("emptied", "renamed"):
        BROKEN[broken](state)
        for _ in range(3):
            clock.moment += PROVEN
            switch.halted()
    assert ["truncated" in told[0], "not there" in told[1], len(told)] == [True, True, 2]


@dataclass(frozen=True)
class Unarmed:
    """What holds where the gate could never be armed."""

    risk: Risk
    on_stale: OnStale
    is_halted: bool


@pytest.mark.parametrize(
    "case",
    [Unarmed("medium", "keep", is_halted=False), Unarmed("high", "off", is_halted=True)],
)
def test_a_process_that_cannot_be_armed_says_so_once_and_tries_again(
    state: Path, clock: HandClock, told: list[str], case: Unarmed
) -> None:
    """Where that is the boundary's choice, it is halted at once: nobody could ever stop it."""
    state.touch()
    gate = gate_at(state, clock)
    switch = Switch("triage", gate, risk=case.risk, on_stale=case.on_stale)
    for _ in range(3):
        assert (said(switch) is not None) is case.is_halted
        clock.moment += PROVEN
    assert len(told) == 1
    assert "cannot be made" in told[0]
    assert gate.age() == 3 * PROVEN
    state.unlink()
    clock.moment += PROVEN
    assert said(switch) is None
    assert gate.age() == 0.0


def test_without_a_home_a_process_runs_unarmed(monkeypatch: pytest.MonkeyPatch, told: list[str]) -> None:
    """And says what to set."""
    for name in ("AIGUARD_STATE", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def nowhere() -> Path:
        raise RuntimeError

    monkeypatch.setattr("pathlib.Path.home", nowhere)
    assert said(Switch("triage", Gate(state_directory))) is None
    assert "AIGUARD_STATE" in told[0]


def test_a_gate_without_a_file_lets_everybody_through() -> None:
    """For what is tried without one; it is never stale."""
    gate = Gate()
    switch = Switch("triage", gate, risk="high", on_stale="off")
    assert said(switch) is None
    assert switch.halts() == ()
    assert said(switch) is None
    assert gate.age() is None


# --- threads and forks


def test_whoever_comes_first_waits_for_what_the_file_says(state: Path) -> None:
    """Of many threads that call at once, none slips through a halt."""
    halt(state, halt_of("triage"))
    switch = Switch("triage", gate_at(state))
    begin = threading.Barrier(8)
    found = []

    def ask() -> None:
        begin.wait()
        found.append(switch.halted())

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert None not in found


@pytest.fixture
def held(state: Path) -> Iterator[Gate]:
    """Return a gate at which another thread is just reading."""
    gate = gate_at(state)
    gate.look()
    inside, let_go = threading.Event(), threading.Event()

    def reading() -> None:
        with gate._lock:
            inside.set()
            let_go.wait()

    thread = threading.Thread(target=reading)
    thread.start()
    inside.wait()
    yield gate
    let_go.set()
    thread.join()


def test_nobody_waits_for_who_reads(held: Gate) -> None:
    """One who reads is enough: the others go by what is known."""
    assert said(Switch("triage", held)) is None


def test_a_forked_process_reads_by_itself(held: Gate, state: Path) -> None:
    """Also where a thread of its parent was just reading."""
    switch = Switch("triage", held)
    halt(state, halt_of("triage"))
    pid = os.fork()
    if pid == 0:  # pragma: no cover - another process
        os._exit(0 if switch.halted() is not None else 1)
    assert os.waitpid(pid, 0)[1] == 0


# --- over time


@settings(deadline=None)
@given(
    steps=st.lists(
        st.sampled_from(
            ["halt", "halt for 5 s", "halt a key", "resume", "wait 1 s", "wait 10 s", "restart", "back 60 s"]
        ),
        max_size=12,
    ),
    risk=st.sampled_from(["low", "high"]),
)
def test_a_switch_stands_at_what_was_said_last(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str], risk: Risk
) -> None:
    """Over halts, resumes, expiry, restarts and clocks that step back."""
    state = tmp_path_factory.mktemp("state") / "state"
    clock = HandClock()
    wall = [1_000_000.0]
    clock.wall = lambda: wall[0]  # type: ignore[method-assign]
    switch = Switch("triage", gate_at(state, clock), risk=risk)
    until: float | None = None
    is_halted = keyed = False
    for step in steps:
        match step:
            case "halt":
                is_halted, keyed, until = True, False, None
                halt(state, halt_of("triage"))
            case "halt for 5 s":
                is_halted, keyed, until = True, False, wall[0] + 5.0
                halt(state, halt_of("triage", until=until))
            case "halt a key":
                is_halted, keyed, until = True, True, None
                halt(state, halt_of("triage", key="7"))
            case "resume":
                is_halted = False
                halt(state)
            case "restart":
                switch = Switch("triage", gate_at(state, clock), risk=risk)
            case "back 60 s":
                wall[0] -= 60.0
            case _:
                seconds = float(step.split()[1])
                clock.moment += seconds
                wall[0] += seconds
        holds = is_halted and (until is None or risk == "high" or wall[0] < until)
        assert (switch.halted() is not None) is (holds and not keyed)
        assert (switch.halted(7) is not None) is holds


def test_a_directory_that_cannot_be_looked_into_is_no_callers_error(
    state: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever the system raises, the process runs unarmed and says so once."""

    def raises(_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(GateFile, "is_lost", raises)
    gate = gate_at(state, clock)
    assert said(Switch("triage", gate)) is None
    assert "PermissionError" in (said(Switch("triage", gate, on_stale="off")) or "")
    clock.moment += PROVEN
    assert said(Switch("triage", gate)) is None
    assert len(caplog.messages) == 1


def test_who_waits_for_a_disk_keeps_nobody_from_doubting(state: Path, clock: HandClock) -> None:
    """A reader that hangs holds the lock; the others know by the time alone that nothing was proven of late."""
    halt(state)
    gate = gate_at(state, clock)
    switch = Switch("triage", gate, on_stale="off")
    assert said(switch) is None
    hangs, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with gate._lock:
            hangs.set()
            go_on.wait(20.0)

    reader = threading.Thread(target=hold)
    reader.start()
    assert hangs.wait(20.0)
    clock.moment += STALE
    assert said(switch) is None
    clock.moment += 1.0
    doubted = said(switch)
    go_on.set()
    reader.join()
    assert doubted is not None
    assert "its file does not answer" in doubted
    assert said(switch) is None


def test_what_interrupts_a_reader_hides_no_halt(state: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had begun to read is read again."""
    halt(state)
    gate = gate_at(state, clock)
    switch = Switch("triage", gate)
    assert said(switch) is None
    halt(state, halt_of("triage"))
    with monkeypatch.context() as patched:
        patched.setattr(OpenGate, "state", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            switch.halted()
    assert said(switch) is not None


def test_a_forked_process_reads_what_its_parent_had_begun_to_read(state: Path, clock: HandClock) -> None:
    """The head that the parent has seen says nothing of what the child knows."""
    halt(state)
    gate = gate_at(state, clock)
    switch = Switch("triage", gate)
    assert said(switch) is None
    halt(state, halt_of("triage"))
    assert gate._opened is not None
    gate._head = gate._opened.head()  # as in the middle of a read
    assert said(switch) is None
    gate.forked()
    assert said(switch) is not None
