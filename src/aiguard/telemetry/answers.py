"""What a provider's answer says of itself, for the span of its request: its id, and why it ended."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from aiguard.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Mapping

_WORD: Final = re.compile(r"[A-Za-z_-]{1,40}")
"""How every provider's words for an ending look. What looks otherwise may be content."""

_MOST: Final = 24
"""Endings that are told, one for each choice of an answer: with the longest words, they stay below 1 KiB."""

_UNDER_WAY: Final = frozenset({None, "queued", "in_progress"})


class Said:
    """
    What one answer has said so far, in one piece or as a stream's events.

    Nothing is raised, whatever it is that is seen: what cannot be read was not said.

    Attributes:
        id: The response's; `None` where it has said none, or one that is not made of printable ASCII.
    """

    __slots__ = ("_reasons", "id")

    def __init__(self) -> None:
        self.id: str | None = None
        self._reasons: dict[int, str] = {}

    @property
    def reasons(self) -> list[str]:
        """Why it ended, in the provider's words: one for each choice that has ended, in their order."""
        return [self._reasons[index] for index in sorted(self._reasons)]

    def see(self, answer: object) -> None:
        """Look at an answer, or at one event of a stream."""
        try:
            self._look(vars(answer))
        except Exception:  # noqa: BLE001 - fields may be missing, or of any type
            return

    def _look(self, held: Mapping[str, Any]) -> None:
        kind = held.get("type")
        if "choices" in held:
            self._identified(held.get("id"))
            for choice in held["choices"] or ():
                self._ended(choice.finish_reason, choice.index)
        elif "candidates" in held:
            self._identified(held.get("response_id"))
            for candidate in held["candidates"] or ():
                self._ended(candidate.finish_reason, candidate.index)
        elif kind == "message":
            self._identified(held.get("id"))
            self._ended(held.get("stop_reason"))
        elif kind == "message_start":
            self._look(vars(held["message"]))
        elif kind == "message_delta":
            self._ended(held["delta"].stop_reason)
        elif held.get("object") == "response":
            self._identified(held.get("id"))
            self._response_ended(held.get("status"), held.get("incomplete_details"))
        elif "response" in held:  # an event of a stream of OpenAI's responses
            self._look(vars(held["response"]))

    def _response_ended(self, status: object, details: object) -> None:
        if status not in _UNDER_WAY:
            self._ended(getattr(details, "reason", None) or status)

    def _identified(self, one: object) -> None:
        if self.id is None and isinstance(one, str):
            shown = one[: names.LONGEST]
            self.id = shown if shown.isascii() and shown.isprintable() and shown else None

    def _ended(self, word: object, index: object = 0) -> None:
        if word is None:
            return
        text = getattr(word, "value", word)  # Google's are members of an enumeration
        place = index if isinstance(index, int) else 0
        if place in self._reasons or len(self._reasons) < _MOST:
            self._reasons[place] = text if isinstance(text, str) and _WORD.fullmatch(text) else names.OTHER
