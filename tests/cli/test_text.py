"""Findings for people."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from rich.text import Text

from aiguard import Position, Problem
from aiguard.check import Finding, Report
from aiguard.check.rules import INVALID, NO_CONTRACT, NO_FLOOR
from aiguard.cli.source import excerpt, lines_of
from aiguard.cli.text import show, show_findings
from tests.cli.commands import run

if TYPE_CHECKING:
    from tests.check.projects import Project


def printed(*findings: Finding, apps: tuple[str, ...] = ("shop",), boundaries: int = 3) -> str:
    """Return what is printed of a report."""
    stream = io.StringIO()
    show(Report("aiguard.yaml", apps, boundaries, findings), stream)
    return stream.getvalue()


def test_a_file_is_told_of_as_a_compiler_does(project: Project) -> None:
    """Place, severity, boundary, setting, value, reason, rule; the line, and a caret below the place."""
    project.write(
        "aiguard.yaml",
        """
        version: 1
        boundaries:
          ticket-triage:
            deadlin: 2
            retry: {attempts: 3, wiat: wait_none}
        """,
    )
    assert run("check").stdout == (
        "aiguard.yaml:4:5: error: boundary 'ticket-triage': setting `deadlin`=2: "
        "no such setting; did you mean `deadline`? [invalid]\n"
        "        deadlin: 2\n"
        "        ^\n"
        "aiguard.yaml:5:26: error: boundary 'ticket-triage': setting `retry.wiat`='wait_none': "
        "no such setting; did you mean `wait`? [invalid]\n"
        "        retry: {attempts: 3, wiat: wait_none}\n"
        "                             ^\n"
        "2 errors in 1 boundary\n"
        "no code was looked at: name the module that declares the boundaries with --app\n"
    )


def test_a_report_ends_with_how_many_there_are() -> None:
    """By severity; one is one."""
    error = Finding(INVALID, Problem("no"))
    warning, note = Finding(NO_FLOOR, Problem("no")), Finding(NO_CONTRACT, Problem("no"))
    assert printed().splitlines()[-1] == "nothing found in 3 boundaries"
    assert printed(error, error, warning, note).splitlines()[-1] == "2 errors, 1 warning, 1 note in 3 boundaries"
    assert printed(warning, boundaries=1).splitlines()[-1] == "1 warning in 1 boundary"


def test_that_no_code_was_looked_at_is_said() -> None:
    """Half of the rules need it."""
    assert "--app" in printed(apps=())
    assert "--app" not in printed()


@pytest.mark.parametrize(
    ("position", "lead"),
    [
        (None, "error: no"),
        (Position("AIGUARD__B__DEADLINE"), "AIGUARD__B__DEADLINE: error: no"),
        (Position("gone.yaml", 3, 7), "gone.yaml:3:7: error: no"),
        (Position("gone.py", 3), "gone.py:3: error: no"),
    ],
)
def test_a_place_is_as_exact_as_it_is_known(position: Position | None, lead: str) -> None:
    """A variable has no line, code has no column; where there is no file, no line is shown."""
    assert printed(Finding(INVALID, Problem("no", position=position))).splitlines()[:-1] == [f"{lead} [invalid]"]


def test_the_caret_stands_below_wide_characters(project: Project) -> None:
    """What takes two places on a terminal takes two here."""
    project.write("aiguard.yaml", "version: 1\nboundaries: {a: {owner: 日本, deadlin: 1}}\n")
    _, line, caret, *_ = run("check").stdout.splitlines()
    assert line.index("deadlin") + 2 == caret.index("^")


def test_nothing_that_a_terminal_would_act_on_is_printed(project: Project) -> None:
    """Neither from the line of the file nor from a message."""
    project.write("aiguard.yaml", 'version: 1\nboundaries: {a: {"dead\\e[31mlin": 1}}\n\x1b[31m: 1\n')
    project.write("shop.py", "raise ValueError('\\x1b[31mred\\x07')\n")
    result = run("check", "--app", "shop")
    assert result.exit_code == 1
    assert all(character.isprintable() or character == "\n" for character in result.stdout)
    assert "\\x1b[31mred\\x07" in result.stdout


def test_a_long_line_is_cut_around_the_place(project: Project) -> None:
    """A file in one line would fill the screen."""
    project.write("long.yaml", "a" * 400 + "HERE" + "b" * 400)
    found = excerpt(lines_of("long.yaml"), Position("long.yaml", 1, 401))
    assert found is not None
    line, column = found
    assert len(line) == 100
    assert line[column:].startswith("HERE")


@pytest.mark.parametrize(
    ("data", "position", "shown"),
    [
        (b"one\ntwo", Position("some.yaml", 2, 2), ("two", 1)),
        (b"one\r\ntwo", Position("some.yaml", 2), ("two", -1)),
        (b"one\rtwo", Position("some.yaml", 2, 1), ("two", 0)),
        (b"\xef\xbb\xbfone", Position("some.yaml", 1, 1), ("one", 0)),
        (b"o\xffe", Position("some.yaml", 1, 2), ("o\ufffde", 1)),
        (b"\tone", Position("some.yaml", 1, 2), (" one", 1)),
        (b"one\n\n", Position("some.yaml", 2, 1), None),
        (b"one", Position("some.yaml", 7, 1), None),
        (b"one", Position("some.yaml"), None),
    ],
)
def test_the_line_is_that_which_the_reader_counted(
    project: Project, data: bytes, position: Position, shown: tuple[str, int] | None
) -> None:
    """Whatever ends its lines and however it begins."""
    (project.folder / "some.yaml").write_bytes(data)
    assert excerpt(lines_of(position.source), position) == shown


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.mark.parametrize(
    ("environment", "coloured"),
    [({"TERM": "xterm-256color"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_terminal_shows_colours(
    environment: dict[str, str],
    coloured: bool,  # noqa: FBT001 - a column of the table
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Unless it is asked not to, or cannot; the words are the same, and no line is broken."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    finding = Finding(INVALID, Problem("no [bold]such[/bold] thing " + "x" * 200, "a", "b"))
    terminal, pipe = Terminal(), io.StringIO()
    show_findings([finding], terminal)
    show_findings([finding], pipe)
    assert ("\x1b[" in terminal.getvalue()) is coloured
    assert "\x1b" not in pipe.getvalue()
    assert Text.from_ansi(terminal.getvalue()).plain.rstrip("\n") == pipe.getvalue().rstrip("\n")
