"""The last calls as waterfalls."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Retry, guard
from aiguard.cli.trace import ended_as, waterfall
from aiguard.monitor.exposure import Exposure
from aiguard.testing import VirtualClock, virtual_time
from tests.cli.commands import run
from tests.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiguard.monitor.merging import MergedCall


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The wall clock of the test is that of nowhere in particular."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def exposed(tmp_path: Path) -> Iterator[Path]:
    """This process, after a call that a rung answered and three of another boundary that went well."""
    with virtual_time() as clock:

        def rules(ticket: str) -> str:
            del ticket
            clock.advance(0.25)
            return "other"

        @guard(
            "triage",
            owner="support-ml",
            deadline=8.0,
            isolation="inline",
            retry=Retry(attempts=2, wait=lambda _: 0.5),
            fallback=[rules],
        )
        def triage(ticket: str) -> str:
            clock.advance(1.0)
            raise ConnectionError(ticket)

        @guard("embed", deadline=1.0, isolation="inline")
        def embed(text: str) -> int:
            clock.advance(0.02)
            return len(text)

        exposure = Exposure()
        exposure.open(tmp_path)
        triage("SECRET-PROMPT")
        for _ in range(3):
            embed("SECRET-PROMPT")
        yield tmp_path
        exposure.close()


def lines_of(one: MergedCall, width: int) -> list[str]:
    """Return the waterfall of a call as plain lines."""
    return [line.plain for line in waterfall(one, width)]


def calls(directory: Path, *arguments: str) -> list[Any]:
    """Return the calls that the command prints as JSON."""
    result = run("trace", "--state", str(directory), "--json", *arguments)
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert (data["version"], data["silent"]) == (1, [])
    found: list[Any] = data["calls"]
    return found


def test_a_waterfall_shows_attempts_waits_and_rungs(exposed: Path) -> None:
    """On the call's own time, with what each ended as."""
    [one] = calls(exposed, "--failed")
    head, *runs = lines_of(one, 200)
    assert head.startswith("22:13:22 triage answered by rules, after connection 2.75s  process ")
    assert head.endswith(", support-ml")
    assert runs == [
        f"  attempt 1           {'':0}{'█' * 20}{'':36}      1s  connection",
        f"  attempt 2 retry     {'':31}{'█' * 20}{'':5}      1s  connection",
        f"  rung rules          {'':51}{'█' * 5}{'':0}   250ms  answered",
    ]


def test_the_page_shows_what_the_command_prints(exposed: Path) -> None:
    """But for the number of the process."""
    [one] = calls(exposed, "--failed")
    one["pid"] = 4711
    lines = "\n".join(lines_of(one, 200))
    assert f"$ aiguard trace --failed --last 1\n{lines}\n```" in PAGES["operations.md"]


def test_the_last_calls_are_printed(exposed: Path) -> None:
    """The oldest first, and nothing of what was asked."""
    result = run("trace", "--state", str(exposed))
    assert result.exit_code == 0
    assert result.stdout.index("triage") < result.stdout.index("embed")
    assert result.stdout.count("embed success 20ms") == 3
    assert "SECRET" not in result.stdout


def test_calls_can_be_chosen(exposed: Path) -> None:
    """By boundary, by number, by whether the component answered."""
    assert [one["call"]["boundary"] for one in calls(exposed)] == ["triage", "embed", "embed", "embed"]
    assert len(calls(exposed, "--last", "2")) == 2
    assert [one["call"]["boundary"] for one in calls(exposed, "--boundary", "triage")] == ["triage"]
    assert [one["call"]["boundary"] for one in calls(exposed, "--failed")] == ["triage"]
    assert run("trace", "--last", "0").exit_code == 2


def test_where_there_are_none_it_says_so(exposed: Path, tmp_path: Path) -> None:
    """No call is something else than no process."""
    result = run("trace", "--state", str(exposed), "--boundary", "nobody", "--failed")
    assert result.exit_code == 0
    assert result.stdout == "no call of 'nobody' that the component did not answer has ended since it can be seen\n"
    result = run("trace", "--state", str(tmp_path / "nowhere"))
    assert result.exit_code == 1
    assert "no process can be looked into" in result.stdout


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_window(exposed: Path, width: int) -> None:
    """Bars shrink, and what is said of them is cut."""
    for one in calls(exposed):
        assert max(map(len, lines_of(one, width))) <= width


def call(**how: Any) -> Any:
    """Return a call that ended in some way."""
    usual = {"outcome": "success", "kind": None, "stage": None, "rung": None, "delivered": 0}
    return usual | how


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "success"),
        ({"outcome": "cancelled"}, "cancelled"),
        ({"outcome": "fallback", "kind": "timeout", "rung": "rules"}, "answered by rules, after timeout"),
        ({"outcome": "error", "kind": "timeout", "stage": "attempt"}, "error: timeout (attempt)"),
        ({"outcome": "rejected", "kind": "halted", "stage": "gate"}, "rejected: halted (gate)"),
        (
            {"outcome": "error", "kind": "stream_interrupted", "stage": "component", "delivered": 3},
            "error: stream_interrupted (component) after 3 items",
        ),
        ({"outcome": "\x1b[2J"}, "\\x1b[2J"),
    ],
)
def test_what_a_call_ended_as_is_said_in_a_few_words(how: dict[str, Any], said: str) -> None:
    """Those of the library, and nothing that a terminal would act on."""
    assert ended_as(call(**how)) == said


def test_a_wait_for_a_permit_is_told() -> None:
    """It is a part of the call's time that no attempt has."""
    one: Any = {
        "pid": 7,
        "call": call(boundary="embed", owner=None, ended=0.0, elapsed=1.0, trace_id="ab" * 16, waited=0.5, runs=[]),
    }
    head, wait = lines_of(one, 120)
    assert head == f"00:00:00 embed success 1s  process 7, trace {'ab' * 16}"
    assert wait.split() == ["waited", "for", "a", "permit", "500ms", "in", "all"]


def test_a_run_outside_its_calls_time_is_drawn_inside() -> None:
    """An attempt that a hedge left behind, and one that took no time at all."""
    run_of = {"number": 1, "reason": "hedge", "rung": None, "kind": None, "cancelled": True}
    runs = [run_of | {"started": 0.9, "elapsed": 5.0}, run_of | {"started": 1.0, "elapsed": 0.0}]
    one: Any = {
        "pid": 7,
        "call": call(boundary="e", owner=None, ended=0.0, elapsed=1.0, trace_id=None, waited=0.0, runs=runs),
    }
    for line in lines_of(one, 80)[1:]:
        assert line.count("█") >= 1
        assert len(line) <= 80
        assert line.endswith("cancelled")


def test_virtual_clocks_are_for_tests(clock: VirtualClock) -> None:
    """The fixture of this file leaves none behind."""
    assert clock.elapsed == 0.0
