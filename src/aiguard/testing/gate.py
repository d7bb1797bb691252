"""Where injected faults wait: every wait is over, at the latest, when the block is."""

from __future__ import annotations

import asyncio
import contextlib
import math
import threading
from typing import TYPE_CHECKING

from aiguard.deadline import remaining
from aiguard.engine.runtime import ThreadRuntime
from aiguard.engine.stream_runtimes import ThreadStreamRuntime
from aiguard.signals import Expired

if TYPE_CHECKING:
    from aiguard.engine.pipeline import Pipeline


class Gate:
    """Shut until the block ends."""

    def __init__(self) -> None:
        self._shut = threading.Lock()
        self._shut.acquire()
        self._lock = threading.Lock()
        self._waiting: set[asyncio.Future[None]] = set()
        self.is_open = False

    def open(self) -> None:
        """Let everybody go."""
        with self._lock:
            self.is_open = True
            waiting = tuple(self._waiting)
        self._shut.release()
        for future in waiting:
            with contextlib.suppress(RuntimeError):  # its loop is closed
                future.get_loop().call_soon_threadsafe(_let_go, future)

    def hold(self, pipeline: Pipeline, seconds: float) -> None:
        """Keep a thread waiting, as long as the block lasts."""
        if pipeline.state.patience.hold(self._shut, seconds, None):
            self._shut.release()

    def hang(self, pipeline: Pipeline) -> None:
        """Keep a thread waiting for ever; in its caller's own, until nobody waits. Raises what the component would."""
        if not isinstance(pipeline.runtime, ThreadRuntime | ThreadStreamRuntime):
            left = remaining()
            self.hold(pipeline, math.inf if left is None else left)
            if not self.is_open:
                raise Expired
        self.hold(pipeline, math.inf)
        raise TimeoutError

    async def hang_async(self) -> None:
        """Keep a task waiting for ever."""
        future = asyncio.get_running_loop().create_future()
        with self._lock:
            if self.is_open:
                raise TimeoutError
            self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
        raise TimeoutError


def _let_go(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
