"""Both services, asked the same way: a ticket goes in, an `Answer` comes out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pydantic import ValidationError

from examples.ticket_triage import guarded, unguarded
from examples.ticket_triage.call import Answer
from examples.ticket_triage.contract import Triage

Service = Callable[[str], Awaitable[Answer]]


async def without_aiguard(ticket: str) -> Answer:
    """Ask the service as it is written first; whatever it raises, its caller has to live with."""
    try:
        await unguarded.triage(ticket)
    except ValidationError:
        return Answer("invalid", source="component", kinds=("ValidationError",))
    except Exception as error:  # noqa: BLE001 - which ones there are is what the demo counts
        return Answer("failed", kinds=(type(error).__name__,))
    return Answer("valid", source="component")


async def with_aiguard(ticket: str) -> Answer:
    """Ask the guarded service; its answer is checked again here, by pydantic alone."""
    outcome = await guarded.triage.outcome(ticket)
    kinds = [attempt.failure.kind.value for attempt in outcome.attempts if attempt.failure is not None]
    if outcome.failure is not None and outcome.failure.kind.value not in kinds[-1:]:
        kinds.append(outcome.failure.kind.value)  # a rejection has no attempt
    return Answer(
        "valid" if _is_triage(outcome.value) else "invalid" if outcome.ok else "failed",
        source=outcome.rung if outcome.degraded else outcome.source,
        tries=len(outcome.attempts),
        kinds=tuple(kinds),
        trace_id=outcome.trace_id,
    )


def breaker_state() -> str:
    """Return the state of the guarded service's breaker."""
    breaker = guarded.triage.boundary.breaker
    return "none" if breaker is None else str(breaker.current_state)


def _is_triage(value: object) -> bool:
    if not isinstance(value, Triage):
        return False
    try:
        Triage.model_validate(value.model_dump())
    except ValidationError:
        return False
    return True
