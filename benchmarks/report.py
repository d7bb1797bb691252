"""The report: as text for people, as JSON for the chart."""

from __future__ import annotations

import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from benchmarks.peers.catalogue import FEATURES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.figures import Figure, Section, Verdict

PACKAGES = (
    "aiguard-boundary",
    "pydantic",
    "tenacity",
    "pybreaker",
    "interlock-cb",
    "hyx",
    "stamina",
    "circuitbreaker",
    "purgatory",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "anthropic",
    "google-genai",
    "openai",
)


def about(*, quick: bool, elsewhere: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Say what was measured, on what; `elsewhere` are packages of other environments."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    found |= elsewhere or {}
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


def without(has: Sequence[str] | None) -> str:
    """Say what somebody lacks, who has this much of what a boundary has."""
    return "" if has is None else ", ".join(feature for feature in FEATURES if feature not in has)


def _figure_line(figure: Figure) -> str:
    line = f"  {figure.label:<44}{number(figure.median) + ' ' + figure.unit:>12}{number(figure.p25):>9}"
    if figure.times is not None:
        line += f"{number(figure.times):>12}   {without(figure.has)}"
    return line.rstrip()


def _verdict_line(verdict: Verdict) -> str:
    value = f"{number(verdict.value)} {verdict.unit}"
    if verdict.limit is None:
        return f"  {verdict.label:<44}{value:>12}"
    judged = "ok" if verdict.met else "MISSED"
    return f"  {verdict.label:<44}{value:>12}   budget {number(verdict.limit)} {verdict.unit:<4} {judged}"


def text(sections: Sequence[Section], facts: dict[str, Any]) -> str:
    """Return one table: each figure with its 25th percentile and in guarded calls, each budget beside its figure."""
    packages = ", ".join(f"{name} {found}" for name, found in facts["packages"].items())
    lines = [f"{facts['python']}, {facts['machine']}; {packages}"]
    if facts["quick"]:
        lines.append("Quick run: too short to judge anything by.")
    for section in sections:
        lines += ["", section.title]
        if section.figures:
            compared = any(figure.times is not None for figure in section.figures)
            head = f"  {'':<44}{'median':>12}{'p25':>9}"
            lines.append(f"{head}{'× aiguard':>12}   without" if compared else head)
        lines += [_figure_line(figure) for figure in section.figures]
        lines += [_verdict_line(verdict) for verdict in section.verdicts]
    return "\n".join(lines) + "\n"
