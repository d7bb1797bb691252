"""Answers of several choices, streams held back whole, and streams without text: of the real clients, over sockets."""

from __future__ import annotations

import json
from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

from aiguard import Boundary, BoundaryError, FailureKind, OutputContract, Rung
from aiguard.integrations import anthropic as of_anthropic
from aiguard.integrations import google as of_google
from aiguard.integrations import openai as of_openai
from aiguard.testing import FaultServer, RawReply, fault_server, fresh_registry
from tests.integrations.components import ANSWER, DEADLINE, Verdict, outcome, streamed

if TYPE_CHECKING:
    from collections.abc import Iterator

MESSAGES: Any = [{"role": "user", "content": "How is it?"}]


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    """One for all."""
    with fault_server() as server:
        yield server


@pytest.fixture
def client(server: FaultServer) -> Iterator[openai.OpenAI]:
    """OpenAI's."""
    with openai.OpenAI(base_url=server.openai_url, api_key="none") as client:
        yield client


@pytest.fixture
def claude(server: FaultServer) -> Iterator[anthropic.Anthropic]:
    """Anthropic's."""
    with anthropic.Anthropic(base_url=server.anthropic_url, api_key="none") as client:
        yield client


@pytest.fixture
def gemini(server: FaultServer) -> Iterator[Any]:
    """Google's, where it is installed."""
    genai = pytest.importorskip("google.genai")
    with genai.Client(api_key="none", http_options={"base_url": server.gemini_url}) as client:
        yield client


def sse(*events: dict[str, Any], end: str = "") -> RawReply:
    """Return a stream of these events; those that have a type are named by it."""
    lines = [
        (f"event: {event['type']}\n" if "type" in event else "") + f"data: {json.dumps(event)}\n\n" for event in events
    ]
    return RawReply(200, "".join(lines) + end, "text/event-stream")


def completion(*choices: dict[str, Any]) -> RawReply:
    """Return a chat completion of several choices."""
    each = [{"index": index, **choice} for index, choice in enumerate(choices)]
    return RawReply(200, {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": each})


def said(text: str | None, reason: str = "stop", **more: Any) -> dict[str, Any]:
    """Return a choice."""
    return {"finish_reason": reason, "message": {"role": "assistant", "content": text, **more}}


def chunks(*choices: dict[str, Any]) -> RawReply:
    """Return a stream of chunks, each of one choice."""
    envelope = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    each = [{**envelope, "choices": [{"index": 0, "finish_reason": None, **one}]} for one in choices]
    return sse(*each, end="data: [DONE]\n\n")


def candidates(*each: dict[str, Any]) -> dict[str, Any]:
    """Return generated content."""
    return {"candidates": [{"index": index, **one} for index, one in enumerate(each)], "modelVersion": "m"}


def parts(*each: dict[str, Any], reason: str | None = "STOP") -> dict[str, Any]:
    """Return a candidate."""
    return {"content": {"role": "model", "parts": list(each)}, "finishReason": reason}


GOOD = said(ANSWER)

SEVERAL = {
    "all well": (completion(GOOD, said("another"), GOOD), None),
    "one cut": (completion(GOOD, said('{"fine"', "length"), GOOD), FailureKind.TRUNCATED),
    "one filtered": (completion(GOOD, GOOD, said(None, "content_filter")), FailureKind.CONTENT_FILTER),
    "one refused": (completion(GOOD, said(None, refusal="No.")), FailureKind.REFUSAL),
    "one empty": (completion(GOOD, said("")), FailureKind.EMPTY_OUTPUT),
    "the first cut": (completion(said('{"fine"', "length"), GOOD), FailureKind.TRUNCATED),
}


@pytest.mark.parametrize("how", SEVERAL)
@pytest.mark.parametrize("adapted", [True, False], ids=["adapted", "with a contract alone"])
def test_of_several_choices_each_has_to_be_an_answer(
    client: openai.OpenAI, server: FaultServer, how: str, *, adapted: bool
) -> None:
    """One bad one among them would be used with the others; a contract is that of the first."""
    reply, kind = SEVERAL[how]
    server.script("m", reply)
    create = client.chat.completions.create
    ask = of_openai.component(create) if adapted else create
    ended = outcome(ask, {"model": "m", "messages": MESSAGES, "n": 3}, output=Verdict, deadline=DEADLINE)
    assert (ended.failure and ended.failure.kind) == kind
    assert ended.value == (None if kind else Verdict(fine=True))


def test_without_a_contract_all_choices_leave(client: openai.OpenAI, server: FaultServer) -> None:
    """In the client's own response."""
    server.script("m", SEVERAL["all well"][0])
    ask = of_openai.component(client.chat.completions.create)
    ended = outcome(ask, {"model": "m", "messages": MESSAGES, "n": 3}, deadline=DEADLINE)
    value: Any = ended.value
    assert [choice.message.content for choice in value.choices] == [ANSWER, "another", ANSWER]


@pytest.mark.parametrize(
    ("second", "kind"),
    [
        (parts({"text": "another"}), None),
        (parts({"text": "anoth"}, reason="MAX_TOKENS"), FailureKind.TRUNCATED),
        (parts({"text": " "}), FailureKind.EMPTY_OUTPUT),
    ],
    ids=["well", "cut", "empty"],
)
def test_of_several_candidates_each_has_to_be_an_answer(
    gemini: Any, server: FaultServer, second: dict[str, Any], kind: FailureKind | None
) -> None:
    """In one piece and as a stream."""
    server.script("m", RawReply(200, candidates(parts({"text": ANSWER}), second)))
    asked = {"model": "m", "contents": "?", "config": {"candidate_count": 2}}
    ended = outcome(of_google.component(gemini.models.generate_content), asked, deadline=DEADLINE)
    assert (ended.failure and ended.failure.kind) == kind
    server.script("m", sse(candidates(parts({"text": ANSWER}), second)))
    ended, _ = streamed(of_google.component(gemini.models.generate_content_stream), asked, deadline=DEADLINE)
    assert (ended.failure and ended.failure.kind) == kind


CALL = {"index": 0, "id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}

STREAMS = {
    "a tool's call": (chunks({"delta": {"tool_calls": [CALL]}}, {"delta": {}, "finish_reason": "tool_calls"}), None),
    "sound": (chunks({"delta": {"audio": {"data": "AA=="}}}, {"delta": {}, "finish_reason": "stop"}), None),
    "thoughts": (
        chunks({"delta": {"reasoning_content": "Hm."}}, {"delta": {"content": ""}, "finish_reason": "stop"}),
        FailureKind.EMPTY_OUTPUT,
    ),
    "white space": (
        chunks({"delta": {"content": " "}}, {"delta": {"content": "\n"}, "finish_reason": "stop"}),
        FailureKind.EMPTY_OUTPUT,
    ),
    "an empty choice": (
        chunks(
            {"delta": {"content": "One."}, "finish_reason": "stop"}, {"index": 1, "delta": {}, "finish_reason": "stop"}
        ),
        FailureKind.EMPTY_OUTPUT,
    ),
    "a choice that is cut": (
        chunks(
            {"delta": {"content": "One."}, "finish_reason": "stop"},
            {"index": 1, "delta": {"content": "Tw"}, "finish_reason": "length"},
        ),
        FailureKind.TRUNCATED,
    ),
}


@pytest.mark.parametrize("how", STREAMS)
@pytest.mark.parametrize("method", ["create", "stream"])
def test_a_stream_of_chunks_without_text_may_be_an_answer(
    client: openai.OpenAI, server: FaultServer, how: str, method: str
) -> None:
    """Where it brings a tool's call or sound; thoughts alone are none."""
    reply, kind = STREAMS[how]
    server.script("m", reply)
    ask = of_openai.component(getattr(client.chat.completions, method))
    asked = {"model": "m", "messages": MESSAGES} | ({"stream": True} if method == "create" else {})
    ended, _ = streamed(ask, asked, deadline=DEADLINE)
    assert (ended.failure and ended.failure.kind) == kind


def events_of(block: dict[str, Any], delta: dict[str, Any], reason: str) -> RawReply:
    """Return a stream of one message of one block."""
    used = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": "1", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": used}
    return sse(
        {"type": "message_start", "message": message | {"stop_reason": None, "stop_sequence": None}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": used},
        {"type": "message_stop"},
    )


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        (
            events_of(
                {"type": "tool_use", "id": "1", "name": "f", "input": {}},
                {"type": "input_json_delta", "partial_json": "{}"},
                "tool_use",
            ),
            None,
        ),
        (
            events_of(
                {"type": "thinking", "thinking": "", "signature": ""},
                {"type": "thinking_delta", "thinking": "Hm."},
                "end_turn",
            ),
            FailureKind.EMPTY_OUTPUT,
        ),
    ],
    ids=["a tool's call", "thoughts"],
)
def test_a_stream_of_messages_without_text_may_be_an_answer(
    claude: anthropic.Anthropic, server: FaultServer, reply: RawReply, kind: FailureKind | None
) -> None:
    """As of OpenAI's."""
    server.script("m", reply)
    asked = {"model": "m", "messages": MESSAGES, "max_tokens": 9}
    ended, _ = streamed(of_anthropic.component(claude.messages.stream), asked, deadline=DEADLINE)
    assert (ended.failure and ended.failure.kind) == kind


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ({"functionCall": {"name": "f", "args": {}}}, None),
        ({"inlineData": {"mimeType": "audio/pcm", "data": "AAAA"}}, None),
        ({"text": "Hm.", "thought": True}, FailureKind.EMPTY_OUTPUT),
    ],
    ids=["a tool's call", "sound", "thoughts"],
)
def test_a_stream_of_generated_content_without_text_may_be_an_answer(
    gemini: Any, server: FaultServer, part: dict[str, Any], kind: FailureKind | None
) -> None:
    """As of OpenAI's."""
    server.script("m", sse(candidates(parts(part, reason=None)), candidates(parts({"text": ""}))))
    ask = of_google.component(gemini.models.generate_content_stream)
    ended, _ = streamed(ask, {"model": "m", "contents": "?"}, deadline=DEADLINE)
    assert (ended.failure and ended.failure.kind) == kind


def whole(ask: Any, model: str, settings: dict[str, Any], **asked: Any) -> Any:
    """Return what a stream that is held back ends as, its events given to the boundary."""

    def events() -> Iterator[Any]:
        stream = ask(model=model, **asked)
        with stream if hasattr(stream, "__enter__") else nullcontext(stream) as entered:
            yield from entered

    with fresh_registry(), suppress(BoundaryError):
        guarded = Boundary("whole", stream="buffer", isolation="inline", deadline=DEADLINE, **settings).stream(events)
        assert not any(isinstance(event, str) for event in guarded)
    return guarded.outcome


@pytest.mark.parametrize("adapted", [True, False], ids=["adapted", "with a contract alone"])
def test_the_contract_of_a_whole_stream_is_that_of_its_text(
    client: openai.OpenAI, claude: anthropic.Anthropic, server: FaultServer, *, adapted: bool
) -> None:
    """Its events leave as they came, and only where they are a whole answer."""
    server.clear()
    server.answer = ANSWER
    streams = (
        (of_openai, client.chat.completions.create, {"messages": MESSAGES, "stream": True}),
        (of_openai, client.chat.completions.stream, {"messages": MESSAGES}),
        (of_openai, client.responses.create, {"input": "?", "stream": True}),
        (of_anthropic, claude.messages.stream, {"messages": MESSAGES, "max_tokens": 9}),
    )
    for adapter, method, asked in streams:
        ask = adapter.component(method) if adapted else method
        assert whole(ask, "ok", {"output": Verdict}, **asked).ok
        for fault, kind in {"garbage": FailureKind.MALFORMED_OUTPUT, "refusal": FailureKind.REFUSAL}.items():
            assert whole(ask, fault, {"output": Verdict}, **asked).failure.kind is kind
        # cut text is text
        assert whole(ask, "truncated", {"output": str}, **asked).failure.kind is FailureKind.TRUNCATED
        endless = whole(ask, "endless-stream:0", {"output": OutputContract(str, max_bytes=100)}, **asked)
        assert endless.failure.kind is FailureKind.OUTPUT_TOO_LARGE


def test_a_rungs_whole_stream_is_judged_so_too(client: openai.OpenAI, server: FaultServer) -> None:
    """Another model's, for example."""
    server.clear()
    server.answer = ANSWER
    ask = of_openai.component(client.chat.completions.create)

    def smaller() -> Any:
        yield from ask(model="ok", messages=MESSAGES, stream=True)

    settings = {"output": Verdict, "fallback": [Rung(smaller, ai=True)]}
    ended = whole(ask, "truncated", settings, messages=MESSAGES, stream=True)
    assert (ended.source, ended.value) == ("fallback", Verdict(fine=True))
