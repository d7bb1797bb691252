"""Times with units: what is one, and what is refused."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.config.durations import PATTERN, UNITS, seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2s", 2.0),
        ("0.5s", 0.5),
        ("800ms", 0.8),
        ("1ms", 0.001),
        ("1m30s", 90.0),
        ("2m", 120.0),
        ("1h", 3600.0),
        ("1h1m1s1ms", 3661.001),
        ("0s", 0.0),
        ("1.5h", 5400.0),
    ],
)
def test_a_time_is_read(text: str, expected: float) -> None:
    """Each number in its unit, all of them added."""
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2",
        "2 s",
        "s",
        "2sec",
        "5 minutes",
        "1d",
        "30s1m",
        "1s2s",
        "-1s",
        "+1s",
        "1e3s",
        "1,5s",
        ".5s",
        "2S",
        "٢s",
        "1s\n",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    """Unknown units, units out of order, twice or without a number; the message says how to write one."""
    with pytest.raises(ValueError, match="'1m30s'"):
        seconds(text)


@given(st.lists(st.sampled_from(list(UNITS)), min_size=1, unique=True), st.integers(0, 10_000))
def test_what_is_read_is_what_editors_are_told(units: list[str], number: int) -> None:
    """Every time that is read matches the pattern of the schema."""
    text = "".join(f"{number}{unit}" for unit in sorted(units, key=list(UNITS).index))
    assert re.fullmatch(PATTERN, text)
    assert seconds(text) == pytest.approx(sum(number * UNITS[unit] for unit in units))
