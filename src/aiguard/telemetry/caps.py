"""How many names of a kind become series of their own: what is beyond the cap is one series together."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.metrics import Observation

from aiguard.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterable

BOUNDARIES: Final = 200
"""Boundaries, and as many dependencies: the SDK keeps 2,000 series of an instrument, and a boundary has about ten."""

MODELS: Final = 100
"""Models: a process uses a handful, and a gateway may answer with a name that is made up for each request."""

SERIES: Final = 1500
"""Series of one counter: what is left of the SDK's 2,000 is for the exporter's own folding of several processes."""

LONGEST: Final = 100
_LETTERS: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/@+")


class Cap:
    """
    Admits the first so many names of a kind, for as long as the process lasts; the others are `_other`.

    A name of more than 100 letters, or with others than names have, may be content, and is `_other` too.

    Args:
        most: How many names are admitted.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._admitted: dict[str, str] = {}

    def admit(self, name: str) -> str:
        """Return what stands for `name` in a series."""
        admitted = self._admitted
        known = admitted.get(name)
        if known is not None:
            return known
        if len(admitted) >= self._most or not 0 < len(name) <= LONGEST or not _LETTERS.issuperset(name):
            return names.OTHER
        return admitted.setdefault(name, name)  # two threads at once may admit one more than the cap: no harm


class Counts:
    """
    A counter that costs a call an addition: the SDK reads it when it collects.

    Args:
        keys: The attributes of a series, in the order of the values that `add` is given.
    """

    def __init__(self, *keys: str) -> None:
        self._keys = keys
        self._counts: dict[tuple[str | None, ...], float] = {}
        self.forked()
        _COUNTS.append(self)

    def add(self, *values: str | None, amount: float = 1) -> None:
        """Add to the series with these values, `None` for an attribute that it does not have."""
        self._lock.acquire()  # not `with`, which takes twice as long
        try:
            counts = self._counts
            if values not in counts and len(counts) >= SERIES:
                values = tuple(names.OTHER if value is not None else None for value in values)
            counts[values] = counts.get(values, 0) + amount
        finally:
            self._lock.release()

    def observe(self, _: object = None) -> Iterable[Observation]:
        """Return every series as it is now."""
        with self._lock:
            counts = list(self._counts.items())
        return [Observation(count, attributes_of(self._keys, values)) for values, count in counts]

    def forked(self) -> None:
        """Start with a fresh lock and no counts: in a forked process they are the parent's."""
        self._lock = threading.Lock()
        self._counts.clear()


def attributes_of(keys: tuple[str, ...], values: tuple[str | None, ...]) -> dict[str, Any]:
    """Return the attributes of a series."""
    return {key: value for key, value in zip(keys, values, strict=True) if value is not None}


_COUNTS: Final[list[Counts]] = []


def _forked() -> None:
    for counts in _COUNTS:
        counts.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
