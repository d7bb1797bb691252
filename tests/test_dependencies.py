"""What aiguard relies on in pybreaker, tenacity and opentelemetry beyond their documented surface."""

from __future__ import annotations

import importlib.metadata
import inspect
import subprocess
import sys
import textwrap

import pybreaker
import pytest
import tenacity
from opentelemetry import trace


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
