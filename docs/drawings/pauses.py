"""Many callers and a component that asks for a pause: who waits for its end, who goes elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.classification import status_of
from aiguard.stages.cooldown import ASKS_FOR_A_PAUSE
from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from docs.drawings.samples import Call, Recorded

ROW, TOP = 26, 40


def _attempts(axis: Axis, call: Call, y: float) -> None:
    """Draw the attempts of a call, and what it waited before each."""
    before = call.begun
    for attempt in call.outcome.attempts:
        start = call.begun + attempt.started
        end = start + attempt.elapsed
        waited = start - before
        if waited:
            axis.wait(before, start, y)
        if attempt.failure is None:
            axis.bar(start, end, y, "answered", f"answered, waited {waited:.1f} s" if waited else "answered")
        else:
            error = attempt.failure.exception
            axis.bar(start, end, y, "failed", str(status_of(error) if error else attempt.failure.kind))
        before = end


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return a row for each call: a dotted line while it waits, a bar while it runs; and the pauses below."""
    paused = TOP + len(recorded.calls) * ROW + 4
    bottom = paused + ROW + 4
    canvas = Canvas(title, description)
    axis = Axis(canvas, max(call.ended for call in recorded.calls) + 0.7, 24, bottom)
    canvas.text(8, paused + 13.5, "paused")
    for row, call in enumerate(recorded.calls):
        y = TOP + row * ROW
        outcome = call.outcome
        canvas.text(8, y + 13.5, f"{row + 1}: {call.name}")
        _attempts(axis, call, y)
        if outcome.rung is not None and outcome.failure is not None:
            canvas.diamond(axis.at(call.ended), y + 9, "rung")
            canvas.text(axis.at(call.ended) + 11, y + 13.5, f"{outcome.failure.kind}: to the ladder, at once", "note")
        for attempt in outcome.attempts:
            failure = attempt.failure
            if failure is not None and failure.kind in ASKS_FOR_A_PAUSE and failure.retry_after:
                asked = call.begun + attempt.started + attempt.elapsed
                label = f"“{call.name}”, for {failure.retry_after:g} s"
                axis.bar(asked, asked + failure.retry_after, paused, "rejected", label)
    return canvas.drawn(bottom + 8)
