"""What a provider's format has to say: a body, the events of a stream, an error."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiguard.testing.faultserver.catalogue import WireFault

Provider = Literal["openai", "anthropic", "gemini"]

Ending = Literal["complete", "length", "filter", "refusal"]

FILLER: Final = "{filler}"
"""Stands in a text for what is put there later, as bytes."""

GARBAGE: Final = "}{ banana <|endoftext|> ]] lorem ipsum null NaN"
"""An answer to something else."""


@dataclass(frozen=True, slots=True)
class Asked:
    """
    What a request asks for.

    Attributes:
        model: The name in it.
        stream: Whether the answer is to come as events.
        body: Its JSON object.
    """

    model: str
    stream: bool
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What the model says.

    Attributes:
        text: All of it; `None` where the format is to hold no text at all.
        ending: Why it stopped.
    """

    text: str | None
    ending: Ending = "complete"

    @property
    def pieces(self) -> list[str]:
        """The text as a stream brings it: word by word."""
        return re.findall(r"\s*\S+\s*|\s+", self.text or "")


class Events(NamedTuple):
    """
    An answer as a stream.

    Attributes:
        opening: Before the text.
        text: One event a piece.
        closing: What tells that the answer is complete.
        silent: An event of this format that brings no text.
    """

    opening: list[bytes]
    text: list[bytes]
    closing: list[bytes]
    silent: bytes


class Refused(NamedTuple):
    """
    An error as a provider words it.

    Attributes:
        status: Of HTTP.
        body: What is said, as JSON.
    """

    status: int
    body: Any


class Wire(Protocol):
    """One format of one provider."""

    provider: Provider
    streams: bool
    """Whether it has a streaming form."""
    unsaid: frozenset[WireFault]
    """Faults that cannot be said in this format."""

    def body(self, asked: Asked, answer: Answer) -> Any:
        """Return the answer in one piece, as JSON."""

    def events(self, asked: Asked, answer: Answer) -> Events:
        """Return the answer as a stream."""

    def error(self, asked: Asked, fault: WireFault) -> Refused | None:
        """Return how the provider words `fault` as an error, or `None` where it is none."""

    def error_event(self, asked: Asked) -> bytes:
        """Return an event that says that the provider failed."""


def event(data: Any, name: str = "", end: str = "\n") -> bytes:
    """Return one server-sent event."""
    head = f"event: {name}{end}" if name else ""
    return f"{head}data: {json.dumps(data)}{end}{end}".encode()


def tokens(text: str | None) -> int:
    """Return a number of tokens that nobody will look at closely."""
    return len((text or "").split())
