"""As much of HTTP/1.1 as a client library speaks: reading a request, framing a reply."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

HEAD_LIMIT: Final = 64 * 1024
"""Bytes of a request's line and headers."""

BODY_LIMIT: Final = 64 * 1024 * 1024
"""Bytes of a request's body."""

LAST_CHUNK: Final = b"0\r\n\r\n"


class UnreadableError(Exception):
    """What a client sent is no request that this server reads."""


@dataclass(frozen=True, slots=True)
class Request:
    """
    A request, read whole.

    Attributes:
        method: In capitals.
        target: Path and query, as sent.
        headers: Names in small letters; of several of one name the last.
        body: Without its framing.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def last(self) -> bool:
        """Whether the client wants no other reply on this connection."""
        return self.headers.get("connection", "").lower() == "close"


async def read_request(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Request | None:
    """
    Read the next request; `None` where the client sends no more.

    Raises:
        UnreadableError: It is too large, or no HTTP/1.1.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        line, *lines = head.decode("latin-1").split("\r\n")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (one.partition(":") for one in lines if one)
        }
        method, target, _ = line.split(" ")
        if headers.get("expect", "").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if headers.get("transfer-encoding", "").lower() == "chunked":
            body = await _read_chunks(reader)
        else:
            body = await _read_exactly(reader, int(headers.get("content-length", "0")))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    except (ValueError, asyncio.LimitOverrunError) as error:
        raise UnreadableError(f"unreadable request: {error}") from error
    return Request(method.upper(), target, headers, body)


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = bytearray()
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += await _read_exactly(reader, size, len(body))
        await reader.readuntil(b"\r\n")
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass  # trailers
    return bytes(body)


async def _read_exactly(reader: asyncio.StreamReader, size: int, before: int = 0) -> bytes:
    if not 0 <= size <= BODY_LIMIT - before:
        raise ValueError(f"a body of more than {BODY_LIMIT} bytes")
    return await reader.readexactly(size)


def head(status: int, headers: Mapping[str, str], length: int | None) -> bytes:
    """Return a reply's line and headers; without a length the body comes in chunks."""
    try:
        reason = HTTPStatus(status).phrase
    except ValueError:
        reason = "Overloaded"  # 529 is nobody's standard
    framing = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"HTTP/1.1 {status} {reason}", *(f"{name}: {value}" for name, value in headers.items()), framing]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunk(data: bytes) -> bytes:
    """Return `data` as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)
