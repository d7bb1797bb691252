"""A schedule is played: boundaries declared, callers let loose, all that can be seen from outside written down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import weakref
from typing import TYPE_CHECKING, Any, Final

from aiguard import BoundaryError, Breaker, Budget, Bulkhead, Hedge, Outcome, Retry, RetryBudget, boundary, guard
from aiguard.engine.dependency import DEPENDENCIES
from aiguard.engine.state import SURROUNDINGS
from aiguard.testing.virtual import fresh_registry
from tests.simulation import taps
from tests.simulation.component import Run, Stand, component, contract, key, rungs
from tests.simulation.loop import START, SimulatedClock, SimulatedLoop, SimulatedPatience

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.simulation.schedule import Boundary, Caller, Schedule, Turn

GROUPS: Final[dict[str, Any]] = {
    "retry": Retry,
    "breaker": Breaker,
    "bulkhead": Bulkhead,
    "budget": Budget,
    "hedge": Hedge,
    "retry_budget": RetryBudget,
}


class Ending:
    """
    How one call ended, as its caller saw it.

    Attributes:
        began: When it began.
        ended: When it ended.
        how: `ok`, `cancelled`, `closed` (its consumer had enough), a failure kind, or the name of something unexpected.
        value: What it answered; of a stream: the items.
        error: What it raised.
        outcome: What it says that it ended as, where that is to be had.
        asked: Of a stream: when the item was asked for that came last, or is to come.
        waited: Of a stream: the seconds spent waiting for items.
        jumped: Seconds that the clock jumped meanwhile.
    """

    __slots__ = ("asked", "began", "ended", "error", "how", "jumped", "outcome", "value", "waited")

    def __init__(self, began: float) -> None:
        self.began = self.asked = began
        self.ended = float("nan")
        self.how = "never"
        self.value: Any = None
        self.error: BaseException | None = None
        self.outcome: Outcome[Any] | None = None
        self.waited = 0.0
        self.jumped = 0.0


class Played:
    """
    A schedule as it is played.

    Attributes:
        schedule: The schedule.
        clock: Its time.
        guarded: The guarded functions.
        runs: Every run of the component, in order.
        endings: How each call ended, by its number.
        wrong: What contradicts the reference: there must be nothing.
        told: What happened, for whoever reads of a failure; `None` where nobody asked.
    """

    def __init__(self, schedule: Schedule, guarded: list[Any], *, tell: bool) -> None:
        self.schedule = schedule
        self.guarded = guarded
        self.clock = SimulatedClock(schedule.chance)
        self.runs: list[Run] = []
        self.endings: dict[int, Ending] = {}
        self.wrong: list[str] = []
        self.told: list[tuple[float, str]] | None = [] if tell else None
        self.inside = [0] * len(guarded)

    # --- what the component tells

    def enter(self, boundary: int, call: int) -> Run:
        """Begin a run of the component."""
        before = sum(run.call == call for run in self.runs)
        steps = self.schedule.callers[call].steps
        run = Run(boundary, call, before, steps[min(before, len(steps) - 1)], self.clock.now())
        self.runs.append(run)
        self.inside[boundary] += 1
        if self.told is not None:
            self.tell(f"call {call}: the component begins its run {before + 1}")
        return run

    def leave(self, run: Run) -> None:
        """End it."""
        run.ended = self.clock.now()
        self.inside[run.boundary] -= 1
        if self.told is not None:
            self.tell(f"call {run.call}: run {run.attempt + 1} ends: {run.how}")

    def give(self, run: Run) -> None:
        """Give an item of a stream."""
        run.items += 1
        run.before, run.last = run.last, self.clock.now()
        whole = self.schedule.shape.endswith("buffer")
        if run.items == 1 and not whole and taps.CURRENT.conformance is not None:
            taps.CURRENT.conformance.first_item(run.call)
        self.tell(f"call {run.call}: item {run.items}")

    def sleep(self, seconds: float) -> None:
        """Let time pass, in the caller's thread."""
        self.clock.advance(seconds)

    # --- what is written down

    def tell(self, what: str) -> None:
        """Note what happens, if anybody wants to know."""
        if self.told is not None:
            self.told.append((self.clock.now() - START, what))

    def disagree(self, what: str) -> None:
        """Note what contradicts the reference."""
        self.wrong.append(f"at {self.clock.now() - START:g}: {what}")
        self.tell(f"WRONG: {what}")


# --- boundaries


class Company:
    """
    The boundaries of one family of seeds, declared once.

    Args:
        schedule: Any schedule of the family.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.stand = Stand()
        self.declared = schedule.shape, schedule.boundaries
        boundary._REGISTRY.swap({})
        self.guarded = [
            declare(f"b{index}", schedule.shape, one, index, self.stand)
            for index, one in enumerate(schedule.boundaries)
        ]

    def begin(self, schedule: Schedule, *, tell: bool = False) -> Played:
        """Return the schedule about to be played, by boundaries that have forgotten everything."""
        played = Played(schedule, self.guarded, tell=tell)
        self.stand.scene = played
        SURROUNDINGS.clock, SURROUNDINGS.patience = played.clock, SimulatedPatience(played.clock)
        DEPENDENCIES.swap(weakref.WeakValueDictionary())
        for one in self.guarded:
            one.boundary._begin(one.boundary._code)
        return played


def declare(name: str, shape: str, one: Boundary, index: int, stand: Stand) -> Any:
    """Return the guarded function of a boundary."""
    settings = {setting: _made(setting, value, one, shape) for setting, value in one.settings.items()}
    if settings.get("key") is None:
        settings.pop("key", None)
    ladder = rungs(shape, one.ladder, stand)
    decorate: Any = guard(name, **settings, fallback=ladder)
    return decorate(component(shape, index, stand))


def _made(setting: str, value: Any, one: Boundary, shape: str) -> Any:
    if setting == "retry":
        wait = one.wait
        chosen = dict(value, on=frozenset(value["on"])) if "on" in value else dict(value)
        return Retry(**chosen, wait=None if wait is None else (lambda _: wait))
    if setting in GROUPS:
        return GROUPS[setting](**value) if value is not None else None
    if setting == "output":
        return contract(shape) if value else None
    if setting == "key":
        return key if value else None
    return value


@contextlib.contextmanager
def stage() -> Iterator[None]:
    """Know no boundary outside, tap the pipelines declared inside, and keep logs quiet."""
    logger = logging.getLogger("aiguard")
    before = SURROUNDINGS.clock, SURROUNDINGS.patience
    disabled, logger.disabled = logger.disabled, True
    with fresh_registry(), taps.in_place():
        try:
            yield
        finally:
            SURROUNDINGS.clock, SURROUNDINGS.patience = before
            logger.disabled = disabled


# --- calls


def play(played: Played) -> None:
    """Play it to its end, and until nothing is left on its loop."""
    schedule = played.schedule
    if schedule.shape.startswith("sync"):
        _play_here(played)
        return
    loop = SimulatedLoop(played.clock, random.Random(schedule.seed) if schedule.tangled else None)  # type: ignore[abstract]  # the rest is never asked for
    tasks = (_one_by_one if schedule.one_by_one else _at_once)(played, loop)
    played.wrong += [f"on the loop: {fault}" for fault in loop.faults]
    for number, task in enumerate(tasks):
        if not task.done():
            played.disagree(f"call {number} never ended")
        elif (error := None if task.cancelled() else task.exception()) is not None:
            played.disagree(f"call {number}: {error!r} left the harness")
    if loop.pending:
        played.disagree(f"{loop.pending} callbacks are left on the loop")


def _one_by_one(played: Played, loop: SimulatedLoop) -> list[asyncio.Task[None]]:
    tasks: list[asyncio.Task[None]] = []
    turns = list(played.schedule.turns)
    for number, caller in enumerate(played.schedule.callers):
        while turns and turns[0].at <= number:
            _turn(played, turns.pop(0))
        moment = played.clock.now() + caller.at
        loop.run(moment)
        played.clock.reach(moment)
        tasks.append(_start(played, loop, number))
        loop.run(task=tasks[-1])
    loop.run()
    return tasks


def _at_once(played: Played, loop: SimulatedLoop) -> list[asyncio.Task[None]]:
    tasks: list[asyncio.Task[None]] = []
    for turn in played.schedule.turns:
        loop.call_at(START + turn.at, _turn, played, turn)
    for number, caller in enumerate(played.schedule.callers):
        loop.call_at(START + caller.at, lambda number=number: tasks.append(_start(played, loop, number)))
    loop.run()
    return tasks


def _start(played: Played, loop: SimulatedLoop, number: int) -> asyncio.Task[None]:
    caller = played.schedule.callers[number]
    task = loop.create_task(_call(played, number, caller))
    if caller.gives_up is not None:
        loop.call_later(caller.gives_up, _give_up, played, number, task)
    return task


def _give_up(played: Played, number: int, task: asyncio.Task[None]) -> None:
    if task.cancel():
        played.tell(f"call {number} is cancelled")


def _turn(played: Played, turn: Turn) -> None:
    played.tell(f"{turn.what} {turn.seconds or ''}")
    first = played.guarded[0].boundary
    if turn.what == "jump":
        played.clock.jump(turn.seconds)
    elif turn.what in {"on", "off"}:
        first.mode = turn.what
    elif first.breaker is not None:
        getattr(first.breaker, turn.what)()
        taps.moved_by_hand(turn.what)


async def _call(played: Played, number: int, caller: Caller) -> None:
    ending = _begin(played, number)
    try:
        guarded = _asked_for(played, caller)
        if played.schedule.shape in {"buffer", "stream"}:
            await _consume(played, guarded(number, caller.key), caller, ending)
        elif caller.plain:
            ending.value = await guarded(number, caller.key)
        else:
            ending.outcome = await guarded.outcome(number, caller.key)
        ending.how = "ok" if ending.how == "never" else ending.how
    except asyncio.CancelledError:
        ending.how = "cancelled"
    except Exception as error:  # noqa: BLE001 - whatever leaves is written down
        _raised(ending, error)
    _end(played, number, ending)


def _begin(played: Played, number: int) -> Ending:
    played.tell(f"call {number} begins")
    ending = played.endings[number] = Ending(played.clock.now())
    ending.jumped = -played.clock.jumped
    return ending


def _asked_for(played: Played, caller: Caller) -> Any:
    guarded = played.guarded[caller.boundary]
    if caller.deadline is None and caller.priority == "normal":
        return guarded
    return guarded.options(deadline=caller.deadline, priority=caller.priority)


def _raised(ending: Ending, error: Exception) -> None:
    ending.error = error
    if isinstance(error, BoundaryError):
        ending.how = error.failure.kind.value
        ending.outcome = error.outcome
    else:
        ending.how = repr(error)


def _end(played: Played, number: int, ending: Ending) -> None:
    ending.ended = played.clock.now()
    ending.jumped += played.clock.jumped
    if ending.outcome is not None and ending.how == "ok":
        outcome = ending.outcome
        ending.value = outcome.value if ending.value is None else ending.value
        if not outcome.ok:
            ending.how = outcome.failure.kind.value if outcome.failure else "no failure"
            ending.error = outcome.error
    if played.told is not None:
        played.tell(f"call {number} ends: {ending.how} {'' if ending.value is None else ending.value}")


async def _consume(played: Played, stream: Any, caller: Caller, ending: Ending) -> None:
    """Take the items of a stream, at the caller's pace, until it has enough."""
    items: list[Any] = []
    ending.value = items
    clock = played.clock
    try:
        while caller.enough is None or len(items) < caller.enough:
            ending.asked = clock.now()
            try:
                items.append(await stream.__anext__())
            except StopAsyncIteration:
                return
            finally:
                ending.waited += clock.now() - ending.asked
            if caller.pause:
                await asyncio.sleep(caller.pause)
        ending.how = "closed"
    finally:
        await stream.aclose()
        ending.outcome = stream.outcome


def _play_here(played: Played) -> None:
    """Play what runs in the caller's thread: one call after another."""
    turns = list(played.schedule.turns)
    for number, caller in enumerate(played.schedule.callers):
        while turns and turns[0].at <= number:
            _turn(played, turns.pop(0))
        played.clock.advance(caller.at)
        ending = _begin(played, number)
        try:
            guarded = _asked_for(played, caller)
            if played.schedule.shape == "sync":
                if caller.plain:
                    ending.value = guarded(number, caller.key)
                else:
                    ending.outcome = guarded.outcome(number, caller.key)
            else:
                _consume_here(played, guarded(number, caller.key), caller, ending)
            ending.how = "ok" if ending.how == "never" else ending.how
        except Exception as error:  # noqa: BLE001 - whatever leaves is written down
            _raised(ending, error)
        _end(played, number, ending)


def _consume_here(played: Played, stream: Any, caller: Caller, ending: Ending) -> None:
    items: list[Any] = []
    ending.value = items
    clock = played.clock
    try:
        while caller.enough is None or len(items) < caller.enough:
            ending.asked = clock.now()
            try:
                items.append(next(stream))
            except StopIteration:
                return
            finally:
                ending.waited += clock.now() - ending.asked
            clock.advance(caller.pause)
        ending.how = "closed"
    finally:
        stream.close()
        ending.outcome = stream.outcome
