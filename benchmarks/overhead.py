"""
Measure what aiguard costs: calls, streams, rejections, halts, telemetry, real components, import, size.

    python benchmarks/overhead.py [--quick] [--check] [--json FILE] [--no-frameworks]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, get_args

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from benchmarks import adapters, calls, footprint, halts, rejections, report, streams, telemetry
from benchmarks.figures import missed
from benchmarks.peers.catalogue import LIBRARIES, Shape
from benchmarks.proof import SetUpWronglyError, prove
from benchmarks.remote import WorkerError, frameworks
from benchmarks.slices import FULL, QUICK

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from benchmarks.figures import Section
    from benchmarks.remote import Worker

COMPARED = (calls.async_calls, calls.inline_calls)
"""With every peer that has the shape."""

TIMED = (
    calls.suspending_calls,
    calls.threaded_calls,
    streams.async_stream,
    streams.suspending_stream,
    streams.sync_stream,
    rejections.rejections,
    halts.gates,
    telemetry.telemetry,
    adapters.real_components,
)


def prove_libraries() -> None:
    """
    Hold every peer of this process to its description.

    Raises:
        SetUpWronglyError: Where one is not installed, or is not as described.
    """
    if absent := [peer.package for peer in LIBRARIES if not peer.installed]:
        raise SetUpWronglyError(
            f"Not installed: {', '.join(absent)}. `make bench` makes an environment with all of them."
        )
    with asyncio.Runner() as runner:
        for peer in LIBRARIES:
            for shape in get_args(Shape):
                if peer.has(shape) is not None:
                    prove(peer, shape, runner)


def measure(*, quick: bool, others: bool) -> tuple[list[Section], dict[str, str]]:
    """Measure everything; return the sections, and the versions of what ran in environments of their own."""
    plan = QUICK if quick else FULL
    started: AbstractContextManager[list[Worker]] = frameworks() if others else nullcontext([])
    with started as workers:
        prove_libraries()
        sections = [compared(plan, workers) for compared in COMPARED]
        versions = {worker.peer.package: worker.version for worker in workers}
    sections += [timed(plan) for timed in TIMED]
    return [*sections, footprint.imports(quick=quick), footprint.sizes(quick=quick)], versions


def main(arguments: list[str] | None = None) -> int:
    """Run everything; return 1 where `--check` was asked for and a budget is missed, 2 where a peer cannot be run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; the figures mean little")
    parser.add_argument("--check", action="store_true", help="fail where a budget is missed")
    parser.add_argument("--no-frameworks", action="store_true", help="leave out what needs an environment of its own")
    options = parser.parse_args(arguments)

    logging.getLogger().addHandler(logging.NullHandler())  # a proof makes peers fail, and some of them log that
    try:
        sections, versions = measure(quick=options.quick, others=not options.no_frameworks)
    except (SetUpWronglyError, WorkerError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    facts = report.about(quick=options.quick, elsewhere=versions)
    sys.stdout.write(report.text(sections, facts))
    if options.json:
        document = report.document(sections, facts)
        options.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    over = missed(sections)
    if over:
        sys.stdout.write(f"\nOver budget: {', '.join(f'{it.group} {it.label}' for it in over)}\n")
    return 1 if over and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
