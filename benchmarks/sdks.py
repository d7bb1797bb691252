"""
SDKs of which only the adapter is left to measure: real classes, requests and answers, and nothing in between.

What an SDK does itself is left out: a method sends a request that was made before, over a transport that answers at
once, and gives back an answer that was parsed before.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anthropic
import httpx
import httpx2
import openai
from anthropic.resources.messages import Messages
from anthropic.types import Message
from google import genai
from google.genai.models import Models
from google.genai.types import GenerateContentResponse, HttpOptions
from openai.resources.chat.completions import Completions
from openai.types.chat import ChatCompletion

from aiguard.failure import FailureKind
from aiguard.integrations.anthropic import component as anthropic_component
from aiguard.integrations.google import component as google_component
from aiguard.integrations.http import guard_client
from aiguard.integrations.openai import component as openai_component

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

URL: Final = "http://127.0.0.1/v1"
BODY: Final = b"{}"

SENT: Final[dict[str, Any]] = {
    "headers": {"content-type": "application/json", **{f"x-stainless-{number}": "told" for number in range(12)}},
    "extensions": {"timeout": dict.fromkeys(("connect", "read", "write", "pool"), 600.0)},
    "content": BODY,
}
"""With as many headers as the SDKs send, and their timeout."""

REQUEST: Final = httpx2.Request("POST", URL, **SENT)
HTTPX_REQUEST: Final = httpx.Request("POST", URL, **SENT)

PHASES: Final = ("pool", "write", "write", "read", "read")
"""The timeouts that httpcore looks up for a request over an open connection."""

TOLD: Final = {
    "content-type": "application/json",
    "date": "Mon, 23 Nov 2026 10:00:00 GMT",
    "server": "cloudflare",
    "openai-processing-ms": "12",
    "openai-version": "2020-10-01",
    "x-ratelimit-limit-requests": "10",
    "x-ratelimit-remaining-requests": "0",
    "x-ratelimit-reset-requests": "1s",
    "x-request-id": "req_1",
    "cf-ray": "8e7",
    "strict-transport-security": "max-age=31536000",
    "alt-svc": 'h3=":443"',
}
"""The headers of an answer of OpenAI's."""

REFUSED: Final = {"message": "Slow down.", "type": "requests", "param": None, "code": "rate_limit_exceeded"}

CHAT: Final = ChatCompletion.model_validate(
    {
        "id": "1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}],
        "usage": {"prompt_tokens": 8, "completion_tokens": 2, "total_tokens": 10},
    }
)
MESSAGE: Final = Message.model_validate(
    {
        "id": "1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": "yes"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 8, "output_tokens": 2},
    }
)
GENERATED: Final = GenerateContentResponse.model_validate(
    {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "yes"}]}, "finish_reason": "STOP"}],
        "usage_metadata": {"prompt_token_count": 8, "candidates_token_count": 2, "total_token_count": 10},
        "model_version": "m",
    }
)


class Pair(NamedTuple):
    """
    A component, and the same without its adapter.

    Attributes:
        name: Its key in the report.
        label: What people read.
        bare: The client's own method.
        adapted: What the adapter makes of it.
        asked: The arguments of a call.
        answer: What both return.
    """

    name: str
    label: str
    bare: Callable[..., Any]
    adapted: Callable[..., Any]
    asked: Mapping[str, Any]
    answer: object


class _Ready:
    """What makes a client of OpenAI's or Anthropic's SDK answer at once."""

    answer: object
    _client: Any

    def post(self, path: str, *, cast_to: Any, options: Mapping[str, Any]) -> Any:  # noqa: ARG002 - the SDK's signature
        """Send the one request, and answer."""
        sent(self._client, REQUEST)
        parse = options.get("post_parser")
        return self.answer if parse is None else parse(self.answer)


class ReadyOpenAI(_Ready, openai.OpenAI):  # type: ignore[misc] # another signature
    """A client that answers at once."""

    answer = CHAT


class ReadyAnthropic(_Ready, anthropic.Anthropic):  # type: ignore[misc] # as above
    """A client that answers at once."""

    answer = MESSAGE


class ReadyCompletions(Completions):
    """What such a client has, as far as it is asked."""

    __module__ = Completions.__module__  # by which an adapter knows a client

    def create(self, **_: Any) -> Any:
        """Answer at once."""
        return self._post("/chat/completions", cast_to=ChatCompletion, options={})


class ReadyMessages(Messages):
    """What such a client has, as far as it is asked."""

    __module__ = Messages.__module__

    def create(self, **_: Any) -> Any:
        """Answer at once."""
        return self._post("/v1/messages", cast_to=Message, options={})


class ReadyModels(Models):
    """What a client of Google's has, as far as it is asked."""

    __module__ = Models.__module__

    def _generate_content(self, **_: Any) -> Any:
        sent(self._api_client._httpx_client, HTTPX_REQUEST)  # noqa: SLF001 - what it sends with
        return GENERATED


def sent(client: Any, request: Any) -> bytes:
    """Return the body of the answer, sent over a client's transport."""
    body: bytes = client._transport.handle_request(request).read()  # noqa: SLF001 - what its requests pass
    return body


def instant(library: Any) -> Any:
    """Return a client over a transport that answers at once."""

    class Instant(library.BaseTransport):  # type: ignore[misc] # of either library
        """Looks up its timeouts as a real one does, and answers."""

        def handle_request(self, request: Any) -> Any:
            """Answer."""
            timeouts = request.extensions["timeout"]
            for phase in PHASES:
                timeouts.get(phase)
            return library.Response(200, stream=library.ByteStream(BODY))

    return library.Client(transport=Instant())


def pairs() -> list[Pair]:
    """Return every SDK that is measured, and an HTTP client alone."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "?"}]}
    chat = ReadyCompletions(ReadyOpenAI(api_key="none", http_client=instant(httpx2))).create
    messages = ReadyMessages(ReadyAnthropic(api_key="none", http_client=instant(httpx2))).create
    google = genai.Client(api_key="none", http_options=HttpOptions(httpx_client=instant(httpx)))
    models = ReadyModels(google._api_client)  # noqa: SLF001 - what its own are made of
    plain, guarded = instant(httpx2), guard_client(instant(httpx2))
    return [
        Pair("openai", "openai chat", chat, openai_component(chat), asked, CHAT),
        Pair("anthropic", "anthropic messages", messages, anthropic_component(messages), asked, MESSAGE),
        Pair(
            "google",
            "google content",
            models.generate_content,
            google_component(models.generate_content),
            {"model": "m", "contents": "?"},
            GENERATED,
        ),
        Pair("transport", "HTTP transport", partial(sent, plain, REQUEST), partial(sent, guarded, REQUEST), {}, BODY),
    ]


def failures() -> dict[str, tuple[Exception, FailureKind]]:
    """Return exceptions as OpenAI's SDK raises them, and what they amount to."""
    return {
        "openai's 429": (limited({}), FailureKind.RATE_LIMITED),
        "openai's 429 that asks for a pause": (limited({"retry-after": "7"}), FailureKind.RATE_LIMITED),
        "openai's timeout": (timed_out(), FailureKind.TIMEOUT),
    }


def limited(headers: Mapping[str, str]) -> Exception:
    """Return OpenAI's 429."""
    request = httpx2.Request("POST", URL)
    response = httpx2.Response(429, headers={**TOLD, **headers}, json={"error": REFUSED}, request=request)
    return openai.RateLimitError("Slow down.", response=response, body=REFUSED)


def timed_out() -> Exception:
    """Return OpenAI's timeout, with what caused it."""
    request = httpx2.Request("POST", URL)
    error = openai.APITimeoutError(request=request)
    error.__cause__ = httpx2.ReadTimeout("", request=request)
    error.__cause__.__cause__ = TimeoutError()
    return error
