"""Who ended an attempt: our clock, the caller or the component; on a real event loop that counts virtual time."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiguard import Breaker, ComponentError, DeadlineExceededError, FailureKind, Retry, guard
from aiguard.engine import timers as module
from aiguard.testing import VirtualClock, virtual_time

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

Guarded = Any


def hanging(**settings: Any) -> Guarded:
    """Return a guarded component that never answers."""

    @guard("hang", **({"deadline": 2.0} | settings))
    async def hang() -> None:
        await asyncio.Event().wait()

    return hang


def no_cancellation_is_left() -> bool:
    """Whether the running task may be cancelled anew by others."""
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling() == 0


# --- three endings


def test_our_own_timeout_is_ours_and_leaves_no_trace(clock: VirtualClock) -> None:
    """The task is cancelled, uncancelled as often, and goes on."""
    hang = hanging()

    async def main() -> None:
        with pytest.raises(DeadlineExceededError) as caught:
            await hang()
        assert caught.value.__cause__ is None
        assert caught.value.failure.kind is FailureKind.TIMEOUT
        assert no_cancellation_is_left()
        await asyncio.sleep(1.0)

    clock.run(main())
    assert clock.elapsed == 3.0


def test_the_callers_cancellation_passes(clock: VirtualClock) -> None:
    """It is no failure: not counted, not retried, not answered by a rung."""
    hang = hanging(breaker=Breaker(minimum_calls=1), retry=Retry(), fallback=["floor"])

    async def main() -> None:
        task = asyncio.create_task(hang())
        await asyncio.sleep(0.5)
        task.cancel("because")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    clock.run(main())
    assert clock.elapsed == 0.5
    assert hang.boundary.breaker.current_state == "closed"


@pytest.mark.parametrize("order", ["caller first", "clock first"])
@pytest.mark.parametrize("times", [1, 3])
def test_cancelled_by_both_in_one_tick_the_caller_wins(clock: VirtualClock, order: str, times: int) -> None:
    """Whoever cancels a task finds it cancelled, whatever else happened in that moment."""
    hang = hanging(fallback=["floor"])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        task: asyncio.Task[Any] = asyncio.create_task(hang())
        if order == "clock first":
            await asyncio.sleep(0)  # its timer is armed before ours
        for _ in range(times):
            loop.call_at(clock.start + 2.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    clock.run(main())
    assert clock.elapsed == 2.0


def test_the_components_own_timeout_is_its_failure(clock: VirtualClock) -> None:
    """`asyncio.timeout` inside the component leaves as a `ComponentError` with its cause."""

    @guard("impatient", deadline=2.0)
    async def impatient() -> None:
        async with asyncio.timeout(0.5):
            await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(ComponentError) as caught:
            await impatient()
        assert type(caught.value.__cause__) is TimeoutError
        assert caught.value.failure.stage == "component"
        assert no_cancellation_is_left()

    clock.run(main())
    assert clock.elapsed == 0.5


def test_the_components_own_timeout_in_the_tick_of_ours_leaves_no_cancellation(clock: VirtualClock) -> None:
    """Which of the two ended it is a toss, that both cancellations are taken back is not."""

    @guard("both", deadline=2.0)
    async def both() -> None:
        async with asyncio.timeout(2.0):
            await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises((ComponentError, DeadlineExceededError)):
            await both()
        assert no_cancellation_is_left()
        await asyncio.sleep(1.0)

    clock.run(main())


@pytest.mark.parametrize(("outer", "error"), [(1.0, TimeoutError), (3.0, DeadlineExceededError)])
def test_a_callers_timeout_around_it_works(clock: VirtualClock, outer: float, error: type[Exception]) -> None:
    """`asyncio.timeout` around a guarded call is the caller's cancellation, and sees only its own."""
    hang = hanging()

    async def main() -> bool:
        with pytest.raises(error) as caught:
            async with asyncio.timeout(outer):
                await hang()
        assert type(caught.value) is error
        return no_cancellation_is_left()

    assert clock.run(main())
    assert clock.elapsed == min(outer, 2.0)


def test_a_task_group_around_it_works(clock: VirtualClock) -> None:
    """A sibling's failure cancels the guarded call, whose cancellation passes."""
    hang = hanging()

    async def fail() -> None:
        await asyncio.sleep(0.5)
        raise LookupError

    async def main() -> None:
        with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - the group is part of what is tested
            async with asyncio.TaskGroup() as group:
                group.create_task(hang())
                group.create_task(fail())
        assert [type(error) for error in caught.value.exceptions] == [LookupError]

    clock.run(main())
    assert clock.elapsed == 0.5


def test_a_task_that_was_cancelled_before_may_still_call(clock: VirtualClock) -> None:
    """In the clean-up after a cancellation a guarded call times out like anywhere else."""
    hang = hanging(deadline=1.0)

    async def worker() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            with pytest.raises(DeadlineExceededError):
                await hang()
            return "cleaned up"
        return ""

    async def main() -> None:
        task = asyncio.create_task(worker())
        await asyncio.sleep(0.5)
        task.cancel()
        assert await task == "cleaned up"
        assert task.cancelling() == 1

    clock.run(main())
    assert clock.elapsed == 1.5


# --- a component that will not go


def stubborn(times: int, heard: list[float], clock: VirtualClock, last: Callable[[], Any] = lambda: "late") -> Guarded:
    """Return a guarded component that swallows so many cancellations."""

    @guard("stubborn", deadline=2.0)
    async def component() -> Any:
        for _ in range(times):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                heard.append(clock.elapsed)
        return last()

    return component


@pytest.mark.parametrize("times", [1, 2, 5])
def test_a_swallowed_cancellation_is_repeated_and_taken_back(clock: VirtualClock, times: int) -> None:
    """Every 0.25 s, until it gives way; its late value is nobody's answer, and no cancellation is left over."""
    heard: list[float] = []
    component = stubborn(times, heard, clock)

    async def main() -> None:
        with pytest.raises(DeadlineExceededError):
            await component()
        assert no_cancellation_is_left()
        await asyncio.sleep(5.0)  # nobody cancels it any more

    clock.run(main())
    assert heard == pytest.approx([2.0 + 0.25 * number for number in range(times)])


def test_an_error_raised_in_place_of_the_cancellation_is_no_answer_either(clock: VirtualClock) -> None:
    """The deadline ended the attempt, whatever the component made of it."""

    def fail() -> None:
        raise LookupError

    component = stubborn(1, [], clock, fail)

    async def main() -> None:
        with pytest.raises(DeadlineExceededError):
            await component()
        assert no_cancellation_is_left()

    clock.run(main())


def test_a_caller_that_cancels_a_stubborn_component_is_heard_at_its_end(clock: VirtualClock) -> None:
    """Its cancellation was swallowed with ours, but is not forgotten."""
    heard: list[float] = []
    component = stubborn(3, heard, clock)

    async def main() -> None:
        task = asyncio.create_task(component())
        await asyncio.sleep(2.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    clock.run(main())
    assert heard == pytest.approx([2.0, 2.1, 2.25])


def test_an_answer_in_the_tick_of_the_deadline_cancels_nobody_later(clock: VirtualClock) -> None:
    """An attempt that ends as its moment comes leaves no cancellation for the code after it."""

    @guard("close", deadline=2.0, attempt_timeout=1.0, fallback=["floor"])
    async def close() -> str:
        await asyncio.sleep(1.0)
        return "just in time"

    async def main() -> None:
        assert await close() in {"just in time", "floor"}
        assert no_cancellation_is_left()
        await asyncio.sleep(5.0)

    clock.run(main())


# --- the heap


@settings(deadline=None, max_examples=40)
@given(
    st.lists(
        st.tuples(st.sampled_from([0.5, 1.0, 1.5, 3.0]), st.sampled_from([0.25, 0.75, 1.25, 2.0, 9.0])),
        min_size=1,
        max_size=40,
    )
)
def test_any_number_of_attempts_end_at_their_own_moments(calls: list[tuple[float, float]]) -> None:
    """Each at its answer or its deadline, whichever comes first, whatever the others do."""
    with virtual_time() as clock:
        components = {}
        for deadline in {deadline for deadline, _ in calls}:

            @guard(f"d{deadline}", deadline=deadline)
            async def component(seconds: float) -> None:
                await asyncio.sleep(seconds)

            components[deadline] = component

        async def one(deadline: float, seconds: float) -> float:
            try:
                await components[deadline](seconds)
            except DeadlineExceededError:
                assert deadline < seconds
            else:
                assert seconds < deadline
            return clock.elapsed

        async def main() -> list[float]:
            return await asyncio.gather(*(one(*call) for call in calls))

        assert clock.run(main()) == [min(call) for call in calls]


def test_ten_thousand_attempts_leave_a_small_heap(clock: VirtualClock) -> None:
    """Finished attempts are swept out, the ones still running are kept."""

    @guard("quick", deadline=60.0)
    async def quick() -> str:
        return "ok"

    hang = hanging(deadline=30.0)

    async def main() -> int:
        running = [asyncio.create_task(hang()) for _ in range(20)]
        await asyncio.sleep(0)
        largest = 0
        for _ in range(10_000):
            await quick()
            largest = max(largest, len(module.running_timers(clock)._heap))
        ended = await asyncio.gather(*running, return_exceptions=True)
        assert {type(error) for error in ended} == {DeadlineExceededError}
        assert clock.elapsed == 30.0
        return largest

    assert clock.run(main()) <= 200


def test_finished_attempts_are_not_kept_alive(clock: VirtualClock) -> None:
    """What waits in the heap for its moment holds neither the arguments nor the answer of a call."""

    class Text:
        """Something large, and nobody else's business."""

    @guard("quick", deadline=3600.0)
    async def quick(prompt: Text) -> Text:
        del prompt
        return Text()

    async def main() -> None:
        prompt = Text()
        question = weakref.ref(prompt)
        answer = weakref.ref(await asyncio.create_task(quick(prompt)))
        del prompt
        await asyncio.sleep(0)
        gc.collect()
        assert question() is None
        assert answer() is None

    clock.run(main())


# --- loops


def test_a_closed_loop_is_not_kept_alive() -> None:
    """Timers hold their loop weakly, even where a thread runs one loop after another."""

    @guard("loops", deadline=60.0)
    async def quick() -> str:
        return "ok"

    gone = []
    for _ in range(3):
        loop = asyncio.new_event_loop()
        assert loop.run_until_complete(quick()) == "ok"
        loop.close()
        gone.append(weakref.ref(loop))
        del loop
    gc.collect()
    assert sum(ref() is not None for ref in gone) <= 1


def test_several_loops_in_threads_at_once() -> None:
    """One boundary is used from four threads, each with a loop of its own; each call ends at its deadline."""

    @guard("threads", deadline=0.05)
    async def component(hang: bool) -> str:  # noqa: FBT001 - a parameter of a component
        if hang:
            await asyncio.Event().wait()
        return "ok"

    ended: list[list[str]] = []

    async def main() -> list[str]:
        results = await asyncio.gather(*(component(number % 2 == 0) for number in range(6)), return_exceptions=True)
        return [result if isinstance(result, str) else type(result).__name__ for result in results]

    threads = [threading.Thread(target=lambda: ended.append(asyncio.run(main()))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert ended == [["DeadlineExceededError", "ok"] * 3] * 4


def test_a_loop_may_be_run_again(clock: VirtualClock) -> None:
    """Between two runs of one loop its timers stand still, and go on afterwards."""
    hang = hanging(deadline=1.0)

    def run_twice(coroutine: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        from aiguard.testing.virtual import _VirtualLoop  # noqa: PLC0415 - the loop itself is wanted just here

        loop = _VirtualLoop(clock)
        try:
            for _ in range(2):
                with pytest.raises(DeadlineExceededError):
                    loop.run_until_complete(coroutine())
        finally:
            loop.close()

    run_twice(hang)
    assert clock.elapsed == 2.0
