"""
What is kept of one call that has ended: when, how long, which attempts, which kinds. Never content.

It is written on the call's way out, so it is a tuple of numbers and words, put into a readable form by who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from aiguard.call import Call
    from aiguard.events import Run
    from aiguard.failure import Failure
    from aiguard.monitor.schema import CallAnswer, RunAnswer

Record: TypeAlias = tuple[Any, ...]
"""As `answer_of` takes it apart."""


def record_of(call: Call, now: float, outcome: str, failure: Failure | None) -> Record:
    """Return what is kept of a call that ends `now`."""
    journal = call.journal
    begun = journal.begun
    listener, asked = journal.listener, journal.asked
    return (
        now,
        now - begun,
        outcome,
        None if failure is None else failure.kind.value,
        None if failure is None else failure.stage,
        journal.rung,
        None if listener is None else getattr(listener, "trace_id", None),
        journal.delivered,
        journal.waited,
        [_run(run, begun) for run in (journal.runs if asked is None else [*journal.runs, *asked])],
    )


def _run(run: Run, begun: float) -> tuple[Any, ...]:
    started = begun if run.started is None else run.started
    failure = run.failure
    return (
        run.number,
        run.reason,
        run.rung,
        started - begun,
        run.ended - started,
        None if failure is None else failure.kind.value,
        run.cancelled,
    )


def answer_of(record: Record, boundary: str, owner: str | None, ahead: float) -> CallAnswer:
    """Return a record in the form that leaves the process; the wall clock is `ahead` of the call's so far."""
    ended, elapsed, outcome, kind, stage, rung, trace_id, delivered, waited, runs = record
    return {
        "boundary": boundary,
        "owner": owner,
        "ended": round(ended + ahead, 3),
        "elapsed": round(elapsed, 6),
        "outcome": outcome,
        "kind": kind,
        "stage": stage,
        "rung": rung,
        "trace_id": trace_id,
        "delivered": delivered,
        "waited": round(waited, 6),
        "runs": [_run_answer(run) for run in runs],
    }


def _run_answer(run: tuple[Any, ...]) -> RunAnswer:
    number, reason, rung, started, elapsed, kind, cancelled = run
    return {
        "number": number if rung is None else None,
        "reason": reason if rung is None else "fallback",
        "rung": rung,
        "started": round(started, 6),
        "elapsed": round(elapsed, 6),
        "kind": kind,
        "cancelled": cancelled,
    }
