"""
A server on loopback that speaks like a provider and fails as asked.

    with fault_server() as server:
        client = openai.OpenAI(base_url=server.openai_url, api_key="none", max_retries=0)
        client.chat.completions.create(model="429-retry-after:2", messages=[...])   # RateLimitError

It is made of asyncio's streams in a thread of its own: what it does to its clients no HTTP framework allows.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from aiguard.testing.faultserver.catalogue import Step, WireFault, is_fault, step
from aiguard.testing.faultserver.delivery import Line, deliver
from aiguard.testing.faultserver.http1 import HEAD_LIMIT, Request, UnreadableError, read_request
from aiguard.testing.faultserver.journal import Journal, RecordedRequest
from aiguard.testing.faultserver.openai_wire import error_body
from aiguard.testing.faultserver.reply import RawReply, Reply, misused, plain, reply_to
from aiguard.testing.faultserver.routes import Route, route

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

ANSWER: Final = "All is well."
"""What is answered where nothing else is asked for."""

_BACKLOG: Final = 1024


class FaultServer:
    """
    A server that fails as the model's name in a request says; made by `fault_server()`.

    May be used from any thread. Whatever waits here blocks its thread: from a coroutine, `asyncio.to_thread` it.

    Attributes:
        answer: The model's text where all is well; may be set at any time.
        url: Without a path.
        openai_url: As `base_url` of `openai.OpenAI`.
        anthropic_url: As `base_url` of `anthropic.Anthropic`.
        gemini_url: As `base_url` of google-genai's `HttpOptions`.
    """

    def __init__(self, listening: socket.socket, *, answer: str, keep: int) -> None:
        self.answer = answer
        self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        self.openai_url = f"{self.url}/v1"
        self.anthropic_url = self.url
        self.gemini_url = self.url
        self._first_answer = answer
        self._journal = Journal(keep)
        self._scripts: dict[str, list[Step | RawReply]] = {}
        self._lock = threading.Lock()
        self._connections = 0
        self._serving: set[asyncio.Task[None]] = set()
        self._flaws: list[BaseException] = []

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """What was asked so far, in order, and what became of it."""
        return self._journal.records

    def wait_for(self, count: int, timeout: float = 5.0, *, ended: bool = False) -> tuple[RecordedRequest, ...]:
        """
        Wait until so many requests have come since the start or the last `clear()`; return `requests`.

        Args:
            count: How many.
            timeout: Seconds.
            ended: Wait until so many are over: answered whole, broken off, or left by their client.

        Raises:
            TimeoutError: It took longer.
        """
        return self._journal.wait_for(count, timeout, ended=ended)

    def script(self, model: str, *faults: str | RawReply) -> None:
        """
        Let requests for `model` meet `faults`, one each in the order in which they come; the last one from then on.

        A `RawReply` among them is sent as it stands.

        Replaces the model's earlier script. A name that is scripted may be any, a real model's too.

        Raises:
            ValueError: No fault is given, or one that there is not.
        """
        if not faults:
            raise ValueError(f"script({model!r}) needs at least one fault")
        steps = [fault if isinstance(fault, RawReply) else step(fault) for fault in faults]
        with self._lock:
            self._scripts[model] = steps

    def clear(self) -> None:
        """Forget requests, scripts and the answer set since the start, so that the next test begins anew."""
        with self._lock:
            self._scripts.clear()
        self.answer = self._first_answer
        self._journal.clear()

    def _next(self, model: str) -> Step | RawReply:
        """Return what the next request for `model` meets."""
        with self._lock:
            if script := self._scripts.get(model):
                return script.pop(0) if len(script) > 1 else script[0]
        return step(model) if is_fault(model) else Step(WireFault.OK)

    async def _run(self, listening: socket.socket, started: Callable[[Callable[[], object]], None]) -> None:
        """Serve until what was handed to `started` is called."""
        loop = asyncio.get_running_loop()
        stop = asyncio.Event()
        server = await loop.create_server(lambda: _Protocol(self._connect), sock=listening, backlog=_BACKLOG)
        started(lambda: loop.call_soon_threadsafe(stop.set))
        await stop.wait()
        server.close()
        for task in self._serving:
            task.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        await server.wait_closed()

    def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event) -> None:
        self._connections += 1
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer, gone, self._connections))
        self._serving.add(task)
        task.add_done_callback(self._served)

    def _served(self, task: asyncio.Task[None]) -> None:
        self._serving.discard(task)
        if not task.cancelled() and (flaw := task.exception()):
            self._flaws.append(flaw)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gone: asyncio.Event, number: int
    ) -> None:
        writer.transport.set_write_buffer_limits(high=0)
        try:
            while request := await read_request(reader, writer):
                if not await self._answer(request, writer, gone, number) or request.last:
                    break
            writer.close()
        except UnreadableError as error:
            with suppress(OSError):
                await deliver(Line(writer), misused(str(error)), Step(WireFault.OK))
            writer.close()
        finally:
            if not writer.is_closing():
                writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()

    async def _answer(
        self, request: Request, writer: asyncio.StreamWriter, gone: asyncio.Event, connection: int
    ) -> bool:
        """Answer one request; return whether the connection can be used again."""
        found = route(request)
        reply, met = self._reply(request, found)
        serial = self._journal.begin(_record(request, found, met, connection))
        line = Line(writer)
        sending = asyncio.ensure_future(deliver(line, reply, met or Step(WireFault.OK)))
        leaving = asyncio.ensure_future(gone.wait())
        again = left = False
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
            left = not sending.done()
            again = sending.done() and sending.result()
        except OSError:
            left = True
        finally:
            sending.cancel()
            leaving.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            self._journal.end(serial, status=reply.status if line.sent else None, sent=line.sent, left=left)
        return again

    def _reply(self, request: Request, found: Route) -> tuple[Reply, Step | None]:
        if found.wire is None:
            message = f"Unknown request URL: {request.method} {found.path}"
            return plain(404, error_body("invalid_request_error", "unknown_url", message)), None
        if found.asked is None:
            return misused(found.flaw), None
        try:
            met = self._next(found.asked.model)
        except ValueError as error:
            return misused(str(error)), None
        if isinstance(met, RawReply):
            return met.reply, None
        return reply_to(found.asked, found.wire, met, self.answer), met


def _record(request: Request, found: Route, met: Step | None, connection: int) -> RecordedRequest:
    return RecordedRequest(
        number=0,
        connection=connection,
        moment=0.0,
        method=request.method,
        path=found.path,
        query=found.query,
        headers=request.headers,
        body=found.body,
        provider=found.wire.provider if found.wire else None,
        model=found.asked.model if found.asked else None,
        fault=met.fault if met else None,
        amount=met.amount if met else 0.0,
    )


class _Protocol(asyncio.StreamReaderProtocol):
    """Streams that tell when the client has left, although nobody reads."""

    def __init__(self, connect: Callable[[asyncio.StreamReader, asyncio.StreamWriter, asyncio.Event], None]) -> None:
        self._gone = gone = asyncio.Event()
        super().__init__(asyncio.StreamReader(limit=HEAD_LIMIT), lambda reader, writer: connect(reader, writer, gone))

    def eof_received(self) -> bool | None:
        """Take the end of what the client sends for its leaving: none of them closes one half only."""
        self._gone.set()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Say so."""
        self._gone.set()
        super().connection_lost(exc)


@contextmanager
def fault_server(*, answer: str = ANSWER, keep: int = 10_000) -> Generator[FaultServer]:
    """
    Run a server on loopback that fails as asked, in a thread of its own, for as long as the block lasts.

    Args:
        answer: The model's text where all is well.
        keep: How many requests are remembered, the latest.

    Raises:
        OSError: No port could be had.
    """
    # said to be TCP: asyncio sends small pieces at once only where it knows that
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        server = FaultServer(listening, answer=answer, keep=keep)
        running = threading.Event()
        stops: list[Callable[[], object]] = []

        def started(stop: Callable[[], object]) -> None:
            stops.append(stop)
            running.set()

        def run() -> None:
            # not `asyncio.run`, which tests replace, nor the policy's loop, which may not be Python's own
            try:
                with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
                    runner.run(server._run(listening, started))  # noqa: SLF001 - same file
            finally:
                running.set()

        thread = threading.Thread(target=run, name="fault-server", daemon=True)
        thread.start()
        running.wait()
        try:
            yield server
        finally:
            for stop in stops:
                stop()
            thread.join()
    for flaw in server._flaws:  # noqa: SLF001 - same file
        raise flaw
