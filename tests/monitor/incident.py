"""One incident on virtual time: a model that is killed, seen by two processes. What they answer is their own words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard import Breaker, Budget, Bulkhead, Retry, guard
from aiguard.monitor.client import Answers, Silent
from aiguard.monitor.snapshot import state_of_process, trace_of_process
from aiguard.monitor.watch import Watch
from aiguard.testing import fresh_registry

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.monitor.schema import StateAnswer, TraceAnswer
    from aiguard.testing import VirtualClock

CANARY = "SECRET-PROMPT"


class Incident:
    """
    Two processes, one of them without the incident; a third that does not answer.

    Attributes:
        directory: Where they are said to be.
    """

    def __init__(self, clock: VirtualClock, directory: Path, *, owner: str = "support-ml") -> None:
        self.directory = directory
        self.clock = clock
        self._states: list[StateAnswer] = []
        self._traces: list[TraceAnswer] = []
        self._owner = owner
        self.asked: list[str] = []
        self._process(4711, killed=False)
        self._process(4712, killed=True)

    def _process(self, pid: int, *, killed: bool) -> None:
        watch = Watch()
        watch.begin()
        with fresh_registry():
            self._declare()
            self._run(calls=30, killed=False)
            self._run(calls=60 if killed else 0, killed=True)
            self._keep(watch, pid)
        watch.end()

    def _declare(self) -> None:
        clock, killed = self.clock, [False]

        def rules(ticket: str) -> str:
            del ticket
            return "other"

        @guard(
            "ticket-triage",
            owner=self._owner,
            deadline=2.0,
            attempt_timeout=0.5,
            isolation="inline",
            retry=Retry(attempts=2),
            breaker=Breaker(minimum_calls=10, open_for=15.0),
            bulkhead=Bulkhead(limit=8),
            fallback=[rules],
            output=str,
        )
        def triage(ticket: str) -> str:
            clock.advance(0.125)
            if killed[0]:
                raise ConnectionRefusedError(ticket)
            return "billing"

        @guard("embed", deadline=1.0, isolation="inline", budget=Budget(calls=1000, per=60.0))
        def embed(text: str) -> int:
            clock.advance(0.01)
            return len(text)

        self._triage, self._embed, self._killed = triage, embed, killed

    def _run(self, *, calls: int, killed: bool) -> None:
        self._killed[0] = killed
        for _ in range(calls):
            self._triage(CANARY)
            self._embed(CANARY)
            self.clock.advance(0.1)

    def _keep(self, watch: Watch, pid: int) -> None:
        state = state_of_process(watch)
        trace = trace_of_process(watch, boundary=None, last=1000, failed=False)
        for process in (state["process"], trace["process"]):
            process["pid"], process["program"] = pid, "shop.py"
        self._states.append(state)
        self._traces.append(trace)

    def states(self) -> Answers[StateAnswer]:
        """Return what two processes answer, and that one does not."""
        return Answers(tuple(self._states), (Silent(4713, "no answer within 2 s"),))

    def calls(self, boundary: str) -> Answers[TraceAnswer]:
        """Return the last calls of a boundary."""
        self.asked.append(boundary)
        chosen: Any = [
            {**trace, "calls": [call for call in trace["calls"] if call["boundary"] == boundary]}
            for trace in self._traces
        ]
        return Answers(tuple(chosen), ())

    def traces(self) -> Answers[TraceAnswer]:
        """Return the last calls of both processes."""
        return Answers(tuple(self._traces), ())
