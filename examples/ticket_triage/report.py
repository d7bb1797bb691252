"""What is printed at the end: the comparison, how good the rules are, and one call's spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.table import Table
from rich.text import Text

from examples.ticket_triage.comparison import agreement
from examples.ticket_triage.rules import rules
from examples.ticket_triage.tickets import load
from examples.ticket_triage.waterfall import most_telling, rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from rich.console import Console

    from examples.ticket_triage.call import Run
    from examples.ticket_triage.comparison import Comparison, Tally

RUNS: Final[tuple[Run, Run]] = ("without", "with")
WIDEST: Final = 60
BETWEEN: Final = 13
"""Columns that the times of a waterfall take, and the gaps."""


def print_comparison(console: Console, comparison: Comparison) -> None:
    """Print a row for each phase and run, and what they come to."""
    console.print(f"\nEvery ticket should have a valid triage within {comparison.deadline:.1f} s:\n", style="bold")
    table = Table(box=None, collapse_padding=True, pad_edge=False, header_style="dim")  # fits 80 columns
    table.add_column("phase", no_wrap=True)
    table.add_column("aiguard", no_wrap=True)
    for column in ("calls", "valid", "invalid", "failed", "late", "median s", "max s"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("answered by", overflow="fold")
    for phase in comparison.phases:
        for run in RUNS:
            figures = comparison.of(run, phase)
            table.add_row(phase if run == "without" else "", run, *_figures(figures))
        table.add_row()
    for run in RUNS:
        table.add_row("all" if run == "without" else "", run, *_figures(comparison.of(run)), style="bold")
    console.print(table)
    without, guarded = comparison.of("without"), comparison.of("with")
    console.print(
        f"\nWithout aiguard {without.kept} of {without.calls} tickets had a valid triage in time; "
        f"with it {guarded.kept} of {guarded.calls}."
    )
    if not comparison.promise_kept:
        console.print(Text("The guarded service broke its promise: see the rows above.", style="bold red"))


def rules_agreement() -> dict[str, float]:
    """Return how often the rules triage as a person would, on the tickets they were written beside."""
    pairs = [(ticket, rules(ticket.text)) for ticket in load()]
    return {
        "category": round(agreement((ticket.category, triage.category) for ticket, triage in pairs), 3),
        "priority": round(agreement((ticket.priority, triage.priority) for ticket, triage in pairs), 3),
    }


def print_rules_agreement(console: Console) -> None:
    """Print what a rung's answer is worth."""
    share = rules_agreement()
    console.print(
        f"The rules agree with a person's category on {share['category']:.0%} and with the priority on "
        f"{share['priority']:.0%} of the tickets they were written beside."
    )


def print_waterfall(console: Console, spans: Sequence[ReadableSpan]) -> None:
    """Print the spans of the call that went through most."""
    trace = most_telling(spans)
    if not trace:
        return
    console.print("\nOne call of the guarded service, as OpenTelemetry recorded it:\n", style="bold")
    block = "#" if console.options.ascii_only else "█"
    draft = rows(trace, 0)
    label, end = max(len(row.label) for row in draft), max(len(row.end) for row in draft)
    for row in rows(trace, min(WIDEST, console.width - label - end - BETWEEN), block):
        line = Text.assemble(f"{row.label:<{label}}  ", (row.bar, "cyan"), f" {row.time:>8}  {row.end}")
        console.print(line, soft_wrap=True)


def _figures(figures: Tally) -> tuple[str | Text, ...]:
    bad = [
        Text(str(count), style="red" if count else "dim") for count in (figures.invalid, figures.failed, figures.late)
    ]
    sources = ", ".join(f"{source} {count}" for source, count in sorted(figures.by.items()))
    return (
        str(figures.calls),
        Text(str(figures.valid), style="green" if figures.valid == figures.calls else "yellow"),
        *bad,
        f"{figures.median:.2f}",
        f"{figures.slowest:.2f}",
        sources or "–",
    )
