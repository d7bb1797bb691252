"""
The spans of one call.

    aiguard.call ticket-triage          the whole logical call; ERROR only where an error leaves it
    ├─ aiguard.attempt ticket-triage    each try of the component; ERROR where it failed
    └─ aiguard.fallback rules           each rung that was asked

No exception is ever recorded on a span, and no status description is an exception's text: both carry prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import context, trace
from opentelemetry.trace import INVALID_SPAN, Link, SpanKind, StatusCode

from aiguard.call import logger
from aiguard.events import BreakerMoved, RunEnded, RunStarted
from aiguard.owner import name_of, runbook_of
from aiguard.stages.permit import Probe
from aiguard.telemetry import events, metrics, names
from aiguard.telemetry.events import CallEvents
from aiguard.telemetry.settings import SETTINGS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span, SpanContext, Tracer
    from opentelemetry.util.types import AttributeValue

    from aiguard.call import Journal
    from aiguard.events import Event, Run
    from aiguard.failure import Failure
    from aiguard.owner import Owner
    from aiguard.stages.partition import Partition
    from aiguard.telemetry.events import Told

_tracer = trace.get_tracer(names.SCOPE)

_UNKNOWN: Final = object()


def tracer() -> Tracer:
    """Return what starts aiguard's spans."""
    return _tracer


class SpanScope:
    """Makes a span the current one around the code it belongs to, and only there."""

    __slots__ = ("_context", "span")

    def __init__(self, span: Span, within: Context) -> None:
        self.span = span
        self._context = within

    def enter(self) -> object:
        """Attach it to the running context."""
        return context.attach(self._context)

    def leave(self, token: object) -> None:
        """Detach it again."""
        context.detach(token)  # type: ignore[arg-type]

    def mark(self) -> SpanContext:
        """Return what names the span once it is over."""
        return self.span.get_span_context()


def start_attributes(
    boundary: str, owner: Owner | str | None, contract: str | None = None
) -> dict[str, AttributeValue]:
    """Return what the span of a call starts with: a head sampler sees nothing else."""
    attributes: dict[str, AttributeValue] = {names.BOUNDARY: boundary}
    who, runbook = name_of(owner), runbook_of(owner)
    if who is not None:
        attributes[names.OWNER] = who[: names.LONGEST]
    if runbook is not None:
        attributes[names.RUNBOOK] = runbook
    if contract is not None:
        attributes[names.INPUT_CONTRACT] = contract
    return attributes


def is_traced() -> bool:
    """Whether a span would reach anybody: before an SDK is set, one that does nothing costs more than a call's rest."""
    return getattr(trace, "_TRACER_PROVIDER", _UNKNOWN) is not None


def open_trace(
    boundary: str, attributes: dict[str, AttributeValue], partition: Partition | None = None
) -> CallEvents | None:
    """Start the span of a call; where no span can be had, only tell its events; `None` where nobody listens."""
    if getattr(trace, "_TRACER_PROVIDER", _UNKNOWN) is not None:  # as `is_traced`: every call comes by here
        if partition is not None and partition.breaker is not None:
            attributes = {**attributes, names.BREAKER_STATE: partition.breaker.current_state}
        try:
            span = _tracer.start_span(boundary, kind=SpanKind.INTERNAL, attributes=attributes)
        except Exception as error:  # noqa: BLE001 - a sampler's or a processor's fault must not become the caller's
            metrics.lost(names.SPANS)
            logger.warning("a span could not be started: %s", type(error).__name__)
        else:
            recording = span is not INVALID_SPAN and span.is_recording()
            if recording or span.get_span_context().is_valid:
                return CallTrace(span, attributes, recording=recording)
    return CallEvents(attributes) if events.is_heard() else None


class CallTrace(CallEvents):
    """Listens to one call, draws its spans, and tells its events."""

    __slots__ = ("_recording", "_span")

    def __init__(self, span: Span, attributes: dict[str, AttributeValue], *, recording: bool) -> None:
        super().__init__(attributes)
        self._span = span
        self._recording = recording
        self.context = within = trace.set_span_in_context(span)
        self.scope = SpanScope(span, within)
        self.trace_id = format(span.get_span_context().trace_id, "032x") if recording else None

    def hear(self, event: Event) -> None:
        """Draw what the event says."""
        if isinstance(event, RunStarted):
            self._start(event.run)
        elif isinstance(event, RunEnded):
            self._end_run(event.run)
        elif isinstance(event, BreakerMoved):
            self._mirror(events.moved(event))  # the breaker tells of it by itself
        else:
            super().hear(event)

    def tell(self, told: Told) -> None:
        """Emit it, and write it down on the call's span."""
        super().tell(told)
        self._mirror(told)

    def end(self, outcome: str, journal: Journal, failure: Failure | None, contract: str | None) -> None:
        """End the call's span. Handled failures leave its status unset, as the semantic conventions ask."""
        span = self._span
        try:
            super().end(outcome, journal, failure, contract)
            if self._recording:
                span.set_attributes(_ended(outcome, journal, failure, contract))
                if failure is not None and outcome != names.FALLBACK:
                    span.set_status(StatusCode.ERROR, failure.kind.value)
            span.end()
        except Exception as error:  # noqa: BLE001 - a processor's fault must not become the caller's
            metrics.lost(names.SPANS)
            logger.warning("a span could not be ended: %s", type(error).__name__)

    def _mirror(self, told: Told) -> None:
        if self._recording and SETTINGS.span_events == "mirror":
            self._span.add_event(told.name, told.attributes)

    def _start(self, run: Run) -> None:
        if not self._recording:  # a sampler that dropped the call is not asked again for each of its attempts
            run.scope = self.scope
            return
        boundary = str(self._whose[names.BOUNDARY])
        if run.rung is None:
            name = f"{names.ATTEMPT_SPAN} {boundary}"
            attributes = {**self._whose, names.ATTEMPT_NUMBER: run.number, names.ATTEMPT_KIND: run.reason}
        else:
            name = f"{names.FALLBACK_SPAN} {run.rung}"
            attributes = {**self._whose, names.FALLBACK_NAME: run.rung}
        within = self.context
        span = _tracer.start_span(name, within, SpanKind.INTERNAL, attributes, self._links(run))
        run.scope = SpanScope(span, trace.set_span_in_context(span, within))

    def _links(self, run: Run) -> Sequence[Link] | None:
        """Return what a probe of a breaker is about: the call that opened it, where that is another trace."""
        if not isinstance(run.timed, Probe):
            return None
        opened: Any = run.timed.opened_by
        if opened is None or opened.trace_id == self._span.get_span_context().trace_id:
            return None
        return (Link(opened),)

    def _end_run(self, run: Run) -> None:
        if run.scope is self.scope or not isinstance(run.scope, SpanScope):
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


def _ended(outcome: str, journal: Journal, failure: Failure | None, contract: str | None) -> dict[str, AttributeValue]:
    """Return what a call's span ends with."""
    attributes: dict[str, AttributeValue] = {names.OUTCOME: outcome, names.ATTEMPT_COUNT: len(journal.runs)}
    if contract is not None:
        attributes[names.CONTRACT] = contract
    repaired = journal.how_repaired()
    if repaired is not None:
        attributes[names.REPAIRED] = repaired
    if journal.waited:
        attributes[names.BULKHEAD_WAIT] = journal.waited
    times = journal.items
    if times is not None and times.first is not None:
        attributes[names.STREAM_ITEMS] = journal.delivered
        attributes[names.STREAM_FIRST_ITEM] = times.first
        attributes[names.STREAM_MAX_GAP] = times.longest
    if failure is not None and outcome == names.FALLBACK:
        attributes[names.DEGRADED] = True
        attributes[names.DEGRADED_REASON] = failure.kind.value
        attributes[names.FALLBACK_NAME] = journal.rung or ""
        if journal.age is not None:
            attributes[names.FALLBACK_AGE] = journal.age
    elif failure is not None:
        attributes[names.ERROR_TYPE] = failure.kind.value
        attributes[names.STAGE] = failure.stage
    return attributes
