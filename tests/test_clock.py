"""The machine's own clock."""

from __future__ import annotations

import time

import pytest

from aiguard.clock import SYSTEM


def test_it_never_steps_back() -> None:
    """`now` is monotonic, whatever the wall clock does."""
    readings = [SYSTEM.now() for _ in range(100)]
    assert readings == sorted(readings)
    assert SYSTEM.now() == pytest.approx(time.monotonic(), abs=5.0)


def test_the_wall_clock_is_the_worlds() -> None:
    """What a server or a person dates is seconds since the epoch."""
    assert SYSTEM.wall() == pytest.approx(time.time(), abs=5.0)


def test_chance_is_a_share() -> None:
    """A number from 0 up to, but never, 1, and not always the same."""
    drawn = [SYSTEM.random() for _ in range(100)]
    assert all(0.0 <= number < 1.0 for number in drawn)
    assert len(set(drawn)) > 1
