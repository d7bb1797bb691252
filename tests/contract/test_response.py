"""The response objects of clients: no answer, or its text."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from aiguard.contract import Breach, Judge, OutputContract
from aiguard.contract.carried import usage_of_error
from aiguard.contract.response import form_of, inspected, reader_of, usage_of
from aiguard.failure import FailureKind as Kind
from aiguard.usage import Usage


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


def several(*choices: tuple[str, str | None], **more: Any) -> Any:
    """Build a chat completion of several choices, each how it ended and its text."""
    built = [chat(reason, text, **more).choices[0] for reason, text in choices]
    return chat().model_copy(update={"choices": built})


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (lambda: several(("stop", JSON), ("stop", CUT)), None),
        (lambda: several(("stop", JSON), ("length", JSON)), Kind.TRUNCATED),
        (lambda: several(("length", JSON), ("stop", JSON)), Kind.TRUNCATED),
        (lambda: several(("stop", JSON), ("content_filter", JSON)), Kind.CONTENT_FILTER),
        (lambda: several(("stop", JSON), ("stop", JSON), refusal="no"), Kind.REFUSAL),
        (lambda: several(("stop", JSON), ("stop", " ")), Kind.EMPTY_OUTPUT),
        (lambda: several(("stop", JSON), ("stop", None)), Kind.EMPTY_OUTPUT),
        (lambda: generated_several(("STOP", JSON), ("STOP", JSON)), None),
        (lambda: generated_several(("STOP", JSON), ("SAFETY", JSON)), Kind.CONTENT_FILTER),
        (lambda: generated_several(("STOP", JSON), ("STOP", " ")), Kind.EMPTY_OUTPUT),
    ],
    ids=range(10),
)
def test_of_several_choices_each_has_to_be_an_answer(response: Any, kind: Kind | None) -> None:
    """Whoever asks for several uses several; the contract is that of the first."""
    assert inspected_kind(response()) == kind
    if kind is None:
        assert JUDGE.judge(response()) == Item(a=1)
    else:
        assert kind_of(response()) == kind


def test_a_choice_may_be_a_tools_call() -> None:
    """It has no text then."""
    called = chat("tool_calls", None, tool_calls=[_TOOL_CALL]).choices[0]
    plain = chat().choices[0]
    assert inspected_kind(chat().model_copy(update={"choices": [plain, called]})) is None


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
    assert form_of(types.ParsedChatCompletion[Item]) is form_of(types.ChatCompletion)


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
        (None, [JSON], Kind.STREAM_INTERRUPTED),
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


def generated_several(*candidates: tuple[str, str]) -> Any:
    """Build a response of several candidates, each how it ended and its text."""
    types = pytest.importorskip("google.genai.types")
    built = [{"finish_reason": reason, "content": {"parts": [{"text": text}]}} for reason, text in candidates]
    return types.GenerateContentResponse.model_validate({"candidates": built})


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


def test_a_refusal_beside_a_message_of_litellm_is_one() -> None:
    """It keeps there what its own message has no room for."""
    message = SimpleNamespace(content=None, provider_specific_fields={"refusal": "secret"})
    choices = [SimpleNamespace(finish_reason="stop", message=message)]
    assert kind_of(_like("litellm.types.utils", "ModelResponse", choices=choices)) == Kind.REFUSAL
    for nothing in (None, {}, {"refusal": None}):
        message.content, message.provider_specific_fields = JSON, nothing
        assert JUDGE.judge(_like("litellm.types.utils", "ModelResponse", choices=choices)) == Item(a=1)


def test_what_keeps_its_raw_response_has_used_what_that_says() -> None:
    """Instructor's results do; one that keeps itself says nothing."""
    raw = _like_chat(usage=SimpleNamespace(prompt_tokens=1, completion_tokens=2), model="m")
    assert usage_of(SimpleNamespace(_raw_response=raw)) == Usage(1, 2, 0, "m")
    itself = SimpleNamespace()
    itself._raw_response = itself
    assert usage_of(itself) is usage_of(SimpleNamespace(_raw_response=None)) is usage_of(object()) is None


@pytest.mark.parametrize(
    ("module", "name", "kept"),
    [
        ("openai", "LengthFinishReasonError", "completion"),
        ("openai", "ContentFilterFinishReasonError", "completion"),
        ("instructor.v2.core.errors", "IncompleteOutputException", "last_completion"),
        ("instructor.v2.core.errors", "InstructorRetryException", "last_completion"),
    ],
)
def test_an_exception_that_carries_its_response_has_used_what_that_says(module: str, name: str, kept: str) -> None:
    """Also of a class that is derived from it, as instructor's budget errors are."""
    cls = type(name, (Exception,), {"__module__": module})
    error = type("Derived", (cls,), {})()
    assert usage_of_error(error) is None
    setattr(error, kept, _like_chat(usage=SimpleNamespace(prompt_tokens=1, completion_tokens=2), model="m"))
    assert usage_of_error(error) == Usage(1, 2, 0, "m")
    assert usage_of_error(ValueError()) is None


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


# looked at by itself, before any contract


def inspected_kind(response: object, *, parsed: bool = False) -> Kind | None:
    """Inspect a response; `None` where it is an answer."""
    try:
        inspected(response, parsed=parsed)
    except Breach as caught:
        breach = caught
    else:
        return None
    assert breach.__context__ is breach.__cause__ is None
    assert "secret" not in str(breach)
    return breach.kind


_TOOL_CALL = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (chat, None),
        (lambda: chat("tool_calls", None, tool_calls=[_TOOL_CALL]), None),
        (lambda: chat("length"), Kind.TRUNCATED),
        (lambda: chat("content_filter"), Kind.CONTENT_FILTER),
        (lambda: chat("error"), Kind.PROVIDER_FAILED),
        (lambda: chat(None), Kind.STREAM_INTERRUPTED),  # type: ignore[arg-type]
        (lambda: chat(content=None, refusal="secret"), Kind.REFUSAL),
        (lambda: chat(content=" \n"), Kind.EMPTY_OUTPUT),
        (lambda: chat(content=["secret"]), Kind.MALFORMED_OUTPUT),  # type: ignore[arg-type]
        (lambda: chat().model_copy(update={"choices": None}), Kind.EMPTY_OUTPUT),
        (lambda: chat().model_copy(update={"choices": [None]}), Kind.SCHEMA_VIOLATION),
        (response, None),
        (lambda: response(None), None),
        (lambda: response("failed"), Kind.PROVIDER_FAILED),
        (lambda: response("incomplete", incomplete_details={"reason": "max_output_tokens"}), Kind.TRUNCATED),
        (lambda: response("incomplete", incomplete_details={"reason": "content_filter"}), Kind.CONTENT_FILTER),
        (lambda: response(content=[]), Kind.EMPTY_OUTPUT),
        (lambda: response(content=[{"type": "refusal", "refusal": "secret"}]), Kind.REFUSAL),
        (lambda: message("end_turn", JSON), None),
        (lambda: message("end_turn"), Kind.EMPTY_OUTPUT),
        (lambda: message("max_tokens", JSON), Kind.TRUNCATED),
        (lambda: message("refusal"), Kind.REFUSAL),
        (lambda: message(None, JSON), Kind.STREAM_INTERRUPTED),
        (lambda: generated("STOP", {"text": JSON}), None),
        (lambda: generated("STOP", {"function_call": {"name": "f"}}), None),
        (lambda: generated("STOP", {"text": " "}), Kind.EMPTY_OUTPUT),
        (lambda: generated("STOP"), Kind.EMPTY_OUTPUT),
        (lambda: generated("SAFETY"), Kind.CONTENT_FILTER),
        (lambda: generated("LANGUAGE"), Kind.PROVIDER_FAILED),
        (lambda: generated(candidates=None, prompt_feedback={"block_reason": "SAFETY"}), Kind.CONTENT_FILTER),
        (lambda: "text", None),
        (lambda: None, None),
        (object, None),
    ],
    ids=range(33),
)
def test_a_response_is_inspected_without_a_contract(response: Any, kind: Kind | None) -> None:
    """What a provider says of its answer needs no schema; whatever is no client's response passes."""
    assert inspected_kind(response()) == kind


@pytest.mark.parametrize(
    ("module", "name"),
    [("openai.types", "ChatCompletion"), ("openai.types", "Response"), ("anthropic.types", "Message")],
)
def test_an_error_for_a_body_is_told_as_one(module: str, name: str) -> None:
    """Gateways send it with a status that says all is well, and clients make an object of it that lacks the rest."""
    missing: dict[str, Any] = {"choices": None, "status": None, "output": None, "stop_reason": None, "content": None}
    assert inspected_kind(_like(module, name, error={"message": "secret"}, **missing)) == Kind.PROVIDER_FAILED


def test_an_answer_that_the_client_could_not_parse_is_none() -> None:
    """Google's says so only by holding nothing, and only who asked for it knows."""
    answer = _like_generated(parsed=None)
    assert inspected_kind(answer) is None
    assert inspected_kind(answer, parsed=True) == Kind.SCHEMA_VIOLATION
    assert inspected_kind(_like_generated(parsed=Item(a=1)), parsed=True) is None


def _like_generated(**attributes: Any) -> Any:
    part = SimpleNamespace(text=JSON)
    candidate = SimpleNamespace(finish_reason="STOP", content=SimpleNamespace(parts=[part]))
    return _like("google.genai.types", "GenerateContentResponse", candidates=[candidate], **attributes)


def _like_ai(content: Any = JSON, name: str = "AIMessage", **attributes: Any) -> Any:
    empty: dict[str, Any] = {"response_metadata": {}, "additional_kwargs": {}}
    more: dict[str, Any] = {"tool_calls": [], "invalid_tool_calls": [], "usage_metadata": None}
    return _like("langchain_core.messages.ai", name, **{"content": content, **empty, **more, **attributes})


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_like_ai(), None),
        (_like_ai([{"type": "text", "text": "a"}, "b"]), None),
        (_like_ai("", tool_calls=[{"name": "f"}]), None),
        (_like_ai([{"type": "image", "url": "secret"}]), None),
        (_like_ai(""), Kind.EMPTY_OUTPUT),
        (_like_ai([{"type": "reasoning", "reasoning": "secret"}]), Kind.EMPTY_OUTPUT),
        (_like_ai("", name="AIMessageChunk"), None),
        (_like_ai(response_metadata={"finish_reason": "stop"}), None),
        (_like_ai(response_metadata={"finish_reason": "length"}), Kind.TRUNCATED),
        (_like_ai(response_metadata={"finish_reason": "MAX_TOKENS"}), Kind.TRUNCATED),
        (_like_ai(response_metadata={"done_reason": "length"}), Kind.TRUNCATED),
        (_like_ai(response_metadata={"stop_reason": "refusal"}), Kind.REFUSAL),
        (_like_ai(response_metadata={"stopReason": "guardrail_intervened"}), Kind.CONTENT_FILTER),
        (_like_ai(response_metadata={"status": "incomplete", "incomplete_details": None}), Kind.TRUNCATED),
        (_like_ai(response_metadata={"status": "failed"}), Kind.PROVIDER_FAILED),
        (_like_ai(response_metadata={"prompt_feedback": {"block_reason": 1}}), Kind.CONTENT_FILTER),
        (_like_ai(additional_kwargs={"refusal": "secret"}), Kind.REFUSAL),
        (_like_ai(response_metadata="secret"), Kind.SCHEMA_VIOLATION),
    ],
    ids=range(18),
)
def test_a_message_of_langchain_is_inspected(answer: Any, kind: Kind | None) -> None:
    """It passes on what the provider said, under the provider's own name for it."""
    assert inspected_kind(answer) == kind


def test_the_text_of_a_langchain_message_is_judged() -> None:
    """Its blocks of text joined."""
    assert JUDGE.judge(_like_ai([{"type": "reasoning", "reasoning": "{"}, {"type": "text", "text": JSON}])) == Item(a=1)


def _like_parts(*texts: str, **attributes: Any) -> Any:
    parts = [SimpleNamespace(part_kind="thinking", content="{")]
    parts += [SimpleNamespace(part_kind="text", content=text) for text in texts]
    told = {"parts": parts, "finish_reason": None, "state": "complete", **attributes}
    return _like("pydantic_ai.messages", "ModelResponse", **told)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (_like_parts(JSON), None),
        (_like_parts(), None),
        (_like_parts(JSON, finish_reason="length"), Kind.TRUNCATED),
        (_like_parts(JSON, finish_reason="content_filter"), Kind.CONTENT_FILTER),
        (_like_parts(JSON, finish_reason="error"), Kind.PROVIDER_FAILED),
        (_like_parts(JSON, state="interrupted"), Kind.STREAM_INTERRUPTED),
    ],
    ids=range(6),
)
def test_a_model_response_of_pydantic_ai_is_inspected(answer: Any, kind: Kind | None) -> None:
    """As far as it tells; an agent goes on from an empty one by itself."""
    assert inspected_kind(answer) == kind


class _Hostile:
    """Every attribute raises, with content in the message."""

    def __getattr__(self, name: str) -> Any:
        msg = f"the secret {name}"
        raise RuntimeError(msg)


_CLASSES = [
    ("openai.types.chat", "ChatCompletion"),
    ("openai.types", "Completion"),
    ("openai.types.responses", "Response"),
    ("openai.types", "CreateEmbeddingResponse"),
    ("litellm.types.utils", "ModelResponse"),
    ("litellm.types.utils", "EmbeddingResponse"),
    ("anthropic.types", "Message"),
    ("anthropic.types.beta", "BetaMessage"),
    ("google.genai.types", "GenerateContentResponse"),
    ("google.genai.types", "EmbedContentResponse"),
    ("langchain_core.messages.ai", "AIMessage"),
    ("langchain_core.messages.ai", "AIMessageChunk"),
    ("pydantic_ai.messages", "ModelResponse"),
]


@pytest.mark.parametrize(("module", "name"), _CLASSES)
def test_a_response_that_cannot_be_read_is_a_breach_and_reports_nothing(module: str, name: str) -> None:
    """Whatever its attributes raise, or where it has none at all, nothing but a breach comes out."""
    for base in (_Hostile, SimpleNamespace):
        broken = type(name, (base,), {"__module__": module})()
        assert inspected_kind(broken) == Kind.SCHEMA_VIOLATION
        assert usage_of(broken) is None


@pytest.mark.parametrize("name", ["CreateEmbeddingResponse"])
def test_embeddings_without_vectors_are_empty(name: str) -> None:
    """There is nothing else to see in them."""
    assert inspected_kind(_like("openai.types", name, data=[])) == Kind.EMPTY_OUTPUT
    assert inspected_kind(_like("openai.types", name, data=[SimpleNamespace(embedding=[0.5])])) is None
    assert inspected_kind(_like("google.genai.types", "EmbedContentResponse", embeddings=None)) == Kind.EMPTY_OUTPUT


# what it used


def test_what_openai_reports_as_used_is_read() -> None:
    """A chat completion and a response name the same three numbers differently."""
    usage: dict[str, Any] = {"prompt_tokens": 10, "completion_tokens": 4, "total_tokens": 14}
    usage |= {"prompt_tokens_details": {"cached_tokens": 6}}
    completion = type(chat()).model_validate({**chat().model_dump(), "usage": usage})
    assert usage_of(completion) == Usage(10, 4, 6, "m")
    assert usage_of(chat()) is None
    used = {"input_tokens": 7, "output_tokens": 3, "input_tokens_details": {"cached_tokens": 2}}
    assert usage_of(response(usage=used)) == Usage(7, 3, 2, "m")


def test_what_anthropic_reads_from_its_cache_and_writes_to_it_was_sent_too() -> None:
    """Its `input_tokens` leave both out."""
    types = pytest.importorskip("anthropic.types")
    counted = types.Usage(input_tokens=5, output_tokens=4, cache_read_input_tokens=100, cache_creation_input_tokens=20)
    assert usage_of(message().model_copy(update={"usage": counted})) == Usage(125, 4, 100, "m")
    assert usage_of(message()) is None


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        (
            _like(
                "google.genai.types",
                "GenerateContentResponse",
                model_version="g",
                usage_metadata=SimpleNamespace(
                    prompt_token_count=10,
                    tool_use_prompt_token_count=3,
                    candidates_token_count=4,
                    thoughts_token_count=5,
                    cached_content_token_count=6,
                ),
            ),
            Usage(13, 9, 6, "g"),
        ),
        (
            _like_ai(
                usage_metadata={"input_tokens": 9, "output_tokens": 2, "input_token_details": {"cache_read": 4}},
                response_metadata={"model_name": "l"},
            ),
            Usage(9, 2, 4, "l"),
        ),
        (
            _like_parts(usage=SimpleNamespace(input_tokens=8, output_tokens=1, cache_read_tokens=2), model_name="p"),
            Usage(8, 1, 2, "p"),
        ),
        (
            _like(
                "pydantic_ai.run",
                "AgentRunResult",
                usage=lambda: SimpleNamespace(input_tokens=8, output_tokens=1, cache_read_tokens=2),
            ),
            Usage(8, 1, 2),
        ),
        (
            _like("litellm.types.utils", "EmbeddingResponse", model="e", usage=SimpleNamespace(prompt_tokens=5)),
            Usage(5, 0, 0, "e"),
        ),
    ],
    ids=range(5),
)
def test_what_other_clients_report_as_used_is_read(answer: Any, usage: Usage) -> None:
    """Whatever they call it."""
    assert usage_of(answer) == usage


@pytest.mark.parametrize("odd", [-1, "7", 1.5, True, None, 10**400, [3]])
def test_a_number_of_tokens_that_is_none_counts_nothing(odd: object) -> None:
    """A count that nobody can add up is as good as none."""
    used = SimpleNamespace(prompt_tokens=odd, completion_tokens=2)
    assert usage_of(_like("openai.types.chat", "ChatCompletion", usage=used, model=["secret"])) == Usage(0, 2)


def test_what_is_no_response_reports_nothing() -> None:
    """Neither a plain value nor a class of the same name elsewhere."""
    assert usage_of("text") is None
    assert usage_of(_like("myapp", "ChatCompletion", usage=SimpleNamespace(prompt_tokens=1))) is None
