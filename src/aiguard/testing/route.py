"""A boundary's real pipeline with something else in its component's place."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiguard.engine.shape import Shape
from aiguard.stages.fallback import FallbackStage
from aiguard.testing.faults import rejection
from aiguard.testing.health import Health
from aiguard.testing.virtual import VirtualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from aiguard.call import Call, Options, Proceed, Runtime
    from aiguard.engine.calls import Args, Kwargs
    from aiguard.engine.pipeline import Pipeline
    from aiguard.policy import Policy
    from aiguard.testing.faults import Fails


class Source(Protocol):
    """What puts something in a component's place."""

    def stand_in(self, fn: Callable[..., Any], pipeline: Pipeline) -> StandIn:
        """Return what is called in the place of `fn`."""


class Plan:
    """
    What one call meets: laid by every block that means its boundary, from the outermost to the innermost.

    Attributes:
        direct: Whether it calls its component, and nothing else happens.
        component: Who answers in the component's place.
        faults: What happens to the component, or to who answers for it; outermost first.
        rejected: How the boundary itself refuses it.
        hurried: Whether waits between attempts are left out.
        health: Where breaker, cooldown and retry budget are kept.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Let the call meet what it meets outside of every block."""
        self.direct = False
        self.component: Source | None = None
        self.faults: list[Source] = []
        self.rejected: Fails | None = None
        self.hurried = False
        self.health = Health()


_WAYS: Final = {
    Shape.SYNC: "answer",
    Shape.ASYNC: "answer_async",
    Shape.GENERATOR: "items",
    Shape.ASYNC_GENERATOR: "items_async",
}


class StandIn(ABC):
    """
    What is called in a component's place, and taken for it by messages, by `inspect` and by `last_good`.

    Args:
        fn: The component.
    """

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.__qualname__ = type(fn).__qualname__
        functools.update_wrapper(self, fn, updated=())
        self._fn = fn

    def __eq__(self, other: object) -> bool:
        return bool(self._fn == (other._fn if isinstance(other, StandIn) else other))

    def __hash__(self) -> int:
        return hash(self._fn)

    @abstractmethod
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer, or let the component."""


class ShapedStandIn(StandIn):
    """
    Answers itself, in the component's shape.

    Args:
        fn: The component.
        shape: Its shape.
    """

    def __init__(self, fn: Callable[..., Any], shape: Shape) -> None:
        super().__init__(fn)
        self._way = _WAYS[shape]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Answer."""
        return getattr(self, self._way)(args, kwargs)

    @abstractmethod
    def answer(self, args: Args, kwargs: Kwargs) -> Any:
        """Answer for a plain function."""

    @abstractmethod
    def answer_async(self, args: Args, kwargs: Kwargs) -> Coroutine[Any, Any, Any]:
        """Answer for an async one."""

    @abstractmethod
    def items(self, args: Args, kwargs: Kwargs) -> Iterator[Any]:
        """Answer for a generator function."""

    @abstractmethod
    def items_async(self, args: Args, kwargs: Kwargs) -> AsyncIterator[Any]:
        """Answer for an async generator function."""


class Route:
    """
    A pipeline as calls meet it inside a block: the real one, but for what `plan` says.

    Attributes:
        door: No call is turned away at the door: it asks a breaker that is not the block's.
    """

    door = None

    def __init__(self, pipeline: Pipeline, policy: Policy, plan: Plan) -> None:
        self._pipeline = pipeline
        self._policy = policy
        self._plan = plan

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipeline, name)

    def open(self, fn: Callable[..., Any], args: Args, kwargs: Kwargs, options: Options | None = None) -> Call:
        """Begin a call of what stands in the place of `fn`."""
        pipeline, plan = self._pipeline, self._plan
        if plan.component is not None:
            fn = plan.component.stand_in(fn, pipeline)
        for fault in reversed(plan.faults):
            fn = fault.stand_in(fn, pipeline)
        call = pipeline.open(fn, args, kwargs, options)
        call.journal.partition = plan.health.of(call.journal.partition, self._policy)
        if plan.hurried and not isinstance(call.clock, VirtualClock):
            call.runtime = _Hurried(call.runtime)
        return call

    @property
    def chain(self) -> Proceed:
        """The stages; of a call that is refused, only the ladder."""
        chain: Any = self._pipeline.chain
        if self._plan.rejected is None:
            return chain  # type: ignore[no-any-return]
        refuse = partial(_refuse, self._plan.rejected)
        ladder = getattr(chain.func, "__self__", None)
        return partial(ladder.run, refuse) if isinstance(ladder, FallbackStage) else refuse


async def _refuse(failure: Fails, call: Call) -> Any:  # noqa: ARG001 - a stage like any other
    raise rejection(failure)


class _Hurried:
    """A runtime that does not wait between attempts; all else of it is the real one's."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    async def sleep(self, seconds: float) -> None:  # noqa: ARG002 - that is the point
        """Let others have their turn."""
        await self._runtime.sleep(0.0)
