"""Times as people write them in a file: `2`, `0.5`, `"800ms"`, `"1m30s"`."""

from __future__ import annotations

import re
from typing import Final

UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
PATTERN: Final = r"([0-9]+(\.[0-9]+)?(h|ms|m|s))+"
"""A duration with its units, the largest first; the order is checked when it is read."""

_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s)", re.ASCII)


def seconds(text: str) -> float:
    """
    Return the seconds that `text` says: numbers with a unit each, the largest unit first, each unit once.

    Raises:
        ValueError: Where it is something else; the message says what it may be.
    """
    parts = _PART.findall(text)
    names = [unit for _, unit in parts]
    ordered = sorted(set(names), key=list(UNITS).index)
    if not parts or "".join(number + unit for number, unit in parts) != text or names != ordered:
        msg = "must be seconds as a number, or a time with its units h, m, s, ms, such as '1m30s' or '800ms'"
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII):
            msg += "; a number stands without quotes"
        raise ValueError(msg)
    # as one decimal each: 0.1 + 0.2 of anything stays what was written
    return sum(float(number) * UNITS[unit] for number, unit in parts) if len(parts) > 1 else _one(*parts[0])


def _one(number: str, unit: str) -> float:
    return float(number) / 1000 if unit == "ms" else float(number) * UNITS[unit]
