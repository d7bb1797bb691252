"""Faults injected into components: what happens, how often, and that nothing hangs on."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import Bulkhead, Hedge, Retry, guard
from aiguard.testing import (
    Crash,
    Drip,
    Fails,
    Garbage,
    Hang,
    Latency,
    OneOf,
    Truncation,
    VirtualClock,
    fresh_registry,
    inject,
)
from aiguard.testing.faults import GARBAGE
from aiguard.testing.gate import Gate
from tests.shapes import Items

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiguard.testing import Fault
    from tests.shapes import Harness


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with fresh_registry():
        yield


def inline(name: str = "component", **settings: Any) -> Any:
    """Return a guarded function that answers `real`, in its caller's thread."""

    @guard(name, deadline=1.0, isolation="inline", **settings)
    def component() -> str:
        return "real"

    return component


# --- what is refused


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rate": 1.1}, "inject: rate=1.1 is no number from 0 to 1"),
        ({"rate": -0.1}, "inject: rate=-0.1 is no number from 0 to 1"),
        ({"rate": float("nan")}, "inject: rate=nan is no number from 0 to 1"),
        ({"rate": True}, "inject: rate=True is no number from 0 to 1"),
        ({"rate": "1"}, "inject: rate='1' is no number from 0 to 1"),
        ({"times": 0}, "inject: times=0 is no whole number above 0"),
        ({"times": 1.0}, "inject: times=1.0 is no whole number above 0"),
        ({"times": True}, "inject: times=True is no whole number above 0"),
    ],
    ids=str,
)
def test_nonsense_is_refused_before_the_block_begins(settings: dict[str, Any], told: str) -> None:
    """With the setting and the value."""
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared
        inject(None, Hang(), **settings)
    assert str(refused.value) == told


def test_a_seed_is_a_number_or_text() -> None:
    """Anything else would not be the same in another process."""
    with pytest.raises(TypeError, match="seed=<object"):
        inject(None, Hang(), seed=object())  # type: ignore[arg-type]


def test_what_is_no_fault_is_refused_before_the_block_begins() -> None:
    """Of the list as of the one."""
    with pytest.raises(TypeError, match="'slow' is neither a fault"):
        inject(None, [Latency(1.0), "slow"])  # type: ignore[list-item]


# --- what happens


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fails("overloaded"), "overloaded"),
        (Fails("timeout"), "timeout"),
        (Fails("refusal"), "refusal"),
        (Crash(), "worker_crashed"),
        (ConnectionResetError(), "connection"),
        (LookupError, "unclassified"),
    ],
    ids=repr,
)
def test_a_failure_is_injected(scenario: Callable[..., Harness], fault: Fault, kind: str) -> None:
    """In every shape, in the component's place."""
    harness = scenario()
    with inject("scenario", fault) as injected:
        assert harness.fails().failure.kind == kind
    assert (injected.calls, injected.hits, harness.calls) == (1, 1, 0)


def test_latency_comes_before_the_component(scenario: Callable[..., Harness]) -> None:
    """In every shape, on the boundary's clock; the component is asked behind it."""
    harness = scenario("real")
    with inject("scenario", Latency(3.0)):
        assert harness() == "real"
    assert harness.clock.elapsed == pytest.approx(3.0)


def test_latency_past_the_deadline_is_a_timeout(scenario: Callable[..., Harness]) -> None:
    """The caller is free at its deadline, but in its own thread."""
    harness = scenario("real", deadline=2.0)
    with inject("scenario", Latency(5.0)):
        assert harness.fails().failure.kind == "timeout"
        assert harness.clock.elapsed == pytest.approx(5.0 if harness.inline else 2.0)


def test_a_hang_is_ended_by_the_deadline(scenario: Callable[..., Harness]) -> None:
    """In every shape the caller is free then, in its own thread too; nothing hangs on behind the block."""
    harness = scenario(deadline=2.0)
    with inject("scenario", Hang()):
        error = harness.fails()
        assert (error.failure.kind, error.failure.stage) == ("timeout", "deadline")
        assert harness.clock.elapsed == pytest.approx(2.0)
    assert harness.calls == 0
    _until(lambda: harness.boundary.abandoned == 0)


def test_a_hang_is_retried_where_time_is_left(scenario: Callable[..., Harness]) -> None:
    """Each attempt is hit by itself: the second one is not, here."""
    harness = scenario("real", deadline=9.0, attempt_timeout=2.0, retry=Retry(attempts=2, wait=lambda _: 1.0))
    with inject("scenario", Hang(), times=1) as injected:
        assert harness() == "real"
        assert harness.clock.elapsed == pytest.approx(3.0)
    assert (injected.calls, injected.hits) == (2, 1)


def test_garbage_breaks_the_contract(scenario: Callable[..., Harness]) -> None:
    """In every shape; without one, it leaves."""
    harness = scenario(output=str)
    with inject("scenario", Garbage()):
        error = harness.fails()
    assert error.failure.kind == "malformed_output"
    with fresh_registry():
        bare = scenario()
        with inject("scenario", Garbage()):
            assert bare() == GARBAGE


def test_faults_happen_in_order(scenario: Callable[..., Harness]) -> None:
    """First the wait, then the failure."""
    harness = scenario()
    with inject("scenario", [Latency(1.0), Latency(0.5), Fails("overloaded")]):
        assert harness.fails().failure.kind == "overloaded"
    assert harness.clock.elapsed == pytest.approx(1.5)


def test_an_answer_is_cut(scenario: Callable[..., Harness]) -> None:
    """Text in half; of a stream the first item is left."""
    harness = scenario("abcdef", Items("a", "b", "c"), "abcdef")
    with inject("scenario", Truncation()):
        if not harness.is_stream:
            assert harness() == "abc"
        else:
            harness()  # its only item
            assert harness() == "a"


def test_a_stream_breaks_midway(scenario: Callable[..., Harness]) -> None:
    """What follows the cut happens in place of the rest: an end, a failure, a hang, garbage."""
    harness = scenario(*[Items("a", "b", "c")] * 5)
    if not harness.is_stream:
        return
    with inject("scenario", Truncation(after=2)):
        assert harness() == ["a", "b"]
    with inject("scenario", Truncation(after=0)):
        assert harness() == []
    with inject("scenario", [Truncation(after=2), Latency(1.0), Fails("connection")]):
        error: Any = harness.fails()
    assert (type(error), error.delivered) == (aiguard.StreamInterruptedError, 2)
    assert harness.clock.elapsed == pytest.approx(1.0)
    with inject("scenario", [Truncation(after=1), Hang()]):
        error = harness.fails()
        assert (error.delivered, error.failure.stage) == (1, "deadline")
    with inject("scenario", [Truncation(after=1), Garbage()]):
        assert harness() == ["a", GARBAGE]


def test_an_answer_is_lost_midway(scenario: Callable[..., Harness]) -> None:
    """The component has answered, and what follows the cut happens all the same."""
    harness = scenario("real", "real")
    if harness.is_stream:
        return
    with inject("scenario", [Truncation(), Fails("connection")]):
        assert harness.fails().failure.kind == "connection"
    with inject("scenario", [Truncation(), Garbage()]):
        assert harness() == GARBAGE
    assert harness.calls == 2


def test_items_drip(scenario: Callable[..., Harness]) -> None:
    """Each comes later; an answer that is no stream counts as one."""
    harness = scenario(Items("a", "b", "c"))
    with inject("scenario", [Drip(0.5), Drip(0.5)]):
        if harness.is_stream:
            assert harness() == ["a", "b", "c"]
        else:
            harness()
    assert harness.clock.elapsed == pytest.approx(3.0 if harness.is_stream else 1.0)


def test_a_source_is_closed_where_it_is_cut(scenario: Callable[..., Harness], clock: VirtualClock) -> None:
    """Its `finally` runs, in every kind of stream."""
    closed: list[str] = []

    @guard("stream", deadline=5.0, stream="passthrough")
    def stream() -> Iterator[Any]:
        try:
            yield 1
            yield 2
        finally:
            closed.append("sync")

    @guard("astream", deadline=5.0, stream="passthrough")
    async def astream() -> AsyncIterator[Any]:
        try:
            yield 1
            yield 2
        finally:
            closed.append("async")

    async def main() -> list[Any]:
        return [item async for item in astream()]

    del scenario
    with inject(None, Truncation(after=1)):
        assert [list(stream()), clock.run(main())] == [[1], [1]]
    assert closed == ["sync", "async"]


def test_a_stream_that_is_hit_can_be_spoken_to(clock: VirtualClock) -> None:
    """What is sent reaches the component."""
    sent: list[Any] = []

    @guard("stream", deadline=5.0, stream="passthrough", isolation="inline")
    def stream() -> Iterator[Any]:
        sent.append((yield 1))
        yield 2

    @guard("astream", deadline=5.0, stream="passthrough")
    async def astream() -> AsyncIterator[Any]:
        sent.append((yield 1))
        yield 2

    async def main() -> None:
        items = astream()
        assert [await anext(items), await items.asend("async")] == [1, 2]
        await items.aclose()

    with inject(None, Drip(0.1)):
        items = stream()
        assert [next(items), items.send("sync")] == [1, 2]
        items.close()
        clock.run(main())
    assert sent == ["sync", "async"]


def test_a_clients_own_stream_is_cut(clock: VirtualClock) -> None:
    """What an `async def` resolves to, and what cannot be closed."""

    class Stream:
        def __aiter__(self) -> Stream:
            return self

        async def __anext__(self) -> str:
            return "more"

    @guard("client", deadline=1.0, shape="async_generator", stream="passthrough")
    async def ask() -> Stream:
        return Stream()

    @guard("sync-client", deadline=1.0, shape="generator", stream="passthrough")
    def sync_ask() -> list[str]:
        return ["more"] * 9

    async def main() -> list[str]:
        return [item async for item in ask()]  # type: ignore[attr-defined] # the shape is declared

    with inject(None, Truncation(after=3)):
        assert clock.run(main()) == list(sync_ask()) == ["more"] * 3


def test_a_wrong_call_is_a_wrong_call() -> None:
    """What comes behind a fault is the component, with its own signature."""

    @guard("triage", deadline=1.0)
    def triage(ticket: str) -> str:
        return ticket

    with inject("triage", Latency(0.0)), pytest.raises(TypeError, match="ticket"):
        triage()  # type: ignore[call-arg]


# --- how often


def drawn(rate: float, seed: int | str | None, attempts: int = 200) -> tuple[list[bool], inject]:
    """Return which of so many attempts were hit."""
    with fresh_registry():
        component = inline(fallback=["floor"])
        with inject("component", Fails("bad_request"), rate=rate, seed=seed) as injected:
            return [component() == "floor" for _ in range(attempts)], injected


@pytest.mark.parametrize(("rate", "hit"), [(0.0, 0), (0, 0), (1.0, 200), (1, 200)])
def test_never_and_always_are_not_left_to_chance(rate: float, hit: int) -> None:
    """The ends of the range."""
    hits, injected = drawn(rate, None)
    assert sum(hits) == injected.hits == hit
    assert injected.calls == 200


def test_a_rate_is_kept() -> None:
    """About so many of them."""
    hits, injected = drawn(0.25, seed=1, attempts=2000)
    assert sum(hits) == injected.hits
    assert 400 < injected.hits < 600


def test_a_seed_makes_the_same_again() -> None:
    """Hit for hit; another one does not, and one that was not given is told."""
    first, injected = drawn(0.5, None)
    assert drawn(0.5, injected.seed)[0] == first
    assert drawn(0.5, "another")[0] != drawn(0.5, "one")[0]
    assert drawn(0.5, None)[1].seed != injected.seed


def test_a_higher_rate_hits_the_same_and_more() -> None:
    """The n-th attempt has its own chance, whatever the rate."""
    low, high = drawn(0.2, 7)[0], drawn(0.6, 7)[0]
    assert all(more for less, more in zip(low, high, strict=True) if less)


def test_other_boundaries_do_not_change_what_one_meets() -> None:
    """Each has its own count."""
    alone = drawn(0.5, 3)[0]
    component, other = inline(fallback=["floor"]), inline("other", fallback=["floor"])
    with inject(None, Fails("bad_request"), rate=0.5, seed=3):
        beside = [(other(), component(), other())[1] == "floor" for _ in range(200)]
    assert beside == alone


def test_so_many_times_and_no_more() -> None:
    """Of each boundary; the attempts behind them are counted, and not hit."""
    component, other = inline(), inline("other")
    with inject(None, Fails("bad_request"), times=2) as injected:
        assert [component.outcome().ok for _ in range(4)] == [False, False, True, True]
        assert [other.outcome().ok for _ in range(3)] == [False, False, True]
    assert (injected.calls, injected.hits) == (7, 4)


def test_every_attempt_is_hit_by_itself() -> None:
    """A retry too: with the first alone failing, the call succeeds."""
    component = inline(retry=Retry(attempts=3, wait=lambda _: 0.0))
    with inject("component", Fails("connection"), times=2):
        outcome = component.outcome()
    assert (outcome.value, len(outcome.attempts)) == ("real", 3)


def test_one_of_several_is_drawn() -> None:
    """Every one of them comes up, lists and all, the same with the same seed."""

    def kinds(seed: int) -> list[str]:
        with fresh_registry():
            component = inline()
            faults = OneOf(Fails("auth"), [Latency(0.0), Fails("not_found")], OneOf(Crash()))
            with inject("component", faults, seed=seed):
                return [component.outcome().failure.kind for _ in range(60)]

    assert kinds(5) == kinds(5)
    assert set(kinds(5)) == {"auth", "not_found", "worker_crashed"}


def test_jitter_is_drawn_from_the_seed(clock: VirtualClock) -> None:
    """Between the seconds and the seconds with all of it."""

    def took(seed: int) -> list[float]:
        waits: list[float] = []
        with fresh_registry():
            component = inline()
            with inject("component", Latency(0.1, jitter=0.4), seed=seed):
                for _ in range(50):
                    before = clock.elapsed
                    component()
                    waits.append(round(clock.elapsed - before, 6))
        return waits

    assert took(1) == took(1) != took(2)
    assert all(0.1 <= wait <= 0.5 for wait in took(1))
    assert max(took(1)) - min(took(1)) > 0.2


def test_many_threads_are_counted() -> None:
    """No attempt is lost, and none is counted twice."""
    component = inline(fallback=["floor"])
    hit: list[int] = []

    def work() -> None:
        hit.append(sum(component() == "floor" for _ in range(100)))

    with inject("component", Fails("bad_request"), rate=0.5, seed=1) as injected:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
    assert injected.calls == 800
    assert injected.hits == sum(hit) == sum(drawn(0.5, 1, attempts=800)[0])


# --- the end of the block


def test_threads_that_hang_are_let_go_with_the_block() -> None:
    """In real time: their permits come back, and nobody is left behind."""

    @guard("stuck", deadline=0.05, bulkhead=Bulkhead(limit=2))
    def stuck() -> str:
        return "real"

    with inject("stuck", Hang()):
        for _ in range(2):
            assert not stuck.outcome().ok
        assert stuck.boundary.abandoned == 2
    _until(lambda: stuck.boundary.abandoned == 0)
    _until(lambda: stuck.boundary.bulkhead is not None and stuck.boundary.bulkhead.in_flight == 0)
    assert stuck() == "real"


def test_a_thread_that_waits_is_let_go_with_the_block() -> None:
    """What is left of its latency is not waited for."""

    @guard("late", deadline=0.05)
    def late() -> str:
        return "real"

    begun = time.perf_counter()
    with inject("late", Latency(600.0)):
        assert not late.outcome().ok
    _until(lambda: late.boundary.abandoned == 0)
    assert time.perf_counter() - begun < 60.0


def test_a_task_that_hangs_is_let_go(clock: VirtualClock) -> None:
    """It fails when the block ends, as a component that was late by its own account."""

    @guard("async", deadline=60.0)
    async def task() -> str:
        return "real"

    found: list[Any] = []

    async def main() -> None:
        injected = inject(None, Hang())
        injected.__enter__()
        waiting = asyncio.ensure_future(task.outcome())
        await asyncio.sleep(1.0)
        injected.__exit__(None, None, None)
        found.append(await waiting)

    clock.run(main())
    assert [outcome.failure.kind for outcome in found] == ["timeout"]
    assert clock.elapsed == 1.0


@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_a_thread_that_hangs_in_real_time_is_let_go(isolation: Any) -> None:
    """Its caller hears of it at once, long before the deadline."""

    @guard("stuck", deadline=600.0, isolation=isolation)
    def stuck() -> str:
        return "real"

    found: list[Any] = []
    with inject("stuck", Hang()) as injected:
        caller = threading.Thread(target=lambda: found.append(stuck.outcome()), daemon=True)
        caller.start()
        _until(lambda: injected.hits == 1)
    caller.join(30)
    assert [outcome.failure.kind for outcome in found] == ["timeout"]


def test_a_loop_that_is_gone_is_not_waited_for() -> None:
    """A task hung on it when it was closed."""
    gate = Gate()
    loop = asyncio.new_event_loop()
    hanging = gate.hang_async()

    async def begin() -> None:
        hanging.send(None)  # it waits now, and will never be stepped again

    loop.run_until_complete(begin())
    loop.close()
    gate.open()
    hanging.close()
    assert gate.is_open


def test_a_task_that_was_cancelled_just_before_is_not_let_go_twice(clock: VirtualClock) -> None:
    """Its cancellation stands."""

    @guard("stuck", deadline=60.0)
    async def stuck() -> str:
        return "real"

    async def main() -> None:
        with inject(None, Hang()):
            task = asyncio.ensure_future(stuck())
            await asyncio.sleep(1.0)
            task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(main())


@pytest.mark.parametrize("isolation", ["async", "thread"])
def test_a_hedge_is_an_attempt_of_its_own(clock: VirtualClock, isolation: str) -> None:
    """The first one hangs, the second one answers; its clock is the boundary's."""

    @guard("hedged", deadline=9.0, hedge=Hedge(after=1.0))
    async def hedged() -> str:
        return "real"

    @guard("hedged-thread", deadline=9.0, hedge=Hedge(after=1.0))
    def hedged_thread() -> str:
        return "real"

    with inject(None, Hang(), times=1) as injected:
        outcome = clock.run(hedged.outcome()) if isolation == "async" else hedged_thread.outcome()
        assert (outcome.value, clock.elapsed) == ("real", 1.0)
        assert [attempt.reason for attempt in outcome.attempts] == ["initial", "hedge"]
    assert (injected.calls, injected.hits) == (2, 1)


def test_an_attempt_behind_the_block_is_not_hit(clock: VirtualClock) -> None:
    """A retry of a call that began inside; nor is it counted."""

    @guard("retried", deadline=60.0, retry=Retry(attempts=2, wait=lambda _: 5.0))
    async def retried() -> str:
        return "real"

    async def main() -> tuple[Any, inject]:
        with inject(None, Fails("connection")) as injected:
            waiting = asyncio.ensure_future(retried.outcome())
            await asyncio.sleep(1.0)
        return await waiting, injected

    outcome, injected = clock.run(main())
    assert (outcome.value, len(outcome.attempts)) == ("real", 2)
    assert (injected.calls, injected.hits) == (1, 1)


def test_a_hang_behind_the_block_does_not_begin(clock: VirtualClock) -> None:
    """A latency that outlives the block is followed by no hang."""

    @guard("late", deadline=60.0)
    async def late() -> str:
        return "real"

    async def main() -> Any:
        with inject(None, [Latency(5.0), Hang()]):
            waiting = asyncio.ensure_future(late.outcome())
            await asyncio.sleep(1.0)
        return await waiting

    outcome = clock.run(main())
    assert outcome.failure.kind == "timeout"
    assert clock.elapsed == 5.0


def test_a_cancelled_hang_is_a_cancellation(clock: VirtualClock) -> None:
    """It can be cancelled as any wait can."""

    @guard("stuck", deadline=60.0)
    async def stuck() -> str:
        return "real"

    async def main() -> None:
        task = asyncio.ensure_future(stuck())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with inject(None, Hang()):
        clock.run(main())
    assert clock.elapsed == 1.0


def test_what_hung_was_let_go_for_good() -> None:
    """A block is not entered again."""
    injected = inject(None, Hang())
    with injected:
        pass
    with pytest.raises(RuntimeError, match="was entered before"):
        injected.__enter__()


# --- what is told


def test_it_tells_what_it_did() -> None:
    """With what makes the same happen again."""
    component = inline()
    with inject("component", [Latency(0.0), Fails("auth")], rate=0.5, seed=8) as injected:
        for _ in range(10):
            component.outcome()
    told = repr(injected)
    assert told.startswith(f"<inject into 'component': {injected.hits} of 10 attempts met Latency(")
    assert told.endswith("; rate=0.5, seed=8>")
    assert repr(inject(component, Hang(), seed=1)).startswith("<inject into 'component': 0 of 0 attempts met Hang()")


def test_a_failing_test_is_told_how_to_fail_again() -> None:
    """As a note at whatever leaves the block, unless nothing was hit."""
    component = inline(fallback=["floor"])

    def fail(*, call: bool) -> list[str]:
        with pytest.raises(AssertionError) as failed, inject("component", Fails("auth"), seed=99):
            assert not (component() if call else True)
        return getattr(failed.value, "__notes__", [])

    assert [note.startswith("aiguard: <inject into 'component'") for note in fail(call=True)] == [True]
    assert "seed=99" in fail(call=True)[0]
    assert fail(call=False) == []


def test_spans_and_outcome_are_those_of_a_failing_component() -> None:
    """The class in the message says that it was injected."""
    component = inline()
    with inject("component", Fails("rate_limited", retry_after=4.0)):
        failure = component.outcome().failure
    assert failure.message == "the component raised aiguard.testing.faults.InjectedRateLimited"
    assert failure.retry_after == 4.0


def _until(condition: Callable[[], bool]) -> None:
    waited = threading.Event()
    for _ in range(5000):
        if condition():
            return
        waited.wait(0.002)
    pytest.fail("it never came to hold")
