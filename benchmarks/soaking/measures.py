"""What is measured of a process while it runs for long."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Sample(NamedTuple):
    """What was seen at one moment; memory in MB."""

    at: float
    memory: float
    permits: int
    queued: int
    tasks: int
    threads: int
    abandoned: int
    files: int
    calls: int


def resident() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def open_files() -> int:
    """Return how many file descriptors are open."""
    return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - the listing itself opens one


def wait_for(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until it holds, at most so long."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def slope(samples: list[Sample]) -> float:
    """Return the growth of memory in MB a minute, by least squares."""
    mean_at = sum(sample.at for sample in samples) / len(samples)
    mean_memory = sum(sample.memory for sample in samples) / len(samples)
    spread = sum((sample.at - mean_at) ** 2 for sample in samples)
    return 60 * sum((sample.at - mean_at) * (sample.memory - mean_memory) for sample in samples) / spread


def table(samples: list[Sample]) -> Iterator[str]:
    """Draw the samples, some of them."""
    yield "     s   calls   MB rss  permits  queued  tasks  threads  abandoned  files"
    step = max(1, len(samples) // 20)
    for sample in [*samples[::step], samples[-1]]:
        yield (
            f"{sample.at:6.0f} {sample.calls:7,} {sample.memory:8.1f} {sample.permits:8} {sample.queued:7}"
            f" {sample.tasks:6} {sample.threads:8} {sample.abandoned:10} {sample.files:6}"
        )
