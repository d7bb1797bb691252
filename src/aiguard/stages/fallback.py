"""The ladder: who answers when the component does not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.contract.breach import Breach
from aiguard.errors import BoundaryError
from aiguard.events import Run, RunEnded, RunStarted
from aiguard.failure import Failure, FailureKind
from aiguard.signals import Expired, Full
from aiguard.stream import Buffered, items_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call, Proceed
    from aiguard.contract import Judge

SHARE: Final = 0.1
"""Part of the time left that is held back for callable rungs unless `fallback_timeout` says otherwise."""

NO_AI_AFTER: Final = frozenset({FailureKind.HALTED, FailureKind.INPUT_REJECTED})


class Way(Enum):
    """How a rung is run."""

    VALUE = "value"
    INLINE = "inline"
    OFFLOAD = "offload"
    INVOKE = "invoke"


class Form(Enum):
    """What the boundary gives back, and so what a rung's answer is turned into."""

    VALUE = "value"
    BUFFER = "buffer"
    PASSTHROUGH = "passthrough"


@dataclass(frozen=True, slots=True)
class Step:
    """
    A rung made ready to answer.

    Attributes:
        name: What outcome and spans call it.
        way: How it is run.
        fn: The callable, or what makes a fresh copy of the value.
        ai: Whether it is skipped when the call was halted.
        wants_failure: Whether it takes a keyword-only `failure`.
    """

    name: str
    way: Way
    fn: Callable[..., Any]
    ai: bool = False
    wants_failure: bool = False


class FallbackStage:
    """Answer from the ladder where the component failed, in what is left of the deadline."""

    def __init__(self, steps: tuple[Step, ...], judge: Judge[Any] | None, timeout: float | None, form: Form) -> None:
        self.steps = steps
        self.judge = judge
        self.timeout = timeout
        self.form = form
        self.callables = sum(step.way is not Way.VALUE for step in steps)

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises what the component's side raised, where no rung answered either."""
        inner = call
        if self.callables:
            inner = call.until(call.deadline - self.reserve(call.deadline - call.clock.now()))
        try:
            return await proceed(inner)
        except BoundaryError as error:
            if call.journal.delivered:
                raise  # half an answer is with the caller: another one would be a different answer
            failure = error.failure
            try:
                step, answer = await self._descend(call, failure)
                if step is None:
                    raise
                call.journal.rung = step.name
                call.journal.failure = failure
                return answer
            finally:
                del failure  # it may hold an exception whose traceback holds this frame

    def reserve(self, left: float) -> float:
        """Return how many of the seconds `left` are held back for the callable rungs."""
        if self.timeout is None:
            return left * SHARE
        return min(self.timeout, left / 2)

    async def _descend(self, call: Call, failure: Failure) -> tuple[Step | None, Any]:
        callables = self.callables
        for step in self.steps:
            if step.way is Way.VALUE:
                return step, await self._give_value(step, call)
            share = (call.deadline - call.clock.now()) / callables
            callables -= 1
            if share > 0 and not (step.ai and failure.kind in NO_AI_AFTER):
                run = Run()
                run.rung = step.name
                try:
                    return step, await self._ask(step, call, run, failure, call.clock.now() + share)
                except (Expired, Full) as signal:
                    self._missed(call, run, "no free worker" if type(signal) is Full else "it took too long")
                except Breach as breach:
                    self._missed(call, run, f"its answer breaks the contract: {breach.message}")
                except Exception as error:  # noqa: BLE001 - the next rung answers, whatever this one raised
                    self._missed(call, run, f"it raised {class_name(error)}")
        return None, None

    async def _give_value(self, step: Step, call: Call) -> Any:
        run = Run()
        run.rung = step.name
        self._begin(call, run)
        value = step.fn()
        if self.form is Form.PASSTHROUGH:
            await call.runtime.invoke(call.answered_by(items_of, (value,), {}, run), math.inf)
            value = None  # its items have left already
        if self.form is Form.BUFFER:
            value = Buffered(items_of(value), value)
        self._end(call, run, None)
        return value

    async def _ask(self, step: Step, call: Call, run: Run, failure: Failure, until: float) -> Any:
        kwargs = call.kwargs | {"failure": failure} if step.wants_failure else call.kwargs
        asked = call.answered_by(step.fn, call.args, kwargs, run)
        self._begin(call, run)
        if step.way is Way.INVOKE:
            value = await call.runtime.invoke(asked, until)
        elif step.way is Way.OFFLOAD:
            value = await call.runtime.offload(asked, until)
        else:
            value = await call.runtime.inline(asked, until)
        value = await self._formed(step, value, asked)
        if call.clock.now() > until and not call.journal.delivered:
            raise Expired
        self._end(call, run, None)
        return value

    async def _formed(self, step: Step, value: Any, asked: Call) -> Any:
        """Return the answer in the boundary's form, judged by its contract."""
        if self.form is Form.PASSTHROUGH:
            if step.way is not Way.INVOKE:  # a whole answer: its items are surfaced, and judged, one by one
                await asked.runtime.invoke(asked.answered_by(items_of, (value,), {}, asked.run), math.inf)
            return None
        if self.form is Form.BUFFER:
            stream = value if isinstance(value, Buffered) else Buffered(items_of(value))
            return stream.judged(self.judge.judge(stream.whole())) if self.judge is not None else stream
        return self.judge.judge(value) if self.judge is not None else value

    def _begin(self, call: Call, run: Run) -> None:
        run.started = call.clock.now()
        if call.observed:
            call.report(RunStarted(run))

    def _end(self, call: Call, run: Run, failure: Failure | None) -> None:
        run.ended = call.clock.now()
        run.failure = failure
        if call.observed:
            call.report(RunEnded(run))

    def _missed(self, call: Call, run: Run, why: str) -> None:
        logger.warning("rung %r did not answer: %s", run.rung, why)
        self._end(
            call, run, Failure(FailureKind.UNCLASSIFIED, "fallback", f"the rung {run.rung!r} did not answer: {why}")
        )
