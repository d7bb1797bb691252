"""A server on the loopback interface, over real sockets: what it is asked it tells, what it answers takes its time."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

COMPLETION = {
    "id": "1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
}
"""What OpenAI's API answers."""

MESSAGE = {
    "id": "1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [{"type": "text", "text": "yes"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
"""What Anthropic's API answers."""

ANSWERS: dict[str, Any] = {"/v1/chat/completions": COMPLETION, "/v1/messages": MESSAGE}

DRIBBLE = 5.0
"""Seconds that a body takes."""

PIECES = {"dribble": 250, "stall": 1}
"""How many pieces it comes in before the last."""


class Loopback:
    """
    What the server was asked, and how it answers.

    Attributes:
        url: Where it is.
        mode: `answer`, `hang` before the headers, `dribble` or fall silent (`stall`) after them.
        seen: The headers of each request so far, names in lower case.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.mode = "answer"
        self.seen: list[dict[str, str]] = []
        self.over = threading.Event()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    loopback: Loopback

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        self.do_GET()

    def do_GET(self) -> None:
        loopback = self.loopback
        loopback.seen.append({name.lower(): value for name, value in self.headers.items()})
        mode = loopback.mode
        if mode == "hang":
            loopback.over.wait(DRIBBLE)
        body = json.dumps(ANSWERS.get(self.path, {"ok": True})).encode()
        try:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            before = PIECES.get(mode, 0)
            self.send_header("content-length", str(len(body) + before))
            self.end_headers()
            for _ in range(before):
                self.wfile.write(b" ")
                self.wfile.flush()
                if loopback.over.wait(DRIBBLE / before):
                    break
            self.wfile.write(body)
        except OSError:  # the client has given up
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def loopback_server() -> Iterator[Loopback]:
    """Serve until the block ends; what still hangs or dribbles then ends at once."""
    handler = type("Handler", (_Handler,), {})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.loopback = loopback = Loopback(f"http://127.0.0.1:{server.server_address[1]}")  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield loopback
        finally:
            loopback.over.set()
            server.shutdown()
            thread.join()
