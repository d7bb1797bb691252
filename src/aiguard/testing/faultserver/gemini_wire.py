"""Google's format for Gemini: `generateContent` and `streamGenerateContent`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.testing.faultserver.catalogue import WireFault
from aiguard.testing.faultserver.wire import Answer, Asked, Events, Provider, Refused, event, tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

_LIMIT: Final = (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota).")
_UNAVAILABLE: Final = (503, "UNAVAILABLE", "The model is overloaded. Please try again later.")

_ERRORS: Final[Mapping[WireFault, tuple[int, str, str]]] = {
    WireFault.BAD_REQUEST: (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    WireFault.AUTH: (401, "UNAUTHENTICATED", "Request had invalid authentication credentials."),
    WireFault.FORBIDDEN: (403, "PERMISSION_DENIED", "The caller does not have permission"),
    WireFault.NOT_FOUND: (404, "NOT_FOUND", "models/{model} is not found for API version v1beta."),
    WireFault.CONTEXT_LENGTH: (
        400,
        "INVALID_ARGUMENT",
        "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
    ),
    WireFault.RATE_LIMITED: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_AFTER: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_DATE: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_MS: _LIMIT,
    WireFault.RATE_LIMITED_RETRY_INFO: _LIMIT,
    WireFault.QUOTA: (
        429,
        "RESOURCE_EXHAUSTED",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    WireFault.SERVER_ERROR: (500, "INTERNAL", "An internal error has occurred."),
    WireFault.UNAVAILABLE: _UNAVAILABLE,
    WireFault.UNAVAILABLE_RETRY_AFTER: _UNAVAILABLE,
    WireFault.GATEWAY_TIMEOUT: (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete."),
    WireFault.OVERLOADED: (529, "UNAVAILABLE", "Overloaded."),
}

_DAILY: Final = {
    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
    "violations": [
        {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier",
            "quotaValue": "50",
        }
    ],
}


def error_body(status: int, word: str, message: str, *details: Any) -> dict[str, Any]:
    """Return an error as Google words it."""
    error = {"code": status, "message": message, "status": word}
    return {"error": error | {"details": list(details)} if details else error}


def retry_info(seconds: float) -> Refused:
    """Return a 429 that asks in its body to come back after `seconds`."""
    info = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:g}s"}
    return Refused(_LIMIT[0], error_body(*_LIMIT, info))


class Generate:
    """`POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent?alt=sse`."""

    provider: Provider = "gemini"
    streams = True
    unsaid: frozenset[WireFault] = frozenset()

    def body(self, asked: Asked, answer: Answer) -> Any:
        """Return a response with one candidate, or with none where the prompt was blocked."""
        usage = {"promptTokenCount": 8, "candidatesTokenCount": tokens(answer.text), "totalTokenCount": 8}
        if answer.ending == "refusal":
            feedback = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
            return self._response(asked, None) | feedback | {"usageMetadata": usage}
        candidate = self._candidate(answer.text) | {"finishReason": _finish(answer)}
        if answer.ending == "filter":
            del candidate["content"]
        return self._response(asked, candidate) | {"usageMetadata": usage}

    def events(self, asked: Asked, answer: Answer) -> Events:
        """Return responses, each with a piece of the text, and a last one that says why it ended."""
        text = [self._event(self._response(asked, self._candidate(piece))) for piece in answer.pieces]
        ended = Answer("" if answer.text else answer.text, answer.ending)
        return Events(
            [],
            text,
            [self._event(self.body(asked, ended))],
            self._event(self._response(asked, self._candidate(None))),
        )

    def error(self, asked: Asked, fault: WireFault) -> Refused | None:
        """Return how Google words it."""
        if fault not in _ERRORS:
            return None
        status, word, message = _ERRORS[fault]
        details = [_DAILY] if fault is WireFault.QUOTA else []
        return Refused(status, error_body(status, word, message.format(model=asked.model), *details))

    def error_event(self, asked: Asked) -> bytes:  # noqa: ARG002 - the same for every model
        """Return an error among the responses."""
        return self._event(error_body(*_UNAVAILABLE))

    @staticmethod
    def _event(data: Any) -> bytes:
        return event(data, end="\r\n")

    @staticmethod
    def _candidate(text: str | None) -> dict[str, Any]:
        content = {"role": "model"} if text is None else {"parts": [{"text": text}], "role": "model"}
        return {"content": content, "index": 0}

    @staticmethod
    def _response(asked: Asked, candidate: Any) -> dict[str, Any]:
        candidates = {"candidates": [candidate]} if candidate is not None else {}
        return candidates | {"modelVersion": asked.model, "responseId": "fault"}


def _finish(answer: Answer) -> str:
    return {"length": "MAX_TOKENS", "filter": "SAFETY"}.get(answer.ending, "STOP")
