"""A breaker written down the long way: all that it ever heard is kept, and counted anew each time it is asked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiguard import Breaker

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"

SLICES: Final = 10
"""A time window forgets in tenths."""

JITTER: Final = 0.1
"""The share of the open time that chance takes away."""


@dataclass(eq=False)
class BreakerPermit:
    """
    What one call was let in with.

    Attributes:
        round: The round it belongs to; `None` where it is let in only because the breaker merely watches.
        probe: Whether it is a trial call.
        until: Of a probe: when it is given up.
        began: When the component began the call; `None` before that, and once it is known to be in time.
        said: What the window knows of it already.
    """

    round: int | None
    probe: bool = False
    until: float = 0.0
    began: float | None = None
    said: Said | None = None


@dataclass(eq=False)
class Said:
    """What the window knows of one call."""

    moment: float
    failed: bool
    slow: bool


@dataclass
class BreakerModel:
    """
    One breaker.

    Attributes:
        policy: Its settings.
        chance: What the clock's chance answers.
        state: `closed`, `open` or `half-open`.
        round: How often it has moved.
        heard: What was said in this round, in order.
        inside: Who was let in in this round and has not settled.
        until: When it may be tried again.
        trips: How often it has opened since it was last closed.
        probed: Probes that succeeded in this round.
    """

    policy: Breaker
    chance: float
    state: str = CLOSED
    round: int = 0
    heard: list[Said] = field(default_factory=list)
    inside: list[BreakerPermit] = field(default_factory=list)
    until: float = 0.0
    trips: int = 0
    probed: int = 0

    def ask(self, now: float, lease: float) -> BreakerPermit | None:
        """Return what lets a call in, or `None`."""
        self.find_slow(now)
        if self.state == OPEN and now >= self.until:
            self._move(HALF_OPEN)
        if self.state == CLOSED:
            return self._let_in(BreakerPermit(self.round))
        refused = BreakerPermit(None) if self.policy.metrics_only else None
        if self.state == OPEN:
            return refused
        self.inside = [permit for permit in self.inside if permit.until > now]  # the others' leases are over
        probes = len(self.inside)
        if probes >= self.policy.concurrent_probes or probes + self.probed >= self.policy.probes:
            return refused
        return self._let_in(BreakerPermit(self.round, probe=True, until=now + lease))

    def began(self, permit: BreakerPermit, now: float, lease: float) -> None:
        """Hear that the component begins the call."""
        if permit in self.inside and (not permit.probe or permit.until > now):
            permit.began = now
            permit.until = now + lease

    def answered(self, permit: BreakerPermit, now: float) -> None:
        """Hear that a stream's first item is there."""
        threshold = self.policy.slow_call
        if permit.began is not None and threshold is not None and permit.began + threshold > now:
            permit.began = None  # it is not slow, and never will be

    def settle(self, permit: BreakerPermit, verdict: str, now: float) -> None:
        """Hear how a call ended: `success`, `failure`, `fatal` or `neutral`."""
        if permit.round != self.round:
            return  # it says something of a time that is over
        self.find_slow(now)
        if permit not in self.inside:
            return
        self.inside.remove(permit)
        if permit.probe:
            if permit.until <= now or verdict == "neutral":
                return
            if verdict != "success":
                self._trip(now)
                return
            self.probed += 1
            if self.probed >= self.policy.probes:
                self._close()
        elif verdict == "neutral" or (permit.said is not None and verdict == "success"):
            return
        else:
            self._say(permit, now, failed=verdict != "success")
            if verdict == "fatal" or self._is_over(now):
                self._trip(now)

    def find_slow(self, now: float) -> None:
        """Count who is inside for too long, each from the moment at which it was."""
        threshold = self.policy.slow_call
        if threshold is None or self.state == OPEN:
            return
        late = [permit for permit in self.inside if permit.began is not None and permit.began + threshold <= now]
        for permit in sorted(late, key=lambda one: one.began or 0.0):
            moment = (permit.began or 0.0) + threshold
            permit.began = None
            if not permit.probe:
                permit.said = Said(moment, failed=False, slow=True)
                self.heard.append(permit.said)
                if self._is_over(moment):
                    self._trip(now)
                    return
            elif permit.until > moment:
                self._trip(now)
                return
            else:
                self.inside.remove(permit)

    def window(self, now: float) -> tuple[int, int, int]:
        """Return the calls, the failures and the slow ones of the window; slices begin at multiples of their width."""
        if self.policy.window_calls is not None:
            recent = self.heard[-self.policy.window_calls :]
        else:
            width = self.policy.window / SLICES
            recent = [said for said in self.heard if now // width - said.moment // width < SLICES]
        return len(recent), sum(said.failed for said in recent), sum(said.slow for said in recent)

    def by_hand(self, what: str, now: float) -> None:
        """Move it: `open`, `close`, `half_open`."""
        if what == "open":
            self.trips = 1
            self._open(now + self.policy.open_for)
        elif what == "close":
            self._close()
        else:
            self._move(HALF_OPEN)

    def _let_in(self, permit: BreakerPermit) -> BreakerPermit:
        self.inside.append(permit)
        return permit

    def _say(self, permit: BreakerPermit, now: float, *, failed: bool) -> None:
        """Count a call that ended; one that was counted as slow counts as failed too, and once."""
        said = permit.said
        if said is None:
            self.heard.append(Said(now, failed, slow=False))
            return
        size = self.policy.window_calls
        if size is not None and said in self.heard[-size:]:
            said.failed = True  # it keeps its place among the last
            return
        self.heard.remove(said)
        self.heard.append(Said(now, failed, slow=True))

    def _is_over(self, now: float) -> bool:
        calls, failures, slow = self.window(now)
        if calls < self.policy.minimum_calls:
            return False
        too_slow = self.policy.slow_call is not None and slow / calls >= self.policy.slow_rate
        return failures / calls >= self.policy.failure_rate or too_slow

    def _trip(self, now: float) -> None:
        doubled = min(self.policy.open_for * 2.0**self.trips, self.policy.open_for_max)
        self.trips += 1
        self._open(now + doubled * (1.0 - JITTER * self.chance))

    def _open(self, until: float) -> None:
        self._move(OPEN)
        self.until = until

    def _close(self) -> None:
        self.trips = 0
        self._move(CLOSED)

    def _move(self, state: str) -> None:
        self.state = state
        self.round += 1
        self.heard.clear()
        self.inside.clear()
        self.probed = 0


def verdict_on(ended: str, stage: str, retry_after: float | None, *, shortened: bool) -> str:
    """Return what an ending says of the component's health, by the table of failure kinds."""
    if ended == "ok" or (ended in _OUTPUTS and stage == "output"):
        return "success"
    if ended in _FATAL:
        return "fatal"
    if ended not in _COUNTED:
        return "neutral"
    if ended == "timeout" and stage == "deadline" and shortened:
        return "neutral"
    return "neutral" if ended == "overloaded" and retry_after is not None else "failure"


_FATAL: Final = {"auth", "quota_exhausted", "not_found"}
_COUNTED: Final = {
    "timeout",
    "connection",
    "server_error",
    "malformed_transport",
    "overloaded",
    "stream_interrupted",
    "worker_crashed",
    "worker_poisoned",
    "unclassified",
}
_OUTPUTS: Final = {"malformed_output", "schema_violation", "check_failed", "empty_output"}
