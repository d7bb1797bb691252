"""
How providers say that an answer ended: which of their words mean that it is none.

The words are the providers' own, from the APIs of OpenAI and those that speak like it, Anthropic, Google, Amazon
Bedrock, Mistral, Cohere, DeepSeek and vLLM. What is not listed ended well, or in a call of a tool.
"""

from __future__ import annotations

from typing import Final

from aiguard.contract.breach import Breach
from aiguard.failure import FailureKind

_LONGEST_WORD: Final = 64

_WELL: Final = frozenset({"", "stop", "finish_reason_unspecified"})
"""How Google's answers end well: every other word of theirs is a reason not to believe the text."""

_KINDS: Final[dict[str, FailureKind]] = {
    **dict.fromkeys(
        ("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"),
        FailureKind.TRUNCATED,
    ),
    **dict.fromkeys(("pause_turn", "continuation"), FailureKind.TRUNCATED),
    **dict.fromkeys(
        ("content_filter", "content_filtered", "guardrail_intervened", "safety", "recitation", "blocklist"),
        FailureKind.CONTENT_FILTER,
    ),
    **dict.fromkeys(
        ("prohibited_content", "spii", "model_armor", "error_toxic", "sensitive"), FailureKind.CONTENT_FILTER
    ),
    **dict.fromkeys(("image_safety", "image_prohibited_content", "image_recitation"), FailureKind.CONTENT_FILTER),
    "refusal": FailureKind.REFUSAL,
    **dict.fromkeys(
        ("error", "failed", "abort", "cancelled", "insufficient_system_resource", "network_error"),
        FailureKind.PROVIDER_FAILED,
    ),
    **dict.fromkeys(("malformed_function_call", "malformed_response", "other"), FailureKind.PROVIDER_FAILED),
}

_SENTENCES: Final = {
    FailureKind.TRUNCATED: "the answer was cut",
    FailureKind.CONTENT_FILTER: "the provider filtered it",
    FailureKind.REFUSAL: "the model refused",
    FailureKind.PROVIDER_FAILED: "the provider could not finish",
    FailureKind.STREAM_INTERRUPTED: "the stream was cut off",
    FailureKind.EMPTY_OUTPUT: "the answer is empty",
    FailureKind.SCHEMA_VIOLATION: "the client could not parse the answer",
}


def no_answer(kind: FailureKind, why: str) -> Breach:
    """Return the breach of a response that is no answer, for a reason that is safe to log."""
    return Breach(kind, f"{_SENTENCES[kind]}: {why}")


def check_ending(word: object, name: str, *, strict: bool = False) -> None:
    """
    Look at how an answer ended.

    Args:
        word: What the provider says, as text or as a member of an enumeration; `None` where it says nothing.
        name: What it calls that, for the message.
        strict: Whether words that nobody knows are failures too.

    Raises:
        Breach: It is no answer.
    """
    text = (word if type(word) is str else str(getattr(word, "value", word) or "")).lower()
    kind = _KINDS.get(text)
    if kind is None and strict and text not in _WELL:
        kind = FailureKind.PROVIDER_FAILED
    if kind is not None:
        raise no_answer(kind, f"{name} is {shown_word(getattr(word, 'value', word))}")


def shown_word(value: object) -> str:
    """Return a provider's word, or `*` where it does not look like one: it may be content."""
    text = str(value)
    return text if text.isidentifier() and len(text) <= _LONGEST_WORD else "*"
