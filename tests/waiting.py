"""Waiting, in real time, for what another thread or process is about to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

WAIT: Final = 20.0
"""Seconds after which it never happens: far longer than a busy machine takes."""


def until(condition: Callable[[], bool]) -> None:
    """Wait until `condition` holds."""
    end = time.monotonic() + WAIT
    while not condition():
        assert time.monotonic() < end, "it never came to hold"
        time.sleep(0.0005)
