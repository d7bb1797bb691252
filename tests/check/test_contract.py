"""Whether somebody checks the answers."""

from __future__ import annotations

from typing import Any

import pytest

from aiguard.check.contract import contract
from aiguard.check.switched import switched
from tests.check.subjects import reasons, subject


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"deadline": 1.0}, ["no-contract"]),
        ({"deadline": 1.0, "reask": 1}, ["reask-without-contract", "no-contract"]),
        ({"deadline": 1.0, "output": int, "reask": 1}, []),
        ({"reask": 1}, []),
    ],
)
def test_a_boundary_without_a_contract_is_found(settings: dict[str, Any], found: list[str]) -> None:
    """`reask` asks again after an invalid answer, and without a contract none is."""
    assert [reason.partition(":")[0] for reason in reasons(contract(subject(**settings)))] == found


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"mode": "off"}, ["switched-off: the component is not called: every call raises `HaltedError`"]),
        (
            {"mode": "off", "fallback": [1]},
            ["switched-off: the component is not called: its ladder answers every call"],
        ),
        ({"mode": "on"}, []),
        ({}, []),
    ],
)
def test_a_boundary_that_is_switched_off_is_found(settings: dict[str, Any], said: list[str]) -> None:
    """And who answers instead."""
    assert reasons(switched(subject(**settings))) == said
