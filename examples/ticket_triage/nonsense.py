"""
A model that talks nonsense, as a bad release does: quickly, politely, with status 200.

It is the same model. Between it and the service stands a front that spoils each request in one of four ways, chosen by
the text of the ticket, so that both services meet the same four.
"""

from __future__ import annotations

import json
import select
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final
from zlib import crc32

if TYPE_CHECKING:
    from collections.abc import Callable

PARROT: Final = "You are a pirate's parrot. Answer with five words."
RENAMED: Final = {
    "type": "object",
    "properties": {
        "category": {"enum": ["Finance", "IT", "Logistics", "Trust & Safety"]},
        "priority": {"enum": ["P1", "P2", "P3"]},
        "confidence": {"enum": ["low", "medium", "high"]},
    },
    "required": ["category", "priority", "confidence"],
}

Request = dict[str, Any]


def chatter(request: Request) -> Request:
    """Drop the instructions, keep the ticket: short prose, and no JSON."""
    messages = [{"role": "system", "content": PARROT}, request["messages"][-1]]
    return {**_unbound(request), "messages": messages, "temperature": 1.2, "max_tokens": 32}


def ramble(request: Request) -> Request:
    """Keep the instructions, drop schema and example: a long answer, cut off in the middle."""
    messages = [request["messages"][0], request["messages"][-1]]
    return {**_unbound(request), "messages": messages, "temperature": 1.5, "max_tokens": 24}


def invent(request: Request) -> Request:
    """Ask for any JSON at all: keys nobody knows."""
    messages = [request["messages"][-1]]
    form = {"type": "json_object"}
    return {**request, "messages": messages, "temperature": 1.0, "max_tokens": 24, "response_format": form}


def rename(request: Request) -> Request:
    """Follow another schema: the labels of a release that nobody announced."""
    form = {"type": "json_schema", "json_schema": {"name": "triage", "strict": True, "schema": RENAMED}}
    return {**request, "response_format": form}


MOODS: Final[tuple[Callable[[Request], Request], ...]] = (chatter, ramble, invent, rename)


def spoil(request: Request) -> Request:
    """Spoil a request, always the same way for the same ticket."""
    ticket = str(request["messages"][-1]["content"])
    return MOODS[crc32(ticket.encode()) % len(MOODS)](request)


def serve(model: Any, port: int) -> Callable[[], None]:
    """Stand in front of the model on a port of loopback; return what stops it."""
    turn = threading.Lock()

    class Front(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with turn:
                if _hung_up(self.connection):  # as a real server does, it drops what nobody waits for any more
                    return
                answer = json.dumps(model.handle_chat_completions(spoil(body))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing: the terminal belongs to the demo."""

    front = ThreadingHTTPServer(("127.0.0.1", port), Front)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    return front.shutdown


def _hung_up(connection: socket.socket) -> bool:
    readable, _, _ = select.select([connection], [], [], 0)
    return bool(readable) and connection.recv(1, socket.MSG_PEEK) == b""


def _unbound(request: Request) -> Request:
    return {key: value for key, value in request.items() if key != "response_format"}
