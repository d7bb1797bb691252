"""Calling a component of an adapter behind a boundary of its own, in each shape, to find what that makes of it."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext, suppress
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from pydantic import BaseModel

from aiguard import Boundary, BoundaryError, Outcome
from aiguard.testing import FaultServer, fresh_registry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

DEADLINE = 20.0
"""Seconds for whatever is answered at all: machines are busy, and the SDKs build their types at the first answer."""

SHORT = 0.3
"""Seconds for what never ends by itself."""

FOREVER = ("drip", "hang", "endless", "keep-alive")


class Verdict(BaseModel):
    """What an answer is parsed as where a method parses."""

    fine: bool


ANSWER = '{"fine": true}'


class Form(NamedTuple):
    """
    One way to ask.

    Attributes:
        method: Its path on the client.
        asked: What it is called with.
    """

    method: str
    asked: dict[str, Any]

    def __str__(self) -> str:
        return self.method + (" stream=True" if self.asked.get("stream") else "")

    def of(self, client: Any) -> Any:
        """Return the client's method."""
        return attrgetter(self.method)(client)


def deadline_of(fault: str) -> float:
    """Return how long a fault is waited for."""
    return SHORT if fault.startswith(FOREVER) else DEADLINE


def assert_asked_once(ended: Outcome[Any], server: FaultServer, fault: str) -> None:
    """Hold that there was one request, and an end at the deadline; machines are busy, so a short one may prevent it."""
    fewest = 0 if fault.startswith(FOREVER) else 1
    assert fewest <= len(server.requests) <= 1
    assert ended.elapsed < deadline_of(fault) + 1.0


def outcome(ask: Any, asked: dict[str, Any], **settings: Any) -> Outcome[Any]:
    """Return what a call in this thread ends as."""
    with fresh_registry():
        return Boundary("component", isolation="inline", **settings).outcome(ask, **asked)


def streamed(ask: Any, asked: dict[str, Any], **settings: Any) -> tuple[Outcome[Any], list[str]]:
    """Return what a stream of events that is held back to its end ends as, and their classes as they left."""
    received: list[str] = []

    def events() -> Iterator[str]:
        stream = ask(**asked)
        with stream if hasattr(stream, "__enter__") else nullcontext(stream) as entered:
            for event in entered:
                yield type(event).__name__

    with fresh_registry(), suppress(BoundaryError):
        guarded = Boundary("component", stream="buffer", isolation="inline", **settings).stream(events)
        received.extend(guarded)
    assert guarded.outcome is not None
    return guarded.outcome, received


async def outcome_async(ask: Any, asked: dict[str, Any], **settings: Any) -> Outcome[Any]:
    """Return what a call of an async component ends as."""
    with fresh_registry():
        ended: Outcome[Any] = await Boundary("component", **settings).outcome(ask, **asked)
        return ended


async def streamed_async(ask: Any, asked: dict[str, Any], **settings: Any) -> tuple[Outcome[Any], list[str]]:
    """Return what an async stream of events ends as, and their classes as they left."""
    received: list[str] = []

    async def events() -> AsyncIterator[str]:
        stream = ask(**asked)
        stream = stream if hasattr(stream, "__aenter__") else await stream
        async with stream if hasattr(stream, "__aenter__") else nullcontext(stream) as entered:
            async for event in entered:
                yield type(event).__name__

    with fresh_registry(), suppress(BoundaryError):
        guarded = Boundary("component", stream="buffer", **settings).stream(events)
        received += [event async for event in guarded]
    assert guarded.outcome is not None
    return guarded.outcome, received


class Behind(NamedTuple):
    """
    An SDK behind a boundary.

    Attributes:
        component: The adapter's.
        opened: Opens a client.
        is_async: Of which kind.
    """

    component: Callable[[Any], Any]
    opened: Callable[[], Any]
    is_async: bool

    def outcome(self, form: Form, fault: str, **settings: Any) -> Outcome[Any]:
        """Return what a call ends as."""
        return cast("Outcome[Any]", self._ended(outcome_async if self.is_async else outcome, form, fault, settings))

    def streamed(self, form: Form, fault: str, **settings: Any) -> tuple[Outcome[Any], list[str]]:
        """Return what a stream ends as, and the classes of the events that left."""
        run = streamed_async if self.is_async else streamed
        return cast("tuple[Outcome[Any], list[str]]", self._ended(run, form, fault, settings))

    def _ended(self, run: Callable[..., Any], form: Form, fault: str, settings: dict[str, Any]) -> object:
        asked = {"model": fault, **form.asked}
        settings = {"deadline": deadline_of(fault)} | settings

        async def ended() -> Any:
            async with self.opened() as client:
                return await run(self.component(form.of(client)), asked, **settings)

        if self.is_async:
            return asyncio.run(ended())
        with self.opened() as client:
            return run(self.component(form.of(client)), asked, **settings)
