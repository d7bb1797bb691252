"""Calls that ended degraded or failed are exported whole, whatever share of all the others is."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    Decision,
    ParentBased,
    Sampler,
    SamplingResult,
    TraceIdRatioBased,
)
from opentelemetry.trace import get_current_span

from aiguard import Breaker, Hedge, Retry, guard
from aiguard.telemetry import names, sampling
from aiguard.telemetry.sampling import KeepDegraded, RecordingSampler

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness
    from tests.telemetry.conftest import Recorded

CALL, ATTEMPT, RUNG = "aiguard.call scenario", "aiguard.attempt scenario", "aiguard.fallback value"


class Kept:
    """
    What is exported under a sampler.

    Attributes:
        exporter: Where it arrives.
        processor: Who keeps it.
        recorded: The SDK.
    """

    def __init__(self, recording: Callable[..., Recorded], sampler: Any) -> None:
        self.exporter = InMemorySpanExporter()
        self.processor = KeepDegraded(SimpleSpanProcessor(self.exporter))
        self.recorded = recording(RecordingSampler(sampler), self.processor)

    @property
    def names(self) -> list[str]:
        """Names of the spans, in the order of their arrival."""
        return [span.name for span in self.exporter.get_finished_spans()]


@pytest.fixture
def kept(recording: Callable[..., Recorded]) -> Kept:
    """Drop everything that is not kept."""
    return Kept(recording, ParentBased(ALWAYS_OFF))


class Asked(Sampler):
    """
    Drops everything.

    Attributes:
        about: The names of the spans that it was asked about.
    """

    def __init__(self) -> None:
        self.about: list[str] = []

    def should_sample(self, parent_context: Any, trace_id: int, name: str, *_: Any, **__: Any) -> SamplingResult:
        """Drop it."""
        del parent_context, trace_id
        self.about.append(name)
        return SamplingResult(Decision.DROP)

    def get_description(self) -> str:
        """Return what it is."""
        return "Asked"


def test_a_sampler_is_asked_about_a_call_once(
    scenario: Callable[..., Harness], recording: Callable[..., Recorded]
) -> None:
    """Where it drops the call's span, attempts and rungs have none, and the component sees the call's as current."""
    sampler = Asked()
    recording(sampler)
    seen: list[bool] = []

    def look() -> str:
        seen.append(get_current_span().get_span_context().is_valid)
        raise ConnectionError

    scenario(look, look, retry=Retry(attempts=2), fallback=["floor"])()
    assert sampler.about == [CALL]
    assert seen == [True, True]


def test_a_good_call_is_dropped(scenario: Callable[..., Harness], kept: Kept) -> None:
    """With everything in it, also after a retry, and nothing of it is held any more."""
    scenario("ok", ConnectionError(), "ok", retry=Retry(attempts=2))()
    assert kept.names == []
    assert kept.processor._under_way == {}


def test_a_degraded_call_is_exported_whole(scenario: Callable[..., Harness], kept: Kept) -> None:
    """Its attempts and its fallbacks before it, in one trace, marked as sampled."""
    scenario(ConnectionError(), ConnectionError(), retry=Retry(attempts=2), fallback=["floor"])()
    assert kept.names == [ATTEMPT, ATTEMPT, RUNG, CALL]
    spans = kept.exporter.get_finished_spans()
    call = spans[-1]
    assert call.context is not None
    assert dict(call.attributes or {})[names.DEGRADED] is True
    assert [event.name for event in call.events] == ["aiguard.retry", "aiguard.degraded"]
    assert {span.parent.span_id for span in spans[:-1] if span.parent} == {call.context.span_id}
    assert all(span.context is not None and span.context.trace_flags.sampled for span in spans)
    assert kept.processor._under_way == {}


def test_a_failed_call_and_a_rejected_one_are_exported(scenario: Callable[..., Harness], kept: Kept) -> None:
    """The rejected one has no attempt."""
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1))
    harness.fails()
    harness.fails()
    assert kept.names == [ATTEMPT, CALL, CALL]


def test_what_is_sampled_is_exported_once(scenario: Callable[..., Harness], recording: Callable[..., Recorded]) -> None:
    """As without any of this."""
    kept = Kept(recording, ParentBased(ALWAYS_ON))
    harness = scenario("ok", ConnectionError(), fallback=["floor"])
    harness()
    harness()
    assert len(kept.names) == 5


def test_of_others_spans_nothing_is_recorded(kept: Kept) -> None:
    """Only aiguard's own are; to the rest the decision stays what it was."""
    with kept.recorded.tracer.start_as_current_span("request") as request:
        assert not request.is_recording()
    assert kept.recorded.open == []
    assert RecordingSampler(TraceIdRatioBased(0.5)).get_description() == "RecordingSampler{TraceIdRatioBased{0.5}}"


def test_an_inner_call_that_ends_badly_is_kept_alone(kept: Kept, clock: VirtualClock) -> None:
    """Each call is decided on by itself: the outer one went well."""

    @guard("inner", deadline=1.0, fallback=["floor"])
    async def inner() -> str:
        raise ConnectionError

    @guard("outer", deadline=1.0)
    async def outer() -> str:
        return await inner()

    assert clock.run(outer()) == "floor"
    assert kept.names == ["aiguard.attempt inner", "aiguard.fallback value", "aiguard.call inner"]


def test_an_attempt_that_ends_after_its_call_is_kept_too(kept: Kept, clock: VirtualClock) -> None:
    """One that was called off, and takes its time to give way."""

    @guard("scenario", deadline=3.0, hedge=Hedge(after=1.0), fallback=["floor"])
    async def component() -> str:
        try:
            await asyncio.sleep(60.0)
        except asyncio.CancelledError:
            await asyncio.sleep(0.1)
            raise
        return "late"

    async def main() -> str:
        answer: str = await component()
        await asyncio.sleep(5.0)
        return answer

    assert clock.run(main()) == "floor"
    assert sorted(kept.names) == sorted([ATTEMPT, ATTEMPT, RUNG, CALL])
    assert kept.processor._under_way == {}


def test_what_never_ends_is_given_up(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more is held than the cap."""
    monkeypatch.setattr(sampling, "SPANS", 3)
    tracer = kept.recorded.provider.get_tracer("aiguard")
    attributes = {names.BOUNDARY: "x"}
    spans = [tracer.start_span("aiguard.call x", attributes=attributes) for _ in range(5)]
    assert len(kept.processor._under_way) == 3
    for span in spans:
        span.set_attribute(names.OUTCOME, "error")
        span.end()
    assert len(kept.names) == 3


def test_a_forked_process_is_not_held_up(kept: Kept) -> None:
    """By a lock that nobody is left to release, nor by calls that are not there."""
    processor = kept.processor
    processor._lock.acquire()
    child = os.fork()
    if child == 0:
        os._exit(processor._lock.locked())
    processor._lock.release()
    assert os.waitpid(child, 0)[1] == 0


def test_the_collectors_example_asks_for_what_spans_have() -> None:
    """Each attribute is one of ours, and each outcome a word that they have."""
    said = yaml.safe_load((Path(__file__).parents[2] / "deploy/collector/tail-sampling.yaml").read_text("utf-8"))
    policies = {one["name"]: one[one["type"]] for one in said["processors"]["tail_sampling"]["policies"]}
    ours = {names.DEGRADED, names.OUTCOME, names.ATTEMPT_COUNT}
    assert {one["key"] for one in policies.values() if "key" in one} == ours
    assert set(policies["failed"]["values"]) == {names.ERROR, names.REJECTED}
    used = said["service"]["pipelines"]["traces"]
    for kind in ("receivers", "processors", "exporters"):
        assert set(used[kind]) == set(said[kind])


def test_it_passes_shutdown_and_flush_on(kept: Kept) -> None:
    """To who exports."""
    assert kept.processor.force_flush()
    kept.processor.shutdown()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(kept.processor)
    provider.get_tracer("x").start_span("after").end()
    assert kept.names == []
