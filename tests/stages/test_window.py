"""The sliding window: exact to a tenth of itself."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard.stages.window import SLICES, TimeWindow

steps = st.lists(st.tuples(st.floats(0, 30), st.booleans()), min_size=1, max_size=40)
spans = st.sampled_from([0.3, 1.0, 7.0, 10.0, 60.0])


@settings(deadline=None, max_examples=60)
@given(steps, spans, st.floats(0, 1e6))
def test_it_agrees_with_a_list_of_all_calls_but_for_one_slice(
    steps: list[tuple[float, bool]], span: float, start: float
) -> None:
    """It counts every call younger than nine tenths of the window, and none older than the window."""
    window = TimeWindow(span)
    told: list[tuple[float, bool]] = []
    now = start
    hair = 1e-6 * max(1.0, span)
    for pause, failed in steps:
        now += pause * span / 20
        window.add(now, failed)
        told.append((now, failed))
        must = [bad for when, bad in told if when > now - span * (1 - 1 / SLICES) + hair]
        may = [bad for when, bad in told if when > now - span - hair]
        assert len(must) <= window.calls <= len(may)
        assert sum(must) <= window.failures <= sum(may)
        assert window.failures <= window.calls


def test_everything_is_forgotten_after_one_window() -> None:
    """A call counts for the whole window at most."""
    window = TimeWindow(10.0)
    for _ in range(5):
        window.add(1000.0, failed=True)
    window.add(1010.0, failed=False)
    assert (window.calls, window.failures) == (1, 0)


def test_slices_go_one_by_one() -> None:
    """Ten calls in ten slices are forgotten in the order in which they came."""
    window = TimeWindow(10.0)
    for second in range(10):
        window.add(1000.0 + second, failed=second < 3)
    assert (window.calls, window.failures) == (10, 3)
    seen = []
    for second in range(10, 14):
        window.add(1000.0 + second, failed=False)
        seen.append((window.calls, window.failures))
    assert seen == [(10, 2), (10, 1), (10, 0), (10, 0)]


def test_a_clock_read_out_of_order_counts_without_turning_back() -> None:
    """A call that read the clock before another one settled is counted with it."""
    window = TimeWindow(10.0)
    window.add(1005.0, failed=True)
    window.add(1003.9, failed=True)
    window.add(1005.5, failed=True)
    assert (window.calls, window.failures) == (3, 3)


def test_a_long_silence_forgets_in_bounded_time() -> None:
    """After a year without a call nothing is left, and nothing was stepped through."""
    window = TimeWindow(1.0)
    window.add(0.0, failed=True)
    window.add(365 * 86400.0, failed=False)
    assert (window.calls, window.failures) == (1, 0)
    assert len(window._past) < SLICES


def test_clear_forgets() -> None:
    """A cleared window is as good as new."""
    window = TimeWindow(10.0)
    window.add(1000.0, failed=True)
    window.clear()
    assert (window.calls, window.failures) == (0, 0)
    window.add(1000.0, failed=False)
    assert (window.calls, window.failures) == (1, 0)


@pytest.mark.parametrize(("span", "now"), [(0.5, 9830.15), (3.0, 39321.299999999996), (7.0, 139998.59999999998)])
def test_a_slice_border_that_division_rounds_down_turns_once(span: float, now: float) -> None:
    """Many calls at the very moment a slice ends are all counted, whatever floating point makes of the border."""
    window = TimeWindow(span)
    window.add(now - span / 100, failed=True)
    for _ in range(50):
        window.add(now, failed=True)
    assert (window.calls, window.failures) == (51, 51)
