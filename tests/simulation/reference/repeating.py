"""Whether and when there is another attempt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiguard import Retry

REJECTIONS: Final = {
    "circuit_open",
    "bulkhead_full",
    "cooling_down",
    "budget_exhausted",
    "halted",
    "input_rejected",
    "deadline_exhausted",
}
INVALID: Final = {"malformed_output", "schema_violation", "check_failed", "empty_output"}


@dataclass(frozen=True)
class Next:
    """
    Another attempt.

    Attributes:
        reason: `retry`, `reask`, or `pause` where the attempt has yet to be made that came into a pause.
        delay: Seconds until then.
    """

    reason: str
    delay: float


@dataclass
class RepeatModel:
    """
    What the retry stage of one call has seen.

    Attributes:
        retry: The settings, or `None`.
        wait: The seconds between attempts, or `None` for the usual jitter.
        reask: How often an invalid answer is asked for again.
        chance: What the clock's chance answers.
        failures: Attempts that failed.
        asked: Answers that were invalid.
    """

    retry: Retry | None
    wait: float | None
    reask: int
    chance: float
    failures: int = 0
    asked: int = 0

    def after(self, ended: str, retry_after: float | None, left: float) -> Next | None:
        """Return the attempt that follows after one ended so, `left` seconds before the deadline; `None` if none."""
        if ended == "cooling_down":
            if retry_after is None or "rate_limited" not in self._on:
                return None
            return self._in_time(Next("pause", self._after_pause(retry_after, max(self.failures, 1), left)), left)
        if ended in INVALID:
            self.asked += 1
            return self._in_time(Next("reask", 0.0), left) if self.asked <= self.reask else None
        self.failures += 1
        if self.retry is None or ended in REJECTIONS or self.failures >= self.retry.attempts or ended not in self._on:
            return None
        wait = self._jitter(self.failures) if self.wait is None else self.wait
        if retry_after:
            pause = self._after_pause(retry_after, self.failures, left)
            wait = pause if self.wait is None else max(wait, pause)
        return self._in_time(Next("retry", wait), left)

    @property
    def _on(self) -> frozenset[str]:
        if self.retry is None:
            return frozenset()
        assert isinstance(self.retry.on, frozenset)
        return frozenset(kind.value for kind in self.retry.on)

    def _jitter(self, failures: int, chance: float | None = None) -> float:
        return (self.chance if chance is None else chance) * min(2.0, 0.1 * 2.0 ** (failures - 1))

    def _after_pause(self, pause: float, failures: int, left: float) -> float:
        """Return a wait of no less than `pause`, and a jitter from what fits on top of it."""
        longest = self._jitter(failures, 1.0)
        room = left - pause
        return pause + self.chance * (room if 0.0 < room < longest else longest)

    def _in_time(self, following: Next, left: float) -> Next | None:
        return following if following.delay < left else None
