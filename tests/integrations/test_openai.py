"""OpenAI's real SDK as a component, over real sockets, with every method in every shape."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import openai
import pytest
from tenacity import wait_none

from aiguard import Boundary, FailureKind, Retry, guard
from aiguard.integrations.http import deadline_client
from aiguard.integrations.openai import component
from aiguard.propagation import HEADER
from aiguard.testing import FaultServer, fault_server, fresh_registry
from aiguard.usage import Usage
from tests.integrations.components import ANSWER, DEADLINE, Behind, Form, Verdict, assert_asked_once, outcome, streamed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import assert_type

    from openai.types import CreateEmbeddingResponse
    from openai.types.chat import ChatCompletion, ChatCompletionChunk

MESSAGES: Any = [{"role": "user", "content": "How is it?"}]

CHAT = Form("chat.completions.create", {"messages": MESSAGES})
CHAT_PARSED = Form("chat.completions.parse", {"messages": MESSAGES, "response_format": Verdict})
RESPONSES = Form("responses.create", {"input": "How is it?"})
RESPONSES_PARSED = Form("responses.parse", {"input": "How is it?", "text_format": Verdict})
EMBEDDINGS = Form("embeddings.create", {"input": "How is it?"})

STREAMS = (
    Form("chat.completions.create", {"messages": MESSAGES, "stream": True}),
    Form("chat.completions.stream", {"messages": MESSAGES}),
    Form("responses.create", {"input": "How is it?", "stream": True}),
    Form("responses.stream", {"input": "How is it?"}),
)

OF_ANY = {
    "429-retry-after:7": FailureKind.RATE_LIMITED,
    "503": FailureKind.OVERLOADED,
    "cut-before-headers": FailureKind.CONNECTION,
    "cut-mid-body": FailureKind.CONNECTION,
    "drip:0.02": FailureKind.TIMEOUT,
    "empty": FailureKind.EMPTY_OUTPUT,
    "hang-after-headers": FailureKind.TIMEOUT,
    "hang-before-headers": FailureKind.TIMEOUT,
    "html": FailureKind.MALFORMED_TRANSPORT,
}

OF_TEXTS = OF_ANY | {
    "content-filter": FailureKind.CONTENT_FILTER,
    "null": FailureKind.EMPTY_OUTPUT,
    "refusal": FailureKind.REFUSAL,
    "truncated": FailureKind.TRUNCATED,
}

OF_STREAMS = {
    "429-retry-after:7": FailureKind.RATE_LIMITED,
    "content-filter": FailureKind.CONTENT_FILTER,
    "cut-mid-stream": FailureKind.CONNECTION,
    "drip:0.02": FailureKind.TIMEOUT,
    "empty": FailureKind.EMPTY_OUTPUT,
    "endless-stream:0.02": FailureKind.TIMEOUT,
    "hang-before-headers": FailureKind.TIMEOUT,
    "hang-mid-stream": FailureKind.TIMEOUT,
    "html": FailureKind.STREAM_INTERRUPTED,
    "keep-alive-only:0.02": FailureKind.TIMEOUT,
    "malformed-event": FailureKind.MALFORMED_TRANSPORT,
    "no-terminator": FailureKind.STREAM_INTERRUPTED,
    "null": FailureKind.EMPTY_OUTPUT,
    "refusal": FailureKind.REFUSAL,
    "truncated": FailureKind.TRUNCATED,
}

TEXTS = (CHAT, CHAT_PARSED, RESPONSES, RESPONSES_PARSED)
PLAIN = [(form, fault) for form in TEXTS for fault in OF_TEXTS] + [(EMBEDDINGS, fault) for fault in OF_ANY]


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
    """Clients as anybody makes them, their own retries on; the SDK has built its types."""
    is_async = request.param == "async"
    settings: Any = {"base_url": running.openai_url, "api_key": "none"}
    with openai.OpenAI(**settings) as client:
        client.responses.create(model="ok", input="")
        client.responses.create(model="ok", input="", stream=True).close()
    return Behind(component, lambda: (openai.AsyncOpenAI if is_async else openai.OpenAI)(**settings), is_async)


@pytest.mark.parametrize("form", [*TEXTS, EMBEDDINGS], ids=str)
def test_an_answer_is_the_clients_own(behind: Behind, server: FaultServer, form: Form) -> None:
    """Of its own class, with its usage read, after one request that says how long it is waited for."""
    ended = behind.outcome(form, "ok")
    assert type(ended.value).__module__.startswith("openai.types")
    assert ended.usage is not None
    assert (ended.usage.input, ended.usage.model) == (8, "ok")
    (request,) = server.requests
    assert 0 < int(request.headers[HEADER]) <= DEADLINE * 1000


@pytest.mark.parametrize(("form", "fault"), PLAIN, ids=str)
def test_an_answer_that_is_none_has_its_kind(behind: Behind, server: FaultServer, form: Form, fault: str) -> None:
    """Whichever way it fails it was asked for once, and what never ends is over at the deadline, in sync code too."""
    ended = behind.outcome(form, fault)
    assert ended.failure is not None
    assert ended.failure.kind is (OF_TEXTS if form in TEXTS else OF_ANY)[fault]
    assert_asked_once(ended, server, fault)


@pytest.mark.parametrize("form", STREAMS, ids=str)
def test_a_whole_stream_passes(behind: Behind, server: FaultServer, form: Form) -> None:
    """Every event leaves, as the client made it."""
    ended, received = behind.streamed(form, "ok")
    assert ended.failure is None
    assert received[-1] in {"ChatCompletionChunk", "ContentDoneEvent"} or "Completed" in received[-1]
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
@pytest.mark.parametrize("form", STREAMS, ids=str)
def test_a_stream_without_text_is_empty_where_its_end_has_none_either(behind: Behind, form: Form) -> None:
    """The last event of a response holds all of its text once more."""
    ended, _ = behind.streamed(form, "role-only")
    kind = ended.failure and ended.failure.kind
    assert kind == (None if "responses" in form.method else FailureKind.EMPTY_OUTPUT)


@pytest.fixture
def client(running: FaultServer) -> Iterator[openai.OpenAI]:
    """One of a test's own."""
    with openai.OpenAI(base_url=running.openai_url, api_key="none") as client:
        yield client


@pytest.mark.usefixtures("server")
def test_tokens_of_an_answer_that_is_none_are_wasted(client: openai.OpenAI) -> None:
    """They were paid for, so they are known also where the SDK's parser raises."""
    ask = component(client.chat.completions.parse)
    ended = outcome(ask, {"model": "truncated", **CHAT_PARSED.asked}, deadline=DEADLINE)
    assert ended.wasted == ended.usage == Usage(8, 1, 0, "truncated")


@pytest.mark.usefixtures("server")
def test_tokens_of_a_stream_are_read(client: openai.OpenAI) -> None:
    """Also where it is no answer; OpenAI's chat tells of them only where `stream_options` asks for it."""
    told = {"stream_options": {"include_usage": True}}
    for form in STREAMS[2], Form(STREAMS[0].method, STREAMS[0].asked | told):
        ask = component(form.of(client))
        (whole, _), (cut, _) = (
            streamed(ask, {"model": fault, **form.asked}, deadline=DEADLINE) for fault in ("ok", "truncated")
        )
        assert (whole.usage, whole.wasted) == (Usage(8, 2, 0, "ok"), None)
        assert cut.wasted == Usage(8, 1, 0, "truncated")
    untold, _ = streamed(component(client.chat.completions.stream), {"model": "ok", **CHAT.asked}, deadline=DEADLINE)
    assert untold.usage is None


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(("fault", "output"), [("truncated", 1), ("content-filter", 0)])
def test_tokens_of_an_answer_that_the_sdk_refuses_to_parse_are_wasted(
    client: openai.OpenAI, fault: str, output: int
) -> None:
    """Without the adapter the SDK's own exception leaves, which carries the answer."""
    ended = outcome(client.chat.completions.parse, {"model": fault, **CHAT_PARSED.asked}, deadline=DEADLINE)
    assert ended.failure is not None
    assert type(ended.failure.exception).__name__.endswith("FinishReasonError")
    carried = fault == "truncated" or not openai.__version__.startswith("2.")  # that of a filter, since version 3
    assert ended.wasted == ended.usage == (Usage(8, output, 0, fault) if carried else None)


def test_a_client_is_as_it_was(client: openai.OpenAI, server: FaultServer) -> None:
    """It still retries, and both send over the same connection."""
    before = dict(vars(client)), dict(vars(client._client))
    ask = component(client.chat.completions.create)
    outcome(ask, {"model": "ok", **CHAT.asked}, deadline=DEADLINE)
    assert {**vars(client), "chat": None} == {**before[0], "chat": None}  # which it makes when it is asked for
    assert vars(client._client)["_transport"] is before[1]["_transport"]
    server.script("m", "429-retry-ms:0.01", "ok")
    client.chat.completions.create(model="m", messages=MESSAGES)
    assert len({request.connection for request in server.requests}) == 1
    assert [request.fault for request in server.requests] == ["ok", "429-retry-ms", "ok"]


def test_a_component_keeps_its_client_alive(server: FaultServer) -> None:
    """A client that nobody holds closes its connections when it is collected."""
    ask = component(openai.OpenAI(base_url=server.openai_url, api_key="none").chat.completions.create)
    assert outcome(ask, {"model": "ok", **CHAT.asked}, deadline=DEADLINE).ok


def test_a_components_retries_are_the_boundarys(client: openai.OpenAI, server: FaultServer) -> None:
    """Three attempts are three requests, not nine."""
    retry = Retry(attempts=3, wait=wait_none())
    ask = component(client.chat.completions.create)
    outcome(ask, {"model": "500", **CHAT.asked}, deadline=DEADLINE, retry=retry)
    assert len(server.requests) == 3


def test_a_pause_that_is_asked_for_holds_for_the_next_call(client: openai.OpenAI, server: FaultServer) -> None:
    """`Retry-After` reaches the cooldown, and the SDK does not sleep on it."""
    with fresh_registry():
        boundary = Boundary("component", deadline=DEADLINE)
        ask = component(client.chat.completions.create)
        first = boundary.outcome(ask, model="429-retry-after:60", messages=MESSAGES)
        second = boundary.outcome(ask, model="ok", messages=MESSAGES)
    assert first.failure is not None
    assert first.failure.retry_after == 60.0
    assert second.failure is not None
    assert second.failure.kind is FailureKind.COOLING_DOWN
    assert len(server.requests) == 1


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("own", [{"timeout": 0.2}, {}], ids=["of the call", "of the client"])
def test_a_callers_shorter_timeout_holds(client: openai.OpenAI, own: dict[str, Any]) -> None:
    """The deadline only ever shortens it."""
    client = client if own else client.with_options(timeout=0.2)
    asked = {"model": "hang-before-headers", **CHAT.asked, **own}
    ended = outcome(component(client.chat.completions.create), asked, deadline=30.0)
    assert ended.elapsed < 5.0
    assert ended.failure is not None
    assert isinstance(ended.failure.exception, openai.APITimeoutError)


@pytest.mark.usefixtures("server")
def test_outside_a_boundary_it_works_as_the_client_does(
    client: openai.OpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    """With the client's own timeout, and one warning."""
    ask = component(client.chat.completions.create)
    with caplog.at_level(logging.WARNING, "aiguard"):
        assert [ask(model="ok", messages=MESSAGES).choices[0].message.content for _ in range(2)] == [ANSWER] * 2
    assert ["outside any boundary" in record.getMessage() for record in caplog.records] == [True]
    with pytest.raises(openai.APITimeoutError):
        ask(model="hang-before-headers", messages=MESSAGES, timeout=0.1)


@pytest.mark.usefixtures("server")
def test_a_component_is_guarded_like_any_function(client: openai.OpenAI) -> None:
    """By the decorator, and inside a function that is."""
    ask = component(client.chat.completions.create)
    with fresh_registry():
        whole = guard("whole", deadline=DEADLINE, output=Verdict)(ask)

        @guard("inside", deadline=DEADLINE, output=Verdict)
        def inside() -> Any:
            return ask(model="ok", messages=MESSAGES)

        assert whole(model="ok", messages=MESSAGES) == inside() == Verdict(fine=True)


@pytest.mark.usefixtures("server")
def test_arguments_that_do_not_fit_are_the_callers_mistake(client: openai.OpenAI) -> None:
    """It keeps the method's signature."""
    ask: Any = component(client.chat.completions.create)
    with fresh_registry(), pytest.raises(TypeError, match="messages"):
        Boundary("component", deadline=DEADLINE).call(ask, model="ok")


@pytest.mark.parametrize("what", [openai.OpenAI, len, "raw", "component", "async component"])
def test_what_is_no_method_of_a_client_is_refused(client: openai.OpenAI, what: Any) -> None:
    """A function, another's method, a method that gives back the raw response, and what is a component already."""
    wrapped: dict[str, Any] = {
        "raw": client.chat.completions.with_raw_response.create,
        "component": component(client.chat.completions.create),
        "async component": component(openai.AsyncOpenAI(api_key="none").chat.completions.create),
    }
    with pytest.raises(TypeError, match="as it is taken from a client of openai"):
        component(wrapped[what] if isinstance(what, str) else what)


def test_a_deadline_client_is_for_whoever_calls_it_otherwise(client: openai.OpenAI, server: FaultServer) -> None:
    """All of a client, with retries 0 and the deadline; without the inspection."""
    held = deadline_client(client)
    assert (held.max_retries, client.max_retries) == (0, 2)

    def first() -> str:
        return str(held.chat.completions.create(model="drip:0.02", messages=MESSAGES))

    ended = outcome(first, {}, deadline=0.3)
    assert ended.failure is not None
    assert isinstance(ended.failure.exception, openai.APITimeoutError)
    assert ended.elapsed < 2.0
    assert len(server.requests) == 1


def test_an_async_component_serves_many_calls_at_once(server: FaultServer) -> None:
    """On one loop, over one pool."""

    async def ask_all() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=server.openai_url, api_key="none") as client:
            ask = component(client.chat.completions.create)
            boundary = Boundary("component", deadline=DEADLINE, output=Verdict)
            return await asyncio.gather(*(boundary.call(ask, model="ok", messages=MESSAGES) for _ in range(20)))

    with fresh_registry():
        answers: list[Any] = asyncio.run(ask_all())
    assert answers == [Verdict(fine=True)] * 20


if TYPE_CHECKING:

    async def types_are_the_clients_own(sync: openai.OpenAI, other: openai.AsyncOpenAI) -> None:
        """Overloads included."""
        ask = component(sync.chat.completions.create)
        assert_type(ask(model="m", messages=[]), ChatCompletion)
        assert_type(ask(model="m", messages=[], stream=True), openai.Stream[ChatCompletionChunk])
        assert_type(await component(other.embeddings.create)(model="m", input=""), CreateEmbeddingResponse)
        assert_type(
            Boundary("b", deadline=1.0).call(component(sync.embeddings.create), model="m", input=""),
            CreateEmbeddingResponse,
        )
