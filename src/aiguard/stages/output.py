"""The output stage: what the component answered must satisfy the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiguard.contract.breach import Breach
from aiguard.contract.transcript import text_of_all
from aiguard.errors import BoundaryError, error_for
from aiguard.events import OutputInvalid
from aiguard.failure import Failure
from aiguard.stages.checking import ask
from aiguard.stream import Buffered

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed
    from aiguard.contract import Judge


class OutputStage:
    """Judge the answer; a breach is a failure of the answer, not of the component's health."""

    def __init__(self, judge: Judge[Any]) -> None:
        self.judge = judge

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """
        Judge what `proceed` gave.

        Raises:
            InvalidOutputError: Where it breaks the contract; `ComponentError` for a refusal or a content filter.
            DeadlineExceededError: Where a check of the contract took all the time that was left.
        """
        judge = self.judge
        raw = await proceed(call)
        try:
            value = judge.judge(whole_of(raw) if type(raw) is Buffered else raw, call.run, checked=False)
            if judge.checks:
                await ask(judge, value, call)
            return raw.judged(value) if type(raw) is Buffered else value
        except Breach as caught:
            breach = caught
        raise self.invalid(breach, call, raw)

    def invalid(self, breach: Breach, call: Call, raw: object) -> BoundaryError:
        """Return the error for `breach` of the answer `raw`, without a cause: a traceback would print the answer."""
        failure = Failure(breach.kind, "output", breach.message, None, breach.exception)
        if call.observed:
            answer = raw.items if type(raw) is Buffered else raw
            call.report(output_invalid(self.judge.name, failure, breach, answer))
        return error_for(failure)


def whole_of(stream: Buffered) -> Any:
    """Return what is judged of a whole stream: of clients' own events the text. Raises `Breach` where it is none."""
    text = text_of_all(stream.items)
    return stream.whole() if text is None else text


def output_invalid(contract: str, failure: Failure, breach: Breach, answer: object = None) -> OutputInvalid:
    """Return the event that tells of `breach`."""
    fault = breach.fault
    if fault is None:
        return OutputInvalid(contract, failure, answer=answer)
    return OutputInvalid(contract, failure, fault.check, fault.code, answer)
