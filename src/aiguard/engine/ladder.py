"""From the rungs of a policy to the steps of a ladder; what cannot work is refused here, at declaration."""

from __future__ import annotations

import inspect
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from aiguard.contract.breach import Breach
from aiguard.contract.rebuild import maker_of
from aiguard.engine.clocks import NO_CLOCKS, Clocks
from aiguard.engine.collect import Collected, CollectedAsync
from aiguard.engine.shape import Shape, shape_of
from aiguard.errors import PolicyError
from aiguard.problem import Problem, shown
from aiguard.rung import LastGood, Rung
from aiguard.stages.fallback import Step, Way
from aiguard.stages.last_good import Memory
from aiguard.stream import SURFACED, Buffered, items_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiguard.contract import Judge
    from aiguard.failure import Failure
    from aiguard.policy import Policy

_PLACE: Final = object()
_NOTHING: Final[Mapping[str, object]] = MappingProxyType({})


def steps_of(
    name: str,
    policy: Policy,
    shape: Shape,
    judge: Judge[Any] | None,
    component: Callable[..., Any] | None,
    *,
    memories: Mapping[LastGood, Memory] | None = None,
) -> tuple[Step, ...]:
    """Return the ladder of `policy` for a component of `shape`. Raises `PolicyError` with all that is wrong with it."""
    steps: list[Step] = []
    problems: list[Problem] = []
    for index, rung in enumerate(policy.fallback):
        try:
            if isinstance(rung, LastGood):
                memory = Memory(name, rung) if memories is None else memories[rung]
                steps.append(_last_good(memory, policy, shape, component))
            else:
                steps.append(_step(rung, policy, shape, judge, component))
        except _Unfit as unfit:
            problems.append(Problem(str(unfit), name, f"fallback[{index}]", shown(rung)))
    if problems:
        raise PolicyError(*problems)
    return tuple(steps)


class _Unfit(Exception):  # noqa: N818 - a signal inside this file
    """A rung cannot answer for this component."""


def _step(
    given: Any, policy: Policy, shape: Shape, judge: Judge[Any] | None, component: Callable[..., Any] | None
) -> Step:
    if not isinstance(given, Rung) and (not callable(given) or isinstance(given, type)):
        if isinstance(given, type):
            raise _Unfit("a class is neither a value nor a rung: give an instance, or a function that makes one")
        return Step("value", Way.VALUE, _maker(given, policy, shape, judge))
    rung = given if isinstance(given, Rung) else Rung(given)
    if not callable(rung.fn):
        raise _Unfit("`Rung.fn` must be callable")
    own = shape_of(rung.fn)
    title = rung.name or getattr(rung.fn, "__name__", type(rung.fn).__name__)
    wants = _wants_failure(rung.fn, component)
    _check_takes(rung.fn, component, {"failure": _PLACE} if wants else {})
    ai = rung.ai or hasattr(rung.fn, "boundary")
    return Step(str(title), _way(rung, own, policy, shape), _collected(rung.fn, own, policy), ai, wants)


def _last_good(memory: Memory, policy: Policy, shape: Shape, component: Callable[..., Any] | None) -> Step:
    by = memory.rung.by
    if shape.is_stream and policy.stream in SURFACED:
        raise _Unfit(f'of a stream in {policy.stream!r} no whole answer is ever held: declare `stream="buffer"`')
    if shape_of(by) is not Shape.SYNC or hasattr(by, "boundary"):
        raise _Unfit("`last_good.by` must be a plain function: not async, no generator, not guarded")
    _check_takes(by, component)
    return Step("last_good", Way.MEMORY, memory.recall, memory=memory)


def _way(rung: Rung, own: Shape, policy: Policy, shape: Shape) -> Way:
    if own.is_async and not shape.is_async:
        raise _Unfit("an async rung cannot answer for a sync component")
    if own.is_stream and own is not shape:
        raise _Unfit(f"a rung that streams must have the component's shape, {shape.value}")
    if own.is_async or (own.is_stream and policy.stream in SURFACED):
        if own is Shape.ASYNC and shape is Shape.ASYNC_GENERATOR and policy.stream in SURFACED:
            raise _Unfit(f"for a stream in {policy.stream!r} a rung is an async generator, a plain function or a value")
        return Way.INVOKE
    return Way.INLINE if rung.inline or (policy.isolation == "inline" and not shape.is_async) else Way.OFFLOAD


def _collected(fn: Callable[..., Any], own: Shape, policy: Policy) -> Callable[..., Any]:
    """Return the rung as a function of the whole where the boundary buffers."""
    if own.is_stream and policy.stream == "buffer":
        return collected(fn, own, None)
    return fn


def _maker(value: Any, policy: Policy, shape: Shape, judge: Judge[Any] | None) -> Callable[[], Any]:
    """Return what makes a fresh copy of a static rung, validated now: no caller shares a mutable value with another."""
    if judge is None:
        return _copier(value)
    try:
        if shape.is_stream and policy.stream in SURFACED:
            makers = [judge.rebuilder(item) for item in items_of(value)]
            return lambda: [make() for make in makers]
        if shape.is_stream:
            judge.judge(Buffered(items_of(value)).whole())
            return _copier(value)
        return judge.rebuilder(value)
    except Breach as breach:
        reason = breach.message
    raise _Unfit(f"breaks the contract {judge.name!r} that it must satisfy: {reason}")


def _copier(value: Any) -> Callable[[], Any]:
    try:
        return maker_of(value)
    except Exception as error:  # noqa: BLE001 - copying runs code of the value's own
        reason = type(error).__qualname__
    raise _Unfit(f"cannot be copied for each use ({reason}): give a function that makes one")


def collected(
    fn: Callable[..., Any],
    shape: Shape,
    max_bytes: int | None,
    clocks: Clocks = NO_CLOCKS,
    halted: Callable[[], Failure | None] | None = None,
) -> Callable[..., Any]:
    """Return `fn`, a generator function of `shape`, as one that gives the whole stream, within `max_bytes`."""
    whole = CollectedAsync if shape is Shape.ASYNC_GENERATOR else Collected
    return whole(fn, max_bytes, clocks, halted)


def _wants_failure(rung: Callable[..., Any], component: Callable[..., Any] | None) -> bool:
    """Whether the rung takes `failure`, and that is not an argument of the component's own."""
    try:
        taken = inspect.signature(rung).parameters.get("failure")
    except (TypeError, ValueError):
        return False
    own = inspect.signature(component).parameters if component is not None else {}
    return taken is not None and taken.kind is taken.KEYWORD_ONLY and "failure" not in own


def _check_takes(
    fn: Callable[..., Any], component: Callable[..., Any] | None, extra: Mapping[str, object] = _NOTHING
) -> None:
    """Raises `_Unfit` where `fn` cannot be called with the component's arguments and `extra` ones."""
    if component is None:
        return
    try:
        signature = inspect.signature(fn)
    except (TypeError, ValueError):
        return  # a builtin without one: it answers or it does not
    taken = inspect.signature(component)
    for args, kwargs in _ways_to_call(list(taken.parameters.values())):
        try:
            signature.bind(*args, **kwargs, **extra)
        except TypeError as mismatch:
            raise _Unfit(f"does not take the component's arguments {taken}: {mismatch}") from None


def _ways_to_call(parameters: list[inspect.Parameter]) -> list[tuple[list[object], dict[str, object]]]:
    """Return the extremes of how the component may be called: all by position, all by name, only what is required."""
    kinds = inspect.Parameter
    by_position: list[object] = []
    by_name: dict[str, object] = {}
    only_positional: list[object] = []
    required: list[object] = []
    keywords: dict[str, object] = {}
    required_keywords: dict[str, object] = {}
    for parameter in parameters:
        name, needed = parameter.name, parameter.default is parameter.empty
        if parameter.kind is kinds.VAR_POSITIONAL:
            by_position += [_PLACE]
        elif parameter.kind is kinds.VAR_KEYWORD:
            keywords["any_other_keyword"] = _PLACE
        elif parameter.kind is kinds.KEYWORD_ONLY:
            keywords[name] = _PLACE
            if needed:
                required_keywords[name] = _PLACE
        else:
            by_position.append(_PLACE)
            if parameter.kind is kinds.POSITIONAL_ONLY:
                only_positional.append(_PLACE)
            else:
                by_name[name] = _PLACE
            if needed:
                required.append(_PLACE)
    return [
        (by_position, keywords),
        (only_positional, by_name | keywords),
        (required, required_keywords),
    ]
