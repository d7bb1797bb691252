"""The span of a request to a provider, with OpenAI's real SDK and the fault server; and beside others' spans of it."""

from __future__ import annotations

import asyncio
import gc
from contextlib import suppress
from itertools import product
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from aiguard import BoundaryError, Retry, guard
from aiguard.contract.breach import Breach
from aiguard.integrations import inspection
from aiguard.integrations.openai import component
from aiguard.telemetry import genai, names
from aiguard.telemetry.instrumentations import HushedManager
from aiguard.telemetry.settings import SETTINGS
from aiguard.testing import FaultServer, fault_server, fresh_registry
from tests.telemetry.drawn import assert_drawn_once, billed, instrumented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.telemetry.conftest import Recorded

openai = pytest.importorskip("openai")

MESSAGES: Any = [{"role": "user", "content": "CANARY-4711"}]
CHAT = {"model": "ok", "messages": MESSAGES}
STREAMED = {**CHAT, "stream": True, "stream_options": {"include_usage": True}}

OTHERS = {
    "official": "opentelemetry.instrumentation.genai.openai",
    "openinference": "openinference.instrumentation.openai",
    "openllmetry": "opentelemetry.instrumentation.openai",
}
"""What draws the same request as others see it: installed by `make test-telemetry`."""


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    """One server for all."""
    with fault_server(answer='{"fine": true}') as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> Iterator[FaultServer]:
    """The server, as if it had just been started; boundaries and the choice are a test's own."""
    running.clear()
    genai._told.clear()
    before = SETTINGS.genai_spans
    yield running
    SETTINGS.genai_spans = before


def asked(server: FaultServer, method: str, kind: str, arguments: dict[str, Any], **settings: Any) -> Any:
    """Ask through a boundary of its own, sync or async, and read a stream to its end; return what it ended as."""
    with fresh_registry():
        return _asked(server, method, kind, arguments, **settings)


def _asked(server: FaultServer, method: str, kind: str, arguments: dict[str, Any], **settings: Any) -> Any:
    settings = {"deadline": 20.0, **settings}
    url: dict[str, Any] = {"base_url": server.openai_url, "api_key": "none"}
    if kind == "async":
        return asyncio.run(_awaited(url, method, arguments, settings))
    with openai.OpenAI(**url) as client:
        ask = component(attrgetter(method)(client))
        if not arguments.get("stream"):
            return guard("ask", **settings)(ask).outcome(**arguments)

        @guard("ask", stream="passthrough", shape="generator", **settings)
        def stream() -> Any:
            return ask(**arguments)

        events = stream()
        for _ in events:
            pass
        return events.outcome


async def _awaited(url: dict[str, Any], method: str, arguments: dict[str, Any], settings: dict[str, Any]) -> Any:
    async with openai.AsyncOpenAI(**url) as client:
        ask = component(attrgetter(method)(client))
        if not arguments.get("stream"):
            return await guard("ask", **settings)(ask).outcome(**arguments)

        @guard("ask", stream="passthrough", shape="async_generator", **settings)
        async def stream() -> Any:
            return await ask(**arguments)

        events = stream()
        async for _ in events:
            pass
        return events.outcome


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_request_is_a_span_below_its_attempt(recorded: Recorded, server: FaultServer, kind: str) -> None:
    """A client's, with what the conventions ask for, from its start; no word of what was said."""
    outcome = asked(server, "chat.completions.create", kind, CHAT, owner="team")
    assert outcome.ok
    chat = recorded.named("chat ok")
    assert recorded.tree["chat ok"] == "aiguard.attempt ask"
    assert chat.kind is SpanKind.CLIENT
    assert chat.status.status_code is StatusCode.UNSET
    assert dict(chat.attributes or {}) == {
        "aiguard.boundary": "ask",
        "aiguard.owner": "team",
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "ok",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.id": "chatcmpl-fault",
        "gen_ai.response.model": "ok",
        "gen_ai.usage.input_tokens": outcome.usage.input,
        "gen_ai.usage.output_tokens": outcome.usage.output,
        "server.address": "127.0.0.1",
    }
    assert billed(recorded) == [chat]
    assert "CANARY" not in recorded.everything()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_streams_request_lasts_as_long_as_the_stream(recorded: Recorded, server: FaultServer, kind: str) -> None:
    """With the time to its first chunk, once."""
    outcome = asked(server, "chat.completions.create", kind, STREAMED)
    assert outcome.ok
    chat = recorded.named("chat ok")
    said: dict[str, Any] = dict(chat.attributes or {})
    assert said[names.GEN_AI_REQUEST_STREAM] is True
    assert said[names.GEN_AI_FIRST_CHUNK] > 0
    assert said[names.GEN_AI_OUTPUT_TOKENS] == outcome.usage.output
    assert (said[names.GEN_AI_RESPONSE_ID], said[names.GEN_AI_FINISH_REASONS]) == ("chatcmpl-fault", ("stop",))
    attempt = recorded.named("aiguard.attempt ask")
    assert chat.start_time is not None
    assert chat.end_time is not None
    assert attempt.start_time is not None
    assert attempt.start_time <= chat.start_time < chat.end_time


@pytest.mark.parametrize(
    ("method", "arguments", "name"),
    [
        ("responses.create", {"model": "ok", "input": "?"}, "chat ok"),
        ("embeddings.create", {"model": "ok", "input": "?"}, "embeddings ok"),
    ],
)
def test_each_kind_of_request_has_its_operation(
    recorded: Recorded, server: FaultServer, method: str, arguments: dict[str, Any], name: str
) -> None:
    """In the conventions' words."""
    assert asked(server, method, "sync", arguments).ok
    assert recorded.named(name).kind is SpanKind.CLIENT


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("fault", "reason"), [("ok", "completed"), ("truncated", "max_output_tokens")])
def test_a_response_says_its_status_or_why_it_is_incomplete(
    recorded: Recorded, server: FaultServer, fault: str, reason: str, *, stream: bool
) -> None:
    """It has no other word for how it ended."""
    with openai.OpenAI(base_url=server.openai_url, api_key="none") as client, suppress(Breach):
        answer = component(client.responses.create)(model=fault, input="?", stream=stream)
        for _ in answer if stream else ():
            pass
    said: dict[str, Any] = dict(recorded.named(f"chat {fault}").attributes or {})
    assert (said[names.GEN_AI_RESPONSE_ID], said[names.GEN_AI_FINISH_REASONS]) == ("resp_fault", (reason,))


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_each_request_of_a_call_is_a_span(recorded: Recorded, server: FaultServer, kind: str) -> None:
    """One that failed has its status code, and no tokens; what was billed is on the one that answered."""
    server.script("m", "429-retry-ms:0.01", "ok")
    retry = Retry(attempts=2, wait=lambda _: 0.0)
    assert asked(server, "chat.completions.create", kind, {**CHAT, "model": "m"}, retry=retry).ok
    failed, good = [span for span in recorded.spans if span.name == "chat m"]
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.status.description, dict(failed.attributes or {})[names.ERROR_TYPE]) == ("429", "429")
    assert billed(recorded) == [good]


def test_an_answer_that_is_none_was_billed_all_the_same(recorded: Recorded, server: FaultServer) -> None:
    """The request is no error: the attempt is."""
    assert not asked(server, "chat.completions.create", "sync", {**CHAT, "model": "truncated"}).ok
    [chat] = billed(recorded)
    assert chat.status.status_code is StatusCode.UNSET
    assert chat.attributes[names.GEN_AI_FINISH_REASONS] == ("length",)
    assert recorded.named("aiguard.attempt ask").status.description == "truncated"


@pytest.mark.parametrize("fault", ["cut-mid-stream", "no-terminator"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_broken_streams_request_ends(recorded: Recorded, server: FaultServer, kind: str, fault: str) -> None:
    """Once; a stream that just stops is no failed request, one that was cut off is."""
    with pytest.raises(BoundaryError):
        asked(server, "chat.completions.create", kind, {**STREAMED, "model": fault})
    status = recorded.named(f"chat {fault}").status.status_code
    assert status is (StatusCode.ERROR if fault == "cut-mid-stream" else StatusCode.UNSET)


@pytest.mark.parametrize("pulled", [0, 1])
def test_a_stream_that_nobody_reads_has_an_end(recorded: Recorded, server: FaultServer, pulled: int) -> None:
    """Dropped before its first event, or after it."""
    with openai.OpenAI(base_url=server.openai_url, api_key="none") as client:
        ask = component(client.chat.completions.create)
        with recorded.tracer.start_as_current_span("request"), ask(**STREAMED) as stream:
            for _ in range(pulled):
                next(stream)
        del stream
        gc.collect()
    assert recorded.named("chat ok").end_time is not None
    assert recorded.tree["chat ok"] == "request"


HELPERS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("chat.completions.stream", {**CHAT, "stream_options": {"include_usage": True}}),
    "responses": ("responses.stream", {"model": "ok", "input": "?"}),
}


@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_stream_helpers_request_is_a_span(recorded: Recorded, server: FaultServer, kind: str, helper: str) -> None:
    """As one of `create` is; the helper's events leave as the SDK makes them."""
    method, arguments = HELPERS[helper]
    assert helped(server, method, kind, arguments)
    [chat] = billed(recorded)
    assert (chat.name, chat.attributes[names.GEN_AI_REQUEST_STREAM]) == ("chat ok", True)
    assert recorded.tree["chat ok"] == "aiguard.attempt ask"


def helped(server: FaultServer, method: str, kind: str, arguments: dict[str, Any]) -> int:
    """Read a stream by one of the SDK's helpers, inside a boundary; return how many events there were."""

    def sync() -> int:
        with openai.OpenAI(**url) as client, component(attrgetter(method)(client))(**arguments) as events:
            return sum(1 for _ in events)

    async def later() -> int:
        async with openai.AsyncOpenAI(**url) as client, component(attrgetter(method)(client))(**arguments) as events:
            return len([event async for event in events])

    url: dict[str, Any] = {"base_url": server.openai_url, "api_key": "none"}
    with fresh_registry():
        if kind == "sync":
            return guard("ask", deadline=20.0)(sync)()
        return asyncio.run(guard("ask", deadline=20.0)(later)())


def test_off_draws_nothing(recorded: Recorded, server: FaultServer) -> None:
    """The request is somebody else's."""
    SETTINGS.genai_spans = "off"
    assert asked(server, "chat.completions.create", "sync", CHAT).ok
    assert set(recorded.tree) == {"aiguard.call ask", "aiguard.attempt ask"}


@pytest.mark.parametrize("choice", ["auto", "own"])
def test_nothing_is_drawn_inside_anothers_span_of_it(recorded: Recorded, server: FaultServer, choice: Any) -> None:
    """Whoever it is: by what stands on the current span."""
    SETTINGS.genai_spans = choice
    with openai.OpenAI(base_url=server.openai_url, api_key="none") as client:
        ask = component(client.chat.completions.create)
        with recorded.tracer.start_as_current_span("chat x", attributes={names.GEN_AI_OPERATION: "chat"}):
            ask(**CHAT)
    assert list(recorded.tree) == ["chat x"]


def test_without_a_tracer_nothing_is_asked(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter's way is the one that it would be without any of this."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    for name in ("sent", "sent_async", "drawn"):
        monkeypatch.setattr(inspection, name, never)
    monkeypatch.setattr(genai, "begin", never)
    monkeypatch.setattr(genai, "active_instrumentations", never)
    assert asked(server, "chat.completions.create", "sync", CHAT).ok
    assert asked(server, "chat.completions.create", "async", STREAMED).ok


# --- beside the real instrumentations of others


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest, recorded: Recorded) -> Iterator[str]:
    """Have the same requests drawn by somebody else too."""
    with instrumented(OTHERS[request.param], "OpenAIInstrumentor", recorded):
        yield request.param


FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("chat.completions.create", CHAT),
    "streamed": ("chat.completions.create", STREAMED),
    "responses": ("responses.create", {"model": "ok", "input": "?"}),
    "embeddings": ("embeddings.create", {"model": "ok", "input": "?"}),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", list(product(["off", "auto", "own"], ["sync", "async"])), ids="-".join)
def test_one_span_has_the_usage_of_each_request(
    recorded: Recorded, server: FaultServer, how: tuple[Any, str], form: str
) -> None:
    """Beside each of them: the other's where it is left to it, aiguard's own where the other was kept quiet."""
    SETTINGS.genai_spans, kind = choice, _ = how
    method, arguments = FORMS[form]
    assert asked(server, method, kind, arguments).ok
    assert_drawn_once(recorded, by_aiguard=choice == "own")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("helper", HELPERS)
@pytest.mark.parametrize("how", list(product(["off", "auto", "own"], ["sync", "async"])), ids="-".join)
def test_one_span_has_the_usage_of_each_helpers_request(
    recorded: Recorded, server: FaultServer, how: tuple[Any, str], helper: str
) -> None:
    """Though it is sent only when the helper is entered: the other is kept quiet there too."""
    SETTINGS.genai_spans, kind = choice, _ = how
    method, arguments = HELPERS[helper]
    assert helped(server, method, kind, arguments)
    assert_drawn_once(recorded, by_aiguard=choice == "own")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("other", "recorded")
def test_a_hushed_helper_still_has_what_the_sdks_own_has(server: FaultServer) -> None:
    """It stands in for it."""
    SETTINGS.genai_spans = "own"
    with openai.OpenAI(base_url=server.openai_url, api_key="none") as client:
        manager = component(client.responses.stream)(model="ok", input="?")
        assert isinstance(manager, HushedManager)
        assert manager.__exit__(None, None, None) is None
        with pytest.raises(AttributeError, match="no_such_thing"):
            _ = manager.no_such_thing


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_choice_is_logged_once(
    recorded: Recorded, server: FaultServer, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With whom it is left to."""
    caplog.set_level("INFO", logger="aiguard")
    SETTINGS.genai_spans = "auto"
    for _ in range(3):
        asked(server, "chat.completions.create", "sync", CHAT)
    [line] = [record.getMessage() for record in caplog.records if "genai_spans" in record.getMessage()]
    assert line == f"genai_spans=auto: the spans of requests to providers are drawn by {OTHERS[other]}"
    assert recorded.spans
