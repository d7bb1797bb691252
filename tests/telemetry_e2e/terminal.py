"""What a reader sees in a terminal: `aiguard top` and `aiguard trace`, looking into the live process, as pictures."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.text import Text

from aiguard.cli.top import Processes, Top
from docs.drawings.screens import titled

if TYPE_CHECKING:
    from collections.abc import Callable

COMMAND: Final = Path(sys.executable).with_name("aiguard")
LOOKS: Final = 2.5
"""Seconds until `aiguard top` has asked the process, which it does every second."""

CALLS: Final = 5
WITHIN: Final = 60.0
OPEN: Final = re.compile(r"ticket-triage +support-ml +on +open ")


class NotShownError(Exception):
    """A command did not show what it was waited for; the message has what it showed."""


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What the commands showed, as text.

    Attributes:
        table: `aiguard top`.
        calls: `aiguard trace --failed`.
    """

    table: str
    calls: str


def show(state: Path, to: Path) -> Shown:
    """
    Write two pictures while the breaker is open: the table, and the last calls that were degraded.

    Args:
        state: The directory in which the process can be looked into.
        to: Where the pictures go.

    Raises:
        NotShownError: Where the breaker is not shown open, or no failed attempt among the last calls, within a minute.
    """
    to.mkdir(parents=True, exist_ok=True)
    calls = _until(lambda: _trace(state), lambda said: "attempt 1" in said and "after connection" in said)
    (to / "trace.svg").write_text(_terminal(calls), encoding="utf-8")
    table = _until(lambda: _top(state), lambda picture: OPEN.search(text(picture)) is not None)
    (to / "top.svg").write_text(titled(table, "aiguard top: the breaker of ticket-triage is open"), encoding="utf-8")
    return Shown(text(table), Text.from_ansi(calls).plain)


def text(picture: str) -> str:
    """Return what stands in a terminal's picture, line by line."""
    lines: dict[float, list[str]] = {}
    for one in ET.fromstring(picture).iter("{http://www.w3.org/2000/svg}text"):
        lines.setdefault(float(one.get("y", "0")), []).append((one.text or "").replace("\xa0", " "))
    return "\n".join("".join(parts) for _, parts in sorted(lines.items()))


def _until(take: Callable[[], str], shown: Callable[[str], bool]) -> str:
    until = time.monotonic() + WITHIN
    while not shown(said := take()):
        if time.monotonic() > until:
            raise NotShownError(f"not shown within {WITHIN:g} s; at last:\n{said[-3000:]}")
    return said


def _top(state: Path) -> str:
    async def play() -> str:
        app = Top(Processes(state))
        async with app.run_test(size=(96, 8)) as pilot:
            await pilot.pause(LOOKS)
            return app.export_screenshot(title="aiguard top")

    return asyncio.run(play())


def _trace(state: Path) -> str:
    """Return what the command prints on a terminal of 140 columns, colours and all."""
    terminal = {"TERM": "xterm-256color", "FORCE_COLOR": "1", "COLUMNS": "140", "PYTHONUTF8": "1"}
    command = [str(COMMAND), "trace", "--failed", "--last", str(CALLS)]
    environment = os.environ | terminal | {"AIGUARD_STATE": str(state)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=WITHIN, check=False)
    return done.stdout + done.stderr


def _terminal(said: str) -> str:
    console = Console(record=True, width=140, file=StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(said.rstrip()))
    console.print()  # the lower edge of the last line is cut off
    title = f"aiguard trace --failed --last {CALLS}"
    return titled(console.export_svg(title=title), f"{title}: the calls that the component did not answer")
