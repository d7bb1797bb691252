"""The breaker: as the pybreaker it is, and as a stage alone; what it decides is its circuit's."""

from __future__ import annotations

import contextlib
import threading
from datetime import UTC
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest

from aiguard import BoundaryError, Breaker, CircuitOpenError, ComponentError, Failure, FailureKind
from aiguard.events import BreakerMoved
from aiguard.failure import INVALID_OUTPUTS
from aiguard.stages import breaker as module
from aiguard.stages.breaker import BreakerStage, CircuitBreaker
from aiguard.stages.permit import TimedPermit, Verdict
from tests.stages.fakes import Ear, Rest, call_for, failing, later, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call
    from aiguard.testing import VirtualClock

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
LEASE = 1000.0
STAGE = BreakerStage(LEASE)


class Recorder(pybreaker.CircuitBreakerListener):
    """Writes down what a listener is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.moves: list[tuple[str, str]] = []

    def before_call(self, cb: pybreaker.CircuitBreaker, func: Any, *args: Any, **kwargs: Any) -> None:
        """Note a call."""
        assert isinstance(cb, pybreaker.CircuitBreaker)
        self.heard.append(("before_call", func, args, kwargs))

    def failure(self, cb: pybreaker.CircuitBreaker, exc: BaseException) -> None:
        """Note a failure."""
        self.heard.append(("failure", cb.current_state, exc))

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        """Note a success."""
        self.heard.append(("success", cb.current_state))

    def state_change(self, cb: pybreaker.CircuitBreaker, old_state: Any, new_state: Any) -> None:
        """Note a move."""
        assert isinstance(cb, pybreaker.CircuitBreaker)
        self.heard.append(("state_change", old_state.name, new_state.name))
        self.moves.append((old_state.name, new_state.name))


def breaker_on(clock: VirtualClock, **policy: Any) -> CircuitBreaker:
    """Return a breaker that opens after two failures of two calls."""
    return CircuitBreaker(Breaker(**({"minimum_calls": 2} | policy)), name="embed", clock=clock)


def call_through(breaker: CircuitBreaker, clock: VirtualClock, **fields: Any) -> Call:
    """Return a call whose dependency has this breaker."""
    call = call_for(clock, **fields)
    call.journal.partition.breaker = breaker
    return call


def go_through(breaker: CircuitBreaker, clock: VirtualClock, ending: Any) -> Any:
    """Run the stage alone over a call that ends so."""
    return run(STAGE, Rest(ending), call_through(breaker, clock))


# --- as a pybreaker


def test_it_is_a_pybreaker(clock: VirtualClock) -> None:
    """Type, name, state names and error are pybreaker's own."""
    breaker = breaker_on(clock)
    assert isinstance(breaker, pybreaker.CircuitBreaker)
    assert breaker.name == "embed"
    assert (pybreaker.STATE_CLOSED, pybreaker.STATE_OPEN, pybreaker.STATE_HALF_OPEN) == (CLOSED, OPEN, HALF_OPEN)
    assert breaker.current_state == CLOSED
    assert isinstance(breaker.state, pybreaker.CircuitClosedState)
    breaker.open()
    assert isinstance(breaker.state, pybreaker.CircuitOpenState)
    breaker.half_open()
    assert isinstance(breaker.state, pybreaker.CircuitHalfOpenState)
    assert issubclass(CircuitOpenError, pybreaker.CircuitBreakerError)
    breaker.open()
    with pytest.raises(pybreaker.CircuitBreakerError):
        breaker.acquire(LEASE)


def ours(clock: VirtualClock) -> CircuitBreaker:
    """Return aiguard's breaker."""
    return breaker_on(clock, probes=1, open_for=0.001)


def theirs(_: VirtualClock) -> pybreaker.CircuitBreaker:
    """Return pybreaker's own."""
    return pybreaker.CircuitBreaker(fail_max=2, name="embed", throw_new_error_on_trip=False)


@pytest.mark.parametrize("make", [ours, theirs])
def test_a_listener_hears_the_same_story_from_both(
    clock: VirtualClock, make: Callable[[VirtualClock], pybreaker.CircuitBreaker]
) -> None:
    """Success, failure, trip and recovery are told with pybreaker's arguments and in pybreaker's order."""
    breaker, ear, error = make(clock), Recorder(), ValueError("no")
    breaker.add_listener(ear)

    def raise_it() -> None:
        raise error

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            breaker.call(raise_it)
    breaker.half_open()
    assert breaker.call(str, "ok") == "ok"
    assert breaker.call(int, "11", base=2) == 3
    told = [(heard[0], *heard[2:]) if heard[0] == "failure" else heard for heard in ear.heard]
    assert told == [
        ("before_call", raise_it, (), {}),
        ("failure", error),
        ("before_call", raise_it, (), {}),
        ("failure", error),
        ("state_change", CLOSED, OPEN),
        ("state_change", OPEN, HALF_OPEN),
        ("before_call", str, ("ok",), {}),
        ("state_change", HALF_OPEN, CLOSED),
        ("success", CLOSED),
        ("before_call", int, ("11",), {"base": 2}),
        ("success", CLOSED),
    ]


def test_a_guarded_call_is_told_as_pybreaker_tells_it(clock: VirtualClock) -> None:
    """Through the stage too, the failure that trips is told before the trip, the success after the recovery."""
    breaker, ear = ours(clock), Recorder()
    breaker.add_listener(ear)
    for _ in range(2):
        with pytest.raises(ComponentError):
            go_through(breaker, clock, failing(FailureKind.CONNECTION))
    clock.advance(1.0)
    go_through(breaker, clock, "ok")
    assert [heard[0] for heard in ear.heard] == [
        "before_call",
        "failure",
        "before_call",
        "failure",
        "state_change",
        "state_change",
        "before_call",
        "state_change",
        "success",
    ]
    assert ear.moves == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED)]


def test_a_listener_sees_the_new_state(clock: VirtualClock) -> None:
    """`current_state` is already the new one while its change is told; pybreaker shows the old one."""
    breaker = breaker_on(clock)
    seen: list[tuple[str, str]] = []
    own: list[bool] = []

    class Looks(pybreaker.CircuitBreakerListener):
        """Looks at the breaker."""

        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            """Compare."""
            del old_state
            seen.append((cb.current_state, new_state.name))
            own.append(cb.state is new_state and new_state._breaker is cb)

    breaker.add_listener(Looks())
    breaker.open()
    breaker.half_open()
    breaker.close()
    assert seen == [(OPEN, OPEN), (HALF_OPEN, HALF_OPEN), (CLOSED, CLOSED)]
    assert own == [True, True, True]


class Throws(pybreaker.CircuitBreakerListener):
    """Fails at everything it is told."""

    def before_call(self, cb: Any, func: Any, *args: Any, **kwargs: Any) -> None:  # noqa: ARG002 - pybreaker's signature
        """Fail."""
        raise ZeroDivisionError

    def failure(self, cb: Any, exc: BaseException) -> None:  # noqa: ARG002 - pybreaker's signature
        """Fail."""
        raise ZeroDivisionError

    def success(self, cb: Any) -> None:  # noqa: ARG002 - pybreaker's signature
        """Fail."""
        raise ZeroDivisionError

    def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002 - pybreaker's signature
        """Fail."""
        raise ZeroDivisionError


def test_a_throwing_listener_stops_nothing(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """A trip happens, a call keeps its own answer, the next listener hears, and the log names the class only."""
    breaker, ear = breaker_on(clock), Recorder()
    breaker.add_listeners(Throws(), ear)
    assert go_through(breaker, clock, "ok") == "ok"
    with pytest.raises(ComponentError):
        go_through(breaker, clock, failing(FailureKind.CONNECTION))
    assert breaker.current_state == OPEN
    assert ear.moves == [(CLOSED, OPEN)]
    assert set(caplog.messages) == {"breaker 'embed': a listener failed: ZeroDivisionError"}
    assert {record.name for record in caplog.records} == {"aiguard"}


def test_a_listener_may_use_the_breaker(clock: VirtualClock) -> None:
    """No lock is held while listeners run; a move made by one is told after the one it hears of."""
    breaker, ear = breaker_on(clock), Recorder()
    waited: list[bool] = []

    class Closes(pybreaker.CircuitBreakerListener):
        """Closes at once what opens, from another thread that it waits for."""

        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            """Close it."""
            del old_state
            if new_state.name == OPEN:
                thread = threading.Thread(target=cb.close)
                thread.start()
                thread.join(10)
                waited.append(thread.is_alive())

    breaker.add_listeners(Closes(), ear)
    breaker.open()
    assert waited == [False], "the lock was held across a callback"
    assert breaker.current_state == CLOSED
    assert ear.moves == [(CLOSED, OPEN), (OPEN, CLOSED)]


def test_telemetry_hears_every_move(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change by hand is told to telemetry like one by a call."""
    moves: list[BreakerMoved] = []
    monkeypatch.setattr(module, "moved", moves.append)
    breaker = breaker_on(clock)
    breaker.open()
    breaker.close()
    assert [(moved.breaker, moved.before, moved.after) for moved in moves] == [
        ("embed", CLOSED, OPEN),
        ("embed", OPEN, CLOSED),
    ]


def test_a_removed_listener_hears_nothing(clock: VirtualClock) -> None:
    """`add_listener` and `remove_listener` are pybreaker's own."""
    breaker, ear = breaker_on(clock), Recorder()
    breaker.add_listener(ear)
    assert breaker.listeners == (ear,)
    breaker.remove_listener(ear)
    breaker.open()
    assert not ear.heard


def test_exclusions_are_classes_and_predicates(clock: VirtualClock) -> None:
    """An excluded class, or what a predicate takes, does not speak of the component's health."""
    breaker = breaker_on(clock)
    mine: Any = lambda error: "mine" in str(error)  # noqa: E731 - pybreaker types a predicate as a class
    breaker.add_excluded_exceptions(KeyError, mine)
    assert breaker.is_system_error(KeyError()) is False
    assert breaker.is_system_error(ValueError("mine")) is False
    assert breaker.is_system_error(ValueError("yours")) is True
    breaker.remove_excluded_exception(KeyError)
    assert breaker.is_system_error(KeyError())


def test_an_excluded_class_with_a_metaclass_is_still_a_class(clock: VirtualClock) -> None:
    """Pybreaker 1.4 takes a class with a metaclass, an ABC, for a predicate and so excludes every error."""

    class Meta(type):
        """A metaclass, as `ABCMeta` is one."""

    class Abstract(Exception, metaclass=Meta):  # noqa: N818 - the metaclass is the point
        """An exception class with a metaclass."""

    breaker = breaker_on(clock)
    breaker.add_excluded_exception(Abstract)
    assert not breaker.is_system_error(Abstract())
    assert breaker.is_system_error(ValueError())


def test_an_excluded_failure_is_neutral(clock: VirtualClock) -> None:
    """Through the stage, the component's own exception is what exclusions are asked about."""
    breaker = breaker_on(clock)
    breaker.add_excluded_exception(KeyError)
    for _ in range(5):
        with pytest.raises(ComponentError):
            go_through(breaker, clock, failing(FailureKind.UNCLASSIFIED, exception=KeyError()))
    assert (breaker.current_state, breaker.fail_counter) == (CLOSED, 0)


def test_what_is_not_excluded_counts(clock: VirtualClock) -> None:
    """Another exception than the excluded one does; so does a failure without any: there is nothing to ask about."""
    breaker = breaker_on(clock, minimum_calls=10)
    every: Any = lambda error: not isinstance(error, ValueError)  # noqa: E731 - pybreaker types a predicate as a class
    breaker.add_excluded_exception(every)
    for exception in (ValueError(), None):
        with pytest.raises(ComponentError):
            go_through(breaker, clock, failing(FailureKind.CONNECTION, exception=exception))
    assert breaker.fail_counter == 2


def test_of_a_guarded_call_a_listener_hears_what_pybreaker_tells(clock: VirtualClock) -> None:
    """The function and its arguments, then the component's own exception; of a neutral failure only the call."""
    breaker, ear, error = breaker_on(clock, minimum_calls=10), Recorder(), ValueError("no")
    breaker.add_listener(ear)
    call = call_through(breaker, clock, urgent=True)
    for ending in (failing(FailureKind.UNCLASSIFIED, exception=error), failing(FailureKind.BAD_REQUEST)):
        with pytest.raises(BoundaryError):
            run(STAGE, Rest(ending), call)
    before = ("before_call", call.fn, call.args, call.kwargs)
    assert ear.heard == [before, ("failure", CLOSED, error), before]


def test_used_directly_it_counts(clock: VirtualClock) -> None:
    """`call`, `calling` and the decorator run under the same breaker, outside any boundary."""
    breaker = breaker_on(clock, minimum_calls=4, failure_rate=0.5)
    assert breaker.call(lambda a, *, b: a + b, 1, b=2) == 3
    with breaker.calling():
        pass

    @breaker
    def decorated() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        decorated()
    with pytest.raises(KeyError), breaker.calling():
        raise KeyError
    assert breaker.current_state == OPEN
    with pytest.raises(CircuitOpenError) as refused, breaker.calling():
        pytest.fail("never entered")
    assert refused.value.boundary == "embed"


def test_a_block_is_told_of_by_what_was_called(clock: VirtualClock) -> None:
    """There is no function, so it is `calling` itself."""
    breaker, ear = breaker_on(clock), Recorder()
    breaker.add_listener(ear)
    with breaker.calling():
        pass
    assert ear.heard == [("before_call", breaker.calling, (), {}), ("success", CLOSED)]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_is_no_failure_is_never_counted(clock: VirtualClock, error: type[BaseException]) -> None:
    """An interrupt inside `calling` is neutral, in the closed state and as a probe."""
    breaker = breaker_on(clock, minimum_calls=1)
    with pytest.raises(error), breaker.calling():
        raise error
    assert (breaker.current_state, breaker.fail_counter) == (CLOSED, 0)
    breaker.half_open()
    with pytest.raises(error), breaker.calling():
        raise error
    assert breaker.current_state == HALF_OPEN
    assert breaker.acquire(LEASE).probe


def test_no_lock_is_held_during_a_call(clock: VirtualClock) -> None:
    """A call that waits for another one through the same breaker does not wait for ever; pybreaker's does."""
    breaker = breaker_on(clock)
    answers: list[str] = []

    def inner() -> None:
        answers.append(breaker.call(lambda: "inner"))

    def outer() -> str:
        thread = threading.Thread(target=inner)
        thread.start()
        thread.join(10)
        return answers[0]

    assert breaker.call(outer) == "inner"


def test_tornado_is_refused(clock: VirtualClock) -> None:
    """`call_async` means Tornado in pybreaker: the error says what to do instead."""
    with pytest.raises(TypeError, match="guard the async function"):
        breaker_on(clock).call_async(lambda: None)


def test_an_exclusion_that_fails_excludes_nothing_else(clock: VirtualClock, caplog: pytest.LogCaptureFixture) -> None:
    """The fault of a predicate is its own: it excludes nothing, and the log names its class only."""
    breaker = breaker_on(clock, minimum_calls=1)

    def raises(_: BaseException) -> bool:
        raise ZeroDivisionError

    broken: Any = raises  # pybreaker types a predicate as a class
    breaker.add_excluded_exception(broken)
    assert breaker.is_system_error(ValueError("SECRET-PROMPT"))
    assert caplog.messages == ["breaker 'embed': an exclusion failed: ZeroDivisionError"]


def test_an_excluded_error_inside_calling_is_neutral(clock: VirtualClock) -> None:
    """It is no success either, which would calm the breaker, as pybreaker's does."""
    breaker, ear = breaker_on(clock, probes=1), Recorder()
    breaker.add_excluded_exception(KeyError)
    breaker.half_open()
    breaker.add_listener(ear)
    with pytest.raises(KeyError), breaker.calling():
        raise KeyError
    assert (breaker.current_state, breaker.success_counter, [told for told, *_ in ear.heard]) == (
        HALF_OPEN,
        0,
        ["before_call"],
    )


async def _coroutine() -> None:
    """Succeed before it has run."""


def _generator() -> Any:
    yield


async def _async_generator() -> Any:
    yield


@pytest.mark.parametrize("function", [_coroutine, _generator, _async_generator])
def test_it_decorates_plain_functions_only(clock: VirtualClock, function: Callable[[], Any]) -> None:
    """What returns before it has run would always be a success: pybreaker counts it as one."""
    with pytest.raises(TypeError, match="guards plain functions only"):
        breaker_on(clock)(function)


def test_without_telemetry_a_move_is_told_to_listeners_alone(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The place for telemetry may be empty."""
    monkeypatch.setattr(module, "moved", None)
    breaker, ear = breaker_on(clock), Recorder()
    breaker.add_listener(ear)
    breaker.open()
    assert ear.moves == [(CLOSED, OPEN)]


def test_used_directly_it_counts_slow_blocks(clock: VirtualClock) -> None:
    """A block inside `calling` is timed from its beginning."""
    breaker = breaker_on(clock, minimum_calls=10, slow_call=2.0)
    for seconds in (1.9, 2.0, 3.0):
        with breaker.calling():
            clock.advance(seconds)
    assert breaker.slow_counter == 2


def test_a_probe_used_directly_is_given_up_after_the_longest_open_time(clock: VirtualClock) -> None:
    """No deadline ends it: the next probe must not wait for ever."""
    breaker = breaker_on(clock, probes=1, open_for=5.0, open_for_max=40.0)
    breaker.half_open()
    with breaker.calling():
        clock.advance(39.9)
        with pytest.raises(CircuitOpenError), breaker.calling():
            pytest.fail("never entered")
        clock.advance(0.1)
        with breaker.calling():
            pass
        assert breaker.current_state == CLOSED


def test_what_is_set_shows_where_pybreaker_has_it(clock: VirtualClock) -> None:
    """`fail_max`, `reset_timeout` and `success_threshold` follow the settings, after a change too."""
    breaker = breaker_on(clock, minimum_calls=7, open_for=8.0, probes=2)
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (7, 8.0, 2)
    breaker.configure(Breaker(minimum_calls=3, open_for=9.0, probes=4))
    assert (breaker.fail_max, breaker.reset_timeout, breaker.success_threshold) == (3, 9.0, 4)


@pytest.mark.parametrize("name", ["fail_max", "reset_timeout", "success_threshold", "state"])
def test_what_the_policy_sets_cannot_be_set_there(clock: VirtualClock, name: str) -> None:
    """It would be taken, and change nothing."""
    with pytest.raises(AttributeError, match="no setter"):
        setattr(breaker_on(clock), name, 1)


def test_the_time_of_the_trip_is_kept_as_pybreaker_keeps_it(clock: VirtualClock) -> None:
    """Its storage mirrors state and moment, for whoever looks there."""
    breaker = breaker_on(clock)
    breaker.open()
    assert breaker._state_storage.state == OPEN
    opened = breaker._state_storage.opened_at
    assert opened is not None
    assert (opened.timestamp(), opened.tzinfo) == (clock.wall(), UTC)
    clock.advance(10.0)
    breaker.close()
    assert (breaker._state_storage.state, breaker._state_storage.opened_at) == (CLOSED, opened)


def test_the_breaker_of_another_key_has_its_own_health(clock: VirtualClock) -> None:
    """Settings, listeners and exclusions are shared, given before or after; counts and state are not."""
    breaker, ear, late = breaker_on(clock), Recorder(), Recorder()
    breaker.add_listener(ear)
    breaker.configure(Breaker(minimum_calls=3))
    other = breaker.sibling("embed[b]")
    other.add_listener(late)
    breaker.add_excluded_exception(KeyError)
    assert (other.name, other.fail_max, other.is_closed) == ("embed[b]", 3, True)
    assert breaker.listeners == other.listeners == (ear, late)
    assert not other.is_system_error(KeyError())
    for _ in range(2):
        other.settle(other.acquire(LEASE), Verdict.FAILURE)
    assert (breaker.fail_counter, other.fail_counter) == (0, 2)
    breaker.configure(Breaker(minimum_calls=50))
    other.settle(other.acquire(LEASE), Verdict.FAILURE)
    assert (breaker.is_closed, other.is_closed) == (True, False)
    assert late.moves == [(CLOSED, OPEN)]
    assert isinstance(other.state, pybreaker.CircuitOpenState)
    assert isinstance(breaker.state, pybreaker.CircuitClosedState)


# --- the stage


NEUTRAL_KINDS = {
    "deadline_exhausted",
    "rate_limited",
    "bad_request",
    "context_length",
    "content_filter",
    "refusal",
    "truncated",
    "empty_output",
    "malformed_output",
    "schema_violation",
    "check_failed",
    "ambiguous_output",
    "output_too_large",
    "provider_failed",
    "circuit_open",
    "bulkhead_full",
    "cooling_down",
    "budget_exhausted",
    "halted",
    "input_rejected",
}
COUNTED_KINDS = {
    "timeout",
    "connection",
    "server_error",
    "malformed_transport",
    "overloaded",
    "stream_interrupted",
    "worker_crashed",
    "worker_poisoned",
    "unclassified",
}
FATAL_KINDS = {"quota_exhausted", "auth", "not_found"}
"""The last column of the table in the architecture."""


def test_the_table_knows_every_kind() -> None:
    """The vocabulary is closed."""
    assert set(FailureKind) == NEUTRAL_KINDS | COUNTED_KINDS | FATAL_KINDS


@pytest.mark.parametrize("shortened", [False, True])
@pytest.mark.parametrize("kind", FailureKind)
def test_the_verdict_on_every_kind(clock: VirtualClock, kind: FailureKind, shortened: bool) -> None:  # noqa: FBT001 - a parameter
    """Each kind settles the breaker as the architecture's table says."""
    expected = Verdict.NEUTRAL if kind in NEUTRAL_KINDS else Verdict.FATAL if kind in FATAL_KINDS else Verdict.FAILURE
    failure = Failure(kind, "component", "…")
    assert STAGE.verdict_on(breaker_on(clock), failure, shortened=shortened) is expected


@pytest.mark.parametrize(
    ("stage", "shortened", "expected"),
    [
        ("deadline", True, Verdict.NEUTRAL),
        ("deadline", False, Verdict.FAILURE),
        ("attempt", True, Verdict.FAILURE),
        ("component", True, Verdict.FAILURE),
    ],
)
def test_a_timeout_that_only_the_caller_caused_is_neutral(
    clock: VirtualClock,
    stage: str,
    shortened: bool,  # noqa: FBT001 - a parameter
    expected: Verdict,
) -> None:
    """A caller's shorter deadline says nothing of the component; our own clocks and its own do."""
    failure = Failure(FailureKind.TIMEOUT, stage, "…")
    assert STAGE.verdict_on(breaker_on(clock), failure, shortened=shortened) is expected


def test_the_stage_knows_whose_deadline_it_was(clock: VirtualClock) -> None:
    """The call says whether a caller shortened it."""
    breaker = breaker_on(clock, minimum_calls=1)
    call = call_through(breaker, clock)
    call.journal.shortened = True
    with pytest.raises(ComponentError):
        run(STAGE, Rest(failing(FailureKind.TIMEOUT, stage="deadline")), call)
    assert breaker.current_state == CLOSED
    with pytest.raises(ComponentError):
        go_through(breaker, clock, failing(FailureKind.TIMEOUT, stage="deadline"))
    assert breaker.current_state == OPEN


def test_a_server_that_says_when_to_come_back_is_answering(clock: VirtualClock) -> None:
    """`overloaded` with a `Retry-After` is a cooldown, without one a failure."""
    breaker = breaker_on(clock)
    plain = Failure(FailureKind.OVERLOADED, "component", "…")
    assert STAGE.verdict_on(breaker, plain, shortened=False) is Verdict.FAILURE
    told = Failure(FailureKind.OVERLOADED, "component", "…", 3.0)
    assert STAGE.verdict_on(breaker, told, shortened=False) is Verdict.NEUTRAL
    broken = Failure(FailureKind.SERVER_ERROR, "component", "…", 3.0)
    assert STAGE.verdict_on(breaker, broken, shortened=False) is Verdict.FAILURE


@pytest.mark.parametrize("kind", sorted(INVALID_OUTPUTS))
def test_an_invalid_item_of_a_stream_is_an_answer(clock: VirtualClock, kind: FailureKind) -> None:
    """Found inside the breaker, by the pull, it is what an invalid answer is that is found outside: a success."""
    failure = Failure(kind, "output", "…")
    assert STAGE.verdict_on(breaker_on(clock), failure, shortened=False) is Verdict.SUCCESS


def test_what_is_no_invalid_answer_counts_wherever_it_was_found(clock: VirtualClock) -> None:
    """A stream that is lost while its items are judged is lost."""
    failure = Failure(FailureKind.STREAM_INTERRUPTED, "output", "…")
    assert STAGE.verdict_on(breaker_on(clock), failure, shortened=False) is Verdict.FAILURE


@pytest.mark.parametrize("kind", FailureKind)
@pytest.mark.parametrize("half", [False, True], ids=["closed", "half-open"])
def test_every_kind_through_the_stage(clock: VirtualClock, kind: FailureKind, half: bool) -> None:  # noqa: FBT001 - a parameter
    """Fatal kinds open at once, counted ones count, of a probe too; the caller's faults leave everything as it was."""
    breaker = breaker_on(clock, minimum_calls=100, probes=1)
    if half:
        breaker.half_open()
    before = breaker.current_state
    with pytest.raises(BoundaryError):
        go_through(breaker, clock, failing(kind))
    fatal, counted = kind in FATAL_KINDS, kind in COUNTED_KINDS
    assert breaker.current_state == (OPEN if fatal or (counted and half) else before)
    assert breaker.fail_counter == (1 if counted and not half else 0)
    if half and not fatal and not counted:
        go_through(breaker, clock, "ok")
        assert breaker.current_state == CLOSED


def test_the_stage_settles_every_ending(clock: VirtualClock) -> None:
    """An answer is a success, a counted failure a failure, everything else neutral: no probe is ever kept."""
    breaker = breaker_on(clock, minimum_calls=1000, concurrent_probes=1, probes=100)
    breaker.half_open()
    for ending in (failing(FailureKind.HALTED), KeyboardInterrupt(), GeneratorExit(), TypeError("misuse")):
        with pytest.raises(type(ending)):
            go_through(breaker, clock, ending)
        assert breaker.current_state == HALF_OPEN
    assert go_through(breaker, clock, "ok") == "ok"
    assert breaker.success_counter == 1
    with pytest.raises(ComponentError):
        go_through(breaker, clock, failing(FailureKind.CONNECTION))
    assert breaker.current_state == OPEN


def test_an_open_breaker_does_not_run_the_component(clock: VirtualClock) -> None:
    """The rejection says when another call may be let in."""
    breaker = breaker_on(clock, open_for=15.0)
    breaker.open()
    rest = Rest("never")
    with pytest.raises(CircuitOpenError) as refused:
        run(STAGE, rest, call_through(breaker, clock))
    assert not rest.calls
    assert refused.value.retry_after == pytest.approx(15.0)
    assert refused.value.failure.stage == "breaker"


def test_the_original_error_is_kept_at_the_trip(clock: VirtualClock) -> None:
    """The call that opens the breaker raises what it raised; pybreaker replaces it by default."""
    breaker = breaker_on(clock, minimum_calls=1)
    error = failing(FailureKind.CONNECTION)
    with pytest.raises(ComponentError) as caught:
        go_through(breaker, clock, error)
    assert caught.value is error
    assert breaker.current_state == OPEN


def test_the_attempt_is_given_the_watch_where_there_is_one(clock: VirtualClock) -> None:
    """Where slow calls count, and for a probe, `run.timed` hears when the component begins; else there is nobody."""
    breaker = breaker_on(clock)
    for policy, timed in ((Breaker(), False), (Breaker(slow_call=2.0), True)):
        breaker.configure(policy)
        call = call_through(breaker, clock)
        run(STAGE, Rest("ok"), call)
        assert isinstance(call.run.timed, TimedPermit) is timed
        assert (call.run.timed is None) is not timed
    breaker.half_open()
    probe = call_through(breaker, clock)
    run(STAGE, Rest("ok"), probe)
    assert isinstance(probe.run.timed, TimedPermit)
    assert probe.run.timed.probe


def test_the_stage_times_what_its_attempt_begins(clock: VirtualClock) -> None:
    """A call that takes as long as `slow_call` from its beginning is slow, and one that fails then is both."""
    breaker = breaker_on(clock, minimum_calls=10, slow_call=2.0)

    def begins(seconds: float, then: Any) -> Callable[[Call], Any]:
        def attempt(call: Call) -> Any:
            clock.advance(5.0)  # in the queue
            assert call.run.timed is not None
            call.run.timed.began(clock.now())
            return later(clock, seconds, then)()

        return attempt

    go_through(breaker, clock, begins(1.9, "ok"))
    assert (breaker.fail_counter, breaker.slow_counter) == (0, 0)
    go_through(breaker, clock, begins(2.0, "ok"))
    assert (breaker.fail_counter, breaker.slow_counter) == (0, 1)
    with pytest.raises(ComponentError):
        go_through(breaker, clock, begins(2.0, failing(FailureKind.CONNECTION)))
    assert (breaker.fail_counter, breaker.slow_counter) == (1, 2)


def test_the_stage_lends_a_probe_for_its_lease(clock: VirtualClock) -> None:
    """A call that is still under way after it has lost its place to the next."""
    breaker = breaker_on(clock, probes=1)
    breaker.half_open()
    stage = BreakerStage(4.0)

    def hangs(_: Call) -> Any:
        clock.advance(3.9)
        with pytest.raises(CircuitOpenError):
            run(stage, Rest("never"), call_through(breaker, clock))
        clock.advance(0.1)
        assert run(stage, Rest("ok"), call_through(breaker, clock)) == "ok"
        assert breaker.current_state == CLOSED
        return failing(FailureKind.AUTH)

    with pytest.raises(ComponentError):
        run(stage, Rest(hangs), call_through(breaker, clock))
    assert breaker.current_state == CLOSED


def test_a_call_hears_of_the_move_that_it_made(clock: VirtualClock) -> None:
    """By its failure, by its success, and where it only found those that hang: that one is refused."""
    breaker = breaker_on(clock, minimum_calls=1, slow_call=2.0, probes=1, open_for=5.0)

    def heard(ending: Any) -> list[tuple[str, str, str]]:
        ear = Ear()
        with contextlib.suppress(BoundaryError):
            run(STAGE, Rest(ending), call_through(breaker, clock, ear=ear))
        return [(event.breaker, event.before, event.after) for event in ear.events if isinstance(event, BreakerMoved)]

    assert heard("ok") == []
    assert heard(failing(FailureKind.CONNECTION)) == [("embed", CLOSED, OPEN)]
    assert heard("refused") == []
    clock.advance(5.0)
    assert heard("ok") == [("embed", OPEN, HALF_OPEN), ("embed", HALF_OPEN, CLOSED)]
    permit = breaker.acquire(LEASE)
    assert isinstance(permit, TimedPermit)
    permit.began(clock.now())
    clock.advance(2.0)
    assert heard("refused") == [("embed", CLOSED, OPEN)]


def test_that_only_watches_tells_of_what_it_would_do(clock: VirtualClock) -> None:
    """Listeners hear its moves and every call, and every call reaches the component."""
    breaker, ear = breaker_on(clock, metrics_only=True), Recorder()
    breaker.add_listener(ear)
    for _ in range(4):
        with pytest.raises(ComponentError):
            go_through(breaker, clock, failing(FailureKind.CONNECTION))
    assert go_through(breaker, clock, "ok") == "ok"
    assert ear.moves == [(CLOSED, OPEN)]
    called = ["before_call", "failure"]
    told = [*called * 2, "state_change", *called * 2, "before_call", "success"]
    assert [heard[0] for heard in ear.heard] == told
