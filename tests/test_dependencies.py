"""What aiguard relies on in pybreaker, tenacity and opentelemetry beyond their documented surface."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime
from typing import Any

import pybreaker
import pytest
import tenacity
from opentelemetry import trace

from aiguard import CircuitOpenError, Failure, FailureKind, RejectedError
from aiguard.stages.breaker import CircuitBreaker
from aiguard.stages.circuit import CLOSED, HALF_OPEN, OPEN, Circuit


def test_pybreaker_is_the_version_that_was_read() -> None:
    """Its 1.5 may bring methods of its own that the subclass would have to override."""
    assert importlib.metadata.version("pybreaker").startswith("1.4.")


def test_pybreakers_inside_is_where_we_look_for_it() -> None:
    """The subclass reads and replaces these attributes, and calls these constructors."""
    breaker = pybreaker.CircuitBreaker(fail_max=3, reset_timeout=5.0, name="embed")
    assert {"_lock", "_listeners", "_excluded_exceptions", "_state_storage", "_state", "_name"} <= set(vars(breaker))
    assert isinstance(breaker._listeners, list)
    assert isinstance(breaker._state_storage, pybreaker.CircuitMemoryStorage)
    breaker._state_storage.state = pybreaker.STATE_OPEN
    assert breaker._state_storage.state == "open"
    assert list(inspect.signature(pybreaker.CircuitBreakerState.__init__).parameters) == ["self", "cb", "name"]


def test_pybreakers_surface_is_what_the_subclass_overrides() -> None:
    """Nothing that could run a call around our engine was added."""
    public = {name for name in vars(pybreaker.CircuitBreaker) if not name.startswith("_")}
    assert public == {
        "add_excluded_exception",
        "add_excluded_exceptions",
        "add_listener",
        "add_listeners",
        "call",
        "call_async",
        "calling",
        "close",
        "current_state",
        "excluded_exceptions",
        "fail_counter",
        "fail_max",
        "half_open",
        "is_system_error",
        "listeners",
        "name",
        "open",
        "remove_excluded_exception",
        "remove_listener",
        "reset_timeout",
        "state",
        "success_counter",
        "success_threshold",
    }


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("before_call", ["self", "cb", "func", "args", "kwargs"]),
        ("failure", ["self", "cb", "exc"]),
        ("success", ["self", "cb"]),
        ("state_change", ["self", "cb", "old_state", "new_state"]),
    ],
)
def test_pybreakers_listeners_are_told_with_these_arguments(name: str, parameters: list[str]) -> None:
    """A listener written for pybreaker works on a boundary's breaker."""
    assert list(inspect.signature(getattr(pybreaker.CircuitBreakerListener, name)).parameters) == parameters


def test_pybreakers_states_have_these_names_and_classes() -> None:
    """The words are ours too, and a listener may ask for the class of a state."""
    assert (pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN, pybreaker.STATE_HALF_OPEN) == (CLOSED, OPEN, HALF_OPEN)
    assert pybreaker.CircuitClosedState.__bases__ == (pybreaker.CircuitBreakerState,)
    assert pybreaker.CircuitOpenState.__bases__ == (pybreaker.CircuitBreakerState,)
    assert pybreaker.CircuitHalfOpenState.__bases__ == (pybreaker.CircuitBreakerState,)
    breaker = pybreaker.CircuitBreaker()
    for move, name, cls in (
        (breaker.open, OPEN, pybreaker.CircuitOpenState),
        (breaker.half_open, HALF_OPEN, pybreaker.CircuitHalfOpenState),
        (breaker.close, CLOSED, pybreaker.CircuitClosedState),
    ):
        move()
        assert (breaker.current_state, breaker.state.name, type(breaker.state)) == (name, name, cls)


def test_pybreakers_error_is_a_plain_exception() -> None:
    """Ours derives from it beside `BoundaryError`: it must bring no constructor and no layout of its own."""
    assert pybreaker.CircuitBreakerError.__bases__ == (Exception,)
    assert "__init__" not in vars(pybreaker.CircuitBreakerError)
    error = CircuitOpenError(Failure(FailureKind.CIRCUIT_OPEN, "breaker", "…"))
    assert isinstance(error, pybreaker.CircuitBreakerError)
    assert isinstance(error, RejectedError)


def test_our_breaker_is_a_pybreaker_and_overrides_what_runs_a_call() -> None:
    """Whatever moves the state or runs a function is the circuit's or the subclass's, never the base's."""
    assert CircuitBreaker.__bases__ == (Circuit, pybreaker.CircuitBreaker)
    kept = {
        "add_excluded_exception",
        "add_excluded_exceptions",
        "add_listener",
        "add_listeners",
        "excluded_exceptions",
        "listeners",
        "name",
        "remove_excluded_exception",
        "remove_listener",
    }
    public = {name for name in vars(pybreaker.CircuitBreaker) if not name.startswith("_")}
    inherited = {name for name in public if getattr(CircuitBreaker, name) is getattr(pybreaker.CircuitBreaker, name)}
    assert inherited == kept


def test_pybreakers_constructor_asks_for_the_state_and_makes_its_own_lock() -> None:
    """The subclass is ready to answer before the base is made; the lock may be entered twice."""
    asked: list[str] = []

    class Asked(pybreaker.CircuitBreaker):
        @property
        def current_state(self) -> str:
            asked.append("state")
            return CLOSED

    breaker = Asked(name="embed")
    assert asked == ["state"]
    assert isinstance(breaker._lock, type(threading.RLock()))
    assert (breaker.name, breaker.fail_counter, breaker.success_counter) == ("embed", 0, 0)


class Story(pybreaker.CircuitBreakerListener):
    """Writes down the order in which it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:
        """Note a call."""
        del cb, func, args, kwargs
        self.told.append("before_call")

    def failure(self, cb: Any, exc: BaseException) -> None:
        """Note a failure."""
        del cb, exc
        self.told.append("failure")

    def success(self, cb: Any) -> None:
        """Note a success."""
        del cb
        self.told.append("success")

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
        """Note a move."""
        del cb
        self.told.append(f"{old_state.name} to {new_state.name}")


def test_pybreaker_tells_its_listeners_in_this_order() -> None:
    """A failure before the trip it causes, a success after the recovery; ours keep to it."""
    breaker, story = pybreaker.CircuitBreaker(fail_max=1, throw_new_error_on_trip=False), Story()
    breaker.add_listener(story)
    with pytest.raises(ZeroDivisionError):
        breaker.call(lambda: 1 // 0)
    breaker.half_open()
    breaker.call(lambda: 1)
    assert story.told == [
        "before_call",
        "failure",
        "closed to open",
        "open to half-open",
        "before_call",
        "half-open to closed",
        "success",
    ]


def test_pybreakers_storage_mirrors_the_state_and_the_moment_of_the_trip() -> None:
    """Ours writes both where they are looked for."""
    storage = pybreaker.CircuitMemoryStorage(CLOSED)
    moment = datetime.now(UTC)
    storage.state, storage.opened_at = OPEN, moment
    assert (storage.state, storage.opened_at) == (OPEN, moment)
    breaker = pybreaker.CircuitBreaker()
    breaker.open()
    assert breaker._state_storage.state == OPEN
    assert breaker._state_storage.opened_at is not None


def test_pybreakers_exclusions_are_classes_or_predicates() -> None:
    """Subclasses are excluded with their class, what a predicate takes too; `excluded_exceptions` lists both."""
    mine: Any = lambda error: "mine" in str(error)  # noqa: E731 - pybreaker types a predicate as a class
    breaker = pybreaker.CircuitBreaker(exclude=[LookupError])
    breaker.add_excluded_exceptions(mine)
    assert breaker.excluded_exceptions == (LookupError, mine)
    assert [breaker.is_system_error(error) for error in (KeyError(), ValueError("mine"), ValueError("yours"))] == [
        False,
        False,
        True,
    ]
    breaker.remove_excluded_exception(LookupError)
    assert breaker.is_system_error(KeyError())


def test_tenacitys_state_is_made_as_before() -> None:
    """Of tenacity 8.2 to 9 alike we rely on these parameters and attributes."""
    assert list(inspect.signature(tenacity.RetryCallState).parameters) == ["retry_object", "fn", "args", "kwargs"]
    state = tenacity.RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    assert (state.attempt_number, state.idle_for, state.upcoming_sleep, state.outcome) == (1, 0.0, 0.0, None)
    state.start_time, state.outcome_timestamp = 100.0, 103.0
    assert state.seconds_since_start == 3.0


def test_tenacitys_objects_are_plain_callables_of_the_state() -> None:
    """So they can be asked without tenacity's own loop."""
    state = tenacity.RetryCallState(None, None, (), {})  # type: ignore[arg-type]
    error = ValueError("no")
    state.set_exception((ValueError, error, None))
    assert tenacity.wait_fixed(2)(state) == 2
    assert tenacity.stop_after_attempt(1)(state) is True
    assert tenacity.retry_if_exception_type(ValueError)(state) is True
    assert state.outcome is not None
    assert state.outcome.exception() is error


def test_opentelemetry_says_whether_an_sdk_is_set() -> None:
    """`trace._TRACER_PROVIDER` is `None` before an SDK is set and not `None` after; it can be set once per process."""
    assert hasattr(trace, "_TRACER_PROVIDER"), "telemetry/spans.py would open spans for nobody"
    ended = subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            textwrap.dedent(
                """
                import aiguard
                from opentelemetry import trace
                from aiguard.telemetry.spans import open_trace

                trace.get_tracer("somebody's").start_span("span").end()
                assert trace._TRACER_PROVIDER is None
                assert open_trace("aiguard.call embed", {}) is None

                from opentelemetry.sdk.trace import TracerProvider

                provider = TracerProvider(shutdown_on_exit=False)
                trace.set_tracer_provider(provider)
                assert trace._TRACER_PROVIDER is provider
                opened = open_trace("aiguard.call embed", {"aiguard.boundary": "embed"})
                assert opened is not None and len(opened.trace_id) == 32 and int(opened.trace_id, 16)
                print("known")
                """
            ),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.stdout, ended.stderr) == ("known\n", "")
