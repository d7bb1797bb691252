"""Permits and the queue before them."""

from __future__ import annotations

from docs.drawings.canvas import Canvas

PLACE, STEP = 34, 40


def draw() -> str:
    """Return the picture of `Bulkhead(limit=4, queue=3)`."""
    canvas = Canvas(
        "A bulkhead with four permits and a queue of three",
        "A call takes a free permit; without one it waits in a queue that has an end; with the queue full it is "
        "rejected at once. A permit that is given back goes to the first in line.",
    )
    canvas.text(14, 84, "calls", "title")
    canvas.arrow("M54 80H128")
    canvas.text(200, 36, "queue=3", "name", "middle")
    for place in range(3):
        canvas.box(140 + place * STEP, 62, PLACE, PLACE, "box half", radius=6)
        canvas.dot(157 + place * STEP, 79, "rejected", 6)
    canvas.text(200, 120, "in turn, at most until", "note", "middle")
    canvas.text(200, 137, "their deadline", "note", "middle")
    canvas.arrow("M262 80H338")
    canvas.text(430, 36, "limit=4", "name", "middle")
    for place in range(4):
        canvas.box(350 + place * STEP, 62, PLACE, PLACE, "box good", radius=6)
        canvas.dot(367 + place * STEP, 79, "answered", 6)
    canvas.text(430, 120, "a call holds its permit", "note", "middle")
    canvas.text(430, 137, "until it has really ended", "note", "middle")
    canvas.arrow("M512 80H576")
    canvas.text(584, 84, "component", "title")
    canvas.arrow("M96 80V166H128")
    canvas.cross(142, 166, "failed")
    canvas.text(156, 170.5, "bulkhead_full", "name")
    canvas.text(256, 170.5, "no permit, no place in the queue: rejected at once", "note")
    return canvas.drawn(192)
