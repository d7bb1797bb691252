"""aiguard: a boundary around every AI call."""

from aiguard.boundary import Boundary, boundaries, get, guard
from aiguard.contract import OutputContract
from aiguard.deadline import remaining
from aiguard.errors import (
    BoundaryError,
    BudgetExhaustedError,
    BulkheadFullError,
    CircuitOpenError,
    ComponentError,
    CoolingDownError,
    DeadlineExceededError,
    HaltedError,
    InputRejectedError,
    InvalidOutputError,
    MisuseError,
    PolicyError,
    RejectedError,
    StreamInterruptedError,
)
from aiguard.failure import Failure, FailureKind
from aiguard.outcome import Attempt, Outcome
from aiguard.policy import Breaker, Bulkhead, Policy, Retry, Rung

__all__ = [
    "Attempt",
    "Boundary",
    "BoundaryError",
    "Breaker",
    "BudgetExhaustedError",
    "Bulkhead",
    "BulkheadFullError",
    "CircuitOpenError",
    "ComponentError",
    "CoolingDownError",
    "DeadlineExceededError",
    "Failure",
    "FailureKind",
    "HaltedError",
    "InputRejectedError",
    "InvalidOutputError",
    "MisuseError",
    "Outcome",
    "OutputContract",
    "Policy",
    "PolicyError",
    "RejectedError",
    "Retry",
    "Rung",
    "StreamInterruptedError",
    "boundaries",
    "get",
    "guard",
    "remaining",
]
