"""One trace, whatever thread, task or loop a call runs on; and no context is left where it does not belong."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry import trace

from aiguard import BoundaryError, Hedge, Retry, StreamInterruptedError, guard
from aiguard.testing import fresh_registry
from tests.streaming import KINDS, Streams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.testing import VirtualClock
    from tests.shapes import Harness
    from tests.telemetry.conftest import Recorded

CALL, ATTEMPT = "aiguard.call scenario", "aiguard.attempt scenario"


@pytest.fixture(autouse=True)
def nothing_declared() -> Iterator[None]:
    """Each test declares its own boundaries."""
    with fresh_registry():
        yield


@pytest.fixture(autouse=True)
def nothing_detached(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No context is ever detached where it was not attached: OpenTelemetry would log that."""
    yield
    gc.collect()
    assert [record.message for record in caplog.records if record.name.startswith("opentelemetry")] == []


@pytest.fixture
def consumer(recorded: Recorded) -> Iterator[Any]:
    """Make a span of the consumer's the current one, of the tasks on its loop too."""
    with recorded.tracer.start_as_current_span("request") as span:
        yield span


@pytest.fixture(params=KINDS)
def streams(request: pytest.FixtureRequest, clock: VirtualClock, consumer: Any) -> Iterator[Streams]:
    """Streams of each kind in turn."""
    assert trace.get_current_span() is consumer
    streams = Streams(request.param, clock)
    with streams.runner:
        yield streams


def traces(recorded: Recorded) -> set[int]:
    """Return the traces that the spans belong to."""
    return {span.context.trace_id for span in recorded.spans if span.context is not None}


# --- calls


def test_boundaries_in_one_another_are_one_trace(recorded: Recorded) -> None:
    """Async, in a thread by hand, in a worker of a boundary's, inline there: each under the attempt around it."""

    def spanned(name: str) -> None:
        with recorded.tracer.start_as_current_span(name):
            pass

    @guard("innermost", deadline=9.0, isolation="inline")
    def innermost() -> str:
        spanned("chat")
        return "ok"

    @guard("threaded", deadline=9.0)
    def threaded() -> str:
        return innermost()

    @guard("outer", deadline=9.0)
    async def outer() -> str:
        return await asyncio.to_thread(threaded)

    with recorded.tracer.start_as_current_span("request") as request:
        assert asyncio.run(outer()) == "ok"
        assert trace.get_current_span() is request
    assert recorded.tree == {
        "request": None,
        "aiguard.call outer": "request",
        "aiguard.attempt outer": "aiguard.call outer",
        "aiguard.call threaded": "aiguard.attempt outer",
        "aiguard.attempt threaded": "aiguard.call threaded",
        "aiguard.call innermost": "aiguard.attempt threaded",
        "aiguard.attempt innermost": "aiguard.call innermost",
        "chat": "aiguard.attempt innermost",
    }
    assert len(traces(recorded)) == 1


def test_a_pool_of_ones_own_needs_the_context_to_be_copied(recorded: Recorded) -> None:
    """`submit` loses it, as with every span; copied, the call is part of the trace."""

    @guard("scenario", deadline=9.0, isolation="inline")
    def component() -> str:
        return "ok"

    with ThreadPoolExecutor(1) as pool, recorded.tracer.start_as_current_span("request"):
        pool.submit(component).result()
        pool.submit(copy_context().run, component).result()
    lost, kept = [span for span in recorded.spans if span.name == CALL]
    assert lost.parent is None
    assert kept.parent is not None


def _attempted(recorded: Recorded) -> list[tuple[int | None, str | None]]:
    """Return of each of the component's own spans the number of the attempt that it stands under, and its kind."""
    attempts = {span.context.span_id: span for span in recorded.spans if span.name == ATTEMPT and span.context}
    found = []
    for span in recorded.spans:
        if span.name == "chat":
            above = attempts[span.parent.span_id] if span.parent is not None else None
            said: dict[str, Any] = dict(above.attributes or {}) if above is not None else {}
            found.append((said.get("aiguard.attempt.number"), said.get("aiguard.attempt.kind")))
    return found


def test_each_retry_is_a_parent_of_its_own(scenario: Callable[..., Harness], recorded: Recorded) -> None:
    """What the component does at its second try stands under the second attempt."""

    def fails() -> Any:
        with recorded.tracer.start_as_current_span("chat"):
            pass
        raise ConnectionError

    with pytest.raises(BoundaryError):
        scenario(fails, fails, retry=Retry(attempts=2))()
    assert _attempted(recorded) == [(1, "initial"), (2, "retry")]
    assert len(traces(recorded)) == 1


def test_each_of_two_racers_is_a_parent_of_its_own(clock: VirtualClock, recorded: Recorded) -> None:
    """In tasks beside each other, of which one is called off."""
    seconds = iter([9.0, 0.5])

    @guard("scenario", deadline=10.0, hedge=Hedge(after=1.0))
    async def component() -> str:
        with recorded.tracer.start_as_current_span("chat"):
            await asyncio.sleep(next(seconds))
        return "ok"

    assert clock.run(component()) == "ok"
    assert sorted(_attempted(recorded)) == [(1, "initial"), (2, "hedge")]
    assert len(traces(recorded)) == 1


def test_each_of_two_racing_threads_is_a_parent_of_its_own(recorded: Recorded) -> None:
    """A thread that was left behind ends its spans when it ends, in the call's trace."""
    late, left = threading.Event(), threading.Event()
    first = iter([True, False])

    @guard("scenario", deadline=10.0, hedge=Hedge(after=0.01))
    def component() -> str:
        with recorded.tracer.start_as_current_span("chat"):
            is_first = next(first)
            if is_first:
                assert late.wait(10.0)
        if is_first:
            left.set()
        return "ok"

    assert component() == "ok"
    late.set()
    assert left.wait(10.0)
    assert sorted(_attempted(recorded)) == [(1, "initial"), (2, "hedge")]
    assert len(traces(recorded)) == 1


# --- streams


def _guarded(streams: Streams, recorded: Recorded, seen: list[Any]) -> Any:
    """Guard a stream of three items that opens a span around each of its steps, and notes what is current then."""
    if streams.is_async:

        async def astream() -> Any:
            for item in range(3):
                with recorded.tracer.start_as_current_span("chat"):
                    await asyncio.sleep(1.0)
                seen.append(trace.get_current_span())
                yield item

        return guard("scenario", deadline=50.0, stream="passthrough")(astream)

    def stream() -> Any:
        for item in range(3):
            with recorded.tracer.start_as_current_span("chat"):
                streams.clock.sleep(1.0)
            seen.append(trace.get_current_span())
            yield item

    return guard("scenario", deadline=50.0, stream="passthrough", isolation=streams.kind)(stream)


def _never(streams: Streams, stream: Any) -> None:
    """Drop it without asking for anything."""


def _exhaust(streams: Streams, stream: Any) -> None:
    streams.drain(stream)


def _break(streams: Streams, stream: Any) -> None:
    """Leave the loop, and let go of it."""
    streams.next(stream)


def _close(streams: Streams, stream: Any) -> None:
    """Close it: of an async one in another task than the one that has read from it."""
    streams.next(stream)
    streams.close(stream)


def _throw(streams: Streams, stream: Any) -> None:
    streams.next(stream)
    with pytest.raises(StreamInterruptedError):
        _thrown(streams, stream)


def _thrown(streams: Streams, stream: Any) -> None:
    if streams.is_async:
        streams.runner.run(stream.athrow(ZeroDivisionError()))
    else:
        stream.throw(ZeroDivisionError())


def _cancel(streams: Streams, stream: Any) -> None:
    """Cancel the task that waits for an item."""
    streams.next(stream)
    if not streams.is_async:
        streams.close(stream)
        return

    async def wait() -> None:
        task = asyncio.ensure_future(stream.__anext__())
        await asyncio.sleep(0.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    streams.runner.run(wait())


EXITS = {"never": _never, "exhaust": _exhaust, "break": _break, "close": _close, "throw": _throw, "cancel": _cancel}


@pytest.mark.parametrize("how", EXITS)
def test_a_streams_span_ends_once_whichever_way_out(
    streams: Streams, recorded: Recorded, consumer: Any, how: str
) -> None:
    """None where none was begun; under the consumer's span, whose own stays the current one."""
    seen: list[Any] = []
    stream = _guarded(streams, recorded, seen)()
    EXITS[how](streams, stream)
    assert trace.get_current_span() is consumer
    del stream
    gc.collect()
    if streams.is_async:
        streams.runner.run(asyncio.sleep(0))  # who was dropped is closed on its loop
    assert trace.get_current_span() is consumer
    ended = [span.name for span in recorded.spans]
    begun = 0 if how == "never" else 1
    assert (ended.count(CALL), ended.count(ATTEMPT)) == (begun, begun)
    assert len(traces(recorded)) == begun
    assert recorded.open == ["request"]
    if begun:
        attempt = recorded.named(ATTEMPT).context
        assert {span.get_span_context().span_id for span in seen} == {attempt.span_id if attempt else None}
        assert recorded.tree["chat"] == ATTEMPT
        assert recorded.tree[ATTEMPT] == CALL
        above = recorded.named(CALL).parent
        assert above is not None
        assert above.span_id == consumer.get_span_context().span_id


def test_the_consumers_span_is_current_at_each_item(streams: Streams, recorded: Recorded, consumer: Any) -> None:
    """Whatever the component has current between two items."""
    stream = _guarded(streams, recorded, [])()

    async def consume() -> list[Any]:
        return [trace.get_current_span() async for _ in stream]

    at = streams.runner.run(consume()) if streams.is_async else [trace.get_current_span() for _ in stream]
    assert at == [consumer] * 3
