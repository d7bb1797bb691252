"""Calls against a budget: which began, which were refused, and how many its window holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas
from docs.drawings.levels import Levels
from docs.drawings.traffic import verdict

if TYPE_CHECKING:
    from docs.drawings.samples import Recorded

TOP, HIGH, ROW, UNIT = 42, 120, 26, 20


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return a mark for each call, and the attempts of the last window as a curve under the budget."""
    budget = recorded.boundary.policy.budget
    assert budget is not None and budget.calls is not None, "whose spending is drawn has a budget of calls"  # noqa: S101, PT018
    most = budget.calls
    begun = [call.begun + attempt.started for call in recorded.calls for attempt in call.outcome.attempts]
    changes = sorted([(moment, 1) for moment in begun] + [(moment + budget.per, -1) for moment in begun])
    held, points = 0, [(0.0, 0.0)]
    for moment, change in changes:
        held += change
        points.append((moment, float(held)))

    end = max(call.ended for call in recorded.calls)
    bottom = TOP + HIGH + 14 + 2 * ROW
    canvas = Canvas(title, description)
    axis = Axis(canvas, end, 24, bottom)
    levels = Levels(canvas, axis, most + 1, 1, top=TOP, bottom=TOP + HIGH)
    levels.curve([point for point in points if point[0] <= end], end, "box good", filled=True)
    canvas.line(axis.at(0), levels.at(most), axis.at(end), levels.at(most), "limit")
    canvas.text(8, levels.at(most) + 4, "budget", "limit-note")
    canvas.text(8, levels.at(most / 2) - 4, "begun in the", "note")
    canvas.text(8, levels.at(most / 2) + 12, f"last {budget.per:g} s", "note")

    marks = {"answered": canvas.dot, "failed": canvas.cross, "rejected": canvas.diamond}
    y = TOP + HIGH + 14
    canvas.text(8, y + 13.5, "begun")
    canvas.text(8, y + ROW + 13.5, "refused")
    for call in recorded.calls:
        name = verdict(call)
        marks[name](axis.at(call.begun), y + 9 + ROW * (name == "rejected"), name)
    return canvas.drawn(bottom + 14)
