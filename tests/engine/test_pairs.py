"""Stages in pairs: what each of two does to the other, over all four shapes."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import repeat
from typing import TYPE_CHECKING, Any

import pytest
from tenacity import (
    retry_if_exception_type,
    retry_if_not_exception_type,
    stop_after_attempt,
    stop_after_delay,
    wait_fixed,
)

from aiguard import (
    BoundaryError,
    Breaker,
    Bulkhead,
    BulkheadFullError,
    CircuitOpenError,
    ComponentError,
    DeadlineExceededError,
    Failure,
    FailureKind,
    HaltedError,
    InvalidOutputError,
    Retry,
    Rung,
    guard,
)
from tests.shapes import Hang, Harness, Held, HttpError, Takes

if TYPE_CHECKING:
    from aiguard import Outcome
    from aiguard.testing import VirtualClock

Scenario = Callable[..., Harness]

only_interruptible = pytest.mark.parametrize("shape", ["thread", "async", "thread_generator", "async_generator"])

DOWN = ConnectionError
AT_ONCE = Retry(attempts=3, wait=lambda _: 0.0)


def kinds(outcome: Outcome[Any]) -> list[str | None]:
    """Return how the attempts ended."""
    return [one.failure.kind.value if one.failure else None for one in outcome.attempts]


def reasons(outcome: Outcome[Any]) -> list[str]:
    """Return why the attempts were made."""
    return [one.reason for one in outcome.attempts]


# --- retry × breaker: the breaker is inside


def test_every_attempt_counts_for_the_breaker(scenario: Scenario) -> None:
    """The breaker is inside the retry: it hears of each attempt, not of each call."""
    harness = scenario(DOWN, DOWN, "ok", retry=AT_ONCE, breaker=Breaker(minimum_calls=4))
    assert harness() == "ok"
    breaker = harness.boundary.breaker
    assert breaker.fail_counter == 2
    assert breaker.current_state == "closed"


def test_the_last_attempt_may_open_the_breaker(scenario: Scenario) -> None:
    """The attempt whose failure opens the breaker still reports its own failure where it was the last."""
    harness = scenario(*repeat(DOWN, 3), retry=AT_ONCE, breaker=Breaker(minimum_calls=3))
    assert harness.fails().failure.kind is FailureKind.CONNECTION
    assert harness.boundary.breaker.current_state == "open"
    assert isinstance(harness.fails(), CircuitOpenError)
    assert harness.calls == 3


# --- retry × bulkhead


def test_a_wait_between_attempts_holds_no_permit(scenario: Scenario) -> None:
    """While one call waits for its next attempt, another one may run in its place."""
    held: list[int] = []

    def wait(_: object) -> float:
        held.append(harness.boundary.bulkhead.in_flight)
        return 1.0

    harness = scenario(DOWN, "ok", retry=Retry(attempts=2, wait=wait), bulkhead=Bulkhead(limit=1))
    assert harness() == "ok"
    assert held == [0]


def test_a_full_bulkhead_on_a_retry_is_not_retried(scenario: Scenario) -> None:
    """Where the permit is gone when the next attempt wants it, that is how the call ends."""

    def wait(_: object) -> float:
        assert harness.boundary.bulkhead.try_take()
        return 0.1

    harness = scenario(DOWN, "never", retry=Retry(attempts=5, wait=wait), bulkhead=Bulkhead(limit=1))
    error = harness.fails()
    assert isinstance(error, BulkheadFullError)
    assert error.outcome is not None
    assert kinds(error.outcome) == ["connection"]


# --- retry × deadline


def test_attempts_end_with_the_deadline(scenario: Scenario, clock: VirtualClock) -> None:
    """However many attempts are allowed, they stop where another one could not begin in time."""
    harness = scenario(*repeat(Takes(0.6, DOWN), 50), deadline=2.0, retry=Retry(attempts=50, wait=lambda _: 0.1))
    harness.fails()
    assert harness.calls == 3
    assert clock.elapsed <= 2.0 + (0.1 if harness.inline else 0.0)


def test_the_last_attempt_gets_what_is_left(scenario: Scenario, clock: VirtualClock) -> None:
    """An attempt near the end is cut by the deadline, and the failure says so."""
    harness = scenario(Takes(1.5, DOWN), Hang(), deadline=2.0, retry=AT_ONCE, attempt_timeout=1.8)
    error = harness.fails()
    assert isinstance(error, DeadlineExceededError)
    assert error.failure.stage == "deadline"
    assert harness.calls == 2
    if not harness.inline:
        assert clock.elapsed == pytest.approx(2.0)


@pytest.mark.parametrize("wait", [-5.0, float("-inf"), float("nan")])
def test_a_negative_wait_is_no_wait(scenario: Scenario, clock: VirtualClock, wait: float) -> None:
    """A `wait` that answers nonsense below zero does not send anybody back in time."""
    harness = scenario(DOWN, "ok", retry=Retry(wait=lambda _: wait))
    assert harness() == "ok"
    assert clock.elapsed == 0.0


# --- retry × tenacity's vocabulary


def test_tenacity_objects_decide(scenario: Scenario, clock: VirtualClock) -> None:
    """`wait`, `stop` and `on` may be tenacity's: they see the component's own exception and the clock of the call."""
    harness = scenario(
        *repeat(DOWN, 9),
        deadline=60.0,
        retry=Retry(wait=wait_fixed(2), stop=stop_after_delay(5), on=retry_if_exception_type(ConnectionError)),
    )
    harness.fails()
    assert harness.calls == 4
    assert clock.elapsed == pytest.approx(6.0)


def test_a_tenacity_predicate_may_refuse(scenario: Scenario) -> None:
    """What the predicate does not want is not retried."""
    harness = scenario(DOWN, "never", retry=Retry(on=retry_if_exception_type(TimeoutError)))
    harness.fails()
    assert harness.calls == 1


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_a_negative_predicate_retries_no_ctrl_c(scenario: Scenario, ending: type[BaseException]) -> None:
    """`retry_if_not_exception_type` alone would retry KeyboardInterrupt: here it is never asked about one."""
    harness = scenario(ending, "never", retry=Retry(on=retry_if_not_exception_type(ValueError)))
    with pytest.raises(ending):
        harness()
    assert harness.calls == 1


@pytest.mark.parametrize("kind", ["circuit_open", "bulkhead_full", "halted"])
def test_a_predicate_is_not_asked_about_rejections(scenario: Scenario, kind: str) -> None:
    """No predicate makes the boundary knock again at a door that it has closed itself."""
    harness = scenario(
        "never",
        retry=Retry(on=retry_if_not_exception_type(ValueError), stop=stop_after_attempt(5)),
        breaker=Breaker(),
        bulkhead=Bulkhead(limit=1),
    )
    if kind == "circuit_open":
        harness.boundary.breaker.open()
    elif kind == "bulkhead_full":
        harness.boundary.bulkhead.try_take()
    else:
        harness.boundary.mode = "off"
    assert harness.fails().failure.kind == kind
    assert harness.calls == 0


@pytest.mark.parametrize("setting", ["wait", "stop", "on"])
def test_a_broken_policy_object_stays_inside(scenario: Scenario, setting: str) -> None:
    """A `wait`, `stop` or `on` that raises must not replace the component's failure by its own exception."""

    def broken(_: object) -> Any:
        raise RuntimeError("SECRET-PROMPT")

    settings: dict[str, Any] = {setting: broken}
    harness = scenario(DOWN, "ok", retry=Retry(**settings))
    error = harness.fails()
    assert error.failure.kind is FailureKind.CONNECTION
    assert harness.calls == 1


@pytest.mark.parametrize("wait", [float("inf"), None, "soon", 1e308])
def test_a_wait_that_is_no_time_is_no_attempt(scenario: Scenario, clock: VirtualClock, wait: Any) -> None:
    """A `wait` that answers no time ends the call with the component's failure, not in an endless or a wild wait."""
    harness = scenario(DOWN, "never", retry=Retry(wait=lambda _: wait))
    error = harness.fails()
    assert error.failure.kind is FailureKind.CONNECTION
    assert clock.elapsed == 0.0


# --- reask × retry


def test_reasks_and_retries_are_counted_apart(scenario: Scenario) -> None:
    """Two failures and two invalid answers fit three attempts and two further questions."""
    script = [DOWN, "nonsense", DOWN, "nonsense", "7"]
    harness = scenario(*script, output=int, retry=AT_ONCE, reask=2, retry_budget=None)
    outcome = harness.outcome()
    assert outcome.value == (None if harness.is_stream else 7)  # a stream's items have left already
    assert reasons(outcome) == ["initial", "retry", "reask", "retry", "reask"]
    assert kinds(outcome) == ["connection", "malformed_output", "connection", "malformed_output", None]


def test_a_retry_is_no_reask(scenario: Scenario) -> None:
    """Without `reask` an invalid answer ends the call, however many attempts are allowed."""
    harness = scenario("nonsense", "7", output=int, retry=Retry(attempts=5))
    assert isinstance(harness.fails(), InvalidOutputError)
    assert harness.calls == 1


def test_a_reask_is_no_retry(scenario: Scenario) -> None:
    """Without `retry` a failure ends the call, however often one may ask again."""
    harness = scenario(DOWN, "7", output=int, reask=5)
    assert isinstance(harness.fails(), ComponentError)
    assert harness.calls == 1


def test_a_reask_has_an_end(scenario: Scenario) -> None:
    """After the last question the last breach leaves."""
    harness = scenario(*repeat("nonsense", 9), output=int, reask=2)
    error = harness.fails()
    assert isinstance(error, InvalidOutputError)
    assert harness.calls == 3
    assert error.outcome is not None
    assert reasons(error.outcome) == ["initial", "reask", "reask"]


def test_a_reask_needs_time(scenario: Scenario) -> None:
    """Nobody asks again at the deadline."""
    harness = scenario(*repeat(Takes(0.6, "nonsense"), 9), output=int, reask=9, deadline=1.0)
    error = harness.fails()
    assert harness.calls == 2
    assert error.failure.kind in {FailureKind.TIMEOUT, FailureKind.MALFORMED_OUTPUT}


# --- breaker × output


def test_an_invalid_answer_never_opens_the_breaker(scenario: Scenario) -> None:
    """The breaker watches the provider's health: an answer came, so it is well."""
    harness = scenario(*repeat("nonsense", 20), output=int, breaker=Breaker(minimum_calls=1))
    for _ in range(20):
        assert isinstance(harness.fails(), InvalidOutputError)
    assert harness.boundary.breaker.current_state == "closed"
    assert harness.boundary.breaker.fail_counter == 0


def test_an_invalid_answer_is_a_good_probe(scenario: Scenario, clock: VirtualClock) -> None:
    """The provider answers again: the breaker closes, whatever the contract thinks of the answer."""
    harness = scenario(DOWN, "nonsense", output=int, breaker=Breaker(minimum_calls=1, open_for=1.0, probes=1))
    harness.fails()
    clock.advance(1.0)
    assert isinstance(harness.fails(), InvalidOutputError)
    assert harness.boundary.breaker.current_state == "closed"


# --- breaker × attempt timeout, deadline


def test_our_timeouts_open_the_breaker(scenario: Scenario) -> None:
    """A component that keeps hanging is as ill as one that keeps failing."""
    harness = scenario(*repeat(Takes(5.0), 4), deadline=2.0, attempt_timeout=1.0, breaker=Breaker(minimum_calls=4))
    for _ in range(4):
        harness.fails()
    assert harness.boundary.breaker.current_state == "open"


def test_a_view_with_less_time_is_neutral(scenario: Scenario) -> None:
    """A timeout that only the caller's own shorter deadline caused says nothing of the component."""
    harness = scenario(*repeat(Takes(1.0), 3), deadline=10.0, breaker=Breaker(minimum_calls=1))
    harness.guarded = harness.guarded.options(deadline=0.5)
    for _ in range(3):
        assert isinstance(harness.fails(), DeadlineExceededError)
    assert harness.boundary.breaker.current_state == "closed"


def test_an_attempt_timeout_counts_under_a_short_deadline_too(scenario: Scenario) -> None:
    """The attempt had all the time that the policy gives one: the caller's shorter deadline did not cut it."""
    harness = scenario(Takes(1.0), deadline=10.0, attempt_timeout=0.2, breaker=Breaker(minimum_calls=1))
    harness.guarded = harness.guarded.options(deadline=0.5)
    assert isinstance(harness.fails(), DeadlineExceededError)
    assert harness.boundary.breaker.current_state == "open"


def test_a_broken_exclusion_stays_inside(scenario: Scenario) -> None:
    """An exclusion of pybreaker's that raises must not replace the component's failure by its own exception."""

    def broken(_: object) -> bool:
        raise RuntimeError("SECRET-PROMPT")

    harness = scenario(DOWN, DOWN, breaker=Breaker(minimum_calls=1))
    harness.boundary.breaker.add_excluded_exception(broken)
    error = harness.fails()
    assert error.failure.kind is FailureKind.CONNECTION
    assert harness.boundary.breaker.current_state == "open"


def test_an_excluded_exception_is_neutral(scenario: Scenario) -> None:
    """What pybreaker's own list excludes is not counted."""
    harness = scenario(*repeat(DOWN, 3), breaker=Breaker(minimum_calls=1))
    harness.boundary.breaker.add_excluded_exception(DOWN)
    for _ in range(3):
        harness.fails()
    assert harness.boundary.breaker.current_state == "closed"


# --- breaker × bulkhead


def test_an_open_breaker_takes_no_permit(scenario: Scenario) -> None:
    """The breaker is asked first: what it turns away never queues."""
    harness = scenario("never", breaker=Breaker(), bulkhead=Bulkhead(limit=1, queue=10))
    harness.boundary.breaker.open()
    assert harness.boundary.bulkhead.try_take()
    assert isinstance(harness.fails(), CircuitOpenError)
    assert harness.boundary.bulkhead.queued == 0


def test_a_probe_turned_away_by_the_bulkhead_gives_its_slot_back(scenario: Scenario, clock: VirtualClock) -> None:
    """A probe that finds no permit is no verdict, and the next call may probe."""
    harness = scenario(DOWN, "ok", breaker=Breaker(minimum_calls=1, open_for=1.0, probes=1), bulkhead=Bulkhead(limit=1))
    harness.fails()
    clock.advance(1.0)
    assert harness.boundary.bulkhead.try_take()
    assert isinstance(harness.fails(), BulkheadFullError)
    harness.boundary.bulkhead.give_back()
    assert harness() == "ok"


# --- bulkhead × output


def test_the_permit_is_back_before_the_answer_is_judged(scenario: Scenario) -> None:
    """Validation is not the component's work: it holds no permit."""
    from aiguard import OutputContract  # noqa: PLC0415

    seen: list[int] = []

    def check(_: int) -> bool:
        seen.append(harness.boundary.bulkhead.in_flight)
        return True

    harness = scenario("7", output=OutputContract(int, checks=[check]), bulkhead=Bulkhead(limit=1))
    assert harness() == 7
    assert seen == ([1] if harness.is_stream else [0])


# --- fallback × everything

CAUSES = [
    pytest.param({}, DOWN, "connection", id="component"),
    pytest.param({"attempt_timeout": 0.5}, Takes(2.0), "timeout", id="attempt-timeout"),
    pytest.param({"deadline": 1.0}, Hang(), "timeout", id="deadline"),
    pytest.param({"output": str}, 7, "schema_violation", id="output"),
    pytest.param({"retry": AT_ONCE}, DOWN, "connection", id="retry"),
    pytest.param({"breaker": Breaker()}, None, "circuit_open", id="breaker"),
    pytest.param({"bulkhead": Bulkhead(limit=1)}, None, "bulkhead_full", id="bulkhead"),
    pytest.param({"bulkhead": Bulkhead(limit=1, queue=1)}, None, "deadline_exhausted", id="queue"),
    pytest.param({"mode": "off"}, None, "halted", id="gate"),
]


def _arranged(harness: Harness, settings: dict[str, Any]) -> Harness:
    if "breaker" in settings:
        harness.boundary.breaker.open()
    if "bulkhead" in settings:
        assert harness.boundary.bulkhead.try_take()
    return harness


@pytest.mark.parametrize(("settings", "step", "kind"), CAUSES)
@pytest.mark.parametrize("rung", ["value", "callable", "second"])
def test_the_ladder_answers_for_every_stage(
    scenario: Scenario, settings: dict[str, Any], step: Any, kind: str, rung: str
) -> None:
    """Whatever ended the component's side, a rung answers, and the outcome tells why."""
    told: list[Failure] = []

    def rules(*_: object, failure: Failure) -> str:
        told.append(failure)
        if rung == "second":
            raise LookupError("SECRET-PROMPT")
        return "rung"

    ladder: list[Any] = ["rung"] if rung == "value" else [rules] if rung == "callable" else [rules, "rung"]
    harness = _arranged(scenario(*repeat(step, 3), **settings, fallback=ladder), settings)
    outcome = harness.outcome()
    late = harness.inline and type(step) is Hang  # it could not be interrupted: no time is left for a callable
    assert outcome.ok is not (late and rung == "callable")
    if outcome.ok:
        assert outcome.value == (None if harness.is_stream else "rung")  # a stream's items have left already
        assert outcome.source == "fallback"
        assert outcome.rung == ("rules" if rung == "callable" else "value")
    assert outcome.failure is not None
    assert outcome.failure.kind == kind
    assert [one.kind for one in told] == ([] if rung == "value" or late else [kind])


@pytest.mark.parametrize(("settings", "step", "kind"), CAUSES)
def test_without_an_answer_the_cause_leaves(scenario: Scenario, settings: dict[str, Any], step: Any, kind: str) -> None:
    """Where no rung answers either, the caller gets what the component's side failed with, not the rungs' trouble."""

    def broken(*_: object) -> str:
        raise LookupError("SECRET-PROMPT")

    harness = _arranged(scenario(*repeat(step, 3), **settings, fallback=[broken, broken]), settings)
    error = harness.fails()
    assert error.failure.kind == kind
    assert "SECRET" not in str(error)


def test_a_rung_is_not_retried_and_not_counted(scenario: Scenario) -> None:
    """A rung is asked once, outside retry, breaker and bulkhead."""
    asked: list[int] = []

    def broken(*_: object) -> str:
        asked.append(harness.boundary.bulkhead.in_flight)
        raise ConnectionError

    harness = scenario(
        DOWN, DOWN, DOWN, fallback=[broken, "floor"], retry=AT_ONCE, breaker=Breaker(), bulkhead=Bulkhead(limit=1)
    )
    assert harness() == "floor"
    assert asked == [0]
    assert harness.boundary.breaker.fail_counter == 3


@only_interruptible
def test_time_is_held_back_for_callable_rungs(scenario: Scenario, clock: VirtualClock) -> None:
    """The component is cut early enough for a callable rung to answer; for a value nothing is held back."""

    def rules(*_: object) -> str:
        return f"at {clock.elapsed:g}"

    assert scenario(Hang(), deadline=10.0, fallback=[rules])() == "at 9"
    before = clock.elapsed
    scenario(Hang(), name="floor", deadline=10.0, fallback=["floor"])()
    assert clock.elapsed - before == pytest.approx(10.0)
    before = clock.elapsed
    scenario(Hang(), name="more", deadline=10.0, fallback=[rules], fallback_timeout=4.0)()
    assert clock.elapsed - before == pytest.approx(6.0)


@only_interruptible
def test_a_hung_rung_does_not_starve_the_next(scenario: Scenario, clock: VirtualClock) -> None:
    """Two callable rungs share what is left: the second one has its half although the first one hangs."""

    def hangs(*_: object) -> str:
        clock.hang()
        return "late"

    def rules(*_: object) -> str:
        return "rules"

    harness = scenario(Hang(), deadline=10.0, fallback=[hangs, rules])
    outcome = harness.outcome()
    assert outcome.rung == "rules"
    assert clock.elapsed <= 10.0


@only_interruptible
@pytest.mark.parametrize("rung", ["value", "callable"])
def test_the_ladder_answers_while_every_thread_hangs(scenario: Scenario, rung: str) -> None:
    """The floor never fails, and rungs have threads of their own: the component's may all hang."""
    ladder: list[Any] = ["rung"] if rung == "value" else [lambda *_: "rung"]
    harness = scenario(*repeat(Hang(), 3), deadline=1.0, bulkhead=Bulkhead(limit=1), fallback=ladder)
    assert [harness() for _ in range(3)] == ["rung"] * 3


def test_a_quick_failure_leaves_the_rungs_all_the_time(scenario: Scenario, clock: VirtualClock) -> None:
    """`fallback_timeout` is the least that is held back: rungs get all that is left."""

    def rules(*_: object) -> str:
        clock.sleep(7.0)
        return "rules"

    assert scenario(DOWN, deadline=10.0, fallback=[rules], fallback_timeout=1.0)() == "rules"


def test_a_rung_that_breaks_the_contract_is_passed_over(scenario: Scenario) -> None:
    """A computed answer is held to the same contract; the next rung answers where it breaks it."""

    def wrong(*_: object) -> str:
        return "SECRET-ANSWER"

    def right(*_: object) -> int:
        return 7

    outcome = scenario(DOWN, output=int, fallback=[wrong, right, 9]).outcome()
    assert outcome.rung == "right"


# --- gate × everything


def test_the_gate_is_asked_before_anything_else(scenario: Scenario) -> None:
    """A halted boundary calls nothing, takes nothing, counts nothing."""
    harness = scenario(
        "never", mode="off", breaker=Breaker(), bulkhead=Bulkhead(limit=1), retry=Retry(attempts=3), output=str
    )
    error = harness.fails()
    assert isinstance(error, HaltedError)
    assert error.outcome is not None
    assert error.outcome.attempts == ()
    assert harness.calls == 0


def test_ai_rungs_are_skipped_when_halted(scenario: Scenario, clock: VirtualClock) -> None:
    """Who halts a boundary wants no AI to answer in its place: guarded functions and `ai=True` are passed over."""
    del clock

    @guard("smaller", deadline=1.0, isolation="inline")
    def smaller(*_: object) -> str:
        return "smaller"

    def ai(*_: object) -> str:
        return "ai"

    def rules(*_: object) -> str:
        return "rules"

    outcome = scenario("never", mode="off", fallback=[smaller, Rung(ai, ai=True), rules, "floor"]).outcome()
    assert outcome.rung == "rules"
    outcome = scenario(DOWN, name="ill", fallback=[smaller, rules]).outcome()
    assert outcome.rung == "smaller"


def test_what_is_halted_meanwhile_does_not_leave(scenario: Scenario) -> None:
    """A boundary switched off while a call is inside keeps the answer in, unless items of it are out already."""
    harness = scenario(Held("ok"), fallback=["floor"])
    held: Any = next(iter(harness.script))
    call = harness.start(held)
    harness.boundary.mode = "off"
    held.let_go.set()
    if harness.is_stream:
        with suppress(BoundaryError):
            call.result()
    else:
        assert call.result() == "floor"


# --- classification × fallback


@pytest.mark.parametrize("status", [400, 401, 404, 408, 409, 413, 422, 429, 500, 502, 503, 504, 529])
def test_every_status_reaches_the_ladder(scenario: Scenario, status: int) -> None:
    """Whatever a provider answers with, a floor answers the caller."""
    assert scenario(HttpError(status), fallback=["floor"])() == "floor"
