"""Log events: what an operator wants to hear of whether or not the call's span was sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger

from aiguard.stages import breaker
from aiguard.telemetry import names

if TYPE_CHECKING:
    from aiguard.events import BreakerMoved
    from aiguard.failure import Failure

_logger = get_logger(names.SCOPE)


def degraded(boundary: str, failure: Failure, rung: str) -> None:
    """A rung answered instead of the component."""
    _emit(
        names.DEGRADED_EVENT,
        SeverityNumber.WARN,
        {names.BOUNDARY: boundary, names.DEGRADED_REASON: failure.kind.value, names.FALLBACK_NAME: rung},
    )


def breaker_moved(event: BreakerMoved) -> None:
    """A breaker changed its state, by a call or by hand."""
    severity = SeverityNumber.WARN if event.after == breaker.OPEN else SeverityNumber.INFO
    _emit(
        names.BREAKER_EVENT,
        severity,
        {
            names.BREAKER_NAME: event.breaker,
            names.BREAKER_STATE: event.after,
            names.BREAKER_BEFORE: event.before,
        },
    )


def _emit(name: str, severity: SeverityNumber, attributes: dict[str, str]) -> None:
    _logger.emit(LogRecord(event_name=name, severity_number=severity, attributes=attributes))


breaker.moved = breaker_moved
