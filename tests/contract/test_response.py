"""The response objects of clients: no answer, or its text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from aiguard.contract import Breach, Judge, OutputContract
from aiguard.contract.response import reader_of
from aiguard.failure import FailureKind as Kind


class Item(BaseModel):
    """What is asked for."""

    a: int


JUDGE = Judge.of(OutputContract(Item, extract=True))
JSON = '{"a": 1}'
CUT = 'x {"a": 1} {"a"'


def kind_of(response: object, judge: Judge[Any] = JUDGE) -> Kind:
    """Judge a response that is no answer."""
    with pytest.raises(Breach) as caught:
        judge.judge(response)
    assert caught.value.__context__ is None
    return caught.value.kind


# OpenAI, chat


def chat(finish_reason: str = "stop", content: str | None = JSON, **message: Any) -> Any:
    """Build a chat completion of the SDK's own type."""
    types = pytest.importorskip("openai.types.chat")
    choice = {
        "index": 0,
        "finish_reason": finish_reason,
        "message": {"role": "assistant", "content": content, **message},
    }
    return types.ChatCompletion.construct(id="1", object="chat.completion", created=1, model="m", choices=[choice])


def test_the_text_of_a_chat_completion_is_judged() -> None:
    """As if the component had returned it."""
    assert JUDGE.judge(chat()) == Item(a=1)
    assert Judge.of(OutputContract(str)).judge(chat(content="hello")) == "hello"


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (lambda: chat("length"), Kind.TRUNCATED),
        (lambda: chat("content_filter"), Kind.CONTENT_FILTER),
        (lambda: chat(content=None, refusal="I cannot"), Kind.REFUSAL),
        (lambda: chat(content=None), Kind.EMPTY_OUTPUT),
        (lambda: chat(content=""), Kind.EMPTY_OUTPUT),
        (lambda: chat(content=" \n"), Kind.EMPTY_OUTPUT),
        (lambda: chat(content="x" * 2_000_000), Kind.OUTPUT_TOO_LARGE),
        (lambda: chat(content=CUT), Kind.MALFORMED_OUTPUT),
        (lambda: chat().model_copy(update={"choices": None}), Kind.EMPTY_OUTPUT),
        (lambda: chat().model_copy(update={"choices": []}), Kind.EMPTY_OUTPUT),
        (lambda: chat().model_copy(update={"choices": [None]}), Kind.SCHEMA_VIOLATION),
    ],
    ids=range(11),
)
def test_a_chat_completion_that_is_no_answer(response: Any, kind: Kind) -> None:
    """It arrives as an ordinary return value."""
    assert kind_of(response()) == kind


def test_the_response_itself_may_be_the_contract() -> None:
    """It is still looked at, and leaves as the object."""
    types = pytest.importorskip("openai.types.chat")
    judge = Judge.of(OutputContract(types.ChatCompletion))
    valid = types.ChatCompletion.model_validate(chat().model_dump())
    assert judge.judge(valid) == valid
    assert kind_of(chat("length"), judge) == Kind.TRUNCATED
    assert Judge.of(OutputContract(Any, format="python")).judge(valid) is valid


def test_a_parsed_completion_is_a_completion() -> None:
    """The MRO decides."""
    types = pytest.importorskip("openai.types.chat")
    assert reader_of(types.ParsedChatCompletion[Item]) is reader_of(types.ChatCompletion)


# OpenAI, responses


def response(status: str | None = "completed", content: list[dict[str, Any]] | None = None, **more: Any) -> Any:
    """Build a response of the SDK's own type."""
    types = pytest.importorskip("openai.types.responses")
    if content is None:
        content = [{"type": "output_text", "text": '{"a":', "annotations": []}] * 1
        content = [*content, {"type": "output_text", "text": "1}", "annotations": []}]
    message = {"id": "1", "type": "message", "role": "assistant", "status": "completed", "content": content}
    output = [{"type": "reasoning", "id": "2", "summary": []}, message]
    return types.Response.construct(
        id="1", object="response", created_at=1, model="m", status=status, output=output, **more
    )


def test_the_text_of_a_response_is_judged() -> None:
    """Its parts joined."""
    assert JUDGE.judge(response()) == Item(a=1)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: response("incomplete", incomplete_details={"reason": "max_output_tokens"}), Kind.TRUNCATED),
        (lambda: response("incomplete", incomplete_details={"reason": "content_filter"}), Kind.CONTENT_FILTER),
        (lambda: response("incomplete", incomplete_details=None), Kind.TRUNCATED),
        (lambda: response("failed"), Kind.PROVIDER_FAILED),
        (lambda: response("cancelled"), Kind.PROVIDER_FAILED),
        (lambda: response(content=[{"type": "refusal", "refusal": "no"}]), Kind.REFUSAL),
        (lambda: response(content=[]), Kind.EMPTY_OUTPUT),
    ],
    ids=range(7),
)
def test_a_response_that_is_no_answer(make: Any, kind: Kind) -> None:
    """A failed one returns normally."""
    assert kind_of(make()) == kind


# Anthropic


def message(stop_reason: str | None = "end_turn", *texts: str) -> Any:
    """Build a message of the SDK's own type."""
    types = pytest.importorskip("anthropic.types")
    blocks = [
        {"type": "thinking", "thinking": "{", "signature": "s"},
        *({"type": "text", "text": one} for one in texts),
    ]
    return types.Message.construct(
        id="1", type="message", role="assistant", model="m", stop_reason=stop_reason, content=blocks if texts else []
    )


def test_the_text_of_a_message_is_judged() -> None:
    """Its text blocks joined, its thinking left out."""
    assert JUDGE.judge(message("end_turn", '{"a":', "1}")) == Item(a=1)


@pytest.mark.parametrize(
    ("stop_reason", "texts", "kind"),
    [
        ("max_tokens", [JSON], Kind.TRUNCATED),
        ("model_context_window_exceeded", [JSON], Kind.TRUNCATED),
        ("pause_turn", [JSON], Kind.TRUNCATED),
        (None, [JSON], Kind.TRUNCATED),
        ("refusal", [], Kind.REFUSAL),
        ("end_turn", [], Kind.EMPTY_OUTPUT),
        ("tool_use", [""], Kind.EMPTY_OUTPUT),
    ],
)
def test_a_message_that_is_no_answer(stop_reason: str | None, texts: list[str], kind: Kind) -> None:
    """A cut one parses as often as not."""
    assert kind_of(message(stop_reason, *texts)) == kind


# Google


def generated(finish_reason: str | None = "STOP", *parts: Any, **more: Any) -> Any:
    """Build a response of the SDK's own type."""
    types = pytest.importorskip("google.genai.types")
    candidate = {"finish_reason": finish_reason, "content": {"role": "model", "parts": list(parts) or None}}
    return types.GenerateContentResponse.model_validate({"candidates": [candidate], **more})


def test_the_text_of_a_generated_content_is_judged() -> None:
    """Without thoughts, and without the SDK's own warning about other parts."""
    parts = [{"text": "{", "thought": True}, {"text": '{"a":'}, {"text": "1}"}, {"function_call": {"name": "f"}}]
    assert JUDGE.judge(generated("STOP", *parts)) == Item(a=1)
    assert JUDGE.judge(generated(None, {"text": JSON})) == Item(a=1)


@pytest.mark.parametrize(
    ("finish_reason", "kind"),
    [
        ("MAX_TOKENS", Kind.TRUNCATED),
        ("CONTINUATION", Kind.TRUNCATED),
        ("SAFETY", Kind.CONTENT_FILTER),
        ("RECITATION", Kind.CONTENT_FILTER),
        ("BLOCKLIST", Kind.CONTENT_FILTER),
        ("PROHIBITED_CONTENT", Kind.CONTENT_FILTER),
        ("SPII", Kind.CONTENT_FILTER),
        ("MODEL_ARMOR", Kind.CONTENT_FILTER),
        ("MALFORMED_FUNCTION_CALL", Kind.PROVIDER_FAILED),
        ("MALFORMED_RESPONSE", Kind.PROVIDER_FAILED),
        ("OTHER", Kind.PROVIDER_FAILED),
        ("LANGUAGE", Kind.PROVIDER_FAILED),
    ],
)
def test_a_generated_content_that_did_not_end_well(finish_reason: str, kind: Kind) -> None:
    """Every reason but `STOP` is one not to believe the text."""
    assert kind_of(generated(finish_reason, {"text": JSON})) == kind


def test_a_generated_content_without_text() -> None:
    """Blocked, or empty."""
    blocked: dict[str, Any] = {"candidates": None, "prompt_feedback": {"block_reason": "SAFETY"}}
    assert kind_of(generated(**blocked)) == Kind.CONTENT_FILTER
    assert kind_of(generated(candidates=None)) == Kind.EMPTY_OUTPUT
    assert kind_of(generated("STOP")) == Kind.EMPTY_OUTPUT


# without any SDK


def _like(module: str, name: str, **attributes: Any) -> Any:
    return type(name, (SimpleNamespace,), {"__module__": module})(**attributes)


def _like_chat(**attributes: Any) -> Any:
    choice = SimpleNamespace(finish_reason="stop", message=SimpleNamespace(content=JSON))
    return _like("openai.types", "ChatCompletion", **{"choices": [choice], **attributes})


def test_a_response_is_known_by_module_and_name() -> None:
    """No SDK is imported, and a class of the same name elsewhere is another one."""
    assert JUDGE.judge(_like_chat()) == Item(a=1)
    assert kind_of(_like("myapp", "ChatCompletion", choices=[])) == Kind.SCHEMA_VIOLATION
    assert reader_of(str) is reader_of(dict) is None


@pytest.mark.parametrize(
    ("broken", "kind"),
    [
        (lambda: _like("openai.types", "ChatCompletion"), Kind.SCHEMA_VIOLATION),
        (lambda: _like("anthropic.types", "Message", stop_reason=3, content=7), Kind.SCHEMA_VIOLATION),
        (lambda: _like("google.genai.types", "GenerateContentResponse", candidates=[3]), Kind.SCHEMA_VIOLATION),
        (
            lambda: _like_chat(
                choices=[SimpleNamespace(finish_reason="stop", message=SimpleNamespace(content=["a"], refusal=None))]
            ),
            Kind.MALFORMED_OUTPUT,
        ),
    ],
    ids=range(4),
)
def test_a_response_that_does_not_look_like_one_is_a_breach(broken: Any, kind: Kind) -> None:
    """Nothing of it escapes."""
    assert kind_of(broken()) == kind


def test_a_word_made_up_by_a_provider_is_not_shown() -> None:
    """It may be content."""
    odd = _like("openai.types", "Response", status="the secret", output=[], incomplete_details=None)
    with pytest.raises(Breach) as caught:
        JUDGE.judge(odd)
    assert "secret" not in caught.value.message
