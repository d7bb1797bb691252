"""
One stream, three ways of running it: in the caller's thread, in a worker thread, on an event loop.

Each operation on an async stream runs in a task of its own, so that every behaviour is also shown for a consumer that
moves between tasks.
"""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

from aiguard import collector, guard, remaining
from aiguard.testing.virtual import _VirtualLoop
from tests.shapes import Hang, Takes
from tests.waiting import until

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiguard.testing import VirtualClock

KINDS = ("inline", "thread", "async")


def collect_garbage() -> None:
    """Run the collector, and wait for what has to be done after it by another thread."""
    gc.collect()
    until(lambda: not collector._due and not collector._idle.locked())


class Streams:
    """
    Scripted components of one kind, and a consumer for them.

    Each attempt plays the next script: a step is an item, an exception to raise, or `Takes` or `Hang` to wait.

    Attributes:
        called: How often a component's body has begun.
        closed: How often its `finally` has run.
        sent: What was sent into it.
        left: What `remaining()` said inside the component, at each step.
    """

    def __init__(self, kind: Any, clock: VirtualClock) -> None:
        self.kind = kind
        self.clock = clock
        self.called = 0
        self.closed = 0
        self.sent: list[Any] = []
        self.left: list[float | None] = []
        self._boundaries: list[Any] = []
        self.runner = asyncio.Runner(loop_factory=lambda: _VirtualLoop(clock))

    @property
    def is_async(self) -> bool:
        """Whether it runs on a loop."""
        return self.kind == "async"

    def guarded(self, *scripts: list[Any], name: str = "stream", **settings: Any) -> Any:
        """Guard a component that plays one script an attempt."""
        settings.setdefault("deadline", 10.0)
        settings.setdefault("stream", "passthrough")
        if not self.is_async:
            settings.setdefault("isolation", self.kind)
        decorate: Callable[[Any], Any] = guard(name, **settings)
        guarded = decorate(self.component(*scripts))
        self._boundaries.append(guarded.boundary)
        return guarded

    def component(self, *scripts: list[Any]) -> Any:  # noqa: C901 - one component a kind
        """Return a generator function of the kind that plays one script an attempt."""
        tapes = iter(scripts)
        if self.is_async:

            async def astream(*_: Any) -> Any:
                self.called += 1
                try:
                    for step in next(tapes):
                        self.left.append(remaining())
                        if isinstance(step, Takes | Hang):
                            await asyncio.sleep(step.seconds if isinstance(step, Takes) else 1e9)
                        elif isinstance(step, BaseException | type):
                            raise step
                        else:
                            self.sent.append((yield step))
                finally:
                    self.closed += 1

            return astream

        def stream(*_: Any) -> Any:
            self.called += 1
            try:
                for step in next(tapes):
                    self.left.append(remaining())
                    if isinstance(step, Takes):
                        self.clock.sleep(step.seconds)
                    elif isinstance(step, Hang) and self.kind == "thread":
                        self.clock.hang()
                    elif isinstance(step, Hang):  # nobody can be freed from their own thread: it comes back too late
                        self.clock.sleep(1000.0)
                    elif isinstance(step, BaseException | type):
                        raise step
                    else:
                        self.sent.append((yield step))
            finally:
                self.closed += 1

        return stream

    def run(self, make: Callable[[], Awaitable[Any]]) -> Any:
        """Await what `make` returns, in a task of its own."""

        async def once() -> Any:
            return await make()

        return self.runner.run(once())

    def next(self, stream: Any) -> Any:
        """Pull one item."""
        return self.run(stream.__anext__) if self.is_async else next(stream)

    def send(self, stream: Any, value: Any) -> Any:
        """Send a value into the component."""
        return self.run(lambda: stream.asend(value)) if self.is_async else stream.send(value)

    def throw(self, stream: Any, error: BaseException) -> Any:
        """Raise an exception inside the component."""
        return self.run(lambda: stream.athrow(error)) if self.is_async else stream.throw(error)

    def close(self, stream: Any) -> None:
        """Close the stream."""
        if self.is_async:
            self.run(stream.aclose)
        else:
            stream.close()

    def drain(self, stream: Any) -> list[Any]:
        """Pull all that is left."""
        if not self.is_async:
            return list(stream)

        async def all_of_it() -> list[Any]:
            return [item async for item in stream]

        return self.runner.run(all_of_it())

    def settle(self) -> None:
        """Let everything happen that is scheduled on the loop, and every worker that was let go come to rest."""

        async def a_while() -> None:
            for _ in range(10):
                await asyncio.sleep(0)

        if self.is_async:
            self.runner.run(a_while())
        elif self.kind == "thread":
            pause = threading.Event()
            for boundary in self._boundaries:
                for _ in range(1000):
                    if not boundary._state.workers.busy and not boundary.abandoned:
                        break
                    pause.wait(0.001)

    @property
    def ended(self) -> type[Exception]:
        """What a pull after the end raises."""
        return StopAsyncIteration if self.is_async else StopIteration
