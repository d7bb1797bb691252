"""What is guarded in an experiment, how time passes there, and how an end is looked at."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable

Function: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Lab:
    """
    How time passes in an experiment.

    Attributes:
        run: Runs a coroutine on a loop.
        sleep: How a blocking component takes its time.
        now: Seconds.
        tick: What an experiment counts in; results are given as if it were a tenth of a second.
    """

    run: Callable[[Coroutine[Any, Any, Any]], Any] = asyncio.run
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.monotonic
    tick: float = 0.1

    def since(self, start: float) -> str:
        """Return the time since `start` as people read it."""
        return f"{(self.now() - start) / self.tick / 10:.1f} s"


class Component:
    """What is guarded: does what it is told, and counts how often it was reached."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._calls: list[None] = []  # appended to from many threads

    @property
    def reached(self) -> int:
        """How often it was called."""
        return len(self._calls)

    def function(self, seconds: float = 0.0, *, fails: bool = False) -> str:
        """Take so long, then answer or fail."""
        self._calls.append(None)
        if seconds:
            self._lab.sleep(seconds)
        return self._end(fails)

    async def coroutine(self, seconds: float = 0.0, *, fails: bool = False) -> str:
        """Do the same on a loop."""
        self._calls.append(None)
        await asyncio.sleep(seconds)
        return self._end(fails)

    async def stream(self, breaks_before: str = "", *, once: bool = False) -> AsyncIterator[str]:
        """Yield `a`, `b`, `c`, or break before one of them: at every call, or at the first alone."""
        self._calls.append(None)
        for item in "abc":
            if item == breaks_before and (self.reached == 1 or not once):
                raise ConnectionError
            yield item

    def _end(self, fails: bool) -> str:  # noqa: FBT001 - handed on
        if fails:
            raise ConnectionError
        return "ok"


def tried(call: Function, *args: Any, **kwargs: Any) -> Exception | None:
    """Return what a call raised."""
    try:
        call(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - what it raises is the observation
        return error
    return None


async def tried_async(awaited: Awaitable[Any]) -> Exception | None:
    """Return what an awaited call raised."""
    try:
        await awaited
    except Exception as error:  # noqa: BLE001 - what it raises is the observation
        return error
    return None


async def consume(stream: Any) -> tuple[list[str], Exception | None]:
    """Return what a consumer received, and what ended it early."""
    items: list[str] = []
    try:
        if inspect.iscoroutine(stream):
            stream = await stream
        async for item in stream:
            items.append(item)  # noqa: PERF401 - what came before the error counts
    except Exception as error:  # noqa: BLE001 - what it raises is the observation
        return items, error
    return items, None
