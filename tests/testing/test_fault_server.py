"""The fault server itself: what goes over its sockets, what it remembers, and that nothing of it is left."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import socket
import threading
import time
import tracemalloc
import zlib
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import httpx2
import pytest

from aiguard.testing.faultserver import FaultServer, RawReply, WireFault, fault_server
from aiguard.testing.faultserver.delivery import Line, deliver
from aiguard.testing.faultserver.http1 import BODY_LIMIT
from aiguard.testing.faultserver.server import ANSWER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.testing.faultserver.catalogue import Step
    from aiguard.testing.faultserver.reply import Reply

SHORT = 0.1
"""Seconds to wait for what never comes."""


@pytest.fixture(scope="module")
def running() -> Iterator[FaultServer]:
    """One for all."""
    with fault_server() as server:
        yield server


@pytest.fixture
def server(running: FaultServer) -> FaultServer:
    """The same, with nothing remembered."""
    running.clear()
    return running


def chat(model: str, **more: Any) -> dict[str, Any]:
    """Return the body of a request."""
    return {"model": model, "messages": [{"role": "user", "content": "?"}], **more}


def ask(server: FaultServer, model: str, **more: Any) -> httpx2.Response:
    """Ask once, over a connection of its own."""
    url = f"{server.openai_url}/chat/completions"
    return httpx2.post(url, json=chat(model, **more), timeout=10.0, verify=False)  # certificates take long to load


def said(response: httpx2.Response) -> Any:
    """Return the text of an answer."""
    return response.json()["choices"][0]["message"]["content"]


def request_bytes(model: str, **more: Any) -> bytes:
    """Return a request as it goes over the wire."""
    body = json.dumps(chat(model, **more)).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


@contextlib.contextmanager
def connection(server: FaultServer, *, timeout: float = 5.0) -> Iterator[socket.socket]:
    """Yield a bare connection."""
    port = int(server.url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as client:
        yield client


def received(client: socket.socket) -> tuple[bytes, str]:
    """Return all that comes, and how it ends."""
    data = b""
    try:
        while more := client.recv(65536):
            data += more
    except TimeoutError:
        return data, "hangs"
    except ConnectionResetError:
        return data, "reset"
    return data, "closed"


# --- bytes


@pytest.mark.parametrize("fault", [fault for fault in WireFault if fault.startswith(("hang", "reset", "cut"))])
@pytest.mark.parametrize("stream", [False, True])
def test_a_connection_breaks_where_and_as_asked(server: FaultServer, fault: WireFault, *, stream: bool) -> None:
    """Bytes up to the place, then silence, RST or FIN."""
    end, _, where = fault.partition("-")
    with connection(server, timeout=SHORT if end == "hang" else 5.0) as client:
        client.sendall(request_bytes(fault, stream=stream))
        data, ended = received(client)
    assert ended == {"hang": "hangs", "reset": "reset", "cut": "closed"}[end]
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") is (where != "before-headers")
    assert bool(body) is where.startswith("mid")
    if where == "mid-stream" and stream:
        assert body.endswith(b"\n\n\r\n")  # whole events
        assert body.count(b"data: ") == 2
        assert b"All " in body
        assert b"is " not in body
    elif where.startswith("mid") and stream:
        promised, _, came = body.partition(b"\r\n")
        assert len(came) == int(promised, 16) // 2
    elif where.startswith("mid"):
        (length,) = [line for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")]
        assert len(body) == int(length.removeprefix(b"Content-Length: ")) // 2


def test_a_drip_is_one_byte_at_a_time(server: FaultServer) -> None:
    """Most of them come by themselves; a busy machine reads two at once now and then."""
    before = time.monotonic()
    with connection(server) as client:
        client.sendall(request_bytes("drip:0.002"))
        pieces: list[bytes] = []
        while len(b"".join(pieces).partition(b"\r\n\r\n")[2]) < 50:
            pieces.append(client.recv(65536))
    assert time.monotonic() - before >= 50 * 0.002
    assert sum(len(piece) == 1 for piece in pieces) > 25


def test_slow_is_late_and_well(server: FaultServer) -> None:
    """After as long as its number says."""
    before = time.monotonic()
    assert said(ask(server, "slow:0.1")) == ANSWER
    assert time.monotonic() - before >= 0.1


@pytest.mark.parametrize("seconds", [0.0, 2.0])
def test_when_to_come_back_is_said_in_every_way(server: FaultServer, seconds: float) -> None:
    """In seconds, as a date, in milliseconds, in Google's words, and not at all."""
    plain = ask(server, "429")
    assert not {"retry-after", "retry-after-ms"} & set(plain.headers)
    for fault in (WireFault.RATE_LIMITED_RETRY_AFTER, WireFault.UNAVAILABLE_RETRY_AFTER):
        assert ask(server, f"{fault}:{seconds}").headers["retry-after"] == f"{seconds:g}"
    assert ask(server, f"429-retry-ms:{seconds}").headers["retry-after-ms"] == f"{seconds * 1000:g}"
    moment = parsedate_to_datetime(ask(server, f"429-retry-date:{seconds}").headers["retry-after"]).timestamp()
    assert abs(moment - (time.time() + seconds)) < 2.0
    (info,) = ask(server, f"429-retry-info:{seconds}").json()["error"]["details"]
    assert info == {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{seconds:g}s"}


def test_a_gzip_bomb_is_small_and_inflates(server: FaultServer) -> None:
    """A thousandth of what comes out of it, and a proper gzip file to its end."""
    with httpx2.stream("POST", f"{server.openai_url}/chat/completions", json=chat("gzip-bomb:5")) as response:
        squeezed = b"".join(response.iter_raw())
    inflate = zlib.decompressobj(16 + zlib.MAX_WBITS)
    whole = inflate.decompress(squeezed)
    assert inflate.eof
    assert len(squeezed) < 20_000
    assert len(whole) > 5_000_000
    assert len(json.loads(whole)["choices"][0]["message"]["content"]) == 5_000_000


@pytest.mark.parametrize("fault", ["big-body:100000", "gzip-bomb:100000", "endless-stream:0"])
def test_the_server_makes_only_what_is_taken(server: FaultServer, fault: str) -> None:
    """A body larger than any memory waits for its client, and ends when that leaves."""
    tracemalloc.start()
    with connection(server) as client:
        client.sendall(request_bytes(fault, stream=fault.startswith("endless")))
        taken = 0
        while taken < 200_000:
            taken += len(client.recv(65536))
        time.sleep(SHORT)  # now it would pile up
    (request,) = server.wait_for(1, ended=True)
    assert request.left
    assert request.ended is not None
    assert request.status == 200
    assert request.sent < 20_000_000  # the sockets' buffers
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2_000_000


def test_small_pieces_are_sent_at_once(server: FaultServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Nagle's algorithm, which would hold back every second one for 40 ms."""
    at_once = []

    async def look(line: Line, reply: Reply, step: Step) -> bool:
        opened = line._writer.get_extra_info("socket")
        at_once.append(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        return await deliver(line, reply, step)

    monkeypatch.setattr("aiguard.testing.faultserver.server.deliver", look)
    ask(server, "ok")
    assert at_once
    assert all(at_once)


def test_requests_share_a_connection(server: FaultServer) -> None:
    """It stays open after answers and errors, streamed or not."""
    with httpx2.Client(base_url=server.openai_url) as client:
        for model, stream in (("ok", False), ("500", False), ("ok", True), ("no-terminator", True), ("ok", False)):
            client.post("/chat/completions", json=chat(model, stream=stream))
    assert {request.connection for request in server.wait_for(5, ended=True)} == {server.requests[0].connection}
    ask(server, "ok")
    assert server.requests[-1].connection == server.requests[0].connection + 1


def test_a_request_in_chunks_is_read(server: FaultServer) -> None:
    """As clients send bodies whose length they do not know."""
    data = json.dumps(chat("500")).encode()
    response = httpx2.post(f"{server.openai_url}/chat/completions", content=iter([data[:9], data[9:]]))
    assert response.status_code == 500
    assert server.requests[0].body == chat("500")


def test_a_client_that_asks_first_is_told_to_go_on(server: FaultServer) -> None:
    """`Expect: 100-continue`."""
    with connection(server) as client:
        head, _, body = request_bytes("ok").partition(b"\r\n\r\n")
        client.sendall(head + b"\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        data, ended = received(client)
    assert data.startswith(b"HTTP/1.1 200 OK\r\n")
    assert ended == "closed"


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"POST /v1/responses HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1),
        b"POST /v1/responses HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        b"GET /" + b"a" * 100_000,
    ],
    ids=["no-http", "no-length", "too-large", "no-chunk", "no-end"],
)
def test_what_cannot_be_read_is_refused(server: FaultServer, sent: bytes) -> None:
    """Before anything of it is remembered."""
    with connection(server) as client:
        client.sendall(sent)
        data, _ = received(client)
    assert data.startswith(b"HTTP/1.1 400 ")
    assert server.requests == ()


# --- names and scripts


@pytest.mark.parametrize("name", ["ok", "gpt-4.1", "ft:gpt-4.1:acme::7p4lURel", "404b", ""])
def test_a_name_that_is_no_fault_answers_well(server: FaultServer, name: str) -> None:
    """A real model's too."""
    assert said(ask(server, name)) == ANSWER
    assert server.requests[0].fault is WireFault.OK


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("slow:soon", "fault 'slow' takes seconds before the answer from 0 to 3600, not 'soon'"),
        ("slow:-1", "not '-1'"),
        ("slow:nan", "not 'nan'"),
        ("big-body:inf", "not 'inf'"),
        ("500:2", "fault '500' takes no number, not '2'"),
        ("endless-stream", "fault 'endless-stream' is one of streams"),
    ],
)
def test_a_fault_that_cannot_be_had_is_told(server: FaultServer, name: str, why: str) -> None:
    """With a status that no client takes for the answer, or tries again."""
    response = ask(server, name)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "fault_server"
    assert why in response.json()["error"]["message"]


def test_every_fault_is_explained() -> None:
    """In one line; and its number, where it takes one, has a default that it accepts."""
    for fault in WireFault:
        assert fault == fault.value
        assert fault.meaning
        assert "\n" not in fault.meaning
        if fault.parameter is not None:
            assert 0 < fault.parameter.default <= fault.parameter.most


def test_a_script_is_followed_and_its_last_fault_stays(server: FaultServer) -> None:
    """One fault a request, for that model only."""
    server.script("gpt-4.1", "500", WireFault.OVERLOADED, "slow:0.01")
    statuses = [ask(server, "gpt-4.1").status_code for _ in range(4)]
    assert statuses == [500, 529, 200, 200]
    assert [request.fault for request in server.requests] == ["500", "529", "slow", "slow"]
    assert [request.amount for request in server.requests] == [0, 0, 0.01, 0.01]
    assert ask(server, "gpt-4.1-mini").status_code == 200
    server.script("gpt-4.1", "404")
    assert ask(server, "gpt-4.1").status_code == 404


@pytest.mark.parametrize(
    ("body", "content_type", "sent"),
    [
        ({"error": {"code": "ours"}}, "application/json", b'{"error": {"code": "ours"}}'),
        ("data: {}\n\n", "text/event-stream", b"data: {}\n\n"),
        (b"\xff", "image/png", b"\xff"),
        ("", "application/json", b""),
    ],
    ids=["json", "text", "bytes", "nothing"],
)
def test_a_reply_in_ones_own_words_is_sent_as_it_stands(
    server: FaultServer, body: Any, content_type: str, sent: bytes
) -> None:
    """Status, headers and body, whatever the request asks for; a fault may follow it."""
    server.script("gpt-4.1", RawReply(418, body, content_type, {"X-Ours": "yes"}), "500")
    response = ask(server, "gpt-4.1", stream=True)
    assert (response.status_code, response.content, response.headers["x-ours"]) == (418, sent, "yes")
    assert response.headers["content-type"] == content_type
    assert ask(server, "gpt-4.1").status_code == 500
    assert [(request.fault, request.status) for request in server.wait_for(2, ended=True)] == [
        (None, 418),
        (WireFault.SERVER_ERROR, 500),
    ]


@pytest.mark.parametrize("status", [101, 199, 600])
def test_a_reply_in_ones_own_words_has_a_status_that_ends_a_request(status: int) -> None:
    """Anything else would leave the client waiting, or is no status."""
    with pytest.raises(ValueError, match=f"status from 200 to 599, not {status}"):
        RawReply(status)


def test_a_script_meets_requests_at_once_one_each(server: FaultServer) -> None:
    """No two of them meet the same step."""

    async def all_at_once() -> list[int]:
        async with httpx2.AsyncClient(base_url=server.openai_url) as client:
            posts = [client.post("/chat/completions", json=chat("gpt-4.1")) for _ in range(20)]
            return [response.status_code for response in await asyncio.gather(*posts)]

    server.script("gpt-4.1", *["500"] * 7, *["503"] * 5, "ok")
    statuses = asyncio.run(all_at_once())
    assert (statuses.count(500), statuses.count(503), statuses.count(200)) == (7, 5, 8)


@pytest.mark.parametrize(
    ("faults", "why"),
    [
        ((), "at least one fault"),
        (("hang-mid-boddy",), "'hang-mid-boddy' is no fault of the fault server; did you mean 'hang-mid-body'"),
        (("500", "slow:x"), "takes seconds"),
    ],
)
def test_a_script_that_cannot_be_followed_is_refused(server: FaultServer, faults: tuple[str, ...], why: str) -> None:
    """Where it is written, not when it is met."""
    with pytest.raises(ValueError, match=why):
        server.script("gpt-4.1", *faults)


def test_the_answer_is_what_was_set(server: FaultServer) -> None:
    """From the start, or at any time; `clear` brings the first one back."""
    server.answer = '{"category": "billing"}\u2028é'
    assert said(ask(server, "ok")) == '{"category": "billing"}\u2028é'
    server.clear()
    assert said(ask(server, "ok")) == ANSWER
    with fault_server(answer="yes") as other:
        assert said(ask(other, "ok")) == "yes"


# --- what it remembers


def test_a_request_is_remembered_whole(server: FaultServer) -> None:
    """What was asked, when, how it was answered."""
    before = time.monotonic()
    sent = chat("429-retry-after:2")
    httpx2.post(f"{server.openai_url}/chat/completions?a=b", json=sent, headers={"X-Deadline": "1.5"})
    (request,) = server.wait_for(1, ended=True)
    assert (request.number, request.method, request.path, request.query) == (1, "POST", "/v1/chat/completions", "a=b")
    assert (request.provider, request.model, request.fault) == ("openai", "429-retry-after:2", "429-retry-after")
    assert (request.amount, request.status, request.left) == (2.0, 429, False)
    assert request.headers["x-deadline"] == "1.5"
    assert request.body == sent
    assert request.ended is not None
    assert before <= request.moment <= request.ended <= time.monotonic()
    assert request.sent > 100
    with pytest.raises(AttributeError):
        request.model = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("asked", "content", "status", "provider"),
    [
        ("GET /v1/models", b"", 404, None),
        ("GET /v1/chat/completions", b"", 404, None),
        ("POST /v1/images", b"{}", 404, None),
        ("POST /v1/messages", b"no json", 400, "anthropic"),
        ("POST /v1/messages", b"[" * 100_000, 400, "anthropic"),
        ("POST /v1/messages", b"{}", 400, "anthropic"),
        ("POST /v1beta/models/ok:streamGenerateContent", b"{}", 400, "gemini"),
        ("POST /v1beta/models/ok:streamGenerateContent?alt=sse", b"{}", 200, "gemini"),
        ("POST /openai/deployments/x/chat/completions?api-version=1", b'{"model": "ok"}', 200, "openai"),
        ("POST /v1beta/models/slow%3A0.01:generateContent", b"{}", 200, "gemini"),
    ],
)
def test_paths_are_told_apart(
    server: FaultServer, asked: str, content: bytes, status: int, provider: str | None
) -> None:
    """What is not understood is remembered too."""
    method, _, path = asked.partition(" ")
    assert httpx2.request(method, server.url + path, content=content).status_code == status
    (request,) = server.requests
    assert request.provider == provider
    assert (request.fault is None) is (status != 200)


def test_a_request_that_lasts_is_there_already(server: FaultServer) -> None:
    """Without an end; and then with the moment when its client left."""
    with connection(server) as client:
        client.sendall(request_bytes("hang-before-headers"))
        (request,) = server.wait_for(1)
        assert (request.ended, request.status, request.sent, request.left) == (None, None, 0, False)
        moment = time.monotonic()
    (request,) = server.wait_for(1, ended=True)
    assert request.left
    assert request.status is None
    assert request.ended is not None
    assert moment - 0.001 <= request.ended <= time.monotonic()


def test_a_cut_connection_was_not_left_by_its_client(server: FaultServer) -> None:
    """It was the server that broke it off."""
    for fault in ("cut-mid-body", "reset-mid-body"):
        with pytest.raises(httpx2.TransportError):
            ask(server, fault)
    assert [request.left for request in server.wait_for(2, ended=True)] == [False, False]


def test_waiting_for_what_does_not_come_is_an_error(server: FaultServer) -> None:
    """Which says how far it got."""
    with connection(server) as client:
        client.sendall(request_bytes("hang-before-headers"))
        server.wait_for(1)
        with pytest.raises(TimeoutError, match=r"waited 0.01 s for 2 requests: 1 came, 0 of them ended"):
            server.wait_for(2, 0.01)
        with pytest.raises(TimeoutError):
            server.wait_for(1, 0.01, ended=True)


def test_a_coroutine_waits_in_a_thread(server: FaultServer) -> None:
    """Beside the client that it waits for."""

    async def leave() -> None:
        async with httpx2.AsyncClient(base_url=server.openai_url) as client:
            asking = asyncio.ensure_future(client.post("/chat/completions", json=chat("hang-after-headers")))
            await asyncio.to_thread(server.wait_for, 1)
            asking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asking
            (request,) = await asyncio.to_thread(server.wait_for, 1, ended=True)
            assert request.left

    asyncio.run(leave())


def test_the_latest_are_kept() -> None:
    """As many as asked for; all are counted."""
    with fault_server(keep=2) as server:
        for model in ("a", "b", "c"):
            ask(server, model)
        assert [(one.number, one.model) for one in server.wait_for(3, ended=True)] == [(2, "b"), (3, "c")]


def test_what_is_cleared_does_not_count(server: FaultServer) -> None:
    """Not even a request that began before and ends after."""
    with connection(server) as client:
        client.sendall(request_bytes("hang-before-headers"))
        server.wait_for(1)
        server.script("ok", "500")
        server.clear()
        assert server.requests == ()
    assert ask(server, "ok").status_code == 200
    (request,) = server.wait_for(1, ended=True)
    assert (request.number, request.model) == (1, "ok")
    with pytest.raises(TimeoutError, match="1 came, 1 of them ended"):
        server.wait_for(2, SHORT, ended=True)


def test_threads_ask_at_once(server: FaultServer) -> None:
    """And every one of them is remembered once."""
    threads = [threading.Thread(target=ask, args=(server, f"model-{number}")) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    requests = server.wait_for(16, ended=True)
    assert {request.model for request in requests} == {f"model-{number}" for number in range(16)}
    assert [request.number for request in requests] == list(range(1, 17))


# --- beginning and end


def servers() -> set[threading.Thread]:
    """Return the threads of all servers."""
    return {thread for thread in threading.enumerate() if thread.name == "fault-server"}


def test_it_starts_and_stops_quickly() -> None:
    """Even the slowest of a few takes no time that a test would notice."""
    took = []
    for _ in range(5):
        before = time.perf_counter()
        with fault_server():
            pass
        took.append(time.perf_counter() - before)
    assert min(took) < 0.05


@pytest.mark.filterwarnings("error")
def test_nothing_is_left_of_it() -> None:
    """No thread and no socket, whatever its clients are in the middle of; the port is free, the clients are told."""
    before = servers()
    faults = (
        "hang-before-headers",
        "hang-mid-body",
        "drip",
        "slow:60",
        "endless-stream",
        "keep-alive-only",
        "big-body",
    )
    with contextlib.ExitStack() as clients:
        with fault_server() as server:
            opened = [clients.enter_context(connection(server)) for _ in faults]
            opened.append(clients.enter_context(connection(server)))  # it asks nothing
            for client, fault in zip(opened, faults, strict=False):
                client.sendall(request_bytes(fault, stream=fault in {"endless-stream", "keep-alive-only"}))
            requests = server.wait_for(len(faults))
            assert not any(request.ended for request in requests)
            leaving = time.monotonic()
        assert time.monotonic() - leaving < 1.0
        assert servers() == before
        for client in opened:
            assert received(client)[1] in {"closed", "reset"}
        assert not any(request.left for request in server.requests)
        assert all(request.ended for request in server.requests)
        with pytest.raises(ConnectionRefusedError), connection(server):
            pass
    gc.collect()  # whatever was not closed warns now


def test_it_stops_where_the_block_raises() -> None:
    """And lets the error through."""
    before = servers()

    def fail() -> None:
        with fault_server():
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    assert servers() == before


def test_two_of_them_do_not_meet() -> None:
    """Each has its port, its scripts and its memory."""
    with fault_server() as one, fault_server() as other:
        one.script("m", "500")
        assert (ask(one, "m").status_code, ask(other, "m").status_code) == (500, 200)
        assert (len(one.requests), len(other.requests)) == (1, 1)


def test_a_flaw_of_its_own_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test that met it fails, whatever its client made of it."""

    def broken(*_: object) -> None:
        raise LookupError("a flaw")

    monkeypatch.setattr("aiguard.testing.faultserver.server.reply_to", broken)

    def meet() -> None:
        with fault_server() as server, contextlib.suppress(httpx2.TransportError):
            ask(server, "ok")

    with pytest.raises(LookupError, match="a flaw"):
        meet()
