"""The events of a client's stream: whether it came to its end, how, and what it used."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import TypeAdapter

from aiguard import deadline
from aiguard.clock import SystemClock
from aiguard.contract import Breach, Watch
from aiguard.events import Run
from aiguard.failure import FailureKind as Kind
from aiguard.usage import Usage, total_of


def _like(module: str, name: str, **attributes: Any) -> Any:
    return type(name, (SimpleNamespace,), {"__module__": module})(**attributes)


def ended(*events: object) -> tuple[Kind | None, Usage | None]:
    """Watch a stream to its end: the kind it failed as, and what it used, which it has reported too."""
    run = Run()
    token = deadline.publish((0.0, SystemClock(), run))
    try:
        watch = Watch()
        for event in events:
            watch.see(event)
    finally:
        deadline.withdraw(token)
    assert total_of(run.used) == watch.usage
    try:
        watch.ended()
    except Breach as caught:
        breach = caught
    else:
        return None, watch.usage
    assert "secret" not in str(breach)
    return breach.kind, watch.usage


def chunk(finish_reason: str | None = None, *, index: int = 0, usage: Any = None, **delta: Any) -> Any:
    """Build a chunk of a chat completion of the SDK's own type."""
    types = pytest.importorskip("openai.types.chat")
    choice = {"index": index, "finish_reason": finish_reason, "delta": {"content": "secret", **delta}}
    return types.ChatCompletionChunk.construct(
        id="1", object="chat.completion.chunk", created=1, model="m", choices=[choice], usage=usage
    )


def last_chunk(**usage: int) -> Any:
    """Build the chunk without a choice that `include_usage` asks for."""
    return chunk(usage=usage).model_copy(update={"choices": []})


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        (lambda: (chunk(), chunk("stop")), None),
        (lambda: (chunk(), chunk("tool_calls")), None),
        (lambda: (chunk(), chunk("stop"), last_chunk(prompt_tokens=1)), None),
        (lambda: (chunk(), chunk()), Kind.STREAM_INTERRUPTED),
        (lambda: (last_chunk(),), Kind.STREAM_INTERRUPTED),
        (lambda: (chunk(), chunk(index=1), chunk("stop", index=1)), Kind.STREAM_INTERRUPTED),
        (lambda: (chunk(), chunk(index=1), chunk("stop", index=1), chunk("stop")), None),
        (lambda: (chunk("stop"), chunk()), None),
        (lambda: (chunk(), chunk("length")), Kind.TRUNCATED),
        (lambda: (chunk(), chunk("content_filter")), Kind.CONTENT_FILTER),
        (lambda: (chunk(refusal="secret"), chunk("stop")), Kind.REFUSAL),
        (lambda: (chunk("error"),), Kind.PROVIDER_FAILED),
        (lambda: (chunk("stop"), chunk("length", index=1)), Kind.TRUNCATED),
        (lambda: (chunk(content=None), chunk("stop", content=" \n")), Kind.EMPTY_OUTPUT),
        (lambda: (chunk(content="", reasoning_content="secret"), chunk("stop", content="")), Kind.EMPTY_OUTPUT),
        (lambda: (chunk("stop"), chunk("stop", index=1, content="")), Kind.EMPTY_OUTPUT),
        (lambda: (chunk(content=None, tool_calls=[{"index": 0}]), chunk("tool_calls", content=None)), None),
        (lambda: (chunk("tool_calls", content=None),), None),
        (lambda: (chunk(content=None, function_call={"name": "f"}), chunk("stop", content=None)), None),
        (lambda: (chunk(content=None, audio={"id": "1", "data": "secret"}), chunk("stop", content=None)), None),
        (lambda: (chunk(content=None, images=[{"image_url": {}}]), chunk("stop", content=None)), None),
        (lambda: (chunk(content=""), object(), chunk("stop", content="")), None),
    ],
    ids=range(22),
)
def test_a_stream_of_chat_chunks_is_over_with_its_finish_reason(events: Any, kind: Kind | None) -> None:
    """That of every choice, each of which holds something; the loop alone ends either way."""
    assert ended(*events())[0] == kind


def test_what_a_chat_stream_reports_at_its_end_is_its_usage() -> None:
    """Where a server repeats it in every chunk, it is counted once."""
    last = last_chunk(prompt_tokens=5, completion_tokens=7)
    assert ended(chunk(), chunk("stop"), last) == (None, Usage(5, 7, 0, "m"))
    repeated = [chunk(usage={"prompt_tokens": 5, "completion_tokens": count}) for count in (1, 2, 3)]
    assert ended(*repeated) == (Kind.STREAM_INTERRUPTED, Usage(5, 3, 0, "m"))


def test_somebody_else_may_be_told_of_usage() -> None:
    """Who watches what is watched already tells nobody, or it would be counted twice."""
    run = Run()
    token = deadline.publish((0.0, SystemClock(), run))
    try:
        heard: list[Usage] = []
        watch = Watch(heard.append)
        watch.see(last_chunk(prompt_tokens=5, completion_tokens=7))
    finally:
        deadline.withdraw(token)
    assert (heard, watch.usage, run.used) == ([Usage(5, 7, 0, "m")], Usage(5, 7, 0, "m"), None)


def test_the_stream_helper_of_openai_wraps_its_chunks() -> None:
    """It puts events of its own around and between them."""
    helper = "openai.lib.streaming.chat._events"
    delta = _like(helper, "ContentDeltaEvent", type="content.delta", delta="secret")
    events = [_like(helper, "ChunkEvent", type="chunk", chunk=chunk(word)) for word in (None, "stop")]
    assert ended(events[0], delta, events[1]) == (None, None)
    assert ended(events[0], delta)[0] == Kind.STREAM_INTERRUPTED


def response_event(name: str, **response: Any) -> Any:
    """Build an event of a stream of the responses API."""
    types = pytest.importorskip("openai.types.responses")
    part = {"type": "output_text", "text": "secret", "annotations": []}
    message = {"id": "1", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    built = types.Response.construct(
        **{"id": "1", "created_at": 1, "model": "m", "output": [message], "status": "completed", **response}
    )
    words = "".join(word.title() for word in name.replace(".", "_").split("_"))
    return getattr(types, f"{words}Event").construct(type=name, response=built, sequence_number=0)


USED = {"input_tokens": 3, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 1}}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        (lambda: [response_event("response.completed", usage=USED)], (None, Usage(3, 4, 1, "m"))),
        (list, (Kind.STREAM_INTERRUPTED, None)),
        (
            lambda: [
                response_event(
                    "response.incomplete",
                    status="incomplete",
                    incomplete_details={"reason": "max_output_tokens"},
                    usage=USED,
                )
            ],
            (Kind.TRUNCATED, Usage(3, 4, 1, "m")),
        ),
        (lambda: [response_event("response.failed", status="failed")], (Kind.PROVIDER_FAILED, None)),
        (
            lambda: [_like("openai.types.responses", "ResponseErrorEvent", type="error", message="secret")],
            (Kind.PROVIDER_FAILED, None),
        ),
    ],
    ids=range(5),
)
def test_a_stream_of_responses_ends_with_the_event_that_says_so(events: Any, expected: Any) -> None:
    """That event holds the whole response, and what it used."""
    assert ended(response_event("response.created", status="in_progress"), *events()) == expected


def anthropic_events(stop_reason: str | None = "end_turn") -> list[Any]:
    """Build a stream of messages, whole."""
    types: Any = pytest.importorskip("anthropic.types")
    message = types.Message.construct(
        id="1", model="m", content=[], stop_reason=None, usage=types.Usage(input_tokens=9, output_tokens=1)
    )
    delta = types.raw_message_delta_event.Delta.construct(stop_reason=stop_reason)
    used = types.MessageDeltaUsage.construct(output_tokens=12)
    delta_of_text = types.TextDelta.construct(type="text_delta", text="secret")
    return [
        types.RawMessageStartEvent.construct(type="message_start", message=message),
        types.RawContentBlockDeltaEvent.construct(type="content_block_delta", index=0, delta=delta_of_text),
        _like("anthropic.lib.streaming", "TextEvent", type="text", text="secret"),
        types.RawMessageDeltaEvent.construct(type="message_delta", delta=delta, usage=used),
        types.RawMessageStopEvent.construct(type="message_stop"),
    ]


@pytest.mark.parametrize(
    ("stop_reason", "count", "kind", "output"),
    [
        ("end_turn", 5, None, 12),
        ("tool_use", 5, None, 12),
        ("end_turn", 4, Kind.STREAM_INTERRUPTED, 12),
        ("end_turn", 3, Kind.STREAM_INTERRUPTED, 1),
        ("max_tokens", 5, Kind.TRUNCATED, 12),
        ("refusal", 5, Kind.REFUSAL, 12),
    ],
)
def test_a_stream_of_messages_ends_with_message_stop(
    stop_reason: str, count: int, kind: Kind | None, output: int
) -> None:
    """What it was sent is known from its first event on."""
    assert ended(*anthropic_events(stop_reason)[:count]) == (kind, Usage(9, output, 0, "m"))


def block_events(block: dict[str, Any], delta: dict[str, Any]) -> list[Any]:
    """Build the events of one block of a message."""
    types: Any = pytest.importorskip("anthropic.types")
    adapter: Any = TypeAdapter(types.RawMessageStreamEvent)
    return [
        adapter.validate_python({"type": "content_block_start", "index": 0, "content_block": block}),
        adapter.validate_python({"type": "content_block_delta", "index": 0, "delta": delta}),
    ]


TOOL_USE = {"type": "tool_use", "id": "1", "name": "f", "input": {}}


@pytest.mark.parametrize(
    ("block", "delta", "kind"),
    [
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": "secret"}, None),
        ({"type": "text", "text": ""}, {"type": "text_delta", "text": " \n"}, Kind.EMPTY_OUTPUT),
        (TOOL_USE, {"type": "input_json_delta", "partial_json": ""}, None),
        (
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "secret"},
            Kind.EMPTY_OUTPUT,
        ),
    ],
    ids=["text", "white space", "a tool's call", "thoughts"],
)
def test_a_stream_of_messages_holds_more_than_thoughts(
    block: dict[str, Any], delta: dict[str, Any], kind: Kind | None
) -> None:
    """A tool's call is an answer without any text."""
    begin, _, _, *end = anthropic_events()
    assert ended(begin, *block_events(block, delta), *end)[0] == kind


ITEM = {"type": "response.output_item.added", "output_index": 0, "sequence_number": 1}
DELTA = {"item_id": "1", "output_index": 0, "content_index": 0, "sequence_number": 1}
CALL = {"type": "function_call", "id": "1", "call_id": "1", "name": "f", "arguments": ""}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"type": "response.output_text.delta", "delta": "secret", "logprobs": [], **DELTA}, None),
        ({"type": "response.output_text.delta", "delta": " ", "logprobs": [], **DELTA}, Kind.EMPTY_OUTPUT),
        ({"type": "response.audio.delta", "delta": "c2VjcmV0", "sequence_number": 1}, None),
        ({"type": "response.reasoning_text.delta", "delta": "secret", **DELTA}, Kind.EMPTY_OUTPUT),
        ({**ITEM, "item": CALL}, None),
        ({**ITEM, "item": {"type": "reasoning", "id": "1", "summary": []}}, Kind.EMPTY_OUTPUT),
    ],
    ids=["text", "white space", "sound", "thoughts", "a tool's call", "an item of thoughts"],
)
def test_a_stream_of_responses_holds_more_than_thoughts(event: dict[str, Any], kind: Kind | None) -> None:
    """Also where the event that ends it does not say so again."""
    types: Any = pytest.importorskip("openai.types.responses")
    adapter: Any = TypeAdapter(types.ResponseStreamEvent)
    last = response_event("response.completed", output=[])
    assert ended(adapter.validate_python(event), last)[0] == kind


def generated(finish_reason: str | None = None, text: str | None = "secret", **attributes: Any) -> Any:
    """Build a chunk of generated content."""
    part = SimpleNamespace(text=text, thought=attributes.pop("thought", None))
    index, content = attributes.pop("index", None), SimpleNamespace(parts=[part])
    candidate = SimpleNamespace(index=index, finish_reason=finish_reason, content=content)
    more: dict[str, Any] = {"candidates": [candidate], "usage_metadata": None, "prompt_feedback": None}
    return _like("google.genai.types", "GenerateContentResponse", **{**more, **attributes})


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([generated(), generated("STOP")], None),
        ([generated(), generated("STOP"), generated(candidates=None)], None),
        ([generated(), generated()], Kind.STREAM_INTERRUPTED),
        ([generated("MAX_TOKENS")], Kind.TRUNCATED),
        ([generated(), generated("SAFETY")], Kind.CONTENT_FILTER),
        ([generated(), generated("MALFORMED_RESPONSE")], Kind.PROVIDER_FAILED),
        (
            [generated(candidates=None, prompt_feedback=SimpleNamespace(block_reason="OTHER"))],
            Kind.CONTENT_FILTER,
        ),
        ([generated("STOP", index=0), generated(index=1)], Kind.STREAM_INTERRUPTED),
        ([generated("STOP", index=0), generated("SAFETY", index=1)], Kind.CONTENT_FILTER),
        ([generated(text=""), generated("STOP", text=" ")], Kind.EMPTY_OUTPUT),
        ([generated(thought=True), generated("STOP", text="")], Kind.EMPTY_OUTPUT),
        ([generated("STOP", index=0), generated("STOP", text="", index=1)], Kind.EMPTY_OUTPUT),
        ([generated(text=None), generated("STOP", text="")], None),
    ],
    ids=range(13),
)
def test_a_stream_of_generated_content_ends_with_a_finish_reason(events: list[Any], kind: Kind | None) -> None:
    """That of every candidate, each of which holds something; or with a prompt that was blocked."""
    assert ended(*events)[0] == kind


def test_chunks_of_google_repeat_what_was_used_and_chunks_of_langchain_add_up() -> None:
    """Each is counted as its client means it."""
    used = [SimpleNamespace(prompt_token_count=8, candidates_token_count=count) for count in (1, 5)]
    stream = [generated(usage_metadata=used[0]), generated("STOP", usage_metadata=used[1])]
    assert ended(*stream) == (None, Usage(8, 5))
    empty: dict[str, Any] = {"content": "secret", "additional_kwargs": {}, "response_metadata": {}}
    pieces = [
        _like("langchain_core.messages", "AIMessageChunk", **empty, usage_metadata={"output_tokens": count})
        for count in (2, 3)
    ]
    assert ended(*pieces) == (None, Usage(0, 5))
    pieces[-1].response_metadata["finish_reason"] = "length"
    assert ended(*pieces) == (Kind.TRUNCATED, Usage(0, 5))


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"content": "secret"}, None),
        ({"content": " "}, Kind.EMPTY_OUTPUT),
        ({"content": [{"type": "reasoning", "reasoning": "secret"}]}, Kind.EMPTY_OUTPUT),
        ({"content": "", "tool_calls": [{"name": "f"}]}, None),
        ({"content": "", "additional_kwargs": {"audio": {"data": "secret"}}}, None),
    ],
    ids=range(5),
)
def test_chunks_of_langchain_hold_something_between_them(attributes: dict[str, Any], kind: Kind | None) -> None:
    """One alone may be empty."""
    empty: dict[str, Any] = {"content": "", "additional_kwargs": {}, "response_metadata": {}, "usage_metadata": None}
    empty |= {"tool_calls": [], "invalid_tool_calls": []}
    pieces = [_like("langchain_core.messages", "AIMessageChunk", **empty | more) for more in ({}, attributes)]
    assert ended(*pieces)[0] == kind


def test_a_stream_without_any_event_was_cut_off() -> None:
    """No client gives an empty stream for an answer."""
    assert ended() == (Kind.STREAM_INTERRUPTED, None)


class _Hostile:
    """Every attribute raises, with content in the message."""

    def __getattr__(self, name: str) -> Any:
        msg = f"the secret {name}"
        raise RuntimeError(msg)


def test_events_of_nobody_known_are_never_found_fault_with() -> None:
    """Nothing is known of how their streams end."""
    assert ended("text", {"choices": []}, object(), _Hostile()) == (None, None)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("openai.types.chat", "ChatCompletionChunk"),
        ("anthropic.types", "RawMessageStopEvent"),
        ("google.genai.types", "GenerateContentResponse"),
        ("litellm.types.utils", "ModelResponseStream"),
    ],
)
def test_an_event_that_cannot_be_read_does_not_end_a_stream(module: str, name: str) -> None:
    """Neither with an exception of its own nor well."""
    for base in (_Hostile, SimpleNamespace):
        broken = type(name, (base,), {"__module__": module})()
        assert ended(broken) == (Kind.STREAM_INTERRUPTED, None)
