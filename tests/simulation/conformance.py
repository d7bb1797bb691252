"""
Each stage held to its reference, from what the taps hear.

The reference of a stage foretells what it does with exactly what it was given: who is let in, who is turned away and
why, when the next attempt begins. So a schedule in which many things happen at the same moment is judged as strictly as
one in which nothing does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tests.simulation.checks.around import DeadlineCheck, GateCheck, LadderCheck, RetryCheck
from tests.simulation.checks.inside import (
    LEASE_MARGIN,
    AttemptCheck,
    BreakerCheck,
    BudgetCheck,
    HedgeCheck,
    OutputCheck,
    PauseCheck,
)
from tests.simulation.checks.permits import BulkheadCheck
from tests.simulation.checks.sharing import Sharing
from tests.simulation.reference.breaker import BreakerModel
from tests.simulation.reference.ladder import LadderModel
from tests.simulation.reference.spending import BudgetModel, RetryBudgetModel
from tests.simulation.taps import Visit

if TYPE_CHECKING:
    from aiguard.call import Call
    from tests.simulation.checks.check import Check
    from tests.simulation.playing import Played

ROOT: Final = "no key"
"""The key of calls whose boundary has none; a key that is `None` is another one."""

CHECKS: Final[dict[str, type[Check]]] = {
    "fallback": LadderCheck,
    "gate": GateCheck,
    "deadline": DeadlineCheck,
    "retry": RetryCheck,
    "hedge": HedgeCheck,
    "output": OutputCheck,
    "cooldown": PauseCheck,
    "budget": BudgetCheck,
    "breaker": BreakerCheck,
    "bulkhead": BulkheadCheck,
    "attempt": AttemptCheck,
}
"""What holds each stage to its reference, by the stage's name."""


class Conformance:
    """The references of all stages of a schedule as it is played."""

    def __init__(self, played: Played) -> None:
        self.played = played
        self.clock = played.clock
        self.sides = {one.boundary.name: Side(self, index, one) for index, one in enumerate(played.guarded)}
        self.shared: dict[tuple[str, str | None], Sharing] = {}
        self.attempts: dict[int, Visit] = {}

    def comes(self, kind: str, boundary: str, call: Call, parent: Visit | None) -> Visit:
        """Hear that a call comes to a stage."""
        visit = Visit(kind, boundary, call, parent, self.clock.now(), self.clock.jumped)
        side = self.sides[boundary]
        if parent is not None:
            parent.inner += 1
            side.check(parent.stage).let_in(parent, visit)
        side.check(kind).asked(visit)
        return visit

    def goes(self, visit: Visit) -> None:
        """Hear how it ended there."""
        side = self.sides[visit.boundary]
        visit.ended = self.clock.now()
        side.check(visit.stage).ended(visit)
        parent = visit.parent
        if parent is not None:
            side.check(parent.stage).came_back(parent, visit)

    def sharing(self, side: Side, key: str | None, actual: Any) -> Sharing:
        """Return what is shared by who asks with a key, and see that it really is."""
        name = side.policy.dependency or side.name
        found = self.shared.get((name, key))
        if found is None:
            breaker, retries = side.policy.breaker, side.policy.retry_budget
            found = self.shared[name, key] = Sharing(
                actual,
                BreakerModel(breaker, self.played.schedule.chance) if breaker else None,
                RetryBudgetModel(retries) if retries else None,
                self.played,
            )
        if found.actual is not actual:
            self.played.disagree(f"two calls of dependency {name!r} with key {key!r} share nothing")
        return found

    def moved_by_hand(self, what: str) -> None:
        """Hear that somebody moved the breaker of the first boundary."""
        first = self.played.guarded[0].boundary
        breaker = self.sharing(self.sides[first.name], ROOT, first._state.partition).breaker
        assert breaker is not None
        breaker.by_hand(what, self.clock.now())

    def first_item(self, number: int) -> None:
        """Hear that a component has given its first item."""
        attempt = self.attempts.get(number)
        above = attempt.above("breaker") if attempt is not None else None
        if above is not None and above.memo[1] is not None:
            above.memo[0].answered(above.memo[1], self.clock.now())

    def over(self) -> None:
        """Hold the end of the schedule to the reference."""
        for (name, key), sharing in self.shared.items():
            model, actual = sharing.breaker, sharing.actual.breaker
            if model is None or actual is None:
                continue
            if actual.current_state != model.state:
                model.find_slow(self.clock.now())
            if actual.current_state != model.state:
                self.played.disagree(f"breaker of {name} ({key}) is {actual.current_state}, should be {model.state}")
            if model.inside:
                self.played.disagree(f"{len(model.inside)} permits of the breaker of {name} were never settled")
        for side in self.sides.values():
            side.over()


class Side:
    """The references of one boundary."""

    def __init__(self, conformance: Conformance, index: int, guarded: Any) -> None:
        self.all = conformance
        self.played = conformance.played
        self.clock = conformance.clock
        self.guarded = guarded
        self.spec = self.played.schedule.boundaries[index]
        self.form = self.played.schedule.shape
        self.name = guarded.boundary.name
        self.policy = policy = guarded.boundary.policy
        self.lease = (policy.attempt_timeout or policy.deadline) + LEASE_MARGIN
        self.budget: Any = BudgetModel(policy.budget) if policy.budget is not None else None
        interruptible = not self.form.startswith("sync")
        self.ladder = LadderModel(self.spec.ladder, policy.fallback_timeout, policy.output is not None, interruptible)
        self._checks: dict[str, Check] = {}

    def check(self, stage: str) -> Check:
        """Return what holds a stage to its reference."""
        found = self._checks.get(stage)
        if found is None:
            found = self._checks[stage] = CHECKS[stage](self)
        return found

    @property
    def is_off(self) -> bool:
        """Whether the boundary is switched off."""
        return bool(self.guarded.boundary.mode == "off")

    def is_shortened(self, call: Call) -> bool:
        """Whether a call's own deadline is shorter than the boundary's."""
        asked = self.played.schedule.callers[call.args[0]].deadline
        return asked is not None and asked < self.policy.deadline

    def partition(self, call: Call) -> Sharing:
        """Return what a call shares with others."""
        caller = self.played.schedule.callers[call.args[0]]
        return self.all.sharing(self, caller.key if self.policy.key is not None else ROOT, call.journal.partition)

    def over(self) -> None:
        """Hold the end of the schedule to the reference."""
        for check in self._checks.values():
            check.over()
