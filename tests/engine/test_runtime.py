"""What waits: for a permit, for a thread, for a moment; and gives everything back however the wait ends."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import (
    Boundary,
    Bulkhead,
    BulkheadFullError,
    ComponentError,
    DeadlineExceededError,
    FailureKind,
    guard,
    remaining,
)
from aiguard.engine.calls import step
from aiguard.testing import VirtualClock, virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator


def permits_of(guarded: Any) -> Any:
    """Return the permits of a guarded function."""
    return guarded.boundary._state.permits


def workers_of(guarded: Any) -> Any:
    """Return the threads of a guarded function."""
    return guarded.boundary._state.workers


def taking(seconds: float = 1.0, **settings: Any) -> Any:
    """Return an async component that takes its time, two at once."""

    async def component(name: Any = None) -> Any:
        await asyncio.sleep(seconds)
        return name

    declared: dict[str, Any] = {"deadline": 100.0, "bulkhead": Bulkhead(limit=2, queue=100)} | settings
    return guard("queue", **declared)(component)


# --- stepping


def test_a_blocking_pipeline_never_suspends() -> None:
    """A stage that waits past `call.runtime` is found out, not left hanging."""

    async def fine() -> str:
        return "ok"

    async def rogue() -> None:
        await asyncio.sleep(0)

    assert step(fine()) == "ok"
    with pytest.raises(RuntimeError, match=r"call\.runtime"):
        step(rogue())


# --- the queue on a loop


def test_who_waits_is_served_in_order(clock: VirtualClock) -> None:
    """First come, first served, two at once."""
    component, ended = taking(), []

    async def one(name: int) -> None:
        await component(name)
        ended.append((name, clock.elapsed))

    async def main() -> None:
        await asyncio.gather(*(one(name) for name in range(6)))

    clock.run(main())
    assert ended == [(0, 1.0), (1, 1.0), (2, 2.0), (3, 2.0), (4, 3.0), (5, 3.0)]
    assert permits_of(component).in_flight == 0


def test_a_full_queue_refuses_at_once(clock: VirtualClock) -> None:
    """Who would be one too many in the line does not wait."""
    component = taking(bulkhead=Bulkhead(limit=1, queue=1))

    async def main() -> None:
        tasks = [asyncio.create_task(component()) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(BulkheadFullError):
            await component()
        assert clock.elapsed == 0.0
        await asyncio.gather(*tasks)

    clock.run(main())


def test_the_deadline_comes_in_the_line(clock: VirtualClock) -> None:
    """Who waits too long leaves with `deadline_exhausted`, no attempt, and no permit."""
    component = taking(10.0, deadline=2.0, bulkhead=Bulkhead(limit=1, queue=5))

    async def main() -> None:
        inside = asyncio.create_task(component.outcome())
        await asyncio.sleep(1.0)
        outcome = await component.options(deadline=0.5).outcome()
        assert (outcome.failure.kind, outcome.failure.stage) == (FailureKind.DEADLINE_EXHAUSTED, "bulkhead")
        assert outcome.attempts == ()
        assert clock.elapsed == 1.5
        assert permits_of(component).queued == 0
        await inside

    clock.run(main())
    assert permits_of(component).in_flight == 0


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.lists(st.sampled_from([None, 0.0, 0.5, 1.0, 1.5, 2.0]), min_size=1, max_size=12))
def test_cancelled_waiters_lose_no_permit(limit: int, cancelled_at: list[float | None]) -> None:
    """Whoever is cancelled, and whenever, in the line or inside or as the permit is handed over, keeps nothing."""
    with virtual_time() as clock:
        component = taking(bulkhead=Bulkhead(limit=limit, queue=100))

        async def main() -> None:
            loop = asyncio.get_running_loop()
            tasks = [asyncio.create_task(component()) for _ in cancelled_at]
            for task, moment in zip(tasks, cancelled_at, strict=True):
                if moment is not None:
                    loop.call_at(clock.start + moment, task.cancel)
            await asyncio.gather(*tasks, return_exceptions=True)
            assert (permits_of(component).in_flight, permits_of(component).queued) == (0, 0)
            assert clock.elapsed <= len(tasks)
            assert await component("next") == "next"

        clock.run(main())


def test_a_permit_handed_to_a_waiter_as_it_is_cancelled_goes_on(clock: VirtualClock) -> None:
    """In one tick: the permit is handed over, then its receiver is cancelled; the next in line has it."""
    component = taking(bulkhead=Bulkhead(limit=1, queue=5))

    async def main() -> None:
        first = asyncio.create_task(component(1))
        await asyncio.sleep(0)
        second, third = asyncio.create_task(component(2)), asyncio.create_task(component(3))
        await asyncio.sleep(0)
        first.add_done_callback(lambda _: second.cancel())
        assert await third == 3
        assert second.cancelled()

    clock.run(main())
    assert clock.elapsed == 2.0
    assert permits_of(component).in_flight == 0


def test_a_waiter_whose_loop_is_gone_is_skipped() -> None:
    """A loop that was closed with a call still in the line takes no permit with it."""
    component = taking(bulkhead=Bulkhead(limit=1, queue=5))
    permits = permits_of(component)
    assert permits.try_take()
    loop = asyncio.new_event_loop()
    task = loop.create_task(component())
    loop.run_until_complete(asyncio.sleep(0))
    assert permits.queued == 1
    loop.close()
    permits.give_back()
    assert (permits.in_flight, permits.queued) == (0, 0)
    abandoned: Any = task
    abandoned._log_destroy_pending = False
    abandoned.get_coro().close()
    assert permits.in_flight == 0


def test_a_permit_goes_from_one_loop_to_another() -> None:
    """Two loops in two threads share a bulkhead of one."""

    @guard("shared", deadline=10.0, bulkhead=Bulkhead(limit=1, queue=64))
    async def component() -> int:
        inside.append(1)
        await asyncio.sleep(0)
        most.append(len(inside))
        inside.pop()
        return 1

    inside: list[int] = []
    most: list[int] = []
    answered: list[int] = []

    async def main() -> None:
        answered.extend(await asyncio.gather(*(component() for _ in range(20))))

    threads = [threading.Thread(target=lambda: asyncio.run(main())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert (len(answered), max(most), permits_of(component).in_flight) == (40, 1, 0)


# --- threads


def test_the_caller_of_a_hung_thread_is_free_at_the_deadline(clock: VirtualClock) -> None:
    """The thread keeps its permit until it really ends, and is counted."""

    @guard("thread", deadline=2.0, bulkhead=Bulkhead(limit=1))
    def component(seconds: float) -> str:
        clock.sleep(seconds)
        return "ok"

    with pytest.raises(DeadlineExceededError):
        component(5.0)
    assert clock.elapsed == 2.0
    assert workers_of(component).abandoned == 1
    with pytest.raises(BulkheadFullError) as refused:
        component(0.0)
    assert refused.value.failure.stage == "bulkhead"
    clock.advance(3.0)
    _until(lambda: permits_of(component).in_flight == 0)
    assert component(0.0) == "ok"
    assert workers_of(component).abandoned == 0


def test_without_a_bulkhead_abandoned_threads_are_bounded_too(clock: VirtualClock) -> None:
    """Sixty-four hung threads, and the next call is refused, not hung."""

    @guard("hangs", deadline=1.0)
    def component() -> None:
        clock.hang()

    kinds = [component.outcome().failure.kind for _ in range(65)]  # type: ignore[union-attr]
    assert kinds == [FailureKind.TIMEOUT] * 64 + [FailureKind.BULKHEAD_FULL]
    assert workers_of(component).abandoned == 64


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_of_the_component_reaches_the_caller(clock: VirtualClock, ending: type[BaseException]) -> None:
    """A worker thread carries it, and the permit is free."""

    @guard("interrupt", deadline=2.0, bulkhead=Bulkhead(limit=1), fallback=["floor"])
    def component() -> None:
        raise ending

    with pytest.raises(ending):
        component()
    assert permits_of(component).in_flight == 0
    assert clock.elapsed == 0.0


class Interrupted:
    """A way of waiting that is interrupted, as by Ctrl-C."""

    def sleep(self, seconds: float) -> None:
        """Be interrupted."""
        del seconds
        raise KeyboardInterrupt

    def hold(self, lock: threading.Lock, seconds: float, worker: Any) -> bool:
        """Be interrupted."""
        del lock, seconds, worker
        raise KeyboardInterrupt


def test_a_caller_interrupted_as_it_waits_leaves_its_thread_behind() -> None:
    """Ctrl-C frees the caller; thread and permit are given back when the component ends."""
    gate = threading.Event()

    @guard("wait", deadline=20.0, bulkhead=Bulkhead(limit=1))
    def component() -> None:
        gate.wait(10)

    pipeline = component.boundary._pipeline(component._shape, component._fn)
    patience, pipeline.runtime._patience = pipeline.runtime._patience, Interrupted()  # type: ignore[attr-defined]
    try:
        with pytest.raises(KeyboardInterrupt):
            component()
        assert (workers_of(component).abandoned, permits_of(component).in_flight) == (1, 1)
        gate.set()
        _until(lambda: permits_of(component).in_flight == 0)
        assert workers_of(component).abandoned == 0
    finally:
        pipeline.runtime._patience = patience  # type: ignore[attr-defined]


def test_threads_in_a_queue_are_served(clock: VirtualClock) -> None:
    """Blocking callers wait for a permit until their deadline, and no longer."""

    @guard("inline", deadline=5.0, bulkhead=Bulkhead(limit=1, queue=2), isolation="inline")
    def component() -> str:
        return "ok"

    permits = permits_of(component)
    assert permits.try_take()
    outcome = component.outcome()
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.stage) == (FailureKind.DEADLINE_EXHAUSTED, "bulkhead")
    assert clock.elapsed == 5.0
    assert (permits.in_flight, permits.queued) == (1, 0)
    permits.give_back()
    assert component() == "ok"


# --- inline


def test_inline_a_late_answer_is_none(clock: VirtualClock) -> None:
    """What cannot be interrupted is at least not believed afterwards; the deadline is published to it."""
    seen: list[float | None] = []

    @guard("inline", deadline=2.0, isolation="inline")
    def component(seconds: float) -> str:
        seen.append(remaining())
        clock.sleep(seconds)
        return "ok"

    assert component(2.0) == "ok"
    with pytest.raises(DeadlineExceededError):
        component(2.1)
    assert seen == [2.0, 2.0]
    assert remaining() is None


@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_stop_iteration_is_contained(clock: VirtualClock, isolation: Any) -> None:
    """It would end the coroutine that steps the pipeline; it leaves as a component's failure with its cause."""
    stop = StopIteration("the answer")

    @guard("stop", deadline=2.0, isolation=isolation)
    def component() -> None:
        raise stop

    with pytest.raises(ComponentError) as caught:
        component()
    assert caught.value.__cause__ is stop
    assert clock.elapsed == 0.0


def test_stop_iteration_of_an_awaitable_is_contained(clock: VirtualClock) -> None:
    """A coroutine cannot raise it, but what is awaited by hand can."""

    class Raises:
        """An awaitable that raises it."""

        def __await__(self) -> Iterator[None]:
            raise StopIteration(3)  # noqa: PLR1708 - just this is what is tested
            yield

    async def main() -> None:
        boundary = Boundary("stop", deadline=2.0)
        with contextlib.suppress(ComponentError):
            await boundary.call(_as_coroutine_function(Raises()))

    clock.run(main())


def _as_coroutine_function(awaitable: Any) -> Any:
    async def component() -> Any:
        return await awaitable

    return component


# --- rungs in threads


def test_a_rung_in_a_thread_that_hangs_is_left(clock: VirtualClock) -> None:
    """A sync rung on an async component runs beside the loop, and the next rung answers in time."""

    @guard("offload", deadline=10.0, fallback=[clock.hang, "floor"])
    async def component() -> Any:
        raise ConnectionError

    assert clock.run(component()) == "floor"
    assert clock.elapsed == pytest.approx(10.0)
    assert component.boundary._state.rung_workers.abandoned == 1


def test_a_caller_cancelled_during_a_rung_is_free(clock: VirtualClock) -> None:
    """The rung's thread is left behind, and counted."""

    @guard("offload", deadline=10.0, fallback=[clock.hang])
    async def component() -> Any:
        raise ConnectionError

    async def main() -> None:
        task = asyncio.create_task(component())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(main())
    assert clock.elapsed == 1.0
    assert component.boundary._state.rung_workers.abandoned == 1


def test_many_threads_and_one_boundary_agree() -> None:
    """Eight threads that call at once, with a bulkhead of three, are all answered or refused, and nothing is left."""

    @guard("hammered", deadline=10.0, bulkhead=Bulkhead(limit=3, queue=2))
    def component(number: int) -> int:
        return number

    seen: list[str] = []

    def call() -> None:
        for number in range(25):
            outcome = component.outcome(number)
            seen.append(
                "ok" if outcome.ok and outcome.value == number else str(outcome.failure and outcome.failure.kind)
            )

    threads = [threading.Thread(target=call) for _ in range(8)]
    random.shuffle(threads)
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 200
    assert set(seen) <= {"ok", "bulkhead_full"}
    assert (permits_of(component).in_flight, permits_of(component).queued) == (0, 0)
    assert workers_of(component).alive <= 3


def _until(condition: Any) -> None:
    waited = threading.Event()
    for _ in range(5000):
        if condition():
            return
        waited.wait(0.001)
    pytest.fail("it never came to hold")
