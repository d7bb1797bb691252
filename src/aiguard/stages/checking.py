"""What a contract's checks are asked: in their order, each in the time that is left."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from aiguard.errors import DeadlineExceededError
from aiguard.events import CheckErrored
from aiguard.failure import Failure, FailureKind
from aiguard.signals import Boxed, Expired

if TYPE_CHECKING:
    from aiguard.call import Call
    from aiguard.contract import Judge
    from aiguard.contract.breach import Fault
    from aiguard.contract.checks import Judged


async def ask(judge: Judge[Any], value: object, call: Call, until: float = math.inf) -> None:
    """
    Ask the checks of `judge` of `value`, before `until` and before the call's deadline.

    One that has to be awaited is cut off there; after one that has not, the clock is looked at. Both read what is left
    from `remaining()`.

    Raises:
        Breach: What the first of them holds against `value`.
        DeadlineExceededError: If one of them took all the time that was left.
    """
    for check in judge.checks:
        try:
            fault = await _asked(check, value, call, min(until, call.deadline))
        except Expired:
            message = f"an answer was there, but check {check.name} did not end within the time that was left"
            raise DeadlineExceededError(Failure(FailureKind.DEADLINE_EXHAUSTED, "output", message)) from None
        if fault is not None and call.observed:
            call.report(CheckErrored(judge.name, fault.check, fault.code))


async def _asked(check: Judged, value: object, call: Call, until: float) -> Fault | None:
    runtime = call.runtime
    if not check.is_async:
        fault: Fault | None = await runtime.inline(call.answered_by(check.run, (value,), {}, call.run), until)
        return fault
    try:
        verdict = await runtime.invoke(call.answered_by(check.check, (value,), {}, call.run), until)
    except Expired:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a check raises is its own error
        raised = error.original if isinstance(error, Boxed) else error
    else:
        return check.heard(verdict)
    return check.failed(raised)
