"""The installed command, in a process of its own."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from aiguard.cli.command import app

if TYPE_CHECKING:
    from tests.check.projects import Project

COMMAND = Path(sys.executable).with_name("aiguard")


def ran(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command."""
    return subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False, env=os.environ | environ
    )


def test_the_command_is_installed_and_knows_its_version() -> None:
    """As `pip install` leaves it."""
    ended = ran("--version")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, f"aiguard {version('aiguard-boundary')}\n", "")


def test_an_application_is_found_in_the_current_directory(project: Project) -> None:
    """The script's own folder is the first on Python's path, not this one."""
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', deadline=1.0, output=str, fallback=[''])\n")
    project.write("aiguard.yaml", "version: 1\nboundaries: {b: {owner: shop, fallback: [{call: 'rules:answer'}]}}\n")
    project.write("rules.py", "def answer(ticket): ...\n")
    ended = ran("check", "--app", "shop", "--strict")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "nothing found in 1 boundary\n", "")


@pytest.mark.parametrize(("text", "code"), [("version: 1\n", 0), ("version: 2\n", 1), (None, 2)])
def test_the_exit_code_reaches_the_shell(project: Project, text: str | None, code: int) -> None:
    """Fine, wrong, nothing to check; never a traceback."""
    if text is not None:
        project.write("aiguard.yaml", text)
    ended = ran("check")
    assert ended.returncode == code
    assert "Traceback" not in ended.stderr


def test_help_is_that_of_the_command() -> None:
    """By the name that it was called by."""
    ended = ran("check", "--help", COLUMNS="80")
    assert ended.returncode == 0
    assert ended.stdout.startswith("Usage: aiguard check [OPTIONS] [FILE]\n")


def test_an_old_encoding_does_not_end_the_report(project: Project) -> None:
    """What it cannot say is said by its number."""
    project.write("aiguard.yaml", "version: 1\nboundaries: {a: {deadline: 1, attempt_timeout: 1, retry: {}}}\n")
    ended = ran("check", PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "3 attempts \\xd7 1 s" in ended.stdout


def test_a_terminal_is_shown_colours(project: Project) -> None:
    """Through a real one; and words alone where colours are not wanted."""
    project.write("aiguard.yaml", "version: 2\n")
    environ = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    shown = {}
    for unwanted in ("", "1"):
        parent, child = pty.openpty()
        subprocess.run(
            [COMMAND, "check"],
            stdout=child,
            timeout=60,
            check=False,
            env=environ | {"TERM": "xterm-256color", "NO_COLOR": unwanted},
        )
        os.close(child)
        shown[unwanted] = os.read(parent, 10_000).decode()
        os.close(parent)
    assert "\x1b[1;31merror: \x1b[0m" in shown[""]
    assert "\x1b" not in shown["1"]


def test_what_is_missing_is_named_in_one_line(project: Project) -> None:
    """Where the extra was not installed."""
    project.write("run.py", "import sys\nsys.modules['typer'] = None\nfrom aiguard.cli import main\nmain()\n")
    ended = subprocess.run([sys.executable, "run.py"], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == "aiguard: the command line needs typer: install `aiguard-boundary[cli]`\n"


def test_a_fault_of_our_own_is_an_ordinary_traceback() -> None:
    """One of many pages, with every local variable, would show what is in a configuration."""
    assert app.pretty_exceptions_enable is False


def test_the_library_imports_nothing_of_the_command() -> None:
    """`import aiguard` needs neither typer nor rich; starting the command needs no rules."""
    script = "import sys, aiguard; print([name for name in ('typer', 'rich', 'aiguard.cli') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
    script = (
        "import sys, aiguard.cli.command; "
        "print([name for name in ('rich', 'yaml', 'aiguard.check', 'aiguard.config') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout == "[]\n"
