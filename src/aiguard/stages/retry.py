"""The retry stage: it owns the attempts, and decides whether and when there is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.contract.rates import REPAIRED
from aiguard.errors import BoundaryError
from aiguard.events import RetryBudgetExhausted, Retrying, Run, RunEnded
from aiguard.failure import INVALID_OUTPUTS, REASKABLE, REJECTIONS, Failure, FailureKind
from aiguard.policy import REFUSED_BY_COMPONENT
from aiguard.stages.feedback import told

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed
    from aiguard.contract.rates import Tally
    from aiguard.outcome import Reason
    from aiguard.strategies import Retry

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0
ATTEMPTS_AT_MOST: Final = 100  # under a `stop` object too: each attempt is kept for the outcome


def full_jitter(failures: int, chance: float) -> float:
    """Return a wait between 0 and 0.1 s × 2ⁿ, at most 2 s, after `failures` failed attempts; `chance` is in [0, 1)."""
    exponent = min(failures - 1, 10)  # far past the cap, and no overflow however long it goes on
    return chance * min(LONGEST_WAIT, FIRST_WAIT * 2.0**exponent)


def after_pause(floor: float, failures: int, chance: float, left: float) -> float:
    """
    Return a wait of `floor` seconds and a jitter over it.

    All who were asked to come back at one moment would otherwise come at that moment. Where fewer than `left` seconds
    hold the floor but not the longest jitter, the jitter is drawn from what they hold.
    """
    longest = full_jitter(failures, 1.0)
    room = left - floor
    return floor + chance * (room if 0.0 < room < longest else longest)


class RetryStage:
    """
    Try again after what may pass, ask again after an invalid answer, inside the same deadline.

    Args:
        retry: What is tried again, how often, and when.
        reask: How often an invalid answer is asked for again.
        budgeted: Whether the retry budget is asked.
        counting: Whether the retry budget is told of every call.
        idempotent: Whether asking twice does no more than asking once.
        tally: Where it is counted how often answers break the output contract, where there is one.
    """

    def __init__(
        self,
        retry: Retry | None,
        reask: int,
        *,
        budgeted: bool = True,
        counting: bool = True,
        idempotent: bool = True,
        tally: Tally | None = None,
    ) -> None:
        self.retry = retry
        self.tally = tally
        self.reask = reask
        self.budgeted = budgeted
        self.counting = counting
        self.idempotent = idempotent
        self.on = retry.on if retry is not None else frozenset[FailureKind]()
        if not idempotent and isinstance(self.on, frozenset):
            self.on &= REFUSED_BY_COMPONENT

    async def run(self, proceed: Proceed, call: Call) -> Any:  # noqa: C901, PLR0912, PLR0915 - one loop, its counts in its frame
        """Raises what the last attempt raised."""
        journal = call.journal
        if self.counting:
            journal.partition.retries.count(journal.begun)
        failures, asked = 0, 0
        run, attempt = call.run, call
        while True:
            try:
                value = await proceed(attempt)
            except BoundaryError as error:
                failure = error.failure
                self._close(call, run, failure)
                if self.tally is not None:
                    self.tally.failed(run, failure)
                reason, further = run.reason, True
                if failure.kind is FailureKind.COOLING_DOWN and run.started is None:
                    delay = self.delay_until_over(failures, failure, call)
                    further = False
                elif failure.kind in INVALID_OUTPUTS:
                    asked += 1
                    delay = 0.0 if failure.kind in REASKABLE and asked <= self.reask else None
                    reason = "reask"
                else:
                    failures += 1
                    delay = self.delay_after(failures, failure, error, call)
                    reason = "retry"
                if delay is None or journal.delivered or call.clock.now() + delay >= call.deadline:
                    raise
                if run.answering and not self.idempotent:
                    raise  # it has begun what must not be done twice
                if further and self.budgeted and not self._may_spend(call, reason, error):
                    raise
            except BaseException:
                self._close(call, run, None, cancelled=True)
                raise
            else:
                if not run.closed:
                    run.ended = call.clock.now()
                    journal.runs.append(run)
                    if journal.listener is not None:
                        call.report(RunEnded(run))
                if self.tally is not None:
                    self.tally.count(run.ended) if run.repaired is None else self.tally.note(run.ended, (REPAIRED,))
                return value
            if further:
                run = Run()
                run.number = journal.tries = journal.tries + 1
                run.reason = reason
                if reason == "reask":
                    call = told(call, failure)
                attempt = call.attempting(run)
            if call.observed:
                call.report(Retrying(run.number, reason, delay, failure))
            del failure
            await call.runtime.sleep(delay)  # for no time at all too: others on the loop must get their turn

    def _close(self, call: Call, run: Run, failure: Failure | None, *, cancelled: bool = False) -> None:
        """Write the attempt down, unless it was turned away before it began, or the hedge stage has done so."""
        if run.started is None or run.closed:
            return
        run.ended = call.clock.now()
        run.failure = failure
        run.cancelled = cancelled
        call.journal.runs.append(run)
        if call.observed:
            call.report(RunEnded(run))

    def _may_spend(self, call: Call, reason: Reason, error: BoundaryError) -> bool:
        """Whether the retry budget has one more attempt; where it has none, `error` says so to who reads it."""
        if call.journal.partition.retries.spend(call.clock.now()):
            return True
        error.add_note("There was no further attempt: what `retry_budget` allows all callers together is spent.")
        if call.observed:
            call.report(RetryBudgetExhausted(reason))
        return False

    def delay_until_over(self, failures: int, failure: Failure, call: Call) -> float | None:
        """
        Return the seconds after which a call goes on that came into a pause, or `None` if it does not.

        It waits where it would wait for the component's own "too many requests". No attempt was made, so none is
        counted.
        """
        on, pause = self.on, failure.retry_after
        if pause is None or not isinstance(on, frozenset) or FailureKind.RATE_LIMITED not in on:
            return None
        clock = call.clock
        return after_pause(pause, max(failures, 1), clock.random(), call.deadline - clock.now())

    def delay_after(self, failures: int, failure: Failure, error: BoundaryError, call: Call) -> float | None:
        """Return the seconds before the next attempt, or `None` if there is none; a server's wish is a floor."""
        retry, on = self.retry, self.on
        if retry is None or failure.kind in REJECTIONS or failure.kind is FailureKind.DEADLINE_EXHAUSTED:
            return None
        if failures >= (retry.attempts if retry.stop is None else ATTEMPTS_AT_MOST):
            return None
        if isinstance(on, frozenset) and failure.kind not in on:
            return None
        clock = call.clock
        chance = clock.random()
        floor = failure.retry_after or 0.0
        usual = after_pause(floor, failures, chance, call.deadline - clock.now()) if floor else None
        if retry.wait is None and retry.stop is None and isinstance(on, frozenset):
            return full_jitter(failures, chance) if usual is None else usual
        try:
            return _ask_tenacity(retry, _tenacity_state(failures, error, call), chance, usual)
        except Exception as broken:  # noqa: BLE001 - a policy object's fault must not become the caller's
            logger.error("retry: a wait, stop or retry object failed: %s", class_name(broken))
            return None


def _ask_tenacity(retry: Retry, state: Any, chance: float, least: float | None) -> float | None:
    """Return the wait that the policy's own objects ask for, or `None` where they say that it is enough."""
    if not isinstance(retry.on, frozenset) and not retry.on(state):
        return None
    delay = full_jitter(state.attempt_number, chance) if retry.wait is None else float(retry.wait(state))
    if not delay >= 0:  # NaN too
        delay = 0.0
    if least is not None:
        delay = max(delay, least)
    state.upcoming_sleep = delay  # `stop_before_delay` looks at it
    return None if retry.stop is not None and retry.stop(state) else delay


def _tenacity_state(failures: int, error: BoundaryError, call: Call) -> Any:
    """Return what tenacity's `wait_*`, `stop_*` and `retry_*` objects are asked with, on the call's own clock."""
    from tenacity import RetryCallState

    state = RetryCallState(retry_object=_NO_RETRYING, fn=call.fn, args=call.args, kwargs=call.kwargs)
    state.attempt_number = failures
    state.start_time = call.journal.begun
    raised = error.__cause__ or error.failure.exception or error
    state.set_exception((type(raised), raised, raised.__traceback__))
    state.outcome_timestamp = call.clock.now()
    return state


_NO_RETRYING: Any = None
