"""
When a server said to come back.

Read by shape from whatever an exception carries, so that no client library is ever imported: the headers
`retry-after-ms` and `Retry-After` (RFC 9110 §10.2.3: seconds, or a date), and the `RetryInfo` of Google's errors, which
is in the body.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, timedelta
from itertools import islice, repeat
from typing import TYPE_CHECKING, Any, Final

from aiguard.attribute import attribute
from aiguard.error_body import carried_by, listed

if TYPE_CHECKING:
    from aiguard.clock import Clock

LONGEST: Final = 3600.0
"""Seconds that a server is listened to: a longer pause is a mistake more often than an outage, and would stop a key."""

_CAUSES: Final = 8
_HEADERS: Final = 256
_PARTS: Final = 32
_DEPTH: Final = 4
_TEXT: Final = 64

_HEADERS_IN: Final = ("headers", "litellm_response_headers")
"""Aiohttp's and urllib's errors carry headers themselves; so do LiteLLM's, whose responses are of its own making."""

_BODIES: Final = ("details", "response_json", "body")
_SAYING: Final = frozenset({"response", *_HEADERS_IN, *_BODIES})
_AROUND: Final = ("error", "details")

_NAMES: Final = frozenset({b"retry-after", b"retry-after-ms"})
_SHORTEST: Final = len("retry-after")

_NUMBERS: Final = (int, float)
_TEXTS: Final = (str, bytes, bytearray)
_MAPPINGS: Final = (dict, Mapping)  # the common class first: to ask the abstract one takes longer
_LISTS: Final = (list, tuple)
_SEQUENCES: Final = (list, tuple, Sequence)

_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?", re.ASCII)
_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]*)?)s", re.ASCII)


def retry_after_of(error: BaseException, clock: Clock) -> float | None:
    """
    Return the seconds that a server asked to wait, from 0 to `LONGEST`; `None` where it did not.

    The first along the causes of `error` that asks for a pause is listened to; of the errors of a group, the one that
    asks for the longest. What cannot be read, and what is no number of seconds from zero on, asks for nothing. Never
    raises.
    """
    try:
        return _asked(error, clock)
    except Exception:  # noqa: BLE001 - hostile, or nested past recursion: nobody asked for anything
        return None


def _asked(error: BaseException, clock: Clock) -> float | None:
    link: BaseException | None = error
    for _ in range(_CAUSES):
        if link is None:
            break
        seconds = _asked_by(link, clock)
        if seconds is not None:
            return seconds
        link = link.__cause__
    return None


def _asked_by(error: BaseException, clock: Clock) -> float | None:
    if isinstance(error, BaseExceptionGroup):
        return _longest(_asked(inner, clock) for inner in islice(error.exceptions, _PARTS))
    carried = carried_by(error)
    if _SAYING.isdisjoint(carried):
        return None
    if (response := carried.get("response")) is not None:
        seconds = _from_headers(attribute(response, "headers"), clock)
        if seconds is not None:
            return seconds
    for name in _HEADERS_IN:
        if name in carried and (seconds := _from_headers(carried[name], clock)) is not None:
            return seconds
    for name in _BODIES:
        if name in carried and (seconds := _from_body(carried[name])) is not None:
            return seconds
    return None


# --- headers


def _from_headers(headers: object, clock: Clock) -> float | None:
    """Return what the headers ask for; the one in milliseconds says it more exactly."""
    try:
        pairs = _pairs(headers)
        if not pairs:
            return None
        milliseconds, seconds = _values(pairs)
    except Exception:  # noqa: BLE001 - headers nobody can read ask for nothing
        return None
    asked = _longest(map(_number, milliseconds))
    if asked is not None:
        return _bounded(asked / 1000)
    return _bounded(_longest(map(_moment, seconds, repeat(clock))))


def _pairs(headers: object) -> Iterable[Any]:
    """Return names and values, of a mapping, a multi-dict or pairs; of httpx's headers, those alone that matter."""
    triples = listed(headers)
    if triples is None:
        pairs = headers.items() if hasattr(headers, "items") else headers
        return islice(pairs, _HEADERS) if isinstance(pairs, Iterable) else ()
    return [(name, value) for _, name, value in triples[:_HEADERS] if name in _NAMES]


def _values(pairs: Iterable[Any]) -> tuple[list[str], list[str]]:
    """Return the values of the headers that matter, as text: those in milliseconds, and those in seconds."""
    milliseconds: list[str] = []
    seconds: list[str] = []
    for name, value in pairs:
        word = _text(name).lower() if isinstance(name, _TEXTS) and len(name) >= _SHORTEST else ""
        into = milliseconds if word == "retry-after-ms" else seconds if word == "retry-after" else None
        if into is not None:
            for one in value[:_PARTS] if isinstance(value, _LISTS) else (value,):
                text = _text(one)
                into.append(text)
                if "," in text:  # several headers that were joined; a date has a comma of its own
                    into += text.split(",", _PARTS)
    return milliseconds, seconds


def _text(value: object) -> str:
    if isinstance(value, str):
        return value[: _TEXT * 2].strip()
    if isinstance(value, bytes):
        return value[: _TEXT * 2].decode("latin-1").strip()
    return str(value) if type(value) in _NUMBERS else ""


def _number(text: str) -> float | None:
    text = text.strip()
    return float(text) if (text.isdigit() and text.isascii()) or _NUMBER.fullmatch(text) else None


def _moment(text: str, clock: Clock) -> float | None:
    """Return the seconds that `Retry-After` asks for; a date that is past asks for none."""
    seconds = _number(text)
    if seconds is not None:
        return seconds
    if not 0 < len(text) <= _TEXT:
        return None
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rare, and slow to import

    try:
        date = parsedate_to_datetime(text)
        if date.tzinfo is None:  # an HTTP date is always in GMT
            date = date.replace(tzinfo=UTC)
        return max(0.0, date.timestamp() - clock.wall())
    except Exception:  # noqa: BLE001 - the parser raises half a dozen kinds for what is no date
        return None


# --- Google's RetryInfo


def _from_body(body: object) -> float | None:
    delays: list[object] = []
    try:
        _read_delays(body, delays, _DEPTH)
        return _bounded(_longest(map(_duration, delays))) if delays else None
    except Exception:  # noqa: BLE001 - a body nobody can read asks for nothing
        return None


def _read_delays(part: object, found: list[object], depth: int) -> None:
    """Add the delays of every `RetryInfo` to `found`, in JSON or as google.api_core's messages."""
    if part is None or depth < 0 or isinstance(part, _TEXTS):
        return
    if isinstance(part, _MAPPINGS):
        if "@type" in part and str(part["@type"]).endswith("google.rpc.RetryInfo"):
            found.append(part.get("retryDelay"))
        for name in _AROUND:
            if name in part:
                _read_delays(part[name], found, depth - 1)
    elif isinstance(part, _SEQUENCES):
        for inner in islice(part, _PARTS):
            _read_delays(inner, found, depth - 1)
    else:
        found.append(attribute(part, "retry_delay"))


def _duration(delay: object) -> float | None:
    """Return the seconds of a duration: `"34.5s"` in JSON, a message, or what proto-plus makes of one."""
    if isinstance(delay, timedelta):
        return delay.total_seconds()
    if isinstance(delay, str):
        found = _DURATION.fullmatch(delay.strip()[:_TEXT])
        return float(found[1]) if found else None
    seconds, nanos = (
        (delay.get("seconds"), delay.get("nanos"))
        if isinstance(delay, Mapping)
        else (attribute(delay, "seconds"), attribute(delay, "nanos"))
    )
    whole, rest = _integer(seconds), _integer(nanos)
    return None if whole is rest is None else (whole or 0) + (rest or 0) / 1e9


def _integer(value: object) -> int | None:
    if isinstance(value, str) and len(value) <= _TEXT and re.fullmatch(r"-?[0-9]+", value, re.ASCII):
        return int(value)  # 64 bits, so JSON has them as text
    return value if type(value) is int else None


def _longest(seconds: Iterable[float | None]) -> float | None:
    longest: float | None = None
    for one in seconds:
        if one is not None and (longest is None or one > longest):
            longest = one
    return longest


def _bounded(seconds: float | None) -> float | None:
    """Return `seconds` if they are a time to wait, no longer than one may be."""
    return min(seconds, LONGEST) if seconds is not None and seconds >= 0 else None
