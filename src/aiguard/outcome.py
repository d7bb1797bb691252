"""What a call ended as."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, cast

from aiguard.usage import Usage, total_of

if TYPE_CHECKING:
    from aiguard.failure import Failure

T_co = TypeVar("T_co", covariant=True)

Source = Literal["component", "fallback"]
Reason = Literal["initial", "retry", "reask", "hedge"]


@dataclass(frozen=True, slots=True)
class Attempt:
    """
    One try of the component inside a call.

    Attributes:
        number: Counted from 1.
        reason: Why it was made: `"initial"`, `"retry"` (the one before failed), `"reask"` (its answer was
            invalid) or `"hedge"` (the one before was late).
        failure: Why it failed; `None` if it gave a valid answer, or was cancelled before it gave any.
        started: Seconds from the start of the call to the start of the attempt, queueing included.
        elapsed: Seconds the attempt took, the contract's verdict included.
        cancelled: Whether its end is of no account: it was called off, or a hedge's other attempt had answered before
            it did.
        usage: Tokens that it used, as far as they were reported; `None` where none were.
    """

    number: int
    reason: Reason
    failure: Failure | None
    started: float
    elapsed: float
    cancelled: bool = False
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T_co]):
    """
    What a call ended as.

    Attributes:
        boundary: Name of the boundary.
        value: The answer; `None` where none left the boundary (see `ok`).
        ok: Whether a value left the boundary, degraded or not.
        source: Who answered: `"component"` or `"fallback"`; `None` where nobody did.
        rung: Name of the rung that answered, or `None`.
        failure: Why the component did not answer; `None` if it did.
        attempts: Every try of the component, in order.
        elapsed: Seconds the whole call took.
        repaired: How the answer was repaired before it was accepted; `None` where it was not.
        contract: Name of the output contract it was held to, or `None`.
        rung_usage: Tokens that the rungs used which were asked, as far as they were reported; `None` where none were.
        error: What the plain call raises in this case; `None` where a value left.
        trace_id: The trace that tells of this call, as 32 hex digits, or `None` where nothing was recorded.
        age: Seconds since the component gave this answer, where `last_good` served it; `None` for every other.
    """

    boundary: str
    value: T_co | None
    ok: bool
    source: Source | None
    rung: str | None
    failure: Failure | None
    attempts: tuple[Attempt, ...]
    elapsed: float
    repaired: str | None = None
    contract: str | None = None
    trace_id: str | None = None
    age: float | None = None
    rung_usage: Usage | None = None
    error: BaseException | None = field(default=None, repr=False, compare=False)

    @property
    def usage(self) -> Usage | None:
        """Tokens that attempts and rungs together used, the wasted ones included; `None` where none were reported."""
        return _together([*(attempt.usage for attempt in self.attempts), self.rung_usage])

    @property
    def usd(self) -> float | None:
        """What `usage` cost in US dollars, by the boundary's `prices`; `None` where that is not known."""
        usage = self.usage
        return usage.usd if usage is not None else None

    @property
    def wasted(self) -> Usage | None:
        """Those of attempts whose answer did not leave the boundary; `None` where none were reported."""
        lost = [one.usage for one in self.attempts if one.failure is not None or one.cancelled or not self.ok]
        return _together(lost if self.ok else [*lost, self.rung_usage])

    @property
    def degraded(self) -> bool:
        """Whether a rung answered instead of the component."""
        return self.source == "fallback"

    def unwrap(self) -> T_co:
        """
        Return the value.

        Raises:
            BoundaryError: Where no value left the boundary: the error the plain call would have raised.
        """
        if self.ok:
            return cast("T_co", self.value)
        raise cast("Any", self.error)


def _together(usages: list[Usage | None]) -> Usage | None:
    return total_of(usage for usage in usages if usage is not None)
