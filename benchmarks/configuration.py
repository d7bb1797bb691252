"""
Measure what a configuration file costs: loading it, calls while it is loaded again, calls under it.

    python benchmarks/configuration.py [--boundaries N] [--rounds N]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import statistics
import sys
import threading
import time
from functools import partial
from operator import le
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from typing import TYPE_CHECKING

import aiguard
from aiguard import Boundary, Breaker, Bulkhead, Retry, guard
from aiguard.config.layers import explicit
from aiguard.config.live import Live
from aiguard.testing import fresh_registry
from benchmarks.slices import FULL, asynchronous, interleave, microseconds
from benchmarks.workload import ANSWER, EXPECTED, TICKET, Triage, answer_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

BLOCK = """
    owner: support-ml
    deadline: {deadline}
    attempt_timeout: 800ms
    retry: {{attempts: 3, wait: {{wait_random_exponential: {{multiplier: 0.1, max: 2s}}}}, on: [timeout, connection]}}
    breaker: {{failure_rate: 0.5, minimum_calls: 10, window: 1m, open_for: 15s}}
    bulkhead: {{limit: 16, queue: 32}}
    output: benchmarks.workload:Triage
    fallback:
      - call: benchmarks.configuration:rules
      - value: {{category: other, priority: normal, summary: Not triaged., confidence: 0.0}}
"""


def rules(_ticket: str) -> Triage:
    """Answer by rules."""
    return EXPECTED


def write(file: Path, boundaries: int, deadline: float) -> None:
    """Write a file of so many boundaries, each with every setting that one usually has."""
    block = BLOCK.format(deadline=deadline)
    text = "".join(f"  boundary-{number}:{block}" for number in range(boundaries))
    file.write_text(f"version: 1\nboundaries:\n{text}", encoding="utf-8")


def loading(file: Path, boundaries: int, rounds: int) -> Iterator[str]:
    """Time the first load, and later ones of a file in which every boundary has changed."""
    with fresh_registry():
        for number in range(boundaries):
            Boundary(f"boundary-{number}", deadline=1.0)
        taken = []
        for turn in range(rounds):
            write(file, boundaries, deadline=2.0 + turn)
            gc.collect()
            wall, cpu = time.perf_counter(), time.process_time()
            aiguard.configure(file)
            taken.append((time.perf_counter() - wall, time.process_time() - cpu))
    best = min(wall for wall, _ in taken)
    middle = statistics.median(wall for wall, _ in taken)
    size = file.stat().st_size / 1024
    yield f"load {boundaries} boundaries ({size:.0f} KiB): best {best:.2f} s, median {middle:.2f} s (budget 1 s)"


def component() -> Callable[[str], Awaitable[Triage]]:
    """Return a guarded function with every stage on, as the other benchmarks have it."""

    @guard(
        "stalled",
        output=Triage,
        deadline=2.0,
        attempt_timeout=0.8,
        retry=Retry(attempts=3),
        breaker=Breaker(),
        bulkhead=Bulkhead(limit=16, queue=32),
        fallback=[EXPECTED],
    )
    async def triage(_ticket: str) -> str:
        return ANSWER

    return triage


def stalls(file: Path, boundaries: int, rounds: int) -> Iterator[str]:
    """Time single calls on an event loop, with nothing beside them, and while a thread loads the file again."""
    idle: list[float] = []
    busy: list[float] = []
    with fresh_registry():
        for number in range(boundaries):
            Boundary(f"boundary-{number}", deadline=1.0)
        triage = component()
        write(file, boundaries, deadline=2.0)
        aiguard.configure(file)
        configured = aiguard.config.live._PROCESS.live  # noqa: SLF001 - looked with by hand, instead of every 0.25 s
        assert isinstance(configured, Live)  # noqa: S101 - for the type checker
        for turn in range(rounds):
            write(file, boundaries, deadline=3.0 + turn)
            configured.look()
            thread = threading.Thread(target=configured.look)
            thread.start()
            beside = asyncio.run(calls(triage, over_with(thread)))
            busy += beside
            idle += asyncio.run(calls(triage, partial(le, len(beside))))
    for name, times in (("nothing beside it", idle), ("while the file is loaded again", busy)):
        times.sort()
        late = sum(one > 0.001 for one in times)
        middle, most = times[len(times) // 2] * 1e6, times[len(times) * 999 // 1000] * 1e6
        yield (
            f"one call, {name}: median {middle:.0f} µs, p99.9 {most:.0f} µs, longest {times[-1] * 1e6:.0f} µs; "
            f"over 1 ms {late} of {len(times)}"
        )


def over_with(thread: threading.Thread) -> Callable[[int], bool]:
    """Return what says whether a thread has ended."""
    return lambda _done: not thread.is_alive()


def configured(file: Path, _boundaries: int, _rounds: int) -> Iterator[str]:
    """Time a call whose policy is in a file, beside the same in code, in interleaved slices."""
    with fresh_registry(), asyncio.Runner() as runner:
        write(file, 1, deadline=2.0)
        aiguard.configure(file)
        from_file = guard("boundary-0")(answer_async)
        coded = guard("coded", **explicit(from_file.boundary.policy))(answer_async)
        taken = interleave(
            [
                asynchronous(runner, "coded", "", coded, EXPECTED),
                asynchronous(runner, "file", "", from_file, EXPECTED),
            ],
            FULL,
        )
    one, other = (statistics.median(microseconds(taken[name])) for name in ("coded", "file"))
    ratios = [b / a for a, b in zip(microseconds(taken["coded"]), microseconds(taken["file"]), strict=True)]
    yield f"one call, policy in code {one:.1f} µs, in a file {other:.1f} µs: ratio {statistics.median(ratios):.2f}"


async def calls(triage: Callable[[str], Awaitable[Triage]], over: Callable[[int], bool]) -> list[float]:
    """Call again and again; return what each call took."""
    taken: list[float] = []
    while not over(len(taken)):
        began = time.perf_counter()
        await triage(TICKET)
        taken.append(time.perf_counter() - began)
        await asyncio.sleep(0)
    return taken


def main(arguments: list[str] | None = None) -> int:
    """Measure everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--boundaries", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "aiguard.yaml"
        for measure in (loading, stalls, configured):
            for line in measure(file, options.boundaries, options.rounds):
                sys.stdout.write(f"{line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
