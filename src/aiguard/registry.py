"""Every boundary declared in this process, by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from aiguard.place import Place


class Named(Protocol):
    """What is kept: something with a name."""

    name: str


T = TypeVar("T", bound=Named)


class Registry(Generic[T]):
    """Names to boundaries; a second declaration from elsewhere is refused, it would reset the breaker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[T, Place]] = {}

    def add(self, boundary: T, place: Place) -> Place | None:
        """Keep `boundary`; return the place that holds its name already, if that one stands."""
        with self._lock:
            held = self._known.get(boundary.name)
            if held is not None and not place.replaces(held[1]):
                return held[1]
            self._known[boundary.name] = (boundary, place)
        return None

    def get(self, name: str) -> T | None:
        """Return the boundary of that name."""
        held = self._known.get(name)
        return held[0] if held else None

    def all(self) -> tuple[T, ...]:
        """Return every boundary, in the order of declaration."""
        with self._lock:
            return tuple(boundary for boundary, _ in self._known.values())

    def forked(self) -> None:
        """Start with a fresh lock: in a forked process nobody is left to release the old one."""
        self._lock = threading.Lock()

    def swap(self, known: dict[str, tuple[T, Place]]) -> dict[str, tuple[T, Place]]:
        """Put `known` in place of what is there, and return that: for tests that want an empty registry."""
        with self._lock:
            before, self._known = self._known, known
        return before
