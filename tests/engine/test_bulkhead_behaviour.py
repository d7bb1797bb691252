"""The bulkhead under load: who waits how long, who goes first, and what its limit learns."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import Boundary, Bulkhead, BulkheadFullError, DeadlineExceededError, FailureKind, guard
from aiguard.testing import fresh_registry, virtual_time
from tests.shapes import Background, Hang, Harness, Held, HttpError, Takes
from tests.waiting import until

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]

OVERLOADED = HttpError(529)


def whole(shape: str) -> dict[str, Any]:
    """Return the settings with which a stream of this shape is released as a whole."""
    return {"stream": "buffer"} if shape.endswith("generator") else {}


def permits_of(guarded: Any) -> Any:
    """Return the bulkhead of a guarded function or a harness."""
    return guarded.boundary.bulkhead


# --- a queue that knows deadlines


def test_a_waiter_leaves_while_its_ladder_still_has_time(scenario: Scenario, clock: VirtualClock, shape: str) -> None:
    """Ten seconds in all, two of them are what the quickest call took: after eight the ladder has its turn."""
    bulkhead = Bulkhead(limit=1, queue=1)
    harness = scenario(Takes(2.0), "never", bulkhead=bulkhead, deadline=10.0, fallback=["rung"], **whole(shape))
    harness()
    permits = permits_of(harness)
    assert permits.quickest == 2.0
    assert permits.try_take()
    outcome = harness.outcome()
    assert clock.elapsed == 10.0
    assert (outcome.rung, outcome.attempts) == ("value", ())
    assert outcome.elapsed == 8.0
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.stage) == (FailureKind.DEADLINE_EXHAUSTED, "bulkhead")
    assert "2 s were left" in outcome.failure.message
    assert (permits.in_flight, permits.queued, harness.calls) == (1, 0, 1)


def test_before_any_success_only_the_deadline_counts(scenario: Scenario, clock: VirtualClock, shape: str) -> None:
    """How long a failure took says nothing of what an answer takes."""
    harness = scenario(Takes(2.0, ConnectionError()), bulkhead=Bulkhead(limit=1, queue=1), **whole(shape))
    harness.fails()
    assert permits_of(harness).try_take()
    error = harness.fails()
    assert isinstance(error, DeadlineExceededError)
    assert "the deadline came" in error.failure.message
    assert clock.elapsed == 12.0


def test_who_has_too_little_time_to_begin_with_does_not_wait(
    scenario: Scenario, clock: VirtualClock, shape: str
) -> None:
    """A call with a deadline of its own that no call has kept is turned away at once."""
    harness = scenario(Takes(2.0), bulkhead=Bulkhead(limit=1, queue=1), **whole(shape))
    harness()
    harness.guarded = harness.guarded.options(deadline=1.5)
    assert permits_of(harness).try_take()
    assert isinstance(harness.fails(), DeadlineExceededError)
    assert clock.elapsed == 2.0


def test_a_stream_is_not_judged_by_its_consumers(clock: VirtualClock) -> None:
    """A consumer that took a minute over the last stream does not turn the next one away."""

    @guard("stream", deadline=10.0, bulkhead=Bulkhead(limit=1, queue=1), stream="passthrough")
    async def numbers() -> Any:
        yield 1
        yield 2

    async def main() -> list[int]:
        async for _ in numbers():
            await asyncio.sleep(30.0)
        permits_of(numbers).try_take()
        asyncio.get_running_loop().call_later(9.0, permits_of(numbers).give_back)
        return [number async for number in numbers()]

    assert clock.run(main()) == [1, 2]
    assert clock.elapsed == 69.0


def test_a_permit_is_never_handed_to_who_cannot_make_it(clock: VirtualClock) -> None:
    """The first call takes three seconds; whoever has less left when it ends is told so, and skipped."""

    @guard("b", deadline=10.0, bulkhead=Bulkhead(limit=1, queue=3))
    async def component() -> float:
        await asyncio.sleep(3.0)
        return clock.elapsed

    async def main() -> None:
        first = asyncio.create_task(component())
        await asyncio.sleep(0)
        short = asyncio.create_task(component.options(deadline=5.0).outcome())
        long = asyncio.create_task(component())
        outcome = await short
        assert clock.elapsed == 3.0
        assert outcome.failure is not None
        assert (outcome.failure.kind, outcome.failure.stage) == (FailureKind.DEADLINE_EXHAUSTED, "bulkhead")
        assert (await first, await long) == (3.0, 6.0)

    clock.run(main())


def test_who_can_just_make_it_is_let_in(clock: VirtualClock) -> None:
    """With exactly as much time left as the quickest call took, and not a moment less."""
    times = iter([3.0, 2.5])

    @guard("b", deadline=10.0, bulkhead=Bulkhead(limit=1, queue=3))
    async def component() -> str:
        await asyncio.sleep(next(times))
        return "ok"

    async def main() -> list[Any]:
        less, enough = component.options(deadline=5.9), component.options(deadline=6.0)
        outcomes = await asyncio.gather(component.outcome(), less.outcome(), enough.outcome())
        return [outcome.value for outcome in outcomes]

    assert clock.run(main()) == ["ok", None, "ok"]
    assert clock.elapsed == 5.5


def test_a_waiter_on_a_loop_waits_longer_once_calls_are_quicker(clock: VirtualClock) -> None:
    """It would have left after five seconds; by then a call had taken one, and it was let in after seven."""
    times = iter([5.0, 7.0, 1.0, 0.5])

    @guard("b", deadline=10.0, bulkhead=Bulkhead(limit=2, queue=1))
    async def component() -> float:
        await asyncio.sleep(next(times))
        return clock.elapsed

    async def main() -> float:
        await component()
        begun = clock.elapsed
        inside = [asyncio.create_task(component()) for _ in range(2)]
        await asyncio.sleep(0)
        permits_of(component).configure(Bulkhead(limit=1, queue=1))  # the quick one's permit goes to nobody
        answered = await component() - begun
        await asyncio.gather(*inside)
        return answered

    assert clock.run(main()) == 7.5


class Looking:
    """A thread's patience during whose first wait something happens."""

    def __init__(self, clock: VirtualClock, meanwhile: Callable[[], object]) -> None:
        self.clock = clock
        self.meanwhile = meanwhile
        self.waits: list[float] = []

    def hold(self, lock: threading.Lock, seconds: float, worker: Any) -> bool:
        """Wait as long as that."""
        del worker
        self.clock.advance(seconds)
        if not self.waits:
            self.meanwhile()
        self.waits.append(seconds)
        return lock.acquire(blocking=False)


def test_a_waiting_thread_waits_longer_once_calls_are_quicker(clock: VirtualClock) -> None:
    """It looks again when its time seems over."""

    @guard("b", deadline=10.0, bulkhead=Bulkhead(limit=1, queue=1), isolation="inline")
    def component(seconds: float) -> str:
        clock.sleep(seconds)
        return "ok"

    component(5.0)
    permits = permits_of(component)
    assert permits.try_take()
    permits.configure(Bulkhead(limit=2, queue=1))
    assert permits.try_take()
    permits.configure(Bulkhead(limit=1, queue=1))
    patience = Looking(clock, lambda: permits.succeeded(1.0))  # one of the two: the limit has fallen to one
    runtime: Any = component.boundary._pipeline(component._shape, component._fn).runtime
    runtime._patience = patience
    with pytest.raises(DeadlineExceededError):
        component(0.0)
    assert patience.waits == [5.0, 4.0]
    assert (permits.in_flight, permits.queued) == (1, 0)


def test_a_thread_interrupted_while_it_waits_leaves_the_line(clock: VirtualClock) -> None:
    """Also where the permit was handed to it in the same moment: the next one has it."""

    @guard("b", deadline=10.0, bulkhead=Bulkhead(limit=1, queue=1), isolation="inline")
    def component() -> str:
        return "ok"

    permits = permits_of(component)

    def interrupt() -> None:
        permits.give_back()
        raise KeyboardInterrupt

    runtime: Any = component.boundary._pipeline(component._shape, component._fn).runtime
    patience, runtime._patience = runtime._patience, Looking(clock, interrupt)
    assert permits.try_take()
    with pytest.raises(KeyboardInterrupt):
        component()
    runtime._patience = patience
    assert (permits.in_flight, permits.queued) == (0, 0)
    assert component() == "ok"


# --- priorities


def test_the_higher_priority_goes_first(clock: VirtualClock) -> None:
    """Critical before normal before sheddable; within a priority, first come, first served."""
    order: list[str] = []

    @guard("b", deadline=100.0, bulkhead=Bulkhead(limit=1, queue=9))
    async def component(name: str) -> None:
        order.append(name)
        await asyncio.sleep(1.0)

    async def main() -> None:
        calls = [component.options(priority=p)(f"{p} {n}") for n in (1, 2) for p in ("sheddable", "normal", "critical")]
        tasks = [asyncio.create_task(component("first"))]
        await asyncio.sleep(0)
        tasks += [asyncio.create_task(call) for call in calls]
        await asyncio.gather(*tasks)

    clock.run(main())
    ranked = [f"{priority} {number}" for priority in ("critical", "normal", "sheddable") for number in (1, 2)]
    assert order == ["first", *ranked]


@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_a_thread_of_higher_priority_goes_first(isolation: Any) -> None:
    """For real: two threads wait, and the one that came later is critical."""
    with fresh_registry():
        order: list[str] = []
        held = Held()

        @guard("b", deadline=20.0, bulkhead=Bulkhead(limit=1, queue=2), isolation=isolation)
        def component(name: str) -> None:
            order.append(name)
            if name == "first":
                held()

        calls = [Background(lambda: component("first"))]
        assert held.inside.wait(10)
        calls.append(Background(lambda: component.options(priority="sheddable")("sheddable")))
        until(lambda: permits_of(component).queued == 1)
        calls.append(Background(lambda: component.options(priority="critical")("critical")))
        until(lambda: permits_of(component).queued == 2)
        held.let_go.set()
        for call in calls:
            call.result()
        assert order == ["first", "critical", "sheddable"]
        assert permits_of(component).in_flight == 0


def test_where_the_queue_is_full_the_youngest_of_the_lowest_priority_makes_room(clock: VirtualClock) -> None:
    """At once, with an error that says why; an equal does not displace an equal."""

    @guard("b", deadline=100.0, bulkhead=Bulkhead(limit=1, queue=2))
    async def component() -> float:
        await asyncio.sleep(1.0)
        return clock.elapsed

    async def main() -> None:
        def call(priority: Any) -> asyncio.Task[float]:
            return asyncio.create_task(component.options(priority=priority)())

        first = call("normal")
        await asyncio.sleep(0)
        old, young = call("sheddable"), call("sheddable")
        await asyncio.sleep(0)
        with pytest.raises(BulkheadFullError, match="and 2 of 2 places in the queue"):
            await call("sheddable")
        critical = call("critical")
        with pytest.raises(BulkheadFullError, match="a call of higher priority took this one's place"):
            await young
        assert clock.elapsed == 0.0
        assert [await first, await critical, await old] == [1.0, 2.0, 3.0]

    clock.run(main())
    assert permits_of(component).in_flight == 0


# --- a limit that adapts


def test_the_limit_follows_how_calls_end(scenario: Scenario) -> None:
    """It falls by a quarter with each overload that comes after the last fall, and grows again as calls go well."""
    script = [OVERLOADED, HttpError(429), ConnectionError(), *repeat("ok", 8)]
    harness = scenario(*script, bulkhead=Bulkhead(limit=2, floor=1, ceiling=3))
    limits = []
    for _ in range(2):
        harness.fails()
        limits.append(permits_of(harness).limit)
    harness.fails()
    limits.append(permits_of(harness).limit)
    for _ in range(8):
        harness()
        limits.append(permits_of(harness).limit)
    assert limits == [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3]  # 1, then by 1/1, 1/2, 1/2.5, 1/2.9
    assert permits_of(harness).in_flight == 0


@pytest.mark.parametrize("shape", ["thread", "async", "thread_generator", "async_generator"])
@pytest.mark.parametrize(("shorter", "limit"), [(None, 3), (2.0, 4)])
def test_a_timeout_lowers_the_limit_unless_only_its_caller_was_in_a_hurry(
    scenario: Scenario, clock: VirtualClock, shorter: float | None, limit: int
) -> None:
    """A hung component does; a call that asked for less time than the policy gives it does not."""
    harness = scenario(Hang(), bulkhead=Bulkhead(limit=4, floor=1), deadline=5.0)
    if shorter is not None:
        harness.guarded = harness.guarded.options(deadline=shorter)
    assert harness.fails().failure.kind is FailureKind.TIMEOUT
    assert clock.elapsed == (shorter or 5.0)
    assert permits_of(harness).limit == limit


def test_a_thread_left_behind_counts_against_a_limit_that_fell(clock: VirtualClock) -> None:
    """It holds its permit until it ends; with a limit of one nobody else is let in meanwhile."""

    @guard("b", deadline=2.0, bulkhead=Bulkhead(limit=2, floor=1))
    def component(seconds: float) -> str:
        clock.sleep(seconds)
        return "ok"

    permits = permits_of(component)
    with pytest.raises(DeadlineExceededError):
        component(5.0)
    assert (permits.limit, permits.in_flight) == (1, 1)
    with pytest.raises(BulkheadFullError, match=r"all permits are taken \(limit: 1\), and there is no queue"):
        component(0.0)
    clock.advance(3.0)
    until(lambda: permits.in_flight == 0)
    assert component(0.0) == "ok"


def test_sheddable_work_is_shed_first(clock: VirtualClock) -> None:
    """When the limit falls under what is inside, who is sheddable stops waiting, and others do not."""
    ends = iter([OVERLOADED, *repeat(None, 20)])

    @guard("b", deadline=100.0, bulkhead=Bulkhead(limit=4, queue=9, floor=1))
    async def component(seconds: float = 1.0) -> float:
        failing = next(ends)
        await asyncio.sleep(seconds)
        if failing is not None:
            raise failing
        return clock.elapsed

    def call(priority: Any = "normal", seconds: float = 1.0) -> asyncio.Task[Any]:
        return asyncio.create_task(component.options(priority=priority).outcome(seconds))

    async def main() -> None:
        inside = [call(), *(call(seconds=2.0) for _ in range(3))]
        await asyncio.sleep(0)
        sheddable, normal = call("sheddable"), call()
        await asyncio.sleep(0.5)
        assert permits_of(component).queued == 2
        shed = await sheddable
        assert clock.elapsed == 1.0, "as soon as the first one was overloaded"
        assert isinstance(shed.error, BulkheadFullError)
        assert "its limit has fallen to 3, and no sheddable call may wait" in str(shed.error)
        late = await call("sheddable")
        assert "no sheddable call may wait" in str(late.error)
        assert permits_of(component).queued == 1
        assert (await normal).value == 3.0
        assert (await call("sheddable")).ok, "there is room again"
        await asyncio.gather(*inside)
        full = [call(seconds=1.0) for _ in range(3)]
        await asyncio.sleep(0)
        waits = call("sheddable")
        await asyncio.gather(*full)
        assert (await waits).ok, "and so sheddable calls wait as others do"

    clock.run(main())
    assert permits_of(component).in_flight == 0


# --- nothing is lost


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32))
def test_whatever_ends_calls_and_waits_every_permit_returns(seed: int) -> None:
    """Answers, overloads, hangs, cancellations and deadlines, of all priorities, under a limit that moves."""
    chance = random.Random(seed)
    with virtual_time() as clock:
        inside: list[int] = []

        @guard("b", deadline=6.0, attempt_timeout=3.0, bulkhead=Bulkhead(limit=3, queue=6, floor=1, ceiling=5))
        async def component() -> str:
            assert len(inside) < 5
            inside.append(1)
            try:
                await asyncio.sleep(chance.choice([0.5, 1.0, 2.0, 1e9]))
            finally:
                inside.pop()
            if chance.random() < 0.3:
                raise OVERLOADED
            return "ok"

        async def main() -> None:
            tasks = []
            for _ in range(30):
                options = component.options(
                    priority=chance.choice(["critical", "normal", "sheddable"]), deadline=chance.choice([1.5, 4.0, 6.0])
                )
                tasks.append(asyncio.create_task(options.outcome()))
                if chance.random() < 0.3:
                    chance.choice(tasks).cancel()
                await asyncio.sleep(chance.choice([0.0, 0.0, 0.25, 0.5]))
            await asyncio.gather(*tasks, return_exceptions=True)

        clock.run(main())
        permits = permits_of(component)
        assert (permits.in_flight, permits.queued, inside) == (0, 0, [])
        assert 1 <= permits.limit <= 5


class Crowd:
    """A component that counts who is inside, and is overloaded now and then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._chance = random.Random(1)
        self.inside = 0
        self.most = 0

    def enter(self) -> bool:
        """Return whether it is overloaded this time."""
        with self._lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            return self._chance.random() < 0.1

    def leave(self) -> None:
        """Be outside again."""
        with self._lock:
            self.inside -= 1

    def plain(self) -> str:
        """Run in a thread."""
        overloaded = self.enter()
        self.leave()
        if overloaded:
            raise OVERLOADED
        return "ok"

    async def slow(self) -> str:
        """Run on a loop; others run meanwhile, and may cancel it."""
        overloaded = self.enter()
        try:
            await asyncio.sleep(0)
        finally:
            self.leave()
        if overloaded:
            raise OVERLOADED
        return "ok"


def test_threads_and_two_loops_share_one_bulkhead_for_real() -> None:
    """At once: never more inside than the ceiling, everybody hears something, and nothing is left."""
    with fresh_registry():
        crowd = Crowd()
        heard: list[Any] = []
        bulkhead = Bulkhead(limit=2, queue=16, floor=1, ceiling=3)
        boundary = Boundary("b", deadline=20.0, bulkhead=bulkhead, isolation="inline")

        def thread() -> None:
            heard.extend(boundary.outcome(crowd.plain) for _ in range(40))

        async def loop() -> None:
            tasks = [asyncio.ensure_future(boundary.outcome(crowd.slow)) for _ in range(40)]
            for task in tasks[::5]:
                await asyncio.sleep(0)
                task.cancel()
            heard.extend(await asyncio.gather(*tasks, return_exceptions=True))

        threads = [threading.Thread(target=thread) for _ in range(4)]
        threads += [threading.Thread(target=lambda: asyncio.run(loop())) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(60)
        assert len(heard) == 240
        outcomes = [one for one in heard if not isinstance(one, asyncio.CancelledError)]
        kinds = {outcome.failure.kind for outcome in outcomes if outcome.failure is not None}
        assert kinds <= {FailureKind.OVERLOADED, FailureKind.BULKHEAD_FULL}
        permits = boundary.bulkhead
        assert permits is not None
        assert (permits.in_flight, permits.queued, crowd.inside) == (0, 0, 0)
        assert 1 <= crowd.most <= 3
