"""Settings: their defaults, that they cannot be changed, and that they are the same wherever they are given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from aiguard import Boundary, Breaker, Bulkhead, FailureKind, Policy, PolicyError, Retry, guard
from aiguard.failure import RETRIED_BY_DEFAULT
from aiguard.policy import NOT_BUILT, Settings
from aiguard.problem import shown

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock


def test_the_defaults_are_the_designs() -> None:
    """What nobody sets is what the design says."""
    assert Policy().model_dump() == {
        "deadline": None,
        "owner": None,
        "output": None,
        "attempt_timeout": None,
        "retry": None,
        "reask": 0,
        "breaker": None,
        "bulkhead": None,
        "fallback": (),
        "fallback_timeout": None,
        "isolation": None,
        "shape": None,
        "stream": None,
        "mode": "on",
        "contain": "all",
    }
    assert Retry().model_dump() == {"attempts": 3, "wait": None, "stop": None, "on": RETRIED_BY_DEFAULT}
    assert Breaker().model_dump() == {
        "failure_rate": 0.5,
        "minimum_calls": 10,
        "window": 60.0,
        "open_for": 15.0,
        "open_for_max": 300.0,
        "probes": 3,
        "concurrent_probes": 1,
    }
    assert Bulkhead(limit=4).model_dump() == {"limit": 4, "queue": 0}


def test_what_type_checkers_see_is_what_there_is() -> None:
    """The typed keywords of `guard` are the fields of `Policy`, but for `output`, which it types itself."""
    assert set(Settings.__annotations__) | {"output"} == set(Policy.model_fields)
    assert not NOT_BUILT & set(Policy.model_fields)


@pytest.mark.usefixtures("clock")
def test_a_policy_cannot_be_changed() -> None:
    """A boundary's settings are read-only, down to their groups."""
    boundary = Boundary("t", deadline=1.0, retry=Retry(), fallback=["floor"])
    with pytest.raises(ValidationError):
        boundary.policy.deadline = 2.0
    assert boundary.policy.retry is not None
    with pytest.raises(ValidationError):
        boundary.policy.retry.attempts = 5
    assert isinstance(boundary.policy.fallback, tuple)


def test_a_changed_list_of_rungs_does_not_show(clock: VirtualClock) -> None:
    """The ladder is the one that was declared, whatever becomes of the list."""
    del clock
    ladder = ["floor"]

    @guard("t", deadline=1.0, isolation="inline", fallback=ladder)
    def component() -> str:
        raise ConnectionError

    ladder.clear()
    assert component() == "floor"


@pytest.mark.parametrize(
    ("on", "kinds"),
    [
        ({FailureKind.TIMEOUT}, {FailureKind.TIMEOUT}),
        ({"timeout", "server_error"}, {FailureKind.TIMEOUT, FailureKind.SERVER_ERROR}),
        (["unclassified"], {FailureKind.UNCLASSIFIED}),
        ("auth", {FailureKind.AUTH}),
        (set(), set()),
    ],
)
def test_kinds_may_be_written_as_words(on: object, kinds: set[FailureKind]) -> None:
    """A set of kinds, a list of their values or one of them: a file has no enums."""
    retry = Retry(on=on)  # type: ignore[arg-type]
    assert frozenset(kinds) == retry.on


@pytest.mark.parametrize("seconds", [1, 1.0, 0.001, 86_400])
def test_whole_seconds_are_seconds(seconds: float) -> None:
    """`deadline=2` is two seconds: nobody has to write `2.0`."""
    assert Policy(deadline=seconds).deadline == seconds


def test_a_policy_made_directly_is_checked_too() -> None:
    """`Policy(…)` refuses what `guard` refuses, with a PolicyError."""
    with pytest.raises(PolicyError, match="deadline"):
        Policy(deadline=-1.0)
    with pytest.raises(PolicyError, match="no such setting"):
        Policy(dead_line=1.0)  # type: ignore[call-arg]
    with pytest.raises(PolicyError, match="attempt_timeout"):
        Policy(deadline=1.0, attempt_timeout=2.0)


@pytest.mark.parametrize(("value", "text"), [(1, "1"), ("a", "'a'"), ("x" * 100, "'" + "x" * 78 + "…")])
def test_a_value_is_shown_in_short(value: object, text: str) -> None:
    """An error message shows a value, not all of it."""
    assert shown(value) == text
