"""Many callers at once: who runs, who waits, who is turned away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from docs.drawings.samples import Recorded

ROW, TOP = 26, 40


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return a row for each call: a dotted line while it waits, a bar while it runs."""
    bottom = TOP + len(recorded.calls) * ROW + 2
    canvas = Canvas(title, description)
    axis = Axis(canvas, max(call.ended for call in recorded.calls) + 0.2, 24, bottom)
    for row, call in enumerate(recorded.calls):
        y = TOP + row * ROW
        canvas.text(8, y + 13.5, f"caller {row + 1}")
        if call.outcome.attempts:
            [attempt] = call.outcome.attempts
            start = call.begun + attempt.started
            axis.wait(call.begun, start, y)
            kind = "answered" if call.outcome.ok else "failed"
            waited = f" after waiting {attempt.started:.1f} s" if attempt.started else ""
            axis.bar(start, start + attempt.elapsed, y, kind, f"runs{waited}")
            continue
        axis.wait(call.begun, call.ended, y)
        canvas.cross(axis.at(call.ended), y + 9, "rejected")
        assert call.outcome.failure is not None, "a call without an attempt and without an answer has failed"  # noqa: S101
        canvas.text(axis.at(call.ended) + 11, y + 13.5, str(call.outcome.failure.kind), "note")
    return canvas.drawn(bottom + 12)
