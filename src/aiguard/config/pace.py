"""Work in the background that lets others go first."""

from __future__ import annotations

import gc
from typing import Final

from aiguard.clock import SYSTEM
from aiguard.engine.runtime import SYSTEM_PATIENCE

STRETCH: Final = 0.0005
"""Seconds of work between two pauses: how long a call waits for the interpreter because of it."""

PAUSE: Final = 0.0001
"""Seconds of a pause: long enough for a waiting thread to take the interpreter's lock, which a yield of none is not."""


class Pace:
    """Pauses at each call that comes a stretch of work after the last pause."""

    def __init__(self) -> None:
        self._since = SYSTEM.now()
        # a program that froze its heap keeps it frozen; asking takes as long as the heap is large, so it is asked once
        self._frozen = bool(gc.get_freeze_count())

    def __call__(self) -> None:
        """Pause, if it is time to."""
        if SYSTEM.now() - self._since >= STRETCH:
            if not self._frozen:
                _promote()
            SYSTEM_PATIENCE.sleep(PAUSE)
            self._since = SYSTEM.now()


def _promote() -> None:
    """
    Take what is young for old, without looking at it.

    Loading makes many objects, and that makes the collector look at the whole heap, in one piece: it was seen to stop
    every thread for 240 ms.
    """
    gc.freeze()
    gc.unfreeze()
