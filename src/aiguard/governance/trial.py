"""
One call of a boundary, for real, save that nobody asks the component.

In its place stands something that only tells whether it was asked. Gate, ladder and contract are the boundary's own.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.call import Options
from aiguard.engine.calls import outcome_async, outcome_sync
from aiguard.engine.shape import Shape
from aiguard.engine.streams import AsyncStream, SyncStream
from aiguard.errors import BoundaryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Hashable, Iterator, Mapping, Sequence

    from aiguard.boundary import Boundary
    from aiguard.engine.pipeline import Pipeline
    from aiguard.outcome import Outcome


class Given(NamedTuple):
    """
    What a call is given.

    Attributes:
        args: By position.
        kwargs: By name.
    """

    args: Sequence[Any]
    kwargs: Mapping[str, Any]


class Tried(NamedTuple):
    """
    How a trial ended.

    Attributes:
        outcome: What the call ended as.
        asked: Whether the component would have been asked.
    """

    outcome: Outcome[Any]
    asked: bool


class Trial:
    """
    A call of `boundary` that is ready to be made.

    Args:
        boundary: The boundary.
        given: What the call is given.

    Raises:
        TypeError: The component does not take that; one that nobody declared takes anything.
        PolicyError: The boundary is not complete, so no call of it can run.
    """

    def __init__(self, boundary: Boundary, given: Given) -> None:
        component = boundary._component  # noqa: SLF001 - one house
        declared = boundary.policy.shape
        fn = None
        shape = Shape.ASYNC if declared is None else Shape(declared)  # it may have rungs of both kinds
        if component is not None:
            fn, shape = component.fn, component.shape
            inspect.signature(fn).bind(*given.args, **given.kwargs)
        self._given = given
        self._run = _RUN[shape]
        self._pipeline = boundary._pipeline(shape, fn)  # noqa: SLF001 - one house

    def run(self, key: Hashable) -> Tried:
        """Make the call, with that key; nothing that a rung does is raised."""
        stand_in = _StandIn()
        args, kwargs = tuple(self._given.args), dict(self._given.kwargs)
        outcome = self._run(self._pipeline, stand_in, args, kwargs, Options(key=key))
        return Tried(outcome, stand_in.asked)


class _StandIn:
    """What stands in the component's place."""

    def __init__(self) -> None:
        self.asked = False

    def sync(self, *_: Any, **__: Any) -> Any:
        self.asked = True
        raise _AskedError

    async def coroutine(self, *_: Any, **__: Any) -> Any:
        return self.sync()

    def items(self, *_: Any, **__: Any) -> Iterator[Any]:
        yield self.sync()

    async def async_items(self, *_: Any, **__: Any) -> AsyncIterator[Any]:
        yield self.sync()


class _AskedError(Exception):
    """The call got through to the component."""


def _called(pipeline: Pipeline, stand_in: _StandIn, args: Any, kwargs: Any, options: Options) -> Outcome[Any]:
    return outcome_sync(pipeline, stand_in.sync, args, kwargs, options)


def _awaited(pipeline: Pipeline, stand_in: _StandIn, args: Any, kwargs: Any, options: Options) -> Outcome[Any]:
    async def ask() -> Outcome[Any]:
        return await outcome_async(pipeline, stand_in.coroutine, args, kwargs, options)

    return asyncio.run(ask())


def _iterated(pipeline: Pipeline, stand_in: _StandIn, args: Any, kwargs: Any, options: Options) -> Outcome[Any]:
    stream: SyncStream[Any] = SyncStream(pipeline, stand_in.items, args, kwargs, options)
    try:
        for _ in stream:
            pass
    except BoundaryError:
        pass  # its outcome tells
    return _outcome_of(stream)


def _iterated_async(pipeline: Pipeline, stand_in: _StandIn, args: Any, kwargs: Any, options: Options) -> Outcome[Any]:
    async def ask() -> Outcome[Any]:
        stream: AsyncStream[Any] = AsyncStream(pipeline, stand_in.async_items, args, kwargs, options)
        try:
            async for _ in stream:
                pass
        except BoundaryError:
            pass  # its outcome tells
        return _outcome_of(stream)

    return asyncio.run(ask())


def _outcome_of(stream: SyncStream[Any] | AsyncStream[Any]) -> Outcome[Any]:
    if stream.outcome is None:
        msg = "a stream that has ended has an outcome"
        raise RuntimeError(msg)
    return stream.outcome


_RUN: Final[Mapping[Shape, Callable[[Pipeline, _StandIn, Any, Any, Options], Outcome[Any]]]] = {
    Shape.SYNC: _called,
    Shape.ASYNC: _awaited,
    Shape.GENERATOR: _iterated,
    Shape.ASYNC_GENERATOR: _iterated_async,
}
