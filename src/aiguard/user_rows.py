"""Rows of a user's own: what an exception that nobody here knows amounts to, or one that a program knows better."""

from __future__ import annotations

import builtins
import keyword
import threading
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.failure import REJECTIONS, FailureKind
from aiguard.problem import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiguard.failure_table import ClassKey

_OWN_WORDS: Final = REJECTIONS | {FailureKind.DEADLINE_EXHAUSTED}
"""What only a boundary says of itself."""

_LONGEST: Final = 200


class UserRow(NamedTuple):
    """
    One row.

    Attributes:
        name: The class, as it was given.
        kind: What it means.
        status: The HTTP status that it must carry, if any.
        code: What its body must say, if anything.
    """

    name: str
    kind: FailureKind
    status: int | None
    code: str | None

    def __str__(self) -> str:
        parts = [self.name]
        if self.status is not None:
            parts.append(f"HTTP status {self.status}")
        if self.code is not None:
            parts.append(f"code {self.code}")
        return f"your row for {', '.join(parts)}"


_lock = threading.Lock()

_rows: dict[ClassKey, tuple[UserRow, ...]] = {}
"""Never changed, only replaced: whoever reads it needs no lock."""


def classify_as(name: str, kind: FailureKind | str, *, status: int | None = None, code: str | None = None) -> None:
    """
    Say what an exception of the component means, from now on and for every boundary.

    A row matches the class and all that derive from it, and goes before whatever aiguard knows of it. The nearest class
    decides; among its rows, one with a code before one with a status before one with neither. The same row again
    replaces what it said. May be called from any thread; do it where the program starts.

    Args:
        name: The class with its package, as it is imported: `"mysdk.QuotaError"`. Only the first and the last part
            count, so that a class may move inside its package. Of Python's own the name alone: `"KeyError"`. Nothing
            is imported.
        kind: What it means: a `FailureKind`, or its value; none that only a boundary says of itself.
        status: Only where the exception carries this HTTP status, from 100 to 599.
        code: Only where the exception or the body of its response has this `code`, `type`, `status` or `reason`.

    Raises:
        ValueError: One of these cannot be used; the message says which, and why.
    """
    row = UserRow(_checked_name(name), _checked_kind(kind), _checked_status(status), _checked_code(code))
    key = key_of(row.name)
    with _lock:
        others = [one for one in _rows.get(key, ()) if (one.status, one.code) != (row.status, row.code)]
        ordered = sorted([*others, row], key=lambda one: (one.code is None, one.status is None))
        _replace({**_rows, key: tuple(ordered)})


def user_row_for(keys: Sequence[ClassKey], status: int | None, codes: Collection[str]) -> UserRow | None:
    """Return the row that holds for an exception, nearest class first; `None` where there is none."""
    rows = _rows
    for key in keys:
        for row in rows.get(key, ()):
            if row.status in {None, status} and (row.code is None or row.code in codes):
                return row
    return None


def any_rows() -> bool:
    """Whether anybody has added a row: mostly nobody has."""
    return bool(_rows)


def user_names() -> list[str]:
    """Return the classes that rows were added for."""
    return [row.name for rows in _rows.values() for row in rows]


def key_of(name: str) -> ClassKey:
    """Return the top package and the class of a dotted name; a name alone is one of Python's own."""
    first, dot, rest = name.partition(".")
    return (first, rest.rpartition(".")[2]) if dot else ("builtins", first)


def is_dotted(name: str) -> bool:
    """Whether `name` could be that of a class, with or without its package."""
    return len(name) <= _LONGEST and all(
        part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")
    )


def _replace(rows: dict[ClassKey, tuple[UserRow, ...]]) -> None:
    global _rows  # noqa: PLW0603 - replaced as a whole, see there
    _rows = rows


def _checked_name(name: object) -> str:
    if type(name) is not str or not is_dotted(name):
        raise ValueError(f"classify_as: {shown(name)} is no name of a class: write it as `package.Class`")
    if "." not in name:
        known = getattr(builtins, name, None)
        if not (isinstance(known, type) and issubclass(known, Exception)):
            raise ValueError(f"classify_as: {name!r} is no exception of Python's own: write it as `package.{name}`")
    return name


def _checked_kind(kind: object) -> FailureKind:
    if not isinstance(kind, str) or kind not in list(FailureKind):
        hint = nearest(str(kind), list(FailureKind)) if isinstance(kind, str) else ""
        raise ValueError(f"classify_as: kind={shown(kind)} is no failure kind{hint}")
    found = FailureKind(kind)
    if found in _OWN_WORDS:
        raise ValueError(f"classify_as: kind={shown(str(found))}: only a boundary says that of itself")
    return found


def _checked_status(status: object) -> int | None:
    if status is None:
        return None
    if type(status) is not int or not 100 <= status <= 599:  # noqa: PLR2004 - the range of HTTP statuses
        raise ValueError(f"classify_as: status={shown(status)} is no HTTP status from 100 to 599")
    return status


def _checked_code(code: object) -> str | None:
    if code is None:
        return None
    if type(code) is not str or not code or len(code) > _LONGEST:
        raise ValueError(f"classify_as: code={shown(code)} is no text of 1 to {_LONGEST} characters")
    return code
