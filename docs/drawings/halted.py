"""Seven calls while a boundary is halted and resumed, by the gate's file and the record, on virtual time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard import guard
from aiguard.config.people import Person
from aiguard.engine.state import SURROUNDINGS
from aiguard.governance.control import Control
from aiguard.governance.directory import Directory, Listed
from aiguard.governance.store import Actor
from aiguard.switch import Gate
from aiguard.testing import fresh_registry, virtual_time
from docs.drawings.axis import Axis
from docs.drawings.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard import Outcome
    from aiguard.config.people import Action
    from aiguard.testing import VirtualClock

ROW, TOP = 26, 40
CALLS, EVERY, TAKES = 7, 0.5, 0.8
HALTED, RESUMED = 1.15, 2.9
END: Final = (CALLS - 1) * EVERY + TAKES + 0.4


class Called(NamedTuple):
    """A call: when it began, and what it ended as."""

    begun: float
    outcome: Outcome[Any]


def play() -> list[Called]:
    """Return the calls, in the order in which they began."""
    with TemporaryDirectory() as folder, virtual_time() as clock, fresh_registry():
        state = Path(folder, "state")
        SURROUNDINGS.gate = Gate(lambda: state, clock)  # `virtual_time` puts back what was there
        return clock.run(_scene(clock, state))


async def _scene(clock: VirtualClock, state: Path) -> list[Called]:
    @guard("refunds", deadline=2.0, risk="high", fallback=["a person will look at it"])
    async def refunds(number: int) -> str:
        await asyncio.sleep(TAKES)  # noqa: TID251 - virtual
        return f"paid {number}"

    async def call(number: int) -> Called:
        await asyncio.sleep(number * EVERY)  # noqa: TID251 - virtual
        return Called(clock.elapsed, await refunds.outcome(number))

    async def act(moment: float, person: str, does: Callable[[Control], object]) -> None:
        await asyncio.sleep(moment)  # noqa: TID251 - virtual
        does(_control(state, person, clock))

    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(call(number)) for number in range(CALLS)]
        group.create_task(act(HALTED, "anna", lambda control: control.halt("refunds", reason="INC-12")))
        group.create_task(act(RESUMED, "ben", lambda control: control.resume("refunds", reason="mended")))
    return [task.result() for task in calls]


def _control(state: Path, person: str, clock: VirtualClock) -> Control:
    people = {name: Person(name, name.title()) for name in ("anna", "ben")}
    rules: dict[Action, tuple[str, ...]] = {"halt": ("anna",), "resume": ("ben",)}
    directory = Directory(people=people, control=rules, boundaries={"refunds": Listed(None, "high")})
    control = Control(state, directory, clock=clock)
    control.actor = Actor(person, 1000)
    return control


def draw() -> str:
    """Return a row for each call, and the two moments that an operator chose."""
    canvas = Canvas(
        "Seven calls, a halt and a resume",
        "From the halt on nothing of the model leaves, not even what it was asked before. The floor answers instead.",
    )
    bottom = TOP + CALLS * ROW + 2
    axis = Axis(canvas, END, 24, bottom)
    for row, (begun, outcome) in enumerate(play()):
        y = TOP + row * ROW
        canvas.text(8, y + 13.5, f"call {row + 1}")
        for attempt in outcome.attempts:
            start = begun + attempt.started
            kind, said = ("rejected", "not let out") if outcome.degraded else ("answered", "model")
            axis.bar(start, start + attempt.elapsed, y, kind, said)
        if outcome.degraded:
            x = axis.at(begun + outcome.elapsed)
            canvas.diamond(x + (7 if outcome.attempts else 0), y + 9, "rung")
            canvas.text(x + (17 if outcome.attempts else 11), y + 13.5, "floor", "note")
    axis.limit(HALTED, "halted by anna")
    axis.limit(RESUMED, "resumed by ben")
    return canvas.drawn(bottom + 30)
