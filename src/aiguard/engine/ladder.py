"""From the rungs of a policy to the steps of a ladder; what cannot work is refused here, at declaration."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

from aiguard.contract.breach import Breach
from aiguard.contract.rebuild import maker_of
from aiguard.engine.collect import collect, collect_async
from aiguard.engine.shape import Shape, shape_of
from aiguard.errors import PolicyError
from aiguard.policy import Rung, shown
from aiguard.stages.fallback import Step, Way
from aiguard.stream import Buffered, items_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.contract import Judge
    from aiguard.policy import Policy

_PLACE: Final = object()


def steps_of(
    name: str, policy: Policy, shape: Shape, judge: Judge[Any] | None, component: Callable[..., Any] | None
) -> tuple[Step, ...]:
    """Return the ladder of `policy` for a component of `shape`. Raises `PolicyError`."""
    return tuple(
        _step(name, index, rung, policy, shape, judge, component) for index, rung in enumerate(policy.fallback)
    )


def _step(  # noqa: PLR0917 - everything a rung is held against
    name: str,
    index: int,
    given: Any,
    policy: Policy,
    shape: Shape,
    judge: Judge[Any] | None,
    component: Callable[..., Any] | None,
) -> Step:
    where = f"boundary {name!r}: setting `fallback[{index}]`={shown(given)}"
    if not isinstance(given, Rung) and (not callable(given) or isinstance(given, type)):
        if isinstance(given, type):
            msg = f"{where}: a class is neither a value nor a rung: give an instance, or a function that makes one"
            raise PolicyError(msg)
        return Step("value", Way.VALUE, _maker(where, given, policy, shape, judge))
    rung = given if isinstance(given, Rung) else Rung(given)
    if not callable(rung.fn):
        msg = f"{where}: `Rung.fn` must be callable"
        raise PolicyError(msg)
    own = shape_of(rung.fn)
    title = rung.name or getattr(rung.fn, "__name__", type(rung.fn).__name__)
    wants = _check_signature(where, rung.fn, component)
    ai = rung.ai or hasattr(rung.fn, "boundary")
    return Step(str(title), _way(where, rung, own, policy, shape), _collected(rung.fn, own, policy), ai, wants)


def _way(where: str, rung: Rung, own: Shape, policy: Policy, shape: Shape) -> Way:
    if own.is_async and not shape.is_async:
        msg = f"{where}: an async rung cannot answer for a sync component"
        raise PolicyError(msg)
    if own.is_stream and own is not shape:
        msg = f"{where}: a rung that streams must have the component's shape, {shape.value}"
        raise PolicyError(msg)
    if own.is_async or (own.is_stream and policy.stream == "passthrough"):
        if own is Shape.ASYNC and shape is Shape.ASYNC_GENERATOR and policy.stream == "passthrough":
            msg = f"{where}: for a passthrough stream a rung is an async generator, a plain function or a value"
            raise PolicyError(msg)
        return Way.INVOKE
    return Way.INLINE if rung.inline or (policy.isolation == "inline" and not shape.is_async) else Way.OFFLOAD


def _collected(fn: Callable[..., Any], own: Shape, policy: Policy) -> Callable[..., Any]:
    """Return the rung as a function of the whole where the boundary buffers."""
    if own.is_stream and policy.stream == "buffer":
        return collected(fn, own, None)
    return fn


def _maker(where: str, value: Any, policy: Policy, shape: Shape, judge: Judge[Any] | None) -> Callable[[], Any]:
    """Return what makes a fresh copy of a static rung, validated now: no caller shares a mutable value with another."""
    if judge is None:
        return _copier(where, value)
    try:
        if shape.is_stream and policy.stream == "passthrough":
            makers = [judge.rebuilder(item) for item in items_of(value)]
            return lambda: [make() for make in makers]
        if shape.is_stream:
            judge.judge(Buffered(items_of(value)).whole())
            return _copier(where, value)
        return judge.rebuilder(value)
    except Breach as breach:
        reason = breach.message
    msg = f"{where}: breaks the contract {judge.name!r} that it must satisfy: {reason}"
    raise PolicyError(msg)


def _copier(where: str, value: Any) -> Callable[[], Any]:
    try:
        return maker_of(value)
    except Exception as error:  # noqa: BLE001 - copying runs code of the value's own
        reason = type(error).__qualname__
    msg = f"{where}: cannot be copied for each use ({reason}): give a function that makes one"
    raise PolicyError(msg)


def collected(fn: Callable[..., Any], shape: Shape, max_bytes: int | None) -> Callable[..., Any]:
    """Return `fn`, a generator function of `shape`, as a plain one that gives the whole stream, within `max_bytes`."""
    return collect_async(fn, max_bytes) if shape is Shape.ASYNC_GENERATOR else collect(fn, max_bytes)


def _check_signature(where: str, rung: Callable[..., Any], component: Callable[..., Any] | None) -> bool:
    """Return whether the rung takes `failure`. Raises `PolicyError` where it cannot take the component's arguments."""
    try:
        signature = inspect.signature(rung)
    except (TypeError, ValueError):
        return False  # a builtin without one: it answers or it does not
    taken = signature.parameters.get("failure")
    own = inspect.signature(component).parameters if component is not None else {}
    wants = taken is not None and taken.kind is taken.KEYWORD_ONLY and "failure" not in own
    if component is None:
        return wants
    extra = {"failure": _PLACE} if wants else {}
    for args, kwargs in _ways_to_call(list(own.values())):
        try:
            signature.bind(*args, **kwargs, **extra)
        except TypeError as mismatch:
            msg = f"{where}: does not take the component's arguments {inspect.signature(component)}: {mismatch}"
            raise PolicyError(msg) from None
    return wants


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
