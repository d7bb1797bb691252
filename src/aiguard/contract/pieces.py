"""
What one event of a client's stream brings of the answer: text, or something else.

Streams say some things twice: piece by piece and then whole, or once more in the events of a client's helper. Only what
is new in an event is its text, so that all of them together are the text of the answer; of several choices, of the
first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, cast

from aiguard.contract.choices import TEXT_BLOCKS, chat_text, is_shown
from aiguard.contract.response import form_of

if TYPE_CHECKING:
    from collections.abc import Hashable

PieceReader = Callable[[Any], object]
"""Returns the text that an event brings, `None` where it brings none; what an event lacks may raise anything."""


@lru_cache(maxsize=256)
def piece_reader_of(cls: type) -> PieceReader | None:
    """Return what reads the text of events of class `cls`; `None` where they are no known client's."""
    tops = [str(base.__module__).partition(".")[0] for base in cls.__mro__]
    for top, base in zip(tops, cls.__mro__, strict=True):
        if read := _CLASSES.get((top, base.__name__)):
            return read
    if form_of(cast("Hashable", cls)) is not None:  # an answer in one piece, whatever stream it stands in
        return None
    return next((_EVENTS[top] for top in tops if top in _EVENTS), None)


def text_of_piece(event: object) -> str | None:
    """Return the text that a client's event brings; `None` where it brings none, or is no client's."""
    read = piece_reader_of(cast("Hashable", type(event)))
    try:
        text = read(event) if read is not None else None
    except Exception:  # noqa: BLE001 - whoever judges the stream says so
        return None
    return text if isinstance(text, str) else None


def response_brings(event: Any) -> bool:
    """Return whether an event of OpenAI's responses brings anything, thoughts left out."""
    name = event.type
    if name.startswith("response.reasoning"):
        return False
    if name.endswith(".delta"):
        return is_shown(event.delta)
    if name.startswith("response.output_item."):
        return event.item.type not in {"message", "reasoning"}
    return whole_brings(getattr(event, "response", None))


def message_brings(event: Any) -> bool:
    """Return whether an event of Anthropic's brings anything, thoughts left out."""
    if event.type == "content_block_start" and event.content_block.type not in TEXT_BLOCKS:
        return True
    return is_shown(_of_anthropic(event))


def whole_brings(response: Any) -> bool:
    """Return whether a response, or a piece that is of a class of responses, brings anything, thoughts left out."""
    form = form_of(cast("Hashable", type(response)))
    return form is not None and (form.more(response) or is_shown(_of_whole(response)))


def _of_chat(chunk: Any) -> Any:
    return next((chat_text(choice) for choice in chunk.choices or () if not choice.index), None)


def _of_openai(event: Any) -> Any:
    name = getattr(event, "type", None)
    if name == "response.output_text.delta":
        return event.delta
    return _of_chat(event.chunk) if name == "chunk" else None  # of the stream helper


def _of_anthropic(event: Any) -> Any:
    name = getattr(event, "type", None)
    if name == "content_block_delta":
        return event.delta.text if event.delta.type == "text_delta" else None
    if name == "content_block_start":
        return event.content_block.text if event.content_block.type == "text" else None
    return None


def _of_whole(piece: Any) -> Any:
    """Read a piece of a class that whole answers are of too."""
    form = form_of(cast("Hashable", type(piece)))
    return form.text(piece) if form is not None and form.text is not None else None


_CLASSES: Final[dict[tuple[str, str], PieceReader]] = {
    ("openai", "ChatCompletionChunk"): _of_chat,
    ("openai", "Completion"): _of_chat,
    ("litellm", "ModelResponseStream"): _of_chat,
    ("litellm", "ModelResponse"): _of_chat,
    ("google", "GenerateContentResponse"): _of_whole,
    ("langchain_core", "AIMessageChunk"): _of_whole,
}

_EVENTS: Final[dict[str, PieceReader]] = {"openai": _of_openai, "anthropic": _of_anthropic}
"""Clients whose streams hold events of many classes, told apart by their `type`."""
