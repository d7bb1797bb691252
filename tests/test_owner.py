"""Who answers for a boundary, and what the stakes set."""

from __future__ import annotations

import pickle
from datetime import date, datetime
from typing import Any, cast, get_args

import pytest

from aiguard import Owner, Policy, PolicyError
from aiguard.owner import label_of, name_of, runbook_of
from aiguard.risk import TIERS, Risk


@pytest.mark.parametrize(
    ("owner", "name", "label", "runbook"),
    [
        (None, None, None, None),
        ("support-ml", "support-ml", "support-ml", None),
        (Owner(team="support-ml"), "support-ml", "support-ml", None),
        (Owner(person="anna"), "anna", "anna", None),
        (Owner(team="support-ml", person="anna", runbook="https://x"), "support-ml", "support-ml (anna)", "https://x"),
    ],
)
def test_an_owner_has_a_name_for_telemetry_and_one_for_people(
    owner: Owner | str | None, name: str | None, label: str | None, runbook: str | None
) -> None:
    """A team is what series are grouped by; a message names the person too."""
    assert (name_of(owner), label_of(owner), runbook_of(owner)) == (name, label, runbook)
    assert Policy(owner=owner).owner == owner


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "setting `owner`: required: a `team`, a `person`, or both"),
        ({"runbook": "https://x"}, "setting `owner`: required: a `team`, a `person`, or both"),
        ({"team": ""}, "setting `owner.team`='': String should have at least 1 character"),
        ({"team": "a\nb"}, "setting `owner.team`='a\\nb': must be one line"),
        ({"person": " anna"}, "setting `owner.person`=' anna': must be one line"),
        ({"team": 7}, "setting `owner.team`=7: should be a valid string"),
        ({"team": "a", "runbook": "x" * 501}, "at most 500 characters"),
        ({"tem": "a"}, "setting `owner.tem`='a': no such setting; did you mean `team`?"),
    ],
)
def test_an_owner_that_says_nothing_of_use_is_refused(settings: dict[str, Any], said: str) -> None:
    """By itself, and as a mapping of a policy."""
    with pytest.raises(PolicyError) as alone:
        Owner(**settings)
    assert said in str(alone.value)
    with pytest.raises(PolicyError) as inside:
        Policy(owner=cast("Any", settings))
    assert said in str(inside.value)


def test_an_owner_crosses_a_border() -> None:
    """Errors carry it from one process to another."""
    owner = Owner(team="support-ml", runbook="https://x")
    assert pickle.loads(pickle.dumps(owner)) == owner


def test_every_risk_is_in_the_table() -> None:
    """What risk sets as a default stands in one place."""
    assert tuple(TIERS) == get_args(Risk)


@pytest.mark.parametrize(
    ("settings", "holds"),
    [
        ({}, "keep"),
        ({"risk": "low"}, "keep"),
        ({"risk": "high"}, "off"),
        ({"risk": "high", "on_stale": "keep"}, "keep"),
        ({"risk": "low", "on_stale": "off"}, "off"),
    ],
)
def test_risk_decides_what_holds_where_nobody_knows(settings: dict[str, Any], holds: str) -> None:
    """Unless `on_stale` says it."""
    assert Policy(**settings).when_stale == holds


def test_high_stakes_are_dearer_to_switch_on() -> None:
    """Neither time nor who halted lifts a halt."""
    high = TIERS["high"]
    assert (high.halt_ends, high.halter_resumes, high.must) == (False, False, True)
    assert all((tier.halt_ends, tier.halter_resumes) == (True, True) for risk, tier in TIERS.items() if risk != "high")


@pytest.mark.parametrize("given", ["2027-01-31", date(2027, 1, 31)])
def test_a_day_of_review_is_a_date_or_its_text(given: Any) -> None:
    """A file has text, code may have either."""
    assert Policy(review_by=given).review_by == date(2027, 1, 31)


@pytest.mark.parametrize("given", ["2027-02-30", "20270131", "2027-1-31", "soon", 2027, datetime(2027, 1, 31)])  # noqa: DTZ001 - refused
def test_what_is_no_day_is_refused(given: Any) -> None:
    """A moment neither: whose midnight would it be."""
    with pytest.raises(PolicyError, match=r"^setting `review_by`="):
        Policy(review_by=given)
