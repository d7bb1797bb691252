"""Set up the OpenTelemetry SDK for a program that has not done so itself."""

from __future__ import annotations

from opentelemetry import metrics, trace


def configure(service: str | None = None) -> None:
    """
    Export traces and metrics over OTLP/HTTP, as the standard environment variables say.

    `OTEL_EXPORTER_OTLP_ENDPOINT` and its relatives, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    `OTEL_TRACES_SAMPLER`, `OTEL_METRIC_EXPORT_INTERVAL` and the rest keep their meaning. The library never calls this:
    call it once at the start of a program that has no OpenTelemetry set-up of its own.

    Args:
        service: The service's name, where `OTEL_SERVICE_NAME` does not give one.

    Raises:
        RuntimeError: Where the extra `[otel]` is not installed, or a provider is set already.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        msg = "aiguard.telemetry.configure() needs the extra [otel]: install aiguard-boundary[otel]"
        raise RuntimeError(msg) from error
    if isinstance(trace.get_tracer_provider(), TracerProvider):
        msg = "this process has a tracer provider already: aiguard uses it, and needs no configure()"
        raise RuntimeError(msg)  # noqa: TRY004 - nothing is wrong with an argument's type
    resource = Resource.create({"service.name": service} if service is not None else {})
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource))
