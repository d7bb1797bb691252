"""The breaker: stop calling a component that keeps failing, then try it with care; a pybreaker by type."""

from __future__ import annotations

import contextlib
import inspect
import logging
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import pybreaker

from aiguard.errors import BoundaryError, CircuitOpenError
from aiguard.events import BreakerMoved
from aiguard.failure import COUNTED, INVALID_OUTPUTS, OPENS_AT_ONCE, Failure, FailureKind
from aiguard.stages.circuit import CLOSED, HALF_OPEN, OPEN, Circuit
from aiguard.stages.permit import FAILURE, FATAL, NEUTRAL, SUCCESS, TimedPermit, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from contextlib import AbstractContextManager

    from aiguard.call import Call, Proceed
    from aiguard.clock import Clock
    from aiguard.strategies import Breaker

logger = logging.getLogger("aiguard")

P = ParamSpec("P")
T = TypeVar("T")


class CircuitBreaker(Circuit, pybreaker.CircuitBreaker):
    """
    A pybreaker by type, name, listeners and state names; the engine is aiguard's.

    Unlike pybreaker 1.4 it holds its lock for counter updates only, knows a third verdict (neutral), windows with a
    failure rate and a slow-call rate, a bounded number of probes, and ignores what calls that began before the last
    change of state say.
    """

    def __init__(self, policy: Breaker, *, name: str, clock: Clock) -> None:
        Circuit.__init__(self, policy, clock)
        pybreaker.CircuitBreaker.__init__(self, name=name)

    def sibling(self, name: str) -> CircuitBreaker:
        """Return a breaker for another key: set alike, with the same listeners and exclusions, and its own counts."""
        other = CircuitBreaker(self._policy, name=name, clock=self._clock)
        other._listeners = self._listeners
        other._excluded_exceptions = self._excluded_exceptions
        return other

    def forked(self) -> None:
        """Forget the calls of the parent process: nobody will settle them here."""
        super().forked()
        self._lock = threading.RLock()  # pybreaker's own, of its lists of listeners and exclusions

    def _moved(self, before: str, after: str) -> None:
        self._state_storage.state = after
        if after == OPEN:
            self._state_storage.opened_at = datetime.fromtimestamp(self._clock.wall(), UTC)
        old = self._state
        self._state = new = _STATES[after](self)  # type: ignore[assignment]
        for listener in self.listeners:
            self._call_listener(listener.state_change, old, new)
        if moved is not None:
            moved(BreakerMoved(self.name or "", before, after))

    def _call_listener(self, method: Callable[..., object], *args: object, **kwargs: object) -> None:
        try:
            method(self, *args, **kwargs)
        except Exception as error:  # noqa: BLE001 - a listener's fault must not become the caller's
            logger.warning("breaker %r: a listener failed: %s", self.name, type(error).__name__)

    # --- pybreaker's surface

    @property  # type: ignore[misc]
    def state(self) -> pybreaker.CircuitBreakerState:  # type: ignore[override]
        """Pybreaker's object for the current state."""
        return self._state

    @property  # type: ignore[misc]
    def fail_max(self) -> int:
        """What pybreaker calls the failures that open it: `minimum_calls`. It is set by the policy."""
        return self._policy.minimum_calls

    @property  # type: ignore[misc]
    def reset_timeout(self) -> float:
        """What pybreaker calls the seconds that it stays open: `open_for`. It is set by the policy."""
        return self._policy.open_for

    @property  # type: ignore[misc]
    def success_threshold(self) -> int:
        """What pybreaker calls the successes that close it: `probes`. It is set by the policy."""
        return self._policy.probes

    def is_system_error(self, exception: BaseException) -> bool:
        """Whether `exception` speaks of the component's health, by pybreaker's own list of exclusions."""
        for exclusion in self._excluded_exceptions:
            if isinstance(exclusion, type):
                if isinstance(exception, exclusion):
                    return False
            elif self._call_excluding(exclusion, exception):
                return False
        return True

    def _call_excluding(self, predicate: Callable[[BaseException], object], exception: BaseException) -> bool:
        try:
            return bool(predicate(exception))
        except Exception as error:  # noqa: BLE001 - a predicate's fault must not become the caller's
            logger.warning("breaker %r: an exclusion failed: %s", self.name, type(error).__name__)
            return False

    def call(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a plain function under this breaker, outside any boundary."""
        with self._calling(func, args, kwargs):
            return func(*args, **kwargs)

    def calling(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """
        Run a block under this breaker, outside any boundary.

        No deadline ends it: a probe that takes longer than `open_for_max` is given up.

        Raises:
            CircuitOpenError: It lets no call in.
        """
        return self._calling(self.calling, (), {})

    @contextlib.contextmanager
    def _calling(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Generator[None]:
        try:
            permit = self.acquire(self._policy.open_for_max)
        except CircuitOpenError as refused:
            refused.boundary = self.name or ""
            raise
        if isinstance(permit, TimedPermit):
            permit.began(self._clock.now())
        self.told_before(func, args, kwargs)
        verdict = NEUTRAL
        try:
            yield
            verdict = SUCCESS
        except Exception as error:
            if self.is_system_error(error):
                verdict = FAILURE
            self.told(verdict, error)
            raise
        finally:
            self.settle(permit, verdict)
        self.told(verdict, None)

    def __call__(self, *call_args: Any, **call_kwargs: Any) -> Any:
        """Decorate a plain function with this breaker. Raises `TypeError` for what would succeed before it has run."""
        for fn in call_args:
            if inspect.iscoroutinefunction(fn) or inspect.isgeneratorfunction(fn) or inspect.isasyncgenfunction(fn):
                msg = f"breaker {self.name!r}: guards plain functions only; give {fn.__qualname__} a boundary instead"
                raise TypeError(msg)
        return super().__call__(*call_args, **call_kwargs)

    def call_async(self, func: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002 - refused
        """Refuse: pybreaker means Tornado's coroutines here."""
        msg = f"breaker {self.name!r}: call_async serves Tornado; guard the async function instead"
        raise TypeError(msg)

    def told_before(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Tell pybreaker's listeners that a call was let in."""
        for listener in self.listeners:
            self._call_listener(listener.before_call, func, *args, **kwargs)

    def told(self, verdict: Verdict, error: BaseException | None) -> None:
        """Tell pybreaker's listeners how one call ended."""
        for listener in self.listeners:
            if verdict is SUCCESS:
                self._call_listener(listener.success)
            elif verdict is not NEUTRAL and error is not None:
                self._call_listener(listener.failure, error)


def _state(
    base: type[pybreaker.CircuitBreakerState], name: str
) -> Callable[[CircuitBreaker], pybreaker.CircuitBreakerState]:
    """Return a maker of states as pybreaker's listeners see them: class and name, without its engine."""

    def make(breaker: CircuitBreaker) -> pybreaker.CircuitBreakerState:
        state = base.__new__(base)
        pybreaker.CircuitBreakerState.__init__(state, breaker, name)
        return state

    return make


_STATES: Final = {
    CLOSED: _state(pybreaker.CircuitClosedState, CLOSED),
    OPEN: _state(pybreaker.CircuitOpenState, OPEN),
    HALF_OPEN: _state(pybreaker.CircuitHalfOpenState, HALF_OPEN),
}

moved: Callable[[BreakerMoved], None] | None = None
"""Where every change of state is told, whoever caused it; telemetry puts itself here."""


class BreakerStage:
    """
    Ask the breaker before the call, tell it afterwards.

    Args:
        lease: Seconds after which a probe that was never heard of again is given up.
    """

    def __init__(self, lease: float) -> None:
        self.lease = lease

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `CircuitOpenError` while the breaker is open."""
        breaker: CircuitBreaker = call.journal.partition.breaker
        observed = call.journal.listener is not None
        permit = in_the_name_of(call, breaker, breaker.acquire, self.lease) if observed else breaker.acquire(self.lease)
        if breaker._listeners:  # noqa: SLF001 - the subclass's own list, read without a copy
            breaker.told_before(call.fn, call.args, call.kwargs)
        if permit.timed:
            call.run.timed = permit  # type: ignore[assignment]  # then it is a `TimedPermit`
        verdict = NEUTRAL
        try:
            value = await proceed(call)
            verdict = SUCCESS
        except BoundaryError as caught:
            verdict = self.verdict_on(breaker, caught.failure, shortened=call.journal.shortened)
            if breaker._listeners:  # noqa: SLF001 - as above
                breaker.told(verdict, caught.failure.exception or caught)
            raise
        finally:
            if observed:
                in_the_name_of(call, breaker, breaker.settle, permit, verdict)
            else:
                breaker.settle(permit, verdict)
        if breaker._listeners:  # noqa: SLF001 - as above
            breaker.told(verdict, None)
        return value

    def verdict_on(self, breaker: CircuitBreaker, failure: Failure, *, shortened: bool) -> Verdict:
        """Return what `failure` says about the component's health."""
        kind = failure.kind
        if kind in INVALID_OUTPUTS and failure.stage == "output":
            return SUCCESS  # an item of a stream: the component answers, as a call whose answer is invalid does
        if kind not in COUNTED:
            return NEUTRAL
        if failure.exception is not None and not breaker.is_system_error(failure.exception):
            return NEUTRAL  # excluded by hand, as pybreaker knows it
        if kind in OPENS_AT_ONCE:
            return FATAL
        cut_short = shortened and failure.is_of_deadline
        # a server that says when to come back is answering
        asks_for_a_pause = kind is FailureKind.OVERLOADED and failure.retry_after is not None
        return NEUTRAL if cut_short or asks_for_a_pause else FAILURE


def in_the_name_of(call: Call, breaker: CircuitBreaker, ask: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Ask `breaker` something: what it tells meanwhile is the call's doing, which hears of it too."""
    before = breaker.current_state
    listener = call.journal.listener
    scope = listener.scope if listener is not None else None
    token = scope.enter() if scope is not None else None
    try:
        return ask(*args, **kwargs)
    finally:
        if scope is not None:
            scope.leave(token)
        after = breaker.current_state
        if after != before:
            if scope is not None and after == OPEN:
                breaker.opened_by = scope.mark()
            call.report(BreakerMoved(breaker.name or "", before, after))
