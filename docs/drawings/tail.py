"""How long calls took: the usual one, and the slow ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings.axis import LEFT, Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from docs.drawings.samples import Recorded

ROW, GAP, TOP = 22, 14, 40
RANKS = {"median": 50, "p95": 95, "p99": 99, "slowest": 100}
KINDS = ("box", "answered", "box good")


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return, for some ranks of the durations, a bar for each boundary, in the order of their first calls."""
    names = list(dict.fromkeys(call.outcome.boundary for call in recorded.calls))
    calls = {name: [call.outcome for call in recorded.calls if call.outcome.boundary == name] for name in names}
    times = {name: sorted(outcome.elapsed for outcome in outcomes) for name, outcomes in calls.items()}
    group = len(names) * ROW + GAP
    bottom = TOP + len(RANKS) * group - GAP
    canvas = Canvas(title, description)
    axis = Axis(canvas, max(seconds[-1] for seconds in times.values()), 24, bottom)
    for number, (rank, share) in enumerate(RANKS.items()):
        y = TOP + number * group
        canvas.text(8, y + len(names) * ROW / 2 + 2, rank)
        for name, kind in zip(names, KINDS, strict=True):
            seconds = times[name][-(-share * len(times[name]) // 100) - 1]
            axis.bar(0.0, seconds, y, kind, f"{seconds:.2f} s")
            y += ROW
    y = bottom + 24
    for name, kind in zip(names, KINDS, strict=True):
        asked = sum(len(outcome.attempts) for outcome in calls[name])
        canvas.box(LEFT, y - 10, 11, 11, kind, radius=2)
        canvas.text(LEFT + 18, y, name, "name")
        canvas.text(LEFT + 110, y, f"{len(calls[name])} calls, {asked} requests", "note")
        y += 20
    return canvas.drawn(y - 6)
