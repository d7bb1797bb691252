"""The line of a file that a finding is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiguard.config.text import Flaw, decode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiguard.problem import Position

WIDEST: Final = 100
"""Characters of a line that are shown; of a longer one, those around the place."""


def lines_of(source: str) -> tuple[str, ...]:
    """Return the lines of a file; none where `source` is none, or cannot be read."""
    try:
        data = Path(source).read_bytes()
    except OSError:
        return ()
    text = decode(data)
    if isinstance(text, Flaw):
        text = data.decode(errors="replace")
    return tuple(text.replace("\r", "\n").split("\n"))


def excerpt(lines: Sequence[str], position: Position) -> tuple[str, int] | None:
    """
    Return the one of `lines` that is at `position`, fit to be shown, and where its column is then, counted from 0.

    The column is -1 where the position has none. What is not there, or empty, is `None`.
    """
    if not 1 <= position.line <= len(lines):
        return None
    line = "".join(one if one.isprintable() else " " for one in lines[position.line - 1])
    column = position.column - 1
    start = max(0, column - WIDEST // 2) if len(line) > WIDEST else 0
    shown = line[start : start + WIDEST].rstrip()
    return (shown, column - start if column >= 0 else -1) if shown else None
