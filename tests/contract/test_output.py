"""What a contract refuses when it is declared."""

from __future__ import annotations

from typing import Any

import pytest

from aiguard import checks
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
        ({"repair": "lossy"}, "repair='lossy' is none of off, safe"),
        ({"repair": True}, "repair=True is none of off, safe"),
        ({"ambiguous": "first"}, "ambiguous='first' is none of reject"),
        ({"on_check_error": "ignore"}, "on_check_error='ignore' is none of reject, accept"),
        ({"version": 0}, "version=0 is neither"),
        ({"version": True}, "version=True is neither"),
        ({"version": ""}, "version='' is neither"),
        ({"version": "a b"}, "version='a b' is neither"),
        ({"version": "1" * 33}, "is neither"),
    ],
)
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any], reason: str) -> None:
    """The message names the setting and its value."""
    with pytest.raises(PolicyError, match=reason):
        OutputContract(str, **settings)


def test_a_safety_check_has_to_say_what_its_errors_mean() -> None:
    """No default decides whether an answer leaves that could not be checked."""
    with pytest.raises(PolicyError, match=r"check str\.isascii is marked `safety`: say `on_check_error`"):
        OutputContract(str, checks=[checks.safety(str.isascii)])
    assert OutputContract(str, checks=[checks.safety(str.isascii)], on_check_error="accept").checks


def test_a_contract_is_frozen_and_keeps_its_checks() -> None:
    """A generator of checks is read once, at declaration."""
    contract = OutputContract(str, checks=(one for one in [bool]))
    assert contract.checks == (bool,)
    with pytest.raises(AttributeError):
        contract.name = "x"  # type: ignore[misc]
