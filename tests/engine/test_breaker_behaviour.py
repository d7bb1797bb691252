"""The breaker inside a boundary, over all four shapes: what is slow, who is a probe, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from pybreaker import CircuitBreakerListener

from aiguard import (
    Breaker,
    Bulkhead,
    CircuitOpenError,
    ComponentError,
    DeadlineExceededError,
    Retry,
    StreamInterruptedError,
)
from tests.shapes import Hang, Harness, Held, HttpError, Items, Takes

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock
    from tests.streaming import Streams

Scenario = Callable[..., Harness]

DOWN = ConnectionError
LEASE = 11.0
"""A boundary's deadline of ten seconds, and one to spare."""

only_streams = pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
only_async = pytest.mark.parametrize("shape", ["async", "async_generator"])
only_interruptible = pytest.mark.parametrize("shape", ["thread", "async", "thread_generator", "async_generator"])


def watching(**settings: Any) -> Breaker:
    """Return settings under which two seconds are slow, and nothing opens of twenty calls."""
    return Breaker(**({"minimum_calls": 20, "slow_call": 2.0} | settings))


def counted(harness: Harness) -> tuple[int, int, int]:
    """Return what its breaker has counted: calls, failures, slow ones."""
    breaker = harness.boundary.breaker
    return breaker._window.calls, breaker.fail_counter, breaker.slow_counter


def half_open(harness: Harness) -> Harness:
    """Return it ready for a probe, and its clock at the moment of the last one's failure."""
    harness.boundary.breaker.half_open()
    return harness


# --- slow calls


def test_calls_that_hang_open_the_breaker_before_they_return(scenario: Scenario, clock: VirtualClock) -> None:
    """Four calls are inside for two seconds: the fifth is turned away, and they still have their answers."""
    helds = [Held(number) for number in range(4)]
    harness = scenario(*helds, breaker=watching(minimum_calls=4))
    calls = [harness.start(held) for held in helds]
    clock.advance(2.0)
    error = harness.fails()
    assert isinstance(error, CircuitOpenError)
    assert error.retry_after is not None
    assert harness.boundary.breaker.current_state == "open"
    for held in helds:
        held.let_go.set()
    assert [call.result() for call in calls] == [0, 1, 2, 3]
    assert harness.calls == 4


def test_calls_that_do_not_hang_yet_open_nothing(scenario: Scenario, clock: VirtualClock) -> None:
    """A hair before the threshold the fifth is let in."""
    helds = [Held(number) for number in range(4)]
    harness = scenario(*helds, "fifth", breaker=watching(minimum_calls=4))
    calls = [harness.start(held) for held in helds]
    clock.advance(1.999)
    assert harness() == "fifth"
    for held in helds:
        held.let_go.set()
    assert [call.result() for call in calls] == [0, 1, 2, 3]
    assert counted(harness) == (5, 0, 0)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        (Takes(1.9), (1, 0, 0)),
        (Takes(2.0), (1, 0, 1)),
        (Takes(1.9, DOWN), (1, 1, 0)),
        (Takes(2.0, DOWN), (1, 1, 1)),
        (Takes(1.9, HttpError(400)), (0, 0, 0)),
        (Takes(2.0, HttpError(400)), (1, 0, 1)),
    ],
)
def test_slow_and_failed_are_two_things(scenario: Scenario, script: Any, expected: tuple[int, int, int]) -> None:
    """A call is slow from two seconds on, whatever it ends as; what is the caller's fault counts for that alone."""
    harness = scenario(script, breaker=watching())
    with suppress(ComponentError):
        harness()
    assert counted(harness) == expected


def test_each_attempt_is_timed_by_itself(scenario: Scenario) -> None:
    """Two attempts of a second and a half, and a wait of a second between them, are no slow call."""
    retry = Retry(attempts=2, wait=lambda _: 1.0)
    harness = scenario(Takes(1.5, DOWN), Takes(1.5), breaker=watching(), retry=retry)
    assert harness() == "ok"
    assert counted(harness) == (2, 1, 0)


@only_async
def test_the_queue_of_the_bulkhead_is_not_the_components_time(scenario: Scenario, clock: VirtualClock) -> None:
    """Three calls of a second and a half, one after another through one permit: none is slow."""
    harness = scenario(*repeat(Takes(1.5), 3), breaker=watching(), bulkhead=Bulkhead(limit=1, queue=5))

    async def main() -> None:
        assert await asyncio.gather(*(harness.acall() for _ in range(3))) == ["ok"] * 3

    clock.run(main())
    assert clock.elapsed == pytest.approx(4.5)
    assert counted(harness) == (3, 0, 0)


@only_interruptible
@pytest.mark.parametrize(("within", "expected"), [(1.9, (0, 0, 0)), (2.5, (1, 0, 1)), (None, (1, 1, 1))])
def test_a_call_that_only_its_caller_cut_short_counts_for_what_it_was_by_then(
    scenario: Scenario, within: float | None, expected: tuple[int, int, int]
) -> None:
    """Under the threshold it is nothing; over it, it was slow, and no failure: that only the boundary's clock makes."""
    harness = scenario(Hang(), breaker=watching())
    if within is not None:
        harness.guarded = harness.guarded.options(deadline=within)
    assert isinstance(harness.fails(), DeadlineExceededError)
    assert counted(harness) == expected


@only_streams
@pytest.mark.parametrize(
    ("items", "expected"),
    [
        (Items(Takes(1.9, "a"), Takes(5.0, "b")), (1, 0, 0)),
        (Items(Takes(2.0, "a"), "b"), (1, 0, 1)),
        (Items(Takes(1.9, "a"), Takes(5.0, DOWN)), (1, 1, 0)),
        (Items(Takes(2.0, "a"), Takes(5.0, DOWN)), (1, 1, 1)),
    ],
)
def test_a_stream_is_timed_until_its_first_item(
    scenario: Scenario, items: Items, expected: tuple[int, int, int]
) -> None:
    """How long the rest takes says how much there is to say; a break in it is a failure all the same."""
    harness = scenario(items, breaker=watching())
    with suppress(StreamInterruptedError):
        harness()
    assert counted(harness) == expected


@only_streams
def test_a_stream_that_is_held_back_is_timed_as_a_whole(scenario: Scenario) -> None:
    """In `buffer` nobody has its first item before the last is there."""
    harness = scenario(Items(Takes(1.0, "a"), Takes(1.0, "b")), breaker=watching(), stream="buffer")
    harness()
    assert counted(harness) == (1, 0, 1)


def test_listeners_hear_of_the_slow_ones_too(scenario: Scenario, clock: VirtualClock) -> None:
    """Who opens the breaker is who finds it: the call that is turned away."""
    heard: list[str] = []

    class Ear(CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            assert cb.current_state == new_state.name
            heard.append(f"{old_state.name} to {new_state.name}")

    held = Held()
    harness = scenario(held, breaker=watching(minimum_calls=1))
    harness.boundary.breaker.add_listener(Ear())
    call = harness.start(held)
    clock.advance(2.0)
    assert heard == []
    harness.fails()
    assert heard == ["closed to open"]
    held.let_go.set()
    call.result()


# --- the last calls, instead of the last seconds


def test_a_count_window_forgets_calls_and_no_time(scenario: Scenario, clock: VirtualClock) -> None:
    """A failure of last year counts, until enough calls have come after it."""
    harness = scenario(DOWN, *["ok"] * 4, DOWN, DOWN, breaker=Breaker(window_calls=4, minimum_calls=4))
    harness.fails()
    clock.advance(365 * 86_400.0)
    for _ in range(3):
        harness()
    assert counted(harness) == (4, 1, 0)
    harness()
    assert counted(harness) == (4, 0, 0)
    harness.fails()
    assert harness.boundary.breaker.current_state == "closed"
    harness.fails()
    assert harness.boundary.breaker.current_state == "open"


# --- probes


def test_a_slow_probe_opens_the_breaker_again(scenario: Scenario, clock: VirtualClock) -> None:
    """It is found by the next call, while it is still inside; its answer reaches its caller, and closes nothing."""
    held = Held()
    harness = half_open(scenario(held, breaker=watching(probes=1)))
    probe = harness.start(held)
    clock.advance(1.9)
    assert harness.fails().failure.retry_after is None
    clock.advance(0.1)
    assert harness.fails().failure.retry_after is not None
    held.let_go.set()
    assert probe.result() == "ok"
    assert harness.boundary.breaker.current_state == "open"


def test_a_lost_probe_gives_its_place_to_the_next(scenario: Scenario, clock: VirtualClock) -> None:
    """Whoever never says how it ended is given up after the deadline and a second; what it says later is not heard."""
    held = Held(DOWN)
    harness = half_open(scenario(held, "ok", breaker=Breaker(probes=1)))
    lost = harness.start(held)
    clock.advance(LEASE - 0.001)
    assert isinstance(harness.fails(), CircuitOpenError)
    clock.advance(0.001)
    assert harness() == "ok"
    assert harness.boundary.breaker.current_state == "closed"
    held.let_go.set()
    with pytest.raises((ComponentError, DeadlineExceededError)):
        lost.result()
    assert (harness.boundary.breaker.current_state, counted(harness)) == ("closed", (0, 0, 0))


def test_a_stream_that_nobody_reads_on_is_a_lost_probe(streams: Streams, clock: VirtualClock) -> None:
    """Its consumer keeps it, half read: the breaker must not wait for that."""
    guarded = streams.guarded(["a", "b"], ["c"], breaker=Breaker(probes=1))
    breaker = guarded.boundary.breaker
    breaker.half_open()
    kept = guarded()
    assert streams.next(kept) == "a"
    with pytest.raises(CircuitOpenError):
        streams.drain(guarded())
    clock.advance(LEASE)
    assert streams.drain(guarded()) == ["c"]
    assert breaker.current_state == "closed"
    assert streams.drain(kept) == ["b"]
    assert (breaker.current_state, breaker._window.calls) == ("closed", 0)


# --- only watching


def test_a_breaker_that_only_watches_turns_nobody_away(scenario: Scenario, clock: VirtualClock) -> None:
    """It opens and closes as another would, and every call reaches the component."""
    policy = Breaker(minimum_calls=2, open_for=10.0, probes=1, metrics_only=True)
    harness = scenario(*repeat(DOWN, 5), "ok", "ok", breaker=policy)
    for _ in range(5):
        assert isinstance(harness.fails(), ComponentError)
    breaker = harness.boundary.breaker
    assert breaker.current_state == "open"
    assert harness() == "ok"
    assert breaker.current_state == "open"
    clock.advance(10.0)
    assert harness() == "ok"
    assert breaker.current_state == "closed"
    assert harness.calls == 7


def test_beyond_its_probes_a_watching_breaker_hears_nothing(scenario: Scenario) -> None:
    """Beside the probe under way a call is let in that fails: the probe decides."""
    held = Held()
    harness = half_open(scenario(held, DOWN, breaker=Breaker(probes=1, metrics_only=True)))
    probe = harness.start(held)
    assert isinstance(harness.fails(), ComponentError)
    assert harness.boundary.breaker.current_state == "half-open"
    held.let_go.set()
    probe.result()
    assert harness.boundary.breaker.current_state == "closed"
