"""The stages of one attempt: hedge, output, pause, budget, breaker, and the attempt itself."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, Final

from aiguard.stream import Buffered
from tests.simulation.checks.check import NEARLY, Check, near
from tests.simulation.component import BROKEN
from tests.simulation.reference.breaker import BreakerModel, verdict_on
from tests.simulation.reference.running import INSISTS
from tests.simulation.schedule import FAULTS

if TYPE_CHECKING:
    from tests.simulation.component import Run
    from tests.simulation.taps import Visit

LEASE_MARGIN: Final = 1.0
"""Seconds that a probe has beyond its own clock."""


class HedgeCheck(Check):
    """When the second attempt begins, and whose answer it is."""

    def asked(self, visit: Visit) -> None:
        """Nobody runs yet."""
        visit.memo = []

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """One of two attempts begins."""
        visit.memo.append(inner)
        if visit.inner == 1:
            self.on_time(visit.began, visit.jumped, "the first of two attempts", visit)
            return
        now, after, started = self.clock.now(), self.policy.hedge.after, visit.call.run.started
        if visit.inner > 2 or inner.call.run.reason != "hedge" or after is None or started is None:
            self.wrong(f"attempt {visit.inner} of a race began", visit)
            return
        self.on_time(started + after, visit.jumped, "the second attempt", visit)
        jumped = self.clock.jumped != visit.jumped
        self.expect(jumped or now < visit.call.deadline, "the second attempt began past the deadline", visit)
        tally = self.side.partition(visit.call).tally if self.policy.retry_budget is not None else None
        granted = tally is None or tally.granted("hedge")
        self.expect(granted, "a second attempt that the retry budget did not grant", visit)

    def ended(self, visit: Visit) -> None:
        """The race is decided."""
        racers = visit.memo
        if visit.how == "ok":
            good = any(one.how == "ok" and one.value is visit.value for one in racers)
            self.expect(good, "an answer won that none of the two gave", visit)
        elif visit.how != "cancelled":
            self.expect(visit.error is racers[0].error, f"ended as {visit.how}, which is not the first's", visit)
            self.expect(not any(one.how == "ok" for one in racers), "a good answer lost", visit)
        after, started = self.policy.hedge.after, visit.call.run.started
        if after is None or started is None or len(racers) > 1 or self.clock.jumped != visit.jumped:
            return
        due = started + after
        if visit.how != "cancelled" and racers[0].ended > due + NEARLY and due < visit.call.deadline - NEARLY:
            tally = self.side.partition(visit.call).tally if self.policy.retry_budget is not None else None
            refused = tally is not None and tally.refused >= due - NEARLY
            self.expect(refused, "no second attempt, and it was due", visit)


class OutputCheck(Check):
    """Nothing passes that breaks the contract."""

    def ended(self, visit: Visit) -> None:
        """Look at the answer."""
        if visit.how == "ok" and visit.inner:
            value = visit.value.items if isinstance(visit.value, Buffered) else visit.value
            items = value if isinstance(value, list) else [value]
            self.expect(all(type(item) is int for item in items), "an answer passed that breaks the contract", visit)


class PauseCheck(Check):
    """Nobody is called while the pause lasts that the component asked for."""

    def asked(self, visit: Visit) -> None:
        """Look how long it still is."""
        sharing = self.side.partition(visit.call)
        visit.memo = (sharing.pause, sharing.pause.left(visit.began))

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """It must be over."""
        del inner
        self.expect(visit.memo[1] <= NEARLY, f"called {visit.memo[1]:g} s before a pause was over", visit)

    def came_back(self, visit: Visit, inner: Visit) -> None:
        """The component may have asked for one."""
        visit.memo[0].hear(inner.how, inner.retry_after, self.clock.now())

    def ended(self, visit: Visit) -> None:
        """Who was turned away was told how long."""
        if not visit.inner:
            left = visit.memo[1]
            told = visit.how == "cooling_down" and visit.retry_after is not None and near(visit.retry_after, left)
            self.expect(told and left > -NEARLY, f"turned away as {visit.how}, {left:g} s of a pause left", visit)


class BudgetCheck(Check):
    """No window sees more than it may."""

    def asked(self, visit: Visit) -> None:
        """Reserve."""
        visit.memo = self.side.budget.reserve(visit.began)

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """There must have been something to reserve."""
        del inner
        self.expect(visit.memo is not None, "let in although the budget is spent", visit)

    def ended(self, visit: Visit) -> None:
        """Give back what was not spent."""
        if visit.memo is None:
            refused = not visit.inner and visit.how == "budget_exhausted"
            self.expect(refused, f"spent, and ended as {visit.how}", visit)
        elif visit.call.run.started is None:
            self.expect(visit.inner, f"turned away as {visit.how}, and the budget is not spent", visit)
            self.side.budget.give_back(visit.memo)


class BreakerCheck(Check):
    """Who is let in, and in which state it is after each call."""

    def asked(self, visit: Visit) -> None:
        """Ask the reference."""
        model = self.side.partition(visit.call).breaker
        assert model is not None
        visit.memo = (model, model.ask(visit.began, self.side.lease))

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """It must let it in, too."""
        del inner
        self.expect(visit.memo[1] is not None, f"let in by a breaker that is {visit.memo[0].state}", visit)

    def came_back(self, visit: Visit, inner: Visit) -> None:
        """Tell it how the call ended."""
        model, permit = visit.memo
        if permit is not None:
            shortened = self.side.is_shortened(visit.call)
            verdict = verdict_on(inner.how, inner.decided_by, inner.retry_after, shortened=shortened)
            model.settle(permit, verdict, self.clock.now())

    def ended(self, visit: Visit) -> None:
        """Compare."""
        model: BreakerModel = visit.memo[0]
        if not visit.inner:
            refused = visit.how == "circuit_open" and visit.memo[1] is None
            self.expect(refused, f"the breaker ended it as {visit.how}, should be {model.state}", visit)
        actual = visit.journal.partition.breaker.current_state
        if actual != model.state:
            model.find_slow(self.clock.now())  # who settles may look for slow calls, and need not
        self.expect(actual == model.state, f"the breaker is {actual}, should be {model.state}", visit)


class AttemptCheck(Check):
    """When an attempt ends, and as what."""

    def asked(self, visit: Visit) -> None:
        """The component begins."""
        number = visit.call.args[0]
        until = visit.call.deadline
        if self.policy.attempt_timeout is not None:
            until = min(until, visit.began + self.policy.attempt_timeout)
        ending = self.played.endings[number]
        visit.memo = (until, len(self.played.runs), ending.waited + visit.began - ending.asked)
        self.side.all.attempts[number] = visit
        above = visit.above("breaker")
        if above is not None and above.memo[1] is not None:
            above.memo[0].began(above.memo[1], visit.began, self.side.lease)

    def ended(self, visit: Visit) -> None:
        """The component is done with, by itself or not."""
        until, first, waited = visit.memo
        number = visit.call.args[0]
        run = self._run(number, first, visit.began)
        if visit.how == "timeout" and visit.decided_by in {"attempt", "deadline"}:
            self._timed_out(visit, run, until, waited)
        elif visit.how == "cancelled":
            cancelled = self.played.schedule.callers[number].gives_up is not None or self.policy.hedge is not None
            self.expect(cancelled, "cancelled, and nobody did", visit)
        elif visit.how == "halted":  # before a further attempt, or between two items that are collected
            self.expect(self.side.is_off, "halted, and nobody did", visit)
        elif run is not None and self.side.form in {"async", "buffer"}:
            now = self.clock.now()
            jumps = self.clock.jumped - visit.jumped
            in_time = now <= until + NEARLY or (visit.how != "ok" and now <= max(until, visit.began) + jumps)
            self.expect(in_time, f"an answer came {now - until:g} s after its time", visit)
            agree = _agree(run.how, visit.how, visit.value, run)
            self.expect(agree, f"ended as {visit.how}, the component {run.how}", visit)

    def _run(self, number: int, first: int, began: float) -> Run | None:
        for run in self.played.runs[first:]:
            if run.call == number and run.began == began:
                return run
        return None

    def _timed_out(self, visit: Visit, run: Run | None, until: float, waited: float) -> None:
        jumps = self.clock.jumped - visit.jumped
        swallowed = run.swallowed if run is not None else 0
        moment, clock = self._due(visit, run, until, waited)
        late = self.clock.now() - max(moment, visit.began)
        inline = self.side.form.startswith("sync")  # nobody can be cut off in their own thread
        in_time = late >= -NEARLY and (inline or late <= INSISTS * swallowed + jumps + NEARLY)
        self.expect(in_time, f"timed out {late:g} s after its time", visit)
        if not jumps and not swallowed:  # else two clocks may have run out
            expected = "attempt" if clock or until < visit.call.deadline else "deadline"
            self.expect(visit.decided_by == expected, f"timed out by the {visit.decided_by}", visit)

    def _next_item(self, began: float, run: Run | None, first: float, idle: float) -> float:
        """Return by when the next item is due, or that which has come just now, and too late."""
        items, last = (run.items, run.last) if run is not None else (0, began)
        if run is not None and last == self.clock.now():
            items, last = items - 1, run.before
        return last + idle if items > 0 else began + first

    def _due(self, visit: Visit, run: Run | None, until: float, waited: float) -> tuple[float, bool]:
        """Return when an attempt has to end, and whether a clock of the stream's says so."""
        form = self.side.form
        if form in {"async", "sync"}:
            return until, False
        first, idle = self.policy.first_item or inf, self.policy.idle or inf
        if form.endswith("buffer"):
            moment = self._next_item(visit.began, run, first, idle)
            return min(until, moment), moment < until
        ending = self.played.endings[visit.call.args[0]]
        began = max(ending.asked, visit.began)
        whole = began + until - visit.began - max(0.0, ending.waited - waited)
        moment = began + idle if ending.value else visit.began + first  # what came too late is not among its items
        return min(whole, moment), moment < whole - NEARLY


def _agree(component: str, seen: str, value: Any, run: Run) -> bool:
    """Whether an attempt ended as its component did."""
    if component in FAULTS:
        return seen == FAULTS[component][0]
    if isinstance(value, Buffered):
        value = value.items
    if component == "invalid":
        return seen == "ok" and (value == BROKEN or (isinstance(value, list) and value[-1] == BROKEN))
    return component == "ok" and seen == "ok" and (value == run.value() or isinstance(value, list))
