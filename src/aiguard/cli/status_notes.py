"""
What is said of a boundary below the table: why it does not run, what is at stake, and where it is written what to do.

    ticket-triage: halted by anna since 2026-11-23T21:50:04Z: INC-12
    ticket-triage: high risk, runbook https://wiki.example/triage
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.cli.printable import printable
from aiguard.halts import moment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.monitor.merging import Merged
    from aiguard.monitor.schema import HaltAnswer


def notes(row: Merged) -> Iterator[tuple[str, str]]:
    """Yield lines with their styles; none for a boundary that runs well, unless much is at stake."""
    name = printable(row["name"])
    for halt in row["halts"]:
        yield f"{name}: {_told(halt)}", "bold red"
    if row["gate"] is not None:
        yield f"{name}: a halt may not be seen: {printable(row['gate'])}", "bold red"
    is_high = row["risk"] == "high"
    said = ["high risk"] if is_high else []
    worried = row["halts"] or row["gate"] or row["breaker"] == "open" or row["failed"]
    if row["runbook"] is not None and (worried or is_high):
        said.append(f"runbook {printable(row['runbook'])}")
    if said:
        yield f"{name}: {', '.join(said)}", "dim"


def _told(halt: HaltAnswer) -> str:
    key = f" for {printable(halt['key'])}" if halt["key"] is not None else ""
    until = f" (until {moment(halt['until'])})" if halt["until"] is not None else ""
    return f"halted{key} by {printable(halt['by'])} since {moment(halt['since'])}: {printable(halt['reason'])}{until}"
