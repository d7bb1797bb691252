"""What a process tells of its boundaries."""

from __future__ import annotations

import json
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter

from aiguard import Boundary, Breaker, Budget, Bulkhead, OutputContract, Owner, Retry, guard
from aiguard.engine.state import SURROUNDINGS
from aiguard.gate_file import GateFile
from aiguard.halts import Halt
from aiguard.monitor.record import answer_of
from aiguard.monitor.schema import StateAnswer, TraceAnswer
from aiguard.monitor.snapshot import state_of_process, trace_of_process
from aiguard.switch import Gate
from tests.monitor.incident import CANARY, Incident
from tests.shapes import HttpError, Takes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiguard.monitor.schema import BoundaryAnswer
    from aiguard.monitor.watch import Watch
    from aiguard.testing import VirtualClock
    from tests.shapes import Harness

    Scenario = Callable[..., Harness]


def told(watch: Watch, name: str = "scenario") -> BoundaryAnswer:
    """Return what is told of a boundary, through JSON and the schema, as a client reads it."""
    answer = TypeAdapter(StateAnswer).validate_json(json.dumps(state_of_process(watch)), strict=False)
    [found] = [boundary for boundary in answer["boundaries"] if boundary["name"] == name]
    return found


def test_a_boundary_that_was_never_called_is_told_of(clock: VirtualClock, watch: Watch) -> None:
    """With what it is, and no figures that nobody measured."""
    del clock
    Boundary("embed", owner="search", dependency="provider", deadline=1.0, mode="off", bulkhead=Bulkhead(limit=4))
    assert dict(told(watch, "embed")) == {
        "name": "embed",
        "owner": "search",
        "runbook": None,
        "risk": "medium",
        "dependency": "provider",
        "mode": "off",
        "halts": [],
        "gate": None,
        "breakers": [],
        "cooldown_until": None,
        "permits": {"limit": 4, "in_flight": 0, "queued": 0, "queue": 0},
        "abandoned": 0,
        "minute": {
            "seconds": 0.0,
            "outcomes": {},
            "kinds": {},
            "durations": [],
            "p50": None,
            "p95": None,
            "p99": None,
        },
        "outcomes": {},
        "failures": [],
        "contracts": {},
        "budget": None,
    }


def test_whose_it_is_and_who_halted_it_is_told_of(
    clock: VirtualClock, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the runbook, what is at stake, and why; one that is halted for a key alone is on."""
    monkeypatch.setattr(SURROUNDINGS, "gate", Gate(lambda: tmp_path, clock))
    owner = Owner(team="search", person="anna", runbook="https://x")
    Boundary("embed", owner=owner, risk="high", deadline=1.0)
    Boundary("rank", deadline=1.0)
    halt = Halt("1" * 32, "embed", None, "anna", "INC-12", clock.wall(), clock.wall() + 9.0, stays=True, recorded=True)
    keyed = halt._replace(id="2" * 32, boundary="rank", key="acme", stays=False)
    GateFile(tmp_path).change(lambda halts: (*halts, halt, keyed))
    embed, rank = told(watch, "embed"), told(watch, "rank")
    assert (embed["owner"], embed["runbook"], embed["risk"]) == ("search (anna)", "https://x", "high")
    since = round(clock.wall(), 3)
    said = {"by": "anna", "reason": "INC-12", "since": since}
    assert (embed["mode"], embed["halts"]) == ("halted", [{"id": "1" * 32, "key": None, "until": None} | said])
    assert (rank["mode"], rank["halts"]) == (
        "on",
        [{"id": "2" * 32, "key": "acme", "until": round(since + 9.0, 3)} | said],
    )


def test_a_gate_that_is_broken_is_told_of(
    clock: VirtualClock, watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A boundary that is turned away for that is halted, whoever halted it; another one runs, and says so too."""
    (tmp_path / "file").touch()
    monkeypatch.setattr(SURROUNDINGS, "gate", Gate(lambda: tmp_path / "file" / "state", clock))
    Boundary("embed", risk="high", deadline=1.0)
    Boundary("rank", deadline=1.0)
    embed, rank = told(watch, "embed"), told(watch, "rank")
    assert (embed["mode"], embed["halts"], rank["mode"]) == ("halted", [], "on")
    assert "cannot be made" in str(embed["gate"])
    assert rank["gate"] == embed["gate"]


def test_a_pending_boundary_is_told_of(clock: VirtualClock, watch: Watch) -> None:
    """It waits for its deadline in a file."""
    del clock
    Boundary("embed")
    assert told(watch, "embed")["outcomes"] == {}


def test_an_open_breaker_says_since_when_and_until_when(scenario: Scenario, watch: Watch, clock: VirtualClock) -> None:
    """On the wall clock, as a person reads it."""
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1, open_for=15.0))
    clock.advance(5.0)
    opened = clock.wall()
    harness.fails()
    clock.advance(1.0)
    [breaker] = told(watch)["breakers"]
    assert (breaker["name"], breaker["state"], breaker["since"]) == ("scenario", "open", opened)
    assert breaker["until"] is not None
    assert opened + 13.5 <= breaker["until"] <= opened + 15.0
    assert breaker["moves"] == [{"when": opened, "before": "closed", "state": "open"}]


def test_a_key_whose_breaker_is_open_is_told_of(clock: VirtualClock, watch: Watch) -> None:
    """Beside the breaker without a key; keys whose breakers are closed are not."""
    del clock

    @guard("ask", deadline=1.0, isolation="inline", breaker=Breaker(minimum_calls=1), key=lambda model: model)
    def ask(model: str) -> str:
        if model == "big":
            raise ConnectionError
        return model

    ask.outcome("big")
    ask.outcome("small")
    assert [(one["name"], one["state"]) for one in told(watch, "ask")["breakers"]] == [
        ("ask", "closed"),
        ("ask[big]", "open"),
    ]


def test_a_pause_that_a_server_asked_for_is_told_of(scenario: Scenario, watch: Watch, clock: VirtualClock) -> None:
    """Until it is over."""
    harness = scenario(HttpError(429, {"retry-after": "30"}))
    harness.fails()
    assert told(watch)["cooldown_until"] == pytest.approx(clock.wall() + 30.0)
    clock.advance(31.0)
    assert told(watch)["cooldown_until"] is None


def test_what_is_spent_is_what_the_window_has_not_forgotten(
    scenario: Scenario, watch: Watch, clock: VirtualClock
) -> None:
    """Also where nothing was asked for since."""
    harness = scenario(*repeat("ok", 3), budget=Budget(calls=10, per=60.0))
    harness()
    harness()
    spent: Any = told(watch)["budget"]
    assert (spent["calls"], spent["calls_limit"], spent["tokens_limit"], spent["per"]) == (2, 10, None, 60.0)
    clock.advance(120.0)
    spent = told(watch)["budget"]
    assert spent["calls"] == 0


def test_contracts_are_told_of(scenario: Scenario, watch: Watch) -> None:
    """How many answers kept them."""
    harness = scenario("ok", 7, output=OutputContract(str, name="answer"), fallback=["rung"])
    harness.outcome()
    harness.outcome()
    contracts = told(watch)["contracts"]
    [rates] = contracts.values()
    assert rates["judged"] == 2
    assert rates["broken"] + sum(rates["codes"].values()) >= 1


def test_a_waterfall_has_attempts_waits_and_rungs(scenario: Scenario, watch: Watch) -> None:
    """In the order of time, with why each failed."""
    harness = scenario(
        Takes(0.5, ConnectionError()),
        Takes(0.25, ConnectionError()),
        deadline=4.0,
        retry=Retry(attempts=2),
        fallback=["rung"],
    )
    harness.outcome()
    answer = trace_of_process(watch, boundary="scenario", last=10, failed=True)
    [call] = TypeAdapter(TraceAnswer).validate_json(json.dumps(answer))["calls"]
    assert (call["outcome"], call["kind"], call["stage"], call["rung"]) == (
        "fallback",
        "connection",
        "component",
        "value",
    )
    runs = call["runs"]
    assert [(run["number"], run["reason"], run["rung"], run["kind"]) for run in runs] == [
        (1, "initial", None, "connection"),
        (2, "retry", None, "connection"),
        (None, "fallback", "value", None),
    ]
    assert [run["elapsed"] for run in runs] == [0.5, 0.25, 0.0]
    assert runs[1]["started"] >= 0.5
    assert call["elapsed"] >= 0.75


def test_a_trace_is_of_the_last_calls(scenario: Scenario, watch: Watch, clock: VirtualClock) -> None:
    """As many as are asked for, the oldest first, of one boundary or of all, failed or all."""
    harness = scenario("ok", ConnectionError(), "ok", "ok", fallback=["rung"])

    @guard("other", deadline=1.0, isolation="inline")
    def other() -> str:
        return "ok"

    for _ in range(4):
        harness.outcome()
        clock.advance(1.0)
        other()
        clock.advance(1.0)

    def traced(**how: Any) -> list[tuple[str, str]]:
        asked = {"boundary": None, "last": 100, "failed": False} | how
        return [(call["boundary"], call["outcome"]) for call in trace_of_process(watch, **asked)["calls"]]

    assert len(traced()) == 8
    assert traced(last=3) == [("other", "success"), ("scenario", "success"), ("other", "success")]
    assert traced(boundary="scenario")[1] == ("scenario", "fallback")
    assert traced(failed=True) == [("scenario", "fallback")]
    assert traced(boundary="nobody") == []


def test_nothing_that_was_asked_or_answered_is_told(clock: VirtualClock, watch: Watch, tmp_path: Path) -> None:
    """Prompts, answers and exceptions' texts stay where they are."""
    del watch
    incident = Incident(clock, tmp_path)
    told_of = json.dumps([incident.states().answers, incident.traces().answers])
    assert CANARY not in told_of
    assert "circuit_open" in told_of


def test_a_record_is_plain_data(scenario: Scenario, watch: Watch) -> None:
    """What is kept of a call is what is told of it."""
    harness = scenario("ok")
    harness()
    statistics = watch.statistics("scenario")
    assert statistics is not None
    [record] = statistics.last(failed=False)
    answer = answer_of(record, "scenario", None, 0.0)
    assert json.loads(json.dumps(answer)) == answer
