"""Rotel: a relay for OTLP, between the service and where its traces are kept; it prints the log events it is sent."""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from pathlib import Path

from examples.ticket_triage.model_process import free_port
from tests.telemetry_e2e.http import HOST, post
from tests.telemetry_e2e.processes import NotReadyError, Process


class Rotel(Process):
    """
    A relay, as a context manager.

    Args:
        folder: Where its log goes.
        traces: Where it sends traces: what OTLP over HTTP is spoken to.
    """

    def __init__(self, folder: Path, traces: str) -> None:
        spec = find_spec("rotel")
        if spec is None or spec.origin is None:
            raise NotReadyError("rotel is not installed")
        self.endpoint = f"http://{HOST}:{(port := free_port(None))}"
        command = [str(Path(spec.origin).with_name("rotel-agent")), "start"]
        command += ["--otlp-http-endpoint", f"{HOST}:{port}", "--otlp-grpc-endpoint", f"{HOST}:{free_port(None)}"]
        command += ["--exporters", "kept:otlp,nowhere:blackhole"]
        command += ["--exporters-traces", "kept", "--exporters-logs", "nowhere", "--exporters-metrics", "nowhere"]
        command += ["--debug-log", "logs", "--debug-log-verbosity", "detailed"]
        environment = {"ROTEL_EXPORTER_KEPT_ENDPOINT": traces, "ROTEL_EXPORTER_KEPT_PROTOCOL": "http"}
        ready = partial(post, f"{self.endpoint}/v1/logs", b"", "application/x-protobuf")
        super().__init__("rotel", command, folder, environment=environment, ready=ready)
