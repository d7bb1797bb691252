"""Every boundary declared in this process, by name."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar


class Named(Protocol):
    """What is kept: something with a name."""

    name: str


T = TypeVar("T", bound=Named)


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a boundary was declared.

    Attributes:
        module: The module's name.
        qualname: The function's qualified name, or `"<module>"` for a boundary without one.
        run: What tells one execution of the module from the next: its code object.
        line: The line of the declaration.
    """

    module: str
    qualname: str
    run: object
    line: int

    @property
    def local(self) -> bool:
        """Whether it was declared inside a function, and so perhaps at every call of it."""
        return "<locals>" in self.qualname

    def replaces(self, other: Place) -> bool:
        """Whether this is the same declaration, run again: a reload, or a notebook cell."""
        if self.local or (self.module, self.qualname) != (other.module, other.qualname):
            return False
        return self.qualname != "<module>" or self.run is not other.run

    def __str__(self) -> str:
        return f"{self.module}:{self.line} ({self.qualname})"


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
