"""The breaker: against a reference model, as the pybreaker it is, and as a stage alone."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pybreaker
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aiguard import Breaker, CircuitOpenError, ComponentError, Failure, FailureKind
from aiguard.stages import breaker as module
from aiguard.stages.breaker import BreakerStage, CircuitBreaker, Permit, Verdict
from aiguard.testing import VirtualClock
from tests.stages.fakes import Rest, call_for, failing, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.events import BreakerMoved

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"


class Recorder(pybreaker.CircuitBreakerListener):
    """Writes down what a listener is told."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.moves: list[tuple[str, str]] = []

    def failure(self, cb: pybreaker.CircuitBreaker, exc: BaseException) -> None:
        """Note a failure."""
        self.heard.append(("failure", cb.current_state, exc))

    def success(self, cb: pybreaker.CircuitBreaker) -> None:
        """Note a success."""
        self.heard.append(("success", cb.current_state))

    def state_change(self, cb: pybreaker.CircuitBreaker, old_state: Any, new_state: Any) -> None:
        """Note a move."""
        self.heard.append(("state_change", old_state.name, new_state.name))
        self.moves.append((old_state.name, new_state.name))
        assert isinstance(cb, pybreaker.CircuitBreaker)


# --- the reference model


@dataclass
class Model:
    """What the breaker must do, written down the long way."""

    policy: Breaker
    now: float
    state: str = CLOSED
    generation: int = 0
    until: float = 0.0
    trips: int = 0
    probing: int = 0
    probed: int = 0
    settled: list[tuple[float, bool]] = field(default_factory=list)
    moves: list[tuple[str, str]] = field(default_factory=list)

    def move(self, state: str) -> None:
        """Begin a new generation."""
        if state != self.state:  # closing a closed one by hand forgets, and is no news
            self.moves.append((self.state, state))
        self.state = state
        self.generation += 1
        self.probing = self.probed = 0
        self.settled = []

    def trip(self) -> None:
        """Open, for longer each time in a row."""
        self.until = self.now + min(self.policy.open_for * 2**self.trips, self.policy.open_for_max)
        self.trips += 1
        self.move(OPEN)

    def windows(self) -> list[list[bool]]:
        """Return what the window may hold: it is exact to one slice."""
        width = self.policy.window / 10
        surely = [bad for when, bad in self.settled if when > self.now - self.policy.window + width]
        perhaps = [bad for when, bad in self.settled if when > self.now - self.policy.window]
        return [perhaps[cut:] for cut in range(len(perhaps) - len(surely) + 1)]

    def may_trip(self) -> set[bool]:
        """Return whether the rate is reached, or both answers where it hangs on the slice."""
        policy = self.policy
        return {
            len(calls) >= policy.minimum_calls and sum(calls) > 0 and sum(calls) >= policy.failure_rate * len(calls)
            for calls in self.windows()
        }


@dataclass
class Held:
    """A permit somebody holds."""

    permit: Permit
    generation: int
    probe: bool


policies = st.builds(
    Breaker,
    failure_rate=st.sampled_from([0.25, 0.5, 1.0]),
    minimum_calls=st.integers(1, 4),
    window=st.just(10.0),
    open_for=st.sampled_from([2.0, 5.0]),
    open_for_max=st.sampled_from([5.0, 16.0, 300.0]),
    probes=st.integers(1, 3),
    concurrent_probes=st.integers(1, 4),
)


class BreakerMachine(RuleBasedStateMachine):
    """Calls begin, end well, badly or for no reason of the component's, time passes, people open and close by hand."""

    @initialize(policy=policies)
    def declare(self, policy: Breaker) -> None:
        self.clock = VirtualClock()
        self.breaker = CircuitBreaker(policy, name="machine", clock=self.clock)
        self.ear = Recorder()
        self.breaker.add_listener(self.ear)
        self.model = Model(policy, self.clock.now())
        self.held: list[Held] = []
        self.probing_before = 0

    @rule(seconds=st.sampled_from([0.25, 0.5, 1.0, 2.0, 5.0, 9.0, 10.0, 40.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.model.now = self.clock.now()

    @rule()
    def ask(self) -> None:
        model = self.model
        if model.state == OPEN and model.now < model.until:
            with pytest.raises(CircuitOpenError) as refused:
                self.breaker.acquire()
            assert refused.value.retry_after == pytest.approx(model.until - model.now)
            return
        if model.state == OPEN:
            model.move(HALF_OPEN)
        if model.state == HALF_OPEN and (
            model.probing >= model.policy.concurrent_probes or model.probing + model.probed >= model.policy.probes
        ):
            with pytest.raises(CircuitOpenError) as refused:
                self.breaker.acquire()
            assert refused.value.failure.kind is FailureKind.CIRCUIT_OPEN
            return
        probe = model.state == HALF_OPEN
        permit = self.breaker.acquire()
        model.probing += probe
        assert permit.probe is probe
        self.held.append(Held(permit, model.generation, probe))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), verdict=st.sampled_from(Verdict))
    def settle(self, data: st.DataObject, verdict: Verdict) -> None:
        held = self.held.pop(data.draw(st.integers(0, len(self.held) - 1)))
        self._settle(held, verdict)

    @precondition(lambda self: len(self.held) > 1)
    @rule(verdict=st.sampled_from([Verdict.FAILURE, Verdict.SUCCESS]))
    def settle_all(self, verdict: Verdict) -> None:
        while self.held:
            self._settle(self.held.pop(0), verdict)

    def _settle(self, held: Held, verdict: Verdict) -> None:
        model = self.model
        self.breaker.settle(held.permit, verdict)
        if held.generation != model.generation:
            return  # late: it speaks of a state that is over
        if held.probe:
            model.probing -= 1
            if verdict is Verdict.SUCCESS:
                model.probed += 1
                if model.probed == model.policy.probes:
                    model.trips = 0
                    model.move(CLOSED)
            elif verdict is not Verdict.NEUTRAL:
                model.trip()
        elif verdict is not Verdict.NEUTRAL:
            model.settled.append((model.now, verdict is not Verdict.SUCCESS))
            may = {True} if verdict is Verdict.FATAL else model.may_trip()
            tripped = self.breaker.current_state == OPEN
            assert tripped in may
            if tripped:
                model.trip()

    @rule(policy=policies, window=st.sampled_from([10.0, 20.0]))
    def configure(self, policy: Breaker, window: float) -> None:
        model = self.model
        if window != model.policy.window:
            model.settled = []
        model.policy = policy.model_copy(update={"window": window})
        self.breaker.configure(model.policy)
        if model.state == HALF_OPEN and model.probed >= policy.probes:
            model.trips = 0
            model.move(CLOSED)
        self.probing_before = model.probing

    @rule()
    def open_by_hand(self) -> None:
        self.breaker.open()
        self.model.trips = 0
        self.model.trip()

    @rule()
    def close_by_hand(self) -> None:
        self.breaker.close()
        self.model.trips = 0
        self.model.move(CLOSED)

    @rule()
    def half_open_by_hand(self) -> None:
        self.breaker.half_open()
        self.model.move(HALF_OPEN)

    @invariant()
    def it_is_where_the_model_is(self) -> None:
        model, breaker = self.model, self.breaker
        assert breaker.current_state == breaker.state.name == model.state
        assert self.ear.moves == model.moves
        assert breaker.success_counter == model.probed
        assert any(breaker.fail_counter == sum(calls) for calls in model.windows()) or model.settled

    @invariant()
    def probes_are_few(self) -> None:
        probes = [held for held in self.held if held.probe and held.generation == self.model.generation]
        policy = self.model.policy
        self.probing_before = min(self.probing_before, len(probes))  # those that a change of settings found there
        assert len(probes) == self.model.probing <= max(policy.concurrent_probes, self.probing_before)
        assert len(probes) + self.model.probed <= max(policy.probes, self.probing_before + self.model.probed)


BreakerMachine.TestCase.settings = settings(deadline=None, max_examples=60, stateful_step_count=40)
TestBreakerMachine = BreakerMachine.TestCase


# --- single facts about the engine


def test_a_change_of_settings_keeps_state_and_counts(clock: VirtualClock) -> None:
    """An open breaker stays open as long as it was to be; a closed one goes on counting from where it was."""
    breaker = breaker_on(clock, minimum_calls=4, open_for=5.0)
    fail(breaker, 3)
    breaker.configure(Breaker(minimum_calls=2, open_for=60.0))
    assert (breaker.current_state, breaker.fail_counter) == (CLOSED, 3)
    fail(breaker)
    assert (breaker.current_state, breaker.fail_max, breaker.reset_timeout) == (OPEN, 2, 60.0)
    breaker.configure(Breaker(minimum_calls=2, open_for=5.0))
    clock.advance(59.0)
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    clock.advance(1.0)
    assert breaker.acquire().probe


def test_another_window_begins_empty(clock: VirtualClock) -> None:
    """Counts of ten slices of one width mean nothing in ten of another."""
    breaker = breaker_on(clock, minimum_calls=4, window=10.0)
    fail(breaker, 3)
    breaker.configure(Breaker(minimum_calls=4, window=20.0))
    assert breaker.fail_counter == 0


def test_fewer_probes_may_be_enough_already(clock: VirtualClock) -> None:
    """Half-open with two good probes of three, it closes when two are made enough: no probe would come to do it."""
    breaker = breaker_on(clock, open_for=5.0, probes=3, concurrent_probes=3)
    ear = Recorder()
    breaker.add_listener(ear)
    fail(breaker, 2)
    clock.advance(5.0)
    for _ in range(2):
        breaker.settle(breaker.acquire(), Verdict.SUCCESS)
    breaker.configure(Breaker(minimum_calls=2, open_for=5.0, probes=2))
    assert breaker.current_state == CLOSED
    assert ear.moves[-1] == (HALF_OPEN, CLOSED)


def breaker_on(clock: VirtualClock, **policy: Any) -> CircuitBreaker:
    """Return a breaker that opens after two failures of two calls."""
    return CircuitBreaker(Breaker(**({"minimum_calls": 2} | policy)), name="embed", clock=clock)


def fail(breaker: CircuitBreaker, times: int = 1) -> None:
    """Settle so many failed calls."""
    for _ in range(times):
        breaker.settle(breaker.acquire(), Verdict.FAILURE)


def test_interleaved_failures_open_it(clock: VirtualClock) -> None:
    """Eight failures of ten open it, whatever their order; a count of failures in a row would not."""
    breaker = breaker_on(clock, minimum_calls=10)
    for number in range(10):
        breaker.settle(breaker.acquire(), Verdict.SUCCESS if number % 5 == 4 else Verdict.FAILURE)
    assert breaker.current_state == OPEN


def test_a_success_may_be_the_call_that_makes_the_minimum(clock: VirtualClock) -> None:
    """The rate is decided after every settled call."""
    breaker = breaker_on(clock, minimum_calls=4)
    fail(breaker, 3)
    assert breaker.current_state == CLOSED
    breaker.settle(breaker.acquire(), Verdict.SUCCESS)
    assert breaker.current_state == OPEN


def test_a_rate_without_the_minimum_means_nothing(clock: VirtualClock) -> None:
    """Nine failures of nine leave it closed where ten calls are the minimum."""
    breaker = breaker_on(clock, minimum_calls=10)
    fail(breaker, 9)
    assert (breaker.current_state, breaker.fail_counter) == (CLOSED, 9)


def test_old_failures_expire(clock: VirtualClock) -> None:
    """What is older than the window counts no more."""
    breaker = breaker_on(clock, minimum_calls=3, window=10.0)
    fail(breaker, 2)
    clock.advance(10.0)
    fail(breaker, 2)
    assert breaker.current_state == CLOSED
    fail(breaker)
    assert breaker.current_state == OPEN


def test_one_fatal_failure_opens_it(clock: VirtualClock) -> None:
    """A proof needs no rate."""
    breaker = breaker_on(clock, minimum_calls=100)
    breaker.settle(breaker.acquire(), Verdict.FATAL)
    assert breaker.current_state == OPEN


def test_twenty_callers_are_one_probe(clock: VirtualClock) -> None:
    """Half-open, one call is let in and the rest are refused at once."""
    breaker = breaker_on(clock, open_for=5.0)
    fail(breaker, 2)
    clock.advance(5.0)
    assert breaker.acquire().probe
    for _ in range(19):
        with pytest.raises(CircuitOpenError) as refused:
            breaker.acquire()
        assert refused.value.retry_after is None


def test_a_neutral_probe_gives_its_place_back(clock: VirtualClock) -> None:
    """A cancelled probe says nothing, and the next call probes."""
    breaker = breaker_on(clock, open_for=5.0, probes=1)
    fail(breaker, 2)
    clock.advance(5.0)
    breaker.settle(breaker.acquire(), Verdict.NEUTRAL)
    assert breaker.current_state == HALF_OPEN
    breaker.settle(breaker.acquire(), Verdict.SUCCESS)
    assert breaker.current_state == CLOSED


def test_the_open_time_doubles_up_to_its_maximum(clock: VirtualClock) -> None:
    """Each failed probe opens it for twice as long, at most `open_for_max`; recovery starts afresh."""
    breaker = breaker_on(clock, open_for=5.0, open_for_max=30.0, probes=1)

    def wait() -> float:
        with pytest.raises(CircuitOpenError) as refused:
            breaker.acquire()
        assert refused.value.retry_after is not None
        return refused.value.retry_after

    fail(breaker, 2)
    waits = [wait()]
    for _ in range(4):
        clock.advance(waits[-1])
        fail(breaker)
        waits.append(wait())
    assert waits == pytest.approx([5.0, 10.0, 20.0, 30.0, 30.0])
    clock.advance(30.0)
    breaker.settle(breaker.acquire(), Verdict.SUCCESS)
    fail(breaker, 2)
    assert wait() == pytest.approx(5.0)


def test_two_thousand_failed_probes_overflow_nothing(clock: VirtualClock) -> None:
    """However long it goes on, the wait stays at its maximum."""
    breaker = breaker_on(clock, open_for=1.0, open_for_max=10.0)
    fail(breaker, 2)
    for _ in range(2000):
        clock.advance(10.0)
        fail(breaker)
    with pytest.raises(CircuitOpenError) as refused:
        breaker.acquire()
    assert refused.value.retry_after == pytest.approx(10.0)


def test_a_late_failure_changes_nothing(clock: VirtualClock) -> None:
    """A call that began before the breaker opened does not move its end."""
    breaker = breaker_on(clock, open_for=5.0)
    late = breaker.acquire()
    fail(breaker, 2)
    clock.advance(4.0)
    breaker.settle(late, Verdict.FAILURE)
    clock.advance(1.0)
    assert breaker.acquire().probe


class Overtaken(CircuitBreaker):
    """Opens, as by another thread, between two reads of its state."""

    armed = False

    def __getattribute__(self, name: str) -> Any:
        """Read, then be overtaken."""
        value = super().__getattribute__(name)
        if name in {"_current", "_permit"} and self.armed:
            self.armed = False
            self.open()
        return value


def test_a_call_that_a_trip_overtakes_does_not_prolong_it(clock: VirtualClock) -> None:
    """Whoever sees `closed` and is overtaken by a trip is refused or holds a permit of the past."""
    breaker = Overtaken(Breaker(open_for=5.0), name="race", clock=clock)
    breaker.armed = True
    clock.advance(1.0)
    with contextlib.suppress(CircuitOpenError):
        permit = breaker.acquire()
        clock.advance(4.0)
        breaker.settle(permit, Verdict.FATAL)
    assert breaker.current_state == OPEN
    clock.advance(5.0)
    assert breaker.acquire().probe


def test_open_by_hand_lasts_its_time(clock: VirtualClock) -> None:
    """Opened by hand it refuses for `open_for`, then probes."""
    breaker = breaker_on(clock, open_for=5.0)
    assert breaker.open() is True
    clock.advance(4.9)
    with pytest.raises(CircuitOpenError):
        breaker.acquire()
    clock.advance(0.2)
    assert breaker.acquire().probe


def test_a_step_of_the_wall_clock_has_no_effect(clock: VirtualClock) -> None:
    """Time is monotonic: setting the machine's clock an hour back does not keep it open."""
    breaker = breaker_on(clock, open_for=5.0)
    fail(breaker, 2)
    clock._wall -= 3600.0
    clock.advance(5.0)
    assert breaker.acquire().probe


def test_threads_hammering_it_keep_its_counts(clock: VirtualClock) -> None:
    """Eight threads that acquire and settle at once lose no call, and tell of each move once and in order."""
    breaker = CircuitBreaker(Breaker(failure_rate=1.0, minimum_calls=1000), name="hammered", clock=clock)
    ear = Recorder()
    breaker.add_listener(ear)

    def hammer() -> None:
        for number in range(50):
            breaker.settle(breaker.acquire(), Verdict.SUCCESS if number % 2 else Verdict.FAILURE)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert breaker.fail_counter == 200
    assert not ear.moves


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
        breaker.acquire()


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
    assert breaker.call(lambda: "ok") == "ok"
    assert breaker.call(lambda: "ok") == "ok"
    told = [(heard[0], *heard[2:]) if heard[0] == "failure" else heard for heard in ear.heard]
    assert told == [
        ("failure", error),
        ("failure", error),
        ("state_change", CLOSED, OPEN),
        ("state_change", OPEN, HALF_OPEN),
        ("state_change", HALF_OPEN, CLOSED),
        ("success", CLOSED),
        ("success", CLOSED),
    ]


def test_a_guarded_call_is_told_as_pybreaker_tells_it(clock: VirtualClock) -> None:
    """Through the stage too, the failure that trips is told before the trip, the success after the recovery."""
    breaker, ear = ours(clock), Recorder()
    breaker.add_listener(ear)
    stage = BreakerStage(breaker)
    for _ in range(2):
        with pytest.raises(ComponentError):
            run(stage, Rest(failing(FailureKind.CONNECTION)), call_for(clock))
    clock.advance(1.0)
    run(stage, Rest("ok"), call_for(clock))
    assert [heard[0] for heard in ear.heard] == [
        "failure",
        "failure",
        "state_change",
        "state_change",
        "state_change",
        "success",
    ]
    assert ear.moves == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED)]


def test_a_listener_sees_the_new_state(clock: VirtualClock) -> None:
    """`current_state` is already the new one while its change is told; pybreaker shows the old one."""
    breaker = breaker_on(clock)
    seen: list[tuple[str, str]] = []

    class Looks(pybreaker.CircuitBreakerListener):
        """Looks at the breaker."""

        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            """Compare."""
            del old_state
            seen.append((cb.current_state, new_state.name))
            assert cb.state is new_state

    breaker.add_listener(Looks())
    breaker.open()
    breaker.half_open()
    breaker.close()
    assert seen == [(OPEN, OPEN), (HALF_OPEN, HALF_OPEN), (CLOSED, CLOSED)]


class Throws(pybreaker.CircuitBreakerListener):
    """Fails at everything it is told."""

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
    stage = BreakerStage(breaker)
    assert run(stage, Rest("ok"), call_for(clock)) == "ok"
    with pytest.raises(ComponentError):
        run(stage, Rest(failing(FailureKind.CONNECTION)), call_for(clock))
    assert breaker.current_state == OPEN
    assert ear.moves == [(CLOSED, OPEN)]
    assert "ZeroDivisionError" in caplog.text


def test_a_listener_may_use_the_breaker(clock: VirtualClock) -> None:
    """No lock is held while listeners run; a move made by one is told after the one it hears of."""
    breaker, ear = breaker_on(clock), Recorder()

    class Closes(pybreaker.CircuitBreakerListener):
        """Closes at once what opens, from another thread that it waits for."""

        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            """Close it."""
            del old_state
            if new_state.name == OPEN:
                thread = threading.Thread(target=cb.close)
                thread.start()
                thread.join(10)
                assert not thread.is_alive(), "the lock was held across a callback"

    breaker.add_listeners(Closes(), ear)
    breaker.open()
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
    assert not breaker.is_system_error(KeyError())
    assert not breaker.is_system_error(ValueError("mine"))
    assert breaker.is_system_error(ValueError("yours"))
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
    stage = BreakerStage(breaker)
    for _ in range(5):
        with pytest.raises(ComponentError):
            run(stage, Rest(failing(FailureKind.UNCLASSIFIED, exception=KeyError())), call_for(clock))
    assert (breaker.current_state, breaker.fail_counter) == (CLOSED, 0)


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
    assert breaker.acquire().probe


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
    stage = BreakerStage(breaker_on(clock))
    expected = Verdict.NEUTRAL if kind in NEUTRAL_KINDS else Verdict.FATAL if kind in FATAL_KINDS else Verdict.FAILURE
    assert stage.verdict_on(Failure(kind, "component", "…"), shortened=shortened) is expected


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
    assert BreakerStage(breaker_on(clock)).verdict_on(failure, shortened=shortened) is expected


def test_the_stage_knows_whose_deadline_it_was(clock: VirtualClock) -> None:
    """The call says whether a caller shortened it."""
    stage = BreakerStage(breaker_on(clock, minimum_calls=1))
    call = call_for(clock)
    call.journal.shortened = True
    with pytest.raises(ComponentError):
        run(stage, Rest(failing(FailureKind.TIMEOUT, stage="deadline")), call)
    assert stage.breaker.current_state == CLOSED
    with pytest.raises(ComponentError):
        run(stage, Rest(failing(FailureKind.TIMEOUT, stage="deadline")), call_for(clock))
    assert stage.breaker.current_state == OPEN


def test_a_server_that_says_when_to_come_back_is_answering(clock: VirtualClock) -> None:
    """`overloaded` with a `Retry-After` is a cooldown, without one a failure."""
    stage = BreakerStage(breaker_on(clock))
    assert stage.verdict_on(Failure(FailureKind.OVERLOADED, "component", "…"), shortened=False) is Verdict.FAILURE
    told = Failure(FailureKind.OVERLOADED, "component", "…", 3.0)
    assert stage.verdict_on(told, shortened=False) is Verdict.NEUTRAL


def test_the_stage_settles_every_ending(clock: VirtualClock) -> None:
    """An answer is a success, a counted failure a failure, everything else neutral: no probe is ever kept."""
    breaker = breaker_on(clock, minimum_calls=1000, concurrent_probes=1, probes=100)
    stage = BreakerStage(breaker)
    breaker.half_open()
    for ending in (failing(FailureKind.HALTED), KeyboardInterrupt(), GeneratorExit(), TypeError("misuse")):
        with pytest.raises(type(ending)):
            run(stage, Rest(ending), call_for(clock))
        assert breaker.current_state == HALF_OPEN
    assert run(stage, Rest("ok"), call_for(clock)) == "ok"
    assert breaker.success_counter == 1
    with pytest.raises(ComponentError):
        run(stage, Rest(failing(FailureKind.CONNECTION)), call_for(clock))
    assert breaker.current_state == OPEN


def test_an_open_breaker_does_not_run_the_component(clock: VirtualClock) -> None:
    """The rejection says when another call may be let in."""
    breaker = breaker_on(clock, open_for=15.0)
    breaker.open()
    rest = Rest("never")
    with pytest.raises(CircuitOpenError) as refused:
        run(BreakerStage(breaker), rest, call_for(clock))
    assert not rest.calls
    assert refused.value.retry_after == pytest.approx(15.0)
    assert refused.value.failure.stage == "breaker"


def test_the_original_error_is_kept_at_the_trip(clock: VirtualClock) -> None:
    """The call that opens the breaker raises what it raised; pybreaker replaces it by default."""
    stage = BreakerStage(breaker_on(clock, minimum_calls=1))
    error = failing(FailureKind.CONNECTION)
    with pytest.raises(ComponentError) as caught:
        run(stage, Rest(error), call_for(clock))
    assert caught.value is error
    assert stage.breaker.current_state == OPEN
