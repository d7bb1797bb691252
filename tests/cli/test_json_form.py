"""Findings for programs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from aiguard import Problem
from aiguard.check import Finding, Report
from aiguard.check.rules import INVALID
from aiguard.cli import json_form
from tests.cli.commands import run

if TYPE_CHECKING:
    import pytest

    from tests.check.projects import Project


def test_the_shape_is_stable(project: Project) -> None:
    """Every key is there every time; what is not known is null."""
    project.write("aiguard.yaml", "version: 1\nboundaries: {triage: {deadlin: 2}}\n")
    project.write(
        "shop.py", "import aiguard\nb = aiguard.Boundary('triage', deadline=1.0, output=str, fallback=[''])\n"
    )
    result = run("check", "--app", "shop", "--format", "json")
    assert json.loads(result.stdout) == {
        "version": 1,
        "file": "aiguard.yaml",
        "apps": ["shop"],
        "boundaries": 1,
        "counts": {"error": 1, "warning": 0, "note": 0},
        "findings": [
            {
                "rule": "invalid",
                "severity": "error",
                "message": "no such setting; did you mean `deadline`?",
                "boundary": "triage",
                "setting": "deadlin",
                "value": "2",
                "source": "aiguard.yaml",
                "line": 2,
                "column": 23,
            }
        ],
    }


def test_what_is_not_known_is_null(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of code the column; of a variable the line too."""
    monkeypatch.setenv("AIGUARD__FAR__MODE", "off")
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', owner='shop', deadline=1.0, output=str)\n")
    found = json.loads(run("check", "--app", "shop", "--format", "json").stdout)
    assert [(one["rule"], one["line"], one["column"], one["value"]) for one in found["findings"]] == [
        ("no-floor", 2, None, None),
        ("unknown-variable", None, None, None),
    ]


def test_the_shape_is_documented() -> None:
    """The sample in the docstring has the keys that there are."""
    report = Report(None, (), 0, (Finding(INVALID, Problem("no")),))
    data = json_form.of(report)
    keys = [*data, *data["findings"][0]]
    assert re.findall(r'^ +"(\w+)": ', json_form.__doc__ or "", re.MULTILINE) == keys
