"""What `aiguard top` shows of an incident on virtual time: a model is killed while two processes serve tickets."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time  # noqa: TID251 - to show the same time of day everywhere
from pathlib import Path
from typing import TYPE_CHECKING

from aiguard import Breaker, Bulkhead, Retry, guard
from aiguard.monitor.client import Answers
from aiguard.monitor.snapshot import state_of_process, trace_of_process
from aiguard.monitor.watch import Watch
from aiguard.testing import fresh_registry, virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiguard.monitor.schema import StateAnswer, TraceAnswer
    from aiguard.testing import VirtualClock

KILLED, BACK = 90.0, 150.0
"""When the model is killed, and when it is back."""


class Incident:
    """
    Two processes; in each the same calls are made, one after another.

    Attributes:
        directory: Where they are said to be.
    """

    directory = Path("/run/shop")

    def __init__(self, until: float) -> None:
        self._states: list[StateAnswer] = []
        self._traces: list[TraceAnswer] = []
        for number in range(2):
            with virtual_time(seed=number) as clock:
                watch = Watch()
                watch.begin()
                with fresh_registry():
                    _play(clock, until)
                    self._keep(watch, 4711 + number)
                watch.end()

    def _keep(self, watch: Watch, pid: int) -> None:
        state = state_of_process(watch)
        trace = trace_of_process(watch, boundary="ticket-triage", last=40, failed=False)
        for process in (state["process"], trace["process"]):
            process["pid"], process["program"] = pid, "uvicorn"
        self._states.append(state)
        self._traces.append(trace)

    def states(self) -> Answers[StateAnswer]:
        """Return what both processes answer."""
        return Answers(tuple(self._states), ())

    def calls(self, boundary: str) -> Answers[TraceAnswer]:
        """Return the last calls of a boundary."""
        del boundary
        return Answers(tuple(self._traces), ())


def _play(clock: VirtualClock, until: float) -> None:
    """Let calls be made until that moment."""

    def rules(ticket: str) -> str:
        clock.advance(0.002)
        return "invoice" if "paid" in ticket else "other"

    @guard(
        "ticket-triage",
        owner="support-ml",
        deadline=4.0,
        attempt_timeout=2.0,
        isolation="inline",
        retry=Retry(attempts=2),
        breaker=Breaker(minimum_calls=10, window=20.0, open_for=15.0, open_for_max=20.0),
        bulkhead=Bulkhead(limit=16, queue=32),
        fallback=[rules],
    )
    def triage(ticket: str) -> str:
        if KILLED <= clock.elapsed < BACK:
            clock.advance(0.01)
            raise ConnectionRefusedError
        clock.advance(0.2 + 0.3 * clock.random())
        return ticket

    @guard("summarise", owner="support-ml", deadline=8.0, isolation="inline", output=int, reask=1)
    def summarise(ticket: str) -> object:
        clock.advance(0.3 + 0.5 * clock.random() ** 4)
        return len(ticket) if clock.random() < 0.9 else "a word"  # noqa: PLR2004 - one in ten is wrong

    @guard("embed", owner="search", deadline=1.0, isolation="inline", bulkhead=Bulkhead(limit=4))
    def embed(text: str) -> int:
        clock.advance(0.01 + 0.04 * clock.random() ** 2)
        return len(text)

    while clock.elapsed < until:
        triage("ticket")
        for _ in range(5):
            embed("ticket")
        if clock.random() < 0.2:  # noqa: PLR2004 - one ticket in five is long
            summarise.outcome("ticket")
        clock.advance(0.05)


def table() -> str:
    """Return the picture of the table, half a minute after the model was killed."""
    return _pictured(
        Incident(KILLED + 27.0), "s s s up up", (130, 14), "aiguard top: three boundaries, one of them degraded"
    )


def opened() -> str:
    """Return the picture of one boundary, when the model is back."""
    return _pictured(
        Incident(BACK + 25.0), "s s s up up enter", (96, 26), "aiguard top: one boundary, its breakers in time"
    )


def _pictured(incident: Incident, keys: str, size: tuple[int, int], title: str) -> str:
    from aiguard.cli.top import Top  # noqa: PLC0415 - only what draws it needs Textual

    async def play() -> str:
        app = Top(incident)
        async with app.run_test(size=size) as pilot:
            for key in ("", *keys.split()):
                if key:
                    await pilot.press(key)
                await pilot.pause()
                await app.workers.wait_for_complete()
                await pilot.pause()
            return app.export_screenshot(title="aiguard top")

    with _utc(), asyncio.Runner() as runner:
        picture = runner.run(play())
    return titled(picture, title)


def titled(picture: str, title: str) -> str:
    """Return a terminal's picture with a title, for those who cannot see it."""
    picture = re.sub(r"\s*@font-face \{.*?\}", "", picture, flags=re.DOTALL)  # nothing is fetched while reading
    picture = re.sub(r"\s*<!--.*?-->", "", picture)
    picture = re.sub(r"[ \t]+$", "", picture, flags=re.MULTILINE)
    return picture.replace("<style>", f"<title>{title}</title>\n    <style>", 1).rstrip() + "\n"


@contextlib.contextmanager
def _utc() -> Iterator[None]:
    """Show the same time wherever it is drawn."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        if before is None:
            del os.environ["TZ"]
        else:
            os.environ["TZ"] = before
        time.tzset()
