"""The arithmetic behind the benchmark's report."""

from __future__ import annotations

import math

import pytest

from benchmarks.figures import Section, Verdict, difference, figure, missed, ratio


def _verdict(value: float, limit: float | None) -> Verdict:
    return Verdict("group", "name", "label", "x", value, limit)


def test_a_figure_is_the_median_and_the_25th_percentile_of_its_slices() -> None:
    """One slow slice moves neither."""
    condensed = figure("group", "name", "label", "µs", [3.0, 1.0, 2.0, 5.0, 900.0])
    assert (condensed.median, condensed.p25) == (3.0, 2.0)


def test_a_single_slice_is_its_own_percentile() -> None:
    """A run of one slice still reports."""
    assert figure("group", "name", "label", "µs", [4.0]).p25 == 4.0


def test_a_ratio_is_taken_slice_by_slice() -> None:
    """Noise that both slices of a round share cancels, where a ratio of medians keeps it."""
    quiet, noisy = [1.0, 1.0, 1.0], [10.0, 10.0, 1.0]
    values = [2.0 * one for one in (*quiet, *noisy)]
    assert ratio(values, [*quiet, *noisy]) == 2.0
    assert ratio([1.0, 4.0, 9.0], [1.0, 2.0, 3.0]) == 2.0


def test_a_difference_is_taken_slice_by_slice() -> None:
    """The same for what one subject adds to another."""
    assert difference([2.0, 31.0, 6.0], [1.0, 30.0, 1.0]) == 1.0


@pytest.mark.parametrize("compare", [ratio, difference])
def test_subjects_with_unequal_slices_are_not_compared(compare: object) -> None:
    """Slices that did not run side by side say nothing about each other."""
    assert callable(compare)
    with pytest.raises(ValueError, match="zip"):
        compare([1.0, 2.0], [1.0])


@pytest.mark.parametrize(
    ("value", "limit", "met"),
    [(0.30, 0.30, True), (0.31, 0.30, False), (99.0, None, True), (math.nan, 0.30, False)],
)
def test_a_budget_is_met_up_to_its_limit(value: float, limit: float | None, met: bool) -> None:  # noqa: FBT001
    """At the limit it is met, above it is not, and a figure that is no number never is."""
    assert _verdict(value, limit).met is met


def test_every_missed_budget_is_named() -> None:
    """Whichever section it stands in."""
    bad = _verdict(2.0, 1.0)
    sections = [Section("one", (), (_verdict(1.0, 1.0),)), Section("two", (), (bad, _verdict(9.0, None)))]
    assert missed(sections) == [bad]
