"""Random schedules of calls, faults, cancellations and clock steps, each held to the reference; see `docs/proof.md`."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from aiguard.stages.cooldown import Cooldown
from tests.simulation.campaign import Found, search
from tests.simulation.drawing import FAMILY, drawn
from tests.simulation.judging import Bench
from tests.simulation.playing import stage
from tests.simulation.schedule import SHAPES
from tests.simulation.shrinking import report, shrunk

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_MOST = 5.0
"""Real seconds that each of the two searches may take: the rest is for `make soak`."""


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Play schedules one by one."""
    with stage():
        yield Bench()


def judged(first: int, schedules: int) -> Found:
    """Play so many schedules, or as many as there is time for; fail with the smallest that fails."""
    found = search(first, first + schedules, until=time.monotonic() + AT_MOST)
    print(f"seeds {first} to {first + found.schedules - 1}")  # noqa: T201 - what is needed to do it again
    if found.failed:
        seed = min(found.failed)
        with stage():
            bench = Bench()
            smallest = shrunk(drawn(seed), bench)
            pytest.fail(report(smallest, bench.judge(smallest, tell=True), f"seed {seed}, made smaller"))
    return found


def test_the_schedules_of_always_agree_with_the_reference() -> None:
    """The same seeds every time: what they found once, they find again."""
    found = judged(0, 6000)
    assert found.schedules > 100


def test_schedules_that_nobody_has_tried_agree_with_the_reference() -> None:
    """Other seeds every time; the first is printed, and a failure says how to replay it."""
    judged(time.time_ns() // 1_000_000 % 1_000_000_000 * FAMILY, 6000)


def test_a_seed_is_all_that_it_takes_to_see_it_again(bench: Bench) -> None:
    """The same seed gives the same schedule, and the same schedule the same timeline, to the last digit."""
    for seed in range(0, 40 * FAMILY, FAMILY + 1):
        assert drawn(seed) == drawn(seed)
        first = bench.judge(drawn(seed), tell=True)
        again = Bench().judge(drawn(seed), tell=True)
        assert first.told == again.told


def test_what_is_drawn_leaves_nothing_out(bench: Bench) -> None:
    """A reference that is never asked proves nothing: every shape, setting, rung and ending comes up."""
    settings: Counter[str] = Counter()
    shapes: Counter[str] = Counter()
    rungs: Counter[str | None] = Counter()
    endings: Counter[str] = Counter()
    for seed in range(0, 600 * FAMILY, FAMILY):
        schedule = drawn(seed)
        shapes[schedule.shape] += 1
        settings.update(name for boundary in schedule.boundaries for name in boundary.settings)
        if seed % 4 == 0:
            played = bench.judge(schedule)
            endings.update(ending.how for ending in played.endings.values())
            rungs.update(ending.outcome.rung for ending in played.endings.values() if ending.outcome is not None)
    assert set(shapes) == set(SHAPES)
    assert set(settings) >= {
        "attempt_timeout",
        "breaker",
        "budget",
        "bulkhead",
        "dependency",
        "fallback_timeout",
        "first_item",
        "hedge",
        "idle",
        "key",
        "mode",
        "on_break",
        "output",
        "reask",
        "retry",
        "retry_budget",
    }
    assert set(rungs) >= {"value", "quick", "slow", "ai", "last_good", None}
    assert set(endings) >= {
        "auth",
        "bad_request",
        "budget_exhausted",
        "bulkhead_full",
        "cancelled",
        "circuit_open",
        "closed",
        "connection",
        "cooling_down",
        "deadline_exhausted",
        "halted",
        "ok",
        "overloaded",
        "rate_limited",
        "schema_violation",
        "stream_interrupted",
        "timeout",
        "unclassified",
    }


def test_a_failing_schedule_is_told_in_full_and_made_smaller(monkeypatch: pytest.MonkeyPatch, bench: Bench) -> None:
    """Policy, script, timeline, what was expected, how to see it again; and nothing that it does not take."""
    monkeypatch.setattr(Cooldown, "pause", lambda *_: None)
    for seed in range(2000):
        schedule = drawn(seed)
        if bench.judge(schedule).wrong:
            break
    else:
        pytest.fail("nothing was found")
    smallest = shrunk(schedule, bench)
    assert len(smallest.callers) <= 2
    assert sum(len(caller.steps) for caller in smallest.callers) <= 4
    text = report(smallest, bench.judge(smallest, tell=True), "found")
    assert f"--replay {schedule.seed}" in text
    assert "call 0 begins" in text
    assert "deadline =" in text
    assert "pause" in text
