"""The only reader of time and chance."""

from __future__ import annotations

import random
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
    random = staticmethod(random.random)


SYSTEM: Clock = SystemClock()
