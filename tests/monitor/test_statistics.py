"""What is counted of one boundary: the last minute, the totals, the last calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiguard.call import Call, Journal
from aiguard.events import Run
from aiguard.failure import Failure, FailureKind
from aiguard.monitor.statistics import RECENT, Statistics
from aiguard.telemetry import names

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


def ended(clock: VirtualClock, took: float = 0.0) -> Call:
    """Return a call that ends now, after `took` seconds."""
    journal = Journal(clock.now(), None, None)
    clock.advance(took)
    return Call(len, (), {}, 0.0, clock, None, journal, Run())  # type: ignore[arg-type]


def failure(kind: FailureKind) -> Failure:
    """Return a failure of that kind."""
    return Failure(kind, "component", "")


def test_a_minute_forgets_what_is_older(clock: VirtualClock) -> None:
    """In steps of five seconds: 55 to 60 seconds are looked at, and it says how many."""
    statistics = Statistics(clock.now())
    statistics.count(ended(clock), names.SUCCESS, None)
    clock.advance(54.0)
    assert statistics.minute(clock.now()).outcomes == {names.SUCCESS: 1}
    assert statistics.minute(clock.now()).seconds == 54.0
    clock.advance(6.0)
    minute = statistics.minute(clock.now())
    assert (minute.outcomes, minute.durations) == ({}, {})
    assert 55.0 <= minute.seconds <= 60.0


@pytest.mark.parametrize("pause", [0.3, 7.0, 200.0])
def test_totals_forget_nothing(clock: VirtualClock, pause: float) -> None:
    """However much time goes by between calls."""
    statistics = Statistics(clock.now())
    for _ in range(50):
        statistics.count(ended(clock), names.SUCCESS, None)
        statistics.count(ended(clock), names.ERROR, failure(FailureKind.TIMEOUT))
        clock.advance(pause)
    assert statistics.totals() == {names.SUCCESS: 50, names.ERROR: 50}


def test_the_last_calls_are_bounded(clock: VirtualClock) -> None:
    """Those that went well do not drive those out that did not."""
    statistics = Statistics(clock.now())
    statistics.count(ended(clock), names.FALLBACK, failure(FailureKind.TIMEOUT))
    for _ in range(3 * RECENT):
        statistics.count(ended(clock), names.SUCCESS, None)
    assert len(statistics.last(failed=False)) == RECENT
    assert [record[2] for record in statistics.last(failed=True)] == [names.FALLBACK]


def test_the_last_of_each_kind_is_kept(clock: VirtualClock) -> None:
    """A thousand calls that an open breaker turns away do not hide why it opened."""
    statistics = Statistics(clock.now())
    statistics.count(ended(clock), names.FALLBACK, failure(FailureKind.TIMEOUT))
    for _ in range(1000):
        statistics.count(ended(clock), names.FALLBACK, failure(FailureKind.CIRCUIT_OPEN))
    assert [record[3] for record in statistics.last_of_each_kind()] == ["timeout", "circuit_open"]
    assert statistics.minute(clock.now()).kinds == {"timeout": 1, "circuit_open": 1000}


def test_a_cancelled_call_says_nothing_of_how_long_calls_take(clock: VirtualClock) -> None:
    """It is counted, and its duration is not: it is how long its caller was patient."""
    statistics = Statistics(clock.now())
    statistics.count(ended(clock, 9.0), names.CANCELLED, None)
    minute = statistics.minute(clock.now())
    assert (minute.outcomes, minute.durations) == ({names.CANCELLED: 1}, {})
    assert len(statistics.last(failed=False)) == 1
    assert statistics.last(failed=True) == []


def test_no_exception_is_kept(clock: VirtualClock) -> None:
    """Its traceback holds the frames of the call, and its text may hold a prompt."""
    statistics = Statistics(clock.now())
    call = ended(clock)
    run = Run()
    run.started, run.ended = clock.now(), clock.now()
    run.failure = Failure(FailureKind.TIMEOUT, "component", "", None, ValueError("SECRET-PROMPT"))
    call.journal.runs.append(run)
    statistics.count(call, names.ERROR, run.failure)

    def leaves(value: object) -> list[object]:
        if isinstance(value, tuple | list):
            return [leaf for item in value for leaf in leaves(item)]
        return [value]

    [record] = statistics.last(failed=True)
    assert all(isinstance(leaf, float | int | str | None) for leaf in leaves(record))
    assert "SECRET" not in repr(record)
