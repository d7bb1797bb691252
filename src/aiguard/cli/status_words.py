"""How numbers of a running process are written where there is little room."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

_MINUTE: Final = 60
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR


def seconds(length: float | None) -> str:
    """Return a length of time in at most five characters, or six: `85µs`, `340ms`, `1.23s`, `12.3s`, `12m`."""
    if length is None:
        return "–"
    for unit, factor in (("µs", 1e6), ("ms", 1e3)):
        if length * factor < 999.5:  # noqa: PLR2004 - what rounds to a thousand is one of the next unit
            return f"{length * factor:.0f}{unit}"
    if length < 999.5:  # noqa: PLR2004 - as above
        return f"{length:.3g}s"
    return age(length)


def age(length: float) -> str:
    """Return how long ago something was: `12s`, `5m`, `2h`, `3d`."""
    if length < _MINUTE:
        return f"{max(length, 0.0):.0f}s"
    if length < _HOUR:
        return f"{length / _MINUTE:.0f}m"
    if length < _DAY:
        return f"{length / _HOUR:.0f}h"
    return f"{length / _DAY:.0f}d"


def rate(per_second: float) -> str:
    """Return calls a second."""
    if per_second == 0.0:
        return "0"
    digits = 2 if per_second < 1.0 else 1 if per_second < 100.0 else 0  # noqa: PLR2004 - three figures
    return f"{per_second:.{digits}f}"


def share(part: float | None) -> str:
    """Return a share in per cent; what is not none is not written as none, and what is not all not as all."""
    if part is None:
        return "–"
    if 0.0 < part < 0.01:  # noqa: PLR2004 - one per cent
        return "<1%"
    if 0.99 < part < 1.0:  # noqa: PLR2004 - as above
        return "99%"
    return f"{part:.0%}"


def moment(when: float) -> str:
    """Return a moment as the clock on the wall shows it here."""
    return datetime.fromtimestamp(when, UTC).astimezone().strftime("%H:%M:%S")


def counted(number: int, one: str, many: str) -> str:
    """Return a number with what is counted."""
    return f"{number} {one if number == 1 else many}"
