"""
HTTP clients that know how long they are waited for.

    client = guard_client(httpx2.Client())
    client = deadline_client(OpenAI())  # a copy: retries 0, the same connections

One source for httpx and httpx2, whichever the client is of; neither is imported here.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from copy import copy
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from aiguard.call import logger
from aiguard.deadline import current
from aiguard.error_body import listed
from aiguard.propagation import HEADER

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType, TracebackType

    from aiguard.deadline import Frame

Client = TypeVar("Client")

_LIBRARIES: Final = ("httpx", "httpx2")

_UNLIMITED: Final = dict.fromkeys(("connect", "read", "write", "pool"))

_NAME: Final = HEADER.encode()
_LOWER: Final = itemgetter(1)

_LEAST: Final = 0.001
"""Seconds: to a socket, a timeout of zero means not to wait at all, which is no timeout but an error."""


def guard_client(client: Client) -> Client:
    """
    Let a client know of the deadline that surrounds each of its requests; return the same client.

    Inside a boundary (or `aiguard.within`), a request is given what is left of the innermost deadline: its timeouts
    are shortened to that, the header `aiguard-remaining-ms` tells the service, and a body that goes on past it ends
    with the library's own `ReadTimeout`, in sync code too. A request for which no time is left is not sent: the
    library's `ConnectTimeout`. Outside any boundary requests pass untouched, and the first of them logs a warning.

    Guarding a client twice changes nothing. Its transports are wrapped where they are, proxies and mounts included, and
    the caller's request is never changed: what is sent is a copy.

    Args:
        client: A `Client` or `AsyncClient` of httpx (0.28) or httpx2, or of a class derived from them.

    Raises:
        TypeError: It is another kind of client. For an SDK's, guard the `http_client` that it is given.
    """
    _guard(client, Notice())
    return client


def deadline_client(client: Client) -> Client:
    """
    Return a client's copy that knows of the deadline around each of its requests, and tries none a second time.

    The copy does what `guard_client` says. The client itself stays as it was, and so does whatever else uses it: both
    send over the same connections. Closing the copy closes none of them; once the client is closed, the copy is too.

    Args:
        client: A client of OpenAI's or Anthropic's SDK, or a `Client` or `AsyncClient` of httpx (0.28) or httpx2.

    Raises:
        TypeError: It is another kind of client.
    """
    sdk: Any = client
    if hasattr(client, "with_options") and hasattr(client, "_client"):
        copied: Client = sdk.with_options(max_retries=0, http_client=lent(sdk._client, sdk._client))  # noqa: SLF001 - the SDK's `http_client`
        return copied
    return lent(client, client)


def lent(client: Client, owner: Any, notice: Notice | None = None) -> Client:
    """
    Return a copy of an HTTP client that is guarded, and sends over the client's own connections.

    Args:
        client: As `guard_client` takes it.
        owner: With whom it ends: anything that has `is_closed`. `None`: with nobody.
        notice: Whether it was said that it is used outside any boundary; by default the copy has one of its own.

    Raises:
        TypeError: It is another kind of client.
    """
    _library_of(client)
    held: Any = copy(client)
    held._state = type(held._state).UNOPENED  # noqa: SLF001 - it is opened and closed on its own
    _guard(held, notice or Notice(), lambda transport: _Lent(transport, owner))
    lent_client: Client = held
    return lent_client


def _guard(client: Any, notice: Notice, lend: Callable[[Any], Any] | None = None) -> None:
    library, is_async = _library_of(client)
    body = (_async_stream_class if is_async else _stream_class)(library)

    def wrapped(transport: Any) -> Any:
        if isinstance(transport, _Transport):
            if lend is None:
                return transport
            transport = transport.inner
        if lend is not None:
            transport = lend(transport)
        return (_AsyncTransport if is_async else _SyncTransport)(transport, library, notice, body)

    client._transport = wrapped(client._transport)  # noqa: SLF001 - it has no other way in
    client._mounts = {  # noqa: SLF001 - as above
        pattern: None if transport is None else wrapped(transport)
        for pattern, transport in client._mounts.items()  # noqa: SLF001 - as above
    }


def _library_of(client: object) -> tuple[ModuleType, bool]:
    for cls in type(client).__mro__:
        package = cls.__module__.partition(".")[0]
        if package in _LIBRARIES and cls.__name__ in {"Client", "AsyncClient"}:
            return sys.modules[package], cls.__name__ == "AsyncClient"
    msg = (
        f"a Client or AsyncClient of httpx or httpx2 can be guarded, not a {type(client).__qualname__}; for the client "
        "of an SDK, guard the `http_client` that it is given, or use `deadline_client`"
    )
    raise TypeError(msg)


class Notice:
    """Whether it was said already that a client is used outside any boundary."""

    def __init__(self) -> None:
        self._said = False

    def say(self) -> None:
        """Say it, once."""
        if not self._said:
            self._said = True
            logger.warning(
                "a guarded HTTP client was used outside any boundary: no deadline holds for its requests there; "
                "call it inside a boundary, or inside `aiguard.within(seconds)`"
            )


class _Timeouts(dict[str, Any]):
    """
    The timeouts of one exchange, each shortened to what is left when its phase begins.

    Transports read them phase by phase, so that a slow connection leaves less for the answer. What is left is that of
    the innermost deadline at each look: for a stream it moves, by what the consumer takes. Where there is none any
    more, because the response left the boundary, it is the one that the request was sent under.
    """

    __slots__ = ("_begun",)

    def __init__(self, own: dict[str, Any], begun: Frame) -> None:
        dict.__init__(self, {**_UNLIMITED, **own})
        self._begun = begun

    def left(self) -> float:
        """Return seconds, below zero where they are over."""
        moment, clock, _ = current.get() or self._begun
        return moment - clock.now()

    def get(self, phase: str, default: Any = None) -> Any:
        """Return the seconds that a phase may take from now on."""
        own = dict.get(self, phase)
        if own is None and phase not in self:
            return default
        moment, clock, _ = current.get() or self._begun
        left = moment - clock.now()
        if left < _LEAST:  # noqa: PLR1730 - a call of `max` takes long, for what is read several times a request
            left = _LEAST
        return left if own is None or left < own else own

    # whoever reads all of them at once

    def __getitem__(self, phase: str) -> Any:
        return self.get(phase, dict.__getitem__(self, phase))

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self)

    def items(self) -> Any:
        """Return the phases, and what each may take."""
        return {phase: self.get(phase) for phase in self}.items()

    def values(self) -> Any:
        """Return what each phase may take."""
        return dict(self.items()).values()


class _Lent:
    """A transport that belongs to another client, which alone opens and closes it."""

    def __init__(self, inner: Any, owner: Any) -> None:
        self._inner = inner
        self._owner = owner  # also kept alive: some close their connections when they are collected

    def _closed(self) -> RuntimeError:
        msg = "Cannot send a request, as the client has been closed."  # as the libraries say it
        return RuntimeError(msg)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave it open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave it open."""

    def handle_request(self, request: Any) -> Any:
        """Send a request over it."""
        if self._owner is not None and self._owner.is_closed:
            raise self._closed()
        return self._inner.handle_request(request)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request over it."""
        if self._owner is not None and self._owner.is_closed:
            raise self._closed()
        return await self._inner.handle_async_request(request)

    def close(self) -> None:
        """Leave it open."""

    async def aclose(self) -> None:
        """Leave it open."""


class _Transport:
    """A client's transport, and around it what `guard_client` promises."""

    def __init__(self, inner: Any, library: ModuleType, notice: Notice, body: Any) -> None:
        self.inner = inner
        self._library = library
        self._notice = notice
        self._body = body

    def _prepared(self, request: Any) -> tuple[Any, _Timeouts | None]:
        """Return the request to be sent, and how long its response is waited for: not at all limited outside."""
        frame = current.get()
        if frame is None:
            self._notice.say()
            return request, None
        moment, clock, _ = frame
        left = moment - clock.now()
        if left <= 0:
            msg = "no time was left before the request was sent"
            raise self._library.ConnectTimeout(msg, request=request)
        extensions = request.extensions.copy()
        extensions["timeout"] = timeouts = _Timeouts(extensions.get("timeout", {}), frame)
        # a copy, with its body, which `copy` leaves out; to make it anew costs many times as much
        sent = object.__new__(type(request))
        sent.__dict__ = attributes = request.__dict__.copy()
        attributes["headers"] = self._headers_with(request.headers, str(int(left * 1000)))
        attributes["extensions"] = extensions
        return sent, timeouts

    def _headers_with(self, own: Any, told: str) -> Any:
        """Return a copy of a request's headers that tells what is left."""
        headers = self._library.Headers(own)
        triples = listed(headers)
        if triples is None or _NAME in map(_LOWER, triples):
            headers[HEADER] = told
        else:  # which is what it does, once it has decoded and compared them all
            triples.append((_NAME, _NAME, told.encode()))
        return headers


class _SyncTransport(_Transport):
    """Of a `Client`."""

    def __enter__(self) -> Self:
        self.inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.inner.__exit__(kind, error, traceback)

    def handle_request(self, request: Any) -> Any:
        """Send a request and return the response, its body not read yet."""
        sent, timeouts = self._prepared(request)
        response = self.inner.handle_request(sent)
        if timeouts is not None:
            response.stream = self._body(response.stream, self._library, timeouts.left)
        return response

    def close(self) -> None:
        """Close the connections."""
        self.inner.close()


class _AsyncTransport(_Transport):
    """Of an `AsyncClient`."""

    async def __aenter__(self) -> Self:
        await self.inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.inner.__aexit__(kind, error, traceback)

    async def handle_async_request(self, request: Any) -> Any:
        """Send a request and return the response, its body not read yet."""
        sent, timeouts = self._prepared(request)
        response = await self.inner.handle_async_request(sent)
        if timeouts is not None:
            response.stream = self._body(response.stream, self._library, timeouts.left)
        return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self.inner.aclose()


class _Body:
    """A response's body, which ends when it is no longer waited for."""

    def __init__(self, inner: Any, library: ModuleType, left: Callable[[], float]) -> None:
        self._inner = inner
        self._library = library
        self._left = left
        self._closed = False

    def _late(self) -> Exception:
        msg = "the deadline came before the end of the response's body"
        late: Exception = self._library.ReadTimeout(msg)
        return late


class _SyncBody(_Body):
    """Of a `Client`'s response."""

    def __iter__(self) -> Iterator[bytes]:
        left = self._left
        try:
            if left() <= 0:
                raise self._late()
            for chunk in self._inner:
                if left() <= 0:
                    raise self._late()
                yield chunk
                if left() <= 0:
                    raise self._late()
        except self._library.ReadTimeout:
            self.close()  # as the library does when it is its own
            raise

    def close(self) -> None:
        """Give the connection back, or close it; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        self._inner.close()


class _AsyncBody(_Body):
    """Of an `AsyncClient`'s response."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        chunks, left = aiter(self._inner), self._left
        try:
            if left() <= 0:
                raise self._late()
            async for chunk in chunks:
                if left() <= 0:
                    raise self._late()
                yield chunk
                if left() <= 0:
                    raise self._late()
        except self._library.ReadTimeout:
            await self.aclose()
            raise
        finally:
            if isinstance(chunks, AsyncGenerator):
                await chunks.aclose()

    async def aclose(self) -> None:
        """Give the connection back, or close it; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        await self._inner.aclose()


@cache
def _stream_class(library: ModuleType) -> Any:
    """Return a body that the library's client takes for one of its own."""
    return type("DeadlineStream", (_SyncBody, library.SyncByteStream), {})


@cache
def _async_stream_class(library: ModuleType) -> Any:
    """Return a body that the library's async client takes for one of its own."""
    return type("AsyncDeadlineStream", (_AsyncBody, library.AsyncByteStream), {})
