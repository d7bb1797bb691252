"""The right to run one call, and what the call says of the component when it gives that back."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from aiguard.stages.circuit import Circuit


class Verdict(Enum):
    """What a call says about the component's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    FATAL = "fatal"
    NEUTRAL = "neutral"


SUCCESS: Final = Verdict.SUCCESS  # a member looked up through its class costs more than the rest of a settlement
FAILURE: Final = Verdict.FAILURE
FATAL: Final = Verdict.FATAL
NEUTRAL: Final = Verdict.NEUTRAL


class Permit:
    """
    The right to run one call, and the state of the circuit that gave it.

    One object may serve many calls.

    Attributes:
        generation: Which of the circuit's states, counted through, let it in.
        timed: Whether the circuit wants to hear when the component begins: then this is a `TimedPermit`.
        probe: Whether it is a trial call of the half-open state: then this is a `Probe`.
    """

    __slots__ = ("generation",)

    timed = False
    probe = False

    def __init__(self, generation: int) -> None:
        self.generation = generation


class TimedPermit(Permit):
    """
    A permit of its own for one call, which may become slow.

    Args:
        generation: Which of the circuit's states let it in.
        circuit: Who that was.
        beginnings: Where the circuit looks for when its calls have begun.
    """

    __slots__ = ("_beginnings", "_circuit")

    timed = True

    def __init__(self, generation: int, circuit: Circuit, beginnings: dict[TimedPermit, float]) -> None:
        self.generation = generation
        self._circuit = circuit
        self._beginnings = beginnings

    def began(self, now: float) -> None:
        """The component begins: from now on its time counts."""
        self._beginnings[self] = now  # one step, no lock

    def answered(self, now: float) -> None:
        """It gave a stream's first item: what was in time until now stays so."""
        self._circuit.answered(self, now)


class Probe(TimedPermit):
    """
    A permit of the half-open state.

    Attributes:
        lease: Seconds after which it is given up.
        opened_by: What names the call that opened the circuit, where that was observed.
        until: When that is.
    """

    __slots__ = ("lease", "opened_by", "until")

    probe = True

    def __init__(
        self, generation: int, circuit: Circuit, beginnings: dict[TimedPermit, float], lease: float, now: float
    ) -> None:
        super().__init__(generation, circuit, beginnings)
        self.lease = lease
        self.until = now + lease
        self.opened_by: object = circuit.opened_by

    def began(self, now: float) -> None:
        """The component begins: from now on its time counts, and its lease."""
        if now < self.until:
            self.until = now + self.lease
            super().began(now)
