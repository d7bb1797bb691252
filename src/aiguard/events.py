"""What stages say happened: plain values, built only when somebody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from aiguard.failure import Failure, FailureKind
    from aiguard.outcome import Reason
    from aiguard.usage import Usage


class Scope(Protocol):
    """What a listener wants in force while the component or a rung runs: the current span."""

    def enter(self) -> object:
        """Put it in force in the current context; return a token."""

    def leave(self, token: object) -> None:
        """Undo what `enter` did in this context."""

    def mark(self) -> object:
        """Return what names it once it is over."""


class Run:
    """
    One run of the component (an attempt) or of a rung, while it lasts.

    Shared by the stages of one attempt: the retry stage makes and closes it, the attempt stage opens it once the
    bulkhead has let it in, a listener hangs its scope on it, the runtime leaves a thread here that it had to abandon,
    the budget what it has set aside, the breaker its watch over how long it takes, the contract how it repaired the
    answer, the hedge stage says where it has written it down itself, and a boundary inside which usage it has counted.
    """

    # class attributes: a first attempt, which is most of them, is made without setting any
    number = 1
    reason: Reason = "initial"
    rung: str | None = None
    started: float | None = None
    ended = 0.0
    failure: Failure | None = None
    scope: Scope | None = None
    abandoned: Abandoned | None = None
    timed: Timed | None = None
    reservation: Reserved | None = None
    closed = False
    cancelled = False
    answering = False
    used: list[Usage] | None = None
    inherited: list[Usage] | None = None
    repaired: str | None = None


class Abandoned(Protocol):
    """A thread that still runs the component although nobody waits for it any more."""

    def when_ended(self, release: Release) -> None:
        """Call `release` once the thread is done; at once if it is already."""


class Timed(Protocol):
    """Who wants to know how long the component takes."""

    def began(self, now: float) -> None:
        """The component begins."""

    def answered(self, now: float) -> None:
        """It gave a stream's first item."""


class Reserved(Protocol):
    """What was set aside for an attempt that may have to wait before it begins."""

    def defer(self, until: float) -> None:
        """Keep it, for that long at most: the attempt waits."""

    def begin(self, now: float) -> None:
        """Spend it: the attempt begins now."""


class Release(Protocol):
    """Gives back what an abandoned run still holds."""

    def __call__(self) -> None:
        """Give it back."""


class RunStarted(NamedTuple):
    """The component or a rung begins; the listener may set `run.scope`."""

    run: Run


class RunEnded(NamedTuple):
    """An attempt ended with the contract's verdict, or a rung with its own: see `run.failure` and `run.cancelled`."""

    run: Run


class Retrying(NamedTuple):
    """Another attempt follows after `delay` seconds."""

    number: int
    reason: Reason
    delay: float
    failure: Failure


class RetryBudgetExhausted(NamedTuple):
    """Another attempt would have followed, for that reason, but what may be added to all calls is spent."""

    reason: Reason


class Hedging(NamedTuple):
    """A second attempt begins, `after` seconds after the first, which has not answered yet."""

    number: int
    after: float


class Paused(NamedTuple):
    """The component asked to be left alone for so many seconds."""

    kind: FailureKind
    seconds: float


class InputInvalid(NamedTuple):
    """The arguments of a call broke the contract, by the rules with these codes."""

    contract: str
    codes: tuple[str, ...]


class OutputInvalid(NamedTuple):
    """An answer broke the contract; where one of its checks said so, which one and why. `answer` is content."""

    contract: str
    failure: Failure
    check: str = ""
    code: str = ""
    answer: object = None


class CheckErrored(NamedTuple):
    """A check of the contract gave no verdict, and the contract lets the answer pass."""

    contract: str
    check: str
    code: str


class BreakerMoved(NamedTuple):
    """The breaker changed its state, by a call or by hand."""

    breaker: str
    before: str
    after: str


Event: TypeAlias = (
    RunStarted
    | RunEnded
    | Retrying
    | RetryBudgetExhausted
    | Hedging
    | Paused
    | InputInvalid
    | OutputInvalid
    | CheckErrored
    | BreakerMoved
)


class Listener(Protocol):
    """
    Hears every event of one call.

    Attributes:
        scope: The call's own; `None` where it has none.
    """

    scope: Scope | None

    def hear(self, event: Event) -> None:
        """Take note of `event`; whatever this raises is logged and never changes the call."""
