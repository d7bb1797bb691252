"""The circuit: single facts about who is let in, and how the calls before them are counted."""

from __future__ import annotations

import contextlib
import pickle
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import Breaker, CircuitOpenError, Failure, FailureKind
from aiguard.stages.circuit import Circuit
from aiguard.stages.permit import Permit, TimedPermit, Verdict

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half-open"
LEASE = 1000.0


class Remembering(Circuit):
    """A circuit that writes down what it tells."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.told: list[tuple[str, str]] = []

    def _moved(self, before: str, after: str) -> None:
        self.told.append((before, after))


def circuit_on(clock: VirtualClock, **policy: Any) -> Remembering:
    """Return a circuit that opens after two failures of two calls."""
    return Remembering(Breaker(**({"minimum_calls": 2} | policy)), clock)


def ask(circuit: Circuit, lease: float = LEASE) -> Permit:
    """Return a permit."""
    return circuit.acquire(lease)


def begin(circuit: Circuit, clock: VirtualClock, lease: float = LEASE) -> TimedPermit:
    """Return the permit of a call that the component has begun."""
    permit = circuit.acquire(lease)
    assert isinstance(permit, TimedPermit)
    permit.began(clock.now())
    return permit


def refused(circuit: Circuit) -> CircuitOpenError:
    """Return what a call is turned away with."""
    with pytest.raises(CircuitOpenError) as caught:
        circuit.acquire(LEASE)
    return caught.value


def fail(circuit: Circuit, times: int = 1) -> None:
    """Settle so many failed calls."""
    for _ in range(times):
        circuit.settle(ask(circuit), Verdict.FAILURE)


def succeed(circuit: Circuit, times: int = 1) -> None:
    """Settle so many good calls."""
    for _ in range(times):
        circuit.settle(ask(circuit), Verdict.SUCCESS)


def half_open(circuit: Remembering, clock: VirtualClock) -> Remembering:
    """Return it ready for a probe, as time makes it."""
    fail(circuit, 2)
    clock.advance(refused(circuit).retry_after or 0.0)
    return circuit


# --- a change of settings


def test_a_change_of_settings_keeps_state_and_counts(clock: VirtualClock) -> None:
    """An open breaker stays open as long as it was to be; a closed one goes on counting from where it was."""
    circuit = circuit_on(clock, minimum_calls=4, open_for=5.0)
    fail(circuit, 3)
    circuit.configure(Breaker(minimum_calls=2, open_for=60.0))
    assert (circuit.current_state, circuit.fail_counter) == (CLOSED, 3)
    fail(circuit)
    wait = refused(circuit).retry_after
    assert wait is not None
    assert 54.0 <= wait <= 60.0
    circuit.configure(Breaker(minimum_calls=2, open_for=5.0))
    assert refused(circuit).retry_after == wait
    clock.advance(wait)
    assert ask(circuit).probe


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"window": 10.0}, {"window": 20.0}),
        ({"window": 10.0}, {"window_calls": 10}),
        ({"window_calls": 10}, {"window_calls": 20}),
        ({"window_calls": 10}, {}),
    ],
)
def test_another_window_begins_empty(clock: VirtualClock, before: dict[str, Any], after: dict[str, Any]) -> None:
    """Counts of one size or kind mean nothing in another."""
    circuit = circuit_on(clock, minimum_calls=4, **before)
    fail(circuit, 3)
    circuit.configure(Breaker(minimum_calls=3, **before))
    assert circuit.fail_counter == 3
    circuit.configure(Breaker(minimum_calls=4, **after))
    assert circuit.fail_counter == 0


def test_fewer_probes_may_be_enough_already(clock: VirtualClock) -> None:
    """Half-open with two good probes of three, it closes when two are made enough: no probe would come to do it."""
    circuit = circuit_on(clock, open_for=5.0, probes=3, concurrent_probes=3)
    half_open(circuit, clock)
    succeed(circuit, 2)
    circuit.configure(Breaker(minimum_calls=2, open_for=5.0, probes=2))
    assert circuit.current_state == CLOSED
    assert circuit.told[-1] == (HALF_OPEN, CLOSED)


def test_watching_may_begin_and_end_while_calls_are_under_way(clock: VirtualClock) -> None:
    """A call that began before there was a `slow_call`, or while there was one, is counted at its end as any other."""
    circuit = circuit_on(clock, minimum_calls=10)
    untimed = ask(circuit)
    circuit.configure(Breaker(minimum_calls=10, slow_call=2.0))
    timed = begin(circuit, clock)
    circuit.configure(Breaker(minimum_calls=10))
    clock.advance(50.0)
    circuit.settle(untimed, Verdict.FAILURE)
    circuit.settle(timed, Verdict.FAILURE)
    assert (circuit.fail_counter, circuit.slow_counter) == (2, 0)


def test_a_slow_call_outlives_the_window_that_counted_it(clock: VirtualClock) -> None:
    """Where the window is another one when it fails, it counts anew, as failed and slow."""
    circuit = circuit_on(clock, minimum_calls=10, slow_call=2.0)
    permit = begin(circuit, clock)
    clock.advance(2.0)
    succeed(circuit)
    assert circuit.slow_counter == 1
    circuit.configure(Breaker(minimum_calls=10, slow_call=2.0, window_calls=50))
    assert circuit.slow_counter == 0
    circuit.settle(permit, Verdict.FAILURE)
    assert (circuit._window.calls, circuit.fail_counter, circuit.slow_counter) == (1, 1, 1)


# --- rates


def test_interleaved_failures_open_it(clock: VirtualClock) -> None:
    """Eight failures of ten open it, whatever their order; a count of failures in a row would not."""
    circuit = circuit_on(clock, minimum_calls=10)
    for number in range(10):
        assert circuit.current_state == CLOSED
        circuit.settle(ask(circuit), Verdict.SUCCESS if number % 5 == 4 else Verdict.FAILURE)
    assert circuit.current_state == OPEN


@pytest.mark.parametrize("window", [{}, {"window_calls": 100}])
@pytest.mark.parametrize(
    ("rate", "calls", "failures"),
    [(0.5, 10, 5), (0.55, 20, 11), (0.07, 100, 7), (0.29, 100, 29), (1.0, 3, 3), (0.1, 10, 1)],
)
def test_a_rate_is_reached_exactly(
    clock: VirtualClock, window: dict[str, Any], rate: float, calls: int, failures: int
) -> None:
    """At the rate it opens, one failure under it does not, whatever floating point makes of a product with it."""
    for enough in (False, True):
        circuit = circuit_on(clock, minimum_calls=calls, failure_rate=rate, **window)
        bad = failures - (not enough)
        succeed(circuit, calls - bad)
        fail(circuit, bad)
        assert circuit.current_state == (OPEN if enough else CLOSED)


def test_a_success_may_be_the_call_that_makes_the_minimum(clock: VirtualClock) -> None:
    """The rate is decided after every settled call."""
    circuit = circuit_on(clock, minimum_calls=4)
    fail(circuit, 3)
    assert circuit.current_state == CLOSED
    succeed(circuit)
    assert circuit.current_state == OPEN


def test_a_rate_without_the_minimum_means_nothing(clock: VirtualClock) -> None:
    """Nine failures of nine leave it closed where ten calls are the minimum."""
    circuit = circuit_on(clock, minimum_calls=10)
    fail(circuit, 9)
    assert (circuit.current_state, circuit.fail_counter) == (CLOSED, 9)


def test_old_failures_expire(clock: VirtualClock) -> None:
    """What is older than the window counts no more."""
    circuit = circuit_on(clock, minimum_calls=3, window=10.0)
    fail(circuit, 2)
    clock.advance(10.0)
    fail(circuit, 2)
    assert circuit.current_state == CLOSED
    fail(circuit)
    assert circuit.current_state == OPEN


def test_of_a_count_window_old_failures_leave_with_the_calls_that_follow(clock: VirtualClock) -> None:
    """Time alone forgets nothing, other calls do."""
    circuit = circuit_on(clock, minimum_calls=4, window_calls=4)
    fail(circuit)
    clock.advance(1e6)
    succeed(circuit, 2)
    assert circuit.fail_counter == 1
    succeed(circuit, 2)
    assert circuit.fail_counter == 0
    fail(circuit)
    assert circuit.current_state == CLOSED
    fail(circuit)
    assert circuit.current_state == OPEN


def test_one_fatal_failure_opens_it(clock: VirtualClock) -> None:
    """A proof needs no rate."""
    circuit = circuit_on(clock, minimum_calls=100)
    circuit.settle(ask(circuit), Verdict.FATAL)
    assert circuit.current_state == OPEN


def test_a_fatal_failure_of_a_call_that_was_slow_opens_it_too(clock: VirtualClock) -> None:
    """Being counted as slow before takes nothing from the proof."""
    circuit = circuit_on(clock, minimum_calls=100, slow_call=1.0)
    permit = begin(circuit, clock)
    clock.advance(1.0)
    circuit.settle(permit, Verdict.FATAL)
    assert circuit.current_state == OPEN


# --- slow calls


def test_a_hung_set_opens_it_before_it_returns(clock: VirtualClock) -> None:
    """Four calls that hang are slow from the threshold on: the next caller is turned away while they still hang."""
    circuit = circuit_on(clock, minimum_calls=4, slow_call=2.0)
    for _ in range(4):
        begin(circuit, clock)
    clock.advance(1.999)
    spared = ask(circuit)
    clock.advance(0.001)
    assert circuit.current_state == CLOSED  # no timer: nobody has asked
    error = refused(circuit)
    assert error.retry_after == pytest.approx(14.25, rel=0.06)
    assert circuit.told == [(CLOSED, OPEN)]
    circuit.settle(spared, Verdict.SUCCESS)
    assert circuit.current_state == OPEN


def test_who_finds_the_hung_ones_is_told_how_long_it_will_be_open(clock: VirtualClock) -> None:
    """As everybody after it."""
    circuit = circuit_on(clock, slow_call=2.0, open_for=0.5)
    begin(circuit, clock)
    begin(circuit, clock)
    clock.advance(2.0)
    first, second = refused(circuit), refused(circuit)
    assert first.failure.message == second.failure.message == "the breaker is open and lets no call in"
    assert first.retry_after == second.retry_after
    assert first.retry_after is not None
    assert 0.45 <= first.retry_after <= 0.5


def test_of_calls_from_before_a_move_nothing_is_kept(clock: VirtualClock) -> None:
    """Neither of the slow ones nor of the others: one that never ends would be kept for ever."""
    circuit = circuit_on(clock, minimum_calls=100, slow_call=2.0)
    begin(circuit, clock)
    clock.advance(2.0)
    begin(circuit, clock)
    assert (circuit.slow_counter, len(circuit._in_flight.began), len(circuit._in_flight._counted)) == (1, 1, 1)
    circuit.settle(ask(circuit), Verdict.FATAL)
    assert not circuit._in_flight.began
    assert not circuit._in_flight._counted


def test_a_settlement_finds_the_hung_ones_too(clock: VirtualClock) -> None:
    """Whoever ends a call looks as well: even one that says nothing itself."""
    circuit = circuit_on(clock, minimum_calls=2, slow_call=2.0)
    for _ in range(2):
        begin(circuit, clock)
    neutral = ask(circuit)
    clock.advance(2.0)
    circuit.settle(neutral, Verdict.NEUTRAL)
    assert circuit.current_state == OPEN


@pytest.mark.parametrize(
    ("takes", "verdict", "expected"),
    [
        (1.999, Verdict.SUCCESS, (1, 0, 0)),
        (2.0, Verdict.SUCCESS, (1, 0, 1)),
        (1.999, Verdict.FAILURE, (1, 1, 0)),
        (2.0, Verdict.FAILURE, (1, 1, 1)),
        (1.999, Verdict.NEUTRAL, (0, 0, 0)),
        (2.0, Verdict.NEUTRAL, (1, 0, 1)),
    ],
)
@pytest.mark.parametrize("found", [False, True], ids=["at its end", "under way"])
@pytest.mark.parametrize("window", [{}, {"window_calls": 20}])
def test_what_a_call_counts_for(  # noqa: PLR0917 - parameters
    clock: VirtualClock,
    window: dict[str, Any],
    takes: float,
    verdict: Verdict,
    found: bool,  # noqa: FBT001 - a parameter
    expected: tuple[int, int, int],
) -> None:
    """Slow and failed are two things; it is one call, whether it was found to be slow before its end or at it."""
    circuit = circuit_on(clock, minimum_calls=20, slow_call=2.0, **window)
    permit = begin(circuit, clock)
    clock.advance(takes)
    if found:
        circuit.settle(ask(circuit), Verdict.NEUTRAL)
    circuit.settle(permit, verdict)
    assert (circuit._window.calls, circuit.fail_counter, circuit.slow_counter) == expected


def test_the_queue_is_not_the_components_time(clock: VirtualClock) -> None:
    """A call is timed from when the component begins it, and one that never begins is never slow."""
    circuit = circuit_on(clock, minimum_calls=20, slow_call=2.0)
    waited, never = ask(circuit), ask(circuit)
    assert isinstance(waited, TimedPermit)
    clock.advance(100.0)
    waited.began(clock.now())
    clock.advance(1.9)
    circuit.settle(waited, Verdict.SUCCESS)
    circuit.settle(never, Verdict.NEUTRAL)
    assert (circuit._window.calls, circuit.slow_counter) == (1, 0)


def test_a_stream_is_timed_until_its_first_item(clock: VirtualClock) -> None:
    """A first item in time makes it a quick one however long the rest takes; a late one is slow at once."""
    circuit = circuit_on(clock, minimum_calls=20, slow_call=2.0)
    quick, late = begin(circuit, clock), begin(circuit, clock)
    clock.advance(1.9)
    quick.answered(clock.now())
    clock.advance(0.1)
    late.answered(clock.now())
    clock.advance(1000.0)
    circuit.settle(quick, Verdict.SUCCESS)
    circuit.settle(late, Verdict.SUCCESS)
    assert circuit._window.calls == 1  # the late one was slow a thousand seconds ago: forgotten
    assert circuit.slow_counter == 0
    broken = begin(circuit, clock)
    clock.advance(2.0)
    broken.answered(clock.now())
    clock.advance(30.0)
    circuit.settle(broken, Verdict.FAILURE)
    assert (circuit.fail_counter, circuit.slow_counter) == (1, 1)


@pytest.mark.parametrize(
    ("rate", "slow", "state"), [(0.8, 7, CLOSED), (0.8, 8, OPEN), (1.0, 9, CLOSED), (0.1, 1, OPEN)]
)
def test_it_opens_at_the_slow_rate(clock: VirtualClock, rate: float, slow: int, state: str) -> None:
    """Of ten calls, so many slow ones open it, all of them successes."""
    circuit = circuit_on(clock, minimum_calls=10, slow_call=2.0, slow_rate=rate)
    for number in range(10):
        permit = begin(circuit, clock)
        clock.advance(2.0 if number < slow else 1.0)
        circuit.settle(permit, Verdict.SUCCESS)
    assert circuit.current_state == state


def test_a_quick_success_may_be_the_call_that_makes_the_minimum(clock: VirtualClock) -> None:
    """The rate of slow calls is decided after every settled call too, whether any has failed or not."""
    circuit = circuit_on(clock, minimum_calls=4, slow_call=2.0, slow_rate=0.5)
    slow = [begin(circuit, clock) for _ in range(2)]
    clock.advance(2.0)
    for permit in slow:
        circuit.settle(permit, Verdict.SUCCESS)
    circuit.settle(begin(circuit, clock), Verdict.SUCCESS)
    assert circuit.current_state == CLOSED
    circuit.settle(begin(circuit, clock), Verdict.SUCCESS)
    assert circuit.current_state == OPEN


def test_slowness_forgotten_is_no_slowness(clock: VirtualClock) -> None:
    """Without `slow_call`, what was counted as slow before opens nothing."""
    circuit = circuit_on(clock, minimum_calls=3, slow_call=2.0, slow_rate=1.0)
    for _ in range(2):
        permit = begin(circuit, clock)
        clock.advance(2.0)
        circuit.settle(permit, Verdict.SUCCESS)
    circuit.configure(Breaker(minimum_calls=2))
    succeed(circuit)
    assert (circuit.current_state, circuit.slow_counter) == (CLOSED, 2)


def test_a_call_that_begins_after_the_trip_is_not_watched(clock: VirtualClock) -> None:
    """Let in by the closed state, begun in the open one: neither slow nor anything else, and nothing is kept of it."""
    circuit = circuit_on(clock, minimum_calls=1, slow_call=2.0)
    late = ask(circuit)
    assert isinstance(late, TimedPermit)
    fail(circuit)
    late.began(clock.now())
    clock.advance(15.0)
    assert ask(circuit).probe
    assert (circuit.current_state, circuit._in_flight.began) == (HALF_OPEN, {})
    circuit.settle(late, Verdict.FAILURE)
    assert circuit.told == [(CLOSED, OPEN), (OPEN, HALF_OPEN)]


def test_a_call_from_before_a_move_hides_no_slow_one(clock: VirtualClock) -> None:
    """It began in another state, and before the others: they are found behind it."""
    circuit = circuit_on(clock, slow_call=2.0)
    stale = ask(circuit)
    assert isinstance(stale, TimedPermit)
    circuit.open()
    circuit.close()
    stale.began(clock.now())
    begin(circuit, clock)
    begin(circuit, clock)
    clock.advance(2.0)
    refused(circuit)
    assert circuit.current_state == OPEN


def test_where_slowness_counts_no_more_it_opens_nothing(clock: VirtualClock) -> None:
    """Though calls are still known to have been slow."""
    circuit = circuit_on(clock, minimum_calls=5, slow_call=2.0)
    slow = [begin(circuit, clock) for _ in range(4)]
    clock.advance(2.0)
    for permit in slow:
        circuit.settle(permit, Verdict.SUCCESS)
    circuit.configure(Breaker(minimum_calls=5))
    succeed(circuit)
    assert (circuit.current_state, circuit.slow_counter) == (CLOSED, 4)


def test_a_slow_success_decides_nothing_by_counts_of_long_ago(clock: VirtualClock) -> None:
    """It was counted when it became slow; what has expired since does not open anything at its end."""
    circuit = circuit_on(clock, minimum_calls=10, slow_call=2.0, window=10.0)
    slow = begin(circuit, clock)
    clock.advance(2.0)
    fail(circuit)
    circuit.configure(Breaker(minimum_calls=2, slow_call=2.0, window=10.0))
    clock.advance(100.0)
    circuit.settle(slow, Verdict.SUCCESS)
    assert circuit.current_state == CLOSED


# --- probes


def test_twenty_callers_are_one_probe(clock: VirtualClock) -> None:
    """Half-open, one call is let in and the rest are refused at once."""
    circuit = half_open(circuit_on(clock), clock)
    assert ask(circuit).probe
    for _ in range(19):
        error = refused(circuit)
        assert error.retry_after is None
        assert "half-open" in error.failure.message


@pytest.mark.parametrize(("probes", "at_once"), [(1, 1), (3, 1), (3, 2), (3, 3)])
def test_a_round_lets_in_so_many_at_once_and_in_all(clock: VirtualClock, probes: int, at_once: int) -> None:
    """Never more than `concurrent_probes` under way, never more than `probes` of which all could succeed."""
    circuit = half_open(circuit_on(clock, probes=probes, concurrent_probes=at_once), clock)
    let_in = 0
    while let_in < probes:
        round_ = [ask(circuit) for _ in range(min(at_once, probes - let_in))]
        let_in += len(round_)
        assert refused(circuit).failure.kind is FailureKind.CIRCUIT_OPEN
        for permit in round_:
            assert circuit.current_state == HALF_OPEN
            circuit.settle(permit, Verdict.SUCCESS)
    assert circuit.current_state == CLOSED


def test_a_neutral_probe_gives_its_place_back(clock: VirtualClock) -> None:
    """A cancelled probe says nothing, and the next call probes."""
    circuit = half_open(circuit_on(clock, probes=1), clock)
    circuit.settle(ask(circuit), Verdict.NEUTRAL)
    assert circuit.current_state == HALF_OPEN
    succeed(circuit)
    assert circuit.current_state == CLOSED


@pytest.mark.parametrize("verdict", [Verdict.FAILURE, Verdict.FATAL])
def test_a_failed_probe_opens_it_again(clock: VirtualClock, verdict: Verdict) -> None:
    """One is enough, whatever the others said."""
    circuit = half_open(circuit_on(clock, probes=3), clock)
    succeed(circuit, 2)
    circuit.settle(ask(circuit), verdict)
    assert circuit.current_state == OPEN


def test_a_slow_probe_opens_it_again(clock: VirtualClock) -> None:
    """A probe that hangs past the threshold has failed: found by the next who asks, long before it returns."""
    circuit = half_open(circuit_on(clock, slow_call=2.0, open_for=5.0, probes=1), clock)
    probe = begin(circuit, clock)
    clock.advance(1.9)
    assert refused(circuit).retry_after is None
    clock.advance(0.1)
    again = refused(circuit).retry_after
    assert again is not None
    assert 9.0 <= again <= 10.0  # twice as long as the first time
    circuit.settle(probe, Verdict.SUCCESS)
    assert circuit.current_state == OPEN


def test_a_quick_probe_closes_it(clock: VirtualClock) -> None:
    """A hair under the threshold is quick."""
    circuit = half_open(circuit_on(clock, slow_call=2.0, probes=1), clock)
    probe = begin(circuit, clock)
    clock.advance(1.999)
    circuit.settle(probe, Verdict.SUCCESS)
    assert circuit.current_state == CLOSED


@pytest.mark.parametrize("verdict", Verdict)
def test_a_lost_probe_gives_its_place_to_the_next(clock: VirtualClock, verdict: Verdict) -> None:
    """After its lease the next who asks is the probe; what the lost one says later is not heard."""
    circuit = half_open(circuit_on(clock, probes=1), clock)
    lost = ask(circuit, lease=4.0)
    clock.advance(3.999)
    refused(circuit)
    clock.advance(0.001)
    next_one = ask(circuit, lease=4.0)
    assert next_one.probe
    circuit.settle(lost, verdict)
    assert (circuit.current_state, circuit.success_counter) == (HALF_OPEN, 0)
    refused(circuit)  # the place is the next one's still
    circuit.settle(next_one, Verdict.SUCCESS)
    assert circuit.current_state == CLOSED


@pytest.mark.parametrize("verdict", Verdict)
def test_a_probe_past_its_lease_is_not_heard_though_nobody_took_its_place(
    clock: VirtualClock, verdict: Verdict
) -> None:
    """Whether it is heard does not hang on who else happened to ask."""
    circuit = half_open(circuit_on(clock, probes=1), clock)
    lost = ask(circuit, lease=4.0)
    clock.advance(4.0)
    circuit.settle(lost, verdict)
    assert (circuit.current_state, circuit.success_counter) == (HALF_OPEN, 0)
    assert ask(circuit).probe


def test_nothing_is_kept_of_a_lost_probe(clock: VirtualClock) -> None:
    """One lost probe after another, none of which is ever settled, is no leak."""
    circuit = half_open(circuit_on(clock, probes=1), clock)
    for _ in range(5):
        begin(circuit, clock, lease=4.0)
        clock.advance(4.0)
    assert len(circuit._in_flight.began) == len(circuit._probes) == 1


def test_a_lease_begins_anew_when_the_component_begins(clock: VirtualClock) -> None:
    """What a probe waited in the queue is not taken from it, as long as it was not given up meanwhile."""
    circuit = half_open(circuit_on(clock, probes=1), clock)
    probe = ask(circuit, lease=4.0)
    assert isinstance(probe, TimedPermit)
    clock.advance(3.9)
    probe.began(clock.now())
    clock.advance(3.9)
    refused(circuit)
    circuit.settle(probe, Verdict.SUCCESS)
    assert circuit.current_state == CLOSED


def test_a_probe_given_up_in_the_queue_stays_given_up(clock: VirtualClock) -> None:
    """It may run, but its place is another's."""
    circuit = half_open(circuit_on(clock, probes=1, slow_call=2.0), clock)
    lost = ask(circuit, lease=4.0)
    assert isinstance(lost, TimedPermit)
    clock.advance(4.0)
    ask(circuit, lease=100.0)
    lost.began(clock.now())
    clock.advance(3.0)
    refused(circuit)
    assert circuit.current_state == HALF_OPEN  # no slow probe: it is none
    circuit.settle(lost, Verdict.FAILURE)
    assert circuit.current_state == HALF_OPEN


def test_a_probe_that_begins_as_its_lease_ends_is_given_up(clock: VirtualClock) -> None:
    """Beginning too late does not win its place back, though nobody has taken that yet."""
    circuit = half_open(circuit_on(clock, probes=1), clock)
    late = ask(circuit, lease=4.0)
    assert isinstance(late, TimedPermit)
    clock.advance(4.0)
    late.began(clock.now())
    assert ask(circuit).probe


@pytest.mark.parametrize("slow_call", [4.0, 5.0])
def test_a_probe_is_not_slow_after_its_lease(clock: VirtualClock, slow_call: float) -> None:
    """Given up before the threshold, or at it, it says nothing more, not even by hanging."""
    circuit = half_open(circuit_on(clock, probes=1, slow_call=slow_call), clock)
    begin(circuit, clock, lease=4.0)
    clock.advance(10.0)
    assert ask(circuit).probe
    assert circuit.current_state == HALF_OPEN
    assert not circuit._in_flight.began


# --- how long it stays open


def test_the_open_time_doubles_up_to_its_maximum(clock: VirtualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each failed probe opens it for twice as long, at most `open_for_max`; recovery starts afresh."""
    monkeypatch.setattr(clock, "random", lambda: 0.0)
    circuit = circuit_on(clock, open_for=5.0, open_for_max=30.0, probes=1)
    fail(circuit, 2)
    waits = [refused(circuit).retry_after or 0.0]
    for _ in range(4):
        clock.advance(waits[-1])
        fail(circuit)
        waits.append(refused(circuit).retry_after or 0.0)
    assert waits == pytest.approx([5.0, 10.0, 20.0, 30.0, 30.0])
    clock.advance(30.0)
    succeed(circuit)
    fail(circuit, 2)
    assert refused(circuit).retry_after == pytest.approx(5.0)


@pytest.mark.parametrize(
    ("trips", "chance", "expected"),
    [(1, 0.0, 5.0), (1, 0.5, 4.75), (2, 1.0, 9.0), (4, 0.0, 30.0), (4, 0.5, 28.5), (4, 1.0, 27.0)],
)
def test_chance_takes_up_to_a_tenth_of_the_open_time(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch, trips: int, chance: float, expected: float
) -> None:
    """Never longer than the maximum, and the rejection says the very moment from which a call is let in."""
    monkeypatch.setattr(clock, "random", lambda: chance)
    circuit = circuit_on(clock, open_for=5.0, open_for_max=30.0, probes=1)
    fail(circuit, 2)
    for _ in range(trips - 1):
        clock.advance(30.0)
        fail(circuit)
    wait = refused(circuit).retry_after
    assert wait == pytest.approx(expected)
    clock.advance(expected - 0.001)
    refused(circuit)
    clock.advance(0.001 + 1e-9)
    assert ask(circuit).probe


def test_two_thousand_failed_probes_overflow_nothing(clock: VirtualClock) -> None:
    """However long it goes on, the wait stays at its maximum."""
    circuit = circuit_on(clock, open_for=1.0, open_for_max=10.0)
    fail(circuit, 2)
    for _ in range(2000):
        clock.advance(10.0)
        fail(circuit)
    wait = refused(circuit).retry_after
    assert wait is not None
    assert 9.0 <= wait <= 10.0


def test_a_step_of_the_wall_clock_has_no_effect(clock: VirtualClock) -> None:
    """Time is monotonic: setting the machine's clock an hour back does not keep it open."""
    circuit = circuit_on(clock, open_for=5.0)
    fail(circuit, 2)
    clock._wall -= 3600.0
    clock.advance(5.0)
    assert ask(circuit).probe


def test_open_by_hand_lasts_its_time(clock: VirtualClock) -> None:
    """Opened by hand it refuses for exactly `open_for`, as pybreaker does, then probes; a failed one doubles that."""
    circuit = circuit_on(clock, open_for=5.0)
    fail(circuit, 2)
    assert circuit.open() is True
    assert refused(circuit).retry_after == 5.0
    clock.advance(5.0)
    fail(circuit)
    wait = refused(circuit).retry_after
    assert wait is not None
    assert 9.0 <= wait <= 10.0


def test_opened_by_hand_it_has_been_open_once(clock: VirtualClock) -> None:
    """A probe that fails then doubles the time, whatever there was before."""
    circuit = circuit_on(clock, open_for=5.0, open_for_max=1000.0)
    for _ in range(2):
        circuit.open()
        for shortest, longest in ((9.0, 10.0), (18.0, 20.0)):
            clock.advance(refused(circuit).retry_after or 0.0)
            fail(circuit)
            assert shortest <= (refused(circuit).retry_after or 0.0) <= longest


def test_closed_by_hand_it_has_forgotten(clock: VirtualClock) -> None:
    """Neither failures nor how often it opened in a row are left."""
    circuit = circuit_on(clock, open_for=5.0)
    fail(circuit, 2)
    clock.advance(5.0)
    fail(circuit)
    circuit.close()
    assert (circuit.is_closed, circuit.fail_counter) == (True, 0)
    fail(circuit, 2)
    wait = refused(circuit).retry_after
    assert wait is not None
    assert wait <= 5.0
    circuit.half_open()
    assert not circuit.is_closed
    assert ask(circuit).probe


# --- verdicts belong to the state that admitted the call


@pytest.mark.parametrize("policy", [{}, {"slow_call": 50.0}])
@pytest.mark.parametrize("verdict", Verdict)
def test_a_late_verdict_changes_nothing(clock: VirtualClock, policy: dict[str, Any], verdict: Verdict) -> None:
    """A call that began before the breaker opened does not move its end, and closes nothing."""
    circuit = circuit_on(clock, probes=1, **policy)
    late, later = ask(circuit), ask(circuit)
    fail(circuit, 2)
    wait = refused(circuit).retry_after or 0.0
    clock.advance(1.0)
    circuit.settle(late, verdict)
    assert refused(circuit).retry_after == pytest.approx(wait - 1.0)
    clock.advance(wait)
    probe = ask(circuit)
    circuit.settle(later, verdict)
    assert circuit.current_state == HALF_OPEN
    refused(circuit)
    circuit.settle(probe, Verdict.SUCCESS)
    assert circuit.current_state == CLOSED


class Overtaken(Circuit):
    """Opens, as by another thread, between two reads of its state."""

    armed: str | None = None

    def __getattribute__(self, name: str) -> Any:
        """Read, then be overtaken."""
        value = super().__getattribute__(name)
        if name == super().__getattribute__("armed"):
            self.armed = None
            self.open()
        return value


@pytest.mark.parametrize(
    ("slow_call", "read"),
    [
        (None, "_shared"),
        (1.0, "_shared"),
        (1.0, "_until"),
        (1.0, "_generation"),
        (1.0, "_current"),
        (1.0, "_in_flight"),
    ],
)
def test_a_call_that_a_trip_overtakes_does_not_prolong_it(
    clock: VirtualClock, slow_call: float | None, read: str
) -> None:
    """Whoever sees `closed` and is overtaken by a trip is refused or holds a permit of the past."""
    circuit = Overtaken(Breaker(open_for=5.0, slow_call=slow_call), clock)
    circuit.settle(ask(circuit), Verdict.SUCCESS)  # has looked for slow ones: the next need not
    circuit.armed = read
    permit = None
    with contextlib.suppress(CircuitOpenError):
        permit = circuit.acquire(LEASE)
    assert circuit.armed is None
    assert permit is None or not permit.probe
    clock.advance(4.0)
    if permit is not None:
        circuit.settle(permit, Verdict.FATAL)
    assert refused(circuit).retry_after == 1.0
    clock.advance(1.0)
    assert ask(circuit).probe


def test_of_calls_overtaken_by_a_trip_on_their_way_to_the_lock_one_is_refused(clock: VirtualClock) -> None:
    """Who has read that the open time is over, and finds it opened again, hears how long that lasts."""
    circuit = Overtaken(Breaker(open_for=5.0, minimum_calls=1), clock)
    circuit.open()
    clock.advance(5.0)
    circuit.armed = "_current"
    assert refused(circuit).retry_after == 5.0


def test_a_rejection_is_a_failure_like_any_other(clock: VirtualClock) -> None:
    """Built in a hurry, it still is one: equal, frozen, printable, and it goes through a pickle."""
    circuit = circuit_on(clock, open_for=5.0)
    circuit.open()
    failure = refused(circuit).failure
    message = "the breaker is open and lets no call in"
    assert failure == Failure(FailureKind.CIRCUIT_OPEN, "breaker", message, 5.0)
    assert repr(failure) == repr(replace(failure))
    assert pickle.loads(pickle.dumps(failure)) == failure
    with pytest.raises(AttributeError):
        failure.kind = FailureKind.AUTH  # type: ignore[misc]


# --- only watching


def test_that_only_watches_lets_every_call_in(clock: VirtualClock) -> None:
    """It opens, half-opens, reopens and closes as any other, and nobody is refused; only its probes are heard."""
    circuit = circuit_on(clock, metrics_only=True, open_for=5.0, probes=2)
    assert circuit.shut_until == float("-inf")
    fail(circuit, 2)
    assert circuit.current_state == OPEN
    assert circuit.shut_until == float("-inf")
    fail(circuit, 10)
    assert (circuit.current_state, circuit.fail_counter) == (OPEN, 0)
    clock.advance(5.0)
    probe = ask(circuit)
    beyond = ask(circuit)
    assert (circuit.current_state, probe.probe, beyond.probe, beyond.timed) == (HALF_OPEN, True, False, False)
    circuit.settle(beyond, Verdict.FATAL)
    assert circuit.current_state == HALF_OPEN
    circuit.settle(probe, Verdict.FAILURE)
    assert circuit.current_state == OPEN
    clock.advance(10.0)
    succeed(circuit, 2)
    assert circuit.current_state == CLOSED
    assert circuit.told == [
        (CLOSED, OPEN),
        (OPEN, HALF_OPEN),
        (HALF_OPEN, OPEN),
        (OPEN, HALF_OPEN),
        (HALF_OPEN, CLOSED),
    ]


def test_that_only_watches_lets_in_the_call_that_finds_the_hung_ones(clock: VirtualClock) -> None:
    """It is the first that would have been refused."""
    circuit = circuit_on(clock, metrics_only=True, slow_call=2.0)
    begin(circuit, clock)
    begin(circuit, clock)
    clock.advance(2.0)
    assert not ask(circuit).timed
    assert circuit.current_state == OPEN


def test_watching_only_can_be_ended_and_begun(clock: VirtualClock) -> None:
    """The state is there already: an open one refuses from the next call on."""
    circuit = circuit_on(clock, metrics_only=True)
    fail(circuit, 2)
    circuit.configure(Breaker(minimum_calls=2))
    refused(circuit)
    assert circuit.shut_until > clock.now()
    circuit.configure(Breaker(minimum_calls=2, metrics_only=True))
    assert not ask(circuit).timed


# --- a fork


def test_in_a_forked_process_the_probes_of_the_parent_are_forgotten(clock: VirtualClock) -> None:
    """Nobody will settle them here, and one that is settled here all the same is not heard."""
    circuit = half_open(circuit_on(clock, probes=1, slow_call=2.0), clock)
    probe = begin(circuit, clock)
    other = threading.Thread(target=circuit._counting.acquire)
    other.start()
    other.join(10)
    circuit._telling = True
    circuit.forked()
    assert circuit._counting.acquire(blocking=False), "in the child nobody is left to release it"
    circuit._counting.release()
    clock.advance(3.0)
    mine = ask(circuit)
    assert mine.probe
    circuit.settle(probe, Verdict.FAILURE)
    assert circuit.current_state == HALF_OPEN
    circuit.settle(mine, Verdict.SUCCESS)
    assert circuit.told[-1] == (HALF_OPEN, CLOSED)


def test_in_a_forked_process_calls_of_the_parent_are_not_slow(clock: VirtualClock) -> None:
    """They hang elsewhere."""
    circuit = circuit_on(clock, minimum_calls=2, slow_call=2.0)
    mine = begin(circuit, clock)
    begin(circuit, clock)
    fail(circuit)
    circuit.forked()
    clock.advance(3.0)
    assert isinstance(ask(circuit), TimedPermit)
    assert (circuit.fail_counter, circuit.slow_counter) == (1, 0)
    circuit.settle(mine, Verdict.FAILURE)
    assert circuit.current_state == OPEN


# --- telling, and threads


def test_moves_are_told_in_order_and_without_the_lock(clock: VirtualClock) -> None:
    """A move that somebody makes while one is told is told after it, by whoever tells already."""
    order: list[tuple[str, str]] = []

    class Closes(Circuit):
        def _moved(self, before: str, after: str) -> None:
            if after == OPEN:
                thread = threading.Thread(target=self.close)
                thread.start()
                thread.join(10)
                assert not thread.is_alive(), "the lock was held while a move was told"
            order.append((before, after))

    circuit = Closes(Breaker(), clock)
    circuit.open()
    assert order == [(CLOSED, OPEN), (OPEN, CLOSED)]


def test_several_moves_in_the_middle_of_one_are_told_in_their_order(clock: VirtualClock) -> None:
    """The oldest first."""

    class Meddles(Remembering):
        def _moved(self, before: str, after: str) -> None:
            super()._moved(before, after)
            if len(self.told) == 1:
                self.half_open()
                self.close()

    circuit = Meddles(Breaker(), clock)
    circuit.open()
    assert circuit.told == [(CLOSED, OPEN), (OPEN, HALF_OPEN), (HALF_OPEN, CLOSED)]


def test_a_circuit_tells_nobody_of_itself(clock: VirtualClock) -> None:
    """Who wants to hear of its moves overrides what it does with them."""
    circuit = Circuit(Breaker(), clock)
    circuit.open()
    assert circuit.current_state == OPEN


@pytest.mark.parametrize("policy", [{}, {"slow_call": 50.0}, {"window_calls": 5000}])
def test_threads_hammering_it_keep_its_counts(clock: VirtualClock, policy: dict[str, Any]) -> None:
    """Eight threads that acquire and settle at once lose no call."""
    circuit = Remembering(Breaker(failure_rate=1.0, minimum_calls=1000, **policy), clock)

    def hammer() -> None:
        for number in range(100):
            permit = circuit.acquire(LEASE)
            if isinstance(permit, TimedPermit):
                permit.began(clock.now())
            circuit.settle(permit, Verdict.SUCCESS if number % 2 else Verdict.FAILURE)

    threads = [threading.Thread(target=hammer) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (circuit._window.calls, circuit.fail_counter) == (800, 400)
    assert not circuit._in_flight.began
    assert not circuit.told


def test_threads_meeting_a_half_open_one_are_one_probe(clock: VirtualClock) -> None:
    """Of eight threads that ask in the same moment one is let in."""
    circuit = half_open(circuit_on(clock, probes=3), clock)
    together = threading.Barrier(8, timeout=10.0)
    let_in: list[Permit] = []

    def meet() -> None:
        together.wait()
        with contextlib.suppress(CircuitOpenError):
            let_in.append(circuit.acquire(LEASE))

    threads = [threading.Thread(target=meet) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(let_in) == 1
    assert circuit.told == [(CLOSED, OPEN), (OPEN, HALF_OPEN)]
