"""
What each call of a schedule comes to in which one call follows another: said beforehand, from the script alone.

Nothing of the boundary is read here but its settings. Time is a variable, and each stage is a few lines.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.checks.inside import LEASE_MARGIN
from tests.simulation.component import BROKEN
from tests.simulation.conformance import ROOT
from tests.simulation.loop import START
from tests.simulation.reference.breaker import BreakerModel, verdict_on
from tests.simulation.reference.bulkhead import BulkheadModel, Guest, is_overload
from tests.simulation.reference.ladder import LadderModel
from tests.simulation.reference.pause import PauseModel
from tests.simulation.reference.repeating import Next, RepeatModel
from tests.simulation.reference.running import Limits, interrupted, uninterrupted
from tests.simulation.reference.spending import BudgetModel, RetryBudgetModel
from tests.simulation.schedule import FAULTS

if TYPE_CHECKING:
    from aiguard import Policy
    from tests.simulation.schedule import Caller, Schedule, Step

FORETOLD: Final = frozenset({"async", "sync", "buffer", "sync_buffer"})
"""Shapes whose calls are foretold."""


@dataclass
class Tried:
    """One attempt, as the outcome should tell of it."""

    number: int
    reason: str
    how: str
    started: float
    elapsed: float


@dataclass
class Foretold:
    """
    What one call comes to.

    Attributes:
        began: When it begins.
        ended: When it ends.
        how: `ok`, `cancelled`, or the failure kind that leaves.
        value: What it answers.
        rung: Which rung answers, or `None`.
        cause: Why a rung has to, or the kind that leaves; `None` where the component answers.
        attempts: Every attempt.
        runs: How often the component is called.
    """

    began: float
    ended: float
    how: str = "ok"
    value: Any = None
    rung: str | None = None
    cause: str | None = None
    attempts: list[Tried] = field(default_factory=list)
    runs: int = 0


@dataclass
class Attempt:
    """How one attempt ended."""

    ended: float
    how: str
    stage: str = "component"
    retry_after: float | None = None
    value: Any = None
    number: int = 0


class GaveUp(Exception):  # noqa: N818 - no error
    """The caller's task was cancelled at a moment."""

    def __init__(self, moment: float) -> None:
        self.moment = moment


@dataclass
class Key:
    """What the calls of one key share."""

    breaker: BreakerModel | None
    retries: RetryBudgetModel | None
    pause: PauseModel = field(default_factory=PauseModel)


class Foreteller:
    """
    Says what the calls of a schedule come to, one after the other.

    Args:
        schedule: The schedule.
        policies: The policies of its boundaries.
    """

    def __init__(self, schedule: Schedule, policies: list[Policy]) -> None:
        self.schedule = schedule
        self.policies = policies
        self.sync = schedule.shape.startswith("sync")
        self.keys: dict[tuple[str, str | None], Key] = {}
        self.off = [policy.mode == "off" for policy in policies]
        self.budgets = [BudgetModel(policy.budget) if policy.budget else None for policy in policies]
        self.bulkheads = [BulkheadModel(policy.bulkhead) if policy.bulkhead else None for policy in policies]
        self.ladders = [
            LadderModel(one.ladder, policy.fallback_timeout, policy.output is not None, not self.sync)
            for one, policy in zip(schedule.boundaries, policies, strict=True)
        ]

    def all(self) -> list[Foretold]:
        """Return what every call comes to."""
        turns = list(self.schedule.turns)
        now = START
        found: list[Foretold] = []
        for number, caller in enumerate(self.schedule.callers):
            while turns and turns[0].at <= number:
                turn = turns.pop(0)
                if turn.what == "jump":
                    now += turn.seconds
                elif turn.what in {"on", "off"}:
                    self.off[0] = turn.what == "off"
                elif (breaker := self.key(0, ROOT).breaker) is not None:
                    breaker.by_hand(turn.what, now)
            now += caller.at
            told = _Telling(self, number, caller, now).whole()
            now = told.ended
            found.append(told)
        return found

    def key(self, boundary: int, key: str | None) -> Key:
        """Return what the calls of a boundary share that ask with a key."""
        policy = self.policies[boundary]
        name = policy.dependency or f"b{boundary}"
        found = self.keys.get((name, key))
        if found is None:
            found = self.keys[name, key] = Key(
                BreakerModel(policy.breaker, self.schedule.chance) if policy.breaker else None,
                RetryBudgetModel(policy.retry_budget) if policy.retry_budget else None,
            )
        return found


class _Telling:
    """One call."""

    def __init__(self, teller: Foreteller, number: int, caller: Caller, now: float) -> None:
        self.teller = teller
        self.number = number
        self.caller = caller
        self.policy = policy = teller.policies[caller.boundary]
        self.spec = teller.schedule.boundaries[caller.boundary]
        self.key = teller.key(caller.boundary, caller.key if policy.key is not None else ROOT)
        self.budget = teller.budgets[caller.boundary]
        self.bulkhead = teller.bulkheads[caller.boundary]
        self.ladder = teller.ladders[caller.boundary]
        assert policy.deadline is not None
        self.shortened = caller.deadline is not None and caller.deadline < policy.deadline
        self.deadline = now + min(policy.deadline, caller.deadline or inf)
        self.inner = self.deadline - self.ladder.held_back(self.deadline - now)
        self.gives_up = now + caller.gives_up if caller.gives_up is not None else inf
        self.lease = (policy.attempt_timeout or policy.deadline) + LEASE_MARGIN
        self.told = Foretold(now, now)

    def whole(self) -> Foretold:
        """Return what it comes to."""
        told = self.told
        try:
            last = self._component_side(told.began)
            told.ended = last.ended
            if last.how == "ok":
                told.value = last.value
                self.ladder.keep(last.value, self.caller.key, last.ended)
                return told
            told.cause = last.how
            rung, value, ended = self.ladder.descend(last.how, self.caller.key, last.ended, self.deadline)
            self._unless_given_up(last.ended, ended)
            told.ended, told.rung = ended, rung
            told.how = "ok" if rung is not None else last.how
            told.value = value if rung is not None else None
        except GaveUp as gave_up:
            told.how, told.ended = "cancelled", gave_up.moment
        return told

    def _unless_given_up(self, now: float, until: float) -> None:
        """Raises `GaveUp` where the caller's cancellation comes into a wait."""
        if now <= self.gives_up < until:
            raise GaveUp(self.gives_up)

    def _component_side(self, now: float) -> Attempt:
        policy, told = self.policy, self.told
        if self.teller.off[self.caller.boundary]:
            return Attempt(now, "halted", "gate")
        repeats = RepeatModel(policy.retry, self.spec.wait, policy.reask, self.teller.schedule.chance)
        retries = self.key.retries
        shared = policy.hedge is not None or policy.dependency is not None
        counts = policy.retry is not None or policy.reask or shared
        if retries is not None and counts:
            retries.calls.append(now)
        number, reason = 1, "initial"
        while True:
            runs = told.runs
            attempt = self._attempt(now)
            began = told.runs > runs
            if attempt.how == "ok" and policy.output is not None and self._is_broken(attempt.value):
                attempt = Attempt(attempt.ended, "schema_violation", "output")
            if began:
                start = now - told.began
                told.attempts.append(Tried(number, reason, attempt.how, start, attempt.ended - now))
            if attempt.how == "ok":
                return attempt
            left = self.inner - attempt.ended
            following = repeats.after(attempt.how, attempt.retry_after, left)
            if following is None or not self._may(following, retries, attempt.ended):
                return attempt
            if following.reason != "pause":
                number, reason = number + 1, following.reason
            now = attempt.ended + following.delay
            self._unless_given_up(attempt.ended, now)

    def _may(self, following: Next, retries: RetryBudgetModel | None, now: float) -> bool:
        return following.reason == "pause" or retries is None or retries.spend(now)

    def _is_broken(self, value: Any) -> bool:
        return BROKEN in value if isinstance(value, list) else value == BROKEN

    def _attempt(self, now: float) -> Attempt:
        left = self.key.pause.left(now)
        if left > 0:
            return Attempt(now, "cooling_down", "cooldown", left)
        booking = self.budget.reserve(now) if self.budget is not None else None
        if self.budget is not None and booking is None:
            return Attempt(now, "budget_exhausted", "budget")
        attempt = self._behind_the_breaker(now)
        if attempt.how == "circuit_open" and self.budget is not None and booking is not None:
            self.budget.give_back(booking)
        self.key.pause.hear(attempt.how, attempt.retry_after, attempt.ended)
        return attempt

    def _behind_the_breaker(self, now: float) -> Attempt:
        breaker = self.key.breaker if self.policy.breaker is not None else None
        if breaker is None:
            return self._behind_the_bulkhead(now)
        permit = breaker.ask(now, self.lease)
        if permit is None:
            return Attempt(now, "circuit_open", "breaker")
        breaker.began(permit, now, self.lease)
        try:
            attempt = self._behind_the_bulkhead(now)
        except GaveUp as gave_up:
            breaker.settle(permit, "neutral", gave_up.moment)
            raise
        verdict = verdict_on(attempt.how, attempt.stage, attempt.retry_after, shortened=self.shortened)
        breaker.settle(permit, verdict, attempt.ended)
        return attempt

    def _behind_the_bulkhead(self, now: float) -> Attempt:
        bulkhead = self.bulkhead
        if bulkhead is None:
            return self._run(now)
        guest = Guest(0, self.inner)
        bulkhead.ask(guest, now)
        try:
            attempt = self._run(now)
        except GaveUp as gave_up:
            bulkhead.leave(guest, gave_up.moment)
            raise
        if attempt.how == "ok":
            bulkhead.succeeded(guest, attempt.ended, measured=True)
        else:
            if is_overload(attempt.how, attempt.stage, shortened=self.shortened):
                bulkhead.overloaded(guest)
            bulkhead.leave(guest, attempt.ended)
        return attempt

    def _run(self, now: float) -> Attempt:
        """Run the component once."""
        told, steps, policy = self.told, self.caller.steps, self.policy
        run = told.runs
        step = steps[min(run, len(steps) - 1)]
        told.runs += 1
        until = min(self.inner, now + policy.attempt_timeout) if policy.attempt_timeout is not None else self.inner
        limits = Limits(until, self.gives_up, policy.first_item or inf, policy.idle or inf)
        ran = (uninterrupted if self.teller.sync else interrupted)(step, now, limits)
        if ran.cut == self.gives_up < inf:
            raise GaveUp(ran.ended)
        stage = "attempt" if ran.by_clock or until < self.inner else "deadline"
        late = Attempt(ran.ended, "timeout", stage)
        if not ran.alone or ran.cut < inf:
            return late
        if step.then in FAULTS:
            kind, pause = FAULTS[step.then]
            return Attempt(ran.ended, kind, "component", pause)
        return Attempt(ran.ended, "ok", value=self._value(step, run)) if ran.ended <= until else late

    def _value(self, step: Step, run: int) -> Any:
        first = (self.number + 1) * 1000 + run * 10
        if not self.teller.schedule.shape.endswith("buffer"):
            return BROKEN if step.then == "invalid" else first
        items: list[Any] = [first + item for item in range(len(step.gaps))]
        return [*items, BROKEN] if step.then == "invalid" else items
