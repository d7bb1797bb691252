"""The span of a request to Google, with the real SDK and the fault server; and beside others' spans of it."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from itertools import product
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.trace import SpanKind, StatusCode

from aiguard import BoundaryError, Retry, guard
from aiguard.integrations import google as adapter
from aiguard.integrations.google import component
from aiguard.telemetry import genai as spans_of_requests
from aiguard.telemetry import names
from aiguard.telemetry.settings import SETTINGS
from aiguard.testing import FaultServer, fault_server, fresh_registry
from aiguard.usage import Usage
from tests.telemetry.drawn import assert_drawn_once, billed, instrumented

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.telemetry.conftest import Recorded

genai = pytest.importorskip("google.genai")

ASKED: dict[str, Any] = {"model": "ok", "contents": "CANARY-4711"}

OTHERS = {
    "official": ("opentelemetry.instrumentation.google_genai", "GoogleGenAiSdkInstrumentor"),
    "openinference": ("openinference.instrumentation.google_genai", "GoogleGenAIInstrumentor"),
    "openllmetry": ("opentelemetry.instrumentation.google_generativeai", "GoogleGenerativeAiInstrumentor"),
}
"""What draws the same request as others see it: installed by `make test-telemetry`."""

FORMS = ["whole", "streamed"]


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    """One server for all."""
    with fault_server(answer='{"fine": true}') as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> Iterator[FaultServer]:
    """The server, as if it had just been started; boundaries and the choice are a test's own."""
    running.clear()
    spans_of_requests._told.clear()
    before = SETTINGS.genai_spans
    yield running
    SETTINGS.genai_spans = before


def asked(url: str, kind: str, form: str, arguments: dict[str, Any] = ASKED, **settings: Any) -> Any:
    """Ask through a boundary of its own, sync or async, and read a stream to its end; return what it ended as."""
    settings = {"deadline": 20.0, **settings}
    with fresh_registry():
        client = genai.Client(api_key="none", http_options={"base_url": url})
        if kind == "async":
            return asyncio.run(_awaited(client, form, arguments, settings))
        with client:
            if form == "whole":
                return guard("ask", **settings)(component(client.models.generate_content)).outcome(**arguments)
            ask = component(client.models.generate_content_stream)
            events = guard("ask", stream="passthrough", **settings)(ask)(**arguments)
            for _ in events:
                pass
            return events.outcome


async def _awaited(client: Any, form: str, arguments: dict[str, Any], settings: dict[str, Any]) -> Any:
    try:
        if form == "whole":
            return await guard("ask", **settings)(component(client.aio.models.generate_content)).outcome(**arguments)
        ask = component(client.aio.models.generate_content_stream)

        @guard("ask", stream="passthrough", shape="async_generator", **settings)
        async def stream() -> Any:
            return await ask(**arguments)

        events = stream()
        async for _ in events:
            pass
        return events.outcome
    finally:
        await client.aio.aclose()
        client.close()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_request_is_a_span_below_its_attempt(recorded: Recorded, server: FaultServer, kind: str, form: str) -> None:
    """A client's, with what the conventions ask for; no word of what was said."""
    outcome = asked(server.gemini_url, kind, form, owner="team")
    assert outcome.ok
    [span] = billed(recorded)
    assert (span.name, span.kind, span.status.status_code) == ("generate_content ok", SpanKind.CLIENT, StatusCode.UNSET)
    assert recorded.tree["generate_content ok"] == "aiguard.attempt ask"
    said = dict(span.attributes)
    assert said.pop(names.GEN_AI_REQUEST_STREAM, False) is (form == "streamed")
    assert (said.pop(names.GEN_AI_FIRST_CHUNK, 0.0) > 0.0) is (form == "streamed")
    assert said == {
        "aiguard.boundary": "ask",
        "aiguard.owner": "team",
        "gen_ai.operation.name": "generate_content",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "ok",
        "gen_ai.response.finish_reasons": ("STOP",),
        "gen_ai.response.id": "fault",
        "gen_ai.response.model": "ok",
        "gen_ai.usage.input_tokens": outcome.usage.input,
        "gen_ai.usage.output_tokens": outcome.usage.output,
        "server.address": "127.0.0.1",
    }
    assert "CANARY" not in recorded.everything()


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_each_request_of_a_call_is_a_span(recorded: Recorded, server: FaultServer, kind: str) -> None:
    """One that failed has its status code, and no tokens; what was billed is on the one that answered."""
    server.script("m", "503", "ok")
    retry = Retry(attempts=2, wait=lambda _: 0.0)
    assert asked(server.gemini_url, kind, "whole", {**ASKED, "model": "m"}, retry=retry).ok
    failed, good = [span for span in recorded.spans if span.name == "generate_content m"]
    assert (failed.status.description, dict(failed.attributes or {})[names.ERROR_TYPE]) == ("503", "503")
    assert billed(recorded) == [good]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_an_answer_that_is_none_was_billed_all_the_same(
    recorded: Recorded, server: FaultServer, kind: str, form: str
) -> None:
    """The request is no error: the attempt is."""
    if form == "whole":
        assert not asked(server.gemini_url, kind, form, {**ASKED, "model": "truncated"}).ok
    else:
        with pytest.raises(BoundaryError):
            asked(server.gemini_url, kind, form, {**ASKED, "model": "truncated"})
    [span] = billed(recorded)
    assert span.status.status_code is StatusCode.UNSET
    assert span.attributes[names.GEN_AI_FINISH_REASONS] == ("MAX_TOKENS",)
    assert recorded.named("aiguard.attempt ask").status.description == "truncated"


@pytest.mark.parametrize("fault", ["cut-mid-stream", "no-terminator", "503"])
@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_broken_streams_request_ends(recorded: Recorded, server: FaultServer, kind: str, fault: str) -> None:
    """Once; a stream that just stops is no failed request, one that was cut off or never began is."""
    with pytest.raises(BoundaryError):
        asked(server.gemini_url, kind, "streamed", {**ASKED, "model": fault})
    gc.collect()
    status = recorded.named(f"generate_content {fault}").status.status_code
    assert status is (StatusCode.UNSET if fault == "no-terminator" else StatusCode.ERROR)


@pytest.mark.parametrize("pulled", [0, 1])
def test_a_stream_that_nobody_reads_to_its_end_has_one(recorded: Recorded, server: FaultServer, pulled: int) -> None:
    """One of which nothing was asked for was never sent."""
    with genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client:
        with recorded.tracer.start_as_current_span("request"):
            stream = component(client.models.generate_content_stream)(**ASKED)
            for _ in range(pulled):
                next(stream)
            stream.close()
        gc.collect()
    assert recorded.tree == {"request": None} | ({"generate_content ok": "request"} if pulled else {})
    assert len(server.requests) == pulled


def test_what_is_embedded_is_a_request_too(recorded: Recorded, server: FaultServer) -> None:
    """The fault server knows no embeddings of Google's, so this one fails."""
    with fresh_registry(), genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client:
        ask = component(client.models.embed_content)
        assert not guard("ask", deadline=20.0)(ask).outcome(model="e", contents="CANARY-4711").ok
    span = recorded.named("embeddings e")
    assert (span.kind, span.status.description) == (SpanKind.CLIENT, "404")


def test_vertex_is_named_as_such() -> None:
    """By the conventions' word for it."""

    class Api:
        vertexai = True
        _http_options = genai.types.HttpOptions(base_url="https://europe-west1-aiplatform.googleapis.com/")

    told: list[Any] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(adapter, "is_traced", lambda: True)
        patch.setattr(spans_of_requests, "begin", lambda *asked, **_: told.append(asked))
        adapter._begin(Api(), "generate_content", {"model": "m"}, streams=False)
    assert told == [("gcp.vertex_ai", "generate_content", "m", "europe-west1-aiplatform.googleapis.com")]


def test_without_a_tracer_nothing_is_drawn(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The adapter's way is the one that it would be without any of this."""

    def never(*_: Any, **__: Any) -> Any:
        raise AssertionError

    for name in ("sent", "sent_async", "sent_by_first", "drawn"):
        monkeypatch.setattr(adapter, name, never)
    monkeypatch.setattr(spans_of_requests, "begin", never)
    for kind, form in product(["sync", "async"], FORMS):
        assert asked(server.gemini_url, kind, form).ok


# --- an answer that takes several requests


@contextmanager
def calling_a_function() -> Iterator[str]:
    """A server whose model first asks for a function to be called, then answers; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            is_second = b"functionResponse" in body
            part = {"text": "warm"} if is_second else {"functionCall": {"name": "weather", "args": {}}}
            said = {
                "candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}],
                "usageMetadata": {"promptTokenCount": 30 if is_second else 20, "candidatesTokenCount": 3},
                "responseId": "second" if is_second else "first",
                "modelVersion": "m",
            }
            streams = "stream" in self.path
            sent = json.dumps(said).encode()
            sent = b"data: " + sent + b"\r\n\r\n" if streams else sent
            self.send_response(200)
            self.send_header("content-type", "text/event-stream" if streams else "application/json")
            self.send_header("content-length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.usefixtures("server")
def test_each_request_of_one_answer_is_a_span(recorded: Recorded, kind: str, form: str) -> None:
    """With its own tokens; all of them together are the call's."""

    def weather() -> str:
        """Tell the weather."""
        return "sunny"

    asking = {"model": "m", "contents": "How is it?", "config": {"tools": [weather]}}
    with calling_a_function() as url:
        outcome = asked(url, kind, form, asking)
    assert outcome.usage == Usage(50, 6, 0, "m")
    found = [
        (span.attributes[names.GEN_AI_RESPONSE_ID], span.attributes[names.GEN_AI_INPUT_TOKENS])
        for span in billed(recorded)
    ]
    assert found == [("first", 20), ("second", 30)]


# --- beside the real instrumentations of others


@pytest.fixture(params=OTHERS)
def other(request: pytest.FixtureRequest, recorded: Recorded) -> Iterator[str]:
    """Have the same requests drawn by somebody else too."""
    with instrumented(*OTHERS[request.param], recorded):
        yield request.param


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.usefixtures("other")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("how", list(product(["off", "auto", "own"], ["sync", "async"])), ids="-".join)
def test_one_span_has_the_usage_of_each_request(
    recorded: Recorded, server: FaultServer, how: tuple[Any, str], form: str
) -> None:
    """Beside each of them: the other's where it is left to it, aiguard's own where the other was kept quiet."""
    SETTINGS.genai_spans, kind = choice, _ = how
    assert asked(server.gemini_url, kind, form).ok
    assert_drawn_once(recorded, by_aiguard=choice == "own")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_one_that_refuses_the_installed_sdk_leaves_the_span_to_aiguard(
    recorded: Recorded, server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    """The official one says that it instruments google-genai below 3 only, and does nothing unless it is told to."""
    with instrumented(*OTHERS["official"], recorded) as instrumentor:
        instrumentor.uninstrument()
        instrumentor.instrument(tracer_provider=recorded.provider)
        assert "only instruments" in caplog.text
        assert asked(server.gemini_url, "sync", "whole").ok
        assert_drawn_once(recorded, by_aiguard=True)
        instrumentor.instrument(tracer_provider=recorded.provider, skip_dep_check=True)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_choice_is_logged_once(
    recorded: Recorded, server: FaultServer, other: str, caplog: pytest.LogCaptureFixture
) -> None:
    """With whom it is left to."""
    caplog.set_level("INFO", logger="aiguard")
    SETTINGS.genai_spans = "auto"
    for _ in range(3):
        asked(server.gemini_url, "sync", "whole")
    [line] = [record.getMessage() for record in caplog.records if "genai_spans" in record.getMessage()]
    assert line.startswith(f"genai_spans=auto: the spans of requests to providers are drawn by {OTHERS[other][0]}")
    assert recorded.spans
