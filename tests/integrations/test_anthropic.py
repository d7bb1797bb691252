"""Anthropic's real SDK as a component, over real sockets, with every method in both shapes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anthropic
import pytest

from aiguard import Boundary, FailureKind
from aiguard.integrations.anthropic import component
from aiguard.integrations.http import deadline_client
from aiguard.propagation import HEADER
from aiguard.testing import FaultServer, fault_server, fresh_registry
from aiguard.usage import Usage
from tests.integrations.components import ANSWER, DEADLINE, Behind, Form, Verdict, assert_asked_once, outcome, streamed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import assert_type

    from anthropic.types import Message, ParsedMessage, RawMessageStreamEvent

ASKED: dict[str, Any] = {"messages": [{"role": "user", "content": "How is it?"}], "max_tokens": 9}

CREATE = Form("messages.create", ASKED)
PARSE = Form("messages.parse", {**ASKED, "output_format": Verdict})
BETA = Form("beta.messages.create", ASKED)

STREAMS = (
    Form("messages.create", {**ASKED, "stream": True}),
    Form("messages.stream", ASKED),
    Form("beta.messages.stream", ASKED),
)

OF_TEXTS = {
    "429-retry-after:7": FailureKind.RATE_LIMITED,
    "503": FailureKind.OVERLOADED,
    "529": FailureKind.OVERLOADED,
    "cut-before-headers": FailureKind.CONNECTION,
    "cut-mid-body": FailureKind.CONNECTION,
    "drip:0.02": FailureKind.TIMEOUT,
    "empty": FailureKind.EMPTY_OUTPUT,
    "hang-after-headers": FailureKind.TIMEOUT,
    "hang-before-headers": FailureKind.TIMEOUT,
    "html": FailureKind.MALFORMED_TRANSPORT,
    "null": FailureKind.EMPTY_OUTPUT,
    "refusal": FailureKind.REFUSAL,
    "truncated": FailureKind.TRUNCATED,
}

OF_STREAMS = {
    "429-retry-after:7": FailureKind.RATE_LIMITED,
    "cut-mid-stream": FailureKind.CONNECTION,
    "drip:0.02": FailureKind.TIMEOUT,
    "empty": FailureKind.EMPTY_OUTPUT,
    "endless-stream:0.02": FailureKind.TIMEOUT,
    "error-in-200": FailureKind.OVERLOADED,
    "hang-before-headers": FailureKind.TIMEOUT,
    "hang-mid-stream": FailureKind.TIMEOUT,
    "html": FailureKind.STREAM_INTERRUPTED,
    "keep-alive-only:0.02": FailureKind.TIMEOUT,
    "malformed-event": FailureKind.MALFORMED_TRANSPORT,
    "no-terminator": FailureKind.STREAM_INTERRUPTED,
    "null": FailureKind.EMPTY_OUTPUT,
    "refusal": FailureKind.REFUSAL,
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


@pytest.fixture(scope="module", params=["sync", "async"])
def behind(request: pytest.FixtureRequest, running: FaultServer) -> Behind:
    """Clients as anybody makes them, their own retries on."""
    is_async = request.param == "async"
    cls: Any = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
    return Behind(component, lambda: cls(base_url=running.anthropic_url, api_key="none"), is_async)


@pytest.fixture
def client(running: FaultServer) -> Iterator[anthropic.Anthropic]:
    """One of a test's own."""
    with anthropic.Anthropic(base_url=running.anthropic_url, api_key="none") as client:
        yield client


@pytest.mark.parametrize("form", [CREATE, PARSE, BETA], ids=str)
def test_an_answer_is_the_clients_own(behind: Behind, server: FaultServer, form: Form) -> None:
    """Of its own class, with its usage read, after one request that says how long it is waited for."""
    ended = behind.outcome(form, "ok")
    assert type(ended.value).__module__.startswith("anthropic.types")
    assert ended.usage == Usage(8, 2, 0, "ok")
    (request,) = server.requests
    assert 0 < int(request.headers[HEADER]) <= DEADLINE * 1000


@pytest.mark.parametrize("fault", OF_TEXTS)
@pytest.mark.parametrize("form", [CREATE, PARSE, BETA], ids=str)
def test_an_answer_that_is_none_has_its_kind(behind: Behind, server: FaultServer, form: Form, fault: str) -> None:
    """Whichever way it fails it was asked for once, and what never ends is over at the deadline, in sync code too."""
    ended = behind.outcome(form, fault)
    assert ended.failure is not None
    assert ended.failure.kind is OF_TEXTS[fault]
    assert_asked_once(ended, server, fault)


@pytest.mark.parametrize("form", STREAMS, ids=str)
def test_a_whole_stream_passes(behind: Behind, server: FaultServer, form: Form) -> None:
    """Every event leaves, as the client made it, and tells of its tokens."""
    ended, received = behind.streamed(form, "ok")
    assert ended.failure is None
    assert received[-1].endswith("MessageStopEvent")
    assert ended.usage == Usage(8, 2, 0, "ok")
    assert len(server.requests) == 1


@pytest.mark.parametrize("fault", OF_STREAMS)
@pytest.mark.parametrize("form", STREAMS, ids=str)
def test_a_stream_that_is_no_answer_has_its_kind(behind: Behind, server: FaultServer, form: Form, fault: str) -> None:
    """Also where it just stops, which the client takes for its end."""
    ended, received = behind.streamed(form, fault)
    assert ended.failure is not None
    assert (ended.failure.kind, received) == (OF_STREAMS[fault], [])
    assert_asked_once(ended, server, fault)


@pytest.mark.usefixtures("server")
def test_tokens_of_a_stream_that_breaks_are_wasted(client: anthropic.Anthropic) -> None:
    """What its first event told."""
    ended, _ = streamed(component(client.messages.stream), {**ASKED, "model": "cut-mid-stream"}, deadline=DEADLINE)
    assert ended.wasted == Usage(8, 1, 0, "cut-mid-stream")


@pytest.mark.usefixtures("server")
def test_a_streams_own_reading_of_it_stays(client: anthropic.Anthropic) -> None:
    """It is the client's stream, with all that it can do; a cut one never amounts to a message."""
    ask = component(client.messages.stream)

    def message(model: str) -> Any:
        with ask(model=model, **ASKED) as stream:
            assert type(stream) is anthropic.MessageStream
            return stream.get_final_message()

    whole: Any = outcome(message, {"model": "ok"}, deadline=DEADLINE).value
    assert whole.content[0].text == ANSWER
    cut = outcome(message, {"model": "no-terminator"}, deadline=DEADLINE)
    assert cut.failure is not None
    assert cut.failure.kind is FailureKind.STREAM_INTERRUPTED


def test_a_client_is_as_it_was(client: anthropic.Anthropic, server: FaultServer) -> None:
    """It still retries, and both send over the same connection."""
    transport = client._client._transport
    ask = component(client.messages.create)
    outcome(ask, {"model": "ok", **ASKED}, deadline=DEADLINE)
    assert (client._client._transport, client.max_retries) == (transport, 2)
    server.script("m", "429-retry-ms:0.01", "ok")
    client.messages.create(model="m", **ASKED)
    assert len({request.connection for request in server.requests}) == 1
    assert [request.fault for request in server.requests] == ["ok", "429-retry-ms", "ok"]


def test_a_pause_that_is_asked_for_holds_for_the_next_call(client: anthropic.Anthropic, server: FaultServer) -> None:
    """`Retry-After` reaches the cooldown, and the SDK does not sleep on it, however long it is."""
    with fresh_registry():
        boundary = Boundary("component", deadline=DEADLINE)
        ask: Any = component(client.messages.create)
        first = boundary.outcome(ask, model="429-retry-after:3600", **ASKED)
        second = boundary.outcome(ask, model="ok", **ASKED)
    assert first.failure is not None
    assert first.failure.retry_after == 3600.0
    assert second.failure is not None
    assert second.failure.kind is FailureKind.COOLING_DOWN
    assert len(server.requests) == 1


@pytest.mark.usefixtures("server")
def test_outside_a_boundary_it_works_as_the_client_does(
    client: anthropic.Anthropic, caplog: pytest.LogCaptureFixture
) -> None:
    """With the client's own timeout, and one warning."""
    ask = component(client.messages.create)
    with caplog.at_level(logging.WARNING, "aiguard"):
        assert [type(ask(model="ok", **ASKED)).__name__ for _ in range(2)] == ["Message"] * 2
    assert ["outside any boundary" in record.getMessage() for record in caplog.records] == [True]
    with pytest.raises(anthropic.APITimeoutError):
        ask(model="hang-before-headers", timeout=0.1, **ASKED)


def test_a_method_of_another_sdk_is_refused() -> None:
    """Each adapter knows one."""
    openai = pytest.importorskip("openai")
    with (
        openai.OpenAI(api_key="none") as client,
        pytest.raises(TypeError, match=r"client of anthropic, not Completions\.create"),
    ):
        component(client.chat.completions.create)


@pytest.mark.usefixtures("server")
def test_a_deadline_client_is_for_whoever_calls_it_otherwise(client: anthropic.Anthropic) -> None:
    """All of a client, with retries 0 and the deadline; without the inspection."""
    held = deadline_client(client)
    assert (held.max_retries, client.max_retries) == (0, 2)

    def asked() -> Any:
        return held.messages.create(model="drip:0.02", **ASKED)

    ended = outcome(asked, {}, deadline=0.3)
    assert ended.failure is not None
    assert isinstance(ended.failure.exception, anthropic.APITimeoutError)
    assert ended.elapsed < 2.0


if TYPE_CHECKING:

    async def types_are_the_clients_own(sync: anthropic.Anthropic, other: anthropic.AsyncAnthropic) -> None:
        """Overloads and type parameters included."""
        ask = component(sync.messages.create)
        assert_type(ask(model="m", messages=[], max_tokens=9), Message)
        events = ask(model="m", messages=[], max_tokens=9, stream=True)
        assert_type(events, anthropic.Stream[RawMessageStreamEvent])
        parse = component(other.messages.parse)
        assert_type(await parse(model="m", messages=[], max_tokens=9, output_format=Verdict), ParsedMessage[Verdict])
