"""The retry stage: it owns the attempts, and decides whether and when there is another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.errors import BoundaryError
from aiguard.events import Retrying, Run, RunEnded
from aiguard.failure import INVALID_OUTPUTS, REASKABLE, REJECTIONS, Failure, FailureKind

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed
    from aiguard.outcome import Reason
    from aiguard.policy import Retry

FIRST_WAIT: Final = 0.1
LONGEST_WAIT: Final = 2.0
ATTEMPTS_AT_MOST: Final = 100  # under a `stop` object too: each attempt is kept for the outcome


def full_jitter(failures: int, chance: float) -> float:
    """Return a wait between 0 and 0.1 s × 2ⁿ, at most 2 s, after `failures` failed attempts; `chance` is in [0, 1)."""
    exponent = min(failures - 1, 10)  # far past the cap, and no overflow however long it goes on
    return chance * min(LONGEST_WAIT, FIRST_WAIT * 2.0**exponent)


class RetryStage:
    """Try again after what may pass, ask again after an invalid answer, inside the same deadline."""

    def __init__(self, retry: Retry | None, reask: int) -> None:
        self.retry = retry
        self.reask = reask

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises what the last attempt raised."""
        journal = call.journal
        clock = call.clock
        number, failures, asked = 1, 0, 0
        reason: Reason = "initial"
        run, attempt = call.run, call
        while True:
            try:
                value = await proceed(attempt)
            except BoundaryError as error:
                failure = error.failure
                self._close(call, run, failure)
                if failure.kind in INVALID_OUTPUTS:
                    asked += 1
                    delay = 0.0 if failure.kind in REASKABLE and asked <= self.reask else None
                    reason = "reask"
                else:
                    failures += 1
                    delay = self.delay_after(failures, failure, error, call)
                    reason = "retry"
                if delay is None or journal.delivered or clock.now() + delay >= call.deadline:
                    raise
            except BaseException:
                self._close(call, run, None, cancelled=True)
                raise
            else:
                run.ended = clock.now()
                journal.runs.append(run)
                if journal.listener is not None:
                    call.report(RunEnded(run))
                return value
            number += 1
            run = Run()
            run.number = number
            run.reason = reason
            attempt = call.attempting(run)
            if call.observed:
                call.report(Retrying(number, reason, delay, failure))
            del failure
            await call.runtime.sleep(delay)  # for no time at all too: others on the loop must get their turn

    def _close(self, call: Call, run: Run, failure: Failure | None, *, cancelled: bool = False) -> None:
        """Write the attempt down, unless it was turned away before it began."""
        if run.started is None:
            return
        run.ended = call.clock.now()
        run.failure = failure
        call.journal.runs.append(run)
        if call.observed:
            call.report(RunEnded(run, cancelled))

    def delay_after(self, failures: int, failure: Failure, error: BoundaryError, call: Call) -> float | None:
        """Return the seconds before the next attempt, or `None` if there is none; a server's wish is a floor."""
        retry = self.retry
        if retry is None or failure.kind in REJECTIONS or failure.kind is FailureKind.DEADLINE_EXHAUSTED:
            return None
        if failures >= (retry.attempts if retry.stop is None else ATTEMPTS_AT_MOST):
            return None
        if isinstance(retry.on, frozenset) and failure.kind not in retry.on:
            return None
        if retry.wait is None and retry.stop is None and isinstance(retry.on, frozenset):
            delay = full_jitter(failures, call.clock.random())
        else:
            try:
                asked = _ask_tenacity(retry, _tenacity_state(failures, error, call), call)
            except Exception as broken:  # noqa: BLE001 - a policy object's fault must not become the caller's
                logger.error("retry: a wait, stop or retry object failed: %s", class_name(broken))
                return None
            if asked is None:
                return None
            delay = asked
        return max(delay, failure.retry_after or 0.0)


def _ask_tenacity(retry: Retry, state: Any, call: Call) -> float | None:
    """Return the wait that the policy's own objects ask for, or `None` where they say that it is enough."""
    if not isinstance(retry.on, frozenset) and not retry.on(state):
        return None
    delay = full_jitter(state.attempt_number, call.clock.random()) if retry.wait is None else float(retry.wait(state))
    if not delay >= 0:  # NaN too
        delay = 0.0
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
