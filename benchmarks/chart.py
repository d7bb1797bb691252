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

from benchmarks.report import number

PANELS = {"async": "Async call", "sync": 'Sync call, isolation="inline"'}
ORDER = ("bare", "floor", "guard", "composed", "interlock")

WIDTH, LEFT, RIGHT, BAR, GAP, HEAD = 760, 306, 84, 20, 9, 40

STYLE = """
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f; }
  .title { font-weight: 600; }
  .note { font-size: 11px; fill: #57606a; }
  .bar { fill: #afb8c1; }
  .ours { fill: #0969da; }
  .axis { stroke: #d0d7de; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .note { fill: #8d96a0; }
    .bar { fill: #57606a; }
    .ours { fill: #4493f8; }
    .axis { stroke: #3d444d; }
  }
"""


def figures(document: dict[str, Any], group: str) -> list[dict[str, Any]]:
    """Return a group's figures, the cheapest way of working first."""
    rows = [row for section in document["sections"] for row in section["figures"] if row["group"] == group]
    return sorted(rows, key=lambda row: ORDER.index(row["name"]))


def _panel(title: str, rows: list[dict[str, Any]], top: int) -> list[str]:
    most = max(row["median"] for row in rows)
    parts = [f'<text class="title" x="0" y="{top + 16}">{escape(title)}, µs of CPU per successful call</text>']
    for index, row in enumerate(rows):
        y = top + HEAD - 12 + index * (BAR + GAP)
        length = max(1.0, row["median"] / most * (WIDTH - LEFT - RIGHT))
        kind = "bar ours" if row["name"] == "guard" else "bar"
        middle = y + BAR - 6
        parts += [
            f'<text x="{LEFT - 10}" y="{middle}" text-anchor="end">{escape(row["label"])}</text>',
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
            f'<text x="{LEFT + length + 8:.1f}" y="{middle}">{number(row["median"])} µs</text>',
        ]
    bottom = top + HEAD - 12 + len(rows) * (BAR + GAP)
    parts.append(f'<line class="axis" x1="{LEFT}" y1="{top + HEAD - 16}" x2="{LEFT}" y2="{bottom - GAP + 4}"/>')
    return parts


def svg(document: dict[str, Any]) -> str:
    """Return the chart, readable on light and on dark pages."""
    parts: list[str] = []
    top = 0
    for group, title in PANELS.items():
        rows = figures(document, group)
        parts += _panel(title, rows, top)
        top += HEAD + len(rows) * (BAR + GAP) + 12
    facts = document["about"]
    note = f"{facts['python']}, {facts['machine']}; medians of interleaved slices; shorter is better"
    parts.append(f'<text class="note" x="0" y="{top + 8}">{escape(note)}</text>')
    height = top + 18
    frame = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" aria-labelledby="title"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {frame}>',
        '<title id="title">What a successful call costs around a component that does nothing</title>',
        f"<style>{STYLE}</style>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def markdown(document: dict[str, Any]) -> str:
    """Return the table for the README."""
    columns = [{row["name"]: row for row in figures(document, group)} for group in PANELS]
    lines = ["| µs of CPU per successful call | async | sync, inline |", "|---|---:|---:|"]
    for name in ORDER:
        rows = [column.get(name) for column in columns]
        label = next((row["label"] for row in rows if row), None)
        if label is not None:
            label = f"**{label}**" if name == "guard" else label
            lines.append(f"| {label} | {' | '.join(number(row['median']) if row else 'n/a' for row in rows)} |")
    lines += ["", "Sync and inline, none of them has a timeout that holds: nothing interrupts a function."]
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
