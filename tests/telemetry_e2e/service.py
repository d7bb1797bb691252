"""
The ticket service as it is deployed: OpenTelemetry set up, and tickets that keep coming.

    python -m tests.telemetry_e2e.service METRICS_PORT OTLP_ENDPOINT POLICIES

Its spans and log events go to the OTLP endpoint, its metrics stand on the port for Prometheus, its policies are those
of the file. A line on its standard input is the number of seconds from one ticket to the next. Once the input closes no
more tickets come; it prints how its calls ended, as one line of JSON, and ends a little later, when Prometheus has seen
the last of them.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections import Counter
from typing import Final

from opentelemetry import _logs, metrics, trace
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import start_http_server

import aiguard
from examples.ticket_triage.guarded import triage
from examples.ticket_triage.tickets import load as tickets
from examples.ticket_triage.tickets import stream

SERVICE: Final = "ticket-service"
LINGERS: Final = 3.0
"""Seconds for which the last numbers can be read: Prometheus comes once a second."""


def set_up(port: int, endpoint: str) -> None:
    """Set the three providers, as a program does that has more to tell than aiguard."""
    resource = Resource.create({"service.name": SERVICE, "openinference.project.name": SERVICE})  # Phoenix's own word
    tracers = TracerProvider(resource=resource)
    tracers.add_span_processor(
        BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces"), schedule_delay_millis=1000)
    )
    trace.set_tracer_provider(tracers)
    loggers = LoggerProvider(resource=resource)
    loggers.add_log_record_processor(
        BatchLogRecordProcessor(OTLPLogExporter(f"{endpoint}/v1/logs"), schedule_delay_millis=1000)
    )
    _logs.set_logger_provider(loggers)
    metrics.set_meter_provider(MeterProvider([PrometheusMetricReader()], resource))
    start_http_server(port, "127.0.0.1")


class Load:
    """
    How fast tickets come.

    Attributes:
        every: Seconds from one to the next; `None` before it is said.
        over: Whether no more come.
    """

    def __init__(self) -> None:
        self.every: float | None = None
        self.over = False
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin:
            self.every = float(line)
        self.over = True


async def serve(load: Load) -> Counter[str]:
    """Triage tickets until nobody wants any more; return how the calls ended."""
    ended: Counter[str] = Counter()

    async def one(text: str) -> None:
        outcome = await triage.outcome(text)
        ended["fallback" if outcome.degraded else "success" if outcome.ok else "error"] += 1

    queue = stream(tickets())
    async with asyncio.TaskGroup() as group:
        while not load.over:
            if load.every is not None:
                group.create_task(one(next(queue).text))
            await asyncio.sleep(load.every or 0.1)
    return ended


def main() -> None:
    """Serve, and tell."""
    port, endpoint, policies = sys.argv[1:]
    set_up(int(port), endpoint)
    aiguard.configure(policies)
    ended = asyncio.run(serve(Load()))
    sys.stdout.write(json.dumps(ended) + "\n")
    sys.stdout.flush()
    threading.Event().wait(LINGERS)


if __name__ == "__main__":
    main()
