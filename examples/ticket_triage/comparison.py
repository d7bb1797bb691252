"""What the two runs came to, phase by phase."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from examples.ticket_triage.call import Call, Run


@dataclass(frozen=True, slots=True)
class Tally:
    """
    The calls of one run in one phase, counted.

    Attributes:
        calls: How many there were: `valid + invalid + failed`.
        valid: Answered with a `Triage`.
        invalid: Answered with something else.
        failed: Not answered.
        late: Of all these, the ones that took longer than deadline and grace.
        kept: Valid and not late: what the service is for.
        median: Seconds, the middle one.
        slowest: Seconds, the last one.
        by: How many valid ones each source gave: `"component"`, or a rung's name.
    """

    calls: int
    valid: int
    invalid: int
    failed: int
    late: int
    kept: int
    median: float
    slowest: float
    by: dict[str, int] = field(default_factory=dict)


def tally(calls: Sequence[Call], deadline: float) -> Tally:
    """Count some calls."""
    verdicts = Counter(call.answer.verdict for call in calls)
    times = [call.elapsed for call in calls]
    return Tally(
        calls=len(calls),
        valid=verdicts["valid"],
        invalid=verdicts["invalid"],
        failed=verdicts["failed"],
        late=sum(call.late(deadline) for call in calls),
        kept=sum(call.answer.verdict == "valid" and not call.late(deadline) for call in calls),
        median=round(median(times), 3) if times else 0.0,
        slowest=round(max(times, default=0.0), 3),
        by=dict(Counter(call.answer.source for call in calls if call.answer.verdict == "valid" and call.answer.source)),
    )


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    Both runs.

    Attributes:
        deadline: Seconds within which a ticket should have its triage.
        phases: Their names, in order.
        calls: All of both runs.
    """

    deadline: float
    phases: tuple[str, ...]
    calls: tuple[Call, ...]

    def of(self, run: Run, phase: str | None = None) -> Tally:
        """Count one phase of a run, or all of it."""
        chosen = [call for call in self.calls if call.run == run and phase in (None, call.phase)]
        return tally(chosen, self.deadline)

    @property
    def promise_kept(self) -> bool:
        """Whether the guarded service gave every ticket a valid triage in time."""
        guarded = self.of("with")
        return guarded.kept == guarded.calls

    def as_json(self) -> dict[str, Any]:
        """Return the figures, for a file."""
        runs: tuple[Run, Run] = ("without", "with")
        return {
            "deadline": self.deadline,
            "promise_kept": self.promise_kept,
            "runs": {run: {phase: asdict(self.of(run, phase)) for phase in self.phases} for run in runs},
        }


def agreement(pairs: Iterable[tuple[object, object]]) -> float:
    """Return the share of pairs whose halves are equal; 0 where there are none."""
    equal = [ours == theirs for ours, theirs in pairs]
    return sum(equal) / len(equal) if equal else 0.0
