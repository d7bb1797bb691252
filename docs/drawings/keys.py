"""Boundaries that call the same dependency, its keys, and the breaker of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings import states
from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas, width_of
from docs.drawings.traffic import verdict

if TYPE_CHECKING:
    from docs.drawings.samples import Recorded

ROW, TOP, GAP, LEGEND = 26, 44, 34, 26


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return for each key a row of marks for each boundary, and the states of the breaker that they share."""
    keys = list(dict.fromkeys(call.name for call in recorded.calls))
    boundaries = sorted({call.outcome.boundary for call in recorded.calls})
    end = max(call.ended for call in recorded.calls)
    group = (len(boundaries) + 1) * ROW + GAP
    bottom = TOP + len(keys) * group - GAP + 4
    canvas = Canvas(title, description)
    axis = Axis(canvas, end, 24, bottom)
    marks = {"answered": canvas.dot, "failed": canvas.cross, "rejected": canvas.diamond}
    for place, key in enumerate(keys):
        top = TOP + place * group
        for row, boundary in enumerate(boundaries):
            y = top + row * ROW
            canvas.text(8, y + 13.5, boundary)
            for call in recorded.calls:
                if (call.name, call.outcome.boundary) == (key, boundary):
                    marks[verdict(call)](axis.at(call.begun), y + 9, verdict(call))
        y = top + len(boundaries) * ROW
        name = f"{recorded.boundary.policy.dependency}[{key}]"
        canvas.text(8, y + 12.5, name, "name")
        states.band(canvas, axis, [move for move in recorded.moves if move.breaker == name], end, y, y + 32)
    x, y = axis.at(0.0), bottom + LEGEND
    for name, mark in marks.items():
        mark(x, y, name)
        canvas.text(x + 10, y + 4, name, "note")
        x += width_of(name) + 34
    return canvas.drawn(bottom + LEGEND + 16)
