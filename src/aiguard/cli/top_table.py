"""
The table of boundaries, live.

    boundary        mode  breaker   calls/s   p50   p95   p99 degr fail permits
    ticket-triage   on    open         37.2 145ms 511ms 663ms  52%   0%    0/32
    …
    ticket-triage: owner support-ml; last failure timeout (attempt), 4s ago
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.binding import Binding
from textual.message import Message
from textual.screen import Screen
from textual.widgets import DataTable, Footer, Input, Static

from aiguard.cli.printable import printable
from aiguard.cli.status import footer
from aiguard.cli.status_columns import COLUMNS, GAP, cut, last_failure, name_width, shown_in
from aiguard.cli.status_words import age, moment
from aiguard.monitor.client import Answers
from aiguard.monitor.merging import merged, now_of

if TYPE_CHECKING:
    from pathlib import Path

    from textual.app import ComposeResult
    from textual.widgets.data_table import ColumnKey

    from aiguard.cli.status_columns import Column
    from aiguard.monitor.merging import Merged
    from aiguard.monitor.schema import StateAnswer


class TableScreen(Screen[None]):
    """
    A row a boundary.

    Args:
        directory: Where the processes are.
    """

    class Opened(Message):
        """A boundary is to be opened."""

        def __init__(self, boundary: str) -> None:
            super().__init__()
            self.boundary = boundary

    BINDINGS: ClassVar[list[Binding | tuple[str, str] | tuple[str, str, str]]] = [
        Binding("o,enter", "open", "open", key_display="enter"),  # Enter alone is the table's, and not shown
        Binding("s", "sort", "sort"),
        Binding("r", "reverse", "reverse"),
        Binding("slash", "filter", "filter", key_display="/"),
        Binding("escape", "clear", "clear", show=False),
        Binding("q", "app.quit", "quit"),
    ]

    def __init__(self, directory: Path) -> None:
        super().__init__()
        self._directory = directory
        self._answers: Answers[StateAnswer] = Answers((), ())
        self._sorted_by = COLUMNS[0]
        self._reversed = False
        self._drawn: tuple[Column, ...] = ()
        self._widths: tuple[int, ...] = ()
        self._keys: list[ColumnKey] = []
        self._head = Static(id="head")
        self._table: DataTable[Text] = DataTable(id="rows", cursor_type="row", cell_padding=0)
        self._below = Static(id="below")
        self._filter = Input(id="filter", placeholder="part of a name, an owner, a mode or a breaker's state")

    def compose(self) -> ComposeResult:
        """Return the screen from top to bottom."""
        yield self._head
        yield self._table
        yield self._below
        yield self._filter
        yield Footer(compact=True)

    def on_mount(self) -> None:
        """The keys are the table's."""
        self._table.focus()

    def show(self, answers: Answers[StateAnswer]) -> None:
        """Show what the processes answered."""
        self._answers = answers
        self.draw()

    @property
    def chosen(self) -> str | None:
        """The boundary under the cursor."""
        table = self._table
        if not table.row_count:
            return None
        return table.coordinate_to_cell_key(table.cursor_coordinate).row_key.value

    def rows(self) -> list[Merged]:
        """Return the boundaries that the filter leaves, in order."""
        wanted = self._filter.value.strip().lower()
        rows = [row for row in merged(self._answers.answers) if wanted in _searched(row)]
        rows.sort(key=self._sorted_by.order, reverse=self._reversed)
        return rows

    def draw(self) -> None:
        """Draw everything anew, and keep the row that is chosen."""
        table, rows, chosen = self._table, self.rows(), self.chosen
        width = self.app.size.width - table.scrollbar_size_vertical
        columns = shown_in(width, rows)
        widths = (name_width(columns, width, rows), *(column.width for column in columns[1:]))
        if (columns, widths) != (self._drawn, self._widths):
            self._drawn, self._widths = columns, widths
            table.clear(columns=True)
            self._keys = [table.add_column("", width=room + GAP) for room in widths]
        else:
            table.clear()
        for column, key, room in zip(columns, self._keys, widths, strict=True):
            title = column.title.rjust(room) if column.align == "right" else column.title
            table.columns[key].label = Text(title, "bold underline" if column is self._sorted_by else "bold")
        now = now_of(self._answers.answers)
        for row in rows:
            table.add_row(*(self._cells(row, now)), key=row["name"])
        names = [row["name"] for row in rows]
        if chosen in names:
            table.move_cursor(row=names.index(chosen), animate=False)
        self._say()

    def _cells(self, row: Merged, now: float) -> list[Text]:
        cells = []
        for column, room in zip(self._drawn, self._widths, strict=True):
            cell = column.cell(row, now)
            text = cut(cell.text, room)
            cells.append(Text(text.rjust(room) if column.align == "right" else text, cell.style))
        return cells

    def _say(self) -> None:
        """Write the line above the table, and those below it."""
        now = now_of(self._answers.answers)
        every = merged(self._answers.answers)
        head = Text("aiguard top", "bold")
        if every:
            head.append(f"  {moment(now)}  by {self._sorted_by.title}{', reversed' if self._reversed else ''}")
        self._head.update(head)
        lines = [Text(about(row, now)) for row in every if row["name"] == self.chosen]
        lines += [Text(line, style) for line, style in footer(self._directory, self._answers, len(every))]
        self._below.update(Text("\n").join(lines))

    def on_data_table_row_highlighted(self) -> None:
        """Say more of the row that the cursor has come to."""
        self._say()

    def on_data_table_row_selected(self) -> None:
        """Open the row."""
        self.action_open()

    def on_resize(self) -> None:
        """Find out which columns have room now."""
        self.call_after_refresh(self.draw)

    def on_input_changed(self) -> None:
        """Filter while the word is written."""
        self.draw()

    def on_input_submitted(self) -> None:
        """Back to the table; the filter stays."""
        self._table.focus()

    def action_sort(self) -> None:
        """Sort by the next column that is shown."""
        number = self._drawn.index(self._sorted_by) if self._sorted_by in self._drawn else -1
        self._sorted_by = self._drawn[(number + 1) % len(self._drawn)]
        self.draw()

    def action_reverse(self) -> None:
        """Turn the order round."""
        self._reversed = not self._reversed
        self.draw()

    def action_filter(self) -> None:
        """Ask for a word."""
        self._filter.add_class("open")
        self._filter.focus()

    def action_clear(self) -> None:
        """Forget the word."""
        self._filter.value = ""
        self._filter.remove_class("open")
        self._table.focus()

    def action_open(self) -> None:
        """Show the boundary under the cursor alone."""
        if self.chosen is not None:
            self.post_message(self.Opened(self.chosen))


def _searched(row: Merged) -> str:
    return " ".join([row["name"], row["owner"] or "", row["breaker"] or "", row["mode"]]).lower()


def about(row: Merged, now: float) -> str:
    """Return what there is no column for, in a line."""
    said = [f"owner {printable(row['owner'])}" if row["owner"] is not None else "no owner"]
    if row["dependency"] is not None:
        said.append(f"calls {printable(row['dependency'])}")
    if row["abandoned"]:
        said.append(f"{row['abandoned']} abandoned threads")
    if row["cooldown_until"] is not None and row["cooldown_until"] > now:
        said.append(f"paused for {age(row['cooldown_until'] - now)}")
    failure = last_failure(row)
    if failure is not None:
        kind, stage = printable(failure["kind"]), printable(failure["stage"])
        said.append(f"last failure {kind} ({stage}), {age(now - failure['when'])} ago")
    return f"{printable(row['name'])}: {'; '.join(said)}"
