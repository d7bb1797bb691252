"""One boundary, live: its breakers in time, what it failed by, its last calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from rich.text import Text
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.screen import Screen
from textual.widgets import Footer, Static

from aiguard.cli.printable import printable
from aiguard.cli.status_columns import breaker_style, cut
from aiguard.cli.status_words import age, counted, moment, rate, seconds, share
from aiguard.cli.trace import waterfall
from aiguard.monitor.merging import merged, merged_calls, now_of
from aiguard.state_directory import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from textual.app import ComposeResult

    from aiguard.monitor.client import Answers
    from aiguard.monitor.merging import Merged, MergedBreaker, MergedCall
    from aiguard.monitor.schema import BreakerAnswer, SpentAnswer, StateAnswer, TraceAnswer

EVERY: Final = 2.0
"""Seconds between two looks at the last calls."""

LONGEST: Final = 600.0
"""Seconds that a breaker's line goes back at most."""

LABEL: Final = 24
"""Characters before a breaker's line."""

SHOWN: Final = 10
"""Calls that are shown, the latest first."""

_GLYPHS: Final = {"closed": "─", "half-open": "▒", "open": "█"}


class BoundaryScreen(Screen[None]):
    """
    Everything that the processes tell of one boundary.

    Args:
        boundary: Its name.
        answers: What they told last.
        calls: Asks for its last calls. Raises `UnusableError`.
    """

    BINDINGS: ClassVar[list[Binding | tuple[str, str] | tuple[str, str, str]]] = [
        Binding("escape,enter", "back", "back", key_display="esc"),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, boundary: str, answers: Answers[StateAnswer], calls: Callable[[], Answers[TraceAnswer]]) -> None:
        super().__init__()
        self.boundary = boundary
        self.answers = answers
        self._ask = calls
        self._state = Static()
        self._calls = Static(id="calls")

    def compose(self) -> ComposeResult:
        """Return the screen from top to bottom."""
        with VerticalScroll():
            yield self._state
            yield self._calls
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """Show what is known, and ask for the calls."""
        self.show(self.answers)
        self.look()
        self.set_interval(EVERY, self.look)

    def look(self) -> None:
        """Ask for the last calls, in a thread."""
        self.run_worker(self._look, thread=True, exclusive=True, group="look")

    def _look(self) -> None:
        try:
            answers = self._ask()
        except UnusableError:
            return  # the table says so
        self.app.call_from_thread(self._show_calls, merged_calls(answers.answers, SHOWN))

    def show(self, answers: Answers[StateAnswer]) -> None:
        """Show what the processes tell of it now."""
        self.answers = answers
        now = now_of(answers.answers)
        width = self.app.size.width - 4
        row = next((row for row in merged(answers.answers) if row["name"] == self.boundary), None)
        lines = [Text("no process has it any more", "yellow")] if row is None else list(_lines(row, now, width))
        self._state.update(Text("\n").join(lines))

    def _show_calls(self, calls: list[MergedCall]) -> None:
        width = self.app.size.width - 4
        lines = [Text("last calls", "bold underline") if calls else Text("no call has ended yet", "dim")]
        for one in reversed(calls):
            lines += waterfall(one, width, named=False)
        self._calls.update(Text("\n").join(lines))

    def on_resize(self) -> None:
        """Draw in the room that there is now."""
        self.show(self.answers)
        self.look()

    def action_back(self) -> None:
        """Back to the table."""
        self.dismiss()


def _lines(row: Merged, now: float, width: int) -> Iterator[Text]:
    head = Text(printable(row["name"]), "bold")
    owner = printable(row["owner"]) if row["owner"] is not None else "no owner"
    processes = counted(row["processes"], "process", "processes")
    head.append(f"  {owner}, mode {printable(row['mode'])}, {processes}, {moment(now)}", "dim")
    yield head
    times = f"p50 {seconds(row['p50'])}  p95 {seconds(row['p95'])}  p99 {seconds(row['p99'])}"
    yield Text(
        f"{rate(row['rate'])} calls/s  {times}  degraded {share(row['degraded'])}  failed {share(row['failed'])}"
    )
    yield from map(Text, _limits(row, now))
    if row["breakers"]:
        yield Text()
        since = max(min(one["counting_since"] for one in row["breakers"]), now - LONGEST)
        title = Text.assemble(("breaker", "bold underline"))
        title.append(f"  {age(now - since)} until now: ", "dim")
        for number, (state, glyph) in enumerate(_GLYPHS.items()):
            title.append("  " if number else "")
            title.append(f"{glyph} {state}", breaker_style(state))
        yield title
        for one in row["breakers"]:
            yield timeline(one, since, now, max(width - LABEL, 10))
    if row["failures"]:
        yield Text()
        title = Text.assemble(("failures", "bold underline"))
        title.append("  calls in the last minute, by why the component did not answer", "dim")
        yield title
        for failed in row["failures"]:
            failure = failed["failure"]
            kind, stage = printable(failure["kind"]), printable(failure["stage"])
            number = row["kinds"].get(failure["kind"], 0)
            yield Text(f"{number:>6}  {kind} ({stage}), last {age(now - failure['when'])} ago")
    if row["contracts"]:
        yield Text()
        title = Text.assemble(("contracts", "bold underline"))
        title.append("  in the last ten minutes", "dim")
        yield title
        for name, rates in row["contracts"].items():
            said = [f"{rates['judged']} judged", f"{rates['broken']} broken", f"{rates['repaired']} repaired"]
            yield Text(f"{printable(name)}: {', '.join(said)}")


def _limits(row: Merged, now: float) -> Iterator[str]:
    """Return what is taken of what there is."""
    said = []
    permits = row["permits"]
    if permits is not None:
        said.append(f"permits {permits['in_flight']} of {permits['limit']}, {permits['queued']} waiting")
    if row["abandoned"]:
        said.append(f"{row['abandoned']} abandoned threads")
    if row["cooldown_until"] is not None and row["cooldown_until"] > now:
        said.append(f"paused for {age(row['cooldown_until'] - now)}")
    if row["dependency"] is not None:
        said.append(f"calls {printable(row['dependency'])}")
    if said:
        yield "  ".join(said)
    if row["budget"] is not None:
        yield f"budget a window of {age(row['budget']['per'])}: {', '.join(_spent(row['budget']))}"


def _spent(budget: SpentAnswer) -> Iterator[str]:
    if budget["calls_limit"] is not None:
        yield f"{budget['calls']} of {budget['calls_limit']} calls"
    if budget["tokens_limit"] is not None:
        yield f"{budget['tokens']} of {budget['tokens_limit']} tokens"
    if budget["usd_limit"] is not None:
        yield f"{budget['usd']:.4g} of {budget['usd_limit']:.4g} USD"


def timeline(one: MergedBreaker, since: float, now: float, room: int) -> Text:
    """Return what a breaker was from `since` to `now` in `room` characters; each shows the worst of its time."""
    breaker = one["breaker"]
    label = cut(f"{one['pid']} {printable(breaker['name'])}", LABEL - 1)
    line = Text(f"{label:<{LABEL}}", "dim")
    step = max(now - since, 1e-9) / room
    for cell in range(room):
        states = _states(breaker, since + cell * step, since + (cell + 1) * step)
        worst = next((state for state in ("open", "half-open") if state in states), "closed")
        line.append(_GLYPHS[worst], breaker_style(worst))
    return line


def _states(breaker: BreakerAnswer, begins: float, ends: float) -> set[str]:
    """Return what a breaker was between two moments."""
    at_first = breaker["moves"][0]["before"] if breaker["moves"] else breaker["state"]
    states = {at_first}
    for move in breaker["moves"]:
        if move["when"] <= begins:
            states = {move["state"]}
        elif move["when"] <= ends:
            states.add(move["state"])
    return states
