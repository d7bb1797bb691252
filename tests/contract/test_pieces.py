"""The text that the events of clients' streams bring, and what else."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aiguard.contract.pieces import message_brings, piece_reader_of, response_brings, whole_brings


def like(module: str, name: str, **attributes: Any) -> Any:
    """Build an object that is known by its module and the name of its class."""
    return type(name, (SimpleNamespace,), {"__module__": module})(**attributes)


def text_of(event: object) -> object:
    """Return the text that an event brings."""
    cls: Any = type(event)
    read = piece_reader_of(cls)
    assert read is not None
    return read(event)


def choice(index: int | None, text: str | None) -> Any:
    """Build a choice of a chunk."""
    return SimpleNamespace(index=index, delta=SimpleNamespace(content=text), finish_reason=None)


CHUNK = like("openai.types.chat", "ChatCompletionChunk", choices=[choice(1, "other"), choice(0, "text")])
MESSAGE = SimpleNamespace(content="text")
TEXT_BLOCK = SimpleNamespace(type="text", text="text")
TEXT_DELTA = SimpleNamespace(type="text_delta", text="text")


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (CHUNK, "text"),
        (like("openai.types.chat", "ChatCompletionChunk", choices=[choice(1, "other")]), None),
        (like("openai.types.chat", "ChatCompletionChunk", choices=[]), None),
        (like("openai.types.chat", "ChatCompletionChunk", choices=None), None),
        (like("openai.types.chat", "ChatCompletionChunk", choices=[choice(None, "text")]), "text"),
        (like("openai.lib.streaming.chat", "ChunkEvent", type="chunk", chunk=CHUNK), "text"),
        (like("openai.lib.streaming.chat", "ContentDeltaEvent", type="content.delta", delta="text"), None),
        (like("openai.types", "Completion", choices=[SimpleNamespace(index=0, text="text")]), "text"),
        (like("openai.types.responses", "ResponseTextDeltaEvent", type="response.output_text.delta", delta="t"), "t"),
        (like("openai.types.responses", "ResponseTextDoneEvent", type="response.output_text.done", text="t"), None),
        (like("litellm.types.utils", "ModelResponseStream", choices=[choice(0, "text")]), "text"),
        (like("litellm.utils", "ModelResponse", choices=[SimpleNamespace(index=0, message=MESSAGE)]), "text"),
        (like("anthropic.types", "RawContentBlockDeltaEvent", type="content_block_delta", delta=TEXT_DELTA), "text"),
        (
            like("anthropic.types", "RawContentBlockStartEvent", type="content_block_start", content_block=TEXT_BLOCK),
            "text",
        ),
        (like("anthropic.lib.streaming", "TextEvent", type="text", text="text", snapshot="text"), None),
        (
            like(
                "anthropic.lib.streaming", "ContentBlockStopEvent", type="content_block_stop", content_block=TEXT_BLOCK
            ),
            None,
        ),
    ],
    ids=range(16),
)
def test_an_event_brings_what_is_new_in_it(event: Any, text: Any) -> None:
    """Once, whatever helpers of the clients say of it; of several choices that of the first."""
    assert text_of(event) == text


def test_a_chunk_of_google_brings_what_is_no_thought() -> None:
    """Each of its chunks is of the class of whole answers."""
    parts = [SimpleNamespace(text="hidden", thought=True), SimpleNamespace(text="te"), SimpleNamespace(text="xt")]
    candidate = SimpleNamespace(content=SimpleNamespace(parts=parts))
    assert text_of(like("google.genai.types", "GenerateContentResponse", candidates=[candidate])) == "text"


@pytest.mark.parametrize("cls", [str, bytes, dict, object, SimpleNamespace])
def test_what_is_no_clients_is_read_by_nobody(cls: Any) -> None:
    """It is text itself, or none of ours."""
    assert piece_reader_of(cls) is None


@pytest.mark.parametrize(("module", "name"), [("openai.types.chat", "ChatCompletion"), ("anthropic.types", "Message")])
def test_a_whole_answer_is_no_event(module: str, name: str) -> None:
    """Whoever takes whole answers reads it."""
    cls: Any = type(like(module, name))
    assert piece_reader_of(cls) is None


def test_thoughts_bring_nothing() -> None:
    """Nor does an event that is neither text nor anything else."""
    reasoning = like("openai", "E", type="response.reasoning_text.delta", delta="hm")
    assert not response_brings(reasoning)
    assert not response_brings(like("openai", "E", type="response.output_text.done", text="said already"))
    assert not message_brings(like("anthropic", "E", type="ping"))
    assert not whole_brings(None)
