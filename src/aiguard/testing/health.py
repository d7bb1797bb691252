"""What breakers, cooldowns and retry budgets learn inside a block, kept apart: it is forgotten with the block."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from aiguard.stages.partition import Partition
from aiguard.stages.retry_budget import RetryTally
from aiguard.strategies import RetryBudget

if TYPE_CHECKING:
    from aiguard.policy import Policy


class Health:
    """The health of components as calls of one block have seen it: well at first, whatever was known before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._twins: dict[Partition, Partition] = {}

    def of(self, partition: Partition, policy: Policy) -> Partition:
        """Return what stands for `partition` in this block, held to the settings of `policy`."""
        with self._lock:
            twin = self._twins.get(partition)
            if twin is None:
                twin = self._twins[partition] = Partition(None, RetryTally(policy.retry_budget or RetryBudget()))
            breaker = partition.breaker
            if breaker is not None and twin.breaker is None:
                twin.breaker = breaker.sibling(breaker.name or "")  # with the same listeners
        if twin.breaker is not None and policy.breaker is not None:
            twin.breaker.configure(policy.breaker)  # a reload may have changed it
        if policy.retry_budget is not None:
            twin.retries.configure(policy.retry_budget)
        return twin
