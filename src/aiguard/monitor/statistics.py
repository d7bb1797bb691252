"""What is counted of one boundary's calls while somebody may look: the last minute, and the last calls."""

from __future__ import annotations

import threading
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from aiguard.monitor.durations import added, bucket_of
from aiguard.monitor.record import record_of
from aiguard.telemetry import names

if TYPE_CHECKING:
    from aiguard.call import Call
    from aiguard.failure import Failure
    from aiguard.monitor.record import Record

SLICE: Final = 5.0
"""Seconds that are counted, and forgotten, together."""

SLICES: Final = 12
"""How many make the last minute: the one under way and those before it."""

RECENT: Final = 50
"""Calls that are kept of each boundary, and once more as many of those that its component did not answer."""


class Slice:
    """
    What was counted in five seconds.

    Attributes:
        number: Which five seconds of the clock.
        end: When they are over.
        outcomes: Calls by how they ended.
        durations: Calls by how long they took, those that were cancelled aside.
        kinds: Calls that the component did not answer, by why.
    """

    __slots__ = ("durations", "end", "kinds", "number", "outcomes")

    def __init__(self, number: float) -> None:
        self.number = number
        self.end = (number + 1) * SLICE
        self.outcomes: dict[str, int] = {}
        self.durations: dict[int, int] = {}
        self.kinds: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class Minute:
    """
    The last minute of one boundary.

    Attributes:
        seconds: How many seconds were really looked at: fewer than sixty at first, and between two slices.
        outcomes: Calls by how they ended.
        durations: Calls by how long they took.
        kinds: Calls that the component did not answer, by why.
    """

    seconds: float
    outcomes: Counter[str]
    durations: Counter[int]
    kinds: Counter[str]


class Statistics:
    """
    Counts of one boundary, and its last calls. Its lock is held for counting only.

    Args:
        now: When counting begins.
    """

    __slots__ = ("_begun", "_degraded", "_lock", "_of_kind", "_recent", "_slice", "_slices", "_totals")

    def __init__(self, now: float) -> None:
        self._lock = threading.Lock()
        self._begun = now
        self._totals: Counter[str] = Counter()
        self._slice = Slice(now // SLICE)
        self._slices: deque[Slice] = deque([self._slice], SLICES)
        self._recent: deque[Record] = deque(maxlen=RECENT)
        self._degraded: deque[Record] = deque(maxlen=RECENT)
        self._of_kind: dict[str, Record] = {}

    def count(self, call: Call, outcome: str, failure: Failure | None) -> None:
        """Count a call that ends now, and keep what its waterfall is drawn from."""
        now = call.clock.now()
        record = record_of(call, now, outcome, failure)
        self._lock.acquire()  # not `with`, which takes twice as long
        try:
            last = self._slice
            if now >= last.end:
                last = self._turn(now)
            outcomes = last.outcomes
            outcomes[outcome] = outcomes.get(outcome, 0) + 1
            self._recent.append(record)
            if outcome != names.CANCELLED:
                bucket = bucket_of(record[1])
                durations = last.durations
                durations[bucket] = durations.get(bucket, 0) + 1
                if failure is not None:
                    self._failed(last, record, failure.kind.value)
        finally:
            self._lock.release()

    def _failed(self, last: Slice, record: Record, kind: str) -> None:
        last.kinds[kind] = last.kinds.get(kind, 0) + 1
        self._degraded.append(record)
        self._of_kind[kind] = record

    def _turn(self, now: float) -> Slice:
        """Go on to the slice of `now`; of one that is too old only its part of the totals is kept."""
        self._slice = Slice(now // SLICE)
        if len(self._slices) == SLICES:
            self._totals.update(self._slices[0].outcomes)
        self._slices.append(self._slice)
        return self._slice

    def minute(self, now: float) -> Minute:
        """Return what was counted in the last minute."""
        oldest = now // SLICE - SLICES + 1
        with self._lock:
            slices = [one for one in self._slices if one.number >= oldest]
            outcomes = added(one.outcomes for one in slices)
            durations = added(one.durations for one in slices)
            kinds = added(one.kinds for one in slices)
        return Minute(max(now - max(oldest * SLICE, self._begun), 0.0), outcomes, durations, kinds)

    def totals(self) -> dict[str, int]:
        """Return how many calls ended how since counting began."""
        with self._lock:
            return dict(added((self._totals, *(one.outcomes for one in self._slices))))

    def last(self, *, failed: bool) -> list[Record]:
        """Return the last calls, or the last that the component did not answer, the oldest first."""
        with self._lock:
            return list(self._degraded if failed else self._recent)

    def last_of_each_kind(self) -> list[Record]:
        """Return the last call of each kind of failure: many that an open breaker turns away do not hide why it is."""
        with self._lock:
            return list(self._of_kind.values())
