"""Timing in short interleaved slices, so that what the machine does meanwhile hits every subject alike."""

from __future__ import annotations

import asyncio
import gc
import time
from dataclasses import dataclass
from itertools import repeat
from typing import TYPE_CHECKING, Any

from benchmarks.workload import TICKET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to measure."""

    slices: int
    seconds: float


FULL = Plan(slices=60, seconds=0.010)
QUICK = Plan(slices=7, seconds=0.002)


@dataclass(frozen=True, slots=True)
class Spent:
    """Seconds: for one slice, or for one unit of its work."""

    cpu: float
    wall: float


@dataclass(frozen=True, slots=True)
class Subject:
    """
    Something to time.

    Attributes:
        name: Its key in the report.
        label: What people read.
        run: Repeats the work so many times and says what that took.
        units: What one repetition is divided by: the items of a stream, else 1.
    """

    name: str
    label: str
    run: Callable[[int], Spent]
    units: int = 1


class WrongAnswerError(Exception):
    """A subject answered something else than it should: its time would mean nothing."""

    def __init__(self, name: str, answer: object) -> None:
        super().__init__(f"{name} answered {answer!r}")


def synchronous(
    name: str,
    label: str,
    call: Callable[[str], Any],
    expected: object,
    *,
    units: int = 1,
    clock: Callable[[], float] = time.thread_time,
) -> Subject:
    """Return a subject that calls a function; work in other threads needs `time.process_time` as its clock."""

    def run(times: int) -> Spent:
        answer = None
        wall, cpu = time.perf_counter(), clock()
        for _ in repeat(None, times):
            answer = call(TICKET)
        spent = Spent(clock() - cpu, time.perf_counter() - wall)
        if answer != expected:
            raise WrongAnswerError(name, answer)
        return spent

    return Subject(name, label, run, units)


def asynchronous(
    runner: asyncio.Runner,
    name: str,
    label: str,
    call: Callable[[str], Awaitable[Any]],
    expected: object,
    *,
    units: int = 1,
    clock: Callable[[], float] = time.thread_time,
) -> Subject:
    """Return a subject that awaits a function, in one task on the runner's loop."""

    async def timed(times: int) -> Spent:
        answer = None
        wall, cpu = time.perf_counter(), clock()
        for _ in repeat(None, times):
            answer = await call(TICKET)
        # a turn of the loop inside the slice: cancelled timers are swept there, at the cost of who made them
        await asyncio.sleep(0)
        spent = Spent(clock() - cpu, time.perf_counter() - wall)
        if answer != expected:
            raise WrongAnswerError(name, answer)
        return spent

    return Subject(name, label, lambda times: runner.run(timed(times)), units)


def calibrate(subject: Subject, seconds: float) -> int:
    """Return how many repetitions fill a slice; warms the subject up on the way."""
    times = 1
    while (spent := subject.run(times).cpu) < seconds / 2:
        times *= 2
    return max(1, round(times * seconds / spent))


def interleave(subjects: Sequence[Subject], plan: Plan) -> dict[str, list[Spent]]:
    """
    Time every subject in every round; return what one unit took, by subject, slice by slice.

    The n-th slices of all subjects ran within the same round: they may be compared with each other.
    """
    times = {subject.name: calibrate(subject, plan.seconds) for subject in subjects}
    taken: dict[str, list[Spent]] = {subject.name: [] for subject in subjects}
    collecting = gc.isenabled()
    try:
        for turn in range(plan.slices):
            first = turn % len(subjects)
            gc.collect()
            gc.disable()
            for subject in (*subjects[first:], *subjects[:first]):
                spent = subject.run(times[subject.name])
                units = times[subject.name] * subject.units
                taken[subject.name].append(Spent(spent.cpu / units, spent.wall / units))
            gc.enable()
    finally:
        (gc.enable if collecting else gc.disable)()
    return taken


def microseconds(taken: Sequence[Spent], *, wall: bool = False) -> list[float]:
    """Return one clock's readings in µs."""
    return [(spent.wall if wall else spent.cpu) * 1e6 for spent in taken]
