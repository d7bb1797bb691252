"""
Everything a guarded call can raise.

    PolicyError                  a setting, name, ladder or file was refused (at declaration)
    MisuseError                  a TypeError: a guarded function was called in a way that cannot work

    BoundaryError                one call failed, and no rung answered
    ├─ RejectedError             the boundary refused before the component ran
    │  ├─ CircuitOpenError       also a pybreaker.CircuitBreakerError
    │  ├─ BulkheadFullError
    │  ├─ CoolingDownError
    │  ├─ BudgetExhaustedError
    │  ├─ HaltedError
    │  └─ InputRejectedError     also a ValueError
    ├─ DeadlineExceededError     also a TimeoutError
    ├─ InvalidOutputError        also a ValueError
    ├─ StreamInterruptedError    a stream ended early after its first item
    └─ ComponentError            every other kind
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pybreaker

from aiguard.failure import INVALID_OUTPUTS, Failure, FailureKind
from aiguard.problem import SHOWN, Problem, shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.outcome import Outcome
    from aiguard.owner import Owner


class PolicyError(ValueError):
    """
    A setting, a name, a ladder or a file was refused: the message names boundary, setting and value.

    Attributes:
        problems: Everything that is wrong, one by one; the message is their lines.
    """

    def __init__(self, *problems: Problem | str) -> None:
        super().__init__(*problems)
        self.problems = tuple(Problem(one) if isinstance(one, str) else one for one in problems)

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))

    def of(self, boundary: str) -> PolicyError:
        """Return the same refusal, of that boundary."""
        return PolicyError(*(replace(problem, boundary=boundary) for problem in self.problems))


class MisuseError(TypeError):
    """A guarded function was called or declared in a way that cannot work: a programmer's error, never counted."""


class BoundaryError(Exception):
    """
    A guarded call failed and no rung answered.

    Attributes:
        failure: Why: kind, stage, a message that is safe to log.
        boundary: The name of the boundary that raised.
        owner: Who answers for that boundary, with the runbook where one is known; `None` where nobody was named.
    """

    owner: Owner | str | None = None

    def __init__(
        self,
        failure: Failure,
        *,
        boundary: str = "",
        outcome: Outcome[Any] | Callable[[BoundaryError], Outcome[Any]] | None = None,
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.boundary = boundary
        self._outcome = outcome

    @property
    def outcome(self) -> Outcome[Any] | None:
        """The whole outcome of the call; `None` while the error is still on its way out."""
        outcome = self._outcome
        if callable(outcome):  # nobody had asked for it yet
            self._outcome = outcome = outcome(self)
        return outcome

    @outcome.setter
    def outcome(self, outcome: Outcome[Any] | None) -> None:
        self._outcome = outcome

    def __str__(self) -> str:
        where = f"boundary {self.boundary!r}: " if self.boundary else ""
        return f"{where}{self.failure.kind}: {self.failure.message}{_whose(self.owner)}"

    def __reduce__(self) -> tuple[Any, ...]:
        # an SDK's exception often cannot be pickled, and may hold content: it stays in its process
        return (_rebuild, (type(self), replace(self.failure, exception=None), self.boundary, self.owner))


def _rebuild(
    cls: type[BoundaryError], failure: Failure, boundary: str, owner: Owner | str | None = None
) -> BoundaryError:
    error = cls(failure, boundary=boundary)
    error.owner = owner
    return error


def _whose(owner: Owner | str | None) -> str:
    """Return whom to turn to, and where it is written what to do, as the end of a message."""
    if owner is None:
        return ""
    who, runbook = str(owner), getattr(owner, "runbook", None)
    named = who if who.isprintable() and len(who) <= SHOWN else shown(who)
    return f" (owner {named}, runbook {runbook})" if runbook else f" (owner {named})"


class RejectedError(BoundaryError):
    """The boundary refused the call before the component ran."""

    @property
    def retry_after(self) -> float | None:
        """Seconds after which another call may be let in; `None` where that is not known."""
        return self.failure.retry_after


class CircuitOpenError(RejectedError, pybreaker.CircuitBreakerError):
    """The breaker is open: the component failed too often of late."""


class BulkheadFullError(RejectedError):
    """Every permit is taken and the queue is full."""


class CoolingDownError(RejectedError):
    """The provider asked for a pause that is not over."""


class BudgetExhaustedError(RejectedError):
    """What may be spent in this window is spent."""


class HaltedError(RejectedError):
    """Somebody who may has switched the boundary off."""


class InputRejectedError(RejectedError, ValueError):
    """The input breaks the declared input contract."""


class DeadlineExceededError(BoundaryError, TimeoutError):
    """A clock of the boundary ended the call; `failure.stage` says which."""


class InvalidOutputError(BoundaryError, ValueError):
    """
    The component answered, and the answer breaks the contract.

    `__cause__` stays `None`, so that no traceback prints the answer; the original is in `failure.exception`.
    """


class StreamInterruptedError(BoundaryError):
    """
    A stream ended early after its first item was delivered.

    Attributes:
        delivered: How many items the caller had received.
    """

    def __init__(
        self, failure: Failure, *, boundary: str = "", outcome: Outcome[Any] | None = None, delivered: int = 0
    ) -> None:
        super().__init__(failure, boundary=boundary, outcome=outcome)
        self.delivered = delivered

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {"delivered": self.delivered})


class ComponentError(BoundaryError):
    """The component failed; what it raised is the `__cause__`."""


_BY_KIND: dict[FailureKind, type[BoundaryError]] = {
    FailureKind.DEADLINE_EXHAUSTED: DeadlineExceededError,
    FailureKind.CIRCUIT_OPEN: CircuitOpenError,
    FailureKind.BULKHEAD_FULL: BulkheadFullError,
    FailureKind.COOLING_DOWN: CoolingDownError,
    FailureKind.BUDGET_EXHAUSTED: BudgetExhaustedError,
    FailureKind.HALTED: HaltedError,
    FailureKind.INPUT_REJECTED: InputRejectedError,
    FailureKind.STREAM_INTERRUPTED: StreamInterruptedError,
} | dict.fromkeys(INVALID_OUTPUTS, InvalidOutputError)


def error_for(failure: Failure) -> BoundaryError:
    """Return the error that carries `failure`; a timeout of the component's own is a `ComponentError`."""
    return _BY_KIND.get(failure.kind, ComponentError)(failure)
