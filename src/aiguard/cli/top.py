"""The boundaries of every process that can be looked into, live: a table, and one of them alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final, Protocol

from textual.app import App
from textual.binding import Binding

from aiguard.cli.top_boundary import BoundaryScreen
from aiguard.cli.top_table import TableScreen
from aiguard.monitor.client import Answers, states, traces
from aiguard.state_directory import UnusableError

if TYPE_CHECKING:
    from pathlib import Path

    from textual.screen import Screen

    from aiguard.monitor.schema import StateAnswer, TraceAnswer

EVERY: Final = 1.0
"""Seconds between two looks."""

CALLS: Final = 20
"""Calls of an opened boundary."""


class Source(Protocol):
    """
    Where what is shown comes from.

    Attributes:
        directory: Where the processes are.
    """

    directory: Path

    def states(self) -> Answers[StateAnswer]:
        """Return what the boundaries of every process do. Raises `UnusableError`."""

    def calls(self, boundary: str) -> Answers[TraceAnswer]:
        """Return the last calls of a boundary. Raises `UnusableError`."""


class Processes:
    """The processes that have a socket in a directory."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def states(self) -> Answers[StateAnswer]:
        """Return what the boundaries of every process do. Raises `UnusableError`."""
        return states(self.directory)

    def calls(self, boundary: str) -> Answers[TraceAnswer]:
        """Return the last calls of a boundary. Raises `UnusableError`."""
        return traces(self.directory, boundary=boundary, last=CALLS, failed=False)


class Top(App[None]):
    """
    Asks every second, and shows the answers.

    Args:
        source: Where what is shown comes from.
    """

    TITLE = "aiguard top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    TableScreen { background: $background; }
    #head { height: 1; padding: 0 1; color: $text-muted; }
    #rows { height: 1fr; }
    #below { height: auto; max-height: 4; padding: 0 1; }
    #filter { display: none; height: 1; border: none; padding: 0 1; }
    #filter.open { display: block; }
    BoundaryScreen Static { padding: 0 1; }
    #calls { margin-top: 1; }
    """
    BINDINGS: ClassVar[list[Binding | tuple[str, str] | tuple[str, str, str]]] = [
        Binding("ctrl+c", "quit", "quit", show=False, priority=True)
    ]

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self.table = TableScreen(source.directory)
        self.answers: Answers[StateAnswer] = Answers((), ())

    def get_default_screen(self) -> Screen[None]:
        """Begin with the table."""
        return self.table

    def on_mount(self) -> None:
        """Look for the first time, then every second."""
        self.look()
        self.set_interval(EVERY, self.look)

    def look(self) -> None:
        """Ask every process, in a thread: one that hangs must not stop the keys."""
        self.run_worker(self._look, thread=True, exclusive=True, group="look")

    def _look(self) -> None:
        try:
            answers = self._source.states()
        except UnusableError as error:
            self.call_from_thread(self.exit, None, 2, str(error))
            return
        self.call_from_thread(self.show, answers)

    def show(self, answers: Answers[StateAnswer]) -> None:
        """Show what the processes answered."""
        self.answers = answers
        for screen in self.screen_stack:
            if isinstance(screen, TableScreen | BoundaryScreen):
                screen.show(answers)

    def on_table_screen_opened(self, message: TableScreen.Opened) -> None:
        """Show a boundary alone."""
        name = message.boundary
        self.push_screen(BoundaryScreen(name, self.answers, partial(self._source.calls, name)))


def run(directory: Path) -> int:
    """Show the table until somebody ends it; return the exit code. Raises `UnusableError`."""
    states(directory)  # what is wrong with the directory is said on the terminal as it is
    app = Top(Processes(directory))
    app.run()
    return app.return_code or 0
