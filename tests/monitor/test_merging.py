"""Several processes' answers, boundary by boundary."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from aiguard.monitor.merging import merged, merged_calls, now_of
from tests.monitor.incident import Incident

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.testing import VirtualClock


def test_counts_are_added_and_the_worst_is_shown(clock: VirtualClock, tmp_path: Path) -> None:
    """Of a boundary that two processes have, one of them in trouble."""
    answers = Incident(clock, tmp_path).states().answers
    embed, triage = merged(answers)
    assert (embed["name"], triage["name"]) == ("embed", "ticket-triage")
    assert (triage["processes"], triage["owner"], triage["mode"], triage["breaker"]) == (2, "support-ml", "on", "open")
    assert [(one["pid"], one["breaker"]["state"]) for one in triage["breakers"]] == [(4711, "closed"), (4712, "open")]
    assert triage["permits"] == {"limit": 16, "in_flight": 0, "queued": 0, "queue": 0}
    assert triage["outcomes"] == {"success": 60, "fallback": 60}
    assert triage["degraded"] == triage["minute"]["fallback"] / sum(triage["minute"].values())
    assert triage["failed"] == 0.0
    assert embed["budget"] is not None
    assert (embed["budget"]["calls"], embed["budget"]["calls_limit"]) == (120, 2000)
    rates = [
        sum(boundary["minute"]["outcomes"].values()) / boundary["minute"]["seconds"]
        for answer in answers
        for boundary in answer["boundaries"]
        if boundary["name"] == "embed"
    ]
    assert embed["rate"] == pytest.approx(sum(rates))


def test_failures_are_the_last_of_each_kind(clock: VirtualClock, tmp_path: Path) -> None:
    """The latest first, with the process it was in."""
    _, triage = merged(Incident(clock, tmp_path).states().answers)
    assert [(one["pid"], one["failure"]["kind"]) for one in triage["failures"]] == [
        (4712, "circuit_open"),
        (4712, "connection"),
    ]
    assert triage["kinds"]["circuit_open"] > triage["kinds"]["connection"]


def test_processes_that_differ_say_so(clock: VirtualClock, tmp_path: Path) -> None:
    """A mode that was switched in one of them is mixed, and both owners are named."""
    first, second = json.loads(json.dumps(Incident(clock, tmp_path).states().answers))
    second["boundaries"][0] |= {"mode": "off", "owner": "platform", "permits": None}
    triage = merged([first, second])[1]
    assert (triage["mode"], triage["owner"]) == ("mixed", "platform, support-ml")
    assert triage["permits"] == first["boundaries"][0]["permits"]


def test_calls_of_all_are_in_the_order_of_time(clock: VirtualClock, tmp_path: Path) -> None:
    """And the last of them are kept, wherever they ran."""
    answers = Incident(clock, tmp_path).traces().answers
    calls = merged_calls(answers, 1000)
    assert {one["pid"] for one in calls} == {4711, 4712}
    assert [one["call"]["ended"] for one in calls] == sorted(one["call"]["ended"] for one in calls)
    assert merged_calls(answers, 3) == calls[-3:]
    assert now_of(answers) >= calls[-1]["call"]["ended"]


def test_nothing_merges_to_nothing() -> None:
    """Where no process answers."""
    assert merged([]) == []
    assert merged_calls([], 10) == []
    assert now_of([]) == 0.0
