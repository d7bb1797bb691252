"""
The adaptive limit: additive increase, multiplicative decrease, as TCP finds out what a path bears.

    limit
      16 ┤       ╭──╮              ╭──  ceiling
         │    ╭──╯  │           ╭──╯
      12 ┤ ╭──╯     ╰─╮      ╭──╯       one more after about `limit` successes
         │ ╯          │   ╭──╯
       9 ┤            ╰───╯             × 0.75 on overload, once a round
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from aiguard.failure import Failure

DECREASE: Final = 0.75
"""What is left of the limit after an overload: between TCP's half (Reno) and the 0.9 of Netflix' concurrency-limits."""

OVERLOADS: Final = frozenset({FailureKind.OVERLOADED, FailureKind.RATE_LIMITED, FailureKind.TIMEOUT})
"""Too much was asked: what TCP takes for a loss, and Netflix' concurrency-limits for a drop (a timeout, or the refusal
by a limit that is not ours: a 429 as much as a 503)."""


def is_overload(failure: Failure, *, shortened: bool) -> bool:
    """Return whether `failure` says that too much was asked; `shortened`: a caller's own deadline cut the call."""
    return failure.kind in OVERLOADS and not (shortened and failure.is_of_deadline)


class AdaptiveLimit:
    """
    How many calls at once a component seems to bear, learned from how they end.

    Not thread-safe: its owner holds a lock.

    Attributes:
        floor: It never falls below this.
        ceiling: It never grows above this.
        generation: How often it has fallen. A call is told of by the generation that it was admitted in: those let in
            before a fall speak of the limit before it, and bring about no second one.
    """

    __slots__ = ("_exact", "ceiling", "floor", "generation")

    def __init__(self, limit: int, floor: int, ceiling: int) -> None:
        self._exact = float(limit)
        self.floor = floor
        self.ceiling = ceiling
        self.generation = 0

    @property
    def limit(self) -> int:
        """Calls at once."""
        return int(self._exact)

    def clamp(self, floor: int, ceiling: int) -> None:
        """Change its bounds; what was learned stays, inside them."""
        self.floor = floor
        self.ceiling = ceiling
        self._exact = float(max(floor, min(ceiling, self._exact)))

    def succeeded(self, in_flight: int) -> None:
        """Grow by a `limit`th, if at least half of the limit was in use: what nobody needs proves nothing."""
        exact = self._exact
        if in_flight * 2 >= int(exact):
            self._exact = min(float(self.ceiling), exact + 1.0 / exact)

    def overloaded(self, generation: int) -> bool:
        """Fall, unless it has fallen since `generation`; return whether it did."""
        if generation != self.generation:
            return False
        self.generation += 1
        self._exact = max(float(self.floor), self.limit * DECREASE)
        return True
