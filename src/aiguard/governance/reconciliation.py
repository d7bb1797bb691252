"""
The gate's file and the control store, brought together.

The store decides what was ended, the gate's file what was begun: a halt is in the file before it is in the store, and
a resume in the store before it leaves the file. Whoever is killed in between leaves something that the next control
operation finds: a halt that nobody recorded, one that was lifted and still stands, one that the file has lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiguard.gate_file import BrokenError, NewerError
from aiguard.halts import EVERY
from aiguard.risk import TIERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.gate_file import GateFile, Halts
    from aiguard.governance.store import Change, Kept
    from aiguard.halts import Halt
    from aiguard.risk import Risk


def begun(change: Change, halt: Halt, *, late: bool = False) -> int:
    """Record a halt, and keep it as in force; return the record's number."""
    seq = change.append("halt", **said_of(halt), by=halt.by, since=halt.since, stays=halt.stays, late=late or None)
    change.begin(halt._replace(recorded=True), seq)
    return seq


def said_of(halt: Halt) -> dict[str, object]:
    """Return what a record says of a halt."""
    return {
        "halt": halt.id,
        "boundary": halt.boundary,
        "key": halt.key,
        "reason": halt.reason,
        "until": halt.until,
    }


def reconcile(
    change: Change, gate: GateFile, now: float, risk: Callable[[str], Risk | None], back: Halts = ()
) -> frozenset[str]:
    """
    Record what the gate has and the store has not, what has expired, and put back what the gate has lost.

    To be called while the transaction is open: nobody ends a halt meanwhile. Returns the ids that the gate has.

    Args:
        change: The transaction.
        gate: The gate's file.
        now: Unix seconds.
        risk: What is at stake at a boundary; `None` where nobody knows.
        back: What was put back into the gate already.

    Raises:
        UnusableError: The gate's file cannot be read, or not be written where that is needed.
    """
    try:
        there = gate.read().halts if gate.path.exists() else ()
    except NewerError:
        raise
    except BrokenError:
        there = ()
    ids = frozenset(halt.id for halt in there)
    kept = change.among(ids)
    for halt in there:
        if halt.id not in kept:
            begun(change, halt, late=True)
    _expire(change, now, risk)
    in_force = change.in_force()
    lost = tuple(one.halt for id_, one in in_force.items() if id_ not in ids)
    if lost:
        gate.change(lambda halts: with_these(halts, lost))
    for halt in (*(one for one in back if one.id in in_force), *lost):  # only now: it may have failed
        change.append("restored", **said_of(halt))
    return ids | {halt.id for halt in lost}


def with_these(halts: Halts, others: Halts) -> Halts:
    """Return the halts, and those of the others that are not among them."""
    ids = {halt.id for halt in halts}
    return (*halts, *(halt for halt in others if halt.id not in ids))


def settle(gate: GateFile, kept: dict[str, Kept]) -> None:
    """Mark in the gate what is on the record, and take out what was ended. Raises `UnusableError`."""

    def settled(halts: Halts) -> Halts:
        return tuple(
            halt._replace(recorded=True) if halt.id in kept else halt
            for halt in halts
            if halt.id not in kept or kept[halt.id].ended is None
        )

    gate.change(settled)


def _expire(change: Change, now: float, risk: Callable[[str], Risk | None]) -> None:
    """
    Record that the time of a halt was over.

    It ends the halt only where it is known that the boundary may go on by itself: one of high risk, or of a risk that
    nobody knows here, stays in the gate, where each process decides by what it declares, until the risk is known.
    """
    for one in change.in_force().values():
        halt = one.halt
        if halt.holds(now, "low"):
            continue
        known = risk(halt.boundary) if halt.boundary != EVERY else None
        ends = known is not None and TIERS[known].halt_ends
        if one.expired is not None and not ends:
            continue
        seq = change.append("expired", **said_of(halt), ends=ends or None)
        change.expire(halt.id, seq)
        if ends:
            change.end(halt.id, seq)
