"""Many schedules, over all cores: how many, how fast, and every seed that failed."""

from __future__ import annotations

import gc
import os
import time
from collections import Counter
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from tests.simulation.drawing import FAMILY, drawn
from tests.simulation.judging import Bench
from tests.simulation.playing import stage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOT: Final = 50 * FAMILY
"""Seeds that a process is given at a time."""

KEPT: Final = 20
"""Failing seeds that are kept of a campaign: the first few say all."""


@dataclass
class Found:
    """
    What a range of seeds came to.

    Attributes:
        schedules: How many were played.
        calls: How many calls they made.
        runs: How often the component was called.
        endings: How the calls ended.
        failed: The seeds that failed, each with what was wrong first.
        failures: How many failed.
    """

    schedules: int = 0
    calls: int = 0
    runs: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    failed: dict[int, str] = field(default_factory=dict)
    failures: int = 0

    def add(self, other: Found) -> None:
        """Add what another range came to."""
        self.schedules += other.schedules
        self.calls += other.calls
        self.runs += other.runs
        self.endings.update(other.endings)
        self.failures += other.failures
        for seed in sorted(other.failed)[: KEPT - len(self.failed)]:
            self.failed[seed] = other.failed[seed]


def search(first: int, end: int, *, until: float = float("inf")) -> Found:
    """Play the schedules of the seeds from `first` to `end`, as far as there is time until `until`."""
    found = Found()
    gc.set_threshold(
        20_000, 20, 50
    )  # a schedule leaves little in cycles, and looking for it would take a tenth of the time
    with stage():
        bench = Bench()
        for seed in range(first, end):
            if time.monotonic() > until:
                break
            played = bench.judge(drawn(seed))
            found.schedules += 1
            found.calls += len(played.endings)
            found.runs += len(played.runs)
            found.endings.update(ending.how for ending in played.endings.values())
            if played.wrong:
                found.failures += 1
                if len(found.failed) < KEPT:
                    found.failed[seed] = played.wrong[0]
    return found


def campaign(first: int, schedules: int, jobs: int, tell: Callable[[Found], None]) -> Found:
    """Play so many schedules in `jobs` processes; `tell` hears of the state of things now and then."""
    found = Found()
    lots = _lots(first, schedules)
    with ProcessPoolExecutor(jobs) as pool:
        running: set[Future[Found]] = set()
        for lot in lots:
            running.add(pool.submit(search, *lot))
            if len(running) >= 2 * jobs:
                running = _gathered(running, found)
                tell(found)
        while running:
            running = _gathered(running, found)
            tell(found)
    return found


def _lots(first: int, schedules: int) -> Iterator[tuple[int, int]]:
    end = first + schedules
    while first < end:
        following = min(end, (first // LOT + 1) * LOT)
        yield first, following
        first = following


def _gathered(running: set[Future[Found]], found: Found) -> set[Future[Found]]:
    done, rest = wait(running, return_when=FIRST_COMPLETED)
    for one in done:
        found.add(one.result())
    return rest


def cores() -> int:
    """Return how many processes may run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
