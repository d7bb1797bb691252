"""The pauses that a component has asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LONGEST: Final = 3600.0
"""Seconds of the longest pause that is kept to."""

ASKS: Final = {"rate_limited", "overloaded"}


@dataclass
class PauseModel:
    """
    The pause of one key.

    Attributes:
        until: When it is over.
    """

    until: float = float("-inf")

    def left(self, now: float) -> float:
        """Return the seconds that are left of it, zero or less where there is none."""
        return self.until - now

    def hear(self, ended: str, retry_after: float | None, now: float) -> None:
        """Hear how an attempt ended."""
        if ended in ASKS and retry_after is not None:
            self.until = max(self.until, now + min(retry_after, LONGEST))
