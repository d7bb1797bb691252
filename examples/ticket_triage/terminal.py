"""What the output is, and so what can be shown on it."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from typing import Final

from rich.console import Console

WIDE: Final = 120


def console() -> Console:
    """Return a console for standard output, as wide as the report needs where the output has no width of its own."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal that cannot show a character gets "?", not a traceback
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(width=width, highlight=False)


def why_plain(target: Console, *, asked: bool) -> str | None:
    """Return why there is no live table here, and how to get one; `None` where there is one."""
    if asked:
        return "One line a call, as --plain asks."
    if not target.is_terminal:
        return "The output is not a terminal: one line a call. Run it in a terminal to watch a live table."
    if target.is_dumb_terminal:
        return (
            f"TERM={os.environ.get('TERM', '')} cannot redraw: one line a call. "
            f"For a live table set TERM to what your terminal is, e.g. TERM=xterm-256color."
        )
    return None


def why_colourless(target: Console) -> str | None:
    """Return why a terminal that can redraw shows no colours, and how to get them."""
    if target.is_terminal and target.no_color:
        return "NO_COLOR is set: every state is a word too. Unset it for colours."
    return None
