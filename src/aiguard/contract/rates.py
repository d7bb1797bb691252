"""How often contracts are kept and broken, per version: for what watches them."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiguard.failure import INVALID_OUTPUTS, FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiguard.events import Run
    from aiguard.failure import Failure

SECONDS: Final = 600.0
"""How far the counts look back: ten minutes, forgotten in tenths."""

SLICES: Final = 10
VERSIONS: Final = 16
"""How many contracts of a boundary are kept: the oldest is forgotten for a new one."""

REFUSED: Final = frozenset({FailureKind.REFUSAL.value, FailureKind.CONTENT_FILTER.value})
TRUNCATED: Final = FailureKind.TRUNCATED.value
REPAIRED: Final = "repaired"

OF_CONTRACTS: Final = INVALID_OUTPUTS | {FailureKind.REFUSAL, FailureKind.CONTENT_FILTER}
"""Kinds that say something of an answer that was there."""


@dataclass(frozen=True, slots=True)
class ContractRates:
    """
    What became of the inputs or answers that a contract judged in the last ten minutes.

    Attributes:
        judged: How many there were: calls for an input, answers for an output.
        broken: How many of them broke the contract; refusals and truncations are counted apart.
        repaired: How many kept it after a repair.
        refused: How many were refusals of the component, or were held back by its content filter.
        truncated: How many were cut short.
        codes: How many there were of each code of an input's breaches, or of each failure kind of an output's.
    """

    judged: int
    broken: int
    repaired: int
    refused: int
    truncated: int
    codes: Mapping[str, int]


class Tally:
    """Counts of one contract, over the last ten minutes. Its lock is held for counting only."""

    __slots__ = ("_broken", "_codes", "_end", "_judged", "_lock", "_past", "_slice")

    def __init__(self) -> None:
        self.forked()

    def count(self, now: float) -> None:
        """Count one that kept the contract; a clock read out of order counts into the slice that has begun."""
        self._lock.acquire()  # not `with`, which takes twice as long
        try:
            if now >= self._end:
                self._turn(now)
            self._judged += 1
        finally:
            self._lock.release()

    def note(self, now: float, codes: Iterable[str]) -> None:
        """Count one of which there is more to say: each code once."""
        said = set(codes)
        with self._lock:
            if now >= self._end:
                self._turn(now)
            self._judged += 1
            self._codes.update(said)
            if said - REFUSED - {TRUNCATED, REPAIRED}:
                self._broken += 1

    def failed(self, run: Run, failure: Failure) -> None:
        """Count an attempt that failed, where there was an answer."""
        if failure.kind in OF_CONTRACTS:
            self.note(run.ended, (failure.kind.value,))

    def rates(self, now: float) -> ContractRates:
        """Return the counts as of `now`."""
        with self._lock:
            if now >= self._end:
                self._turn(now)
            judged, broken, codes = self._judged, self._broken, Counter(self._codes)
            for _, earlier, earlier_broken, earlier_codes in self._past:
                judged += earlier
                broken += earlier_broken
                codes.update(earlier_codes)
        repaired = codes.pop(REPAIRED, 0)
        return ContractRates(
            judged=judged,
            broken=broken,
            repaired=repaired,
            refused=sum(codes[kind] for kind in REFUSED),
            truncated=codes[TRUNCATED],
            codes=MappingProxyType(dict(sorted(codes.items()))),
        )

    def forked(self) -> None:
        """Forget the parent's counts; in a forked process nobody is left to release the old lock."""
        self._lock = threading.Lock()
        self._past: list[tuple[int, int, int, Counter[str]]] = []  # of each slice: its index, and what was counted
        self._slice: int | None = None
        self._end = float("-inf")
        self._clear()

    def _clear(self) -> None:
        self._judged = 0
        self._broken = 0
        self._codes: Counter[str] = Counter()

    def _turn(self, now: float) -> None:
        """Go on to the slice of `now`: put the last one away, forget what is too old."""
        width = SECONDS / SLICES
        index = int(now // width)
        if self._slice is not None:
            index = max(index, self._slice + 1)  # at a border, division may round to the slice that has just ended
            self._past.append((self._slice, self._judged, self._broken, self._codes))
            self._past = [past for past in self._past if past[0] > index - SLICES]
            self._clear()
        self._slice = index
        self._end = (index + 1) * width


class Tallies:
    """The tallies of one boundary's contracts, each version's its own: they go on when a policy changes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tallies: dict[str, Tally] = {}

    def of(self, contract: str) -> Tally:
        """Return the tally of `contract`, a name with its version."""
        with self._lock:
            tally = self._tallies.pop(contract, None) or Tally()
            self._tallies[contract] = tally  # the newest last
            while len(self._tallies) > VERSIONS:
                del self._tallies[next(iter(self._tallies))]
            return tally

    def rates(self, now: float) -> Mapping[str, ContractRates]:
        """Return what is counted of each contract, the newest last."""
        with self._lock:
            tallies = tuple(self._tallies.items())
        return MappingProxyType({contract: tally.rates(now) for contract, tally in tallies})

    def forked(self) -> None:
        """Forget the parent's counts."""
        self._lock = threading.Lock()
        for tally in self._tallies.values():
            tally.forked()
