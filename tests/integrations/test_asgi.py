"""A service that answers no longer than it is waited for: the middleware by itself, and with Starlette and FastAPI."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

import aiguard
from aiguard import BoundaryError, guard
from aiguard.integrations.asgi import DeadlineMiddleware
from aiguard.integrations.http import guard_client
from aiguard.propagation import HEADER
from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from starlette.requests import Request

    from aiguard.testing import VirtualClock


async def asked(app: Any, path: str = "/", **headers: str) -> httpx2.Response:
    """Ask a service, from where no deadline is seen: it is another process."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service") as client:
        carried = {name.replace("_", "-"): value for name, value in headers.items()}
        return await client.get(path, headers=carried)


@pytest.fixture
def starlette(clock: VirtualClock) -> Starlette:
    """A service with a boundary, a stream, and a boundary inside the stream."""
    calls: list[str] = []

    @guard("model", deadline=5.0)
    async def model() -> float | None:
        calls.append("model")
        return aiguard.remaining()

    async def once(_: Request) -> JSONResponse:
        try:
            return JSONResponse({"left": await model(), "calls": len(calls)})
        except BoundaryError as error:
            return JSONResponse({"kind": error.failure.kind, "calls": len(calls)}, status_code=504)

    async def many(_: Request) -> StreamingResponse:
        async def body() -> AsyncIterator[str]:
            for _ in range(3):
                yield f"{await model():g} "
                await asyncio.sleep(0.5)

        return StreamingResponse(body())

    app = Starlette(routes=[Route("/", once), Route("/many", many)])
    app.add_middleware(DeadlineMiddleware)
    assert clock.elapsed == 0.0
    return app


def test_a_boundary_has_what_the_sender_still_waits(starlette: Starlette, clock: VirtualClock) -> None:
    """Where that is less than its own deadline."""
    assert clock.run(asked(starlette, aiguard_remaining_ms="2000")).json() == {"left": 2.0, "calls": 1}
    assert clock.run(asked(starlette, aiguard_remaining_ms="60000")).json() == {"left": 5.0, "calls": 2}


@pytest.mark.parametrize("value", ["", "-1", "nan", "inf", "soon", "1e3", "9" * 30, "5000.5"])
def test_a_request_that_carries_no_time_has_all_there_is(starlette: Starlette, clock: VirtualClock, value: str) -> None:
    """Nor one whose header nobody can read."""
    assert clock.run(asked(starlette)).json() == {"left": 5.0, "calls": 1}
    assert clock.run(asked(starlette, aiguard_remaining_ms=value)).json() == {"left": 5.0, "calls": 2}


def test_a_request_that_comes_too_late_reaches_no_component(starlette: Starlette, clock: VirtualClock) -> None:
    """The boundary rejects it; what the service answers is its own business."""
    response = clock.run(asked(starlette, aiguard_remaining_ms="0"))
    assert (response.status_code, response.json()) == (504, {"kind": "deadline_exhausted", "calls": 0})


def test_a_streamed_response_keeps_it_to_its_end(starlette: Starlette, clock: VirtualClock) -> None:
    """Each boundary that the stream calls has less than the one before."""
    assert clock.run(asked(starlette, "/many", aiguard_remaining_ms="2000")).text == "2 1.5 1 "


def test_nothing_is_left_of_it_afterwards(starlette: Starlette, clock: VirtualClock) -> None:
    """The next request on the same connection, in the same task, has all its time."""

    async def two() -> list[Any]:
        return [(await asked(starlette, aiguard_remaining_ms="1000")).json()["left"], aiguard.remaining()]

    assert clock.run(two()) == [1.0, None]


def test_requests_at_once_do_not_share_it(starlette: Starlette, clock: VirtualClock) -> None:
    """Each is a task of its own."""

    async def both() -> list[float]:
        tasks = [asyncio.create_task(asked(starlette, aiguard_remaining_ms=f"{left}000")) for left in (1, 2, 3)]
        return [(await task).json()["left"] for task in tasks]

    assert clock.run(both()) == [1.0, 2.0, 3.0]


def test_a_sync_endpoint_has_it_too(clock: VirtualClock) -> None:
    """FastAPI runs it in a thread, with the request's context."""
    app = FastAPI()
    app.add_middleware(DeadlineMiddleware)

    @app.get("/")
    def left() -> bool:
        remaining = aiguard.remaining()
        return remaining is not None and 0 < remaining <= 2.0

    assert clock.run(asked(app, aiguard_remaining_ms="2000")).json() is True
    assert clock.run(asked(app)).json() is False


def test_websockets_and_the_lifespan_pass_by(clock: VirtualClock) -> None:
    """With the very objects the server gave."""
    seen: list[Any] = []

    async def app(*arguments: Any) -> None:
        seen.append((aiguard.remaining(), *arguments))

    async def receive() -> dict[str, Any]:
        return {}

    async def send(_: Any) -> None: ...

    service = DeadlineMiddleware(app)
    headers = [(HEADER.encode(), b"2000")]
    for kind, left in (("lifespan", None), ("websocket", None), ("http", 2.0)):
        scope = {"type": kind, "headers": headers}
        clock.run(service(scope, receive, send))
        assert seen.pop() == (left, scope, receive, send)


def test_it_goes_when_the_service_fails(clock: VirtualClock) -> None:
    """And the service's own error leaves as it is."""

    async def app(*_: Any) -> None:
        raise ZeroDivisionError

    async def request() -> float | None:
        with pytest.raises(ZeroDivisionError):
            await DeadlineMiddleware(app)({"type": "http", "headers": [(HEADER.encode(), b"2000")]}, None, None)  # type: ignore[arg-type]
        return aiguard.remaining()

    assert contextvars.copy_context().run(clock.run, request()) is None


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve `app` over real sockets."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/"
    finally:
        server.should_exit = True
        thread.join()


def test_a_deadline_reaches_the_boundary_of_another_service() -> None:
    """From the caller's boundary through a guarded client and a real server to the one that the service has."""
    app = FastAPI()
    app.add_middleware(DeadlineMiddleware)
    with fresh_registry():

        @guard("model", deadline=60.0)
        async def model() -> float | None:
            return aiguard.remaining()

        @app.get("/")
        async def page() -> float | None:
            return await model()

        @guard("caller", deadline=5.0)
        def caller(url: str) -> Any:
            with guard_client(httpx2.Client()) as client:
                return client.get(url).json()

        with served(app) as url:
            assert 1.0 < caller(url) <= 5.0
            assert 5.0 < httpx2.get(url).json() <= 60.0
