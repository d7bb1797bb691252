"""A rung's first item, kept back while the consumer looks at the marker that stands before it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.engine.pulls import Pull

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

    def _is_stopped(self, stream: SyncStream[Any] | AsyncStream[Any]) -> bool:
        journal = stream._begun().journal  # noqa: SLF001 - one house
        return journal.by_ai and stream.switch.halted(journal.key) is not None


class HeldItem(Held):
    """The same of a sync stream."""

    __slots__ = ()

    def pull(self, stream: SyncStream[Any]) -> Any:
        """Return the item, once; where the boundary was halted meanwhile, the next pull says so."""
        stream._pull = self.behind  # noqa: SLF001 - one house
        return self.behind.pull(stream) if self._is_stopped(stream) else self._item


class HeldAsyncItem(Held):
    """The same of an async stream."""

    __slots__ = ()

    async def pull(self, stream: AsyncStream[Any]) -> Any:
        """Return the item, once; where the boundary was halted meanwhile, the next pull says so."""
        stream._pull = self.behind  # noqa: SLF001 - one house
        return await self.behind.pull(stream) if self._is_stopped(stream) else self._item
