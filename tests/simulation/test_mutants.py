"""The simulation against boundaries with a known bug in them: a proof that cannot fail proves nothing."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any

import pytest

from aiguard.contract import Judge
from aiguard.engine.runtime import AsyncRuntime
from aiguard.errors import HaltedError
from aiguard.stages import breaker, bulkhead, hedge, line
from aiguard.stages.budget import Ledger
from aiguard.stages.circuit import Circuit
from aiguard.stages.cooldown import Cooldown
from aiguard.stages.fallback import FallbackStage
from aiguard.stages.gate import GateStage
from aiguard.stages.permit import FAILURE, Permit
from aiguard.stages.retry import RetryStage
from aiguard.stages.retry_budget import RetryTally
from aiguard.stages.window import CountWindow, TimeWindow
from tests.simulation.drawing import FAMILY, drawn
from tests.simulation.judging import Bench
from tests.simulation.playing import stage

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard import Budget
    from aiguard.errors import BoundaryError

Patch = pytest.MonkeyPatch

WITHIN = 2000
"""Schedules in which each bug must be found."""

APART = FAMILY // 4
"""Seeds from one of them to the next: many policies, a few schedules on each."""


def cancellations_count(patch: Patch) -> None:
    """The breaker takes a call that was cancelled for a failure."""
    patch.setattr(breaker, "NEUTRAL", FAILURE)


def cancelled_permits_stay_out(patch: Patch) -> None:
    """A call that is cancelled inside keeps its permit."""
    plain = bulkhead.BulkheadStage.run

    async def run(self: bulkhead.BulkheadStage, proceed: Any, call: Any) -> Any:
        try:
            return await plain(self, proceed, call)
        except asyncio.CancelledError:
            self.permits.try_take()
            raise

    patch.setattr(bulkhead.BulkheadStage, "run", run)


def retries_past_the_deadline(patch: Patch) -> None:
    """The retry stage believes that it has five seconds more."""
    plain = RetryStage.run

    async def run(self: RetryStage, proceed: Any, call: Any) -> Any:
        async def attempt(inner: Any) -> Any:
            return await proceed(inner.until(call.deadline))

        return await plain(self, attempt, call.until(call.deadline + 5.0))

    patch.setattr(RetryStage, "run", run)


def one_retry_too_many(patch: Patch) -> None:
    """An attempt more than allowed."""
    plain = RetryStage.delay_after
    patch.setattr(RetryStage, "delay_after", lambda self, failures, *rest: plain(self, failures - 1, *rest))


def the_wait_forgets_the_pause(patch: Patch) -> None:
    """`Retry-After` is no floor of the wait."""
    patch.setattr("aiguard.stages.retry.after_pause", lambda _floor, _failures, chance, _left: chance)


def the_window_never_forgets(patch: Patch) -> None:
    """What happened long ago still counts for the breaker."""
    patch.setattr(TimeWindow, "_turn", lambda *_: None)


def the_last_calls_are_one_too_many(patch: Patch) -> None:
    """A count window of a call more than it is set to."""
    plain = CountWindow.__init__
    patch.setattr(CountWindow, "__init__", lambda self, size: plain(self, size + 1))


def the_rate_must_be_exceeded(patch: Patch) -> None:
    """The breaker opens over its rate, not at it."""

    def is_over(self: Circuit) -> bool:
        window, policy = self._window, self._policy
        return window.calls >= policy.minimum_calls and window.failures / window.calls > policy.failure_rate

    patch.setattr(Circuit, "_is_over", is_over)


def old_calls_move_the_breaker(patch: Patch) -> None:
    """A call that began before the breaker opened is heard when it is half-open."""
    plain = Circuit.settle

    def settle(self: Circuit, permit: Permit, verdict: Any) -> None:
        if permit.generation not in {self._generation, -1} and self._shared is not None:
            permit = self._shared
        plain(self, permit, verdict)

    patch.setattr(Circuit, "settle", settle)


def it_is_never_open_for_longer(patch: Patch) -> None:
    """The open time does not double."""
    plain = Circuit._trip

    def trip(self: Circuit, now: float) -> None:
        self._trips = 0
        plain(self, now)

    patch.setattr(Circuit, "_trip", trip)


def nobody_is_slow_who_is_still_inside(patch: Patch) -> None:
    """A hung call does not count as slow before it ends."""
    patch.setattr(Circuit, "_catch_up", lambda *_: None)


def the_budget_is_off_by_one(patch: Patch) -> None:
    """One attempt more than the budget in each window."""
    plain = Ledger.configure

    def configure(self: Ledger, budget: Budget) -> None:
        plain(self, budget.model_copy(update={"calls": (budget.calls or 0) + 1}))

    patch.setattr(Ledger, "configure", configure)


def retries_are_free(patch: Patch) -> None:
    """The retry budget never says no."""
    patch.setattr(RetryTally, "spend", lambda *_: True)


def nobody_pauses(patch: Patch) -> None:
    """A pause that the component asked for is not kept."""
    patch.setattr(Cooldown, "pause", lambda *_: None)


def the_least_important_goes_first(patch: Patch) -> None:
    """A freed permit goes to the lowest priority."""

    def first(self: line.Line) -> Any:
        for rank in reversed(self._ranks):
            if rank:
                return rank.popitem(last=False)[0]
        return None

    patch.setattr(line.Line, "first", first)


def the_last_goes_first(patch: Patch) -> None:
    """A freed permit goes to who came last."""

    def first(self: line.Line) -> Any:
        for rank in self._ranks:
            if rank:
                return rank.popitem()[0]
        return None

    patch.setattr(line.Line, "first", first)


def who_waits_waits_for_ever(patch: Patch) -> None:
    """Nobody leaves the line at the deadline."""
    patch.setattr(bulkhead.Permits, "until", lambda *_: math.inf)


def hedges_begin_too_soon(patch: Patch) -> None:
    """The second attempt begins at half the time."""
    plain = hedge.Pair.due

    def due(self: hedge.Pair, now: float) -> float:
        started = self.call.run.started
        return plain(self, now) if started is None else started + self._after / 2

    patch.setattr(hedge.Pair, "due", due)


def the_worse_of_two_wins(patch: Patch) -> None:
    """The first attempt's end decides, whatever the second answered."""
    patch.setattr(hedge.Pair, "winner", lambda self: self._first)


def nothing_is_held_back(patch: Patch) -> None:
    """The component may use up the time of the rungs."""
    patch.setattr(FallbackStage, "reserve", lambda *_: 0.0)


def the_ladder_is_upside_down(patch: Patch) -> None:
    """The last rung is asked first."""
    plain = FallbackStage.__init__

    def init(self: FallbackStage, steps: Any, *rest: Any, **named: Any) -> None:
        plain(self, tuple(reversed(steps)), *rest, **named)

    patch.setattr(FallbackStage, "__init__", init)


def answers_leave_a_gate_that_is_shut(patch: Patch) -> None:
    """A boundary that was switched off while a call ran lets its answer out."""

    async def run(self: GateStage, proceed: Any, call: Any) -> Any:
        why = self.switch.halted()
        if why is not None:
            raise HaltedError(why)
        return await proceed(call)

    patch.setattr(GateStage, "run", run)


def nothing_is_judged(patch: Patch) -> None:
    """Whatever the component answers is taken."""
    patch.setattr(Judge, "judge", lambda _self, raw: raw)


def cancellation_is_swallowed(patch: Patch) -> None:
    """A caller that gives up in a wait between two attempts is not heard."""

    async def sleep(_self: AsyncRuntime, seconds: float) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(seconds)

    patch.setattr(AsyncRuntime, "sleep", sleep)


def late_answers_count(patch: Patch) -> None:
    """An attempt is not cut off at its time."""
    plain = AsyncRuntime.invoke

    async def invoke(self: AsyncRuntime, call: Any, until: float) -> Any:
        return await plain(self, call, until + 0.25)

    patch.setattr(AsyncRuntime, "invoke", invoke)


def rejections_are_retried(patch: Patch) -> None:
    """What the boundary itself turned away is tried again."""
    plain = RetryStage.delay_after

    def delay_after(self: RetryStage, failures: int, failure: Any, error: BoundaryError, call: Any) -> float | None:
        refused = failure.kind == "circuit_open" and self.retry is not None and failures < self.retry.attempts
        return 0.1 if refused else plain(self, failures, failure, error, call)

    patch.setattr(RetryStage, "delay_after", delay_after)


MUTANTS: list[Callable[[Patch], None]] = [
    cancellations_count,
    cancelled_permits_stay_out,
    retries_past_the_deadline,
    one_retry_too_many,
    the_wait_forgets_the_pause,
    the_window_never_forgets,
    the_last_calls_are_one_too_many,
    the_rate_must_be_exceeded,
    old_calls_move_the_breaker,
    it_is_never_open_for_longer,
    nobody_is_slow_who_is_still_inside,
    the_budget_is_off_by_one,
    retries_are_free,
    nobody_pauses,
    the_least_important_goes_first,
    the_last_goes_first,
    who_waits_waits_for_ever,
    hedges_begin_too_soon,
    the_worse_of_two_wins,
    nothing_is_held_back,
    the_ladder_is_upside_down,
    answers_leave_a_gate_that_is_shut,
    nothing_is_judged,
    cancellation_is_swallowed,
    late_answers_count,
    rejections_are_retried,
]


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_known_bug_is_found(mutant: Callable[[Patch], None], monkeypatch: Patch) -> None:
    """Each of these is noticed within so many schedules."""
    mutant(monkeypatch)
    with stage():
        bench = Bench()
        for seed in range(0, WITHIN * APART, APART):
            if bench.judge(drawn(seed)).wrong:
                return
    pytest.fail(f"not found in {WITHIN} schedules: {mutant.__doc__}")
