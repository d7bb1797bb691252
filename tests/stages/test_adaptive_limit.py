"""The adaptive limit: what counts, how it grows, how it falls."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard import FailureKind
from aiguard.failure import Failure
from aiguard.stages.adaptive_limit import AdaptiveLimit, is_overload


@pytest.mark.parametrize(
    ("kind", "stage", "shortened", "counts"),
    [
        *((kind, "component", False, kind in {"overloaded", "rate_limited", "timeout"}) for kind in FailureKind),
        ("timeout", "attempt", False, True),
        ("timeout", "attempt", True, True),
        ("timeout", "deadline", False, True),
        ("timeout", "deadline", True, False),
        ("timeout", "component", True, True),
        ("overloaded", "deadline", True, True),
    ],
)
def test_what_lowers_the_limit(kind: str, stage: str, shortened: bool, counts: bool) -> None:  # noqa: FBT001 - a table
    """Overload, a server's own limit and timeouts do; not what only a caller's own shorter deadline cut."""
    failure = Failure(FailureKind(kind), stage, "it failed")
    assert is_overload(failure, shortened=shortened) is counts


@pytest.mark.parametrize(
    ("limit", "floor", "after"), [(16, 1, 12), (12, 1, 9), (9, 1, 6), (3, 1, 2), (2, 1, 1), (1, 1, 1), (16, 14, 14)]
)
def test_it_falls_by_a_quarter_to_the_floor(limit: int, floor: int, after: int) -> None:
    """Three quarters, rounded down: by one at least, until the floor."""
    adaptive = AdaptiveLimit(limit, floor, limit)
    assert adaptive.overloaded(0)
    assert adaptive.limit == after


def test_it_falls_once_a_round() -> None:
    """Failures of calls that were let in before it fell say nothing of what it is now."""
    adaptive = AdaptiveLimit(16, 1, 16)
    before = adaptive.generation
    assert [adaptive.overloaded(before) for _ in range(5)] == [True, False, False, False, False]
    assert adaptive.limit == 12
    after = adaptive.generation
    assert after != before
    assert [adaptive.overloaded(after) for _ in range(5)] == [True, False, False, False, False]
    assert adaptive.limit == 9
    assert not adaptive.overloaded(before)


def test_what_it_has_grown_by_does_not_soften_its_fall() -> None:
    """It falls from the whole number that was in force: 2.9 falls to 1, as 2 does."""
    adaptive = AdaptiveLimit(2, 1, 9)
    for _ in range(2):
        adaptive.succeeded(2)
    assert adaptive.limit == 2
    adaptive.overloaded(0)
    assert adaptive.limit == 1


@pytest.mark.parametrize("limit", [1, 2, 5, 16, 100])
def test_it_grows_by_one_after_about_as_many_successes(limit: int) -> None:
    """After `limit` successes it is one short of the next whole number by less than a success, never past it."""
    adaptive = AdaptiveLimit(limit, 1, 1000)
    successes = 0
    while adaptive.limit == limit:
        adaptive.succeeded(limit)
        successes += 1
    assert adaptive.limit == limit + 1
    assert limit <= successes <= limit + 1


@pytest.mark.parametrize(
    ("limit", "in_flight", "grows"), [(8, 4, True), (8, 3, False), (9, 4, False), (9, 5, True), (1, 1, True)]
)
def test_it_grows_only_where_half_of_it_is_in_use(limit: int, in_flight: int, grows: bool) -> None:  # noqa: FBT001 - a table
    """That a few calls go well says nothing of what many would do."""
    adaptive = AdaptiveLimit(limit, 1, 1000)
    for _ in range(3 * limit):
        if adaptive.limit == limit:
            adaptive.succeeded(in_flight)
    assert (adaptive.limit > limit) is grows


def test_half_is_of_the_limit_in_force() -> None:
    """What it has grown by on the way to the next whole number does not count."""
    adaptive = AdaptiveLimit(2, 1, 9)
    adaptive.succeeded(1)
    adaptive.succeeded(1)
    adaptive.succeeded(1)
    assert adaptive.limit == 3


@given(st.integers(1, 9), st.integers(0, 20), st.integers(0, 20), st.lists(st.booleans()))
def test_it_stays_between_floor_and_ceiling(floor: int, below: int, above: int, ends: list[bool]) -> None:
    """Whatever happens."""
    limit = floor + below
    adaptive = AdaptiveLimit(limit, floor, limit + above)
    for well in ends:
        if well:
            adaptive.succeeded(adaptive.limit)
        else:
            adaptive.overloaded(adaptive.generation)
        assert floor <= adaptive.limit <= limit + above


@pytest.mark.parametrize(("floor", "ceiling", "after"), [(1, 20, 8), (1, 8, 8), (1, 5, 5), (8, 20, 8), (11, 20, 11)])
def test_new_bounds_keep_what_was_learned_inside_them(floor: int, ceiling: int, after: int) -> None:
    """A limit outside its new bounds goes to the nearer one."""
    adaptive = AdaptiveLimit(8, 2, 16)
    adaptive.clamp(floor, ceiling)
    assert adaptive.limit == after
    for _ in range(2000):
        adaptive.succeeded(adaptive.limit)
    assert adaptive.limit == ceiling
    for _ in range(20):
        adaptive.overloaded(adaptive.generation)
    assert adaptive.limit == floor
