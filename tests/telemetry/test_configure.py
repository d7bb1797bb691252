"""Setting up the SDK: in processes of their own, since the global providers can be set only once."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.telemetry.otlp import GUARDED, Collector, broken, collecting, run

if TYPE_CHECKING:
    from collections.abc import Iterator

grpc: Any = pytest.importorskip("grpc")


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Serve for one test."""
    with collecting() as collector:
        yield collector


def test_configure_exports_what_happened_before_the_program_ends(collector: Collector) -> None:
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
    found = {metric.name: metric.histogram.data_points[0] for metric in scope.metrics if metric.HasField("histogram")}
    assert set(found) == {"aiguard.call.duration", "aiguard.attempt.duration"}
    assert list(found["aiguard.call.duration"].explicit_bounds)[:3] == [0.01, 0.02, 0.04]


def test_configure_exports_the_log_event_of_a_degraded_call(collector: Collector) -> None:
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


def test_configure_keeps_degraded_calls_where_others_are_dropped(collector: Collector) -> None:
    """With the environment's own sampler for the rest."""
    code = (
        f"{GUARDED}\nimport aiguard.telemetry\naiguard.telemetry.configure('my-service', keep_degraded=True)\n"
        "@aiguard.guard('degraded', deadline=1.0, isolation='inline', fallback=['floor'])\n"
        "def broken():\n    raise ConnectionError\n"
        "triage()\nbroken()"
    )
    port = collector.server_port
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}", OTEL_TRACES_SAMPLER="always_off")
    assert (ended.returncode, ended.stderr) == (0, "")
    [body] = collector.got["/v1/traces"]
    [resource] = ExportTraceServiceRequest.FromString(body).resource_spans
    spans = [span.name for scope in resource.scope_spans for span in scope.spans]
    assert spans == ["aiguard.attempt degraded", "aiguard.fallback value", "aiguard.call degraded"]


@pytest.mark.parametrize("setting", ["span_events", "genai_spans"])
def test_configure_refuses_what_cannot_be_chosen(setting: Any) -> None:
    """At the start of the program, with what can."""
    code = f"import aiguard.telemetry\naiguard.telemetry.configure({setting}='all')"
    ended = run(code)
    assert f"ValueError: configure(): `{setting}` is" in ended.stderr
    assert "or 'off', not 'all'" in ended.stderr


def test_the_environments_service_name_wins(collector: Collector) -> None:
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
        "from opentelemetry import _logs; _logs.set_logger_provider(_logs.NoOpLoggerProvider())",
    ],
    ids=["sdk", "other", "meters", "logs"],
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
    code = f"""{GUARDED.replace(', fallback=["floor"]', "")}
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
timed = [metric for metric in data if metric.name.endswith("duration")]
print({{metric.name: sum(point.count for point in metric.data.data_points) for metric in timed}})
"""
    ended = run(code)
    assert ended.stderr == ""
    assert ended.stdout.splitlines() == [
        "['aiguard.attempt triage', 'aiguard.call triage', 'aiguard.call triage']",
        "{'aiguard.call.duration': 2, 'aiguard.attempt.duration': 1}",
    ]


# --- what the environment says


def test_every_signal_can_have_an_endpoint_headers_and_an_exporter_of_its_own(collector: Collector) -> None:
    """As the standard variables say; a signal whose exporter is `none` is not set up."""
    code = (
        f"{GUARDED}\naiguard.telemetry.configure()\ntriage(None)\n"
        "from opentelemetry import metrics\nprint(type(metrics.get_meter_provider()).__name__)"
    )
    ended = run(
        code,
        OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint,
        OTEL_EXPORTER_OTLP_HEADERS="x-all=1",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=f"{collector.endpoint}/elsewhere",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="x-key=2",
        OTEL_METRICS_EXPORTER="none",
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "_ProxyMeterProvider\n", "")
    assert set(collector.got) == {"/elsewhere", "/v1/logs"}
    assert collector.headers["/elsewhere"]["x-key"] == "2"
    assert collector.headers["/v1/logs"]["x-all"] == "1"


@pytest.mark.parametrize(
    ("variable", "word", "words"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "'http/protobuf' or 'grpc'"),
        ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "udp", "'http/protobuf' or 'grpc'"),
        ("OTEL_TRACES_EXPORTER", "console", "'otlp' or 'none'"),
    ],
)
def test_what_cannot_be_done_for_the_environment_is_refused(variable: str, word: str, words: str) -> None:
    """Naming the variable; nothing is set then."""
    code = (
        "import aiguard.telemetry\ntry: aiguard.telemetry.configure()\nexcept ValueError as error: print(error)\n"
        "from opentelemetry import trace\nassert trace._TRACER_PROVIDER is None"
    )
    ended = run(code, **{variable: word})
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == f"configure(): {variable} is {words}, not {word!r}\n"


def test_a_setting_that_the_sdk_refuses_leaves_nothing_set() -> None:
    """Nor a thread of what could be made."""
    code = (
        "import aiguard.telemetry, threading\n"
        "try: aiguard.telemetry.configure()\nexcept ValueError: print(threading.active_count())\n"
        "from opentelemetry import trace\nassert trace._TRACER_PROVIDER is None"
    )
    ended = run(code, OTEL_METRIC_EXPORT_INTERVAL="-1")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


def test_a_disabled_sdk_is_not_set_up() -> None:
    """`OTEL_SDK_DISABLED` spares the calls everything, and needs no extra."""
    code = f"""{GUARDED}
import sys, threading
sys.modules['opentelemetry.sdk'] = None
aiguard.telemetry.configure()
assert triage.outcome().trace_id is None
print(threading.active_count())
"""
    ended = run(code, OTEL_SDK_DISABLED="true")
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "1\n", "")


def test_otlp_goes_over_grpc_too() -> None:
    """Every signal, where `OTEL_EXPORTER_OTLP_PROTOCOL` says so."""
    got: dict[str, bytes] = {}

    def receives(service: str) -> Any:
        def answer(request: bytes, _: Any) -> bytes:
            got[service] = request
            return b""

        package = f"opentelemetry.proto.collector.{service.lower()}.v1.{service}Service"
        return grpc.method_handlers_generic_handler(package, {"Export": grpc.unary_unary_rpc_method_handler(answer)})

    server = grpc.server(ThreadPoolExecutor(4), list(map(receives, ("Trace", "Logs", "Metrics"))))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        ended = run(
            f"{GUARDED}\naiguard.telemetry.configure('over-grpc')\ntriage(None)",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
        )
    finally:
        server.stop(None).wait()
    assert (ended.returncode, ended.stderr) == (0, "")
    assert set(got) == {"Trace", "Logs", "Metrics"}
    [resource] = ExportTraceServiceRequest.FromString(got["Trace"]).resource_spans
    spans = {span.name for scope in resource.scope_spans for span in scope.spans}
    assert spans == {"aiguard.attempt triage", "aiguard.fallback value", "aiguard.call triage"}


def test_configure_says_that_the_extra_for_grpc_is_missing() -> None:
    """It is another one, since its library is large."""
    code = (
        "import sys; sys.modules['grpc'] = None\nimport aiguard.telemetry\n"
        "try: aiguard.telemetry.configure()\nexcept RuntimeError as error: print(error)"
    )
    ended = run(code, OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert ended.stdout == (
        "aiguard.telemetry.configure() needs the extra [otel-grpc]: install aiguard-boundary[otel-grpc]\n"
    )


# --- the end


def test_configure_and_shutdown_are_for_once(collector: Collector) -> None:
    """OpenTelemetry takes providers once; a shutdown delivers, may be repeated, and refuses a new set-up."""
    code = f"""{GUARDED}
def told(what, *args):
    try:
        what(*args)
    except (RuntimeError, ValueError) as error:
        print(error)

aiguard.telemetry.shutdown()  # nothing was set up: nothing happens
aiguard.telemetry.configure()
told(aiguard.telemetry.configure)
triage()
told(aiguard.telemetry.shutdown, -1.0)
told(aiguard.telemetry.shutdown, float("nan"))
aiguard.telemetry.shutdown()
aiguard.telemetry.shutdown()
print(triage())
told(aiguard.telemetry.configure)
"""
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.splitlines() == [
        "configure(): it was called already, and OpenTelemetry takes providers only once in a process",
        "shutdown(): `timeout` is a number of seconds from 0 on, not -1.0",
        "shutdown(): `timeout` is a number of seconds from 0 on, not nan",
        "ok",
        "configure(): shutdown() was called, and OpenTelemetry takes providers only once in a process",
    ]
    assert len(collector.got["/v1/traces"]) == 1


def test_configure_installs_no_signal_handler() -> None:
    """Signals are the program's."""
    code = (
        "import signal, aiguard.telemetry\n"
        "before = [signal.getsignal(one) for one in signal.valid_signals()]\n"
        "aiguard.telemetry.configure()\n"
        "assert before == [signal.getsignal(one) for one in signal.valid_signals()]\n"
        "aiguard.telemetry.shutdown(0)"
    )
    with broken("refuses") as port:
        ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    assert ended.returncode == 0, ended.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it needs fork()")
def test_a_forked_process_delivers_at_its_own_end(collector: Collector) -> None:
    """A server that forks its workers sets up before: threads do not survive a fork, so each starts its own."""
    code = f"""{GUARDED}
import os, sys, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # that a process with threads forks
aiguard.telemetry.configure()
child = os.fork()
if child == 0:
    triage()
    sys.exit()
_, status = os.waitpid(child, 0)
assert status == 0
"""
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert (ended.returncode, ended.stderr) == (0, "")
    [body] = collector.got["/v1/traces"]
    assert b"aiguard.call triage" in body


# --- backends that take nothing

WATCHED = f"""{GUARDED}
import atexit, time
ended = time.monotonic()
atexit.register(lambda: print("ended after", time.monotonic() - ended))  # after telemetry's own
aiguard.telemetry.configure()
print([triage(), triage(None)])
ended = time.monotonic()
"""


@pytest.mark.parametrize(
    ("how", "protocol"),
    [
        ("refuses", "http/protobuf"),
        ("hangs", "http/protobuf"),
        ("closes", "http/protobuf"),
        ("accepts nothing", "http/protobuf"),
        ("refuses", "grpc"),
        ("hangs", "grpc"),
    ],
)
def test_a_dead_backend_fails_no_call_and_is_told_of_once(how: str, protocol: str) -> None:
    """The calls are answered, the program ends, and one line says why nothing arrives."""
    with broken(how) as port:
        ended = run(
            WATCHED,
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
            OTEL_EXPORTER_OTLP_PROTOCOL=protocol,
            OTEL_EXPORTER_OTLP_TIMEOUT="0.5" if protocol == "grpc" else "1",
        )
    answers, after = ended.stdout.splitlines()
    assert answers == "['ok', 'floor']"
    assert float(after.removeprefix("ended after ")) < 5.0  # the exporters' time limit, not the end's
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"telemetry is lost: 127.0.0.1:{port} did not take a batch of ")
    assert ended.returncode == 0


def test_the_end_of_a_program_waits_no_longer_than_it_says() -> None:
    """An exporter's own limits may be longer: what is not delivered within 5 s is given up, and that is told."""
    with broken("hangs") as port:
        ended = run(WATCHED, OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}")
    answers, after = ended.stdout.splitlines()
    assert answers == "['ok', 'floor']"
    assert 4.5 < float(after.removeprefix("ended after ")) < 7.5
    [line] = ended.stderr.splitlines()
    assert line.startswith(f"telemetry is lost: 127.0.0.1:{port} did not take what was left within 5 s, at the end; ")
    assert ended.returncode == 0


def test_what_a_backend_refuses_is_counted(collector: Collector) -> None:
    """Where the metrics still arrive they say how many spans did not."""
    collector.statuses["/v1/traces"] = 400
    code = (
        f"{GUARDED}\naiguard.telemetry.configure()\nfrom opentelemetry import trace\n"
        "for _ in range(3):\n    triage()\n    trace.get_tracer_provider().force_flush()"
    )
    ended = run(code, OTEL_EXPORTER_OTLP_ENDPOINT=collector.endpoint)
    assert ended.returncode == 0
    [line] = ended.stderr.splitlines()
    assert line == (
        f"telemetry is lost: 127.0.0.1:{collector.server_port} did not take a batch of spans (400); "
        "calls go on, `aiguard.telemetry.dropped` counts what could not be delivered, and this is told once"
    )
    assert len(collector.got["/v1/traces"]) == 3
    [measured] = ExportMetricsServiceRequest.FromString(collector.got["/v1/metrics"][-1]).resource_metrics
    [scope] = [scope for scope in measured.scope_metrics if scope.scope.name == "aiguard"]
    [dropped] = [metric for metric in scope.metrics if metric.name == "aiguard.telemetry.dropped"]
    [point] = dropped.sum.data_points
    assert {pair.key: pair.value.string_value for pair in point.attributes} == {"aiguard.signal": "span"}
    assert (point.as_int or point.as_double) == 6
