"""What happened lately: counts over a sliding span of time."""

from __future__ import annotations

from typing import Final

SLICES: Final = 10
"""A window forgets in tenths: exact to 10 %, at the cost of ten pairs of counters (Polly and Hystrix do the same)."""


class TimeWindow:
    """
    Calls and failures of the last `seconds`, forgotten in ten slices.

    Not thread-safe: its owner holds a lock.

    Attributes:
        calls: Calls in the window, as of the last `add`.
        failures: Failures among them.
    """

    __slots__ = ("_at_start", "_end", "_past", "_slice", "_width", "calls", "failures")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / SLICES
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self._slice: int | None = None
        self._end = float("-inf")
        self._past: list[tuple[int, int]] = []
        self._at_start = (0, 0)
        self.calls = 0
        self.failures = 0

    def add(self, now: float, failed: bool) -> None:  # noqa: FBT001 - the one thing there is to say about a call
        """Count one call that ended at `now`; a clock read out of order by a hair never turns the window back."""
        if now >= self._end:
            self._turn(int(now / self._width))
        self.calls += 1
        if failed:
            self.failures += 1

    def _turn(self, index: int) -> None:
        """Go on to slice `index`: put the last one away, forget what is older than the window."""
        if self._slice is not None:
            index = max(index, self._slice + 1)  # at a border, division may round to the slice that has just ended
            calls, failures = self._at_start
            self._past.append((self.calls - calls, self.failures - failures))
            # slices without a call are put away as such, as many as still fit into the window
            self._past.extend([(0, 0)] * min(index - self._slice - 1, SLICES))
            for calls, failures in self._past[: -(SLICES - 1)]:
                self.calls -= calls
                self.failures -= failures
            del self._past[: -(SLICES - 1)]
        self._slice = index
        self._end = (index + 1) * self._width
        self._at_start = (self.calls, self.failures)
