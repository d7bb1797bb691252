"""One choice of an answer, whole or a piece of it: its text, and whether it holds anything."""

from __future__ import annotations

from typing import Any, Final

TEXT_BLOCKS: Final = frozenset({"text", "thinking", "redacted_thinking"})
"""Types of blocks of a message in which there is nothing but text."""

BESIDE_TEXT: Final = ("tool_calls", "function_call", "audio", "images")
"""What OpenAI's messages, and those like them, hold that is no text."""

_CALLED: Final = frozenset({"tool_calls", "function_call"})


def is_shown(text: object) -> bool:
    """Return whether `text` is more than white space."""
    return bool(text and not text.isspace()) if isinstance(text, str) else bool(text)


def chat_text(choice: Any) -> Any:
    """Return the text of a choice of OpenAI's, or of what speaks like it; `None` where it has none."""
    held = _held(choice)
    return getattr(choice, "text", None) if held is None else held.content


def chat_brings(choice: Any) -> bool:
    """Return whether a choice of OpenAI's holds anything, thoughts left out."""
    if is_shown(chat_text(choice)) or choice.finish_reason in _CALLED:
        return True
    held = _held(choice)
    return any(getattr(held, name, None) for name in BESIDE_TEXT)


def candidate_brings(candidate: Any) -> bool:
    """Return whether a candidate of Google's holds anything, thoughts left out."""
    parts = getattr(candidate.content, "parts", None) or ()
    return any(part.text is None or (is_shown(part.text) and not getattr(part, "thought", None)) for part in parts)


def _held(choice: Any) -> Any:
    """Return what a choice holds: a chunk's difference, or a message; `None` where its text is its own."""
    held = getattr(choice, "delta", None)
    return held if held is not None else getattr(choice, "message", None)
