"""What telemetry costs: a call and an item of a stream, with no SDK, with one in each of its states, and exposed."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from benchmarks import streams
from benchmarks.figures import Section, Verdict, figure
from benchmarks.peers.catalogue import Peer
from benchmarks.remote import Worker
from benchmarks.slices import Subject, interleave, microseconds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmarks.slices import Plan, Spent

GROUP: Final = "telemetry"
MODULE: Final = "benchmarks.telemetry_state"
"""The process of a state: providers are set once and for all."""

NONE: Final = "no-sdk"
SAMPLED_OUT: Final = "sampled-out"
RECORDED: Final = "recorded"
KEEP_DEGRADED: Final = "keep-degraded"
EXPOSED: Final = "exposed"

STATES: Final = {
    NONE: "no SDK",
    SAMPLED_OUT: "the trace is sampled out",
    RECORDED: "recorded, in batches",
    KEEP_DEGRADED: "recorded for keep_degraded, and dropped",
    EXPOSED: "no SDK, exposed",
}
SHARES: Final = {SAMPLED_OUT: 50.0, RECORDED: 150.0, KEEP_DEGRADED: 150.0, EXPOSED: None}
"""µs that a call may cost more than with no SDK."""

CHECKS: Final = 5.0
ITEM: Final = 1.0


def telemetry(plan: Plan) -> Section:
    """Measure every state, each in a process of its own, in slices that take turns."""
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(Worker(Peer(name, label, "", "opentelemetry-api"), Path(sys.executable), MODULE))
            for name, label in STATES.items()
        }
        for worker in workers.values():
            worker.wait()
        subjects = [
            Subject(name, f"a call, {STATES[name]}", partial(worker.slice, "call", name))
            for name, worker in workers.items()
        ]
        subjects.append(
            Subject("checks", "what a call asks for it, no SDK", partial(workers[NONE].slice, "checks", NONE))
        )
        subjects += [
            Subject(f"bare-{name}", f"OpenTelemetry alone, {STATES[name]}", partial(workers[name].slice, "bare", name))
            for name in (SAMPLED_OUT, RECORDED)
        ]
        subjects += [
            Subject(
                f"item-{name}",
                f"an item of a stream, {STATES[name]}",
                partial(workers[name].slice, "stream", name),
                len(streams.ITEMS),
            )
            for name in (NONE, RECORDED)
        ]
        taken = interleave(subjects, plan)
    figures = tuple(figure(GROUP, it.name, it.label, "µs", microseconds(taken[it.name])) for it in subjects)
    title = "Telemetry, sync inline, µs of CPU of the process; budgets are for the least of all slices"
    return Section(title, figures, tuple(_verdicts(taken)))


def _verdicts(taken: dict[str, list[Spent]]) -> Iterable[Verdict]:
    least = {name: min(microseconds(spent)) for name, spent in taken.items()}
    yield Verdict(GROUP, "checks", "no SDK: what a call asks, alone", "µs", least["checks"], CHECKS)
    for name, limit in SHARES.items():
        yield Verdict(GROUP, name, f"{STATES[name]} - no SDK", "µs", least[name] - least[NONE], limit)
    more = least[f"item-{RECORDED}"] - least[f"item-{NONE}"]
    yield Verdict(GROUP, "item", "an item, recorded - no SDK", "µs", more, ITEM)
