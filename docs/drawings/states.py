"""The states of a breaker over time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from docs.drawings.canvas import width_of

if TYPE_CHECKING:
    from docs.drawings.axis import Axis
    from docs.drawings.canvas import Canvas
    from docs.drawings.samples import Move

STATES = {"closed": "answered", "open": "failed", "half-open": "rejected"}


def band(canvas: Canvas, axis: Axis, moves: list[Move], end: float, y: float, below: float) -> None:  # noqa: PLR0917 - where
    """Draw what a breaker was at each moment until `end`; a name without room stands `below`."""
    moments = [(0.0, "closed"), *((move.moment, move.state) for move in moves), (end, "")]
    for (start, state), (stop, _) in pairwise(moments):
        x, width = axis.at(start), axis.at(stop) - axis.at(start)
        canvas.box(x, y, width, 18, STATES[state])
        if width >= width_of(state):
            canvas.text(x + 5, y + 13.5, state, "on")
        else:
            canvas.text(x + width / 2, below, state, "note", "middle")
