"""The gate alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard import FailureKind, HaltedError
from aiguard.stages.gate import GateStage
from aiguard.switch import Switch
from tests.halting import gate_at, halt, halt_of
from tests.stages.fakes import Rest, call_for, failing, run

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.call import Call
    from aiguard.testing import VirtualClock


def test_on_it_lets_through(clock: VirtualClock) -> None:
    """A boundary that is on runs."""
    assert run(GateStage(Switch(off=False)), Rest("ok"), call_for(clock)) == "ok"


def test_off_it_turns_away(clock: VirtualClock) -> None:
    """A boundary that is off never reaches the component, and says `halted`."""
    rest = Rest("never")
    with pytest.raises(HaltedError) as caught:
        run(GateStage(Switch(off=True)), rest, call_for(clock))
    assert (caught.value.failure.kind, caught.value.failure.stage) == (FailureKind.HALTED, "gate")
    assert not rest.calls


def test_switched_off_while_a_call_runs_its_answer_stays_in(clock: VirtualClock) -> None:
    """Whoever halts a boundary sees no answer of it afterwards, in no frame of the error either."""
    switch = Switch(off=False)

    def halt(_: Call) -> str:
        switch.off = True
        return "an answer"

    with pytest.raises(HaltedError) as caught:
        run(GateStage(switch), Rest(halt), call_for(clock))
    assert caught.value.__traceback__ is not None
    frames = caught.value.__traceback__.tb_next  # the first is this one
    while frames is not None:
        assert "an answer" not in frames.tb_frame.f_locals.values()
        frames = frames.tb_next


def test_a_halt_says_who_why_and_since_when(clock: VirtualClock, tmp_path: Path) -> None:
    """In the failure's message, as the operator said it."""
    halt(tmp_path / "state", halt_of("triage"))
    stage = GateStage(Switch("triage", gate_at(tmp_path / "state")))
    with pytest.raises(HaltedError) as caught:
        run(stage, Rest("never"), call_for(clock))
    assert caught.value.failure.message == "halted by anna since 1970-01-01T00:00:00Z: INC-12"


def test_a_halt_of_a_key_is_for_its_calls(clock: VirtualClock, tmp_path: Path) -> None:
    """Before and after, and for no others."""
    state = tmp_path / "state"
    stage = GateStage(Switch("triage", gate_at(state)))
    mine, other = call_for(clock), call_for(clock)
    mine.journal.key, other.journal.key = 7, 8

    def halting(_: Call) -> str:
        halt(state, halt_of("triage", key="7"))
        return "an answer"

    with pytest.raises(HaltedError):
        run(stage, Rest(halting), mine)
    rest = Rest("never")
    with pytest.raises(HaltedError):
        run(stage, rest, mine)
    assert not rest.calls
    assert run(stage, Rest("ok"), other) == "ok"


def test_switched_on_again_it_runs(clock: VirtualClock) -> None:
    """The switch is read at each call."""
    switch = Switch(off=True)
    stage = GateStage(switch)
    switch.off = False
    assert run(stage, Rest("ok"), call_for(clock)) == "ok"


def test_a_failure_of_the_component_passes(clock: VirtualClock) -> None:
    """The gate changes no error."""
    error = failing(FailureKind.CONNECTION)
    with pytest.raises(type(error)) as caught:
        run(GateStage(Switch(off=False)), Rest(error), call_for(clock))
    assert caught.value is error
