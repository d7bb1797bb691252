"""Histograms and log events, against a real SDK; and that nothing anywhere carries content."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry._logs import _internal as logs
from opentelemetry.metrics import get_meter
from pydantic import BaseModel, field_validator

import aiguard
from aiguard import Boundary, BoundaryError, Breaker, Bulkhead, Hedge, Retry, guard, last_good
from aiguard.telemetry import events, metrics, names
from tests.shapes import Harness

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aiguard.testing import VirtualClock
    from tests.telemetry.conftest import Recorded

AGAIN = Retry(attempts=3, wait=lambda _: 0.25)
CANARY = "CANARY-4711"


def point(recorded: Recorded, instrument: str, **wanted: Any) -> int:
    """Return the count of the one point whose attributes are exactly these; keys have underscores for dots."""
    attributes = {key.replace("__", "."): value for key, value in wanted.items()}
    [count] = [count for found, count, _ in recorded.points[instrument] if found == attributes]
    return count


def test_histograms_count_calls_and_attempts(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A call counts once whatever its attempts; its attributes say how it ended, and why."""
    harness = scenario("ok", ConnectionError(), "ok", "ok", retry=AGAIN)
    for _ in range(3):
        harness()
    assert point(recorded, names.CALL_DURATION, aiguard__boundary="scenario", aiguard__outcome="success") == 3
    first: dict[str, Any] = {"aiguard__boundary": "scenario", "aiguard__attempt__kind": "initial"}
    assert point(recorded, names.ATTEMPT_DURATION, **first) == 2
    assert point(recorded, names.ATTEMPT_DURATION, **first, error__type="connection") == 1
    retried: dict[str, Any] = {"aiguard__boundary": "scenario", "aiguard__attempt__kind": "retry"}
    assert point(recorded, names.ATTEMPT_DURATION, **retried) == 1


def test_histograms_say_why_a_call_was_degraded(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A degraded call has its reason, and no error."""
    scenario(ConnectionError(), fallback=["floor"])()
    degraded: dict[str, Any] = {"aiguard__outcome": "fallback", "aiguard__degraded__reason": "connection"}
    assert point(recorded, names.CALL_DURATION, aiguard__boundary="scenario", **degraded) == 1


def test_histograms_say_why_a_call_failed(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A failed call and a rejected one have the kind; a rejected one counts no attempt."""
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1))
    for _ in range(2):
        with pytest.raises(BoundaryError):
            harness()
    failed: dict[str, Any] = {"aiguard__outcome": "error", "error__type": "connection"}
    rejected: dict[str, Any] = {"aiguard__outcome": "rejected", "error__type": "circuit_open"}
    assert point(recorded, names.CALL_DURATION, aiguard__boundary="scenario", **failed) == 1
    assert point(recorded, names.CALL_DURATION, aiguard__boundary="scenario", **rejected) == 1
    assert sum(count for _, count, _ in recorded.points[names.ATTEMPT_DURATION]) == 1


def test_histograms_measure_seconds(clock: VirtualClock, recorded: Recorded) -> None:
    """Of the call and of each attempt, on the boundary's clock; a cancelled call counts too."""

    @guard("timed", deadline=10.0, retry=AGAIN)
    async def component() -> str:
        await asyncio.sleep(1.0)
        raise ConnectionError

    @guard("cancelled", deadline=10.0)
    async def slow() -> None:
        await asyncio.sleep(9.0)

    async def main() -> None:
        with pytest.raises(BoundaryError):
            await component()
        task = asyncio.create_task(slow())
        await asyncio.sleep(1.0)
        task.cancel()
        await asyncio.wait([task])

    clock.run(main())
    totals = {found["aiguard.boundary"]: total for found, _, total in recorded.points[names.CALL_DURATION]}
    assert totals == {"timed": pytest.approx(3.5), "cancelled": pytest.approx(1.0)}
    cancelled: dict[str, Any] = {"aiguard__boundary": "cancelled", "aiguard__outcome": "cancelled"}
    assert point(recorded, names.CALL_DURATION, **cancelled) == 1
    stopped: dict[str, Any] = {"aiguard__attempt__kind": "initial", "aiguard__attempt__outcome": "cancelled"}
    assert point(recorded, names.ATTEMPT_DURATION, aiguard__boundary="cancelled", **stopped) == 1


def test_histograms_tell_an_attempt_that_was_overtaken(clock: VirtualClock, recorded: Recorded) -> None:
    """The one that lost to a hedge counts as cancelled, not among those that answered."""

    @guard("raced", deadline=10.0, hedge=Hedge(after=1.0))
    async def component() -> str:
        await asyncio.sleep(next(seconds))
        return "ok"

    seconds = iter([9.0, 0.5])
    assert clock.run(component()) == "ok"
    attempts = {tuple(sorted(found.items())): count for found, count, _ in recorded.points[names.ATTEMPT_DURATION]}
    raced = (names.BOUNDARY, "raced")
    assert attempts == {
        ((names.ATTEMPT_KIND, "initial"), (names.ATTEMPT_OUTCOME, "cancelled"), raced): 1,
        ((names.ATTEMPT_KIND, "hedge"), raced): 1,
    }


def test_a_degraded_call_is_a_log_event(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """Once per call, as a warning, tied to the call's trace."""
    scenario(ConnectionError(), ConnectionError(), fallback=["floor"], retry=Retry(attempts=2))()
    [event] = recorded.logs_named("aiguard.degraded")
    assert event.severity_number is SeverityNumber.WARN
    assert dict(event.attributes) == {
        "aiguard.boundary": "scenario",
        "aiguard.degraded.reason": "connection",
        "aiguard.fallback.name": "value",
    }
    context = recorded.named("aiguard.call scenario").context
    assert context is not None
    assert event.trace_id == context.trace_id


def test_the_log_event_of_a_last_good_answer_has_its_age(clock: VirtualClock, recorded: Recorded) -> None:
    """An operator sees how old the answers are that leave, whether or not spans are sampled."""
    harness = Harness(
        "sync", clock, ["good", ConnectionError()], settings={"fallback": [last_good(by=lambda *_: None, ttl=60.0)]}
    )
    harness()
    clock.advance(7.5)
    harness()
    [event] = recorded.logs_named("aiguard.degraded")
    assert dict(event.attributes) == {
        "aiguard.boundary": "scenario",
        "aiguard.degraded.reason": "connection",
        "aiguard.fallback.name": "last_good",
        "aiguard.fallback.age": 7.5,
    }


def test_a_breakers_transition_is_a_log_event(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """Each one, in order, by a call or by hand; only an opening is a warning."""
    harness = scenario(ConnectionError(), "ok", breaker=Breaker(minimum_calls=1, probes=1))
    with pytest.raises(BoundaryError):
        harness()
    harness.boundary.breaker.half_open()
    harness()
    told = recorded.logs_named("aiguard.breaker.transition")
    states = [
        (event.attributes["aiguard.breaker.previous_state"], event.attributes["aiguard.breaker.state"])
        for event in told
    ]
    assert states == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]
    assert {event.attributes["aiguard.breaker.name"] for event in told} == {"scenario"}
    assert [event.severity_number for event in told] == [SeverityNumber.WARN, SeverityNumber.INFO, SeverityNumber.INFO]


def test_a_configuration_that_comes_into_force_or_not_is_a_log_event(
    clock: VirtualClock, recorded: Recorded, tmp_path: Path
) -> None:
    """Which file, which contents, how many boundaries it changed; a refusal is an error, with how much is wrong."""
    del clock
    Boundary("t", deadline=1.0)
    file = tmp_path / "aiguard.yaml"
    file.write_text("version: 1\nboundaries: {t: {deadline: 2}}\n")
    aiguard.configure(file)
    file.write_text("version: 1\nboundaries: {t: {deadline: soon, ownr: x}}\n")
    with pytest.raises(aiguard.PolicyError):
        aiguard.reload()
    [loaded] = recorded.logs_named("aiguard.config.loaded")
    assert loaded.severity_number is SeverityNumber.INFO
    assert dict(loaded.attributes) == {
        "aiguard.config.file": str(file),
        "aiguard.config.digest": aiguard.configured().digest,
        "aiguard.config.changed": 1,
    }
    [refused] = recorded.logs_named("aiguard.config.refused")
    assert refused.severity_number is SeverityNumber.ERROR
    assert dict(refused.attributes) == {"aiguard.config.file": str(file), "aiguard.config.problems": 2}


class Answer(BaseModel):
    """An answer whose own validator says too much."""

    text: str
    number: int

    @field_validator("text")
    @classmethod
    def _speaks(cls, value: str) -> str:
        if value:
            raise ValueError(f"this is wrong: {value}")
        return value


class LoudError(Exception):
    """An exception full of content."""

    def __init__(self) -> None:
        super().__init__(CANARY)
        self.add_note(CANARY)
        self.body = {"error": {"message": CANARY, "code": CANARY}}


@pytest.mark.parametrize(
    "step",
    [
        LoudError(),
        ConnectionError(CANARY),
        ValueError(CANARY),
        TimeoutError(CANARY),
        TypeError(CANARY),
        CANARY,
        '{"text": "' + CANARY + '", "number": 1}',
        '{"text": "", "number": 1, "' + CANARY + '": 2}',
        '{"text": "", "number": "' + CANARY + '"}',
        '{"text": "' + CANARY,
        {CANARY: CANARY},
        Answer.model_construct(text=CANARY, number=CANARY),
    ],
    ids=[
        "loud",
        "connection",
        "value",
        "timeout",
        "type",
        "text",
        "check",
        "key",
        "schema",
        "json",
        "dict",
        "instance",
    ],
)
def test_no_content_leaves_by_telemetry(
    scenario: Callable[..., Harness],
    shape: str,
    recorded: Recorded,
    caplog: pytest.LogCaptureFixture,
    step: Any,
) -> None:
    """Prompt, answer, exception text and validation input are in no span, metric, log event or log line."""
    caplog.set_level(logging.DEBUG)

    def broken(*_: Any) -> Any:
        raise LoudError

    ladder: list[Any] = [last_good(by=lambda *args: args, ttl=60.0)] if shape in {"sync", "thread", "async"} else []
    ladder += [broken, lambda *_: {"text": CANARY, "number": CANARY}]
    if isinstance(step, LoudError | dict):
        ladder.append(Answer(text="", number=1))
    harness = scenario(
        *[step] * 3,
        output=Answer,
        reask=1,
        retry=Retry(attempts=2),
        breaker=Breaker(minimum_calls=1),
        bulkhead=Bulkhead(limit=1),
        fallback=ladder,
    )
    error: BoundaryError | None = None
    try:
        harness(CANARY)
    except BoundaryError as caught:
        error = caught
    assert recorded.spans
    assert CANARY not in recorded.everything()
    assert CANARY not in caplog.text
    if error is not None:
        assert CANARY not in str(error)
        assert CANARY not in error.failure.message
    assert all(event.name != "exception" for span in recorded.spans for event in span.events)


def test_a_raising_exporter_of_logs_and_metrics_changes_no_call(
    scenario: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever an SDK raises is logged by its class, and the breaker still moves."""

    class Broken:
        def emit(self, _: Any) -> None:
            raise RuntimeError(CANARY)

        def record(self, *_: Any) -> None:
            raise RuntimeError(CANARY)

    broken = metrics.Instruments(get_meter("test"))
    broken.calls = broken.attempts = Broken()
    monkeypatch.setattr(metrics, "_instruments", broken)
    monkeypatch.setattr(events, "_logger", Broken())
    monkeypatch.setattr(logs, "_LOGGER_PROVIDER", Broken())
    harness = scenario(ConnectionError(), "ok", breaker=Breaker(minimum_calls=1, probes=1), fallback=["floor"])
    assert harness() == "floor"
    assert harness.boundary.breaker.current_state == "open"
    harness.boundary.breaker.half_open()
    assert harness() == "ok"
    assert "RuntimeError" in caplog.text
    assert CANARY not in caplog.text
    dropped = {str(one.attributes[names.SIGNAL]): one.value for one in broken.dropped.observe() if one.attributes}
    assert dropped == {"log": 4, "metric": 2}
