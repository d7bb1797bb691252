"""The attempt alone: whatever the component does leaves as an answer, one of our errors, or a programmer's error."""

from __future__ import annotations

import asyncio
import functools
from typing import TYPE_CHECKING, Any, Self

import pytest
from pydantic import TypeAdapter, ValidationError

from aiguard import (
    BoundaryError,
    BulkheadFullError,
    CircuitOpenError,
    ComponentError,
    DeadlineExceededError,
    Failure,
    FailureKind,
    InvalidOutputError,
    StreamInterruptedError,
)
from aiguard.contract import Breach
from aiguard.errors import MisuseError, error_for
from aiguard.events import RunStarted
from aiguard.signals import Boxed, Expired, Full
from aiguard.stages.attempt import AttemptStage
from tests.stages.fakes import Ear, call_for, later, run, runtime_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterator

    from aiguard.call import Call
    from aiguard.testing import VirtualClock


def attempt(call: Call, timeout: float | None = None) -> Any:
    """Run one attempt."""
    return run(AttemptStage("embed", timeout), None, call)


def raiser(error: BaseException) -> Callable[..., Any]:
    """Return a component that raises `error`."""

    def component(*_: Any, **__: Any) -> Any:
        raise error

    return component


def failed(clock: VirtualClock, error: BaseException) -> BoundaryError:
    """Return what an attempt leaves as whose component raises `error`."""
    with pytest.raises(BoundaryError) as caught:
        attempt(call_for(clock, fn=raiser(error)))
    return caught.value


@pytest.mark.parametrize("value", ["text", b"bytes", None, 1, 1.5, True, [], {}, (), {1}, object, Failure])
def test_an_answer_passes_as_it_is(clock: VirtualClock, value: Any) -> None:
    """The attempt changes nothing about a result."""
    assert attempt(call_for(clock, fn=lambda: value)) is value


def test_arguments_reach_the_component(clock: VirtualClock) -> None:
    """By position and by name."""
    assert attempt(call_for(clock, 1, 2, fn=lambda a, b, *, c: (a, b, c), c=3)) == (1, 2, 3)


def test_the_start_is_noted_and_told(clock: VirtualClock) -> None:
    """A listener hears of the run before the component is run."""
    ear = Ear()
    call = call_for(clock, ear=ear, fn=lambda: list(ear.events))
    clock.advance(0.5)
    assert attempt(call) == [RunStarted(call.run)]
    assert call.run.started == 1000.5


@pytest.mark.parametrize(
    ("timeout", "within", "until"), [(None, 5.0, 5.0), (2.0, 5.0, 2.0), (9.0, 5.0, 5.0), (5.0, 5.0, 5.0)]
)
def test_the_attempt_ends_at_the_earlier_of_its_two_clocks(
    clock: VirtualClock, timeout: float | None, within: float, until: float
) -> None:
    """The component's time ends with the attempt's timeout or the call's deadline."""
    call = call_for(clock, within=within)
    attempt(call, timeout)
    assert runtime_of(call).ran == [("invoke", until)]


@pytest.mark.parametrize(
    ("timeout", "stage", "words"), [(2.0, "attempt", "attempt_timeout"), (None, "deadline", "the deadline")]
)
def test_which_clock_ended_it_is_said(clock: VirtualClock, timeout: float | None, stage: str, words: str) -> None:
    """Our own timeout is a `DeadlineExceededError` of kind `timeout` with no cause; `failure.stage` names the clock."""
    call = call_for(clock, within=5.0, fn=later(clock, 100.0))
    with pytest.raises(DeadlineExceededError, match=words) as caught:
        attempt(call, timeout)
    assert (caught.value.failure.kind, caught.value.failure.stage) == (FailureKind.TIMEOUT, stage)
    assert caught.value.__cause__ is None


def test_the_components_own_timeout_is_not_ours(clock: VirtualClock) -> None:
    """It has the same kind, but leaves as a `ComponentError` with its cause."""
    error = TimeoutError("slow")
    leaving = failed(clock, error)
    assert type(leaving) is ComponentError
    assert (leaving.failure.kind, leaving.failure.stage) == (FailureKind.TIMEOUT, "component")
    assert leaving.__cause__ is error


def test_no_free_worker_is_a_full_bulkhead(clock: VirtualClock) -> None:
    """The threads are the bulkhead of a boundary without one."""
    leaving = failed(clock, Full())
    assert type(leaving) is BulkheadFullError
    assert (leaving.failure.kind, leaving.failure.stage) == (FailureKind.BULKHEAD_FULL, "attempt")


def test_a_breach_of_one_item_is_an_invalid_output(clock: VirtualClock) -> None:
    """Items of a stream are judged as they come, inside the attempt."""
    leaving = failed(clock, Breach(FailureKind.CHECK_FAILED, "check 'polite' failed"))
    assert type(leaving) is InvalidOutputError
    assert (leaving.failure.kind, leaving.failure.stage) == (FailureKind.CHECK_FAILED, "output")
    assert leaving.__cause__ is None


def test_an_unclassified_exception_is_contained_and_logged_without_its_text(
    clock: VirtualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Class and frames are logged once, at ERROR; the text, which may be a prompt, is nowhere."""
    secret = "the patient's name"
    error = LookupError(secret)
    leaving = failed(clock, error)
    assert type(leaving) is ComponentError
    assert leaving.failure.kind is FailureKind.UNCLASSIFIED
    assert leaving.__cause__ is error is leaving.failure.exception
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert "LookupError" in record.getMessage()
    assert f"{__file__}:" in record.getMessage()
    assert "in component" in record.getMessage()
    assert secret not in caplog.text
    assert secret not in str(leaving)
    assert secret not in repr(leaving.failure.message)


class Mute(Exception):  # noqa: N818 - the name says what it does
    """An exception of which nothing can be printed."""

    def __str__(self) -> str:
        raise ZeroDivisionError

    __repr__ = __str__


@pytest.mark.parametrize(
    "error",
    [
        Mute(),
        ExceptionGroup("several", [ValueError(), KeyError()]),
        RecursionError(),
        MemoryError(),
        StopAsyncIteration(),
        AssertionError(),
        UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"),
        Boxed(StopIteration(1)),
    ],
    ids=lambda error: type(error).__name__,
)
def test_nothing_escapes_the_taxonomy(clock: VirtualClock, error: Exception) -> None:
    """Whatever a component raises, a `BoundaryError` leaves, and can be printed."""
    leaving = failed(clock, error)
    assert str(leaving)
    assert isinstance(leaving.failure.kind, FailureKind)


def test_stop_iteration_is_an_exception_like_any_other(clock: VirtualClock) -> None:
    """The runtime boxes it, since a coroutine would turn it into something else; the cause is the original."""
    stop = StopIteration("the answer")
    leaving = failed(clock, Boxed(stop))
    assert leaving.failure.kind is FailureKind.UNCLASSIFIED
    assert leaving.__cause__ is stop


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_has_no_kind_passes(clock: VirtualClock, ending: type[BaseException]) -> None:
    """Interrupts and cancellation are nobody's failure."""
    with pytest.raises(ending):
        attempt(call_for(clock, fn=raiser(ending())))


def test_an_invalid_answer_found_by_the_component_has_no_cause(clock: VirtualClock) -> None:
    """A pydantic error that the component itself raises holds the answer: it is kept in the failure only."""

    def component() -> Any:
        return TypeAdapter(list[int]).validate_python(["the patient's name"])

    with pytest.raises(InvalidOutputError) as caught:
        attempt(call_for(clock, fn=component))
    assert caught.value.failure.kind is FailureKind.SCHEMA_VIOLATION
    assert caught.value.__cause__ is None
    assert isinstance(caught.value.failure.exception, ValidationError)


# --- nested boundaries


@pytest.mark.parametrize("kind", FailureKind)
def test_a_nested_boundarys_error_keeps_class_and_kind(clock: VirtualClock, kind: FailureKind) -> None:
    """It leaves as the same class, of the component, with the inner error as its cause and its `retry_after`."""
    inner = error_for(Failure(kind, "breaker", "inner words", 3.0))
    inner.boundary = "inner"
    leaving = failed(clock, inner)
    assert type(leaving) is type(inner)
    assert leaving is not inner
    assert (leaving.failure.kind, leaving.failure.stage) == (kind, "component")
    assert leaving.failure.retry_after == 3.0
    assert leaving.__cause__ is inner is leaving.failure.exception
    assert "'inner'" in leaving.failure.message


def test_a_nested_open_breaker_is_an_open_breaker(clock: VirtualClock) -> None:
    """Whoever catches `CircuitOpenError` catches it from any depth."""
    inner = error_for(Failure(FailureKind.CIRCUIT_OPEN, "breaker", "…"))
    assert isinstance(failed(clock, inner), CircuitOpenError)


def test_a_nested_boundarys_own_timeout_stays_one(clock: VirtualClock) -> None:
    """Its kind alone would not tell: the component's own timeout has the same."""
    inner = DeadlineExceededError(Failure(FailureKind.TIMEOUT, "attempt", "…"))
    leaving = failed(clock, inner)
    assert type(leaving) is DeadlineExceededError
    assert leaving.__cause__ is inner


def test_a_nested_stream_says_how_much_it_delivered(clock: VirtualClock) -> None:
    """The inner error, with its count, is the cause."""
    inner = StreamInterruptedError(Failure(FailureKind.STREAM_INTERRUPTED, "component", "…"), delivered=3)
    leaving = failed(clock, inner)
    assert type(leaving) is StreamInterruptedError
    assert isinstance(leaving.__cause__, StreamInterruptedError)
    assert leaving.__cause__.delivered == 3


class HomeMadeError(ComponentError):
    """A subclass with a constructor of its own, as users write them."""

    def __init__(self) -> None:
        super().__init__(Failure(FailureKind.SERVER_ERROR, "component", "home made"))


def test_a_subclass_of_ours_with_its_own_constructor_is_contained(clock: VirtualClock) -> None:
    """It leaves as the nearest class of ours."""
    inner = HomeMadeError()
    leaving = failed(clock, inner)
    assert isinstance(leaving, ComponentError)
    assert leaving.failure.kind is FailureKind.SERVER_ERROR
    assert leaving.__cause__ is inner


# --- programmer's errors


@pytest.mark.parametrize(
    ("fn", "args", "kwargs"),
    [
        (lambda ticket: ticket, (), {}),
        (lambda ticket: ticket, (1, 2), {}),
        (lambda ticket: ticket, (1,), {"color": "red"}),
        (functools.partial(lambda a, b: a + b, 1), (), {}),
    ],
)
def test_arguments_that_do_not_bind_are_a_programmers_error(
    clock: VirtualClock, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    """A `TypeError` names the function; nothing is counted against the component."""
    with pytest.raises(MisuseError, match=r"argument|missing"):
        attempt(call_for(clock, *args, fn=fn, **kwargs))


def test_a_type_error_inside_the_component_is_its_own(clock: VirtualClock) -> None:
    """Arguments that bind, and a bug inside: the component failed."""

    def component(ticket: Any) -> Any:
        return ticket + 1

    with pytest.raises(ComponentError) as caught:
        attempt(call_for(clock, "text", fn=component))
    assert caught.value.failure.kind is FailureKind.UNCLASSIFIED


def answer_nothing() -> None:
    """Take no argument."""


def test_a_type_error_of_something_deeper_is_the_components_own(clock: VirtualClock) -> None:
    """A wrong call made by the component is not the caller's, even where the outer arguments would not tell."""

    def component(*args: Any) -> Any:
        return answer_nothing(*args)

    with pytest.raises(ComponentError):
        attempt(call_for(clock, "text", fn=component))


def test_a_method_is_recognised(clock: VirtualClock) -> None:
    """A `TypeError` inside a bound method or a callable object is the component's."""

    class Model:
        """A component that is an object."""

        def ask(self, ticket: Any) -> Any:
            """Fail inside."""
            return ticket + 1

        __call__ = ask

    for fn in (Model().ask, Model(), functools.partial(Model().ask)):
        with pytest.raises(ComponentError):
            attempt(call_for(clock, "text", fn=fn))
        with pytest.raises(MisuseError):
            attempt(call_for(clock, fn=fn))


class Awaitable:
    """Something to be awaited."""

    def __await__(self) -> Generator[None]:
        yield


class AsyncIterating:
    """Something to be iterated with `async for`."""

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        raise StopAsyncIteration


class Iterating:
    """Something to be iterated."""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> int:
        raise StopIteration


async def coroutine() -> None:
    """Be awaited, or not."""


def generator() -> Iterator[int]:
    """Be iterated, or not."""
    yield 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (Awaitable, "async def"),
        (coroutine, "async def"),
        (Iterating, 'shape="generator"'),
        (generator, 'shape="generator"'),
        (lambda: iter([1]), 'shape="generator"'),
        (AsyncIterating, 'shape="async_generator"'),
    ],
)
def test_a_result_that_has_yet_to_run_is_a_programmers_error(
    clock: VirtualClock, make: Callable[[], Any], words: str
) -> None:
    """Nothing of it was guarded yet: the message says what to do, and nothing is left unawaited."""
    with pytest.raises(MisuseError, match=words):
        attempt(call_for(clock, fn=make))


def test_an_error_has_no_second_life_in_a_frame(clock: VirtualClock) -> None:
    """Expired is a signal between runtime and stage: it never leaves."""
    leaving = failed(clock, Expired())
    assert type(leaving) is DeadlineExceededError
    assert leaving.__cause__ is None
