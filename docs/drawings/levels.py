"""Quantities from bottom to top, over the seconds of an axis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings.axis import LEFT, RIGHT
from docs.drawings.canvas import WIDTH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docs.drawings.axis import Axis
    from docs.drawings.canvas import Canvas


class Levels:
    """
    How high a quantity lies, and curves that go from step to step.

    Args:
        canvas: What is drawn on.
        axis: Where moments lie.
        most: The highest quantity; the lowest is zero.
        step: How far its lines are apart.
        top: Where the highest lies.
        bottom: Where zero lies.
    """

    def __init__(self, canvas: Canvas, axis: Axis, most: int, step: int, *, top: float, bottom: float) -> None:
        self._canvas, self._axis = canvas, axis
        self._scale = (bottom - top) / most
        self._bottom = bottom
        for level in range(0, most + 1, step):
            canvas.line(LEFT, self.at(level), WIDTH - RIGHT, self.at(level), "grid")
            canvas.text(LEFT - 8, self.at(level) + 4, str(level), "note", "end")

    def at(self, quantity: float) -> float:
        """Return how high `quantity` lies."""
        return self._bottom - quantity * self._scale

    def curve(self, points: Sequence[tuple[float, float]], until: float, kind: str, *, filled: bool = False) -> None:
        """Draw a quantity that changes at each of `points`, each a moment and what it is from then on."""
        parts = [f"M{self._axis.at(points[0][0]):.1f} {self.at(points[0][1]):.1f}"]
        held = points[0][1]
        for moment, quantity in points[1:]:
            if quantity != held:
                parts.append(f"H{self._axis.at(moment):.1f}V{self.at(quantity):.1f}")
                held = quantity
        parts.append(f"H{self._axis.at(until):.1f}")
        if filled:
            parts.append(f"V{self._bottom:.1f}H{self._axis.at(points[0][0]):.1f}Z")
        self._canvas.path("".join(parts), kind)

    def key(self, quantity: float, name: str, kind: str) -> None:
        """Write left of the levels, as high as `quantity`, what is drawn like that."""
        y = self.at(quantity)
        self._canvas.path(f"M8 {y:.1f}h18", kind)
        self._canvas.text(31, y + 4, name, "note")
