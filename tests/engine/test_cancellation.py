"""Whoever walks away, at whichever wait: what the call held is given back, and the cancellation stays what it is."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import types
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Breaker, Bulkhead, DeadlineExceededError, Retry, Rung, guard
from aiguard.engine.state import SURROUNDINGS
from aiguard.engine.streams import _closing
from aiguard.testing import virtual_time
from aiguard.testing.virtual import VirtualPatience

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

    from aiguard.isolation.thread import Workers
    from aiguard.testing import VirtualClock

LIMIT = 200
"""Far more waits than any call here has."""

TWICE = Retry(attempts=2, wait=lambda _: 0.2)


@types.coroutine
def cancelling(coroutine: Coroutine[Any, Any, Any], at: int, seen: list[int]) -> Generator[Any, Any, Any]:
    """Run `coroutine`; its task is cancelled at its `at`-th wait. Notes the number of waits."""
    thrown: BaseException | None = None
    while True:
        try:
            wait = coroutine.send(None) if thrown is None else coroutine.throw(thrown)
        except StopIteration as done:
            return done.value
        seen[0] += 1
        if seen[0] == at:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
        try:
            yield wait
        except BaseException as error:  # noqa: BLE001 - whatever it is, it goes to the coroutine
            thrown = error
        else:
            thrown = None


class Everything:
    """A guarded component that is made to wait wherever a call can wait."""

    def __init__(self, clock: VirtualClock, kind: Any) -> None:
        self.clock = clock
        self.opened = self.closed = 0
        self.release = asyncio.Event()
        settings: Any = {
            "deadline": 30.0,
            "attempt_timeout": 1.0,
            "retry": TWICE,
            "breaker": Breaker(minimum_calls=5, probes=3),
            "bulkhead": Bulkhead(limit=1, queue=5),
            "fallback": [self._broken_rung(stream=kind != "call"), Rung(self._slow_rung)],
            "fallback_timeout": 10.0,
        }
        if kind == "call":
            self.guarded: Any = guard("everything", **settings)(self._call)
        else:
            self.guarded = guard("everything", stream=kind, **settings)(self._stream)
        self.boundary = self.guarded.boundary

    async def _work(self) -> None:
        number = self.opened
        await asyncio.sleep(0.1)
        if number == 1:
            raise ConnectionError
        await asyncio.sleep(0.1)
        await asyncio.sleep(3600)

    async def _call(self, what: str = "work") -> str:
        if what == "hold":
            await self.release.wait()
            return "held"
        if what == "answer":
            await asyncio.sleep(0.1)
            return "answer"
        self.opened += 1
        try:
            await self._work()
        finally:
            self.closed += 1
            await asyncio.sleep(0)
        return "never"

    async def _stream(self, what: str = "work") -> Any:
        if what == "hold":
            await self.release.wait()
            yield "held"
        elif what == "answer":
            self.opened += 1
            try:
                for item in range(3):
                    await asyncio.sleep(0.1)
                    yield item
                await asyncio.sleep(0.1)
            finally:
                await asyncio.sleep(0.05)
                await asyncio.sleep(0.05)
                self.closed += 1
        else:
            self.opened += 1
            try:
                await self._work()
                yield "never"
            finally:
                self.closed += 1
                await asyncio.sleep(0)

    def _broken_rung(self, *, stream: bool) -> Any:
        async def rung(what: str = "work") -> Any:
            del what
            await asyncio.sleep(0.1)
            raise ValueError

        async def streaming_rung(what: str = "work") -> Any:
            await asyncio.sleep(0.1)
            if what:
                raise ValueError
            yield "never"

        return streaming_rung if stream else rung

    def _slow_rung(self, what: str = "work") -> str:
        del what
        self.clock.sleep(0.5)
        return "rung"

    async def use(self, *args: Any) -> Any:
        """Use the boundary once: of a stream, pull all items, then close it."""
        answer = self.guarded(*args)
        if asyncio.iscoroutine(answer):
            return await answer
        async with contextlib.aclosing(answer):
            return [item async for item in answer]

    async def cancelled(self, at: int, what: str) -> tuple[bool, int]:
        """Use it behind somebody who holds the only permit, cancelled at a wait; return whether it was reached."""
        holder = asyncio.create_task(self.use("hold"))
        await asyncio.sleep(0)
        seen = [0]
        loop = asyncio.get_running_loop()
        task: asyncio.Task[Any] = loop.create_task(_as_coroutine(cancelling(self.use(what), at, seen)))
        loop.call_later(0.3, self.release.set)
        await asyncio.wait([task])
        reached = seen[0] >= at
        if reached:
            assert task.cancelled(), f"wait {at}: the caller's cancellation was lost: {task}"
            assert task.cancelling() == 1
        else:
            assert task.cancelling() == 0
            task.result()
        self.release.set()
        await holder
        await asyncio.sleep(5.0)  # whatever was left behind has ended by then
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return reached, seen[0]

    def check(self) -> None:
        """Nothing is held by anybody."""
        permits, breaker = self.boundary.bulkhead, self.boundary.breaker
        assert (permits.in_flight, permits.queued) == (0, 0)
        assert not breaker._probes
        assert self.boundary.abandoned == 0
        assert self.boundary._state.rung_workers.busy == 0
        assert self.opened == self.closed
        assert not _closing


async def _as_coroutine(awaitable: Any) -> Any:
    return await awaitable


def _at_every_wait(kind: str, what: str, *, probing: bool) -> tuple[list[int], int]:
    waits = 0
    reached_at: list[int] = []
    for at in range(1, LIMIT):
        with virtual_time() as clock:
            everything = Everything(clock, kind)
            if probing:
                everything.boundary.breaker.half_open()
            reached, waits = clock.run(everything.cancelled(at, what))
            everything.check()
        if not reached:
            return reached_at, waits
        reached_at.append(at)
    raise AssertionError("it never ends")


@pytest.mark.parametrize("kind", ["call", "passthrough", "buffer"])
def test_a_call_may_be_cancelled_at_every_wait(kind: str) -> None:
    """Queue, attempts, retry's sleep, cleanup, an async rung, an offloaded one: each gives everything back."""
    reached, waits = _at_every_wait(kind, "work", probing=False)
    assert waits >= 9
    assert len(reached) == waits


@pytest.mark.parametrize("kind", ["call", "passthrough", "buffer"])
def test_a_probe_may_be_cancelled_at_every_wait(kind: str) -> None:
    """The half-open breaker gets its slot back, whichever wait the probe was cancelled at."""
    reached, waits = _at_every_wait(kind, "answer", probing=True)
    assert len(reached) == waits >= 1


# --- the race with a clock of ours


@pytest.mark.parametrize("first", ["caller", "clock"])
@pytest.mark.parametrize("stream", [None, "passthrough", "buffer"])
def test_the_callers_cancellation_wins_in_the_same_tick(clock: VirtualClock, first: str, stream: Any) -> None:
    """Our own timeout and the caller's cancellation in one tick: what leaves is the cancellation, counted once."""
    settings: Any = {"deadline": 2.0, "bulkhead": Bulkhead(limit=1), "breaker": Breaker(), "fallback": ["floor"]}

    async def call() -> str:
        await asyncio.sleep(3600)
        return "never"

    async def items() -> Any:
        await asyncio.sleep(3600)
        yield "never"

    guarded: Any = guard("race", stream=stream, **settings)(call if stream is None else items)

    async def use() -> Any:
        return await guarded() if stream is None else await anext(guarded())

    async def main() -> None:
        loop = asyncio.get_running_loop()
        moment = loop.time() + 2.0
        task = asyncio.create_task(use())
        if first == "caller":
            loop.call_at(moment, task.cancel)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(0)
            loop.call_at(moment, task.cancel)
        await asyncio.wait([task])
        assert clock.elapsed == pytest.approx(2.0)
        assert task.cancelled()
        assert task.cancelling() == 1

    clock.run(main())
    assert guarded.boundary.bulkhead.in_flight == 0
    assert guarded.boundary.breaker.fail_counter == 0


@pytest.mark.parametrize("stream", [None, "passthrough"])
def test_our_own_timeout_leaves_no_trace_on_the_task(clock: VirtualClock, stream: Any) -> None:
    """After a timeout of ours, the caller's task counts no cancellation, and can still be cancelled."""

    async def call() -> str:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)
        return "never"

    async def items() -> Any:
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)
        await asyncio.sleep(3600)
        yield "never"

    guarded: Any = guard("balanced", deadline=2.0, stream=stream)(call if stream is None else items)

    async def main() -> None:
        task = asyncio.current_task()
        assert task is not None
        for _ in range(3):
            with pytest.raises(DeadlineExceededError):
                await (guarded() if stream is None else anext(guarded()))
            assert task.cancelling() == 0
        async with asyncio.timeout(10.0):  # which relies on the count
            await asyncio.sleep(0.1)

    clock.run(main())


def test_a_timeout_around_a_call_stays_the_callers(clock: VirtualClock) -> None:
    """`asyncio.timeout` around a guarded call ends it as a `TimeoutError` of its own, and no rung answers."""

    @guard("inner", deadline=10.0, fallback=["floor"])
    async def component() -> str:
        await asyncio.sleep(3600)
        return "never"

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1.0):
                await component()
        assert not isinstance(caught.value, DeadlineExceededError)

    clock.run(main())


def test_a_task_group_cancels_guarded_calls(clock: VirtualClock) -> None:
    """A sibling's error in a task group ends the guarded calls beside it."""
    ended: list[str] = []

    @guard("grouped", deadline=10.0, bulkhead=Bulkhead(limit=5), fallback=["floor"])
    async def component() -> str:
        try:
            await asyncio.sleep(3600)
        finally:
            ended.append("ended")
        return "never"

    async def fails() -> None:
        await asyncio.sleep(1.0)
        raise KeyError

    async def main() -> None:
        with pytest.raises(ExceptionGroup):  # noqa: PT012 - the group is what is tested
            async with asyncio.TaskGroup() as group:
                for _ in range(3):
                    group.create_task(component())
                group.create_task(fails())

    clock.run(main())
    assert ended == ["ended"] * 3
    assert component.boundary.bulkhead is not None
    assert component.boundary.bulkhead.in_flight == 0


# --- threads


class Interrupted(VirtualPatience):
    """Waits as a thread does whose user presses Ctrl-C at the `at`-th wait."""

    def __init__(self, clock: VirtualClock, at: int) -> None:
        super().__init__(clock)
        self.at = at
        self.waits = 0
        self.armed = False

    def sleep(self, seconds: float) -> None:
        """Wait."""
        self._count()
        super().sleep(seconds)

    def hold(self, lock: threading.Lock, seconds: float, worker: Workers | None) -> bool:
        """Wait for a lock."""
        self._count()
        return super().hold(lock, seconds, worker)

    def _count(self) -> None:
        if self.armed:
            self.waits += 1
            if self.waits == self.at:
                raise KeyboardInterrupt


@pytest.mark.parametrize("isolation", ["thread", "inline"])
@pytest.mark.parametrize("kind", ["call", "passthrough", "buffer"])
def test_a_blocking_call_may_be_interrupted_at_every_wait(kind: str, isolation: str) -> None:
    """Ctrl-C at any wait of a thread leaves as it is, and what was held comes back once the workers have ended."""
    for at in range(1, LIMIT):
        with virtual_time() as clock:
            patience = Interrupted(clock, at)
            SURROUNDINGS.patience = patience
            reached = _interrupted_once(clock, patience, kind, isolation)
        if not reached:
            assert at > (4 if isolation == "thread" else 1)
            return
    raise AssertionError("it never ends")


def _interrupted_once(clock: VirtualClock, patience: Interrupted, kind: str, isolation: str) -> bool:
    attempts = iter(["fail", "hang", "hang"])

    def work() -> None:
        clock.sleep(0.1)
        if next(attempts) == "fail":
            raise ConnectionError
        clock.sleep(3.0)

    def call() -> str:
        work()
        return "late"

    def items() -> Any:
        work()
        yield "late"

    def broken() -> str:
        clock.sleep(0.1)
        raise ValueError

    settings: Any = {
        "deadline": 30.0,
        "attempt_timeout": 1.0,
        "retry": TWICE,
        "bulkhead": Bulkhead(limit=2, queue=1),
        "breaker": Breaker(),
        "isolation": isolation,
        "stream": None if kind == "call" else kind,
        "fallback": [broken, lambda: "rung"],
    }
    decorate: Callable[[Any], Any] = guard("interrupted", **settings)
    guarded = decorate(call if kind == "call" else items)
    boundary = guarded.boundary
    patience.armed = True
    try:
        answer = guarded() if kind == "call" else list(guarded())
    except KeyboardInterrupt:
        reached = True
    else:
        assert answer in ("rung", ["rung"])
        reached = False
    patience.armed = False
    _wait_for_workers(clock, boundary)
    assert (boundary.bulkhead.in_flight, boundary.bulkhead.queued) == (0, 0)
    assert not boundary.breaker._probes
    assert boundary.abandoned == 0
    return reached


def _wait_for_workers(clock: VirtualClock, boundary: Any) -> None:
    never = threading.Lock()
    never.acquire()
    clock.wait(never, clock.now() + 10.0)
    for workers in (boundary._state.workers, boundary._state.rung_workers):
        for _ in range(2000):
            if not workers.busy and not workers.abandoned:
                break
            never.acquire(timeout=0.001)
        assert workers.busy == 0


def test_a_queue_may_be_interrupted(clock: VirtualClock) -> None:
    """Ctrl-C while waiting for a permit leaves the line as it was."""
    patience = Interrupted(clock, 1)
    SURROUNDINGS.patience = patience
    inside, go_on = threading.Event(), threading.Event()

    @guard("queued", deadline=30.0, bulkhead=Bulkhead(limit=1, queue=1), isolation="inline", fallback=["floor"])
    def component(*, hold: bool = False) -> str:
        if hold:
            inside.set()
            go_on.wait(5.0)
        return "answer"

    holder = threading.Thread(target=component, kwargs={"hold": True}, daemon=True)
    holder.start()
    assert inside.wait(5.0)
    patience.armed = True
    with pytest.raises(KeyboardInterrupt):
        component()
    permits = component.boundary.bulkhead
    assert permits is not None
    assert (permits.in_flight, permits.queued) == (1, 0)
    go_on.set()
    holder.join(5.0)
    assert permits.in_flight == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_a_program_is_no_failure(clock: VirtualClock, error: type[BaseException]) -> None:
    """`KeyboardInterrupt` and `SystemExit` out of a worker thread reach the caller uncounted and unanswered."""

    @guard("exits", deadline=5.0, bulkhead=Bulkhead(limit=1), breaker=Breaker(), retry=TWICE, fallback=["floor"])
    def component() -> str:
        raise error

    with pytest.raises(error):
        component()
    assert component.boundary.bulkhead is not None
    assert component.boundary.bulkhead.in_flight == 0
    assert component.boundary.breaker is not None
    assert component.boundary.breaker._window.calls == 0
    del clock
