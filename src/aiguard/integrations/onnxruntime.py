"""
Sessions of ONNX Runtime behind a boundary.

    fed = InputContract.of_model(session, argument="feed")
    classify = guard("file-type", deadline=0.2, input=fed, fallback=[UNKNOWN])(component(session))
    classify({"bytes": window})

A run is really ended at the deadline: its thread is free, its permit is back, and the session can be used again.
"""

from __future__ import annotations

import os
import sys
import threading
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, Any, Final

from aiguard.clock import SYSTEM
from aiguard.deadline import current
from aiguard.integrations.arrays import check_finite
from aiguard.signals import Expired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_IDLE: Final = 10.0
"""Seconds after which the thread that ends runs ends too, where there is nothing to watch."""

_SWEEP: Final = 64
"""Runs that are over are swept out once there are more than this many and they outnumber the others."""


def component(session: Any, outputs: Iterable[str] | None = None) -> Callable[[Mapping[str, Any]], list[Any]]:
    """
    Return a function of a feed, to be guarded, that runs a session and returns its outputs.

    A run that is still going on at the deadline is ended there, between two nodes of the graph: as a `timeout`. An
    output with NaN or infinity is a `check_failed`.

    Args:
        session: An `InferenceSession`.
        outputs: Names of the outputs that are wanted; all of them by default.

    Raises:
        ValueError: There is no output of that name.
    """
    names = None if outputs is None else list(outputs)
    known = [output.name for output in session.get_outputs()]
    for name in names or ():
        if name not in known:
            msg = f"the session has no output {name!r}; it has {', '.join(map(repr, known))}"
            raise ValueError(msg)

    def run(feed: Mapping[str, Any]) -> list[Any]:
        frame = current.get()
        if frame is None:
            answer = session.run(names, feed)
        else:
            moment, clock, attempt = frame
            # the flag stays set: options are for one run
            options = sys.modules["onnxruntime"].RunOptions()
            watch = _ENDER.watch(SYSTEM.now() + moment - clock.now(), options)
            try:
                answer = session.run(names, feed, options)
            except Exception as error:
                if watch.ended:  # its own class says no more than that something failed
                    raise Expired if attempt is not None else TimeoutError from error
                raise
            finally:
                _ENDER.leave(watch)
        check_finite(answer)
        return answer  # type: ignore[no-any-return]

    return run


class _Watch:
    """One run."""

    __slots__ = ("done", "ended", "options")

    def __init__(self, options: Any) -> None:
        self.options = options
        self.done = False
        self.ended = False


class _Ender:
    """Ends runs at their moments: one thread for all of them, there while there is anything to watch."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, _Watch]] = []
        self._sequence = 0
        self._dead = 0
        self._thread: threading.Thread | None = None

    def watch(self, moment: float, options: Any) -> _Watch:
        """End the run that was given `options` at `moment`, unless it was left by then."""
        watch = _Watch(options)
        with self._changed:
            self._sequence = sequence = self._sequence + 1  # no two watches are ever compared
            heappush(self._heap, (moment, sequence, watch))
            if self._thread is None:
                self._thread = threading.Thread(target=self._serve, name="aiguard-onnxruntime", daemon=True)
                self._thread.start()
            elif self._heap[0][2] is watch:
                self._changed.notify()
        return watch

    def leave(self, watch: _Watch) -> None:
        """Note that a run is over."""
        with self._changed:
            watch.done = True
            watch.options = None
            self._dead += 1
            if self._dead > _SWEEP and self._dead * 2 > len(self._heap):
                self._heap = [entry for entry in self._heap if not entry[2].done]
                heapify(self._heap)
                self._dead = 0

    def forked(self) -> None:
        """Forget the runs of the parent process, and its thread."""
        self.__init__()  # type: ignore[misc] # everything is new, the lock too

    def _serve(self) -> None:
        with self._changed:
            while True:
                now = SYSTEM.now()
                while self._heap and (self._heap[0][0] <= now or self._heap[0][2].done):
                    watch = heappop(self._heap)[2]
                    if watch.done:
                        self._dead = max(0, self._dead - 1)
                        continue
                    watch.ended = True
                    watch.options.terminate = True
                # no call waits here: the caller has its own clock
                if not self._changed.wait(self._heap[0][0] - now if self._heap else _IDLE) and not self._heap:
                    self._thread = None
                    return


_ENDER: Final = _Ender()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ENDER.forked)
