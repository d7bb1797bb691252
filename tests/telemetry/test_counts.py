"""Counters and gauges: plain numbers of the boundaries, read when the SDK collects, and never more than the cap."""

from __future__ import annotations

import asyncio
import gc
import os
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.metrics import get_meter

from aiguard import (
    Boundary,
    BoundaryError,
    Breaker,
    Bulkhead,
    InputContract,
    OneOf,
    OutputContract,
    Price,
    Rung,
    Usage,
    guard,
    report_usage,
)
from aiguard.telemetry import caps, counts, metrics, names
from aiguard.testing import fresh_registry
from tests.shapes import SHAPES, Background, Held, Items, Takes

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness
    from tests.telemetry.conftest import Recorded


# --- what was answered instead, and what broke a contract


def test_each_rung_that_was_asked_is_counted(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """By its name, and by whether it answered: the last net that breaks is seen."""

    def rules(*_: Any) -> str:
        raise KeyError

    harness = scenario(ConnectionError(), ConnectionError(), "ok", fallback=[rules, "floor"])
    for _ in range(3):
        harness()
    asked = recorded.series(names.FALLBACK_CALLS)
    assert asked == {("scenario", "rules", "failed"): 2, ("scenario", "value", "answered"): 2}


def test_a_broken_output_contract_is_counted_by_what_follows(
    scenario: Callable[..., Harness], recorded: Recorded
) -> None:
    """Asked again, or refused; with the contract's version and the kind."""
    harness = scenario("x", "y", "1", "1", output=OutputContract(int, name="n", version=2), reask=1)
    harness.fails()
    harness()
    found = recorded.series(names.VALIDATION_FAILURES)
    assert found == {
        ("scenario", "n@2", "reask", "malformed_output"): 1,
        ("scenario", "n@2", "refused", "malformed_output"): 1,
    }


@pytest.mark.parametrize(("on_breach", "action"), [("warn", "reported"), ("reject", "refused")])
def test_a_broken_input_contract_is_counted(
    scenario: Callable[..., Harness], recorded: Recorded, on_breach: Any, action: str
) -> None:
    """Also where it only warns, and nobody traces."""
    harness = scenario("ok", input=InputContract(OneOf("DE"), name="in", on_breach=on_breach))
    if on_breach == "warn":
        harness("FR")
    else:
        harness.fails("FR")
    assert recorded.series(names.VALIDATION_FAILURES) == {("scenario", "in", action, "input_rejected"): 1}


# --- the gauges of breakers and bulkheads


def test_a_breakers_state_is_a_gauge_of_nought_and_one(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """One series a state; each move is counted."""
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1))
    closed = {("scenario", "closed"): 1, ("scenario", "half-open"): 0, ("scenario", "open"): 0}
    assert recorded.series(names.BREAKER_STATES) == closed
    harness.fails()
    assert recorded.series(names.BREAKER_STATES)["scenario", "open"] == 1
    assert recorded.series(names.BREAKER_STATES)["scenario", "closed"] == 0
    assert recorded.series(names.BREAKER_TRANSITIONS) == {("scenario", "open"): 1}


def test_no_key_is_in_a_series(clock: VirtualClock, recorded: Recorded) -> None:
    """The breakers of all keys are one series together."""
    del clock

    @guard("keyed", deadline=5.0, isolation="inline", breaker=Breaker(minimum_calls=1), key=lambda tenant: tenant)
    def keyed(tenant: str) -> str:
        if tenant == "tenant-a":
            raise ConnectionError
        return "ok"

    for tenant in ("tenant-a", "tenant-b", "tenant-c"):
        try:
            keyed(tenant)
        except BoundaryError:
            assert tenant == "tenant-a"
    assert recorded.series(names.BREAKER_STATES) == {
        ("keyed", "closed"): 3,
        ("keyed", "half-open"): 0,
        ("keyed", "open"): 1,
    }
    assert recorded.series(names.BREAKER_TRANSITIONS) == {("keyed", "open"): 1}
    assert "tenant-" not in "\n".join(metric.to_json() for metric in recorded.metrics.values())


def test_boundaries_of_one_dependency_have_one_breaker(clock: VirtualClock, recorded: Recorded) -> None:
    """It is counted once; the boundaries' information says who calls it."""
    del clock
    one = Boundary("one", deadline=1.0, dependency="provider", owner="team-1", breaker=Breaker())
    two = Boundary("two", deadline=1.0, dependency="provider")
    other = Boundary("other", deadline=1.0, owner="team-2")
    assert recorded.series(names.BREAKER_STATES)["provider", "closed"] == 1
    info = recorded.metrics[names.BOUNDARY_INFO].data.data_points
    assert [(dict(point.attributes), point.value) for point in info] == [
        ({names.BOUNDARY: "one", names.OWNER: "team-1", names.DEPENDENCY: "provider"}, 1),
        ({names.BOUNDARY: "two", names.DEPENDENCY: "provider"}, 1),
        ({names.BOUNDARY: "other", names.OWNER: "team-2"}, 1),
    ]
    del one, two, other


def test_permits_are_gauges(recorded: Recorded) -> None:
    """Taken, there are, waited for: as of the moment of the collection."""
    held = Held()
    gate = guard("gated", deadline=10.0, bulkhead=Bulkhead(limit=3, queue=2))(held)
    background = Background(gate)
    assert held.inside.wait(10.0)
    assert recorded.series(names.BULKHEAD_IN_FLIGHT) == {("gated",): 1}
    assert recorded.series(names.BULKHEAD_LIMIT) == {("gated",): 3}
    assert recorded.series(names.BULKHEAD_QUEUED) == {("gated",): 0}
    held.let_go.set()
    background.result()
    assert recorded.series(names.BULKHEAD_IN_FLIGHT) == {("gated",): 0}


def test_a_boundary_that_is_gone_has_no_gauges(recorded: Recorded) -> None:
    """Nothing of telemetry holds it."""
    with fresh_registry():
        Boundary("gone", deadline=1.0, bulkhead=Bulkhead(limit=1), breaker=Breaker())
        assert ("gone",) in recorded.series(names.BULKHEAD_LIMIT)
    gc.collect()
    assert recorded.series(names.BULKHEAD_LIMIT) == {}
    assert recorded.series(names.BREAKER_STATES) == {}
    assert recorded.series(names.BOUNDARY_INFO) == {}


def test_the_wait_for_a_permit_is_on_the_span(clock: VirtualClock, recorded: Recorded) -> None:
    """In seconds; who did not wait has none."""

    @guard("queued", deadline=10.0, bulkhead=Bulkhead(limit=1, queue=1))
    async def queued() -> None:
        await asyncio.sleep(1.5)

    async def main() -> None:
        await asyncio.gather(queued(), queued())

    clock.run(main())
    waited = [dict(span.attributes or {}).get(names.BULKHEAD_WAIT) for span in recorded.spans if span.parent is None]
    assert waited == [None, 1.5]


# --- what was used


PRICES = {"gpt-x": Price(input=1_000_000, output=2_000_000, cached=500_000)}


def test_tokens_are_counted_by_whether_they_were_of_use(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """Of the attempt whose answer left, and of the others; the three types add up; so does the money."""

    def uses(then: Any) -> Callable[[], Any]:
        def step() -> Any:
            report_usage(Usage(input=10, output=3, cached=4, model="gpt-x"))
            return then

        return step

    harness = scenario(uses("no"), uses("1"), output=int, reask=1, prices=PRICES)
    assert harness() == 1
    found = recorded.series(names.USAGE_TOKENS)
    assert found == {
        ("scenario", "gpt-x", purpose, kind): count
        for purpose in ("used", "wasted")
        for kind, count in (("input", 6), ("cached", 4), ("output", 3))
    }
    assert recorded.series(names.USAGE_COST) == {
        ("scenario", "gpt-x", "used"): 6 + 2 + 6,
        ("scenario", "gpt-x", "wasted"): 6 + 2 + 6,
    }


def test_what_a_boundary_inside_used_is_counted_once(clock: VirtualClock, recorded: Recorded) -> None:
    """There, where it was reported: a sum over boundaries is what the provider bills."""

    def small(*_: Any) -> str:
        report_usage(Usage(input=1))
        return "small"

    @guard("inner", deadline=5.0, isolation="inline")
    def inner() -> str:
        report_usage(Usage(input=10, output=5))
        raise ConnectionError

    @guard("outer", deadline=5.0, isolation="inline", fallback=[Rung(guard("rung", deadline=1.0)(small))])
    def outer() -> str:
        report_usage(Usage(input=100))
        return inner()

    del clock
    outcome = outer.outcome()
    assert outcome.usage == Usage(input=111, output=5)
    assert recorded.series(names.USAGE_TOKENS) == {
        ("inner", "wasted", "input"): 10,
        ("inner", "wasted", "output"): 5,
        ("outer", "wasted", "input"): 100,
        ("rung", "used", "input"): 1,
    }


# --- caps


def test_ten_thousand_names_stay_under_the_cap(clock: VirtualClock, recorded: Recorded) -> None:
    """Of boundaries and of models: what is beyond is one series together, and the SDK folds nothing by itself."""
    del clock
    kept = []
    with fresh_registry():
        for number in range(10_000):
            boundary = Boundary(f"name-{number}", deadline=1.0, isolation="inline", fallback=[f"v{number}"])
            boundary.call(_reporting, f"model-{number}")
            kept.append(boundary)
        for name, metric in recorded.metrics.items():
            points = metric.data.data_points
            assert len(points) <= counts.SERIES + 10, name
            assert not any("otel.metric.overflow" in point.attributes for point in points), name
    calls = {found[names.BOUNDARY]: count for found, count, _ in recorded.points[names.CALL_DURATION]}
    assert len(calls) == caps.BOUNDARIES + 1
    assert calls[names.OTHER] == 10_000 - caps.BOUNDARIES
    models = {series[1] for series in recorded.series(names.USAGE_TOKENS)}
    assert len(models) == caps.MODELS + 1


def _reporting(model: str) -> str:
    report_usage(Usage(input=1, model=model))
    return "ok"


@pytest.mark.parametrize("name", ["", "x" * 101, "tell me a secret", "a\nb", "gpt-\N{SNOWMAN}"])
def test_what_does_not_look_like_a_name_is_none(name: str) -> None:
    """A model's name comes out of a response: it may be anything."""
    assert caps.Cap(10).admit(name) == names.OTHER


def test_a_counter_has_no_more_series_than_the_cap() -> None:
    """Whatever is counted: further ones are one series with the same attributes, each of them folded."""
    counter = counts.Counts("a", "b")
    for number in range(counts.SERIES + 100):
        counter.add(str(number), None)
    found = {str(one.attributes): one.value for one in counter.observe()}
    assert len(found) == counts.SERIES + 1
    assert found[str({"a": names.OTHER})] == 100
    counts._COUNTS.remove(counter)


def test_a_forked_process_counts_anew() -> None:
    """And is not held up by a lock that nobody is left to release."""
    counter = counts.Counts("a")
    counter.add("x")
    counter._lock.acquire()
    child = os.fork()
    if child == 0:
        counter.add("y")
        os._exit([one.value for one in counter.observe()] != [1])
    assert os.waitpid(child, 0)[1] == 0
    counts._COUNTS.remove(counter)


def test_without_an_sdk_nothing_is_counted(scenario: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch) -> None:
    """A call looks once, and adds nothing up."""
    untouched = metrics.Instruments(get_meter("aiguard.test"))
    monkeypatch.setattr(metrics, "_instruments", untouched)
    assert not metrics.is_counted()
    scenario(ConnectionError(), fallback=["floor"], breaker=Breaker(minimum_calls=1))()
    assert [list(one.observe()) for one in (untouched.rungs, untouched.moves, untouched.tokens)] == [[], [], []]
    assert untouched.live.names._admitted == {}


# --- streams

STREAMS = [shape for shape in SHAPES if shape.endswith("generator")]


@pytest.mark.parametrize("shape", STREAMS)
def test_the_waits_of_a_stream_are_measured(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """To the first item, and the longest; on the call's span too, with how many items left."""
    harness = scenario(Items(Takes(2.0, 1), Takes(0.5, 2), Takes(3.0, 3), 4))
    assert harness() == [1, 2, 3, 4]
    said = dict(recorded.named("aiguard.call scenario").attributes or {})
    assert said[names.STREAM_ITEMS] == 4
    assert said[names.STREAM_FIRST_ITEM] == 2.0
    assert said[names.STREAM_MAX_GAP] == 3.0
    for instrument, seconds in ((names.STREAM_FIRST_ITEM, 2.0), (names.STREAM_MAX_GAP, 3.0)):
        [(attributes, count, total)] = recorded.points[instrument]
        assert attributes == {names.BOUNDARY: "scenario", names.OUTCOME: "success"}
        assert (count, total) == (1, seconds)


def test_the_consumers_own_time_is_no_wait(clock: VirtualClock, recorded: Recorded) -> None:
    """Who takes long between two items has waited for none of them."""

    @guard("slowly", deadline=5.0, isolation="inline", stream="passthrough")
    def slowly() -> Any:
        for item in range(3):
            clock.sleep(0.25)
            yield item

    for _ in slowly():
        clock.sleep(100.0)
    said = dict(recorded.named("aiguard.call slowly").attributes or {})
    assert (said[names.STREAM_FIRST_ITEM], said[names.STREAM_MAX_GAP]) == (0.25, 0.25)


def test_the_waits_for_elements_are_those_of_whole_elements(clock: VirtualClock, recorded: Recorded) -> None:
    """Not of the pieces of text that they come in."""

    @guard("elements", deadline=9.0, isolation="inline", stream="elements", output=list[int])
    def elements() -> Any:
        for piece in ("[1", "0", ", 2", "0]"):
            clock.sleep(1.0)
            yield piece

    assert list(elements()) == [10, 20]
    said = dict(recorded.named("aiguard.call elements").attributes or {})
    assert (said[names.STREAM_ITEMS], said[names.STREAM_FIRST_ITEM], said[names.STREAM_MAX_GAP]) == (2, 3.0, 3.0)


@pytest.mark.parametrize("shape", STREAMS)
def test_a_stream_without_an_item_has_no_waits(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """What broke before its first item took time, but to none."""
    scenario(ConnectionError()).fails()
    assert names.STREAM_FIRST_ITEM not in dict(recorded.named("aiguard.call scenario").attributes or {})
    assert names.STREAM_FIRST_ITEM not in recorded.points
