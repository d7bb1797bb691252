"""The bulkhead: who is inside, who waits, who goes first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.checks.check import NEARLY, Check
from tests.simulation.reference.bulkhead import BulkheadModel, Guest, is_overload

if TYPE_CHECKING:
    from tests.simulation.conformance import Side
    from tests.simulation.taps import Visit


class BulkheadCheck(Check):
    """Holds every grant, every refusal and every count to the reference."""

    def __init__(self, side: Side) -> None:
        super().__init__(side)
        self.model = BulkheadModel(self.policy.bulkhead)

    def asked(self, visit: Visit) -> None:
        """Ask for a permit."""
        visit.memo = guest = Guest(visit.journal.priority, visit.call.deadline)
        if visit.call.run.reason == "hedge" and len(self.model.taken) >= self.model.limit:
            guest.place = "full"  # a second attempt never waits
        else:
            self.model.ask(guest, visit.began)
        above = visit.above("budget")
        if above is not None and above.memo is not None and guest.place != "inside":
            self.side.budget.wait(above.memo, visit.call.deadline)

    def let_in(self, visit: Visit, inner: Visit) -> None:
        """It has one."""
        guest, now = visit.memo, inner.began
        if guest.place == "inside":
            self.expect(now == visit.began, "waited for a permit that was free", visit)
        elif guest.place == "handed":
            self.model.enter(guest, now)
            above = visit.above("budget")
            if above is not None and above.memo is not None:
                self.side.budget.begin(above.memo, now)
        else:
            self.wrong(f"let in before its turn: it is {guest.place}", visit)
        inside = len(self.model.taken)
        self.expect(inside <= self.policy.bulkhead.most, f"{inside} are inside at once", visit)

    def came_back(self, visit: Visit, inner: Visit) -> None:
        """It gives it back."""
        guest, now = visit.memo, self.clock.now()
        if inner.how == "ok":
            self.model.succeeded(guest, now, measured=not visit.journal.delivered)
            return
        if is_overload(inner.how, inner.decided_by, shortened=self.side.is_shortened(visit.call)):
            self.model.overloaded(guest)
        self.model.leave(guest, now)

    def ended(self, visit: Visit) -> None:
        """It was inside, or turned away for a reason."""
        if not visit.inner:
            guest, now = visit.memo, self.clock.now()
            fits = visit.how == "cancelled" or visit.how == self._refusal(guest, now)
            self.expect(fits, f"{guest.place}, and ended as {visit.how}", visit)
            self.model.leave(guest, now)
        self._compare(f"call {visit.call.args[0]} at bulkhead")

    def over(self) -> None:
        """Nobody is inside any more."""
        self._compare("at the end: bulkhead")
        if self.model.taken or self.model.line:
            self.played.disagree(f"{len(self.model.taken)} permits of {self.side.name} are still out")

    def _refusal(self, guest: Guest, now: float) -> str:
        """Return what somebody is turned away with who stands there."""
        if guest.place in {"full", "shed", "displaced"}:
            return "bulkhead_full"
        quickest, changed = self.model.before
        needed = max(quickest, self.model.quickest) if changed == now else self.model.quickest
        too_late = guest.deadline - (needed if guest.place == "waiting" else 0.0)
        over = guest.place == "late" or now >= too_late - NEARLY
        return "deadline_exhausted" if over else "nothing: it may not be turned away"

    def _compare(self, where: str) -> None:
        model, permits = self.model, self.side.guarded.boundary.bulkhead
        seen = permits.limit, permits.in_flight, permits.queued
        should = model.limit, len(model.taken), len(model.line)
        if seen != should:
            self.played.disagree(f"{where} of {self.side.name}: limit, taken, waiting are {seen}, should be {should}")
