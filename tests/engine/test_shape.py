"""What kind of function is guarded is found by looking at it, whatever it is wrapped in."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any
from unittest.mock import AsyncMock, MagicMock

import pytest

from aiguard import guard
from aiguard.engine.shape import Shape, shape_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from aiguard.testing import VirtualClock


def sync() -> int:
    """Be a plain function."""
    return 1


async def coroutine() -> int:
    """Be a coroutine function."""
    return 1


def generator() -> Iterator[int]:
    """Be a generator function."""
    yield 1


async def async_generator() -> AsyncIterator[int]:
    """Be an async generator function."""
    yield 1


class Model:
    """Every shape as a method of every kind."""

    def sync(self) -> int:
        """Be a plain method."""
        return 1

    async def coroutine(self) -> int:
        """Be a coroutine method."""
        return 1

    def generator(self) -> Iterator[int]:
        """Be a generator method."""
        yield 1

    async def async_generator(self) -> AsyncIterator[int]:
        """Be an async generator method."""
        yield 1

    @classmethod
    async def of_class(cls) -> int:
        """Be a class method."""
        return 1

    @staticmethod
    def static() -> Iterator[int]:
        """Be a static method."""
        yield 1


class Callables:
    """Objects that are called."""

    class Sync:
        """A plain one."""

        def __call__(self) -> int:
            return 1

    class Async:
        """An async one."""

        async def __call__(self) -> int:
            return 1

    class Stream:
        """A streaming one."""

        def __call__(self) -> Iterator[int]:
            yield 1

    class AsyncStream:
        """An async streaming one."""

        async def __call__(self) -> AsyncIterator[int]:
            yield 1


@functools.wraps(coroutine)
def wrapper_that_blocks() -> int:
    """Look like a coroutine function to `inspect.unwrap`, and be none."""
    return 1


MODEL = Model()


@pytest.mark.parametrize(
    ("fn", "shape"),
    [
        (sync, Shape.SYNC),
        (coroutine, Shape.ASYNC),
        (generator, Shape.GENERATOR),
        (async_generator, Shape.ASYNC_GENERATOR),
        (lambda: 1, Shape.SYNC),
        (len, Shape.SYNC),
        (int, Shape.SYNC),
        pytest.param(MODEL.sync, Shape.SYNC, id="bound-sync"),
        pytest.param(MODEL.coroutine, Shape.ASYNC, id="bound-coroutine"),
        pytest.param(MODEL.generator, Shape.GENERATOR, id="bound-generator"),
        pytest.param(MODEL.async_generator, Shape.ASYNC_GENERATOR, id="bound-async_generator"),
        pytest.param(Model.coroutine, Shape.ASYNC, id="unbound"),
        (Model.of_class, Shape.ASYNC),
        (Model.static, Shape.GENERATOR),
        (Callables.Sync(), Shape.SYNC),
        (Callables.Async(), Shape.ASYNC),
        (Callables.Stream(), Shape.GENERATOR),
        (Callables.AsyncStream(), Shape.ASYNC_GENERATOR),
        (functools.partial(coroutine), Shape.ASYNC),
        (functools.partial(functools.partial(generator)), Shape.GENERATOR),
        (functools.partial(MODEL.async_generator), Shape.ASYNC_GENERATOR),
        (functools.partial(Callables.Async()), Shape.ASYNC),
        (functools.partial(Callables.Sync), Shape.SYNC),
        (wrapper_that_blocks, Shape.SYNC),
        (MagicMock(), Shape.SYNC),
        (AsyncMock(), Shape.ASYNC),
    ],
)
def test_a_shape_is_found(fn: Callable[..., Any], shape: Shape) -> None:
    """Functions, methods, partials and callable objects show their shape; annotations and wrappers do not fool it."""
    assert shape_of(fn) is shape


@pytest.mark.parametrize(
    ("shape", "is_async", "is_stream"),
    [
        (Shape.SYNC, False, False),
        (Shape.ASYNC, True, False),
        (Shape.GENERATOR, False, True),
        (Shape.ASYNC_GENERATOR, True, True),
    ],
)
def test_a_shape_knows_its_kind(shape: Shape, is_async: bool, is_stream: bool) -> None:  # noqa: FBT001 - a table
    """Two questions tell the four apart."""
    assert (shape.is_async, shape.is_stream) == (is_async, is_stream)


def client(*, stream: bool) -> Any:
    """Be an SDK's function: it returns an iterator when asked for a stream."""
    return iter("abc") if stream else "abc"


async def async_client(*, stream: bool) -> Any:
    """Be an SDK's coroutine function: it resolves to an async iterator when asked for a stream."""

    async def items() -> AsyncIterator[str]:
        for letter in "abc":
            yield letter

    return items() if stream else "abc"


@pytest.mark.parametrize("stream", ["passthrough", "buffer"])
@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_a_declared_shape_iterates_what_a_function_returns(clock: VirtualClock, stream: Any, isolation: Any) -> None:
    """With `shape="generator"`, a plain function that returns an iterator is a stream."""
    del clock
    guarded: Any = guard("c", deadline=5.0, shape="generator", stream=stream, isolation=isolation)(client)
    assert list(guarded(stream=True)) == ["a", "b", "c"]


@pytest.mark.parametrize("stream", ["passthrough", "buffer"])
def test_a_declared_shape_iterates_what_a_coroutine_resolves_to(clock: VirtualClock, stream: Any) -> None:
    """With `shape="async_generator"`, an `async def` that resolves to an async iterator is a stream."""
    guarded: Any = guard("c", deadline=5.0, shape="async_generator", stream=stream)(async_client)

    async def main() -> list[str]:
        return [item async for item in guarded(stream=True)]

    assert clock.run(main()) == ["a", "b", "c"]


def test_a_declared_shape_serves_a_callable_nobody_can_see_into(clock: VirtualClock) -> None:
    """A wrapper that hides an async function is one if its user says so."""

    def wrapper() -> Any:
        return coroutine()

    guarded: Any = guard("c", deadline=5.0, shape="async")(wrapper)
    assert clock.run(guarded()) == 1
