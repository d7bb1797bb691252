"""What boundaries share that call the same dependency: the health of each of its keys."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING, Final

from aiguard.problem import Problem, shown
from aiguard.stages.breaker import CircuitBreaker
from aiguard.stages.partition import Partition
from aiguard.stages.retry_budget import RetryTally
from aiguard.strategies import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from aiguard.clock import Clock
    from aiguard.policy import Policy
    from aiguard.strategies import Breaker

KEYS: Final = 1024
"""Keys kept apart at a time; the one that was not asked for longest is forgotten first, those at rest before others."""

_NAMED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-:/@")


class Dependency:
    """
    What one boundary calls, or several that name the same dependency.

    Args:
        name: Its name, or that of the one boundary.
        clock: Where time is read.
        shared: Whether several boundaries may name it.

    Attributes:
        name: As given.
        partition: What calls without a key share.
    """

    __slots__ = (
        "__weakref__",
        "_breaker",
        "_clock",
        "_lock",
        "_partitions",
        "_retries",
        "_shared",
        "name",
        "partition",
    )

    def __init__(self, name: str, clock: Clock, *, shared: bool) -> None:
        self.name = name
        self._clock = clock
        self._shared = shared
        self._lock = threading.Lock()
        self._breaker: Breaker | None = None
        self._retries = RetryBudget()
        self.partition = Partition(None, RetryTally(self._retries))
        self._partitions: dict[Hashable, Partition] = {}

    def is_named(self, name: str | None) -> bool:
        """Whether a policy means this one that says `name`; `None`: a dependency of the boundary's own."""
        return self.name == name if self._shared else name is None

    def prepare(self, policy: Policy) -> None:
        """Have a breaker for every key if `policy` wants one: calls under it may come before `configure` does."""
        with self._lock:
            if policy.breaker is None or self.partition.breaker is not None:
                return
            self._breaker = policy.breaker
            self.partition.breaker = root = CircuitBreaker(policy.breaker, name=self.name, clock=self._clock)
            for key, partition in self._partitions.items():
                partition.breaker = root.sibling(self._name_of(key))

    def configure(self, policy: Policy) -> None:
        """Hold every key to the settings of `policy`; what it does not say stays."""
        self.prepare(policy)
        with self._lock:
            everyone = [self.partition, *self._partitions.values()]
            if policy.breaker is not None and policy.breaker != self._breaker:
                self._breaker = policy.breaker
                for partition in everyone:
                    if partition.breaker is not None:
                        partition.breaker.configure(policy.breaker)
            said = not self._shared or "retry_budget" in policy.model_fields_set
            if said and policy.retry_budget is not None and policy.retry_budget != self._retries:
                self._retries = policy.retry_budget
                for partition in everyone:
                    partition.retries.configure(policy.retry_budget)

    def of(self, key: Hashable) -> Partition:
        """Return what the calls share that ask with `key`. Raises `TypeError` where it cannot be hashed."""
        partition = self._partitions.get(key)
        if partition is not None:
            partition.used = True
            return partition
        with self._lock:
            partition = self._partitions.get(key)
            if partition is None:
                if len(self._partitions) >= KEYS:
                    self._forget_one()
                root = self.partition.breaker
                breaker = root.sibling(self._name_of(key)) if root is not None else None
                partition = self._partitions[key] = Partition(breaker, RetryTally(self._retries))
            return partition

    @property
    def breakers(self) -> tuple[CircuitBreaker, ...]:
        """The breakers of what has no key and of every key, where there are any."""
        with self._lock:
            everyone = [self.partition, *self._partitions.values()]
        return tuple(partition.breaker for partition in everyone if partition.breaker is not None)

    @property
    def keys(self) -> tuple[Hashable, ...]:
        """The keys kept apart."""
        with self._lock:
            return tuple(self._partitions)

    def forked(self) -> None:
        """Forget the calls of the parent process: they are not here."""
        self._lock = threading.Lock()
        for partition in [self.partition, *self._partitions.values()]:
            partition.forked()

    def _forget_one(self) -> None:
        """Forget the first key that is at rest and was not asked for again, else one at rest, else simply the first."""
        now = self._clock.now()
        for key, partition in 2 * tuple(self._partitions.items()):
            if not partition.used and partition.is_at_rest(now):
                del self._partitions[key]
                return
            partition.used = False
            self._partitions[key] = self._partitions.pop(key)  # to the end of the line
        del self._partitions[next(iter(self._partitions))]

    def _name_of(self, key: Hashable) -> str:
        """Return what listeners and telemetry call the breaker of `key`; a key that may hold content has no name."""
        named = isinstance(key, str) and 0 < len(key) <= 64 and _NAMED.issuperset(key)  # noqa: PLR2004 - no sentence is
        return f"{self.name}[{key if named else '…'}]"


class Dependencies:
    """The dependencies that several boundaries may name, as long as one of them does."""

    def __init__(self) -> None:
        self._known: weakref.WeakValueDictionary[str, Dependency] = weakref.WeakValueDictionary()
        self._lock = threading.Lock()

    def named(self, name: str, clock: Clock) -> Dependency:
        """Return the dependency of that name."""
        with self._lock:
            found = self._known.get(name)
            if found is None:
                found = self._known[name] = Dependency(name, clock, shared=True)
            return found

    def swap(self, known: weakref.WeakValueDictionary[str, Dependency]) -> weakref.WeakValueDictionary[str, Dependency]:
        """Put `known` in place of what is there, and return that: for tests that want to share nothing."""
        with self._lock:
            before, self._known = self._known, known
        return before

    def forked(self) -> None:
        """Start with a fresh lock: in a forked process nobody is left to release the old one."""
        self._lock = threading.Lock()


DEPENDENCIES: Final = Dependencies()


def conflicts(policies: Mapping[str, Policy]) -> dict[str, list[Problem]]:
    """Return, by boundary, what it says of its dependency that another one says differently."""
    found: dict[str, list[Problem]] = {}
    first: dict[tuple[str, str], tuple[str, object]] = {}
    for name, policy in policies.items():
        if policy.dependency is None:
            continue
        said: dict[str, object] = {"breaker": policy.breaker}
        if "retry_budget" in policy.model_fields_set:
            said["retry_budget"] = policy.retry_budget
        for setting, value in said.items():
            if value is None:
                continue
            other, before = first.setdefault((policy.dependency, setting), (name, value))
            if value != before:
                reason = (
                    f"the boundary {other!r} names the same `dependency` ({policy.dependency!r}) "
                    f"and says {shown(before)}: what is shared is set alike"
                )
                found.setdefault(name, []).append(Problem(reason, name, setting, shown(value)))
    return found
