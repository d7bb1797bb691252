"""The moment by which the innermost caller has an answer, as nested boundaries and clients see it."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from aiguard.clock import Clock
    from aiguard.usage import Usage


class Metered(Protocol):
    """
    The attempt, as far as it concerns the code inside.

    Attributes:
        used: What it has used so far; `None` where nothing was reported.
        inherited: What of that a boundary inside reported, which has counted it; `None` where none did.
        answering: Whether the first item of a stream that is held back was there.
    """

    used: list[Usage] | None
    inherited: list[Usage] | None
    answering: bool


Frame: TypeAlias = "tuple[float, Clock, Metered | None]"
"""What the code inside a boundary sees of it: an absolute deadline, the clock that is counted on, and the attempt."""

current: ContextVar[Frame | None] = ContextVar("aiguard_deadline", default=None)
"""The innermost frame."""

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
    moment, clock, _ = frame
    return max(0.0, moment - clock.now())


def earliest(moment: float, clock: Clock) -> float:
    """Return `moment`, or the surrounding boundary's deadline where that comes first."""
    frame = current.get()
    if frame is None or frame[1] is not clock:
        return moment
    return min(moment, frame[0])
