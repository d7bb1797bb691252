"""Setting up the SDK: in processes of their own, since the global providers can be set only once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARDED = """
import aiguard

@aiguard.guard("triage", deadline=5.0, isolation="inline")
def triage():
    return "ok"
"""


class _Collector(HTTPServer):
    """An OTLP/HTTP server that keeps what it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.got: dict[str, list[bytes]] = {}


class _Receive(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        collector: Any = self.server
        collector.got.setdefault(self.path, []).append(body)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[_Collector]:
    """Serve for one test."""
    collector = _Collector()
    thread = threading.Thread(target=collector.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield collector
    collector.shutdown()
    collector.server_close()
    thread.join(5.0)


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter with no OpenTelemetry settings but these."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_configure_exports_what_happened_before_the_program_ends(collector: _Collector) -> None:
    """Spans and histograms of a script that ends at once reach the endpoint, under the service's name."""
    code = f"{GUARDED}\nimport aiguard.telemetry\naiguard.telemetry.configure('my-service')\ntriage()"
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{collector.server_port}")
    assert (ended.returncode, ended.stderr) == (0, "")
    [body] = collector.got["/v1/traces"]
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    spans = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert sorted(spans) == ["aiguard.attempt triage", "aiguard.call triage"]
    service = {pair.key: pair.value.string_value for pair in resource.resource.attributes}["service.name"]
    assert service == "my-service"
    [measured] = ExportMetricsServiceRequest.FromString(collector.got["/v1/metrics"][0]).resource_metrics
    [scope] = [scope for scope in measured.scope_metrics if scope.scope.name == "aiguard"]
    found = {metric.name: metric.histogram.data_points[0] for metric in scope.metrics}
    assert set(found) == {"aiguard.call.duration", "aiguard.attempt.duration"}
    assert list(found["aiguard.call.duration"].explicit_bounds)[:3] == [0.01, 0.02, 0.04]


def test_configure_exports_the_log_event_of_a_degraded_call(collector: _Collector) -> None:
    """That a rung had to answer reaches the endpoint as a log event, whether or not the span was sampled."""
    code = (
        f"{GUARDED}\nimport aiguard.telemetry\naiguard.telemetry.configure('my-service')\n"
        "from aiguard import guard\n"
        "@guard('degraded', deadline=1.0, isolation='inline', fallback=['floor'])\n"
        "def broken():\n    raise ConnectionError\n"
        "broken()"
    )
    port = collector.server_port
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_TRACES_SAMPLER="always_off")
    assert (ended.returncode, ended.stderr) == (0, "")
    [body] = collector.got["/v1/logs"]
    assert b"aiguard.degraded" in body
    assert b"connection" in body
    assert "/v1/traces" not in collector.got


def test_the_environments_service_name_wins(collector: _Collector) -> None:
    """`OTEL_SERVICE_NAME` keeps its meaning."""
    code = f"{GUARDED}\nimport aiguard.telemetry\naiguard.telemetry.configure('argument')\ntriage()"
    endpoint = f"http://127.0.0.1:{collector.server_port}"
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, OTEL_SERVICE_NAME="environment")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert b"environment" in collector.got["/v1/traces"][0]
    assert b"argument" not in collector.got["/v1/traces"][0]


@pytest.mark.parametrize(
    "already",
    [
        "import opentelemetry.sdk.trace as sdk; opentelemetry.trace.set_tracer_provider(sdk.TracerProvider())",
        "from opentelemetry import trace; trace.set_tracer_provider(trace.NoOpTracerProvider())",
        "import opentelemetry.sdk.metrics as sdk; opentelemetry.metrics.set_meter_provider(sdk.MeterProvider())",
        "import aiguard.telemetry; aiguard.telemetry.configure()",
    ],
    ids=["sdk", "other", "meters", "twice"],
)
def test_configure_refuses_to_replace_a_provider(already: str) -> None:
    """Somebody else's set-up is left alone, and said to be there."""
    code = (
        f"import opentelemetry.metrics, opentelemetry.trace\n{already}\nimport aiguard.telemetry\n"
        "try: aiguard.telemetry.configure()\nexcept RuntimeError as error: print(error)"
    )
    ended = run(code, OTEL_SDK_DISABLED="true")
    assert "provider already" in ended.stdout
    assert ended.stderr == ""


def test_configure_says_which_extra_is_missing() -> None:
    """Without the SDK's exporter there is nothing to set up."""
    code = (
        "import sys; sys.modules['opentelemetry.exporter.otlp.proto.http.trace_exporter'] = None\n"
        "import aiguard.telemetry\n"
        "try: aiguard.telemetry.configure()\nexcept RuntimeError as error: print(error)"
    )
    assert "aiguard-boundary[otel]" in run(code).stdout


def test_an_sdk_that_arrives_after_the_import_is_used() -> None:
    """Spans, histograms and log events begin as soon as the program sets its providers, and use never sets one."""
    code = f"""{GUARDED}
triage()
from opentelemetry import _logs, metrics, trace
assert trace._TRACER_PROVIDER is None
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans, reader, logs = InMemorySpanExporter(), InMemoryMetricReader(), InMemoryLogRecordExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)
metrics.set_meter_provider(MeterProvider([reader]))
loggers = LoggerProvider()
loggers.add_log_record_processor(SimpleLogRecordProcessor(logs))
_logs.set_logger_provider(loggers)
triage()
triage.boundary.mode = "off"
assert not triage.outcome().ok
print(sorted(span.name for span in spans.get_finished_spans()))
data = reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics
print({{metric.name: sum(point.count for point in metric.data.data_points) for metric in data}})
"""
    ended = run(code)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "['aiguard.attempt triage', 'aiguard.call triage', 'aiguard.call triage']",
        "{'aiguard.call.duration': 2, 'aiguard.attempt.duration': 1}",
    ]


def test_a_dead_endpoint_fails_no_call() -> None:
    """Nobody listens: the call is answered all the same."""
    code = f"""{GUARDED}
import aiguard.telemetry
aiguard.telemetry.configure()
print(triage(), flush=True)
import os
os._exit(0)  # an exporter may try for long to get its last spans out
"""
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9")
    assert ended.stdout == "ok\n"
    assert ended.returncode == 0
