"""Calls that take long, and the breaker that does not wait for their end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from docs.drawings import states
from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from docs.drawings.samples import Recorded

ROW, TOP = 24, 40


def draw(recorded: Recorded, title: str, description: str) -> str:
    """Return a row for each call, its bar in another colour once it is slow, and the states of the breaker below."""
    breaker = recorded.boundary.policy.breaker
    assert breaker is not None, "it is a breaker that says what is slow"  # noqa: S101
    assert breaker.slow_call is not None, "this one does"  # noqa: S101
    bottom = TOP + (len(recorded.calls) + 1) * ROW + 8
    end = max(call.ended for call in recorded.calls)
    canvas = Canvas(title, description)
    axis = Axis(canvas, end + 0.1, 24, bottom)
    opened = next(move.moment for move in recorded.moves if move.state == "open")
    under_way = sum(call.begun < opened < call.ended for call in recorded.calls)
    axis.limit(opened, f"opens, while {under_way} calls are under way")
    for row, call in enumerate(recorded.calls):
        y = TOP + row * ROW
        canvas.text(8, y + 13.5, f"caller {row + 1}")
        if not call.outcome.attempts:
            assert call.outcome.failure is not None, "a call without an attempt was turned away"  # noqa: S101
            canvas.diamond(axis.at(call.begun), y + 9, "rejected")
            canvas.text(axis.at(call.begun) + 11, y + 13.5, str(call.outcome.failure.kind), "note")
            continue
        slow = call.begun + breaker.slow_call
        axis.bar(call.begun, min(call.ended, slow), y, "answered", "in time" if call.ended < slow else "")
        if call.ended >= slow:
            axis.bar(slow, call.ended, y, "rejected", "slow, and answered")
    y = TOP + len(recorded.calls) * ROW + 4
    canvas.text(8, y + 13.5, "breaker")
    states.band(canvas, axis, recorded.moves, end, y, bottom + 14)
    return canvas.drawn(bottom + 32)
