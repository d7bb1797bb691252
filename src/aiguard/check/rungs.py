"""What a rung costs of the deadline."""

from __future__ import annotations

from typing import Any

from aiguard.governance.floor import kind_of


def takes_time(rung: Any) -> bool:
    """Whether a part of the deadline is held back for `rung`."""
    return kind_of(rung) not in {"value", "last good answer"}
