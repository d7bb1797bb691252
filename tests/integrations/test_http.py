"""HTTP clients that know how long they are waited for: httpx2 and httpx, sync and async, in virtual time."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import anthropic
import openai
import pytest

from aiguard import FailureKind, guard
from aiguard.classification import classify
from aiguard.integrations.http import guard_client
from aiguard.propagation import HEADER, within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiguard.testing import VirtualClock


def answering(library: Any, seen: list[Any]) -> Any:
    """Return a transport that answers at once and keeps what it was asked."""

    def answer(request: Any) -> Any:
        seen.append(request)
        return library.Response(200, content=b"ok")

    return library.MockTransport(answer)


class Body:
    """What a body is made of: pieces, and seconds of the virtual clock that pass before the next."""

    def __init__(self, clock: VirtualClock, *parts: bytes | float) -> None:
        self._clock = clock
        self._parts = parts
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            if isinstance(part, bytes):
                yield part
            else:
                self._clock.advance(part)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self:
            yield part

    def close(self) -> None:
        """Count how often."""
        self.closed += 1

    async def aclose(self) -> None:
        """Count how often."""
        self.closed += 1


def streaming(library: Any, body: Body) -> Any:
    """Return a transport whose responses have this body."""
    body.__class__ = type("Stream", (type(body), library.SyncByteStream, library.AsyncByteStream), {})
    return library.MockTransport(lambda _: library.Response(200, stream=body))


def got(client: Any, clock: VirtualClock, url: str = "http://service/", **settings: Any) -> Any:
    """Get a page, whichever kind of client it is."""
    if not hasattr(client, "aclose"):
        with client:
            return client.get(url, **settings)

    async def get() -> Any:
        async with client:
            return await client.get(url, **settings)

    return clock.run(get())


@pytest.fixture(params=["Client", "AsyncClient"])
def make(request: pytest.FixtureRequest, library: Any) -> Any:
    """Make a guarded client, sync and async."""
    return lambda **settings: guard_client(getattr(library, request.param)(**settings))


# --- the request


def test_inside_a_deadline_a_request_carries_it(make: Any, library: Any, clock: VirtualClock) -> None:
    """As a header, and as timeouts that are no longer than it."""
    seen: list[Any] = []
    client = make(transport=answering(library, seen), timeout=library.Timeout(5.0, connect=1.0, read=None))
    with within(2.0):
        assert got(client, clock, headers={"x-own": "1", HEADER: "99999"}).text == "ok"
    request = seen[0]
    assert request.headers[HEADER] == "2000"
    assert request.headers["x-own"] == "1"
    assert dict(request.extensions["timeout"]) == {"connect": 1.0, "read": 2.0, "write": 2.0, "pool": 2.0}
    assert request.url == "http://service/"


def test_outside_any_deadline_a_request_passes_untouched(
    make: Any, library: Any, clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """And the client says so: once, without saying where to."""
    seen: list[Any] = []
    with caplog.at_level(logging.WARNING, logger="aiguard"):
        for _ in range(3):
            client = make(transport=answering(library, seen), timeout=5.0)
            assert got(client, clock, "http://service/?secret").text == "ok"
    assert HEADER not in seen[0].headers
    assert seen[0].extensions["timeout"] == {"connect": 5.0, "read": 5.0, "write": 5.0, "pool": 5.0}
    assert len(caplog.records) == 3, "three clients"
    assert "outside any boundary" in caplog.text
    assert "secret" not in caplog.text


def test_a_client_warns_once(library: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Of all its requests, through whichever transport."""
    one, other = answering(library, []), answering(library, [])
    with guard_client(library.Client(transport=one, mounts={"all://b": other})) as client:
        for host in "abab":
            client.get(f"http://{host}/")
    assert len([record for record in caplog.records if record.name == "aiguard"]) == 1


def test_the_callers_own_request_is_never_changed(library: Any, clock: VirtualClock) -> None:
    """What is sent is a copy: the same request may be sent again, when there is no deadline or another one."""
    seen: list[Any] = []
    with guard_client(library.Client(transport=answering(library, seen))) as client:
        request = client.build_request("POST", "http://service/", json={"a": 1}, timeout=30.0)
        before = dict(request.headers), dict(request.extensions)
        for seconds in (2.0, 1.0):
            with within(seconds):
                response = client.send(request)
                assert response.request is request
        client.send(request)
    assert (dict(request.headers), dict(request.extensions)) == before
    assert [sent.headers.get(HEADER) for sent in seen] == ["2000", "1000", None]
    assert [sent.read() for sent in seen] == [request.content] * 3
    assert clock.elapsed == 0.0


def test_each_phase_has_what_is_left_when_it_begins(make: Any, library: Any, clock: VirtualClock) -> None:
    """A slow connection leaves less for the answer; never zero, which to a socket is no timeout but an error."""
    seen: list[Any] = []

    def answer(request: Any) -> Any:
        timeouts = request.extensions["timeout"]
        seen.append(timeouts["pool"])
        clock.advance(0.5)
        seen.append(timeouts.get("connect"))
        clock.advance(1.0)
        seen.extend((timeouts.get("read"), timeouts.get("write", 7.0), timeouts.get("other"), timeouts.get("other", 7)))
        clock.advance(0.5)
        seen.append(timeouts.get("read"))
        return library.Response(200)

    with within(2.0):
        got(make(transport=library.MockTransport(answer), timeout=library.Timeout(5.0, write=0.2)), clock)
    assert seen == [2.0, 1.5, 0.5, 0.2, None, 7, 0.001]


def test_who_reads_all_timeouts_at_once_reads_what_is_left(make: Any, library: Any, clock: VirtualClock) -> None:
    """In whatever way; one that the request does not have has no limit of its own, and others there are none."""
    seen: list[dict[str, float]] = []

    def answer(request: Any) -> Any:
        timeouts = request.extensions["timeout"]
        clock.advance(0.5)
        seen.extend(({**timeouts}, dict(timeouts), dict(timeouts.items()), json.loads(json.dumps(timeouts))))
        assert list(timeouts) == list(timeouts.keys()) == ["connect", "read", "write", "pool"]
        assert list(timeouts.values()) == [1.0, 1.5, 1.5, 1.5]
        with pytest.raises(KeyError):
            timeouts["other"]
        return library.Response(200)

    client = make(transport=library.MockTransport(answer))
    for own in ({"connect": 1.0, "read": 9.0, "write": None, "pool": 2.0}, {"connect": 1.0}):
        request = client.build_request("GET", "http://service/", extensions={"timeout": own})
        with within(2.0):
            clock.run(client.send(request)) if hasattr(client, "aclose") else client.send(request)
    assert seen == [{"connect": 1.0, "read": 1.5, "write": 1.5, "pool": 1.5}] * 8


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_a_request_for_which_no_time_is_left_is_not_sent(
    make: Any, library: Any, clock: VirtualClock, seconds: float
) -> None:
    """The library's own timeout says that nothing was."""
    seen: list[Any] = []
    with within(seconds), pytest.raises(library.ConnectTimeout, match="no time was left") as caught:
        got(make(transport=answering(library, seen)), clock)
    assert seen == []
    assert caught.value.request.url == "http://service/"
    assert classify(caught.value, clock).kind is FailureKind.TIMEOUT


def test_a_redirect_has_what_is_left_by_then(make: Any, library: Any, clock: VirtualClock) -> None:
    """Every request of a call is measured anew."""
    seen: list[str] = []

    def answer(request: Any) -> Any:
        seen.append(request.headers[HEADER])
        clock.advance(0.5)
        there = request.url.path == "/there"
        return library.Response(200 if there else 302, headers={} if there else {"location": "http://other/there"})

    with within(2.0):
        got(make(transport=library.MockTransport(answer), follow_redirects=True), clock)
    assert seen == ["2000", "1500"]


# --- the body


def test_a_body_in_time_is_whole(make: Any, library: Any, clock: VirtualClock) -> None:
    """And its stream is closed once."""
    body = Body(clock, b"a", 0.5, b"b", 1.0, b"c")
    client = make(transport=streaming(library, body))
    with within(2.0):
        response = got(client, clock)
    assert response.content == b"abc"
    if hasattr(client, "aclose"):
        clock.run(response.stream.aclose())
    else:
        response.stream.close()
    assert body.closed == 1


@pytest.mark.parametrize(
    "parts",
    [
        (b"a", 1.0, b"b", 1.0, b"c"),
        (b"a", 1.0, b"b", 1.0, b"c", 1e9),
        (2.0, b"a"),
        tuple([b"a", 0.1] * 21),
    ],
    ids=range(4),
)
def test_a_body_that_goes_on_past_the_deadline_ends(make: Any, library: Any, clock: VirtualClock, parts: Any) -> None:
    """With the library's own read timeout, and its connection is given up, once."""
    body = Body(clock, *parts)
    with within(2.0), pytest.raises(library.ReadTimeout, match="before the end of the response's body") as caught:
        got(make(transport=streaming(library, body)), clock)
    assert clock.elapsed == pytest.approx(2.0, abs=0.11)
    assert body.closed == 1
    assert classify(caught.value, clock).kind is FailureKind.TIMEOUT


def test_a_body_that_nobody_asked_for_in_time_is_not_begun(library: Any, clock: VirtualClock) -> None:
    """The component had the headers, and took too long over them."""
    body = Body(clock, b"a")
    with guard_client(library.Client(transport=streaming(library, body))) as client, within(2.0):
        response = client.send(client.build_request("GET", "http://service/"), stream=True)
        clock.advance(2.0)
        with pytest.raises(library.ReadTimeout):
            response.read()
        response.close()
    assert body.closed == 1


def test_a_component_that_is_slow_between_pieces_is_cut_off_too(library: Any, clock: VirtualClock) -> None:
    """The next piece is not even waited for."""
    body = Body(clock, b"a", b"b")
    pieces: list[bytes] = []

    def read(response: Any) -> None:
        for piece in response.iter_bytes():
            pieces.append(piece)
            clock.advance(2.0)

    client = guard_client(library.Client(transport=streaming(library, body)))
    with client, within(2.0), client.stream("GET", "http://service/") as response, pytest.raises(library.ReadTimeout):
        read(response)
    assert pieces == [b"a"]
    assert body.closed == 1


def test_a_body_of_another_make_is_read_too(library: Any, clock: VirtualClock) -> None:
    """A stream may be its own iterator: it is closed once all the same."""

    class Plain(Body):
        def __aiter__(self) -> Any:
            self.rest = iter([b"a", b"b"])
            return self

        async def __anext__(self) -> bytes:
            for part in self.rest:
                return part
            raise StopAsyncIteration

    body = Plain(clock)
    with within(2.0):
        client = guard_client(library.AsyncClient(transport=streaming(library, body)))
        assert got(client, clock).content == b"ab"
    assert body.closed == 1


def test_another_error_of_the_body_stays_as_it_is(make: Any, library: Any, clock: VirtualClock) -> None:
    """The connection broke: that is no timeout."""

    class Broken(Body):
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"
            raise library.ReadError("broken")

    with within(2.0), pytest.raises(library.ReadError, match="broken"):
        got(make(transport=streaming(library, Broken(clock))), clock)


def test_a_slow_consumer_of_a_stream_is_not_cut_off(library: Any, clock: VirtualClock) -> None:
    """A boundary's stream counts the time spent waiting for the component, and so does the body behind it."""
    body = Body(clock, b"a", 0.5, b"b", 0.5, b"c")
    client = guard_client(library.Client(transport=streaming(library, body)))

    @guard("stream", deadline=2.0, stream="passthrough", isolation="inline")
    def stream() -> Iterator[bytes]:
        with client, client.stream("GET", "http://service/") as response:
            yield from response.iter_bytes()

    pieces = []
    for piece in stream():
        pieces.append(piece)
        clock.advance(100.0)
    assert pieces == [b"a", b"b", b"c"]


def test_a_response_that_left_its_boundary_keeps_its_deadline(library: Any, clock: VirtualClock) -> None:
    """Where no deadline is seen any more, the one that it was asked for under holds."""
    body = Body(clock, b"a", 1.0, b"b", 1.0, b"c")
    with guard_client(library.Client(transport=streaming(library, body))) as client:
        with within(1.5):
            response = client.send(client.build_request("GET", "http://service/"), stream=True)
        with pytest.raises(library.ReadTimeout):
            response.read()
    assert clock.elapsed == 2.0


# --- the client


def test_the_same_client_comes_back(make: Any, library: Any, clock: VirtualClock) -> None:
    """With its own settings and its own type; guarded once more it is as it was."""
    seen: list[Any] = []
    client = make(transport=answering(library, seen), headers={"x-own": "1"})
    assert isinstance(client, (library.Client, library.AsyncClient))
    transport = client._transport
    assert guard_client(client) is client
    assert client._transport is transport
    with within(2.0):
        got(client, clock)
    assert seen[0].headers["x-own"] == "1"
    assert seen[0].headers[HEADER] == "2000"


def test_mounts_and_proxies_are_guarded_too(make: Any, library: Any, clock: VirtualClock) -> None:
    """A pattern without a transport of its own stays one."""
    seen: list[Any] = []
    mounts = {"all://mounted": answering(library, seen), "all://direct": None}
    with within(2.0):
        got(make(transport=answering(library, seen), mounts=mounts), clock, "http://mounted/")
        got(make(transport=answering(library, seen), mounts=mounts), clock, "http://direct/")
    assert [request.headers[HEADER] for request in seen] == ["2000", "2000"]


def test_what_a_client_holds_is_still_opened_and_closed(make: Any, library: Any, clock: VirtualClock) -> None:
    """With the client, as before."""
    told: list[str] = []

    class Told:
        def __enter__(self) -> None:
            told.append("enter")

        def __exit__(self, *_: object) -> None:
            told.append("exit")

        async def __aenter__(self) -> None:
            told.append("enter")

        async def __aexit__(self, *_: object) -> None:
            told.append("exit")

        def close(self) -> None:
            told.append("close")

        async def aclose(self) -> None:
            told.append("close")

        def handle_request(self, _: object) -> Any:
            return library.Response(200)

        async def handle_async_request(self, _: object) -> Any:
            return library.Response(200)

    with within(2.0):
        got(make(transport=Told()), clock)
    client = make(transport=Told())
    if hasattr(client, "aclose"):
        clock.run(client.aclose())
    else:
        client.close()
    assert told == ["enter", "exit", "close"]


@pytest.mark.parametrize(
    "client", [object(), openai.OpenAI(api_key="x"), anthropic.Anthropic(api_key="x")], ids=range(3)
)
def test_another_kind_of_client_is_refused(client: object) -> None:
    """And for an SDK's it is said what to do."""
    with pytest.raises(TypeError, match=f"not a {type(client).__name__}; .* `http_client`"):
        guard_client(client)
