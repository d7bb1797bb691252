"""The report that a run prints."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import report
from benchmarks.figures import Section, figure


def test_the_table_shows_each_budget_beside_its_figure(
    sections: list[Section], over: Section, facts: dict[str, Any]
) -> None:
    """And says of each whether it is met."""
    lines = report.text([sections[0], over], facts).splitlines()
    judged = [line.split() for line in lines if "budget" in line]
    assert [(words[3], words[-1]) for words in judged] == [("0.25", "ok"), ("0.31", "MISSED")]


def test_every_figure_is_in_the_table(sections: list[Section], facts: dict[str, Any], costs: dict[str, float]) -> None:
    """With its unit."""
    table = report.text(sections, facts)
    assert all(f"<{name}> & co" in table for name in costs)
    assert "36.2 µs" in table


def test_a_figure_says_how_many_guarded_calls_it_is_and_what_is_missing(
    sections: list[Section], facts: dict[str, Any]
) -> None:
    """What is missing, of what a boundary has; what compares with nothing says nothing."""
    lines = {line.split("  ")[1]: line for line in report.text(sections[:1], facts).splitlines() if "& co" in line}
    assert lines["<stamina> & co"].split()[-5:] == ["15", "2", "timeout,", "breaker,", "bulkhead"]
    assert lines["<guard> & co"].endswith(" 1")
    assert "× aiguard" not in report.text([Section("alone", (figure("g", "n", "l", "ms", [1.0]),), ())], facts)


def test_packages_of_other_environments_are_named() -> None:
    """Beside those of this one."""
    assert report.about(quick=True, elsewhere={"litellm": "1.2.3"})["packages"]["litellm"] == "1.2.3"


def test_a_quick_run_says_that_it_proves_nothing(sections: list[Section], facts: dict[str, Any]) -> None:
    """So that nobody quotes it."""
    assert "too short" in report.text(sections, facts | {"quick": True})
    assert "too short" not in report.text(sections, facts)


def test_the_facts_name_versions_and_no_place() -> None:
    """A report may be published: it says what was measured, not where."""
    facts = report.about(quick=True)
    assert facts["packages"]["pydantic"][0].isdigit()
    assert "/" not in str(facts)


@pytest.mark.parametrize(
    ("value", "written"), [(0.0421, "0.0421"), (7.5, "7.5"), (36.24, "36.2"), (99.96, "100"), (12345.6, "12,346")]
)
def test_numbers_have_three_digits_or_their_whole_part(value: float, written: str) -> None:
    """Nobody reads nine decimals, and none is written as a power of ten."""
    assert report.number(value) == written
