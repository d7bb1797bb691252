"""What attempts are expected to use, and what they did."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard import Budget, FailureKind, Price, Usage
from aiguard.events import Run
from aiguard.failure import INVALID_OUTPUTS
from aiguard.stages.metering import (
    REMEMBERED,
    UNLIMITED,
    Amounts,
    Largest,
    Meter,
    at_least,
    counted,
    is_whole,
    limits_of,
)
from aiguard.stages.pricing import PriceTable
from tests.stages.fakes import call_for

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Kind = FailureKind

PRICES = PriceTable("b", {"m": Price(input=1, output=2)})
RESERVED: Amounts = (1, 50, 100_000)


def meter(budget: Budget, prices: PriceTable | None = PRICES) -> Meter:
    """Return the meter of a boundary."""
    return Meter("b", budget, prices, Largest())


@given(used=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=3 * REMEMBERED))
def test_the_largest_of_the_last_attempts_is_remembered(used: list[tuple[int, int]]) -> None:
    """In tokens and in money, which need not be the same attempt's; what was long ago is forgotten."""
    largest = Largest()
    for tokens, money in used:
        largest.add(tokens, money)
    last = used[-REMEMBERED:]
    assert largest.tokens == max((tokens for tokens, _ in last), default=0)
    assert largest.money == max((money for _, money in last), default=0)


def test_what_is_not_limited_never_runs_out() -> None:
    """Each unit has a limit of its own, or none."""
    assert limits_of(Budget(calls=3)) == (3, UNLIMITED, UNLIMITED)
    assert limits_of(Budget(tokens=5, usd=0.000001)) == (UNLIMITED, 5, 1000)


def test_by_default_as_much_is_expected_as_the_largest_used(clock: VirtualClock) -> None:
    """One at least, and never more than there is."""
    largest = Largest()
    expects = Meter("b", Budget(tokens=100, usd=0.0005), PRICES, largest)
    assert expects.expected(call_for(clock)) == (1, 1, 1)
    largest.add(30, 400)
    assert expects.expected(call_for(clock)) == (1, 30, 400)
    largest.add(3000, 10**9)
    assert expects.expected(call_for(clock)) == (1, 100, 500_000)


def test_a_number_of_tokens_is_money_at_the_dearest(clock: VirtualClock) -> None:
    """Without prices it is none."""
    assert meter(Budget(tokens=100, reserve_tokens=50)).expected(call_for(clock)) == (1, 50, 100_000)
    assert meter(Budget(tokens=100, reserve_tokens=50), None).expected(call_for(clock)) == (1, 50, 0)


def test_what_an_attempt_reported_is_added_up() -> None:
    """In tokens, and in money where there are prices."""
    run = Run()
    assert meter(Budget(tokens=9)).used(run) is None
    run.used = [Usage(10, 5, 0, "m"), Usage(10, 0, 0, "m")]
    assert meter(Budget(tokens=9)).used(run) == (1, 25, 30_000)
    assert meter(Budget(tokens=9), None).used(run) == (1, 25, 0)


COUNTED: Amounts = (1, 25, 30_000)
NONE: Amounts = (1, 0, 0)


@pytest.mark.parametrize(
    ("kind", "told", "untold"),
    [
        (None, COUNTED, RESERVED),
        *((kind, COUNTED, RESERVED) for kind in sorted(INVALID_OUTPUTS | {Kind.REFUSAL, Kind.CONTENT_FILTER})),
        (Kind.RATE_LIMITED, COUNTED, NONE),
        (Kind.QUOTA_EXHAUSTED, COUNTED, NONE),
        (Kind.BAD_REQUEST, COUNTED, NONE),
        (Kind.CIRCUIT_OPEN, COUNTED, NONE),
        (Kind.TIMEOUT, RESERVED, RESERVED),
        (Kind.STREAM_INTERRUPTED, RESERVED, RESERVED),
        (Kind.SERVER_ERROR, RESERVED, RESERVED),
        (Kind.UNCLASSIFIED, RESERVED, RESERVED),
    ],
)
def test_how_an_attempt_ended_says_what_it_counts_for(kind: Kind | None, told: Amounts, untold: Amounts) -> None:
    """With what it reported, and where it reported nothing."""
    assert counted(kind, COUNTED, RESERVED) == told
    assert counted(kind, None, RESERVED) == untold
    assert is_whole(kind) is (told == COUNTED and untold == RESERVED)


def test_more_than_was_set_aside_counts_however_it_ended() -> None:
    """Unit by unit."""
    assert at_least((1, 60, 10), RESERVED) == (1, 60, 100_000)
    assert at_least(None, RESERVED) == RESERVED
