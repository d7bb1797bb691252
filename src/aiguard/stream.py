"""What a stream is made of on its way through the pipeline."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from aiguard.errors import MisuseError

if TYPE_CHECKING:
    from aiguard.failure import Failure

SURFACED: Final = frozenset({"passthrough", "elements"})
"""Modes in which items leave before the whole is there."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """
    Stands in a stream that broke after its first item, before the items of the rung that goes on (`on_break="rung"`).

    What came before it is the beginning of an answer that has no end; what follows is another answer, whole.

    Attributes:
        failure: Why it broke.
        delivered: How many items stand before it.
        rung: Who goes on.
    """

    failure: Failure
    delivered: int
    rung: str


@dataclass(frozen=True, slots=True)
class Buffered:
    """
    A whole stream, held back until it is valid.

    Attributes:
        items: The items as they came; released one by one.
        value: What the contract made of the whole; `None` before it was judged.
    """

    items: list[Any]
    value: Any = None

    def whole(self) -> Any:
        """Return what the contract judges: text joined, other items as a list."""
        items = self.items
        if items and all(isinstance(item, str) for item in items):
            return "".join(items)
        if items and all(isinstance(item, bytes) for item in items):
            return b"".join(items)
        return items

    def judged(self, value: Any) -> Buffered:
        """Return the same stream with the contract's value."""
        return Buffered(self.items, value)


def items_of(value: object) -> list[Any]:
    """Return a rung's answer as the items of a stream: a list or tuple item by item, anything else as one item."""
    return list(value) if isinstance(value, list | tuple) else [value]


def iterated(result: object) -> Iterator[Any]:
    """Return what a guarded sync stream pulls from. Raises `MisuseError` where that cannot be iterated."""
    if not isinstance(result, Iterable):
        msg = f"a stream was declared, but the function returned {type(result).__qualname__}, which cannot be iterated"
        raise MisuseError(msg)
    return iter(result)


def async_iterated(result: object) -> AsyncIterator[Any]:
    """Return what a guarded async stream pulls from. Raises `MisuseError` where that cannot be iterated."""
    if isinstance(result, AsyncIterable):
        return aiter(result)
    kind = type(result).__qualname__
    msg = f"an async stream was declared, but the function gave {kind}, which cannot be iterated with `async for`"
    raise MisuseError(msg)
