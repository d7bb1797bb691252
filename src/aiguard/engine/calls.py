"""What steps the pipeline for a function and for a coroutine function."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from aiguard.engine.door import OPEN_DOOR
from aiguard.errors import BoundaryError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiguard.call import Call, Options
    from aiguard.engine.pipeline import Pipeline
    from aiguard.outcome import Outcome

T = TypeVar("T")

Args = tuple[Any, ...]
Kwargs = dict[str, Any]


def step(chain: Awaitable[T]) -> T:
    """Run a pipeline of blocking stages to its end: they are coroutines that never suspend."""
    stepper: Any = chain
    try:
        stepper.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    stepper.close()
    msg = "a stage waited for something other than call.runtime"
    raise RuntimeError(msg)


def call_sync(pipeline: Pipeline, fn: Callable[..., Any], args: Args, kwargs: Kwargs, options: Options | None) -> Any:
    """Return the value of one call or raise what leaves the boundary."""
    door = pipeline.door
    if door is not None and (options is None or options.key is None):
        answer = door.answer()
        if answer is not OPEN_DOOR:
            return answer
    call = pipeline.open(fn, args, kwargs, options)
    try:
        answer = step(pipeline.chain(call))
    except BoundaryError as error:
        leaving = pipeline.failed(call, error)
        if leaving is error:
            raise
    except BaseException:
        pipeline.broken(call)
        raise
    else:
        pipeline.answered(call, answer)
        return answer
    try:
        raise leaving
    finally:
        del leaving


def outcome_sync(
    pipeline: Pipeline, fn: Callable[..., Any], args: Args, kwargs: Kwargs, options: Options | None
) -> Outcome[Any]:
    """Return what one call ended as; nothing that the component did is raised."""
    call = pipeline.open(fn, args, kwargs, options)
    try:
        answer = step(pipeline.chain(call))
    except BoundaryError as error:
        return _failed_outcome(pipeline, call, error)
    except BaseException:
        pipeline.broken(call)
        raise
    pipeline.answered(call, answer)
    return pipeline.outcome(call, answer)


async def call_async(
    pipeline: Pipeline, fn: Callable[..., Any], args: Args, kwargs: Kwargs, options: Options | None
) -> Any:
    """Return the value of one call or raise what leaves the boundary."""
    door = pipeline.door
    if door is not None and (options is None or options.key is None):
        answer = door.answer()
        if answer is not OPEN_DOOR:
            return answer
    call = pipeline.open(fn, args, kwargs, options)
    try:
        answer = await pipeline.chain(call)
    except BoundaryError as error:
        leaving = pipeline.failed(call, error)
        if leaving is error:
            raise
    except BaseException:
        pipeline.broken(call)
        raise
    else:
        pipeline.answered(call, answer)
        return answer
    try:
        raise leaving
    finally:
        del leaving


async def outcome_async(
    pipeline: Pipeline, fn: Callable[..., Any], args: Args, kwargs: Kwargs, options: Options | None
) -> Outcome[Any]:
    """Return what one call ended as; nothing that the component did is raised."""
    call = pipeline.open(fn, args, kwargs, options)
    try:
        answer = await pipeline.chain(call)
    except BoundaryError as error:
        return _failed_outcome(pipeline, call, error)
    except BaseException:
        pipeline.broken(call)
        raise
    pipeline.answered(call, answer)
    return pipeline.outcome(call, answer)


def _failed_outcome(pipeline: Pipeline, call: Call, error: BoundaryError) -> Outcome[Any]:
    leaving = pipeline.failed(call, error)
    return error.outcome or pipeline.outcome(call, None, error=leaving, failure=error.failure)
