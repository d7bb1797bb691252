"""OpenAI's formats: chat completions, responses, embeddings."""

from __future__ import annotations

import base64
import struct
from typing import TYPE_CHECKING, Any, Final

from aiguard.testing.faultserver.catalogue import WireFault
from aiguard.testing.faultserver.wire import FILLER, GARBAGE, Answer, Asked, Events, Provider, Refused, event, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

_CREATED: Final = 1_700_000_000

_REFUSAL: Final = "I'm sorry, I can't assist with that."

_INVALID: Final = "invalid_request_error"

_LIMIT: Final = (429, "requests", "rate_limit_exceeded", "Rate limit reached for requests.")
_UNAVAILABLE: Final = (503, "server_error", None, "The engine is currently overloaded, please try again later.")

_ERRORS: Final[Mapping[WireFault, tuple[int, str, str | None, str]]] = {
    WireFault.BAD_REQUEST: (400, _INVALID, None, "Invalid value for 'temperature'."),
    WireFault.AUTH: (401, _INVALID, "invalid_api_key", "Incorrect API key provided."),
    WireFault.FORBIDDEN: (
        403,
        "request_forbidden",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    WireFault.NOT_FOUND: (
        404,
        _INVALID,
        "model_not_found",
        "The model does not exist or you do not have access to it.",
    ),
    WireFault.CONTEXT_LENGTH: (
        400,
        _INVALID,
        "context_length_exceeded",
        "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    ),
    WireFault.RATE_LIMITED: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_AFTER: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_DATE: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_MS: _LIMIT,
    WireFault.QUOTA: (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    WireFault.SERVER_ERROR: (500, "server_error", None, "The server had an error while processing your request."),
    WireFault.UNAVAILABLE: _UNAVAILABLE,
    WireFault.UNAVAILABLE_RETRY_AFTER: _UNAVAILABLE,
    WireFault.GATEWAY_TIMEOUT: (504, "server_error", None, "The request timed out."),
    WireFault.OVERLOADED: (529, "server_error", None, "Overloaded."),
}


def error_body(kind: str, code: str | None, message: str) -> dict[str, Any]:
    """Return an error as OpenAI words it."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


class _OpenAI:
    provider: Provider = "openai"
    streams = True
    unsaid: frozenset[WireFault] = frozenset()

    def error(self, asked: Asked, fault: WireFault) -> Refused | None:  # noqa: ARG002 - other providers name the model
        """Return how OpenAI words it."""
        if fault not in _ERRORS:
            return None
        status, kind, code, message = _ERRORS[fault]
        return Refused(status, error_body(kind, code, message))


class Chat(_OpenAI):
    """`POST /v1/chat/completions`."""

    def body(self, asked: Asked, answer: Answer) -> Any:
        """Return a chat completion."""
        refused = answer.ending == "refusal"
        message = {
            "role": "assistant",
            "content": None if refused else answer.text,
            "refusal": _REFUSAL if refused else None,
        }
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
        return self._envelope(asked, "chat.completion") | {"choices": [choice], "usage": self._usage(answer)}

    def events(self, asked: Asked, answer: Answer) -> Events:
        """Return chunks, one of what was used where `stream_options` asks for it, and `[DONE]`."""
        role = self._chunk(asked, {"role": "assistant", "content": ""})
        if answer.ending == "refusal":
            text = [self._chunk(asked, {"refusal": _REFUSAL})]
        elif answer.text is None:
            text = [self._chunk(asked, {"content": None})]
        else:
            text = [self._chunk(asked, {"content": piece}) for piece in answer.pieces]
        closing = [self._chunk(asked, {}, _finish(answer)), b"data: [DONE]\n\n"]
        if _wants_usage(asked):
            last = self._envelope(asked, "chat.completion.chunk") | {"choices": [], "usage": self._usage(answer)}
            closing.insert(1, event(last))
        return Events([role], text, closing, self._chunk(asked, {"role": "assistant"}))

    def error_event(self, asked: Asked) -> bytes:  # noqa: ARG002 - the same for every model
        """Return what the client takes for an error."""
        return event(error_body("server_error", None, "The server had an error while processing your request."))

    def _chunk(self, asked: Asked, delta: Any, finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk = self._envelope(asked, "chat.completion.chunk") | {"choices": [choice]}
        return event(chunk | {"usage": None} if _wants_usage(asked) else chunk)

    @staticmethod
    def _usage(answer: Answer) -> dict[str, int]:
        said = tokens(answer.text)
        return {"prompt_tokens": 8, "completion_tokens": said, "total_tokens": 8 + said}

    @staticmethod
    def _envelope(asked: Asked, kind: str) -> dict[str, Any]:
        return {"id": "chatcmpl-fault", "object": kind, "created": _CREATED, "model": asked.model}


class Responses(_OpenAI):
    """`POST /v1/responses`."""

    def body(self, asked: Asked, answer: Answer) -> Any:
        """Return a finished response."""
        status = "incomplete" if answer.ending in {"length", "filter"} else "completed"
        output = [self._item(answer, status)] if answer.text is not None or answer.ending == "refusal" else []
        reason = {"length": "max_output_tokens", "filter": "content_filter"}.get(answer.ending)
        said = tokens(answer.text)
        return self._response(asked, status, output) | {
            "incomplete_details": {"reason": reason} if reason else None,
            "usage": {
                "input_tokens": 8,
                "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": said,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": 8 + said,
            },
        }

    def events(self, asked: Asked, answer: Answer) -> Events:
        """Return the events from `response.created` to `response.completed`."""
        number = iter(range(1_000_000))

        def said(name: str, **data: Any) -> bytes:
            return event({"type": name, "sequence_number": next(number), **data}, name)

        def part(name: str, **data: Any) -> bytes:
            return said(name, item_id="msg_fault", output_index=0, content_index=0, **data)

        begun = self._response(asked, "in_progress", [])
        ended = self.body(asked, answer)
        item = ended["output"][0] if ended["output"] else None
        opening = [said("response.created", response=begun), said("response.in_progress", response=begun)]
        text, closing = [], []
        if item is not None:
            content = item["content"][0]
            key = "refusal" if content["type"] == "refusal" else "output_text"
            field = "refusal" if key == "refusal" else "text"
            pieces = [_REFUSAL] if key == "refusal" else answer.pieces
            opening += [
                said(
                    "response.output_item.added", output_index=0, item=item | {"status": "in_progress", "content": []}
                ),
                part("response.content_part.added", part=content | {field: ""}),
            ]
            extra: dict[str, Any] = {} if key == "refusal" else {"logprobs": []}
            text = [part(f"response.{key}.delta", delta=piece, **extra) for piece in pieces]
            closing += [
                part(f"response.{key}.done", **{field: content[field]}, **extra),
                part("response.content_part.done", part=content),
                said("response.output_item.done", output_index=0, item=item),
            ]
        closing += [said(f"response.{ended['status']}", response=ended)]
        return Events(opening, text, closing, said("response.in_progress", response=begun))

    def error_event(self, asked: Asked) -> bytes:  # noqa: ARG002 - the same for every model
        """Return the event `error`."""
        message = "The server had an error while processing your request."
        data = {"type": "error", "code": "server_error", "message": message, "param": None, "sequence_number": 9}
        return event(data, "error")

    @staticmethod
    def _item(answer: Answer, status: str) -> dict[str, Any]:
        content: dict[str, Any] = (
            {"type": "refusal", "refusal": _REFUSAL}
            if answer.ending == "refusal"
            else {"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}
        )
        return {"id": "msg_fault", "type": "message", "role": "assistant", "status": status, "content": [content]}

    @staticmethod
    def _response(asked: Asked, status: str, output: list[Any]) -> dict[str, Any]:
        return {
            "id": "resp_fault",
            "object": "response",
            "created_at": _CREATED,
            "status": status,
            "model": asked.model,
            "output": output,
            "error": None,
            "incomplete_details": None,
            "instructions": None,
            "metadata": {},
            "parallel_tool_calls": True,
            "temperature": 1.0,
            "tool_choice": "auto",
            "tools": [],
            "top_p": 1.0,
        }


class Embeddings(_OpenAI):
    """`POST /v1/embeddings`; the vectors say nothing."""

    streams = False
    unsaid = frozenset({WireFault.TRUNCATED, WireFault.REFUSAL, WireFault.CONTENT_FILTER})

    _DIMENSIONS: Final = 8

    def body(self, asked: Asked, answer: Answer) -> Any:
        """Return a vector for each text; for none where the answer is empty, and of one number where it is garbage."""
        given = asked.body.get("input")
        # a list of numbers is one text, as tokens
        count = len(given) if isinstance(given, list) and not all(isinstance(one, int) for one in given) else 1
        wanted = asked.body.get("dimensions")
        length = wanted if isinstance(wanted, int) and 0 < wanted <= 4096 else self._DIMENSIONS  # noqa: PLR2004 - no model has more
        vectors: list[Any] = [self._vector(index, 1 if answer.text == GARBAGE else length) for index in range(count)]
        if asked.body.get("encoding_format") == "base64":
            vectors = [base64.b64encode(struct.pack(f"<{len(one)}f", *one)).decode() for one in vectors]
        if answer.text is None:
            vectors = [None] * count
        if answer.text == "":
            vectors = []
        data = [{"object": "embedding", "index": index, "embedding": one} for index, one in enumerate(vectors)]
        # there is no other text that could be made large or broken
        model = FILLER if answer.text == FILLER else asked.model
        return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": 8, "total_tokens": 8}}

    def events(self, asked: Asked, answer: Answer) -> Events:
        """Refuse: there is no such form."""
        raise NotImplementedError

    def error_event(self, asked: Asked) -> bytes:
        """Refuse: there is no such form."""
        raise NotImplementedError

    @staticmethod
    def _vector(index: int, length: int) -> list[float]:
        return [((index + place) % 16 + 1) / 16 for place in range(length)]


def _wants_usage(asked: Asked) -> bool:
    options = asked.body.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def _finish(answer: Answer) -> str:
    return {"length": "length", "filter": "content_filter"}.get(answer.ending, "stop")
