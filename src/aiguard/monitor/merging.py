"""
What several processes answered, boundary by boundary.

Rates, counts and permits are added up. Percentiles are those of all calls together, which is why processes tell how
many calls fell into which bucket: percentiles themselves cannot be put together.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final, TypedDict

from aiguard.monitor.durations import added, percentiles
from aiguard.risk import TIERS
from aiguard.stages.circuit import CLOSED, HALF_OPEN, OPEN
from aiguard.telemetry import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiguard.monitor.schema import (
        BoundaryAnswer,
        BreakerAnswer,
        CallAnswer,
        ContractAnswer,
        FailureAnswer,
        HaltAnswer,
        PermitsAnswer,
        ProcessAnswer,
        SpentAnswer,
        StateAnswer,
        TraceAnswer,
    )

_WORST: Final = (OPEN, HALF_OPEN, CLOSED)


class MergedBreaker(TypedDict):
    """A breaker of one process, which counts since then."""

    pid: int
    counting_since: float
    breaker: BreakerAnswer


class MergedFailure(TypedDict):
    """A call that the component did not answer, in one process."""

    pid: int
    failure: FailureAnswer


class Merged(TypedDict):
    """
    One boundary, in all processes that have it.

    `mode` is `"mixed"` where they differ, `risk` the highest of any, `halts` has those in force in any, `gate` says
    what is wrong with that of any, `breaker` is the worst state of any. `rate` counts calls a second; `degraded` is the
    share of calls that a rung answered in the last minute, `failed` of those that got no value; both leave cancelled
    calls out, and are `None` where there was no other. `failures` has the last of each kind.
    """

    name: str
    owner: str | None
    runbook: str | None
    risk: str | None
    dependency: str | None
    processes: int
    mode: str
    halts: list[HaltAnswer]
    gate: str | None
    breaker: str | None
    breakers: list[MergedBreaker]
    cooldown_until: float | None
    permits: PermitsAnswer | None
    abandoned: int
    rate: float
    p50: float | None
    p95: float | None
    p99: float | None
    degraded: float | None
    failed: float | None
    minute: dict[str, int]
    kinds: dict[str, int]
    outcomes: dict[str, int]
    failures: list[MergedFailure]
    contracts: dict[str, ContractAnswer]
    budget: SpentAnswer | None


class MergedCall(TypedDict):
    """A call, and the process that it ran in."""

    pid: int
    call: CallAnswer


Part = tuple["ProcessAnswer", "BoundaryAnswer"]


def merged(answers: Iterable[StateAnswer]) -> list[Merged]:
    """Return every boundary of the answers, by name."""
    parts: defaultdict[str, list[Part]] = defaultdict(list)
    for answer in answers:
        for boundary in answer["boundaries"]:
            parts[boundary["name"]].append((answer["process"], boundary))
    return [_merged(name, parts[name]) for name in sorted(parts)]


def now_of(answers: Iterable[StateAnswer | TraceAnswer]) -> float:
    """Return the moment of the answers, on the wall clock of their processes."""
    return max((answer["process"]["now"] for answer in answers), default=0.0)


def merged_calls(answers: Iterable[TraceAnswer], last: int) -> list[MergedCall]:
    """Return the last calls of all answers together, the oldest first."""
    calls: list[MergedCall] = [
        {"pid": answer["process"]["pid"], "call": call} for answer in answers for call in answer["calls"]
    ]
    return sorted(calls, key=lambda one: one["call"]["ended"])[-last:]


def _merged(name: str, parts: Sequence[Part]) -> Merged:
    each = [boundary for _, boundary in parts]
    breakers: list[MergedBreaker] = [
        {"pid": process["pid"], "counting_since": process["since"], "breaker": breaker}
        for process, boundary in parts
        for breaker in boundary["breakers"]
    ]
    failures: list[MergedFailure] = [
        {"pid": process["pid"], "failure": failure} for process, boundary in parts for failure in boundary["failures"]
    ]
    minute = added(boundary["minute"]["outcomes"] for boundary in each)
    judged = sum(minute.values()) - minute[names.CANCELLED]
    lost = minute[names.ERROR] + minute[names.REJECTED]
    p50, p95, p99 = percentiles(added(dict(boundary["minute"]["durations"]) for boundary in each))
    return {
        "name": name,
        "owner": _word(boundary["owner"] for boundary in each),
        "runbook": _word(boundary.get("runbook") for boundary in each),
        "risk": _highest([boundary.get("risk") for boundary in each]),
        "dependency": _word(boundary["dependency"] for boundary in each),
        "processes": len(each),
        "mode": _mode([boundary["mode"] for boundary in each]),
        "halts": _halts(each),
        "gate": next((why for boundary in each if (why := boundary.get("gate")) is not None), None),
        "breaker": _worst([one["breaker"]["state"] for one in breakers]),
        "breakers": breakers,
        "cooldown_until": max((boundary["cooldown_until"] or 0.0 for boundary in each), default=0.0) or None,
        "permits": _permits([held for boundary in each if (held := boundary["permits"]) is not None]),
        "abandoned": sum(boundary["abandoned"] for boundary in each),
        "rate": sum(_rate(boundary) for boundary in each),
        "p50": p50,
        "p95": p95,
        "p99": p99,
        "degraded": minute[names.FALLBACK] / judged if judged else None,
        "failed": lost / judged if judged else None,
        "minute": dict(minute),
        "kinds": dict(added(boundary["minute"]["kinds"] for boundary in each)),
        "outcomes": dict(added(boundary["outcomes"] for boundary in each)),
        "failures": _last_of_each_kind(failures),
        "contracts": _contracts(boundary["contracts"] for boundary in each),
        "budget": _spent([spent for boundary in each if (spent := boundary["budget"]) is not None]),
    }


def _last_of_each_kind(failures: list[MergedFailure]) -> list[MergedFailure]:
    found: dict[str, MergedFailure] = {}
    for one in sorted(failures, key=lambda one: -one["failure"]["when"]):
        found.setdefault(one["failure"]["kind"], one)
    return list(found.values())


def _rate(boundary: BoundaryAnswer) -> float:
    minute = boundary["minute"]
    return sum(minute["outcomes"].values()) / max(minute["seconds"], 1.0)


def _word(words: Iterable[str | None]) -> str | None:
    """Return the one word that all say, or all of them."""
    return ", ".join(sorted({word for word in words if word})) or None


def _mode(modes: Sequence[str]) -> str:
    return modes[0] if len(set(modes)) == 1 else "mixed"


def _highest(risks: Sequence[str | None]) -> str | None:
    return next((risk for risk in reversed(list(TIERS)) if risk in risks), None)


def _halts(each: Sequence[BoundaryAnswer]) -> list[HaltAnswer]:
    known = {halt["id"]: halt for boundary in each for halt in boundary.get("halts", ())}
    return sorted(known.values(), key=lambda halt: halt["since"])


def _worst(states: Sequence[str]) -> str | None:
    return next((state for state in _WORST if state in states), states[0] if states else None)


def _permits(each: Sequence[PermitsAnswer]) -> PermitsAnswer | None:
    if not each:
        return None
    return {
        "limit": sum(one["limit"] for one in each),
        "in_flight": sum(one["in_flight"] for one in each),
        "queued": sum(one["queued"] for one in each),
        "queue": sum(one["queue"] for one in each),
    }


def _contracts(each: Iterable[dict[str, ContractAnswer]]) -> dict[str, ContractAnswer]:
    total: dict[str, ContractAnswer] = {}
    for contracts in each:
        for name, rates in contracts.items():
            before = total.get(name)
            total[name] = rates if before is None else _contract(before, rates)
    return total


def _contract(one: ContractAnswer, other: ContractAnswer) -> ContractAnswer:
    return {
        "judged": one["judged"] + other["judged"],
        "broken": one["broken"] + other["broken"],
        "repaired": one["repaired"] + other["repaired"],
        "refused": one["refused"] + other["refused"],
        "truncated": one["truncated"] + other["truncated"],
        "codes": dict(added((one["codes"], other["codes"]))),
    }


def _spent(each: Sequence[SpentAnswer]) -> SpentAnswer | None:
    """Return what all have spent, of what all may: each process has a budget of its own."""
    if not each:
        return None
    return {
        "per": each[0]["per"],
        "calls": sum(one["calls"] for one in each),
        "calls_limit": sum(one["calls_limit"] or 0 for one in each) or None,
        "tokens": sum(one["tokens"] for one in each),
        "tokens_limit": sum(one["tokens_limit"] or 0 for one in each) or None,
        "usd": sum(one["usd"] for one in each),
        "usd_limit": sum(one["usd_limit"] or 0.0 for one in each) or None,
    }
