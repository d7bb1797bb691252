"""One ticket's way through a service: what was answered, by whom, and how long it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Run = Literal["without", "with"]
Verdict = Literal["valid", "invalid", "failed"]

GRACE: Final = 0.05
"""Seconds after the deadline from which an answer is late: what an event loop on a busy machine may take."""


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What a service made of a ticket.

    Attributes:
        verdict: `"valid"`: a `Triage`; `"invalid"`: an answer that is none; `"failed"`: no answer.
        source: Who answered: `"component"`, or the name of a rung; `None` where nobody did.
        tries: How often the model was asked; `None` where the SDK keeps that to itself.
        kinds: What went wrong on the way, one a try or rejection.
        trace_id: Where the spans of this call are found.
    """

    verdict: Verdict
    source: str | None = None
    tries: int | None = None
    kinds: tuple[str, ...] = ()
    trace_id: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """
    An answer, and where and when it was given.

    Attributes:
        run: Without aiguard or with it.
        phase: What the model was going through.
        ticket: Which ticket it was.
        answer: What the service made of it.
        elapsed: Seconds from the arrival of the ticket to its answer, seen from outside the service.
    """

    run: Run
    phase: str
    ticket: str
    answer: Answer
    elapsed: float

    def late(self, deadline: float) -> bool:
        """Whether the answer, good or bad, came after the deadline."""
        return self.elapsed > deadline + GRACE
