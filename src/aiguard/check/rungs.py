"""What kind of rung something in a ladder is."""

from __future__ import annotations

from typing import Any, Literal

from aiguard.guarded import Guarded
from aiguard.rung import BoundaryRung, LastGood, Rung

Kind = Literal["value", "function", "model", "boundary", "last good answer"]


def kind_of(rung: Any) -> Kind:
    """Return what kind of rung `rung` is; a `model` is a function that says of itself that it calls one."""
    if isinstance(rung, LastGood):
        return "last good answer"
    if isinstance(rung, Rung):
        return "model" if rung.ai else kind_of(rung.fn)
    if isinstance(rung, BoundaryRung | Guarded):
        return "boundary"
    return "function" if callable(rung) else "value"


def takes_time(rung: Any) -> bool:
    """Whether a part of the deadline is held back for `rung`."""
    return kind_of(rung) not in {"value", "last good answer"}
