"""
The breaker: stop calling a component that keeps failing, then try it with care.

            rate reached                    open time over
    closed ─────────────▶ open ───────────────────────────────▶ half-open
      ▲                    ▲            (on the next call)          │ │
      │                    └────────────── a probe failed ──────────┘ │
      └─────────────────────── all probes succeeded ──────────────────┘
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import threading
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import pybreaker

from aiguard.errors import BoundaryError, CircuitOpenError
from aiguard.events import BreakerMoved
from aiguard.failure import COUNTED, INVALID_OUTPUTS, OPENS_AT_ONCE, Failure, FailureKind
from aiguard.stages.window import TimeWindow

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from aiguard.call import Call, Proceed
    from aiguard.clock import Clock
    from aiguard.policy import Breaker

logger = logging.getLogger("aiguard")

CLOSED: Final = pybreaker.STATE_CLOSED
OPEN: Final = pybreaker.STATE_OPEN
HALF_OPEN: Final = pybreaker.STATE_HALF_OPEN


class Verdict(Enum):
    """What a call says about the component's health."""

    SUCCESS = "success"
    FAILURE = "failure"
    FATAL = "fatal"
    NEUTRAL = "neutral"


SUCCESS: Final = Verdict.SUCCESS  # a member looked up through its class costs more than the rest of a settlement
FAILURE: Final = Verdict.FAILURE
FATAL: Final = Verdict.FATAL
NEUTRAL: Final = Verdict.NEUTRAL


class Permit:
    """The right to run one call, and the state of the breaker that gave it."""

    __slots__ = ("generation", "probe")

    def __init__(self, generation: int, *, probe: bool) -> None:
        self.generation = generation
        self.probe = probe


class CircuitBreaker(pybreaker.CircuitBreaker):
    """
    A pybreaker by type, name, listeners and state names; the engine is aiguard's.

    Unlike pybreaker 1.4 it holds its lock for counter updates only, knows a third verdict (neutral), a time window with
    a failure rate, a bounded number of probes, and ignores what calls that began before the last change of state say.
    """

    def __init__(self, policy: Breaker, *, name: str, clock: Clock) -> None:
        super().__init__(fail_max=policy.minimum_calls, reset_timeout=policy.open_for, name=name)
        self._policy = policy
        self._clock = clock
        self._lock = threading.RLock()  # the base class re-enters it when a listener is added
        self._window = TimeWindow(policy.window)
        self._current = CLOSED
        self._generation = 0
        self._permit = Permit(0, probe=False)
        self._until = 0.0
        self._trips = 0
        self._probing = 0
        self._probed = 0
        self._moves: list[tuple[str, str]] = []
        self._telling = False

    def configure(self, policy: Breaker) -> None:
        """Change its settings; its state, its listeners and, unless the window itself changed, its counts stay."""
        with self._lock:
            if policy.window != self._policy.window:
                self._window = TimeWindow(policy.window)
            self._policy = policy
            self._fail_max = policy.minimum_calls
            self._reset_timeout = policy.open_for
            if self._current is HALF_OPEN and self._probed >= policy.probes:
                self._recover()
        self._tell()

    # --- the engine

    def acquire(self) -> Permit:
        """Return a permit, which must be settled. Raises `CircuitOpenError`."""
        permit = self._permit  # first this, then the state: what a trip makes of it in between is a stale permit
        if self._current is CLOSED:
            return permit
        with self._lock:
            admitted, wait = self._ask()
        self._tell()
        if admitted is not None:
            return admitted
        message = f"the breaker is {self._current} and lets no call in"
        failure = Failure(FailureKind.CIRCUIT_OPEN, "breaker", message, wait)
        raise CircuitOpenError(failure, boundary=self.name or "")

    def settle(self, permit: Permit, verdict: Verdict) -> None:
        """Say how the call ended that `permit` let in; a permit is settled once."""
        with self._lock:
            if permit is self._permit:
                if verdict is SUCCESS and not self._window.failures:
                    self._window.add(self._clock.now(), False)  # noqa: FBT003 - most calls end here
                elif verdict is not NEUTRAL:
                    self._settle_call(verdict)
            elif permit.probe and permit.generation == self._generation:
                self._settle_probe(verdict)
        if self._moves:
            self._tell()

    def forked(self) -> None:
        """Forget the calls of the parent process: their probes will never be settled here."""
        self._lock = threading.RLock()
        self._telling = False
        self._probing = 0

    def _ask(self) -> tuple[Permit | None, float | None]:
        """Return a permit, or the seconds after which it is worth asking again, where that is known."""
        if self._current is CLOSED:
            return self._permit, None
        if self._current is OPEN:
            wait = self._until - self._clock.now()
            if wait > 0:
                return None, wait
            self._move(HALF_OPEN)
        if self._probing >= self._policy.concurrent_probes or self._probing + self._probed >= self._policy.probes:
            return None, None
        self._probing += 1
        return Permit(self._generation, probe=True), None

    def _settle_probe(self, verdict: Verdict) -> None:
        self._probing -= 1
        if verdict is SUCCESS:
            self._probed += 1
            if self._probed >= self._policy.probes:
                self._recover()
        elif verdict is not NEUTRAL:
            self._trip()

    def _recover(self) -> None:
        self._trips = 0
        self._move(CLOSED)

    def _settle_call(self, verdict: Verdict) -> None:
        window = self._window
        window.add(self._clock.now(), verdict is not SUCCESS)
        # also after a success: it may be the call that makes the minimum
        if window.failures and (verdict is FATAL or self._is_failing(window.calls, window.failures)):
            self._trip()

    def _is_failing(self, calls: int, failures: int) -> bool:
        return calls >= self._policy.minimum_calls and failures >= self._policy.failure_rate * calls

    def _trip(self) -> None:
        """Open, for twice as long each time a probe failed."""
        exponent = min(self._trips, 64)  # far past any cap, and no float overflow
        self._until = self._clock.now() + min(self._policy.open_for * 2.0**exponent, self._policy.open_for_max)
        self._trips += 1
        self._move(OPEN)

    def _move(self, state: str) -> None:
        before, self._current = self._current, state
        self._generation += 1
        self._permit = Permit(self._generation, probe=False)
        self._probing = self._probed = 0
        self._window.clear()
        if before != state:
            self._moves.append((before, state))

    def _tell(self) -> None:
        """Tell the listeners of every move so far, in order, with no lock held."""
        while True:
            with self._lock:
                if self._telling or not self._moves:
                    return  # whoever is telling already tells the rest, so that the order holds
                self._telling = True
                before, after = self._moves.pop(0)
                self._state_storage.state = after
                if after == OPEN:
                    self._state_storage.opened_at = datetime.fromtimestamp(self._clock.wall(), UTC)
                old = self._state
                self._state = new = _STATES[after](self)  # type: ignore[assignment]
            try:
                for listener in self.listeners:
                    self._call_listener(listener.state_change, old, new)
                if moved is not None:
                    moved(BreakerMoved(self.name or "", before, after))
            finally:
                self._telling = False

    def _call_listener(self, method: Callable[..., object], *args: object) -> None:
        try:
            method(self, *args)
        except Exception as error:  # noqa: BLE001 - a listener's fault must not become the caller's
            logger.warning("breaker %r: a listener failed: %s", self.name, type(error).__name__)

    # --- pybreaker's surface

    @property
    def current_state(self) -> str:
        """`"closed"`, `"open"` or `"half-open"`."""
        # the base class asks before this class is complete
        return getattr(self, "_current", CLOSED)

    @property  # type: ignore[misc]
    def state(self) -> pybreaker.CircuitBreakerState:  # type: ignore[override]
        """Pybreaker's object for the current state."""
        return self._state

    @property
    def fail_counter(self) -> int:
        """Failed calls in the window."""
        return self._window.failures

    @property
    def success_counter(self) -> int:
        """Successful probes of this half-open round."""
        return self._probed

    def open(self) -> bool:
        """Open for `open_for` seconds, by hand."""
        with self._lock:
            self._trips = 0
            self._trip()
        self._tell()
        return True

    def half_open(self) -> None:
        """Let probes in now, by hand."""
        with self._lock:
            self._move(HALF_OPEN)
        self._tell()

    def close(self) -> None:
        """Close and forget, by hand."""
        with self._lock:
            self._recover()
        self._tell()

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
        with self.calling():
            return func(*args, **kwargs)

    @contextlib.contextmanager
    def calling(self) -> Generator[None]:
        """Run a block under this breaker, outside any boundary. Raises `CircuitOpenError`."""
        permit = self.acquire()
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
    """Ask the breaker before the call, tell it afterwards."""

    def __init__(self, breaker: CircuitBreaker) -> None:
        self.breaker = breaker

    async def run(self, proceed: Proceed, call: Call) -> Any:
        """Raises `CircuitOpenError` while the breaker is open."""
        breaker = self.breaker
        before = breaker._current  # noqa: SLF001 - same file
        permit = breaker.acquire()
        verdict = NEUTRAL
        try:
            value = await proceed(call)
            verdict = SUCCESS
        except BoundaryError as caught:
            verdict = self.verdict_on(caught.failure, shortened=call.journal.shortened)
            if breaker._listeners:  # noqa: SLF001 - the subclass's own list, read without a copy
                breaker.told(verdict, caught.failure.exception or caught)
            raise
        finally:
            breaker.settle(permit, verdict)
            if call.observed and breaker.current_state != before:
                call.report(BreakerMoved(breaker.name or "", before, breaker.current_state))
        if breaker._listeners:  # noqa: SLF001 - as above
            breaker.told(verdict, None)
        return value

    def verdict_on(self, failure: Failure, *, shortened: bool) -> Verdict:
        """Return what `failure` says about the component's health."""
        kind = failure.kind
        if kind in INVALID_OUTPUTS and failure.stage == "output":
            return SUCCESS  # an item of a stream: the component answers, as a call whose answer is invalid does
        if kind not in COUNTED:
            return NEUTRAL
        if failure.exception is not None and not self.breaker.is_system_error(failure.exception):
            return NEUTRAL  # excluded by hand, as pybreaker knows it
        if kind in OPENS_AT_ONCE:
            return FATAL
        # only a caller's shorter deadline cut it: that says nothing of the component
        cut_short = kind is FailureKind.TIMEOUT and shortened and failure.stage == "deadline"
        # a server that says when to come back is answering
        asks_for_a_pause = kind is FailureKind.OVERLOADED and failure.retry_after is not None
        return NEUTRAL if cut_short or asks_for_a_pause else FAILURE
