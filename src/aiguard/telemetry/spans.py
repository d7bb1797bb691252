"""
The spans of one call.

    aiguard.call ticket-triage          the whole logical call; ERROR only where an error leaves it
    ├─ aiguard.attempt ticket-triage    each try of the component; ERROR where it failed
    └─ aiguard.fallback rules           each rung that was asked

No exception is ever recorded on a span, and no status description is an exception's text: both carry prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, SpanKind, StatusCode

from aiguard.call import logger
from aiguard.events import (
    BreakerMoved,
    CheckErrored,
    Hedging,
    InputInvalid,
    OutputInvalid,
    Paused,
    RetryBudgetExhausted,
    Retrying,
    RunEnded,
    RunStarted,
)
from aiguard.telemetry import names

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from aiguard.events import Event, Run
    from aiguard.failure import Failure

_tracer = trace.get_tracer(names.SCOPE)

_UNKNOWN: Final = object()


class SpanScope:
    """Makes a span the current one around the code it belongs to, and only there."""

    __slots__ = ("_context", "span")

    def __init__(self, span: Span, parent: Context) -> None:
        self.span = span
        self._context = trace.set_span_in_context(span, parent)

    def enter(self) -> object:
        """Attach it to the running context."""
        return context.attach(self._context)

    def leave(self, token: object) -> None:
        """Detach it again."""
        context.detach(token)  # type: ignore[arg-type]


def start_attributes(boundary: str, owner: str | None, contract: str | None = None) -> dict[str, AttributeValue]:
    """Return what every span of a call starts with: a head sampler sees nothing else."""
    attributes: dict[str, AttributeValue] = {names.BOUNDARY: boundary}
    if owner is not None:
        attributes[names.OWNER] = owner
    if contract is not None:
        attributes[names.INPUT_CONTRACT] = contract
    return attributes


def is_traced() -> bool:
    """Whether a span would reach anybody: before an SDK is set, one that does nothing costs more than a call's rest."""
    return getattr(trace, "_TRACER_PROVIDER", _UNKNOWN) is not None


def open_trace(boundary: str, attributes: dict[str, AttributeValue]) -> CallTrace | None:
    """Start the span of a call; `None` where nothing records and nothing needs to be passed on."""
    if not is_traced():
        return None
    try:
        span = _tracer.start_span(boundary, kind=SpanKind.INTERNAL, attributes=attributes)
    except Exception as error:  # noqa: BLE001 - a sampler's or a processor's fault must not become the caller's
        logger.warning("a span could not be started: %s", type(error).__name__)
        return None
    if span is INVALID_SPAN:
        return None
    recording = span.is_recording()
    if not recording and not span.get_span_context().is_valid:
        return None
    return CallTrace(span, attributes, recording=recording)


class CallTrace:
    """
    Listens to one call and draws its spans.

    Attributes:
        context: The context that its log events and its spans belong to.
        trace_id: The trace, as 32 hex digits; `None` where it is not recorded.
    """

    __slots__ = ("_attributes", "_recording", "_span", "context", "trace_id")

    def __init__(self, span: Span, attributes: dict[str, AttributeValue], *, recording: bool) -> None:
        self._span = span
        self._attributes = attributes
        self._recording = recording
        self.context = trace.set_span_in_context(span)
        self.trace_id = format(span.get_span_context().trace_id, "032x") if recording else None

    def hear(self, event: Event) -> None:
        """Draw what the event says."""
        if isinstance(event, RunStarted):
            self._start(event.run)
        elif isinstance(event, RunEnded):
            self._end_run(event.run)
        elif self._recording:
            self._note(event)

    def _note(self, event: Event) -> None:
        """Write `event` down on the call's span."""
        if isinstance(event, Retrying):
            self._span.add_event(
                names.RETRY_EVENT,
                {
                    names.ATTEMPT_NUMBER: event.number,
                    names.ATTEMPT_KIND: event.reason,
                    names.RETRY_DELAY: event.delay,
                    names.ERROR_TYPE: event.failure.kind.value,
                },
            )
        elif isinstance(event, RetryBudgetExhausted):
            self._span.add_event(names.RETRY_BUDGET_EVENT, {names.ATTEMPT_KIND: event.reason})
        elif isinstance(event, Hedging):
            self._span.add_event(
                names.HEDGE_EVENT, {names.ATTEMPT_NUMBER: event.number, names.HEDGE_DELAY: event.after}
            )
        elif isinstance(event, Paused):
            self._span.add_event(
                names.COOLDOWN_EVENT,
                {names.COOLDOWN_SECONDS: event.seconds, names.ERROR_TYPE: event.kind.value},
            )
        elif isinstance(event, InputInvalid):
            self._span.add_event(
                names.INPUT_EVENT, {names.INPUT_CONTRACT: event.contract, names.INPUT_CODES: event.codes}
            )
        elif isinstance(event, OutputInvalid):
            said = {names.CONTRACT: event.contract, names.ERROR_TYPE: event.failure.kind.value}
            self._span.add_event(names.INVALID_EVENT, said | _check(event))
        elif isinstance(event, CheckErrored):
            self._span.add_event(names.CHECK_EVENT, {names.CONTRACT: event.contract} | _check(event))
        elif isinstance(event, BreakerMoved):
            self._span.add_event(names.BREAKER_EVENT, {names.BREAKER_STATE: event.after})

    def end(
        self,
        outcome: str,
        attempts: int,
        failure: Failure | None,
        contract: str | None,
        *,
        rung: str | None = None,
        age: float | None = None,
        repaired: str | None = None,
    ) -> None:
        """End the call's span. Handled failures leave its status unset, as the semantic conventions ask."""
        span = self._span
        if self._recording:
            attributes: dict[str, AttributeValue] = {names.OUTCOME: outcome, names.ATTEMPT_COUNT: attempts}
            if contract is not None:
                attributes[names.CONTRACT] = contract
            if repaired is not None:
                attributes[names.REPAIRED] = repaired
            if failure is not None and outcome == names.FALLBACK:
                attributes[names.DEGRADED] = True
                attributes[names.DEGRADED_REASON] = failure.kind.value
                attributes[names.FALLBACK_NAME] = rung or ""
                if age is not None:
                    attributes[names.FALLBACK_AGE] = age
            elif failure is not None:
                attributes[names.ERROR_TYPE] = failure.kind.value
                attributes[names.STAGE] = failure.stage
                span.set_status(StatusCode.ERROR, failure.kind.value)
            span.set_attributes(attributes)
        try:
            span.end()
        except Exception as error:  # noqa: BLE001 - a processor's fault must not become the caller's
            logger.warning("a span could not be ended: %s", type(error).__name__)

    def _start(self, run: Run) -> None:
        boundary = str(self._attributes[names.BOUNDARY])
        if run.rung is None:
            name = f"{names.ATTEMPT_SPAN} {boundary}"
            attributes: dict[str, AttributeValue] = {
                names.BOUNDARY: boundary,
                names.ATTEMPT_NUMBER: run.number,
                names.ATTEMPT_KIND: run.reason,
            }
        else:
            name = f"{names.FALLBACK_SPAN} {run.rung}"
            attributes = {names.BOUNDARY: boundary, names.FALLBACK_NAME: run.rung}
        run.scope = SpanScope(_tracer.start_span(name, self.context, SpanKind.INTERNAL, attributes), self.context)

    def _end_run(self, run: Run) -> None:
        if not isinstance(run.scope, SpanScope):
            return
        span = run.scope.span
        if span.is_recording():
            if run.repaired is not None:
                span.set_attribute(names.REPAIRED, run.repaired)
            if run.cancelled:
                span.set_attribute(names.ATTEMPT_OUTCOME, names.CANCELLED)
            elif run.failure is not None:
                span.set_attributes({names.ERROR_TYPE: run.failure.kind.value, names.STAGE: run.failure.stage})
                span.set_status(StatusCode.ERROR, run.failure.kind.value)
        span.end()


def _check(event: OutputInvalid | CheckErrored) -> dict[str, str]:
    """Return which check it was, and the code that it gave."""
    said = {names.CHECK_NAME: event.check, names.CHECK_CODE: event.code}
    return {name: word for name, word in said.items() if word}
