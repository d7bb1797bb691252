"""Which rung answers, and when."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from tests.simulation.component import KEPT_FOR, RUNG_TAKES, VALUES

AT_ONCE: Final = {"value", "last_good"}
NO_AI: Final = {"halted", "input_rejected"}
SHARE: Final = 0.1


@dataclass
class LadderModel:
    """
    One boundary's ladder.

    Attributes:
        rungs: Their names.
        timeout: What is held back for callable rungs, or `None` for the usual share.
        judged: Whether there is a contract.
        interruptible: Whether a rung that takes its time can be cut off.
        kept: What `last_good` was given, by key, in order, and when.
    """

    rungs: tuple[str, ...]
    timeout: float | None
    judged: bool
    interruptible: bool
    kept: dict[str | None, list[tuple[object, float]]] = field(default_factory=dict)

    @property
    def callables(self) -> int:
        """How many rungs need time."""
        return sum(rung not in AT_ONCE for rung in self.rungs)

    def held_back(self, left: float) -> float:
        """Return how much of the time left is held back for rungs."""
        if not self.callables:
            return 0.0
        return left * SHARE if self.timeout is None else min(self.timeout, left / 2)

    def descend(  # noqa: C901 - one rung after the other
        self, ended: str, key: str | None, now: float, deadline: float, *, off: bool = False
    ) -> tuple[str | None, object, float]:
        """Return the rung that answers, its answer, and when; no rung where none does. `off`: halted meanwhile."""
        callables = self.callables
        for rung in self.rungs:
            if rung == "value":
                return rung, VALUES[rung], now
            if rung == "last_good":
                young = [answer for answer, given in self.kept.get(key, []) if 0 <= now - given <= KEPT_FOR]
                if young:
                    return rung, young[-1], now
                continue
            until = now + (deadline - now) / callables
            callables -= 1
            if until <= now or (rung == "ai" and (off or ended in NO_AI)):
                continue
            if rung == "hung":
                now = until
            elif rung == "slow":
                if now + RUNG_TAKES <= until:
                    return rung, VALUES[rung], now + RUNG_TAKES
                now = until if self.interruptible else now + RUNG_TAKES
            elif rung == "invalid" and not self.judged:
                return rung, None, now
            elif rung not in {"broken", "invalid"}:
                return rung, VALUES[rung], now
        return None, None, now

    def keep(self, answer: object, key: str | None, now: float) -> None:
        """Keep an answer of the component's."""
        self.kept.setdefault(key, []).append((answer, now))
