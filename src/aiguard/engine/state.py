"""What all calls of one boundary share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.clock import SYSTEM
from aiguard.contract import Judge, OutputContract
from aiguard.engine.runtime import SYSTEM_PATIENCE
from aiguard.isolation.thread import Workers
from aiguard.stages.breaker import CircuitBreaker
from aiguard.stages.bulkhead import Permits
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
    What all calls of one boundary share.

    Attributes:
        name: The boundary's name.
        clock: Where it reads time and chance.
        patience: How its threads wait.
        switch: Whether it may run.
        judge: Its output contract, compiled.
        contract: That contract's name, or `None`.
        breaker: Its breaker.
        permits: Its bulkhead.
        workers: The threads that run its component.
        rung_workers: The threads that run its rungs: the component's may all hang.
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
        "max_bytes",
        "metrics",
        "name",
        "patience",
        "permits",
        "rung_workers",
        "span_name",
        "switch",
        "workers",
    )

    def __init__(self, name: str, policy: Policy) -> None:
        """Raises `PolicyError` where the output contract cannot be compiled."""
        self.name = name
        self.clock = SURROUNDINGS.clock
        self.patience = SURROUNDINGS.patience
        self.switch = Switch(off=policy.mode == "off")
        self.judge = _judge(policy.output)
        self.contract = self.judge.name if self.judge is not None else None
        self.max_bytes = self.judge.contract.max_bytes if self.judge is not None else None
        self.breaker = CircuitBreaker(policy.breaker, name=name, clock=self.clock) if policy.breaker else None
        self.permits = Permits(policy.bulkhead) if policy.bulkhead else None
        self.workers = Workers(name, policy.bulkhead.limit if policy.bulkhead else None)
        self.rung_workers = Workers(f"{name}-rung", None, queues=True)
        self.metrics = BoundaryMetrics(name)
        self.span_name = f"{names.CALL_SPAN} {name}"
        self.attributes = start_attributes(name, policy.owner)


def _judge(output: Any) -> Judge[Any] | None:
    if output is None:
        return None
    return Judge.of(output if isinstance(output, OutputContract) else OutputContract(output))
