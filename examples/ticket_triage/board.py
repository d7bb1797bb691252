"""A run on a terminal, live: where we are, what the breaker does, and the table of calls."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Final, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from examples.ticket_triage.lines import RUN_NAMES, cells, summary, verdict_text

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from rich.console import Console, RenderableType

    from examples.ticket_triage.call import Call, Run
    from examples.ticket_triage.model_process import ModelProcess
    from examples.ticket_triage.phases import Phase

AROUND_THE_TABLE: Final = 16
"""Lines of the screen that the table leaves to everything else, the phases' figures above it included."""
BREAKER_COLOURS: Final = {"closed": "green", "half-open": "yellow", "open": "red"}
MODEL_COLOURS: Final = {"serving": "green", "starting": "yellow"}


class Board:
    """
    A context manager: on the screen while it is entered, gone when it is left.

    Args:
        console: The terminal.
        deadline: From when an answer is late.
        total: How many calls both runs will make.
        model: Whose state is shown.
        breaker_state: Asked for the state of the guarded service's breaker, each time the board is drawn.
    """

    def __init__(
        self, console: Console, deadline: float, total: int, model: ModelProcess, breaker_state: Callable[[], str]
    ) -> None:
        self._deadline = deadline
        self._total = total
        self._model = model
        self._breaker_state = breaker_state
        self._console = console
        self._run: Run = "without"
        self._phase: Phase | None = None
        self._waiting: dict[str, float] = {}
        self._calls: list[Call] = []
        self._done = 0
        # Last: it draws as soon as it is made.
        self._live = Live(console=console, get_renderable=self._draw, refresh_per_second=8, transient=True)

    def phase(self, run: Run, phase: Phase) -> None:
        """Show another phase, with an empty table."""
        self._run, self._phase = run, phase
        self._calls = []

    def sent(self, ticket: str) -> None:
        """Show a call that waits."""
        self._waiting[ticket] = perf_counter()

    def answered(self, call: Call) -> None:
        """Show how a call ended."""
        self._waiting.pop(call.ticket, None)
        self._calls.append(call)
        self._done += 1

    def phase_over(self, run: Run, phase: Phase) -> None:
        """Leave the phase's figures above the board, for good."""
        self._console.print(summary(run, phase.name, self._calls, self._deadline))

    def __enter__(self) -> Self:
        self._live.start(refresh=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def _draw(self) -> RenderableType:
        if self._phase is None:
            return Text("")
        return Group(self._heading(self._phase), self._progress(), self._states(), self._table())

    def _heading(self, phase: Phase) -> Text:
        number = 1 if self._run == "without" else 2
        return Text.assemble(
            (f"\nrun {number} of 2: {RUN_NAMES[self._run]}", "bold"),
            (f" · {phase.name}", "bold cyan"),
            f" · {phase.says}",
            no_wrap=True,
            overflow="ellipsis",
        )

    def _progress(self) -> RenderableType:
        line = Table.grid(padding=(0, 1))
        line.add_row(ProgressBar(total=self._total, completed=self._done, width=40), f"{self._done} of {self._total}")
        return line

    def _states(self) -> Text:
        model = self._model.state
        line = Text.assemble("model ", (model, MODEL_COLOURS.get(model, "red")), " · breaker ")
        if self._run == "without":
            return line.append("none", style="dim")
        state = self._breaker_state()
        return line.append(state, style=BREAKER_COLOURS.get(state, ""))

    def _table(self) -> Table:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("ticket", no_wrap=True)
        table.add_column("verdict", no_wrap=True, min_width=13)  # so that the columns stay where they are
        table.add_column("answered by", no_wrap=True)
        table.add_column("tries", justify="right")
        table.add_column("time", justify="right", no_wrap=True, min_width=7)
        table.add_column("what failed", no_wrap=True, overflow="ellipsis")
        now = perf_counter()
        room = max(4, self._console.height - AROUND_THE_TABLE)
        waiting = list(self._waiting.items())[-room:]
        for call in self._calls[-(room - len(waiting)) :] if room > len(waiting) else []:
            verdict, source, tries, kinds, time = cells(call, self._deadline)
            table.add_row(call.ticket, verdict_text(verdict, call), source, tries, time, kinds)
        for ticket, since in waiting:
            table.add_row(ticket, Text("waiting", style="dim"), "", "", f"{now - since:.2f} s", "")
        return table
