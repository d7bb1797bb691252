"""Hedges in whole boundaries: on the loop and in threads, and that nothing is left of the attempt that lost."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import threading
import weakref
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from aiguard import (
    Boundary,
    BoundaryError,
    Breaker,
    Budget,
    Bulkhead,
    DeadlineExceededError,
    FailureKind,
    Hedge,
    PolicyError,
    Retry,
    RetryBudget,
    guard,
    remaining,
)
from aiguard.engine.calls import step
from aiguard.engine.race import RacingTasks, RacingThreads, _Bell
from aiguard.engine.runtime import AsyncRuntime, BlockingRuntime
from aiguard.engine.timers import INSIST_EVERY
from aiguard.telemetry import names, spans
from aiguard.testing import virtual_time
from tests.engine.test_cancellation import LIMIT, cancelling
from tests.shapes import PATIENCE, Hang, Harness, HttpError, Items, Takes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.isolation.thread import Workers
    from aiguard.testing import VirtualClock

HEDGED_SHAPES = ("async", "thread", "async_generator", "thread_generator")


@pytest.fixture(params=HEDGED_SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    """Each shape that can be hedged: what runs in the caller's thread cannot."""
    return str(request.param)


@pytest.fixture
def hedged(shape: str, clock: VirtualClock) -> Callable[..., Harness]:
    """Make a hedged component of the shape that does what the script says."""

    def make(*script: Any, **settings: Any) -> Harness:
        settings = {"hedge": Hedge(after=1.0), "bulkhead": Bulkhead(limit=4), "breaker": Breaker()} | settings
        if shape.endswith("generator"):
            settings.setdefault("stream", "buffer")
        return Harness(shape, clock, script, "hedged", settings)

    return make


def rest(harness: Harness) -> None:
    """Let everybody who still runs come to an end."""
    workers, crew = harness.boundary._state.workers, harness.boundary._state.hedge_workers
    harness.clock._end()
    patience = threading.Event()
    for _ in range(int(PATIENCE / 0.01)):
        if not workers.busy and not crew.busy and not harness.boundary.bulkhead.in_flight:
            return
        patience.wait(0.01)
    pytest.fail("something still runs, or holds a permit")


def kinds(harness: Harness, *args: Any) -> list[tuple[int, str, str | None]]:
    """Call it; return number, reason and failure of each attempt."""
    return [
        (attempt.number, attempt.reason, attempt.failure.kind.value if attempt.failure is not None else None)
        for attempt in harness.outcome(*args).attempts
    ]


# --- what the caller gets


def test_an_attempt_in_time_has_no_second(hedged: Callable[..., Harness]) -> None:
    """The component is asked once."""
    component = hedged(Takes(0.9))
    assert component() == "ok"
    assert component.calls == 1


def test_a_second_attempt_answers_for_a_late_one(hedged: Callable[..., Harness]) -> None:
    """The caller has it as soon as it is there; nothing of the first is left."""
    component = hedged(Hang(), Takes(0.5, "second"))
    outcome = component.outcome()
    assert outcome.unwrap() == "second" or component.is_stream
    assert component.clock.elapsed == 1.5
    assert [(attempt.number, attempt.reason) for attempt in outcome.attempts] == [(1, "initial"), (2, "hedge")]
    assert outcome.source == "component"
    rest(component)


def test_the_attempt_that_was_overtaken_does_not_look_like_one_that_answered(hedged: Callable[..., Harness]) -> None:
    """Its outcome says so, and its time goes no further than the answer's."""
    component = hedged(Hang(), Takes(0.5))
    first, second = component.outcome().attempts
    assert (first.cancelled, first.failure, first.elapsed) == (True, None, 1.5)
    assert (second.cancelled, second.failure, second.elapsed) == (False, None, 0.5)
    rest(component)


def test_a_late_attempt_may_still_answer_first(hedged: Callable[..., Harness]) -> None:
    """Then the second is called off."""
    component = hedged(Takes(2.0, "first"), Hang())
    assert component() == "first"
    assert component.clock.elapsed == 2.0
    rest(component)


def test_an_invalid_answer_does_not_win(hedged: Callable[..., Harness]) -> None:
    """While the other attempt runs, it may still be a good one."""
    component = hedged(Takes(5.0, "1"), Takes(0.5, "banana"), output=int)
    assert kinds(component) == [(1, "initial", None), (2, "hedge", "malformed_output")]
    assert component.clock.elapsed == 5.0


def test_where_both_fail_the_firsts_error_is_retried(hedged: Callable[..., Harness]) -> None:
    """A pair of attempts is one to the retry policy; numbers go on."""
    component = hedged(
        Takes(2.0, ConnectionError()),
        Takes(3.0, HttpError(400)),
        Takes(0.1),
        retry=Retry(wait=lambda _: 1.0),
    )
    assert kinds(component) == [(1, "initial", "connection"), (2, "hedge", "bad_request"), (3, "retry", None)]
    assert component.clock.elapsed == pytest.approx(5.1)


def test_each_attempt_of_a_retry_may_have_a_second(hedged: Callable[..., Harness]) -> None:
    """The retry's number comes after the hedge's, and its own hedge after that."""
    component = hedged(
        Takes(2.0, ConnectionError()), Takes(0.5, ConnectionError()), Hang(), Takes(0.5), retry=Retry(wait=lambda _: 0)
    )
    assert kinds(component) == [
        (1, "initial", "connection"),
        (2, "hedge", "connection"),
        (3, "retry", None),
        (4, "hedge", None),
    ]
    rest(component)


def test_the_deadline_covers_both(hedged: Callable[..., Harness]) -> None:
    """Two that hang are one timeout, at the deadline."""
    component = hedged(Hang(), Hang(), deadline=3.0)
    error = component.fails()
    assert error.failure.kind is FailureKind.TIMEOUT
    assert component.clock.elapsed == pytest.approx(3.0)
    rest(component)


def test_each_attempt_has_its_own_time(hedged: Callable[..., Harness]) -> None:
    """The first's timeout decides nothing while the second is in time."""
    component = hedged(Hang(), Takes(1.5), deadline=10.0, attempt_timeout=2.0)
    assert kinds(component) == [(1, "initial", "timeout"), (2, "hedge", None)]
    assert component.clock.elapsed == pytest.approx(2.5)
    rest(component)


def test_the_ladder_answers_where_neither_did(hedged: Callable[..., Harness]) -> None:
    """As after any other failure."""
    component = hedged(Takes(2.0, ConnectionError()), Takes(0.5, ConnectionError()), fallback=["rung"])
    outcome = component.outcome()
    assert outcome.source == "fallback"
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.CONNECTION


def test_what_is_late_is_learned(hedged: Callable[..., Harness]) -> None:
    """Twenty calls of 0.1 s, and the next one is late after 0.1 s."""
    component = hedged(*[Takes(0.1)] * 20, Hang(), Takes(0.1, "second"), hedge=Hedge())
    for _ in range(20):
        component()
    before = component.clock.elapsed
    component()
    assert component.clock.elapsed - before == pytest.approx(0.2)
    assert component.calls == 22
    rest(component)


# --- what it may cost


def test_a_second_never_waits_in_line(hedged: Callable[..., Harness], shape: str) -> None:
    """Where no permit is free it is turned away at once: the first goes on, and nobody stands in the queue."""
    component = hedged(
        Takes(3.0), Takes(3.0), bulkhead=Bulkhead(limit=2, queue=5), hedge=Hedge(after=1.0), deadline=100.0
    )
    permits = component.boundary.bulkhead
    assert permits.try_take()
    assert kinds(component) == [(1, "initial", None)]
    assert component.clock.elapsed == 3.0
    assert component.calls == 1
    assert permits.queued == 0
    assert permits.in_flight == 1, shape


def test_time_in_the_queue_makes_nobody_late(clock: VirtualClock) -> None:
    """The delay counts from the permit."""
    calls = 0

    @guard("queued", deadline=100.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2, queue=5))
    async def component(seconds: float) -> float:
        nonlocal calls
        calls += 1
        await asyncio.sleep(seconds)
        return clock.elapsed

    async def crowd() -> Any:
        return await asyncio.gather(component(0.9), component(0.95), component(0.9), component(0.9))

    assert clock.run(crowd()) == pytest.approx([0.9, 0.95, 1.8, 1.85])
    assert calls == 4


def test_hedges_are_held_to_the_retry_budget(hedged: Callable[..., Harness]) -> None:
    """Three in ten seconds, and no more, however late everybody is."""
    component = hedged(*[Takes(1.5)] * 100, retry_budget=RetryBudget(ratio=0, floor=3, per=1000.0))
    for _ in range(10):
        component()
    assert component.calls == 13
    rest(component)


def test_hedges_spend_the_boundarys_budget(hedged: Callable[..., Harness]) -> None:
    """A second attempt is one more call of the component; where none may be made, the first goes on."""
    component = hedged(*[Takes(1.5)] * 100, budget=Budget(calls=3, per=1000.0), retry_budget=None)
    component()
    component()
    assert component.calls == 3
    rest(component)


def test_a_probe_has_no_second(hedged: Callable[..., Harness]) -> None:
    """Half-open, one probe at once: the hedge is turned away, and the probe's own verdict counts."""
    component = hedged(
        HttpError(401), Takes(2.0), Takes(2.0), breaker=Breaker(probes=1), retry_budget=None, deadline=100.0
    )
    component.fails()
    component.clock.advance(20.0)
    assert kinds(component) == [(1, "initial", None)]
    assert component.boundary.breaker.current_state == "closed"


def test_a_probe_that_was_overtaken_is_given_back(hedged: Callable[..., Harness]) -> None:
    """It says nothing of the component: the next call probes again."""
    component = hedged(
        HttpError(401),
        Hang(),
        Takes(0.5),
        Takes(0.1),
        Takes(0.1),
        breaker=Breaker(probes=2, concurrent_probes=2),
        retry_budget=None,
    )
    component.fails()
    component.clock.advance(20.0)
    assert component() == "ok"
    assert component.boundary.breaker.current_state == "half-open"
    assert component() == "ok"
    assert component.boundary.breaker.current_state == "closed"
    rest(component)


@pytest.mark.parametrize("turned_into", [ConnectionError, None])
def test_an_overtaken_attempt_is_not_the_components_failure(clock: VirtualClock, turned_into: Any) -> None:
    """Not even where the component makes an error of its own of its cancellation; an answer is none either."""
    number = iter(range(100))

    @guard("overtaken", deadline=10.0, hedge=Hedge(after=1.0), breaker=Breaker(minimum_calls=3, failure_rate=0.1))
    async def component() -> str:
        if next(number) % 2:
            return "second"
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            if turned_into is not None:
                raise turned_into from None
        return "first"

    async def whole() -> list[str]:
        answers = [await component(), await component(), await component()]
        await asyncio.sleep(0.01)
        return answers

    assert clock.run(whole()) == ["second"] * 3
    breaker = component.boundary.breaker
    assert breaker is not None
    assert breaker.current_state == "closed"
    assert (breaker._window.calls, breaker._window.failures) == (3, 0)


# --- on the loop


def test_a_loser_that_does_not_give_way_is_not_waited_for(clock: VirtualClock) -> None:
    """The answer leaves at once; the loser keeps its permit, is asked again and again, and then gives it back."""
    asked: list[float] = []

    @guard("stubborn", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2))
    async def component() -> str:
        if not asked:
            asked.append(-1.0)
            while len(asked) < 4:
                try:
                    await asyncio.sleep(100.0)
                except asyncio.CancelledError:
                    asked.append(clock.elapsed)
            return "late"
        return "second"

    async def whole() -> None:
        permits = component.boundary.bulkhead
        assert permits is not None
        assert await component() == "second"
        assert clock.elapsed == 1.0
        assert permits.in_flight == 1
        await asyncio.sleep(2.0)
        assert permits.in_flight == 0

    clock.run(whole())
    assert asked[1:] == [1.0, 1.0 + INSIST_EVERY, 1.0 + 2 * INSIST_EVERY]


def test_a_loser_that_gives_way_at_once_holds_nothing_when_the_caller_goes_on(clock: VirtualClock) -> None:
    """Its permit is back, its task is done, and no timer is left of either."""
    closed = 0

    @guard("gives-way", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2), retry_budget=None)
    async def component(seconds: Iterator[float]) -> str:
        nonlocal closed
        try:
            await asyncio.sleep(next(seconds))
        finally:
            closed += 1
        return "ok"

    async def whole() -> None:
        permits = component.boundary.bulkhead
        assert permits is not None
        for seconds in ((100.0, 0.5), (1.5, 100.0)):
            await component(iter(seconds))
            assert permits.in_flight == 0
            assert asyncio.all_tasks() == {asyncio.current_task()}

    clock.run(whole())
    assert closed == 4


@pytest.mark.parametrize("at", [0.5, 1.0, 1.5])
@pytest.mark.parametrize("stubborn", [False, True])
def test_the_callers_cancellation_ends_both(clock: VirtualClock, at: float, stubborn: bool) -> None:  # noqa: FBT001 - parameters
    """It is passed on to each, waited for, and stays what it is, also where a component makes an answer of it."""
    begun = ended = 0

    @guard("cancelled", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2), fallback=["rung"])
    async def component() -> str:
        nonlocal begun, ended
        begun += 1
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.2)
            if not stubborn:
                raise
        finally:
            ended += 1
        return "late"

    async def whole() -> None:
        task = asyncio.ensure_future(component())
        await asyncio.sleep(at)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert begun == ended
        assert component.boundary.bulkhead is not None
        assert component.boundary.bulkhead.in_flight == 0
        assert asyncio.all_tasks() == {asyncio.current_task()}

    clock.run(whole())
    assert begun == (1 if at <= 1.0 else 2)


def test_a_caller_that_insists_is_heard_by_both(clock: VirtualClock) -> None:
    """Each of its cancellations reaches each of the attempts."""
    heard: list[float] = []

    @guard("insisted", deadline=10.0, hedge=Hedge(after=1.0))
    async def component() -> str:
        for _ in range(2):
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(100.0)
            heard.append(clock.elapsed)
        return "late"

    async def whole() -> None:
        task = asyncio.ensure_future(component())
        for seconds in (2.0, 1.0):
            await asyncio.sleep(seconds)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(whole())
    assert heard == [2.0, 2.0, 3.0, 3.0]


@pytest.mark.parametrize("seconds", [(100.0, 0.5), (1.5, 100.0), (100.0, 100.0), (0.5,)])
def test_a_call_that_is_cancelled_at_any_wait_leaves_nothing(clock: VirtualClock, seconds: tuple[float, ...]) -> None:
    """Whichever of its waits the cancellation hits: permits, probes, tasks and tries are accounted for."""
    for at in range(1, LIMIT):
        closed = begun = 0
        waits = [0]

        @guard(
            f"anywhere-{at}",
            deadline=3.0,
            hedge=Hedge(after=1.0),
            bulkhead=Bulkhead(limit=2),
            breaker=Breaker(minimum_calls=1),
        )
        async def component(seconds: Iterator[float]) -> str:
            nonlocal begun, closed
            begun += 1
            try:
                await asyncio.sleep(next(seconds))
            finally:
                await asyncio.sleep(0.01)
                closed += 1
            return "ok"

        async def whole(component: Any = component, at: int = at, waits: list[int] = waits) -> None:
            task = asyncio.ensure_future(cancelling(component(iter(seconds)), at, waits))
            with contextlib.suppress(asyncio.CancelledError, DeadlineExceededError):
                await task
            await asyncio.sleep(0.1)
            assert asyncio.all_tasks() == {asyncio.current_task()}
            assert component.boundary.bulkhead.in_flight == 0

        clock.run(whole())
        assert begun == closed
        if waits[0] < at:
            return
    pytest.fail("it never came to an end")


def test_a_component_that_cancels_itself_ends_the_call(clock: VirtualClock) -> None:
    """Its `CancelledError` leaves, as without a hedge; the other attempt is ended."""
    ended: list[str] = []

    @guard("cancels-itself", deadline=10.0, hedge=Hedge(after=1.0), fallback=["rung"])
    async def component(number: Iterator[int]) -> str:
        if next(number) == 1:
            raise asyncio.CancelledError
        try:
            await asyncio.sleep(100.0)
        finally:
            ended.append("first")
        return "never"

    async def whole() -> None:
        with pytest.raises(asyncio.CancelledError):
            await component(iter(range(9)))
        assert ended == ["first"]

    clock.run(whole())


class Abort(BaseException):
    """What nobody may keep."""


@pytest.mark.parametrize("which", [0, 1])
def test_what_nobody_may_keep_leaves_at_once(shape: str, clock: VirtualClock, which: int) -> None:
    """From either attempt, to the caller: neither the other attempt nor a rung answers."""
    script: list[Any] = [Hang(), Hang()]
    script[which] = Takes(1.5, Abort())
    settings: dict[str, Any] = {"hedge": Hedge(after=1.0), "bulkhead": Bulkhead(limit=4), "fallback": ["rung"]}
    if shape.endswith("generator"):
        settings["stream"] = "buffer"
    component = Harness(shape, clock, script, "aborts", settings)
    with pytest.raises(Abort):
        component()
    assert clock.elapsed == 1.5 + which
    rest(component)


def test_a_loop_that_ends_takes_the_loser_along(clock: VirtualClock) -> None:
    """`asyncio.run` cancels what is left; no task is destroyed pending, no exception goes unseen."""
    noticed: list[Any] = []
    ended = 0

    @guard("left-over", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2))
    async def component(number: Iterator[int]) -> str:
        nonlocal ended
        if next(number) == 1:
            return "second"
        try:
            await asyncio.sleep(100.0)
        finally:
            try:
                await asyncio.sleep(0.1)
            finally:
                ended += 1
        return "never"

    async def whole() -> str:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: noticed.append(about))
        return await component(iter(range(9)))

    assert clock.run(whole()) == "second"
    gc.collect()
    assert ended == 1
    assert not noticed
    assert component.boundary.bulkhead is not None
    assert component.boundary.bulkhead.in_flight == 0


def test_a_losers_error_is_never_unseen(clock: VirtualClock) -> None:
    """What it raises on its way out is nobody's."""
    noticed: list[Any] = []

    @guard("loses-badly", deadline=10.0, hedge=Hedge(after=1.0))
    async def component(number: Iterator[int]) -> str:
        if next(number) == 1:
            return "second"
        try:
            await asyncio.sleep(100.0)
        except asyncio.CancelledError:
            raise Abort from None
        return "never"

    async def whole() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: noticed.append(about))
        assert await component(iter(range(9))) == "second"
        await asyncio.sleep(1.0)

    clock.run(whole())
    gc.collect()
    assert not noticed


def test_a_call_that_is_thrown_away_leaves_no_task_running(clock: VirtualClock) -> None:
    """Its coroutine is closed, with nobody there to await anything: the attempts are cancelled."""
    ended = 0

    @guard("thrown-away", deadline=10.0, hedge=Hedge(after=1.0))
    async def component() -> str:
        nonlocal ended
        try:
            await asyncio.sleep(100.0)
        finally:
            ended += 1
        return "never"

    async def whole() -> None:
        coroutine = component()
        future = coroutine.send(None)
        assert future is not None
        await asyncio.sleep(2.0)
        coroutine.close()
        await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    clock.run(whole())
    assert ended == 1


def test_outside_a_loop_it_says_so(clock: VirtualClock) -> None:
    """As every async boundary."""

    @guard("no-loop", deadline=10.0, hedge=Hedge(after=1.0))
    async def component() -> str:
        return "ok"

    coroutine = component()
    with pytest.raises(TypeError, match="event loop"):
        coroutine.send(None)
    assert clock.elapsed == 0.0


def test_a_call_in_time_costs_one_task_and_no_timer_of_its_own(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its moment goes into the loop's one heap, and out of it again."""
    made: list[Any] = []
    calls: list[float] = []

    @guard("cheap", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2))
    async def component() -> str:
        return "ok"

    def factory(loop: Any, coroutine: Any, **settings: Any) -> asyncio.Task[Any]:
        made.append(coroutine)
        return asyncio.Task(coroutine, loop=loop, **settings)

    async def whole() -> None:
        loop = asyncio.get_running_loop()
        await component()
        loop.set_task_factory(factory)
        monkeypatch.setattr(loop, "call_later", lambda delay, *_: calls.append(delay))
        for _ in range(10):
            await component()
        assert len(made) == 10
        assert not calls

    clock.run(whole())


# --- in threads


def test_a_loser_in_a_thread_keeps_its_permit_until_it_ends(clock: VirtualClock) -> None:
    """The caller is free; the thread is counted as abandoned, and gives its permit back when it is done."""
    number = iter(range(9))

    @guard("in-thread", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2))
    def component() -> str:
        clock.sleep(5.0 if next(number) == 0 else 0.5)
        return "ok"

    permits = component.boundary.bulkhead
    assert permits is not None
    assert component() == "ok"
    assert clock.elapsed == 1.5
    assert (component.boundary.abandoned, permits.in_flight) == (1, 1)
    clock.advance(10.0)
    waited = threading.Event()
    for _ in range(1000):
        if not permits.in_flight:
            break
        waited.wait(0.01)
    assert (component.boundary.abandoned, permits.in_flight) == (0, 0)


def test_the_callers_interrupt_calls_both_off(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is raised in the caller's thread while it waits leaves at once."""

    @guard("interrupted", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=2))
    def component() -> str:
        clock.hang()
        return "late"

    state = component.boundary._state
    holds = 0
    usual = state.patience.hold

    def interrupted(lock: Any, seconds: float, workers: Any) -> bool:
        nonlocal holds
        if threading.current_thread() is threading.main_thread():
            holds += 1
            if holds == 2:
                raise KeyboardInterrupt
        return usual(lock, seconds, workers)

    monkeypatch.setattr(state.patience, "hold", interrupted)
    with pytest.raises(KeyboardInterrupt):
        component()
    assert clock.elapsed == 1.0
    assert state.workers.abandoned >= 1
    clock._end()
    waited = threading.Event()
    for _ in range(1000):
        if not state.hedge_workers.busy and not state.workers.busy:
            break
        waited.wait(0.01)
    assert state.permits is not None
    assert state.permits.in_flight == 0


def test_a_second_that_finds_no_thread_changes_nothing(clock: VirtualClock) -> None:
    """All threads of the component are taken: the first goes on."""

    @guard("no-thread", deadline=100.0, hedge=Hedge(after=1.0))
    def component() -> str:
        clock.sleep(3.0)
        return "ok"

    state = component.boundary._state
    state.workers.configure(1)
    outcome = component.outcome()
    assert outcome.value == "ok"
    assert [attempt.failure.kind.value for attempt in outcome.attempts if attempt.failure] == ["bulkhead_full"]
    assert clock.elapsed == 3.0


def test_real_threads_race() -> None:
    """In real time, too: the first hangs, the second answers, the caller does not wait for the first."""
    let_go = threading.Event()
    number = iter(range(9))

    @guard("real-threads", deadline=PATIENCE, hedge=Hedge(after=0.02), bulkhead=Bulkhead(limit=2))
    def component() -> str:
        if next(number) == 0:
            assert let_go.wait(PATIENCE)
            return "first"
        return "second"

    assert component() == "second"
    permits = component.boundary.bulkhead
    assert permits is not None
    assert component.boundary.abandoned == 1
    let_go.set()
    waited = threading.Event()
    for _ in range(1000):
        if not permits.in_flight:
            break
        waited.wait(0.01)
    assert (component.boundary.abandoned, permits.in_flight) == (0, 0)


def test_many_threads_hedge_at_once() -> None:
    """Each call asks twice and is answered once; all permits and threads come back."""
    lock = threading.Lock()
    asked: dict[int, int] = {}

    @guard(
        "crowd",
        deadline=PATIENCE,
        hedge=Hedge(after=0.005),
        bulkhead=Bulkhead(limit=320),
        retry_budget=None,
    )
    def component(number: int) -> int:
        with lock:
            asked[number] = asked.get(number, 0) + 1
            first = asked[number] == 1
        if first and number % 2:
            threading.Event().wait(0.05)
        return number

    errors: list[BaseException] = []

    def call(start: int) -> None:
        try:
            for number in range(start, start + 20):
                assert component(number) == number
        except BaseException as error:  # noqa: BLE001 - to the test
            errors.append(error)

    threads = [threading.Thread(target=call, args=(start * 100,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE * 3)
    assert not errors
    assert all(count <= 2 for count in asked.values())
    state = component.boundary._state
    waited = threading.Event()
    for _ in range(1000):
        if not state.permits.in_flight and not state.workers.busy and not state.hedge_workers.busy:  # type: ignore[union-attr]
            break
        waited.wait(0.01)
    assert state.permits is not None
    assert (state.permits.in_flight, state.workers.abandoned, state.hedge_workers.abandoned) == (0, 0, 0)


def test_a_bell_rung_twice_rings_once() -> None:
    """Whoever rings, and however often, before the one thread looks."""
    bell = _Bell()
    bell.ring()
    bell.ring()
    assert bell.lock.acquire(blocking=False)
    assert not bell.lock.acquire(blocking=False)


# --- what the component sees


def test_each_attempt_runs_in_the_callers_context(hedged: Callable[..., Harness]) -> None:
    """Its context variables are there, what it sets stays inside, and the deadline is its own."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[tuple[str, float | None]] = []

    def look(then: Any = "ok") -> Any:
        seen.append((variable.get(), remaining()))
        variable.set("inside")
        return then

    variable.set("caller's")
    component = hedged(Takes(2.0, look), look, deadline=10.0)
    component()
    assert [name for name, _ in seen] == ["caller's"]
    assert variable.get() == "caller's"
    assert seen[0][1] == pytest.approx(9.0)
    rest(component)


@pytest.mark.parametrize("shape", ["async", "thread"])
def test_boundaries_inside_each_other_hedge(shape: str, clock: VirtualClock) -> None:
    """The outer one's loser ends the inner one's attempts."""
    ended: list[str] = []
    number = iter(range(99))
    inner_settings: Any = {"deadline": 10.0, "hedge": Hedge(after=5.0), "bulkhead": Bulkhead(limit=4)}
    outer_settings: Any = {"deadline": 20.0, "hedge": Hedge(after=1.0), "bulkhead": Bulkhead(limit=4)}
    if shape == "async":

        @guard("inner", **inner_settings)
        async def inner() -> str:
            try:
                await asyncio.sleep(100.0 if next(number) == 0 else 0.5)
            finally:
                ended.append("one")
            return "ok"

        @guard("outer", **outer_settings)
        async def outer() -> str:
            return await inner()

        async def whole() -> str:
            answer = await outer()
            await asyncio.sleep(0.01)
            return answer

        assert clock.run(whole()) == "ok"
        assert ended == ["one", "one"]
    else:

        @guard("inner", **inner_settings)
        def inner_function() -> str:
            clock.sleep(100.0 if next(number) == 0 else 0.5)
            return "ok"

        @guard("outer", **outer_settings)
        def outer_function() -> str:
            return inner_function()

        assert outer_function() == "ok"
    assert clock.elapsed == pytest.approx(1.5, abs=0.02)


# --- what is refused


@pytest.mark.parametrize("shape", ["sync", "generator"])
def test_what_runs_in_the_callers_thread_cannot_be_hedged(shape: str, clock: VirtualClock) -> None:
    """Refused at declaration, with both settings named."""
    settings = {"hedge": Hedge(after=1.0), "isolation": "inline"} | ({"stream": "buffer"} if shape != "sync" else {})
    with pytest.raises(PolicyError, match=r"`hedge`.*`isolation`"):
        Harness(shape, clock, [], "inline", settings)


def test_a_runtime_without_a_hedge_cannot_race(clock: VirtualClock) -> None:
    """Nothing is paid for by who has none."""

    @guard("plain", deadline=1.0)
    async def component() -> str:
        return "ok"

    assert clock.run(component()) == "ok"
    runtime = component.boundary._pipelines["async"].runtime
    assert type(runtime) is AsyncRuntime
    race: Any = None
    with pytest.raises(NotImplementedError):
        step(runtime.race(race))
    assert not issubclass(BlockingRuntime, RacingThreads)


def test_a_boundary_without_a_component_hedges_whatever_it_calls(clock: VirtualClock) -> None:
    """Each function that is called has the runtime of its own shape."""
    boundary = Boundary("any", deadline=10.0, hedge=Hedge(after=1.0), retry_budget=None)
    number = iter(range(9))

    async def one() -> str:
        await asyncio.sleep(100.0 if next(number) % 2 == 0 else 0.5)
        return "async"

    def other() -> str:
        clock.sleep(5.0 if next(number) % 2 == 0 else 0.5)
        return "sync"

    assert clock.run(boundary.call(one)) == "async"
    assert boundary.call(other) == "sync"
    assert type(boundary._pipelines["async"].runtime) is RacingTasks
    assert type(boundary._pipelines["sync"].runtime) is RacingThreads


def test_a_boundary_without_a_component_may_be_inline_where_it_calls_coroutines(clock: VirtualClock) -> None:
    """With a ladder too; a plain function is refused as it is called, since nobody could go on meanwhile."""
    settings: dict[str, Any] = {"deadline": 10.0, "isolation": "inline", "fallback": ["floor"]}
    boundary = Boundary("inline", hedge=Hedge(after=1.0), **settings)
    seconds = iter([100.0, 0.5])

    async def component() -> str:
        await asyncio.sleep(next(seconds))
        return "async"

    assert clock.run(boundary.call(component)) == "async"
    assert clock.elapsed == 1.5
    with pytest.raises(PolicyError, match="contradicts `isolation`"):
        boundary.call(lambda: "sync")


# --- that nothing is left


class Thing:
    """Something that a weak reference can watch."""


@pytest.mark.parametrize("shape", ["async", "thread"])
@pytest.mark.parametrize("late", [False, True])
def test_arguments_and_answers_die_with_the_call(shape: str, clock: VirtualClock, late: bool) -> None:  # noqa: FBT001 - a parameter
    """Without the collector's help where the first is in time."""
    number = iter(range(9))

    async def acomponent(argument: Any) -> Thing:
        del argument
        await asyncio.sleep(5.0 if late and next(number) == 0 else 0.1)
        return Thing()

    def component(argument: Any) -> Thing:
        del argument
        clock.sleep(5.0 if late and next(number) == 0 else 0.1)
        return Thing()

    decorate: Any = guard("leaks", deadline=10.0, hedge=Hedge(after=1.0), bulkhead=Bulkhead(limit=4))
    guarded = decorate(acomponent if shape == "async" else component)
    gc.collect()
    gc.disable()
    try:
        argument = Thing()
        watched = weakref.ref(argument)
        answer = clock.run(guarded(argument)) if shape == "async" else guarded(argument)
        result = weakref.ref(answer)
        del argument, answer
        if late:
            clock._end()
            workers = guarded.boundary._state.workers, guarded.boundary._state.hedge_workers
            waited = threading.Event()
            for _ in range(1000):
                if not any(crew.active for crew in workers):
                    break
                waited.wait(0.01)
            gc.collect()
        assert watched() is None
        assert result() is None
    finally:
        gc.enable()


def test_a_forked_process_has_its_own_crew() -> None:
    """The parent's threads are not there."""
    boundary = Boundary("forked", deadline=1.0)
    crew: Workers = boundary._state.hedge_workers
    crew.alive = crew.abandoned = 3
    boundary._forked()
    assert (crew.alive, crew.abandoned) == (0, 0)


def test_a_changed_policy_keeps_the_crew_and_what_was_learned() -> None:
    """Durations and threads belong to the boundary, not to one of its policies."""
    boundary = Boundary("revised", deadline=1.0)
    state = boundary._state
    state.latencies.add(1.0)
    revised = boundary._revise(boundary.policy.model_copy(update={"hedge": Hedge(after=0.5)})).state
    assert revised.hedge_workers is state.hedge_workers
    assert revised.latencies is state.latencies


# --- spans


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Record spans of this test alone."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(spans, "_tracer", provider.get_tracer("test"))
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", provider)
    return exporter


@pytest.mark.parametrize("winner", ["first", "second"])
def test_each_attempt_has_a_span_that_ends(
    hedged: Callable[..., Harness], exporter: InMemorySpanExporter, winner: str
) -> None:
    """The loser's too, as cancelled; both are children of the call's."""
    component = hedged(*((Takes(2.0), Hang()) if winner == "first" else (Hang(), Takes(0.5))))
    component()
    rest(component)
    waited = threading.Event()
    for _ in range(1000):
        if len(exporter.get_finished_spans()) == 3:
            break
        waited.wait(0.01)
    ended = {span.name.split()[0]: [] for span in exporter.get_finished_spans()}  # type: ignore[var-annotated]
    for span in exporter.get_finished_spans():
        ended[span.name.split()[0]].append(span)
    call, attempts = ended["aiguard.call"][0], ended["aiguard.attempt"]
    assert all(span.parent.span_id == call.context.span_id for span in attempts)
    outcomes = {span.attributes[names.ATTEMPT_KIND]: span.attributes.get(names.ATTEMPT_OUTCOME) for span in attempts}
    expected = {"initial": None, "hedge": "cancelled"} if winner == "first" else {"initial": "cancelled", "hedge": None}
    assert outcomes == expected


# --- what the component sees of it all


@pytest.mark.parametrize("seed", range(5))
def test_the_component_is_never_asked_more_often_than_calls_and_budget_allow(shape: str, seed: int) -> None:
    """Whatever it does, at whatever pace: retries, asking again and hedges together stay within the allowance."""
    chance = Random(seed)
    asked = 0

    def steps() -> Iterator[Any]:
        nonlocal asked
        while True:
            asked += 1
            then = chance.choice(["1", "banana", ConnectionError(), HttpError(503)])
            seconds = chance.choice([0.0, 0.2, 0.7, 3.0])
            yield Items(then) if shape.endswith("generator") and seconds == 0.0 else Takes(seconds, then)

    with virtual_time(seed) as clock:
        settings: dict[str, Any] = {
            "hedge": Hedge(after=0.5),
            "retry": Retry(attempts=5),
            "reask": 3,
            "output": int,
            "bulkhead": Bulkhead(limit=50),
            "retry_budget": RetryBudget(ratio=0.2, floor=3, per=1e6),
        }
        if shape.endswith("generator"):
            settings["stream"] = "buffer"
        component = Harness(shape, clock, steps(), "property", settings)
        for calls in range(1, 41):
            with contextlib.suppress(BoundaryError):
                component()
            assert asked <= calls + max(3, int(0.2 * calls + 1e-9))
            clock.advance(chance.choice([0.0, 0.1, 5.0]))
        assert asked > 40
        rest(component)
