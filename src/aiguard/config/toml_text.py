"""TOML as text: `tomllib` says what it means, a walk over the same text says where each value stands."""

from __future__ import annotations

import re
from datetime import date, time
from io import StringIO
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.config.text import (
    DEEPEST,
    LONGEST,
    TOO_DEEP,
    TOO_LONG,
    Flaw,
    Mark,
    Node,
    UnreadableError,
    decode,
    mark_at,
    no_pause,
)
from aiguard.config.toml_flaws import LINE, LINES, depth_flaw, flaw_of

if TYPE_CHECKING:
    from collections.abc import Callable

_EVERY: Final = 64  # settings between two breaths

_BLANK: Final = re.compile(r"(?:[ \t\n]++|#[^\n]*+)*+")  # with line breaks and comments
_NEXT: Final = re.compile(rf"{_BLANK.pattern},?{_BLANK.pattern}")
_PART: Final = re.compile(rf"[ \t]*+([A-Za-z0-9_-]++|{LINE})[ \t]*+(\.?)(?:=[ \t]*+)?")
_SCALAR: Final = re.compile(rf"{LINES}|{LINE}|[^],}}#\n]++", re.DOTALL)


def read_toml(data: bytes, breathe: Callable[[], None] = no_pause) -> tuple[Node | None, list[Flaw]]:
    """
    Read a TOML document.

    A table with a header, or made by a dotted key, stands where its name does. Dates and times are told as flaws: no
    setting is one.

    Args:
        data: UTF-8.
        breathe: Called at every number with a point, and every few dozen settings.

    Returns:
        The document, `None` where it cannot be read, and all that is wrong with it, in the order of the text.
    """
    text = decode(data)
    if isinstance(text, Flaw):
        return None, [text]
    flaw = _carriage_return(text) or _long_key(text, breathe)
    if flaw is not None:
        return None, [flaw]
    import tomllib  # noqa: PLC0415 - only a TOML file needs it

    def number(digits: str) -> float:  # the only hook that tomllib offers
        breathe()
        return float(digits)

    try:
        plain = tomllib.loads(text, parse_float=number)
    except RecursionError:
        return None, [depth_flaw(text) or Flaw(Mark(1, 1), TOO_DEEP)]
    except ValueError as error:
        return None, [flaw_of(error, text)]
    walk = _Walk(text, plain)
    try:
        walk.document(breathe)
    except UnreadableError as error:
        return None, [*walk.flaws, error.flaw]
    return walk.root, walk.flaws


def _carriage_return(text: str) -> Flaw | None:
    r"""Return where `text`, whose line breaks are `\n` by now, has another: tomllib would drop one before a `\n`."""
    index = text.find("\r")
    return Flaw(mark_at(text, index), "a carriage return alone ends no line in TOML: remove it") if index >= 0 else None


def _long_key(text: str, breathe: Callable[[], None]) -> Flaw | None:
    """Return where a key has so many parts that tomllib, whose time grows with their square, would take too long."""
    for number, line in enumerate(StringIO(text)):
        if not number % _EVERY:
            breathe()
        if line.count(".") > DEEPEST:
            return depth_flaw(text)
    return None


class _Part(NamedTuple):
    """One part of a dotted key."""

    name: str
    mark: Mark


class _Table(NamedTuple):
    """A table that is being filled: its nodes, what tomllib read of it, how many values it stands in, with itself."""

    nodes: dict[str, Node]
    plain: dict[str, Any]
    depth: int


class _Walk:
    """Walks once over a text that tomllib has read."""

    def __init__(self, text: str, plain: dict[str, Any]) -> None:
        start = Mark(1, 1)
        nodes: dict[str, Node] = {}
        self.root = Node(nodes, start, start)
        self.flaws: list[Flaw] = []
        self._text = text
        self._at = 0
        self._top = _Table(nodes, plain, 1)
        self._marked = start
        self._marked_at = 0  # the place of the last mark: lines are counted from there

    def document(self, breathe: Callable[[], None]) -> None:
        """Walk over the whole text."""
        table = self._top
        count = 0
        self._take(_BLANK)
        while self._at < len(self._text):
            if not count % _EVERY:
                breathe()
            count += 1
            if self._text.startswith("[[", self._at):
                table = self._item_header()
            elif self._text[self._at] == "[":
                table = self._header()
            else:
                self._setting(table)
            self._take(_BLANK)

    def _mark(self, at: int | None = None) -> Mark:
        """Return the place where the walk stands, or that of `at`, a little before it."""
        text, last = self._text, self._marked_at
        at = self._at if at is None else at
        breaks = text.count("\n", last, at)
        line, column = self._marked
        column = at - text.rfind("\n", last, at) if breaks else column + at - last
        self._marked = Mark(line + breaks, column)
        self._marked_at = at
        return self._marked

    # --- tables

    def _header(self) -> _Table:
        self._at += 1
        table = self._inside(self._top, self._key())
        self._at += 1
        return table

    def _item_header(self) -> _Table:
        self._at += 2
        *outer, (name, mark) = self._key()
        self._at += 2
        above = self._inside(self._top, outer)
        items: Any = above.nodes.setdefault(name, Node([], mark, mark)).value
        table = _Table({}, above.plain[name][len(items)], above.depth + 2)
        self._limit(table.depth, mark)
        items.append(Node(table.nodes, mark, mark))
        return table

    def _inside(self, table: _Table, parts: list[_Part]) -> _Table:
        """Return the table that `parts` lead to, in an array of tables the last one."""
        nodes, plain, depth = table
        for name, mark in parts:
            inner: Any = nodes.setdefault(name, Node({}, mark, mark)).value
            plain = plain[name]
            depth += 1
            if isinstance(inner, list):
                plain = plain[len(inner) - 1]
                inner = inner[-1].value
                depth += 1
            nodes = inner
            self._limit(depth, mark)
        return _Table(nodes, plain, depth)

    def _limit(self, depth: int, mark: Mark) -> None:
        if depth > DEEPEST:
            raise UnreadableError(Flaw(mark, TOO_DEEP))

    # --- settings

    def _setting(self, table: _Table) -> None:
        *outer, (name, mark) = self._key()
        if outer:
            table = self._inside(table, outer)
        table.nodes[name] = self._value(table.plain[name], mark, table.depth + 1)

    def _key(self) -> list[_Part]:
        """Go behind a key, and behind the equals sign after it."""
        parts = []
        more = True
        while more:
            part = self._take(_PART)
            parts.append(_Part(_name(part[1]), self._mark(part.start(1))))
            more = bool(part[2])
        return parts

    def _value(self, plain: Any, key: Mark | None, depth: int) -> Node:
        mark = self._mark()
        if isinstance(plain, dict | list):
            self._limit(depth, mark)
        if isinstance(plain, dict):
            return Node(self._inline(_Table({}, plain, depth)), mark, key or mark)
        if isinstance(plain, list):
            return Node(self._array(plain, depth), mark, key or mark)
        return Node(self._scalar(plain, mark), mark, key or mark)

    def _inline(self, table: _Table) -> dict[str, Node]:
        self._at += 1
        self._take(_BLANK)
        while self._text[self._at] != "}":
            self._setting(table)
            self._take(_NEXT)
        self._at += 1
        return table.nodes

    def _array(self, plain: list[Any], depth: int) -> list[Node]:
        self._at += 1
        self._take(_BLANK)
        nodes = []
        for item in plain:
            nodes.append(self._value(item, None, depth + 1))
            self._take(_NEXT)
        self._at += 1
        return nodes

    def _scalar(self, plain: Any, mark: Mark) -> str | float | bool | None:
        written = self._take(_SCALAR)[0]
        if isinstance(plain, date | time):
            self.flaws.append(Flaw(mark, "a date or time is text here: write it in quotes"))
            return written.strip()
        if isinstance(plain, int) and len(written) > LONGEST:
            self.flaws.append(Flaw(mark, TOO_LONG))
            return None
        value: str | float | bool = plain
        return value

    # --- the text

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str]:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise UnreadableError(Flaw(self._mark(), "Python reads this as TOML, and aiguard does not know it"))
        self._at = found.end()
        return found


def _name(part: str) -> str:
    """Return the key that `part` writes."""
    if part[0] not in "\"'":
        return part
    if part[0] == "'" or "\\" not in part:
        return part[1:-1]
    import tomllib  # noqa: PLC0415 - as above

    return next(iter(tomllib.loads(f"{part}=0")))
