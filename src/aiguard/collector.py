"""
The garbage collector: it runs wherever a thread just is, and ends the streams that it finds there.

What a stream holds is given back then, under locks that the code which the collector interrupted may hold itself: to
wait for them would be to wait for ever. So it is given back by another thread, a moment later.
"""

from __future__ import annotations

import _thread
import gc
import logging
import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


def watch() -> None:
    """Be told of the collector's runs from now on: whoever makes something that it may end asks for this."""
    if _note not in gc.callbacks:
        gc.callbacks.append(_note)


def interrupts() -> bool:
    """Whether this thread is in a run of the collector, which interrupted whatever it was at."""
    return threading.get_ident() in _collecting


def take(lock: threading.Lock) -> bool:
    """Take `lock`; `False` where it is taken, and perhaps by the very code that the collector interrupted."""
    if interrupts():
        return lock.acquire(blocking=False)
    return lock.acquire()


def afterwards(work: Callable[[], object]) -> None:
    """Have another thread do `work`, in the order in which it was asked for."""
    _due.append(work)
    if _idle.acquire(blocking=False):
        _thread.start_new_thread(_work_off, ())  # `Thread.start` waits for the other, and this is no place to wait


def forked() -> None:
    """Go on in a forked process, where no thread works anything off."""
    global _idle  # noqa: PLW0603 - the parent's may be taken by a thread that is not here
    _collecting.clear()
    _idle = threading.Lock()
    if _due:
        afterwards(_due.popleft())


logger: Final = logging.getLogger("aiguard")

_collecting: Final[set[int]] = set()
"""The threads that the collector runs in: one at most, where there is one interpreter lock."""

_due: Final[deque[Callable[[], object]]] = deque()

_idle = threading.Lock()
"""Free while no thread works off what is due; never waited for."""


def _note(phase: str, _info: dict[str, int]) -> None:
    if phase == "start":
        _collecting.add(threading.get_ident())
    else:
        _collecting.discard(threading.get_ident())


def _work_off() -> None:
    while True:
        while _due:
            try:
                _due.popleft()()
            except Exception as error:  # noqa: BLE001 - nobody is left to be told, and more is due
                logger.warning("what a collected stream held could not be given back: %s", type(error).__name__)
        _idle.release()
        # what came between the last look and the release belongs to whoever is quicker
        if not _due or not _idle.acquire(blocking=False):
            return
