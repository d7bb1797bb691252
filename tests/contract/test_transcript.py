"""The text of a client's stream, whole and piece by piece."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from aiguard.contract.breach import Breach
from aiguard.contract.pieces import text_of_piece
from aiguard.contract.transcript import Transcript, text_of_all
from aiguard.failure import FailureKind


def chunk(text: Any, finish_reason: str | None = None) -> Any:
    """Build a chunk of a chat."""
    choice = SimpleNamespace(index=0, delta=SimpleNamespace(content=text), finish_reason=finish_reason)
    cls = type("ChatCompletionChunk", (SimpleNamespace,), {"__module__": "openai.types.chat"})
    return cls(model="m", choices=[choice])


BROKEN = type("ChatCompletionChunk", (SimpleNamespace,), {"__module__": "openai.types.chat"})()


@pytest.mark.parametrize(
    ("items", "text"),
    [
        ([], None),
        (["te", "xt"], None),
        ([chunk("te"), "xt"], None),
        ([chunk("te"), chunk(None), chunk("xt"), chunk(None, "stop")], "text"),
        ([chunk(None, "tool_calls")], ""),
    ],
    ids=range(5),
)
def test_events_of_clients_are_their_text(items: list[Any], text: str | None) -> None:
    """Where there are others among them, nothing is said of any."""
    assert text_of_all(items) == text


@pytest.mark.parametrize(
    ("items", "kind"),
    [
        ([chunk("cut", "length"), chunk(None)], FailureKind.TRUNCATED),
        ([chunk("text"), BROKEN], FailureKind.MALFORMED_OUTPUT),
        ([chunk(["text"])], FailureKind.MALFORMED_OUTPUT),
    ],
    ids=range(3),
)
def test_events_that_are_no_answer_have_no_text(items: list[Any], kind: FailureKind) -> None:
    """What was cut would pass for text."""
    with pytest.raises(Breach) as caught:
        text_of_all(items)
    assert caught.value.kind is kind


def test_what_is_no_clients_stays_as_it_is() -> None:
    """Text is text already, and anything else nobody knows."""
    transcript, other = Transcript(), object()
    assert transcript.text_of("text") == "text"
    assert transcript.text_of(other) is other
    transcript.check()


@pytest.mark.parametrize(
    ("event", "text"), [(chunk("text"), "text"), (chunk(None), None), (chunk(["a"]), None), (BROKEN, None), ("a", None)]
)
def test_the_text_of_one_event_is_text_or_nothing(event: Any, text: str | None) -> None:
    """Whoever counts it is not the one to complain."""
    assert text_of_piece(event) == text
