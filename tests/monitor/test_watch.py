"""What this process takes note of, over all shapes of functions."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Breaker, guard
from aiguard.engine.observer import OBSERVED
from aiguard.monitor.statistics import Statistics
from aiguard.stages import breaker

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.monitor.watch import Watch
    from aiguard.testing import VirtualClock
    from tests.shapes import Harness

    Scenario = Callable[..., Harness]


def totals(watch: Watch, name: str = "scenario") -> dict[str, int]:
    """Return how the calls of a boundary ended."""
    statistics = watch.statistics(name)
    return {} if statistics is None else statistics.totals()


def test_every_call_is_counted_once_by_how_it_ended(scenario: Scenario, watch: Watch) -> None:
    """Whatever its shape."""
    harness = scenario("ok", "ok", ConnectionError(), fallback=["rung"])
    harness()
    harness.outcome()
    harness.outcome()
    assert totals(watch) == {"success": 2, "fallback": 1}


def test_what_no_rung_answers_is_an_error_or_a_rejection(scenario: Scenario, watch: Watch) -> None:
    """A call that an open breaker turns away did not fail."""
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1))
    harness.fails()
    harness.fails()
    harness.outcome()
    assert totals(watch) == {"error": 1, "rejected": 2}


def test_a_call_that_an_open_breaker_turns_away_is_seen(scenario: Scenario, watch: Watch) -> None:
    """Also where a value answers it at once, by the short way out."""
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1), fallback=["rung"])
    for _ in range(3):
        harness()
    assert totals(watch) == {"fallback": 3}
    assert [move.state for move in watch.moves("scenario")] == ["open"]


def test_a_programmers_error_is_cancelled(clock: VirtualClock, watch: Watch) -> None:
    """It is no failure of the component."""
    del clock

    @guard("embed", deadline=1.0, isolation="inline")
    def embed(text: str) -> int:
        return len(text)

    with pytest.raises(TypeError):
        embed()  # type: ignore[call-arg]
    assert totals(watch, "embed") == {"cancelled": 1}


def test_nothing_is_noted_before_and_after(scenario: Scenario, watch: Watch) -> None:
    """Where nobody may look, nobody listens: neither to calls nor to breakers."""
    told = breaker.moved
    watch.end()
    assert OBSERVED.observer is None
    assert breaker.moved is not None
    assert breaker.moved != told
    harness = scenario("ok")
    harness()
    assert totals(watch) == {}


def test_who_was_told_of_breakers_before_is_told_still(
    scenario: Scenario, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Telemetry hears of every move, too."""
    heard: list[Any] = []
    monkeypatch.setattr(watch, "_told", heard.append)
    harness = scenario(ConnectionError(), breaker=Breaker(minimum_calls=1))
    harness.fails()
    assert [(event.before, event.after) for event in heard] == [("closed", "open")]


def test_a_fault_of_ours_does_not_become_the_callers(
    scenario: Scenario, watch: Watch, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is told once, without a word of what was asked."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("SECRET-PROMPT")

    monkeypatch.setattr(Statistics, "count", broken)
    harness = scenario("ok", "ok")
    with caplog.at_level(logging.WARNING, "aiguard"):
        assert [harness(), harness()] == ["ok", "ok"]
    assert caplog.messages == ["boundary 'scenario': a call was not counted: ZeroDivisionError"]
    del watch


def test_a_forked_process_begins_with_nothing(scenario: Scenario, watch: Watch) -> None:
    """The calls of its parent are not its own."""
    harness = scenario("ok", "ok")
    harness()
    watch.forked()
    assert totals(watch) == {}
    harness()
    assert totals(watch) == {"success": 1}
