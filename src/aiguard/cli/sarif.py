"""Findings for code scanning, as SARIF 2.1.0."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from aiguard.check import RULES

if TYPE_CHECKING:
    from aiguard.check import Finding, Report
    from aiguard.problem import Position

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def of(report: Report) -> dict[str, Any]:
    """Return a report as a SARIF log."""
    driver = {
        "name": "aiguard",
        "version": version("aiguard-boundary"),
        "rules": [
            {
                "id": rule.id,
                "shortDescription": {"text": rule.meaning},
                "defaultConfiguration": {"level": rule.severity},
            }
            for rule in RULES
        ],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding) for finding in report.findings],
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {}
    position, boundary = finding.problem.position, finding.problem.boundary
    logical = []
    if boundary is not None:
        logical.append({"name": boundary, "kind": "boundary"})
    if position is not None and Path(position.source).is_file():
        location["physicalLocation"] = {"artifactLocation": {"uri": _uri(position.source)}, **_region(position)}
    elif position is not None:
        logical.append({"name": position.source, "kind": "module" if position.line else "variable"})
    if logical:
        location["logicalLocations"] = logical
    return {
        "ruleId": finding.rule.id,
        "ruleIndex": RULES.index(finding.rule),
        "level": finding.severity,
        "message": {"text": finding.message},
        **({"locations": [location]} if location else {}),
    }


def _region(position: Position) -> dict[str, Any]:
    if not position.line:
        return {}
    column = {"startColumn": position.column} if position.column else {}
    return {"region": {"startLine": position.line, **column}}


def _uri(source: str) -> str:
    """Return a file as a URI: relative to the current directory where it lies below it."""
    path, here = Path(source).absolute(), Path.cwd()
    return quote(path.relative_to(here).as_posix()) if path.is_relative_to(here) else path.as_uri()
