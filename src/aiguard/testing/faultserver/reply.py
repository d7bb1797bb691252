"""What the server says to a request that meets a fault: status, headers and the pieces of a body."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from itertools import chain, repeat
from time import time
from typing import TYPE_CHECKING, Any, Final

from aiguard.testing.faultserver.catalogue import ONLY_IN_STREAMS, Step, WireFault
from aiguard.testing.faultserver.gemini_wire import retry_info
from aiguard.testing.faultserver.openai_wire import error_body
from aiguard.testing.faultserver.wire import FILLER, GARBAGE, Answer, Asked, Wire

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_JSON: Final = "application/json"
_HTML: Final = "text/html; charset=utf-8"
_SSE: Final = "text/event-stream; charset=utf-8"

_SAID: Final[Mapping[WireFault, Answer]] = {
    WireFault.REFUSAL: Answer("", "refusal"),
    WireFault.CONTENT_FILTER: Answer("", "filter"),
    WireFault.EMPTY: Answer(""),
    WireFault.NULL: Answer(None),
    WireFault.GARBAGE: Answer(GARBAGE),
}

_MEGABYTE: Final = 1_000_000
_PIECE: Final = 100_000
_SILENT_EVENTS: Final = 3


@dataclass(frozen=True, slots=True)
class Reply:
    """
    What is to be sent.

    Attributes:
        status: Of HTTP.
        content_type: As the header says it.
        pieces: The body; made as it is sent.
        length: Bytes of the body, or `None` where it is sent in chunks, each of them a piece.
        headers: Others.
        pause: Seconds between two pieces.
        opening: How many pieces a stream has up to its first text; 0 where it is none.
    """

    status: int
    content_type: str
    pieces: Iterable[bytes]
    length: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    pause: float = 0.0
    opening: int = 0


@dataclass(frozen=True, slots=True)
class RawReply:
    """
    A reply in words of your own, for `server.script()`: what a provider says that no fault of the catalogue does.

    Args:
        status: Of HTTP, 200 to 599.
        body: Sent as it is where it is text or bytes, as JSON otherwise.
        content_type: As the header says it.
        headers: Others.

    Raises:
        ValueError: The status is none.
    """

    status: int
    body: Any = ""
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 200 <= self.status <= 599:  # noqa: PLR2004 - statuses that end a request
            raise ValueError(f"RawReply takes a status from 200 to 599, not {self.status!r}")

    @property
    def reply(self) -> Reply:
        """What is to be sent."""
        text = self.body if isinstance(self.body, str | bytes) else json.dumps(self.body)
        data = text.encode() if isinstance(text, str) else text
        return Reply(self.status, self.content_type, (data,), len(data), self.headers)


def plain(status: int, body: Any, headers: Mapping[str, str] | None = None) -> Reply:
    """Return a reply of JSON in one piece."""
    data = json.dumps(body).encode()
    return Reply(status, _JSON, (data,), len(data), headers or {})


def misused(why: str) -> Reply:
    """Return the reply to a request that the fault server itself cannot do anything with."""
    return plain(400, error_body("invalid_request_error", "fault_server", f"aiguard fault server: {why}"))


def reply_to(asked: Asked, wire: Wire, step: Step, text: str) -> Reply:
    """Return what is said to a request; how it is sent is another matter."""
    fault, amount = step
    if fault in ONLY_IN_STREAMS and not asked.stream:
        return misused(f"fault {fault.value!r} is one of streams, and this request asks for none")
    if fault in wire.unsaid:
        return misused(f"fault {fault.value!r} cannot be said in this format")
    return _refusal(asked, wire, step) or _mishap(asked, wire, fault, amount) or _answer(asked, wire, step, text)


def _refusal(asked: Asked, wire: Wire, step: Step) -> Reply | None:
    """What a server says that answers with an error."""
    fault, amount = step
    if fault is WireFault.BAD_GATEWAY:
        return _page(502, "502 Bad Gateway")
    if fault is WireFault.RATE_LIMITED_RETRY_INFO:
        return plain(*retry_info(amount))
    refused = wire.error(asked, fault)
    return plain(*refused, headers=_come_back(fault, amount)) if refused else None


def _come_back(fault: WireFault, seconds: float) -> dict[str, str]:
    match fault:
        case WireFault.RATE_LIMITED_RETRY_AFTER | WireFault.UNAVAILABLE_RETRY_AFTER:
            return {"Retry-After": f"{seconds:g}"}
        case WireFault.RATE_LIMITED_RETRY_DATE:
            return {"Retry-After": formatdate(time() + seconds, usegmt=True)}
        case WireFault.RATE_LIMITED_RETRY_MS:
            return {"retry-after-ms": f"{seconds * 1000:g}"}
        case _:
            return {}


def _page(status: int, title: str) -> Reply:
    page = f"<html>\n<head><title>{title}</title></head>\n<body><center><h1>{title}</h1></center></body>\n</html>\n"
    return Reply(status, _HTML, (page.encode(),), len(page))


def _mishap(asked: Asked, wire: Wire, fault: WireFault, amount: float) -> Reply | None:
    """What is said with status 200 and is no answer."""
    if fault is WireFault.HTML:
        return _page(200, "Sign in to continue")
    if fault is WireFault.ERROR_IN_200 and not asked.stream:
        refused = wire.error(asked, WireFault.SERVER_ERROR)
        return replace(plain(*refused), status=200) if refused else None
    return _oversized(asked, wire, fault, amount)


def _oversized(asked: Asked, wire: Wire, fault: WireFault, amount: float) -> Reply | None:
    """What no client should have to hold, or cannot be read."""
    match fault:
        case WireFault.DEEP_JSON:
            data = b"[" * int(amount) + b"]" * int(amount)
            return _filled(asked, wire, (data,), len(data), quoted=b'"')
        case WireFault.INVALID_UTF8:
            data = b"\xff\xfe\x80"
            return _filled(asked, wire, (data,), len(data))
        case WireFault.BIG_BODY:
            size = int(amount * _MEGABYTE)
            return _filled(asked, wire, _filling(size), size)
        case WireFault.GZIP_BOMB:
            inflated = _filled(asked, wire, _filling(int(amount * _MEGABYTE)), 0)
            gzip = {"Content-Encoding": "gzip"}
            return replace(inflated, pieces=_squeezed(inflated.pieces), length=None, headers=gzip)
        case _:
            return None


def _filled(asked: Asked, wire: Wire, filling: Iterable[bytes], size: int, *, quoted: bytes = b"") -> Reply:
    """Return an answer whose text, with its quotes where they are `quoted`, is `filling`."""
    good = _good(asked, wire, Answer(FILLER))
    mark = quoted + FILLER.encode() + quoted
    before, _, rest = b"".join(good.pieces).partition(mark)
    after = rest.replace(mark, quoted * 2)  # a format may hold the text several times
    length = None if good.length is None else len(before) + size + len(after)
    return replace(good, pieces=chain((before,), filling, (after,)), length=length)


def _filling(size: int) -> Iterator[bytes]:
    whole, rest = divmod(size, _PIECE)
    piece = b"a" * _PIECE
    yield from repeat(piece, whole)
    if rest:
        yield piece[:rest]


def _squeezed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield a gzip file of all that, a part for each piece: none takes long to make."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 16 + zlib.MAX_WBITS)
    for piece in pieces:
        yield squeeze.compress(piece) + squeeze.flush(zlib.Z_SYNC_FLUSH)
    yield squeeze.flush()


def _answer(asked: Asked, wire: Wire, step: Step, text: str) -> Reply:
    """What a server says that answers, well or not."""
    answer = _said(step.fault, text)
    if not asked.stream:
        good = _good(asked, wire, answer)
        return replace(good, content_type="text/plain") if step.fault is WireFault.WRONG_CONTENT_TYPE else good
    events = wire.events(asked, answer)
    first = (events.text or [events.silent])[0]
    begun = [*events.opening, first]
    match step.fault:
        case WireFault.MALFORMED_EVENT:
            pieces: Iterable[bytes] = [*begun, first.rstrip()[:-8] + b"\n\n", *events.closing]
        case WireFault.ERROR_IN_200:
            pieces = [*begun, wire.error_event(asked)]
        case WireFault.NO_TERMINATOR:
            pieces = [*events.opening, *events.text]
        case WireFault.ROLE_ONLY:
            pieces = [*events.opening, *[events.silent] * _SILENT_EVENTS, *events.closing]
        case WireFault.ENDLESS_STREAM:
            return Reply(200, _SSE, chain(begun, repeat(first)), None, pause=step.amount)
        case WireFault.KEEP_ALIVE_ONLY:
            return Reply(200, _SSE, repeat(b": keep-alive\n\n"), None, pause=step.amount)
        case _:
            pieces = [*events.opening, *events.text, *events.closing]
    kind = "text/plain" if step.fault is WireFault.WRONG_CONTENT_TYPE else _SSE
    return Reply(200, kind, pieces, None, opening=len(begun))


def _said(fault: WireFault, text: str) -> Answer:
    """Return what the model says."""
    if fault is WireFault.TRUNCATED:
        return Answer(text[: len(text) // 2], "length")
    return _SAID.get(fault, Answer(text))


def _good(asked: Asked, wire: Wire, answer: Answer) -> Reply:
    if not asked.stream:
        return plain(200, wire.body(asked, answer))
    events = wire.events(asked, answer)
    return Reply(200, _SSE, [*events.opening, *events.text, *events.closing], None)
