"""The ladder: who answers when the component does not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from aiguard.call import logger
from aiguard.classification import class_name
from aiguard.contract.breach import Breach
from aiguard.errors import BoundaryError, DeadlineExceededError, HaltedError, error_for
from aiguard.events import Run, RunEnded, RunStarted
from aiguard.failure import Failure, FailureKind
from aiguard.signals import Boxed, Expired, Full, Halted
from aiguard.stages.checking import ask
from aiguard.stages.last_good import NothingKept
from aiguard.stages.output import whole_of
from aiguard.stream import SURFACED, Buffered, items_of
from aiguard.switch import ALWAYS_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from aiguard.call import Call, Journal, Proceed
    from aiguard.contract import Judge
    from aiguard.stages.last_good import Memory
    from aiguard.switch import Switch

SHARE: Final = 0.1
"""Part of the time left that is held back for callable rungs unless `fallback_timeout` says otherwise."""

NO_AI_AFTER: Final = frozenset({FailureKind.HALTED, FailureKind.INPUT_REJECTED})


_MISSED: Final = object()


class Way(Enum):
    """How a rung is run."""

    VALUE = "value"
    MEMORY = "memory"
    INLINE = "inline"
    OFFLOAD = "offload"
    INVOKE = "invoke"


AT_ONCE: Final = frozenset({Way.VALUE, Way.MEMORY})
"""Ways that need no share of the time: what they answer is there already."""


class Form(Enum):
    """What the boundary gives back, and so what a rung's answer is turned into."""

    VALUE = "value"
    BUFFER = "buffer"
    PASSTHROUGH = "passthrough"
    ELEMENTS = "elements"

    @property
    def is_surfaced(self) -> bool:
        """Whether items leave before the whole is there."""
        return self.value in SURFACED


@dataclass(frozen=True, slots=True)
class Step:
    """
    A rung made ready to answer.

    Attributes:
        name: What outcome and spans call it.
        way: How it is run.
        fn: The callable, or what makes a fresh copy of the value, or what recalls an answer.
        ai: Whether it is skipped when the call was halted.
        wants_failure: Whether it takes a keyword-only `failure`.
        memory: Where `last_good` keeps answers.
    """

    name: str
    way: Way
    fn: Callable[..., Any]
    ai: bool = False
    wants_failure: bool = False
    memory: Memory | None = None


class FallbackStage:
    """
    Answer from the ladder where the component failed, in what is left of the deadline.

    Args:
        steps: The rungs, made ready.
        judge: What their answers are held to.
        timeout: Seconds held back for those that are called; a share of what is left by default.
        form: What the boundary gives back.
        goes_on: Whether a rung answers too where a stream broke after its first item.
        switch: What keeps rungs with AI from answering.
    """

    def __init__(
        self,
        steps: tuple[Step, ...],
        judge: Judge[Any] | None,
        timeout: float | None,
        form: Form,
        *,
        goes_on: bool = False,
        switch: Switch = ALWAYS_ON,
    ) -> None:
        self.steps = steps
        self.goes_on = goes_on
        self.switch = switch
        self.judge = judge
        self.timeout = timeout
        self.form = form
        self.callables = sum(step.way not in AT_ONCE for step in steps)
        self.memories = tuple(step.memory for step in steps if step.memory is not None)

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises what the component's side raised, where no rung answered either."""
        questions = self._questions(call) if self.memories else None
        inner = call
        if self.callables:
            inner = call.until(call.deadline - self.reserve(call.deadline - call.clock.now()))
        try:
            answer = await proceed(inner)
            if questions is not None:
                self._keep(answer, questions, call)
            return answer
        except BoundaryError as error:
            answer = None  # what stays in is in no frame of the error
            journal = call.journal
            asked = call
            if journal.delivered:
                if not self.goes_on:
                    raise  # half an answer is with the caller: another one would be a different answer
                journal.broke_after = journal.delivered
                asked = call.until(call.deadline + journal.taken)
            failure = error.failure
            try:
                answer = await self._descend(asked, failure, questions or {})
                if answer is _MISSED:
                    raise
                return answer
            finally:
                del failure  # it may hold an exception whose traceback holds this frame

    def reserve(self, left: float) -> float:
        """Return how many of the seconds `left` are held back for the callable rungs."""
        if self.timeout is None:
            return left * SHARE
        return min(self.timeout, left / 2)

    def _questions(self, call: Call) -> dict[Memory, Hashable]:
        """Return what is asked, as each `last_good` tells it; before the component can change its arguments."""
        component = call.fn if self.form is Form.VALUE else getattr(call.fn, "__wrapped__", call.fn)
        return {memory: memory.question(component, call) for memory in self.memories}

    def _keep(self, answer: Any, questions: dict[Memory, Hashable], call: Call) -> None:
        """
        Keep a copy of `answer`, which is about to leave.

        Raises:
            HaltedError: If the boundary was halted while it was copied.
            DeadlineExceededError: If that took too long.
        """
        value = answer.items if type(answer) is Buffered else answer
        copies = [(memory, question, memory.copied(question, value)) for memory, question in questions.items()]
        given = call.clock.now()
        why = self.switch.halted(call.journal.key)
        if why is not None or given > call.deadline:
            del answer, value, copies  # what stays in is in no frame of the error
            if why is not None:
                raise HaltedError(why)
            message = "an answer was there, but keeping a copy of it for `last_good` ended too late"
            raise DeadlineExceededError(Failure(FailureKind.DEADLINE_EXHAUSTED, "deadline", message))
        for memory, question, make in copies:
            if make is not None:
                memory.keep(question, make, given)

    async def _descend(self, call: Call, failure: Failure, questions: dict[Memory, Hashable]) -> Any:
        """Return the first rung's answer, or `_MISSED`."""
        journal = call.journal
        callables = self.callables
        for step in self.steps:
            until = math.inf
            if step.way not in AT_ONCE:
                now = call.clock.now()
                until = now + (call.deadline - now) / callables
                callables -= 1
                if until <= now or (step.ai and self._is_shut_to_ai(journal, failure)):
                    continue
            # said before it answers: a stream's items leave while it does
            journal.rung, journal.failure, journal.by_ai = step.name, failure, step.ai
            answer = await self._ask(step, call, failure, until, questions)
            if answer is not _MISSED:
                return answer
        journal.rung = journal.failure = None
        return _MISSED

    def _is_shut_to_ai(self, journal: Journal, failure: Failure) -> bool:
        if failure.kind in NO_AI_AFTER and not journal.any_rung:
            return True
        return self.switch.halted(journal.key) is not None  # while the component, or another rung, was at it

    async def _ask(
        self, step: Step, call: Call, failure: Failure, until: float, questions: dict[Memory, Hashable]
    ) -> Any:
        run = Run()
        run.rung = step.name
        run.started = call.clock.now()
        if call.observed:
            call.report(RunStarted(run))
        before = call.journal.delivered
        args, kwargs = call.args, call.kwargs
        if step.memory is not None:
            args, kwargs = (questions[step.memory], run.started), {}
        elif step.wants_failure:
            kwargs = kwargs | {"failure": failure}
        try:
            answer = await self._answer(step, call.answered_by(step.fn, args, kwargs, run), until)
            if call.clock.now() > until and call.journal.delivered == before:
                raise Expired  # noqa: TRY301 - as a rung that was cut off
            if step.ai and (halt := self.switch.halted(call.journal.key)) is not None:
                raise Halted(halt)  # noqa: TRY301 - as a rung that did not answer
        except Exception as error:  # noqa: BLE001 - the next rung answers, whatever this one raised
            missed = _missed(run, error)
        except BaseException:
            self._end(call, run, None, cancelled=True)
            raise
        else:
            self._end(call, run, None)
            call.journal.repaired = run.repaired
            return answer
        self._end(call, run, missed)
        if call.journal.delivered > before:
            raise error_for(missed)  # half of its answer is with the caller: another one would be a different answer
        return _MISSED

    async def _answer(self, step: Step, asked: Call, until: float) -> Any:
        runtime = asked.runtime
        if step.way is Way.VALUE:
            value = step.fn()
            if self.form is Form.VALUE:
                return value
            if self.form is Form.BUFFER:
                return Buffered(items_of(value), value)
        elif step.way is Way.MEMORY:
            return await self._recalled(step, asked)
        elif step.way is Way.INVOKE:
            value = await runtime.invoke(asked, until)
        elif step.way is Way.OFFLOAD:
            value = await runtime.offload(asked, until)
        else:
            value = await runtime.inline(asked, until)
        return await self._formed(step, value, asked, until)

    async def _recalled(self, step: Step, asked: Call) -> Any:
        """Return an answer that the component gave before, judged anew; how old it is goes into the journal."""
        value, age = asked.fn(*asked.args)
        if self.form is Form.BUFFER:
            value = await self._formed(step, Buffered(value), asked, math.inf)
        elif self.judge is not None:
            value = self.judge.judge_value(value)  # it has passed the gates for raw answers
        asked.journal.age = age
        return value

    async def _formed(self, step: Step, value: Any, asked: Call, until: float) -> Any:
        """Return the answer in the boundary's form, judged by its contract."""
        if self.form.is_surfaced:
            if step.way is not Way.INVOKE:  # a whole answer: its items are surfaced, and judged, one by one
                await asked.runtime.replay(items_of(value), asked)
            return None
        if self.form is Form.BUFFER:
            stream = value if isinstance(value, Buffered) else Buffered(items_of(value))
            if self.judge is None:
                return stream
            return stream.judged(await self._judged(self.judge, step, whole_of(stream), asked, until))
        return value if self.judge is None else await self._judged(self.judge, step, value, asked, until)

    async def _judged(self, judge: Judge[Any], step: Step, raw: Any, asked: Call, until: float) -> Any:
        if not judge.checks or step.way is Way.MEMORY:  # it was asked of all of them when it was new
            return judge.judge(raw, asked.run)
        value = judge.judge(raw, asked.run, checked=False)
        await ask(judge, value, asked, until)
        return value

    def _end(self, call: Call, run: Run, failure: Failure | None, *, cancelled: bool = False) -> None:
        run.ended = call.clock.now()
        run.failure = failure
        run.cancelled = cancelled
        call.journal.asked = [*(call.journal.asked or ()), run]
        if run.used is not None:
            call.journal.used_by_rungs = [*(call.journal.used_by_rungs or ()), *run.used]
        if call.observed:
            call.report(RunEnded(run))


def _missed(run: Run, error: Exception) -> Failure:
    """Return why a rung did not answer; it is logged."""
    if isinstance(error, Halted):
        logger.warning("rung %r did not answer: the boundary was halted meanwhile", run.rung)
        return error.failure
    why = _why(error)
    logger.warning("rung %r did not answer: %s", run.rung, why)
    return Failure(FailureKind.UNCLASSIFIED, "fallback", f"the rung {run.rung!r} did not answer: {why}")


def _why(error: Exception) -> str:
    """Return why a rung did not answer, without a word of what it said."""
    if isinstance(error, Breach):
        return f"its answer breaks the contract: {error.message}"
    if isinstance(error, Expired):
        return "it took too long"
    if isinstance(error, NothingKept):
        return str(error)
    if isinstance(error, Full):
        return "no free worker"
    return f"it raised {class_name(error.original if isinstance(error, Boxed) else error)}"
