"""
The response objects of clients: whether one is an answer at all, its text, and what it used.

Matched by top module and class name across the MRO, so that no SDK is ever imported. An answer that was cut, refused
or filtered arrives as an ordinary return value; parsed like any other, it is an answer that nobody gave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

from aiguard.contract import tokens
from aiguard.contract.breach import Breach, raised
from aiguard.contract.choices import BESIDE_TEXT, TEXT_BLOCKS, candidate_brings, chat_brings
from aiguard.contract.endings import check_ending, no_answer, shown_word
from aiguard.contract.fields import field
from aiguard.failure import FailureKind

if TYPE_CHECKING:
    from collections.abc import Hashable

    from aiguard.usage import Usage

Reader = Callable[[Any], str]
"""Returns the text of a response, `""` where it has none; raises `Breach` where it is no answer."""


class Form(NamedTuple):
    """
    How responses of one class are read. Whatever they lack may raise anything.

    Attributes:
        check: Raises `Breach` where the provider says that it is no answer.
        used: Returns what it used.
        text: Returns its text; `None` where responses of the class are no texts.
        more: Returns whether there is anything in it but text: a tool's call, a picture, vectors.
        parsed: Returns what the client has made of the text, where it was asked to; `None` where it never does.
        empty: Whether one without content is no answer.
    """

    check: Callable[[Any], None]
    used: Callable[[Any], Usage | None]
    text: Reader | None
    more: Callable[[Any], bool]
    parsed: Callable[[Any], object] | None = None
    empty: bool = True

    def read(self, response: Any) -> str:
        """Return the text. Raises `Breach` where it is no answer."""
        self.check(response)
        return "" if self.text is None else self.text(response)


def inspected(response: object, *, parsed: bool = False) -> None:
    """
    Look at what a client returned, before anybody reads it; of what no client is known to return, nothing is said.

    Args:
        response: What a component, or a client inside one, returned.
        parsed: Whether the client was asked to parse the answer, so that one it could not parse is none. Google's
            says so in no other way.

    Raises:
        Breach: It is no answer: cut, refused, filtered, given up by the provider, or empty. Never anything else.
    """
    try:
        cls: Any = type(response)
        form = form_of(cls)
        if form is not None:
            _inspect(form, response, parsed=parsed)
        return
    except Breach as caught:
        breach = caught
    except Exception as error:  # noqa: BLE001 - attributes may be missing, or raise anything
        breach = raised(error)
    breach.__context__ = None
    try:
        raise breach
    finally:
        del breach  # its traceback holds this frame, and the answer in it


def check(response: object) -> None:
    """
    Look only at what the provider says of how a response ended: one without content may have some in other events.

    Raises:
        Breach: It says that it is no answer.
        Exception: Whatever reading it raises.
    """
    form = form_of(cast("Hashable", type(response)))
    if form is not None:
        form.check(response)


def usage_of(response: object) -> Usage | None:
    """Return the tokens that a client's response reports; `None` where it reports none, or is no client's."""
    try:
        cls: Any = type(response)
        form = form_of(cls)
        if form is not None:
            return form.used(response)
        held = vars(response).get("_raw_response")  # instructor's results keep theirs
        return usage_of(held) if held is not None else None
    except Exception:  # noqa: BLE001 - what cannot be read was not reported
        return None


@lru_cache(maxsize=256)
def form_of(cls: type) -> Form | None:
    """Return how responses of class `cls` are read; `None` where it is not a client's response."""
    for base in cls.__mro__:
        if form := _FORMS.get((str(base.__module__).partition(".")[0], base.__name__)):
            return form
    return None


@lru_cache(maxsize=256)
def reader_of(cls: type) -> Reader | None:
    """Return what reads the text of responses of class `cls`; `None` where they have none, or are no client's."""
    form = form_of(cast("Hashable", cls))
    return form.read if form is not None and form.text is not None else None


def _inspect(form: Form, response: Any, *, parsed: bool) -> None:
    text = form.read(response)
    blank = form.empty and (not text or text.isspace())
    parsed_of = form.parsed if parsed else None
    if (not blank and parsed_of is None) or form.more(response):
        return
    if blank:
        raise no_answer(FailureKind.EMPTY_OUTPUT, "nothing but white space, or nothing at all")
    if parsed_of is not None and parsed_of(response) is None:
        raise no_answer(FailureKind.SCHEMA_VIOLATION, "a parsed value was asked for, and there is none")


# --- OpenAI, and what speaks like it


def _check_chat(response: Any) -> None:
    _check_error(response)
    choices = response.choices or ()
    for choice in choices:
        reason = getattr(choice, "finish_reason", "")
        if reason is None:  # what a stream leaves that ended before it was over
            raise no_answer(FailureKind.STREAM_INTERRUPTED, "finish_reason is None")
        check_ending(reason, "finish_reason")
        if field(choice.message, "refusal"):
            raise no_answer(FailureKind.REFUSAL, "the message holds a refusal")
    if len(choices) > 1:
        _check_others(choices, chat_brings)


def _chat_text(response: Any) -> str:
    return _text(response.choices[0].message.content) if response.choices else ""


def _chat_has_more(response: Any) -> bool:
    message = response.choices[0].message if response.choices else None
    return any(field(message, name) for name in BESIDE_TEXT)


def _check_litellm(response: Any) -> None:
    for choice in response.choices or ():
        if (field(choice.message, "provider_specific_fields") or {}).get("refusal"):
            raise no_answer(FailureKind.REFUSAL, "the message holds a refusal")
    _check_chat(response)


def _check_completion(response: Any) -> None:
    choices = response.choices or ()
    for choice in choices:
        check_ending(choice.finish_reason, "finish_reason")
    _check_others(choices, chat_brings)


def _check_response(response: Any) -> None:
    status = response.status
    if status == "incomplete":
        reason = getattr(response.incomplete_details, "reason", None)
        check_ending(reason, "incomplete_details.reason")
        raise no_answer(FailureKind.TRUNCATED, "status is incomplete")
    if status not in {None, "completed"}:
        raise no_answer(FailureKind.PROVIDER_FAILED, f"status is {shown_word(status)}")
    _check_error(response)
    if any(part.type == "refusal" for part in _response_parts(response)):
        raise no_answer(FailureKind.REFUSAL, "the message holds a refusal")


def _response_parts(response: Any) -> list[Any]:
    return [part for item in response.output or () if item.type == "message" for part in item.content or ()]


def _response_text(response: Any) -> str:
    return "".join([_text(part.text) for part in _response_parts(response) if part.type == "output_text"])


def _used_openai(response: Any) -> Usage | None:
    return tokens.of_openai(getattr(response, "usage", None), getattr(response, "model", None))


# --- Anthropic


def _check_message(message: Any) -> None:
    _check_error(message)
    if message.stop_reason is None:  # what a stream leaves that ended without message_stop
        raise no_answer(FailureKind.STREAM_INTERRUPTED, "stop_reason is None")
    check_ending(message.stop_reason, "stop_reason")


def _message_text(message: Any) -> str:
    return "".join([_text(block.text) for block in message.content or () if block.type == "text"])


def _used_anthropic(message: Any) -> Usage | None:
    return tokens.of_anthropic(message.usage, getattr(message, "model", None))


# --- Google


def _check_generated(response: Any) -> None:
    if not response.candidates:
        if getattr(response.prompt_feedback, "block_reason", None):
            raise no_answer(FailureKind.CONTENT_FILTER, "the prompt was blocked")
        return
    for candidate in response.candidates:
        check_ending(candidate.finish_reason, "finish_reason", strict=True)
    _check_others(response.candidates, candidate_brings)


def _generated_parts(response: Any) -> list[Any]:
    # its own .text warns about every part that is not text
    content = response.candidates[0].content if response.candidates else None
    return list(getattr(content, "parts", None) or ())


def _generated_text(response: Any) -> str:
    parts = _generated_parts(response)
    return "".join([_text(part.text) for part in parts if not getattr(part, "thought", None)])


def _used_google(response: Any) -> Usage | None:
    return tokens.of_google(response.usage_metadata, getattr(response, "model_version", None))


# --- LangChain

_ENDED_BY: Final = ("finish_reason", "stop_reason", "stopReason", "done_reason")


def _check_langchain(message: Any) -> None:
    told = message.response_metadata
    for name in _ENDED_BY:
        check_ending(told.get(name), name)
    if told.get("status") == "incomplete":
        check_ending((told.get("incomplete_details") or {}).get("reason"), "incomplete_details.reason")
        raise no_answer(FailureKind.TRUNCATED, "status is incomplete")
    if told.get("status") in {"failed", "cancelled"}:
        raise no_answer(FailureKind.PROVIDER_FAILED, f"status is {told['status']}")
    if (told.get("prompt_feedback") or {}).get("block_reason"):
        raise no_answer(FailureKind.CONTENT_FILTER, "the prompt was blocked")
    if message.additional_kwargs.get("refusal"):
        raise no_answer(FailureKind.REFUSAL, "the message holds a refusal")


def _langchain_blocks(message: Any) -> list[Any]:
    content = message.content
    return content if isinstance(content, list) else [content]


def _langchain_text(message: Any) -> str:
    blocks = _langchain_blocks(message)
    texts = (block.get("text") if isinstance(block, Mapping) else block for block in blocks if _is_text(block))
    return "".join(map(_text, texts))


def _is_text(block: Any) -> bool:
    return not isinstance(block, Mapping) or block.get("type") == "text"


_THOUGHTS: Final = TEXT_BLOCKS | {"reasoning"}


def _langchain_has_more(message: Any) -> bool:
    if message.tool_calls or message.invalid_tool_calls:
        return True
    if any(message.additional_kwargs.get(name) for name in ("audio", "function_call", "tool_calls")):
        return True
    blocks = _langchain_blocks(message)
    return any(isinstance(block, Mapping) and block.get("type") not in _THOUGHTS for block in blocks)


def _used_langchain(message: Any) -> Usage | None:
    told = message.response_metadata
    return tokens.of_langchain(message.usage_metadata, told.get("model_name") or told.get("model"))


# --- pydantic-ai


def _check_model_response(response: Any) -> None:
    check_ending(response.finish_reason, "finish_reason")
    if getattr(response, "state", None) == "interrupted":
        raise no_answer(FailureKind.STREAM_INTERRUPTED, "state is interrupted")


def _model_response_text(response: Any) -> str:
    return "".join([_text(part.content) for part in response.parts if part.part_kind == "text"])


def _used_pydantic_ai(response: Any) -> Usage | None:
    used = response.usage
    if not hasattr(used, "input_tokens"):  # a method, before their second major version
        used = used()
    return tokens.of_pydantic_ai(used, getattr(response, "model_name", None))


# --- all


def _text(content: object) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    raise Breach(FailureKind.MALFORMED_OUTPUT, "the response's content is not text")


def _check_error(response: Any) -> None:
    """Raise `Breach` for a body that is an error although its status says that all is well, as gateways send it."""
    if field(response, "error"):
        raise no_answer(FailureKind.PROVIDER_FAILED, "the response holds an error")


def _check_others(choices: Sequence[Any], brings: Callable[[Any], bool]) -> None:
    """Raise `Breach` where a choice after the first is empty: of the first, whoever takes its text says so."""
    if len(choices) > 1 and not all(brings(choice) for choice in choices[1:]):
        raise no_answer(FailureKind.EMPTY_OUTPUT, "a choice has nothing but white space, or nothing at all")


def _nothing_to_check(_: Any) -> None:
    """Say nothing: such a response tells of no ending."""


_CHAT: Final = Form(
    _check_chat,
    _used_openai,
    _chat_text,
    _chat_has_more,
    lambda response: getattr(response.choices[0].message, "parsed", None),
)
_MESSAGE: Final = Form(
    _check_message,
    _used_anthropic,
    _message_text,
    lambda message: any(block.type not in TEXT_BLOCKS for block in message.content or ()),
    lambda message: getattr(message, "parsed_output", None),
)
_OPENAI_VECTORS: Final = Form(_nothing_to_check, _used_openai, None, lambda response: bool(response.data))
_GOOGLE_VECTORS: Final = Form(_nothing_to_check, lambda _: None, None, lambda response: bool(response.embeddings))
_LANGCHAIN: Final = Form(_check_langchain, _used_langchain, _langchain_text, _langchain_has_more)

_FORMS: Final[dict[tuple[str, str], Form]] = {
    ("openai", "ChatCompletion"): _CHAT,
    ("litellm", "ModelResponse"): _CHAT._replace(check=_check_litellm),
    ("openai", "Completion"): Form(
        _check_completion,
        _used_openai,
        lambda response: _text(response.choices[0].text) if response.choices else "",
        lambda _: False,
    ),
    ("openai", "Response"): Form(
        _check_response,
        _used_openai,
        _response_text,
        lambda response: any(item.type not in {"message", "reasoning"} for item in response.output or ()),
        lambda response: getattr(response, "output_parsed", None),
    ),
    ("openai", "CreateEmbeddingResponse"): _OPENAI_VECTORS,
    ("litellm", "EmbeddingResponse"): _OPENAI_VECTORS,
    ("anthropic", "Message"): _MESSAGE,
    ("anthropic", "BetaMessage"): _MESSAGE,
    ("google", "GenerateContentResponse"): Form(
        _check_generated,
        _used_google,
        _generated_text,
        lambda response: any(part.text is None for part in _generated_parts(response)),
        lambda response: response.parsed,
    ),
    ("google", "EmbedContentResponse"): _GOOGLE_VECTORS,
    ("langchain_core", "AIMessage"): _LANGCHAIN,
    ("langchain_core", "AIMessageChunk"): _LANGCHAIN._replace(empty=False),  # a piece of a stream may be empty
    # an agent of theirs goes on from an empty response, with what was said before it
    ("pydantic_ai", "ModelResponse"): Form(
        _check_model_response, _used_pydantic_ai, _model_response_text, lambda _: False, empty=False
    ),
    ("pydantic_ai", "AgentRunResult"): Form(_nothing_to_check, _used_pydantic_ai, None, lambda _: True),
}
