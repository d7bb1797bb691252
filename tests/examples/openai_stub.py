"""What the examples' tests put in a model's place: a server on a real socket, and the apps beside it on one loop."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import httpx2
import uvicorn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HOST = "127.0.0.1"
Behaviour = Literal["answers", "hangs", "hangs midway", "breaks midway", "is gone"]


class Stub:
    """
    Speaks as much of OpenAI's protocol as a chat completion needs.

    Attributes:
        text: What it answers; streamed, it comes word by word.
        behaviour: What it does instead.
        finish: Why it stops writing.
        left: Set once somebody has hung up on a stream.
    """

    def __init__(self) -> None:
        self.text = ""
        self.behaviour: Behaviour = "answers"
        self.finish = "stop"
        self.left = asyncio.Event()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.split("content-length:")[1].split("\r\n")[0])
            asked = json.loads(await reader.readexactly(length))
            if self.behaviour == "is gone":
                writer.transport.abort()
            elif self.behaviour == "hangs":
                await reader.read()
            elif asked.get("stream"):
                await self._stream(reader, writer)
            else:
                message = {"role": "assistant", "content": self.text}
                body = json.dumps(completion(message=message, finish_reason=self.finish)).encode()
                writer.write(_head("application/json", f"Content-Length: {len(body)}") + body)
        finally:
            writer.close()

    async def _stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_head("text/event-stream", "Transfer-Encoding: chunked"))
        for word in self.text.split(" "):
            writer.write(_chunk(f"data: {json.dumps(completion(delta={'content': word}, finish_reason=None))}\n\n"))
        await writer.drain()
        if self.behaviour == "breaks midway":
            writer.close()
            return
        if self.behaviour == "hangs midway":
            await reader.read()
            self.left.set()
            return
        last = f"data: {json.dumps(completion(delta={}, finish_reason=self.finish))}\n\ndata: [DONE]\n\n"
        writer.write(_chunk(last) + _chunk(""))


def completion(**choice: Any) -> dict[str, Any]:
    """Return a chat completion, or a piece of one."""
    return {"id": "1", "object": "", "created": 0, "model": "stub", "choices": [{"index": 0, **choice}]}


def _head(kind: str, length: str) -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n{length}\r\nConnection: close\r\n\r\n".encode()


def _chunk(text: str) -> bytes:
    return f"{len(text.encode()):x}\r\n{text}\r\n".encode()


@asynccontextmanager
async def served(module: Any, monkeypatch: Any) -> AsyncIterator[tuple[Stub, httpx2.AsyncClient]]:
    """Serve the app of an example, with a stub as its model; yield the stub and a client for the app."""
    stub = Stub()
    model = await asyncio.start_server(stub.talk, HOST, 0)
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://{HOST}:{model.sockets[0].getsockname()[1]}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    server = uvicorn.Server(uvicorn.Config(module.app, HOST, 0, log_config=None, lifespan="auto", ws="none"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.01)
    try:
        url = f"http://{HOST}:{server.servers[0].sockets[0].getsockname()[1]}"
        async with model, httpx2.AsyncClient(base_url=url, timeout=30) as http:
            yield stub, http
    finally:
        await module.client().close()
        server.should_exit = True
        await serving
