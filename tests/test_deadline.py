"""The deadline as nested boundaries and clients see it."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import aiguard
from aiguard import Rung, deadline, guard
from aiguard.clock import SYSTEM
from aiguard.testing import VirtualClock, virtual_time
from tests.shapes import Harness, Items, Takes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def two_seconds(clock: VirtualClock) -> Iterator[VirtualClock]:
    """A deadline two virtual seconds away."""
    token = deadline.current.set((clock.now() + 2.0, clock, None))
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


@given(depths=st.lists(st.tuples(st.floats(0.1, 100.0), st.floats(0.0, 20.0)), min_size=1, max_size=6))
def test_at_any_depth_the_earliest_moment_holds(depths: list[tuple[float, float]]) -> None:
    """Whatever deadlines are nested, and however long each takes before it calls the next."""
    with virtual_time() as clock:
        moments: list[float] = []
        seen: list[float | None] = []

        def nested(level: int) -> None:
            seconds, before = depths[level]

            @guard(f"level-{level}", deadline=seconds, isolation="inline", fallback=[None])
            def component() -> None:
                seen.append(aiguard.remaining())
                clock.advance(before)
                if level + 1 < len(depths):
                    nested(level + 1)

            moments.append(clock.now() + seconds)
            left.append(min(moments) - clock.now())
            component()

        left: list[float] = []
        nested(0)
        expected = [one for one in left if one > 0]
        assert seen == [pytest.approx(one) for one in expected], "who has no time left is not called"
        assert aiguard.remaining() is None


def test_what_is_left_is_seen_in_every_shape(scenario: Callable[..., Harness]) -> None:
    """In threads, coroutines and streams alike, and gone when the call is."""
    harness = scenario(aiguard.remaining, deadline=3.0)
    assert harness() == pytest.approx(3.0)
    assert aiguard.remaining() is None


def test_an_attempt_of_a_shape_is_the_inner_deadline(scenario: Callable[..., Harness]) -> None:
    """A clock of one try is a deadline too, to whoever is called inside."""
    harness = scenario(aiguard.remaining, deadline=3.0, attempt_timeout=1.0)
    assert harness() == pytest.approx(1.0)


@pytest.mark.parametrize("inline", [True, False])
def test_a_rung_sees_what_is_left_for_it(shape: str, clock: VirtualClock, *, inline: bool) -> None:
    """And so does a boundary that the rung calls: in the caller's thread, in one of the ladder's, on the loop."""
    seen: list[float | None] = []

    @guard("inner", deadline=100.0, isolation="inline")
    def inner() -> float | None:
        return aiguard.remaining()

    def rung(*_: Any) -> str:
        seen.append(inner())
        return "ok"

    settings = {"fallback": [Rung(rung, inline=inline)], "fallback_timeout": 1.0}
    harness = Harness(shape, clock, [ConnectionError], settings={"deadline": 5.0, **settings})
    assert harness() == "ok"
    assert seen == [pytest.approx(5.0)], "nothing was used up, so all of it is left"


def test_threads_of_the_program_see_it_where_they_carry_the_context(two_seconds: VirtualClock) -> None:
    """`asyncio.to_thread` does, a bare thread does not."""
    assert asyncio.run(asyncio.to_thread(aiguard.remaining)) == 2.0
    seen: list[float | None] = []
    thread = threading.Thread(target=contextvars.copy_context().run, args=(lambda: seen.append(aiguard.remaining()),))
    thread.start()
    thread.join(10)
    assert seen == [2.0]
    assert two_seconds.elapsed == 0.0


def test_tasks_begun_inside_see_it(clock: VirtualClock) -> None:
    """Whatever a component starts belongs to its call."""

    @guard("outer", deadline=3.0)
    async def outer() -> list[float | None]:
        async def part() -> float | None:
            return aiguard.remaining()

        async with asyncio.TaskGroup() as group:
            parts = [group.create_task(part()) for _ in range(2)]
        return [part.result() for part in parts]

    assert clock.run(outer()) == [3.0, 3.0]


def test_a_boundary_on_another_clock_keeps_its_own_time(two_seconds: VirtualClock) -> None:
    """Moments of two clocks say nothing of each other: inside, the inner one's own deadline is seen."""
    with virtual_time():

        @guard("elsewhere", deadline=10.0, isolation="inline")
        def elsewhere() -> float | None:
            return aiguard.remaining()

        assert elsewhere() == 10.0
    assert aiguard.remaining() == 2.0
    assert two_seconds.elapsed == 0.0


@pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
def test_a_stream_sees_what_is_left_of_its_own_time(scenario: Callable[..., Harness], clock: VirtualClock) -> None:
    """At every item: what the component took is gone, what the consumer took is not."""
    harness = scenario(Items(aiguard.remaining, Takes(1.0, aiguard.remaining)), deadline=3.0)
    if not harness.is_async:
        seen = []
        for item in harness.guarded():
            seen.append(item)
            clock.advance(50.0)
    else:

        async def consume() -> list[Any]:
            items = []
            async for item in harness.guarded():
                items.append(item)
                await asyncio.sleep(50.0)
            return items

        seen = clock.run(consume())
    assert seen == [pytest.approx(3.0), pytest.approx(2.0)]
