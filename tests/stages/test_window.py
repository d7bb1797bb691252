"""The sliding windows: of time, exact to a tenth of itself, and of the last calls, exact."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard.stages.window import FAILED, FINE, FORGOTTEN, SLICES, SLOW, CountWindow, TimeWindow, Window

BOTH = FAILED | SLOW

said = st.sampled_from([FINE, FAILED, SLOW, BOTH])
steps = st.lists(st.tuples(st.floats(0, 30), said), min_size=1, max_size=40)
spans = st.sampled_from([0.3, 1.0, 7.0, 10.0, 60.0])


def counts(window: Window) -> tuple[int, int, int]:
    """Return calls, failures, slow ones."""
    return window.calls, window.failures, window.slow


@settings(deadline=None, max_examples=60)
@given(steps, spans, st.floats(0, 1e6))
def test_it_agrees_with_a_list_of_all_calls_but_for_one_slice(
    steps: list[tuple[float, int]], span: float, start: float
) -> None:
    """It counts every call younger than nine tenths of the window, and none older than the window."""
    window = TimeWindow(span)
    told: list[tuple[float, int]] = []
    now = start
    hair = 1e-6 * max(1.0, span)
    for pause, what in steps:
        now += pause * span / 20
        window.add(now, what)
        told.append((now, what))
        must = [what for when, what in told if when > now - span * (1 - 1 / SLICES) + hair]
        may = [what for when, what in told if when > now - span - hair]
        assert len(must) <= window.calls <= len(may)
        for bit, count in ((FAILED, window.failures), (SLOW, window.slow)):
            assert sum(bool(what & bit) for what in must) <= count <= sum(bool(what & bit) for what in may)
            assert count <= window.calls


def test_everything_is_forgotten_after_one_window() -> None:
    """A call counts for the whole window at most."""
    window = TimeWindow(10.0)
    for _ in range(5):
        window.add(1000.0, BOTH)
    window.add(1010.0, FINE)
    assert counts(window) == (1, 0, 0)


def test_slices_go_one_by_one() -> None:
    """Ten calls in ten slices are forgotten in the order in which they came."""
    window = TimeWindow(10.0)
    for second in range(10):
        window.add(1000.0 + second, BOTH if second < 3 else FINE)
    assert counts(window) == (10, 3, 3)
    seen = []
    for second in range(10, 14):
        window.add(1000.0 + second, FINE)
        seen.append(counts(window))
    assert seen == [(10, 2, 2), (10, 1, 1), (10, 0, 0), (10, 0, 0)]


def test_a_clock_read_out_of_order_counts_without_turning_back() -> None:
    """A call that read the clock before another one settled is counted with it."""
    window = TimeWindow(10.0)
    window.add(1005.0, FAILED)
    window.add(1003.9, FAILED)
    window.add(1005.5, FAILED)
    assert counts(window) == (3, 3, 0)


def test_a_long_silence_forgets_in_bounded_time() -> None:
    """After a year without a call nothing is left, and nothing was stepped through."""
    window = TimeWindow(1.0)
    window.add(0.0, FAILED)
    window.add(365 * 86400.0, FINE)
    assert counts(window) == (1, 0, 0)
    assert len(window._past) < SLICES


@pytest.mark.parametrize(("span", "now"), [(0.5, 9830.15), (3.0, 39321.299999999996), (7.0, 139998.59999999998)])
def test_a_slice_border_that_division_rounds_down_turns_once(span: float, now: float) -> None:
    """Many calls at the very moment a slice ends are all counted, whatever floating point makes of the border."""
    window = TimeWindow(span)
    window.add(now - span / 100, FAILED)
    for _ in range(50):
        window.add(now, FAILED)
    assert counts(window) == (51, 51, 0)


@pytest.mark.parametrize(
    ("failed_at", "at_once", "last_held", "first_gone"),
    [
        (1000.5, (2, 1, 1), 1009.5, 1010.0),  # in the slice in which it became slow
        (1001.0, (2, 1, 1), 1010.5, 1011.0),  # in the next
        (1009.0, (2, 1, 1), 1018.5, 1019.0),  # in the last in which it is still counted
        (1010.0, (1, 1, 1), 1019.5, 1020.0),  # forgotten: it counts anew
        (1500.0, (1, 1, 1), 1509.5, 1510.0),
    ],
)
def test_in_time_a_slow_call_that_fails_counts_once_and_where_it_failed(
    failed_at: float, at_once: tuple[int, int, int], last_held: float, first_gone: float
) -> None:
    """It is never two calls, and it is forgotten a window after it failed, with everything that was counted of it."""
    window = TimeWindow(10.0)
    window.add(1000.0, FINE)
    window.fail(window.add(1000.0, SLOW), failed_at)
    assert counts(window) == at_once
    window.add(last_held, FINE)
    assert (window.failures, window.slow) == (1, 1)
    window.add(first_gone, FINE)
    assert (window.failures, window.slow) == (0, 0)
    window.add(first_gone + 30.0, FINE)
    assert counts(window) == (1, 0, 0)


def test_in_time_the_failure_of_a_slow_call_says_nothing_of_the_others() -> None:
    """Those that are slow stay so, whichever slice they are in."""
    window = TimeWindow(10.0)
    place = window.add(1000.0, SLOW)
    window.add(1000.0, SLOW)
    window.add(1002.0, SLOW)
    window.fail(place, 1003.0)
    assert counts(window) == (3, 1, 3)


@pytest.mark.parametrize("start", [0.0, 1000.0])
def test_what_was_counted_as_slow_leaves_the_past_behind(start: float) -> None:
    """Taken out of a slice of the past, a call is not subtracted once more when that slice is forgotten."""
    window = TimeWindow(10.0)
    place = window.add(start + 0.5, SLOW)
    window.add(start + 3.5, FINE)
    window.fail(place, start + 5.5)
    window.add(start + 9.5, FINE)
    assert counts(window) == (3, 1, 1)
    window.add(start + 10.5, FINE)  # the slice in which it was slow goes
    assert counts(window) == (4, 1, 1)
    window.add(start + 15.5, FINE)  # the slice in which it failed goes
    assert counts(window) == (3, 0, 0)


# --- of calls


@settings(deadline=None, max_examples=100)
@given(st.integers(1, 7), st.data())
def test_the_last_calls_agree_with_a_list(size: int, data: st.DataObject) -> None:
    """It counts exactly the last `size` calls; a slow one that fails later is one call still, or a new one."""
    window = CountWindow(size)
    told: list[int] = []
    places: list[tuple[int, int]] = []
    for _ in range(data.draw(st.integers(1, 40))):
        again: bool = data.draw(st.booleans())
        if places and again:
            index, place = places.pop(data.draw(st.integers(0, len(places) - 1)))
            window.fail(place, 0.0)
            if index >= len(told) - size:
                told[index] |= FAILED
            else:
                told.append(BOTH)
        else:
            what = data.draw(said)
            place = window.add(0.0, what)
            told.append(what)
            if what == SLOW:
                places.append((len(told) - 1, place))
        last = told[-size:]
        assert counts(window) == (
            len(last),
            sum(bool(what & FAILED) for what in last),
            sum(bool(what & SLOW) for what in last),
        )


def test_a_count_window_costs_a_byte_a_call() -> None:
    """Its memory is that of its size, however many calls there are."""
    window = CountWindow(100)
    for number in range(1000):
        window.add(float(number), number % 4)
    assert len(window._ring) == 100
    assert counts(window) == (100, 50, 50)


def test_to_a_count_window_time_is_nothing() -> None:
    """A call counts until enough others have come."""
    window = CountWindow(2)
    window.add(0.0, FAILED)
    window.add(1e9, FINE)
    assert counts(window) == (2, 1, 0)
    window.add(1e9, FINE)
    assert counts(window) == (2, 0, 0)


# --- both


@pytest.fixture(params=[lambda: TimeWindow(10.0), lambda: CountWindow(10)], ids=["time", "calls"])
def window(request: pytest.FixtureRequest) -> Window:
    """Each kind in turn."""
    made: Window = request.param()
    return made


@pytest.mark.parametrize(
    ("what", "expected"), [(FINE, (1, 0, 0)), (FAILED, (1, 1, 0)), (SLOW, (1, 0, 1)), (BOTH, (1, 1, 1))]
)
def test_a_call_counts_for_what_is_said_of_it(window: Window, what: int, expected: tuple[int, int, int]) -> None:
    """A call is one call, and a failure, and slow, as it is said."""
    window.add(1000.0, what)
    assert counts(window) == expected


def test_clear_forgets(window: Window) -> None:
    """A cleared window is as good as new."""
    for _ in range(3):
        window.add(1000.0, BOTH)
    window.clear()
    assert counts(window) == (0, 0, 0)
    place = window.add(1000.0, SLOW)
    assert counts(window) == (1, 0, 1)
    window.fail(place, 1000.0)
    assert counts(window) == (1, 1, 1)


@pytest.mark.parametrize("start", [0.0, 1000.0])
def test_a_place_in_a_window_that_is_no_more_is_no_place_here(window: Window, start: float) -> None:
    """The failure of a call that another window counted as slow is a new call, at any time."""
    window.add(start, FINE)
    window.fail(FORGOTTEN, start)
    assert counts(window) == (2, 1, 1)


def test_no_window_is_so_large_that_what_is_forgotten_has_a_place_in_it() -> None:
    """However many calls are looked back on."""
    window = CountWindow(10_000)
    window.add(0.0, FINE)
    window.fail(FORGOTTEN, 0.0)
    assert counts(window) == (2, 1, 1)
