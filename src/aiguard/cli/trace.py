"""
The last calls as waterfalls: attempts, waits, rungs; for who has no tracing backend at hand.

As JSON:

    {
      "version": 1,
      "directory": "…/aiguard",
      "silent": [{"pid": 4713, "why": "no answer within 2 s"}],
      "calls": [{"pid": 4711, "call": {"boundary": "triage", …}}]      the oldest first
    }

What a call holds is said in `monitor/schema.py`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from aiguard.cli.printable import printable
from aiguard.cli.status import UNLIMITED, nobody, silence
from aiguard.cli.status_columns import cut
from aiguard.cli.status_words import moment, seconds
from aiguard.monitor.client import traces
from aiguard.monitor.merging import merged_calls

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rich.text import Text

    from aiguard.monitor.client import Answers
    from aiguard.monitor.merging import MergedCall
    from aiguard.monitor.schema import CallAnswer, RunAnswer, TraceAnswer

VERSION: Final = 1

LABEL: Final = 22
"""Characters before the bars."""

TAIL: Final = 30
"""Characters after the bars."""

BARS: Final = 56
"""Characters of the whole call, at most."""

STYLES: Final = {"success": "green", "fallback": "yellow", "cancelled": "dim"}


def show(directory: Path, *, boundary: str | None, last: int, failed: bool, as_json: bool) -> int:
    """Print the last calls; return the exit code."""
    answers = traces(directory, boundary=boundary, last=last, failed=failed)
    calls = merged_calls(answers.answers, last)
    if as_json:
        sys.stdout.write(json.dumps(data_of(directory, answers, calls), indent=2) + "\n")
        return 0 if answers.answers else 1
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    width = console.width if console.is_terminal else UNLIMITED
    for number, call in enumerate(calls):
        if number:
            console.print()
        for line in waterfall(call, width):
            console.print(line, soft_wrap=True)
    if not calls and answers.answers:
        console.print(Text(_nothing(boundary, failed=failed), "yellow"), soft_wrap=True)
    if not answers.answers and not answers.silent:
        console.print(Text(nobody(directory), "yellow"), soft_wrap=True)
    for one in answers.silent:
        console.print(Text(silence(one), "yellow"), soft_wrap=True)
    return 0 if answers.answers else 1


def data_of(directory: Path, answers: Answers[TraceAnswer], calls: list[MergedCall]) -> dict[str, Any]:
    """Return the last calls as JSON data."""
    return {
        "version": VERSION,
        "directory": str(directory),
        "silent": [{"pid": one.pid, "why": one.why} for one in answers.silent],
        "calls": calls,
    }


def _nothing(boundary: str | None, *, failed: bool) -> str:
    whose = f" of {printable(boundary)!r}" if boundary is not None else ""
    return f"no call{whose} {'that the component did not answer ' if failed else ''}has ended since it can be seen"


def waterfall(one: MergedCall, width: int, *, named: bool = True) -> Iterator[Text]:
    """Return a call in lines of at most `width` characters: what it ended as, then its attempts and rungs."""
    from rich.text import Text

    call = one["call"]
    style = STYLES.get(call["outcome"], "bold red")
    head = Text()
    head.append(f"{moment(call['ended'])} ", "dim")
    if named:
        head.append(f"{printable(call['boundary'])} ", "bold")
    head.append(ended_as(call), style)
    head.append(f" {seconds(call['elapsed'])}")
    about = [f"process {one['pid']}"]
    if named and call["owner"] is not None:
        about.append(printable(call["owner"]))
    if call["trace_id"] is not None:
        about.append(f"trace {printable(call['trace_id'])}")
    head.append(f"  {', '.join(about)}", "dim")
    head.truncate(width, overflow="ellipsis")
    yield head
    room = max(min(BARS, width - LABEL - TAIL), 8)
    if call["waited"] > 0.0:
        yield _line("waited for a permit", f"{'':{room}}", "", f"{seconds(call['waited'])} in all", width)
    for run in sorted(call["runs"], key=lambda run: run["started"]):
        bar, bar_style = _bar(run, call, room)
        yield _line(_label(run), bar, bar_style, f"{seconds(run['elapsed']):>6}  {_ended(run)}", width)


def ended_as(call: CallAnswer) -> str:
    """Return what a call ended as, in a few words."""
    kind, rung = printable(call["kind"] or ""), printable(call["rung"] or "")
    items = f" after {call['delivered']} items" if call["delivered"] else ""
    if call["outcome"] == "fallback":
        return f"answered by {rung}, after {kind}{items}"
    if call["outcome"] in {"error", "rejected"}:
        return f"{call['outcome']}: {kind} ({printable(call['stage'] or '')}){items}"
    return printable(call["outcome"])


def _label(run: RunAnswer) -> str:
    if run["rung"] is not None:
        return cut(f"rung {printable(run['rung'])}", LABEL - 3)
    reason = "" if run["reason"] == "initial" else f" {printable(run['reason'])}"
    return f"attempt {run['number']}{reason}"


def _ended(run: RunAnswer) -> str:
    if run["cancelled"]:
        return "cancelled"
    if run["kind"] is None:
        return "answered"
    return "did not answer" if run["rung"] is not None else printable(run["kind"])


def _bar(run: RunAnswer, call: CallAnswer, room: int) -> tuple[str, str]:
    """Return where in the call's time a run stands, and how it is shown."""
    whole = max(call["elapsed"], 1e-9)
    begins = min(round(run["started"] / whole * room), room - 1)
    ends = min(max(round((run["started"] + run["elapsed"]) / whole * room), begins + 1), room)
    if run["cancelled"]:
        style = "dim"
    elif run["kind"] is not None:
        style = "red"
    else:
        style = "green" if run["rung"] is None else "yellow"
    return f"{' ' * begins}{'█' * (ends - begins)}{' ' * (room - ends)}", style


def _line(label: str, bar: str, style: str, tail: str, width: int) -> Text:
    from rich.text import Text

    line = Text(f"  {label:<{LABEL - 2}}", "dim")
    line.append(bar, style or "dim")
    line.append(f"  {tail}", "")
    line.truncate(width, overflow="ellipsis")
    line.rstrip()
    return line
