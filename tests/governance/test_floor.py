"""What tells one floor from another."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from aiguard import Rung
from aiguard.governance.floor import floor_of
from aiguard.rung import BoundaryRung, last_good


def rules(text: str) -> str:
    """Answer without a model."""
    return text


class Lookup:
    """A callable object."""

    def __call__(self, text: str) -> str:
        """Answer without a model."""
        return text


HERE = __name__
SECRET = {"category": "the patient's name"}


@pytest.mark.parametrize(
    ("ladder", "floor"),
    [
        ([], None),
        ([Rung(rules, ai=True)], None),
        ([rules, BoundaryRung("other")], None),
        ([rules, last_good(by=rules, ttl=1.0)], None),
        ([rules], f"{HERE}:rules"),
        ([Rung(rules, ai=True), Rung(rules, inline=True)], f"{HERE}:rules"),
        ([Lookup()], f"{HERE}:Lookup"),
        ([functools.partial(rules)], "functools:partial"),
        ([rules, ""], f"{HERE}:rules, value 6f49cdbd80e1"),
    ],
)
def test_a_floor_is_told_by_its_rungs(ladder: list[Any], floor: str | None) -> None:
    """Those without AI; where the last may fail there is none."""
    assert floor_of(ladder) == floor


def test_a_value_is_told_by_a_hash() -> None:
    """Of another value another one, and never the value."""
    one, other = floor_of([SECRET]), floor_of([{"category": "other"}])
    assert one is not None
    assert one != other
    assert "patient" not in one
