"""What a contract refuses when it is declared."""

from __future__ import annotations

import functools
from typing import Any

import pytest

from aiguard.contract import OutputContract
from aiguard.errors import PolicyError


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"format": "xml"}, "format='xml'"),
        ({"max_bytes": 0}, "max_bytes=0"),
        ({"max_bytes": True}, "max_bytes=True"),
        ({"max_bytes": 1.5}, "max_bytes=1.5"),
        ({"checks": len}, "is not a sequence"),
        ({"checks": [3]}, "cannot be called"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any], reason: str) -> None:
    """The message names the setting and its value."""
    with pytest.raises(PolicyError, match=reason):
        OutputContract(str, **settings)


async def _slow(_value: object) -> bool:
    return True


class _AsyncCall:
    async def __call__(self, _value: object) -> bool:
        return True


@pytest.mark.parametrize("check", [_slow, functools.partial(_slow), _AsyncCall()])
def test_an_async_check_is_refused(check: Any) -> None:
    """It would never be awaited, so it says that it is not built yet."""
    with pytest.raises(PolicyError, match="async, which is not built yet"):
        OutputContract(str, checks=[check])


def test_a_contract_is_frozen_and_keeps_its_checks() -> None:
    """A generator of checks is read once, at declaration."""
    contract = OutputContract(str, checks=(one for one in [bool]))
    assert contract.checks == (bool,)
    with pytest.raises(AttributeError):
        contract.name = "x"  # type: ignore[misc]
