"""Whether somebody answers for a boundary, has looked at it, and has tried what holds it up."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Owner, Policy
from aiguard.check.floor import drilling, floor
from aiguard.check.owning import owning, reviewing
from aiguard.check.subject import Around, Subject
from aiguard.config.people import NOBODY, People, Person, Team
from aiguard.governance.drills import Drill, record
from tests.check.projects import of, told
from tests.check.subjects import reasons

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from aiguard.check import Finding
    from tests.check.projects import Project

PEOPLE = People(people={"anna": Person("anna", "Anna")}, teams={"support-ml": Team("support-ml", ("anna",))})
TODAY = date(2027, 1, 31)


def found(
    rule: Callable[[Subject], Iterator[Finding]], around: Around | None = None, **settings: Any
) -> list[tuple[str, str]]:
    """Return the rule and the severity of what is found."""
    subject = Subject(name="triage", policy=Policy(**settings), policies={}, around=around or Around(today=TODAY))
    return [(finding.rule.id, finding.severity) for finding in rule(subject)]


@pytest.mark.parametrize(
    ("settings", "strict", "severity"),
    [
        ({}, False, "note"),
        ({"risk": "low"}, False, "note"),
        ({"risk": "high"}, False, "error"),
        ({"risk": "low"}, True, "error"),
    ],
)
def test_a_boundary_that_nobody_owns_is_told_of(settings: dict[str, Any], strict: bool, severity: str) -> None:  # noqa: FBT001 - a column of the table
    """An error where much is at stake, and where it would not start."""
    around = Around(strict=strict)
    assert found(owning, around, deadline=1.0, **settings) == [("missing-owner", severity)]
    assert found(owning, around, **settings) == []  # the code may name one


@pytest.mark.parametrize(
    ("owner", "people", "settings", "strict", "severity"),
    [
        ("support-ml", PEOPLE, {}, True, None),
        (Owner(team="support-ml", person="anna"), PEOPLE, {}, True, None),
        ("suport-ml", PEOPLE, {}, False, "warning"),
        ("suport-ml", PEOPLE, {"risk": "high"}, False, "error"),
        ("suport-ml", PEOPLE, {}, True, "error"),
        ("support-ml", NOBODY, {}, False, None),
        ("support-ml", NOBODY, {}, True, "error"),
    ],
)
def test_an_owner_whom_the_file_does_not_know_is_told_of(
    owner: Any,
    people: People,
    settings: dict[str, Any],
    strict: bool,  # noqa: FBT001 - a column of the table
    severity: str | None,
) -> None:
    """Where it has a directory, and in strict mode in any case."""
    expected = [("unknown-owner", severity)] if severity else []
    assert found(owning, Around(people=people, strict=strict), owner=owner, **settings) == expected


@pytest.mark.parametrize(
    ("day", "risk", "severity"),
    [
        (None, "high", None),
        ("2027-01-31", "high", None),
        ("2027-01-30", "medium", "warning"),
        ("2027-01-30", "high", "error"),
    ],
)
def test_a_review_that_is_overdue_is_told_of(day: str | None, risk: str, severity: str | None) -> None:
    """The day itself is still in time."""
    assert found(reviewing, review_by=day, risk=risk) == ([("review-passed", severity)] if severity else [])


def test_high_risk_without_a_floor_is_an_error() -> None:
    """For less, a warning."""
    assert found(floor, deadline=1.0, risk="high") == [("tier-without-floor", "error")]
    assert found(floor, deadline=1.0, risk="low") == [("no-floor", "warning")]
    assert found(floor, risk="high") == []
    subject = Subject(name="triage", policy=Policy(deadline=1.0, risk="high"), policies={})
    [said] = reasons(floor(subject))
    assert said.startswith("tier-without-floor: `risk` is high, and nothing answers while it is halted: missing")


@pytest.mark.parametrize(
    ("drills", "settings", "is_found"),
    [
        ({}, {"risk": "high"}, True),
        ({}, {"risk": "medium"}, False),
        ({"other": Drill(1.0, "value 6f49cdbd80e1")}, {"risk": "high"}, True),
        ({"triage": Drill(1.0, "value 6f49cdbd80e1")}, {"risk": "high"}, False),
        ({"triage": Drill(1.0, "value 0123456789ab")}, {"risk": "high"}, True),
    ],
)
def test_a_floor_that_nobody_tried_is_an_error(
    drills: dict[str, Drill],
    settings: dict[str, Any],
    is_found: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """Where much is at stake; a drill of another floor does not count."""
    around = Around(drills=drills)
    assert found(drilling, around, fallback=[""], **settings) == [("never-drilled", "error")] * is_found
    assert found(drilling, around, **settings) == []  # no floor is told of by another rule


FILE = """
version: 1
defaults: {output: "builtins:str"}
boundaries:
  triage: {deadline: 1, risk: high, review_by: 2020-01-31, owner: suport-ml, fallback: [{value: ""}]}
  embed: {deadline: 1, owner: {team: search, person: anna}, fallback: [{value: ""}]}
directory:
  people: {anna: {name: Anna}, ben: {name: Ben}}
  teams: {support-ml: {members: [anna]}, search: {members: [ben]}}
"""


def test_file_and_records_are_held_against_each_other(project: Project, tmp_path: Path) -> None:
    """Each finding at the line that says it."""
    state = tmp_path / "state"
    state.mkdir()
    report = project.check(FILE, AIGUARD_STATE=str(state))
    assert told(report) == [
        "aiguard.yaml:4:37 review-passed triage.review_by",
        "aiguard.yaml:4:60 unknown-owner triage.owner",
        "aiguard.yaml:4:78 never-drilled triage.fallback",
        "aiguard.yaml:5:24 unknown-owner embed.owner",
    ]
    [said] = of(report, "never-drilled")
    assert said.startswith("boundary 'triage': setting `fallback`: `risk` is high, and no drill of its floor is on rec")
    assert said.endswith("run `aiguard drill triage`, with the same AIGUARD_STATE")
    record(state, "triage", Drill(datetime.now(UTC).timestamp(), "value 6f49cdbd80e1"))
    assert of(project.check(FILE, AIGUARD_STATE=str(state)), "never-drilled") == []


def test_strict_mode_asks_for_every_boundary(project: Project) -> None:
    """What would not start is an error."""
    project.write("shop.py", "import aiguard\nb = aiguard.Boundary('b', deadline=1.0, output=str, fallback=[''])\n")
    report = project.check("version: 1\n", "shop", AIGUARD_STRICT="1")
    assert [(finding.rule.id, finding.severity) for finding in report.findings] == [
        ("missing-owner", "error"),
        ("unlisted-boundary", "error"),
    ]
    assert report.count("error") == 2


def test_what_says_neither_strict_nor_not_is_told_of(project: Project) -> None:
    """It would be refused when the program starts."""
    assert told(project.check("version: 1\n", AIGUARD_STRICT="yes")) == ["AIGUARD_STRICT invalid None"]
