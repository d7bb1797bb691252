"""
The one fixed order.

    call ▶ fallback ▶ gate ▶ deadline ▶ retry ▶ output ▶ breaker ▶ bulkhead ▶ attempt ▶ component
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aiguard.call import Call, Journal, Proceed, Stage
from aiguard.deadline import earliest
from aiguard.engine.ladder import collected, steps_of
from aiguard.engine.runtime import AsyncRuntime, BlockingRuntime, ThreadRuntime
from aiguard.engine.stream_runtimes import AsyncStreamRuntime, InlineStreamRuntime, ThreadStreamRuntime
from aiguard.errors import BoundaryError, PolicyError, RejectedError, StreamInterruptedError
from aiguard.events import Run
from aiguard.failure import Failure, FailureKind
from aiguard.outcome import Attempt, Outcome
from aiguard.problem import Problem, shown
from aiguard.stages.attempt import AttemptStage
from aiguard.stages.breaker import BreakerStage
from aiguard.stages.bulkhead import BulkheadStage
from aiguard.stages.deadline import DeadlineStage
from aiguard.stages.fallback import FallbackStage, Form
from aiguard.stages.gate import GateStage
from aiguard.stages.output import OutputStage
from aiguard.stages.retry import RetryStage
from aiguard.stream import Buffered
from aiguard.telemetry import events, names
from aiguard.telemetry.spans import CallTrace, open_trace

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Runtime
    from aiguard.engine.shape import Shape
    from aiguard.engine.state import State
    from aiguard.policy import Policy


def order(policy: Policy, state: State, fallback: FallbackStage | None, *, judged: bool) -> list[Stage]:
    """Return the stages of a boundary, outermost first; what is not configured is not there."""
    stages: list[Stage | None] = [
        fallback,
        GateStage(state.switch),
        DeadlineStage(),
        RetryStage(policy.retry, policy.reask),
        OutputStage(state.judge) if state.judge is not None and judged else None,
        BreakerStage(state.breaker) if state.breaker is not None else None,
        BulkheadStage(state.permits) if state.permits is not None else None,
        AttemptStage(state.name, policy.attempt_timeout, state.contract or ""),
    ]
    return [stage for stage in stages if stage is not None]


def chained(stages: list[Stage]) -> Proceed:
    """Link the stages; the innermost is given nothing to proceed to."""
    proceed: Any = None
    for stage in reversed(stages):
        proceed = partial(stage.run, proceed)
    return proceed  # type: ignore[no-any-return]


class Pipeline:
    """
    One boundary's policy made ready for functions of one shape.

    Attributes:
        chain: The stages, linked.
        shape: The shape it serves.
        form: Whether a value leaves, or a stream, held back or not.
        name: The boundary's name.
        state: What its calls share.
    """

    __slots__ = ("_contain_all", "_deadline", "chain", "form", "name", "runtime", "shape", "state")

    def __init__(self, policy: Policy, state: State, shape: Shape, component: Callable[..., Any] | None) -> None:
        if policy.deadline is None:
            raise PolicyError(Problem("required, the whole call's time in seconds", state.name, "deadline"))
        self.name = state.name
        self.state = state
        self.shape = shape
        self.form = _form(state.name, policy, shape)
        self._deadline = policy.deadline
        self._contain_all = policy.contain == "all"
        self.runtime = _runtime(policy, state, shape, self.form)
        steps = steps_of(state.name, policy, shape, state.judge, component, memories=state.memories)
        fallback = FallbackStage(steps, state.judge, policy.fallback_timeout, self.form) if steps else None
        self.chain = chained(order(policy, state, fallback, judged=self.form is not Form.PASSTHROUGH))

    def open(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], within: float | None = None
    ) -> Call:
        """Begin a call of `fn`, over `within` seconds at most."""
        clock = self.state.clock
        begun = clock.now()
        own = begun + self._deadline
        moment = earliest(own if within is None else min(own, begun + within), clock)
        journal = Journal(begun, open_trace(self.state.span_name, self.state.attributes))
        if moment < own:
            journal.shortened = True
        if self.form is Form.BUFFER:
            fn = collected(fn, self.shape, self.state.max_bytes)
        return Call(fn, args, kwargs, moment, clock, self.runtime, journal, Run())

    def answered(self, call: Call) -> None:
        """End a call whose value left the boundary."""
        journal = call.journal
        elapsed = call.clock.now() - journal.begun
        if journal.rung is None:
            self.state.metrics.succeeded(elapsed, journal.runs)
            outcome = names.SUCCESS
        else:
            outcome = names.FALLBACK
            self.state.metrics.ended(outcome, elapsed, journal.runs, journal.failure)
            if journal.failure is not None:
                events.degraded(self.name, journal.failure, journal.rung, journal.age, _context(call))
        if journal.listener is not None:
            self._end_trace(call, outcome, journal.failure)

    def failed(self, call: Call, error: BoundaryError) -> Exception:
        """End a call that no rung answered; return what leaves the boundary."""
        journal = call.journal
        if journal.delivered:
            error = _interrupted(error, journal.delivered)
        failure = error.failure
        outcome = names.REJECTED if isinstance(error, RejectedError) else names.ERROR
        self.state.metrics.ended(outcome, call.clock.now() - journal.begun, journal.runs, failure)
        events.left(self.name, failure, _context(call))
        self._end_trace(call, outcome, failure)
        error.boundary = self.name
        leaving: Exception = error
        if (
            not self._contain_all
            and failure.kind is FailureKind.UNCLASSIFIED
            and isinstance(failure.exception, Exception)
        ):
            leaving = failure.exception
        error.outcome = self.outcome(call, None, error=leaving, failure=failure)
        return leaving

    def broken(self, call: Call) -> None:
        """End a call that was cancelled, or that a programmer's error made impossible."""
        journal = call.journal
        self.state.metrics.ended(names.CANCELLED, call.clock.now() - journal.begun, journal.runs, None)
        self._end_trace(call, names.CANCELLED, None)

    def outcome(
        self, call: Call, value: Any, *, error: BaseException | None = None, failure: Failure | None = None
    ) -> Outcome[Any]:
        """Return what the call ended as."""
        journal = call.journal
        begun = journal.begun
        attempts = tuple(
            Attempt(
                run.number, run.reason, run.failure, (run.started or begun) - begun, run.ended - (run.started or begun)
            )
            for run in journal.runs
        )
        trace = journal.listener
        source = None if error is not None else ("fallback" if journal.rung is not None else "component")
        return Outcome(
            boundary=self.name,
            value=value,
            ok=error is None,
            source=source,  # type: ignore[arg-type]
            rung=journal.rung,
            failure=failure or journal.failure,
            attempts=attempts,
            elapsed=call.clock.now() - begun,
            contract=self.state.contract,
            trace_id=trace.trace_id if isinstance(trace, CallTrace) else None,
            age=journal.age,
            error=error,
        )

    def _end_trace(self, call: Call, outcome: str, failure: Failure | None) -> None:
        journal = call.journal
        trace = journal.listener
        if isinstance(trace, CallTrace):
            trace.end(outcome, len(journal.runs), failure, self.state.contract, rung=journal.rung, age=journal.age)


def _context(call: Call) -> Any:
    """Return what ties a log event to the call's trace."""
    trace = call.journal.listener
    return trace.context if isinstance(trace, CallTrace) else None


def value_of(answer: Any) -> Any:
    """Return the value in what the pipeline returned."""
    return answer.value if type(answer) is Buffered else answer


def _interrupted(error: BoundaryError, delivered: int) -> StreamInterruptedError:
    inner = error.failure
    items = "1 item" if delivered == 1 else f"{delivered} items"
    message = f"the stream ended early, after {items}: {inner.message}"
    interrupted = StreamInterruptedError(
        Failure(FailureKind.STREAM_INTERRUPTED, inner.stage, message, inner.retry_after, inner.exception),
        delivered=delivered,
    )
    interrupted.__cause__ = error
    return interrupted


def _form(name: str, policy: Policy, shape: Shape) -> Form:
    if not shape.is_stream:
        if policy.stream is not None:
            reason = "the function is no generator; see `shape`"
            raise PolicyError(Problem(reason, name, "stream", shown(policy.stream)))
        return Form.VALUE
    if policy.stream is None:
        raise PolicyError(Problem("required for a generator: 'passthrough' or 'buffer'", name, "stream"))
    return Form(policy.stream)


def _runtime(policy: Policy, state: State, shape: Shape, form: Form) -> Runtime:
    streams = form is Form.PASSTHROUGH
    if shape.is_async:
        if policy.isolation == "thread":
            reason = "an async function runs on its event loop"
            raise PolicyError(Problem(reason, state.name, "isolation", "'thread'"))
        return AsyncStreamRuntime(state.rung_workers) if streams else AsyncRuntime(state.rung_workers)
    if policy.isolation == "inline":
        kind = InlineStreamRuntime if streams else BlockingRuntime
        return kind(state.rung_workers, state.patience)
    threaded = ThreadStreamRuntime if streams else ThreadRuntime
    return threaded(state.workers, state.rung_workers, state.patience)
