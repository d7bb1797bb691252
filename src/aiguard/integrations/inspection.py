"""
What an SDK's answer passes on its way out of a component: its usage is reported, and it is looked at.

The SDKs of OpenAI and Anthropic are generated from one source: a client has resources (`client.messages`), made of the
client alone, and each method of a resource sends through its `_post`. So a method of a resource of our own, made of a
copy of the client, is that method in all its forms, and whatever it answers passes one place.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from aiguard.contract.breach import Breach
from aiguard.contract.fields import is_of_class
from aiguard.contract.response import inspected, usage_of
from aiguard.contract.watch import Watch
from aiguard.failure import FailureKind
from aiguard.integrations.http import deadline_client
from aiguard.integrations.sending import Sending, drawn, sent, sent_async
from aiguard.telemetry import genai
from aiguard.telemetry.instrumentations import HushedManager, active_instrumentations, hush, unhush
from aiguard.telemetry.spans import is_traced
from aiguard.usage import report_usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiguard.telemetry.genai import Request
    from aiguard.usage import Usage

Method = TypeVar("Method", bound=Callable[..., Any])
"""A client's method: a component has its type, so that checkers see the client's own overloads."""

Event = TypeVar("Event")


def method_of_copy(method: Method, sdk: str) -> Method:
    """
    Return a method of an SDK's resource as a component: of a copy of its client, and each answer looked at.

    Args:
        method: As it is taken from the client.
        sdk: The SDK's package.

    Raises:
        TypeError: It is something else.
    """
    resource = owner_of(method, sdk, "_post")
    own: Any = type(resource)(deadline_client(resource._client))  # noqa: SLF001 - what it was made of
    own._post = _looking(own._post, own._client)  # noqa: SLF001 - the one place that all of its methods send through
    bound: Method = getattr(own, method.__name__)
    return answering(bound, _entered_hushed) if method.__name__ == "stream" else answering(bound)


def _entered_hushed(manager: Any, _: Mapping[str, Any]) -> Any:
    """Return what an SDK's `stream()` answers, which sends its request only when it is entered."""
    return HushedManager(manager) if genai.is_own() and active_instrumentations() else manager


def owner_of(method: Callable[..., Any], sdk: str, *needed: str) -> Any:
    """Return what `method` was taken from. Raises `TypeError` where that is nothing of the SDK's that has all of it."""
    owner = getattr(method, "__self__", None)
    if type(owner).__module__.partition(".")[0] != sdk or not all(hasattr(owner, name) for name in needed):
        name = getattr(method, "__qualname__", type(method).__qualname__)
        msg = f"component() takes a method as it is taken from a client of {sdk}, not {name}"
        raise TypeError(msg)
    return owner


def answering(bound: Method, finish: Callable[[Any, Mapping[str, Any]], Any] = lambda answer, _: answer) -> Method:
    """Return `bound` in its own shape, each answer passed through `finish` with the keyword arguments of its call."""
    plain = inspect.unwrap(bound)
    if inspect.isgeneratorfunction(plain):

        @functools.wraps(bound)
        def component(*args: Any, **kwargs: Any) -> Any:
            quiet = hush() if genai.is_own() else None
            try:
                events = bound(*args, **kwargs)
            finally:
                unhush(quiet)
            yield from finish(events, kwargs)

    elif inspect.iscoroutinefunction(plain):

        @functools.wraps(bound)
        async def component(*args: Any, **kwargs: Any) -> Any:
            if not genai.is_own():
                return finish(await bound(*args, **kwargs), kwargs)
            quiet = hush()
            try:
                return finish(await bound(*args, **kwargs), kwargs)
            finally:
                unhush(quiet)

    else:

        @functools.wraps(bound)
        def component(*args: Any, **kwargs: Any) -> Any:
            if not genai.is_own():
                return finish(bound(*args, **kwargs), kwargs)
            quiet = hush()
            try:
                return finish(bound(*args, **kwargs), kwargs)
            finally:
                unhush(quiet)

    return cast("Method", component)


def report(response: object, tell: Callable[[Usage], object] = report_usage) -> None:
    """Report what `response` used, to the attempt under way."""
    used = usage_of(response)
    if used is not None:
        tell(used)


def watched(events: Iterator[Event], tell: Callable[[Usage], object] = report_usage) -> Iterator[Event]:
    """Yield a stream's events. Raises `Breach` after the last where they do not amount to a whole answer."""
    watch = Watch(tell)
    for event in events:
        watch.see(event)
        yield event
    watch.ended()


async def watched_async(
    events: AsyncIterator[Event], tell: Callable[[Usage], object] = report_usage
) -> AsyncIterator[Event]:
    """Yield a stream's events. Raises `Breach` after the last where they do not amount to a whole answer."""
    watch = Watch(tell)
    async for event in events:
        watch.see(event)
        yield event
    watch.ended()


def _looking(post: Callable[..., Any], client: Any) -> Callable[..., Any]:
    """Return the `_post` of a resource that looks at each answer before the SDK parses it, or anybody reads it."""
    sending = Sending(client)

    def plain(request: Request | None, path: str, cast_to: Any, options: Mapping[str, Any], settings: Any) -> Any:
        parse = options.get("post_parser")
        tell = report_usage if request is None else request.report

        def look(answer: Any) -> Any:
            cls: Any = type(answer)
            if is_of_class(cls, "__stream__"):
                watch: Callable[..., Any] = watched_async if hasattr(answer, "__anext__") else watched
                events = watch(answer._iterator, tell)  # noqa: SLF001 - of which all that it yields is made
                answer._iterator = events if request is None else drawn(events, request)  # noqa: SLF001 - as above
            elif isinstance(answer, str) and cast_to is not str:  # what these SDKs make of a body that is no JSON
                raise Breach(FailureKind.MALFORMED_TRANSPORT, "the body is not JSON")
            else:
                if request is not None:
                    request.see(answer)
                report(answer, tell)
                inspected(answer)
            return answer if parse is None else parse(answer)

        return post(path, cast_to=cast_to, options={**options, "post_parser": look}, **settings)

    def traced(path: str, *asked: Any) -> Any:
        request = sending.begin(path, asked[-1])
        send = functools.partial(plain, request, path, *asked)
        return send() if request is None else sent(send, request)

    async def traced_async(path: str, *asked: Any) -> Any:  # which begins when it is awaited: `stream()` may never be
        request = sending.begin(path, asked[-1])
        send = functools.partial(plain, request, path, *asked)
        return await (send() if request is None else sent_async(send, request))

    told = traced_async if inspect.iscoroutinefunction(inspect.unwrap(post)) else traced

    def looking(path: str, *, cast_to: Any, options: Mapping[str, Any], **settings: Any) -> Any:
        if is_traced():
            return told(path, cast_to, options, settings)
        return plain(None, path, cast_to, options, settings)

    return looking
