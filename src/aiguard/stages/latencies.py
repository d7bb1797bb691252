"""How long attempts take: what tells a late one from the others."""

from __future__ import annotations

import threading
from bisect import bisect_left, insort
from collections import deque
from typing import Final

SEEN: Final = 128
"""Attempts that are looked back on: enough to tell one in twenty, soon forgotten after a change."""

ENOUGH: Final = 20
"""Attempts under which "longer than 95 % of them" means nothing: of fewer, none is one in twenty."""

LATE: Final = 95
"""Of a hundred attempts, those that a late one takes longer than."""


class Latencies:
    """The durations of one boundary's latest attempts."""

    __slots__ = ("_latest", "_lock", "_ordered")

    def __init__(self) -> None:
        self.forked()

    def add(self, seconds: float) -> None:
        """Note how long an attempt took."""
        with self._lock:
            ordered = self._ordered
            if len(self._latest) == SEEN:
                del ordered[bisect_left(ordered, self._latest[0])]
            self._latest.append(seconds)
            insort(ordered, seconds)

    def late(self) -> float | None:
        """Return the seconds that 95 % of the attempts took at most; `None` while too few were seen."""
        with self._lock:
            seen = len(self._ordered)
            return self._ordered[-(-LATE * seen // 100) - 1] if seen >= ENOUGH else None

    def forked(self) -> None:
        """Start afresh: in a forked process, whose parent may have been halfway through an attempt's note."""
        self._lock = threading.Lock()
        self._latest: deque[float] = deque(maxlen=SEEN)
        self._ordered: list[float] = []
