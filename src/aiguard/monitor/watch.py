"""What this process takes note of while somebody may look into it."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.call import logger
from aiguard.engine.observer import OBSERVED
from aiguard.engine.state import SURROUNDINGS
from aiguard.monitor.statistics import Statistics
from aiguard.stages import breaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call
    from aiguard.events import BreakerMoved
    from aiguard.failure import Failure

MOVES: Final = 256
"""Changes of state that are kept of each breaker."""

BREAKERS: Final = 2048
"""Breakers whose changes are kept; those of further ones are not."""


class Move(NamedTuple):
    """A change of a breaker's state, on the boundaries' clock."""

    when: float
    before: str
    state: str


class Watch:
    """
    Counts calls by boundary, and keeps the changes of breakers.

    Attributes:
        since: When it began, on the wall clock.
    """

    def __init__(self) -> None:
        self._told: Callable[[BreakerMoved], None] | None = None
        self._warned = False
        self.forked()

    def forked(self) -> None:
        """Forget the calls of the parent process: they are not here."""
        self._lock = threading.Lock()
        self._boundaries: dict[str, Statistics] = {}
        self._moves: dict[str, deque[Move]] = {}
        self.since = SURROUNDINGS.clock.wall()

    def begin(self) -> None:
        """Take note of what happens from now on."""
        OBSERVED.observer = self.ended
        if breaker.moved is not None and breaker.moved != self.moved:
            self._told = breaker.moved
        breaker.moved = self.moved

    def end(self) -> None:
        """Take note of nothing more."""
        OBSERVED.observer = None
        if breaker.moved == self.moved:
            breaker.moved = self._told

    def ended(self, boundary: str, call: Call, outcome: str, failure: Failure | None) -> None:
        """Count a call; a fault of ours must not become the caller's."""
        try:
            statistics = self._boundaries.get(boundary)
            if statistics is None:
                statistics = self._new(boundary, call.journal.begun)
            statistics.count(call, outcome, failure)
        except Exception as error:  # noqa: BLE001 - as said
            if not self._warned:
                self._warned = True
                logger.warning("boundary %r: a call was not counted: %s", boundary, type(error).__name__)

    def moved(self, event: BreakerMoved) -> None:
        """Keep a change of a breaker's state, and pass it on to whom it was told before."""
        moves = self._moves.get(event.breaker)  # no lock: each step is one, and the collector may be at work here
        if moves is None and len(self._moves) < BREAKERS:
            moves = self._moves.setdefault(event.breaker, deque(maxlen=MOVES))
        if moves is not None:
            moves.append(Move(SURROUNDINGS.clock.now(), event.before, event.after))
        if self._told is not None:
            self._told(event)

    def statistics(self, boundary: str) -> Statistics | None:
        """Return the counts of a boundary; `None` before its first call has ended."""
        return self._boundaries.get(boundary)

    def moves(self, name: str) -> list[Move]:
        """Return the last changes of a breaker's state, the oldest first."""
        return list(self._moves.get(name, ()))

    def _new(self, boundary: str, begun: float) -> Statistics:
        with self._lock:
            return self._boundaries.setdefault(boundary, Statistics(begun))
