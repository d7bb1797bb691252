"""One call: its attempts, the waits between them, the rung that answered, and what the caller got."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from docs.drawings.samples import Recorded

ROW, TOP = 28, 44


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return the picture of the one call in `recorded`."""
    [call] = recorded.calls
    outcome = call.outcome
    assert recorded.boundary.policy.deadline is not None, "a boundary that was called has a deadline"  # noqa: S101
    deadline = recorded.boundary.policy.deadline
    rows = len(outcome.attempts) + (outcome.rung is not None) + bool(recorded.received) + 1
    bottom = TOP + rows * ROW + 4
    canvas = Canvas(title, description)
    axis = Axis(canvas, deadline, 24, bottom)

    y, before = TOP, 0.0
    for attempt in outcome.attempts:
        canvas.text(8, y + 13.5, f"attempt {attempt.number}")
        end = attempt.started + attempt.elapsed
        if attempt.started > before:
            axis.wait(before, attempt.started, y)
        kind = "answered" if attempt.failure is None else "failed"
        what = "answered" if attempt.failure is None else str(attempt.failure.kind)
        axis.bar(attempt.started, end, y, kind, what if attempt.reason == "initial" else f"{attempt.reason}: {what}")
        y, before = y + ROW, end
    if outcome.rung is not None:
        canvas.text(8, y + 13.5, "rung")
        axis.bar(before, outcome.elapsed, y, "rung", f"{outcome.rung} answered")
        y += ROW
    if recorded.received:
        canvas.text(8, y + 13.5, "consumer")
        for moment, item in recorded.received:
            canvas.dot(axis.at(moment), y + 9, "answered")
            canvas.text(axis.at(moment) + 9, y + 13.5, f"“{item.strip()}”", "note")
        y += ROW
    canvas.text(8, y + 13.5, "caller")
    x = axis.at(outcome.elapsed)
    if outcome.ok:
        said = f"answer after {outcome.elapsed:.2f} s, from the {outcome.source}"
        canvas.dot(x, y + 9, "answered" if outcome.source == "component" else "rung")
    else:
        said = f"{type(outcome.error).__name__} after {outcome.elapsed:.2f} s"
        canvas.cross(x, y + 9, "failed")
    side = "start" if x < axis.at(deadline) / 2 else "end"
    canvas.text(x + (11 if side == "start" else -11), y + 13.5, said, "note", side)
    axis.limit(deadline, "deadline")
    return canvas.drawn(bottom + 32)
