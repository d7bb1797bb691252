"""When a server said to come back: headers of every make, Google's RetryInfo, and what must ask for nothing."""

from __future__ import annotations

import email.message
import email.utils
import math
import time
import types
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anthropic
import httpx
import httpx2
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.retry_after import LONGEST, retry_after_of
from aiguard.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DAY = 86400.0


def asking(headers: object = None, /, **attributes: Any) -> Exception:
    """Return an exception whose response has these headers."""
    error = Exception("secret text")
    if headers is not None:
        attributes["response"] = types.SimpleNamespace(headers=headers)
    for name, value in attributes.items():
        setattr(error, name, value)
    return error


# --- headers: what they say


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("007", 7.0),
        ("1.5", 1.5),
        ("1.", 1.0),
        ("3599.5", 3599.5),
        ("3600", 3600.0),
        ("3601", 3600.0),
        ("9" * 60, 3600.0),
        ("9" * 5000, 3600.0),
        ("7, 12", 12.0),
        ("12,7", 12.0),
        ("-3", None),
        ("-0.1", None),
        ("+3", None),
        ("nan", None),
        ("inf", None),
        ("-inf", None),
        ("infinity", None),
        ("1e3", None),
        ("1e400", None),
        ("1_000", None),
        ("0x10", None),
        (".5", None),
        ("\u0667", None),
        ("", None),
        (",", None),
        ("soon", None),
        ("7 s", None),
        ("Fri, 99 Foo 2026 99:99:99 GMT", None),
        ("Mon, 23 Nov 2026 25:61:61 GMT", None),
        ("x" * 100_000, None),
        (" " * 100 + "7", 7.0),
        (" " * 150 + "7", None),  # as far as anybody reads
    ],
)
def test_retry_after_in_seconds(clock: VirtualClock, value: str, seconds: float | None) -> None:
    """Seconds from zero on are listened to, an hour at most; what is no such number asks for nothing."""
    assert retry_after_of(asking({"retry-after": value}), clock) == seconds
    assert retry_after_of(asking({b"Retry-After": value.encode()}), clock) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "0"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "7"}, 1.5),
        ({"retry-after-ms": "3600001"}, 3600.0),
        ({"retry-after-ms": "soon", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "-1", "retry-after": "7"}, 7.0),
        ({"retry-after-ms": "Mon, 23 Nov 2026 10:00:00 GMT"}, None),
        ({"x-retry-after": "7", "retry-after-s": "8"}, None),
        ({}, None),
    ],
)
def test_milliseconds_say_it_more_exactly(clock: VirtualClock, headers: dict[str, str], seconds: float | None) -> None:
    """They go first where they can be read, and are the only form beside `Retry-After`."""
    assert retry_after_of(asking(headers), clock) == seconds


def dated(seconds: float) -> str:
    """Return the virtual clock's date in so many seconds."""
    return email.utils.formatdate(VirtualClock().wall() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (dated(90), 90.0),
        (dated(0), 0.0),
        (dated(-90), 0.0),
        (dated(DAY), 3600.0),
        ("Tue, 14 Nov 2023 22:13:25 GMT", 5.0),
        ("Tuesday, 14-Nov-23 22:13:25 GMT", 5.0),
        ("Tue Nov 14 22:13:25 2023", 5.0),
        ("Tue, 14 Nov 2023 22:13:25 -0000", 5.0),
        ("Tue, 14 Nov 2023 23:13:25 +0100", 5.0),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("Fri, 31 Dec 99999 23:59:59 GMT", None),
        ("Tue, 14 Nov 2023 22:13:25 GMT" + " " * 100, 5.0),
        ("Tue, 14 Nov 2023 22:13:25 GMT" + "x" * 100, None),
    ],
)
def test_retry_after_as_a_date(clock: VirtualClock, date: str, seconds: float | None) -> None:
    """All three forms of RFC 9110, counted from the wall clock, in GMT; one that is past asks for no wait."""
    assert retry_after_of(asking({"retry-after": date}), clock) == seconds


def test_a_date_is_counted_from_now(clock: VirtualClock) -> None:
    """The longer one waits to look, the less is left."""
    error = asking({"retry-after": dated(90)})
    clock.advance(30)
    assert retry_after_of(error, clock) == 60.0


@pytest.mark.parametrize("date", ["Tue, 14 Nov 2023 22:13:25 -0000", "Tue Nov 14 22:13:25 2023"])
def test_a_date_without_a_zone_is_in_gmt(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, date: str) -> None:
    """Wherever the machine is that reads it."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert retry_after_of(asking({"retry-after": date}), clock) == 5.0
    finally:
        monkeypatch.undo()
        time.tzset()


# --- headers: how they are carried


class Listed:
    """As starlette's and werkzeug's: it keeps its pairs where httpx keeps triples."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._list = list(pairs)

    def items(self) -> Iterator[tuple[str, str]]:
        """Return each."""
        return iter(self._list)


class MultiDict:
    """As aiohttp's and werkzeug's: a name may stand there twice; it is no mapping of the standard library."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self._pairs = pairs

    def items(self) -> Iterator[tuple[str, str]]:
        """Return each, repeated names repeatedly."""
        return iter(self._pairs)


def message(**headers: str) -> email.message.Message:
    """Return headers as urllib has them."""
    carried = email.message.Message()
    for name, value in headers.items():
        carried[name.replace("_", "-")] = value
    return carried


@pytest.mark.parametrize(
    "headers",
    [
        {"retry-after": "7"},
        {"Retry-After": "7"},
        {"RETRY-AFTER": "7"},
        {b"Retry-After": b"7"},
        {"Retry-After": b"7"},
        {"retry-after": 7},
        {"retry-after": 7.0},
        {"retry-after": ["7"]},
        {"retry-after": ("7", "3")},
        {"retry-after": [b"3", "7"]},
        [("Date", "x"), ("Retry-After", "7")],
        [(b"retry-after", b"7")],
        (("retry-after", "3"), ("retry-after", "7")),
        MultiDict(("Retry-After", "3"), ("Retry-After", "7"), ("Retry-After", "soon")),
        httpx2.Headers({"Retry-After": "7"}),
        httpx2.Headers([("Retry-After", "7"), ("Retry-After", "3")]),
        httpx.Headers([("Date", "x"), ("RETRY-after", "7")]),
        Listed(("Date", "x"), ("Retry-After", "7")),
        message(Retry_After="7"),
        {7: "x", None: "y", "Retry-After": "7"},
        {"retry-after": [None, "7"]},
    ],
    ids=range(21),
)
def test_headers_of_every_make(clock: VirtualClock, headers: object) -> None:
    """Text or bytes, in any case, as a mapping, a multi-dict or pairs; of several values the longest holds."""
    assert retry_after_of(asking(headers), clock) == 7.0


@pytest.mark.parametrize(
    "headers",
    [
        "retry-after: 7",
        b"retry-after: 7",
        7,
        [("retry-after",)],
        [None],
        {"retry-after": True},
        {7: "7"},
        [7],
        {"retry-after": Decimal(7)},
    ],
    ids=range(9),
)
def test_what_are_no_headers_asks_for_nothing(clock: VirtualClock, headers: object) -> None:
    """Neither a truth value nor a text nor half a pair is a wait."""
    assert retry_after_of(asking(headers), clock) is None


def test_headers_are_read_from_the_exception_too(clock: VirtualClock) -> None:
    """Aiohttp and urllib carry them there, LiteLLM under a name of its own; the response's own go first."""
    assert retry_after_of(asking(None, headers={"retry-after": "7"}), clock) == 7.0
    assert retry_after_of(asking({"retry-after": "3"}, headers={"retry-after": "7"}), clock) == 3.0
    assert retry_after_of(asking({}, headers={"retry-after": "7"}), clock) == 7.0
    assert retry_after_of(asking({}, headers=None, litellm_response_headers={"retry-after": "7"}), clock) == 7.0
    assert retry_after_of(asking(None, headers={"retry-after": dated(90)}), clock) == 90.0


def test_headers_without_end_are_given_up_on(clock: VirtualClock) -> None:
    """A hostile object may go on for ever."""

    def endless() -> Iterator[tuple[str, str]]:
        while True:
            yield "x", "y"

    assert retry_after_of(asking(endless()), clock) is None
    many = [("x", "y")] * 1000
    for make in (list, httpx.Headers, httpx2.Headers):
        assert retry_after_of(asking(make([*many[:100], ("retry-after", "7")])), clock) == 7.0
        assert retry_after_of(asking(make([*many, ("retry-after", "7")])), clock) is None


def test_of_one_header_without_end_the_rest_is_not_read(clock: VirtualClock) -> None:
    """A few values are more than any server sends."""
    assert retry_after_of(asking({"retry-after": ["soon"] * 20 + ["7"]}), clock) == 7.0
    assert retry_after_of(asking({"retry-after": ["soon"] * 100 + ["7"]}), clock) is None


# --- Google's RetryInfo

INFO = "type.googleapis.com/google.rpc.RetryInfo"


def google(delay: object, kind: str = INFO) -> dict[str, Any]:
    """Return the body of a Gemini error."""
    quota = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaValue": "7s"}]}
    return {"error": {"code": 429, "message": "retry in 99s", "details": [quota, {"@type": kind, "retryDelay": delay}]}}


class Message:
    """A protobuf message, as far as anybody looks."""

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        ("34s", 34.0),
        ("34.074824224s", 34.074824224),
        ("0s", 0.0),
        ("7200s", 3600.0),
        (" 34s ", 34.0),
        ({"seconds": 34}, 34.0),
        ({"seconds": "34", "nanos": 500_000_000}, 34.5),
        ({"nanos": 500_000_000}, 0.5),
        ("-1s", None),
        ({"seconds": -1}, None),
        ("34", None),
        ("34ms", None),
        ("s", None),
        ("nans", None),
        ("infs", None),
        ("1e3s", None),
        ("", None),
        (34.5, None),
        (True, None),
        (None, None),
        ([], None),
        ({}, None),
        ({"seconds": "soon"}, None),
        ({"seconds": math.nan}, None),
        ({"seconds": "9" * 5000}, None),
        ({"seconds": 10**400}, None),
        ({"seconds": "1_000"}, None),
        ("0" * 50 + "34s", 34.0),
        ("0" * 70 + "34s", None),  # as far as anybody reads
        ({"seconds": "0" * 50 + "34"}, 34.0),
        ({"seconds": "0" * 70 + "34"}, None),
    ],
)
def test_the_retry_info_of_a_body(clock: VirtualClock, delay: object, seconds: float | None) -> None:
    """A duration of protobuf's JSON, wherever a client keeps the body."""
    body = google(delay)
    for attributes in (
        {"details": body},  # google-genai's APIError
        {"response_json": body},
        {"body": body},
        {"body": body["error"]},  # openai's, pointed at Gemini
        {"body": [body]},  # that endpoint answers with a list
        {"details": body["error"]["details"]},
    ):
        assert retry_after_of(asking(**attributes), clock) == (None if seconds is None else pytest.approx(seconds)), (
            attributes
        )


@pytest.mark.parametrize(
    ("delay", "seconds"),
    [
        (Message(seconds=34, nanos=0), 34.0),
        (Message(seconds=0, nanos=500_000_000), 0.5),
        (Message(seconds=34), 34.0),
        (Message(seconds=-34, nanos=0), None),
        (Message(seconds=3601, nanos=0), 3600.0),
        (Message(seconds="soon", nanos=None), None),
        (Message(seconds=True), None),
        (Message(), None),
        (timedelta(seconds=34, milliseconds=500), 34.5),
        (timedelta(days=2), 3600.0),
        (timedelta(seconds=-1), None),
    ],
)
def test_the_retry_info_of_messages(clock: VirtualClock, delay: object, seconds: float | None) -> None:
    """As google.api_core has them in `details`; proto-plus makes a timedelta of a duration."""
    details = [Message(violations=[]), Message(retry_delay=delay), Message(retry_delay=None)]
    assert retry_after_of(asking(details=details), clock) == seconds
    assert retry_after_of(asking(details=tuple(details)), clock) == seconds


def test_only_a_retry_info_counts(clock: VirtualClock) -> None:
    """Another detail may have a field of that name."""
    assert retry_after_of(asking(details=google("34s", "type.googleapis.com/google.rpc.Other")), clock) is None
    assert retry_after_of(asking(details=google("34s", 7)), clock) is None  # type: ignore[arg-type]


def test_several_retry_infos_are_all_heeded(clock: VirtualClock) -> None:
    """The longest holds, and one that cannot be read takes nothing from the others."""
    body = google("34s")
    body["error"]["details"] += google("7s")["error"]["details"] + google("soon")["error"]["details"]
    assert retry_after_of(asking(details=body), clock) == 34.0


def test_of_a_long_list_only_some_details_are_read(clock: VirtualClock) -> None:
    """More than any server sends."""
    asked = google("34s")["error"]["details"]
    assert retry_after_of(asking(details=[{}] * 20 + asked), clock) == 34.0
    assert retry_after_of(asking(details=[{}] * 100 + asked), clock) is None


def test_a_header_goes_before_a_body(clock: VirtualClock) -> None:
    """And a body is read where the headers say nothing of it."""
    assert retry_after_of(asking({"retry-after": "7"}, details=google("34s")), clock) == 7.0
    assert retry_after_of(asking({"retry-after": "soon"}, details=google("34s")), clock) == 34.0


def test_a_method_of_that_name_is_no_body(clock: VirtualClock) -> None:
    """An error of gRPC has `details()`."""
    assert retry_after_of(asking(details=lambda: google("34s")), clock) is None


def test_a_body_nested_without_end_is_given_up_on(clock: VirtualClock) -> None:
    """Only as deep as such a body ever is."""
    body: dict[str, Any] = {}
    body["error"] = body["details"] = body
    assert retry_after_of(asking(details=body), clock) is None
    deep: list[Any] = [google("34s")]
    for _ in range(10):
        deep = [deep]
    assert retry_after_of(asking(details=deep), clock) is None
    inner = google("34s")
    for _ in range(10):
        inner = {"error": inner}
    assert retry_after_of(asking(details=inner), clock) is None


# --- where it is


def test_the_first_cause_that_asks_is_heeded(clock: VirtualClock) -> None:
    """From the outermost inwards; what asks for nothing is passed over."""
    outer, middle = asking(), asking({"retry-after": "soon"})
    outer.__cause__, middle.__cause__ = middle, asking({"retry-after": "7"})
    middle.__cause__.__cause__ = asking({"retry-after": "9"})
    assert retry_after_of(outer, clock) == 7.0


def test_what_was_only_there_at_the_time_is_no_cause(clock: VirtualClock) -> None:
    """Raised while another was handled, an error says nothing of that one's server."""
    outer = asking()
    outer.__context__ = asking({"retry-after": "7"})
    assert retry_after_of(outer, clock) is None


def test_causes_in_a_circle_end(clock: VirtualClock) -> None:
    """Whoever made them."""
    one, other = asking(), asking()
    one.__cause__, other.__cause__ = other, one
    assert retry_after_of(one, clock) is None


def test_of_a_group_the_longest_wait_holds(clock: VirtualClock) -> None:
    """Several requests at once, several answers."""
    members = [asking({"retry-after": "3"}), asking(), asking({"retry-after": "7"})]
    assert retry_after_of(ExceptionGroup("", members), clock) == 7.0
    assert retry_after_of(ExceptionGroup("", [asking()]), clock) is None
    assert retry_after_of(ExceptionGroup("", [asking({"retry-after": dated(90)})]), clock) == 90.0


def test_of_a_large_group_only_some_are_asked(clock: VirtualClock) -> None:
    """Whatever a thousand of them carry, it takes no time to look."""
    assert retry_after_of(ExceptionGroup("", [asking()] * 20 + [asking({"retry-after": "7"})]), clock) == 7.0
    assert retry_after_of(ExceptionGroup("", [asking()] * 100 + [asking({"retry-after": "7"})]), clock) is None


# --- real clients


def sdk_error(module: Any, headers: Mapping[str, str], body: object) -> Exception:
    """Return what the SDK raises for a 429 with these headers and body."""
    request = httpx2.Request("POST", "http://localhost/v1")
    response = httpx2.Response(429, headers=headers, json=body, request=request)
    error: Exception = module.RateLimitError("secret", response=response, body=body)
    return error


@pytest.mark.parametrize("module", [openai, anthropic])
def test_real_clients_errors_are_read(clock: VirtualClock, module: Any) -> None:
    """OpenAI's and Anthropic's, with every form of header."""
    assert retry_after_of(sdk_error(module, {"Retry-After": "7"}, {}), clock) == 7.0
    assert retry_after_of(sdk_error(module, {"Retry-After-Ms": "1500"}, {}), clock) == 1.5
    assert retry_after_of(sdk_error(module, {"Retry-After": dated(90)}, {}), clock) == 90.0
    assert retry_after_of(sdk_error(module, {}, google("34s")), clock) == 34.0


# --- whatever an exception is made of


class Hostile:
    """An object of which nothing can be read."""

    def __getattribute__(self, name: str) -> Any:
        raise ZeroDivisionError(name)


class HostileError(Exception):
    """An exception whose properties raise."""

    @property
    def response(self) -> int:
        """Fail."""
        raise ZeroDivisionError

    headers = details = response_json = body = response


class HostileMapping(dict[Any, Any]):
    """A mapping that cannot be read."""

    def get(self, *_: Any) -> Any:
        """Fail."""
        raise ZeroDivisionError

    items = __contains__ = get


def nested_group(depth: int) -> Exception:
    """Return groups in groups."""
    group: Exception = asking({"retry-after": "7"})
    for _ in range(depth):
        group = ExceptionGroup("", [group])
    return group


@pytest.mark.parametrize(
    "error",
    [
        HostileError("secret"),
        asking(response=Hostile(), headers=Hostile(), details=Hostile(), body=Hostile()),
        asking(HostileMapping(), details=HostileMapping()),
        asking({"retry-after": Hostile()}, details=[Hostile(), {"@type": Hostile()}]),
        asking(details=google(Hostile())),
        asking(details=[Message(retry_delay=Hostile())]),
        nested_group(5000),
    ],
    ids=range(7),
)
def test_nothing_an_exception_does_can_break_it(clock: VirtualClock, error: Exception) -> None:
    """It asks for nothing, then."""
    assert retry_after_of(error, clock) is None


def test_what_can_be_read_beside_the_hostile_counts(clock: VirtualClock) -> None:
    """A response that cannot be looked at hides no body."""
    assert retry_after_of(asking(response=Hostile(), body=google("34s")), clock) == 34.0
    assert retry_after_of(asking(HostileMapping(), body=google("34s")), clock) == 34.0
    assert retry_after_of(asking(details=HostileMapping(), body=google("34s")), clock) == 34.0


texts = st.one_of(st.text(max_size=30), st.from_regex(r"\A[0-9.,:eE+\-sGMT ]{0,20}\Z"), st.just(dated(90)))
scalars = st.one_of(
    texts, texts.map(str.encode), st.integers(), st.floats(), st.none(), st.booleans(), st.timedeltas(), st.just(INFO)
)
names = st.one_of(
    st.sampled_from(["retry-after", "Retry-After-Ms", b"Retry-After", "error", "details", "retryDelay", "@type"]), texts
)
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(names, st.just("seconds"), st.just("nanos")), inner, max_size=4),
        st.lists(st.tuples(names, inner), max_size=4),
        st.builds(lambda seconds, nanos: Message(retry_delay=Message(seconds=seconds, nanos=nanos)), inner, inner),
    ),
    max_leaves=12,
)


@given(headers=anything, own=anything, details=anything, body=anything)
def test_whatever_comes_it_is_a_time_to_wait_or_nothing(
    headers: object, own: object, details: object, body: object
) -> None:
    """From zero to an hour, and never an error."""
    error = asking(headers, headers=own, details=details, body=body)
    seconds = retry_after_of(error, VirtualClock())
    assert seconds is None or (type(seconds) in {int, float} and 0 <= seconds <= LONGEST)
