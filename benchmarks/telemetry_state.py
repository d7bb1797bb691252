"""
A process in one of the states that `benchmarks.telemetry` measures: `python -m benchmarks.telemetry_state STATE`.

It speaks as `benchmarks.worker` does.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, context, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON

import aiguard
from aiguard.engine.observer import OBSERVED
from aiguard.monitor.client import states
from aiguard.telemetry import names
from aiguard.telemetry.metrics import is_counted
from aiguard.telemetry.sampling import KeepDegraded, RecordingSampler
from aiguard.telemetry.spans import is_traced, open_trace, start_attributes
from benchmarks import streams
from benchmarks.peers import guarded
from benchmarks.proof import SetUpWronglyError
from benchmarks.slices import synchronous
from benchmarks.telemetry import EXPOSED, KEEP_DEGRADED, NONE, RECORDED, STATES
from benchmarks.worker import answer as answer_slices
from benchmarks.worker import piped
from benchmarks.workload import EXPECTED, TICKET, answer, fallback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.sampling import Sampler
    from opentelemetry.util.types import AttributeValue


class Sink(SpanExporter):
    """
    Takes spans, and keeps none: hours of them are in nobody's memory.

    Attributes:
        taken: Their names, while they are kept; `None` from then on.
    """

    def __init__(self) -> None:
        self.taken: list[str] | None = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Take them."""
        if self.taken is not None:
            self.taken += [span.name for span in spans]
        return SpanExportResult.SUCCESS


def main(arguments: list[str]) -> None:
    """Take on the state that is named, prove it, and serve."""
    [state] = arguments

    def serve(requests: Iterable[str], reply: Callable[[dict[str, Any]], None]) -> None:
        with ExitStack() as stack:
            call = guarded.synchronous(answer)
            take_on(state, call, stack)
            stream = streams.consumed("telemetry", streams.tokens)
            size = len(streams.ITEMS)
            ready = {
                ("call", state): synchronous(state, "", call, EXPECTED, clock=process_time),
                ("stream", state): synchronous(state, "", stream, size, clock=process_time),
                ("checks", state): synchronous(state, "", _checks(), TICKET, clock=process_time),
                ("bare", state): synchronous(state, "", _bare(), TICKET, clock=process_time),
            }
            answer_slices(ready, version("opentelemetry-api"), requests, reply)

    piped(serve)


def take_on(state: str, call: Callable[[str], Any], stack: ExitStack) -> None:
    """
    Bring this process into a state, for good.

    Raises:
        SetUpWronglyError: It is not in that state then.
    """
    if state == EXPOSED:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="aiguard-")))
        aiguard.expose(directory)
        call(TICKET)
        if sum(sum(each["outcomes"].values()) for each in states(directory).answers[0]["boundaries"]) != 1:
            raise SetUpWronglyError("exposed: the call was not counted")
    elif state == NONE:
        call(TICKET)
        if is_traced() or is_counted() or OBSERVED.observer is not None:
            raise SetUpWronglyError("no SDK: there is one")
    else:
        _set_up(state, call, stack)


def _set_up(state: str, call: Callable[[str], Any], stack: ExitStack) -> None:
    kept, sampler, calls = Sink(), _sampler(state), int(state == RECORDED)
    batches = BatchSpanProcessor(kept)
    provider = TracerProvider(sampler=sampler)
    provider.add_span_processor(KeepDegraded(batches) if state == KEEP_DEGRADED else batches)
    trace.set_tracer_provider(provider)
    reader = InMemoryMetricReader()
    metrics.set_meter_provider(MeterProvider([reader]))
    _logs.set_logger_provider(LoggerProvider())  # a call that goes well tells no event
    stack.callback(provider.shutdown)
    call(TICKET)
    provider.force_flush()
    if kept.taken is None or sum(name.startswith(names.CALL_SPAN) for name in kept.taken) != calls:
        raise SetUpWronglyError(f"{STATES[state]}: {kept.taken}")
    if reader.get_metrics_data() is None:
        raise SetUpWronglyError(f"{STATES[state]}: no metrics")
    if state == KEEP_DEGRADED and not _degraded(kept, provider):
        raise SetUpWronglyError(f"{STATES[state]}: a degraded call was not kept")
    kept.taken = None


def _sampler(state: str) -> Sampler:
    if state == KEEP_DEGRADED:
        return RecordingSampler(ALWAYS_OFF)
    return ALWAYS_ON if state == RECORDED else ALWAYS_OFF


def _degraded(kept: Sink, provider: TracerProvider) -> bool:
    def broken(_: str) -> str:
        raise ConnectionError

    call = guarded.synchronous(broken)
    if call(TICKET) != fallback():
        return False
    provider.force_flush()
    return kept.taken is not None and any(name.startswith(names.FALLBACK_SPAN) for name in kept.taken)


def _checks() -> Callable[[str], str]:
    """Return everything that a call which goes well does for telemetry where nobody listens, and nothing else."""
    name = "benchmark"
    span, attributes = f"{names.CALL_SPAN} {name}", start_attributes(name, "benchmark")

    def checks(ticket: str) -> str:
        listener = open_trace(span, attributes)
        if is_counted() or listener is not None or OBSERVED.observer is not None:
            raise SetUpWronglyError("no SDK: somebody listens")
        return ticket

    return checks


def _bare() -> Callable[[str], str]:
    """Return the same spans and measurements by OpenTelemetry alone: what no library that makes them can go below."""
    tracer, meter = trace.get_tracer("bare"), metrics.get_meter("bare")
    made = partial(meter.create_histogram, explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS)
    calls, attempts = made("bare.call"), made("bare.attempt")
    started: dict[str, AttributeValue] = start_attributes("benchmark", "benchmark")
    tried: dict[str, AttributeValue] = {**started, names.ATTEMPT_NUMBER: 1, names.ATTEMPT_KIND: "initial"}
    started[names.BREAKER_STATE] = "closed"
    ended: dict[str, AttributeValue] = {names.OUTCOME: names.SUCCESS, names.ATTEMPT_COUNT: 1, names.CONTRACT: "Triage"}
    counted = {names.BOUNDARY: "benchmark", names.OUTCOME: names.SUCCESS}
    timed = {names.BOUNDARY: "benchmark", names.ATTEMPT_KIND: "initial"}

    def bare(ticket: str) -> str:
        call = tracer.start_span("bare.call", attributes=started)
        within = trace.set_span_in_context(call)
        attempt = tracer.start_span("bare.attempt", within, attributes=tried) if call.is_recording() else None
        context.detach(context.attach(within if attempt is None else trace.set_span_in_context(attempt, within)))
        if attempt is not None:
            attempt.end()
            call.set_attributes(ended)
        call.end()
        calls.record(0.001, counted, within)
        attempts.record(0.001, timed, within)
        return ticket

    return bare


if __name__ == "__main__":
    main(sys.argv[1:])
