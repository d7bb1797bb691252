"""What an operator hears of the gate: how long ago it was proven, and that it is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry._logs import SeverityNumber

from aiguard.switch import PROVEN, STALE, Gate, Switch
from aiguard.telemetry import gauges
from tests.halting import HandClock, gate_at

if TYPE_CHECKING:
    from pathlib import Path

    from tests.telemetry.conftest import Recorded


@pytest.fixture
def clock() -> HandClock:
    """Return a clock that the test moves."""
    return HandClock()


@pytest.fixture
def gate(tmp_path: Path, clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """Return the gate of the process, as its gauge has it."""
    gate = gate_at(tmp_path / "state", clock)
    monkeypatch.setattr(gauges, "PROCESS", gate)
    return gate


def ages(recorded: Recorded) -> list[float]:
    """Return what the gauge shows."""
    return list(recorded.series("aiguard.gate.proof_age").values())


def test_the_age_of_the_last_proof_is_a_gauge(recorded: Recorded, gate: Gate, clock: HandClock, tmp_path: Path) -> None:
    """Nothing before the first call; whoever collects proves it, so that an idle process is seen to be armed too."""
    assert ages(recorded) == []
    Switch("triage", gate).halted()
    assert ages(recorded) == [0.0]
    clock.moment += PROVEN / 2
    assert ages(recorded) == [PROVEN / 2]
    clock.moment += STALE
    assert ages(recorded) == [0.0]
    (tmp_path / "state" / "gate").unlink()
    clock.moment += STALE
    assert ages(recorded) == [STALE]


def test_a_broken_gate_is_a_log_event(recorded: Recorded, gate: Gate, clock: HandClock, tmp_path: Path) -> None:
    """An error, once for each cause, with what is wrong."""
    switch = Switch("triage", gate)
    switch.halted()
    path = tmp_path / "state" / "gate"
    path.unlink()
    for _ in range(3):
        clock.moment += PROVEN
        switch.halted()
    [told] = recorded.logs_named("aiguard.gate.broken")
    assert told.severity_number is SeverityNumber.ERROR
    assert dict(told.attributes) == {"aiguard.gate.cause": f"'{path}' is not there"}
