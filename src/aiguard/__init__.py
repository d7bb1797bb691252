"""aiguard: a boundary around every AI call."""

import importlib
import os
from typing import TYPE_CHECKING

from aiguard.boundary import Boundary, boundaries, get, guard
from aiguard.contract import (
    Array,
    ContractRates,
    Features,
    InputContract,
    JsonSchema,
    OneOf,
    OutputContract,
    Range,
    Text,
)
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
from aiguard.explanation import Explanation, explain
from aiguard.failure import Failure, FailureKind
from aiguard.outcome import Attempt, Outcome
from aiguard.owner import Owner
from aiguard.policy import Policy
from aiguard.problem import Position, Problem
from aiguard.propagation import deadline_headers, within
from aiguard.rung import Rung, last_good
from aiguard.strategies import Breaker, Budget, Bulkhead, Hedge, Price, Retry, RetryBudget
from aiguard.stream import Interrupted

if TYPE_CHECKING:
    from aiguard import control
    from aiguard.config import Loaded, configure, configured, reload
    from aiguard.governance.errors import ControlError
    from aiguard.monitor import expose
from aiguard.usage import Usage, report_usage
from aiguard.user_rows import classify_as

__all__ = [
    "Array",
    "Attempt",
    "Boundary",
    "BoundaryError",
    "Breaker",
    "Budget",
    "BudgetExhaustedError",
    "Bulkhead",
    "BulkheadFullError",
    "CircuitOpenError",
    "ComponentError",
    "ContractRates",
    "ControlError",
    "CoolingDownError",
    "DeadlineExceededError",
    "Explanation",
    "Failure",
    "FailureKind",
    "Features",
    "HaltedError",
    "Hedge",
    "InputContract",
    "InputRejectedError",
    "Interrupted",
    "InvalidOutputError",
    "JsonSchema",
    "Loaded",
    "MisuseError",
    "OneOf",
    "Outcome",
    "OutputContract",
    "Owner",
    "Policy",
    "PolicyError",
    "Position",
    "Price",
    "Problem",
    "Range",
    "RejectedError",
    "Retry",
    "RetryBudget",
    "Rung",
    "StreamInterruptedError",
    "Text",
    "Usage",
    "boundaries",
    "classify_as",
    "configure",
    "configured",
    "control",
    "deadline_headers",
    "explain",
    "expose",
    "get",
    "guard",
    "last_good",
    "reload",
    "remaining",
    "report_usage",
    "within",
]


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        # what reads files is imported by who has one
        if name in {"Loaded", "configure", "configured", "reload"}:
            import aiguard.config  # noqa: PLC0415 - as above
            import aiguard.governance.policies  # noqa: PLC0415 - it records what comes into force

            return getattr(aiguard.config, name)
        if name == "control":
            return importlib.import_module("aiguard.control")
        if name == "ControlError":
            from aiguard.governance.errors import ControlError  # noqa: PLC0415 - as above

            return ControlError
        if name == "expose":
            import aiguard.monitor  # noqa: PLC0415 - as above

            return aiguard.monitor.expose
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)

    def _await_first_call() -> None:
        # by the environment, a window opens into a process that calls something
        import aiguard.monitor.exposure  # noqa: PLC0415 - as above

        aiguard.monitor.exposure.EXPOSURE.await_first_call()

    if os.environ.get("AIGUARD_STATE"):
        _await_first_call()
