"""A rung's first item, kept back while the consumer looks at the marker that stands before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.engine.pulls import Pull
from aiguard.signals import Halted

if TYPE_CHECKING:
    from aiguard.engine.streams import AsyncStream, SyncStream


class Held(Pull):
    """
    One item that was pulled already.

    Attributes:
        behind: What the items after it are pulled from.
    """

    __slots__ = ("_item", "behind")

    def __init__(self, item: Any, behind: Any) -> None:
        super().__init__()
        self._item = item
        self.behind = behind

    def _taken(self, stream: SyncStream[Any] | AsyncStream[Any]) -> Any:
        """Return the item, once. Raises `Halted` where the boundary was halted meanwhile."""
        stream._pull = self.behind  # noqa: SLF001 - one house
        item, self._item = self._item, None
        journal = stream._begun().journal  # noqa: SLF001 - one house
        if journal.by_ai and (why := stream.switch.halted(journal.key)) is not None:
            del item  # what stays in is in no frame of the error
            raise Halted(why)
        return item


class HeldItem(Held):
    """The same of a sync stream."""

    __slots__ = ()

    def pull(self, stream: SyncStream[Any]) -> Any:
        """Return the item, or what `stream` makes of a halt meanwhile."""
        try:
            return self._taken(stream)
        except Halted as halted:
            error = halted
        try:
            return stream.resumed(error)
        finally:
            del error


class HeldAsyncItem(Held):
    """The same of an async stream."""

    __slots__ = ()

    async def pull(self, stream: AsyncStream[Any]) -> Any:
        """Return the item, or what `stream` makes of a halt meanwhile."""
        try:
            return self._taken(stream)
        except Halted as halted:
            error = halted
        try:
            return await stream.resumed(error)
        finally:
            del error
