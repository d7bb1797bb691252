"""The line before a bulkhead: first come, first served, within a priority; the higher priority first."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from aiguard.priority import PRIORITIES, SHEDDABLE

if TYPE_CHECKING:
    from aiguard.call import Waiter


class Line:
    """
    Who waits, in the order in which they are served.

    Not thread-safe: its owner holds a lock.
    """

    __slots__ = ("_ranks",)

    def __init__(self) -> None:
        # ordered dictionaries: to step out from the middle costs no more than to be served
        self._ranks: tuple[OrderedDict[Waiter, None], ...] = tuple(OrderedDict() for _ in PRIORITIES)

    def __len__(self) -> int:
        return sum(map(len, self._ranks))

    def add(self, waiter: Waiter) -> None:
        """Put `waiter` behind all others of its priority."""
        self._ranks[waiter.priority][waiter] = None

    def remove(self, waiter: Waiter) -> bool:
        """Take `waiter` out, wherever it stands; `False` if it does not."""
        rank = self._ranks[waiter.priority]
        if waiter not in rank:
            return False
        del rank[waiter]
        return True

    def first(self) -> Waiter | None:
        """Take out and return who is served next."""
        for rank in self._ranks:
            if rank:
                return rank.popitem(last=False)[0]
        return None

    def last_below(self, priority: int) -> Waiter | None:
        """Take out and return the youngest of the lowest priority that there is below `priority`."""
        for rank in self._ranks[:priority:-1]:
            if rank:
                return rank.popitem()[0]
        return None

    def sheddable(self) -> list[Waiter]:
        """Take out and return all who are sheddable."""
        rank = self._ranks[SHEDDABLE]
        shed = list(rank)
        rank.clear()
        return shed
