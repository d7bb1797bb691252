"""The SDK's providers as `configure()` sets them: one for each signal that is wanted, exporting over OTLP."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider  # noqa: TID253 - imported by who has an SDK
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExportResult  # noqa: TID253 - as above
from opentelemetry.sdk.metrics import MeterProvider  # noqa: TID253 - as above
from opentelemetry.sdk.metrics.export import (  # noqa: TID253 - as above
    MetricExportResult,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.resources import Resource  # noqa: TID253 - as above
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: TID253 - as above
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult  # noqa: TID253 - as above

from aiguard.telemetry import otlp
from aiguard.telemetry.delivery import Closing, Delivery, Once
from aiguard.telemetry.sampling import KeepDegraded, RecordingSampler

if TYPE_CHECKING:
    from collections.abc import Callable


def set_up(service: str | None, *, keep_degraded: bool) -> Closing:
    """Make the providers, set them once all of them could be made, and return what shuts them down."""
    resource = Resource.create()
    if service is not None and str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": service}))
    once = Once()
    shutdowns: list[Callable[[], object]] = []
    setters: list[Callable[[], None]] = []

    def delivery_of(signal: otlp.Signal, results: Any) -> Any:
        exporter = otlp.exporter_of(signal)
        return exporter and Delivery(exporter, signal.name, results, once)

    points = delivery_of(otlp.METRICS, MetricExportResult)
    spans = delivery_of(otlp.TRACES, SpanExportResult)
    records = delivery_of(otlp.LOGS, LogRecordExportResult)
    with ExitStack() as made:  # what has threads is shut down again where the rest cannot be made

        def keep(provider: Any, setter: Callable[[Any], None]) -> Any:
            made.callback(provider.shutdown)
            shutdowns.append(provider.shutdown)
            setters.append(lambda: setter(provider))
            return provider

        if points is not None:
            reader = PeriodicExportingMetricReader(points)
            keep(MeterProvider([reader], resource, shutdown_on_exit=False), metrics.set_meter_provider)
        if spans is not None:
            tracers = keep(TracerProvider(resource=resource, shutdown_on_exit=False), trace.set_tracer_provider)
            exporting: SpanProcessor = BatchSpanProcessor(spans)
            if keep_degraded:
                tracers.sampler = RecordingSampler(tracers.sampler)
                exporting = KeepDegraded(exporting)
            tracers.add_span_processor(exporting)
        if records is not None:
            loggers = keep(LoggerProvider(resource=resource, shutdown_on_exit=False), _logs.set_logger_provider)
            loggers.add_log_record_processor(BatchLogRecordProcessor(records))
        made.pop_all()
    for setter in setters:
        setter()
    return Closing(once, [one.address for one in (points, spans, records) if one is not None], shutdowns)
