"""
A halt: who stopped which boundary, when, and why.

The same record goes through the gate's file, the control store and what a refused call is told. It holds the
operator's own words, and nothing that a call asked or was answered.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.risk import TIERS

if TYPE_CHECKING:
    from aiguard.risk import Risk

EVERY: Final = "*"
"""In the place of a boundary's name: every boundary."""

REASON_LIMIT: Final = 200
"""Characters of a reason."""


class Halt(NamedTuple):
    """
    One halt.

    Attributes:
        id: 32 hex digits.
        boundary: A boundary's name, or `"*"` for every boundary.
        key: `str()` of the key whose calls are halted; `None` for every call.
        by: Who did it, as the directory names them.
        reason: Why, in one line.
        since: When, in Unix seconds.
        until: When it ends by itself, in Unix seconds; `None` for never.
        stays: Whether `until` lifts nothing: a person does.
        recorded: Whether the control store has it.
    """

    id: str
    boundary: str
    key: str | None
    by: str
    reason: str
    since: float
    until: float | None
    stays: bool
    recorded: bool

    def holds(self, now: float, risk: Risk | None) -> bool:
        """Whether it is in force at `now`, Unix seconds, for a boundary of that risk, or of one that is not known."""
        stays = self.stays or (risk is not None and not TIERS[risk].halt_ends)
        return self.until is None or stays or now < self.until

    def concerns(self, boundary: str) -> bool:
        """Whether it is about calls of that boundary."""
        return self.boundary in {EVERY, boundary}

    def __str__(self) -> str:
        return f"halted by {self.by} since {moment(self.since)}: {self.reason}"

    def in_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return self._asdict()

    @classmethod
    def of_json(cls, given: object) -> Halt:
        """Return the halt that `given` stands for. Raises `ValueError`, which names the field."""
        if not isinstance(given, dict) or set(given) != set(cls._fields):
            msg = f"a halt has the fields {', '.join(cls._fields)}"
            raise ValueError(msg)
        for name in cls._fields:
            if not _FITS[name](given[name]):
                msg = f"a halt's `{name}` cannot be {type(given[name]).__name__} of that value"
                raise ValueError(msg)
        return cls(**given)


def moment(seconds: float) -> str:
    """Return Unix seconds as a date and time of day, to the second, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return f"{seconds:.0f} s after 1970"


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_optional_text(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_moment(value: object) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer beyond every float
        return False


def _is_optional_moment(value: object) -> bool:
    return value is None or _is_moment(value)


def _is_truth(value: object) -> bool:
    return isinstance(value, bool)


_FITS: Final = {
    "id": _is_text,
    "boundary": _is_text,
    "key": _is_optional_text,
    "by": _is_text,
    "reason": _is_text,
    "since": _is_moment,
    "until": _is_optional_moment,
    "stays": _is_truth,
    "recorded": _is_truth,
}
