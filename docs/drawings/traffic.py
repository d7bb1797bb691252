"""A call a second for a while, and what the breaker made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings import states
from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from docs.drawings.samples import Call, Recorded

ROW, TOP = 28, 40
ROWS = {"answered": "answered", "failed": "failed", "rejected": "rejected"}


def verdict(call: Call) -> str:
    """Return the row that a call belongs to."""
    if call.outcome.source == "component":
        return "answered"
    return "failed" if call.outcome.attempts else "rejected"


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return a mark for each call, and the states of the breaker below."""
    end = recorded.calls[-1].ended
    bottom = TOP + (len(ROWS) + 1) * ROW + 4
    canvas = Canvas(title, description)
    axis = Axis(canvas, end, 24, bottom)
    marks = {"answered": canvas.dot, "failed": canvas.cross, "rejected": canvas.diamond}
    for row, name in enumerate(ROWS):
        canvas.text(8, TOP + row * ROW + 13.5, name)
    for call in recorded.calls:
        name = verdict(call)
        marks[name](axis.at(call.begun), TOP + list(ROWS).index(name) * ROW + 9, name)

    y = TOP + len(ROWS) * ROW
    canvas.text(8, y + 13.5, "breaker")
    states.band(canvas, axis, recorded.moves, end, y, bottom + 14)
    return canvas.drawn(bottom + 24)
