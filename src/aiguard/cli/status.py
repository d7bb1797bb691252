"""
The boundaries of every process that can be looked into, as a table and as JSON.

    {
      "version": 1,
      "directory": "…/aiguard",     where the processes were looked for
      "processes": [{"pid": 4711, …}],
      "silent": [{"pid": 4713, "why": "no answer within 2 s"}],
      "boundaries": [{"name": "triage", …}]
    }

What the processes and boundaries hold is said in `monitor/schema.py` and `monitor/merging.py`. `version` changes when
something here changes its meaning or goes away; what is added does not change it.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from aiguard.cli.printable import printable
from aiguard.cli.status_columns import GAP, cut, name_width, shown_in
from aiguard.cli.status_notes import notes
from aiguard.cli.status_words import counted
from aiguard.monitor.client import states
from aiguard.monitor.merging import merged, now_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import RenderableType
    from rich.text import Text

    from aiguard.monitor.client import Answers, Silent
    from aiguard.monitor.merging import Merged
    from aiguard.monitor.schema import ProcessAnswer, StateAnswer, TraceAnswer

VERSION: Final = 1

EVERY: Final = 2.0
"""Seconds between two looks of `--watch`."""

UNLIMITED: Final = 10_000
"""Characters of a line that nobody looks at in a window: a pipe, a file."""


def data_of(directory: Path, answers: Answers[StateAnswer]) -> dict[str, Any]:
    """Return what the processes answered as JSON data."""
    return {
        "version": VERSION,
        "directory": str(directory),
        "processes": [answer["process"] for answer in answers.answers],
        "silent": [{"pid": one.pid, "why": one.why} for one in answers.silent],
        "boundaries": merged(answers.answers),
    }


def show(directory: Path, *, as_json: bool) -> int:
    """Print the table, or JSON; return the exit code."""
    answers = states(directory)
    if as_json:
        sys.stdout.write(json.dumps(data_of(directory, answers), indent=2) + "\n")
    else:
        from rich.console import Console

        console = Console(highlight=False)
        width = console.width if console.is_terminal else UNLIMITED
        console.print(table(directory, answers, width), soft_wrap=True)
    return 0 if answers.answers else 1


def watch(directory: Path) -> int:
    """Print the table again and again, until somebody interrupts it; return the exit code."""
    from rich.console import Console
    from rich.live import Live

    console = Console(highlight=False)
    never = threading.Event()
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        try:
            while True:
                live.update(table(directory, states(directory), console.width), refresh=True)
                never.wait(EVERY)
        except KeyboardInterrupt:
            return 0


def table(directory: Path, answers: Answers[StateAnswer], width: int) -> RenderableType:
    """Return every boundary in a line, and below them who answered."""
    from rich.console import Group
    from rich.text import Text

    rows = merged(answers.answers)
    lines: list[Text] = []
    if rows:
        lines += _lines(rows, width, now_of(answers.answers))
        lines += [Text(line, style) for row in rows for line, style in notes(row)]
        lines.append(Text())
    lines += [Text(line, style) for line, style in footer(directory, answers, len(rows))]
    return Group(*lines)


def _lines(rows: Sequence[Merged], width: int, now: float) -> list[Text]:
    from rich.text import Text

    columns = shown_in(width, rows)
    widths = [name_width(columns, width, rows), *(column.width for column in columns[1:])]
    titles = [
        column.title.rjust(room) if column.align == "right" else column.title.ljust(room)
        for column, room in zip(columns, widths, strict=True)
    ]
    lines = [Text((" " * GAP).join(titles).rstrip(), "dim")]
    for row in rows:
        line = Text()
        for number, (column, room) in enumerate(zip(columns, widths, strict=True)):
            cell = column.cell(row, now)
            text = cut(cell.text, room)
            pad = " " * (room - len(text))
            if number:
                line.append(" " * GAP)
            if column.align == "right":
                line.append(pad)
            line.append(text, cell.style)
            if column.align == "left":
                line.append(pad)
        line.rstrip()
        lines.append(line)
    return lines


def footer(
    directory: Path, answers: Answers[StateAnswer] | Answers[TraceAnswer], boundaries: int
) -> list[tuple[str, str]]:
    """Return who answered and who did not, in lines with their styles."""
    lines: list[tuple[str, str]] = []
    processes = [answer["process"] for answer in answers.answers]
    if processes:
        number = counted(boundaries, "boundary", "boundaries")
        lines.append((f"{number} in {counted(len(processes), 'process', 'processes')}: {_named(processes)}", "dim"))
    elif not answers.silent:
        lines.append((nobody(directory), "yellow"))
    lines += [(silence(one), "yellow") for one in answers.silent]
    return lines


def silence(one: Silent) -> str:
    """Return why a process is not in the table."""
    return f"process {one.pid}: {printable(one.why)}"


def nobody(directory: Path) -> str:
    """Return why there is nothing to see, and what to do."""
    return (
        f"no process can be looked into in {printable(str(directory))}: call aiguard.expose() in it, "
        "or run it with AIGUARD_STATE set, and this command with the same"
    )


_NAMED: Final = 8


def _named(processes: Sequence[ProcessAnswer]) -> str:
    shown = [f"{process['pid']} {printable(process['program'])}" for process in processes[:_NAMED]]
    if len(processes) > _NAMED:
        shown.append("…")
    return ", ".join(shown)
