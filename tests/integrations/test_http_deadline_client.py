"""A client's own copy that holds the deadline, of HTTP clients: over real sockets."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import pytest

from aiguard.integrations.http import deadline_client, guard_client
from aiguard.propagation import HEADER, within
from aiguard.testing import FaultServer, fault_server

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    """One server for all."""
    with fault_server() as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> FaultServer:
    """The server, as if it had just been started."""
    running.clear()
    return running


def posted(client: Any, server: FaultServer, model: str = "ok") -> Any:
    """Ask something of the server, or return an awaitable that does."""
    return client.post(f"{server.openai_url}/embeddings", json={"model": model, "input": "?"})


def test_a_copy_sends_over_the_clients_connections(library: Any, server: FaultServer) -> None:
    """Only its requests say how long they are waited for."""
    with library.Client() as client, within(5.0):
        held = deadline_client(client)
        assert type(held) is type(client)
        assert [posted(each, server).status_code for each in (client, held, client)] == [200] * 3
    assert [HEADER in request.headers for request in server.requests] == [False, True, False]
    assert len({request.connection for request in server.requests}) == 1


def test_an_async_copy_does_as_well(library: Any, server: FaultServer) -> None:
    """On the client's own loop."""

    async def asked() -> None:
        async with library.AsyncClient() as client:
            with within(5.0):
                held = deadline_client(client)
                for each in (client, held, client):
                    assert (await posted(each, server)).status_code == 200
            await held.aclose()
            assert (await posted(client, server)).status_code == 200

    asyncio.run(asked())
    assert [HEADER in request.headers for request in server.requests] == [False, True, False, False]
    assert len({request.connection for request in server.requests}) == 1


def test_a_body_that_goes_on_is_cut_at_the_deadline(library: Any, server: FaultServer) -> None:
    """In sync code; the client itself would wait for it."""
    with library.Client() as client:
        began = time.monotonic()
        with within(0.3), pytest.raises(library.ReadTimeout):
            posted(deadline_client(client), server, "drip:0.05")
        assert time.monotonic() - began < 2.0  # machines are busy


@pytest.mark.parametrize("entered", [False, True], ids=["closed", "left"])
def test_whoever_closes_a_copy_closes_nothing_of_the_clients(
    library: Any, server: FaultServer, *, entered: bool
) -> None:
    """Its connections are open still."""
    client = library.Client()
    with within(5.0):
        posted(client, server)
        held = deadline_client(client)
        if entered:
            with held:
                posted(held, server)
        else:
            held.close()
        assert held.is_closed
        assert not client.is_closed
        posted(client, server)
    client.close()
    assert len({request.connection for request in server.requests}) == 1


def test_a_copy_ends_with_its_client(library: Any, server: FaultServer) -> None:
    """As a copy of an SDK's client does, which shares its HTTP client."""
    client = library.Client()
    held = deadline_client(client)
    client.close()
    with within(5.0), pytest.raises(RuntimeError, match="closed"):
        posted(held, server)


def test_a_copy_of_a_guarded_client_is_guarded_once(library: Any, server: FaultServer) -> None:
    """It is sent one header, over the same connection."""
    with guard_client(library.Client()) as client, within(5.0):
        posted(client, server)
        posted(deadline_client(client), server)
    assert [request.headers[HEADER].isdigit() for request in server.requests] == [True, True]
    assert len({request.connection for request in server.requests}) == 1


@pytest.mark.usefixtures("server")
def test_a_copy_warns_once_outside_any_boundary(
    library: Any, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    """And works as the client does there."""
    with library.Client() as client, caplog.at_level(logging.WARNING, "aiguard"):
        held = deadline_client(client)
        assert [posted(held, server).status_code for _ in range(2)] == [200, 200]
    assert ["outside any boundary" in record.getMessage() for record in caplog.records] == [True]


def test_a_proxy_of_the_clients_stays_in_use(library: Any) -> None:
    """Its mounts are copied as well, and it keeps its own."""
    with library.Client(proxy="http://127.0.0.1:9") as client:
        before = dict(client._mounts)
        held = deadline_client(client)
        assert client._mounts == before
        assert held._mounts.keys() == before.keys()
        with within(5.0), pytest.raises(library.ConnectError):
            held.get("http://service/")


def test_another_kind_of_client_is_refused() -> None:
    """By its class."""
    client: Any = object()
    with pytest.raises(TypeError, match="not a object"):
        deadline_client(client)
