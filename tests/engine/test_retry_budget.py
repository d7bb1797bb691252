"""The retry budget and the pauses in whole boundaries: who shares it, what spends it, what is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import BoundaryError, Bulkhead, CoolingDownError, FailureKind, Hedge, Retry, RetryBudget, guard
from aiguard.testing import virtual_time
from tests.shapes import Harness, HttpError, Takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock

AT_ONCE = Retry(attempts=3, wait=lambda _: 0.0)


def down(clock: VirtualClock, name: str, **declared: Any) -> tuple[Any, list[int]]:
    """Return a guarded component that is down, and the list that is as long as it was asked often."""
    del clock
    asked: list[int] = []

    @guard(name, deadline=10.0, isolation="inline", **declared)
    def component(*_: Any) -> str:
        asked.append(1)
        raise ConnectionError

    return component, asked


def failing(component: Any, times: int = 1, *args: Any) -> None:
    """Call it so often; it fails each time."""
    for _ in range(times):
        with pytest.raises(BoundaryError):
            component(*args)


# --- what is added


def test_a_component_that_is_down_is_asked_a_fifth_more_often(scenario: Callable[..., Harness]) -> None:
    """A hundred failing calls with three attempts each: a hundred and twenty, and not three hundred."""
    component = scenario(*[ConnectionError()] * 300, retry=AT_ONCE)
    for _ in range(100):
        assert component.fails().failure.kind is FailureKind.CONNECTION
    assert component.calls == 120


def test_a_lonely_call_is_tried_as_often_as_its_policy_says(scenario: Callable[..., Harness]) -> None:
    """The floor is for those: two further attempts and one to spare."""
    component = scenario(ConnectionError(), ConnectionError(), "ok", retry=AT_ONCE)
    assert component() == "ok"


def test_where_it_is_spent_the_ladder_answers_at_once(scenario: Callable[..., Harness]) -> None:
    """No time goes into a wait for an attempt that may not be."""
    component = scenario(
        *[ConnectionError()] * 9, retry=Retry(wait=lambda _: 2.0), retry_budget=RetryBudget(ratio=0, floor=1)
    )
    component.fails()
    assert component.clock.elapsed == 2.0
    component.fails()
    assert component.clock.elapsed == 2.0
    assert component.calls == 3


def test_asking_again_is_held_to_it_too(clock: VirtualClock) -> None:
    """An answer that is never valid is asked for again as often as the budget allows."""
    asked: list[int] = []

    @guard("babbler", deadline=10.0, isolation="inline", output=int, reask=5, retry_budget=RetryBudget(floor=2))
    def component() -> str:
        asked.append(1)
        return "banana"

    failing(component, 2)
    assert len(asked) == 4
    assert clock.elapsed == 0.0


def test_it_comes_back(clock: VirtualClock) -> None:
    """What was added is forgotten once the window is over."""
    component, asked = down(clock, "recovering", retry=AT_ONCE)
    failing(component, 3)
    assert len(asked) == 6
    clock.advance(11.0)
    failing(component)
    assert len(asked) == 9


def test_without_a_budget_everybody_tries(clock: VirtualClock) -> None:
    """`retry_budget=None`: each call has the attempts of its policy."""
    component, asked = down(clock, "unlimited", retry=AT_ONCE, retry_budget=None)
    failing(component, 10)
    assert len(asked) == 30


# --- who shares it


def test_boundaries_of_one_dependency_share_it(clock: VirtualClock) -> None:
    """What one has spent, the other has not."""
    first, asked_first = down(clock, "first", retry=AT_ONCE, dependency="provider")
    second, asked_second = down(clock, "second", retry=AT_ONCE, dependency="provider")
    failing(first, 2)
    failing(second, 2)
    assert (len(asked_first), len(asked_second)) == (2 + 3, 2)


def test_calls_of_a_boundary_that_never_tries_again_count_for_those_that_do(clock: VirtualClock) -> None:
    """A fifth of all that the dependency is asked, whoever asks."""
    plain, _ = down(clock, "plain", dependency="provider")
    eager, asked = down(clock, "eager", retry=AT_ONCE, dependency="provider")
    failing(plain, 20)
    failing(eager, 5)
    assert len(asked) == 5 + 5


def test_boundaries_of_their_own_share_nothing(clock: VirtualClock) -> None:
    """Each has its floor."""
    for name in ("one", "other"):
        component, asked = down(clock, name, retry=AT_ONCE)
        failing(component, 2)
        assert len(asked) == 2 + 3


def test_each_key_has_its_own(clock: VirtualClock) -> None:
    """One model that is down leaves the attempts of another alone."""
    component, asked = down(clock, "by-model", retry=AT_ONCE, key=lambda model: model)
    failing(component, 2, "small")
    assert len(asked) == 5
    failing(component, 2, "large")
    assert len(asked) == 10


def test_a_boundary_that_adds_nothing_counts_nothing(clock: VirtualClock) -> None:
    """Alone, without retry, reask and hedge, it pays for no count."""
    component, _ = down(clock, "adds-nothing")
    failing(component, 3)
    assert component.boundary._state.partition.retries._calls == 0


def test_a_hedge_counts_the_calls_it_is_a_share_of(clock: VirtualClock) -> None:
    """Without a retry policy, too: a tenth of twenty calls is two hedges."""
    asked = 0

    @guard(
        "hedged",
        deadline=10.0,
        hedge=Hedge(after=0.1),
        bulkhead=Bulkhead(limit=9),
        retry_budget=RetryBudget(ratio=0.1, floor=0, per=1000.0),
    )
    async def component() -> None:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.2)

    async def whole() -> None:
        for _ in range(20):
            await component()

    clock.run(whole())
    assert asked == 22


# --- pauses


def test_a_call_waits_a_pause_out(scenario: Callable[..., Harness]) -> None:
    """Asked to come back in two seconds, and heard in time by the next call: one attempt each."""
    component = scenario(HttpError(429, {"retry-after": "2"}), "ok", retry=Retry(attempts=1))
    assert component.fails().failure.kind is FailureKind.RATE_LIMITED
    assert component.clock.elapsed == 0.0
    outcome = component.outcome()
    assert [(attempt.number, attempt.reason) for attempt in outcome.attempts] == [(1, "initial")]
    assert 2.0 <= component.clock.elapsed <= 2.1


def test_a_pause_that_does_not_fit_leaves_at_once(scenario: Callable[..., Harness]) -> None:
    """No attempt, no wait; the error says how long the pause still is."""
    component = scenario(HttpError(429, {"retry-after": "20"}), "ok", retry=Retry())
    assert component.fails().failure.kind is FailureKind.RATE_LIMITED
    component.clock.advance(5.0)
    error = component.fails()
    assert isinstance(error, CoolingDownError)
    assert error.retry_after == pytest.approx(15.0)
    assert component.clock.elapsed == 5.0
    assert component.calls == 1
    assert error.outcome is not None
    assert not error.outcome.attempts


def test_who_has_no_retry_does_not_wait(scenario: Callable[..., Harness]) -> None:
    """Its ladder, or its caller, knows better what to do meanwhile."""
    component = scenario(HttpError(429, {"retry-after": "1"}), "ok")
    component.fails()
    assert isinstance(component.fails(), CoolingDownError)
    assert component.clock.elapsed == 0.0


def test_those_who_waited_do_not_come_back_together(clock: VirtualClock) -> None:
    """Each has a jitter of its own over the same pause."""
    came: list[float] = []

    @guard("herd", deadline=10.0, retry=Retry())
    async def component() -> str:
        if not came:
            came.append(clock.elapsed)
            raise HttpError(429, {"retry-after": "2"})
        came.append(clock.elapsed)
        return "ok"

    async def whole() -> None:
        await asyncio.gather(*(component() for _ in range(20)))

    clock.run(whole())
    assert len(came) == 21
    assert len(set(came[1:])) == 20
    assert all(2.0 <= moment <= 2.1 for moment in came[1:])


def test_a_hedged_call_waits_a_pause_out(clock: VirtualClock) -> None:
    """And is hedged after it: the attempt that was turned away left nothing behind."""
    calls = 0

    @guard("paused", deadline=20.0, retry=Retry(attempts=1), hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=4))
    async def component() -> str:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise HttpError(429, {"retry-after": "2"})
        await asyncio.sleep(100.0 if calls == 2 else 0.5)
        return "ok"

    async def whole() -> Any:
        with pytest.raises(BoundaryError):
            await component()
        return await component.outcome()

    outcome = clock.run(whole())
    assert [(attempt.number, attempt.reason) for attempt in outcome.attempts] == [(1, "initial"), (2, "hedge")]
    assert clock.elapsed == pytest.approx(2.0 + 1.0 + 0.5, abs=0.1)


@pytest.mark.parametrize("kind", [429, 500])
def test_what_must_not_be_asked_twice_is_tried_again_where_it_was_refused(clock: VirtualClock, kind: int) -> None:
    """Too many requests: nothing was begun. A server's error: who knows."""
    asked: list[int] = []

    @guard("once", deadline=10.0, isolation="inline", idempotent=False, retry=Retry(attempts=2))
    def component() -> str:
        asked.append(1)
        if len(asked) == 1:
            raise HttpError(kind)
        return "ok"

    with contextlib.suppress(BoundaryError):
        component()
    assert len(asked) == (2 if kind == 429 else 1)
    assert clock.elapsed <= 0.1


# --- whatever happens


@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, 0.2, 1.5, 4.0]),
            st.sampled_from(["1", "banana", ConnectionError(), HttpError(429), HttpError(401)]),
        ),
        min_size=1,
        max_size=60,
    ),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.integers(0, 3),
    st.integers(1, 5),
)
@settings(max_examples=60, deadline=None)
def test_no_more_is_added_than_the_budget_allows(
    script: list[tuple[float, Any]], ratio: float, floor: int, together: int
) -> None:
    """The component is asked at most as often as calls and allowance say, with retries, reasks and hedges at once."""
    with virtual_time() as clock:
        asked = 0

        @guard(
            "property",
            deadline=5.0,
            retry=Retry(attempts=4),
            reask=2,
            output=int,
            hedge=Hedge(after=1.0),
            retry_budget=RetryBudget(ratio=ratio, floor=floor, per=1e6),
        )
        async def component() -> Any:
            nonlocal asked
            seconds, then = script[asked % len(script)]
            asked += 1
            await asyncio.sleep(seconds)
            if isinstance(then, Exception):
                raise then
            return then

        async def whole() -> None:
            for _ in range(0, len(script), together):
                await asyncio.gather(*(component() for _ in range(together)), return_exceptions=True)

        clock.run(whole())
        calls = math.ceil(len(script) / together) * together
        assert asked <= calls + max(floor, int(ratio * calls + 1e-9))


def test_a_late_stream_is_hedged_and_counted_as_a_call(clock: VirtualClock) -> None:
    """A buffered stream spends what a call does."""
    component = Harness(
        "async_generator",
        clock,
        [Takes(9.0, "slow")] * 9,
        "stream",
        {
            "hedge": Hedge(after=1.0),
            "stream": "buffer",
            "retry_budget": RetryBudget(ratio=0, floor=1),
            "deadline": 100.0,
        },
    )
    component()
    component()
    assert component.calls == 3
