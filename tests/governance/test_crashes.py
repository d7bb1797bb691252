"""Writers of control events, killed at random moments: some here, a thousand in `make soak`."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from aiguard.gate_file import GateFile
from aiguard.governance.store import Store
from tests.governance.crashes import Campaign, LostError, control_of

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 30


def test_no_kill_loses_what_was_acknowledged(state: Path) -> None:
    """The chain holds, and the gate's file and the store agree after the next operation."""
    campaign = Campaign(state, seed=7)
    for _ in range(KILLS):
        campaign.kill_one()
    assert campaign.kills == KILLS
    assert campaign.acknowledged > 0


def test_a_campaign_finds_what_is_lost(state: Path) -> None:
    """A halt that is not there, a resume that is not, an edited record."""
    campaign = Campaign(state, seed=7)
    halt = control_of(state, 0).halt("triage", reason="INC-12", unknown=True).halt
    with pytest.raises(LostError, match="halt f is not on the record"):
        campaign.check([["halt", "f", "1"]])
    with pytest.raises(LostError, match="another number"):
        campaign.check([["halt", halt.id, "7"]])
    with pytest.raises(LostError, match="the acknowledged resume"):
        campaign.check([["resume", halt.id]])
    campaign.check([["halt", halt.id, "1"]])
    with contextlib.closing(sqlite3.connect(Store(state).path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER audit_is_not_edited")
        connection.execute("UPDATE audit SET record = replace(record, 'INC-12', 'INC-13') WHERE seq = 1")
    with pytest.raises(LostError, match="the chain does not hold"):
        campaign.check([])


def test_a_campaign_finds_a_gate_that_differs(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where nothing brought it and the store together."""
    campaign = Campaign(state, seed=7)
    control_of(state, 0).halt("triage", reason="INC-12", unknown=True)
    monkeypatch.setattr("aiguard.governance.control.reconcile", lambda *_: frozenset())
    GateFile(state).change(lambda _: ())
    with pytest.raises(LostError, match="do not agree"):
        campaign.check([])
