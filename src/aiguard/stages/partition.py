"""What the calls of one dependency share that ask with the same key: its health, as far as they have seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.stages.cooldown import Cooldown

if TYPE_CHECKING:
    from aiguard.stages.breaker import CircuitBreaker
    from aiguard.stages.retry_budget import RetryTally


class Partition:
    """
    The state of one key.

    Attributes:
        breaker: Its breaker; `None` where no boundary has one.
        cooldown: The pause that its component asked for.
        retries: What retries and hedges have added of late.
        used: Whether it was asked for again since somebody last looked for one to forget.
    """

    __slots__ = ("breaker", "cooldown", "retries", "used")

    def __init__(self, breaker: CircuitBreaker | None, retries: RetryTally) -> None:
        self.breaker = breaker
        self.cooldown = Cooldown()
        self.retries = retries
        self.used = False

    def is_at_rest(self, now: float) -> bool:
        """Whether nothing is lost by forgetting it: its breaker is closed, and no pause is under way."""
        return self.cooldown.until <= now and (self.breaker is None or self.breaker.is_closed)

    def forked(self) -> None:
        """Forget the calls of the parent process: they are not here."""
        if self.breaker is not None:
            self.breaker.forked()
        self.retries.forked()
