"""LangChain's real models behind a boundary, over real sockets: sync, async and streamed, in chains and in an agent."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from pydantic import BaseModel
from tenacity import wait_none

from aiguard import Boundary, BoundaryError, DeadlineExceededError, FailureKind, PolicyError, Retry, Rung
from aiguard.propagation import HEADER
from aiguard.testing import FaultServer, fault_server, fresh_registry
from aiguard.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("langchain_openai")

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda
from langchain_openai import ChatOpenAI

from aiguard.integrations import langchain

guarded: Any = langchain.guarded  # generic in types that are not there when types are checked

RETRY = Retry(attempts=3, wait=wait_none())

DEADLINE = 20.0
"""Seconds for whatever is answered at all: the SDKs build their types at the first answer, and machines are busy."""

SHORT = 0.5
"""Seconds for what never ends by itself."""


class Triage(BaseModel):
    """What the model is asked for."""

    category: str


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Boundaries of a test are unknown outside it."""
    with fresh_registry():
        yield


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A provider on loopback."""
    with fault_server(answer='{"category": "billing"}') as server:
        yield server


def model(server: FaultServer, fault: str = "ok", **settings: Any) -> Any:
    """Return a chat model with the SDK's own retries, whose connections end with their answers."""
    limits = httpx2.Limits(max_keepalive_connections=0)
    return ChatOpenAI(
        model=fault,
        base_url=server.openai_url,
        api_key="none",
        http_client=httpx2.Client(limits=limits),
        http_async_client=httpx2.AsyncClient(limits=limits),
        **settings,
    )


def outcome(boundary: Boundary, runnable: Any, way: str) -> Any:
    """Return the outcome of one question, sync or async."""
    ask = guarded(boundary, runnable)
    return ask.outcome("hi") if way == "sync" else asyncio.run(ask.aoutcome("hi"))


@pytest.fixture(params=["sync", "async"])
def way(request: pytest.FixtureRequest) -> str:
    """Each way of asking in turn."""
    return str(request.param)


def test_the_answer_is_the_models_own_and_its_tokens_are_counted(server: FaultServer, way: str) -> None:
    """Without a contract a message leaves as it came."""
    found = outcome(Boundary("b", deadline=DEADLINE), model(server), way)
    assert type(found.value) is AIMessage
    assert found.value.text == server.answer
    assert found.attempts[0].usage == Usage(input=8, output=2, cached=0, model="ok")


def test_a_request_is_sent_once_for_each_attempt(server: FaultServer, way: str) -> None:
    """The SDK's two retries would make nine of three."""
    found = outcome(Boundary("b", deadline=DEADLINE, retry=RETRY), model(server, "500"), way)
    assert found.failure.kind is FailureKind.SERVER_ERROR
    assert len(found.attempts) == len(server.requests) == 3


def test_the_model_that_was_given_is_not_changed(server: FaultServer) -> None:
    """Elsewhere it goes on as it was."""
    own = model(server, max_retries=5)
    client, root = own.client, own.root_client
    guarded(Boundary("b", deadline=DEADLINE), own)
    assert own.max_retries == own.root_client.max_retries == 5
    assert (own.client, own.root_client) == (client, root)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("429-retry-after:7", FailureKind.RATE_LIMITED),
        ("401", FailureKind.AUTH),
        ("404", FailureKind.NOT_FOUND),
        ("503", FailureKind.OVERLOADED),
        ("cut-mid-body", FailureKind.CONNECTION),
        ("truncated", FailureKind.TRUNCATED),
        ("refusal", FailureKind.REFUSAL),
        ("content-filter", FailureKind.CONTENT_FILTER),
        ("empty", FailureKind.EMPTY_OUTPUT),
    ],
)
def test_a_failure_has_its_kind(server: FaultServer, way: str, fault: str, kind: FailureKind) -> None:
    """Raised by the SDK, or arrived as an answer that is none."""
    assert outcome(Boundary("b", deadline=DEADLINE), model(server, fault), way).failure.kind is kind


@pytest.mark.parametrize("fault", ["hang-before-headers", "hang-mid-body", "drip:0.1"])
def test_the_deadline_holds_and_the_thread_ends(server: FaultServer, fault: str) -> None:
    """A body that dribbles on past it too, which the SDK's own timeout does not end."""
    boundary = Boundary("b", deadline=SHORT)
    found = guarded(boundary, model(server, fault)).outcome("hi")
    assert found.failure.kind is FailureKind.TIMEOUT
    assert found.elapsed < SHORT + 1.0
    (request,) = server.wait_for(1, ended=True)
    assert 0 < int(request.headers[HEADER.lower()]) <= SHORT * 1000
    assert request.left
    until = time.monotonic() + 5.0
    while boundary.abandoned and time.monotonic() < until:
        time.sleep(0.01)
    assert boundary.abandoned == 0


def test_the_deadline_cancels_an_async_request(server: FaultServer) -> None:
    """The server sees its client go."""
    with pytest.raises((DeadlineExceededError, BoundaryError)) as raised:
        asyncio.run(guarded(Boundary("b", deadline=SHORT), model(server, "hang-mid-body")).ainvoke("hi"))
    assert raised.value.failure.kind is FailureKind.TIMEOUT
    assert server.wait_for(1, ended=True)[0].left


def test_what_a_model_says_is_held_to_the_contract(server: FaultServer, way: str) -> None:
    """An answer that breaks it goes to the ladder, which takes what the runnable takes."""
    asked: list[Any] = []

    def rules(ticket: str) -> Triage:
        asked.append(ticket)
        return Triage(category="other")

    boundary = Boundary("b", deadline=DEADLINE, output=Triage, fallback=[rules])
    assert outcome(boundary, model(server), way).value == Triage(category="billing")
    found = outcome(boundary, model(server, "truncated"), way)
    assert (found.value, found.failure.kind, asked) == (Triage(category="other"), FailureKind.TRUNCATED, ["hi"])
    assert found.attempts[0].usage.output == 1


def test_another_model_is_a_rung(server: FaultServer) -> None:
    """Guarded by a boundary of its own, it takes the same question."""
    small = guarded(Boundary("small", deadline=DEADLINE), model(server))
    boundary = Boundary("b", deadline=DEADLINE, fallback=[Rung(small.invoke, ai=True, name="small")])
    found = guarded(boundary, model(server, "503")).outcome("hi")
    assert (found.value.text, found.rung) == (server.answer, "small")


STRUCTURED: list[dict[str, Any]] = [{}, {"include_raw": True}, {"method": "json_mode"}]


@pytest.mark.parametrize("settings", STRUCTURED, ids=str)
def test_structured_output_is_guarded_around_its_parser(server: FaultServer, settings: dict[str, Any]) -> None:
    """The type is the one asked for, tokens are counted, and retries stay off inside the chain."""
    boundary = Boundary("b", deadline=DEADLINE, retry=RETRY)
    found = guarded(boundary, model(server).with_structured_output(Triage, **settings)).outcome("hi")
    value = found.value["parsed"] if "include_raw" in settings else found.value
    assert value == Triage(category="billing")
    assert found.attempts[0].usage.total == 10
    server.clear()
    guarded(boundary, model(server, "500").with_structured_output(Triage, **settings)).outcome("hi")
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "settings", "kind"),
    [
        ("truncated", {}, FailureKind.TRUNCATED),
        ("truncated", {"method": "json_mode"}, FailureKind.TRUNCATED),
        ("truncated", {"method": "function_calling"}, FailureKind.TRUNCATED),
        ("refusal", {"include_raw": True}, FailureKind.REFUSAL),
        ("garbage", {}, FailureKind.MALFORMED_OUTPUT),
        ("garbage", {"method": "function_calling"}, FailureKind.SCHEMA_VIOLATION),
        ("garbage", {"method": "json_mode", "include_raw": True}, FailureKind.SCHEMA_VIOLATION),
    ],
)
def test_structured_output_that_is_none_fails(
    server: FaultServer, fault: str, settings: dict[str, Any], kind: FailureKind
) -> None:
    """Also where LangChain would return `None`, or an error in a dict."""
    runnable = model(server, fault).with_structured_output(Triage, **settings)
    assert guarded(Boundary("b", deadline=DEADLINE), runnable).outcome("hi").failure.kind is kind


def test_it_is_a_runnable_in_a_chain(server: FaultServer) -> None:
    """Composed, bound and batched as the model would be."""
    ask = guarded(Boundary("b", deadline=DEADLINE), model(server))
    chain = ChatPromptTemplate.from_template("Triage {ticket}") | ask.bind(temperature=0.5) | StrOutputParser()
    assert chain.batch([{"ticket": "a"}, {"ticket": "b"}]) == [server.answer] * 2
    assert {request.body["temperature"] for request in server.requests} == {0.5}
    assert list(chain.stream({"ticket": "a"})) == [server.answer]


# --- streams


async def _pieces(runnable: Any) -> list[Any]:
    return [piece async for piece in runnable.astream("hi")]


def pieces(runnable: Any, way: str) -> list[Any]:
    """Return what a runnable streams."""
    return list(runnable.stream("hi")) if way == "sync" else asyncio.run(_pieces(runnable))


def test_a_stream_passes_through(server: FaultServer, way: str) -> None:
    """Chunks are LangChain's own; before the first of them a failure is tried again."""
    server.script("m", "503", "ok")
    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough", retry=RETRY)
    found = pieces(guarded(boundary, model(server, "m")), way)
    assert {type(piece) for piece in found} == {AIMessageChunk}
    assert "".join(piece.text for piece in found) == server.answer
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", ["truncated", "no-terminator", "cut-mid-stream"])
def test_a_stream_that_is_no_whole_answer_is_interrupted(server: FaultServer, way: str, fault: str) -> None:
    """A loop over the model would just end, except for the last of them."""
    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough")
    with pytest.raises(BoundaryError) as raised:
        pieces(guarded(boundary, model(server, fault)), way)
    assert raised.value.failure.kind is FailureKind.STREAM_INTERRUPTED


@pytest.mark.parametrize("responses", [False, True], ids=["chat", "responses"])
def test_a_held_back_stream_is_judged_as_a_whole(server: FaultServer, way: str, responses: bool) -> None:  # noqa: FBT001 - a case
    """Its text is the contract's to judge, and what was cut goes to the ladder."""
    boundary = Boundary(
        "b", deadline=DEADLINE, stream="buffer", output=Triage, fallback=[['{"category": ', '"other"}']]
    )
    asked = guarded(boundary, model(server, use_responses_api=responses))
    assert "".join(pieces(asked, way)) == server.answer
    cut = guarded(boundary, model(server, "truncated", use_responses_api=responses))
    assert "".join(pieces(cut, way)) == '{"category": "other"}'


def test_without_a_stream_mode_the_whole_comes_at_once(server: FaultServer, way: str) -> None:
    """It was checked as a whole."""
    (piece,) = pieces(guarded(Boundary("b", deadline=DEADLINE), model(server)), way)
    assert piece.text == server.answer


def test_what_is_no_stream_is_refused_where_the_boundary_is_one_for_streams(server: FaultServer) -> None:
    """With what to do instead."""
    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough")
    with pytest.raises(PolicyError, match="`invoke` and `outcome` behind one without"):
        guarded(boundary, model(server)).invoke("hi")


def test_a_stream_that_is_left_is_ended(server: FaultServer) -> None:
    """The server sees its client go."""

    async def first() -> None:
        stream = guarded(boundary, model(server, "endless-stream")).astream("hi")
        async for _ in stream:
            break
        await stream.aclose()

    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough")
    asyncio.run(first())
    assert server.wait_for(1, ended=True)[0].left


# --- what is logged


def warnings_of(caplog: pytest.LogCaptureFixture, runnable: Any) -> list[str]:
    """Return what is logged while a runnable is put behind a boundary."""
    with caplog.at_level(logging.WARNING, "aiguard"):
        guarded(Boundary("b", deadline=DEADLINE, retry=Retry(attempts=3)), runnable)
    return [record.getMessage() for record in caplog.records]


def test_retries_of_langchains_are_named(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    """With what they multiply."""
    (told,) = warnings_of(caplog, model(server).with_retry(stop_after_attempt=4))
    assert "'b'" in told
    assert "with_retry" in told
    assert "up to 4 times, in each of up to 3 attempts" in told


def test_fallbacks_of_langchains_are_named(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    """The ladder is the boundary's."""
    (told,) = warnings_of(caplog, model(server).with_fallbacks([model(server)]))
    assert "with_fallbacks inside it asks up to 2 models" in told


def test_fallbacks_around_a_parser_are_nobodys_concern(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    """They send nothing."""
    assert warnings_of(caplog, model(server).with_structured_output(Triage, include_raw=True)) == []


def test_a_model_that_keeps_its_retries_is_named(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    """It cannot be copied with another client: the one it has is used."""

    class Fixed(ChatOpenAI):  # type: ignore[misc] # LangChain is not there when types are checked
        def model_copy(self, **_: Any) -> Any:
            raise NotImplementedError

    (told,) = warnings_of(caplog, Fixed(model="ok", base_url=server.openai_url, api_key="none"))
    assert "Fixed keeps its own retries" in told


def test_what_calls_a_model_out_of_sight_is_guarded_too(server: FaultServer) -> None:
    """Nothing is known of a function."""
    ask = guarded(Boundary("b", deadline=DEADLINE), RunnableLambda(lambda question: model(server).invoke(question)))
    assert ask.invoke("hi").text == server.answer


def test_anthropics_models_are_as_openais(server: FaultServer) -> None:
    """Their clients are made on first use."""
    chat = pytest.importorskip("langchain_anthropic").ChatAnthropic

    def asked(fault: str, **settings: Any) -> Any:
        own = chat(model=fault, base_url=server.anthropic_url, api_key="none")
        return outcome(Boundary(f"b-{fault.partition(':')[0]}", **settings), own, "sync")

    assert asked("ok", deadline=DEADLINE).attempts[0].usage.output == 2
    server.clear()
    assert asked("503", deadline=DEADLINE, retry=RETRY).failure.kind is FailureKind.OVERLOADED
    assert len(server.requests) == 3
    assert asked("drip:0.1", deadline=SHORT).failure.kind is FailureKind.TIMEOUT
    assert asked("truncated", deadline=DEADLINE).failure.kind is FailureKind.TRUNCATED


# --- in an agent


@pytest.fixture
def agent(server: FaultServer) -> Any:
    """Return what makes an agent whose model calls go through a boundary."""
    create = pytest.importorskip("langchain.agents").create_agent

    def weather(city: str) -> str:
        """Tell the weather."""
        return f"sunny in {city}"

    def make(fault: str, **settings: Any) -> Any:
        from aiguard.integrations.langchain_agent import GuardedModelCalls  # noqa: PLC0415 - there only with LangChain

        boundary = Boundary("calls", **{"deadline": DEADLINE} | settings)
        return create(model(server, fault), [weather], middleware=[GuardedModelCalls(boundary)])

    return make


def ask_agent(agent: Any, way: str) -> Any:
    """Return an agent's last message."""
    question = {"messages": [{"role": "user", "content": "hi"}]}
    answer = agent.invoke(question) if way == "sync" else asyncio.run(agent.ainvoke(question))
    return answer["messages"][-1]


def test_an_agents_model_calls_are_tried_by_the_boundary_alone(server: FaultServer, agent: Any, way: str) -> None:
    """A request for each attempt, and the message is LangChain's own."""
    server.script("m", "503", "500", "ok")
    answer = ask_agent(agent("m", retry=RETRY), way)
    assert (type(answer), answer.text) == (AIMessage, server.answer)
    assert len(server.requests) == 3


def test_an_agents_answer_that_is_none_goes_to_the_ladder(agent: Any, way: str) -> None:
    """A rung is a message."""
    assert ask_agent(agent("truncated", fallback=[AIMessage("sorry")]), way).text == "sorry"


def test_an_agents_model_calls_end_at_the_deadline(agent: Any, way: str) -> None:
    """The agent ends with the boundary's error."""
    with pytest.raises(BoundaryError) as raised:
        ask_agent(agent("drip:0.1", deadline=SHORT), way)
    assert raised.value.failure.kind is FailureKind.TIMEOUT


def test_a_contract_for_an_agents_model_calls_is_refused(agent: Any) -> None:
    """Most of them answer with calls of tools."""
    with pytest.raises(PolicyError, match="around the agent"):
        agent("ok", output=Triage)
