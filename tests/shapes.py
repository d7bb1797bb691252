"""
One scenario, four shapes.

A scenario scripts what the component does at each attempt; the harness makes a guarded function of each shape from it
and calls it the same way, so that a behaviour is stated once and holds for all of them.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import BoundaryError, Outcome, guard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiguard.testing import VirtualClock

SHAPES = ("sync", "thread", "async", "generator", "thread_generator", "async_generator")
"""The four shapes, the sync ones both in the caller's thread and in a worker."""


class Hang:
    """The component never answers by itself."""


@dataclass
class Takes:
    """The component takes so many seconds, then does `then`."""

    seconds: float
    then: Any = "ok"


class Held:
    """The component is inside until the test lets it go, in real time: for what happens meanwhile."""

    def __init__(self, then: Any = "ok") -> None:
        self.then = then
        self.inside = threading.Event()
        self.let_go = threading.Event()

    def __call__(self) -> Any:
        """Wait to be let go."""
        self.inside.set()
        assert self.let_go.wait(PATIENCE), "the test never let the component go"
        return _do(self.then)


class Items:
    """A streaming component yields these one after another; an exception among them is raised, a `Takes` waited for."""

    def __init__(self, *steps: Any) -> None:
        self.steps = steps


class HttpError(Exception):
    """What a client library raises for a response with an error status."""

    def __init__(self, status: int, headers: dict[str, str] | None = None, body: Any = None) -> None:
        super().__init__("SECRET-PROMPT")
        self.status_code = status
        self.body = body
        self.response = SimpleNamespace(headers=headers or {})


PATIENCE = 10.0
"""Real seconds after which a test gives up on a thread."""


class Background:
    """A call that runs in a thread of its own, so that the test can look on."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._value: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._value = self._call()
        except BaseException as error:  # noqa: BLE001 - carried to the test
            self._error = error

    def result(self) -> Any:
        """Wait for the call; return what it returned or raise what it raised."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the call never ended"
        if self._error is not None:
            raise self._error
        return self._value


class RealTime:
    """Stands in for the virtual clock where real threads wait for each other."""

    run = staticmethod(asyncio.run)


@dataclass
class Harness:
    """A guarded component of one shape, scripted."""

    shape: str
    clock: VirtualClock | Any
    script: Iterable[Any]
    name: str = "scenario"
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._steps = iter(self.script)
        self.calls = 0
        self.guarded = self._declare()

    @property
    def boundary(self) -> Any:
        """The boundary."""
        return self.guarded.boundary

    @property
    def is_async(self) -> bool:
        """Whether it runs on a loop."""
        return self.shape.startswith("async")

    @property
    def is_stream(self) -> bool:
        """Whether it streams."""
        return self.shape.endswith("generator")

    @property
    def inline(self) -> bool:
        """Whether it runs in the caller's thread, where nothing can interrupt it."""
        return self.shape in {"sync", "generator"}

    def fails(self, *args: Any) -> BoundaryError:
        """Call it once and return the error that leaves the boundary."""
        with pytest.raises(BoundaryError) as caught:
            self(*args)
        return caught.value

    def start(self, held: Held, *args: Any) -> Background:
        """Call it in a thread of its own; return once the component is inside."""
        background = Background(lambda: self(*args))
        assert held.inside.wait(PATIENCE), "the component was never called"
        return background

    def __call__(self, *args: Any) -> Any:
        """Call it once: the value (of a stream: its only item, or a list of several)."""
        if self.shape == "async":
            return self.clock.run(self.guarded(*args))
        if self.shape == "async_generator":
            return self.clock.run(self._drain(*args))
        if self.is_stream:
            return _one(list(self.guarded(*args)))
        return self.guarded(*args)

    def outcome(self, *args: Any) -> Outcome[Any]:
        """Call it once and return what it ended as."""
        if self.shape == "async":
            outcome: Outcome[Any] = self.clock.run(self.guarded.outcome(*args))
            return outcome
        if not self.is_stream:
            plain: Outcome[Any] = self.guarded.outcome(*args)
            return plain
        streams: list[Any] = []
        try:
            if self.is_async:
                self.clock.run(self._drain(*args, keep=streams))
            else:
                streams.append(self.guarded(*args))
                list(streams[0])
        except Exception:  # noqa: BLE001 - the outcome says what it was
            assert streams[0].outcome is not None
        ended: Outcome[Any] = streams[0].outcome
        return ended

    async def acall(self, *args: Any) -> Any:
        """Call an async one on the running loop."""
        if self.is_stream:
            return await self._drain(*args)
        return await self.guarded(*args)

    async def _drain(self, *args: Any, keep: list[Any] | None = None) -> Any:
        stream = self.guarded(*args)
        if keep is not None:
            keep.append(stream)
        return _one([item async for item in stream])

    def _declare(self) -> Any:
        settings = dict(self.settings)
        settings.setdefault("deadline", 10.0)
        if self.is_stream:
            settings.setdefault("stream", "passthrough")
        if not self.is_async:
            settings.setdefault("isolation", "thread" if self.shape.startswith("thread") else "inline")
        decorate: Callable[[Any], Any] = guard(self.name, **settings)
        return decorate(self._component())

    def _component(self) -> Any:  # noqa: C901 - one component a shape
        if self.shape == "async":

            async def component(*_: Any) -> Any:
                step = self._next()
                while type(step) in {Takes, Hang}:
                    await asyncio.sleep(step.seconds if isinstance(step, Takes) else 1e9)
                    step = step.then if isinstance(step, Takes) else "late"
                return _do(step)

            return component
        if self.shape == "async_generator":

            async def astream(*_: Any) -> Any:
                step = self._next()
                while type(step) in {Takes, Hang}:
                    await asyncio.sleep(step.seconds if isinstance(step, Takes) else 1e9)
                    step = step.then if isinstance(step, Takes) else "late"
                if type(step) is not Items:
                    yield _do(step)
                    return
                for item in step.steps:
                    if isinstance(item, Takes):
                        await asyncio.sleep(item.seconds)
                    yield _do(item.then if isinstance(item, Takes) else item)

            return astream

        def wait() -> Any:
            step = self._next()
            while type(step) in {Takes, Hang}:
                if isinstance(step, Takes):
                    self.clock.sleep(step.seconds)
                    step = step.then
                elif self.shape.startswith("thread"):
                    self.clock.hang()
                    step = "late"
                else:  # what runs in the caller's thread cannot be left: it comes back far too late
                    self.clock.sleep(1000.0)
                    step = "late"
            return _do(step)

        if self.is_stream:

            def stream(*_: Any) -> Any:
                step = wait()
                if type(step) is not Items:
                    yield step
                    return
                for item in step.steps:
                    if isinstance(item, Takes):
                        self.clock.sleep(item.seconds)
                    yield _do(item.then if isinstance(item, Takes) else item)

            return stream

        def function(*_: Any) -> Any:
            return wait()

        return function

    def _next(self) -> Any:
        self.calls += 1
        return next(self._steps)


def _do(step: Any) -> Any:
    if isinstance(step, BaseException) or (isinstance(step, type) and issubclass(step, BaseException)):
        raise step
    return step() if callable(step) and not isinstance(step, type) else step


def _one(items: list[Any]) -> Any:
    return items[0] if len(items) == 1 else items
