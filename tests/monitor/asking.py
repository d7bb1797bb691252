"""Asking a process by hand."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

from aiguard.monitor.directory import address_of

if TYPE_CHECKING:
    from pathlib import Path


def connected(path: Path, patience: float = 10.0) -> socket.socket:
    """Return a socket that is connected to `path`."""
    asking = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        asking.settimeout(patience)
        with address_of(path) as address:
            asking.connect(address)
    except OSError:
        asking.close()
        raise
    return asking


def rest_of(asking: socket.socket) -> bytes:
    """Return everything until the other end hangs up."""
    parts = []
    while part := asking.recv(2**16):
        parts.append(part)
    return b"".join(parts)


def ask(path: Path, question: Any) -> Any:
    """Return the answer to a question; bytes are sent as they are, `None` is none."""
    with connected(path) as asking:
        asking.sendall(question if isinstance(question, bytes) else json.dumps(question).encode() + b"\n")
        said = rest_of(asking)
    return json.loads(said) if said else None
