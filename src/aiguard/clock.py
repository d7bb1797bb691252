"""The only reader of time and chance."""

from __future__ import annotations

import os
import time
from typing import Protocol


class Clock(Protocol):
    """Where a boundary reads time and chance from."""

    def now(self) -> float:
        """Return seconds on a clock that never steps back; only differences mean anything."""

    def wall(self) -> float:
        """Return seconds since the epoch, for what a server or a person dates."""

    def random(self) -> float:
        """Return a number in [0, 1)."""


class SystemClock:
    """The machine's own time and chance."""

    __slots__ = ()

    now = staticmethod(time.monotonic)
    wall = staticmethod(time.time)

    @staticmethod
    def random() -> float:
        """Return a number in [0, 1)."""
        import random  # noqa: PLC0415 - loads OpenSSL, and only a wait before a retry needs it

        return random.random()


SYSTEM: Clock = SystemClock()


def unique(size: int) -> bytes:
    """Return so many bytes of chance, for a name that nothing else will ever have."""
    return os.urandom(size)
