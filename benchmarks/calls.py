"""What one successful call costs: async, sync in the caller's thread, sync in a worker thread."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeAlias

from benchmarks.figures import Figure, Section, Verdict, figure, ratio
from benchmarks.peers.catalogue import FRAMEWORKS, GUARD, LIBRARIES
from benchmarks.remote import beside
from benchmarks.slices import Subject, asynchronous, interleave, microseconds, synchronous
from benchmarks.subjects import timed
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
    from collections.abc import Sequence

    from benchmarks.peers.catalogue import Peer, Shape
    from benchmarks.remote import Worker
    from benchmarks.slices import Plan, Spent

BARE = ("bare", "bare call")

Limits: TypeAlias = Mapping[str, float]  # the most that a guarded call may be, by the name of what it is compared with
Taken: TypeAlias = "Mapping[str, Sequence[Spent]]"


def _here(shape: Shape) -> list[Peer]:
    return [peer for peer in LIBRARIES if peer.installed and peer.has(shape) is not None]


def _times(name: str, taken: Taken) -> float:
    """Return how many guarded calls a subject costs: one in its own process, where there is one."""
    guard = taken.get(beside(name), taken[GUARD.name])
    return ratio(microseconds(taken[name]), microseconds(guard))


def _figures(group: str, shape: Shape, subjects: Sequence[Subject], taken: Taken) -> tuple[Figure, ...]:
    features = {peer.name: peer.has(shape) for peer in (*LIBRARIES, *FRAMEWORKS)}
    return tuple(
        figure(
            group,
            it.name,
            it.label,
            "µs",
            microseconds(taken[it.name]),
            times=_times(it.name, taken),
            has=features.get(it.name),
        )
        for it in subjects
    )


def _verdicts(group: str, taken: Taken, limits: Limits) -> tuple[Verdict, ...]:
    guard = microseconds(taken[GUARD.name])
    return tuple(
        Verdict(group, f"guard/{base}", f"guard / {base}", "x", ratio(guard, microseconds(taken[base])), limit)
        for base, limit in limits.items()
    )


def _async_section(
    plan: Plan,
    title: str,
    group: str,
    component: AsyncComponent,
    *,
    limits: Limits | None = None,
    workers: Sequence[Worker] = (),
) -> Section:
    shape: Shape = "asynchronous"
    with asyncio.Runner() as runner:
        subjects = [
            asynchronous(runner, *BARE, component, ANSWER),
            *(timed(peer, shape, runner, component=component) for peer in _here(shape)),
            *(subject for worker in workers for subject in worker.subjects(shape)),
        ]
        taken = interleave(subjects, plan)
    return Section(title, _figures(group, shape, subjects, taken), _verdicts(group, taken, limits or {}))


def async_calls(plan: Plan, workers: Sequence[Worker] = ()) -> Section:
    """Measure async calls of a component that does not suspend: all the time is what surrounds it."""
    limits = {"composed": 0.30, "floor": 1.8}
    return _async_section(plan, "Async call, µs of CPU", "async", answer_async, limits=limits, workers=workers)


def suspending_calls(plan: Plan) -> Section:
    """Measure async calls of a component that suspends once: a turn of the event loop is in every figure."""
    title = "Async call that suspends once, µs of CPU"
    return _async_section(plan, title, "async-suspending", answer_after_suspending)


def inline_calls(plan: Plan, workers: Sequence[Worker] = ()) -> Section:
    """Measure sync calls in the caller's thread."""
    shape: Shape = "synchronous"
    with asyncio.Runner() as runner:
        subjects = [
            synchronous(*BARE, answer, ANSWER),
            *(timed(peer, shape, runner) for peer in _here(shape)),
            *(subject for worker in workers for subject in worker.subjects(shape)),
        ]
        taken = interleave(subjects, plan)
    title = 'Sync call, isolation="inline", µs of CPU'
    return Section(title, _figures("sync", shape, subjects, taken), _verdicts("sync", taken, {"composed": 0.50}))


def threaded_calls(plan: Plan) -> Section:
    """Measure sync calls with a timeout that holds, beside a bare round trip to a waiting worker thread."""
    group = "thread"
    shape: Shape = "threaded"
    with ThreadPoolExecutor(1) as pool:

        def round_trip(ticket: str) -> str:
            return pool.submit(answer, ticket).result(ATTEMPT_TIMEOUT)

        subjects = [
            # both threads' work counts, so the clock is the whole process's
            synchronous("pool", "bare ThreadPoolExecutor round trip", round_trip, ANSWER, clock=time.process_time),
            *(
                synchronous(peer.name, peer.label, peer.wrap(shape, answer), EXPECTED, clock=time.process_time)
                for peer in _here(shape)
            ),
        ]
        taken = interleave(subjects, plan)
    figures = _figures(group, shape, subjects, taken)
    walls = {name: microseconds(spent, wall=True) for name, spent in taken.items()}
    wall = [figure(group, f"{it.name}-wall", f"{it.label}, wall", "µs", walls[it.name]) for it in subjects]
    verdicts = (
        *_verdicts(group, taken, {"pool": 1.2}),
        Verdict(group, "guard/pool-wall", "guard / pool, wall", "x", ratio(walls["guard"], walls["pool"]), 1.2),
    )
    title = 'Sync call, isolation="thread", µs of CPU of the process, and wall'
    return Section(title, (*figures, *wall), verdicts)
