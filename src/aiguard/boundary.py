"""Where it all meets: the boundary, and the decorator that guards a function with one."""

from __future__ import annotations

import inspect
import os
import sys
from types import CodeType, FrameType
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar, Unpack, overload

from aiguard.engine.calls import call_async, call_sync, outcome_async, outcome_sync
from aiguard.engine.pipeline import Pipeline
from aiguard.engine.shape import Shape, shape_of
from aiguard.engine.state import State
from aiguard.engine.streams import AsyncStream, SyncStream
from aiguard.errors import PolicyError
from aiguard.guarded import (
    Guard,
    GuardAs,
    GuardedAsyncGeneratorFunction,
    GuardedCoroutineFunction,
    GuardedFunction,
    GuardedGeneratorFunction,
)
from aiguard.policy import Settings, check_name, policy_of
from aiguard.registry import Place, Registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from aiguard.contract import OutputContract
    from aiguard.outcome import Outcome
    from aiguard.policy import Policy
    from aiguard.stages.breaker import CircuitBreaker
    from aiguard.stages.bulkhead import Permits

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_GUARDED: Final = {
    Shape.SYNC: GuardedFunction,
    Shape.ASYNC: GuardedCoroutineFunction,
    Shape.GENERATOR: GuardedGeneratorFunction,
    Shape.ASYNC_GENERATOR: GuardedAsyncGeneratorFunction,
}


class Boundary:
    """
    A named, owned place where a program calls an AI component.

    What leaves it is a value that satisfies the declared contract inside the declared deadline, or one
    `BoundaryError`. It may be used at once from many threads and several event loops.

    Args:
        name: 1–100 of `A-Z a-z 0-9 . _ -`; one boundary of a name in a process.
        output: What the answer must satisfy: a type, or an `OutputContract`.
        **settings: See `Policy`.

    Attributes:
        name: Its name.
        policy: Its settings, read-only.

    Raises:
        PolicyError: Where a name or a setting is refused; the message names boundary, setting and value.
    """

    __slots__ = ("_pipelines", "_shape", "_state", "name", "policy")

    def __init__(self, name: str, *, output: Any = None, **settings: Unpack[Settings]) -> None:
        self._declare(name, settings | {"output": output})
        if self.policy.deadline is not None and self.policy.fallback:
            # without a function, the ladder is checked as far as it goes: its values, and what kind of thing a rung is
            Pipeline(self.policy, self._state, self._shape or self._likely_shape(), None)
        _register(self, _place_of(sys._getframe(1)))  # noqa: SLF001 - who declares it decides whether it may replace

    def _declare(self, name: str, settings: dict[str, Any]) -> None:
        self.name = check_name(name)
        self.policy: Policy = policy_of(name, settings)
        self._pipelines: dict[str, Pipeline] = {}  # by a shape's value: an enum's hash is a Python call
        self._shape = Shape(self.policy.shape) if self.policy.shape is not None else None
        try:
            self._state = State(name, self.policy)
        except PolicyError as error:
            msg = f"boundary {name!r}: {error}"
            raise PolicyError(msg) from None

    def _likely_shape(self) -> Shape:
        if self.policy.isolation is not None:
            return Shape.SYNC if self.policy.stream is None else Shape.GENERATOR
        return Shape.ASYNC if self.policy.stream is None else Shape.ASYNC_GENERATOR

    def _pipeline(self, shape: Shape, component: Callable[..., Any] | None) -> Pipeline:
        pipeline = self._pipelines.get(shape.value)
        if pipeline is None:
            if self.policy.deadline is None:
                msg = f"boundary {self.name!r}: setting `deadline`: required before the first call"
                raise PolicyError(msg)
            pipeline = self._pipelines[shape.value] = Pipeline(self.policy, self._state, shape, component)
        return pipeline

    def _decorate(self, fn: Callable[..., Any]) -> Any:
        """Return `fn` guarded; the boundary is known by its name from now on."""
        if isinstance(fn, staticmethod | classmethod):
            kind = type(fn).__name__
            msg = f"boundary {self.name!r}: put @{kind} above @guard"
            raise PolicyError(msg)
        if not callable(fn):
            msg = f"boundary {self.name!r}: @guard needs a function, not {type(fn).__name__}"
            raise PolicyError(msg)
        shape = self._shape or shape_of(fn)
        if self.policy.deadline is not None:
            self._pipeline(shape, fn)
        module = getattr(fn, "__module__", None) or "?"
        code = getattr(fn, "__code__", None)
        line = code.co_firstlineno if isinstance(code, CodeType) else 0
        _register(self, Place(module, getattr(fn, "__qualname__", repr(type(fn))), code, line))
        guarded: Any = _GUARDED[shape](self, fn, shape)
        guarded.__doc__ = fn.__doc__
        guarded.__module__ = module
        return guarded

    @property
    def breaker(self) -> CircuitBreaker | None:
        """Its breaker, a `pybreaker.CircuitBreaker` by type, for listeners and for opening it by hand."""
        return self._state.breaker

    @property
    def bulkhead(self) -> Permits | None:
        """Its permits: `limit`, `in_flight`, `queued`."""
        return self._state.permits

    @property
    def abandoned(self) -> int:
        """How many threads still run something nobody waits for any more."""
        return self._state.workers.abandoned + self._state.rung_workers.abandoned

    @property
    def mode(self) -> Literal["on", "off"]:
        """`"on"` or `"off"`: the policy's mode, until it is set here, in this process."""
        return "off" if self._state.switch.off else "on"

    @mode.setter
    def mode(self, mode: Literal["on", "off"]) -> None:
        if mode not in {"on", "off"}:
            msg = f"boundary {self.name!r}: mode {mode!r}: must be 'on' or 'off'"
            raise PolicyError(msg)
        self._state.switch.off = mode == "off"

    @overload
    def call(
        self, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, R]: ...
    @overload
    def call(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R: ...
    def call(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function, or await an async one, inside this boundary. Raises as a guarded function does."""
        shape = self._call_shape(fn)
        call = call_async if shape is Shape.ASYNC else call_sync
        return call(self._pipeline(shape, None), fn, args, kwargs, None)

    @overload
    def outcome(  # type: ignore[overload-overlap] # async is the narrow shape
        self, fn: Callable[P, Coroutine[Any, Any, R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Coroutine[Any, Any, Outcome[R]]: ...
    @overload
    def outcome(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Outcome[R]: ...
    def outcome(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Call a function inside this boundary and return what the call ended as."""
        shape = self._call_shape(fn)
        outcome = outcome_async if shape is Shape.ASYNC else outcome_sync
        return outcome(self._pipeline(shape, None), fn, args, kwargs, None)

    @overload
    def stream(self, fn: Callable[P, AsyncIterator[R]], /, *args: P.args, **kwargs: P.kwargs) -> AsyncStream[R]: ...
    @overload
    def stream(self, fn: Callable[P, Iterator[R]], /, *args: P.args, **kwargs: P.kwargs) -> SyncStream[R]: ...
    def stream(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Return a guarded stream of a generator function; nothing is begun before its first item is asked for."""
        shape = self._shape or shape_of(fn)
        if not shape.is_stream:
            msg = f"boundary {self.name!r}: `stream` needs a generator function; use `call`, or declare a `shape`"
            raise TypeError(msg)
        stream = AsyncStream if shape.is_async else SyncStream
        return stream(self._pipeline(shape, None), fn, args, kwargs, None)

    def _call_shape(self, fn: Callable[..., Any]) -> Shape:
        shape = self._shape or shape_of(fn)
        if shape.is_stream:
            msg = f"boundary {self.name!r}: a generator function is for `stream`, not for `call` or `outcome`"
            raise TypeError(msg)
        return shape

    def _forked(self) -> None:
        """Forget the calls of the parent process: they are not here."""
        if self._state.breaker is not None:
            self._state.breaker.forked()
        self._state.workers.reset()
        self._state.rung_workers.reset()
        if self._state.permits is not None:
            self._state.permits.reset()

    def __repr__(self) -> str:
        return f"<Boundary {self.name!r}>"


_REGISTRY: Final = Registry[Boundary]()


def _register(boundary: Boundary, place: Place) -> None:
    held = _REGISTRY.add(boundary, place)
    if held is not None:
        msg = (
            f"boundary {boundary.name!r}: declared at {held} already, and again at {place}: "
            "a second declaration would reset its breaker; choose another name, or share the boundary"
        )
        raise PolicyError(msg)


def _place_of(frame: FrameType) -> Place:
    line = frame.f_lineno
    while _is_part(frame.f_code) and frame.f_back is not None:
        frame = frame.f_back
    code = frame.f_code
    qualname = code.co_qualname if code.co_name == "<module>" else f"{code.co_qualname}.<locals>"
    return Place(frame.f_globals.get("__name__", "?"), qualname, code, line)


def _is_part(code: CodeType) -> bool:
    """Whether this is a class body or a comprehension: run once, as a part of what is around it."""
    return code.co_name in _COMPREHENSIONS or not (code.co_flags & inspect.CO_OPTIMIZED or code.co_name == "<module>")


_COMPREHENSIONS: Final = frozenset({"<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"})


def _after_fork() -> None:
    _REGISTRY.forked()
    for boundary in _REGISTRY.all():
        boundary._forked()  # noqa: SLF001 - same file


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


@overload
def guard(name: str, *, output: type[T], **settings: Unpack[Settings]) -> GuardAs[T]: ...
@overload
def guard(name: str, *, output: OutputContract[T], **settings: Unpack[Settings]) -> GuardAs[T]: ...
@overload
def guard(name: str, *, output: None = None, **settings: Unpack[Settings]) -> Guard: ...
@overload
def guard(name: str, *, output: Any, **settings: Unpack[Settings]) -> GuardAs[Any]: ...
def guard(name: str, *, output: Any = None, **settings: Unpack[Settings]) -> Any:
    """
    Guard a function, coroutine function, generator or async generator with a boundary of its own.

    Args:
        name: 1–100 of `A-Z a-z 0-9 . _ -`; one boundary of a name in a process.
        output: What the answer must satisfy: a type, or an `OutputContract`.
        **settings: See `Policy`.

    Raises:
        PolicyError: Where a name or a setting is refused, at the latest when the function is decorated; without a
            `deadline` the boundary is pending, and the first call is refused.
    """
    boundary = Boundary.__new__(Boundary)
    boundary._declare(name, settings | {"output": output})  # noqa: SLF001 - same file
    return GuardAs(boundary) if output is not None else Guard(boundary)


def boundaries() -> tuple[Boundary, ...]:
    """Return every boundary declared in this process, in the order of declaration."""
    return _REGISTRY.all()


def get(name: str) -> Boundary:
    """Return the boundary of that name. Raises `KeyError` where none was declared."""
    boundary = _REGISTRY.get(name)
    if boundary is None:
        msg = f"no boundary named {name!r} was declared in this process"
        raise KeyError(msg)
    return boundary
