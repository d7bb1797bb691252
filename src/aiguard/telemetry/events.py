"""Log events: what an operator wants to hear of whether or not the call's span was sampled."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple, get_args

from opentelemetry._logs import LogRecord, SeverityNumber, _internal, get_logger
from pydantic import ValidationError
from pydantic_core.core_schema import ErrorType

from aiguard import switch
from aiguard.call import logger
from aiguard.events import (
    BreakerMoved,
    CheckErrored,
    Hedging,
    InputInvalid,
    OutputInvalid,
    Paused,
    RetryBudgetExhausted,
    Retrying,
)
from aiguard.stages import breaker
from aiguard.stages.circuit import OPEN
from aiguard.telemetry import metrics, names
from aiguard.telemetry.content import CAPTURE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from aiguard.call import Journal
    from aiguard.events import Event, Scope
    from aiguard.failure import Failure
    from aiguard.telemetry.content import Part

_logger = get_logger(names.SCOPE)

_UNKNOWN: Final = object()

_TYPES: Final = 10
"""Of so many kinds of flaws an event tells: who wants more looks at the answer."""


class Told(NamedTuple):
    """What an event says to an operator."""

    name: str
    severity: SeverityNumber
    attributes: dict[str, AttributeValue]


def told_of(event: Event) -> Told | None:  # noqa: PLR0911 - one of a closed set
    """Return what `event` says; `None` for what is a span's beginning or end, or told by a breaker itself."""
    if isinstance(event, Retrying):
        said: dict[str, AttributeValue] = {
            names.ATTEMPT_NUMBER: event.number,
            names.ATTEMPT_KIND: event.reason,
            names.RETRY_DELAY: event.delay,
            names.ERROR_TYPE: event.failure.kind.value,
        }
        return Told(names.RETRY_EVENT, SeverityNumber.INFO, said)
    if isinstance(event, RetryBudgetExhausted):
        return Told(names.RETRY_BUDGET_EVENT, SeverityNumber.WARN, {names.ATTEMPT_KIND: event.reason})
    if isinstance(event, Hedging):
        said = {names.ATTEMPT_NUMBER: event.number, names.HEDGE_DELAY: event.after}
        return Told(names.HEDGE_EVENT, SeverityNumber.INFO, said)
    if isinstance(event, Paused):
        said = {names.COOLDOWN_SECONDS: event.seconds, names.ERROR_TYPE: event.kind.value}
        return Told(names.COOLDOWN_EVENT, SeverityNumber.WARN, said)
    if isinstance(event, InputInvalid):
        said = {names.INPUT_CONTRACT: event.contract, names.INPUT_CODES: event.codes}
        return Told(names.INPUT_EVENT, SeverityNumber.WARN, said)
    if isinstance(event, OutputInvalid):
        said = {names.CONTRACT: event.contract, names.ERROR_TYPE: event.failure.kind.value}
        return Told(names.INVALID_EVENT, SeverityNumber.WARN, said | _check(event) | _flaws(event.failure))
    if isinstance(event, CheckErrored):
        said = {names.CONTRACT: event.contract}
        return Told(names.CHECK_EVENT, SeverityNumber.WARN, said | _check(event))
    return None


def degraded(failure: Failure, rung: str, age: float | None) -> Told:
    """Return that a rung answered instead of the component; `age` is that of an answer of the component's own."""
    said: dict[str, AttributeValue] = {names.DEGRADED_REASON: failure.kind.value, names.FALLBACK_NAME: rung}
    if age is not None:
        said[names.FALLBACK_AGE] = age
    return Told(names.DEGRADED_EVENT, SeverityNumber.WARN, said)


def left(failure: Failure) -> Told:
    """Return that an error left the boundary."""
    said: dict[str, AttributeValue] = {names.ERROR_TYPE: failure.kind.value, names.STAGE: failure.stage}
    return Told(names.EXCEPTION_EVENT, SeverityNumber.ERROR, said)


def moved(event: BreakerMoved) -> Told:
    """Return that a breaker changed its state."""
    severity = SeverityNumber.WARN if event.after == OPEN else SeverityNumber.INFO
    said: dict[str, AttributeValue] = {
        names.BREAKER_NAME: event.breaker,
        names.BREAKER_STATE: event.after,
        names.BREAKER_BEFORE: event.before,
    }
    return Told(names.BREAKER_EVENT, severity, said)


def _check(event: OutputInvalid | CheckErrored) -> dict[str, AttributeValue]:
    """Return which check it was, and the code that it gave."""
    said = {names.CHECK_NAME: event.check, names.CHECK_CODE: event.code}
    return {name: word for name, word in said.items() if word}


def _flaws(failure: Failure) -> dict[str, AttributeValue]:
    """Return how many flaws a schema found, and of which types, where it was a schema; never what it found them in."""
    found = failure.exception
    if not isinstance(found, ValidationError):
        return {}
    try:
        lines = found.errors(include_input=False, include_url=False, include_context=False)
    except Exception:  # noqa: BLE001 - the text of a validator's own exception is built here, and may fail
        return {}
    types = sorted({line["type"] if line["type"] in _known_types() else "custom" for line in lines})
    return {names.VALIDATION_ERROR_COUNT: len(lines), names.VALIDATION_ERROR_TYPES: types[:_TYPES]}


@cache
def _known_types() -> frozenset[str]:
    """Return pydantic's own types of errors: one that is a validator's may be made of content."""
    return frozenset(get_args(ErrorType))


def breaker_moved(event: BreakerMoved) -> None:
    """A breaker changed its state, by a call, whose span is the current one then, or by hand."""
    metrics.breaker_moved(event.breaker, event.after)
    if is_heard():
        emit(moved(event))


def configured(file: str, digest: str, changed: int) -> None:
    """A configuration came into force, and changed so many boundaries."""
    if is_heard():
        said: dict[str, AttributeValue] = {names.CONFIG_FILE: file, names.CONFIG_DIGEST: digest}
        emit(Told(names.CONFIGURED_EVENT, SeverityNumber.INFO, said | {names.CONFIG_CHANGED: changed}))


def configuration_refused(file: str, problems: int) -> None:
    """A configuration was refused, for so many reasons: what was in force stays in force."""
    if is_heard():
        said: dict[str, AttributeValue] = {names.CONFIG_FILE: file, names.CONFIG_PROBLEMS: problems}
        emit(Told(names.REFUSED_EVENT, SeverityNumber.ERROR, said))


def gate_broken(cause: str) -> None:
    """Nobody can halt a boundary in this process: what was known of halts stands."""
    if is_heard():
        emit(Told(names.GATE_EVENT, SeverityNumber.ERROR, {names.GATE_CAUSE: cause}))


def anchored(seq: int, hashed: str) -> None:
    """The audit has so many records, and that is the hash of the last: who keeps it can tell that none was cut off."""
    if is_heard():
        said: dict[str, AttributeValue] = {names.AUDIT_SEQ: seq, names.AUDIT_HASH: hashed}
        emit(Told(names.ANCHOR_EVENT, SeverityNumber.INFO, said))


def is_heard() -> bool:
    """Whether a log event would reach anybody: before an SDK is set, building one is wasted."""
    return getattr(_internal, "_LOGGER_PROVIDER", _UNKNOWN) is not None


_NOBODY: Final[Mapping[str, Any]] = {}


def emit(told: Told, whose: Mapping[str, AttributeValue] = _NOBODY, context: Context | None = None) -> None:
    """Hand a log event to OpenTelemetry; `whose` are the attributes that say whose it is."""
    try:
        _logger.emit(
            LogRecord(
                event_name=told.name,
                severity_number=told.severity,
                severity_text=told.severity.name,
                attributes={**whose, **told.attributes},
                context=context,
            )
        )
    except Exception as error:  # noqa: BLE001 - an exporter's fault must not become the caller's
        metrics.lost(names.LOGS)
        logger.warning("the log event %s was lost: %s", told.name, type(error).__name__)


class CallEvents:
    """
    Listens to one call and tells what an operator wants to hear.

    Attributes:
        context: The context that its log events belong to.
        scope: Makes the call's own span the current one, for what is told while no attempt runs; `None` without one.
        trace_id: The trace, as 32 hex digits; `None` where it is not recorded.
    """

    __slots__ = ("_attributes", "context", "scope", "trace_id")

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        self._attributes = attributes
        self.context: Context | None = None
        self.scope: Scope | None = None
        self.trace_id: str | None = None

    @property
    def _whose(self) -> dict[str, AttributeValue]:
        """What says whose it is; made where it is needed, which for most calls is nowhere."""
        attributes = self._attributes
        return {name: attributes[name] for name in (names.BOUNDARY, names.OWNER) if name in attributes}

    def hear(self, event: Event) -> None:
        """Tell what the event says."""
        told = told_of(event)
        if told is not None:
            self.tell(told)
        if CAPTURE.tap is not None and isinstance(event, OutputInvalid) and event.answer is not None:
            self.content("refused", event.answer)

    def content(self, part: Part, value: object) -> None:
        """Hand content to who captures it."""
        tap = CAPTURE.tap
        if tap is not None and is_heard():
            tap.take(part, value, self._whose, self.context)

    def tell(self, told: Told) -> None:
        """Emit it, in the call's own context."""
        if is_heard():
            emit(told, self._whose, self.context)

    def end(self, outcome: str, journal: Journal, failure: Failure | None, contract: str | None) -> None:
        """Tell how the call ended, where the component did not answer it."""
        del contract
        if failure is not None:
            told = left(failure)
            if outcome == names.FALLBACK:
                told = degraded(failure, journal.rung or "", journal.age)
            if names.RUNBOOK in self._attributes:
                told.attributes[names.RUNBOOK] = self._attributes[names.RUNBOOK]
            self.tell(told)


breaker.moved = breaker_moved
switch.broken = gate_broken
