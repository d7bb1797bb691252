"""
Measure what aiguard costs: calls, streams, rejections, import, size.

    python benchmarks/overhead.py [--quick] [--check] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from benchmarks import calls, footprint, rejections, report, streams
from benchmarks.figures import missed
from benchmarks.slices import FULL, QUICK

if TYPE_CHECKING:
    from benchmarks.figures import Section

TIMED = (
    calls.async_calls,
    calls.suspending_calls,
    calls.inline_calls,
    calls.threaded_calls,
    streams.async_stream,
    streams.suspending_stream,
    streams.sync_stream,
    rejections.rejections,
)


def measure(*, quick: bool) -> list[Section]:
    """Measure everything."""
    plan = QUICK if quick else FULL
    sections = [timed(plan) for timed in TIMED]
    return [*sections, footprint.imports(quick=quick), footprint.sizes(quick=quick)]


def main(arguments: list[str] | None = None) -> int:
    """Run everything; return 1 where `--check` was asked for and a budget is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure to this file")
    parser.add_argument("--quick", action="store_true", help="seconds instead of minutes; the figures mean little")
    parser.add_argument("--check", action="store_true", help="fail where a budget is missed")
    options = parser.parse_args(arguments)

    sections = measure(quick=options.quick)
    facts = report.about(quick=options.quick)
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
