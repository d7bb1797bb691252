"""What all calls of one boundary share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.clock import SYSTEM
from aiguard.contract import Judge, OutputContract
from aiguard.engine.runtime import SYSTEM_PATIENCE
from aiguard.errors import PolicyError
from aiguard.isolation.thread import Workers
from aiguard.rung import LastGood
from aiguard.stages.breaker import CircuitBreaker
from aiguard.stages.bulkhead import Permits
from aiguard.stages.last_good import Memory
from aiguard.switch import Switch
from aiguard.telemetry import names
from aiguard.telemetry.metrics import BoundaryMetrics
from aiguard.telemetry.spans import start_attributes

if TYPE_CHECKING:
    from aiguard.clock import Clock
    from aiguard.engine.runtime import Patience
    from aiguard.policy import Policy


class Surroundings:
    """Where new boundaries read time and how they wait; tests put virtual time here."""

    clock: Clock = SYSTEM
    patience: Patience = SYSTEM_PATIENCE


SURROUNDINGS: Final = Surroundings()


class State:
    """
    What all calls of one boundary share, under one policy.

    Args:
        name: The boundary's name.
        policy: Its policy.
        before: What its calls shared under the policy before, which goes on: breaker, permits, threads, switch,
            and the answers kept for each `last_good` that is set as before.

    Attributes:
        name: The boundary's name.
        clock: Where it reads time and chance.
        patience: How its threads wait.
        switch: Whether it may run.
        judge: Its output contract, compiled.
        contract: That contract's name, or `None`.
        breaker: Its breaker.
        permits: Its bulkhead.
        kept_breaker: The breaker that it has, or had under a policy before.
        kept_permits: The same of its bulkhead.
        workers: The threads that run its component.
        rung_workers: The threads that run its rungs: the component's may all hang.
        memories: The answers kept for each `last_good` of its ladder.
        metrics: Its histograms.
        attributes: What every span of a call starts with.
        span_name: The name of a call's span.
        max_bytes: How large a buffered stream may get.
    """

    __slots__ = (
        "attributes",
        "breaker",
        "clock",
        "contract",
        "judge",
        "kept_breaker",
        "kept_permits",
        "max_bytes",
        "memories",
        "metrics",
        "name",
        "patience",
        "permits",
        "rung_workers",
        "span_name",
        "switch",
        "workers",
    )

    def __init__(self, name: str, policy: Policy, before: State | None = None) -> None:
        """Raises `PolicyError` where the output contract cannot be compiled."""
        self.name = name
        self.clock: Clock = before.clock if before else SURROUNDINGS.clock
        self.patience: Patience = before.patience if before else SURROUNDINGS.patience
        self.switch: Switch = before.switch if before else Switch(off=policy.mode == "off")
        self.judge = judge_of(name, policy.output)
        self.contract = self.judge.name if self.judge is not None else None
        self.max_bytes = self.judge.contract.max_bytes if self.judge is not None else None
        # kept where a policy has none: taken away and set again, neither forgets who is out
        self.kept_breaker: CircuitBreaker | None = (before.kept_breaker if before else None) or _breaker(
            name, policy, self.clock
        )
        self.kept_permits: Permits | None = (before.kept_permits if before else None) or _permits(policy)
        self.breaker = self.kept_breaker if policy.breaker else None
        self.permits = self.kept_permits if policy.bulkhead else None
        limit = policy.bulkhead.limit if policy.bulkhead else None
        self.workers: Workers = before.workers if before else Workers(name, limit)
        self.rung_workers: Workers = before.rung_workers if before else Workers(f"{name}-rung", None, queues=True)
        self.memories = _memories(name, policy, before)
        self.metrics: BoundaryMetrics = before.metrics if before else BoundaryMetrics(name)
        self.span_name = f"{names.CALL_SPAN} {name}"
        self.attributes = start_attributes(name, policy.owner)

    def take_over(self, policy: Policy, before: Policy) -> None:
        """Hold what went on from the policy `before` to the limits of `policy`."""
        if self.breaker is not None and policy.breaker is not None and policy.breaker != before.breaker:
            self.breaker.configure(policy.breaker)
        if policy.bulkhead != before.bulkhead:
            self.workers.configure(policy.bulkhead.limit if policy.bulkhead else None)
            if self.permits is not None and policy.bulkhead is not None:
                self.permits.configure(policy.bulkhead)
            elif self.kept_permits is not None:
                self.kept_permits.let_all_in()
        if policy.mode != before.mode:  # else what was switched by hand stays switched
            self.switch.off = policy.mode == "off"

    def forked(self) -> None:
        """Forget the calls of the parent process: they are not here. What its component answered is kept."""
        if self.kept_breaker is not None:
            self.kept_breaker.forked()
        self.workers.reset()
        self.rung_workers.reset()
        if self.kept_permits is not None:
            self.kept_permits.reset()
        for memory in self.memories.values():
            memory.forked()


def _breaker(name: str, policy: Policy, clock: Clock) -> CircuitBreaker | None:
    return CircuitBreaker(policy.breaker, name=name, clock=clock) if policy.breaker else None


def _permits(policy: Policy) -> Permits | None:
    return Permits(policy.bulkhead) if policy.bulkhead else None


def _memories(name: str, policy: Policy, before: State | None) -> dict[LastGood, Memory]:
    kept = before.memories if before else {}
    return {rung: kept.get(rung) or Memory(name, rung) for rung in policy.fallback if isinstance(rung, LastGood)}


def judge_of(name: str, output: Any) -> Judge[Any] | None:
    """Return the contract of a boundary, compiled. Raises `PolicyError`."""
    if output is None:
        return None
    try:
        return Judge.of(output if isinstance(output, OutputContract) else OutputContract(output))
    except PolicyError as error:
        raise error.of(name) from None
