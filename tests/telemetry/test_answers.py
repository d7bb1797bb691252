"""What the span of a request says of its answer."""

from __future__ import annotations

from types import SimpleNamespace as Held
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.telemetry.answers import Said


def said(*events: object) -> tuple[str | None, list[str]]:
    """Return what the events of one answer have said together."""
    told = Said()
    for event in events:
        told.see(event)
    return told.id, told.reasons


def chat(*endings: Any, identity: object = "chatcmpl-1") -> Held:
    """Return a chat completion, or a chunk of one."""
    return Held(id=identity, choices=[Held(finish_reason=word, index=i) for i, word in enumerate(endings)])


def google(word: Any, index: Any = None) -> Held:
    """Return a response of Google's."""
    return Held(response_id="r", candidates=[Held(finish_reason=word, index=index)])


def response(status: Any, reason: Any = None) -> Held:
    """Return one of OpenAI's responses."""
    details = None if reason is None else Held(reason=reason)
    return Held(id="resp_1", object="response", status=status, incomplete_details=details)


STARTED = Held(type="message_start", message=Held(type="message", id="msg_1", stop_reason=None))

TABLE: dict[str, tuple[tuple[object, ...], tuple[str | None, list[str]]]] = {
    "chat": ((chat("stop"),), ("chatcmpl-1", ["stop"])),
    "chat of several choices": ((chat("stop", "length"),), ("chatcmpl-1", ["stop", "length"])),
    "chunks": ((chat(None), chat(None, None), chat(None, "length"), chat("stop")), ("chatcmpl-1", ["stop", "length"])),
    "chunk of usage alone": ((chat("stop"), chat()), ("chatcmpl-1", ["stop"])),
    "chat without choices": ((Held(id="1", choices=None),), ("1", [])),
    "message": ((Held(type="message", id="msg_1", stop_reason="end_turn"),), ("msg_1", ["end_turn"])),
    "message's events": (
        (STARTED, Held(type="ping"), Held(type="message_delta", delta=Held(stop_reason="tool_use"))),
        ("msg_1", ["tool_use"]),
    ),
    "a message that was cut": ((STARTED, Held(type="content_block_delta", delta=Held(text="x"))), ("msg_1", [])),
    "Google": ((google(Held(value="STOP")),), ("r", ["STOP"])),
    "Google's chunks": ((google(None), google(Held(value="MAX_TOKENS"), 0)), ("r", ["MAX_TOKENS"])),
    "response": ((response("completed"),), ("resp_1", ["completed"])),
    "response that is incomplete": ((response("incomplete", "content_filter"),), ("resp_1", ["content_filter"])),
    "response that does not say why": ((response("incomplete"),), ("resp_1", ["incomplete"])),
    "response under way": ((response("in_progress"), response("queued"), response(None)), ("resp_1", [])),
    "response's events": (
        (
            Held(type="response.created", response=response("in_progress")),
            Held(type="response.output_text.delta", delta="CANARY"),
            Held(type="response.failed", response=response("failed")),
        ),
        ("resp_1", ["failed"]),
    ),
    "nothing known": ((object(), None, "text", {"id": "1"}, Held(id="1"), Held(choices=3)), (None, [])),
}


@pytest.mark.parametrize("answer", TABLE)
def test_an_answer_says_its_id_and_why_it_ended(answer: str) -> None:
    """In the words of whoever gave it."""
    events, expected = TABLE[answer]
    assert said(*events) == expected


@pytest.mark.parametrize("word", ["CANARY 4711", "x" * 41, "", "stop\n", "stóp", 7, ["stop"], "a.b", "m4"])
def test_a_word_that_none_of_them_would_say_is_not_told(word: object) -> None:
    """It may be content."""
    assert said(chat(word))[1] == ["_other"]


@pytest.mark.parametrize(
    ("identity", "expected"),
    [("x" * 300, "x" * 256), ("a b~", "a b~"), ("", None), ("é", None), ("a\nb", None), (7, None), (None, None)],
)
def test_an_id_is_printable_ascii_and_cut(identity: object, expected: str | None) -> None:
    """What is not is left out."""
    assert said(chat("stop", identity=identity))[0] == expected


def test_of_many_choices_the_first_are_told() -> None:
    """As many as keep the attribute below 1 KiB, however long their words are."""
    reasons = said(chat(*["x" * 40] * 1000))[1]
    assert len(reasons) == 24
    assert sum(map(len, reasons)) < 1024


FIELDS = st.sampled_from(
    ["id", "type", "object", "status", "choices", "candidates", "message", "delta", "response", "stop_reason", "index"]
)
VALUES = st.recursive(
    st.none() | st.integers() | st.text() | st.sampled_from(["message", "message_start", "message_delta", "response"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4).map(lambda d: Held(**d)),
    max_leaves=12,
)


@given(VALUES)
def test_whatever_is_seen_nothing_is_raised_and_little_is_told(answer: Any) -> None:
    """Of types and shapes that no provider sends."""
    identity, reasons = said(answer, answer)
    assert identity is None or (0 < len(identity) <= 256 and identity.isascii() and identity.isprintable())
    assert all(reason == "_other" or (len(reason) <= 40 and reason.replace("_", "-").isascii()) for reason in reasons)
