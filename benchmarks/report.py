"""The report: as text for people, as JSON for the chart."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.figures import Section, Verdict

PACKAGES = (
    "aiguard-boundary",
    "pydantic",
    "tenacity",
    "pybreaker",
    "interlock-cb",
    "opentelemetry-api",
    "opentelemetry-sdk",
)


def about(*, quick: bool) -> dict[str, Any]:
    """Say what was measured, on what."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "machine": f"{platform.system()} {platform.machine()}",
        "packages": found,
        "quick": quick,
    }


def document(sections: Sequence[Section], facts: dict[str, Any]) -> dict[str, Any]:
    """Return the whole report as plain data."""
    return {
        "about": facts,
        "sections": [
            {
                "title": section.title,
                "figures": [asdict(figure) for figure in section.figures],
                "verdicts": [asdict(verdict) | {"met": verdict.met} for verdict in section.verdicts],
            }
            for section in sections
        ],
    }


def number(value: float) -> str:
    """Write three significant digits or all of the whole part, whichever says more."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _verdict_line(verdict: Verdict) -> str:
    value = f"{number(verdict.value)} {verdict.unit}"
    if verdict.limit is None:
        return f"  {verdict.label:<48}{value:>14}"
    judged = "ok" if verdict.met else "MISSED"
    return f"  {verdict.label:<48}{value:>14}   budget {number(verdict.limit)} {verdict.unit:<4} {judged}"


def text(sections: Sequence[Section], facts: dict[str, Any]) -> str:
    """Return one table: each figure with its 25th percentile, each budget beside its figure."""
    packages = ", ".join(f"{name} {found}" for name, found in facts["packages"].items())
    lines = [f"{facts['python']}, {facts['machine']}; {packages}"]
    if facts["quick"]:
        lines.append("Quick run: too short to judge anything by.")
    for section in sections:
        lines += ["", section.title]
        if section.figures:
            lines.append(f"  {'':<48}{'median':>14}{'p25':>10}")
        for figure in section.figures:
            value = f"{number(figure.median)} {figure.unit}"
            lines.append(f"  {figure.label:<48}{value:>14}{number(figure.p25):>10}")
        lines += [_verdict_line(verdict) for verdict in section.verdicts]
    return "\n".join(lines) + "\n"
