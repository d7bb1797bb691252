"""Receivers of OTLP over real sockets, well-behaved or not, and a program of its own to send to them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

GUARDED = """
import aiguard, aiguard.telemetry

@aiguard.guard("triage", deadline=5.0, isolation="inline", fallback=["floor"])
def triage(ticket="a ticket"):
    if ticket is None:
        raise ConnectionError
    return "ok"
"""
"""A boundary whose component answers, and one of whose calls can be made to degrade."""


class Collector(ThreadingHTTPServer):
    """
    An OTLP/HTTP server that keeps what it is sent.

    Attributes:
        got: The bodies, by path.
        headers: The headers of the last request, by path.
        statuses: What is answered on which path, 200 elsewhere.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Receive)
        self.got: dict[str, list[bytes]] = {}
        self.headers: dict[str, Any] = {}
        self.statuses: dict[str, int] = {}

    @property
    def endpoint(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Receive(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        collector: Any = self.server
        collector.got.setdefault(self.path, []).append(body)
        collector.headers[self.path] = self.headers
        self.send_response(collector.statuses.get(self.path, 200))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def collecting() -> Iterator[Collector]:
    """Serve."""
    collector = Collector()
    thread = threading.Thread(target=collector.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        collector.shutdown()
        collector.server_close()
        thread.join(5.0)


@contextmanager
def broken(how: str) -> Iterator[int]:
    """Give the port of a backend that refuses connections, leaves them alone, hangs, or closes them mid-request."""
    listener = socket.create_server(("127.0.0.1", 0))
    port: int = listener.getsockname()[1]
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:  # the test is over
                return
            held.append(connection)
            if how == "closes":
                connection.recv(100)
                connection.close()

    if how == "refuses":
        listener.close()
    elif how != "accepts nothing":
        threading.Thread(target=accept, daemon=True).start()
    try:
        yield port
    finally:
        if how not in {"refuses", "accepts nothing"}:
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in held:
            connection.close()


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `code` in a fresh interpreter with no OpenTelemetry settings but these."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("OTEL_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
