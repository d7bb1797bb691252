"""The command that halts: what it says, and with which exit code."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from aiguard.gate_file import GateFile
from aiguard.governance.control import halts
from tests.cli.commands import run

if TYPE_CHECKING:
    from pathlib import Path

FILE = """
version: 1
boundaries:
  triage: {deadline: 2.0}
  refunds: {deadline: 2.0, risk: high}
"""


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    """No boundary but what the file names: what other tests declare here is known to who halts."""
    monkeypatch.setattr("aiguard.governance.known.boundaries", tuple)


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory of one's own, and a file here that names two boundaries."""
    (tmp_path / "aiguard.yaml").write_text(FILE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIGUARD_CONFIG", raising=False)
    monkeypatch.setenv("AIGUARD_STATE", str(tmp_path / "state"))
    return tmp_path / "state"


def test_it_says_what_is_in_force_and_where_that_is_written(state: Path) -> None:
    """Who, since when, why, until when, in which directory, whom it reached, and the number of the record."""
    result = run("halt", "triage", "--reason", "INC-12")
    [halt] = halts()
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        f"triage: {halt}",
        "until somebody resumes it",
        f"state directory: {state}",
        "no process that has it can be looked into there: whether it reached any is not known",
        "on the record as number 1",
    ]
    assert "INC-12" in result.stdout
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("triage", "--unknown", "--for", "4h"), True),
        (("triage",), True),
        (("--all",), False),
        (("triage", "--unknown", "--reason", ""), False),
    ],
)
def test_where_no_file_was_read_it_says_so_where_that_matters(
    state: Path,
    arguments: tuple[str, ...],
    told: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A file might have said that the risk is high, or that there is such a boundary."""
    (state.parent / "aiguard.yaml").unlink()
    result = run("halt", "--reason", "INC-12", *arguments)
    assert ("aiguard: no file with rules was read: set AIGUARD_CONFIG\n" in result.stderr) is told


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("triage", "--for", "4h"), "until 20"),
        (("triage", "--for", "90"), "until 20"),
        (("refunds", "--for", "4h"), "until somebody resumes it: at high risk no time ends it"),
        (("--all", "--for", "1h30m"), "where the risk is high until somebody resumes it"),
        (("triage", "--key", "tenant-7"), "triage, for the key tenant-7: halted by"),
        (("--all",), "every boundary: halted by"),
        (("elsewhere", "--unknown"), "elsewhere: halted by"),
    ],
)
def test_it_says_what_was_asked_for(arguments: tuple[str, ...], told: str) -> None:
    """A time, a key, everything."""
    result = run("halt", *arguments, "--reason", "INC-12")
    assert result.exit_code == 0
    assert told in result.stdout


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("triage",), "reason"),
        (("triage", "--reason", " "), "reason"),
        (("traige", "--reason", "INC-12"), "boundary"),
        (("triage", "--reason", "INC-12", "--for=-4h"), "expiry"),
    ],
)
def test_what_is_refused_ends_with_1_and_the_rule(arguments: tuple[str, ...], rule: str) -> None:
    """Nothing is halted then."""
    result = run("halt", *arguments)
    assert result.exit_code == 1
    assert f"(rule: {rule})" in result.stderr
    assert result.stdout == ""
    assert halts() == ()


@pytest.mark.parametrize("arguments", [(), ("triage", "--all"), ("triage", "--for", "soon")])
def test_what_is_no_command_ends_with_2(arguments: tuple[str, ...]) -> None:
    """A name and all, neither of them, a time that is none."""
    assert run("halt", *arguments, "--reason", "INC-12").exit_code == 2


def test_a_halt_that_is_not_on_the_record_says_so(state: Path) -> None:
    """It holds: the exit code is that of a halt."""
    state.mkdir()
    (state / "control").write_text("in the way")
    result = run("halt", "triage", "--reason", "INC-12")
    assert result.exit_code == 0
    assert "halted by" in result.stdout
    assert "not on the record yet" in result.stderr
    assert [halt.recorded for halt in GateFile(state).read().halts] == [False]


PROCESS = """
import aiguard
@aiguard.guard("echo", deadline=1.0, isolation="inline")
def echo(text):
    return text
echo("hello")
print("ready", flush=True)
input()
"""


def test_it_says_how_many_processes_it_has_reached() -> None:
    """Of those that can be asked and have the boundary; a name that only they know is known."""
    process = subprocess.Popen([sys.executable, "-c", PROCESS], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        result = run("halt", "echo", "--reason", "INC-12")
        process.communicate(b"\n")
    assert result.exit_code == 0
    assert "in force in 1 of 1 process that can be asked\n" in result.stdout


def test_a_name_cannot_act_on_the_terminal() -> None:
    """Whatever stands in it is shown, not obeyed."""
    result = run("halt", "tri\x1b[2Jage", "--reason", "INC-12")
    assert "\x1b" not in result.stderr
