"""The output stage: what the component answered must satisfy the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.contract.breach import Breach
from aiguard.errors import BoundaryError, error_for
from aiguard.events import OutputInvalid
from aiguard.failure import Failure
from aiguard.stream import Buffered

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed
    from aiguard.contract import Judge


class OutputStage:
    """Judge the answer; a breach is a failure of the answer, not of the component's health."""

    def __init__(self, judge: Judge[Any]) -> None:
        self.judge = judge

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `InvalidOutputError`, or `ComponentError` for a refusal or a content filter."""
        raw = await proceed(call)
        try:
            if type(raw) is Buffered:
                return raw.judged(self.judge.judge(raw.whole()))
            return self.judge.judge(raw)
        except Breach as caught:
            breach = caught
        raise self.invalid(breach, call)

    def invalid(self, breach: Breach, call: Call) -> BoundaryError:
        """Return the error for `breach`, without a cause: a traceback would print the answer."""
        failure = Failure(breach.kind, "output", breach.message, None, breach.exception)
        if call.observed:
            call.report(OutputInvalid(self.judge.name, failure))
        return error_for(failure)
