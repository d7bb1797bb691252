"""Google's real SDK as a component, over real sockets, where it is installed."""

from __future__ import annotations

import asyncio
import gc
import logging
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Boundary, FailureKind
from aiguard.integrations.google import component
from aiguard.propagation import HEADER
from aiguard.testing import FaultServer, fault_server, fresh_registry
from aiguard.usage import Usage
from tests.integrations.components import (
    ANSWER,
    DEADLINE,
    Behind,
    Form,
    Verdict,
    assert_asked_once,
    outcome,
    outcome_async,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

genai = pytest.importorskip("google.genai")

RETRIES = {"attempts": 4, "initial_delay": 0.01, "max_delay": 0.01}
"""What the SDK is told by its user, and the component does without."""

ASKED = {"contents": "How is it?"}
CONFIG = {
    "response_schema": Verdict,
    "response_mime_type": "application/json",
    "http_options": {"retry_options": RETRIES},
}

GENERATE = Form("models.generate_content", ASKED)
PARSED = Form("models.generate_content", {**ASKED, "config": CONFIG})
STREAM = Form("models.generate_content_stream", ASKED)

OF_TEXTS = {
    "429-retry-info:7": FailureKind.RATE_LIMITED,
    "503": FailureKind.OVERLOADED,
    "content-filter": FailureKind.CONTENT_FILTER,
    "cut-before-headers": FailureKind.CONNECTION,
    "cut-mid-body": FailureKind.CONNECTION,
    "drip:0.02": FailureKind.TIMEOUT,
    "empty": FailureKind.EMPTY_OUTPUT,
    "hang-after-headers": FailureKind.TIMEOUT,
    "hang-before-headers": FailureKind.TIMEOUT,
    "html": FailureKind.MALFORMED_TRANSPORT,
    "null": FailureKind.EMPTY_OUTPUT,
    "truncated": FailureKind.TRUNCATED,
}

OF_STREAMS = {
    "429-retry-info:7": FailureKind.RATE_LIMITED,
    "content-filter": FailureKind.CONTENT_FILTER,
    "cut-mid-stream": FailureKind.CONNECTION,
    "drip:0.02": FailureKind.TIMEOUT,
    "empty": FailureKind.EMPTY_OUTPUT,
    "endless-stream:0.02": FailureKind.TIMEOUT,
    "hang-before-headers": FailureKind.TIMEOUT,
    "hang-mid-stream": FailureKind.TIMEOUT,
    "malformed-event": FailureKind.MALFORMED_TRANSPORT,
    "no-terminator": FailureKind.STREAM_INTERRUPTED,
    "null": FailureKind.EMPTY_OUTPUT,
    "role-only": FailureKind.EMPTY_OUTPUT,
    "truncated": FailureKind.TRUNCATED,
}


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    """One server for all."""
    with fault_server(answer=ANSWER) as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> FaultServer:
    """The server, as if it had just been started."""
    running.clear()
    return running


def made(server: FaultServer) -> Any:
    """Return a client with retries of its own."""
    return genai.Client(api_key="none", http_options={"base_url": server.gemini_url, "retry_options": RETRIES})


@pytest.fixture(scope="module", params=["sync", "async"])
def behind(request: pytest.FixtureRequest, running: FaultServer) -> Behind:
    """Clients that would retry."""

    @contextmanager
    def opened() -> Iterator[Any]:
        with made(running) as client:
            yield client

    @asynccontextmanager
    async def opened_async() -> AsyncIterator[Any]:
        client = made(running)
        async with client.aio as aio:
            yield aio
        client.close()

    is_async = request.param == "async"
    return Behind(component, opened_async if is_async else opened, is_async)


@pytest.mark.parametrize("form", [GENERATE, PARSED], ids=["text", "parsed"])
def test_an_answer_is_the_clients_own(behind: Behind, server: FaultServer, form: Form) -> None:
    """Of its own class, with its usage read, after one request that says how long it is waited for."""
    ended = behind.outcome(form, "ok")
    assert type(ended.value) is genai.types.GenerateContentResponse
    assert ended.value is not None
    assert ended.value.parsed == (Verdict(fine=True) if form is PARSED else None)
    assert ended.usage == Usage(8, 2, 0, "ok")
    (request,) = server.requests
    assert 0 < int(request.headers[HEADER]) <= DEADLINE * 1000
    assert "x-server-timeout" not in request.headers  # short ones are answered by 500


@pytest.mark.parametrize("fault", OF_TEXTS)
@pytest.mark.parametrize("form", [GENERATE, PARSED], ids=["text", "parsed"])
def test_an_answer_that_is_none_has_its_kind(behind: Behind, server: FaultServer, form: Form, fault: str) -> None:
    """Asked for once, whatever retries the client and the request ask for, and over at the deadline."""
    ended = behind.outcome(form, fault)
    assert ended.failure is not None
    assert ended.failure.kind is OF_TEXTS[fault]
    assert_asked_once(ended, server, fault)


def test_an_answer_that_the_sdk_could_not_parse_is_none(behind: Behind) -> None:
    """It says so by `parsed is None` alone."""
    ended = behind.outcome(PARSED, "garbage")
    assert ended.failure is not None
    assert ended.failure.kind is FailureKind.SCHEMA_VIOLATION
    assert behind.outcome(GENERATE, "garbage").ok


def test_a_whole_stream_passes(behind: Behind, server: FaultServer) -> None:
    """Every chunk leaves, as the client made it, and tells of its tokens."""
    ended, received = behind.streamed(STREAM, "ok")
    assert ended.failure is None
    assert set(received) == {"GenerateContentResponse"}
    assert ended.usage is not None
    assert ended.usage.input == 8
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", OF_STREAMS)
def test_a_stream_that_is_no_answer_has_its_kind(behind: Behind, server: FaultServer, fault: str) -> None:
    """Also where it just stops, which the client takes for its end."""
    ended, received = behind.streamed(STREAM, fault)
    assert ended.failure is not None
    assert (ended.failure.kind, received) == (OF_STREAMS[fault], [])
    assert_asked_once(ended, server, fault)


def test_a_streaming_component_is_a_generator_function(server: FaultServer) -> None:
    """As the client's method is, so that a boundary streams it as it stands."""
    with made(server) as client, fresh_registry():
        boundary = Boundary("component", deadline=DEADLINE, stream="passthrough")
        ask = component(client.models.generate_content_stream)
        assert "".join(chunk.text or "" for chunk in boundary.stream(ask, model="ok", **ASKED)) == ANSWER


def test_a_client_is_as_it_was(server: FaultServer) -> None:
    """It still retries, and both send over the same connection."""
    with made(server) as client:
        before = dict(vars(client._api_client))
        outcome(component(client.models.generate_content), {"model": "ok", **ASKED}, deadline=DEADLINE)
        assert vars(client._api_client) == before
        server.script("m", "503", "ok")
        client.models.generate_content(model="m", **ASKED)
    assert len({request.connection for request in server.requests}) == 1
    assert [request.fault for request in server.requests] == ["ok", "503", "ok"]


def test_one_component_serves_several_event_loops(server: FaultServer) -> None:
    """As the client does, which has connections of its own for each."""
    client = made(server)
    ask = component(client.aio.models.generate_content)

    async def asked() -> Any:
        ended = await outcome_async(ask, {"model": "ok", **ASKED}, deadline=DEADLINE)
        await client._api_client._async_httpx_client._client_for_running_loop().aclose()
        return ended.ok

    assert [asyncio.run(asked()), asyncio.run(asked())] == [True, True]


def test_a_component_outlives_its_client(server: FaultServer) -> None:
    """A client that nobody holds closes itself, at once or later, which nobody notices who has a component."""
    client = made(server)
    transports = [client._api_client._httpx_client._transport]
    ask = component(client.models.generate_content)
    del client
    gc.collect()
    assert outcome(ask, {"model": "ok", **ASKED}, deadline=DEADLINE).ok
    ask = component(made(server).models.generate_content)
    assert outcome(ask, {"model": "ok", **ASKED}, deadline=DEADLINE).ok
    transports.append(ask.__wrapped__.__self__._api_client._httpx_client._transport.inner._inner)
    for transport in transports:
        transport.close()


def test_what_is_no_method_of_a_client_is_refused(server: FaultServer) -> None:
    """As for the other SDKs."""
    with made(server) as client, pytest.raises(TypeError, match="as it is taken from a client of google"):
        component(client.files.list)


def test_outside_a_boundary_it_works_as_the_client_does(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    """With one warning."""
    with made(server) as client, caplog.at_level(logging.WARNING, "aiguard"):
        ask = component(client.models.generate_content)
        assert [ask(model="ok", **ASKED).text for _ in range(2)] == [ANSWER] * 2
    assert ["outside any boundary" in record.getMessage() for record in caplog.records] == [True]
