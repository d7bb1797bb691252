"""What a circuit must do, written down the long way: every event is kept, and everything is counted anew each time."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiguard import Breaker

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


@dataclass(eq=False)
class Told:
    """One call as the window knows it."""

    at: float
    failed: bool
    slow: bool


@dataclass(eq=False)
class Admitted:
    """
    One call that was let in.

    Attributes:
        generation: The state that let it in; `None`: a state that merely watches, and does not count it.
        probe: Whether it is a trial.
        timed: Whether it may become slow.
        lease: How long it may be silent, if it is a trial.
        until: The moment at which it is given up, if it is a trial.
        began: When the component began.
        settled: Whether it has ended.
        told: What the window was told of it before its end.
        given_up: Whether its place was given away.
    """

    generation: int | None
    probe: bool
    timed: bool
    lease: float
    until: float
    began: float | None = None
    settled: bool = False
    was_slow: bool = False
    told: Told | None = None
    given_up: bool = False


@dataclass
class Model:
    """A circuit."""

    policy: Breaker
    now: float
    chance: float = 0.0
    state: str = CLOSED
    generation: int = 0
    until: float = 0.0
    trips: int = 0
    probed: int = 0
    configured: float = float("-inf")
    admitted: list[Admitted] = field(default_factory=list)
    events: list[Told] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)

    # --- the window

    @property
    def window(self) -> list[Told]:
        """What the window holds: of time, to a tenth of itself, as of the last event."""
        if self.policy.window_calls is not None:
            return self.events[-self.policy.window_calls :]
        width = self.policy.window / 10
        newest = max((int(event.at / width) for event in self.events), default=0)
        return [event for event in self.events if int(event.at / width) > newest - 10]

    @property
    def is_over(self) -> bool:
        """Whether a rate is reached."""
        window, policy = self.window, self.policy
        if len(window) < policy.minimum_calls:
            return False
        failed = Fraction(sum(event.failed for event in window), len(window))
        slow = Fraction(sum(event.slow for event in window), len(window))
        too_slow = policy.slow_call is not None and slow >= Fraction(str(policy.slow_rate))
        return failed >= Fraction(str(policy.failure_rate)) or too_slow

    # --- moves

    def move(self, state: str) -> None:
        """Begin anew in `state`."""
        if state != self.state:
            self.moves.append((self.state, state))
        self.state = state
        self.generation += 1
        self.probed = 0
        self.events = []

    def trip(self) -> None:
        """Open."""
        longest = min(self.policy.open_for * 2**self.trips, self.policy.open_for_max)
        self.until = self.now + longest * (1 - 0.1 * self.chance)
        self.trips += 1
        self.move(OPEN)

    def recover(self) -> None:
        """Close."""
        self.trips = 0
        self.move(CLOSED)

    # --- calls

    @property
    def probing(self) -> list[Admitted]:
        """The trials under way."""
        return [
            call
            for call in self.admitted
            if call.probe
            and call.generation == self.generation
            and not call.settled
            and not call.given_up
            and call.until > self.now
        ]

    def slow_since(self, call: Admitted) -> float | None:
        """Return the moment at which the call became slow, if it has by now."""
        if not call.timed or call.began is None or self.policy.slow_call is None or call.was_slow:
            return None
        moment = max(call.began + self.policy.slow_call, self.configured)
        return moment if moment <= self.now else None

    def look(self) -> None:
        """Find those that have become slow, one after another."""
        while True:
            found = [
                (moment, call)
                for call in self.admitted
                if call.generation == self.generation
                and not call.settled
                and not call.given_up
                and (moment := self.slow_since(call)) is not None
            ]
            if not found:
                return
            moment, call = min(found, key=lambda one: (one[0], one[1].began))
            call.was_slow = True
            if not call.probe:
                call.told = Told(moment, failed=False, slow=True)
                self.events.append(call.told)
                if self.is_over:
                    self.trip()
            elif moment < call.until:
                self.trip()

    def ask(self, lease: float) -> Admitted | float | None:
        """Return a call that is let in, or the seconds to wait, or nothing."""
        if self.state == OPEN and self.until > self.now:
            return self.refused(self.until - self.now)
        self.look()
        if self.state == CLOSED:
            return self.let_in(probe=False, timed=self.policy.slow_call is not None, lease=lease)
        if self.state == OPEN:
            if self.until > self.now:
                return self.refused(self.until - self.now)
            self.move(HALF_OPEN)
        probing = len(self.probing)
        if probing >= self.policy.concurrent_probes or probing + self.probed >= self.policy.probes:
            return self.refused(None)
        return self.let_in(probe=True, timed=True, lease=lease)

    def let_in(self, *, probe: bool, timed: bool, lease: float) -> Admitted:
        """Note a call."""
        call = Admitted(self.generation, probe, timed, lease, self.now + lease)
        self.admitted.append(call)
        return call

    def refused(self, wait: float | None) -> Admitted | float | None:
        """Refuse, or let in what will not count."""
        return Admitted(None, probe=False, timed=False, lease=0.0, until=0.0) if self.policy.metrics_only else wait

    def begin(self, call: Admitted) -> None:
        """The component begins."""
        if call.probe:
            if call.until <= self.now:
                return
            call.until = self.now + call.lease
        call.began = self.now

    def answer(self, call: Admitted) -> None:
        """A stream's first item: what is not slow by now never is."""
        if self.slow_since(call) is None:
            call.began = None

    def settle(self, call: Admitted, verdict: str) -> None:
        """The call ends."""
        if call.timed:
            self.look()
        call.settled = True
        if call.generation != self.generation:
            return
        if call.probe:
            self.settle_probe(call, verdict)
        elif verdict != "neutral":
            self.count(call, verdict)

    def settle_probe(self, call: Admitted, verdict: str) -> None:
        """A trial ends."""
        if call.given_up or call.until <= self.now:
            return
        if verdict == "success":
            self.probed += 1
            if self.probed >= self.policy.probes:
                self.recover()
        elif verdict != "neutral":
            self.trip()

    def count(self, call: Admitted, verdict: str) -> None:
        """Tell the window how it ended."""
        failed = verdict != "success"
        if call.was_slow:
            if not failed:
                return
            self.fail_slow(call)
        else:
            self.events.append(Told(self.now, failed=failed, slow=False))
        if verdict == "fatal" or self.is_over:
            self.trip()

    def fail_slow(self, call: Admitted) -> None:
        """A call that was counted as slow has failed: it counts once, if it is still counted, else anew."""
        told = call.told
        in_place = self.policy.window_calls is not None
        if told in self.window and in_place:
            assert told is not None
            told.failed = True
            return
        if told in self.events and not in_place:
            assert told is not None
            self.events.remove(told)
        self.events.append(Told(self.now, failed=True, slow=True))

    # --- by hand

    def configure(self, policy: Breaker) -> None:
        """Change the settings."""
        self.look()
        before, self.policy = self.policy, policy
        if (policy.window, policy.window_calls) != (before.window, before.window_calls):
            self.events = []
        if policy.slow_call != before.slow_call:
            self.configured = self.now
        if self.state == HALF_OPEN and self.probed >= policy.probes:
            self.recover()

    def open(self) -> None:
        """Open for exactly as long as is set."""
        self.until = self.now + self.policy.open_for
        self.trips = 1
        self.move(OPEN)

    def fork(self) -> None:
        """The calls under way are another process's."""
        for call in self.admitted:
            call.began = call.told = None
            call.was_slow = False
            call.given_up = call.probe
