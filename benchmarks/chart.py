"""
Draw the report for the README: an SVG bar chart, a Markdown table.

    python benchmarks/chart.py report.json [--svg docs/images/overhead.svg] [--markdown]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # a script sees only its own folder

from benchmarks.peers.catalogue import FEATURES, FRAMEWORKS, GUARD, LIBRARIES
from benchmarks.remote import beside
from benchmarks.report import number, without

GROUPS = {"async": "Async call", "sync": 'Sync call, isolation="inline"'}
LIGHT = ("bare", *(peer.name for peer in LIBRARIES))
HEAVY = (GUARD.name, *(peer.name for peer in FRAMEWORKS))  # a hundred times as much: on a scale of their own
ORDER = (*LIGHT, *HEAVY[1:])

WIDTH, DOTS, LEFT, RIGHT, ROW, BAR = 800, 276, 378, 132, 25, 17
STEP = (LEFT - DOTS - 14) / len(FEATURES)
HEAD, BETWEEN, AFTER = 82, 34, 26

STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .note { font-size: 11px; fill: #57606a; }
  .bar { fill: #afb8c1; }
  .ours { fill: #0969da; }
  .axis { stroke: #d0d7de; }
  .has { fill: #57606a; }
  .lacks { fill: none; stroke: #d0d7de; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #8d96a0; }
    .bar { fill: #57606a; }
    .ours { fill: #4493f8; }
    .axis { stroke: #3d444d; }
    .has { fill: #8d96a0; }
    .lacks { stroke: #3d444d; }
  }
"""


def figures(document: dict[str, Any], group: str, names: tuple[str, ...] = ORDER) -> list[dict[str, Any]]:
    """Return a group's figures of these names, in their order."""
    rows = [row for section in document["sections"] for row in section["figures"] if row["group"] == group]
    return sorted((row for row in rows if row["name"] in names), key=lambda row: names.index(row["name"]))


def controls(document: dict[str, Any]) -> list[float]:
    """Return what a guarded call in each framework's process was, in guarded calls of the benchmark's own."""
    names = {beside(peer.name) for peer in FRAMEWORKS}
    return [row["times"] for section in document["sections"] for row in section["figures"] if row["name"] in names]


def _dots(has: list[str], middle: float) -> list[str]:
    return [
        f'<circle class="{"has" if feature in has else "lacks"}" cx="{DOTS + STEP * (index + 0.5):.1f}" '
        f'cy="{middle - 4:.1f}" r="{3.5 if feature in has else 3}"/>'
        for index, feature in enumerate(FEATURES)
    ]


def _panel(rows: list[dict[str, Any]], top: int) -> list[str]:
    """Return the bars of one scale, with what each subject has beside its name."""
    most = max(row["median"] for row in rows)
    parts = []
    for index, row in enumerate(rows):
        y = top + index * ROW
        middle = y + BAR - 4
        length = max(1.0, row["median"] / most * (WIDTH - LEFT - RIGHT))
        kind = "bar ours" if row["name"] == GUARD.name else "bar"
        value = f"{number(row['median'])} µs"
        if row["name"] not in {GUARD.name, "bare"}:
            value += f" · {number(row['times'])} ×"
        parts += [
            f'<text x="{DOTS - 10}" y="{middle}" text-anchor="end">{escape(row["label"])}</text>',
            *(_dots(row["has"], middle) if row["has"] is not None else ()),
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LEFT + length + 8:.1f}" y="{middle}">{value}</text>',
        ]
    bottom = top + len(rows) * ROW
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{top - 5}" x2="{LEFT}" y2="{bottom - 3}"/>')
    return parts


def _head(title: str, top: int) -> list[str]:
    """Return a group's title, and the names of the columns of dots below it, aslant."""
    parts = [f'<text class="title" x="0" y="{top + 16}">{escape(title)}, µs of CPU per successful call</text>']
    for index, feature in enumerate(FEATURES):
        x, y = DOTS + STEP * (index + 0.5) + 3, top + HEAD - 10
        parts.append(f'<text class="note" x="{x:.1f}" y="{y}" transform="rotate(-52 {x:.1f} {y})">{feature}</text>')
    return parts


def svg(document: dict[str, Any]) -> str:
    """Return the chart, readable on light and on dark pages."""
    parts: list[str] = []
    top = 0
    for group, title in GROUPS.items():
        light, heavy = figures(document, group, LIGHT), figures(document, group, HEAVY)
        parts += _head(title, top) + _panel(light, top + HEAD)
        top += HEAD + len(light) * ROW
        if len(heavy) > 1:
            parts.append(f'<text class="note" x="{LEFT}" y="{top + 18}">frameworks, on a scale of their own</text>')
            parts += _panel(heavy, top + BETWEEN)
            top += BETWEEN + len(heavy) * ROW
        top += AFTER
    facts = document["about"]
    notes = (
        "Filled: has it; all but the bare call validate and fall back. ×: of a guarded call in the same process.",
        f"{facts['python']}, {facts['machine']}; medians of interleaved slices; shorter is better",
    )
    for note in notes:
        parts.append(f'<text class="note" x="0" y="{top}">{escape(note)}</text>')
        top += 16
    frame = f'viewBox="0 0 {WIDTH} {top}" width="{WIDTH}" height="{top}" role="img" aria-labelledby="title"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>',
        '<title id="title">What a successful call costs around a component that does nothing</title>',
        f"<style>{STYLE}</style>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def markdown(document: dict[str, Any]) -> str:
    """Return the tables for the README."""
    columns = [{row["name"]: row for row in figures(document, group)} for group in GROUPS]
    lines = [
        "| µs of CPU per successful call | async | × | sync, inline | × | without |",
        "|---|---:|---:|---:|---:|---|",
    ]
    for name in ORDER:
        rows = [column.get(name) for column in columns]
        known = next((row for row in rows if row), None)
        if known is None:
            continue
        label = f"**{known['label']}**" if name == GUARD.name else known["label"]
        cells = [cell for row in rows for cell in ((number(row["median"]), number(row["times"])) if row else ("–", ""))]
        lines.append(f"| {label} | {' | '.join(cells)} | {without(known['has'])} |")
    lines += ["", "×: of a guarded call in the same process. Sync and inline, none of them has a timeout that holds."]
    if found := controls(document):
        lines.append(
            f"In the frameworks' processes a guarded call took {number(min(found))} to {number(max(found))} times what"
            " it took in the benchmark's own."
        )
    lines += ["", "| budget | measured | limit |", "|---|---:|---:|"]
    for section in document["sections"]:
        for row in section["verdicts"]:
            if row["limit"] is not None:
                unit = row["unit"]
                measured, limit = f"{number(row['value'])} {unit}", f"{number(row['limit'])} {unit}"
                lines.append(f"| {section['title'].split(',')[0]}: {row['label']} | {measured} | ≤ {limit} |")
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(description="Draw a report of benchmarks/overhead.py.")
    parser.add_argument("report", type=Path)
    parser.add_argument("--svg", type=Path, metavar="FILE", help="write the chart to this file")
    parser.add_argument("--markdown", action="store_true", help="print the tables for the README")
    options = parser.parse_args(arguments)
    document = json.loads(options.report.read_text(encoding="utf-8"))
    if options.svg:
        options.svg.parent.mkdir(parents=True, exist_ok=True)
        options.svg.write_text(svg(document), encoding="utf-8")
    if options.markdown:
        sys.stdout.write(markdown(document))
    return 0


if __name__ == "__main__":
    sys.exit(main())
