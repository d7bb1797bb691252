"""What all calls of one boundary share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.clock import SYSTEM
from aiguard.contract import InputJudge, Judge, OutputContract
from aiguard.contract.rates import Tallies
from aiguard.engine.dependency import DEPENDENCIES, Dependency
from aiguard.engine.runtime import SYSTEM_PATIENCE
from aiguard.errors import PolicyError
from aiguard.isolation.thread import Workers
from aiguard.owner import name_of
from aiguard.rung import LastGood
from aiguard.stages.budget import Ledger
from aiguard.stages.bulkhead import Permits
from aiguard.stages.last_good import Memory
from aiguard.stages.latencies import Latencies
from aiguard.stages.metering import Meter
from aiguard.stages.pricing import PriceTable
from aiguard.switch import PROCESS, Switch
from aiguard.telemetry import names
from aiguard.telemetry.metrics import BoundaryMetrics
from aiguard.telemetry.spans import start_attributes

if TYPE_CHECKING:
    from aiguard.clock import Clock
    from aiguard.engine.runtime import Patience
    from aiguard.policy import Policy
    from aiguard.switch import Gate


class Surroundings:
    """Where new boundaries read time, how they wait, and who may halt them; tests put virtual time here."""

    clock: Clock = SYSTEM
    patience: Patience = SYSTEM_PATIENCE
    gate: Gate = PROCESS


SURROUNDINGS: Final = Surroundings()


class State:
    """
    What all calls of one boundary share, under one policy.

    Args:
        name: The boundary's name.
        policy: Its policy.
        before: What its calls shared under the policy before, which goes on: the health of its dependency, permits,
            threads, what is spent, switch, and the answers kept for each `last_good` that is set as before.

    Attributes:
        name: The boundary's name.
        owner: Who answers for it.
        clock: Where it reads time and chance.
        patience: How its threads wait.
        switch: Whether it may run.
        judge: Its output contract, compiled.
        contract: That contract's name, or `None`.
        input: Its input contract, compiled.
        tallies: How often its contracts are broken.
        dependency: What it calls, and perhaps others with it: breaker, cooldown and retry budget of each key.
        partition: What the calls without a key share of that.
        permits: Its bulkhead.
        ledger: Its budget.
        prices: What its models cost.
        meter: What counts tokens and money for its budget, where that limits them.
        kept_permits: The bulkhead that it has, or had under a policy before.
        kept_ledger: The same of its budget.
        latencies: How long its attempts took, for hedges.
        workers: The threads that run its component.
        rung_workers: The threads that run its rungs: the component's may all hang.
        hedge_workers: The threads that step second attempts.
        memories: The answers kept for each `last_good` of its ladder.
        metrics: Its histograms.
        attributes: What every span of a call starts with.
        span_name: The name of a call's span.
        max_bytes: How large a buffered stream may get.
    """

    __slots__ = (
        "attributes",
        "clock",
        "contract",
        "dependency",
        "hedge_workers",
        "input",
        "judge",
        "kept_ledger",
        "kept_permits",
        "latencies",
        "ledger",
        "max_bytes",
        "memories",
        "meter",
        "metrics",
        "name",
        "owner",
        "partition",
        "patience",
        "permits",
        "prices",
        "rung_workers",
        "span_name",
        "switch",
        "tallies",
        "workers",
    )

    def __init__(self, name: str, policy: Policy, before: State | None = None) -> None:
        """Raises `PolicyError` where a contract cannot be compiled."""
        self.name = name
        self.owner = policy.owner
        self.clock: Clock = before.clock if before else SURROUNDINGS.clock
        self.patience: Patience = before.patience if before else SURROUNDINGS.patience
        self.switch: Switch = before.switch if before else Switch(name, SURROUNDINGS.gate, off=policy.mode == "off")
        self.judge = judge_of(name, policy.output)
        self.contract = self.judge.name if self.judge is not None else None
        self.input = input_judge_of(name, policy.input)
        self.tallies: Tallies = before.tallies if before else Tallies()
        self.max_bytes = self.judge.contract.max_bytes if self.judge is not None else None
        self.dependency = _dependency(name, policy, before, self.clock)
        self.partition = self.dependency.partition
        # kept where a policy has none: taken away and set again, neither forgets who is out
        self.kept_permits: Permits | None = (before.kept_permits if before else None) or _permits(policy)
        self.kept_ledger: Ledger | None = (before.kept_ledger if before else None) or (
            Ledger(policy.budget) if policy.budget else None
        )
        self.permits = self.kept_permits if policy.bulkhead else None
        self.ledger = self.kept_ledger if policy.budget else None
        self.prices = PriceTable(name, policy.prices) if policy.prices else None
        self.meter: Meter | None = None
        if self.ledger is not None and policy.budget is not None and policy.budget.is_metered:
            self.meter = Meter(name, policy.budget, self.prices, self.ledger.largest)
        self.latencies: Latencies = before.latencies if before else Latencies()
        limit = policy.bulkhead.most if policy.bulkhead else None
        self.workers: Workers = before.workers if before else Workers(name, limit)
        self.rung_workers: Workers = before.rung_workers if before else Workers(f"{name}-rung", None, queues=True)
        self.hedge_workers: Workers = before.hedge_workers if before else Workers(f"{name}-hedge", None, queues=True)
        self.memories = _memories(name, policy, before)
        self.metrics: BoundaryMetrics = before.metrics if before else BoundaryMetrics(name)
        self.span_name = f"{names.CALL_SPAN} {name}"
        self.attributes = start_attributes(name, policy.owner, self.input.label if self.input is not None else None)

    def prepare(self, policy: Policy) -> None:
        """Have what calls under `policy` need that it shares with other boundaries, before the first of them."""
        self.dependency.prepare(policy)

    def begin(self, policy: Policy) -> None:
        """Hold what it shares with other boundaries to `policy`, which is in force from now on."""
        self.switch.configure(policy.risk, policy.when_stale)
        self.dependency.configure(policy)
        self.metrics.describe(
            name_of(policy.owner),
            self.dependency,
            self.permits,
            self.prices,
            self.contract,
            self.input.label if self.input is not None else None,
            shares=policy.dependency is not None,
        )

    def take_over(self, policy: Policy, before: Policy) -> None:
        """Hold what went on from the policy `before` to the limits of `policy`."""
        self.begin(policy)
        if self.ledger is not None and policy.budget is not None and policy.budget != before.budget:
            self.ledger.configure(policy.budget)
        if policy.bulkhead != before.bulkhead:
            self.workers.configure(policy.bulkhead.most if policy.bulkhead else None)
            if self.permits is not None and policy.bulkhead is not None:
                self.permits.configure(policy.bulkhead)
            elif self.kept_permits is not None:
                self.kept_permits.let_all_in()
        if policy.mode != before.mode:  # else what was switched by hand stays switched
            self.switch.off = policy.mode == "off"

    def forked(self) -> None:
        """Forget the calls of the parent process: they are not here. What its component answered is kept."""
        self.dependency.forked()
        self.latencies.forked()
        self.tallies.forked()
        if self.kept_ledger is not None:
            self.kept_ledger.forked()
        self.workers.reset()
        self.rung_workers.reset()
        self.hedge_workers.reset()
        if self.kept_permits is not None:
            self.kept_permits.reset()
        for memory in self.memories.values():
            memory.forked()


def _dependency(name: str, policy: Policy, before: State | None, clock: Clock) -> Dependency:
    shared = policy.dependency
    if before is not None and before.dependency.is_named(shared):
        return before.dependency
    return Dependency(name, clock, shared=False) if shared is None else DEPENDENCIES.named(shared, clock)


def _permits(policy: Policy) -> Permits | None:
    return Permits(policy.bulkhead) if policy.bulkhead else None


def _memories(name: str, policy: Policy, before: State | None) -> dict[LastGood, Memory]:
    kept = before.memories if before else {}
    return {rung: kept.get(rung) or Memory(name, rung) for rung in policy.fallback if isinstance(rung, LastGood)}


def input_judge_of(name: str, given: Any) -> InputJudge | None:
    """Return the input contract of a boundary, compiled. Raises `PolicyError`."""
    if given is None:
        return None
    try:
        return InputJudge(given)
    except PolicyError as error:
        raise error.of(name) from error.__cause__


def judge_of(name: str, output: Any) -> Judge[Any] | None:
    """Return the contract of a boundary, compiled. Raises `PolicyError`."""
    if output is None:
        return None
    try:
        return Judge.of(output if isinstance(output, OutputContract) else OutputContract(output))
    except PolicyError as error:
        raise error.of(name) from None
