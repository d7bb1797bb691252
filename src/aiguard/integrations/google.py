"""
Google's SDK (google-genai) behind a boundary.

    ask = component(client.models.generate_content)
    triage = Boundary("triage", deadline=4.0, output=Triage)
    triage.call(ask, model="gemini-2.5-flash", contents="...")
"""

from __future__ import annotations

import inspect
from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

from aiguard.contract.response import inspected
from aiguard.contract.watch import Watch
from aiguard.integrations.http import Notice, lent
from aiguard.integrations.inspection import Method, answering, owner_of, report, watched, watched_async
from aiguard.integrations.sending import drawn, sent, sent_async, sent_by_first
from aiguard.telemetry import genai
from aiguard.telemetry.spans import is_traced
from aiguard.usage import report_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from aiguard.telemetry.genai import Request
    from aiguard.usage import Usage

_SCHEMAS: Final = ("response_schema", "response_json_schema")

_SENDING: Final = {
    "_generate_content": "generate_content",
    "_generate_content_stream": "generate_content",
    "_embed_content": "embeddings",
}
"""The methods that send one request each, and the conventions' words for what they do."""


def component(method: Method, /) -> Method:
    """
    Return a method of a client as a component: same signature, same types, same exceptions, and what a boundary needs.

    The SDK's own retries are off, also those that a request's `config` asks for; each attempt has no longer than what
    is left of the deadline, to the end of its body; tokens are reported; and an answer that is none (cut, filtered,
    empty, not parsed where a schema was given, a stream without its end) fails with its kind. Outside any boundary it
    waits as long as the client does, and logs one warning.

    It is the method of a copy that sends over the client's connections; the client itself is not changed. One that
    nobody holds closes itself: its components work on, each with connections that nobody closes but the garbage
    collector. Async
    requests go by httpx, also where aiohttp is installed. They do not where the client was given an `aiohttp_client`,
    or a client certificate is in use: there the boundary alone holds the deadline.

    Args:
        method: Of the `models` of a `google.genai.Client`, or of its `aio`: `generate_content`,
            `generate_content_stream`, `embed_content`.

    Raises:
        TypeError: It is no method of such a client.
    """
    models = owner_of(method, "google", "_api_client", "_generate_content")
    own = type(models)(_lent(models._api_client))  # noqa: SLF001 - what it was made of
    # one answer may take several requests: each is sent through one of these
    for name, operation in _SENDING.items():
        setattr(own, name, _counted(getattr(own, name), partial(_begin, own._api_client, operation)))  # noqa: SLF001
    finish = _watched if method.__name__.endswith("_stream") else _inspected
    bound: Method = getattr(own, method.__name__)
    return answering(bound, finish)


def _begin(api: Any, operation: str, asked: Mapping[str, Any], *, streams: bool) -> Request | None:
    """Begin the span of one request; `None` where nobody is to draw one."""
    if not is_traced():
        return None
    provider = "gcp.vertex_ai" if api.vertexai else "gcp.gemini"
    address = urlsplit(str(api._http_options.base_url or "")).hostname  # noqa: SLF001 - what it was made of
    return genai.begin(provider, operation, asked.get("model"), address, streams=streams)


def _counted(send: Callable[..., Any], begin: Callable[..., Request | None]) -> Callable[..., Any]:
    """Return what sends one request in its own shape, its usage reported, and its span drawn where it is to be."""
    plain = inspect.unwrap(send)
    is_stream = plain.__name__.endswith("_stream")

    def stream(**asked: Any) -> Any:
        request = begin(asked, streams=True)
        chunks = _tallied(send(**asked), report_usage if request is None else request.report)
        return chunks if request is None else sent_by_first(chunks, request)

    async def stream_async(**asked: Any) -> Any:
        async def opened(request: Request | None) -> Any:
            tell = report_usage if request is None else request.report
            chunks = _tallied_async(await send(**asked), tell)
            return chunks if request is None else drawn(chunks, request)

        request = begin(asked, streams=True)
        return await (opened(None) if request is None else sent_async(partial(opened, request), request))

    def whole(**asked: Any) -> Any:
        request = begin(asked, streams=False)
        if request is None:
            return _noted(send(**asked), None)
        return sent(lambda: _noted(send(**asked), request), request)

    async def whole_async(**asked: Any) -> Any:
        async def answered(request: Request | None) -> Any:
            return _noted(await send(**asked), request)

        request = begin(asked, streams=False)
        return await (answered(None) if request is None else sent_async(partial(answered, request), request))

    if inspect.iscoroutinefunction(plain):
        return stream_async if is_stream else whole_async
    return stream if is_stream else whole


def _noted(response: Any, request: Request | None) -> Any:
    if request is None:
        report(response)
    else:
        request.see(response)
        report(response, request.report)
    return response


def _tallied(chunks: Iterator[Any], tell: Callable[[Usage], object]) -> Iterator[Any]:
    """Yield the chunks of one request, and tell of what it has used: in the next one's they begin anew."""
    watch = Watch(tell)
    for chunk in chunks:
        watch.see(chunk)
        yield chunk


async def _tallied_async(chunks: AsyncIterator[Any], tell: Callable[[Usage], object]) -> AsyncIterator[Any]:
    """Yield the chunks of one request, and tell of what it has used: in the next one's they begin anew."""
    watch = Watch(tell)
    async for chunk in chunks:
        watch.see(chunk)
        yield chunk


def _told_already(_: Usage) -> None:
    """Report nothing of a whole stream: each of its requests was counted by itself."""


def _inspected(response: Any, asked: Mapping[str, Any]) -> Any:
    config = asked.get("config")
    told = config if isinstance(config, dict) else vars(config) if config is not None else {}
    inspected(response, parsed=any(told.get(name) is not None for name in _SCHEMAS))
    return response


def _watched(chunks: Any, _: Mapping[str, Any]) -> Any:
    return (watched_async if hasattr(chunks, "__anext__") else watched)(chunks, _told_already)


def _lent(api: Any) -> Any:
    """Return a copy of what the SDK sends with: guarded, over the same connections, and without retries."""
    own, notice = copy(api), Notice()
    own._httpx_client = lent(api._httpx_client, None, notice)  # noqa: SLF001 - as above
    held = api._async_httpx_client  # noqa: SLF001 - as above
    if held is not None and api._http_options.aiohttp_client is None:  # noqa: SLF001 - as above
        own._async_httpx_client = held = _lent_async(held, notice)  # noqa: SLF001 - as above
        # a client that is given there is what the SDK uses rather than aiohttp
        own._http_options = api._http_options.model_copy(update={"httpx_async_client": held})  # noqa: SLF001 - as above
    own._request = partial(_request, own)  # noqa: SLF001 - as above
    own._async_request = partial(_async_request, own)  # noqa: SLF001 - as above
    return own


def _lent_async(client: Any, notice: Notice) -> Any:
    """Return a copy of an async client, which may be one that has connections of its own for each event loop."""
    held = lent(client, None, notice)
    of_loop = getattr(client, "_client_for_running_loop", None)
    if of_loop is None:
        return held
    lent_by: WeakKeyDictionary[Any, Any] = WeakKeyDictionary()

    def lent_for_running_loop() -> Any:
        owner = of_loop()
        if owner not in lent_by:
            lent_by[owner] = lent(owner, None, notice)
        return lent_by[owner]

    held._loop_clients = {}  # noqa: SLF001 - those that it closes: none
    held._client_for_running_loop = lent_for_running_loop  # noqa: SLF001 - as above
    return held


def _request(api: Any, http_request: Any, http_options: Any = None, stream: bool = False) -> Any:  # noqa: ARG001, FBT001, FBT002 - the SDK's signature
    """Send once what the SDK would send again."""
    return api._request_once(http_request, stream)  # noqa: SLF001 - as above


async def _async_request(api: Any, http_request: Any, http_options: Any = None, stream: bool = False) -> Any:  # noqa: ARG001, FBT001, FBT002 - as above
    """Send once what the SDK would send again."""
    return await api._async_request_once(http_request, stream, implicit_retry=False)  # noqa: SLF001 - as above
