"""How many attempts, and how long between them."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
import tenacity
from hypothesis import given
from hypothesis import strategies as st

from aiguard import Retry
from aiguard.check.attempts import attempts_of, longest_wait


class Own(tenacity.wait.wait_base):
    """A wait of one's own."""

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        """Never asked."""
        raise AssertionError(retry_state)


OWN = Own()


@pytest.mark.parametrize(
    ("retry", "attempts"),
    [
        (None, 1),
        (Retry(), 3),
        (Retry(attempts=1), 1),
        (Retry(stop=tenacity.stop_after_attempt(4)), 4),
        (Retry(stop=tenacity.stop_after_attempt(4) | tenacity.stop_after_delay(9)), 4),
        (Retry(stop=tenacity.stop_after_attempt(4) | tenacity.stop_after_attempt(2)), 2),
        (Retry(stop=tenacity.stop_after_attempt(4) & tenacity.stop_after_attempt(6)), 6),
        (Retry(stop=tenacity.stop_after_attempt(4) & tenacity.stop_after_delay(9)), None),
        (Retry(stop=tenacity.stop_after_delay(9)), None),
        (Retry(stop=tenacity.stop_never), None),
        (Retry(stop=lambda _state: True), None),
    ],
)
def test_attempts_are_known_where_their_number_ends_them(retry: Retry | None, attempts: int | None) -> None:
    """The first counts; of two limits joined, what ends it first or last."""
    assert attempts_of(retry) == attempts


@pytest.mark.parametrize(
    ("wait", "longest"),
    [
        (None, [0.1, 0.2, 0.4, 0.8, 1.6, 2.0]),
        (tenacity.wait_none(), [0.0, 0.0, 0.0]),
        (tenacity.wait_fixed(3), [3.0, 3.0]),
        (tenacity.wait_fixed(dt.timedelta(seconds=3)), [3.0, 3.0]),
        (tenacity.wait_random(min=1, max=5), [5.0, 5.0]),
        (tenacity.wait_incrementing(start=1, increment=2, max=4), [1.0, 3.0, 4.0]),
        (tenacity.wait_incrementing(start=3, increment=-2), [3.0, 1.0, 0.0]),
        (tenacity.wait_exponential(multiplier=1, min=2, max=6), [2.0, 2.0, 4.0, 6.0]),
        (tenacity.wait_random_exponential(multiplier=1, max=3), [1.0, 2.0, 3.0]),
        (tenacity.wait_exponential_jitter(initial=1, max=4, jitter=1), [2.0, 3.0, 4.0]),
        (tenacity.wait_chain(tenacity.wait_fixed(1), tenacity.wait_fixed(5)), [1.0, 5.0, 5.0]),
        (tenacity.wait_fixed(1) + tenacity.wait_random(0, 2), [3.0, 3.0]),
        (tenacity.wait_combine(tenacity.wait_fixed(1), OWN), [None, None]),
        (tenacity.wait_chain(), [None]),
        (tenacity.wait_exponential(max=float("inf"), exp_base=1e300), [1.0, 1e300, None]),
        (OWN, [None, None]),
    ],
)
def test_the_longest_wait_is_read_off_what_waits(wait: Any, longest: list[float | None]) -> None:
    """Of what is random, the most; `None` for a function of one's own, which nobody calls."""
    retry = Retry(wait=wait)
    assert [longest_wait(retry, failures) for failures in range(1, len(longest) + 1)] == pytest.approx(longest)


WAITS = st.one_of(
    st.builds(tenacity.wait_fixed, st.floats(0, 9)),
    st.builds(tenacity.wait_random, st.floats(0, 4), st.floats(4, 9)),
    st.builds(tenacity.wait_exponential, st.floats(0, 3), st.floats(4, 99), st.floats(1, 3), st.floats(0, 4)),
    st.builds(tenacity.wait_random_exponential, st.floats(0, 3), st.floats(4, 99), st.floats(1, 3)),
    st.builds(tenacity.wait_exponential_jitter, st.floats(0, 3), st.floats(4, 99), st.floats(1, 3), st.floats(0, 2)),
    st.builds(tenacity.wait_incrementing, st.floats(0, 3), st.floats(-1, 3), st.floats(4, 99)),
)


@given(WAITS, st.integers(1, 9))
def test_no_wait_is_longer_than_the_longest(wait: Any, failures: int) -> None:
    """What tenacity itself says is never over it."""
    state = tenacity.RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    state.attempt_number = failures
    longest = longest_wait(Retry(wait=wait), failures)
    assert longest is not None
    assert float(wait(state)) <= longest + 1e-9
