"""Seconds from left to right."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from docs.drawings.canvas import WIDTH, width_of

if TYPE_CHECKING:
    from docs.drawings.canvas import Canvas

LEFT, RIGHT = 112, 26
STEPS = (0.1, 0.2, 0.5, 1, 2, 5, 10)
MOST_TICKS = 10
ROOM = 8


class Axis:
    """
    Where a moment lies, and how what happened is labelled there.

    Args:
        canvas: What is drawn on.
        until: The last moment, in seconds; the first is zero.
        top: Where the seconds are written.
        bottom: Where the lines down from them end.
    """

    def __init__(self, canvas: Canvas, until: float, top: float, bottom: float) -> None:
        self._canvas = canvas
        self._scale = (WIDTH - LEFT - RIGHT) / until
        self.top, self.bottom = top, bottom
        step = next(step for step in STEPS if until / step <= MOST_TICKS)
        for tick in count():
            moment = tick * step
            if moment > until + step / 100:
                break
            x = self.at(moment)
            canvas.line(x, top + 6, x, bottom, "grid")
            canvas.text(x, top, f"{moment:g} s" if tick == 0 else f"{moment:g}", "note", "middle")

    def at(self, moment: float) -> float:
        """Return where `moment` lies."""
        return LEFT + moment * self._scale

    def bar(self, start: float, end: float, y: float, kind: str, label: str) -> None:
        """Draw what lasted from `start` to `end`; its label stands on it, or where there is room."""
        x, width = self.at(start), max((end - start) * self._scale, 3)
        self._canvas.box(x, y, width, 18, kind)
        needed = width_of(label) + ROOM
        if width >= needed:
            self._canvas.text(x + 6, y + 13.5, label, "note" if kind.startswith("box") else "on")
        elif x + width + needed <= WIDTH - 4:
            self._canvas.text(x + width + 6, y + 13.5, label, "note")
        else:
            self._canvas.text(x - 6, y + 13.5, label, "note", "end")

    def wait(self, start: float, end: float, y: float) -> None:
        """Draw a time in which nothing ran."""
        self._canvas.line(self.at(start), y + 9, self.at(end), y + 9, "wait")

    def limit(self, moment: float, label: str) -> None:
        """Draw a moment that nothing may pass; its name stands below."""
        x = self.at(moment)
        self._canvas.line(x, self.top + 6, x, self.bottom + 6, "limit")
        anchor = "end" if x + width_of(label) / 2 > WIDTH - 4 else "middle"
        self._canvas.text(min(x, WIDTH - 6) if anchor == "end" else x, self.bottom + 20, label, "limit-note", anchor)
