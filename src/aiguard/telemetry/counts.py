"""Counters that cost a call an addition: the SDK reads them when it collects."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Final

from opentelemetry.metrics import Observation

from aiguard.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterable

SERIES: Final = 1500
"""Series of one counter: what is left of the SDK's 2,000 is for the exporter's own folding of several processes."""


class Counts:
    """
    One counter.

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
        return [
            Observation(count, {key: value for key, value in zip(self._keys, values, strict=True) if value is not None})
            for values, count in counts
        ]

    def forked(self) -> None:
        """Start with a fresh lock and no counts: in a forked process they are the parent's."""
        self._lock = threading.Lock()
        self._counts.clear()


_COUNTS: Final[list[Counts]] = []


def _forked() -> None:
    for counts in _COUNTS:
        counts.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
