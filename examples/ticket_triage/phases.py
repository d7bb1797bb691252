"""What the model goes through, in this order, while tickets keep coming."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from examples.ticket_triage.model_process import ModelProcess


@dataclass(frozen=True, slots=True)
class Phase:
    """
    A time with the model in one state.

    Attributes:
        name: As the comparison shows it.
        says: What happens to the model, for whoever watches.
        begin: Brings the model into that state.
        tickets: How many arrive.
        pace: Time between two of them, as a multiple of the time a healthy answer takes.
    """

    name: str
    says: str
    begin: Callable[[ModelProcess], Awaitable[None]]
    tickets: int
    pace: float


def plan(tickets: int) -> tuple[Phase, ...]:
    """
    Return the phases of a run.

    Args:
        tickets: How many the healthy model gets; each broken one gets about a quarter of them, at least three, which is
            enough to open the breaker.
    """
    broken = min(tickets, max(3, round(tickets / 4)))
    return (
        Phase("healthy", "the model is served by a process of its own", _start, tickets, pace=1.5),
        Phase("hung", "SIGSTOP: it accepts connections and never answers", _hang, broken, pace=1.0),
        Phase("killed", "SIGKILL: its port refuses connections", _kill, broken, pace=1.0),
        # Nonsense is longer than a triage and is asked for again, so it takes more of the processor.
        Phase("nonsense", "a bad release takes its place: fast, status 200, wrong", _replace, broken, pace=2.5),
    )


async def _start(model: ModelProcess) -> None:
    if model.state != "serving":  # before the first run it was started to see how fast it is
        await model.start()


async def _hang(model: ModelProcess) -> None:
    model.hang()


async def _kill(model: ModelProcess) -> None:
    model.kill()


async def _replace(model: ModelProcess) -> None:
    await model.start(nonsense=True)
