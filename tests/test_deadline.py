"""The deadline as nested boundaries and clients see it."""

from __future__ import annotations

import contextvars
import threading
from typing import TYPE_CHECKING

import pytest

import aiguard
from aiguard import deadline, guard
from aiguard.clock import SYSTEM
from aiguard.testing import VirtualClock

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def two_seconds(clock: VirtualClock) -> Iterator[VirtualClock]:
    """A deadline two virtual seconds away."""
    token = deadline.current.set((clock.now() + 2.0, clock))
    yield clock
    deadline.current.reset(token)


def test_outside_any_boundary_there_is_none() -> None:
    """`remaining` is `None`, and every moment stands as it is."""
    assert aiguard.remaining() is None
    assert deadline.earliest(5.0, SYSTEM) == 5.0


def test_what_remains_shrinks_and_never_falls_below_zero(two_seconds: VirtualClock) -> None:
    """A client that is given a negative timeout would raise instead of giving up."""
    assert aiguard.remaining() == 2.0
    two_seconds.advance(0.5)
    assert aiguard.remaining() == 1.5
    two_seconds.advance(10.0)
    assert aiguard.remaining() == 0.0


def test_a_surrounding_deadline_only_ever_shortens(two_seconds: VirtualClock) -> None:
    """The earlier of the two moments holds, on the same clock."""
    start = two_seconds.start
    assert deadline.earliest(start + 5.0, two_seconds) == start + 2.0
    assert deadline.earliest(start + 1.0, two_seconds) == start + 1.0
    assert deadline.earliest(7.0, VirtualClock()) == 7.0, "moments of two clocks cannot be compared"


def test_it_does_not_leak_into_a_fresh_context(two_seconds: VirtualClock) -> None:
    """A thread of the program's own, or a fresh context, has no deadline."""
    seen: list[float | None] = []
    thread = threading.Thread(target=lambda: seen.append(aiguard.remaining()))
    thread.start()
    thread.join(10)
    assert seen == [None]
    assert contextvars.Context().run(aiguard.remaining) is None
    assert two_seconds.elapsed == 0.0


def test_a_nested_boundary_takes_the_minimum(clock: VirtualClock) -> None:
    """The inner component sees the outer deadline where that comes first; afterwards there is none again."""

    @guard("inner", deadline=10.0, isolation="inline")
    def inner() -> float | None:
        return aiguard.remaining()

    @guard("outer", deadline=3.0, isolation="inline")
    def outer() -> tuple[float | None, float | None]:
        clock.advance(1.0)
        return aiguard.remaining(), inner()

    assert outer() == (2.0, 2.0)
    assert inner() == 10.0
    assert aiguard.remaining() is None
