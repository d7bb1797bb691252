"""How a reply is sent: well, late, in part, or not at all."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal

from aiguard.testing.faultserver.catalogue import Step, WireFault
from aiguard.testing.faultserver.http1 import LAST_CHUNK, chunk, head

if TYPE_CHECKING:
    from aiguard.testing.faultserver.reply import Reply

_Where = Literal["before headers", "after headers", "mid-body", "mid-stream"]

_BREAKS: Final[dict[WireFault, tuple[_Where, Literal["hang", "reset", "cut"]]]] = {
    WireFault.HANG_BEFORE_HEADERS: ("before headers", "hang"),
    WireFault.HANG_AFTER_HEADERS: ("after headers", "hang"),
    WireFault.HANG_MID_BODY: ("mid-body", "hang"),
    WireFault.HANG_MID_STREAM: ("mid-stream", "hang"),
    WireFault.RESET_BEFORE_HEADERS: ("before headers", "reset"),
    WireFault.RESET_MID_BODY: ("mid-body", "reset"),
    WireFault.RESET_MID_STREAM: ("mid-stream", "reset"),
    WireFault.CUT_BEFORE_HEADERS: ("before headers", "cut"),
    WireFault.CUT_MID_BODY: ("mid-body", "cut"),
    WireFault.CUT_MID_STREAM: ("mid-stream", "cut"),
}

_READ_FIRST: Final = 0.03
"""Seconds between the last bytes and a reset, which on some systems takes back what was not read."""


class Line:
    """
    The sending half of a connection, for one reply.

    Args:
        writer: Of the connection.

    Attributes:
        sent: Bytes that the operating system has taken.
    """

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self.sent = 0

    async def send(self, data: bytes) -> None:
        """Send, and wait until it has been taken: nothing piles up here before a client that does not read."""
        self._writer.write(data)
        try:
            await self._writer.drain()
        finally:
            self.sent += len(data) - self._writer.transport.get_write_buffer_size()

    def cut(self) -> None:
        """Close cleanly: FIN."""
        self._writer.close()

    def reset(self) -> None:
        """Close at once: RST."""
        opened: socket.socket = self._writer.get_extra_info("socket")
        with suppress(OSError):  # the client was quicker
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


async def deliver(line: Line, reply: Reply, step: Step) -> bool:
    """Send `reply` as the fault has it; return whether the connection can be used again."""
    if step.fault in _BREAKS:
        where, what = _BREAKS[step.fault]
        await line.send(_part(reply, where))
        match what:
            case "hang":
                await asyncio.Event().wait()
            case "reset":
                await asyncio.sleep(_READ_FIRST)
                line.reset()
            case "cut":
                line.cut()
        return False
    if step.fault is WireFault.SLOW:
        await asyncio.sleep(step.amount)
    await line.send(_head(reply))
    if step.fault is WireFault.DRIP:
        for byte in b"".join(reply.pieces):
            await _send_piece(line, reply, bytes((byte,)), step.amount)
    else:
        for piece in reply.pieces:
            await _send_piece(line, reply, piece, reply.pause)
    if reply.length is None:
        await line.send(LAST_CHUNK)
    return True


async def _send_piece(line: Line, reply: Reply, piece: bytes, pause: float) -> None:
    await line.send(chunk(piece) if reply.length is None else piece)
    await asyncio.sleep(pause)  # 0, too: a client that reads as fast as we send must not stop the others


def _head(reply: Reply) -> bytes:
    return head(reply.status, {"Content-Type": reply.content_type, **reply.headers}, reply.length)


def _part(reply: Reply, where: _Where) -> bytes:
    if where == "before headers":
        return b""
    begun = _head(reply)
    if where == "after headers":
        return begun
    pieces = list(reply.pieces)
    if where == "mid-stream" and reply.opening:
        return begun + b"".join(chunk(piece) for piece in pieces[: reply.opening])
    body = b"".join(pieces)
    # in chunks: one that promises all of it
    promised = b"%x\r\n" % len(body) if reply.length is None else b""
    return begun + promised + body[: len(body) // 2]
