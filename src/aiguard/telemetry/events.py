"""Log events: what an operator wants to hear of whether or not the call's span was sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry._logs import LogRecord, SeverityNumber, get_logger

from aiguard.call import logger
from aiguard.stages import breaker
from aiguard.stages.circuit import OPEN
from aiguard.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context

    from aiguard.events import BreakerMoved
    from aiguard.failure import Failure

_logger = get_logger(names.SCOPE)


def degraded(boundary: str, failure: Failure, rung: str, age: float | None, context: Context | None) -> None:
    """A rung answered instead of the component; `age` is that of an answer of the component's own, in seconds."""
    attributes: dict[str, str | float] = {
        names.BOUNDARY: boundary,
        names.DEGRADED_REASON: failure.kind.value,
        names.FALLBACK_NAME: rung,
    }
    if age is not None:
        attributes[names.FALLBACK_AGE] = age
    _emit(names.DEGRADED_EVENT, SeverityNumber.WARN, attributes, context)


def left(boundary: str, failure: Failure, context: Context | None) -> None:
    """An error left the boundary."""
    _emit(
        names.EXCEPTION_EVENT,
        SeverityNumber.ERROR,
        {names.BOUNDARY: boundary, names.ERROR_TYPE: failure.kind.value, names.STAGE: failure.stage},
        context,
    )


def breaker_moved(event: BreakerMoved) -> None:
    """A breaker changed its state, by a call or by hand."""
    severity = SeverityNumber.WARN if event.after == OPEN else SeverityNumber.INFO
    _emit(
        names.BREAKER_EVENT,
        severity,
        {
            names.BREAKER_NAME: event.breaker,
            names.BREAKER_STATE: event.after,
            names.BREAKER_BEFORE: event.before,
        },
    )


def configured(file: str, digest: str, changed: int) -> None:
    """A configuration came into force, and changed so many boundaries."""
    attributes = {names.CONFIG_FILE: file, names.CONFIG_DIGEST: digest}
    _emit(names.CONFIGURED_EVENT, SeverityNumber.INFO, {**attributes, names.CONFIG_CHANGED: changed})


def configuration_refused(file: str, problems: int) -> None:
    """A configuration was refused, for so many reasons: what was in force stays in force."""
    _emit(names.REFUSED_EVENT, SeverityNumber.ERROR, {names.CONFIG_FILE: file, names.CONFIG_PROBLEMS: problems})


def is_heard() -> bool:
    """Whether a log event would reach anybody: before an SDK is set, building one is wasted."""
    enabled = getattr(_logger, "enabled", None)  # not in every version of the API
    return enabled is None or bool(enabled())


def _emit(
    name: str, severity: SeverityNumber, attributes: Mapping[str, str | float], context: Context | None = None
) -> None:
    try:
        if not is_heard():
            return
        _logger.emit(LogRecord(event_name=name, severity_number=severity, attributes=attributes, context=context))
    except Exception as error:  # noqa: BLE001 - an exporter's fault must not become the caller's
        logger.warning("the log event %s was lost: %s", name, type(error).__name__)


breaker.moved = breaker_moved
