"""The rungs that say more than their value or their function: what is refused, and what counts as the same."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import PolicyError, last_good
from aiguard.rung import LastGood

if TYPE_CHECKING:
    from collections.abc import Hashable


def ticket(text: str) -> Hashable:
    """Tell one question from another."""
    return text


class Unhashable:
    """Something that can be called, and cannot be a key."""

    __hash__ = None  # type: ignore[assignment] # on purpose

    def __call__(self, text: str) -> str:
        return text


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("by", "ticket"),
        ("by", None),
        ("by", Unhashable()),
        ("ttl", 0),
        ("ttl", -1.0),
        ("ttl", math.inf),
        ("ttl", math.nan),
        ("ttl", True),
        ("ttl", "60"),
        ("ttl", None),
        ("size", 0),
        ("size", -1),
        ("size", 1.0),
        ("size", True),
        ("size", None),
    ],
)
def test_a_setting_that_cannot_work_is_refused_at_once(setting: str, value: Any) -> None:
    """The refusal names the setting and shows the value."""
    given: dict[str, Any] = {"by": ticket, "ttl": 60.0} | {setting: value}
    with pytest.raises(PolicyError) as caught:
        last_good(**given)
    [problem] = caught.value.problems
    assert problem.setting == f"last_good.{setting}"
    assert problem.value is not None
    assert problem.value in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once() -> None:
    """Who mends one setting should not find the next one wrong."""
    nothing: Any = None
    with pytest.raises(PolicyError) as caught:
        last_good(by=nothing, ttl=nothing, size=nothing)
    assert [problem.setting for problem in caught.value.problems] == ["last_good.by", "last_good.ttl", "last_good.size"]


@pytest.mark.parametrize("missing", ["by", "ttl"])
def test_neither_the_question_nor_the_time_has_a_default(missing: str) -> None:
    """No default can know what the same question is, or how old an answer may be."""
    settings: dict[str, Any] = {"by": ticket, "ttl": 60.0}
    del settings[missing]
    with pytest.raises(TypeError, match=missing):
        last_good(**settings)


def test_one_that_is_set_alike_is_the_same() -> None:
    """What is kept lasts over a reload, where the rung is made anew with the settings that it had."""
    assert last_good(by=ticket, ttl=60) == last_good(by=ticket, ttl=60.0, size=1024) == LastGood(by=ticket, ttl=60.0)
    assert len({last_good(by=ticket, ttl=60), last_good(by=ticket, ttl=60.0)}) == 1
    assert last_good(by=ticket, ttl=60) != last_good(by=ticket, ttl=61)
    assert last_good(by=ticket, ttl=60) != last_good(by=ticket, ttl=60, size=1)
    assert last_good(by=ticket, ttl=60) != last_good(by=len, ttl=60)
