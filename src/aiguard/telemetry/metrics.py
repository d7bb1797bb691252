"""The duration histograms; their counts are the numbers of calls and attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics

from aiguard.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiguard.events import Run
    from aiguard.failure import Failure

_meter = metrics.get_meter(names.SCOPE)

_calls = _meter.create_histogram(
    names.CALL_DURATION,
    unit="s",
    description="How long guarded calls took, by how they ended.",
    explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
)
_attempts = _meter.create_histogram(
    names.ATTEMPT_DURATION,
    unit="s",
    description="How long single tries of components took.",
    explicit_bucket_boundaries_advisory=names.DURATION_BUCKETS,
)


class BoundaryMetrics:
    """The histograms of one boundary, with the attributes of the usual cases made beforehand."""

    __slots__ = ("_first", "_name", "_success")

    def __init__(self, name: str) -> None:
        self._name = name
        self._success = {names.BOUNDARY: name, names.OUTCOME: names.SUCCESS}
        self._first = {names.BOUNDARY: name, names.ATTEMPT_KIND: "initial"}

    def succeeded(self, elapsed: float, runs: Iterable[Run]) -> None:
        """Record a call that the component answered."""
        _calls.record(elapsed, self._success)
        self._record_attempts(runs)

    def ended(self, outcome: str, elapsed: float, runs: Iterable[Run], failure: Failure | None) -> None:
        """Record a call that ended in any other way."""
        attributes = {names.BOUNDARY: self._name, names.OUTCOME: outcome}
        if failure is not None:
            attributes[names.DEGRADED_REASON if outcome == names.FALLBACK else names.ERROR_TYPE] = failure.kind.value
        _calls.record(elapsed, attributes)
        self._record_attempts(runs)

    def _record_attempts(self, runs: Iterable[Run]) -> None:
        for run in runs:
            attributes = self._first
            if run.failure is not None or run.number > 1:
                attributes = {names.BOUNDARY: self._name, names.ATTEMPT_KIND: run.reason}
                if run.failure is not None:
                    attributes[names.ERROR_TYPE] = run.failure.kind.value
            _attempts.record(run.ended - (run.started or 0.0), attributes)
