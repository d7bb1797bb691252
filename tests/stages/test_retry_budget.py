"""The retry budget alone: how much is allowed, what is forgotten and when, against a model that remembers it all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiguard import RetryBudget
from aiguard.stages.retry_budget import SLICES, RetryTally, allowance


def spent(tally: RetryTally, now: float, most: int = 1000) -> int:
    """Return how many further attempts begin when as many as may be are asked for."""
    for number in range(most):
        if not tally.spend(now):
            return number
    return most


# --- how much


@pytest.mark.parametrize(
    ("ratio", "floor", "calls", "allowed"),
    [
        (0.2, 3, 0, 3),
        (0.2, 3, 1, 3),
        (0.2, 3, 15, 3),
        (0.2, 3, 19, 3),
        (0.2, 3, 20, 4),
        (0.2, 3, 24, 4),
        (0.2, 3, 100, 20),
        (0.29, 0, 100, 29),  # and not the 28 of floating point
        (0.0, 0, 1000, 0),
        (0.0, 2, 1000, 2),
        (1.0, 0, 7, 7),
        (2.5, 0, 3, 7),
    ],
)
def test_a_share_of_the_calls_and_no_less_than_the_floor_may_be_added(
    ratio: float, floor: int, calls: int, allowed: int
) -> None:
    """A fraction of an attempt is none."""
    budget = RetryBudget(ratio=ratio, floor=floor)
    assert allowance(budget, calls) == allowed
    tally = RetryTally(budget)
    for _ in range(calls):
        tally.count(1000.0)
    assert spent(tally, 1000.0) == allowed


def test_a_hundred_failing_calls_add_a_fifth() -> None:
    """Each call asks for two further attempts; twenty of the two hundred begin."""
    tally = RetryTally(RetryBudget())
    begun = 0
    for number in range(100):
        now = 1000.0 + number * 0.05
        tally.count(now)
        begun += tally.spend(now) + tally.spend(now)
    assert begun == 20


def test_a_lonely_call_has_the_floor() -> None:
    """A fifth of one call is nothing; three attempts are allowed in any case."""
    tally = RetryTally(RetryBudget())
    tally.count(0.0)
    assert spent(tally, 0.0) == 3


# --- for how long


@pytest.mark.parametrize(("at", "begun"), [(1009.99, 0), (1010.99, 0), (1011.0, 3), (1e6, 3)])
def test_a_further_attempt_is_forgotten_no_sooner_than_after_the_window(at: float, begun: int) -> None:
    """It began in the slice that ends at 1001: ten seconds after that end, and not before."""
    tally = RetryTally(RetryBudget())
    assert spent(tally, 1000.5) == 3
    assert spent(tally, at) == begun


@pytest.mark.parametrize(("at", "begun"), [(1009.99, 20), (1010.0, 3), (1e6, 3)])
def test_a_call_is_forgotten_no_later_than_after_the_window(at: float, begun: int) -> None:
    """It began in the slice that begins at 1000: ten seconds after that beginning at the latest."""
    tally = RetryTally(RetryBudget())
    for _ in range(100):
        tally.count(1000.5)
    assert spent(tally, at) == begun


def test_what_happens_at_a_border_belongs_to_the_slice_that_begins() -> None:
    """Calls at 1001 are those of the second that begins then: they count until 1011."""
    tally = RetryTally(RetryBudget())
    tally.count(1000.0)
    for _ in range(100):
        tally.count(1001.0)
    assert spent(tally, 1010.99) == 20


def test_each_slice_is_forgotten_by_itself() -> None:
    """A budget that is spent bit by bit comes back bit by bit."""
    tally = RetryTally(RetryBudget())
    assert [tally.spend(1000.0), tally.spend(1003.0), tally.spend(1006.0)] == [True] * 3
    assert spent(tally, 1010.0) == 0
    assert spent(tally, 1011.0) == 1
    assert spent(tally, 1013.0) == 0
    assert spent(tally, 1014.0) == 1
    assert spent(tally, 1017.0) == 1
    assert spent(tally, 1021.0) == 0
    assert spent(tally, 1022.0) == 1


def test_a_clock_read_out_of_order_never_turns_it_back() -> None:
    """Threads read the clock before they hold the lock: an older moment counts into the slice that has begun."""
    tally = RetryTally(RetryBudget(floor=0, ratio=1))
    tally.count(1001.0)
    tally.count(999.0)
    assert spent(tally, 999.5) == 2
    assert spent(tally, 1011.9) == 0


def test_rounding_at_the_border_of_a_slice_never_stops_it() -> None:
    """A moment that has come counts as come, whichever slice division makes of it."""
    tally = RetryTally(RetryBudget(floor=1, per=0.3))
    now, begun = 0.0, 0
    for _ in range(1000):
        now += 0.03
        begun += tally.spend(now)
    assert begun == pytest.approx(1000 / (SLICES + 1), abs=10)


def test_memory_does_not_grow_with_traffic() -> None:
    """As many slices are kept as the window has, besides the one under way."""
    tally = RetryTally(RetryBudget())
    for number in range(10_000):
        tally.count(number * 0.5)
    assert len(tally._past) == SLICES


def test_a_border_that_is_rounded_down_is_crossed_once() -> None:
    """1.0 // 0.1 is 9, although the ninth slice ends at 9 × 0.1 + 0.1, which is 1: nothing is put away twice."""
    tally = RetryTally(RetryBudget(per=1.0))
    tally.count(0.95)
    for _ in range(100):
        tally.count(1.0)
    assert len(tally._past) == 1
    assert tally._calls == 101


# --- settings


def test_counts_stay_when_the_share_changes() -> None:
    """What was added under the settings before counts under the new ones."""
    tally = RetryTally(RetryBudget())
    assert spent(tally, 1000.0) == 3
    tally.configure(RetryBudget(floor=5))
    assert spent(tally, 1000.0) == 2
    tally.configure(RetryBudget(floor=1))
    assert spent(tally, 1000.0) == 0


def test_another_window_begins_anew() -> None:
    """What was counted in slices of another width cannot be kept."""
    tally = RetryTally(RetryBudget())
    assert spent(tally, 1000.0) == 3
    tally.configure(RetryBudget(per=20.0))
    assert spent(tally, 1000.0) == 3
    assert spent(tally, 1021.9) == 0
    assert spent(tally, 1022.0) == 3


def test_a_forked_process_counts_its_own() -> None:
    """The parent's calls are not here, and nobody is left to release a lock that was held."""
    tally = RetryTally(RetryBudget())
    assert spent(tally, 1000.0) == 3
    tally._lock.acquire()
    tally.forked()
    assert spent(tally, 1000.0) == 3


def test_threads_together_never_overspend() -> None:
    """A hundred calls, eight threads that all want more: twenty."""
    tally = RetryTally(RetryBudget())
    for _ in range(100):
        tally.count(1000.0)
    start = threading.Barrier(8)

    def spend() -> int:
        start.wait()
        return sum(tally.spend(1000.0) for _ in range(500))

    with ThreadPoolExecutor(8) as pool:
        assert sum(future.result() for future in [pool.submit(spend) for _ in range(8)]) == 20


# --- against a model


class Remembering(RuleBasedStateMachine):
    """The tally beside two lists: of every call, and of every further attempt."""

    def __init__(self) -> None:
        super().__init__()
        self.budget = RetryBudget()
        self.tally = RetryTally(self.budget)
        self.now = 1000.0
        self.calls: list[float] = []
        self.further: list[float] = []

    @rule(quarters=st.integers(0, 60))
    def wait(self, quarters: int) -> None:
        """Let time pass, in quarters of a second: a slice is one second, and no number here is rounded."""
        self.now += quarters / 4

    @rule(number=st.integers(1, 12))
    def count(self, number: int) -> None:
        """Some calls begin."""
        for _ in range(number):
            self.tally.count(self.now)
            self.calls.append(self.now)

    @rule(number=st.integers(1, 12))
    def spend(self, number: int) -> None:
        """Some want a further attempt each: exactly those begin that may."""
        for _ in range(number):
            of_late = sum(self.now // 1 - moment // 1 <= SLICES for moment in self.further)
            calls = sum(self.now // 1 - moment // 1 < SLICES for moment in self.calls)
            begun = self.tally.spend(self.now)
            assert begun is (of_late < allowance(self.budget, calls))
            if begun:
                self.further.append(self.now)
                in_window = sum(moment > self.now - self.budget.per for moment in self.further)
                seen = sum(moment > self.now - self.budget.per for moment in self.calls)
                assert in_window <= allowance(self.budget, seen)

    @rule(ratio=st.sampled_from([0.0, 0.1, 0.2, 1.0, 3.0]), floor=st.integers(0, 5))
    def configure(self, ratio: float, floor: int) -> None:
        """The settings change, and what was counted stays."""
        self.budget = RetryBudget(ratio=ratio, floor=floor)
        self.tally.configure(self.budget)

    @precondition(lambda self: self.calls or self.further)
    @rule()
    def fork(self) -> None:
        """The process forks."""
        self.tally.forked()
        self.calls.clear()
        self.further.clear()

    @invariant()
    def is_small(self) -> None:
        """Whatever happened, it remembers slices, not calls."""
        assert len(self.tally._past) <= SLICES + 1


TestRemembering = Remembering.TestCase


@given(
    st.floats(0.05, 100),
    st.lists(st.tuples(st.floats(0, 30), st.booleans()), max_size=80),
    st.floats(0, 2),
    st.integers(0, 4),
)
def test_no_span_of_the_window_has_more_than_it_allows(
    per: float, steps: list[tuple[float, bool]], ratio: float, floor: int
) -> None:
    """What begins, exact counts allow; what they allow with a tenth of the window to spare begins."""
    budget = RetryBudget(ratio=ratio, floor=floor, per=per)
    tally, now = RetryTally(budget), 0.0
    calls: list[float] = []
    further: list[float] = []
    for wait, is_call in steps:
        now += wait
        if is_call:
            tally.count(now)
            calls.append(now)
            continue

        def within(moments: list[float], span: float, now: float = now) -> int:
            return sum(now - moment < span for moment in moments)

        slack = per * 1e-6
        if tally.spend(now):
            assert within(further, per - slack) < allowance(budget, within(calls, per + slack))
            further.append(now)
        else:
            assert within(further, per * 1.1 + slack) >= allowance(budget, within(calls, per * 0.9 - slack))
