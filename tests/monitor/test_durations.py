"""Durations are counted so that percentiles of several processes can be had."""

from __future__ import annotations

import math
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from aiguard.monitor.durations import added, bucket_of, percentiles, seconds_of

lengths = st.floats(min_value=1e-6, max_value=1e5)


@given(lengths)
def test_a_bucket_tells_a_duration_within_two_and_a_half_per_cent(seconds: float) -> None:
    """However short or long it is."""
    assert math.isclose(seconds_of(bucket_of(seconds)), seconds, rel_tol=0.025)


def test_what_takes_no_time_has_a_bucket_too() -> None:
    """On virtual time, and on a clock that has not moved."""
    assert bucket_of(0.0) == bucket_of(1e-6)
    assert seconds_of(bucket_of(0.0)) < 1.1e-6


@given(st.lists(lengths, min_size=1, max_size=200), st.integers(0, 200))
def test_percentiles_of_parts_are_those_of_the_whole(durations: list[float], cut: int) -> None:
    """And each is a duration that was there, within the width of its bucket."""
    parts = [Counter(map(bucket_of, part)) for part in (durations[:cut], durations[cut:])]
    found = percentiles(added(parts))
    assert found == percentiles(Counter(map(bucket_of, durations)))
    for share, percentile in zip((0.5, 0.95, 0.99), found, strict=True):
        exact = sorted(durations)[math.ceil(share * len(durations)) - 1]
        assert percentile is not None
        assert math.isclose(percentile, exact, rel_tol=0.03)


def test_without_calls_there_are_no_percentiles() -> None:
    """Nothing is better than a zero that nobody measured."""
    assert percentiles({}) == (None, None, None)
