"""What a halt and a resume have to say: one rule each, and the error that names it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from aiguard.errors import PolicyError
from aiguard.governance.errors import ControlError
from aiguard.halts import EVERY, REASON_LIMIT
from aiguard.policy import check_name
from aiguard.problem import nearest, shown

if TYPE_CHECKING:
    from collections.abc import Collection

KEY_LIMIT: Final = 200
"""Characters of a key."""


DRILL: Final = "drill-"
"""How the key begins that a drill halts, and that no call of a program has."""


def name_of(name: object) -> str:
    """Return what may be a boundary's name. Raises `ControlError` where it is no text."""
    if not isinstance(name, str):
        raise ControlError("boundary", f"a boundary's name is text, not {shown(name)}")
    return name


def reason_of(reason: object) -> str:
    """Return the reason, without blanks around it. Raises `ControlError` where it says nothing, or is no line."""
    if reason is not None and not isinstance(reason, str):
        raise ControlError("reason", f"a reason is text, not {shown(reason)}")
    given = (reason or "").strip()
    if not given:
        raise ControlError("reason", "a reason is required: a line that says why, such as the incident's number")
    return _line("reason", given, REASON_LIMIT)


def key_of(key: object) -> str | None:
    """Return a call's key as halts name it. Raises `ControlError` where it is no line."""
    if key is None:
        return None
    given = str(key)
    if not given:
        raise ControlError("key", "a key is not empty: leave it out to mean every call")
    return _line("key", given, KEY_LIMIT)


def _line(rule: str, text: str, limit: int) -> str:
    if not text.isprintable():
        raise ControlError(rule, f"a {rule} is one line of printable characters")
    if len(text) > limit:
        raise ControlError(rule, f"a {rule} has {limit} characters at most, and this one {len(text)}")
    return text


def until_of(seconds: object, now: float) -> float | None:
    """Return when a halt of so many seconds ends. Raises `ControlError` where that is in the past, or never comes."""
    if seconds is None:
        return None
    given = _number(seconds)
    if not math.isfinite(given):
        raise ControlError("expiry", "a halt ends after a number of seconds; without one it ends when somebody resumes")
    if given <= 0.0:
        raise ControlError("expiry", f"the expiry lies in the past: {given:g} s from now")
    return now + given


def _number(given: object) -> float:
    """Return a number of seconds; infinity for what is none, or more than a float holds."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return math.inf
    try:
        return float(given)
    except OverflowError:
        return math.inf


def check_boundary(name: str, known: Collection[str], *, unknown: bool) -> None:
    """
    Raises `ControlError` where there is no such boundary.

    Args:
        name: Its name, or `"*"`.
        known: The names that somebody knows.
        unknown: Whether a name that nobody knows is meant all the same.
    """
    if name == EVERY or name in known:
        return
    try:
        check_name(name)
    except PolicyError as error:
        raise ControlError("boundary", str(error)) from None
    if not unknown:
        raise ControlError(
            "boundary",
            f"neither the file, nor a running process, nor the record knows a boundary {shown(name)}"
            f"{nearest(name, known)}; to halt one that is not running yet, say that it is unknown",
        )
