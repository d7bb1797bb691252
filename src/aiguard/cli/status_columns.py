"""The columns of the table of boundaries, as `aiguard status` and `aiguard top` show them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from aiguard.cli import status_words as words
from aiguard.cli.printable import printable
from aiguard.failure import FailureKind
from aiguard.monitor.schema import HALTED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiguard.monitor.merging import Merged
    from aiguard.monitor.schema import FailureAnswer

GAP: Final = 1
"""Characters between two columns."""

NAME: Final = 18
"""Characters of a boundary's name, at least; it gets what is left."""


class Cell(NamedTuple):
    """What stands in a column of a row, and how it is shown."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """
    One column.

    Attributes:
        title: What stands above it.
        width: Characters that it needs.
        rank: Which columns go first where there is no room for all: those of the highest.
        cell: Makes it of a boundary, and of the moment that it is now.
        order: What its rows are sorted by; what has more to worry about comes first.
        align: Where its text stands.
    """

    title: str
    width: int
    rank: int
    cell: Callable[[Merged, float], Cell]
    order: Callable[[Merged], tuple[float | str, ...]]
    align: Literal["left", "right"] = "right"


def shown_in(width: int, rows: Sequence[Merged]) -> tuple[Column, ...]:
    """Return the columns that fit into `width` characters, beside a name of at least eighteen."""
    name = min(max([NAME, *(len(row["name"]) for row in rows)]), 2 * NAME)
    columns = list(COLUMNS)
    while len(columns) > 1 and (NAME if len(columns) <= _NARROW else name) + _width(columns[1:]) > width:
        columns.remove(max(columns, key=lambda column: column.rank))
    return tuple(columns)


def name_width(columns: Sequence[Column], width: int, rows: Sequence[Merged]) -> int:
    """Return the characters that a name has beside `columns`."""
    longest = max([len(COLUMNS[0].title), *(len(row["name"]) for row in rows)])
    return max(min(longest, width - _width(columns[1:])), 1)


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width + GAP for column in columns)


def cut(text: str, width: int) -> str:
    """Return `text` in at most `width` characters."""
    return text if len(text) <= width else text[: width - 1] + "…"


def _name(row: Merged, now: float) -> Cell:
    del now
    worried = row["breaker"] == "open" or row["failed"]
    return Cell(printable(row["name"]), "bold red" if worried else "bold yellow" if row["degraded"] else "bold")


def _owner(row: Merged, now: float) -> Cell:
    del now
    return Cell(printable(row["owner"] or "–"), "" if row["owner"] else "dim")


def _mode(row: Merged, now: float) -> Cell:
    del now
    if row["mode"] == HALTED:
        return Cell("halt", "bold red")
    return Cell(printable(row["mode"]), "" if row["mode"] == "on" else "yellow")


_BREAKER_STYLES: Final = {"open": "bold red", "half-open": "yellow", "closed": "green"}


def breaker_style(state: str) -> str:
    """Return how a breaker's state is shown."""
    return _BREAKER_STYLES.get(state, "")


def _breaker(row: Merged, now: float) -> Cell:
    del now
    state = row["breaker"]
    return Cell("–", "dim") if state is None else Cell(printable(state), breaker_style(state))


def _share(value: float | None, style: str) -> Cell:
    return Cell(words.share(value), style if value else "dim")


def _permits(row: Merged, now: float) -> Cell:
    del now
    permits = row["permits"]
    if permits is None:
        return Cell("–", "dim")
    queued = f"+{permits['queued']}" if permits["queued"] else ""
    full = permits["in_flight"] >= permits["limit"]
    return Cell(f"{permits['in_flight']}/{permits['limit']}{queued}", "yellow" if full else "")


def _last_failure(row: Merged, now: float) -> Cell:
    failure = last_failure(row)
    if failure is None:
        return Cell("–", "dim")
    return Cell(f"{printable(failure['kind'])} {words.age(now - failure['when'])} ago")


def last_failure(row: Merged) -> FailureAnswer | None:
    """Return the last failure; that an open breaker turned a call away says less than why it opened."""
    kinds = [one["failure"] for one in row["failures"]]
    return next((one for one in kinds if one["kind"] != FailureKind.CIRCUIT_OPEN), kinds[0] if kinds else None)


def _time(which: Literal["p50", "p95", "p99"]) -> Column:
    return Column(
        which,
        5,
        4 if which == "p50" else 3,
        lambda row, _: Cell(words.seconds(row[which]), "dim" if row[which] is None else ""),
        lambda row: (-(row[which] or 0.0),),
    )


_STATES: Final = ("open", "half-open", "closed", None)

COLUMNS: Final[tuple[Column, ...]] = (
    Column("boundary", NAME, 0, _name, lambda row: (row["name"],), "left"),
    Column("owner", 14, 8, _owner, lambda row: (row["owner"] or "￿",), "left"),
    Column("mode", 5, 2, _mode, lambda row: (row["mode"] == "on",), "left"),
    Column(
        "breaker",
        9,
        1,
        _breaker,
        lambda row: (_STATES.index(row["breaker"]) if row["breaker"] in _STATES else len(_STATES),),
        "left",
    ),
    Column("calls/s", 7, 2, lambda row, _: Cell(words.rate(row["rate"])), lambda row: (-row["rate"],)),
    _time("p50"),
    _time("p95"),
    _time("p99"),
    Column("degr", 4, 1, lambda row, _: _share(row["degraded"], "yellow"), lambda row: (-(row["degraded"] or 0.0),)),
    Column("fail", 4, 1, lambda row, _: _share(row["failed"], "bold red"), lambda row: (-(row["failed"] or 0.0),)),
    Column(
        "permits",
        7,
        5,
        _permits,
        lambda row: (-(row["permits"]["in_flight"] / row["permits"]["limit"]) if row["permits"] else 1.0,),
    ),
    Column(
        "last failure",
        28,
        9,
        _last_failure,
        lambda row: (-failure["when"] if (failure := last_failure(row)) is not None else 0.0,),
        "left",
    ),
)

_NARROW: Final = len(COLUMNS) - 2
"""Without owner and last failure, which are told elsewhere, a name is rather cut than a column lost."""
