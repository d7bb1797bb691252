"""Boundaries: declared without a decorator, pending, switched off, and used from everywhere at once."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import BaseModel

import aiguard
from aiguard import (
    Boundary,
    Breaker,
    Bulkhead,
    ComponentError,
    HaltedError,
    InvalidOutputError,
    Policy,
    PolicyError,
    Retry,
    guard,
)
from aiguard.testing import fresh_registry
from tests.shapes import Background

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiguard.testing import VirtualClock


class Answer(BaseModel):
    """What a component answers."""

    score: int


# --- call, outcome, stream


def double(value: int, *, more: int = 0) -> int:
    """Be a plain component."""
    return value * 2 + more


async def adouble(value: int, *, more: int = 0) -> int:
    """Be an async component."""
    return value * 2 + more


def count(upto: int) -> Iterator[int]:
    """Be a streaming component."""
    yield from range(upto)


async def acount(upto: int) -> AsyncIterator[int]:
    """Be an async streaming component."""
    for number in range(upto):
        yield number


def broken(*_: object) -> Any:
    """Fail."""
    raise ConnectionError


def test_a_boundary_calls_functions(clock: VirtualClock) -> None:
    """One boundary serves several functions, sync and async, in both forms, with all their arguments."""
    boundary = Boundary("embed", deadline=1.0)
    assert boundary.call(double, 3, more=1) == 7
    assert clock.run(boundary.call(adouble, 3, more=1)) == 7
    assert boundary.outcome(double, 3).unwrap() == 6
    assert clock.run(boundary.outcome(adouble, 3)).unwrap() == 6
    assert boundary.call(lambda: "lambda") == "lambda"


@pytest.mark.parametrize("stream", ["passthrough", "buffer"])
def test_a_boundary_streams(clock: VirtualClock, stream: Any) -> None:
    """`stream` serves generators, sync and async; the stream has the outcome once it has ended."""
    boundary = Boundary("count", deadline=1.0, stream=stream)
    items = boundary.stream(count, 3)
    assert items.outcome is None
    assert list(items) == [0, 1, 2]
    assert items.outcome is not None
    assert items.outcome.ok

    async def main() -> list[int]:
        return [item async for item in boundary.stream(acount, 3)]

    assert clock.run(main()) == [0, 1, 2]


def test_calls_of_all_functions_share_one_breaker(clock: VirtualClock) -> None:
    """What one function's failures open is closed to the other one too."""
    boundary = Boundary("embed", deadline=1.0, breaker=Breaker(minimum_calls=1))
    with pytest.raises(ComponentError):
        boundary.call(broken)
    with pytest.raises(aiguard.CircuitOpenError):
        clock.run(boundary.call(adouble, 1))
    assert boundary.breaker is not None
    assert boundary.breaker.current_state == "open"


def test_a_boundary_judges_and_falls_back(clock: VirtualClock) -> None:
    """Contract and ladder serve `call` as they serve a guarded function."""
    del clock
    boundary = Boundary("score", deadline=1.0, output=Answer, fallback=[lambda *_: {"score": 1}, Answer(score=0)])

    def component(text: str) -> Any:
        return text

    assert boundary.call(component, '{"score": 7}') == Answer(score=7)
    outcome = boundary.outcome(component, "SECRET")
    assert (outcome.value, outcome.rung, outcome.contract) == (Answer(score=1), "<lambda>", "Answer")


@pytest.mark.usefixtures("clock")
def test_the_wrong_form_is_a_type_error() -> None:
    """A generator is no call, and a plain function no stream: the message says what to use."""
    boundary = Boundary("embed", deadline=1.0)
    for form in (boundary.call, boundary.outcome):
        with pytest.raises(TypeError, match="stream"):
            form(count, 3)
    with pytest.raises(TypeError, match="call"):
        boundary.stream(double, 3)  # type: ignore[call-overload]
    with pytest.raises(PolicyError, match="`stream`"):
        boundary.stream(count, 3)


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("fallback", [["nonsense"], [Answer], [object]])
def test_a_boundary_checks_its_ladder_at_once(fallback: list[Any]) -> None:
    """What can be known without a function is refused at declaration."""
    with pytest.raises(PolicyError, match=r"'score'.*fallback\[0\]"):
        Boundary("score", deadline=1.0, output=Answer, fallback=fallback)


@pytest.mark.usefixtures("clock")
def test_a_boundary_shows_what_it_is() -> None:
    """Name, policy, and only what was declared."""
    boundary = Boundary("embed", deadline=1.0)
    assert repr(boundary) == "<Boundary 'embed'>"
    assert isinstance(boundary.policy, Policy)
    assert (boundary.breaker, boundary.bulkhead, boundary.abandoned) == (None, None, 0)
    full = Boundary("full", deadline=1.0, breaker=Breaker(), bulkhead=Bulkhead(limit=3, queue=2))
    assert full.breaker is not None
    assert full.breaker.name == "full"
    assert full.bulkhead is not None
    assert (full.bulkhead.limit, full.bulkhead.queue) == (3, 2)


# --- pending


def test_a_pending_boundary_refuses_calls(clock: VirtualClock) -> None:
    """Without a deadline a boundary may be declared, and not be used: every form says which setting is missing."""
    guarded = guard("sync")(double)
    aguarded = guard("async")(adouble)
    stream = guard("stream", stream="passthrough")(count)
    boundary = Boundary("boundary")
    calls: list[Any] = [
        lambda: guarded(1),
        lambda: guarded.outcome(1),
        lambda: clock.run(aguarded(1)),
        lambda: clock.run(aguarded.outcome(1)),
        lambda: next(stream(1)),
        lambda: boundary.call(double, 1),
        lambda: boundary.outcome(double, 1),
        lambda: guarded.options(deadline=1.0)(1),
    ]
    for call in calls:
        with pytest.raises(PolicyError, match="`deadline`: required"):
            call()


# --- mode


def test_a_boundary_is_switched_off_and_on(clock: VirtualClock) -> None:
    """`mode` turns calls away, in this process, at once, and says so."""
    del clock
    guarded = guard("triage", deadline=1.0)(double)
    assert guarded.boundary.mode == "on"
    guarded.boundary.mode = "off"
    assert guarded.boundary.mode == "off"
    with pytest.raises(HaltedError):
        guarded(1)
    guarded.boundary.mode = "on"
    assert guarded(1) == 2
    assert guarded.boundary.policy.mode == "on"


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("mode", ["halt", "OFF", True, False, None, ""])
def test_a_mode_that_is_none_is_refused(mode: Any) -> None:
    """There are two, and the message names boundary and value."""
    boundary = Boundary("triage", deadline=1.0)
    with pytest.raises(PolicyError, match="'triage': setting `mode`"):
        boundary.mode = mode
    assert boundary.mode == "on"


@pytest.mark.usefixtures("clock")
def test_a_boundary_may_be_declared_off() -> None:
    """The policy's mode is where it begins."""
    boundary = Boundary("triage", deadline=1.0, mode="off")
    assert boundary.mode == "off"
    with pytest.raises(HaltedError):
        boundary.call(double, 1)


# --- what is not a function


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("fn", [None, 7, "triage"])
def test_only_what_can_be_called_is_guarded(fn: Any) -> None:
    """A boundary around nothing is refused."""
    with pytest.raises(PolicyError, match="'triage': @guard needs a function"):
        guard("triage", deadline=1.0)(fn)


# --- from everywhere at once

EVERYTHING: dict[str, Any] = {
    "deadline": 30.0,
    "retry": Retry(wait=lambda _: 0.0),
    "breaker": Breaker(minimum_calls=1000),
    "bulkhead": Bulkhead(limit=16, queue=1000),
    "output": int,
    "fallback": [-1],
}


@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_threads_share_a_boundary(isolation: Any) -> None:
    """Eight threads are inside at once, and each has its own answers; afterwards nothing is held."""
    with fresh_registry():
        inside = threading.Barrier(8, timeout=10.0)

        @guard("shared", isolation=isolation, **EVERYTHING)
        def component(number: int) -> int:
            if number % 100 == 0:
                inside.wait()
            if number % 10 == 3:
                raise ConnectionError
            return number

        def work(first: int) -> list[int]:
            return [component(number) for number in range(first, first + 50)]

        calls = [Background(lambda first=100 * index: work(first)) for index in range(8)]  # type: ignore[misc]
        for index, call in enumerate(calls):
            expected = [-1 if n % 10 == 3 else n for n in range(100 * index, 100 * index + 50)]
            assert call.result() == expected
        permits = component.boundary.bulkhead
        assert permits is not None
        assert (permits.in_flight, permits.queued) == (0, 0)


def test_event_loops_and_threads_share_a_boundary() -> None:
    """Four event loops in four threads use one boundary at once, with more tasks than permits."""
    with fresh_registry():
        inside = threading.Barrier(4, timeout=10.0)

        @guard("shared", **(EVERYTHING | {"bulkhead": Bulkhead(limit=4, queue=1000)}))
        async def component(number: int) -> int:
            if number % 100 == 0:
                inside.wait()
            await asyncio.sleep(0)
            if number % 10 == 3:
                raise ConnectionError
            return number

        async def work(first: int) -> list[int]:
            begun = await component(first)
            return [begun, *await asyncio.gather(*(component(first + number) for number in range(1, 50)))]

        calls = [Background(lambda first=100 * index: asyncio.run(work(first))) for index in range(4)]  # type: ignore[misc]
        for index, call in enumerate(calls):
            expected = [-1 if n % 10 == 3 else n for n in range(100 * index, 100 * index + 50)]
            assert call.result() == expected
        permits = component.boundary.bulkhead
        assert permits is not None
        assert (permits.in_flight, permits.queued) == (0, 0)


def test_one_permit_travels_between_loops() -> None:
    """A task on one loop gives its permit to a task that waits on another one."""
    with fresh_registry():
        inside, let_go = threading.Event(), threading.Event()

        @guard("shared", deadline=30.0, bulkhead=Bulkhead(limit=1, queue=4))
        async def component(hold: bool) -> str:  # noqa: FBT001 - a component of a test
            if hold:
                inside.set()
                assert let_go.wait(10.0)
            return "ok"

        first = Background(lambda: asyncio.run(component(hold=True)))
        assert inside.wait(10.0)
        second = Background(lambda: asyncio.run(component(hold=False)))
        permits = component.boundary.bulkhead
        assert permits is not None
        for _ in range(2000):
            if permits.queued:
                break
            threading.Event().wait(0.001)
        let_go.set()
        assert (first.result(), second.result()) == ("ok", "ok")
        assert permits.in_flight == 0


# --- nothing is kept


class Ticket:
    """An argument that can be watched."""


@pytest.mark.parametrize("isolation", ["inline", "thread"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_call_keeps_nothing_alive(clock: VirtualClock, isolation: Any, *, fails: bool) -> None:
    """Once a call is over, neither its arguments nor its answer nor its exception stay: prompts are secrets."""
    del clock

    @guard("triage", deadline=5.0, isolation=isolation, breaker=Breaker(), bulkhead=Bulkhead(limit=1))
    def component(ticket: Ticket) -> Ticket:
        if fails:
            raise ConnectionError(ticket)
        return ticket

    ticket = Ticket()
    gone = weakref.ref(ticket)
    if fails:
        with pytest.raises(ComponentError):
            component(ticket)
    else:
        assert component(ticket) is ticket
    del ticket
    for _ in range(200):  # a worker thread lets go just after its caller has its answer
        if gone() is None:
            break
        gc.collect()
        threading.Event().wait(0.001)
    assert gone() is None


def test_an_invalid_answer_names_the_contract(clock: VirtualClock) -> None:
    """Error and outcome say which contract was broken, never with what."""
    del clock
    guarded = guard("score", deadline=1.0, output=Answer)(lambda: '{"score": "SECRET"}')
    with pytest.raises(InvalidOutputError) as caught:
        guarded()
    assert caught.value.outcome is not None
    assert caught.value.outcome.contract == "Answer"
    assert "SECRET" not in f"{caught.value} {caught.value!r}"
