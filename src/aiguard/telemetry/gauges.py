"""
What the boundaries of the process stand at, read when the SDK collects.

A call pays nothing for these: they are the numbers that bulkheads and breakers work with. A boundary that is gone is
not held here, and has no series any more.
"""

from __future__ import annotations

import weakref
from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Protocol

from opentelemetry.metrics import Observation

from aiguard.stages.circuit import CLOSED, HALF_OPEN, OPEN
from aiguard.switch import PROCESS
from aiguard.telemetry import names
from aiguard.telemetry.caps import BOUNDARIES, Cap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiguard.stages.breaker import CircuitBreaker
    from aiguard.stages.bulkhead import Permits

STATES: Final = (CLOSED, HALF_OPEN, OPEN)


def proof_age(_: object = None) -> list[Observation]:
    """Return how long ago it was proven that this process would see a halt; nothing before its first call."""
    age = PROCESS.age()
    return [] if age is None else [Observation(age)]


class Observable(Protocol):
    """
    One boundary, as far as its gauges are concerned.

    Attributes:
        name: Its name.
        owner: Who answers for it.
        dependency: What it calls.
        shares: Whether other boundaries may call the same.
        permits: Its bulkhead, where it has one.
    """

    name: str
    owner: str | None
    dependency: Dependency | None
    shares: bool
    permits: Permits | None


class Dependency(Protocol):
    """
    What a boundary calls.

    Attributes:
        name: Its name, or the boundary's.
    """

    name: str

    @property
    def breakers(self) -> Iterable[CircuitBreaker]:
        """Its breakers, that of what has no key first."""


class Live:
    """The boundaries of the process, by name; the newest of a name replaces the one before."""

    def __init__(self) -> None:
        self._boundaries: weakref.WeakValueDictionary[str, Any] = weakref.WeakValueDictionary()
        self.names = Cap(BOUNDARIES)
        self.dependencies = Cap(BOUNDARIES)

    def add(self, boundary: Observable) -> None:
        """Show `boundary`, as long as it is there."""
        self._boundaries[boundary.name] = boundary

    def _all(self) -> list[Observable]:
        return list(self._boundaries.values())

    def info(self, _: object = None) -> list[Observation]:
        """Return one for each boundary, with whose it is; those beyond the cap have no series to join."""
        found = []
        for boundary in self._all():
            if self.names.admit(boundary.name) != names.OTHER:
                attributes = {names.BOUNDARY: boundary.name}
                if boundary.owner is not None:
                    attributes[names.OWNER] = boundary.owner[: names.LONGEST]
                if boundary.shares and boundary.dependency is not None:
                    attributes[names.DEPENDENCY] = self.dependencies.admit(boundary.dependency.name)
                found.append(Observation(1, attributes))
        return found

    def breakers(self, _: object = None) -> list[Observation]:
        """Return how many breakers of a name are in each state: several, where a key splits what it stands for."""
        found: Counter[tuple[str, str]] = Counter()
        shared = {id(one.dependency): one.dependency for one in self._all() if one.dependency is not None}
        for dependency in shared.values():
            breakers = tuple(dependency.breakers)
            if breakers:
                name = self.dependencies.admit(dependency.name)
                found.update({(name, state): 0 for state in STATES})
                found.update((name, breaker.current_state) for breaker in breakers)
        return [
            Observation(number, {names.BREAKER_NAME: name, names.BREAKER_STATE: state})
            for (name, state), number in found.items()
        ]

    def in_flight(self, _: object = None) -> list[Observation]:
        """Return the permits taken of each bulkhead."""
        return self._permits("in_flight")

    def limit(self, _: object = None) -> list[Observation]:
        """Return the permits that each bulkhead has."""
        return self._permits("limit")

    def queued(self, _: object = None) -> list[Observation]:
        """Return how many calls wait at each bulkhead."""
        return self._permits("queued")

    def _permits(self, what: str) -> list[Observation]:
        found: Counter[str] = Counter()
        for boundary in self._all():
            if boundary.permits is not None:
                found[self.names.admit(boundary.name)] += getattr(boundary.permits, what)
        return [Observation(number, {names.BOUNDARY: name}) for name, number in found.items()]
