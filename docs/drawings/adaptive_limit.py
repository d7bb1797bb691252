"""A limit that adapts: what it is, how much of it is in use, what ran into an overload, and who was refused."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiguard import FailureKind
from docs.drawings.axis import LEFT, Axis
from docs.drawings.canvas import Canvas
from docs.drawings.levels import Levels

if TYPE_CHECKING:
    from docs.drawings.samples import Call, Recorded

TOP, HIGH, LOW, STEP = 42, 150, 64, 4
CURVES = {"in flight": "box good", "bears": "frame", "limit": "edge bad"}
"""From back to front: how each reading is drawn; the first is an area."""

SHED = {"sheddable": "rejected", "normal": "failed"}


def _refused_in_line(call: Call) -> bool:
    failure = call.outcome.failure
    return failure is not None and failure.kind is FailureKind.BULKHEAD_FULL


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return the readings as curves, the overloads as marks, and a bar for the calls refused in each second."""
    readings = recorded.readings
    end = readings[-1][0]
    bulkhead = recorded.boundary.policy.bulkhead
    assert bulkhead is not None, "a limit that adapts is a bulkhead's"  # noqa: S101
    bottom = TOP + HIGH + 36 + LOW
    canvas = Canvas(title, description)
    axis = Axis(canvas, end, 24, bottom)

    levels = Levels(canvas, axis, bulkhead.most, STEP, top=TOP, bottom=TOP + HIGH)
    for place, (name, kind) in enumerate(CURVES.items()):
        levels.curve([(moment, read[name]) for moment, read in readings], end, kind, filled=not place)
        levels.key(STEP / 2 + STEP * place, name, kind)

    y = TOP + HIGH + 22
    canvas.text(8, y + 4, "overloaded", "note")
    for call in recorded.calls:
        if call.outcome.failure is not None and call.outcome.failure.kind is FailureKind.OVERLOADED:
            canvas.cross(axis.at(call.ended), y, "failed")

    refused = Counter((int(call.ended), call.name) for call in recorded.calls if _refused_in_line(call))
    most = max(sum(refused[second, name] for name in SHED) for second in range(int(end)))
    scale = (LOW - 12) / most
    canvas.text(8, bottom - LOW + 16, "refused", "note")
    canvas.text(LEFT - 8, bottom - LOW + 16, f"{most} /s", "note", "end")
    for place, (name, kind) in enumerate(SHED.items()):
        canvas.box(8, bottom - 30 + place * 18, 10, 10, kind, radius=1)
        canvas.text(24, bottom - 21 + place * 18, name, "note")
    for second in range(int(end)):
        x, below = axis.at(second), 0
        for name, kind in SHED.items():
            count = refused[second, name]
            below += count
            if count:
                wide = axis.at(second + 1) - x - 1
                canvas.box(x, bottom - below * scale, wide, count * scale, kind, radius=0)
    return canvas.drawn(bottom + 14)
