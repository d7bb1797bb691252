"""What stages say happened: plain values, built only when somebody listens."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from aiguard.failure import Failure
    from aiguard.outcome import Reason


class Scope(Protocol):
    """What a listener wants in force while the component or a rung runs: the current span."""

    def enter(self) -> object:
        """Put it in force in the current context; return a token."""

    def leave(self, token: object) -> None:
        """Undo what `enter` did in this context."""


class Run:
    """
    One run of the component (an attempt) or of a rung, while it lasts.

    Shared by the stages of one attempt: the retry stage makes and closes it, the attempt stage opens it once the
    bulkhead has let it in, a listener hangs its scope on it, the runtime leaves a thread here that it had to abandon.
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


class Abandoned(Protocol):
    """A thread that still runs the component although nobody waits for it any more."""

    def when_ended(self, release: Release) -> None:
        """Call `release` once the thread is done; at once if it is already."""


class Release(Protocol):
    """Gives back what an abandoned run still holds."""

    def __call__(self) -> None:
        """Give it back."""


class RunStarted(NamedTuple):
    """The component or a rung begins; the listener may set `run.scope`."""

    run: Run


class RunEnded(NamedTuple):
    """An attempt ended with the contract's verdict, or a rung with its own: see `run.failure`."""

    run: Run
    cancelled: bool = False


class Retrying(NamedTuple):
    """Another attempt follows after `delay` seconds."""

    number: int
    reason: Reason
    delay: float
    failure: Failure


class OutputInvalid(NamedTuple):
    """An answer broke the contract."""

    contract: str
    failure: Failure


class BreakerMoved(NamedTuple):
    """The breaker changed its state, by a call or by hand."""

    breaker: str
    before: str
    after: str


Event: TypeAlias = RunStarted | RunEnded | Retrying | OutputInvalid | BreakerMoved


class Listener(Protocol):
    """Hears every event of one call."""

    def hear(self, event: Event) -> None:
        """Take note of `event`; whatever this raises is logged and never changes the call."""
