"""
Measure how soon a halt is in force in other processes, and that no answer leaves after that.

    python benchmarks/reach.py [--workers N] [--rounds N]

Workers are forked before the halt and one after it; each calls a component two hundred times a second.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from aiguard import HaltedError, guard
from aiguard.gate_file import GateFile
from aiguard.halts import Halt
from aiguard.state_directory import VARIABLE

if TYPE_CHECKING:
    from aiguard.guarded import GuardedFunction

PERIOD = 0.005
"""Seconds from one call of a worker to its next."""

TOOK = 0.001
"""Seconds that the component takes, so that calls are inside when it is halted."""

MODES: tuple[Literal["on"], Literal["off"]] = ("on", "off")

PATIENCE = 0.3
"""Seconds for which a worker that was turned away stays."""

HALT = Halt("0" * 32, "*", None, "anna", "INC-12", 0.0, None, stays=False, recorded=False)


class Reached(NamedTuple):
    """
    One process, in seconds since the halt was begun.

    Attributes:
        halted: When its first call was turned away.
        answered: When an answer left it last; negative where that was before.
    """

    halted: float
    answered: float


def component() -> GuardedFunction[[], str]:
    """Return a guarded function that takes a moment."""

    @guard("reached", deadline=1.0, isolation="inline")
    def answer() -> str:
        time.sleep(TOOK)
        return "an answer"

    answer()  # the gate is armed, and its descriptor shared by all who are forked
    return answer


def warm(call: GuardedFunction[[], str]) -> None:
    """Answer once, and refuse once: what a forked process has to copy of its parent's memory is copied then."""
    for mode in MODES:
        call.boundary.mode = mode
        with suppress(HaltedError):
            call()
    call.boundary.mode = "on"


def working(call: GuardedFunction[[], str], report: int) -> None:
    """Be a worker: call until that is turned away; report when the last answer left, and when it was."""
    answered = 0.0
    warm(call)
    due = time.monotonic()
    os.write(report, b"!")
    while True:
        try:
            call()
            answered = time.monotonic()
        except HaltedError:
            os.write(report, f"{time.monotonic()!r} {answered!r}".encode())
            time.sleep(PATIENCE)  # a process that ends keeps a processor busy that another one needs now
            os._exit(0)
        due += PERIOD
        time.sleep(max(0.0, due - time.monotonic()))


def forked(call: GuardedFunction[[], str]) -> tuple[int, int]:
    """Fork a worker; return where it reports, and its number."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        working(call, write)
    os.close(write)
    return read, pid


def reach(workers: int) -> tuple[list[Reached], float]:
    """Halt so many workers and one forked later; return when it reached each, and how long the halt itself took."""
    with TemporaryDirectory() as folder:
        os.environ[VARIABLE] = str(Path(folder) / "state")
        call = component()
        running = [forked(call) for _ in range(workers)]
        for read, _ in running:
            os.read(read, 1)
        time.sleep(4 * PERIOD)
        begun = time.monotonic()
        GateFile(Path(folder) / "state").change(lambda halts: (*halts, HALT))
        took = time.monotonic() - begun
        running.append(forked(call))
        os.read(running[-1][0], 1)
        reached = []
        for read, pid in running:
            halted, answered = map(float, os.read(read, 100).split())
            reached.append(Reached(halted - begun, answered - begun))
            os.close(read)
            os.waitpid(pid, 0)
    return reached, took


def main(arguments: list[str] | None = None) -> int:
    """Measure, each round in a process of its own: a gate belongs to its directory for as long as it lives."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--workers", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args(arguments)
    first, last, took = [], [], []
    for _ in range(options.rounds):
        read, write = os.pipe()
        pid = os.fork()
        if pid == 0:
            reached, seconds = reach(options.workers)
            answered, halted = max(one.answered for one in reached), max(one.halted for one in reached[:-1])
            os.write(write, f"{answered!r} {halted!r} {seconds!r}".encode())
            os._exit(0)
        os.close(write)
        answered, halted, seconds = map(float, os.read(read, 200).split())
        os.close(read)
        os.waitpid(pid, 0)
        last.append(answered * 1000)
        first.append(halted * 1000)
        took.append(seconds * 1000)
    for label, values in (
        ("the last answer left any process", last),
        ("the last process turned a call away", first),
        ("the halt itself was written", took),
    ):
        sys.stdout.write(f"{label}: median {statistics.median(values):.2f} ms, longest {max(values):.2f} ms\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
