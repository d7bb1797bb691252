"""
Fuzz what reads strangers' bytes: `python -m tests.fuzz --seconds 600`.

The time is shared by the targets. A seed that is printed is begun from again with `--first`.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback

from tests.fuzz.running import fuzzed
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run what the command line asks for; return 1 if an input failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzzing.")
    parser.add_argument("--seconds", type=float, default=600.0, help="for all targets together (default: %(default)s)")
    parser.add_argument("--target", choices=TARGETS, action="append", help="one target alone; may be given again")
    parser.add_argument("--first", type=int, help="the first seed (default: chosen by the clock, and printed)")
    chosen = parser.parse_args()
    names = chosen.target or list(TARGETS)
    first = chosen.first if chosen.first is not None else time.time_ns() % 10**9
    failed = 0
    for name in names:
        began = time.monotonic()
        try:
            inputs = fuzzed(TARGETS[name], chosen.seconds / len(names), first)
        except Exception:  # noqa: BLE001 - whatever it is, it is told, and the next target has its turn
            failed += 1
            say(f"{name}: FAILED, again with --target {name} --first {first}\n{traceback.format_exc()}")
        else:
            seconds = time.monotonic() - began
            say(f"{name}: {inputs:,} inputs in {seconds:,.0f} s, seeds from {first}; none crashed, none was slow")
    return 1 if failed else 0


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
