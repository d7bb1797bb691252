"""The calls that are under way: which of them have become slow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Generic, TypeVar

from aiguard.stages.window import FORGOTTEN

if TYPE_CHECKING:
    from collections.abc import Hashable

T = TypeVar("T", bound="Hashable")

NEVER: Final = float("inf")


class InFlight(Generic[T]):
    """
    Calls under way, in the order in which the component began them.

    No timer watches them: whoever comes by at `due` or later asks for those that have become slow since.

    Not thread-safe: its owner holds a lock. Only to write into `began` takes none.

    Args:
        slow_call: Seconds from which a call is slow; `None`: none ever is.

    Attributes:
        due: Nothing becomes slow before this moment.
        began: When the component began those that are not slow yet; who begins one writes it here.
    """

    __slots__ = ("_counted", "_since", "_slow_call", "began", "due")

    def __init__(self, slow_call: float | None) -> None:
        self.began: dict[T, float] = {}
        self._counted: dict[T, int] = {}
        self.configure(slow_call, -NEVER)

    def configure(self, slow_call: float | None, now: float) -> None:
        """Change what is slow, from now on."""
        self._slow_call = NEVER if slow_call is None else slow_call
        self._since = now
        self.due = NEVER if slow_call is None else now  # a lower bound: the next who looks finds the real one

    def next_slow(self, now: float) -> tuple[T, float] | None:
        """Return the first call that has become slow, and when that was; it is returned once."""
        first = self._first()
        if first is None:
            self.due = now + self._slow_call  # what begins from now on
            return None
        call, began = first
        moment = self._moment(began)
        if moment > now:
            self.due = moment
            return None
        del self.began[call]
        return call, moment

    def _first(self) -> tuple[T, float] | None:
        """Return the call that began before all others that are under way."""
        while True:
            try:
                return next(iter(self.began.items()), None)
            except RuntimeError:  # another began between these two steps
                continue

    def count(self, call: T, place: int) -> None:
        """Keep where a slow call was counted."""
        self._counted[call] = place

    def answered(self, call: T, now: float) -> None:
        """It has given what it is timed for: if it is not slow now, it is never."""
        began = self.began.get(call)
        if began is not None and self._moment(began) > now:
            del self.began[call]

    def end(self, call: T) -> int | None:
        """Forget the call; return where it was counted as slow, if it was."""
        self.began.pop(call, None)
        return self._counted.pop(call, None) if self._counted else None

    def forget_places(self) -> None:
        """The window in which slow calls were counted is no more."""
        self._counted = dict.fromkeys(self._counted, FORGOTTEN)

    def clear(self) -> None:
        """Forget every call."""
        self.began.clear()
        self._counted.clear()

    def _moment(self, began: float) -> float:
        return max(began + self._slow_call, self._since)
