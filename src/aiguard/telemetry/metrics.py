"""The duration histograms; their counts are the numbers of calls and attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry import metrics

from aiguard.call import logger
from aiguard.telemetry import names

if TYPE_CHECKING:
    from aiguard.call import Call
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


_UNKNOWN: Final = object()


def is_counted() -> bool:
    """Whether a measurement would reach anybody: before an SDK is set, nobody counts."""
    return getattr(_calls, "_real_instrument", _UNKNOWN) is not None


class BoundaryMetrics:
    """The histograms of one boundary, with the attributes of the usual cases made beforehand."""

    __slots__ = ("_first", "_name", "_success")

    def __init__(self, name: str) -> None:
        self._name = name
        self._success = {names.BOUNDARY: name, names.OUTCOME: names.SUCCESS}
        self._first: dict[str, str] = {names.BOUNDARY: name, names.ATTEMPT_KIND: "initial"}

    def succeeded(self, call: Call) -> None:
        """Record a call that the component answered."""
        if is_counted():
            self._record(call, self._success)

    def ended(self, outcome: str, call: Call, failure: Failure | None) -> None:
        """Record a call that ended in any other way."""
        if not is_counted():
            return
        attributes = {names.BOUNDARY: self._name, names.OUTCOME: outcome}
        if failure is not None:
            attributes[names.DEGRADED_REASON if outcome == names.FALLBACK else names.ERROR_TYPE] = failure.kind.value
        self._record(call, attributes)

    def _record(self, call: Call, attributes: dict[str, str]) -> None:
        journal = call.journal
        try:
            _calls.record(call.clock.now() - journal.begun, attributes)
            for run in journal.runs:
                _attempts.record(run.ended - (run.started or 0.0), self._attributes_of(run))
        except Exception as error:  # noqa: BLE001 - a meter's fault must not become the caller's
            logger.warning("boundary %r: a measurement was lost: %s", self._name, type(error).__name__)

    def _attributes_of(self, run: Run) -> dict[str, str]:
        if run.failure is None and run.number == 1 and not run.cancelled:
            return self._first
        attributes = {names.BOUNDARY: self._name, names.ATTEMPT_KIND: run.reason}
        if run.cancelled:
            attributes[names.ATTEMPT_OUTCOME] = names.CANCELLED
        elif run.failure is not None:
            attributes[names.ERROR_TYPE] = run.failure.kind.value
        return attributes
