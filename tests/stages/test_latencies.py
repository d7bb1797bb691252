"""When an attempt is late: a quantile of the latest durations, against a list that is sorted each time."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.stages.latencies import ENOUGH, SEEN, Latencies


def latencies(*seconds: float) -> Latencies:
    """Return what has seen attempts of these durations."""
    seen = Latencies()
    for duration in seconds:
        seen.add(duration)
    return seen


@pytest.mark.parametrize(
    ("seen", "late"),
    [
        (0, None),
        (1, None),
        (19, None),
        (20, 19.0),  # of twenty, one takes longer
        (21, 20.0),
        (40, 38.0),
        (100, 95.0),
        (128, 122.0),
        (129, 123.0),  # the first is forgotten: 2 … 129
        (228, 222.0),
    ],
)
def test_late_is_what_takes_longer_than_ninety_five_in_a_hundred(seen: int, late: float | None) -> None:
    """Nothing is late before twenty were seen; after that the nearest rank of the latest 128 tells."""
    assert latencies(*map(float, range(1, seen + 1))).late() == late
    assert latencies(*map(float, range(seen, 0, -1))).late() == (late if seen <= SEEN else 122.0)


@given(st.lists(st.floats(0, 1e6), max_size=400))
def test_it_is_the_rank_in_the_latest_that_were_seen(seconds: list[float]) -> None:
    """Whatever the order and however many are alike."""
    latest = sorted(seconds[-SEEN:])
    expected = latest[math.ceil(0.95 * len(latest) - 1e-9) - 1] if len(latest) >= ENOUGH else None
    assert latencies(*seconds).late() == expected


def test_the_oldest_is_forgotten_first() -> None:
    """Far more attempts than are kept, in no order: each time, the latest tell."""
    chance, seen = Random(1), Latencies()
    seconds: list[float] = []
    for _ in range(1000):
        seconds.append(chance.random())
        seen.add(seconds[-1])
        latest = sorted(seconds[-SEEN:])
        if len(latest) == SEEN:
            assert seen.late() == latest[121]


def test_memory_does_not_grow_with_traffic() -> None:
    """The latest are kept, and no more."""
    seen = latencies(*(number % 7 for number in range(10_000)))
    assert len(seen._latest) == len(seen._ordered) == SEEN


def test_a_forked_process_sees_for_itself() -> None:
    """Its parent may have been halfway through a note, and nobody is left to release the lock."""
    seen = latencies(*[1.0] * 50)
    seen._lock.acquire()
    seen.forked()
    assert seen.late() is None
    seen.add(1.0)
