"""What an adapter knows of a request that it sends: enough to draw its span, where nobody else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from aiguard.telemetry import genai
from aiguard.telemetry.genai import Drawn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping

    from aiguard.telemetry.genai import Request

Event = TypeVar("Event")

_NOTHING: Final = object()

_PROVIDERS: Final = {
    "AzureOpenAI": "azure.ai.openai",
    "OpenAI": "openai",
    "AnthropicBedrock": "aws.bedrock",
    "AnthropicVertex": "gcp.vertex_ai",
    "Anthropic": "anthropic",
}
"""The conventions' words for who answers, by the client's class, or that with `Async` before it."""


class Sending:
    """
    Whom a client sends to.

    Args:
        client: Of OpenAI's or Anthropic's SDK.
    """

    def __init__(self, client: Any) -> None:
        ancestors = [cls.__name__.removeprefix("Async") for cls in type(client).__mro__]
        self._provider = next((_PROVIDERS[name] for name in ancestors if name in _PROVIDERS), ancestors[0].lower())
        self._is_drawn = _draws(client)
        self._address: str | None = getattr(getattr(client, "base_url", None), "host", None) or None

    def begin(self, path: str, settings: Mapping[str, Any]) -> Request | None:
        """Begin the span of a request to `path`; `None` where nobody is to draw one."""
        if self._is_drawn:
            return None
        body = settings.get("body")
        model = body.get("model") if isinstance(body, dict) else None
        streams = bool(settings.get("stream"))
        return genai.begin(self._provider, genai.operation_of(path), model, self._address, streams=streams)


def _draws(client: Any) -> bool:
    """Whether the SDK draws the spans of its requests itself, as Anthropic's does unless it is told not to."""
    told = getattr(client, "open_telemetry", None)
    return isinstance(told, dict) and bool(told.get("traces", {}).get("enabled"))


def sent(send: Callable[[], Any], request: Request) -> Any:
    """Send a request inside its span; return what it answers."""
    token = request.enter()
    try:
        answer = send()
    except BaseException as error:
        request.failed(error)
        raise
    finally:
        request.leave(token)
    return _answered(answer, request)


async def sent_async(send: Callable[[], Awaitable[Any]], request: Request) -> Any:
    """Send a request inside its span; return what it answers."""
    token = request.enter()
    try:
        answer = await send()
    except BaseException as error:
        request.failed(error)
        raise
    finally:
        request.leave(token)
    return _answered(answer, request)


def _answered(answer: Any, request: Request) -> Any:
    """End the request, unless a stream of its answer does so."""
    if not hasattr(answer, "__stream__") and not isinstance(answer, Drawn):
        request.end()
    return answer


def drawn(events: Any, request: Request) -> Any:
    """Return the events of a stream; the request is over when they are."""
    return request.drawn_async(events) if hasattr(events, "__anext__") else request.drawn(events)


def sent_by_first(events: Iterator[Event], request: Request) -> Iterator[Event]:
    """Return the events of a stream whose request is sent when the first of them is asked for."""

    def within() -> Iterator[Event]:
        token = request.enter()
        try:
            first = next(events, _NOTHING)
        finally:
            request.leave(token)
        if first is not _NOTHING:
            yield cast("Event", first)
            yield from events

    return request.drawn(within())
