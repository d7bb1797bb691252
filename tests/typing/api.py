"""The public API as a program uses it. Type checkers read this file; nothing runs it."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Literal, assert_type

from pydantic import BaseModel

from aiguard import (
    Attempt,
    Boundary,
    BoundaryError,
    Breaker,
    Bulkhead,
    Failure,
    FailureKind,
    Outcome,
    OutputContract,
    Owner,
    Policy,
    RejectedError,
    Retry,
    Rung,
    StreamInterruptedError,
    boundaries,
    get,
    guard,
    last_good,
    remaining,
)
from aiguard.engine.streams import AsyncStream, SyncStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiguard.guarded import (
        GuardedAsyncGeneratorFunction,
        GuardedCoroutineFunction,
        GuardedFunction,
        GuardedGeneratorFunction,
    )


class Triage(BaseModel):
    category: str


# --- the four shapes, without a contract


@guard("sync", deadline=1.0)
def sync(ticket: str, *, urgent: bool = False) -> int:
    return len(ticket) + urgent


@guard("async", deadline=1.0)
async def coroutine(ticket: str, *, urgent: bool = False) -> int:
    return len(ticket) + urgent


@guard("generator", deadline=1.0, stream="passthrough")
def generator(ticket: str) -> Iterator[str]:
    yield ticket


@guard("async_generator", deadline=1.0, stream="buffer")
async def async_generator(ticket: str) -> AsyncIterator[str]:
    yield ticket


# --- the four shapes, with one


@guard("sync.output", deadline=1.0, output=Triage)
def judged(ticket: str) -> str:
    return ticket


@guard("async.output", deadline=1.0, output=Triage)
async def ajudged(ticket: str) -> str:
    return ticket


@guard("contract", deadline=1.0, output=OutputContract(Triage, extract=True, checks=[lambda triage: triage.category]))
def contracted(ticket: str) -> str:
    return ticket


@guard("list", deadline=1.0, output=list[Triage])
def listed(ticket: str) -> str:
    return ticket


@guard("generator.output", deadline=1.0, stream="passthrough", output=Triage)
def judged_stream(ticket: str) -> Iterator[str]:
    yield ticket


@guard("async_generator.output", deadline=1.0, stream="passthrough", output=Triage)
async def ajudged_stream(ticket: str) -> AsyncIterator[str]:
    yield ticket


def calls() -> None:
    assert_type(sync("t", urgent=True), int)
    assert_type(sync.outcome("t"), Outcome[int])
    assert_type(sync.options(deadline=0.5)("t"), int)
    assert_type(sync.options(deadline=0.5).outcome("t"), Outcome[int])
    assert_type(judged("t"), Triage)
    assert_type(judged.outcome("t"), Outcome[Triage])
    assert_type(judged.options(deadline=0.5)("t"), Triage)
    assert_type(contracted("t"), Triage)
    assert_type(listed("t"), list[Triage])
    assert_type(sync.boundary, Boundary)

    assert_type(generator("t"), SyncStream[str])
    assert_type(next(generator("t")), str)
    assert_type(generator("t").outcome, Outcome[Any] | None)
    assert_type(judged_stream("t"), SyncStream[Any])
    for item in generator("t"):
        assert_type(item, str)


async def acalls() -> None:
    pending = [coroutine("t")]
    assert_type(pending, list[Coroutine[Any, Any, int]])
    assert_type(await coroutine("t", urgent=True), int)
    assert_type(await coroutine.outcome("t"), Outcome[int])
    assert_type(await coroutine.options(deadline=0.5)("t"), int)
    assert_type(await ajudged("t"), Triage)
    assert_type(await ajudged.outcome("t"), Outcome[Triage])

    assert_type(async_generator("t"), AsyncStream[str])
    assert_type(await anext(async_generator("t")), str)
    assert_type(ajudged_stream("t"), AsyncStream[Any])
    async for item in async_generator("t"):
        assert_type(item, str)
    await async_generator("t").aclose()


# --- wrong calls are errors


def mistakes() -> None:
    sync(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    sync("t", nonsense=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    guard("typo", dead_line=1.0)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    guard("wrong", deadline="1")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    last_good(by=plain)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    last_good(by=plain, ttl="60")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    sync.options(deadline="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- methods


class Service:
    @guard("method", deadline=1.0)
    def method(self, ticket: str) -> int:
        return len(ticket)

    @guard("amethod", deadline=1.0, output=Triage)
    async def amethod(self, ticket: str) -> str:
        return ticket

    @guard("smethod", deadline=1.0, stream="passthrough")
    def smethod(self, ticket: str) -> Iterator[str]:
        yield ticket

    @guard("asmethod", deadline=1.0, stream="passthrough")
    async def asmethod(self, ticket: str) -> AsyncIterator[str]:
        yield ticket


async def methods(service: Service) -> None:
    assert_type(service.method("t"), int)
    assert_type(service.method.outcome("t"), Outcome[int])
    assert_type(service.method.options(deadline=0.5)("t"), int)
    assert_type(Service.method(service, "t"), int)
    assert_type(await service.amethod("t"), Triage)
    assert_type(await service.amethod.outcome("t"), Outcome[Triage])
    assert_type(next(service.smethod("t")), str)
    assert_type(await anext(service.asmethod("t")), str)
    service.method(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- a boundary without a decorator


def plain(ticket: str, *, urgent: bool = False) -> int:
    return len(ticket) + urgent


async def aplain(ticket: str) -> int:
    return len(ticket)


def stream(ticket: str) -> Iterator[str]:
    yield ticket


async def astream(ticket: str) -> AsyncIterator[str]:
    yield ticket


async def without_a_decorator() -> None:
    boundary = Boundary(
        "embed",
        deadline=1.0,
        owner=Owner(team="search", runbook="https://example.org"),
        risk="high",
        review_by="2027-01-31",
        on_stale="keep",
        attempt_timeout=0.5,
        retry=Retry(attempts=3, on=frozenset({FailureKind.TIMEOUT})),
        reask=1,
        breaker=Breaker(failure_rate=0.5),
        bulkhead=Bulkhead(limit=4, queue=8),
        fallback=[last_good(by=plain, ttl=60.0), plain, Rung(plain, ai=True), 0],
        fallback_timeout=0.1,
        isolation="thread",
        mode="on",
        contain="known",
    )
    assert_type(boundary.call(plain, "t", urgent=True), int)
    assert_type(await boundary.call(aplain, "t"), int)
    assert_type(boundary.outcome(plain, "t"), Outcome[int])
    assert_type(await boundary.outcome(aplain, "t"), Outcome[int])
    assert_type(boundary.stream(stream, "t"), SyncStream[str])
    assert_type(boundary.stream(astream, "t"), AsyncStream[str])
    boundary.call(plain, 1)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    assert_type(boundary.name, str)
    assert_type(boundary.policy, Policy)
    assert_type(boundary.mode, Literal["on", "off"])
    boundary.mode = "off"
    assert_type(get("embed"), Boundary)
    assert_type(boundaries(), tuple[Boundary, ...])
    assert_type(remaining(), float | None)


# --- what a call ended as


def read(outcome: Outcome[Triage]) -> None:
    assert_type(outcome.unwrap(), Triage)
    assert_type(outcome.value, Triage | None)
    assert_type(outcome.failure, Failure | None)
    assert_type(outcome.attempts, tuple[Attempt, ...])
    assert_type(outcome.degraded, bool)
    assert_type(outcome.age, float | None)


def catch() -> None:
    try:
        sync("t")
    except StreamInterruptedError as error:
        assert_type(error.delivered, int)
    except RejectedError as error:
        assert_type(error.retry_after, float | None)
    except BoundaryError as error:
        assert_type(error.failure, Failure)
        assert_type(error.failure.kind, FailureKind)
        assert_type(error.boundary, str)
        assert_type(error.outcome, Outcome[Any] | None)


# --- a guarded function may be passed on as one


def takes_function(fn: GuardedFunction[[str], Triage]) -> None: ...
def takes_coroutine(fn: GuardedCoroutineFunction[[str], Triage]) -> None: ...
def takes_stream(fn: GuardedGeneratorFunction[[str], str]) -> None: ...
def takes_async_stream(fn: GuardedAsyncGeneratorFunction[[str], str]) -> None: ...


takes_function(judged)
takes_coroutine(ajudged)
takes_stream(generator)
takes_async_stream(async_generator)
