"""A bulkhead written down the long way: who is inside, who waits, and to whom a permit was handed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiguard import Bulkhead

LOOKED_BACK_ON: Final = 64
"""Successful calls among which the quickest is looked for."""

DECREASE: Final = 0.75
SHEDDABLE: Final = 2


@dataclass(eq=False)
class Guest:
    """
    Somebody at a bulkhead.

    Attributes:
        priority: 0 goes first.
        deadline: When its time is over.
        place: `inside`, `waiting`, `handed` (a permit), `late`, `full`, `shed`, `displaced`.
        generation: Of the limit, when it was let in.
        entered: When.
    """

    priority: int
    deadline: float
    place: str = "waiting"
    generation: int = 0
    entered: float = 0.0


@dataclass
class BulkheadModel:
    """
    One bulkhead.

    Attributes:
        policy: Its settings.
        exact: The limit, with the fraction that it has learned.
        generation: How often the limit has fallen.
        taken: Who holds a permit.
        line: Who waits, in the order of their coming.
        took: How long the last successful calls took.
        shedding: Whether sheddable calls may not wait.
        before: How long the quickest took before that changed last, and when that was.
    """

    policy: Bulkhead
    exact: float = 0.0
    generation: int = 0
    taken: list[Guest] = field(default_factory=list)
    line: list[Guest] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    shedding: bool = False
    before: tuple[float, float] = (0.0, float("-inf"))

    def __post_init__(self) -> None:
        self.exact = float(self.policy.limit)

    @property
    def limit(self) -> int:
        """Permits as of now."""
        return int(self.exact)

    @property
    def adapts(self) -> bool:
        """Whether the limit learns."""
        return self.policy.floor is not None or self.policy.ceiling is not None

    @property
    def quickest(self) -> float:
        """How long the quickest of the last successful calls took."""
        return min(self.took[-LOOKED_BACK_ON:], default=0.0)

    def ask(self, guest: Guest, now: float) -> None:
        """Find a place for somebody."""
        guest.place = self._place(guest, now)
        if guest.place == "inside":
            self.taken.append(guest)
            self._enter(guest, now)
        elif guest.place == "waiting":
            self.line.append(guest)

    def enter(self, guest: Guest, now: float) -> None:
        """Let somebody in who was handed a permit."""
        guest.place = "inside"
        self._enter(guest, now)

    def leave(self, guest: Guest, now: float) -> None:
        """Hear that somebody has gone who came to nothing, or whose call failed."""
        if guest in self.line:
            self.line.remove(guest)
        elif guest in self.taken:
            self.taken.remove(guest)
            self._serve(now)

    def succeeded(self, guest: Guest, now: float, *, measured: bool) -> None:
        """Hear that somebody's call succeeded."""
        if measured and self.policy.queue:
            quickest, changed = self.before
            self.before = (max(quickest, self.quickest) if changed == now else self.quickest, now)
            self.took.append(now - guest.entered)
        if self.adapts and len(self.taken) * 2 >= self.limit:
            ceiling = self.policy.limit if self.policy.ceiling is None else self.policy.ceiling
            self.exact = min(float(ceiling), self.exact + 1.0 / self.exact)
        self.leave(guest, now)

    def overloaded(self, guest: Guest) -> None:
        """Hear that somebody's call ran into an overload; it is still inside."""
        if not self.adapts or guest.generation != self.generation:
            return
        self.generation += 1
        floor = self.policy.limit if self.policy.floor is None else self.policy.floor
        self.exact = max(float(floor), self.limit * DECREASE)
        if len(self.taken) > self.limit:
            self.shedding = True
            for waiting in [one for one in self.line if one.priority == SHEDDABLE]:
                self._turn_away(waiting, "shed")

    def _place(self, guest: Guest, now: float) -> str:
        if len(self.taken) < self.limit:
            return "inside"
        if guest.deadline - now <= self.quickest:
            return "late"
        if self.shedding and guest.priority == SHEDDABLE:
            return "full"
        if len(self.line) < self.policy.queue:
            return "waiting"
        lowest = max((one.priority for one in self.line), default=-1)
        if lowest <= guest.priority:
            return "full"
        youngest = [one for one in self.line if one.priority == lowest][-1]
        self._turn_away(youngest, "displaced")
        return "waiting"

    def _turn_away(self, guest: Guest, why: str) -> None:
        self.line.remove(guest)
        guest.place = why

    def _enter(self, guest: Guest, now: float) -> None:
        guest.generation = self.generation
        guest.entered = now

    def _serve(self, now: float) -> None:
        """Hand out what is free: to the highest priority, and in it to who has waited longest."""
        while self.line and len(self.taken) < self.limit:
            first = min(self.line, key=lambda one: one.priority)  # of equals the first
            if first.deadline - now < self.quickest:
                self._turn_away(first, "late")
            else:
                self._turn_away(first, "handed")
                self.taken.append(first)
        if len(self.taken) < self.limit:
            self.shedding = False


def is_overload(ended: str, stage: str, *, shortened: bool) -> bool:
    """Return whether an ending says that too much was asked."""
    if ended == "timeout" and stage == "deadline" and shortened:
        return False
    return ended in {"overloaded", "rate_limited", "timeout"}
