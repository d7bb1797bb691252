"""Whether a ladder ends on something that cannot fail."""

from __future__ import annotations

from typing import Any

import pytest

from aiguard import Boundary, Rung, guard
from aiguard.check.floor import floor
from aiguard.check.rungs import takes_time
from aiguard.governance.floor import kind_of
from aiguard.rung import BoundaryRung, last_good
from aiguard.testing.virtual import fresh_registry
from tests.check.subjects import reasons, subject


def rules(text: str) -> str:
    """Answer without a model."""
    return text


async def slow_rules(text: str) -> str:
    """Answer without a model, as a coroutine."""
    return text


def guarded() -> Any:
    """Return a guarded function."""
    with fresh_registry():
        return guard("other", deadline=1.0)(rules)


LAST_GOOD = last_good(by=rules, ttl=60.0)


@pytest.mark.parametrize(
    ("rung", "kind", "time"),
    [
        ("unknown", "value", False),
        (None, "value", False),
        ({"category": "other"}, "value", False),
        (rules, "function", True),
        (slow_rules, "function", True),
        (Rung(rules), "function", True),
        (Rung(rules, inline=True), "function", True),
        (Rung(rules, ai=True), "model", True),
        (guarded(), "boundary", True),
        (Rung(guarded()), "boundary", True),
        (BoundaryRung("other"), "boundary", True),
        (LAST_GOOD, "last good answer", False),
    ],
)
def test_a_rung_is_of_a_kind(rung: Any, kind: str, time: bool) -> None:  # noqa: FBT001 - a column of the table
    """What it is decides whether it can fail, and whether a part of the deadline is held back for it."""
    assert (kind_of(rung), takes_time(rung)) == (kind, time)


@pytest.mark.parametrize(
    "ladder",
    [["unknown"], [rules], [slow_rules], [Rung(rules)], [Rung(rules, ai=True), "unknown"], [LAST_GOOD, rules], [None]],
)
def test_a_value_or_a_function_without_ai_is_a_floor(ladder: list[Any]) -> None:
    """Nothing is found where the last rung is one."""
    assert reasons(floor(subject(deadline=1.0, fallback=ladder))) == []


@pytest.mark.parametrize(
    ("ladder", "why"),
    [
        ([Rung(rules, ai=True)], "its last rung calls a model, which may fail as well"),
        (["unknown", guarded()], "its last rung is another boundary, which may fail as well"),
        ([BoundaryRung("other")], "its last rung is another boundary, which may fail as well"),
        ([rules, LAST_GOOD], "its last rung answers only what was answered before"),
    ],
)
def test_a_last_rung_that_may_fail_is_no_floor(ladder: list[Any], why: str) -> None:
    """It is said why, and what would be one."""
    end = "end it with a value, or with a function without AI"
    assert reasons(floor(subject(deadline=1.0, fallback=ladder))) == [f"no-floor: {why}: {end}"]


def test_no_ladder_at_all_is_found_where_the_policy_is_whole() -> None:
    """Without a deadline the rest stands in code that was not looked at, and perhaps a ladder too."""
    assert len(reasons(floor(subject(deadline=1.0)))) == 1
    assert len(reasons(floor(subject(coded=True)))) == 1
    assert reasons(floor(subject(attempt_timeout=1.0))) == []


def test_a_boundary_is_no_rung_of_its_own() -> None:
    """A `Boundary` object is no function: the ladder refuses it, and it counts as a value here."""
    with fresh_registry():
        assert kind_of(Boundary("plain", deadline=1.0)) == "value"
