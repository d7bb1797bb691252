"""
The cooldown: a component that says when to come back is left alone until then.

    clear ──── 429, or overloaded, with `Retry-After` ────▶ paused ──── the time is over ────▶ clear

It costs one read while nothing is paused, and never opens the breaker: who asks for a pause is alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from aiguard.errors import BoundaryError, CoolingDownError
from aiguard.events import Paused
from aiguard.failure import Failure, FailureKind

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed

ASKS_FOR_A_PAUSE: Final = frozenset({FailureKind.RATE_LIMITED, FailureKind.OVERLOADED})


class Cooldown:
    """
    The pause of one key.

    Attributes:
        until: When it is over; in the past where there is none.
    """

    __slots__ = ("until",)

    def __init__(self) -> None:
        self.until = float("-inf")

    def pause(self, until: float) -> None:
        """Pause until then, or longer where a longer pause is under way; two at once may shorten it, never end it."""
        self.until = max(self.until, until)


class CooldownStage:
    """Turn calls away while the component's own pause lasts; hear from its failures when it asks for one."""

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `CoolingDownError`, which says how long the pause still is."""
        cooldown: Cooldown = call.journal.partition.cooldown
        until = cooldown.until
        if until > 0.0:
            left = until - call.clock.now()
            if left > 0.0:
                raise self.paused(left)
        try:
            return await proceed(call)
        except BoundaryError as error:
            failure = error.failure
            if failure.retry_after is not None and failure.kind in ASKS_FOR_A_PAUSE:
                cooldown.pause(call.clock.now() + failure.retry_after)
                if call.observed:
                    call.report(Paused(failure.kind, failure.retry_after))
            raise

    def paused(self, left: float) -> CoolingDownError:
        """Return what a call is turned away with that came `left` seconds too early."""
        message = f"the component asked for a pause, {left:.3g} s of it are left"
        return CoolingDownError(Failure(FailureKind.COOLING_DOWN, "cooldown", message, left))
