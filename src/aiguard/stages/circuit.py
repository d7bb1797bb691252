"""
The breaker's state machine: closed, open, half-open, and who is let in.

            a rate reached                  open time over
    closed ─────────────▶ open ───────────────────────────────▶ half-open
      ▲                    ▲            (on the next call)          │ │
      │                    └──────── a probe failed, or is slow ────┘ │
      └─────────────────────── all probes succeeded ──────────────────┘

It has no timers: what time has done is found by the next who asks or settles.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import TYPE_CHECKING, Final

from aiguard.collector import afterwards, interrupts, take
from aiguard.errors import CircuitOpenError
from aiguard.failure import Failure, FailureKind
from aiguard.stages.in_flight import NEVER, InFlight
from aiguard.stages.permit import FATAL, NEUTRAL, SUCCESS, Permit, Probe, TimedPermit, Verdict
from aiguard.stages.window import FAILED, FINE, SLOW, CountWindow, TimeWindow, Window

if TYPE_CHECKING:
    from aiguard.clock import Clock
    from aiguard.strategies import Breaker

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"

JITTER: Final = 0.1
"""The share of the open time that chance takes away, so that not every process probes in the same moment."""


_UNCOUNTED: Final = Permit(-1)
"""For calls that are let in only because the circuit merely watches: whatever they say is of no state of it."""


class Circuit:
    """
    Who is let in, by how the calls before them ended.

    One lock, held to update counters: not while a call runs, nor while a move is told.

    Attributes:
        opened_by: What names the call that opened it last, where that was observed.

    Args:
        policy: Its settings.
        clock: Where it reads time and chance.
    """

    opened_by: object = None

    def __init__(self, policy: Breaker, clock: Clock) -> None:
        self._policy = policy
        self._clock = clock
        self._counting = threading.Lock()
        self._window = _window(policy)
        self._in_flight: InFlight[TimedPermit] = InFlight(policy.slow_call)
        self._current = CLOSED
        self._generation = 0
        self._shared = self._shareable()
        self._until = -NEVER
        self._trips = 0
        self._probes: set[Probe] = set()
        self._probed = 0
        self._moves: list[tuple[str, str]] = []
        self._telling = False

    def configure(self, policy: Breaker) -> None:
        """Change its settings; its state and, unless the window itself changed, its counts stay."""
        now = self._clock.now()
        with self._counting:
            self._catch_up(now)
            before, self._policy = self._policy, policy
            if (policy.window_calls, policy.window) != (before.window_calls, before.window):
                self._window = _window(policy)
                self._in_flight.forget_places()
            if policy.slow_call != before.slow_call:
                self._in_flight.configure(policy.slow_call, now)
                self._shared = self._shareable()
            if self._current is HALF_OPEN and self._probed >= policy.probes:
                self._recover()
        self._tell()

    @property
    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self._current is CLOSED

    @property
    def shut_until(self) -> float:
        """Until when no call is let in, far in the past where one may be."""
        return -NEVER if self._policy.metrics_only else self._until

    @property
    def current_state(self) -> str:
        """`"closed"`, `"open"` or `"half-open"`."""
        return self._current

    @property
    def fail_counter(self) -> int:
        """Failed calls in the window, as of the last one."""
        return self._window.failures

    @property
    def slow_counter(self) -> int:
        """Slow calls in the window, as of the last one."""
        return self._window.slow

    @property
    def success_counter(self) -> int:
        """Successful probes of this half-open round."""
        return self._probed

    def acquire(self, lease: float) -> Permit:
        """
        Return a permit, which must be settled.

        Args:
            lease: Seconds after which a probe that has not been settled is given up: its place is free for another,
                and what it says later is not heard.

        Raises:
            CircuitOpenError: No call is let in now; it says after how many seconds one may be, where that is known.
        """
        shared = self._shared
        if shared is not None:
            return shared
        now = self._clock.now()
        wait = self._until - now
        if wait > 0.0:  # open: no lock is needed to say no
            if self._policy.metrics_only:
                return _UNCOUNTED
            raise CircuitOpenError(refusal(IS_OPEN, wait))
        generation = self._generation  # first this, then the state: what a move makes of it in between is stale
        if self._current is CLOSED and now < self._in_flight.due:
            return TimedPermit(generation, self, self._in_flight.began)
        with self._counting:
            permit = self._ask(now, lease)
            wait = self._until - now
        if self._moves:
            self._tell()
        if permit is not None:
            return permit
        raise CircuitOpenError(refusal(IS_OPEN, wait) if wait > 0.0 else refusal(_IS_PROBING, None))

    def settle(self, permit: Permit, verdict: Verdict) -> None:
        """Say how the call ended that `permit` let in; a permit is settled once."""
        now = self._clock.now()
        if not self._counting.acquire(False) and not take(self._counting):  # noqa: FBT003 - by position: it is quicker
            afterwards(partial(self.settle, permit, verdict))
            return
        try:
            if verdict is SUCCESS and (permit is self._shared or self._was_in_time(permit, now)):  # most calls end here
                window = self._window
                window.add(now, FINE)
                if (window.failures or window.slow) and self._is_over():
                    self._trip(now)
            else:
                self._settle(permit, verdict, now)
        finally:
            self._counting.release()
        if self._moves:
            self._tell()

    def answered(self, permit: TimedPermit, now: float) -> None:
        """The first item of a stream is there: how long the rest takes is its consumer's affair too."""
        with self._counting:
            self._in_flight.answered(permit, now)

    def open(self) -> bool:
        """
        Open for `open_for` seconds, by hand.

        As pybreaker's, it lets a probe in after that. What must stay off until somebody says otherwise is switched
        off with `boundary.mode = "off"`, or with `mode: off` in the file.
        """
        with self._counting:
            self._trips = 1
            self._open(self._clock.now() + self._policy.open_for)
        self._tell()
        return True

    def half_open(self) -> None:
        """Let probes in now, by hand."""
        with self._counting:
            self._move(HALF_OPEN)
        self._tell()

    def close(self) -> None:
        """Close and forget, by hand."""
        with self._counting:
            self._recover()
        self._tell()

    def forked(self) -> None:
        """Forget the calls of the parent process: nobody will settle them here."""
        self._counting = threading.Lock()
        self._telling = False
        self._probes.clear()
        self._in_flight.clear()

    # --- under the lock

    def _ask(self, now: float, lease: float) -> Permit | None:
        """Return a permit, if there is one."""
        self._catch_up(now)
        if self._current is CLOSED:
            return self._shared or TimedPermit(self._generation, self, self._in_flight.began)
        policy = self._policy
        refused = _UNCOUNTED if policy.metrics_only else None
        if self._current is OPEN:
            if self._until > now:
                return refused
            self._move(HALF_OPEN)
        probes = self._probes
        for probe in tuple(probes):
            if probe.until <= now:
                probes.discard(probe)
                self._in_flight.end(probe)
        if len(probes) >= policy.concurrent_probes or len(probes) + self._probed >= policy.probes:
            return refused
        probe = Probe(self._generation, self, self._in_flight.began, lease, now)
        probes.add(probe)
        return probe

    def _catch_up(self, now: float) -> None:
        """Find what has become slow since somebody looked."""
        in_flight = self._in_flight
        while now >= in_flight.due:
            found = in_flight.next_slow(now)
            if found is None:
                return
            permit, moment = found
            if permit.generation != self._generation:
                continue  # it has begun after the move that made it void
            if not isinstance(permit, Probe):
                in_flight.count(permit, self._window.add(moment, SLOW))
                if self._is_over():
                    self._trip(now)
            elif permit in self._probes and moment < permit.until:  # else it was given up before it became slow
                self._trip(now)

    def _was_in_time(self, permit: Permit, now: float) -> bool:
        """Take a call out of those under way where nothing more is to be asked about it."""
        in_flight = self._in_flight
        return (
            type(permit) is TimedPermit
            and now < in_flight.due
            and permit.generation == self._generation
            and in_flight.began.pop(permit, None) is not None
        )

    def _settle(self, permit: Permit, verdict: Verdict, now: float) -> None:
        place = None
        if isinstance(permit, TimedPermit):
            in_flight = self._in_flight
            if now >= in_flight.due:
                self._catch_up(now)
            place = in_flight.end(permit)
        if permit.generation != self._generation:
            return
        if isinstance(permit, Probe):
            self._settle_probe(permit, verdict, now)
        elif verdict is not NEUTRAL:
            self._count(place, verdict, now)

    def _count(self, place: int | None, verdict: Verdict, now: float) -> None:
        """Count how a call ended, unless it was slow, which is counted already, and nothing worse."""
        window = self._window
        if place is None:
            window.add(now, FINE if verdict is SUCCESS else FAILED)
        elif verdict is SUCCESS:
            return
        else:
            window.fail(place, now)
        # also after a success: it may be the call that makes the minimum
        if verdict is FATAL or self._is_over():
            self._trip(now)

    def _settle_probe(self, probe: Probe, verdict: Verdict, now: float) -> None:
        if probe not in self._probes:
            return
        self._probes.discard(probe)
        if probe.until <= now or verdict is NEUTRAL:
            return
        if verdict is not SUCCESS:
            self._trip(now)
            return
        self._probed += 1
        if self._probed >= self._policy.probes:
            self._recover()

    def _is_over(self) -> bool:
        """Whether a rate is reached; a quotient of counts is exact where a product with the rate is not."""
        window, policy = self._window, self._policy
        calls = window.calls
        if calls < policy.minimum_calls:
            return False
        if window.failures / calls >= policy.failure_rate:
            return True
        return policy.slow_call is not None and window.slow / calls >= policy.slow_rate

    def _trip(self, now: float) -> None:
        """Open, for twice as long each time a probe failed."""
        policy = self._policy
        exponent = min(self._trips, 64)  # far past any cap, and no float overflow
        longest = min(policy.open_for * 2.0**exponent, policy.open_for_max)
        self._trips += 1
        self._open(now + longest * (1.0 - JITTER * self._clock.random()))

    def _open(self, until: float) -> None:
        self._move(OPEN)
        self._until = until

    def _recover(self) -> None:
        self._trips = 0
        self._move(CLOSED)

    def _move(self, state: str) -> None:
        before, self._current = self._current, state
        self._generation += 1
        self._until = -NEVER
        self._shared = self._shareable()
        self._probes.clear()
        self._probed = 0
        self._in_flight.clear()
        self._window.clear()
        if before != state:
            self._moves.append((before, state))

    def _shareable(self) -> Permit | None:
        """Return the one permit of all calls, where calls need not be told apart."""
        untold = self._current is CLOSED and self._policy.slow_call is None
        return Permit(self._generation) if untold else None

    # --- told without the lock

    def _tell(self) -> None:
        """Tell of every move so far, in order."""
        if interrupts():  # who is told has locks too
            afterwards(self._tell)
            return
        while True:
            with self._counting:
                if self._telling or not self._moves:
                    return  # whoever is telling already tells the rest, so that the order holds
                self._telling = True
                before, after = self._moves.pop(0)
            try:
                self._moved(before, after)
            finally:
                self._telling = False

    def _moved(self, before: str, after: str) -> None:
        """Tell whom it concerns; of itself a circuit knows nobody."""


def _window(policy: Breaker) -> Window:
    return TimeWindow(policy.window) if policy.window_calls is None else CountWindow(policy.window_calls)


IS_OPEN: Final = "the breaker is open and lets no call in"
_IS_PROBING: Final = "the breaker is half-open, and as many probes as it may let in are under way"


def refusal(message: str, retry_after: float | None) -> Failure:
    """Return why a call is not let in."""
    return Failure(FailureKind.CIRCUIT_OPEN, "breaker", message, retry_after)
