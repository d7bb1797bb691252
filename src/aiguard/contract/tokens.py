"""What responses say of the tokens they used: each client's own words for the same three numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from aiguard.usage import Usage

_MOST: Final = 10**12
"""No request uses more: a larger number is nonsense, and sums of such would not fit anywhere."""

_LONGEST_NAME: Final = 200

_NO_MODEL: Final = object()


def of_openai(used: Any, model: object) -> Usage | None:
    """Read the `usage` of a chat completion, a response or embeddings; what speaks like them, LiteLLM, too."""
    details = _first(used, "prompt_tokens_details", "input_tokens_details")
    return _usage(
        _first(used, "prompt_tokens", "input_tokens"),
        _first(used, "completion_tokens", "output_tokens"),
        _of(details, "cached_tokens"),
        model,
    )


def of_anthropic(used: Any, model: object) -> Usage | None:
    """Read the `usage` of a message, whose `input_tokens` leave out what was written to the cache or read from it."""
    read = _count(_of(used, "cache_read_input_tokens"))
    written = _count(_of(used, "cache_creation_input_tokens"))
    sent = _count(_of(used, "input_tokens")) + read + written
    return _usage(sent, _of(used, "output_tokens"), read, model)


def of_google(used: Any, model: object) -> Usage | None:
    """Read the `usage_metadata` of generated content: thoughts are answered, results of tools are sent."""
    sent = _count(_of(used, "prompt_token_count")) + _count(_of(used, "tool_use_prompt_token_count"))
    answered = _count(_of(used, "candidates_token_count")) + _count(_of(used, "thoughts_token_count"))
    return _usage(sent, answered, _of(used, "cached_content_token_count"), model)


def of_langchain(used: Any, model: object) -> Usage | None:
    """Read the `usage_metadata` of a message."""
    cached = _of(_of(used, "input_token_details"), "cache_read")
    return _usage(_of(used, "input_tokens"), _of(used, "output_tokens"), cached, model)


def of_pydantic_ai(used: Any, model: object) -> Usage | None:
    """Read the usage of a model's response, or of an agent's run."""
    return _usage(_of(used, "input_tokens"), _of(used, "output_tokens"), _of(used, "cache_read_tokens"), model)


def _usage(sent: object, answered: object, cached: object, model: object) -> Usage | None:
    usage = Usage(_count(sent), _count(answered), _count(cached), _name(model))
    return usage if usage.total else None


def _of(used: Any, name: str) -> Any:
    own = getattr(used, "__dict__", None)
    if own is None:
        return used.get(name) if isinstance(used, Mapping) else getattr(used, name, None)
    if name in own:
        return own[name]
    if isinstance(used, Mapping):
        return used.get(name)
    # a pydantic model takes long to say that it has no such attribute
    extra: Any = getattr(used, "__pydantic_extra__", _NO_MODEL)
    return getattr(used, name, None) if extra is _NO_MODEL else (extra or {}).get(name)


def _first(used: Any, *names: str) -> Any:
    return next((found for name in names if (found := _of(used, name)) is not None), None)


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= _MOST else 0


def _name(model: object) -> str | None:
    return model if type(model) is str and 0 < len(model) <= _LONGEST_NAME and model.isprintable() else None
