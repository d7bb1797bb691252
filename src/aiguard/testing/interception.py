"""
Where tests step in between a boundary and its component.

While a block is open, `Boundary` looks up its pipelines here; while none is, it is untouched and costs what it always
costs. What a call meets is decided as it begins, by the blocks that are open then, whichever thread or loop it is on.
"""

from __future__ import annotations

import functools
import inspect
import threading
from abc import ABC, abstractmethod
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias, TypeVar

from aiguard import boundary as declared
from aiguard.boundary import Boundary
from aiguard.guarded import Guarded
from aiguard.problem import nearest, shown
from aiguard.testing.direct import Direct
from aiguard.testing.route import Plan, Route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from aiguard.engine.pipeline import Pipeline
    from aiguard.engine.shape import Shape
    from aiguard.stages.breaker import CircuitBreaker

F = TypeVar("F", bound="Callable[..., Any]")

Which: TypeAlias = "str | Boundary | Guarded[..., Any] | None"
"""Which boundaries: one by its name, itself or the function it guards; several by a pattern; `None` for all."""

_PATTERN: Final = frozenset("*?[")


class Block(ABC):
    """
    A block in which calls meet something else; a context manager, and a decorator of functions of every shape.

    It holds for the whole process, in every thread and on every event loop. Blocks nest, and may end in any order.
    """

    def __init__(self, *which: Which) -> None:
        self._which = tuple(_wanted(one) for one in which)

    def __enter__(self) -> Self:
        self._check_names()
        self.begin()
        _OPEN.add(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _OPEN.remove(self)
        self.end(error)

    def __call__(self, fn: F) -> F:
        """Return `fn` with a block of its own around each call."""
        return _around(self, fn)

    def begin(self) -> None:  # noqa: B027 - most have nothing to do
        """Get ready."""

    def end(self, error: BaseException | None) -> None:  # noqa: B027 - as above
        """Let go of what is held; `error` is what the block ended in."""

    @abstractmethod
    def again(self) -> Block:
        """Return a block like this one that was never entered."""

    @abstractmethod
    def lay(self, plan: Plan) -> None:
        """Add to what a call of a boundary meets that this block means."""

    def means(self, boundary: Boundary) -> bool:
        """Whether this block is about that boundary."""
        return any(
            fnmatchcase(boundary.name, wanted) if isinstance(wanted, str) else wanted is boundary
            for wanted in self._which
        )

    @property
    def aim(self) -> str:
        """Which boundaries it is about, for people."""
        return ", ".join(repr(one if isinstance(one, str) else one.name) for one in self._which)

    def _check_names(self) -> None:
        """Raise `ValueError` where a name is nobody's: what it was meant for would go on untouched."""
        known = [one.name for one in declared.boundaries()]
        for wanted in self._which:
            if isinstance(wanted, str) and _PATTERN.isdisjoint(wanted) and wanted not in known:
                raise ValueError(
                    f"no boundary named {wanted!r} is declared{nearest(wanted, known)} "
                    "(of one that is declared later, give a pattern)"
                )


def _wanted(which: object) -> str | Boundary:
    if which is None:
        return "*"
    if isinstance(which, Guarded):
        return which.boundary
    if isinstance(which, str | Boundary):
        return which
    raise TypeError(f"boundary: {shown(which)} is neither a name nor a Boundary nor a guarded function")


def _around(block: Block, fn: F) -> F:
    wrapped: Any
    if inspect.isasyncgenfunction(fn):

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with block.again():
                async for item in fn(*args, **kwargs):
                    yield item

    elif inspect.iscoroutinefunction(fn):

        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            with block.again():
                return await fn(*args, **kwargs)

    elif inspect.isgeneratorfunction(fn):

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with block.again():
                return (yield from fn(*args, **kwargs))

    else:

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            with block.again():
                return fn(*args, **kwargs)

    return functools.wraps(fn)(wrapped)  # type: ignore[return-value] # of the same shape


class _OpenBlocks:
    """The blocks that are open, outermost first; with the first one `Boundary` is changed, with the last one back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blocks: tuple[Block, ...] = ()

    def add(self, block: Block) -> None:
        """Open a block. Raises `RuntimeError` where it is open already."""
        with self._lock:
            if block in self._blocks:
                raise RuntimeError("the block is open already: make one for each use")
            if not self._blocks:
                Boundary._pipelines, Boundary._pipeline, Boundary.breaker = _Lookup(), _pipeline, property(_breaker)  # type: ignore[assignment,method-assign,misc] # noqa: SLF001
            self._blocks = (*self._blocks, block)

    def remove(self, block: Block) -> None:
        """Close a block."""
        with self._lock:
            self._blocks = tuple(one for one in self._blocks if one is not block)
            if not self._blocks:
                Boundary._pipelines, Boundary._pipeline, Boundary.breaker = _PIPELINES, _PIPELINE, _BREAKER  # type: ignore[method-assign,misc] # noqa: SLF001

    def about(self, boundary: Boundary) -> Iterable[Block]:
        """Return those that mean `boundary`."""
        return [block for block in self._blocks if block.means(boundary)]

    def plan(self, boundary: Boundary) -> Plan | None:
        """Return what a call of `boundary` meets; `None` where no block means it."""
        blocks = self.about(boundary)
        if not blocks:
            return None
        plan = Plan()
        for block in blocks:
            block.lay(plan)
        return plan


_OPEN: Final = _OpenBlocks()

_PIPELINES: Final = Boundary.__dict__["_pipelines"]
_PIPELINE: Final = Boundary.__dict__["_pipeline"]
_BREAKER: Final = Boundary.__dict__["breaker"]


class _Lookup:
    """In the place of the slot that holds a boundary's pipelines."""

    def __get__(self, boundary: Boundary, owner: type[Boundary]) -> _Known:
        return _Known(boundary, _PIPELINES.__get__(boundary, owner))

    def __set__(self, boundary: Boundary, pipelines: dict[str, Pipeline]) -> None:
        _PIPELINES.__set__(boundary, pipelines)


class _Known:
    """The pipelines of a boundary, which knows none by heart while a block means it: it has to ask `_pipeline`."""

    def __init__(self, boundary: Boundary, pipelines: dict[str, Pipeline]) -> None:
        self._boundary = boundary
        self._pipelines = pipelines

    def get(self, shape: str) -> Pipeline | None:
        """Return the pipeline for functions of that shape."""
        return None if _OPEN.about(self._boundary) else self._pipelines.get(shape)

    def __bool__(self) -> bool:
        return bool(self._pipelines)


def _pipeline(boundary: Boundary, shape: Shape, component: Callable[..., Any] | None) -> Any:
    """Return what a call passes: in the place of `Boundary._pipeline`."""
    plan = _OPEN.plan(boundary)
    if plan is None:
        return _PIPELINE(boundary, shape, component)
    if plan.direct:
        return Direct(boundary.name, boundary._state, shape)  # noqa: SLF001 - one house
    return Route(_PIPELINE(boundary, shape, component), boundary.policy, plan)


def _breaker(boundary: Boundary) -> CircuitBreaker | None:
    """Return the breaker that calls meet: in the place of `Boundary.breaker`."""
    breaker: CircuitBreaker | None = _BREAKER.__get__(boundary)
    plan = _OPEN.plan(boundary)
    if plan is None or plan.direct or breaker is None:
        return breaker
    return plan.health.of(boundary._state.partition, boundary.policy).breaker  # noqa: SLF001 - one house
