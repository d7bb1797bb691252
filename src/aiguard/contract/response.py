"""
The response objects of clients: whether one is an answer at all, and its text.

Matched by top module and class name across the MRO, so that no SDK is ever imported. An answer that was cut, refused
or filtered arrives as an ordinary return value; parsed like any other, it is an answer that nobody gave.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from aiguard.contract.breach import Breach
from aiguard.failure import FailureKind

Reader = Callable[[Any], str]
"""Returns the text of a response, `""` where it has none; raises `Breach` where it is no answer."""

_GOOGLE_ENDED = frozenset({"", "STOP", "FINISH_REASON_UNSPECIFIED"})
_GOOGLE_CUT = frozenset({"MAX_TOKENS", "CONTINUATION"})
_GOOGLE_FILTERED = frozenset(
    {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MODEL_ARMOR"}
    | {"IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"}
)


@lru_cache(maxsize=256)
def reader_of(cls: type) -> Reader | None:
    """Return what reads responses of class `cls`, or `None` where it is not a client's response."""
    for base in cls.__mro__:
        if reader := _READERS.get((str(base.__module__).partition(".")[0], base.__name__)):
            return reader
    return None


def _read_openai_chat(response: Any) -> str:
    if not response.choices:
        return ""
    choice = response.choices[0]
    message = choice.message
    if choice.finish_reason == "length":
        raise _cut("finish_reason is length")
    if choice.finish_reason == "content_filter":
        raise _filtered("finish_reason is content_filter")
    if getattr(message, "refusal", None):
        raise _refused("the message holds a refusal")
    return _text(message.content)


def _read_openai_response(response: Any) -> str:
    status = response.status
    if status == "incomplete":
        reason = getattr(response.incomplete_details, "reason", None)
        raise _filtered("incomplete: content_filter") if reason == "content_filter" else _cut("status is incomplete")
    if status not in {None, "completed"}:
        raise Breach(FailureKind.PROVIDER_FAILED, f"the response was not completed: status is {_word(status)}")
    parts = [part for item in response.output or () if item.type == "message" for part in item.content or ()]
    if any(part.type == "refusal" for part in parts):
        raise _refused("the message holds a refusal")
    return "".join([_text(part.text) for part in parts if part.type == "output_text"])


def _read_anthropic(message: Any) -> str:
    reason = message.stop_reason
    # None is what a stream leaves that ended without message_stop
    if reason in {None, "max_tokens", "model_context_window_exceeded", "pause_turn"}:
        raise _cut(f"stop_reason is {_word(reason)}")
    if reason == "refusal":
        raise _refused("stop_reason is refusal")
    return "".join([_text(block.text) for block in message.content or () if block.type == "text"])


def _read_google(response: Any) -> str:
    if not response.candidates:
        if getattr(response.prompt_feedback, "block_reason", None):
            raise _filtered("the prompt was blocked")
        return ""
    candidate = response.candidates[0]
    reason = candidate.finish_reason
    word = str(getattr(reason, "value", reason) or "").upper()
    if word in _GOOGLE_CUT:
        raise _cut(f"finish_reason is {word}")
    if word in _GOOGLE_FILTERED:
        raise _filtered(f"finish_reason is {word}")
    if word not in _GOOGLE_ENDED:
        raise Breach(FailureKind.PROVIDER_FAILED, f"the provider could not finish: finish_reason is {_word(word)}")
    # its own .text warns about every part that is not text
    parts = getattr(candidate.content, "parts", None) or ()
    return "".join([_text(part.text) for part in parts if not getattr(part, "thought", None)])


def _text(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    raise Breach(FailureKind.MALFORMED_OUTPUT, "the response's content is not text")


def _word(value: object) -> str:
    text = str(value)
    return text if text.isidentifier() and len(text) <= 64 else "*"  # noqa: PLR2004 - longer than any provider's word


def _cut(why: str) -> Breach:
    return Breach(FailureKind.TRUNCATED, f"the answer was cut: {why}")


def _filtered(why: str) -> Breach:
    return Breach(FailureKind.CONTENT_FILTER, f"the provider filtered it: {why}")


def _refused(why: str) -> Breach:
    return Breach(FailureKind.REFUSAL, f"the model refused: {why}")


_READERS: dict[tuple[str, str], Reader] = {
    ("openai", "ChatCompletion"): _read_openai_chat,
    ("openai", "Response"): _read_openai_response,
    ("litellm", "ModelResponse"): _read_openai_chat,
    ("anthropic", "Message"): _read_anthropic,
    ("anthropic", "BetaMessage"): _read_anthropic,
    ("google", "GenerateContentResponse"): _read_google,
}
