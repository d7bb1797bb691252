"""
Every call that ended degraded or failed is exported, whatever share of the others is.

How a call ends is not known when its span starts, so no sampler alone can keep it. Two parts do it together: the
sampler has aiguard's spans recorded where it would drop them, without marking them as sampled, and the processor
exports those of a call that ended badly, with its attempts and fallbacks, once it is over.

    keep = KeepDegraded(BatchSpanProcessor(OTLPSpanExporter()))
    provider = TracerProvider(sampler=RecordingSampler(ParentBased(TraceIdRatioBased(0.01))))
    provider.add_span_processor(keep)

What other libraries draw inside such a call was dropped as it started and is not there; a parent outside it may not
be either. A collector that sees whole traces can keep more: see `deploy/collector/tail-sampling.yaml`.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor  # noqa: TID253 - imported by who has an SDK
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult  # noqa: TID253 - as above
from opentelemetry.trace import SpanContext, TraceFlags

from aiguard.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span
    from opentelemetry.trace import Link, SpanKind, TraceState
    from opentelemetry.util.types import Attributes

SPANS: Final = 50_000
"""Spans under way that are waited for at once: of more than these, the oldest are given up."""

_BAD: Final = frozenset({names.FALLBACK, names.ERROR, names.REJECTED})


class RecordingSampler(Sampler):
    """
    Decides as another sampler, but has the spans of aiguard recorded that it would drop.

    They are not sampled: no exporter but `KeepDegraded` passes them on, and nothing that is called learns of them. A
    span that is recorded costs about 10 µs more than one that is dropped.

    Args:
        sampler: Who decides which share of all traces is kept.
    """

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(  # noqa: PLR0917 - as the SDK calls it
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Return the other's decision, or that the span is to be recorded only."""
        result = self._sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)
        if result.decision is not Decision.DROP or attributes is None or names.BOUNDARY not in attributes:
            return result
        return SamplingResult(Decision.RECORD_ONLY, result.attributes or attributes, result.trace_state)

    def get_description(self) -> str:
        """Return what it is, and whose decision it follows."""
        return f"RecordingSampler{{{self._sampler.get_description()}}}"


class KeepDegraded(SpanProcessor):
    """
    Passes on what is sampled, and of what is only recorded the spans of calls that ended degraded or failed.

    Args:
        processor: Who exports: a `BatchSpanProcessor`. It is to be given to this alone, not to the provider as well.
    """

    def __init__(self, processor: SpanProcessor) -> None:
        self._processor = processor
        self._forked()
        if hasattr(os, "register_at_fork"):
            held = weakref.WeakMethod(self._forked)
            os.register_at_fork(after_in_child=lambda: (forked := held()) and forked())

    def _forked(self) -> None:
        """Begin anew: in a forked process the calls under way are the parent's, and so is who holds the lock."""
        self._lock = threading.Lock()
        self._under_way: dict[int, _Call] = {}  # by each span that belongs to it

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Pass it on; what is only recorded is waited for."""
        if _is_sampled(span):
            self._processor.on_start(span, parent_context)
        elif names.BOUNDARY in (span.attributes or ()):
            with self._lock:
                above = span.parent.span_id if span.parent is not None else 0
                call = _Call() if _is_call(span) else self._under_way.get(above)
                if call is not None:
                    if len(self._under_way) >= SPANS:
                        del self._under_way[next(iter(self._under_way))]
                    self._under_way[span.context.span_id] = call

    def on_end(self, span: ReadableSpan) -> None:
        """Pass on what is sampled, and what belongs to a call that ended badly."""
        if _is_sampled(span):
            self._processor.on_end(span)
            return
        for kept in self._decided(span):
            self._processor.on_end(_sampled(kept))

    def shutdown(self) -> None:
        """Shut the exporting processor down."""
        self._processor.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Flush the exporting processor: calls under way are not waited for."""
        return self._processor.force_flush(timeout_millis)

    def _decided(self, span: ReadableSpan) -> list[ReadableSpan]:
        """Return what is to be exported now that `span` has ended."""
        with self._lock:
            call = self._under_way.pop(span.context.span_id, None) if span.context is not None else None
            if call is None:
                return []
            if _is_call(span):
                call.is_bad = (span.attributes or {}).get(names.OUTCOME) in _BAD
                held, call.held = call.held, []
                return [*held, span] if call.is_bad else []
            if call.is_bad is None:
                call.held.append(span)
            return [span] if call.is_bad else []


class _Call:
    """
    A call that is recorded only.

    Attributes:
        held: Its spans that have ended before it.
        is_bad: Whether it ended degraded or failed; `None` before it has ended.
    """

    __slots__ = ("held", "is_bad")

    def __init__(self) -> None:
        self.held: list[ReadableSpan] = []
        self.is_bad: bool | None = None


def _is_sampled(span: ReadableSpan) -> bool:
    return span.context is not None and span.context.trace_flags.sampled


def _is_call(span: ReadableSpan) -> bool:
    return span.name.startswith(f"{names.CALL_SPAN} ")


def _sampled(span: ReadableSpan) -> ReadableSpan:
    """Return the same span as one that was sampled: exporters pass on no other."""
    context: Any = span.context
    flags = TraceFlags(context.trace_flags | TraceFlags.SAMPLED)
    return ReadableSpan(
        name=span.name,
        context=SpanContext(context.trace_id, context.span_id, context.is_remote, flags, context.trace_state),
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=span.events,
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )
