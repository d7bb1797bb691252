"""
Answers in a component's place, and calls with nothing around them.

    with answering({"category": "billing"}, "ticket-triage"): ...
    with answering(FailureKind.TIMEOUT, "ticket-triage"): ...
    with disabled(): ...
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

from aiguard.failure import FailureKind
from aiguard.testing.faults import STAGES, Fails, is_failure, raised
from aiguard.testing.health import Health
from aiguard.testing.interception import Block
from aiguard.testing.route import ShapedStandIn, StandIn

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.engine.calls import Args, Kwargs
    from aiguard.engine.pipeline import Pipeline
    from aiguard.testing.interception import Which
    from aiguard.testing.route import Plan


class disabled(Block):  # noqa: N801 - used as a word, as `contextlib.suppress` is
    """
    A block in which boundaries only call their component.

    No retry, no breaker, no deadline, no contract, no ladder, no telemetry; what the component raises comes out as it
    is, and a sync function runs in its caller's thread. `outcome(…)` still raises nothing: what was raised is its
    `error`.

    Args:
        *boundaries: Which: each a boundary's name or a pattern, itself, or the function that it guards; all by
            default.
    """

    def __init__(self, *boundaries: Which) -> None:
        super().__init__(*(boundaries or (None,)))
        self._boundaries = boundaries

    def again(self) -> disabled:
        """Return a block like this one that was never entered."""
        return disabled(*self._boundaries)

    def lay(self, plan: Plan) -> None:
        """Take the place of everything that the blocks around this one do."""
        plan.forget()
        plan.direct = True


class answering(Block):  # noqa: N801 - as above
    """
    A block in which boundaries do not ask their component: `answer` is what it answers.

    All else is real: contract, retries, breaker, ladder, outcome, telemetry; only the waits between attempts are left
    out.

    Args:
        answer: A value; for a stream a list of its items. A `FailureKind`, a `Fails(…)` or an exception, for a
            component that fails so, in no time; a kind of rejection comes from the boundary, which does not begin an
            attempt then. Or a function of the component's arguments that returns one of these. A failure that stands
            in a list breaks the stream there.
        boundary: Which: a name or a pattern, a boundary, or the function that it guards; all by default.
    """

    def __init__(self, answer: Any, boundary: Which = None) -> None:
        super().__init__(boundary)
        self._answer = answer
        self._boundary = boundary
        self._health = Health()

    def again(self) -> answering:
        """Return a block like this one that was never entered."""
        return answering(self._answer, self._boundary)

    def lay(self, plan: Plan) -> None:
        """Take the place of the component, and of everything that the blocks around this one do to it."""
        answer = Fails(self._answer) if isinstance(self._answer, FailureKind) else self._answer
        plan.component = self
        plan.faults.clear()
        plan.direct = False
        plan.rejected = answer if isinstance(answer, Fails) and answer.kind in STAGES else None
        plan.hurried = True
        plan.health = self._health

    def stand_in(self, fn: Callable[..., Any], pipeline: Pipeline) -> StandIn:
        """Return what answers in the place of `fn`."""
        return _Answering(fn, pipeline, self._answer)


class _Answering(ShapedStandIn):
    """Answers as it was told."""

    def __init__(self, fn: Callable[..., Any], pipeline: Pipeline, answer: Any) -> None:
        super().__init__(fn, pipeline.shape)
        self._answer = answer

    def answer(self, args: Args, kwargs: Kwargs) -> Any:
        """Return the answer, or raise what stands for a failure."""
        return _or_raise(self._given(args, kwargs))

    async def answer_async(self, args: Args, kwargs: Kwargs) -> Any:
        """Return the answer, or raise what stands for a failure."""
        given = self._given(args, kwargs)
        return _or_raise(await given if inspect.isawaitable(given) else given)

    def items(self, args: Args, kwargs: Kwargs) -> Iterator[Any]:
        """Yield the answer item by item."""
        for item in _items(_or_raise(self._given(args, kwargs))):
            yield _or_raise(item)

    async def items_async(self, args: Args, kwargs: Kwargs) -> AsyncIterator[Any]:
        """Yield the answer item by item."""
        given = self._given(args, kwargs)
        answer = _or_raise(await given if inspect.isawaitable(given) else given)
        if isinstance(answer, AsyncIterator):
            async for item in answer:
                yield _or_raise(item)
            return
        for item in _items(answer):
            yield _or_raise(item)

    def _given(self, args: Args, kwargs: Kwargs) -> Any:
        given = self._answer
        if not callable(given) or is_failure(given):
            _bind(self._fn, args, kwargs)
            return given
        return given(*args, **kwargs)


def _bind(fn: Callable[..., Any], args: Args, kwargs: Kwargs) -> None:
    """Raise the `TypeError` that calling `fn` would: a wrong call must not be answered."""
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return
    signature.bind(*args, **kwargs)


def _or_raise(given: Any) -> Any:
    if is_failure(given):
        raise raised(given)
    return given


def _items(answer: Any) -> Iterator[Any]:
    return iter(answer if isinstance(answer, list | tuple | Iterator) else [answer])
