"""Set up the OpenTelemetry SDK for a program that has not done so itself, and shut it down."""

from __future__ import annotations

import atexit
import math
import os
import threading
from typing import TYPE_CHECKING, Final

from opentelemetry import _logs, metrics, trace

from aiguard.call import logger
from aiguard.clock import SYSTEM
from aiguard.telemetry.capture import drain
from aiguard.telemetry.settings import SETTINGS

if TYPE_CHECKING:
    from aiguard.telemetry.delivery import Closing
    from aiguard.telemetry.settings import GenaiSpans, SpanEvents

PATIENCE: Final = 5.0
"""Seconds that the end of a program waits for a backend: a dead one must not hold up whoever restarts the program."""

_lock: Final = threading.Lock()
_closing: Closing | None = None
_is_over = False


def configure(
    service: str | None = None,
    *,
    keep_degraded: bool = False,
    span_events: SpanEvents | None = None,
    genai_spans: GenaiSpans | None = None,
) -> None:
    """
    Export traces, metrics and log events over OTLP, as the standard environment variables say.

    `OTEL_EXPORTER_OTLP_ENDPOINT` and its relatives, `OTEL_EXPORTER_OTLP_PROTOCOL` (`http/protobuf`, the default, or
    `grpc`, which needs the extra `[otel-grpc]`), `OTEL_SERVICE_NAME`, `OTEL_RESOURCE_ATTRIBUTES`,
    `OTEL_TRACES_SAMPLER`, `OTEL_METRIC_EXPORT_INTERVAL` and the rest keep their meaning; `OTEL_TRACES_EXPORTER`,
    `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER` are `otlp`, the default, or `none`. With `OTEL_SDK_DISABLED=true`
    nothing is set up. The library never calls this: call it once at the start of a program that has no OpenTelemetry
    set-up of its own.

    What is left is delivered as the program ends: see `shutdown()`. A backend that takes nothing fails no call and
    holds none up; it is told of once, by the logger `aiguard`.

    Args:
        service: The service's name, where the environment does not give one.
        keep_degraded: Export the spans of every call that ended degraded or failed, whatever share of the others
            `OTEL_TRACES_SAMPLER` keeps: see `aiguard.telemetry.sampling`. Off by default, since each span that would
            have been dropped is recorded then, which costs it about 10 µs.
        span_events: `"mirror"` to write each log event down on its call's span too, which some backends need to show
            it, or `"off"`; `None` for what `AIGUARD_SPAN_EVENTS` says, and `"mirror"` where it says nothing.
        genai_spans: Who draws the spans of requests to providers: `"own"`, `"off"` or `"auto"`; `None` for what
            `AIGUARD_GENAI_SPANS` says, and `"auto"` where it says nothing.

    Raises:
        ValueError: For a word that is none of those, here or in the environment.
        RuntimeError: Where an extra is not installed, a provider is set already, or `shutdown()` was called.
    """
    global _closing  # noqa: PLW0603 - the providers are the process's too
    with _lock:
        if _is_over:
            msg = "configure(): shutdown() was called, and OpenTelemetry takes providers only once in a process"
            raise RuntimeError(msg)
        if _closing is not None:
            msg = "configure(): it was called already, and OpenTelemetry takes providers only once in a process"
            raise RuntimeError(msg)
        _refuse_what_is_set()
        SETTINGS.choose(span_events, genai_spans)
        if os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
            logger.info("configure(): OTEL_SDK_DISABLED is true, nothing is exported")
            return
        try:
            from aiguard.telemetry import providers  # noqa: PLC0415 - it imports the SDK
        except ImportError as error:
            msg = "aiguard.telemetry.configure() needs the extra [otel]: install aiguard-boundary[otel]"
            raise RuntimeError(msg) from error
        _closing = providers.set_up(service, keep_degraded=keep_degraded)
        atexit.register(shutdown)


def shutdown(timeout: float = PATIENCE) -> None:
    """
    Deliver what is left, and stop exporting; a program that ends does so by itself.

    Only what `configure()` set up is shut down. Calls go on afterwards, and what they record goes nowhere. No signal
    handler is installed: a program that a signal ends without Python's own exit calls this first, or loses what it
    has not yet delivered.

    Args:
        timeout: Seconds to wait; what is not delivered then is given up.

    Raises:
        ValueError: For a `timeout` that is no number of seconds from 0 on.
    """
    global _closing, _is_over  # noqa: PLW0603 - as above
    if not 0.0 <= timeout < math.inf:
        msg = f"shutdown(): `timeout` is a number of seconds from 0 on, not {timeout!r}"
        raise ValueError(msg)
    with _lock:
        closing, _closing = _closing, None
        _is_over = _is_over or closing is not None
    if closing is not None:
        atexit.unregister(shutdown)
        begun = SYSTEM.now()
        drain(timeout)
        closing.close(max(0.0, timeout - (SYSTEM.now() - begun)))


def _refuse_what_is_set() -> None:
    """Raise where the process has a provider already: it is somebody else's, and can be set only once."""
    providers = {
        "tracer": trace.get_tracer_provider(),
        "meter": metrics.get_meter_provider(),
        "logger": _logs.get_logger_provider(),
    }
    for kind, provider in providers.items():
        if "Proxy" not in type(provider).__name__:  # the API's stand-ins; two of them have no public name
            msg = f"this process has a {kind} provider already: aiguard uses it, and needs no configure()"
            raise RuntimeError(msg)
