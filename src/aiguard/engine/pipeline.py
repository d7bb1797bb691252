"""
The one fixed order.

    call ▶ fallback ▶ gate ▶ input ▶ deadline ▶ retry ▶ hedge ▶ output
         ▶ cooldown ▶ budget ▶ breaker ▶ bulkhead ▶ attempt
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiguard.call import Call, Journal, Proceed, Stage, logger
from aiguard.classification import class_name
from aiguard.collector import afterwards, interrupts, watch
from aiguard.deadline import current, earliest
from aiguard.engine.clocks import NO_CLOCKS, clocks_of
from aiguard.engine.contracts import refuse_unfed, refuse_unkept
from aiguard.engine.door import Door
from aiguard.engine.elements import elements_of
from aiguard.engine.ladder import collected, steps_of
from aiguard.engine.observer import OBSERVED
from aiguard.engine.race import RacingTasks, RacingThreads
from aiguard.engine.runtime import AsyncRuntime, BlockingRuntime, ThreadRuntime
from aiguard.engine.stream_runtimes import ThreadBufferRuntime, surfacing
from aiguard.errors import BoundaryError, HaltedError, PolicyError, RejectedError, StreamInterruptedError
from aiguard.events import Run
from aiguard.failure import Failure, FailureKind
from aiguard.outcome import Attempt, Outcome
from aiguard.problem import Problem, shown
from aiguard.stages.attempt import AttemptStage
from aiguard.stages.breaker import BreakerStage
from aiguard.stages.budget import BudgetStage
from aiguard.stages.bulkhead import BulkheadStage
from aiguard.stages.cooldown import CooldownStage
from aiguard.stages.deadline import DeadlineStage
from aiguard.stages.fallback import FallbackStage, Form
from aiguard.stages.gate import GateStage
from aiguard.stages.hedge import HedgeStage
from aiguard.stages.input import InputStage
from aiguard.stages.output import OutputStage
from aiguard.stages.retry import RetryStage
from aiguard.stream import Buffered
from aiguard.telemetry import names
from aiguard.telemetry.content import CAPTURE
from aiguard.telemetry.events import CallEvents
from aiguard.telemetry.metrics import is_counted
from aiguard.telemetry.spans import open_trace
from aiguard.usage import report_usage, total_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from aiguard.call import Options, Runtime
    from aiguard.engine.shape import Shape
    from aiguard.engine.state import State
    from aiguard.policy import Policy
    from aiguard.stages.partition import Partition
    from aiguard.usage import Usage


def order(policy: Policy, state: State, fallback: FallbackStage | None, *, judged: bool) -> list[Stage]:
    """Return the stages of a boundary, outermost first; what is not configured is not there."""
    stages: list[Stage | None] = [
        fallback,
        GateStage(state.switch),
        _input_stage(policy, state),
        DeadlineStage(),
        RetryStage(
            policy.retry,
            policy.reask,
            budgeted=policy.retry_budget is not None,
            counting=policy.counts_calls,
            idempotent=policy.idempotent,
            tally=state.tallies.of(state.contract) if state.contract is not None else None,
        ),
        HedgeStage(policy.hedge, state.latencies, budgeted=policy.retry_budget is not None) if policy.hedge else None,
        OutputStage(state.judge) if state.judge is not None and judged else None,
        CooldownStage(),
        BudgetStage(state.ledger, state.meter) if state.ledger is not None else None,
        BreakerStage(lease_of(policy)) if policy.breaker is not None else None,
        BulkheadStage(state.permits) if state.permits is not None else None,
        AttemptStage(state.name, policy.attempt_timeout, state.contract or "", state.switch),
    ]
    return [stage for stage in stages if stage is not None]


def _input_stage(policy: Policy, state: State) -> InputStage | None:
    if state.input is None:
        return None
    return InputStage(state.name, state.input, state.tallies.of(state.input.label), wrapped=policy.stream == "buffer")


def lease_of(policy: Policy) -> float:
    """Return the seconds after which a probe that was never heard of again is given to the next."""
    return (policy.attempt_timeout or policy.deadline or 0.0) + LEASE_MARGIN


def chained(stages: list[Stage]) -> Proceed:
    """Link the stages; the innermost is given nothing to proceed to."""
    proceed: Any = None
    for stage in reversed(stages):
        proceed = partial(stage.run, proceed)
    return proceed  # type: ignore[no-any-return]


LEASE_MARGIN: Final = 1.0
"""Seconds that a probe may take beyond its own clock: to be cancelled, and to be told of."""


class Pipeline:
    """
    One boundary's policy made ready for functions of one shape.

    Attributes:
        chain: The stages, linked.
        door: The short way out for calls that an open breaker turns away, where there is one.
        shape: The shape it serves.
        form: Whether a value leaves, or a stream, held back or not.
        item_judge: What each item must pass that leaves as it came; `None` where nothing has to.
        name: The boundary's name.
        state: What its calls share.
    """

    __slots__ = (
        "_clocks",
        "_contain_all",
        "_deadline",
        "_key",
        "_told",
        "chain",
        "door",
        "form",
        "item_judge",
        "name",
        "runtime",
        "shape",
        "state",
    )

    def __init__(self, policy: Policy, state: State, shape: Shape, component: Callable[..., Any] | None) -> None:
        if policy.deadline is None:
            raise PolicyError(Problem("required, the whole call's time in seconds", state.name, "deadline"))
        watch()
        self.name = state.name
        self.state = state
        self.shape = shape
        self.form = _form(state.name, policy, shape)
        self._deadline = policy.deadline
        self._contain_all = policy.contain == "all"
        self._key = policy.key
        self._told = False
        self._clocks = clocks = clocks_of(policy)
        elements = elements_of(state.name, policy) if self.form is Form.ELEMENTS else None
        judge = state.judge if elements is None else elements.item
        self.item_judge = judge if self.form.is_surfaced else None
        refuse_unkept(state.name, judge, shape, self.form)
        if state.input is not None:
            refuse_unfed(state.name, state.input, policy, component)
        if self.form.is_surfaced:
            self.runtime: Runtime = surfacing(policy, state, shape, clocks, elements)
        else:
            self.runtime = _runtime(policy, state, shape, self.form)
        steps = steps_of(state.name, policy, shape, judge, component, memories=state.memories)
        goes_on = policy.on_break == "rung"
        fallback = None
        if steps:
            fallback = FallbackStage(
                steps, judge, policy.fallback_timeout, self.form, goes_on=goes_on, switch=state.switch
            )
        self.door = Door.of(policy, state, self.form, steps)
        self.chain = chained(order(policy, state, fallback, judged=not self.form.is_surfaced))

    def open(
        self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], options: Options | None = None
    ) -> Call:
        """Begin a call of `fn`."""
        state = self.state
        clock = state.clock
        begun = clock.now()
        own = begun + self._deadline
        key = None
        if options is None:
            partition = state.partition
            if self._key is not None:
                key, partition = self._keyed(args, kwargs)
            moment = earliest(own, clock)
            journal = Journal(begun, open_trace(state.span_name, state.attributes, partition), partition)
        else:
            partition = state.partition
            if self._key is not None or options.key is not None:
                key, partition = self._keyed(args, kwargs, options.key)
            moment = earliest(own if options.deadline is None else min(own, begun + options.deadline), clock)
            journal = Journal(begun, open_trace(state.span_name, state.attributes, partition), partition)
            journal.priority = options.priority
        if moment < own:
            journal.shortened = True
        if CAPTURE.tap is not None and isinstance(journal.listener, CallEvents):
            journal.listener.content("input", {"args": args, "kwargs": kwargs})
        if key is not None:
            journal.key = key
        if self.form is Form.BUFFER:
            fn = collected(fn, self.shape, state.max_bytes, self._clocks, partial(state.switch.halted, key))
        return Call(fn, args, kwargs, moment, clock, self.runtime, journal, Run())

    def _keyed(self, args: tuple[Any, ...], kwargs: dict[str, Any], key: Hashable = None) -> tuple[Hashable, Partition]:
        """Return the key, and what its calls share; where that is not to be had, what those without a key do."""
        try:
            if key is None and self._key is not None:
                key = self._key(*args, **kwargs)
            return key, self.state.dependency.of(key)
        except Exception as error:  # noqa: BLE001 - the fault of `key` must not become the caller's
            if not self._told:
                self._told = True
                logger.warning(
                    "boundary %r: `key` gave nothing to tell calls apart by, they are taken for one: %s",
                    self.name,
                    class_name(error),
                )
            return key, self.state.partition

    def answered(self, call: Call, value: Any) -> None:
        """End a call whose `value` left the boundary; that of a stream whose items have left already is `None`."""
        journal = call.journal
        if current.get() is not None:
            self._pass_on(journal)
        if journal.rung is None:
            if is_counted():
                self.state.metrics.succeeded(call)
            outcome = names.SUCCESS
        else:
            outcome = names.FALLBACK
            self.state.metrics.ended(outcome, call, journal.failure)
        if journal.listener is not None:
            self._end_trace(call, outcome, journal.failure, value)
        if (observer := OBSERVED.observer) is not None:
            observer(self.name, call, outcome, journal.failure)

    def failed(self, call: Call, error: BoundaryError) -> Exception:
        """End a call that no rung answered; return what leaves the boundary."""
        journal = call.journal
        self._pass_on(journal)
        if journal.delivered:
            error = _interrupted(error, journal.delivered)
        failure = error.failure
        outcome = names.REJECTED if isinstance(error, RejectedError) else names.ERROR
        self.state.metrics.ended(outcome, call, failure)
        self._end_trace(call, outcome, failure)
        if (observer := OBSERVED.observer) is not None:
            observer(self.name, call, outcome, failure)
        error.boundary = self.name
        error.owner = self.state.owner
        leaving: Exception = error
        if (
            not self._contain_all
            and failure.kind is FailureKind.UNCLASSIFIED
            and isinstance(failure.exception, Exception)
        ):
            leaving = failure.exception
        error.outcome = self.outcome(call, None, error=leaving, failure=failure)
        return leaving

    def withheld(self, call: Call, why: Failure, given: int) -> BoundaryError:
        """Return what ends a stream of which so many items were given, of a whole that was counted as answered."""
        halted = HaltedError(why)
        error = _interrupted(halted, given) if given else halted
        error.boundary = self.name
        error.owner = self.state.owner
        error.outcome = self.outcome(call, None, error=error, failure=error.failure)
        return error

    def broken(self, call: Call) -> None:
        """End a call that was cancelled, or that a programmer's error made impossible."""
        if interrupts():  # who reads metrics and spans has locks too
            afterwards(partial(self.broken, call))
            return
        self._pass_on(call.journal)
        self.state.metrics.ended(names.CANCELLED, call, None)
        self._end_trace(call, names.CANCELLED, None)
        if (observer := OBSERVED.observer) is not None:
            observer(self.name, call, names.CANCELLED, None)

    def outcome(
        self, call: Call, value: Any, *, error: BaseException | None = None, failure: Failure | None = None
    ) -> Outcome[Any]:
        """Return what the call ended as."""
        journal = call.journal
        begun = journal.begun
        attempts = tuple(
            Attempt(
                run.number,
                run.reason,
                run.failure,
                (run.started or begun) - begun,
                run.ended - (run.started or begun),
                run.cancelled,
                total_of(self._priced(run.used)),
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
            repaired=journal.how_repaired(),
            contract=self.state.contract,
            trace_id=trace.trace_id if isinstance(trace, CallEvents) else None,
            age=journal.age,
            rung_usage=total_of(self._priced(journal.used_by_rungs)),
            error=error,
        )

    def _priced(self, used: list[Usage] | None) -> list[Usage] | None:
        """Return each of what an attempt has used with what it cost, where that is known."""
        return used if used is None or self.state.prices is None else self.state.prices.priced(used)

    def _pass_on(self, journal: Journal) -> None:
        """Report what a call has used to the attempt of the boundary around it, where there is one."""
        frame = current.get()
        if frame is None or (around := frame[2]) is None:
            return
        for used in (*(run.used for run in journal.runs), journal.used_by_rungs):
            for usage in self._priced(used) or ():
                report_usage(usage)
                around.inherited = [*(around.inherited or ()), usage]  # counted here, so not once more there

    def _end_trace(self, call: Call, outcome: str, failure: Failure | None, value: Any = None) -> None:
        journal = call.journal
        trace = journal.listener
        if isinstance(trace, CallEvents):
            if CAPTURE.tap is not None:
                left = (journal.items.items or None) if value is None and journal.items is not None else value
                if left is not None:
                    trace.content("output", left)
            trace.end(outcome, journal, failure, self.state.contract)


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
    if shape.is_async and policy.isolation == "thread":
        raise PolicyError(Problem("an async function runs on its event loop", name, "isolation", "'thread'"))
    if not shape.is_stream:
        reason = "the function is no generator; see `shape`"
        on_break = policy.on_break if policy.on_break != "raise" else None
        of_streams: dict[str, object] = {"stream": policy.stream, "first_item": policy.first_item, "idle": policy.idle}
        of_streams["on_break"] = on_break
        problems = [
            Problem(reason, name, setting, shown(value)) for setting, value in of_streams.items() if value is not None
        ]
        if problems:
            raise PolicyError(*problems)
        return Form.VALUE
    if policy.stream is None:
        reason = "required for a generator: 'passthrough', 'buffer' or 'elements'"
        raise PolicyError(Problem(reason, name, "stream"))
    if policy.hedge is not None and not shape.is_async and clocks_of(policy) is not NO_CLOCKS:
        setting, value = ("first_item", policy.first_item) if policy.idle is None else ("idle", policy.idle)
        reason = "contradicts `hedge` where a sync function runs in threads: nobody watches the items of two attempts"
        raise PolicyError(Problem(reason, name, setting, shown(value)))
    return Form(policy.stream)


def _runtime(policy: Policy, state: State, shape: Shape, form: Form) -> Runtime:
    if shape.is_async:
        if policy.hedge is not None:
            return RacingTasks(state.rung_workers)
        return AsyncRuntime(state.rung_workers)
    if policy.isolation == "inline":
        if policy.hedge is not None:
            reason = "contradicts `isolation` ('inline'): the caller's own thread cannot go on while the first is late"
            raise PolicyError(Problem(reason, state.name, "hedge", shown(policy.hedge)))
        return BlockingRuntime(state.rung_workers, state.patience)
    if policy.hedge is not None:
        return RacingThreads(state.workers, state.rung_workers, state.hedge_workers, state.patience)
    threaded = ThreadBufferRuntime if form is Form.BUFFER else ThreadRuntime
    return threaded(state.workers, state.rung_workers, state.patience)
