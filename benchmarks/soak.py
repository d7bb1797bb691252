"""
A long run under faults: does anything grow, and does everything come back?

    python benchmarks/soak.py                    ten minutes: 64 tasks and 16 threads on the real clock
    python benchmarks/soak.py --seconds 20       a quick look

Five boundaries, every stage on, four of them on one dependency, meet faults at a fifth of their attempts. Sampled are
memory, permits, tasks, threads and open files. At the end the faults stop; everything must be back to zero, every
boundary must answer again, and memory must not have grown in the second half. Else the exit status is 1.
"""

from __future__ import annotations

import argparse
import logging
import sys
import threading
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from benchmarks.soaking.measures import open_files, slope, table
from benchmarks.soaking.run import Soak

STEEPEST: Final = 1.0
"""
MB a minute that the memory of the second half may grow by, measured as the slope of a straight line through it.

Well over a thousand calls pass in a second: a leak of a hundred bytes in each of them would be several times as steep.
What is left without a leak is the allocator's: arenas that are taken and given back by the megabyte.
"""

LONG: Final = 60.0
"""Seconds under which the slope of the memory says nothing: caches, arenas and threads are still filling."""


def main() -> int:
    """Run it and print what was seen; return 1 where something grew or stayed."""
    parser = argparse.ArgumentParser(description="A long run under faults.")
    parser.add_argument("--seconds", type=float, default=600.0, help="how long (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the callers and the faults (default: %(default)s)")
    chosen = parser.parse_args()
    logging.getLogger("aiguard").disabled = True  # every unclassified error would be a line
    soak = Soak(chosen.seconds, chosen.seed)
    threads, files = threading.active_count(), open_files()
    soak.run()
    soak.settle(threads, files)
    second_half = soak.samples[len(soak.samples) // 2 :]
    steepness = slope(second_half)
    print("\n".join(table(soak.samples)))
    tally = soak.tally
    print(f"\n{tally.calls:,} calls, {soak.attempts:,} attempts, {soak.hits:,} of them met a fault")
    print(f"the longest call took {tally.latest:.2f} s")
    for ending, count in sorted(tally.endings.items()):
        print(f"  {ending:32} {count:9,}")
    print(f"memory: {steepness:+.2f} MB a minute in the second half, {STEEPEST:g} at most")
    if steepness > STEEPEST and chosen.seconds >= LONG:
        soak.wrong.append(f"memory grew by {steepness:.2f} MB a minute")
    for what in soak.wrong:
        print(f"WRONG: {what}")
    print("everything came back" if not soak.wrong else f"{len(soak.wrong)} things are wrong")
    return 1 if soak.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
