"""
The retry budget: what retries, asking again and hedges may add to the calls, all callers together.

A retry helps against one bad moment. Against a component that is down it only adds load, as many times over as there
are attempts; so what all callers add is held to a share of the calls that they make.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiguard.strategies import RetryBudget

SLICES: Final = 10
"""The last seconds are forgotten in tenths, each time for the smaller budget: see `RetryTally`."""

_ROUNDING: Final = 1e-9
"""A share of 0.29 of a hundred calls is 29 of them, and not the 28 that floating point makes of it."""


def allowance(budget: RetryBudget, calls: int) -> int:
    """Return how many further attempts so many calls allow; a fraction of one is none."""
    return max(budget.floor, int(budget.ratio * calls + _ROUNDING))


class RetryTally:
    """
    The calls and the further attempts of one key, over the last `per` seconds.

    A further attempt may begin while those of the last `per` seconds, it included, are at most what `allowance` makes
    of the calls of the last `per` seconds. Both are counted in slices, so neither span is exact: a call is forgotten up
    to a tenth of it early, a further attempt up to a tenth late, so that no span of `per` seconds ever has more.

    Args:
        budget: What is allowed.
    """

    __slots__ = ("_at_start", "_budget", "_calls", "_end", "_further", "_lock", "_past", "_slice", "_width")

    _at_start: tuple[int, int]  # calls and further attempts, when the slice under way began

    def __init__(self, budget: RetryBudget) -> None:
        self._lock = threading.Lock()
        self._budget = budget
        self._clear()

    def configure(self, budget: RetryBudget) -> None:
        """Change its settings; its counts stay, unless `per` itself changed."""
        with self._lock:
            changed = budget.per != self._budget.per
            self._budget = budget
            if changed:
                self._clear()

    def count(self, now: float) -> None:
        """Count one call; a clock read out of order by a hair counts into the slice that has begun."""
        self._lock.acquire()  # not `with`, which takes twice as long
        try:
            if now >= self._end:
                self._turn(now)
            self._calls += 1
        finally:
            self._lock.release()

    def spend(self, now: float) -> bool:
        """Count one further attempt, if there may be one."""
        with self._lock:
            if now >= self._end:
                self._turn(now)
            if self._further >= allowance(self._budget, self._calls):
                return False
            self._further += 1
            return True

    def forked(self) -> None:
        """Forget the parent's calls; in a forked process nobody is left to release the old lock."""
        self._lock = threading.Lock()
        self._clear()

    def _clear(self) -> None:
        self._width = self._budget.per / SLICES
        self._slice: int | None = None
        self._end = float("-inf")
        self._past: list[tuple[int, int, int]] = []  # of each slice: its index, its calls, its further attempts
        self._calls = 0
        self._further = 0
        self._at_start = (0, 0)

    def _turn(self, now: float) -> None:
        """Go on to the slice of `now`: put the last one away, forget what is too old."""
        index = int(now // self._width)
        if self._slice is not None:
            index = max(index, self._slice + 1)  # at a border, division may round to the slice that has just ended
            calls, further = self._at_start
            self._past.append((self._slice, self._calls - calls, self._further - further))
            self._past = [past for past in self._past if past[0] >= index - SLICES]
            self._further = sum(further for _, _, further in self._past)
            self._calls = sum(calls for at, calls, _ in self._past if at > index - SLICES)
        self._at_start = (self._calls, self._further)
        self._slice = index
        self._end = (index + 1) * self._width
