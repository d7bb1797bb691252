"""What the calls of one key share, and the one thing of it that is asked between two taps: the retry budget."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.simulation.reference.pause import PauseModel

if TYPE_CHECKING:
    from tests.simulation.playing import Played
    from tests.simulation.reference.breaker import BreakerModel
    from tests.simulation.reference.spending import RetryBudgetModel


class Tally:
    """
    Stands in the place of a retry budget, passes everything on, and holds each answer to the reference.

    Attributes:
        counted: How many calls were counted.
        answer: What it said last.
        refused: When it last said no.
    """

    def __init__(self, actual: Any, model: RetryBudgetModel, played: Played) -> None:
        self._actual = actual
        self._model = model
        self._played = played
        self._granted = 0
        self.counted = 0
        self.answer: bool | None = None
        self.refused = float("-inf")

    def count(self, now: float) -> None:
        """Count one call."""
        self.counted += 1
        self._model.calls.append(now)
        self._actual.count(now)

    def spend(self, now: float) -> bool:
        """Ask for one further attempt."""
        self.answer = granted = bool(self._actual.spend(now))
        should = self._model.spend(now)
        if granted is not should:
            calls, further = len(self._model.calls), len(self._model.further)
            self._played.disagree(
                f"retry budget: {'granted' if granted else 'refused'}, should not be: {calls} calls, {further} further"
            )
        if granted:
            self._granted += 1
        else:
            self.refused = now
        return granted

    def granted(self, what: str) -> bool:
        """Use up one further attempt that was granted; `False` where none was."""
        del what
        self._granted -= 1
        return self._granted >= 0

    def configure(self, budget: Any) -> None:
        """Pass it on."""
        self._actual.configure(budget)


class Sharing:
    """
    What the reference keeps of one key of a dependency.

    Args:
        actual: What the boundaries themselves share.
        breaker: Its breaker.
        retries: Its retry budget.
        played: The schedule.
    """

    def __init__(
        self, actual: Any, breaker: BreakerModel | None, retries: RetryBudgetModel | None, played: Played
    ) -> None:
        self.actual = actual
        self.breaker = breaker
        self.pause = PauseModel()
        self.tally = Tally(actual.retries, retries, played) if retries is not None else None
        if self.tally is not None:
            actual.retries = self.tally
