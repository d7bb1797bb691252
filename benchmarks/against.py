"""
What a successful call costs now, beside what it cost at another revision: `python -m benchmarks.against REVISION`.

Each version runs in a process of its own, with the same interpreter and the same packages; short slices of both
alternate, and a ratio is taken from two slices that ran one after the other. Run it in a checkout with its history.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import random
import subprocess
import sys
import tarfile
import tempfile
import time
from functools import partial
from io import BytesIO
from itertools import repeat
from pathlib import Path
from statistics import median, quantiles
from typing import IO, TYPE_CHECKING, Any, cast

from benchmarks.slices import WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parent.parent
SHAPES = ("async", "sync inline", "sync thread", "async stream, 100 items")
SAME, ALL = "the same settings", "everything"
CALLS = {"async": 300, "sync inline": 300, "sync thread": 150, "async stream, 100 items": 20}


def settings(extent: str) -> dict[str, Any]:
    """Return what both versions know, or everything that this one has, hedging aside."""
    from aiguard import Breaker, Bulkhead, Retry  # noqa: PLC0415 - the version that the path leads to
    from benchmarks.workload import Triage, fallback  # noqa: PLC0415 - as above

    known = {
        "deadline": 2.0,
        "attempt_timeout": 0.8,
        "retry": Retry(attempts=3),
        "reask": 1,
        "breaker": Breaker(failure_rate=0.5, minimum_calls=10, window=60.0),
        "bulkhead": Bulkhead(limit=16, queue=32),
        "fallback": [fallback()],
        "output": Triage,
    }
    if extent == SAME:
        return known
    from aiguard import Budget, RetryBudget  # noqa: PLC0415 - as above

    return known | {
        "breaker": Breaker(failure_rate=0.5, minimum_calls=10, slow_call=0.5, slow_rate=0.5),
        "bulkhead": Bulkhead(limit=16, queue=32, floor=4, ceiling=64),
        "budget": Budget(calls=10**9),
        "retry_budget": RetryBudget(ratio=0.1),
        "dependency": "provider",
        "key": lambda _ticket: "a-model",
    }


def expect(answer: object, expected: object) -> None:
    """Raise where a call did something else than it should: its time would mean nothing."""
    if answer != expected:
        raise WrongAnswerError("a guarded call", answer)


def subjects(extent: str, runner: asyncio.Runner) -> dict[str, Callable[[int], None]]:
    """Return what repeats a call of each shape."""
    from aiguard import guard  # noqa: PLC0415 - as above
    from benchmarks.workload import EXPECTED, TICKET, answer, answer_async  # noqa: PLC0415 - as above

    chosen = settings(extent)
    stream = {name: value for name, value in chosen.items() if name not in {"output", "fallback", "reask"}}

    async def items(_ticket: str) -> Any:
        for number in range(100):
            yield number

    asynchronous: Any = guard("async", **chosen)(answer_async)
    inline: Any = guard("inline", isolation="inline", **chosen)(answer)
    threaded: Any = guard("thread", **chosen)(answer)
    streamed: Any = guard("stream", stream="passthrough", **stream)(items)

    async def calls(times: int) -> None:
        for _ in repeat(None, times):
            expect(await asynchronous(TICKET), EXPECTED)

    async def streams(times: int) -> None:
        for _ in repeat(None, times):
            expect(sum([item async for item in streamed(TICKET)]), 4950)

    def blocking(guarded: Any, times: int) -> None:
        for _ in repeat(None, times):
            expect(guarded(TICKET), EXPECTED)

    return {
        "async": lambda times: runner.run(calls(times)),
        "sync inline": partial(blocking, inline),
        "sync thread": partial(blocking, threaded),
        "async stream, 100 items": lambda times: runner.run(streams(times)),
    }


def serve(extent: str) -> None:
    """Be one version: run a slice for each line, and say how many microseconds a call took."""
    with asyncio.Runner() as runner:
        ready = subjects(extent, runner)
        for run in ready.values():
            run(50)
        gc.freeze()
        for line in sys.stdin:
            times = CALLS[line.strip()]
            gc.collect()
            gc.disable()
            begun = time.process_time()
            ready[line.strip()](times)
            print((time.process_time() - begun) / times * 1e6, flush=True)
            gc.enable()


class Version:
    """A version in a process of its own."""

    def __init__(self, source: Path, extent: str) -> None:
        environment = os.environ | {"PYTHONPATH": str(source)}
        command = [sys.executable, "-m", "benchmarks.against", "--serve", extent]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - this very file
            command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=ROOT, bufsize=1
        )
        self._asked, self._told = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)

    def take(self, shape: str) -> float:
        """Return the microseconds of a call in one slice."""
        self._asked.write(shape + "\n")
        return float(self._told.readline())

    def end(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revision", nargs="?")
    parser.add_argument("--slices", type=int, default=60)
    parser.add_argument("--serve", choices=[SAME, ALL], help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve:
        serve(chosen.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        command = ["git", "archive", chosen.revision, "src"]
        archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)  # noqa: S603 - a revision of ours
        with tarfile.open(fileobj=BytesIO(archive.stdout)) as files:
            files.extractall(folder, filter="data")
        versions = {
            "before": Version(Path(folder) / "src", SAME),
            SAME: Version(ROOT / "src", SAME),
            ALL: Version(ROOT / "src", ALL),
        }
        print(f"CPU of one successful call, µs; before: {chosen.revision}; {chosen.slices} slices of each\n")
        print("| | before | now, the same settings | × (quartiles) | now, everything | × (quartiles) |")
        print("|---|---|---|---|---|---|")
        for shape in SHAPES:
            taken: dict[str, list[float]] = {name: [] for name in versions}
            for _ in range(chosen.slices):
                for name in random.sample(list(versions), len(versions)):
                    taken[name].append(versions[name].take(shape))
            cells = [f"{median(taken['before']):.1f}"]
            for name in (SAME, ALL):
                ratios = [now / before for now, before in zip(taken[name], taken["before"], strict=True)]
                low, middle, high = quantiles(ratios, n=4)
                cells += [f"{median(taken[name]):.1f}", f"{middle:.2f} ({low:.2f}–{high:.2f})"]
            print(f"| {shape} | {' | '.join(cells)} |", flush=True)
        for version in versions.values():
            version.end()


if __name__ == "__main__":
    main()
