"""What a stage is run with when it is run alone: a scripted rest of the pipeline, a runtime that never waits."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from aiguard.call import Call, Journal
from aiguard.engine.calls import step
from aiguard.errors import error_for
from aiguard.events import Run
from aiguard.failure import Failure, FailureKind
from aiguard.signals import Expired
from aiguard.stages.partition import Partition
from aiguard.stages.retry_budget import RetryTally
from aiguard.strategies import RetryBudget

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Queue, Race
    from aiguard.errors import BoundaryError
    from aiguard.events import Event, Scope
    from aiguard.testing import VirtualClock


class Rest:
    """The rest of the pipeline: does at each call what the script says, the last step for ever."""

    def __init__(self, *script: Any) -> None:
        self.script = list(script)
        self.calls: list[Call] = []

    async def __call__(self, call: Call, /) -> Any:
        """Return the step, raise it, or run it with the call."""
        self.calls.append(call)
        done = self.script[min(len(self.calls), len(self.script)) - 1]
        if callable(done):
            done = done(call)
        if isinstance(done, BaseException):
            raise done
        return done


class FakeRuntime:
    """Runs everything here and now; waiting lets virtual time pass, waiting for a permit does what it is told to."""

    def __init__(self, clock: VirtualClock) -> None:
        self.clock = clock
        self.ran: list[tuple[str, float]] = []
        self.slept: list[float] = []
        self.waiting: Callable[[Queue, Call], None] | None = None

    async def invoke(self, call: Call, until: float) -> Any:
        """Run it as the component is run."""
        return self._run("invoke", call, until)

    async def offload(self, call: Call, until: float) -> Any:
        """Run it as in a thread."""
        return self._run("offload", call, until)

    async def inline(self, call: Call, until: float) -> Any:
        """Run it as in the caller's thread."""
        return self._run("inline", call, until)

    async def replay(self, items: list[Any], call: Call) -> None:
        """Note that items were surfaced."""
        assert call.run.rung is not None
        self.ran.append((f"replay {items}", math.inf))

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        if seconds > 0:
            self.slept.append(seconds)
        self.clock.advance(seconds)

    async def acquire(self, queue: Queue, call: Call) -> None:
        """Do what the test says."""
        assert self.waiting is not None, "nobody was to wait"
        self.waiting(queue, call)

    async def race(self, race: Race) -> None:
        """Run the first alone, to its end."""
        await race.first(self)

    def _run(self, way: str, call: Call, until: float) -> Any:
        self.ran.append((way, until - self.clock.start))
        value = call.fn(*call.args, **call.kwargs)
        if self.clock.now() > until:
            raise Expired
        return value


class Ear:
    """A listener that remembers."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.scope: Scope | None = None

    def hear(self, event: Event) -> None:
        """Remember it."""
        self.events.append(event)


def later(clock: VirtualClock, seconds: float, then: Any = None) -> Callable[..., Any]:
    """Return what takes so many seconds, then answers `then`."""

    def take(*_: Any, **__: Any) -> Any:
        clock.advance(seconds)
        return then

    return take


def answer(*_: Any, **__: Any) -> str:
    """Answer as a component does that has nothing to say."""
    return "ok"


def call_for(
    clock: VirtualClock,
    *args: Any,
    fn: Callable[..., Any] = answer,
    within: float = 10.0,
    ear: Ear | None = None,
    partition: Partition | None = None,
    **kwargs: Any,
) -> Call:
    """Return a call that is over `within` seconds from now."""
    now = clock.now()
    return Call(
        fn=fn,
        args=args,
        kwargs=kwargs,
        deadline=now + within,
        clock=clock,
        runtime=FakeRuntime(clock),
        journal=Journal(now, ear, partition or Partition(None, RetryTally(RetryBudget()))),
        run=Run(),
    )


def runtime_of(call: Call) -> FakeRuntime:
    """Return the fake that the call waits through."""
    assert isinstance(call.runtime, FakeRuntime)
    return call.runtime


def run(stage: Any, rest: Any, call: Call) -> Any:
    """Run one stage alone, to its end."""
    return step(stage.run(rest, call))


def failing(kind: FailureKind, **fields: Any) -> BoundaryError:
    """Return the error that an inner stage raises for `kind`."""
    stage = fields.pop("stage", "component")
    return error_for(Failure(kind, stage, "it failed", **fields))
