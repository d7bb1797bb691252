"""
Faults as values: what can go wrong in a component, and how it is made to.

    inject("ticket-triage", Fails("rate_limited", retry_after=2.0))
    inject("ticket-triage", [Latency(0.2), Fails("overloaded")])       # in this order
    inject("chat", [Truncation(after=3), Hang()])                      # a stream that stops midway
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from aiguard.contract.breach import Breach
from aiguard.errors import error_for
from aiguard.failure import INVALID_OUTPUTS, REJECTIONS, Failure, FailureKind
from aiguard.failure_table import BY_CLASS
from aiguard.problem import nearest, shown
from aiguard.signals import Expired

if TYPE_CHECKING:
    from aiguard.errors import BoundaryError

GARBAGE: Final = "\udc80 this is no answer {"
"""Neither JSON nor, with half a surrogate pair in it, Unicode: no contract lets it pass that looks at text."""

STAGES: Final = {
    FailureKind.DEADLINE_EXHAUSTED: "deadline",
    FailureKind.CIRCUIT_OPEN: "breaker",
    FailureKind.BULKHEAD_FULL: "bulkhead",
    FailureKind.COOLING_DOWN: "cooldown",
    FailureKind.BUDGET_EXHAUSTED: "budget",
    FailureKind.HALTED: "gate",
    FailureKind.INPUT_REJECTED: "input",
}
"""Kinds that are decided before the component is asked, and the stage that decides."""

_JUDGED: Final = INVALID_OUTPUTS | {FailureKind.REFUSAL}
"""Kinds that are found in an answer."""

_NEVER_AGAIN: Final = _JUDGED | {FailureKind.TIMEOUT}
"""Kinds that say nothing of when to come back."""


class InjectedError(Exception):
    """
    What a component raises into which a failure was injected; each kind has a subclass of its own.

    Attributes:
        kind: What the boundary takes it for.
        headers: Where the boundary reads when to come back, as it does from a client's exception.
    """

    kind: ClassVar[FailureKind] = FailureKind.UNCLASSIFIED

    def __init__(self, retry_after: float | None = None) -> None:
        super().__init__(f"injected: {self.kind}")
        self.headers = {} if retry_after is None else {"retry-after-ms": str(retry_after * 1000)}


def _error_class(kind: FailureKind) -> type[InjectedError]:
    name = f"Injected{kind.title().replace('_', '')}"
    return type(name, (InjectedError,), {"__module__": __name__, "__doc__": f"Injected: {kind}.", "kind": kind})


_RAISED: Final = {
    kind: _error_class(kind)
    for kind in FailureKind
    if kind not in {*STAGES, *_JUDGED, FailureKind.TIMEOUT, FailureKind.UNCLASSIFIED}
} | {FailureKind.UNCLASSIFIED: InjectedError}

BY_CLASS.update({("aiguard", error.__name__): kind for kind, error in _RAISED.items()})


class _Shown:
    """Shows itself as it would be written."""

    __slots__ = ()

    def __repr__(self) -> str:
        given: list[str] = []
        for number, field in enumerate(fields(self)):  # type: ignore[arg-type] # every subclass is a dataclass
            value = getattr(self, field.name)
            if value != field.default:
                word = repr(str(value) if isinstance(value, str) else value)
                given.append(f"{field.name}={word}" if number else word)
        return f"{type(self).__name__}({', '.join(given)})"


@dataclass(frozen=True, slots=True, repr=False)
class Latency(_Shown):
    """
    The component is called later than it was.

    Attributes:
        seconds: By how much.
        jitter: At most so many seconds more, by chance.
    """

    seconds: float
    jitter: float = 0.0

    def __post_init__(self) -> None:
        _check_seconds("Latency", "seconds", self.seconds)
        _check_seconds("Latency", "jitter", self.jitter)


@dataclass(frozen=True, slots=True, repr=False)
class Drip(_Shown):
    """
    Every item of a stream comes later than it did; an answer that is no stream counts as one item.

    Attributes:
        seconds: By how much.
    """

    seconds: float

    def __post_init__(self) -> None:
        _check_seconds("Drip", "seconds", self.seconds)


@dataclass(frozen=True, slots=True, repr=False)
class Hang(_Shown):
    """
    The component never answers: until its deadline, or else until the block ends.

    In the caller's thread (`isolation="inline"`) nobody could end it: there it comes back once the deadline is over.
    """


@dataclass(frozen=True, slots=True, repr=False)
class Fails(_Shown):
    """
    The component fails.

    Attributes:
        kind: As what: a `FailureKind`, or its value. A `timeout` takes no time.
        retry_after: Seconds after which its server says that one may come back.
    """

    kind: FailureKind | str
    retry_after: float | None = None

    def __post_init__(self) -> None:
        if self.kind not in list(FailureKind):
            hint = nearest(str(self.kind), list(FailureKind))
            raise ValueError(f"Fails: kind={shown(self.kind)} is no failure kind{hint}")
        kind = FailureKind(self.kind)
        object.__setattr__(self, "kind", kind)
        if self.retry_after is not None:
            _check_seconds("Fails", "retry_after", self.retry_after)
            if kind in _NEVER_AGAIN:
                raise ValueError(f"Fails: retry_after={shown(self.retry_after)}: {kind} never says when to come back")


@dataclass(frozen=True, slots=True, repr=False)
class Crash(_Shown):
    """
    The worker that runs the component dies: kind `worker_crashed`.

    A thread cannot die alone: it is the error that is injected, the thread goes on.
    """


@dataclass(frozen=True, slots=True, repr=False)
class Garbage(_Shown):
    """The component answers with text that is neither JSON nor valid Unicode; where no contract looks, it leaves."""


@dataclass(frozen=True, slots=True, repr=False)
class Truncation(_Shown):
    """
    The answer breaks off, without a word: a stream after so many items, text after so many characters.

    What follows it in a list of faults happens there, in place of the rest. An answer that is neither stream nor text
    cannot be cut: it fails as `truncated`.

    Attributes:
        after: How much comes through; by default one item, or half of the text.
    """

    after: int | None = None

    def __post_init__(self) -> None:
        if self.after is not None and (type(self.after) is not int or self.after < 0):
            raise ValueError(f"Truncation: after={shown(self.after)} is no whole number from 0")

    @property
    def items(self) -> int:
        """How many items of a stream come through."""
        return 1 if self.after is None else self.after

    def of(self, answer: object) -> object:
        """Return what is left of an answer. Raises what `Fails("truncated")` stands for where it is no text."""
        if not isinstance(answer, str | bytes):
            raise raised(Fails(FailureKind.TRUNCATED))
        return answer[: len(answer) // 2 if self.after is None else self.after]


class OneOf:
    """
    One of several faults, by chance.

    Args:
        *faults: Each a fault or a list of them.
    """

    __slots__ = ("faults",)

    def __init__(self, *faults: Fault | list[Fault]) -> None:
        if not faults:
            raise ValueError("OneOf: needs a fault")
        self.faults = tuple(program_of(fault) for fault in faults)

    def chosen(self, chance: float) -> tuple[Fault, ...]:
        """Return those that a number in [0, 1) stands for."""
        return self.faults[int(chance * len(self.faults))]

    def __repr__(self) -> str:
        return (
            f"OneOf({', '.join(repr(list(faults)) if len(faults) > 1 else repr(faults[0]) for faults in self.faults)})"
        )


Fault: TypeAlias = Latency | Drip | Hang | Fails | Crash | Garbage | Truncation | OneOf | Exception | type[Exception]
"""What can be injected; of a user's own, an exception."""

_VALUES: Final = (Latency, Drip, Hang, Fails, Crash, Garbage, Truncation, OneOf, Exception)


def program_of(fault: object) -> tuple[Fault, ...]:
    """Return one fault, or a list of them, as what happens in order. Raises `TypeError`, `ValueError`."""
    faults = tuple(fault) if isinstance(fault, list | tuple) else (fault,)
    if not faults:
        raise ValueError("fault: an empty list injects nothing")
    for one in faults:
        if not isinstance(one, _VALUES) and not (isinstance(one, type) and issubclass(one, Exception)):
            hint = f": write {one.__name__}(…)" if isinstance(one, type) and one in _VALUES else ""
            raise TypeError(f"fault: {shown(one)} is neither a fault of aiguard.testing nor an exception{hint}")
        if isinstance(one, Fails) and one.kind in STAGES:
            raise ValueError(
                f"fault: {one.kind} is the boundary's own word, no component fails so; "
                f"`answering(FailureKind.{FailureKind(one.kind).name})` shows what your service does then"
            )
    return faults


def is_failure(given: object) -> bool:
    """Whether `given` stands for a failure, in place of an answer."""
    return isinstance(given, FailureKind | Fails | Crash | Exception) or (
        isinstance(given, type) and issubclass(given, Exception)
    )


def raised(failure: Any) -> BaseException:
    """Return the exception by which a component fails so."""
    if isinstance(failure, Crash):
        failure = FailureKind.WORKER_CRASHED
    if isinstance(failure, FailureKind):
        failure = Fails(failure)
    if not isinstance(failure, Fails):
        error: BaseException = failure() if isinstance(failure, type) else failure
        return error.with_traceback(None)
    kind = FailureKind(failure.kind)
    if kind is FailureKind.TIMEOUT:
        return Expired()
    if kind in _JUDGED:
        return Breach(kind, "injected")
    if kind in STAGES:
        return rejection(failure)
    error_class: type[InjectedError] = _RAISED[kind]
    return error_class(failure.retry_after)


def rejection(failure: Fails) -> BoundaryError:
    """Return the error by which the boundary itself refuses a call."""
    kind = FailureKind(failure.kind)
    return error_for(Failure(kind, STAGES[kind], "injected", failure.retry_after))


def _check_seconds(fault: str, setting: str, value: object) -> None:
    if type(value) not in {int, float} or not 0 <= value < math.inf:  # type: ignore[operator] # a number by now
        raise ValueError(f"{fault}: {setting}={shown(value)} are no seconds from 0")


assert STAGES.keys() > REJECTIONS, "a rejection has no stage"
