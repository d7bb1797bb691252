"""Where it all meets: the boundary, and the decorator that guards a function with one."""

from __future__ import annotations

import contextlib
import os
import sys
from types import CodeType
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, ParamSpec, TypeVar, Unpack, overload

from aiguard import collector
from aiguard.engine.calls import call_async, call_sync, outcome_async, outcome_sync
from aiguard.engine.dependency import DEPENDENCIES, conflicts
from aiguard.engine.revision import Revision
from aiguard.engine.shape import Shape, shape_of
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
from aiguard.overrides import IN_FORCE
from aiguard.place import Place, place_of
from aiguard.policy import Settings, check_name, policy_of
from aiguard.problem import Problem, nearest, shown
from aiguard.registry import Registry
from aiguard.rung import BoundaryRung, Rung
from aiguard.strict import VARIABLE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping

    from aiguard.contract import ContractRates, OutputContract
    from aiguard.engine.pipeline import Pipeline
    from aiguard.engine.state import State
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


class Component(NamedTuple):
    """The function that a boundary was declared for: as it is, its shape, and guarded."""

    fn: Callable[..., Any]
    shape: Shape
    guarded: Any


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

    Raises:
        PolicyError: Where a name or a setting is refused; the message names boundary, setting and value.
    """

    __slots__ = ("_code", "_component", "_pipelines", "_revision", "name")

    def __init__(self, name: str, *, output: Any = None, **settings: Unpack[Settings]) -> None:
        place = place_of(sys._getframe(1))  # noqa: SLF001 - who declares it decides whether it may replace
        with IN_FORCE.lock:
            self._declare(name, settings | _given(output))
            _register(self, place)

    def _declare(self, name: str, settings: dict[str, Any]) -> None:
        self.name = check_name(name)
        self._code = policy_of(name, settings)
        self._component: Component | None = None
        policy = IN_FORCE.overrides.policy(name, self._code)
        self._begin(policy)

    def _begin(self, policy: Policy) -> None:
        """Begin under `policy`. Raises `PolicyError`, which names the file's line where a file said it."""
        try:
            self._check_dependency(policy)
            revision = Revision(self.name, policy)
            self._check(revision)
            if not IN_FORCE.overrides.clears(self.name, policy):
                revision.pipelines.clear()  # until somebody does: see `_pipeline`
        except PolicyError as error:
            raise IN_FORCE.overrides.placed(self.name, error) from None
        self._adopt(revision)
        revision.state.begin(policy)

    def _adopt(self, revision: Revision) -> None:
        """Go on under `revision`; calls that have begun finish under the one before."""
        revision.state.prepare(revision.policy)
        self._revision = revision
        self._pipelines = revision.pipelines  # what a call reads: one step less on its way

    def _revise(self, policy: Policy) -> Revision:
        """Return this boundary under `policy`, ready to be adopted; nothing changes yet. Raises `PolicyError`."""
        before = self._revision
        revision = Revision(self.name, policy, before)
        component = self._component
        if policy.deadline is None and before.policy.deadline is not None:
            reason = "required, and neither the configuration nor the code says it any more"
            raise PolicyError(Problem(reason, self.name, "deadline"))
        if component is not None and policy.shape not in {None, component.shape.value}:
            reason = f"the function was guarded as {component.shape.value!r}, which lasts as long as the process"
            raise PolicyError(Problem(reason, self.name, "shape", shown(policy.shape)))
        self._check(revision, *map(Shape, tuple(before.pipelines)))
        return revision

    def _check_dependency(self, policy: Policy) -> None:
        """Raises `PolicyError` where another boundary sets the dependency that they share in another way."""
        if policy.dependency is not None:
            policies = {one.name: one.policy for one in boundaries() if one.name != self.name} | {self.name: policy}
            problems = conflicts(policies).get(self.name)
            if problems:
                raise PolicyError(*problems)

    def _check_rungs(self, policy: Policy) -> None:
        """Raises `PolicyError` where calls run, and a rung of `policy` is a boundary that is not there: none waits."""
        if self._pipelines and _ladder(policy) is None:
            raise PolicyError(*_missing(self.name, policy))

    def _check(self, revision: Revision, *shapes: Shape) -> None:
        """Make the pipelines that can be made; what cannot work is refused here, not at the first call."""
        component, policy = self._component, revision.policy
        ladder = _ladder(policy) if policy.deadline is not None else None
        if ladder is None:
            return  # it, or a boundary it falls back to, is not there yet
        if component is not None:
            revision.build(ladder, component.shape, component.fn)
        elif shapes:
            for shape in shapes:
                revision.build(ladder, shape, None)
        elif ladder:
            revision.check(ladder)

    def _pipeline(self, shape: Shape, component: Callable[..., Any] | None) -> Pipeline:
        revision = self._revision
        pipeline = revision.pipelines.get(shape.value)
        if pipeline is None:
            if not IN_FORCE.overrides.clears(self.name, revision.policy):
                reason = f"{VARIABLE} is set, and no file was read: call `aiguard.configure(…)` before the first call"
                raise PolicyError(Problem(reason, self.name))
            ladder = _ladder(revision.policy)
            if ladder is None:
                raise PolicyError(*_missing(self.name, revision.policy))
            pipeline = revision.build(ladder, shape, component)
        return pipeline

    def _decorate(self, fn: Callable[..., Any]) -> Any:
        """Return `fn` guarded; the boundary is known by its name from now on."""
        if isinstance(fn, staticmethod | classmethod):
            kind = type(fn).__name__
            raise PolicyError(Problem(f"put @{kind} above @guard", self.name))
        if not callable(fn):
            raise PolicyError(Problem(f"@guard needs a function, not {type(fn).__name__}", self.name))
        module = getattr(fn, "__module__", None) or "?"
        code = getattr(fn, "__code__", None)
        line = code.co_firstlineno if isinstance(code, CodeType) else 0
        place = Place(module, getattr(fn, "__qualname__", repr(type(fn))), code, line)
        with IN_FORCE.lock:
            policy = IN_FORCE.overrides.policy(self.name, self._code)  # it may be another one than at `guard(…)`
            shape = Shape(policy.shape) if policy.shape is not None else shape_of(fn)
            guarded: Any = _GUARDED[shape](self, fn, shape)
            self._component = Component(fn, shape, guarded)
            self._begin(policy)
            _register(self, place)
        guarded.__doc__ = fn.__doc__
        guarded.__module__ = module
        with contextlib.suppress(NameError):  # from 3.14 on they are found out here
            # not by `__getattr__`: once somebody has looked at the annotations of the class, it has some
            guarded.__annotations__ = getattr(fn, "__annotations__", {})
        return guarded

    @property
    def policy(self) -> Policy:
        """Its settings, read-only: those that the next call begins with."""
        return self._revision.policy

    @property
    def _state(self) -> State:
        return self._revision.state

    @property
    def breaker(self) -> CircuitBreaker | None:
        """Its breaker, a `pybreaker.CircuitBreaker` by type, for listeners and for opening it by hand."""
        return self._state.partition.breaker if self.policy.breaker is not None else None

    @property
    def bulkhead(self) -> Permits | None:
        """Its permits: `limit`, `in_flight`, `queued`."""
        return self._state.permits

    @property
    def contracts(self) -> Mapping[str, ContractRates]:
        """How often its contracts were kept and broken in the last ten minutes, by name and version."""
        return self._state.tallies.rates(self._state.clock.now())

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
            raise PolicyError(Problem("must be 'on' or 'off'", self.name, "mode", shown(mode)))
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
        shape = self._shape_of(fn)
        if not shape.is_stream:
            msg = f"boundary {self.name!r}: `stream` needs a generator function; use `call`, or declare a `shape`"
            raise TypeError(msg)
        stream = AsyncStream if shape.is_async else SyncStream
        return stream(self._pipeline(shape, None), fn, args, kwargs, None)

    def _call_shape(self, fn: Callable[..., Any]) -> Shape:
        shape = self._shape_of(fn)
        if shape.is_stream:
            msg = f"boundary {self.name!r}: a generator function is for `stream`, not for `call` or `outcome`"
            raise TypeError(msg)
        return shape

    def _shape_of(self, fn: Callable[..., Any]) -> Shape:
        declared = self._revision.policy.shape
        return Shape(declared) if declared is not None else shape_of(fn)

    def _forked(self) -> None:
        """Forget the calls of the parent process: they are not here."""
        self._state.forked()

    def __repr__(self) -> str:
        return f"<Boundary {self.name!r}>"


_REGISTRY: Final = Registry[Boundary]()


def _given(output: Any) -> dict[str, Any]:
    return {} if output is None else {"output": output}


def _ladder(policy: Policy) -> tuple[Any, ...] | None:
    """Return the rungs with other boundaries looked up; `None` where one of them is not declared yet."""
    rungs = policy.fallback
    if not any(isinstance(rung, BoundaryRung) for rung in rungs):
        return rungs
    found: list[Any] = []
    for rung in rungs:
        other = _rung_of(rung) if isinstance(rung, BoundaryRung) else rung
        if other is None and isinstance(rung, BoundaryRung):
            return None
        found.append(other)
    return tuple(found)


def _rung_of(rung: BoundaryRung) -> Rung | None:
    boundary = _REGISTRY.get(rung.boundary)
    if boundary is None or boundary._component is None:  # noqa: SLF001 - same file
        return None
    return Rung(boundary._component.guarded, ai=True, name=rung.boundary)  # noqa: SLF001 - same file


def _missing(name: str, policy: Policy) -> list[Problem]:
    known = [boundary.name for boundary in boundaries()]
    return [
        Problem(
            f"no function is guarded by a boundary of that name{nearest(rung.boundary, known)}",
            name,
            f"fallback[{index}]",
            shown(rung.boundary),
        )
        for index, rung in enumerate(policy.fallback)
        if isinstance(rung, BoundaryRung) and _rung_of(rung) is None
    ]


def _register(boundary: Boundary, place: Place) -> None:
    held = _REGISTRY.add(boundary, place)
    if held is not None:
        reason = (
            f"declared at {held} already, and again at {place}: "
            "a second declaration would reset its breaker; choose another name, or share the boundary"
        )
        raise PolicyError(Problem(reason, boundary.name))
    boundary._state.metrics.announce()  # noqa: SLF001 - same file


def _after_fork() -> None:
    collector.forked()
    IN_FORCE.forked()
    _REGISTRY.forked()
    DEPENDENCIES.forked()
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
    with IN_FORCE.lock:
        boundary._declare(name, settings | _given(output))  # noqa: SLF001 - same file
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
