"""The attempt: one try of the component, with its own clock, and whatever it raises put into words."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final, cast

from aiguard.call import logger
from aiguard.classification import class_name, classify, traceback_of
from aiguard.contract.breach import Breach
from aiguard.contract.carried import usage_of_error
from aiguard.contract.response import usage_of
from aiguard.errors import (
    BoundaryError,
    BulkheadFullError,
    DeadlineExceededError,
    HaltedError,
    InvalidOutputError,
    MisuseError,
    StreamInterruptedError,
    error_for,
)
from aiguard.events import RunStarted
from aiguard.failure import Failure, FailureKind
from aiguard.signals import Boxed, Expired, Full, Halted
from aiguard.stages.output import output_invalid
from aiguard.switch import ALWAYS_ON, FRESH

if TYPE_CHECKING:
    from aiguard.call import Call, Proceed
    from aiguard.switch import Switch

_FRAMES: Final = 20

_LATE: Final = {
    "first_item": "the component gave no first item within `first_item`",
    "idle": "the component was silent for longer than `idle`",
}

_PLAIN: Final = frozenset({str, bytes, dict, list, int, float, bool, tuple, type(None)})
"""Results that need no second look: they are no iterator and no awaitable."""


class AttemptStage:
    """Run the component once and let nothing out but its answer or a `BoundaryError`."""

    def __init__(self, name: str, timeout: float | None, contract: str = "", switch: Switch = ALWAYS_ON) -> None:
        self.name = name
        self.timeout = timeout
        self.contract = contract
        self.switch = switch

    async def run(self, proceed: Proceed, call: Call) -> Any:  # noqa: ARG002, C901 - the innermost stage, one frame a try
        """
        Run it, unless the boundary was halted meanwhile: while the call stood in line, or waited to try again.

        Raises:
            BoundaryError: For whatever the component did; `HaltedError` where it was not asked any more.
            MisuseError: For a programmer's error.
        """
        run, journal = call.run, call.journal
        started = call.clock.now()
        # a first attempt that follows upon its call was asked for at the gate: nothing newer can be known
        if run.number > 1 or started - journal.begun > FRESH:
            why = self.switch.halted(journal.key)
            if why is not None:
                raise HaltedError(why)
        run.started = started
        if run.timed is not None:
            run.timed.began(started)
        if journal.listener is not None:
            call.report(RunStarted(run))
        until = call.deadline
        timeout = self.timeout
        if timeout is not None and started + timeout < until:
            until = started + timeout
        try:
            value = await call.runtime.invoke(call, until)
        except MisuseError:
            raise
        except Exception as error:  # noqa: BLE001 - this is where everything a component raises is contained
            leaving = self.contained(error, call, until)
        else:
            if type(value) not in _PLAIN:
                check_result(call, value)
                if run.used is None and (used := usage_of(value)) is not None:
                    run.used = [used]
            return value
        try:
            raise leaving
        finally:
            del leaving  # its traceback holds this frame

    def contained(self, error: Exception, call: Call, until: float) -> BoundaryError:
        """Return what an attempt that ended in `error` leaves the boundary as."""
        if type(error) is Expired:
            return self._timed_out(error.limit, call, until)
        if type(error) is Full:
            return BulkheadFullError(Failure(FailureKind.BULKHEAD_FULL, "attempt", str(error)))
        if type(error) is Halted:
            return HaltedError(error.failure)
        # by type alone: `isinstance` asks the exception's own `__class__`, which may lie
        if issubclass(type(error), Breach):  # one item of a stream, or a stream that grew too large
            return self._breach(cast("Breach", error), call)
        if issubclass(type(error), BoundaryError):
            return self._nested(cast("BoundaryError", error))
        cause = error.original if type(error) is Boxed else error
        if type(cause) is TypeError:
            check_bound(call, cause)
        if call.run.used is None and (used := usage_of_error(cause)) is not None:
            call.run.used = [used]
        failure = classify(cause, call.clock)
        if failure.kind is FailureKind.UNCLASSIFIED:
            log_unclassified(self.name, cause)
        leaving = error_for(failure)
        if not isinstance(leaving, InvalidOutputError):
            leaving.__cause__ = cause
        return leaving

    def _breach(self, breach: Breach, call: Call) -> BoundaryError:
        if breach.kind is FailureKind.STREAM_INTERRUPTED:  # no answer that could break a contract
            return error_for(Failure(breach.kind, "component", breach.message))
        failure = Failure(breach.kind, "output", breach.message, None, breach.exception)
        if call.observed:
            call.report(output_invalid(self.contract, failure, breach))
        return error_for(failure)

    def _timed_out(self, clock: str, call: Call, until: float) -> DeadlineExceededError:
        if clock:
            stage, message = "attempt", _LATE[clock]
        else:
            stage, limit = ("attempt", "attempt_timeout") if until < call.deadline else ("deadline", "deadline")
            message = f"the component did not answer within the {limit}"
        return DeadlineExceededError(Failure(FailureKind.TIMEOUT, stage, message))

    def _nested(self, error: BoundaryError) -> BoundaryError:
        inner = error.failure
        message = f"the boundary {error.boundary!r} inside it failed: {inner.message}"
        # a user's own subclass may take other arguments: it leaves as the class of ours it comes from
        cls = next(cls for cls in type(error).__mro__ if cls.__module__ == BoundaryError.__module__)
        leaving: BoundaryError = cls(Failure(inner.kind, "component", message, inner.retry_after, error))
        if isinstance(error, StreamInterruptedError) and isinstance(leaving, StreamInterruptedError):
            leaving.delivered = error.delivered
        leaving.__cause__ = error
        return leaving


def check_bound(call: Call, error: TypeError) -> None:
    """Raise `MisuseError` if `error` only says that the arguments do not fit the function."""
    traceback = traceback_of(error)
    code = getattr(inspect.unwrap(call.fn), "__code__", None)
    while traceback is not None:
        if traceback.tb_frame.f_code is code:
            return  # raised inside the function: its own affair
        traceback = traceback.tb_next
    try:
        inspect.signature(call.fn).bind(*call.args, **call.kwargs)
    except TypeError as mismatch:
        msg = f"{_function(call)}: {mismatch}"
        raise MisuseError(msg) from None
    except ValueError:
        return  # a callable without a signature: nothing can be said


def check_result(call: Call, value: object) -> None:
    """Raise `MisuseError` if `value` is an iterator or an awaitable: nothing has been run or checked yet then."""
    cls = type(value)
    if hasattr(cls, "__await__"):
        if inspect.iscoroutine(value):
            value.close()
        msg = f"{_function(call)} returned an awaitable, {cls.__qualname__}: make it `async def`, or await it inside"
        raise MisuseError(msg)
    if hasattr(cls, "__next__") or hasattr(cls, "__anext__"):
        if inspect.isgenerator(value):
            value.close()
        shape = "async_generator" if hasattr(cls, "__anext__") else "generator"
        msg = (
            f"{_function(call)} returned an iterator, {cls.__qualname__}: "
            f'declare it with shape="{shape}" and a `stream` mode, or return the whole'
        )
        raise MisuseError(msg)


def log_unclassified(name: str, error: BaseException) -> None:
    """Log an exception nobody expected: its class and where it was raised, never its text."""
    frames: list[str] = []
    traceback = traceback_of(error)
    while traceback is not None:
        code = traceback.tb_frame.f_code
        frames.append(f"{code.co_filename}:{traceback.tb_lineno} in {code.co_name}")
        traceback = traceback.tb_next
    where = "\n  ".join(frames[-_FRAMES:])
    logger.error("boundary %r: unclassified exception %s, raised at\n  %s", name, class_name(error), where)


def _function(call: Call) -> str:
    return str(getattr(call.fn, "__qualname__", type(call.fn).__qualname__))
