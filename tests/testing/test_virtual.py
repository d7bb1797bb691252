"""Virtual time itself: it passes when everybody waits, to the nearest moment, and never by itself."""

from __future__ import annotations

import asyncio
import math
import threading
from typing import TYPE_CHECKING

import pytest

import aiguard
from aiguard import guard
from aiguard.clock import SYSTEM
from aiguard.engine.state import SURROUNDINGS
from aiguard.testing import VirtualClock, fresh_registry, virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable


def test_it_stands_still(clock: VirtualClock) -> None:
    """Without a wait no time passes, however much is done."""
    assert [clock.now() for _ in range(100)] == [clock.start] * 100
    assert clock.elapsed == 0.0


def test_time_can_be_let_pass(clock: VirtualClock) -> None:
    """Both clocks go on together."""
    wall = clock.wall()
    clock.advance(1.5)
    assert (clock.now(), clock.elapsed, clock.wall()) == (clock.start + 1.5, 1.5, wall + 1.5)


def test_chance_is_repeatable() -> None:
    """Equal seeds give equal numbers in [0, 1), others do not."""
    drawn = [[VirtualClock(seed).random() for _ in range(1)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(0.0 <= VirtualClock(seed).random() < 1.0 for seed in range(50))


def test_outside_a_boundary_sleeping_is_letting_time_pass(clock: VirtualClock) -> None:
    """A component that runs in the caller's thread sleeps so."""
    clock.sleep(3.0)
    assert clock.elapsed == 3.0


def test_on_its_loop_sleeps_cost_nothing_and_are_exact(clock: VirtualClock) -> None:
    """An hour passes at once, to the second, in the right order."""
    heard: list[tuple[str, float]] = []

    async def sleep(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        heard.append((name, clock.elapsed))

    async def main() -> None:
        assert asyncio.get_running_loop().time() == clock.now()
        await asyncio.gather(sleep("hour", 3600.0), sleep("second", 1.0), sleep("week", 7 * 86400.0))

    clock.run(main())
    assert heard == [("second", 1.0), ("hour", 3600.0), ("week", 7 * 86400.0)]


def test_a_loop_that_waits_for_somebody_elses_thread_waits_for_real(clock: VirtualClock) -> None:
    """With nothing to wait for but a thread outside every boundary, no time passes."""

    async def main() -> str:
        return await asyncio.to_thread(lambda: "from a thread")

    assert clock.run(main()) == "from a thread"
    assert clock.elapsed == 0.0


def test_a_loop_wakes_for_a_foreign_thread(clock: VirtualClock) -> None:
    """`call_soon_threadsafe` ends a wait without a deadline, and time is as it was."""
    threads: list[threading.Thread] = []

    async def main() -> str:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[str] = loop.create_future()
        threads.append(threading.Thread(target=lambda: loop.call_soon_threadsafe(future.set_result, "woken")))
        threads[0].start()
        return await future

    assert clock.run(main()) == "woken"
    threads[0].join(10)
    assert math.isfinite(clock.now())


def test_a_worker_sleeps_while_its_caller_waits(clock: VirtualClock) -> None:
    """Time passes to the worker's moment, or to the caller's deadline where that comes first."""

    @guard("sleepy", deadline=2.0)
    def sleepy(seconds: float) -> str:
        clock.sleep(seconds)
        return "ok"

    assert sleepy(1.5) == "ok"
    assert clock.elapsed == 1.5
    assert not sleepy.outcome(5.0).ok
    assert clock.elapsed == 3.5


def test_a_worker_may_sleep_more_than_once(clock: VirtualClock) -> None:
    """Each sleep ends at its own moment."""
    moments: list[float] = []

    @guard("sleepy", deadline=100.0)
    def sleepy() -> None:
        for _ in range(5):
            clock.sleep(0.5)
            moments.append(clock.elapsed)

    sleepy()
    assert moments == [0.5, 1.0, 1.5, 2.0, 2.5]


def test_time_waits_for_a_worker_that_works(clock: VirtualClock) -> None:
    """A thread that computes, in real time, costs no virtual time."""

    @guard("busy", deadline=1.0)
    def busy() -> int:
        return sum(number * number for number in range(100_000))

    assert busy() > 0
    assert clock.elapsed == 0.0


def test_a_component_that_hangs_is_let_go_at_the_end_of_the_block() -> None:
    """No thread outlives the block, and the clock stays finite."""
    with virtual_time() as clock:

        @guard("hang", deadline=1.0)
        def hang() -> None:
            clock.hang()

        assert not hang.outcome().ok
        workers = hang.boundary._state.workers
        assert workers.abandoned == 1
        assert clock.elapsed == 1.0
    _until(lambda: workers.abandoned == 0)


def test_a_hung_rung_beside_the_loop_does_not_stop_time(clock: VirtualClock) -> None:
    """The loop's own deadline comes although a worker never will."""

    @guard("rung", deadline=4.0, fallback=[clock.hang, "floor"])
    async def component() -> str:
        await asyncio.sleep(1000.0)
        return "never"

    assert clock.run(component()) == "floor"
    assert clock.elapsed == pytest.approx(4.0)


def test_waits_between_attempts_are_written_down(clock: VirtualClock) -> None:
    """`slept` has every wait of a blocking boundary, in order."""
    calls: list[int] = []

    @guard("retry", deadline=60.0, isolation="inline", retry=aiguard.Retry(attempts=3, wait=lambda _: 2.0))
    def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise ConnectionError
        return "ok"

    assert flaky() == "ok"
    assert clock.slept == [2.0, 2.0]
    assert clock.elapsed == 4.0


def test_boundaries_of_the_block_are_unknown_outside_it() -> None:
    """The registry is the test's own, and what was known before is known again, untouched."""
    before = aiguard.boundaries()
    with virtual_time():

        @guard("mine", deadline=1.0)
        def mine() -> None:
            """Do nothing."""

        assert aiguard.boundaries() == (mine.boundary,) or list(aiguard.boundaries()) == [mine.boundary]
    assert aiguard.boundaries() == before


def test_a_fresh_registry_comes_back_after_a_failure() -> None:
    """The block may raise."""
    before = aiguard.boundaries()
    with pytest.raises(LookupError), fresh_registry():  # noqa: PT012 - the block is what is tested
        assert not aiguard.boundaries()
        raise LookupError
    assert aiguard.boundaries() == before


def test_real_time_comes_back_after_the_block() -> None:
    """Boundaries declared afterwards count on the machine's clock, also where the block raised."""
    before = SURROUNDINGS.clock
    with pytest.raises(LookupError), virtual_time() as clock:  # noqa: PT012 - the block is what is tested
        assert SURROUNDINGS.clock is clock
        raise LookupError
    assert SURROUNDINGS.clock is before is SYSTEM


def test_blocks_nest() -> None:
    """The inner clock holds inside, the outer one afterwards."""
    with virtual_time() as outer:
        with virtual_time() as inner:
            assert SURROUNDINGS.clock is inner
            inner.advance(5.0)
        assert SURROUNDINGS.clock is outer
        assert outer.elapsed == 0.0


def _until(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(5000):
        if condition():
            return
        waited.wait(0.001)
    pytest.fail("it never came to hold")
