"""Boundaries inside boundaries: one deadline, one meaning of a failure, at any depth."""

from __future__ import annotations

from collections.abc import Callable
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    BoundaryError,
    Breaker,
    Bulkhead,
    BulkheadFullError,
    CircuitOpenError,
    ComponentError,
    DeadlineExceededError,
    FailureKind,
    HaltedError,
    InvalidOutputError,
    Outcome,
    Retry,
    guard,
    remaining,
)
from tests.shapes import Hang, Harness, HttpError, Takes

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]
Nest = Callable[..., tuple[Harness, Any]]

DOWN = ConnectionError
AT_ONCE = Retry(attempts=3, wait=lambda _: 0.0)


@pytest.fixture
def nest(shape: str, clock: VirtualClock) -> Nest:
    """Make a boundary of the shape and another one around it, of the same shape."""

    def make(*script: Any, inner: dict[str, Any] | None = None, **outer: Any) -> tuple[Harness, Any]:
        within = Harness(shape, clock, script, "inner", inner or {})
        around = _Around(shape, clock, (), "outer", outer)
        around.enclose(within)
        return within, around

    return make


class _Around(Harness):
    """A boundary whose component is another guarded function."""

    def _component(self) -> Any:
        if self.shape == "async":

            async def component(*args: Any) -> Any:
                self.calls += 1
                return await self._within.guarded(*args)

            return component
        if self.shape == "async_generator":

            async def astream(*args: Any) -> Any:
                self.calls += 1
                async for item in self._within.guarded(*args):
                    yield item

            return astream
        if self.is_stream:

            def stream(*args: Any) -> Any:
                self.calls += 1
                yield from self._within.guarded(*args)

            return stream

        def function(*args: Any) -> Any:
            self.calls += 1
            return self._within.guarded(*args)

        return function

    def enclose(self, within: Harness) -> None:
        """Say what it is around."""
        self._within = within


def test_an_answer_passes_every_boundary(nest: Nest) -> None:
    """What the innermost component answers, the outermost caller gets."""
    _, outer = nest("ok")
    assert outer() == "ok"


# --- the deadline


@pytest.mark.parametrize(("inner", "outer", "least"), [(1.0, 5.0, 1.0), (5.0, 1.0, 1.0), (2.0, 2.0, 2.0)])
def test_the_shortest_deadline_holds(nest: Nest, clock: VirtualClock, inner: float, outer: float, least: float) -> None:
    """A nested boundary only ever shortens the time there is."""
    _, around = nest(Hang(), inner={"deadline": inner}, deadline=outer)
    error = around.fails()
    assert isinstance(error, DeadlineExceededError)
    if not around.inline:
        assert clock.elapsed == pytest.approx(least)


def test_remaining_is_the_innermost(nest: Nest) -> None:
    """Inside, `remaining()` tells the time left of whichever deadline comes first."""
    seen: list[float | None] = []

    def note() -> str:
        seen.append(remaining())
        return "ok"

    for inner, outer in ((1.0, 5.0), (5.0, 1.0)):
        within, around = nest(note, inner={"deadline": inner}, deadline=outer)
        around()
        _forget(within, around)
    assert seen == [pytest.approx(1.0), pytest.approx(1.0)]
    assert remaining() is None


def _forget(*harnesses: Harness) -> None:
    """Free the names for the next round."""
    from aiguard import boundary  # noqa: PLC0415

    for harness in harnesses:
        del boundary._REGISTRY._known[harness.boundary.name]


def test_the_attempt_timeout_of_the_outer_bounds_the_inner(nest: Nest, clock: VirtualClock) -> None:
    """What is left of the outer attempt is all that the inner call has."""
    within, around = nest(Hang(), inner={"deadline": 5.0}, deadline=5.0, attempt_timeout=0.5)
    around.fails()
    if not around.inline:
        assert clock.elapsed == pytest.approx(0.5)
    assert within.calls == 1


@pytest.mark.parametrize("shape", ["sync", "generator"])  # elsewhere the caller is gone by then
def test_no_time_left_is_no_call(nest: Nest, clock: VirtualClock) -> None:
    """A boundary that is entered after its caller's deadline calls nothing."""
    within, around = nest("never", inner={"deadline": 5.0}, deadline=1.0)
    original = within.guarded

    def late(*args: Any) -> Any:
        clock.advance(2.0)
        return original(*args)

    within.guarded = late
    error = around.fails()
    assert isinstance(error, DeadlineExceededError)
    assert within.calls == 0


def test_a_timeout_that_only_the_caller_caused_is_neutral(nest: Nest) -> None:
    """The inner breaker learns nothing from a call that the outer deadline cut short."""
    breaker = Breaker(minimum_calls=1)
    within, around = nest(*repeat(Takes(2.0), 3), inner={"deadline": 5.0, "breaker": breaker}, deadline=1.0)
    for _ in range(3):
        assert isinstance(around.fails(), DeadlineExceededError)
    assert within.boundary.breaker.current_state == "closed"
    assert within.boundary.breaker.fail_counter == 0


def test_a_timeout_of_the_inners_own_is_counted(nest: Nest) -> None:
    """Where the inner deadline is the shorter one, its breaker counts, and so does the outer's."""
    breaker = Breaker(minimum_calls=1)
    within, around = nest(Takes(2.0), inner={"deadline": 1.0, "breaker": breaker}, deadline=5.0, breaker=breaker)
    around.fails()
    assert within.boundary.breaker.current_state == "open"
    assert around.boundary.breaker.current_state == "open"


# --- the failure


INNER: list[Any] = [
    pytest.param({}, DOWN, ComponentError, "connection", id="component"),
    pytest.param({}, HttpError(400), ComponentError, "bad_request", id="bad-request"),
    pytest.param({}, LookupError, ComponentError, "unclassified", id="unclassified"),
    pytest.param({}, TimeoutError, ComponentError, "timeout", id="own-timeout"),
    pytest.param({"deadline": 0.5}, Takes(3.0), DeadlineExceededError, "timeout", id="timeout"),
    pytest.param({"output": int}, "nonsense", InvalidOutputError, "malformed_output", id="output"),
    pytest.param({"mode": "off"}, "never", HaltedError, "halted", id="halted"),
    pytest.param({"breaker": Breaker()}, "never", CircuitOpenError, "circuit_open", id="breaker"),
    pytest.param({"bulkhead": Bulkhead(limit=1)}, "never", BulkheadFullError, "bulkhead_full", id="bulkhead"),
]


def _arranged(within: Harness) -> None:
    if within.boundary.breaker is not None:
        within.boundary.breaker.open()
    if within.boundary.bulkhead is not None:
        within.boundary.bulkhead.try_take()


@pytest.mark.parametrize(("settings", "step", "cls", "kind"), INNER)
def test_a_nested_failure_keeps_class_and_kind(
    nest: Nest, settings: dict[str, Any], step: Any, cls: type[BoundaryError], kind: str
) -> None:
    """It leaves the outer boundary as the same class, of the same kind, with the outer name, the inner one as cause."""
    within, around = nest(*repeat(step, 3), inner=settings, deadline=5.0)
    _arranged(within)
    error = around.fails()
    assert type(error) is cls
    assert error.failure.kind == kind
    assert error.boundary == "outer"
    assert error.failure.stage == "component"
    assert isinstance(error.failure.exception, cls)
    inner = error.failure.exception
    assert inner.boundary == "inner"
    assert error.outcome is not None
    assert inner.outcome is not None
    assert (error.outcome.boundary, inner.outcome.boundary) == ("outer", "inner")
    assert error.__cause__ is inner
    outcome: Outcome[Any] = around.outcome()
    assert outcome.failure is not None
    assert outcome.failure.kind == kind


@pytest.mark.parametrize(("settings", "step", "cls", "kind"), INNER)
def test_a_nested_failure_is_retried_and_counted_by_its_row(
    nest: Nest, settings: dict[str, Any], step: Any, cls: type[BoundaryError], kind: str
) -> None:
    """The outer retry and breaker treat the inner failure by its kind, as if it were the component's own."""
    del cls
    within, around = nest(
        *repeat(step, 9), inner=settings, deadline=5.0, retry=AT_ONCE, breaker=Breaker(minimum_calls=1)
    )
    _arranged(within)
    around.boundary.breaker.add_listener(_CountingFailures())
    around.fails()
    retried = kind in {"connection", "timeout"}
    counted = retried or kind == "unclassified"
    assert around.boundary.breaker.current_state == ("open" if counted else "closed")
    assert around.calls == 1


class _CountingFailures:
    """A listener of pybreaker's that does not even subclass its base."""

    def before_call(self, *_: Any) -> None: ...

    def failure(self, *_: Any) -> None: ...

    def success(self, *_: Any) -> None: ...

    def state_change(self, *_: Any) -> None: ...


def test_a_nested_failure_is_retried(nest: Nest) -> None:
    """A connection lost inside is worth another attempt outside."""
    within, around = nest(DOWN, DOWN, "ok", inner={}, deadline=5.0, retry=AT_ONCE)
    assert around() == "ok"
    assert (within.calls, around.calls) == (3, 3)


@pytest.mark.parametrize("kind", ["circuit_open", "bulkhead_full", "halted"])
def test_a_nested_rejection_is_not_retried(nest: Nest, kind: str) -> None:
    """A rejection inside is not worth another attempt outside."""
    settings: dict[str, dict[str, Any]] = {
        "circuit_open": {"breaker": Breaker()},
        "bulkhead_full": {"bulkhead": Bulkhead(limit=1)},
        "halted": {"mode": "off"},
    }
    within, around = nest("never", inner=settings[kind], deadline=5.0, retry=AT_ONCE)
    _arranged(within)
    assert around.fails().failure.kind == kind
    assert around.calls == 1


def test_a_nested_breach_is_asked_again(nest: Nest) -> None:
    """An invalid answer inside is a reason for the outer boundary's `reask`, not for its `retry`."""
    within, around = nest("nonsense", "7", inner={"output": int}, deadline=5.0, reask=1)
    assert around() == 7
    assert within.calls == 2


def test_an_open_breaker_inside_tells_when(nest: Nest) -> None:
    """The time after which it is worth asking again is known outside too."""
    within, around = nest("never", inner={"breaker": Breaker(open_for=15.0)}, deadline=5.0)
    _arranged(within)
    error = around.fails()
    assert isinstance(error, CircuitOpenError)
    assert error.retry_after == pytest.approx(15.0)


def test_a_floor_inside_is_an_answer_outside(nest: Nest) -> None:
    """What a rung of the inner boundary answers is the component's answer to the outer one."""
    _, around = nest(DOWN, inner={"fallback": ["floor"]}, deadline=5.0, breaker=Breaker(minimum_calls=1))
    outcome = around.outcome()
    assert (outcome.ok, outcome.source) == (True, "component")
    assert around.boundary.breaker.fail_counter == 0


def test_a_broken_stream_inside_is_a_broken_stream_outside(clock: VirtualClock) -> None:
    """Once an item left the outer boundary, a break inside ends the outer stream as an interruption of its own."""
    from aiguard import StreamInterruptedError  # noqa: PLC0415

    @guard("inner", deadline=5.0, stream="passthrough", isolation="inline")
    def inner() -> Any:
        yield "a"
        raise ConnectionError

    @guard("outer", deadline=5.0, stream="passthrough", isolation="inline", retry=AT_ONCE)
    def outer() -> Any:
        yield from inner()

    del clock
    stream = outer()
    assert next(stream) == "a"
    with pytest.raises(StreamInterruptedError) as caught:
        next(stream)
    assert (caught.value.boundary, caught.value.delivered) == ("outer", 1)
    assert isinstance(caught.value.__cause__, StreamInterruptedError)


# --- depth


def _levels(clock: VirtualClock, levels: int, isolation: Any) -> Callable[[], Any]:
    del clock

    def innermost() -> str:
        return "ok"

    fn: Any = innermost
    for level in range(levels):
        fn = guard(f"level-{level}", deadline=60.0, isolation=isolation)(_calling(fn))
    guarded: Callable[[], Any] = fn
    return guarded


def _calling(fn: Callable[[], Any]) -> Callable[[], Any]:
    def component() -> Any:
        return fn()

    return component


def _ends_well(call: Callable[[], Any], levels: int) -> None:
    """Check that it answers, or, where the recursion limit was reached, ends as an error of the taxonomy."""
    failure = None
    try:
        assert call() == "ok"
    except BoundaryError as error:
        failure = error
    if levels <= 30:
        assert failure is None
    if failure is not None:
        assert failure.boundary == f"level-{levels - 1}"
        assert failure.failure.kind is FailureKind.UNCLASSIFIED


@pytest.mark.parametrize(
    ("isolation", "levels"), [("inline", 30), ("inline", 100), ("inline", 400), ("thread", 30), ("thread", 100)]
)
def test_deep_nesting_works_or_ends_cleanly(clock: VirtualClock, isolation: Any, levels: int) -> None:
    """Thirty levels work; where the recursion limit is reached, the answer is an error of the taxonomy."""
    _ends_well(_levels(clock, levels, isolation), levels)


@pytest.mark.parametrize("levels", [30, 100, 400])
def test_deep_async_nesting_works_or_ends_cleanly(clock: VirtualClock, levels: int) -> None:
    """The same for coroutines."""

    async def innermost() -> str:
        return "ok"

    def awaiting(fn: Any) -> Any:
        async def component() -> Any:
            return await fn()

        return component

    fn: Any = innermost
    for level in range(levels):
        fn = guard(f"level-{level}", deadline=60.0)(awaiting(fn))
    _ends_well(lambda: clock.run(fn()), levels)
