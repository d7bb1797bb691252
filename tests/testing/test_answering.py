"""Answers in a component's place, and calls with nothing around them."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

import aiguard
from aiguard import BoundaryError, Breaker, Bulkhead, FailureKind, Retry, guard
from aiguard.errors import error_for
from aiguard.failure import RETRIED_BY_DEFAULT, Failure
from aiguard.testing import Crash, Fails, VirtualClock, answering, disabled, fresh_registry
from aiguard.testing.faults import STAGES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.shapes import Harness


class Triage(BaseModel):
    """A contract."""

    category: str


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    with fresh_registry():
        yield


# --- answering


def test_the_component_is_not_asked(scenario: Callable[..., Harness]) -> None:
    """The value leaves in its place, whatever the shape, and the outcome is that of a call."""
    harness = scenario()
    with answering("answered", "scenario"):
        outcome = harness.outcome("a question")
    assert (outcome.ok, outcome.source, len(outcome.attempts), harness.calls) == (True, "component", 1, 0)
    assert harness.is_stream or outcome.value == "answered"


def test_the_contract_is_real() -> None:
    """A valid answer leaves as its type, another one is a breach, and is asked for again."""

    @guard("triage", deadline=1.0, output=Triage, reask=1)
    def triage(text: str) -> Any:
        raise AssertionError(text)

    with answering({"category": "billing"}):
        assert triage("…") == Triage(category="billing")
    with answering('{"category": "billing"}'):
        assert triage("…") == Triage(category="billing")
    with answering({"category": 1}):
        outcome = triage.outcome("…")
    assert outcome.failure is not None
    assert outcome.failure.kind == "schema_violation"
    assert [attempt.reason for attempt in outcome.attempts] == ["initial", "reask"]


@pytest.mark.parametrize("kind", sorted(set(FailureKind) - set(STAGES)))
def test_the_component_fails_as_it_is_told(scenario: Callable[..., Harness], kind: FailureKind) -> None:
    """With each kind in each shape: the error of that kind, as often as such a failure is tried again."""
    harness = scenario(deadline=60.0, retry=Retry(attempts=2), retry_budget=None)
    with answering(kind):
        error = harness.fails()
    assert error.failure.kind is kind
    usual = type(error_for(Failure(kind, "component", "")))
    assert type(error) is (aiguard.DeadlineExceededError if kind is FailureKind.TIMEOUT else usual)
    assert error.outcome is not None
    assert len(error.outcome.attempts) == (2 if kind in RETRIED_BY_DEFAULT else 1)
    assert harness.calls == 0


@pytest.mark.parametrize("kind", sorted(STAGES))
def test_the_boundary_refuses_as_it_is_told(scenario: Callable[..., Harness], kind: FailureKind) -> None:
    """With each kind in each shape: the error of the stage, and no attempt."""
    harness = scenario(retry=Retry(attempts=2))
    with answering(Fails(kind, retry_after=3.0)):
        error = harness.fails()
    assert type(error) is type(error_for(Failure(kind, "", "")))
    assert (error.failure.kind, error.failure.stage, error.failure.retry_after) == (kind, STAGES[kind], 3.0)
    assert error.outcome is not None
    assert error.outcome.attempts == ()


@pytest.mark.parametrize("kind", sorted(FailureKind))
def test_the_ladder_answers(scenario: Callable[..., Harness], kind: FailureKind) -> None:
    """Of a component that fails and of a boundary that refuses alike."""
    harness = scenario(fallback=["floor"])
    with answering(kind):
        outcome = harness.outcome()
    assert outcome.degraded
    assert outcome.failure is not None
    assert outcome.failure.kind is kind


@pytest.mark.parametrize(("kind", "rung"), [("halted", "floor"), ("input_rejected", "floor"), ("circuit_open", "ai")])
def test_rungs_that_ask_a_model_are_left_out_where_they_are(kind: str, rung: str) -> None:
    """The ladder sees the kind, as it does of a real refusal."""

    def ai() -> str:
        return "ai"

    @guard("triage", deadline=1.0, fallback=[aiguard.Rung(ai, ai=True), "floor"])
    def triage() -> str:
        return "real"

    with answering(FailureKind(kind)):
        assert triage() == rung


def test_a_timeout_takes_no_time() -> None:
    """Nor do the waits between the attempts, whatever was asked for."""

    @guard("slow", deadline=600.0, attempt_timeout=100.0, retry=Retry(attempts=3, wait=lambda _: 30.0))
    def slow() -> str:
        return "real"

    begun = time.perf_counter()
    with answering(FailureKind.TIMEOUT):
        outcome = slow.outcome()
    assert outcome.failure is not None
    assert (outcome.failure.kind, outcome.failure.stage, len(outcome.attempts)) == ("timeout", "attempt", 3)
    assert time.perf_counter() - begun < 10.0


def test_on_virtual_time_the_waits_are_there(clock: VirtualClock) -> None:
    """They cost nothing there, and what is measured stays true."""

    @guard("slow", deadline=600.0, isolation="inline", retry=Retry(attempts=3, wait=lambda _: 30.0))
    def slow() -> str:
        return "real"

    with answering(FailureKind.CONNECTION):
        assert not slow.outcome().ok
    assert clock.elapsed == 60.0


def test_a_function_answers_by_the_arguments(scenario: Callable[..., Harness]) -> None:
    """It may return an answer or stand for a failure."""
    harness = scenario()
    with answering(lambda word: FailureKind.AUTH if word == "bad" else word.upper()):
        assert harness("good") == "GOOD"
        assert harness.fails("bad").failure.kind == "auth"
    assert harness.calls == 0


def test_an_exception_is_classified_as_ever(scenario: Callable[..., Harness]) -> None:
    """An instance or a class; a crash is one too."""
    harness = scenario()
    for given, kind in ((ConnectionResetError(), "connection"), (TimeoutError, "timeout"), (Crash(), "worker_crashed")):
        with answering(given):
            assert harness.fails().failure.kind == kind


def test_a_refusal_out_of_a_function_keeps_its_kind() -> None:
    """The attempt has begun then: it is taken for a boundary inside the component."""

    @guard("outer", deadline=1.0)
    def outer() -> str:
        return "real"

    with answering(lambda: FailureKind.CIRCUIT_OPEN), pytest.raises(aiguard.CircuitOpenError):
        outer()


def test_an_async_function_may_answer(clock: VirtualClock) -> None:
    """An `async def` for an async boundary, an async generator for an async stream."""

    @guard("value", deadline=1.0)
    async def value() -> str:
        return "real"

    @guard("stream", deadline=1.0, stream="passthrough")
    async def stream() -> AsyncIterator[str]:
        yield "real"

    async def answer() -> str:
        await asyncio.sleep(0.1)
        return "answered"

    async def items() -> AsyncIterator[Any]:
        yield "a"
        yield FailureKind.CONNECTION

    async def whole() -> AsyncIterator[Any]:
        yield "a"
        yield "b"

    async def main() -> None:
        with answering(answer):
            assert await value() == "answered"
            assert [item async for item in stream()] == ["answered"]
        with answering(whole, "stream"):
            assert [item async for item in stream()] == ["a", "b"]
        with answering(items, "stream"), pytest.raises(aiguard.StreamInterruptedError) as broken:
            assert [item async for item in stream()] == ["never whole"]
        assert broken.value.delivered == 1

    clock.run(main())


@pytest.mark.parametrize("mode", ["passthrough", "buffer"])
def test_a_stream_is_given_item_by_item(shape: str, clock: VirtualClock, mode: str) -> None:
    """A list, a tuple or an iterator; anything else is the only item, text too."""
    from tests.shapes import Harness  # noqa: PLC0415 - the fixture has the script fixed

    if not shape.endswith("generator"):
        return
    harness = Harness(shape, clock, (), settings={"stream": mode})
    for given, items in (
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        (lambda: iter("ab"), ["a", "b"]),
        ("ab", "ab"),
        ([], []),
    ):
        with answering(given):
            assert harness() == items


def test_a_failure_in_a_list_breaks_the_stream_there(scenario: Callable[..., Harness]) -> None:
    """What came before it is with the consumer."""
    harness = scenario()
    if not harness.is_stream:
        return
    for failure, cause in ((FailureKind.CONNECTION, "component"), (FailureKind.TIMEOUT, "deadline")):
        with answering(["a", "b", failure, "c"]):
            error: Any = harness.fails()
        assert (type(error), error.delivered) == (aiguard.StreamInterruptedError, 2)
        assert error.failure.stage == cause


def test_a_wrong_call_is_not_answered(clock: VirtualClock) -> None:
    """It is the same `TypeError` as without the block, and so is one of a function that answers."""

    @guard("triage", deadline=1.0, fallback=["floor"])
    def triage(ticket: str) -> str:
        return ticket

    @guard("stream", deadline=1.0, stream="passthrough")
    def stream(ticket: str) -> Iterator[str]:
        yield ticket

    del clock
    for given in ("answered", lambda ticket: ticket, FailureKind.TIMEOUT):
        with answering(given):
            with pytest.raises(TypeError, match="ticket"):
                triage()  # type: ignore[call-arg]
            with pytest.raises(TypeError, match="ticket"):
                list(stream())  # type: ignore[call-arg]


def test_what_has_no_signature_is_answered_for() -> None:
    """Nothing can be said of how it is called."""
    boundary: Any = aiguard.Boundary("builtin", deadline=1.0)
    with answering("answered"):
        assert boundary.call(dict.fromkeys, "ab") == "answered"
        assert boundary.call(type("Odd", (), {"__call__": lambda *_: "real", "__signature__": 1})()) == "answered"


def test_a_class_of_answers_is_called() -> None:
    """As any function of the arguments."""

    @guard("triage", deadline=1.0)
    def triage(category: str) -> Any:
        return category

    with answering(lambda category: Triage(category=category)):
        assert triage("billing") == Triage(category="billing")


def test_permits_and_threads_are_real_and_come_back() -> None:
    """A thread answers in the component's place, and everything is given back."""
    threads: list[str] = []

    def answer() -> str:
        threads.append(threading.current_thread().name)
        return "answered"

    @guard("bounded", deadline=1.0, bulkhead=Bulkhead(limit=1))
    def bounded() -> str:
        return "real"

    with answering(answer):
        assert [bounded(), bounded()] == ["answered", "answered"]
    assert threads == ["aiguard-bounded"] * 2
    assert bounded.boundary.bulkhead is not None
    assert bounded.boundary.bulkhead.in_flight == 0


def test_a_pending_boundary_is_still_refused() -> None:
    """Its pipeline is real, and there is none without a deadline."""

    @guard("pending")
    def pending() -> str:
        return "real"

    with answering("answered"), pytest.raises(aiguard.PolicyError, match="deadline"):
        pending()


# --- disabled


def test_only_the_component_is_called(scenario: Callable[..., Harness]) -> None:
    """Its answer leaves as it is, with no contract, no ladder, no retry."""
    harness = scenario("no number", ValueError("mine"), output=int, retry=Retry(attempts=3), fallback=[1])
    with disabled():
        assert harness() == "no number"
        with pytest.raises(ValueError, match="mine"):
            harness()
    assert harness.calls == 2


def test_what_it_raises_is_the_very_exception(scenario: Callable[..., Harness]) -> None:
    """Not a copy, not a cause, and nothing is said of its context."""
    for raised in (LookupError("mine"), BoundaryError(Failure(FailureKind.AUTH, "x", "y"), boundary="another")):
        with fresh_registry():
            harness = scenario(raised)
            with disabled(), pytest.raises(type(raised)) as caught:
                harness()
        assert caught.value is raised
        assert raised.__cause__ is None
        assert getattr(raised, "boundary", "another") == "another"


def test_an_outcome_says_what_was_raised(scenario: Callable[..., Harness]) -> None:
    """It raises nothing, names the kind, and `unwrap` raises the exception itself."""
    raised = ConnectionResetError()
    harness = scenario("answer", raised)
    with disabled():
        first, second = harness.outcome(), harness.outcome()
    assert (first.ok, first.source, first.boundary, len(first.attempts)) == (True, "component", "scenario", 1)
    assert harness.is_stream or first.value == "answer"
    assert (second.ok, second.source, second.error) == (False, None, raised)
    assert second.failure is not None
    assert second.failure.kind == "connection"
    assert second.attempts[0].failure == second.failure
    with pytest.raises(ConnectionResetError):
        second.unwrap()


def test_an_outcome_of_a_nested_boundary_keeps_its_failure() -> None:
    """It was put into words already."""
    inner = error_for(Failure(FailureKind.AUTH, "component", "inside"))

    @guard("outer", deadline=1.0)
    def outer() -> str:
        raise inner

    with disabled():
        assert outer.outcome().failure is inner.failure


def test_no_time_is_counted(clock: VirtualClock) -> None:
    """A component takes what it takes, and is told of no deadline; a guarded stream too."""
    left: list[float | None] = []

    @guard("slow", deadline=1.0)
    async def slow() -> str:
        left.append(aiguard.remaining())
        await asyncio.sleep(3600.0)
        return "at last"

    @guard("stream", deadline=1.0, stream="passthrough")
    async def stream() -> AsyncIterator[str]:
        left.append(aiguard.remaining())
        await asyncio.sleep(3600.0)
        yield "at last"

    async def main() -> list[str]:
        return [await slow(), *[item async for item in stream()]]

    with disabled():
        assert clock.run(main()) == ["at last", "at last"]
    assert left == [None, None]
    assert clock.elapsed == 7200.0


def test_a_sync_function_runs_in_its_callers_thread() -> None:
    """Values and streams, `isolation="thread"` notwithstanding."""

    @guard("value", deadline=1.0, isolation="thread")
    def value() -> threading.Thread:
        return threading.current_thread()

    @guard("stream", deadline=1.0, isolation="thread", stream="buffer")
    def stream() -> Iterator[threading.Thread]:
        yield threading.current_thread()

    with disabled():
        assert [value(), *stream()] == [threading.current_thread()] * 2


def test_an_open_breaker_and_a_switch_let_it_pass() -> None:
    """Nobody is asked, and nobody counts it."""

    @guard("broken", deadline=1.0, breaker=Breaker(minimum_calls=1), bulkhead=Bulkhead(limit=1))
    def broken() -> str:
        raise ConnectionError

    assert broken.boundary.breaker is not None
    broken.boundary.breaker.open()
    broken.boundary.mode = "off"
    with disabled():
        for _ in range(3):
            with pytest.raises(ConnectionError):
                broken()
        assert broken.boundary.breaker.current_state == "open"
    assert broken.boundary.breaker.fail_counter == 0


def test_a_boundary_without_a_policy_is_called_too() -> None:
    """Where its deadline comes from a file that no test loads."""

    @guard("pending")
    def pending() -> str:
        return "real"

    with disabled("pending"):
        assert pending() == "real"


def test_only_those_that_are_named() -> None:
    """Several names, patterns or boundaries; all without one."""

    @guard("first", deadline=1.0, output=int)
    def first() -> Any:
        return "one"

    @guard("second", deadline=1.0, output=int)
    def second() -> Any:
        return "two"

    with disabled("first", second):
        assert (first(), second()) == ("one", "two")
    with disabled("fir*"), pytest.raises(aiguard.InvalidOutputError):
        second()


def test_a_stream_can_be_spoken_to_and_closed(clock: VirtualClock) -> None:
    """`send`, `throw`, `close` and a second pull at once do what they do to the generator."""
    seen: list[Any] = []

    @guard("stream", deadline=1.0, stream="passthrough", isolation="inline")
    def stream() -> Iterator[Any]:
        try:
            seen.append((yield 1))
            yield 2
        except LookupError:
            yield 3
        finally:
            seen.append("closed")

    @guard("astream", deadline=1.0, stream="passthrough")
    async def astream() -> AsyncIterator[Any]:
        try:
            seen.append((yield 1))
            await asyncio.sleep(1.0)
            yield 2
        except LookupError:
            yield 3
        finally:
            seen.append("closed")

    async def main() -> None:
        async_items = astream()
        assert [await anext(async_items), await async_items.asend("sent")] == [1, 2]
        assert await async_items.athrow(LookupError()) == 3
        await async_items.aclose()
        busy = astream()
        await anext(busy)
        first = asyncio.ensure_future(anext(busy))
        await asyncio.sleep(0.5)
        with pytest.raises(RuntimeError, match="already running"):
            await anext(busy)
        assert await first == 2
        assert [item async for item in busy] == []
        dropped = astream()
        await anext(dropped)
        del dropped
        await asyncio.sleep(1.0)

    with disabled():
        items = stream()
        assert [next(items), items.send("sent"), items.throw(LookupError())] == [1, 2, 3]
        items.close()
        assert seen == ["sent", "closed"]
        clock.run(main())
    assert seen == [*["sent", "closed"] * 2, None, "closed", "closed"]


def test_a_stream_that_outlives_its_loop_is_let_go(clock: VirtualClock) -> None:
    """Nothing can be awaited any more; the loop has closed its generator."""
    kept: list[Any] = []
    closed: list[bool] = []

    @guard("stream", deadline=1.0, stream="passthrough")
    async def stream() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            closed.append(True)

    async def main() -> None:
        kept.append(stream())
        assert await anext(kept[0]) == 1

    with disabled():
        clock.run(main())
        kept.clear()
    assert closed == [True]


def test_a_sync_generator_is_not_entered_twice() -> None:
    """By itself, as Python refuses it."""
    streams: list[Any] = []

    @guard("self", deadline=1.0, stream="passthrough", isolation="inline")
    def stream() -> Iterator[Any]:
        yield 1
        yield next(streams[0])

    with disabled():
        streams.append(stream())
        assert next(streams[0]) == 1
        with pytest.raises(ValueError, match=r"generator already (executing|running)"):
            next(streams[0])


def test_a_function_that_returns_a_stream_is_iterated(clock: VirtualClock) -> None:
    """A client's own stream, declared by `shape`; what is none is refused."""

    class Stream:
        """A client's stream, which cannot be closed."""

        def __init__(self) -> None:
            self._left = 2

        def __aiter__(self) -> Stream:
            return self

        async def __anext__(self) -> int:
            if not self._left:
                raise StopAsyncIteration
            self._left -= 1
            return self._left

    @guard("async-client", deadline=1.0, shape="async_generator", stream="passthrough")
    async def ask() -> Stream:
        return Stream()

    @guard("client", deadline=1.0, shape="generator", stream="passthrough")
    def sync_ask() -> list[int]:
        return [1, 0]

    @guard("none", deadline=1.0, shape="generator", stream="passthrough")
    def none() -> int:
        return 1

    async def main() -> list[int]:
        return [item async for item in ask()]  # type: ignore[attr-defined] # the shape is declared

    with disabled():
        assert clock.run(main()) == [1, 0]
        assert list(sync_ask()) == [1, 0]
        with pytest.raises(TypeError, match="cannot be iterated"):
            list(none())  # type: ignore[call-overload] # as above


def test_a_cancellation_passes(clock: VirtualClock) -> None:
    """It has no kind, and nobody keeps it."""

    @guard("slow", deadline=1.0)
    async def slow() -> None:
        await asyncio.sleep(3600.0)

    async def main() -> None:
        task = asyncio.ensure_future(slow())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with disabled():
        clock.run(main())
