"""Pydantic AI's real models behind a boundary, over real sockets: requests, streams, agents and its own fallbacks."""

from __future__ import annotations

import asyncio
import pickle
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel
from tenacity import wait_none

from aiguard import (
    Boundary,
    BoundaryError,
    Breaker,
    CircuitOpenError,
    ComponentError,
    DeadlineExceededError,
    FailureKind,
    InvalidOutputError,
    PolicyError,
    Retry,
    StreamInterruptedError,
)
from aiguard.testing import FaultServer, fault_server, fresh_registry
from aiguard.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

pytest.importorskip("pydantic_ai.models.openai")

from pydantic_ai import Agent, exceptions
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.openai import OpenAIProvider

from aiguard.integrations import pydantic_ai
from aiguard.integrations.inspection import report

GuardedModel: Any = pydantic_ai.GuardedModel

RETRY = Retry(attempts=3, wait=wait_none())

DEADLINE = 20.0
"""Seconds for whatever is answered at all: the SDKs build their types at the first answer, and machines are busy."""

SHORT = 0.5
"""Seconds for what never ends by itself."""


class Triage(BaseModel):
    """What an agent is asked for."""

    category: str


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Boundaries of a test are unknown outside it."""
    with fresh_registry():
        yield


@pytest.fixture
def server() -> Iterator[FaultServer]:
    """A provider on loopback."""
    with fault_server(answer="All is well") as server:
        yield server


def run(server: FaultServer, use: Callable[[Any], Coroutine[Any, Any, Any]], cls: Any = OpenAIChatModel) -> Any:
    """Run `use` with what makes a model of the provider's."""

    async def within() -> Any:
        async with OpenAIProvider(base_url=server.openai_url, api_key="none") as provider:
            return await use(lambda fault: cls(fault, provider=provider))

    return asyncio.run(within())


def ask(server: FaultServer, boundary: Boundary, fault: str, **settings: Any) -> Any:
    """Return what a guarded model responds, by itself."""
    question = [ModelRequest([UserPromptPart("hi")])]

    async def use(model: Any) -> Any:
        return await GuardedModel(boundary, model(fault)).request(question, settings, ModelRequestParameters())

    return run(server, use)


def refused(server: FaultServer, boundary: Boundary, fault: str, **settings: Any) -> Any:
    """Return the error that a request ends with."""
    with pytest.raises(BoundaryError) as raised:
        ask(server, boundary, fault, **settings)
    return raised.value


def test_the_response_is_pydantic_ais_own_and_its_tokens_are_counted(server: FaultServer) -> None:
    """Nothing is changed on its way; an attempt that failed has used tokens too."""
    answer = ask(server, Boundary("b", deadline=DEADLINE), "ok")
    assert type(answer) is ModelResponse
    assert answer.text == "All is well"
    error = refused(server, Boundary("c", deadline=DEADLINE), "truncated")
    assert error.outcome.attempts[0].usage == Usage(input=8, output=2, cached=0, model="truncated")


def test_a_request_is_sent_once_for_each_attempt(server: FaultServer) -> None:
    """Whatever its own settings ask for."""
    error = refused(server, Boundary("b", deadline=DEADLINE, retry=RETRY), "500", max_retries=5)
    assert error.failure.kind is FailureKind.SERVER_ERROR
    assert len(error.outcome.attempts) == len(server.requests) == 3


@pytest.mark.parametrize(
    ("fault", "kind", "ours", "theirs"),
    [
        ("429-retry-after:7", FailureKind.RATE_LIMITED, ComponentError, exceptions.ModelRateLimitError),
        ("quota", FailureKind.QUOTA_EXHAUSTED, ComponentError, exceptions.ModelQuotaExceededError),
        ("401", FailureKind.AUTH, ComponentError, exceptions.ModelAuthenticationError),
        ("404", FailureKind.NOT_FOUND, ComponentError, exceptions.ModelNotFoundError),
        ("400", FailureKind.BAD_REQUEST, ComponentError, exceptions.ModelRequestRejectedError),
        ("context-length", FailureKind.CONTEXT_LENGTH, ComponentError, exceptions.ModelContextWindowExceededError),
        ("503", FailureKind.OVERLOADED, ComponentError, exceptions.ModelOverloadedError),
        ("500", FailureKind.SERVER_ERROR, ComponentError, exceptions.ModelServerError),
        ("cut-mid-body", FailureKind.CONNECTION, ComponentError, exceptions.ModelConnectionError),
        ("truncated", FailureKind.TRUNCATED, InvalidOutputError, exceptions.ModelAPIError),
        ("content-filter", FailureKind.CONTENT_FILTER, ComponentError, exceptions.ModelAPIError),
    ],
)
def test_an_error_is_the_boundarys_and_pydantic_ais(
    server: FaultServer, fault: str, kind: FailureKind, ours: Any, theirs: Any
) -> None:
    """Either kind of `except` catches it, and it says what it always says."""
    error = refused(server, Boundary("b", deadline=DEADLINE), fault)
    assert isinstance(error, ours)
    assert isinstance(error, theirs)
    assert error.failure.kind is kind
    assert str(error).startswith(f"boundary 'b': {kind}: ")
    assert (error.boundary, error.outcome.failure.kind, error.model_name) == ("b", kind, fault)
    assert (error.__cause__ is None) is (kind in {FailureKind.TRUNCATED, FailureKind.CONTENT_FILTER})
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (ours, str(error))


def test_the_deadline_holds(server: FaultServer) -> None:
    """The server sees its client go."""
    error = refused(server, Boundary("b", deadline=SHORT), "drip:0.1")
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error, exceptions.ModelTimeoutError)
    assert server.wait_for(1, ended=True)[0].left


def test_a_model_has_no_longer_than_it_was_given(server: FaultServer) -> None:
    """Its own timeout holds where it is shorter than the deadline."""
    error = refused(server, Boundary("b", deadline=DEADLINE), "hang-before-headers", timeout=0.1)
    assert error.failure.kind is FailureKind.TIMEOUT
    assert isinstance(error, ComponentError)


def test_pydantic_ais_fallback_goes_on_from_a_boundary(server: FaultServer) -> None:
    """Also where the breaker refuses to ask."""
    boundary = Boundary("b", deadline=DEADLINE, breaker=Breaker(minimum_calls=1))

    async def use(model: Any) -> list[Any]:
        agent = Agent(FallbackModel(GuardedModel(boundary, model("500")), model("ok")))
        return [(await agent.run("hi")).output, (await agent.run("hi")).output]

    assert run(server, use) == ["All is well"] * 2
    assert [request.fault for request in server.requests] == ["500", "ok", "ok"]
    assert isinstance(refused(server, boundary, "500"), CircuitOpenError)


def test_an_agent_is_answered_by_the_ladder(server: FaultServer) -> None:
    """A rung is a response."""
    boundary = Boundary("b", deadline=DEADLINE, fallback=[ModelResponse([TextPart("sorry")])])

    async def use(model: Any) -> Any:
        return (await Agent(GuardedModel(boundary, model("truncated"))).run("hi")).output

    assert run(server, use) == "sorry"


def test_an_agents_output_is_asked_for_again_by_the_agent(server: FaultServer) -> None:
    """Each time is a call of the boundary's."""

    async def use(model: Any) -> Any:
        agent: Any = Agent(GuardedModel(Boundary("b", deadline=DEADLINE), model("ok")), output_type=Triage, retries=1)
        return await agent.run("hi")

    with pytest.raises(exceptions.UnexpectedModelBehavior):
        run(server, use)
    assert len(server.requests) == 2


# --- streams


def stream(server: FaultServer, boundary: Boundary, fault: str, cls: Any = OpenAIChatModel, **settings: Any) -> Any:
    """Return the pieces of text that an agent streams."""

    async def use(model: Any) -> list[str]:
        agent = Agent(GuardedModel(boundary, model(fault)), model_settings=settings or None)
        async with agent.run_stream("hi") as result:
            return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    return run(server, use, cls)


@pytest.mark.parametrize("cls", [OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
def test_a_stream_passes_through(server: FaultServer, cls: Any) -> None:
    """Before the first event a failure is tried again."""
    server.script("m", "503", "ok")
    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough", retry=RETRY)
    assert stream(server, boundary, "m", cls) == ["All ", "is ", "well"]
    assert len(server.requests) == 2


def test_a_stream_is_whole_at_once_without_a_mode(server: FaultServer) -> None:
    """It is asked for as a whole."""
    assert stream(server, Boundary("b", deadline=DEADLINE), "ok") == ["All is well"]
    assert not server.requests[0].body.get("stream")


def test_a_stream_has_pydantic_ais_own_clock_too(server: FaultServer) -> None:
    """`request_timeout` is set on whatever gives the events."""
    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough")
    assert stream(server, boundary, "ok", request_timeout=DEADLINE) == ["All ", "is ", "well"]
    with pytest.raises(exceptions.ModelRequestTimeout):
        stream(server, boundary, "hang-mid-stream", request_timeout=0.2)


@pytest.mark.parametrize("cls", [OpenAIChatModel, OpenAIResponsesModel], ids=["chat", "responses"])
@pytest.mark.parametrize("fault", ["truncated", "no-terminator", "cut-mid-stream"])
def test_a_stream_that_is_no_whole_answer_is_interrupted(server: FaultServer, fault: str, cls: Any) -> None:
    """Pydantic AI says `stop` of one that was cut off."""
    with pytest.raises(StreamInterruptedError) as raised:
        stream(server, Boundary("b", deadline=DEADLINE, stream="passthrough"), fault, cls)
    assert isinstance(raised.value, exceptions.ModelConnectionError)


def test_a_stream_that_is_refused_goes_on_with_the_next_model(server: FaultServer) -> None:
    """Nothing was shown of the first."""
    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough")

    async def use(model: Any) -> list[str]:
        agent = Agent(FallbackModel(GuardedModel(boundary, model("503")), GuardedModel(boundary, model("ok"))))
        async with agent.run_stream("hi") as result:
            return [piece async for piece in result.stream_text(delta=True, debounce_by=None)]

    assert run(server, use) == ["All ", "is ", "well"]


def test_a_stream_is_answered_by_the_ladder(server: FaultServer) -> None:
    """One response is a whole stream, and the same rung answers a request."""
    rung = [ModelResponse([TextPart("sorry")])]
    boundary = Boundary("b", deadline=DEADLINE, stream="passthrough", fallback=[rung])
    assert stream(server, boundary, "503") == ["sorry"]
    assert ask(server, boundary, "503").text == "sorry"


def test_a_streams_tokens_are_counted(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the provider tells them, as OpenAI's Responses API does."""
    seen: list[Any] = []
    monkeypatch.setattr(pydantic_ai, "report", partial(report, tell=seen.append))
    assert stream(server, Boundary("b", deadline=DEADLINE, stream="passthrough"), "ok", OpenAIResponsesModel)
    assert seen == [Usage(input=8, output=3, cached=0, model="ok")]


def test_a_stream_that_is_left_is_ended(server: FaultServer) -> None:
    """The server sees its client go."""

    async def use(model: Any) -> None:
        guarded = GuardedModel(Boundary("b", deadline=DEADLINE, stream="passthrough"), model("endless-stream"))
        async with Agent(guarded).run_stream("hi") as result:
            async for _ in result.stream_text(delta=True, debounce_by=None):
                break
        assert await asyncio.to_thread(server.wait_for, 1, ended=True)

    run(server, use)
    assert server.requests[0].left


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"output": Triage}, "output"),
        ({"stream": "buffer"}, "stream"),
        ({"stream": "passthrough", "on_break": "rung"}, "on_break"),
    ],
)
def test_what_an_agent_cannot_do_with_is_refused(settings: dict[str, Any], name: str) -> None:
    """At declaration."""
    with pytest.raises(PolicyError, match=f"`{name}`"):
        GuardedModel(Boundary("b", deadline=DEADLINE, **settings), "test")
