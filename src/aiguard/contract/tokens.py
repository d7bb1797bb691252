"""What responses say of the tokens they used: each client's own words for the same three numbers."""

from __future__ import annotations

from typing import Any, Final

from aiguard.contract.fields import field
from aiguard.usage import Usage

_MOST: Final = 10**12
"""No request uses more: a larger number is nonsense, and sums of such would not fit anywhere."""

_LONGEST_NAME: Final = 200


def of_openai(used: Any, model: object) -> Usage | None:
    """Read the `usage` of a chat completion, a response or embeddings; what speaks like them, LiteLLM, too."""
    details = _first(used, "prompt_tokens_details", "input_tokens_details")
    return _usage(
        _first(used, "prompt_tokens", "input_tokens"),
        _first(used, "completion_tokens", "output_tokens"),
        field(details, "cached_tokens"),
        model,
    )


def of_anthropic(used: Any, model: object) -> Usage | None:
    """Read the `usage` of a message, whose `input_tokens` leave out what was written to the cache or read from it."""
    read = _count(field(used, "cache_read_input_tokens"))
    written = _count(field(used, "cache_creation_input_tokens"))
    sent = _count(field(used, "input_tokens")) + read + written
    return _usage(sent, field(used, "output_tokens"), read, model)


def of_google(used: Any, model: object) -> Usage | None:
    """Read the `usage_metadata` of generated content: thoughts are answered, results of tools are sent."""
    sent = _count(field(used, "prompt_token_count")) + _count(field(used, "tool_use_prompt_token_count"))
    answered = _count(field(used, "candidates_token_count")) + _count(field(used, "thoughts_token_count"))
    return _usage(sent, answered, field(used, "cached_content_token_count"), model)


def of_langchain(used: Any, model: object) -> Usage | None:
    """Read the `usage_metadata` of a message."""
    cached = field(field(used, "input_token_details"), "cache_read")
    return _usage(field(used, "input_tokens"), field(used, "output_tokens"), cached, model)


def of_pydantic_ai(used: Any, model: object) -> Usage | None:
    """Read the usage of a model's response, or of an agent's run."""
    return _usage(field(used, "input_tokens"), field(used, "output_tokens"), field(used, "cache_read_tokens"), model)


def _usage(sent: object, answered: object, cached: object, model: object) -> Usage | None:
    usage = Usage(_count(sent), _count(answered), _count(cached), _name(model))
    return usage if usage.total else None


def _first(used: Any, *names: str) -> Any:
    for name in names:
        found = field(used, name)
        if found is not None:
            return found
    return None


def _count(value: object) -> int:
    return value if type(value) is int and 0 <= value <= _MOST else 0


def _name(model: object) -> str | None:
    return model if type(model) is str and 0 < len(model) <= _LONGEST_NAME and model.isprintable() else None
