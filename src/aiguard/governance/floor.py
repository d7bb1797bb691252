"""What answers where no AI may: the floor of a ladder."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal

from aiguard.guarded import Guarded
from aiguard.rung import BoundaryRung, LastGood, Rung

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["value", "function", "model", "boundary", "last good answer"]

_FLOOR = frozenset({"value", "function"})


def kind_of(rung: Any) -> Kind:
    """Return what kind of rung `rung` is; a `model` is a function that says of itself that it calls one."""
    if isinstance(rung, LastGood):
        return "last good answer"
    if isinstance(rung, Rung):
        return "model" if rung.ai else kind_of(rung.fn)
    if isinstance(rung, BoundaryRung | Guarded):
        return "boundary"
    return "function" if callable(rung) else "value"


def floor_of(ladder: Sequence[Any]) -> str | None:
    """
    Return what tells the floor of `ladder` from another: its functions by name, its values by a hash; never a value.

    `None` where its last rung may fail: then it has no floor.
    """
    if not ladder or kind_of(ladder[-1]) not in _FLOOR:
        return None
    return ", ".join(_told(rung) for rung in ladder if kind_of(rung) in _FLOOR)


def _told(rung: Any) -> str:
    fn = rung.fn if isinstance(rung, Rung) else rung
    if not callable(fn):
        return f"value {hashlib.sha256(repr(fn).encode(errors='replace')).hexdigest()[:12]}"
    named = fn if hasattr(fn, "__qualname__") else type(fn)
    return f"{named.__module__}:{named.__qualname__}"
