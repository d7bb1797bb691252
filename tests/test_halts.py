"""The record of a halt: when it holds, what it says, and what it is as plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.halts import EVERY, Halt
from tests.halting import halt_of

if TYPE_CHECKING:
    from aiguard.risk import Risk


@dataclass(frozen=True)
class Case:
    """Whether a halt holds."""

    until: float | None
    stays: bool
    risk: Risk
    holds_before: bool
    holds_after: bool


@pytest.mark.parametrize(
    "case",
    [
        Case(None, stays=False, risk="low", holds_before=True, holds_after=True),
        Case(100.0, stays=False, risk="low", holds_before=True, holds_after=False),
        Case(100.0, stays=False, risk="medium", holds_before=True, holds_after=False),
        Case(100.0, stays=True, risk="low", holds_before=True, holds_after=True),
        Case(100.0, stays=False, risk="high", holds_before=True, holds_after=True),
    ],
)
def test_a_halt_ends_by_itself_only_where_little_is_at_stake(case: Case) -> None:
    """At a high risk a person resumes: also where the risk has become high since, and for a halt of everything."""
    halt = halt_of(until=case.until, stays=case.stays)
    assert halt.holds(99.9, case.risk) is case.holds_before
    assert halt.holds(100.0, case.risk) is case.holds_after


def test_a_halt_is_about_its_boundary_or_about_all() -> None:
    """By the name alone."""
    assert halt_of("triage").concerns("triage")
    assert not halt_of("triage").concerns("triage.eu")
    assert halt_of(EVERY).concerns("triage")


@pytest.mark.parametrize(
    ("since", "said"),
    [
        (1795557004.9, "halted by anna since 2026-11-24T21:50:04Z: INC-12"),
        (0.0, "halted by anna since 1970-01-01T00:00:00Z: INC-12"),
        (1e300, f"halted by anna since {1e300:.0f} s after 1970: INC-12"),
    ],
)
def test_a_halt_says_who_why_and_since_when(since: float, said: str) -> None:
    """To the second, in UTC, whatever the clock of the machine that wrote it said."""
    assert str(halt_of(since=since)) == said


WORDS = st.text(max_size=20)
MOMENTS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    st.builds(
        Halt,
        id=WORDS,
        boundary=WORDS,
        key=st.none() | WORDS,
        by=WORDS,
        reason=WORDS,
        since=MOMENTS,
        until=st.none() | MOMENTS,
        stays=st.booleans(),
        recorded=st.booleans(),
    )
)
def test_a_halt_survives_json(halt: Halt) -> None:
    """Whatever its words are."""
    assert Halt.of_json(json.loads(json.dumps(halt.in_json()))) == halt


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"since": "yesterday"}, "`since`"),
        ({"since": True}, "`since`"),
        ({"since": float("nan")}, "`since`"),
        ({"until": "tomorrow"}, "`until`"),
        ({"boundary": None}, "`boundary`"),
        ({"key": 7}, "`key`"),
        ({"stays": 1}, "`stays`"),
        ({"more": 1}, "has the fields"),
    ],
)
def test_what_is_no_halt_is_refused(change: dict[str, Any], told: str) -> None:
    """With the field that is wrong."""
    with pytest.raises(ValueError, match=told):
        Halt.of_json(halt_of().in_json() | change)


@pytest.mark.parametrize("given", [None, [], "halt", {}])
def test_what_has_other_fields_is_no_halt(given: object) -> None:
    """None of them is guessed."""
    with pytest.raises(ValueError, match="has the fields"):
        Halt.of_json(given)


def test_an_integer_beyond_every_float_is_no_moment() -> None:
    """It is refused as any other value that is none."""
    with pytest.raises(ValueError, match="since"):
        Halt.of_json(halt_of()._replace(since=10**400).in_json())
