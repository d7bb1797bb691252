"""
Findings for programs, as JSON.

    {
      "version": 1,
      "file": "aiguard.yaml",           the file that was read, or null
      "apps": ["shop.main"],            what was imported
      "boundaries": 3,                  how many were looked at
      "counts": {"error": 1, "warning": 0, "note": 0},
      "findings": [
        {
          "rule": "invalid",            one of `aiguard check --rules`
          "severity": "error",          or "warning", "note"
          "message": "no such setting; did you mean `deadline`?",
          "boundary": "triage",         or null
          "setting": "deadlin",         as a path: "retry.attempts", "fallback[1]"; or null
          "value": "2",                 as it is shown, perhaps cut; or null
          "source": "aiguard.yaml",     a file, a variable of the environment, or a module; or null
          "line": 12,                   counted from 1; null for a variable, and for the file as a whole
          "column": 5                   in characters, counted from 1; null where only the line is known
        }
      ]
    }

`version` changes when something here changes its meaning or goes away; what is added does not change it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, get_args

from aiguard.check import Severity

if TYPE_CHECKING:
    from aiguard.check import Finding, Report

VERSION: Final = 1


def of(report: Report) -> dict[str, Any]:
    """Return a report as JSON data."""
    return {
        "version": VERSION,
        "file": report.file,
        "apps": list(report.apps),
        "boundaries": report.boundaries,
        "counts": {severity: report.count(severity) for severity in get_args(Severity)},
        "findings": [_finding(finding) for finding in report.findings],
    }


def _finding(finding: Finding) -> dict[str, Any]:
    problem = finding.problem
    position = problem.position
    return {
        "rule": finding.rule.id,
        "severity": finding.severity,
        "message": problem.reason,
        "boundary": problem.boundary,
        "setting": problem.setting,
        "value": problem.value,
        "source": position.source if position is not None else None,
        "line": (position.line or None) if position is not None else None,
        "column": (position.column or None) if position is not None else None,
    }
