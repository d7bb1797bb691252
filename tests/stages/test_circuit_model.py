"""The circuit against a reference model: whatever happens, in whatever order, both are in the same place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aiguard import Breaker, CircuitOpenError, FailureKind
from aiguard.stages.circuit import Circuit
from aiguard.stages.permit import TimedPermit, Verdict
from aiguard.testing import VirtualClock
from tests.stages.circuit_model import Admitted, Model

if TYPE_CHECKING:
    from aiguard.clock import Clock
    from aiguard.stages.permit import Permit


class Rigged(VirtualClock):
    """A clock whose chance is known beforehand."""

    chance = 0.0

    def random(self) -> float:
        """Return what was put there."""
        return self.chance


class Remembering(Circuit):
    """A circuit that writes down what it tells."""

    def __init__(self, policy: Breaker, clock: Clock) -> None:
        super().__init__(policy, clock)
        self.told: list[tuple[str, str]] = []

    def _moved(self, before: str, after: str) -> None:
        self.told.append((before, after))


@dataclass
class Held:
    """A permit somebody holds, and what the model knows of it."""

    permit: Permit
    call: Admitted
    began: bool = False
    answered: bool = False


def policy_of(
    window: tuple[str, float],
    slow: tuple[float, float] | None,
    probes: tuple[int, int],
    **others: object,
) -> Breaker:
    """Return settings that do not contradict each other."""
    kind, size = window
    extra: dict[str, object] = dict(others)
    if kind == "calls":
        extra["window_calls"] = int(size)
    else:
        extra["window"] = size
    if slow is not None:
        extra["slow_call"], extra["slow_rate"] = slow
    extra["probes"], extra["concurrent_probes"] = probes
    return Breaker(**extra)  # type: ignore[arg-type]


policies = st.builds(
    policy_of,
    window=st.sampled_from([("time", 10.0), ("time", 10.0), ("time", 20.0), ("calls", 4), ("calls", 7)]),
    slow=st.sampled_from([None, (1.0, 0.5), (1.0, 0.8), (2.0, 0.5), (8.0, 1.0), (30.0, 0.25)]),
    probes=st.sampled_from([(1, 1), (2, 1), (3, 2), (3, 3)]),
    failure_rate=st.sampled_from([0.25, 0.5, 0.55, 1.0]),
    minimum_calls=st.integers(1, 4),
    open_for=st.sampled_from([2.0, 5.0]),
    open_for_max=st.sampled_from([5.0, 16.0, 300.0]),
    metrics_only=st.sampled_from([False, False, False, True]),
)
leases = st.sampled_from([1.0, 2.0, 6.0, 1000.0])


class CircuitMachine(RuleBasedStateMachine):
    """Calls begin, answer, end or never end; time passes; settings change; people interfere; the process forks."""

    @initialize(policy=policies)
    def declare(self, policy: Breaker) -> None:
        self.clock = Rigged()
        self.circuit = Remembering(policy, self.clock)
        self.model = Model(policy, self.clock.now())
        self.held: list[Held] = []

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 2.0, 5.0, 9.0, 10.0, 40.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.now = self.clock.now()

    @rule(chance=st.sampled_from([0.0, 0.5, 0.999]))
    def roll(self, chance: float) -> None:
        self.clock.chance = self.model.chance = chance

    @rule(lease=leases)
    def ask(self, lease: float) -> None:
        self._ask(lease)

    @rule(times=st.integers(2, 5))
    def ask_and_begin(self, times: int) -> None:
        for _ in range(times):
            held = self._ask(1000.0)
            if held is not None:
                self._begin(held)

    def _ask(self, lease: float) -> Held | None:
        expected = self.model.ask(lease)
        if not isinstance(expected, Admitted):
            with pytest.raises(CircuitOpenError) as refused:
                self.circuit.acquire(lease)
            assert refused.value.failure.kind is FailureKind.CIRCUIT_OPEN
            assert refused.value.retry_after == (None if expected is None else pytest.approx(expected))
            return None
        permit = self.circuit.acquire(lease)
        assert (permit.probe, permit.timed) == (expected.probe, expected.timed)
        self.held.append(Held(permit, expected))
        return self.held[-1]

    @precondition(lambda self: any(not held.began for held in self.held))
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        self._begin(data.draw(st.sampled_from([held for held in self.held if not held.began])))

    def _begin(self, held: Held) -> None:
        held.began = True
        if isinstance(held.permit, TimedPermit):
            held.permit.began(self.clock.now())
            self.model.begin(held.call)

    @precondition(lambda self: any(held.began and not held.answered for held in self.held))
    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        held = data.draw(st.sampled_from([held for held in self.held if held.began and not held.answered]))
        held.answered = True
        if isinstance(held.permit, TimedPermit):
            held.permit.answered(self.clock.now())
            self.model.answer(held.call)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def settle(self, data: st.DataObject, verdict: Verdict) -> None:
        self._settle(self.held.pop(data.draw(st.integers(0, len(self.held) - 1))), verdict)

    @precondition(lambda self: len(self.held) > 1)
    @rule(verdict=st.sampled_from([Verdict.FAILURE, Verdict.SUCCESS]))
    def settle_all(self, verdict: Verdict) -> None:
        while self.held:
            self._settle(self.held.pop(0), verdict)

    def _settle(self, held: Held, verdict: Verdict) -> None:
        self.circuit.settle(held.permit, verdict)
        self.model.settle(held.call, verdict.value)

    @rule(policy=policies)
    def configure(self, policy: Breaker) -> None:
        self.circuit.configure(policy)
        self.model.configure(policy)

    @rule(slow_call=st.sampled_from([None, 0.5, 1.0, 5.0]))
    def configure_what_is_slow(self, slow_call: float | None) -> None:
        policy = self.model.policy.model_copy(update={"slow_call": slow_call})
        self.circuit.configure(policy)
        self.model.configure(policy)

    @rule()
    def open_by_hand(self) -> None:
        assert self.circuit.open() is True
        self.model.open()

    @rule()
    def close_by_hand(self) -> None:
        self.circuit.close()
        self.model.recover()

    @rule()
    def half_open_by_hand(self) -> None:
        self.circuit.half_open()
        self.model.move("half-open")

    @rule()
    def fork(self) -> None:
        self.circuit.forked()
        self.model.fork()

    @invariant()
    def it_is_where_the_model_is(self) -> None:
        circuit, model = self.circuit, self.model
        assert circuit.current_state == model.state
        assert circuit.is_closed is (model.state == "closed")
        assert circuit.told == model.moves
        assert circuit.success_counter == model.probed
        window = model.window
        assert circuit._window.calls == len(window)
        assert circuit.fail_counter == sum(event.failed for event in window)
        assert circuit.slow_counter == sum(event.slow for event in window)

    @invariant()
    def nothing_is_kept_of_calls_that_have_ended(self) -> None:
        in_flight = self.circuit._in_flight
        assert {*in_flight.began, *in_flight._counted} <= {held.permit for held in self.held}
        assert {*self.circuit._probes} <= {held.permit for held in self.held}


CircuitMachine.TestCase.settings = settings(deadline=None, max_examples=150, stateful_step_count=50)
TestCircuitMachine = CircuitMachine.TestCase
