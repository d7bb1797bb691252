"""The command that drills: in a process of its own, as an operator runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.commands import run

if TYPE_CHECKING:
    from tests.check.projects import Project

COMMAND = Path(sys.executable).with_name("aiguard")

SHOP = """
import aiguard
from aiguard import guard

aiguard.configure("nowhere.yaml")

def rules(ticket):
    return "other"

@guard("triage", owner="support-ml", risk="high", output=str, deadline=2.0, fallback=[rules])
async def triage(ticket):
    print("asked")
    return ticket
"""

SERVE = """
import asyncio, pathlib, sys
pathlib.Path("nowhere.yaml").write_text("version: 1")
import shop
pathlib.Path("nowhere.yaml").unlink()
asyncio.run(shop.triage("a ticket"))
print("serving", flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def shop(project: Project) -> None:
    """An application that declares a boundary at which much is at stake."""
    project.write("shop.py", SHOP)


def ran(*arguments: str, state: str = "state") -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    environ = os.environ | {"AIGUARD_STATE": str(Path(state).absolute())}
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, env=environ)


def test_a_drill_is_told_and_check_is_content() -> None:
    """What happened when, and that it passed; before it the check has an error, after it none."""
    before = ran("check", "--app", "shop")
    drilled = ran("drill", "triage", "--app", "shop", "--input", '"my invoice"', "--key", "drill-monday")
    after = ran("check", "--app", "shop")
    assert (before.returncode, drilled.returncode, after.returncode) == (1, 0, 0)
    assert "[never-drilled]" in before.stdout
    first, *lines, last = drilled.stdout.splitlines()
    assert first == "triage, halted for the key drill-monday"
    assert [line.partition(" ms  ")[2] for line in lines[:3]] == [
        "this process turns its calls away",
        "the halt is on the record",
        "the rung rules has answered",
    ]
    assert last == "passed, on the record as number 3"
    shown = ran("audit", "show").stdout.splitlines()[-1]
    assert shown.endswith("drilled triage, for the key drill-monday: rules answered")


def test_a_running_process_is_seen_to_be_reached(project: Project) -> None:
    """It lets itself be looked into; its ladder is not what answers, and nothing of it is disturbed."""
    project.write("serve.py", SERVE)
    environ = os.environ | {"AIGUARD_STATE": str(Path("state").absolute())}
    with subprocess.Popen(
        [sys.executable, "serve.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as service:
        assert service.stdout is not None
        assert [service.stdout.readline() for _ in "12"] == ["asked\n", "serving\n"]
        drilled = ran("drill", "triage", "--app", "shop", "--input", '["my invoice"]', "--json")
        service.communicate()
    assert drilled.returncode == 0, drilled.stderr
    said = json.loads(drilled.stdout)
    [reached] = said["processes"]
    assert (reached["pid"], reached["program"]) == (service.pid, "serve.py")
    assert 0 < reached["ms"] < 2000
    assert (said["passed"], said["rung"], said["flaws"], said["record"]) == (
        True,
        "rules",
        [],
        4,
    )  # its policy is the first
    assert set(said["ms"]) == {"seen", "recorded", "answered", "resumed", "open"}


def test_a_drill_is_of_the_policy_that_the_file_says(project: Project) -> None:
    """The floor of the file, in the state directory that is named; what fails ends with 1 and says why."""
    project.write(
        "aiguard.yaml",
        """
        version: 1
        boundaries: {triage: {fallback: [{call: "desk:answer"}]}}
        """,
    )
    project.write("desk.py", "def answer(ticket): raise KeyError(ticket)\n")
    drilled = ran("drill", "triage", "--app", "shop", "--input", '{"ticket": "my invoice"}', "--state", "another")
    assert drilled.returncode == 1
    assert "failed: no rung answered" in drilled.stdout
    assert drilled.stdout.splitlines()[-1] == "failed, on the record as number 3"
    assert "invoice" not in drilled.stdout + drilled.stderr
    assert not Path("state", "control").exists()


def test_a_file_that_says_all_is_enough(project: Project) -> None:
    """As for `aiguard check`: its rungs are the boundary's."""
    project.write("desk.py", "async def answer(ticket): return 'other'\n")
    project.write(
        "aiguard.yaml",
        """
        version: 1
        boundaries: {refunds: {deadline: 2s, risk: high, owner: anna, fallback: [{call: "desk:answer"}]}}
        """,
    )
    drilled = ran("drill", "refunds", "--input", '"my invoice"')
    assert drilled.returncode == 0, drilled.stderr
    assert "the rung answer has answered" in drilled.stdout
    assert "[never-drilled]" not in ran("check").stdout


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("triage",), 2, "with --app"),
        (("triage", "--app", "shoop"), 2, "there is no module `shoop`"),
        (("traige", "--app", "shop"), 2, "did you mean `triage`"),
        (("triage", "--app", "shop", "--input", "my invoice"), 2, "is no JSON"),
        (("triage", "--app", "shop"), 1, "(rule: input)"),
        (("triage", "--app", "shop", "--input", '"x"', "--key", "tenant-7"), 1, "(rule: drill-key)"),
    ],
)
def test_what_cannot_be_drilled_is_told(arguments: tuple[str, ...], code: int, told: str) -> None:
    """Nothing to drill ends with 2, what a rule refuses with 1."""
    result = run("drill", *arguments)
    assert result.exit_code == code
    assert told in result.stderr
    assert result.stdout == ""


def test_a_module_that_cannot_be_imported_is_told(project: Project) -> None:
    """As `aiguard check` tells it."""
    project.write("broken.py", "1 / 0\n")
    result = run("drill", "triage", "--app", "broken")
    assert result.exit_code == 2
    assert "ZeroDivisionError" in result.stderr
