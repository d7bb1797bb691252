"""The moment by which the innermost caller has an answer, as nested boundaries and clients see it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiguard.clock import Clock

current: ContextVar[tuple[float, Clock] | None] = ContextVar("aiguard_deadline", default=None)
"""The innermost absolute deadline and the clock it is counted on."""

publish = current.set
"""Make a deadline the innermost one in this context; returns what `withdraw` needs."""

withdraw = current.reset
"""Undo `publish`, in the same context."""


def remaining() -> float | None:
    """
    Return the seconds left of the innermost deadline, never below zero; `None` outside any boundary.

    Pass it to clients that take a timeout, so that work nobody waits for ends too.
    """
    frame = current.get()
    if frame is None:
        return None
    moment, clock = frame
    return max(0.0, moment - clock.now())


def earliest(moment: float, clock: Clock) -> float:
    """Return `moment`, or the surrounding boundary's deadline where that comes first."""
    frame = current.get()
    if frame is None or frame[1] is not clock:
        return moment
    return min(moment, frame[0])
