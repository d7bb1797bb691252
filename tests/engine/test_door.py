"""The short way out: the same as the pipeline comes to, whatever the call meets there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import (
    Boundary,
    BoundaryError,
    Breaker,
    Budget,
    CircuitOpenError,
    FailureKind,
    Outcome,
    Retry,
    RetryBudget,
    Rung,
    guard,
    last_good,
)
from aiguard.engine import door
from aiguard.engine.door import Door
from aiguard.telemetry import events, metrics, spans
from tests.shapes import HttpError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.testing import VirtualClock

OPENS = Breaker(minimum_calls=1, open_for=30.0)


def declared(name: str, *, is_async: bool, **settings: Any) -> Any:
    """Return a guarded function that fails where it is told to."""
    settings = {"deadline": 5.0, "breaker": OPENS, **settings}
    if is_async:

        @guard(name, **settings)
        async def acomponent(what: object) -> Any:
            if isinstance(what, Exception):
                raise what
            return what

        return acomponent

    @guard(name, isolation="inline", **settings)
    def component(what: object) -> Any:
        if isinstance(what, Exception):
            raise what
        return what

    return component


def replaced(**settings: Any) -> Breaker:
    """Return the breaker of these tests with other settings."""
    return Breaker(minimum_calls=1, open_for=30.0, **settings)


def ended(call: Callable[[], Any]) -> Any:
    """Return what a call came to, as something that can be compared."""
    try:
        return call()
    except BoundaryError as error:
        return (
            type(error),
            error.failure,
            error.boundary,
            str(error),
            error.__cause__,
            error.outcome is not None and replace(error.outcome, error=None),
        )


@pytest.fixture
def walked(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what shuts the short way: from then on every call walks the pipeline."""
    return lambda: monkeypatch.setattr(spans, "is_traced", lambda: True)


LADDERS = {
    "none": [],
    "a value": ["floor"],
    "a list": [["one", "two"], "never"],
    "a value, then a function": ["floor", lambda what: what],
    "a function": [lambda what: f"rung of {what}", "never"],
    "a quick function": [Rung(lambda what: f"rung of {what}", inline=True)],
    "kept answers": [last_good(by=lambda what: what, ttl=60.0), "floor"],
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("ladder", LADDERS)
@pytest.mark.parametrize("state", ["open", "off", "paused", "budget"])
def test_the_short_way_comes_to_what_the_pipeline_does(
    state: str, ladder: str, *, is_async: bool, clock: VirtualClock, walked: Callable[[], None]
) -> None:
    """An open breaker, with everything that may have its say before it, and with every kind of ladder."""
    budget = Budget(calls=1) if state == "budget" else None
    guarded = declared("t", is_async=is_async, fallback=LADDERS[ladder], retry=Retry(), budget=budget)

    def call(what: object = "asked") -> Any:
        return clock.run(guarded(what)) if is_async else guarded(what)

    ended(lambda: call(HttpError(401)))
    assert guarded.boundary.breaker.current_state == "open"
    clock.advance(1.0)
    if state == "off":
        guarded.boundary.mode = "off"
    elif state == "paused":
        guarded.boundary._state.partition.cooldown.pause(clock.now() + 5.0)
    short = ended(call)
    walked()
    assert ended(call) == short


@pytest.mark.parametrize("state", ["closed", "due", "half-open", "watched", "off", "paused"])
def test_where_the_breaker_is_not_all_the_pipeline_is_walked(state: str, clock: VirtualClock) -> None:
    """It lets calls in, or something before it has its say."""
    guarded = declared("t", is_async=False, breaker=replaced(metrics_only=state == "watched"), fallback=["floor"])
    short = guarded.boundary._pipelines["sync"].door
    if state != "closed":
        guarded(HttpError(401))
    if state == "due":
        clock.advance(30.0)
    elif state == "half-open":
        guarded.boundary.breaker.half_open()
    elif state == "off":
        guarded.boundary.mode = "off"
    elif state == "paused":
        guarded.boundary._state.partition.cooldown.pause(clock.now() + 5.0)
    assert short.answer() is door.OPEN_DOOR


def test_where_no_time_is_left_the_pipeline_says_so(clock: VirtualClock) -> None:
    """A caller's deadline that is over comes before the breaker."""
    guarded = declared("t", is_async=False)
    ended(lambda: guarded(HttpError(401)))

    def late() -> Any:
        clock.sleep(0.5)
        return guarded("asked")

    with pytest.raises(BoundaryError) as caught:
        Boundary("outer", deadline=0.5, isolation="inline").call(late)
    assert caught.value.failure.kind is FailureKind.DEADLINE_EXHAUSTED


def test_what_leaves_by_the_short_way(clock: VirtualClock) -> None:
    """A `CircuitOpenError` that says when to come back, with an outcome as any other."""
    guarded = declared("t", is_async=False, output=str)
    with pytest.raises(BoundaryError):
        guarded(HttpError(401))
    left = guarded.boundary.breaker.shut_until - clock.now()
    assert 27.0 < left <= 30.0
    clock.advance(2.0)
    with pytest.raises(CircuitOpenError) as caught:
        guarded("asked")
    error = caught.value
    assert error.retry_after == pytest.approx(left - 2.0)
    assert (error.failure.kind, error.failure.stage, error.boundary) == (FailureKind.CIRCUIT_OPEN, "breaker", "t")
    assert error.outcome == Outcome("t", None, False, None, None, error.failure, (), 0.0, contract="str")  # noqa: FBT003
    assert error.outcome.error is error
    assert error.outcome is error.outcome, "asked for twice, it is the same"


def test_the_floor_is_a_fresh_copy_each_time(clock: VirtualClock) -> None:
    """No caller shares a mutable value with another."""
    del clock
    guarded = declared("t", is_async=False, fallback=[["one"]])
    guarded(HttpError(401))
    first = guarded("asked")
    first.append("changed")
    assert guarded("asked") == ["one"]


@pytest.mark.parametrize("listened", [False, True])
def test_a_call_counts_for_the_retry_budget_whichever_way_it_leaves(
    clock: VirtualClock,
    walked: Callable[[], None],
    listened: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Telemetry that is switched on changes no decision."""
    budget = RetryBudget(ratio=1.0, floor=0)
    guarded = declared("t", is_async=False, fallback=["floor"], retry=Retry(), retry_budget=budget)
    guarded(HttpError(401))
    if listened:
        walked()
    for _ in range(3):
        guarded("asked")
    retries = guarded.boundary._state.partition.retries
    assert [retries.spend(clock.now()) for _ in range(5)] == [True] * 4 + [False]


@pytest.mark.parametrize("listener", ["is_traced", "is_counted", "is_heard"])
def test_whoever_listens_hears_of_every_call(
    listener: str, monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    """Spans, measurements and events are made by the pipeline: with any of them wanted, it is walked."""
    del clock
    guarded = declared("t", is_async=False, fallback=["floor"])
    guarded(HttpError(401))
    short = guarded.boundary._pipelines["sync"].door
    assert short.answer() == "floor"
    where = {"is_traced": spans, "is_counted": metrics, "is_heard": events}[listener]
    monkeypatch.setattr(where, listener, lambda: True)
    assert short.answer() is door.OPEN_DOOR


@pytest.mark.parametrize(
    "settings",
    [
        {"breaker": None},
        {"key": lambda what: what},
        {"budget": Budget(calls=5)},
        {"fallback": [lambda what: what]},
    ],
    ids=["no breaker", "keys", "budget", "a function first"],
)
def test_where_more_is_to_be_asked_there_is_no_short_way(settings: dict[str, Any], clock: VirtualClock) -> None:
    """Without a breaker, with keys, with a budget, with a ladder that begins with a function."""
    guarded = declared("t", is_async=False, **settings)
    guarded("asked")
    assert guarded.boundary._pipelines["sync"].door is None
    assert isinstance(declared("u", is_async=False).boundary._pipelines["sync"].door, Door)
    del clock


def test_a_key_of_the_call_walks_the_pipeline(clock: VirtualClock) -> None:
    """Its breaker is another one."""
    del clock
    guarded = declared("t", is_async=False)
    with pytest.raises(BoundaryError):
        guarded(HttpError(401))
    assert guarded.options(key="other")("asked") == "asked"
    with pytest.raises(CircuitOpenError):
        guarded.options(deadline=1.0)("asked")
