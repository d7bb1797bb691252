"""A run for whoever cannot be shown a live table: one line a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from rich.text import Text

from examples.ticket_triage.comparison import tally

if TYPE_CHECKING:
    from rich.console import Console

    from examples.ticket_triage.call import Call, Run, Verdict
    from examples.ticket_triage.phases import Phase

RUN_NAMES: Final[dict[Run, str]] = {"without": "without aiguard", "with": "with aiguard"}
COLOURS: Final[dict[Verdict, str]] = {"valid": "green", "invalid": "red", "failed": "red"}


class Lines:
    """
    Prints as it goes.

    Args:
        console: Where to.
        deadline: From when an answer is late.
    """

    def __init__(self, console: Console, deadline: float) -> None:
        self._console = console
        self._deadline = deadline
        self._calls: list[Call] = []

    def phase(self, run: Run, phase: Phase) -> None:
        """Print a heading."""
        self._console.print(Text(f"\n{RUN_NAMES[run]} · {phase.name} · {phase.says}", style="bold"))
        self._calls.clear()

    def sent(self, ticket: str) -> None:
        """Print nothing: a call gets its line when it ends."""

    def answered(self, call: Call) -> None:
        """Print one line."""
        self._calls.append(call)
        verdict, source, tries, kinds, time = cells(call, self._deadline)
        self._console.print(
            Text.assemble(
                f"  {call.ticket}  ", verdict_text(verdict, call), f"  {source:<10} {tries:>2}  {time:>7}  ", kinds
            ),
            soft_wrap=True,
        )

    def phase_over(self, run: Run, phase: Phase) -> None:
        """Print the phase's figures."""
        self._console.print(summary(run, phase.name, self._calls, self._deadline), soft_wrap=True)


def cells(call: Call, deadline: float) -> tuple[str, str, str, str, str]:
    """Return what the table says of a call: verdict, source, tries, kinds of failure, time."""
    answer = call.answer
    return (
        answer.verdict + (", late" if call.late(deadline) else ""),
        answer.source or "–",
        "?" if answer.tries is None else str(answer.tries),  # the SDK tries again without a word
        ", ".join(answer.kinds),
        f"{call.elapsed:.2f} s",
    )


def verdict_text(verdict: str, call: Call) -> Text:
    """Return the verdict in its colour, wide enough for all of them."""
    return Text(f"{verdict:<13}", style="yellow" if verdict == "valid, late" else COLOURS[call.answer.verdict])


def summary(run: Run, phase: str, calls: list[Call], deadline: float) -> Text:
    """Return a phase's figures on one line."""
    figures = tally(calls, deadline)
    good = figures.kept == figures.calls
    counts = {"invalid": figures.invalid, "failed": figures.failed, "late": figures.late}
    wrong = "".join(f" · {count} {what}" for what, count in counts.items() if count)
    return Text.assemble(
        ("✓ " if good else "✗ ", "green" if good else "red"),
        f"{RUN_NAMES[run]:<15} · {phase:<8} ",
        (f"{figures.kept:>2} of {figures.calls} valid in time", "green" if good else "red"),
        f"{wrong} · {figures.slowest:.1f} s at most",
    )
