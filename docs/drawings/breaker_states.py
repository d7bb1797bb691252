"""The three states of a breaker, with the numbers of the defaults."""

from __future__ import annotations

from aiguard import Breaker
from docs.drawings.canvas import Canvas

CLOSED, OPEN, HALF = (120, 106), (560, 106), (340, 246)
WIDE, HIGH = 130, 56


def _state(canvas: Canvas, place: tuple[int, int], name: str, what: str, kind: str) -> None:
    x, y = place
    canvas.box(x - WIDE / 2, y - HIGH / 2, WIDE, HIGH, f"box {kind}", radius=10)
    canvas.text(x, y - 3, name, "title", "middle")
    canvas.text(x, y + 15, what, "note", "middle")


def draw() -> str:
    """Return the picture."""
    rule = Breaker()
    canvas = Canvas(
        "The states of a breaker",
        "Closed lets every call in, open none, half-open a few probes: one that fails or is slow opens it again for "
        "twice as long, enough good ones close it.",
    )
    _state(canvas, CLOSED, "closed", "lets calls in", "good")
    _state(canvas, OPEN, "open", "rejects at once", "bad")
    _state(canvas, HALF, "half-open", f"{rule.concurrent_probes} probe at a time", "half")

    canvas.arrow(f"M{CLOSED[0] + WIDE / 2} {CLOSED[1]}H{OPEN[0] - WIDE / 2 - 2}")
    reasons = (
        f"of the calls in the last {rule.window:g} s, {rule.minimum_calls} at least,",
        f"{rule.failure_rate:.0%} failed, or {rule.slow_rate:.0%} were slow, where slow_call is set;",
        "or one failed for want of money, of a key or of the model",
    )
    for line, reason in enumerate(reasons):
        canvas.text(340, 26 + 18 * line, reason, "note", "middle")

    x, y = OPEN[0] - 36, OPEN[1] + HIGH / 2
    canvas.arrow(f"M{x} {y}C{x} {y + 50} {HALF[0] + 130} {HALF[1] - 16} {HALF[0] + WIDE / 2 + 2} {HALF[1] - 12}")
    canvas.text(x - 30, y + 34, f"{rule.open_for:g} s are over,", "note", "end")
    canvas.text(x - 30, y + 51, "and a call comes", "note", "end")

    x = OPEN[0] + 30
    canvas.arrow(f"M{HALF[0] + WIDE / 2} {HALF[1] + 12}C{x - 40} {HALF[1] + 12} {x} {HALF[1] - 30} {x} {y + 2}")
    canvas.text(x + 98, HALF[1] + 12, "a probe failed, or is slow:", "note", "end")
    canvas.text(x + 98, HALF[1] + 29, f"twice as long, up to {rule.open_for_max:g} s", "note", "end")

    canvas.arrow(
        f"M{HALF[0] - WIDE / 2} {HALF[1]}C{CLOSED[0] + 40} {HALF[1]} {CLOSED[0]} {HALF[1] - 40} {CLOSED[0]} {y + 2}"
    )
    canvas.text(CLOSED[0] - 96, HALF[1] - 6, f"{rule.probes} probes", "note")
    canvas.text(CLOSED[0] - 96, HALF[1] + 11, "answered", "note")
    return canvas.drawn(292)
