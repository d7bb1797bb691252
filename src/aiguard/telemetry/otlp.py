"""Which signals go out over OTLP, and by which protocol, as OpenTelemetry's variables of the environment say."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Final, NamedTuple

from aiguard.telemetry import names


class Signal(NamedTuple):
    """
    One of the three signals.

    Attributes:
        name: What `aiguard.telemetry.dropped` calls it.
        variable: What its variables of the environment call it.
        module: Where its exporter is, below the package of a protocol.
        exporter: The exporter's class.
    """

    name: str
    variable: str
    module: str
    exporter: str


TRACES: Final = Signal(names.SPANS, "TRACES", "trace_exporter", "OTLPSpanExporter")
LOGS: Final = Signal(names.LOGS, "LOGS", "_log_exporter", "OTLPLogExporter")
METRICS: Final = Signal(names.METRICS, "METRICS", "metric_exporter", "OTLPMetricExporter")

_PROTOCOLS: Final = {"http/protobuf": ("http", "[otel]"), "grpc": ("grpc", "[otel-grpc]")}


def exporter_of(signal: Signal) -> Any:
    """
    Make the exporter of a signal; endpoint, headers, certificates, time limit and compression it reads by itself.

    Returns:
        The exporter; `None` where the environment wants none for this signal.

    Raises:
        ValueError: For a protocol, or an exporter, that is none of those that can be had.
        RuntimeError: Where an extra is missing.
    """
    variable = f"OTEL_{signal.variable}_EXPORTER"
    if _said(variable, "otlp", ("otlp", "none")) == "none":
        return None
    own = f"OTEL_EXPORTER_OTLP_{signal.variable}_PROTOCOL"
    variable = own if os.environ.get(own) else "OTEL_EXPORTER_OTLP_PROTOCOL"
    package, extra = _PROTOCOLS[_said(variable, "http/protobuf", tuple(_PROTOCOLS))]
    try:
        module = import_module(f"opentelemetry.exporter.otlp.proto.{package}.{signal.module}")
    except ImportError as error:
        msg = f"aiguard.telemetry.configure() needs the extra {extra}: install aiguard-boundary{extra}"
        raise RuntimeError(msg) from error
    return getattr(module, signal.exporter)()


def _said(variable: str, default: str, words: tuple[str, ...]) -> str:
    """Return the word that the environment says."""
    said = os.environ.get(variable, "").strip().lower() or default
    if said not in words:
        msg = f"configure(): {variable} is {' or '.join(map(repr, words))}, not {said!r}"
        raise ValueError(msg)
    return said
