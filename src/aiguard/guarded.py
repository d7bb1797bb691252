"""Guarded functions: what `guard` gives back, in the shape of what it was given."""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, overload

from aiguard.call import Options
from aiguard.engine.calls import call_async, call_sync, outcome_async, outcome_sync
from aiguard.engine.streams import AsyncStream, SyncStream
from aiguard.errors import PolicyError
from aiguard.priority import PRIORITIES
from aiguard.problem import shown

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Hashable, Iterator
    from typing import Self

    from aiguard.boundary import Boundary
    from aiguard.engine.pipeline import Pipeline
    from aiguard.engine.shape import Shape
    from aiguard.outcome import Outcome
    from aiguard.priority import PriorityName

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
S = TypeVar("S")


class Guarded(Generic[P, R]):
    """
    A guarded function; looks like the function it guards.

    Attributes:
        boundary: Its boundary.
    """

    def __init__(
        self,
        boundary: Boundary,
        fn: Callable[..., Any],
        shape: Shape,
        instance: object = None,
        options: Options | None = None,
    ) -> None:
        self.boundary = boundary
        self._shape = shape
        self._key = shape.value
        self._fn = fn
        self._bound = () if instance is None else (instance,)
        self._options = options

    @property
    def __wrapped__(self) -> Callable[..., Any]:
        """The undecorated function."""
        return self._fn if not self._bound else functools.partial(self._fn, *self._bound)

    @property
    def _pipeline(self) -> Pipeline:
        return self.boundary._pipeline(self._shape, self._fn)  # noqa: SLF001 - one house

    def options(
        self,
        *,
        deadline: float | None = None,
        priority: PriorityName = "normal",
        key: Hashable = None,
    ) -> Self:
        """
        Return a view of this function with other settings for its calls.

        Args:
            deadline: Seconds for the whole call; only ever shortens the boundary's own.
            priority: Who goes first where a bulkhead has a queue: `"critical"`, `"normal"` or `"sheddable"`.
            key: What splits breaker, cooldown and retry budget, in place of what the policy's `key` would say.

        Raises:
            PolicyError: Where a value is out of range.
        """
        if deadline is not None and (type(deadline) not in {int, float} or not 0 < deadline < math.inf):
            raise PolicyError(self._refused("deadline", deadline, "must be seconds above 0"))
        if priority not in PRIORITIES:
            raise PolicyError(self._refused("priority", priority, f"must be one of {', '.join(PRIORITIES)}"))
        try:
            hash(key)
        except TypeError:
            raise PolicyError(self._refused("key", key, "must be hashable")) from None
        view = self._view()
        view._options = Options(deadline, PRIORITIES.index(priority), key)  # noqa: SLF001 - its own class
        return view

    def _refused(self, option: str, value: object, reason: str) -> str:
        return f"boundary {self.boundary.name!r}: option `{option}`={shown(value)}: {reason}"

    def _view(self) -> Self:
        view = object.__new__(type(self))
        view.__dict__.update(self.__dict__)
        return view

    def _bind(self, instance: object) -> Any:
        if instance is None:
            return self
        view = self._view()
        view._bound = (instance,)  # noqa: SLF001 - its own class
        return view

    def __getattr__(self, name: str) -> Any:
        # what tools read off a function: its name, module, doc, code, defaults, annotations
        if name in _FUNCTION_ATTRIBUTES:
            return getattr(self._fn, name)
        msg = f"{type(self).__name__!r} object has no attribute {name!r}"
        raise AttributeError(msg)

    def __repr__(self) -> str:
        return f"<guarded {getattr(self._fn, '__qualname__', self._fn)!s} by boundary {self.boundary.name!r}>"


_FUNCTION_ATTRIBUTES = frozenset(
    {
        "__annotate__",
        "__annotations__",
        "__code__",
        "__defaults__",
        "__kwdefaults__",
        "__name__",
        "__qualname__",
        "__type_params__",
    }
)


class GuardedFunction(Guarded[P, R]):
    """A guarded plain function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call it: the component's answer or a rung's. Raises `BoundaryError` where neither is to be had."""
        pipeline = self.boundary._pipelines.get(self._key) or self._pipeline  # noqa: SLF001 - one house
        return call_sync(pipeline, self._fn, self._bound + args, kwargs, self._options)  # type: ignore[no-any-return]

    def outcome(self, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]:
        """Call it and return what the call ended as; never raises `Exception` for anything the component did."""
        return outcome_sync(self._pipeline, self._fn, self._bound + args, kwargs, self._options)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> GuardedFunction[P, R]: ...
    @overload
    def __get__(
        self: GuardedFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> GuardedFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._bind(instance)


class GuardedCoroutineFunction(Guarded[P, R]):
    """A guarded `async def`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, R]:
        """Call it: the component's answer or a rung's. Raises `BoundaryError` where neither is to be had."""
        pipeline = self.boundary._pipelines.get(self._key) or self._pipeline  # noqa: SLF001 - one house
        return call_async(pipeline, self._fn, self._bound + args, kwargs, self._options)

    def outcome(self, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Outcome[R]]:
        """Call it and return what the call ended as; never raises `Exception` for anything the component did."""
        return outcome_async(self._pipeline, self._fn, self._bound + args, kwargs, self._options)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> GuardedCoroutineFunction[P, R]: ...
    @overload
    def __get__(
        self: GuardedCoroutineFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> GuardedCoroutineFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._bind(instance)


class _GuardedStreamFunction(Guarded[P, R]):
    """What the two kinds of guarded stream functions share."""

    def outcome(self, *args: P.args, **kwargs: P.kwargs) -> Any:
        """Refuse: a stream has no outcome before it has ended. Raises `TypeError`."""
        del args, kwargs
        msg = f"boundary {self.boundary.name!r}: a stream has its outcome as an attribute, once it has ended"
        raise TypeError(msg)


class GuardedGeneratorFunction(_GuardedStreamFunction[P, R]):
    """A guarded generator function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> SyncStream[R]:
        """Return the guarded stream; nothing is begun before its first item is asked for."""
        pipeline = self.boundary._pipelines.get(self._key) or self._pipeline  # noqa: SLF001 - one house
        return SyncStream(pipeline, self._fn, self._bound + args, kwargs, self._options)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> GuardedGeneratorFunction[P, R]: ...
    @overload
    def __get__(
        self: GuardedGeneratorFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> GuardedGeneratorFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._bind(instance)


class GuardedAsyncGeneratorFunction(_GuardedStreamFunction[P, R]):
    """A guarded async generator function."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> AsyncStream[R]:
        """Return the guarded stream; nothing is begun before its first item is asked for."""
        pipeline = self.boundary._pipelines.get(self._key) or self._pipeline  # noqa: SLF001 - one house
        return AsyncStream(pipeline, self._fn, self._bound + args, kwargs, self._options)

    @overload
    def __get__(self, instance: None, owner: type | None = None) -> GuardedAsyncGeneratorFunction[P, R]: ...
    @overload
    def __get__(
        self: GuardedAsyncGeneratorFunction[Concatenate[S, Q], R], instance: S, owner: type | None = None
    ) -> GuardedAsyncGeneratorFunction[Q, R]: ...
    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self._bind(instance)


T = TypeVar("T")


class Guard:
    """A decorator whose answer has the component's own type."""

    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary

    # the narrow shapes come first: what is none of them is a plain function
    @overload
    def __call__(self, fn: Callable[P, AsyncIterator[R]], /) -> GuardedAsyncGeneratorFunction[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, R]], /) -> GuardedCoroutineFunction[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, fn: Callable[P, Iterator[R]], /) -> GuardedGeneratorFunction[P, R]: ...  # type: ignore[overload-overlap]
    @overload
    def __call__(self, fn: Callable[P, R], /) -> GuardedFunction[P, R]: ...
    def __call__(self, fn: Callable[..., Any], /) -> Any:
        """Guard `fn`. Raises `PolicyError` where a setting does not fit it."""
        return self._boundary._decorate(fn)  # noqa: SLF001 - one house


class GuardAs(Generic[T]):
    """A decorator whose answer has the contract's type."""

    def __init__(self, boundary: Boundary) -> None:
        self._boundary = boundary

    @overload
    def __call__(self, fn: Callable[P, AsyncIterator[Any]], /) -> GuardedAsyncGeneratorFunction[P, Any]: ...
    @overload
    def __call__(self, fn: Callable[P, Coroutine[Any, Any, Any]], /) -> GuardedCoroutineFunction[P, T]: ...
    @overload
    def __call__(self, fn: Callable[P, Iterator[Any]], /) -> GuardedGeneratorFunction[P, Any]: ...
    @overload
    def __call__(self, fn: Callable[P, Any], /) -> GuardedFunction[P, T]: ...
    def __call__(self, fn: Callable[..., Any], /) -> Any:
        """Guard `fn`. Raises `PolicyError` where a setting does not fit it."""
        return self._boundary._decorate(fn)  # noqa: SLF001 - one house
