"""The component of a schedule, in all shapes, and the rungs behind it: they do what the scene says, and tell it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Protocol

from aiguard import OutputContract, Rung, last_good
from tests.simulation.schedule import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.schedule import Step

BROKEN: Final[dict[str, str]] = {"not": "a number"}
"""An answer that breaks the contract."""

FOREVER: Final = 1000.0
"""How long a plain function hangs: nobody can free it from its own thread, so it comes back far too late."""

RUNG_TAKES: Final = 0.23
"""Seconds that the slow rung takes: no share of a deadline is as long, so it never ends in the moment it is cut off."""

KEPT_FOR: Final = 3.0
"""Seconds that `last_good` keeps an answer."""

VALUES: Final = {"value": 7, "quick": 8, "slow": 9, "ai": 10}
"""What each rung answers."""


class HttpError(Exception):
    """What a client library raises for a response with an error status."""

    def __init__(self, status: int, retry_after: float | None = None, code: str | None = None) -> None:
        super().__init__()
        self.status_code = status
        self.body = {"error": {"code": code}} if code else None
        headers = {} if retry_after is None else {"retry-after": f"{retry_after:g}"}
        self.response = SimpleNamespace(headers=headers)


def raised(fault: str) -> Exception:
    """Return what the component raises for `fault`."""
    return _RAISED[fault]()


_RAISED: Final[dict[str, Callable[[], Exception]]] = {
    "connection": ConnectionError,
    "own_timeout": TimeoutError,
    "server_error": lambda: HttpError(500),
    "overloaded": lambda: HttpError(529),
    "overloaded_pause": lambda: HttpError(529, FAULTS["overloaded_pause"][1]),
    "rate_limited": lambda: HttpError(429),
    "rate_limited_pause": lambda: HttpError(429, FAULTS["rate_limited_pause"][1]),
    "rate_limited_long": lambda: HttpError(429, FAULTS["rate_limited_long"][1]),
    "auth": lambda: HttpError(401),
    "quota": lambda: HttpError(429, None, "insufficient_quota"),
    "bad_request": lambda: HttpError(400),
    "unclassified": LookupError,
}


class Run:
    """
    One run of the component, as the component itself saw it.

    Attributes:
        boundary: Whose component.
        call: Which call's.
        attempt: Which of that call's runs, from 0.
        step: What it was to do.
        began: When it began.
        ended: When it ended; `None` while it runs.
        swallowed: How many cancellations it swallowed.
        how: How it ended: `ok`, `invalid`, a fault, or `cancelled`.
        items: How many items it has given.
        last: When it gave the last of them, or began.
        before: The same of the item before that.
    """

    __slots__ = ("attempt", "before", "began", "boundary", "call", "ended", "how", "items", "last", "step", "swallowed")

    def __init__(self, boundary: int, call: int, attempt: int, step: Step, began: float) -> None:
        self.boundary = boundary
        self.call = call
        self.attempt = attempt
        self.step = step
        self.began = began
        self.ended: float | None = None
        self.swallowed = 0
        self.how = "cancelled"
        self.items = 0
        self.last = self.before = began

    def value(self, item: int = 0) -> int:
        """Return the answer of this run, or one of its items: no two runs give the same."""
        return (self.call + 1) * 1000 + self.attempt * 10 + item


class Scene(Protocol):
    """What a component needs of the schedule it plays in."""

    def enter(self, boundary: int, call: int) -> Run:
        """Begin a run of the component."""

    def give(self, run: Run) -> None:
        """Give an item of a stream."""

    def leave(self, run: Run) -> None:
        """End it."""

    def sleep(self, seconds: float) -> None:
        """Let time pass, in the caller's thread."""


class Stand:
    """
    Where components find the scene that is played.

    Attributes:
        scene: The scene.
    """

    scene: Scene


async def _take(run: Run, seconds: float, *, hang: bool) -> None:
    """Take so long, and swallow as many cancellations as the step says."""
    while True:
        try:
            if hang:
                await asyncio.get_running_loop().create_future()
            elif seconds > 0:
                await asyncio.sleep(seconds)
            return
        except asyncio.CancelledError:
            if run.swallowed >= run.step.swallows:
                raise
            run.swallowed += 1


def _ends(run: Run) -> Any:
    """Return or raise what the run ends with."""
    run.how = then = run.step.then
    if then in FAULTS:
        raise raised(then)
    return BROKEN if then == "invalid" else run.value()


def component(shape: str, boundary: int, stand: Stand) -> Any:
    """Return the component of a boundary: it is called with the number of the call and with its key."""
    return _COMPONENTS[shape](boundary, stand)


def _async(boundary: int, stand: Stand) -> Any:
    async def ask(call: int, key: str | None = None) -> Any:  # noqa: ARG001 - the policy's key reads it
        scene = stand.scene
        run = scene.enter(boundary, call)
        try:
            step = run.step
            if step.seconds > 0 or step.then == "hang":
                await _take(run, step.seconds, hang=step.then == "hang")
            return _ends(run)
        finally:
            scene.leave(run)

    return ask


def _sync(boundary: int, stand: Stand) -> Any:
    def answer(call: int, key: str | None = None) -> Any:  # noqa: ARG001 - the policy's key reads it
        scene = stand.scene
        run = scene.enter(boundary, call)
        try:
            scene.sleep(FOREVER if run.step.then == "hang" else run.step.seconds)
            return _ends(run)
        finally:
            scene.leave(run)

    return answer


def _async_stream(boundary: int, stand: Stand) -> Any:
    async def stream(call: int, key: str | None = None) -> Any:  # noqa: ARG001 - the policy's key reads it
        scene = stand.scene
        run = scene.enter(boundary, call)
        try:
            step = run.step
            for item, gap in enumerate(step.gaps):
                await _take(run, gap, hang=False)
                scene.give(run)
                yield run.value(item)
            await _take(run, step.seconds, hang=step.then == "hang")
            last = _ends(run)
            if step.then == "invalid":
                scene.give(run)
                yield last
        finally:
            scene.leave(run)

    return stream


def _sync_stream(boundary: int, stand: Stand) -> Any:
    def stream(call: int, key: str | None = None) -> Any:  # noqa: ARG001 - the policy's key reads it
        scene = stand.scene
        run = scene.enter(boundary, call)
        try:
            step = run.step
            for item, gap in enumerate(step.gaps):
                scene.sleep(gap)
                scene.give(run)
                yield run.value(item)
            scene.sleep(FOREVER if step.then == "hang" else step.seconds)
            last = _ends(run)
            if step.then == "invalid":
                scene.give(run)
                yield last
        finally:
            scene.leave(run)

    return stream


_COMPONENTS: Final = {
    "async": _async,
    "sync": _sync,
    "buffer": _async_stream,
    "stream": _async_stream,
    "sync_buffer": _sync_stream,
    "sync_stream": _sync_stream,
}


def contract(shape: str) -> Any:
    """Return what the answer must satisfy."""
    return OutputContract(list[int]) if shape.endswith("buffer") else int


def key(call: int, key: str | None = None) -> str | None:  # noqa: ARG001 - the component's own arguments
    """Return what splits the dependency."""
    return key


def rungs(shape: str, ladder: tuple[str, ...], stand: Stand) -> list[Any]:
    """Return the rungs of those names, for a component of `shape`."""
    return [_rung(shape, name, stand) for name in ladder]


def _rung(shape: str, name: str, stand: Stand) -> Any:
    if name == "value":
        return [VALUES[name]] if shape.endswith("buffer") else VALUES[name]
    if name == "last_good":
        return last_good(by=key, ttl=KEPT_FOR)
    answers = _ASYNC_RUNGS if not shape.startswith("sync") and shape != "stream" else {}
    fn = answers.get(name) or _plain_rung(name, stand)
    return Rung(fn, inline=name not in answers, ai=name == "ai", name=name)


async def _slow(call: int, key: str | None = None) -> Any:  # noqa: ARG001 - the component's own arguments
    await asyncio.sleep(RUNG_TAKES)
    return VALUES["slow"]


async def _hung(call: int, key: str | None = None) -> Any:  # noqa: ARG001 - the component's own arguments
    await asyncio.get_running_loop().create_future()


_ASYNC_RUNGS: Final[dict[str, Any]] = {"slow": _slow, "hung": _hung}


def _plain_rung(name: str, stand: Stand) -> Any:
    def answer(call: int, key: str | None = None) -> Any:  # noqa: ARG001 - the component's own arguments
        if name == "slow":
            stand.scene.sleep(RUNG_TAKES)
        if name == "broken":
            raise LookupError
        return BROKEN if name == "invalid" else VALUES[name]

    return answer
