"""The boundaries of this process as plain data: what they are, how they are, how their last calls went."""

from __future__ import annotations

import os
import sys
from heapq import merge
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiguard.boundary import boundaries
from aiguard.engine.state import SURROUNDINGS
from aiguard.monitor.durations import percentiles
from aiguard.monitor.record import answer_of
from aiguard.monitor.schema import HALTED, VERSION
from aiguard.owner import label_of, runbook_of
from aiguard.stages.circuit import CLOSED, OPEN
from aiguard.stages.pricing import BILLIONTHS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.boundary import Boundary
    from aiguard.clock import Clock
    from aiguard.contract import ContractRates
    from aiguard.engine.state import State
    from aiguard.halts import Halt
    from aiguard.monitor.record import Record
    from aiguard.monitor.schema import (
        BoundaryAnswer,
        BreakerAnswer,
        CallAnswer,
        ContractAnswer,
        FailureAnswer,
        HaltAnswer,
        MinuteAnswer,
        PermitsAnswer,
        ProcessAnswer,
        SpentAnswer,
        StateAnswer,
        TraceAnswer,
    )
    from aiguard.monitor.watch import Watch
    from aiguard.stages.breaker import CircuitBreaker
    from aiguard.stages.partition import Partition

KEYS: Final = 16
"""Keys of a boundary whose health is told: those that are not at rest."""

CALLS: Final = 1000
"""Calls that one answer may hold."""


def state_of_process(watch: Watch) -> StateAnswer:
    """Return what every boundary of this process is doing."""
    return {
        "version": VERSION,
        "process": process_of(watch),
        "boundaries": [_boundary(boundary, watch) for boundary in boundaries()],
    }


def trace_of_process(watch: Watch, *, boundary: str | None, last: int, failed: bool) -> TraceAnswer:
    """Return the last calls of this process, or of one boundary, the oldest first."""
    kept = [_calls(one, watch, failed=failed) for one in boundaries() if boundary in {None, one.name}]
    newest = list(merge(*kept, key=lambda call: call["ended"]))[-min(last, CALLS) :]
    return {"version": VERSION, "process": process_of(watch), "calls": newest}


def process_of(watch: Watch) -> ProcessAnswer:
    """Return which process this is."""
    argv = getattr(sys, "argv", None) or [""]
    program = Path(argv[0]).name if argv[0] not in {"", "-c", "-m"} else "python"
    if program == "__main__.py":
        program = Path(argv[0]).parent.name
    return {
        "pid": os.getpid(),
        "program": program,
        "aiguard": version("aiguard-boundary"),
        "now": round(SURROUNDINGS.clock.wall(), 3),
        "since": round(watch.since, 3),
    }


def _calls(boundary: Boundary, watch: Watch, *, failed: bool) -> list[CallAnswer]:
    statistics = watch.statistics(boundary.name)
    records: list[Record] = statistics.last(failed=failed) if statistics is not None else []
    ahead = _ahead(_state_of(boundary).clock)
    owner = label_of(boundary.policy.owner)
    calls = [answer_of(record, boundary.name, owner, ahead) for record in records]
    return sorted(calls, key=lambda call: call["ended"])


def _boundary(boundary: Boundary, watch: Watch) -> BoundaryAnswer:
    state, policy = _state_of(boundary), boundary.policy
    clock = state.clock
    now = clock.now()
    ahead = _ahead(clock)
    statistics = watch.statistics(boundary.name)
    failures: list[FailureAnswer] = []
    minute = _NO_MINUTE
    outcomes: dict[str, int] = {}
    if statistics is not None:
        last = statistics.minute(now)
        p50, p95, p99 = percentiles(last.durations)
        minute = {
            "seconds": round(last.seconds, 3),
            "outcomes": dict(last.outcomes),
            "kinds": dict(last.kinds),
            "durations": sorted(last.durations.items()),
            "p50": p50,
            "p95": p95,
            "p99": p99,
        }
        outcomes = statistics.totals()
        failures = [_failure(record, ahead) for record in statistics.last_of_each_kind()]
    halts = [_halt(halt) for halt in state.switch.halts()]
    until = max(partition.cooldown.until for partition in _partitions(state))
    return {
        "name": boundary.name,
        "owner": label_of(policy.owner),
        "runbook": runbook_of(policy.owner),
        "risk": policy.risk,
        "dependency": policy.dependency,
        "mode": HALTED if boundary.mode == "on" and state.switch.halted() is not None else boundary.mode,
        "halts": halts,
        "gate": state.switch.broken,
        "breakers": _breakers(boundary, watch, now, ahead),
        "cooldown_until": round(until + ahead, 3) if until > now else None,
        "permits": _permits(boundary),
        "abandoned": boundary.abandoned,
        "minute": minute,
        "outcomes": outcomes,
        "failures": sorted(failures, key=lambda failure: -failure["when"]),
        "contracts": {name: _contract(rates) for name, rates in boundary.contracts.items()},
        "budget": _spent(boundary, now),
    }


_NO_MINUTE: Final[MinuteAnswer] = {
    "seconds": 0.0,
    "outcomes": {},
    "kinds": {},
    "durations": [],
    "p50": None,
    "p95": None,
    "p99": None,
}


def _state_of(boundary: Boundary) -> State:
    return boundary._state  # noqa: SLF001 - what a boundary is made of is its own affair, to look at ours


def _ahead(clock: Clock) -> float:
    """Return what the wall clock is ahead of the one that the boundary counts on."""
    return clock.wall() - clock.now()


def _partitions(state: State) -> Iterator[Partition]:
    """Return the health of what has no key, then that of every key."""
    dependency = state.dependency
    yield dependency.partition
    yield from tuple(dependency._partitions.values())  # noqa: SLF001 - asking by key would count as a use


def _breakers(boundary: Boundary, watch: Watch, now: float, ahead: float) -> list[BreakerAnswer]:
    if boundary.policy.breaker is None:
        return []
    first, *keyed = _state_of(boundary).dependency.breakers
    moved = islice((one for one in keyed if one.current_state != CLOSED), KEYS)
    return [_breaker(one, watch, now, ahead) for one in (first, *moved)]


def _breaker(breaker: CircuitBreaker, watch: Watch, now: float, ahead: float) -> BreakerAnswer:
    name, state = breaker.name or "", breaker.current_state
    moves = watch.moves(name)
    until = breaker.shut_until
    return {
        "name": name,
        "state": state,
        "since": round(moves[-1].when + ahead, 3) if moves and moves[-1].state == state else None,
        "until": round(until + ahead, 3) if state == OPEN and until > now else None,
        "failures": breaker.fail_counter,
        "moves": [{"when": round(move.when + ahead, 3), "before": move.before, "state": move.state} for move in moves],
    }


def _permits(boundary: Boundary) -> PermitsAnswer | None:
    permits = boundary.bulkhead
    if permits is None:
        return None
    return {
        "limit": permits.limit,
        "in_flight": permits.in_flight,
        "queued": permits.queued,
        "queue": permits.queue,
    }


def _failure(record: Record, ahead: float) -> FailureAnswer:
    ended, _, outcome, kind, stage, *_ = record
    return {"when": round(ended + ahead, 3), "kind": kind or "", "stage": stage or "", "outcome": outcome}


def _contract(rates: ContractRates) -> ContractAnswer:
    return {
        "judged": rates.judged,
        "broken": rates.broken,
        "repaired": rates.repaired,
        "refused": rates.refused,
        "truncated": rates.truncated,
        "codes": dict(rates.codes),
    }


def _halt(halt: Halt) -> HaltAnswer:
    return {
        "id": halt.id,
        "key": halt.key,
        "by": halt.by,
        "reason": halt.reason,
        "since": round(halt.since, 3),
        "until": None if halt.until is None or halt.stays else round(halt.until, 3),
    }


def _spent(boundary: Boundary, now: float) -> SpentAnswer | None:
    ledger, budget = _state_of(boundary).ledger, boundary.policy.budget
    if ledger is None or budget is None:
        return None
    with ledger._lock:  # noqa: SLF001 - a ledger forgets when it is next asked to reserve, which may be in an hour
        ledger._turn(now)  # noqa: SLF001 - as above
    calls, tokens, money = ledger.spent
    return {
        "per": budget.per,
        "calls": calls,
        "calls_limit": budget.calls,
        "tokens": tokens,
        "tokens_limit": budget.tokens,
        "usd": money / BILLIONTHS,
        "usd_limit": budget.usd,
    }
