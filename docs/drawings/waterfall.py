"""One call: its attempts, the waits between them, the rung that answered, and what the caller got."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from aiguard import Attempt
    from docs.drawings.samples import Recorded

ROW, TOP = 28, 44


def _end_of(attempt: Attempt) -> tuple[str, str]:
    """Return how an attempt is drawn, and what it ended as."""
    if attempt.cancelled:
        return "box", "cancelled"
    return ("answered", "answered") if attempt.failure is None else ("failed", str(attempt.failure.kind))


def _feedback(canvas: Canvas, axis: Axis, recorded: Recorded, attempt: Attempt, y: int) -> int:
    """Draw what the component was told as an attempt began; return where that is drawn then."""
    for moment, feedback in recorded.told:
        if moment == attempt.started:
            canvas.text(8, y + 13.5, "feedback")
            canvas.arrow(f"M{axis.at(moment):.1f} {y - 9}V{y + ROW - 2}")
            canvas.text(axis.at(moment) + 9, y + 13.5, f"“{feedback}”", "note")
            y += ROW
    return y


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return the picture of the one call in `recorded`."""
    [call] = recorded.calls
    outcome = call.outcome
    assert recorded.boundary.policy.deadline is not None, "a boundary that was called has a deadline"  # noqa: S101
    deadline = recorded.boundary.policy.deadline
    rows = len(outcome.attempts) + len(recorded.told) + len(recorded.passed) + 1
    rows += (outcome.rung is not None) + bool(recorded.received)
    bottom = TOP + rows * ROW + 4
    canvas = Canvas(title, description)
    axis = Axis(canvas, deadline, 24, bottom)

    held = recorded.boundary.policy.fallback_timeout
    if held:
        x, high = axis.at(deadline - held), len(outcome.attempts) * ROW - 6
        canvas.box(x, TOP - 2, axis.at(deadline) - x, high, "frame")
        canvas.text((x + axis.at(deadline)) / 2, TOP + high / 2 + 2, "held back for rungs", "note", "middle")
    y, before, latest = TOP, 0.0, 0.0
    for attempt in outcome.attempts:
        y = _feedback(canvas, axis, recorded, attempt, y)
        canvas.text(8, y + 13.5, f"attempt {attempt.number}")
        end = attempt.started + attempt.elapsed
        since = latest if attempt.reason == "hedge" else before
        if attempt.started > since:
            axis.wait(since, attempt.started, y)
        kind, what = _end_of(attempt)
        axis.bar(attempt.started, end, y, kind, what if attempt.reason == "initial" else f"{attempt.reason}: {what}")
        if attempt.cancelled:
            canvas.line(axis.at(end), y - 4, axis.at(end), y + 22, "edge")
        y, before, latest = y + ROW, max(before, end), attempt.started
    for moment, rung, why in recorded.passed:
        canvas.text(8, y + 13.5, "rung")
        axis.bar(before, moment, y, "failed", f"{rung}: {why}")
        y, before = y + ROW, moment
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
