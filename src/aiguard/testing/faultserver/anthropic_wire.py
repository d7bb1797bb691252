"""Anthropic's format: messages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.testing.faultserver.catalogue import WireFault
from aiguard.testing.faultserver.wire import Answer, Asked, Events, Provider, Refused, event, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

_INVALID: Final = "invalid_request_error"

_LIMIT: Final = (429, "rate_limit_error", "This request would exceed your organization's rate limit.")
_UNAVAILABLE: Final = (503, "api_error", "Service unavailable")

_ERRORS: Final[Mapping[WireFault, tuple[int, str, str]]] = {
    WireFault.BAD_REQUEST: (400, _INVALID, "max_tokens: Field required"),
    WireFault.AUTH: (401, "authentication_error", "invalid x-api-key"),
    WireFault.FORBIDDEN: (
        403,
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    WireFault.NOT_FOUND: (404, "not_found_error", "model: {model}"),
    WireFault.CONTEXT_LENGTH: (400, _INVALID, "prompt is too long: 200001 tokens > 200000 maximum"),
    WireFault.RATE_LIMITED: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_AFTER: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_DATE: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_MS: _LIMIT,
    WireFault.QUOTA: (402, "billing_error", "Your credit balance is too low to access the Anthropic API."),
    WireFault.SERVER_ERROR: (500, "api_error", "Internal server error"),
    WireFault.UNAVAILABLE: _UNAVAILABLE,
    WireFault.UNAVAILABLE_RETRY_AFTER: _UNAVAILABLE,
    WireFault.GATEWAY_TIMEOUT: (504, "timeout_error", "Request timed out"),
    WireFault.OVERLOADED: (529, "overloaded_error", "Overloaded"),
    WireFault.CONTENT_FILTER: (400, _INVALID, "Output blocked by content filtering policy"),
}


def _error_body(kind: str, message: str) -> dict[str, Any]:
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_fault"}


class Messages:
    """`POST /v1/messages`."""

    provider: Provider = "anthropic"
    streams = True
    unsaid: frozenset[WireFault] = frozenset()

    def body(self, asked: Asked, answer: Answer) -> Any:
        """Return a message."""
        content: Any = None if answer.text is None else [{"type": "text", "text": answer.text}] if answer.text else []
        usage = {"input_tokens": 8, "output_tokens": tokens(answer.text)}
        return self._message(asked) | {"content": content, "stop_reason": _stop(answer), "usage": usage}

    def events(self, asked: Asked, answer: Answer) -> Events:
        """Return the events from `message_start` to `message_stop`."""
        ping = self._said("ping")
        opening = [self._said("message_start", message=self._message(asked))]
        closing = []
        if answer.text:
            block = {"type": "text", "text": ""}
            opening += [self._said("content_block_start", index=0, content_block=block), ping]
            closing += [self._said("content_block_stop", index=0)]
        text = [
            self._said("content_block_delta", index=0, delta={"type": "text_delta", "text": piece})
            for piece in answer.pieces
        ]
        end = {"stop_reason": _stop(answer), "stop_sequence": None}
        closing += [
            self._said("message_delta", delta=end, usage={"output_tokens": tokens(answer.text)}),
            self._said("message_stop"),
        ]
        return Events(opening, text, closing, ping)

    def error(self, asked: Asked, fault: WireFault) -> Refused | None:
        """Return how Anthropic words it."""
        if fault not in _ERRORS:
            return None
        status, kind, message = _ERRORS[fault]
        return Refused(status, _error_body(kind, message.format(model=asked.model)))

    def error_event(self, asked: Asked) -> bytes:  # noqa: ARG002 - the same for every model
        """Return the event `error`."""
        return event(_error_body("overloaded_error", "Overloaded"), "error")

    @staticmethod
    def _said(name: str, **data: Any) -> bytes:
        return event({"type": name, **data}, name)

    @staticmethod
    def _message(asked: Asked) -> dict[str, Any]:
        return {
            "id": "msg_fault",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 8, "output_tokens": 1},
        }


def _stop(answer: Answer) -> str:
    return {"length": "max_tokens", "refusal": "refusal"}.get(answer.ending, "end_turn")
