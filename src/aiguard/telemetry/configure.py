"""Set up the OpenTelemetry SDK for a program that has not done so itself."""

from __future__ import annotations

from opentelemetry import _logs, metrics, trace


def configure(service: str | None = None) -> None:
    """
    Export traces, metrics and log events over OTLP/HTTP, as the standard environment variables say.

    `OTEL_EXPORTER_OTLP_ENDPOINT` and its relatives, `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    `OTEL_TRACES_SAMPLER`, `OTEL_METRIC_EXPORT_INTERVAL` and the rest keep their meaning. The library never calls this:
    call it once at the start of a program that has no OpenTelemetry set-up of its own.

    Args:
        service: The service's name, where the environment does not give one.

    Raises:
        RuntimeError: Where the extra `[otel]` is not installed, or a provider is set already.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        msg = "aiguard.telemetry.configure() needs the extra [otel]: install aiguard-boundary[otel]"
        raise RuntimeError(msg) from error
    if not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
        msg = "this process has a tracer provider already: aiguard uses it, and needs no configure()"
        raise RuntimeError(msg)  # noqa: TRY004 - nothing is wrong with an argument's type
    if not type(metrics.get_meter_provider()).__module__.startswith("opentelemetry.metrics"):  # the API's stand-in
        msg = "this process has a meter provider already: aiguard uses it, and needs no configure()"
        raise RuntimeError(msg)
    resource = Resource.create()
    if service is not None and str(resource.attributes.get("service.name", "")).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": service}))
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(tracers)
    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter()))
    _logs.set_logger_provider(loggers)
    metrics.set_meter_provider(MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter())], resource))
