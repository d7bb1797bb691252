"""
The short way out: what an open breaker makes of a call to which nobody listens.

A breaker is open when everything is at its worst, and a call that it turns away should cost next to nothing. All
stages before it have been asked here, in their order; what is raised, or answered, is what the pipeline would have
come to. Where anything else may have its say, a call walks the pipeline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.deadline import current
from aiguard.engine.observer import OBSERVED
from aiguard.errors import CircuitOpenError
from aiguard.outcome import Outcome
from aiguard.stages.circuit import IS_OPEN, refusal
from aiguard.stages.fallback import Form, Way
from aiguard.telemetry import events, metrics, spans

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.engine.state import State
    from aiguard.errors import BoundaryError
    from aiguard.policy import Policy
    from aiguard.stages.fallback import Step

OPEN_DOOR: Final = object()
"""The breaker is not all there is to ask."""


class Door:
    """
    Turns calls away for one pipeline without walking it.

    Args:
        state: What the calls of the boundary share.
        steps: The ladder: a first rung that is a value answers here too.
        counting: Whether the retry budget is told of every call.
    """

    __slots__ = ("_clock", "_counting", "_floor", "_partition", "_state", "_switch")

    def __init__(self, state: State, steps: tuple[Step, ...], *, counting: bool) -> None:
        self._counting = counting
        self._state = state
        self._clock = state.clock
        self._switch = state.switch
        self._partition = state.partition
        self._floor: Callable[[], Any] | None = steps[0].fn if steps else None

    @classmethod
    def of(cls, policy: Policy, state: State, form: Form, steps: tuple[Step, ...]) -> Door | None:
        """Return the short way out, where there is one: a breaker for all calls, nothing before it, a floor or none."""
        unasked = (policy.key, policy.budget, policy.input)
        asked_before = policy.breaker is None or any(one is not None for one in unasked)
        if asked_before or form is not Form.VALUE or (steps and steps[0].way is not Way.VALUE):
            return None
        return cls(state, steps, counting=policy.counts_calls)

    def answer(self) -> Any:
        """Return the floor's answer, or `OPEN_DOOR`. Raises `CircuitOpenError`."""
        breaker = self._partition.breaker
        if breaker is None or (until := breaker.shut_until) < 0.0:
            return OPEN_DOOR
        now = self._clock.now()
        if until <= now or self._switch.halted() is not None or self._partition.cooldown.until > now:
            return OPEN_DOOR
        frame = current.get()
        if frame is not None and frame[0] <= now and frame[1] is self._clock:
            return OPEN_DOOR
        if OBSERVED.observer is not None or spans.is_traced() or metrics.is_counted() or events.is_heard():
            return OPEN_DOOR
        if self._counting:
            self._partition.retries.count(now)
        if self._floor is not None:
            return self._floor()
        state = self._state
        error = CircuitOpenError(refusal(IS_OPEN, until - now), boundary=state.name, outcome=self._outcome)
        error.owner = state.owner
        raise error

    def _outcome(self, error: BoundaryError) -> Outcome[Any]:
        return Outcome(
            boundary=self._state.name,
            value=None,
            ok=False,
            source=None,
            rung=None,
            failure=error.failure,
            attempts=(),
            elapsed=0.0,
            contract=self._state.contract,
            error=error,
        )
