"""The spans of a call, against a real SDK: what each says, whose child it is, and that it ends."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import SpanKind, StatusCode

from aiguard import (
    BoundaryError,
    Breaker,
    Bulkhead,
    InputContract,
    OneOf,
    OutputContract,
    Owner,
    Retry,
    RetryBudget,
    Rung,
    guard,
    last_good,
)
from aiguard.telemetry import names, spans
from tests.shapes import Hang
from tests.streaming import KINDS, Streams, collect_garbage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness
    from tests.telemetry.conftest import Recorded

CALL = "aiguard.call scenario"
ATTEMPT = "aiguard.attempt scenario"
AGAIN = Retry(attempts=3, wait=lambda _: 0.25)


@pytest.fixture(params=KINDS)
def streams(request: pytest.FixtureRequest, clock: VirtualClock) -> Iterator[Streams]:
    """Streams of each kind in turn."""
    streams = Streams(request.param, clock)
    with streams.runner:
        yield streams


@pytest.fixture(autouse=True)
def nothing_detached(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No context is ever detached where it was not attached: OpenTelemetry would log that."""
    yield
    assert [record for record in caplog.records if record.name.startswith("opentelemetry")] == []


def attributes(span: Any) -> dict[str, Any]:
    """Return a span's attributes, without those that only a stream's has."""
    return {name: value for name, value in span.attributes.items() if not name.startswith("aiguard.stream.")}


# --- scenarios, over all shapes


def test_success(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A call that its component answers is one span with one attempt, neither with a status."""
    scenario("ok", owner="team")()
    call, attempt = recorded.named(CALL), recorded.named(ATTEMPT)
    assert recorded.tree == {CALL: None, ATTEMPT: CALL}
    assert {span.kind for span in recorded.spans} == {SpanKind.INTERNAL}
    assert {span.status.status_code for span in recorded.spans} == {StatusCode.UNSET}
    assert attributes(call) == {
        "aiguard.boundary": "scenario",
        "aiguard.owner": "team",
        "aiguard.outcome": "success",
        "aiguard.attempt.count": 1,
    }
    assert attributes(attempt) == {
        "aiguard.boundary": "scenario",
        "aiguard.owner": "team",
        "aiguard.attempt.number": 1,
        "aiguard.attempt.kind": "initial",
    }
    assert call.instrumentation_scope is not None
    assert call.instrumentation_scope.name == "aiguard"


def test_success_after_a_retry(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """The failed attempts are errors, the call is not, and it tells of each retry."""
    scenario(ConnectionError(), "ok", retry=AGAIN)()
    failed, good = [span for span in recorded.spans if span.name == ATTEMPT]
    call = recorded.named(CALL)
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.status.description == "connection"
    assert attributes(failed)["error.type"] == "connection"
    assert attributes(failed)["aiguard.stage"] == "component"
    assert good.status.status_code is StatusCode.UNSET
    assert attributes(good)["aiguard.attempt.number"] == 2
    assert attributes(good)["aiguard.attempt.kind"] == "retry"
    assert call.status.status_code is StatusCode.UNSET
    assert attributes(call)["aiguard.outcome"] == "success"
    assert attributes(call)["aiguard.attempt.count"] == 2
    assert "error.type" not in attributes(call)
    [event] = call.events
    assert event.name == "aiguard.retry"
    assert dict(event.attributes or {}) == {
        "aiguard.attempt.number": 2,
        "aiguard.attempt.kind": "retry",
        "aiguard.retry.delay": 0.25,
        "error.type": "connection",
    }


def test_a_fallback(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A call that a rung answered is degraded, and no error."""
    scenario(ConnectionError(), fallback=["floor"], owner="team")()
    call = recorded.named(CALL)
    assert recorded.tree == {CALL: None, ATTEMPT: CALL, "aiguard.fallback value": CALL}
    assert call.status.status_code is StatusCode.UNSET
    assert attributes(call) == {
        "aiguard.boundary": "scenario",
        "aiguard.owner": "team",
        "aiguard.outcome": "fallback",
        "aiguard.attempt.count": 1,
        "aiguard.degraded": True,
        "aiguard.degraded.reason": "connection",
        "aiguard.fallback.name": "value",
    }
    assert recorded.named(ATTEMPT).status.status_code is StatusCode.ERROR
    rung = recorded.named("aiguard.fallback value")
    assert rung.status.status_code is StatusCode.UNSET
    whose = {"aiguard.boundary": "scenario", "aiguard.owner": "team"}
    assert attributes(rung) == {**whose, "aiguard.fallback.name": "value"}


@pytest.mark.parametrize("ladder", [[], ["floor"]])
def test_a_runbook_is_on_the_span_of_the_call_and_on_how_it_ended(
    scenario: Callable[..., Harness], recorded: Recorded, ladder: list[str]
) -> None:
    """Who looks at what went wrong is told where it is written what to do."""
    owner = Owner(team="team", person="anna", runbook="https://x/triage")
    harness = scenario(ConnectionError(), fallback=ladder, owner=owner)
    if ladder:
        harness()
    else:
        harness.fails()
    call, attempt = recorded.named(CALL), recorded.named(ATTEMPT)
    assert (attributes(call)["aiguard.owner"], attributes(call)["aiguard.runbook"]) == ("team", "https://x/triage")
    assert "aiguard.runbook" not in attributes(attempt)
    [event] = call.events
    assert event.name == ("aiguard.degraded" if ladder else "aiguard.exception")
    assert (event.attributes or {})["aiguard.runbook"] == "https://x/triage"


def test_a_last_good_answer_has_its_age(
    scenario: Callable[..., Harness], shape: str, clock: VirtualClock, recorded: Recorded
) -> None:
    """How old it is stands on the call's span; a rung that has no age says nothing of one."""
    settings: dict[str, Any] = {"stream": "buffer"} if shape.endswith("generator") else {}
    rungs = [last_good(by=lambda *args: args, ttl=60.0), "floor"]
    harness = scenario("good", ConnectionError(), ConnectionError(), fallback=rungs, **settings)
    harness("q")
    clock.advance(7.5)
    harness("q")
    harness("other")
    [_, served, other] = [span for span in recorded.spans if span.name == CALL]
    assert attributes(served) == {
        "aiguard.boundary": "scenario",
        "aiguard.outcome": "fallback",
        "aiguard.attempt.count": 1,
        "aiguard.degraded": True,
        "aiguard.degraded.reason": "connection",
        "aiguard.fallback.name": "last_good",
        "aiguard.fallback.age": 7.5,
    }
    assert "aiguard.fallback.age" not in attributes(other)
    first, missed = [span for span in recorded.spans if span.name == "aiguard.fallback last_good"]
    assert first.status.status_code is StatusCode.UNSET
    assert missed.status.status_code is StatusCode.ERROR


def test_a_failure(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A call that an error leaves is an error, of the failure's kind and stage."""
    with pytest.raises(BoundaryError):
        scenario(ConnectionError())()
    call = recorded.named(CALL)
    assert call.status.status_code is StatusCode.ERROR
    assert call.status.description == "connection"
    assert attributes(call) == {
        "aiguard.boundary": "scenario",
        "aiguard.outcome": "error",
        "aiguard.attempt.count": 1,
        "error.type": "connection",
        "aiguard.stage": "component",
    }


def test_a_rejection(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A call that the breaker turned away has no attempt."""
    harness = scenario("ok", breaker=Breaker())
    harness.boundary.breaker.open()
    with pytest.raises(BoundaryError):
        harness()
    call = recorded.named(CALL)
    assert recorded.tree == {CALL: None}
    assert call.status.status_code is StatusCode.ERROR
    assert attributes(call)["aiguard.outcome"] == "rejected"
    assert attributes(call)["error.type"] == "circuit_open"
    assert attributes(call)["aiguard.attempt.count"] == 0


def test_an_invalid_answer(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """An answer that broke the contract makes its attempt an error, and the call tells which contract it broke."""
    harness = scenario("wrong", "2", output=OutputContract(int, name="Number"), reask=1)
    assert harness() == 2
    bad = next(span for span in recorded.spans if span.name == ATTEMPT)
    call = recorded.named(CALL)
    assert attributes(bad)["error.type"] == "malformed_output"
    assert attributes(bad)["aiguard.stage"] == "output"
    assert attributes(call)["aiguard.contract"] == "Number"
    assert [event.name for event in call.events] == ["aiguard.validation.failed", "aiguard.retry"]
    assert dict(call.events[0].attributes or {}) == {
        "aiguard.contract": "Number",
        "error.type": "malformed_output",
        "aiguard.validation.error_count": 1,
        "aiguard.validation.error_types": ("json_invalid",),
    }
    assert dict(call.events[1].attributes or {})["aiguard.attempt.kind"] == "reask"


def test_a_spent_retry_budget_is_seen(recorded: Recorded, scenario: Callable[..., Harness]) -> None:
    """Also where a rung answers: who reads the trace learns why there was no further attempt."""
    nothing = RetryBudget(ratio=0, floor=0)
    scenario(ConnectionError(), fallback=["floor"], retry=Retry(), retry_budget=nothing)()
    [event, degraded] = recorded.named("aiguard.call scenario").events
    assert degraded.name == names.DEGRADED_EVENT
    assert (event.name, dict(event.attributes or {})) == (names.RETRY_BUDGET_EVENT, {"aiguard.attempt.kind": "retry"})


def test_the_components_own_spans_are_the_attempts_children(
    scenario: Callable[..., Harness], recorded: Recorded
) -> None:
    """Whatever thread or loop it runs on, and under whatever span the caller has; the caller's own stays current."""

    def chat() -> str:
        with recorded.tracer.start_as_current_span("chat"):
            return "ok"

    harness = scenario(chat)
    with recorded.tracer.start_as_current_span("request") as request:
        harness()
        assert trace.get_current_span() is request
    assert recorded.tree == {"chat": ATTEMPT, ATTEMPT: CALL, CALL: "request", "request": None}
    assert len({span.context.trace_id for span in recorded.spans if span.context is not None}) == 1


def test_the_outcome_knows_its_trace(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """`trace_id` is the call's, in hex."""
    outcome = scenario("ok").outcome()
    context = recorded.named(CALL).context
    assert context is not None
    assert outcome.trace_id == format(context.trace_id, "032x")


def test_a_transition_is_told_on_the_span_that_caused_it(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A call that opens the breaker says so."""
    with pytest.raises(BoundaryError):
        scenario(ConnectionError(), breaker=Breaker(minimum_calls=1))()
    assert names.BREAKER_EVENT in [event.name for event in recorded.named(CALL).events]


# --- rungs


def test_a_rungs_own_spans_are_its_children(clock: VirtualClock, recorded: Recorded) -> None:
    """Async, in a thread or inline: a rung's work is drawn under the rung, and a rung that failed is an error."""

    def span(name: str) -> None:
        with recorded.tracer.start_as_current_span(name):
            pass

    async def first() -> str:
        span("in-async")
        raise KeyError

    def second() -> str:
        span("in-thread")
        raise KeyError

    def third() -> str:
        span("in-inline")
        return "x"

    @guard("scenario", deadline=5.0, fallback=[first, second, Rung(third, inline=True)])
    async def component() -> str:
        raise ConnectionError

    assert clock.run(component()) == "x"
    assert recorded.tree == {
        CALL: None,
        ATTEMPT: CALL,
        "in-async": "aiguard.fallback first",
        "in-thread": "aiguard.fallback second",
        "in-inline": "aiguard.fallback third",
        "aiguard.fallback first": CALL,
        "aiguard.fallback second": CALL,
        "aiguard.fallback third": CALL,
    }
    statuses = [recorded.named(f"aiguard.fallback {rung}").status.status_code for rung in ("first", "second", "third")]
    assert statuses == [StatusCode.ERROR, StatusCode.ERROR, StatusCode.UNSET]
    assert attributes(recorded.named(CALL))["aiguard.fallback.name"] == "third"


def test_a_guarded_function_as_a_rung_is_a_child_of_its_rung(clock: VirtualClock, recorded: Recorded) -> None:
    """Nested boundaries nest: in a rung, and in the component."""

    @guard("small", deadline=5.0)
    async def small() -> str:
        return "small"

    @guard("inside", deadline=5.0)
    async def inside() -> str:
        raise ConnectionError

    @guard("scenario", deadline=5.0, fallback=[small])
    async def component() -> str:
        return await inside()

    assert clock.run(component()) == "small"
    assert recorded.tree == {
        CALL: None,
        ATTEMPT: CALL,
        "aiguard.call inside": ATTEMPT,
        "aiguard.attempt inside": "aiguard.call inside",
        "aiguard.fallback small": CALL,
        "aiguard.call small": "aiguard.fallback small",
        "aiguard.attempt small": "aiguard.call small",
    }


# --- cancellation


@pytest.mark.parametrize("where", ["component", "queue", "retry", "rung"])
def test_a_cancelled_call_is_no_error(clock: VirtualClock, recorded: Recorded, where: str) -> None:
    """Wherever the caller's cancellation strikes, every span ends and none is an error of its own."""
    release = asyncio.Event()

    async def rung() -> str:
        await asyncio.sleep(3600)
        return "never"

    @guard(
        "scenario",
        deadline=1e6,
        bulkhead=Bulkhead(limit=1, queue=1),
        retry=Retry(attempts=2, wait=lambda _: 50.0 if where == "retry" else 0.0),
        fallback=[rung],
    )
    async def component() -> str:
        if where in {"retry", "rung"}:
            raise ConnectionError
        await release.wait()
        return "held"

    async def main() -> None:
        holder = asyncio.create_task(component()) if where == "queue" else None
        await asyncio.sleep(0)
        task = asyncio.create_task(component())
        await asyncio.sleep(10.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        release.set()
        if holder is not None:
            await holder

    clock.run(main())
    call = next(span for span in recorded.spans if attributes(span).get("aiguard.outcome") == "cancelled")
    assert call.status.status_code is StatusCode.UNSET
    assert "error.type" not in attributes(call)
    if where == "component":
        attempt = recorded.named(ATTEMPT)
        assert attempt.status.status_code is StatusCode.UNSET
        assert attributes(attempt)["aiguard.attempt.outcome"] == "cancelled"


# --- streams


def _chatty(streams: Streams, recorded: Recorded) -> Any:
    current: list[Any] = []
    if streams.is_async:

        async def acomponent() -> Any:
            for item in range(3):
                current.append(trace.get_current_span())
                with recorded.tracer.start_as_current_span(f"chat {item}"):
                    await asyncio.sleep(0)
                yield item

        guarded: Any = guard("scenario", deadline=5.0, stream="passthrough")(acomponent)
    else:

        def component() -> Any:
            for item in range(3):
                current.append(trace.get_current_span())
                with recorded.tracer.start_as_current_span(f"chat {item}"):
                    pass
                yield item

        guarded = guard("scenario", deadline=5.0, stream="passthrough", isolation=streams.kind)(component)
    return guarded


def test_a_streams_span_is_current_inside_each_pull(streams: Streams, recorded: Recorded) -> None:
    """What the component does at any item is drawn under its attempt, and never under the consumer."""
    assert streams.drain(_chatty(streams, recorded)()) == [0, 1, 2]
    assert recorded.tree == {CALL: None, ATTEMPT: CALL, "chat 0": ATTEMPT, "chat 1": ATTEMPT, "chat 2": ATTEMPT}


def test_a_streams_span_never_leaks_to_the_consumer(streams: Streams, recorded: Recorded) -> None:
    """Between two pulls, and after a break, the consumer's own span is the current one."""
    stream = _chatty(streams, recorded)()
    with recorded.tracer.start_as_current_span("request") as request:
        if streams.is_async:

            async def consume() -> None:
                with trace.use_span(request):
                    async for _ in stream:
                        assert trace.get_current_span() is request
                        break
                    assert trace.get_current_span() is request
                    await stream.aclose()
                    assert trace.get_current_span() is request

            streams.runner.run(consume())
        else:
            for _ in stream:
                assert trace.get_current_span() is request
                break
            stream.close()
            assert trace.get_current_span() is request
    assert recorded.tree[CALL] == "request"


def _exhausted(streams: Streams, stream: Any) -> None:
    streams.drain(stream)


def _closed(streams: Streams, stream: Any) -> None:
    streams.next(stream)
    streams.close(stream)


def _dropped(streams: Streams, stream: Any) -> None:
    streams.next(stream)


EXITS = {"exhausted": _exhausted, "closed": _closed, "dropped": _dropped}


@pytest.mark.parametrize("how", EXITS)
@pytest.mark.parametrize("by", ["component", "rung", "value"])
def test_a_streams_spans_end_once_however_it_ends(streams: Streams, recorded: Recorded, how: str, by: str) -> None:
    """Exhausted, closed early or dropped, served by the component or by a rung: each span has ended."""
    # a class: an instance kept here would keep its traceback, and that the stream
    scripts: list[list[Any]] = [["a", "b"]] if by == "component" else [[ConnectionError]]
    rung = streams.component(["a", "b"]) if by == "rung" else ["a", "b"]
    guarded = streams.guarded(*scripts, name="scenario", fallback=[rung])
    stream = guarded()
    EXITS[how](streams, stream)
    del stream
    collect_garbage()
    streams.settle()
    assert recorded.open == []
    outcome = attributes(recorded.named(CALL))["aiguard.outcome"]
    whole = "success" if by == "component" else "fallback"
    assert outcome == (whole if how == "exhausted" else "cancelled")
    assert recorded.named(CALL).status.status_code is StatusCode.UNSET


def test_a_stream_that_breaks_is_an_error(streams: Streams, recorded: Recorded) -> None:
    """After its first item, too, an error that leaves is an error of the call."""
    stream = streams.guarded(["a", ConnectionError()], name="scenario")()
    with pytest.raises(BoundaryError):
        streams.drain(stream)
    assert attributes(recorded.named(CALL))["error.type"] == "stream_interrupted"
    assert attributes(recorded.named(ATTEMPT))["error.type"] == "connection"


def test_an_invalid_item_is_told(streams: Streams, recorded: Recorded) -> None:
    """An item that breaks the contract is told as any invalid answer is."""
    stream = streams.guarded(["1", "wrong"], name="scenario", output=int)()
    with pytest.raises(BoundaryError):
        streams.drain(stream)
    assert "aiguard.validation.failed" in [event.name for event in recorded.named(CALL).events]


def test_a_cancelled_stream_ends_its_spans(clock: VirtualClock, recorded: Recorded) -> None:
    """The consumer's task is cancelled in the middle of a pull."""
    streams = Streams("async", clock)

    async def main(guarded: Any) -> None:
        task = asyncio.create_task(anext(guarded()))
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with streams.runner:
        streams.runner.run(main(streams.guarded([Hang()], name="scenario")))
    assert attributes(recorded.named(CALL))["aiguard.outcome"] == "cancelled"
    assert attributes(recorded.named(ATTEMPT))["aiguard.attempt.outcome"] == "cancelled"


def test_the_end_of_the_loop_ends_a_dropped_streams_spans(clock: VirtualClock, recorded: Recorded) -> None:
    """`asyncio.run` may end in the moment in which a stream is dropped."""
    streams = Streams("async", clock)
    guarded = streams.guarded(["a", "b"], name="scenario")

    async def main() -> None:
        await anext(guarded())

    streams.runner.run(main())
    streams.runner.close()
    collect_garbage()
    assert recorded.open == []


def test_a_stream_that_is_never_iterated_has_no_span(streams: Streams, recorded: Recorded) -> None:
    """Nothing has happened."""
    guarded = streams.guarded(["a"])
    stream = guarded()
    streams.close(stream)
    del stream
    guarded()
    collect_garbage()
    streams.settle()
    assert recorded.spans == []


# --- sampling, faults, no SDK


def test_a_sampled_out_trace_is_passed_on(recording: Callable[..., Recorded], scenario: Callable[..., Harness]) -> None:
    """Nothing is recorded, and what the component calls still belongs to the caller's trace."""
    recorded = recording(ParentBased(ALWAYS_OFF))
    inside: list[Any] = []

    def look() -> str:
        inside.append(trace.get_current_span().get_span_context())
        return "ok"

    harness = scenario(look, ConnectionError(), fallback=["floor"])
    with recorded.tracer.start_as_current_span("request") as request:
        harness()
        harness()
    assert recorded.spans == []
    [context] = inside
    assert context.is_valid
    assert context.trace_id == request.get_span_context().trace_id
    assert not context.trace_flags.sampled
    assert len(recorded.logs_named("aiguard.degraded")) == 1
    assert sum(count for _, count, _ in recorded.points["aiguard.call.duration"]) == 2


class _Raising(SpanProcessor):
    def __init__(self, moment: str) -> None:
        self._moment = moment

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        del span, parent_context
        if self._moment == "start":
            raise RuntimeError("SECRET")

    def on_end(self, span: Any) -> None:
        del span
        if self._moment == "end":
            raise RuntimeError("SECRET")


@pytest.mark.parametrize("moment", ["start", "end"])
def test_a_raising_processor_changes_no_call(
    recording: Callable[..., Recorded],
    scenario: Callable[..., Harness],
    caplog: pytest.LogCaptureFixture,
    moment: str,
) -> None:
    """Whatever an SDK raises when a span starts or ends is logged, by its class."""
    recording(None, _Raising(moment))
    harness = scenario(ConnectionError(), "ok", ConnectionError(), retry=Retry(attempts=2), fallback=["floor"])
    assert harness() == "ok"
    assert harness() == "floor"
    assert "RuntimeError" in caplog.text
    assert "SECRET" not in caplog.text


def test_a_raising_sampler_changes_no_call(
    recording: Callable[..., Recorded], scenario: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sampler may be anybody's code, too."""
    recorded = recording()

    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError

    monkeypatch.setattr(recorded.provider.sampler, "should_sample", broken, raising=False)
    assert scenario("ok")() == "ok"


def test_without_an_sdk_no_span_is_built(scenario: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch) -> None:
    """The call works, has no trace, and leaves the caller's context alone."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a span was built")

    monkeypatch.setattr(spans._tracer, "start_span", refuse, raising=False)
    seen: list[Any] = []

    def look() -> str:
        seen.append(trace.get_current_span())
        return "ok"

    outcome = scenario(look, ConnectionError(), fallback=["floor"]).outcome()
    assert outcome.trace_id is None
    assert seen == [trace.INVALID_SPAN]


def test_a_remote_parent_survives_without_an_sdk(
    scenario: Callable[..., Harness], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What came in with a request is still current inside the component, so that clients can pass it on."""
    monkeypatch.setattr(trace, "_TRACER_PROVIDER", None)
    remote = trace.NonRecordingSpan(trace.SpanContext(1, 2, is_remote=True))
    seen: list[Any] = []

    def look() -> str:
        seen.append(trace.get_current_span().get_span_context().trace_id)
        return "ok"

    harness = scenario(look)
    with trace.use_span(remote):
        harness()
    assert seen == [1]


def test_many_calls_keep_within_the_limits(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """A call's spans stay small: no attribute a message, none over a kilobyte."""
    scenario(*[ConnectionError()] * 50, retry=Retry(attempts=50, wait=lambda _: 0.0), fallback=["x" * 10_000])()
    for span in recorded.spans:
        assert len(attributes(span)) <= 40
        assert all(len(str(value)) <= 1024 for value in attributes(span).values())
    logging.getLogger("aiguard").debug("%d spans", len(recorded.spans))


# --- input contracts


def test_a_call_with_an_input_contract_says_which(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """From its start, where a head sampler looks; a breach is an event with its codes and without the value."""
    contract = InputContract(OneOf("DE"), name="score-in", version=2, on_breach="warn")
    scenario("ok", input=contract)("SECRET")
    call = recorded.named(CALL)
    assert attributes(call)[names.INPUT_CONTRACT] == "score-in@2"
    assert [(event.name, dict(event.attributes or {})) for event in call.events] == [
        (names.INPUT_EVENT, {names.INPUT_CONTRACT: "score-in@2", names.INPUT_CODES: ("category",)})
    ]
    assert call.status.status_code is StatusCode.UNSET
    assert "SECRET" not in call.to_json()


def test_a_rejected_input_is_a_rejected_call(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """With kind and stage; there is no attempt."""
    scenario("never", input=InputContract(OneOf("DE"))).fails("SECRET")
    assert recorded.tree == {CALL: None}
    call = recorded.named(CALL)
    said = attributes(call)
    assert (said[names.OUTCOME], said[names.ERROR_TYPE], said[names.STAGE]) == ("rejected", "input_rejected", "input")
    assert "SECRET" not in call.to_json()
