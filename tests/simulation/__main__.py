"""
Run the simulation.

    python -m tests.simulation                     a million schedules, from a seed that is printed
    python -m tests.simulation --schedules 20000 --first 40000000
    python -m tests.simulation --replay 40012345   one schedule: its timeline, and the smallest that fails as it does
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.campaign import Found, campaign, cores
from tests.simulation.drawing import FAMILY, drawn
from tests.simulation.judging import Bench
from tests.simulation.playing import stage
from tests.simulation.shrinking import report, shrunk

MILLION = 1_000_000


def main() -> int:
    """Run what the command line asks for; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Deterministic simulation.")
    parser.add_argument("--schedules", type=int, default=MILLION, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, help="the first seed (default: chosen by the clock, and printed)")
    parser.add_argument("--jobs", type=int, default=cores(), help="processes (default: one a core, %(default)s)")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one schedule, with all that happens in it")
    chosen = parser.parse_args()
    if chosen.replay is not None:
        return replay(chosen.replay)
    first = chosen.first if chosen.first is not None else time.time_ns() // 1_000_000 % 1_000_000_000 * FAMILY
    return search(first, chosen.schedules, chosen.jobs)


def search(first: int, schedules: int, jobs: int) -> int:
    """Play many schedules; return 1 if one failed."""
    began = told = time.monotonic()
    known: set[int] = set()
    say(f"seeds {first} to {first + schedules - 1}, {jobs} processes")

    def tell(found: Found) -> None:
        nonlocal told
        for seed in sorted(found.failed.keys() - known):
            say(f"FAILED {seed}: {found.failed[seed]}\n  again: python -m tests.simulation --replay {seed}")
        known.update(found.failed)
        if time.monotonic() - told > 30:
            told = time.monotonic()
            rate = found.schedules / (told - began)
            say(f"{found.schedules:>9,} schedules, {rate:,.0f} a second, {found.failures} failed")

    found = campaign(first, schedules, jobs, tell)
    seconds = time.monotonic() - began
    say(f"{found.schedules:,} schedules in {seconds:,.0f} s, {found.schedules / seconds:,.0f} a second")
    say(f"{found.calls:,} calls, {found.runs:,} runs of the component")
    say("calls ended as " + ", ".join(f"{how} {count:,}" for how, count in found.endings.most_common()))
    say(f"{found.failures} failed")
    if found.failed:
        replay(min(found.failed))
    return 1 if found.failures else 0


def replay(seed: int) -> int:
    """Play one schedule and tell all of it; return 1 if it failed."""
    with stage():
        bench = Bench()
        schedule = drawn(seed)
        played = bench.judge(schedule, tell=True)
        say(report(schedule, played, f"seed {seed}"))
        if played.wrong:
            smallest = shrunk(schedule, bench)
            say(report(smallest, bench.judge(smallest, tell=True), "the smallest that fails as it does"))
    return 1 if played.wrong else 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
