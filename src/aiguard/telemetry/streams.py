"""How long the consumer of a stream waited for its items: kept in two numbers, told once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

ITEMS: Final = 1000
"""Items of a stream that are captured: far more than what is left of its text once it is cut."""


class ItemTimes:
    """
    The waits of one stream. Only made where somebody listens: other streams pay nothing for an item.

    Attributes:
        first: Seconds from the call's beginning to its first item; `None` before there is one.
        longest: Seconds of the longest wait for an item, the first included; the consumer's own time is not waiting.
        items: What has left so far, where content is captured; else `None`.
    """

    __slots__ = ("_begun", "_now", "first", "items", "longest")

    def __init__(self, now: Callable[[], float], begun: float, items: list[Any] | None = None) -> None:
        self._now = now
        self._begun = begun
        self.first: float | None = None
        self.longest = 0.0
        self.items = items

    def note(self, asked: float | None, item: Any) -> None:
        """Note that `item` leaves, which was asked for at `asked`."""
        if self.items is not None and len(self.items) < ITEMS:
            self.items.append(item)
        now = self._now()
        if self.first is None:
            self.longest = self.first = now - self._begun
        elif asked is not None and now - asked > self.longest:
            self.longest = now - asked
