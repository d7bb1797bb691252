"""What one successful call costs: async, sync in the caller's thread, sync in a worker thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, TypeAlias

from benchmarks.figures import Figure, Section, Verdict, figure, ratio
from benchmarks.peers import composed, floor, guarded
from benchmarks.slices import Subject, asynchronous, interleave, microseconds, synchronous
from benchmarks.workload import (
    ANSWER,
    ATTEMPT_TIMEOUT,
    EXPECTED,
    AsyncComponent,
    answer,
    answer_after_suspending,
    answer_async,
)

if TYPE_CHECKING:
    from benchmarks.slices import Plan, Spent

BARE = ("bare", "bare call")
FLOOR = ("floor", "by hand: timeout, validation, fallback")
COMPOSED = ("composed", "tenacity + pybreaker + timeout + pydantic")
PIPELINE = ("interlock", "interlock-cb pipeline + pydantic")
GUARD = ("guard", "aiguard, every stage on")

Limits: TypeAlias = Mapping[str, float | None]  # the most that a ratio to this subject may be; None: only informs


def pipeline() -> Any:
    """Return the peer built on interlock-cb, or `None` where that is not installed."""
    return import_module("benchmarks.peers.interlock_pipeline") if find_spec("interlock") else None


def _figures(group: str, subjects: list[Subject], taken: dict[str, list[Spent]]) -> list[Figure]:
    return [figure(group, it.name, it.label, "µs", microseconds(taken[it.name])) for it in subjects]


def _ratios(group: str, taken: dict[str, list[Spent]], limits: Limits) -> tuple[Verdict, ...]:
    guard = microseconds(taken["guard"])
    return tuple(
        Verdict(group, f"guard/{base}", f"guard / {base}", "x", ratio(guard, microseconds(taken[base])), limit)
        for base, limit in limits.items()
        if base in taken
    )


def _async_section(plan: Plan, title: str, group: str, component: AsyncComponent, limits: Limits) -> Section:
    with asyncio.Runner() as runner:
        subjects = [
            asynchronous(runner, *BARE, component, ANSWER),
            asynchronous(runner, *FLOOR, floor.asynchronous(component), EXPECTED),
            asynchronous(runner, *COMPOSED, composed.asynchronous(component), EXPECTED),
            asynchronous(runner, *GUARD, guarded.asynchronous(component), EXPECTED),
        ]
        if peer := pipeline():
            subjects.insert(3, asynchronous(runner, *PIPELINE, peer.asynchronous(component), EXPECTED))
        taken = interleave(subjects, plan)
    return Section(title, tuple(_figures(group, subjects, taken)), _ratios(group, taken, limits))


def async_calls(plan: Plan) -> Section:
    """Measure async calls of a component that does not suspend: all the time is what surrounds it."""
    limits = {"composed": 0.30, "floor": 1.8, "interlock": None}
    return _async_section(plan, "Async call, µs of CPU", "async", answer_async, limits)


def suspending_calls(plan: Plan) -> Section:
    """Measure async calls of a component that suspends once: a turn of the event loop is in every figure."""
    limits: Limits = {"composed": None, "floor": None, "interlock": None}
    title = "Async call that suspends once, µs of CPU"
    return _async_section(plan, title, "async-suspending", answer_after_suspending, limits)


def inline_calls(plan: Plan) -> Section:
    """Measure sync calls in the caller's thread; no peer has a timeout there, as none can interrupt a function."""
    subjects = [
        synchronous(*BARE, answer, ANSWER),
        synchronous("floor", "by hand: deadline check, validation, fallback", floor.synchronous(answer), EXPECTED),
        synchronous("composed", "tenacity + pybreaker + pydantic", composed.synchronous(answer), EXPECTED),
        synchronous(*GUARD, guarded.synchronous(answer), EXPECTED),
    ]
    if peer := pipeline():
        subjects.insert(3, synchronous(*PIPELINE, peer.synchronous(answer), EXPECTED))
    taken = interleave(subjects, plan)
    limits = {"composed": 0.50, "floor": None, "interlock": None}
    title = 'Sync call, isolation="inline", µs of CPU'
    return Section(title, tuple(_figures("sync", subjects, taken)), _ratios("sync", taken, limits))


def threaded_calls(plan: Plan) -> Section:
    """Measure sync calls with a deadline that holds, beside a bare round trip to a waiting worker thread."""
    group = "thread"
    with ThreadPoolExecutor(1) as pool:

        def round_trip(ticket: str) -> str:
            return pool.submit(answer, ticket).result(ATTEMPT_TIMEOUT)

        subjects = [
            # both threads' work counts, so the clock is the whole process's
            synchronous("pool", "bare ThreadPoolExecutor round trip", round_trip, ANSWER, clock=time.process_time),
            synchronous(*COMPOSED, composed.threaded(answer), EXPECTED, clock=time.process_time),
            synchronous(*GUARD, guarded.threaded(answer), EXPECTED, clock=time.process_time),
        ]
        if peer := pipeline():
            subjects.insert(2, synchronous(*PIPELINE, peer.threaded(answer), EXPECTED, clock=time.process_time))
        taken = interleave(subjects, plan)
    walls = {name: microseconds(spent, wall=True) for name, spent in taken.items()}
    wall = [figure(group, f"{it.name}-wall", f"{it.label}, wall", "µs", walls[it.name]) for it in subjects]
    on_the_wall = ratio(walls["guard"], walls["pool"])
    verdicts = (
        *_ratios(group, taken, {"pool": 1.2, "composed": None, "interlock": None}),
        Verdict(group, "guard/pool-wall", "guard / pool, wall", "x", on_the_wall, 1.2),
    )
    title = 'Sync call, isolation="thread", µs of CPU of the process, and wall'
    return Section(title, (*_figures(group, subjects, taken), *wall), verdicts)
