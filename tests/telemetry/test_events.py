"""What an operator hears of: each event is a log record, whether or not anybody traces, and one of the call's span."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry._logs import SeverityNumber
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from pydantic import BaseModel, field_validator
from pydantic_core import PydanticCustomError

from aiguard import (
    BoundaryError,
    Breaker,
    Hedge,
    InputContract,
    OneOf,
    OutputContract,
    Retry,
    RetryBudget,
    guard,
)
from aiguard.telemetry import names
from aiguard.telemetry.settings import SETTINGS, SPAN_EVENTS, TelemetrySettings
from tests.shapes import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness
    from tests.telemetry.conftest import Recorded

CALL = "aiguard.call scenario"
AGAIN = Retry(attempts=2, wait=lambda _: 0.25)


def everything(scenario: Callable[..., Harness], clock: VirtualClock) -> None:
    """Make every event of a call happen once at least."""

    @guard("hedged", deadline=10.0, owner="team", hedge=Hedge(after=1.0))
    async def hedged() -> str:
        await asyncio.sleep(next(seconds))
        return "ok"

    async def errs(_: object) -> None:
        raise OSError

    @guard("checked", deadline=10.0, owner="team", output=OutputContract(int, checks=[errs], on_check_error="accept"))
    async def checked() -> str:
        return "1"

    seconds = iter([9.0, 0.5])
    clock.run(hedged())
    clock.run(checked())
    paused = HttpError(429, {"retry-after": "1"})
    scenario(paused, "ok", owner="team", retry=AGAIN)()
    settings: dict[str, Any] = {"owner": "team", "input": InputContract(OneOf("DE"), on_breach="warn")}
    nothing = RetryBudget(ratio=0, floor=0)
    rest = scenario("x", name="rest", output=int, retry=AGAIN, reask=1, retry_budget=nothing, fallback=[1], **settings)
    rest("FR")
    scenario(ConnectionError(), name="last", owner="team", breaker=Breaker(minimum_calls=1)).fails()


EVERY = {
    names.RETRY_EVENT: SeverityNumber.INFO,
    names.RETRY_BUDGET_EVENT: SeverityNumber.WARN,
    names.HEDGE_EVENT: SeverityNumber.INFO,
    names.COOLDOWN_EVENT: SeverityNumber.WARN,
    names.INPUT_EVENT: SeverityNumber.WARN,
    names.INVALID_EVENT: SeverityNumber.WARN,
    names.CHECK_EVENT: SeverityNumber.WARN,
    names.DEGRADED_EVENT: SeverityNumber.WARN,
    names.BREAKER_EVENT: SeverityNumber.WARN,
    names.EXCEPTION_EVENT: SeverityNumber.ERROR,
}


def test_each_event_is_a_log_record_and_a_span_event(
    scenario: Callable[..., Harness], clock: VirtualClock, recorded: Recorded
) -> None:
    """The same name and attributes, in the call's own trace; the record says whose the boundary is."""
    everything(scenario, clock)
    by_span = {
        (event.name, span.context.span_id): event for span in recorded.spans if span.context for event in span.events
    }
    seen = {}
    for log in recorded.logs:
        seen[log.event_name] = log.severity_number
        mirrored = by_span[log.event_name, log.span_id]
        said = dict(log.attributes)
        if log.event_name != names.BREAKER_EVENT:  # a breaker is nobody's alone
            assert said.pop(names.OWNER) == "team"
            assert said.pop(names.BOUNDARY)
        assert said == dict(mirrored.attributes or {})
    assert seen == EVERY
    assert len(recorded.logs) == len(by_span)


def test_span_events_can_be_turned_off(
    scenario: Callable[..., Harness], clock: VirtualClock, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log records stay."""
    monkeypatch.setattr(SETTINGS, "span_events", "off")
    everything(scenario, clock)
    assert {log.event_name for log in recorded.logs} == set(EVERY)
    assert [event for span in recorded.spans for event in span.events] == []


@pytest.mark.parametrize("how", ["sampled out", "no tracer"])
def test_events_do_not_depend_on_sampling(
    scenario: Callable[..., Harness],
    clock: VirtualClock,
    recording: Callable[..., Recorded],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    """Every one is a log record too where its span is dropped, and where nobody traces at all."""
    recorded = recording(ALWAYS_OFF)
    if how == "no tracer":
        monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    everything(scenario, clock)
    assert recorded.spans == []
    assert {log.event_name: log.severity_number for log in recorded.logs} == EVERY


@pytest.mark.parametrize(
    ("said", "chosen", "warned"),
    [("", "mirror", False), ("off", "off", False), (" OFF ", "off", False), ("no", "mirror", True)],
)
def test_the_environment_chooses(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, said: str, chosen: str, *, warned: bool
) -> None:
    """A word that is none is told of: a program does not fail to start for its telemetry."""
    monkeypatch.setenv(SPAN_EVENTS, said)
    assert TelemetrySettings().span_events == chosen
    assert (SPAN_EVENTS in caplog.text) is warned


class Picky(BaseModel):
    """An answer whose validator makes its type of error up from what it saw."""

    text: str
    number: int

    @field_validator("text")
    @classmethod
    def _loud(cls, value: str) -> str:
        raise PydanticCustomError(value, "no: {value}", {"value": value})


def test_only_the_types_of_flaws_are_told(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """How many, and which of pydantic's own types; one that a validator made up may be content."""
    scenario('{"text": "canary_4711", "number": "x", "canary_4711": 1}', output=Picky).fails()
    [log] = recorded.logs_named(names.INVALID_EVENT)
    assert log.attributes[names.VALIDATION_ERROR_COUNT] == 3
    assert log.attributes[names.VALIDATION_ERROR_TYPES] == ("custom", "extra_forbidden", "int_type")
    assert "canary_4711" not in recorded.everything()


# --- what breakers tell


def test_the_call_that_opens_a_breaker_is_the_one_that_tells(clock: VirtualClock, recorded: Recorded) -> None:
    """Of several under way at once, only the one that moved it; the record is of its trace."""

    @guard("scenario", deadline=9.0, breaker=Breaker(minimum_calls=2))
    async def component(seconds: float) -> str:
        await asyncio.sleep(seconds)
        if seconds == 3.0:
            return "ok"
        raise ConnectionError

    async def main() -> None:
        await asyncio.gather(*map(component, (1.0, 2.0, 3.0)), return_exceptions=True)

    clock.run(main())
    told = [span for span in recorded.spans for event in span.events if event.name == names.BREAKER_EVENT]
    [second] = told
    [log] = recorded.logs_named(names.BREAKER_EVENT)
    assert second.context is not None
    assert (log.trace_id, log.span_id) == (second.context.trace_id, second.context.span_id)
    assert second.start_time is not None
    assert [span for span in recorded.spans if span.parent is None][1] is second


def test_a_probe_is_linked_to_the_call_that_opened_the_breaker(
    scenario: Callable[..., Harness], clock: VirtualClock, recorded: Recorded
) -> None:
    """Only where that is another trace; the half-open state at its start says the same without the link."""
    breaker = Breaker(minimum_calls=1, open_for=1.0, probes=1)
    harness = scenario(ConnectionError(), "ok", "ok", breaker=breaker)
    harness.fails()
    clock.advance(1.0)
    harness()
    harness()
    opener, probe, usual = [span for span in recorded.spans if span.name == CALL]
    assert opener.context is not None
    first, second, third = [span for span in recorded.spans if span.name == "aiguard.attempt scenario"]
    assert [(link.context.trace_id, link.context.span_id) for link in second.links] == [
        (opener.context.trace_id, opener.context.span_id)
    ]
    assert [list(one.links) for one in (first, third, opener, probe, usual)] == [[], [], [], [], []]
    states = [dict(span.attributes or {})[names.BREAKER_STATE] for span in (opener, probe, usual)]
    assert states == ["closed", "open", "closed"]
    assert [event.name for event in probe.events] == [names.BREAKER_EVENT] * 2


def test_a_probe_in_the_openers_own_trace_has_no_link(
    scenario: Callable[..., Harness], clock: VirtualClock, recorded: Recorded
) -> None:
    """There the tree says it."""
    harness = scenario(ConnectionError(), "ok", breaker=Breaker(minimum_calls=1, open_for=1.0))
    with recorded.tracer.start_as_current_span("request"):
        with pytest.raises(BoundaryError):
            harness()
        clock.advance(1.0)
        harness()
    assert [list(span.links) for span in recorded.spans] == [[]] * 5
