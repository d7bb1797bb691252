"""The deadline: an absolute moment, checked on the way in and on the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.errors import DeadlineExceededError
from aiguard.failure import Failure, FailureKind

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed


class DeadlineStage:
    """Let nothing in or out once the call's time is over; the waits in between end by themselves."""

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `DeadlineExceededError`."""
        clock = call.clock
        deadline = call.deadline
        if clock.now() >= deadline:
            raise self._exhausted("no time was left before the component was called")
        value = await proceed(call)
        # a stream's consumer may take its time once it has the first item
        if clock.now() > deadline and not call.journal.delivered:
            raise self._exhausted("an answer was there, but its validation ended too late")
        return value

    def _exhausted(self, message: str) -> DeadlineExceededError:
        return DeadlineExceededError(Failure(FailureKind.DEADLINE_EXHAUSTED, "deadline", message))
