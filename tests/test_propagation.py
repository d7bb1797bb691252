"""What is left of a deadline, from one service to the next: the header, and what the service makes of it."""

from __future__ import annotations

import email.message
import math
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

import aiguard
from aiguard import Breaker, DeadlineExceededError, deadline, guard
from aiguard.propagation import HEADER, deadline_headers, limit_of, within
from aiguard.testing import VirtualClock, virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.shapes import Harness


@pytest.fixture
def left(clock: VirtualClock) -> Iterator[Callable[[float], None]]:
    """Set what is left of the surrounding deadline."""

    def begin(seconds: float) -> None:
        deadline.current.set((clock.now() + seconds, clock, None))

    before = deadline.current.get()
    yield begin
    deadline.current.set(before)


# --- the header


def test_outside_any_boundary_nothing_travels() -> None:
    """A client merges nothing into its headers, then."""
    assert deadline_headers() == {}


@pytest.mark.parametrize(
    ("seconds", "value"), [(2.0, "2000"), (0.5, "500"), (1.9996, "1999"), (0.0009, "0"), (0.0, "0"), (-1.0, "0")]
)
def test_what_is_left_travels_in_whole_milliseconds(left: Callable[[float], None], seconds: float, value: str) -> None:
    """Rounded down, never below zero: on the way it may only get shorter."""
    left(seconds)
    assert deadline_headers() == {HEADER: value}


def test_a_deadline_without_end_does_not_travel(left: Callable[[float], None]) -> None:
    """There is no number for it."""
    left(math.inf)
    assert deadline_headers() == {}


@given(st.floats(0, 1e6))
def test_a_deadline_is_never_longer_behind_the_header(seconds: float) -> None:
    """And shorter by less than a millisecond."""
    with virtual_time() as clock:
        with within(seconds):
            left = aiguard.remaining()
            carried = limit_of(deadline_headers())
        assert clock.elapsed == 0.0
        assert left is not None
        assert carried is not None
        assert 0 <= left - carried < 0.001001


# --- what is read

MOST = "9" * 12


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1500", 1.5),
        ("0", 0.0),
        ("1", 0.001),
        (" 1500 ", 1.5),
        ("0001500", 1.5),
        (MOST, 999999999.999),
        ("1500,900", 0.9),
        ("900, 1500", 0.9),
        ("soon, 900", 0.9),
        ("0, 900", 0.0),
        (MOST + "0", None),
        ("9" * 5000, None),
        ("-1", None),
        ("-0", None),
        ("+1500", None),
        ("1500.5", None),
        ("1.5e3", None),
        ("1_500", None),
        ("0x5dc", None),
        ("1500ms", None),
        ("nan", None),
        ("inf", None),
        ("\u0661\u0665", None),
        ("²", None),
        ("", None),
        (",,,", None),
        ("soon", None),
        ("x" * 100_000, None),
    ],
)
def test_a_value_is_a_whole_number_of_milliseconds_or_nothing(value: str, seconds: float | None) -> None:
    """Of several that were joined the least holds; nobody's request fails for what stands there."""
    assert limit_of({HEADER: value}) == seconds
    assert limit_of([(HEADER.upper().encode(), value.encode("utf-8"))]) == seconds


def message() -> email.message.Message:
    """Return headers as the standard library has them."""
    carried = email.message.Message()
    carried["Aiguard-Remaining-Ms"] = "1500"
    return carried


class Pairs:
    """A multi-dict that is no mapping."""

    def __iter__(self) -> Iterator[str]:
        return iter([HEADER])

    def items(self) -> Iterator[tuple[str, str]]:
        """Return every value."""
        return iter([("Host", "x"), (HEADER, "2000"), (HEADER, "1500")])


@pytest.mark.parametrize(
    "headers",
    [
        {HEADER: "1500"},
        {"Aiguard-Remaining-Ms": "1500", "Host": "x"},
        {HEADER.encode(): b"1500"},
        {HEADER: ["1500", "2000"]},
        {HEADER: (b"2000", b"1500")},
        [("Host", "x"), ("AIGUARD-REMAINING-MS", "1500")],
        [(b"host", b"x"), (HEADER.encode(), b"2000"), (HEADER.encode(), b"1500")],
        httpx2.Headers({HEADER: "1500"}),
        message(),
        Pairs(),
    ],
    ids=range(10),
)
def test_headers_of_every_make_are_read(headers: Any) -> None:
    """As a mapping, a multi-dict or pairs, of text or bytes, in any case."""
    assert limit_of(headers) == 1.5


@pytest.mark.parametrize(
    "headers",
    [{}, [], [("x",)], [None], {HEADER: None}, {HEADER: 1500}, {7: "x"}, {"x" + HEADER: "1500"}],
    ids=range(8),
)
def test_what_says_nothing_limits_nothing(headers: Any) -> None:
    """A header that is not there, or is no text, or a pair that is none."""
    assert limit_of(headers) is None
    with within(headers):
        assert aiguard.remaining() is None


bits = st.one_of(st.text(max_size=20), st.binary(max_size=20), st.integers().map(str), st.none(), st.floats())
named = st.one_of(st.just(HEADER), st.just(HEADER.encode()), bits)


@given(
    st.one_of(
        st.dictionaries(named, st.one_of(bits, st.lists(bits, max_size=3)), max_size=3),
        st.lists(st.tuples(named, bits), max_size=4),
        st.lists(bits, max_size=4),
    )
)
def test_no_header_can_make_a_request_fail(headers: Any) -> None:
    """Whatever stands there: a time from zero on, or none."""
    limit = limit_of(headers)
    assert limit is None or 0 <= limit < 1e9
    with virtual_time(), within(headers):
        assert aiguard.remaining() == (None if limit is None else pytest.approx(limit))


def test_headers_without_end_are_given_up_on() -> None:
    """A generator of a hostile make."""

    def endless() -> Iterator[tuple[str, str]]:
        while True:
            yield "x", "y"

    assert limit_of(endless()) is None


# --- within


def test_every_shape_of_boundary_inside_is_shortened(scenario: Callable[..., Harness]) -> None:
    """To what is left, and no longer than to the end of the block."""
    harness = scenario(aiguard.remaining, aiguard.remaining, deadline=5.0)
    with within(2.0):
        assert harness() == pytest.approx(2.0)
    assert harness() == pytest.approx(5.0)


def test_no_boundary_is_lengthened(scenario: Callable[..., Harness]) -> None:
    """Its own deadline is the shorter one here."""
    harness = scenario(aiguard.remaining, deadline=5.0)
    with within(20.0):
        assert harness() == pytest.approx(5.0)


@pytest.mark.parametrize("limit", [0, 0.0, -1.0, -math.inf, {HEADER: "0"}], ids=range(5))
def test_where_nothing_is_left_no_component_is_called(scenario: Callable[..., Harness], limit: Any) -> None:
    """The boundary says why, and its breaker hears nothing of it."""
    harness = scenario("never", deadline=5.0, breaker=Breaker(minimum_calls=1))
    with within(limit):
        error = harness.fails()
    assert isinstance(error, DeadlineExceededError)
    assert error.failure.kind == "deadline_exhausted"
    assert harness.calls == 0
    assert harness.boundary.breaker.current_state == "closed"


def test_where_nothing_is_left_a_value_still_answers(scenario: Callable[..., Harness]) -> None:
    """A rung that is there already needs no time."""
    harness = scenario("never", deadline=5.0, fallback=["instead"])
    with within(0.0):
        assert harness() == "instead"
    assert harness.calls == 0


def test_inside_one_another_the_least_holds(clock: VirtualClock) -> None:
    """Whichever is the outer one; what has passed is gone."""
    with within(2.0):
        clock.advance(0.5)
        with within(10.0):
            assert aiguard.remaining() == 1.5
        with within({HEADER: "1000"}):
            assert aiguard.remaining() == 1.0
        with within(math.inf):
            assert aiguard.remaining() == 1.5
        assert aiguard.remaining() == 1.5
    assert aiguard.remaining() is None


def test_inside_a_boundary_it_shortens_what_follows(clock: VirtualClock) -> None:
    """A component may hold part of its time back."""

    @guard("inner", deadline=9.0, isolation="inline")
    def inner() -> float | None:
        return aiguard.remaining()

    @guard("outer", deadline=5.0, isolation="inline")
    def outer() -> tuple[float | None, float | None]:
        with within(1.0):
            first = inner()
        return first, inner()

    assert outer() == (1.0, 5.0)
    assert clock.elapsed == 0.0


def test_it_counts_from_the_moment_the_block_is_entered(clock: VirtualClock) -> None:
    """Not from when it was written down."""
    block = within(2.0)
    clock.advance(1.0)
    with block:
        assert aiguard.remaining() == 2.0


def test_it_goes_when_the_block_is_left_by_an_error(clock: VirtualClock) -> None:
    """As every frame."""
    with pytest.raises(ZeroDivisionError), within(2.0):
        raise ZeroDivisionError
    assert aiguard.remaining() is None
    assert clock.elapsed == 0.0


def test_a_time_that_is_no_number_is_refused() -> None:
    """It would compare with nothing, so it would limit nothing."""
    with pytest.raises(ValueError, match=r"within\(nan\)"), within(math.nan):
        raise AssertionError


@pytest.mark.parametrize("limit", ["1500", b"1500", None, object()], ids=range(4))
def test_what_is_neither_seconds_nor_headers_is_refused(limit: Any) -> None:
    """Taken for headers without a time, it would limit nothing, and nobody would know."""
    with pytest.raises(TypeError, match="takes seconds, or the headers of a request"), within(limit):
        raise AssertionError
