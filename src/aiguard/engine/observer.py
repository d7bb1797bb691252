"""Who is told of every call that has ended: nobody, until a window into this process is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from aiguard.call import Call
    from aiguard.failure import Failure


class Observer(Protocol):
    """Takes note of calls that have ended; what it raises would become the caller's, so it raises nothing."""

    def __call__(self, boundary: str, call: Call, outcome: str, failure: Failure | None, /) -> None:
        """Note that a call of `boundary` ended as `outcome`, a word of `telemetry/names.py`."""


class Observed:
    """
    The observer of this process.

    Attributes:
        observer: Told of every call that has ended; `None` costs a call one look.
    """

    __slots__ = ("observer",)

    def __init__(self) -> None:
        self.observer: Observer | None = None


OBSERVED: Final = Observed()
