"""Many callers at once: who runs, who waits, who is turned away."""

from __future__ import annotations

from math import isclose
from typing import TYPE_CHECKING

from aiguard import FailureKind
from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from docs.drawings.samples import Call, Recorded

ROW, TOP = 26, 40


def _displaced_by(call: Call, calls: list[Call]) -> Call | None:
    """Return who came as `call` lost its place in a full queue; `None` where it did not."""
    failure = call.outcome.failure
    if failure is None or failure.kind is not FailureKind.BULKHEAD_FULL:
        return None
    return next((later for later in calls if call.begun < later.begun and isclose(later.begun, call.ended)), None)


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return a row for each call: a dotted line while it waits, a bar while it runs."""
    bottom = TOP + len(recorded.calls) * ROW + 2
    canvas = Canvas(title, description)
    axis = Axis(canvas, max(call.ended for call in recorded.calls) + 0.2, 24, bottom)
    for row, call in enumerate(recorded.calls):
        y = TOP + row * ROW
        canvas.text(8, y + 13.5, call.name or f"caller {row + 1}")
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
        said = str(call.outcome.failure.kind)
        by = _displaced_by(call, recorded.calls)
        if by is not None:
            said = f"displaced: {said}"
            canvas.arrow(f"M{axis.at(by.begun)} {TOP + recorded.calls.index(by) * ROW + 9}V{y + 16}")
        canvas.text(axis.at(call.ended) + 11, y + 13.5, said, "note")
    return canvas.drawn(bottom + 12)
