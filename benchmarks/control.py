"""
Measure what control events cost: a halt and a resume on the record, and verifying the record.

    python benchmarks/control.py [--records N] [--rounds N] [--state DIRECTORY]

Operations wait for the disk: name a directory on the disk that is meant.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from aiguard.governance.anchor import NAME, line_of
from aiguard.governance.audit import Head
from aiguard.governance.control import Control
from aiguard.governance.store import Actor, Store
from aiguard.governance.verification import verified
from aiguard.halts import Halt

EVENT_LIMIT = 0.020
"""Seconds that an audited control event may take."""

RATE_LIMIT = 100_000
"""Records a second that verification has to follow."""

ANNA = Actor("anna", 1001)


def fill(state: Path, records: int) -> None:
    """Write a record of halts and resumes, in one transaction, and an anchor of each, as so many would have left."""
    with Store(state).changed(ANNA, 1.0) as change:
        for number in range(records // 2):
            halt = Halt(f"{number:032x}", "ticket-triage", None, "anna", f"INC-{number}", 1.0, None, False, True)  # noqa: FBT003 - in its order
            said = {"halt": halt.id, "boundary": halt.boundary, "reason": halt.reason}
            change.begin(halt, change.append("halt", **said, by="anna", since=1.0, stays=False))
            change.end(halt.id, change.append("resume", **said, ends=True))
    lines = (line_of(Head(one.seq, one.hash), 1.0) for one in change.records)
    (state / NAME).write_bytes(b"".join(lines))


def seconds_of_events(state: Path, rounds: int) -> tuple[list[float], list[float]]:
    """Return how long halts and resumes took."""
    halts, resumes = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        Control(state).halt("ticket-triage", reason="a benchmark", unknown=True)
        halted = time.perf_counter()
        Control(state).resume("ticket-triage", reason="a benchmark")
        halts.append(halted - began)
        resumes.append(time.perf_counter() - halted)
    return halts, resumes


def rate_of_verification(state: Path) -> tuple[int, float]:
    """Return how many records there are, and how many a second were followed."""
    began = time.perf_counter()
    verdict = verified(state)
    took = time.perf_counter() - began
    if verdict.flaws:
        sys.exit(f"the record does not hold: {verdict.flaws}")
    return verdict.head.seq, verdict.head.seq / took


def told(what: str, seconds: list[float]) -> str:
    """Return a line with the median and the slowest of a hundred."""
    slow = statistics.quantiles(seconds, n=100)[98]
    return f"{what:<10} {statistics.median(seconds) * 1000:6.1f} ms   p99 {slow * 1000:6.1f} ms"


def main() -> int:
    """Measure, and return 1 where a limit is broken."""
    parser = argparse.ArgumentParser(description="The cost of control events.")
    parser.add_argument("--records", type=int, default=200_000, help="to be verified (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=200, help="halts and resumes (default: %(default)s)")
    parser.add_argument("--state", type=Path, help="where (default: a temporary directory)")
    chosen = parser.parse_args()
    with TemporaryDirectory(dir=chosen.state) as directory:
        state = Path(directory) / "state"
        fill(state, chosen.records)
        halts, resumes = seconds_of_events(state, chosen.rounds)
        records, rate = max((rate_of_verification(state) for _ in range(3)), key=lambda found: found[1])
    print(told("halt", halts))
    print(told("resume", resumes))
    print(f"{'verify':<10} {rate:,.0f} records a second, of {records:,}")
    slow = max(statistics.median(halts), statistics.median(resumes)) > EVENT_LIMIT or rate < RATE_LIMIT
    return 1 if slow else 0


if __name__ == "__main__":
    sys.exit(main())
