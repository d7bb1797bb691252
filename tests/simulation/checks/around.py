"""The stages around all attempts of a call: ladder, gate, deadline, retry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.checks.check import NEARLY, Check, near
from tests.simulation.reference.repeating import RepeatModel

if TYPE_CHECKING:
    from tests.simulation.checks.sharing import Tally
    from tests.simulation.conformance import Side
    from tests.simulation.taps import Visit


class LadderCheck(Check):
    """What is held back for rungs, which of them answers, and when."""

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """The component's side has what is left."""
        held = visit.call.deadline - inner.call.deadline
        should = self.side.ladder.held_back(visit.call.deadline - visit.began)
        self.expect(near(held, should), f"{held:g} s held back for rungs, should be {should:g}", visit)

    def came_back(self, visit: Visit, inner: Visit) -> None:
        """The component's side has answered, or failed: then a rung may answer."""
        now, key = self.clock.now(), self.played.schedule.callers[visit.call.args[0]].key
        if inner.how == "ok":
            self.side.ladder.keep(inner.value, key, now)
        elif inner.decided_by and not visit.journal.delivered:
            # what `last_good` keeps, and the switch, may change before a rung is asked: now and then are both right
            visit.memo = (inner, now, self._foretold(inner, now, visit), self.clock.jumped)

    def ended(self, visit: Visit) -> None:
        """A rung has answered, or none."""
        if visit.memo is None or visit.how in {"cancelled", "_Dropped", "GeneratorExit"}:
            return
        inner, began, before, jumped = visit.memo
        if self.clock.jumped != jumped:
            return  # a rung may have been cut off in a moment that nobody saw
        answered = visit.journal.rung if visit.how == "ok" else None
        rung, when = next((one for one in (before, self._foretold(inner, began, visit)) if one[0] == answered), before)
        streamed = self.side.form.endswith("stream")
        if rung is None:
            self.expect(visit.error is inner.error, f"no rung should answer, and it ended as {visit.how}", visit)
        else:
            self.expect(answered == rung, f"rung {answered} answered, should be {rung}", visit)
        self.expect(streamed or near(self.clock.now(), when), f"the ladder took until {self.clock.now()}", visit)

    def _foretold(self, inner: Visit, began: float, visit: Visit) -> tuple[str | None, float]:
        key = self.played.schedule.callers[visit.call.args[0]].key
        rung, _, when = self.side.ladder.descend(inner.how, key, began, visit.call.deadline, off=self.side.is_off)
        return rung, when


class GateCheck(Check):
    """Nobody passes while it is shut, in or out."""

    def asked(self, visit: Visit) -> None:
        """Remember whether it is shut."""
        visit.memo = self.side.is_off

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """It must be open."""
        del inner
        self.expect(not visit.memo, "let through a gate that is shut", visit)

    def ended(self, visit: Visit) -> None:
        """It must be open for an answer."""
        if not visit.inner:
            self.expect(visit.memo and visit.how == "halted", f"the gate ended it as {visit.how}", visit)
        elif visit.how == "ok":
            self.expect(not self.side.is_off, "an answer passed a gate that was shut meanwhile", visit)


class DeadlineCheck(Check):
    """Nobody passes too late, in or out."""

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """There must be time left."""
        del inner
        self.expect(visit.began < visit.call.deadline, "let in past its deadline", visit)

    def ended(self, visit: Visit) -> None:
        """There must have been time left."""
        late = self.clock.now() - visit.call.deadline
        if not visit.inner:
            self.expect(late >= 0 and visit.how == "deadline_exhausted", f"turned away as {visit.how}", visit)
        elif visit.how == "ok" and not visit.journal.delivered:
            self.expect(late <= NEARLY, f"an answer left {late:g} s too late", visit)


class Repeats:
    """What is known of the attempts of one call."""

    __slots__ = ("asks", "barely", "counted", "due", "jumped", "last", "model", "number", "reason", "tally")

    def __init__(self, model: RepeatModel, tally: Tally | None) -> None:
        self.model = model
        self.tally = tally
        self.counted = tally.counted if tally is not None else 0
        self.number = 0
        self.last: Visit | None = None
        self.due: float | None = None
        self.asks = self.barely = False
        self.jumped = 0.0
        self.reason = ""


class RetryCheck(Check):
    """How many attempts there are, why, and when."""

    def __init__(self, side: Side) -> None:
        super().__init__(side)
        policy = self.policy
        counting = policy.retry is not None or policy.reask > 0
        # others may spend what its calls allow
        self.counts = int(counting or policy.hedge is not None or policy.dependency is not None)

    def asked(self, visit: Visit) -> None:
        """A call begins its attempts."""
        policy, chance = self.policy, self.played.schedule.chance
        tally = self.side.partition(visit.call).tally if policy.retry_budget is not None else None
        visit.memo = Repeats(RepeatModel(policy.retry, self.side.spec.wait, policy.reask, chance), tally)

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """An attempt begins."""
        memo: Repeats = visit.memo
        number, reason = inner.call.run.number, inner.call.run.reason
        if visit.inner == 1:
            self.expect(inner.began == visit.began, "the first attempt waited", visit)
            self.expect((number, reason) == (1, "initial"), f"the first attempt is {number}, {reason}", visit)
            if memo.tally is not None:
                counted = memo.tally.counted - memo.counted
                self.expect(counted == self.counts, f"it counts as {counted} calls for the retry budget", visit)
        elif memo.due is None:
            self.wrong(f"attempt {number}: the reference makes none", visit)
        else:
            self.on_time(memo.due, memo.jumped, f"attempt {number}", visit)
            if memo.reason == "pause":
                self.expect(number == memo.number, f"a pause was over and attempt {number} began", visit)
            else:
                self.expect(reason == memo.reason, f"attempt {number} is a {reason}, should be a {memo.reason}", visit)
                self.expect(number > memo.number, f"two attempts are numbered {number}", visit)
            self._granted(visit, memo)
        memo.number = number
        memo.due = None

    def came_back(self, visit: Visit, inner: Visit) -> None:
        """An attempt has ended: is there another?"""
        memo: Repeats = visit.memo
        memo.last = inner
        memo.due = None
        if inner.how == "ok" or not inner.decided_by:
            return
        now = self.clock.now()
        ended = inner.how
        if ended == "cooling_down" and inner.call.run.started is not None:
            ended = "nested"
        left = visit.call.deadline - now
        following = memo.model.after(ended, inner.retry_after, left + NEARLY)
        if following is None or visit.journal.delivered:
            return
        memo.reason, memo.due, memo.jumped = following.reason, now + following.delay, self.clock.jumped
        memo.barely = following.delay > left - NEARLY  # whether it is in time, rounding decides
        memo.asks = following.reason != "pause" and memo.tally is not None
        if memo.asks and memo.tally is not None:
            memo.tally.answer = None

    def ended(self, visit: Visit) -> None:
        """There is no other."""
        memo: Repeats = visit.memo
        if visit.how == "cancelled":
            return
        last = memo.last
        if last is None or visit.error is not last.error:
            self.wrong(f"ended with {visit.how}, the last attempt with {last.how if last else 'nothing'}", visit)
        if memo.due is not None:
            refused = memo.asks and memo.tally is not None and memo.tally.answer is False
            self.expect(refused or memo.barely, f"no attempt after {visit.how}, the reference makes one", visit)

    def _granted(self, visit: Visit, memo: Repeats) -> None:
        if memo.asks and memo.tally is not None:
            granted = memo.tally.granted("retry")
            self.expect(granted, "a further attempt that the retry budget did not grant", visit)
