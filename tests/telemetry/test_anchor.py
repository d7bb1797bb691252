"""The head of the record of control events, told to OpenTelemetry's log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import SeverityNumber

from aiguard.governance.store import Actor, Store

if TYPE_CHECKING:
    from pathlib import Path

    from tests.telemetry.conftest import Recorded


def test_each_commit_tells_the_head_of_the_record(recorded: Recorded, tmp_path: Path) -> None:
    """How many records there are, and the hash up to the last; nothing of what they say."""
    anna = Actor("anna", 1001)
    with Store(tmp_path).changed(anna, 1.0) as change:
        change.append("policy", file="secret")
    with Store(tmp_path).changed(anna, 1.0) as change:
        change.append("policy", file="secret")
    told = recorded.logs_named("aiguard.audit.anchor")
    assert [event.severity_number for event in told] == [SeverityNumber.INFO] * 2
    assert [event.attributes["aiguard.audit.seq"] for event in told] == [1, 2]
    assert dict(told[1].attributes) == {"aiguard.audit.seq": 2, "aiguard.audit.hash": change.head.hash}
