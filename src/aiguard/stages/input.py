"""The input stage: what the component is fed must satisfy the contract, before anything is asked of it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from aiguard.call import logger
from aiguard.contract.input_judge import SHOWN
from aiguard.errors import InputRejectedError, MisuseError
from aiguard.events import InputInvalid
from aiguard.failure import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiguard.call import Call, Proceed
    from aiguard.contract.input_judge import Flaw, InputJudge
    from aiguard.contract.rates import Tally


class InputStage:
    """
    Turn calls away whose arguments break the contract, or say so where it only warns.

    Args:
        name: The boundary's name.
        judge: The contract, made ready.
        tally: Where it is counted how often it is broken.
        wrapped: Whether the component is inside what collects its stream.
    """

    def __init__(self, name: str, judge: InputJudge, tally: Tally, *, wrapped: bool = False) -> None:
        self.name = name
        self.judge = judge
        self.tally = tally
        self.wrapped = wrapped
        self.on_breach = judge.contract.on_breach
        self._told: set[str] = set()

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `InputRejectedError`, or `MisuseError` where the contract is that of other arguments."""
        fn = call.fn.__wrapped__ if self.wrapped else call.fn  # type: ignore[attr-defined]
        flaws = self.judge.flaws(fn, call.args, call.kwargs)
        if not flaws:
            self.tally.count(call.journal.begun)
            return await proceed(call)
        if not _binds(fn, call):
            return await proceed(call)  # a programmer's error, which the attempt tells: no input at all
        reason = self.judge.check(fn)
        if reason is not None:
            msg = f"{getattr(fn, '__qualname__', type(fn).__qualname__)} and the contract {self.judge.label}: {reason}"
            raise MisuseError(msg)
        codes = sorted({flaw.code for flaw in flaws})
        self.tally.note(call.journal.begun, codes)
        if call.observed:
            call.report(InputInvalid(self.judge.label, tuple(codes)))
        message = self.message(flaws)
        if self.on_breach == "warn":
            call.journal.reported = True
            self._warn(codes, message)
            return await proceed(call)
        call.journal.any_rung = self.on_breach == "fallback"
        raise InputRejectedError(Failure(FailureKind.INPUT_REJECTED, "input", message))

    def message(self, flaws: Sequence[Flaw]) -> str:
        """Return what is wrong with an input, without a word of it."""
        said = ", ".join(map(str, flaws[:SHOWN])) + (", …" if len(flaws) > SHOWN else "")
        return f"the input breaks {self.judge.label}: {said}"

    def _warn(self, codes: Sequence[str], message: str) -> None:
        """Log it, once for each code."""
        if self._told.issuperset(codes):
            return
        self._told.update(codes)
        logger.warning(
            "boundary %r: %s; it is let through, and not said again of %s", self.name, message, ", ".join(codes)
        )


def _binds(fn: Callable[..., Any], call: Call) -> bool:
    """Whether `fn` could be called with these arguments at all."""
    try:
        inspect.signature(fn).bind(*call.args, **call.kwargs)
    except TypeError:
        return False
    except ValueError:
        return True  # a callable without a signature: nothing can be said
    return True
