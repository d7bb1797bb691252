"""What happened lately: counts over a sliding span of time, or over the last calls."""

from __future__ import annotations

from typing import Final, Protocol

SLICES: Final = 10
"""A window forgets in tenths: exact to 10 %, at the cost of ten rows of counters (Polly and Hystrix do the same)."""

FINE: Final = 0
FAILED: Final = 1
SLOW: Final = 2
"""What is said of a call: plain bits, since most calls say `FINE` and nothing else is done for them."""

FORGOTTEN: Final = -(2**62)
"""The place of a call in a window that is no more: older than everything."""

_COUNTED: Final = 4


class Window(Protocol):
    """
    Counts of what happened lately.

    Not thread-safe: its owner holds a lock.

    Attributes:
        calls: Calls in the window, as of the last `add`.
        failures: Failures among them.
        slow: Slow ones among them.
    """

    calls: int
    failures: int
    slow: int

    def add(self, now: float, said: int) -> int:
        """Count one call; return its place, for `fail`."""

    def fail(self, place: int, now: float) -> None:
        """Say that the call counted as slow at `place` has failed now; where that is forgotten, it counts anew."""

    def clear(self) -> None:
        """Forget everything."""


class TimeWindow:
    """Calls of the last `seconds`, forgotten in ten slices."""

    __slots__ = ("_before", "_end", "_past", "_slice", "_width", "calls", "failures", "slow")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / SLICES
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._slice = FORGOTTEN
        self._end = float("-inf")
        self._past: list[tuple[int, int, int]] = []
        self._before = (0, 0, 0)
        self.calls = 0
        self.failures = 0
        self.slow = 0

    def add(self, now: float, said: int) -> int:
        """Count one call that ended at `now`; a clock read out of order by a hair never turns the window back."""
        if now >= self._end:
            self._turn(int(now / self._width))
        self.calls += 1
        if said:
            self.failures += said & FAILED
            self.slow += said >> 1
        return self._slice

    def fail(self, place: int, now: float) -> None:
        """Count the call at `now`, where it failed, and no longer where it became slow."""
        back = self.add(now, FAILED | SLOW) - place
        if back >= SLICES:
            return
        self.calls -= 1
        self.slow -= 1
        if back > 0:
            calls, failures, slow = self._past[-back]
            self._past[-back] = (calls - 1, failures, slow - 1)
            calls, failures, slow = self._before
            self._before = (calls - 1, failures, slow - 1)

    def _turn(self, index: int) -> None:
        """Go on to slice `index`: put the last one away, forget what is older than the window."""
        index = max(index, self._slice + 1)  # at a border, division may round to the slice that has just ended
        calls, failures, slow = self._before
        self._past.append((self.calls - calls, self.failures - failures, self.slow - slow))
        # slices without a call are put away as such, as many as still fit into the window
        self._past.extend([(0, 0, 0)] * min(index - self._slice - 1, SLICES))
        for calls, failures, slow in self._past[: -(SLICES - 1)]:
            self.calls -= calls
            self.failures -= failures
            self.slow -= slow
        del self._past[: -(SLICES - 1)]
        self._slice = index
        self._end = (index + 1) * self._width
        self._before = (self.calls, self.failures, self.slow)


class CountWindow:
    """The last `size` calls, a byte each."""

    __slots__ = ("_added", "_ring", "calls", "failures", "slow")

    def __init__(self, size: int) -> None:
        self._ring = bytearray(size)
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._ring[:] = bytes(len(self._ring))
        self._added = 0
        self.calls = 0
        self.failures = 0
        self.slow = 0

    def add(self, now: float, said: int) -> int:  # noqa: ARG002 - to this window time is nothing
        """Count one call in the place of the oldest."""
        ring = self._ring
        place = self._added
        self._added = place + 1
        at = place % len(ring)
        oldest = ring[at]
        ring[at] = said | _COUNTED
        if oldest:
            self.failures -= oldest & FAILED
            self.slow -= oldest >> 1 & 1
        else:
            self.calls += 1
        if said:
            self.failures += said & FAILED
            self.slow += said >> 1
        return place

    def fail(self, place: int, now: float) -> None:
        """Say it where the call was counted, if that is still among the last."""
        ring = self._ring
        if self._added - place > len(ring):
            self.add(now, FAILED | SLOW)
        else:
            ring[place % len(ring)] |= FAILED
            self.failures += 1
