"""What a boundary promises, over all four shapes, on virtual time: the semantics that are easy to get wrong."""

from __future__ import annotations

import asyncio
import contextvars
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from pybreaker import CircuitBreakerListener

from aiguard import (
    Breaker,
    Bulkhead,
    BulkheadFullError,
    CircuitOpenError,
    ComponentError,
    DeadlineExceededError,
    FailureKind,
    HaltedError,
    InvalidOutputError,
    Retry,
    StreamInterruptedError,
    guard,
    remaining,
)
from aiguard.stages.retry import full_jitter
from aiguard.testing import fresh_registry, virtual_time
from tests.shapes import Background, Hang, Harness, Held, HttpError, Items, RealTime, Takes

if TYPE_CHECKING:
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]

DOWN = ConnectionError
TRIPPY = Breaker(failure_rate=0.5, minimum_calls=2, open_for=10.0, open_for_max=40.0, probes=1)

only_streams = pytest.mark.parametrize("shape", ["generator", "thread_generator", "async_generator"])
only_threads = pytest.mark.parametrize("shape", ["thread", "thread_generator"])
only_async = pytest.mark.parametrize("shape", ["async", "async_generator"])
only_interruptible = pytest.mark.parametrize("shape", ["thread", "async", "thread_generator", "async_generator"])


def tripped(harness: Harness) -> Harness:
    """Return it with its breaker open, by two failed calls."""
    for _ in range(2):
        harness.fails()
    assert harness.boundary.breaker.current_state == "open"
    return harness


def probing(harness: Harness, clock: VirtualClock) -> Harness:
    """Return it with its breaker ready for a probe."""
    tripped(harness)
    clock.advance(harness.boundary.policy.breaker.open_for)
    return harness


# --- the plain case


def test_a_good_answer_passes(scenario: Scenario) -> None:
    """What the component answers is what the caller gets."""
    assert scenario("ok")("ticket") == "ok"


def test_an_outcome_tells_of_a_good_answer(scenario: Scenario) -> None:
    """A call that simply works has one attempt, no failure, and its value twice over."""
    outcome = scenario(Takes(0.5)).outcome()
    assert (outcome.ok, outcome.value, outcome.unwrap()) == (True, outcome.value, outcome.value)
    assert (outcome.source, outcome.rung, outcome.degraded, outcome.failure) == ("component", None, False, None)
    assert [(one.number, one.reason, one.failure) for one in outcome.attempts] == [(1, "initial", None)]
    assert outcome.elapsed == pytest.approx(0.5)
    assert outcome.boundary == "scenario"


def test_an_error_carries_the_outcome(scenario: Scenario) -> None:
    """What is raised knows the failure, the boundary, the whole outcome, and what the component raised."""
    error = scenario(DOWN("SECRET-PROMPT")).fails()
    assert isinstance(error, ComponentError)
    assert error.failure.kind is FailureKind.CONNECTION
    assert error.failure.stage == "component"
    assert error.boundary == "scenario"
    assert isinstance(error.__cause__, DOWN)
    assert error.outcome is not None
    assert (error.outcome.ok, error.outcome.failure) == (False, error.failure)
    with pytest.raises(ComponentError) as again:
        error.outcome.unwrap()
    assert again.value is error
    assert "SECRET" not in str(error)


def test_a_hang_ends_at_the_deadline(scenario: Scenario, clock: VirtualClock, shape: str) -> None:
    """A component that never answers costs the caller the deadline, and no more."""
    harness = scenario(Hang(), deadline=2.0)
    with pytest.raises(DeadlineExceededError) as caught:
        harness()
    assert caught.value.failure.kind is FailureKind.TIMEOUT
    if shape not in {"sync", "generator"}:  # these run in the caller's thread
        assert clock.elapsed == pytest.approx(2.0)


def test_a_hung_attempt_is_retried_in_time(scenario: Scenario) -> None:
    """The second attempt may answer where the first one hangs."""
    harness = scenario(Takes(0.9, "late"), "ok", deadline=3.0, attempt_timeout=0.5, retry=Retry(attempts=2))
    outcome = harness.outcome()
    assert outcome.ok
    assert [attempt.reason for attempt in outcome.attempts] == ["initial", "retry"]
    assert outcome.attempts[0].failure is not None
    assert outcome.attempts[0].failure.kind is FailureKind.TIMEOUT


def test_the_floor_answers_where_the_component_hangs(scenario: Scenario) -> None:
    """With a floor, every call has an answer."""
    outcome = scenario(Hang(), deadline=2.0, fallback=["floor"]).outcome()
    assert outcome.ok
    assert outcome.degraded
    assert outcome.rung == "value"
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.TIMEOUT


# --- 1: no lock is held across the call or a listener


def test_calls_run_at_once(shape: str) -> None:
    """Eight threads are inside the component at the same time: no lock is held across the call."""
    inside = threading.Barrier(8, timeout=10.0)
    with virtual_time() as clock:
        harness = Harness(shape, clock, repeat(lambda: inside.wait() >= 0), settings=EVERYTHING)
        calls = [Background(harness) for _ in range(8)]
        assert [call.result() for call in calls] == [True] * 8


EVERYTHING: dict[str, Any] = {
    "breaker": Breaker(),
    "bulkhead": Bulkhead(limit=8),
    "retry": Retry(),
    "output": bool,
    "fallback": [True],
    "attempt_timeout": 5.0,
}


def test_a_listener_may_use_the_boundary(scenario: Scenario) -> None:
    """No lock is held while a listener runs: another thread may go through the breaker meanwhile."""
    seen: list[object] = []

    class Curious(CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:  # noqa: ARG002 - pybreaker's names
            other = Background(harness.fails)
            seen.append(type(other.result()))

    harness = scenario(*repeat(DOWN, 2), breaker=TRIPPY)
    harness.boundary.breaker.add_listener(Curious())
    tripped(harness)
    assert seen == [CircuitOpenError]


# --- 2: a bounded number of probes


def test_one_probe_runs_and_the_rest_is_rejected(scenario: Scenario, clock: VirtualClock) -> None:
    """Of twenty callers in the half-open state one runs; the others are turned away at once."""
    held = Held("ok")
    harness = probing(scenario(DOWN, DOWN, held, breaker=TRIPPY), clock)
    probe = harness.start(held)
    before = clock.elapsed
    for _ in range(19):
        assert isinstance(harness.fails(), CircuitOpenError)
    assert clock.elapsed == before
    held.let_go.set()
    assert probe.result() == "ok"
    assert harness.calls == 3
    assert harness.boundary.breaker.current_state == "closed"


def test_a_round_admits_as_many_probes_as_it_needs(scenario: Scenario, clock: VirtualClock) -> None:
    """With two probes in a round, the breaker closes after the second success, not after the first."""
    policy = Breaker(minimum_calls=2, open_for=10.0, probes=2, concurrent_probes=2)
    helds = [Held(), Held()]
    harness = probing(scenario(DOWN, DOWN, *helds, "ok", breaker=policy), clock)
    calls = [harness.start(held) for held in helds]
    assert isinstance(harness.fails(), CircuitOpenError)
    helds[0].let_go.set()
    calls[0].result()
    assert harness.boundary.breaker.current_state == "half-open"
    helds[1].let_go.set()
    calls[1].result()
    assert harness.boundary.breaker.current_state == "closed"
    assert harness() == "ok"


def test_a_failed_probe_opens_for_twice_as_long(scenario: Scenario, clock: VirtualClock) -> None:
    """Each failed probe doubles the time the breaker stays open, up to its limit."""
    harness = tripped(scenario(*repeat(DOWN, 6), breaker=TRIPPY))
    waits = []
    for _ in range(4):
        error = harness.fails()
        assert isinstance(error, CircuitOpenError)
        assert error.retry_after is not None
        waits.append(error.retry_after)
        clock.advance(error.retry_after)
        assert not isinstance(harness.fails(), CircuitOpenError)
    for wait, longest in zip(waits, [10.0, 20.0, 40.0, 40.0], strict=True):
        assert 0.9 * longest < wait <= longest


# --- 3: the slot of a probe always comes back

UNCOUNTED = [
    pytest.param(KeyboardInterrupt, id="ctrl-c"),
    pytest.param(SystemExit, id="exit"),
    pytest.param(GeneratorExit, id="generator-exit"),
    pytest.param(HttpError(400), id="callers-fault"),
    pytest.param(HttpError(429), id="rate-limited"),
    pytest.param(HttpError(503, {"retry-after": "3"}), id="overloaded-until"),
]


@pytest.mark.parametrize("ending", UNCOUNTED)
def test_the_slot_of_a_probe_comes_back(
    scenario: Scenario, clock: VirtualClock, ending: BaseException | type[BaseException]
) -> None:
    """A probe that ends without saying anything of the component's health leaves its slot to the next call."""
    harness = probing(scenario(DOWN, DOWN, ending, "ok", breaker=TRIPPY), clock)
    with pytest.raises(BaseException):  # noqa: B017, PT011 - which one is not the point
        harness()
    assert harness.boundary.breaker.current_state == "half-open"
    clock.advance(3.0)  # a pause that was asked for is over
    assert harness() == "ok"
    assert harness.boundary.breaker.current_state == "closed"


@only_async
def test_a_cancelled_probe_gives_its_slot_back(scenario: Scenario, clock: VirtualClock) -> None:
    """Cancelling the probe says nothing of the component: the next call is the probe."""
    harness = probing(scenario(DOWN, DOWN, Hang(), "ok", breaker=TRIPPY), clock)

    async def cancelled() -> None:
        task = asyncio.ensure_future(harness.acall())
        await asyncio.sleep(1.0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert task.cancelled()

    clock.run(cancelled())
    assert harness.boundary.breaker.current_state == "half-open"
    assert harness() == "ok"


@only_streams
def test_a_closed_probe_gives_its_slot_back(scenario: Scenario, clock: VirtualClock, shape: str) -> None:
    """A stream that its consumer closes in the middle is no verdict on the component."""
    harness = probing(scenario(DOWN, DOWN, Items("a", "b"), "ok", breaker=TRIPPY), clock)

    async def first_of_many() -> None:
        stream = harness.guarded()
        assert await anext(stream) == "a"
        await stream.aclose()

    if shape == "async_generator":
        clock.run(first_of_many())
    else:
        stream = harness.guarded()
        assert next(stream) == "a"
        stream.close()
    assert harness.boundary.breaker.current_state == "half-open"
    assert harness() == "ok"


# --- 4: neutral outcomes


@pytest.mark.parametrize("ending", UNCOUNTED)
def test_a_neutral_ending_counts_nothing(
    scenario: Scenario, clock: VirtualClock, ending: BaseException | type[BaseException]
) -> None:
    """What is not the component's fault leaves the closed breaker's counters as they were."""
    harness = scenario(*repeat(ending, 4), "ok", breaker=TRIPPY)
    for _ in range(4):
        with pytest.raises(BaseException):  # noqa: B017, PT011 - which one is not the point
            harness()
        clock.advance(3.0)  # a pause that was asked for is over
    assert harness.boundary.breaker.current_state == "closed"
    assert harness.boundary.breaker.fail_counter == 0
    assert harness() == "ok"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_ends_the_program_passes(scenario: Scenario, ending: type[BaseException]) -> None:
    """Exceptions that are no `Exception` go through: not retried, not answered by a rung, nothing kept."""
    harness = scenario(
        ending, fallback=["floor"], retry=Retry(attempts=3), bulkhead=Bulkhead(limit=1), breaker=Breaker()
    )
    with pytest.raises(ending):
        harness()
    assert harness.calls == 1
    assert harness.boundary.bulkhead.in_flight == 0


# --- 5: three kinds of timeout


def test_a_timeout_of_the_components_own_is_the_components(scenario: Scenario, clock: VirtualClock) -> None:
    """A `TimeoutError` that the component raises is kind `timeout`, but no clock of ours ended it."""
    error = scenario(Takes(0.5, TimeoutError("SECRET-PROMPT")), breaker=TRIPPY).fails()
    assert type(error) is ComponentError
    assert (error.failure.kind, error.failure.stage) == (FailureKind.TIMEOUT, "component")
    assert isinstance(error.__cause__, TimeoutError)
    assert clock.elapsed == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("settings", "stage"), [({"deadline": 2.0}, "deadline"), ({"attempt_timeout": 1.0, "deadline": 2.0}, "attempt")]
)
def test_a_timeout_of_ours_is_a_timeout_error(scenario: Scenario, settings: dict[str, Any], stage: str) -> None:
    """A clock of ours that ends an attempt is a `TimeoutError`, says which clock, and is counted."""
    harness = scenario(Hang(), breaker=TRIPPY, **settings)
    error = harness.fails()
    assert isinstance(error, DeadlineExceededError)
    assert isinstance(error, TimeoutError)
    assert (error.failure.kind, error.failure.stage) == (FailureKind.TIMEOUT, stage)
    assert harness.boundary.breaker.fail_counter == 1


@only_async
@pytest.mark.parametrize(
    "settings", [{}, {"attempt_timeout": 2.0}, {"retry": Retry(attempts=3), "fallback": ["floor"]}]
)
def test_a_callers_cancellation_in_the_tick_of_the_deadline_wins(
    scenario: Scenario, clock: VirtualClock, settings: dict[str, Any]
) -> None:
    """Where the caller cancels in the very moment our timer fires, the task is cancelled and nobody swallows it."""
    harness = scenario(Hang(), deadline=2.0, **settings)

    async def main() -> None:
        task = asyncio.ensure_future(harness.acall())
        asyncio.get_running_loop().call_at(clock.now() + 2.0, task.cancel)
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    clock.run(main())


@only_async
def test_an_outer_timeout_is_the_callers(scenario: Scenario, clock: VirtualClock) -> None:
    """An `asyncio.timeout` around the call ends as the plain TimeoutError it always is, and is not counted."""
    harness = scenario(Hang(), deadline=5.0, breaker=TRIPPY, fallback=["floor"])

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(1.0):
                await harness.acall()
        assert type(caught.value) is TimeoutError

    clock.run(main())
    assert harness.boundary.breaker.fail_counter == 0


# --- 6: a verdict belongs to the state that admitted the call


@pytest.mark.parametrize("then", ["ok", DOWN])
def test_a_late_verdict_changes_nothing(scenario: Scenario, clock: VirtualClock, then: Any) -> None:
    """What began before the breaker opened, and ends afterwards, neither closes it nor keeps it open longer."""
    held = Held(then)
    harness = scenario(held, DOWN, DOWN, "ok", breaker=TRIPPY)
    late = harness.start(held)
    tripped(harness)
    held.let_go.set()
    with suppress(ComponentError):
        late.result()
    error = harness.fails()
    assert isinstance(error, CircuitOpenError)
    assert error.retry_after is not None
    assert 9.0 < error.retry_after <= 10.0
    clock.advance(error.retry_after)
    assert harness() == "ok"


@pytest.mark.parametrize("then", ["ok", DOWN])
def test_a_late_verdict_is_no_probe(scenario: Scenario, clock: VirtualClock, then: Any) -> None:
    """What began before the breaker opened, and ends while it is half-open, is no probe's answer."""
    held, probe = Held(then), Held("ok")
    harness = scenario(held, DOWN, DOWN, probe, breaker=TRIPPY)
    late = harness.start(held)
    probing(harness, clock)
    trial = harness.start(probe)
    held.let_go.set()
    with suppress(ComponentError):
        late.result()
    assert harness.boundary.breaker.current_state == "half-open"
    probe.let_go.set()
    trial.result()
    assert harness.boundary.breaker.current_state == "closed"


# --- 7: a rate, of enough calls, in a window

STEADY = Breaker(failure_rate=0.5, minimum_calls=10, window=60.0)


@pytest.mark.parametrize(
    ("script", "state"),
    [
        pytest.param(["ok", DOWN, DOWN, DOWN, DOWN] * 2, "open", id="80-percent-interleaved"),
        pytest.param([DOWN] * 9, "closed", id="under-the-minimum"),
        pytest.param([DOWN] * 9 + ["ok"], "open", id="a-success-makes-the-minimum"),
        pytest.param(["ok"] * 6 + [DOWN] * 4, "closed", id="under-the-rate"),
        pytest.param(["ok"] * 5 + [DOWN] * 5, "open", id="at-the-rate"),
        pytest.param(["ok", "ok", DOWN] * 6, "closed", id="a-third-interleaved"),
    ],
)
def test_the_breaker_opens_at_a_rate(scenario: Scenario, script: list[Any], state: str) -> None:
    """It opens at the failure rate, once the window holds enough calls, wherever the successes stand."""
    harness = scenario(*script, breaker=STEADY)
    for _ in script:
        with suppress(ComponentError):
            harness()
    assert harness.boundary.breaker.current_state == state


def test_old_failures_expire(scenario: Scenario, clock: VirtualClock) -> None:
    """Nine failures of an hour ago and one of now are one failure."""
    harness = scenario(*repeat(DOWN, 10), breaker=STEADY)
    for _ in range(9):
        harness.fails()
    clock.advance(3600.0)
    harness.fails()
    assert harness.boundary.breaker.current_state == "closed"
    assert harness.boundary.breaker.fail_counter == 1


@pytest.mark.parametrize("status", [401, 402, 403])
def test_proof_opens_at_once(scenario: Scenario, status: int) -> None:
    """A rejected key or an empty account is proof: the breaker opens on the first."""
    harness = scenario(HttpError(status), breaker=STEADY)
    harness.fails()
    assert harness.boundary.breaker.current_state == "open"


# --- 9: a rejection is nobody's failure


def test_a_full_bulkhead_never_opens_the_breaker(scenario: Scenario) -> None:
    """Calls that find no permit say nothing of the component, and are not retried."""
    held = Held()
    harness = scenario(held, breaker=TRIPPY, bulkhead=Bulkhead(limit=1), retry=Retry(attempts=3))
    inside = harness.start(held)
    for _ in range(20):
        error = harness.fails()
        assert isinstance(error, BulkheadFullError)
        assert error.outcome is not None
        assert error.outcome.attempts == ()
    held.let_go.set()
    inside.result()
    assert harness.calls == 1
    assert (harness.boundary.breaker.current_state, harness.boundary.breaker.fail_counter) == ("closed", 0)


def test_a_retry_stops_at_an_open_breaker(scenario: Scenario, clock: VirtualClock) -> None:
    """The attempts end where the breaker opens; the caller hears that it is open, and waits no longer."""
    harness = scenario(*repeat(DOWN, 5), breaker=TRIPPY, retry=Retry(attempts=5, wait=lambda _: 1.0))
    error = harness.fails()
    assert isinstance(error, CircuitOpenError)
    assert harness.calls == 2
    assert error.outcome is not None
    assert len(error.outcome.attempts) == 2
    assert clock.elapsed == pytest.approx(2.0)


# --- 10: too many requests


def test_too_many_requests_leave_the_breaker_closed(scenario: Scenario) -> None:
    """A provider that asks for a pause is well."""
    harness = scenario(*repeat(HttpError(429), 3), breaker=Breaker(minimum_calls=1))
    for _ in range(3):
        assert harness.fails().failure.kind is FailureKind.RATE_LIMITED
    assert harness.boundary.breaker.current_state == "closed"


# --- 11: one deadline for everything


@pytest.mark.parametrize("rung_takes", [0.1, 100.0])
def test_one_deadline_covers_everything(
    scenario: Scenario, clock: VirtualClock, harness_overrun: float, rung_takes: float
) -> None:
    """Attempts, waits and rungs together end by the deadline."""

    def rules(*_: object) -> str:
        clock.sleep(rung_takes)
        return "rung"

    harness = scenario(
        *repeat(Takes(0.7, DOWN), 20),
        deadline=2.0,
        retry=Retry(attempts=20, wait=lambda _: 0.2),
        fallback=[rules, "floor"],
    )
    assert harness() == ("rung" if rung_takes < 1.0 else "floor")
    assert clock.elapsed <= 2.0 + harness_overrun + (rung_takes if harness.inline else 0.0) + 1e-9


@pytest.fixture
def harness_overrun(shape: str) -> float:
    """How late an answer may be where nothing interrupts the component: the length of one attempt."""
    return 0.7 if shape in {"sync", "generator"} else 0.0


def test_the_queue_is_part_of_the_deadline(scenario: Scenario, clock: VirtualClock) -> None:
    """Who waits for a permit to the end has the answer of a rung by the deadline."""
    harness = scenario(deadline=2.0, bulkhead=Bulkhead(limit=1, queue=1), fallback=[lambda *_: "rung"])
    assert harness.boundary.bulkhead.try_take()
    assert harness() == "rung"
    assert 1.5 < clock.elapsed <= 2.0


def test_nobody_sleeps_past_the_deadline(scenario: Scenario, clock: VirtualClock) -> None:
    """A wait that would end after the deadline is not begun: the failure leaves at once."""
    harness = scenario(*repeat(DOWN, 5), deadline=2.0, retry=Retry(attempts=5, wait=lambda _: 1.5))
    error = harness.fails()
    assert error.failure.kind is FailureKind.CONNECTION
    assert harness.calls == 2
    assert clock.elapsed == pytest.approx(1.5)


def test_a_pause_that_does_not_fit_falls_back_now(scenario: Scenario, clock: VirtualClock) -> None:
    """A server that asks for more time than the caller has is not waited for."""
    harness = scenario(HttpError(429, {"retry-after": "30"}), deadline=5.0, retry=Retry(attempts=3), fallback=["floor"])
    outcome = harness.outcome()
    assert outcome.degraded
    assert outcome.failure is not None
    assert outcome.failure.retry_after == pytest.approx(30.0)
    assert clock.elapsed == 0.0


def test_remaining_shrinks_inside(scenario: Scenario, clock: VirtualClock) -> None:
    """Inside the boundary `remaining()` tells what is left of the call, attempt timeout included; outside, nothing."""
    seen: list[float | None] = []

    def note() -> str:
        seen.append(remaining())
        return "ok"

    harness = scenario(Takes(0.5, DOWN), note, deadline=4.0, attempt_timeout=3.9, retry=Retry(wait=lambda _: 1.0))
    harness()
    assert seen == [pytest.approx(2.5)]
    assert clock.elapsed == pytest.approx(1.5)
    assert remaining() is None


# --- 12: Retry-After


@pytest.mark.parametrize(
    ("headers", "pause"),
    [
        pytest.param({"retry-after": "3"}, 3.0, id="seconds"),
        pytest.param({"retry-after": "Tue, 14 Nov 2023 22:13:23 GMT"}, 3.0, id="date"),
        pytest.param({"retry-after-ms": "1500"}, 1.5, id="milliseconds"),
        pytest.param({"retry-after-ms": "1500", "retry-after": "3"}, 1.5, id="both"),
        pytest.param({"retry-after": "Sun, 06 Nov 1994 08:49:37 GMT"}, 0.0, id="long-past"),
        pytest.param({"retry-after": "-5"}, None, id="negative"),
        pytest.param({"retry-after": "soon"}, None, id="nonsense"),
        pytest.param({"retry-after": "nan"}, None, id="nan"),
        pytest.param({"retry-after": "inf"}, None, id="infinity"),
    ],
)
def test_a_servers_pause_is_a_floor(
    scenario: Scenario, clock: VirtualClock, headers: dict[str, str], pause: float | None
) -> None:
    """No attempt begins before the pause is over that the server asked for, in any of its forms."""
    harness = scenario(HttpError(503, headers), "ok", deadline=60.0, retry=Retry(wait=lambda _: 0.25))
    outcome = harness.outcome()
    assert outcome.ok
    assert outcome.attempts[0].failure is not None
    assert outcome.attempts[0].failure.retry_after == (pause if pause is None else pytest.approx(pause))
    floor = max(pause or 0.0, 0.25)
    assert floor - 1e-6 <= clock.elapsed <= floor + 0.1, "and a little jitter"


@pytest.mark.parametrize("failures", [1, 2, 11, 2000, 10**9])
def test_the_wait_has_a_cap_and_no_overflow(failures: int) -> None:
    """Full jitter stays between nothing and two seconds, however many attempts failed."""
    assert full_jitter(failures, 0.0) == 0.0
    assert full_jitter(failures, 0.999) == pytest.approx(min(2.0, 0.1 * 2 ** min(failures - 1, 20)) * 0.999)


# --- 14: exactly one owner of retries


def test_every_attempt_is_recorded(scenario: Scenario) -> None:
    """The component is called as often as attempts are written down, and never more."""
    harness = scenario(DOWN, Takes(3.0, "late"), DOWN, "ok", attempt_timeout=1.0, retry=Retry(attempts=4))
    outcome = harness.outcome()
    assert outcome.ok
    assert harness.calls == len(outcome.attempts) == 4
    assert [one.number for one in outcome.attempts] == [1, 2, 3, 4]
    kinds = [one.failure.kind if one.failure else None for one in outcome.attempts]
    assert kinds == [FailureKind.CONNECTION, FailureKind.TIMEOUT, FailureKind.CONNECTION, None]
    assert all(one.elapsed >= 0 for one in outcome.attempts)


def test_without_retry_there_is_one_attempt(scenario: Scenario) -> None:
    """Nothing is tried again unless somebody asked for it."""
    harness = scenario(DOWN)
    assert harness.fails().failure.kind is FailureKind.CONNECTION
    assert harness.calls == 1


# --- 15: streams


@only_streams
@pytest.mark.parametrize("settings", [{}, {"fallback": ["floor"]}, {"fallback": [lambda *_: "rung"]}])
def test_a_stream_that_breaks_is_not_begun_again(scenario: Scenario, settings: dict[str, Any]) -> None:
    """Once an item was delivered there is no retry and no rung: no item comes twice, no other answer follows."""
    harness = scenario(
        Items("a", "b", DOWN), retry=Retry(attempts=3), breaker=TRIPPY, bulkhead=Bulkhead(limit=1), **settings
    )
    error = harness.fails()
    assert isinstance(error, StreamInterruptedError)
    assert error.delivered == 2
    assert error.failure.kind is FailureKind.STREAM_INTERRUPTED
    assert error.failure.stage == "component"
    assert isinstance(error.__cause__, ComponentError)
    assert harness.calls == 1
    assert harness.boundary.breaker.fail_counter == 1
    assert harness.boundary.bulkhead.in_flight == 0


@only_streams
def test_a_stream_is_retried_before_its_first_item(scenario: Scenario) -> None:
    """Nothing has been delivered yet, so another attempt is no repetition."""
    harness = scenario(DOWN, Items("a", "b"), retry=Retry(attempts=2))
    assert harness() == ["a", "b"]
    assert harness.calls == 2


@only_streams
def test_a_streams_permit_lasts_to_its_end(scenario: Scenario, clock: VirtualClock, shape: str) -> None:
    """The permit is held, and no outcome known, while items come; both change with the last one."""
    harness = scenario(Items("a", "b"), bulkhead=Bulkhead(limit=1))
    seen: list[Any] = []

    def look(stream: Any) -> None:
        seen.append((harness.boundary.bulkhead.in_flight, stream.outcome and stream.outcome.ok))

    async def main() -> None:
        stream = harness.guarded()
        look(stream)
        async for _ in stream:
            look(stream)
        look(stream)

    if shape == "async_generator":
        clock.run(main())
    else:
        stream = harness.guarded()
        look(stream)
        for _ in stream:
            look(stream)
        look(stream)
    assert seen == [(0, None), (1, None), (1, None), (0, True)]


@only_streams
def test_a_stream_that_stalls_ends_at_the_deadline(scenario: Scenario, clock: VirtualClock, shape: str) -> None:
    """The deadline ends a stream that stalls after its first item; the caller has what was delivered, and an error."""
    harness = scenario(Items("a", Takes(100.0, "late")), deadline=3.0, breaker=TRIPPY)
    error = harness.fails()
    assert isinstance(error, StreamInterruptedError)
    assert (error.delivered, error.failure.stage) == (1, "deadline")
    assert isinstance(error.__cause__, DeadlineExceededError)
    assert harness.boundary.breaker.fail_counter == 1
    if shape != "generator":
        assert clock.elapsed == pytest.approx(3.0)


@only_streams
def test_a_slow_consumer_is_not_the_components_fault(scenario: Scenario, clock: VirtualClock, shape: str) -> None:
    """A stream's clock counts the time spent waiting for the component, never the consumer's."""
    harness = scenario(Items(Takes(1.0, "a"), Takes(1.0, "b"), Takes(0.5, "c")), deadline=3.0)
    got: list[Any] = []

    async def main() -> None:
        async for item in harness.guarded():
            got.append(item)
            await asyncio.sleep(50.0)

    if shape == "async_generator":
        clock.run(main())
    else:
        for item in harness.guarded():
            got.append(item)
            clock.advance(50.0)
    assert got == ["a", "b", "c"]


@only_streams
def test_a_buffered_stream_is_all_or_nothing(scenario: Scenario) -> None:
    """In `buffer` mode nothing is released of an attempt that broke, and the next one may answer."""
    harness = scenario(Items("a", DOWN), Items("b", "c"), stream="buffer", retry=Retry(attempts=2))
    assert harness() == ["b", "c"]


# --- 16: nothing is acquired before anybody asks


@pytest.mark.parametrize("shape", ["async", "generator", "thread_generator", "async_generator"])
def test_a_call_that_is_never_made_acquires_nothing(scenario: Scenario, shape: str) -> None:
    """A hundred streams that nobody iterates, or coroutines that nobody awaits, hold no permit."""
    harness = scenario("never", bulkhead=Bulkhead(limit=1), breaker=TRIPPY)
    made = [harness.guarded() for _ in range(100)]
    assert harness.boundary.bulkhead.in_flight == 0
    assert harness.calls == 0
    for one in made:
        if shape == "async":
            one.close()
    del made
    assert harness.boundary.bulkhead.in_flight == 0


@pytest.mark.parametrize("isolation", ["inline", "thread"])
def test_a_guarded_generator_is_one(clock: VirtualClock, isolation: Any) -> None:
    """`send`, `throw`, `close` and the generator's own return value go through the boundary."""
    del clock
    log: list[str] = []

    @guard("echo", deadline=5.0, stream="passthrough", isolation=isolation)
    def echo() -> Any:
        try:
            got = yield "first"
            try:
                got = yield f"got {got}"
            except LookupError:
                got = yield "caught"
            yield f"last {got}"
        finally:
            log.append("closed")
        return 42

    stream = echo()
    assert next(stream) == "first"
    assert stream.send("x") == "got x"
    assert stream.throw(LookupError("y")) == "caught"
    assert stream.send("z") == "last z"
    with pytest.raises(StopIteration) as stop:
        next(stream)
    assert stop.value.value == 42
    assert log == ["closed"]

    stream = echo()
    assert next(stream) == "first"
    stream.close()
    assert log == ["closed", "closed"]
    assert list(stream) == []

    def outer() -> Any:
        return (yield from echo())

    values = outer()
    assert [next(values) for _ in range(3)] == ["first", "got None", "last None"]
    with pytest.raises(StopIteration) as stop:
        next(values)
    assert stop.value.value == 42


def test_a_guarded_async_generator_is_one(clock: VirtualClock) -> None:
    """`asend`, `athrow` and `aclose` go through the boundary; cleanup may await."""
    log: list[str] = []

    @guard("echo", deadline=5.0, stream="passthrough")
    async def echo() -> Any:
        try:
            got = yield "first"
            try:
                got = yield f"got {got}"
            except LookupError:
                got = yield "caught"
            yield f"last {got}"
        finally:
            await asyncio.sleep(0.1)
            log.append("closed")

    async def main() -> None:
        stream = echo()
        assert await anext(stream) == "first"
        assert await stream.asend("x") == "got x"
        assert await stream.athrow(LookupError("y")) == "caught"
        assert await stream.asend("z") == "last z"
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert log == ["closed"]

        stream = echo()
        assert await anext(stream) == "first"
        await stream.aclose()
        assert log == ["closed", "closed"]
        assert [item async for item in stream] == []

    clock.run(main())


# --- 17: a sync timeout frees the caller, not the permit


@only_threads
def test_a_hung_thread_keeps_its_permit(scenario: Scenario, clock: VirtualClock) -> None:
    """Five callers are free at the deadline, five permits are not: the sixth call is turned away at once."""
    harness = scenario(*repeat(Hang(), 5), deadline=1.0, bulkhead=Bulkhead(limit=5))
    calls = [Background(harness.fails) for _ in range(5)]
    assert {type(call.result()) for call in calls} == {DeadlineExceededError}
    assert harness.boundary.abandoned == 5
    assert harness.boundary.bulkhead.in_flight == 5
    before = clock.elapsed
    assert isinstance(harness.fails(), BulkheadFullError)
    assert clock.elapsed == before


@only_threads
def test_a_permit_returns_when_the_thread_does(scenario: Scenario) -> None:
    """An abandoned thread that ends at last gives its permit back and is counted no more."""
    held = Held(Takes(5.0, "late"))
    ended = threading.Event()

    def late() -> str:
        held()
        ended.set()
        return "late"

    harness = scenario(Takes(3.0, late), "ok", deadline=1.0, bulkhead=Bulkhead(limit=1))
    assert isinstance(harness.fails(), DeadlineExceededError)
    assert isinstance(harness.fails(), BulkheadFullError)
    assert harness.boundary.abandoned == 1
    harness.clock.advance(2.0)
    held.let_go.set()
    assert ended.wait(10.0)
    _until(lambda: harness.boundary.bulkhead.in_flight == 0)
    assert harness.boundary.abandoned == 0
    assert harness() == "ok"


@only_threads
def test_context_variables_reach_the_thread(scenario: Scenario) -> None:
    """The component sees the caller's context, whichever thread it runs in."""
    tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="nobody")
    harness = scenario(tenant.get, tenant.get)
    token = tenant.set("acme")
    assert harness() == "acme"
    tenant.reset(token)
    assert harness() == "nobody"


@only_threads
def test_workers_are_bounded_without_a_bulkhead(scenario: Scenario) -> None:
    """Without a bulkhead, sixty-four hung threads are enough: the next call is turned away."""
    harness = scenario(*repeat(Hang(), 64), deadline=1.0)
    calls = [Background(harness.fails) for _ in range(64)]
    for call in calls:
        call.result()
    error = harness.fails()
    assert isinstance(error, BulkheadFullError)
    assert error.failure.stage == "attempt"


def _until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    for _ in range(2000):
        if holds():
            return
        threading.Event().wait(0.001)
    pytest.fail("it never came about")


# --- 18: the queue is bounded, and nobody who left it takes a permit


def test_a_full_queue_rejects(shape: str) -> None:
    """One inside, one in line: the third is turned away at once, and the second runs when the first is done."""
    with fresh_registry():
        held = Held("first")
        harness = Harness(shape, RealTime(), [held, "second"], settings={"bulkhead": Bulkhead(limit=1, queue=1)})
        first = harness.start(held)
        second = Background(harness)
        _until(lambda: harness.boundary.bulkhead.queued == 1)
        assert isinstance(harness.fails(), BulkheadFullError)
        held.let_go.set()
        assert (first.result(), second.result()) == ("first", "second")
        assert harness.boundary.bulkhead.in_flight == 0


def test_an_expired_waiter_takes_no_permit(scenario: Scenario, clock: VirtualClock) -> None:
    """Who waited to the deadline leaves the line; the permit that comes later is not theirs."""
    harness = scenario("next", bulkhead=Bulkhead(limit=1, queue=5), deadline=2.0, breaker=TRIPPY)
    permits = harness.boundary.bulkhead
    assert permits.try_take()
    error = harness.fails()
    assert isinstance(error, DeadlineExceededError)
    assert (error.failure.kind, error.failure.stage) == (FailureKind.DEADLINE_EXHAUSTED, "bulkhead")
    assert clock.elapsed == pytest.approx(2.0)
    assert (permits.queued, permits.in_flight) == (0, 1)
    assert harness.boundary.breaker.fail_counter == 0
    permits.give_back()
    assert permits.in_flight == 0
    assert harness() == "next"


@only_async
@pytest.mark.parametrize("seed", range(5))
def test_cancelled_waiters_leak_no_permit(scenario: Scenario, clock: VirtualClock, seed: int) -> None:
    """Twenty waiters, cancelled or served in any order, leave every permit where it was."""
    harness = scenario(*repeat(Takes(0.5), 30), bulkhead=Bulkhead(limit=3, queue=20), deadline=8.0)
    order = random.Random(seed)

    async def main() -> None:
        tasks = [asyncio.ensure_future(harness.acall()) for _ in range(20)]
        for task in order.sample(tasks, 12):
            await asyncio.sleep(order.random() / 4)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (harness.boundary.bulkhead.in_flight, harness.boundary.bulkhead.queued) == (0, 0)
        assert await asyncio.gather(*(harness.acall() for _ in range(3))) == ["ok"] * 3

    clock.run(main())
    assert harness.boundary.bulkhead.in_flight == 0


# --- 19: a listener's fault is its own


def test_a_listener_that_raises_changes_nothing(scenario: Scenario, caplog: pytest.LogCaptureFixture) -> None:
    """The breaker opens all the same, every listener hears every change in order, and the log names no text."""
    heard: list[tuple[str, str]] = []

    class Broken(CircuitBreakerListener):
        def state_change(self, *_: Any, **__: Any) -> None:
            raise RuntimeError("SECRET-PROMPT")

        failure = success = state_change

    class Sound(CircuitBreakerListener):
        def state_change(self, cb: Any, old_state: Any, new_state: Any) -> None:
            assert cb.current_state == new_state.name  # told after the change, not before
            heard.append((old_state.name, new_state.name))

    harness = scenario(DOWN, DOWN, "ok", breaker=TRIPPY)
    harness.boundary.breaker.add_listeners(Broken(), Sound())
    probing(harness, harness.clock)
    assert harness() == "ok"
    assert heard == [("closed", "open"), ("open", "half-open"), ("half-open", "closed")]
    assert "SECRET" not in caplog.text


# --- 20: a fallback is a fallback


def test_a_fallback_keeps_the_cause_and_is_no_success(scenario: Scenario) -> None:
    """A rung's answer is marked as one, tells why the component did not answer, and does not calm the breaker."""
    harness = scenario(*repeat(DOWN, 2), breaker=TRIPPY, fallback=["floor"])
    outcome = harness.outcome()
    assert (outcome.ok, outcome.source, outcome.degraded, outcome.rung) == (True, "fallback", True, "value")
    assert outcome.failure is not None
    assert outcome.failure.kind is FailureKind.CONNECTION
    assert isinstance(outcome.failure.exception, DOWN)
    assert harness.boundary.breaker.fail_counter == 1
    harness.outcome()
    assert harness.boundary.breaker.current_state == "open"
    assert harness.outcome().failure.kind is FailureKind.CIRCUIT_OPEN  # type: ignore[union-attr]


@only_async
def test_nobody_falls_back_for_a_caller_who_left(scenario: Scenario, clock: VirtualClock) -> None:
    """A cancelled call asks no rung."""
    asked: list[object] = []
    harness = scenario(Hang(), fallback=[lambda *_: asked.append(1), "floor"])

    async def main() -> None:
        task = asyncio.ensure_future(harness.acall())
        await asyncio.sleep(1.0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    clock.run(main())
    assert asked == []


def test_what_is_switched_off_stays_off(scenario: Scenario, clock: VirtualClock) -> None:
    """Somebody's decision outlasts any amount of time, and the component is never called."""
    harness = scenario("ok", breaker=TRIPPY)
    harness.boundary.mode = "off"
    for _ in range(3):
        assert isinstance(harness.fails(), HaltedError)
        clock.advance(3600.0)
    assert harness.calls == 0
    harness.boundary.mode = "on"
    assert harness() == "ok"


@pytest.mark.parametrize("step", [-86_400.0, 86_400.0])
def test_a_step_of_the_wall_clock_means_nothing(scenario: Scenario, clock: VirtualClock, step: float) -> None:
    """Deadlines, windows and the open time are counted on a clock that never steps."""
    harness = tripped(scenario(DOWN, DOWN, Takes(1.0), breaker=TRIPPY, deadline=2.0))
    clock._wall += step
    assert isinstance(harness.fails(), CircuitOpenError)
    clock.advance(10.0)
    assert harness() == "ok"


def test_an_invalid_answer_has_no_cause(scenario: Scenario) -> None:
    """The original stays in `failure.exception`: a traceback would print the answer."""
    error = scenario("SECRET-ANSWER", output=int).fails()
    assert isinstance(error, InvalidOutputError)
    assert error.__cause__ is None
    assert "SECRET" not in str(error)
