"""What kind of function is guarded: found once, by its code, never by its annotations."""

from __future__ import annotations

import functools
import inspect
from enum import Enum
from types import FunctionType, MethodType
from typing import Any, Final

_FLAGS: Final = inspect.CO_ASYNC_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE | inspect.CO_GENERATOR


class Shape(Enum):
    """One of the four kinds of functions."""

    SYNC = "sync"
    ASYNC = "async"
    GENERATOR = "generator"
    ASYNC_GENERATOR = "async_generator"

    @property
    def is_async(self) -> bool:
        """Whether it runs on an event loop."""
        return self in _ASYNC

    @property
    def is_stream(self) -> bool:
        """Whether it answers item by item."""
        return self in _STREAMS


_ASYNC: Final = frozenset({Shape.ASYNC, Shape.ASYNC_GENERATOR})
_STREAMS: Final = frozenset({Shape.GENERATOR, Shape.ASYNC_GENERATOR})

_BY_FLAG: Final = (
    (inspect.CO_ASYNC_GENERATOR, Shape.ASYNC_GENERATOR),
    (inspect.CO_COROUTINE | inspect.CO_ITERABLE_COROUTINE, Shape.ASYNC),
    (inspect.CO_GENERATOR, Shape.GENERATOR),
)


def shape_of(fn: Any) -> Shape:
    """Return the shape of a function, method, `functools.partial` or callable object."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, MethodType):
            fn = fn.__func__
        elif not isinstance(fn, FunctionType) and not hasattr(fn, "__code__") and callable(fn):
            called = getattr(type(fn), "__call__", None)  # noqa: B004 - it is looked at, not called
            if not isinstance(called, FunctionType):
                return Shape.SYNC
            fn = called
        else:
            break
    code = getattr(fn, "__code__", None)
    flags = code.co_flags & _FLAGS if code is not None else 0
    if flags:
        for flag, shape in _BY_FLAG:
            if flags & flag:
                return shape
    if inspect.iscoroutinefunction(fn):  # marked by hand, as a wrapper of one
        return Shape.ASYNC
    return Shape.SYNC
