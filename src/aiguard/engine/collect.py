"""A stream as one answer: pulled to its end before anybody sees an item."""

from __future__ import annotations

import inspect
from functools import partial
from typing import TYPE_CHECKING, Any

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.contract.breach import Breach
from aiguard.failure import FailureKind
from aiguard.stream import Buffered, async_iterated, iterated

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class _Size:
    """How much text a stream has given so far."""

    __slots__ = ("_left",)

    def __init__(self, max_bytes: int | None) -> None:
        self._left = max_bytes

    def add(self, item: object) -> None:
        """Count one item. Raises `Breach` once the stream is larger than the contract allows."""
        if self._left is not None and isinstance(item, str | bytes):
            self._left -= len(item) if isinstance(item, bytes) else len(item.encode("utf-8", "surrogatepass"))
            if self._left < 0:
                raise Breach(FailureKind.OUTPUT_TOO_LARGE, "the stream is larger than `max_bytes` allows")


def collect(fn: Callable[..., Any], max_bytes: int | None) -> Callable[..., Buffered]:
    """Return `fn` as a function that gives its whole stream."""

    def whole(*args: Any, **kwargs: Any) -> Buffered:
        items: list[Any] = []
        size = _Size(max_bytes)
        source = iterated(fn(*args, **kwargs))
        try:
            for item in source:
                size.add(item)
                items.append(item)
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                try:
                    close()
                except Exception as error:  # noqa: BLE001 - the whole is here already, or an error that says more
                    _log_cleanup(error)
        return Buffered(items)

    return _as(whole, fn)


def collect_async(fn: Callable[..., Any], max_bytes: int | None) -> Callable[..., Coroutine[Any, Any, Buffered]]:
    """Return `fn` as an async function that gives its whole stream."""

    async def whole(*args: Any, **kwargs: Any) -> Buffered:
        items: list[Any] = []
        size = _Size(max_bytes)
        result = fn(*args, **kwargs)
        source = async_iterated(await result if inspect.isawaitable(result) else result)
        try:
            async for item in source:
                size.add(item)
                items.append(item)
        finally:
            close = getattr(source, "aclose", None) or getattr(source, "close", None)
            if close is not None:
                try:
                    closing = close()
                    if inspect.isawaitable(closing):
                        await closing
                except Exception as error:  # noqa: BLE001 - the whole is here already, or an error that says more
                    _log_cleanup(error)
        return Buffered(items)

    return _as(whole, fn)


def _as(whole: Callable[..., Any], fn: Callable[..., Any]) -> Callable[..., Any]:
    """Return `whole` with the signature and the name of `fn`, so that arguments are held against those."""
    shown: Any = partial(whole)  # has no code of its own: a TypeError is not taken for one that `fn` raised
    shown.__wrapped__ = fn
    shown.__qualname__ = getattr(fn, "__qualname__", type(fn).__qualname__)
    return shown  # type: ignore[no-any-return]


def _log_cleanup(error: Exception) -> None:
    logger.warning("a stream's cleanup raised %s", class_name(error))
