"""
The closed catalogue of faults, and how one is named.

A name is a fault, and where the fault takes a number, that number behind a colon: `reset-mid-body`, `slow:0.5`.
"""

from __future__ import annotations

import difflib
import math
from enum import StrEnum
from typing import Final, NamedTuple


class Parameter(NamedTuple):
    """
    The number that a fault takes.

    Attributes:
        meaning: What it counts, and in which unit.
        default: What holds where none is given.
        most: The largest that is accepted.
    """

    meaning: str
    default: float
    most: float


_HOUR: Final = 3600.0
_ASKED: Final = Parameter("seconds asked for", 1.0, _HOUR)


class WireFault(StrEnum):
    """
    What goes wrong; each is its name in the model's place.

    Attributes:
        meaning: What the server does, in one line.
        parameter: The number that it takes behind a colon, or `None`.
    """

    meaning: str
    parameter: Parameter | None

    def __new__(cls, name: str, meaning: str, parameter: Parameter | None = None) -> WireFault:  # noqa: PYI034 - an enum has no subclass
        """Make the member a string that knows more."""
        fault = str.__new__(cls, name)
        fault._value_ = name
        fault.meaning = meaning
        fault.parameter = parameter
        return fault

    OK = "ok", "answers well"

    SLOW = "slow", "answers well, but late", Parameter("seconds before the answer", 1.0, _HOUR)
    DRIP = "drip", "headers at once, the body byte by byte", Parameter("seconds between two bytes", 0.01, _HOUR)
    HANG_BEFORE_HEADERS = "hang-before-headers", "reads the request and never answers"
    HANG_AFTER_HEADERS = "hang-after-headers", "status 200, headers, then nothing"
    HANG_MID_BODY = "hang-mid-body", "half the bytes of the body, then nothing"
    HANG_MID_STREAM = "hang-mid-stream", "whole events up to the first piece of text, then nothing"

    RESET_BEFORE_HEADERS = "reset-before-headers", "resets the connection (RST) instead of answering"
    RESET_MID_BODY = "reset-mid-body", "half the bytes of the body, then a reset"
    RESET_MID_STREAM = "reset-mid-stream", "whole events up to the first piece of text, then a reset"
    CUT_BEFORE_HEADERS = "cut-before-headers", "closes the connection (FIN) instead of answering"
    CUT_MID_BODY = "cut-mid-body", "half the bytes of the body, then a clean close"
    CUT_MID_STREAM = "cut-mid-stream", "whole events up to the first piece of text, then a clean close"

    BAD_REQUEST = "400", "the request is refused as invalid"
    AUTH = "401", "the key is not known"
    FORBIDDEN = "403", "the key may not do this"
    NOT_FOUND = "404", "there is no such model"
    CONTEXT_LENGTH = "context-length", "the prompt is longer than the model takes"
    RATE_LIMITED = "429", "too many requests; no word on when to come back"
    RATE_LIMITED_RETRY_AFTER = "429-retry-after", "too many requests; `Retry-After` in seconds", _ASKED
    RATE_LIMITED_RETRY_DATE = "429-retry-date", "too many requests; `Retry-After` as a date", _ASKED
    RATE_LIMITED_RETRY_MS = "429-retry-ms", "too many requests; `retry-after-ms`", _ASKED
    RATE_LIMITED_RETRY_INFO = "429-retry-info", "too many requests, in Google's words; `RetryInfo` in the body", _ASKED
    QUOTA = "quota", "nothing is left to spend"
    SERVER_ERROR = "500", "the server failed"
    BAD_GATEWAY = "502", "a gateway's page in HTML"
    UNAVAILABLE = "503", "unavailable; no word on when to come back"
    UNAVAILABLE_RETRY_AFTER = "503-retry-after", "unavailable; `Retry-After` in seconds", _ASKED
    GATEWAY_TIMEOUT = "504", "the server's own deadline passed"
    OVERLOADED = "529", "overloaded"

    HTML = "html", "a page in HTML with status 200"
    WRONG_CONTENT_TYPE = "wrong-content-type", "the right body, called `text/plain`"
    INVALID_UTF8 = "invalid-utf8", "bytes inside the text that are no UTF-8"
    DEEP_JSON = "deep-json", "JSON nested without end", Parameter("levels", 100_000, 10_000_000)
    BIG_BODY = "big-body", "a text without end, in small pieces", Parameter("megabytes", 100, 100_000)
    GZIP_BOMB = "gzip-bomb", "a small gzip body that inflates", Parameter("megabytes inflated", 100, 100_000)
    ERROR_IN_200 = "error-in-200", "an error with status 200; in a stream after the first piece of text"

    MALFORMED_EVENT = "malformed-event", "in a stream: an event whose JSON is broken off"
    NO_TERMINATOR = "no-terminator", "in a stream: all of the text, and no event that ends it"
    ENDLESS_STREAM = (
        "endless-stream",
        "in a stream: text for ever",
        Parameter("seconds between two events", 0.01, _HOUR),
    )
    ROLE_ONLY = "role-only", "in a stream: events without text, and a proper end"
    KEEP_ALIVE_ONLY = (
        "keep-alive-only",
        "in a stream: comments for ever, and no event",
        Parameter("seconds between two comments", 0.05, _HOUR),
    )

    TRUNCATED = "truncated", "half the text; it reached its length limit"
    REFUSAL = "refusal", "the model refuses"
    CONTENT_FILTER = "content-filter", "the provider filters the answer"
    EMPTY = "empty", "an answer without text"
    NULL = "null", "`null`, or nothing, where the text should be"
    GARBAGE = "garbage", "an answer to something else"


ONLY_IN_STREAMS: Final = frozenset(
    {
        WireFault.MALFORMED_EVENT,
        WireFault.NO_TERMINATOR,
        WireFault.ENDLESS_STREAM,
        WireFault.ROLE_ONLY,
        WireFault.KEEP_ALIVE_ONLY,
    }
)
"""Asked for without `stream`, the server says so with status 400."""


_BY_NAME: Final = {fault.value: fault for fault in WireFault}


class Step(NamedTuple):
    """
    What one request meets.

    Attributes:
        fault: What goes wrong.
        amount: Its number; 0 where it takes none.
    """

    fault: WireFault
    amount: float = 0.0


def is_fault(name: str) -> bool:
    """Return whether `name` begins with a fault of the catalogue."""
    return name.partition(":")[0] in _BY_NAME


def step(name: str) -> Step:
    """
    Return what `name` stands for.

    Raises:
        ValueError: It is no fault, or its number cannot be used.
    """
    word, colon, number = name.partition(":")
    fault = _BY_NAME.get(word)
    if fault is None:
        close = difflib.get_close_matches(word, _BY_NAME, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"{word!r} is no fault of the fault server{hint}")
    if fault.parameter is None:
        if colon:
            raise ValueError(f"fault {word!r} takes no number, not {number!r}")
        return Step(fault)
    if not colon:
        return Step(fault, fault.parameter.default)
    try:
        amount = float(number)
    except ValueError:
        amount = math.nan
    if not 0 <= amount <= fault.parameter.most:
        limits = f"0 to {fault.parameter.most:g}"
        raise ValueError(f"fault {word!r} takes {fault.parameter.meaning} from {limits}, not {number!r}")
    return Step(fault, amount)
