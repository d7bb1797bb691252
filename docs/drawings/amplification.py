"""What reaches the provider in each second, and how much of it the boundary has added."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from docs.drawings.axis import LEFT, Axis
from docs.drawings.canvas import WIDTH, Canvas

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docs.drawings.samples import Call, Recorded

TOP, PANEL, GAP = 66, 90, 44
STEP = 5
KINDS = {
    (False, True): ("answered", "first attempts: answered"),
    (False, False): ("failed", "failed"),
    (True, True): ("box good", "further attempts: answered"),
    (True, False): ("box bad", "failed"),
}


def _columns(calls: Iterable[Call]) -> dict[int, Counter[tuple[bool, bool]]]:
    """Return, by second, how many attempts began, apart by whether they were added and whether they answered."""
    found: dict[int, Counter[tuple[bool, bool]]] = {}
    for call in calls:
        for attempt in call.outcome.attempts:
            second = int(call.begun + attempt.started)
            found.setdefault(second, Counter())[attempt.number > 1, attempt.failure is None] += 1
    return found


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return a row of bars for each boundary, in the order of their first calls: a bar is a second."""
    rows = {
        name: _columns(call for call in recorded.calls if call.outcome.boundary == name)
        for name in dict.fromkeys(call.outcome.boundary for call in recorded.calls)
    }
    end = max(second for columns in rows.values() for second in columns) + 1
    tallest = max(count.total() for columns in rows.values() for count in columns.values())
    bottom = TOP + len(rows) * (PANEL + GAP) - GAP
    canvas = Canvas(title, description)
    axis = Axis(canvas, end, 46, bottom)
    width = axis.at(1) - axis.at(0) - 3

    x = float(LEFT)
    for kind, label in KINDS.values():
        canvas.box(x, 8, 11, 11, kind, radius=2)
        canvas.text(x + 17, 18, label, "note")
        x += 34 + 6 * len(label)

    for row, (name, columns) in enumerate(rows.items()):
        base = TOP + row * (PANEL + GAP) + PANEL
        height = PANEL / tallest
        for level in range(STEP, tallest + 1, STEP):
            y = base - level * height
            canvas.line(LEFT, y, axis.at(end), y, "grid")
            canvas.text(LEFT - 8, y + 4, f"{level} a second", "note", "end")
        canvas.line(LEFT, base, axis.at(end), base, "edge")
        for second, count in columns.items():
            y = float(base)
            for key, (kind, _) in KINDS.items():
                if count[key]:
                    y -= count[key] * height
                    canvas.box(axis.at(second) + 1.5, y, width, count[key] * height, kind, radius=1)
        calls = [call for call in recorded.calls if call.outcome.boundary == name]
        asked = sum(len(call.outcome.attempts) for call in calls)
        canvas.text(LEFT, base + 18, name, "name")
        canvas.text(WIDTH - 26, base + 18, f"{len(calls)} calls, {asked} requests", "note", "end")
    return canvas.drawn(bottom + 32)
