"""Who goes first where not all can."""

from __future__ import annotations

from typing import Final, Literal, get_args

PriorityName = Literal["critical", "normal", "sheddable"]

PRIORITIES: Final[tuple[PriorityName, ...]] = get_args(PriorityName)
"""From first to last; a call's priority is its index."""

CRITICAL: Final = 0
NORMAL: Final = 1
SHEDDABLE: Final = 2
