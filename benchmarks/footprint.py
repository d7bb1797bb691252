"""
What boundaries weigh, and what `import aiguard` takes: each measured in a fresh process.

`python -m benchmarks.footprint size KIND COUNT METER` and `calls COUNT [quick]` are those processes' own entries.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from pydantic import create_model

from aiguard import guard
from benchmarks.figures import Section, Verdict, figure, ratio
from benchmarks.peers import floor, guarded
from benchmarks.slices import FULL, QUICK, interleave, microseconds, synchronous
from benchmarks.workload import DEADLINE, EXPECTED, Triage, answer, fallback

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.slices import Plan

ROOT = Path(__file__).resolve().parent.parent
KIB = 1024
UNCHANGED = 1.10  # two runs of the same code differ by as much on a busy machine

KINDS = {
    "deadline": "deadline only",
    "plain": "every stage, no contract",
    "shared": "every stage, one contract for all",
    "own": "every stage, a contract of its own",
}


STATM = Path("/proc/self/statm")


def _resident() -> int:
    if STATM.exists():
        return int(STATM.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # without /proc: the peak, on macOS in bytes


def _traced() -> int:
    return tracemalloc.get_traced_memory()[0]


METERS = {"tracemalloc": _traced, "RSS": _resident}  # tracemalloc does not see what pydantic-core allocates


def _functions(count: int) -> list[Callable[[str], Any]]:
    def fresh() -> Callable[[str], Any]:
        async def component(ticket: str) -> str:
            return ticket

        return component

    return [fresh() for _ in range(count)]


def _contracts(kind: str, count: int) -> list[Any]:
    if kind == "own":
        fields: Any = {name: (field.annotation, field) for name, field in Triage.model_fields.items()}
        return [create_model(f"Triage{number}", **fields) for number in range(count)]
    return [Triage if kind == "shared" else None] * count


def _settings(kind: str, contract: Any) -> dict[str, Any]:
    if kind == "deadline":
        return {"deadline": DEADLINE}
    rung = {"fallback": [contract(**fallback().model_dump())]} if kind == "own" else {}
    return guarded.everything(output=contract, **rung)


def _declare(kind: str, functions: list[Callable[[str], Any]], contracts: list[Any]) -> list[Any]:
    return [
        guard(guarded.name("footprint"), **_settings(kind, contract))(function)
        for function, contract in zip(functions, contracts, strict=True)
    ]


def size(kind: str, count: int, meter: str) -> dict[str, float]:
    """Declare so many boundaries; return the bytes and µs that each took, functions and types not counted."""
    _declare(kind, _functions(10), _contracts(kind, 10))  # whatever is loaded on first use is loaded
    functions, contracts = _functions(count), _contracts(kind, count)
    gc.collect()
    if meter == "tracemalloc":
        tracemalloc.start()
    before, start = METERS[meter](), time.process_time()
    declared = _declare(kind, functions, contracts)
    spent = time.process_time() - start
    gc.collect()
    grown = METERS[meter]() - before
    return {"bytes": grown / len(declared), "microseconds": spent / len(declared) * 1e6}


def calls(count: int, plan: Plan) -> dict[str, float]:
    """Return a call's cost, in calls of the hand-inlined floor, before and after many boundaries are declared."""
    subjects = [
        synchronous("floor", "", floor.synchronous(answer), EXPECTED),
        synchronous("guard", "", guarded.synchronous(answer), EXPECTED),
    ]

    def cost() -> float:
        taken = interleave(subjects, plan)
        return ratio(microseconds(taken["guard"]), microseconds(taken["floor"]))

    before = cost()
    declared = _declare("shared", _functions(count), _contracts("shared", count))
    return {"before": before, "after": cost(), "declared": len(declared)}


def _child(*arguments: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.footprint", *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own file
    result: dict[str, float] = json.loads(done.stdout)
    return result


def sizes(*, quick: bool) -> Section:
    """Measure what each of many declared boundaries weighs, and whether they make a call dearer."""
    group, count = "size", 500 if quick else 10_000
    limits = {"plain": 12.0, "shared": 16.0}
    verdicts = []
    for kind, label in KINDS.items():
        number = str(count // 5 if kind == "own" else count)  # ten thousand types would take minutes to make
        results = {meter: _child("size", kind, number, meter) for meter in METERS}
        for meter, result in results.items():
            weight = result["bytes"] / KIB
            verdicts.append(Verdict(group, f"{kind}-{meter}", f"{label}, {meter}", "KiB", weight, limits.get(kind)))
        spent = results["RSS"]["microseconds"]
        verdicts.append(Verdict(group, f"{kind}-declare", f"{label}, time to declare", "µs", spent))
    effect = _child("calls", str(count), *(["quick"] if quick else []))
    change = effect["after"] / effect["before"]
    verdicts.append(Verdict(group, "call", f"a call with {count:,} declared / with one", "x", change, UNCHANGED))
    return Section(f"Size of a boundary, {count:,} declared", (), tuple(verdicts))


def _run(statement: str) -> tuple[float, float]:
    before, start = os.times(), time.perf_counter()
    # what pip installs is compiled: an environment that forbids byte code must not be taken for a slow import
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    subprocess.run([sys.executable, "-c", statement], check=True, env=environment)  # noqa: S603 - our own interpreter
    wall, after = time.perf_counter() - start, os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall * 1e3, cpu * 1e3


def imports(*, quick: bool) -> Section:
    """Measure `import aiguard` over a bare interpreter, in pairs of fresh processes."""
    group = "import"
    _run("import aiguard")  # the first one writes byte code
    rounds = range(3 if quick else 11)
    pairs = [(_run("pass"), _run("import aiguard")) for _ in rounds]
    below = [_run("import asyncio, pydantic; pydantic.BaseModel, pydantic.TypeAdapter")[0] for _ in rounds]
    wall = [loaded[0] - bare[0] for bare, loaded in pairs]
    cpu = [loaded[1] - bare[1] for bare, loaded in pairs]
    figures = (
        figure(group, "bare", "bare interpreter, wall", "ms", [bare[0] for bare, _ in pairs]),
        figure(group, "below", "with asyncio and pydantic, wall", "ms", below),
        figure(group, "aiguard", "with import aiguard, wall", "ms", [loaded[0] for _, loaded in pairs]),
    )
    verdicts = (
        Verdict(group, "aiguard-bare", "import aiguard - bare, wall", "ms", median(wall), 200.0),
        Verdict(group, "aiguard-bare-cpu", "import aiguard - bare, CPU", "ms", median(cpu)),
    )
    return Section("Import, in fresh processes", figures, verdicts)


def main(arguments: list[str]) -> None:
    """Measure one thing in this process, and print it as JSON."""
    match arguments:
        case ["size", kind, count, meter]:
            result = size(kind, int(count), meter)
        case ["calls", count, *quick]:
            result = calls(int(count), QUICK if quick else FULL)
        case _:
            raise SystemExit(__doc__)
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main(sys.argv[1:])
