"""The table of boundaries, of processes that are there and of those that are not."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import TypeAdapter
from rich.console import Console

from aiguard import guard
from aiguard.cli import status, status_words
from aiguard.cli.status_columns import COLUMNS, name_width, shown_in
from aiguard.cli.status_notes import notes
from aiguard.monitor.client import Answers, states
from aiguard.monitor.directory import made, sockets_in
from aiguard.monitor.exposure import Exposure
from aiguard.monitor.merging import merged
from aiguard.monitor.schema import StateAnswer
from aiguard.testing import VirtualClock, virtual_time
from docs.drawings import screens
from tests.cli.commands import run
from tests.monitor.incident import Incident
from tests.pages import PAGES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def incident(clock: VirtualClock, tmp_path: Path) -> Incident:
    """A model that was killed, as two processes tell of it."""
    return Incident(clock, tmp_path)


def text_of(incident: Incident | screens.Incident | _Answering, width: int) -> list[str]:
    """Return the table as it is written into a window of that width."""
    console = Console(width=width, color_system=None)
    with console.capture() as captured:
        console.print(status.table(incident.directory, incident.states(), width), soft_wrap=True)
    return captured.get().splitlines()


@pytest.fixture
def exposed(tmp_path: Path) -> Iterator[Path]:
    """This process, which can be looked into, after five calls."""
    with virtual_time():

        @guard("echo", owner="anna", deadline=1.0, isolation="inline")
        def echo(text: str) -> str:
            return text

        exposure = Exposure()
        exposure.open(tmp_path)
        for _ in range(5):
            echo("hello")
        yield tmp_path
        exposure.close()


def test_the_table_has_a_line_a_boundary(incident: Incident) -> None:
    """And below it who answered, and who did not."""
    lines = text_of(incident, 1000)
    assert lines[0].split() == [word for column in COLUMNS for word in column.title.split()]
    assert lines[1].split()[:3] == ["embed", "–", "on"]
    assert lines[2].split()[:4] == ["ticket-triage", "support-ml", "on", "open"]
    assert "connection" in lines[2]
    assert lines[-2:] == [
        "2 boundaries in 2 processes: 4711 shop.py, 4712 shop.py",
        "process 4713: no answer within 2 s",
    ]


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_window(incident: Incident, width: int) -> None:
    """Columns that do not fit are left out, whole."""
    lines = text_of(incident, width)
    assert max(map(len, lines[:3])) <= width
    assert "ticket-triage" in lines[2]
    assert "open" in lines[2]


def test_eighty_columns_hold_all_but_owner_and_last_failure() -> None:
    """However long names are: they are cut before a column is left out."""
    row: Any = {"name": "x" * 100}
    titles = [column.title for column in shown_in(80, [row])]
    assert titles == [column.title for column in COLUMNS if column.title not in {"owner", "last failure"}]


def test_the_page_shows_what_the_command_prints() -> None:
    """Of the incident that its picture shows."""
    shown = screens.Incident(screens.KILLED + 27.0)
    lines = "\n".join(text_of(shown, 1000))
    assert f"$ aiguard status\n{lines}\n```" in PAGES["operations.md"]


def test_json_has_everything(exposed: Path) -> None:
    """In a form that is versioned."""
    result = run("status", "--json", "--state", str(exposed))
    assert result.exit_code == 0
    data = json.loads(result.stdout)
    assert (data["version"], data["directory"], data["silent"]) == (1, str(exposed), [])
    assert [process["pid"] for process in data["processes"]] == [os.getpid()]
    [echo] = data["boundaries"]
    assert (echo["name"], echo["owner"], echo["outcomes"]) == ("echo", "anna", {"success": 5})


def test_the_environment_names_the_directory(exposed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same as that of the process."""
    monkeypatch.setenv("AIGUARD_STATE", str(exposed))
    result = run("status")
    assert result.exit_code == 0
    assert "echo" in result.stdout
    assert f"1 boundary in 1 process: {os.getpid()}" in result.stdout


def test_where_nobody_answers_it_says_what_to_do(tmp_path: Path) -> None:
    """With exit code 1, in both forms."""
    result = run("status", "--state", str(tmp_path))
    assert result.exit_code == 1
    assert "no process can be looked into" in result.stdout
    assert "aiguard.expose()" in result.stdout
    assert run("status", "--json", "--state", str(tmp_path)).exit_code == 1


@pytest.mark.parametrize("command", ["status", "trace", "top"])
def test_a_directory_that_cannot_be_trusted_is_refused(tmp_path: Path, command: str) -> None:
    """With exit code 2, and why."""
    made(tmp_path)
    sockets_in(tmp_path).chmod(0o777)
    result = run(command, "--state", str(tmp_path))
    assert result.exit_code == 2
    assert "may be written to by others" in result.stderr


def test_watching_and_json_contradict_each_other() -> None:
    """A program asks again when it wants to."""
    assert run("status", "--watch", "--json").exit_code == 2


def test_watching_goes_on_until_it_is_interrupted(
    exposed: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It looks again and again, and ends without complaint."""
    looks: list[Path] = []

    def looked(directory: Path) -> Any:
        looks.append(directory)
        if len(looks) == 3:
            raise KeyboardInterrupt
        return states(directory)

    monkeypatch.setattr(status, "states", looked)
    monkeypatch.setattr(status, "EVERY", 0.01)
    assert status.watch(exposed) == 0
    assert len(looks) == 3
    assert "echo" in capsys.readouterr().out


def test_an_owner_cannot_act_on_the_terminal(clock: VirtualClock, tmp_path: Path) -> None:
    """Whatever stands in its name is shown, not obeyed; no markup either."""
    lines = text_of(Incident(clock, tmp_path, owner="\x1b[2J[red]anna\n\u202e"), 1000)
    assert "\x1b" not in "".join(lines)
    assert "\\x1b[2J[red]a…" in lines[2]


def test_where_there_is_no_room_for_it_what_is_long_is_cut(incident: Incident) -> None:
    """A name of a hundred characters does not push the rest out of the window."""
    rows = merged(incident.states().answers)
    rows[0]["name"] = "x" * 100
    columns = shown_in(80, rows)
    assert name_width(columns, 80, rows) + sum(column.width + 1 for column in columns[1:]) <= 80


@pytest.mark.parametrize(
    ("length", "shown"),
    [
        (None, "–"),
        (0.0, "0µs"),
        (0.000085, "85µs"),
        (0.0009996, "1ms"),
        (0.34, "340ms"),
        (0.9996, "1s"),
        (1.234, "1.23s"),
        (61.0, "61s"),
        (999.4, "999s"),
        (1000.0, "17m"),
        (90_000.0, "1d"),
    ],
)
def test_a_length_of_time_is_short(length: float | None, shown: str) -> None:
    """It fits into five characters, three figures of it true."""
    assert status_words.seconds(length) == shown
    assert len(shown) <= 5


@pytest.mark.parametrize(
    ("part", "shown"),
    [(None, "–"), (0.0, "0%"), (0.0001, "<1%"), (0.5, "50%"), (0.9999, "99%"), (1.0, "100%")],
)
def test_a_share_does_not_say_none_or_all_of_what_is_neither(part: float | None, shown: str) -> None:
    """One failed call in ten thousand is not none."""
    assert status_words.share(part) == shown


@pytest.mark.parametrize(("per_second", "shown"), [(0.0, "0"), (0.017, "0.02"), (12.34, "12.3"), (1234.5, "1234")])
def test_a_rate_has_three_figures(per_second: float, shown: str) -> None:
    """And no more before the point than there are."""
    assert status_words.rate(per_second) == shown


@pytest.mark.parametrize(
    ("length", "shown"), [(-1.0, "0s"), (12.4, "12s"), (300.0, "5m"), (7200.0, "2h"), (200_000.0, "2d")]
)
def test_an_age_has_one_unit(length: float, shown: str) -> None:
    """A clock that stepped back makes nothing younger than now."""
    assert status_words.age(length) == shown


def test_below_the_table_stands_what_to_know_of_a_boundary(incident: Incident) -> None:
    """Who halted it, what is at stake, and where it is written what to do; of one that runs well nothing."""
    first, second = json.loads(json.dumps(incident.states().answers))
    for boundary in (*first["boundaries"], *second["boundaries"]):
        boundary["runbook"] = "https://x/\x1b"
    [triage] = [one for one in second["boundaries"] if one["name"] == "ticket-triage"]
    halt = {"id": "1" * 32, "key": None, "by": "anna", "reason": "INC-12", "since": 1795470604.0, "until": None}
    keyed = halt | {"id": "2" * 32, "key": "acme", "until": 1795474204.0, "since": 1795470605.0}
    triage |= {"risk": "high", "halts": [keyed, halt], "mode": "halted"}
    [_, row] = merged([first, second])
    assert (row["risk"], row["mode"]) == ("high", "mixed")
    assert [line for line, _ in notes(row)] == [
        "ticket-triage: halted by anna since 2026-11-23T21:50:04Z: INC-12",
        "ticket-triage: halted for acme by anna since 2026-11-23T21:50:05Z: INC-12 (until 2026-11-23T22:50:04Z)",
        "ticket-triage: high risk, runbook https://x/\\x1b",
    ]
    triage["gate"] = "it is gone"
    [_, row] = merged([first, second])
    assert "ticket-triage: a halt may not be seen: it is gone" in [line for line, _ in notes(row)]
    del triage["gate"]
    [quiet, row] = merged([second])
    assert (list(notes(quiet)), row["mode"]) == ([], "halted")
    lines = text_of(_Answering(incident, second), 1000)
    assert lines[2].split()[2] == "halt"
    assert lines[3] == "ticket-triage: halted by anna since 2026-11-23T21:50:04Z: INC-12"


def test_a_process_of_the_version_before_is_shown_too(incident: Incident) -> None:
    """It says nothing of risk, runbook and halts."""
    answers = json.loads(json.dumps(incident.states().answers))
    for boundary in (boundary for answer in answers for boundary in answer["boundaries"]):
        for name in ("risk", "runbook", "halts", "gate"):
            del boundary[name]
    rows = merged([TypeAdapter(StateAnswer).validate_python(answer) for answer in answers])
    assert [(row["risk"], row["runbook"], row["halts"], row["gate"]) for row in rows] == [(None, None, [], None)] * 2


class _Answering:
    """An incident in which one process answers."""

    def __init__(self, incident: Incident, answer: Any) -> None:
        self.directory = incident.directory
        self._answer = answer

    def states(self) -> Any:
        """Return what it answers."""
        return Answers((self._answer,), ())
