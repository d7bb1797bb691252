"""
Which floors were drilled, and when: `<state>/drills.json`.

    {"ticket-triage": {"at": 1795470604.2, "floor": "shop.rules:triage"}}

Written in place, under a lock: a writer that is killed leaves a file that cannot be read, and the next drill writes a
new one. Who may write into the state directory may write what was drilled: it tells what was tried, and proves nothing.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE: Final = "drills.json"

LARGEST: Final = 2**20
"""Bytes that are read: some ten thousand boundaries."""


class Drill(NamedTuple):
    """
    The last drill of a boundary.

    Attributes:
        at: When, in Unix seconds.
        floor: The floor that answered: see `floor_of`.
    """

    at: float
    floor: str


def drilled(state: Path) -> dict[str, Drill]:
    """Return the last drill of each boundary; none where the file is not there or cannot be read."""
    try:
        opened = os.open(state / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return {}
    try:
        fcntl.flock(opened, fcntl.LOCK_SH)
        return _read(opened)
    except OSError:
        return {}
    finally:
        os.close(opened)


def record(state: Path, boundary: str, drill: Drill) -> None:
    """Write down that `boundary` was drilled. Raises `OSError` where that cannot be written."""
    opened = os.open(state / FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(opened, fcntl.LOCK_EX)
        known = _read(opened) | {boundary: drill}
        data = json.dumps({name: one._asdict() for name, one in known.items()}, indent=2, sort_keys=True) + "\n"
        os.ftruncate(opened, 0)
        os.pwrite(opened, data.encode(), 0)
        os.fsync(opened)
    finally:
        os.close(opened)


def _read(opened: int) -> dict[str, Drill]:
    try:
        said = json.loads(os.pread(opened, LARGEST, 0))
    except (ValueError, RecursionError):
        return {}
    entries: Mapping[str, Any] = said if isinstance(said, dict) else {}
    return {name: drill for name, one in entries.items() if (drill := _drill(one)) is not None}


def _drill(said: Any) -> Drill | None:
    if not isinstance(said, dict):
        return None
    at, floor = said.get("at"), said.get("floor")
    if isinstance(at, bool) or not isinstance(at, int | float) or not math.isfinite(at) or not isinstance(floor, str):
        return None
    return Drill(float(at), floor)
