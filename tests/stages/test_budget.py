"""The budget: the ledger against a list of everything, from many threads, and the stage alone."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from aiguard import Budget, BudgetExhaustedError, FailureKind, Usage
from aiguard.stages.budget import NOTHING, SLICES, BudgetStage, Ledger, Reservation
from aiguard.stages.metering import CALL, Meter
from tests.stages.fakes import Rest, call_for, failing, run

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call
    from aiguard.testing import VirtualClock


def calls(count: int) -> tuple[int, ...]:
    """Return so many calls, and nothing of the other units."""
    return (count, *NOTHING[1:])


@dataclass
class Booking:
    """What the model remembers of one reservation, or of what was spent beyond one."""

    amount: int
    moment: float
    width: float
    until: float | None = None


limits = st.integers(1, 8)
windows = st.sampled_from([15.0, 60.0, 120.0])


class LedgerMachine(RuleBasedStateMachine):
    """
    Attempts reserve, wait, begin, settle or die, in any order, and time passes.

    The model is a list of every booking. The ledger must count what the window holds, and may count what left it less
    than one slice ago: in between it is free.
    """

    @initialize(unit=st.sampled_from(["calls", "tokens", "usd"]), limit=limits, per=windows)
    def declare(self, unit: str, limit: int, per: float) -> None:
        self.unit = unit
        self.ledger = Ledger(self.settle_on(limit, per))
        self.now = 1000.0
        self.must: list[Booking] = []
        self.may: list[Booking] = []
        self.open: dict[Reservation, Booking] = {}

    # --- the model

    def settle_on(self, limit: int, per: float) -> Budget:
        self.limit, self.per = limit, per
        limits: dict[str, Any] = {self.unit: limit * (1e-6 if self.unit == "usd" else 1)}
        return Budget(**limits, per=per)

    def amounts(self, count: int) -> tuple[int, ...]:
        return {"calls": (count, 0, 0), "tokens": (0, count, 0), "usd": (0, 0, 1000 * count)}[self.unit]

    def book(self, booking: Booking) -> Booking:
        booking.moment, booking.width = self.now, self.per / 60
        self.must.append(booking)
        self.may.append(booking)
        return booking

    def look(self) -> None:
        """Forget what the ledger may have forgotten, and what it must have, as of now."""
        now, per = self.now, self.per
        self.must = [one for one in self.must if one.until is not None or one.moment >= now - per]
        self.may = [one for one in self.may if one.until is not None or one.moment + one.width + per > now]

    def held(self, bookings: list[Booking], now: float) -> int:
        """Return what is booked, and what is held for those who may still be waiting."""
        return sum(one.amount for one in bookings if one.until is None or one.until > now)

    # --- what happens

    @rule(eighths=st.one_of(st.integers(1, 16), st.integers(1, 1200)))
    def time_passes(self, eighths: int) -> None:
        self.now += eighths / 8
        # what left the window is forgotten for the lower bound, whether or not the ledger has looked
        self.must = [one for one in self.must if one.until is not None or one.moment >= self.now - self.per]

    @rule(amount=st.integers(1, 3))
    def reserve(self, amount: int) -> None:
        self.look()
        limit = self.limit
        try:
            reservation = self.ledger.reserve(self.amounts(amount), self.now)
        except BudgetExhaustedError as refused:
            assert self.held(self.may, self.now) + amount > limit, "it may only count what left the window just now"
            self.check_advice(amount, refused.retry_after)
        else:
            assert self.held(self.must, self.now) + amount <= limit, "it has to count what the window holds"
            self.open[reservation] = self.book(Booking(amount, 0.0, 0.0))

    def let_it_look(self) -> None:
        """Reserve nothing: the ledger looks at the clock, and refuses even that where it is overdrawn."""
        with contextlib.suppress(BudgetExhaustedError):
            self.ledger.reserve(NOTHING, self.now)

    def check_advice(self, amount: int, retry_after: float | None) -> None:
        """At the moment it names there is room, and it is not later than one slice after there was room first."""
        limit, per = self.limit, self.per
        waiting = sum(one.amount for one in self.may if one.until is not None and one.until > self.now)
        if retry_after is None:
            assert waiting + amount > limit, "who waits is in the way, or more was asked than there ever is"
            return
        assert retry_after > 0
        then = self.now + retry_after
        still = sum(one.amount for one in self.must if one.until is None and one.moment > then - per)
        assert waiting + still + amount <= limit
        before = then - 1 / 64
        sure = sum(one.amount for one in self.may if one.until is None and one.moment + one.width + per > before)
        assert waiting + sure + amount > limit

    @rule(data=st.data(), seconds=st.integers(0, 40))
    def wait_and_begin(self, data: st.DataObject, seconds: int) -> None:
        if not self.open:
            return
        reservation = data.draw(st.sampled_from(list(self.open)))
        booking = self.open[reservation]
        if booking.until is None:
            booking.until = self.now + seconds
            self.look()
            self.must = [one for one in self.must if one is not booking] + [booking]
            self.may = [one for one in self.may if one is not booking] + [booking]
            reservation.defer(booking.until)
            return
        self.look()
        self.must = [one for one in self.must if one is not booking]
        self.may = [one for one in self.may if one is not booking]
        booking.until = None
        self.book(booking)
        reservation.begin(self.now)

    @rule(data=st.data(), spent=st.integers(0, 4))
    def settle(self, data: st.DataObject, spent: int) -> None:
        if not self.open:
            return
        reservation = data.draw(st.sampled_from(list(self.open)))
        booking = self.open.pop(reservation)
        self.look()
        if booking.until is not None:  # it never began
            self.must = [one for one in self.must if one is not booking]
            self.may = [one for one in self.may if one is not booking]
            beyond = spent
        else:
            beyond = spent - booking.amount
            booking.amount = min(spent, booking.amount)
        if beyond > 0:
            self.book(Booking(beyond, 0.0, 0.0))
        self.ledger.settle(reservation, self.amounts(spent), self.now)

    @rule(data=st.data())
    def die(self, data: st.DataObject) -> None:
        if not self.open:
            return
        del self.open[data.draw(st.sampled_from(list(self.open)))]

    @rule(limit=limits, per=windows)
    def configure(self, limit: int, per: float) -> None:
        self.look()
        self.let_it_look()
        self.ledger.configure(self.settle_on(limit, per))

    @rule()
    def is_small(self) -> None:
        self.let_it_look()
        self.look()
        held = self.held(self.must, self.now), sum(one.amount for one in self.may)
        one = self.amounts(1)
        unit = one.index(max(one))
        assert held[0] * one[unit] <= self.ledger.spent[unit] <= held[1] * one[unit]
        assert len(self.ledger._slices) <= 2 * SLICES + 2


TestLedgerMachine = LedgerMachine.TestCase


def refused(ledger: Ledger, now: float, amounts: tuple[int, ...] = CALL) -> BudgetExhaustedError:
    """Return the refusal of a reservation."""
    with pytest.raises(BudgetExhaustedError) as caught:
        ledger.reserve(amounts, now)
    return caught.value


def test_a_full_window_refuses_and_says_when() -> None:
    """Used, limit and window are named; the first slice is forgotten one slice after the window, none earlier."""
    ledger = Ledger(Budget(calls=3, per=60.0))
    for moment in (0.0, 0.5, 10.0):
        ledger.reserve(CALL, moment)
    error = refused(ledger, 20.0)
    assert str(error) == "budget_exhausted: 3 of 3 calls are spent or reserved in 60 s"
    assert (error.failure.kind, error.failure.stage) == (FailureKind.BUDGET_EXHAUSTED, "budget")
    assert error.retry_after == 41.0
    assert refused(ledger, 60.9).retry_after == pytest.approx(0.1)
    assert ledger.spent == calls(3)
    ledger.reserve(CALL, 61.0)
    ledger.reserve(CALL, 61.0)
    assert refused(ledger, 61.0).retry_after == 10.0
    ledger.reserve(CALL, 71.0)


@pytest.mark.parametrize(
    ("limits", "first", "second", "message"),
    [
        (
            {"tokens": 100},
            (1, 30, 0),
            (1, 80, 0),
            "30 of 100 tokens are spent or reserved in 60 s, and 80 would have to be reserved",
        ),
        ({"tokens": 100}, (1, 100, 0), (1, 80, 0), "100 of 100 tokens are spent or reserved in 60 s"),
        (
            {"usd": 1.5},
            (1, 0, 500_000_000),
            (1, 0, 1_200_000_000),
            "0.5 of 1.5 USD are spent or reserved in 60 s, and 1.2 would have to be reserved",
        ),
        (
            {"usd": 20},
            (1, 0, 10 * 10**9),
            (1, 0, 20 * 10**9),
            "10 of 20 USD are spent or reserved in 60 s, and 20 would have to be reserved",
        ),
        (
            {"usd": 1},
            (1, 0, 1),
            (1, 0, 10**9),
            "0.000000001 of 1 USD are spent or reserved in 60 s, and 1 would have to be reserved",
        ),
    ],
)
def test_the_refusal_names_what_is_short(
    limits: dict[str, Any], first: tuple[int, ...], second: tuple[int, ...], message: str
) -> None:
    """In its own unit; where something is left, how much would have been needed."""
    ledger = Ledger(Budget(per=60.0, **limits))
    ledger.reserve(first, 0.0)
    assert refused(ledger, 0.0, second).failure.message == message


@pytest.mark.parametrize("amounts", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_every_unit_is_forgotten_as_it_was_booked(amounts: tuple[int, ...]) -> None:
    """All that was booked in one slice, and nothing else."""
    ledger = Ledger(Budget(calls=9, tokens=9, usd=1, per=60.0))
    ledger.reserve(amounts, 0.0)
    ledger.reserve(amounts, 0.0)
    ledger.reserve(amounts, 30.0)
    assert ledger.spent == tuple(3 * amount for amount in amounts)
    ledger.reserve(NOTHING, 61.0)
    assert ledger.spent == amounts


def test_the_most_that_one_has_used_is_remembered() -> None:
    """Tokens and money; that it was one call is known."""
    ledger = Ledger(Budget(tokens=100))
    ledger.learn((1, 30, 500))
    ledger.learn((1, 20, 700))
    assert (ledger.largest.tokens, ledger.largest.money) == (30, 700)


def test_what_was_spent_while_it_was_to_wait_counts() -> None:
    """Though nobody has said that it began: all of it, and no more."""
    ledger = Ledger(Budget(calls=5))
    reservation = ledger.reserve(calls(2), 0.0)
    reservation.defer(100.0)
    ledger.settle(reservation, calls(2), 1.0)
    assert ledger.spent == calls(2)


def test_the_limit_itself_may_be_spent() -> None:
    """As many as the budget says, and not one more; more than it ever says has no moment to wait for."""
    ledger = Ledger(Budget(calls=5))
    ledger.reserve(calls(2), 0.0)
    assert refused(ledger, 0.0, calls(4)).retry_after == 61.0
    assert refused(ledger, 0.0, calls(6)).retry_after is None
    ledger.reserve(calls(3), 0.0)
    assert ledger.spent == calls(5)


def test_what_an_attempt_did_not_need_is_free_again() -> None:
    """Less than reserved goes back to the moment it was booked at; once that is forgotten there is nothing to free."""
    ledger = Ledger(Budget(calls=5))
    early, late = ledger.reserve(calls(5), 0.0), None
    ledger.settle(early, calls(2), 30.0)
    assert ledger.spent == calls(2)
    late = ledger.reserve(calls(3), 30.0)
    ledger.reserve(calls(2), 61.0)
    assert ledger.spent == calls(5)
    ledger.settle(late, NOTHING, 200.0)
    assert ledger.spent == calls(0)
    forgotten = ledger.reserve(calls(5), 300.0)
    ledger.reserve(calls(5), 400.0)
    ledger.settle(forgotten, NOTHING, 400.0)
    assert ledger.spent == calls(5)


def test_the_next_ones_pay_for_what_was_spent_beyond_a_reservation() -> None:
    """It is booked when it becomes known, past the limit if need be."""
    ledger = Ledger(Budget(calls=5))
    reservation = ledger.reserve(calls(2), 0.0)
    ledger.settle(reservation, calls(9), 30.0)
    assert ledger.spent == calls(9)
    assert refused(ledger, 61.0).retry_after == 30.0  # the two are gone, the seven are not
    assert ledger.spent == calls(7)
    ledger.reserve(calls(5), 91.0)


def test_what_waits_is_held_and_spent_when_it_begins() -> None:
    """However long it waits, it counts; a window that begins with it sees it."""
    ledger = Ledger(Budget(calls=1, per=6.0))
    reservation = ledger.reserve(CALL, 0.0)
    reservation.defer(100.0)
    assert refused(ledger, 50.0).retry_after is None
    reservation.begin(50.0)
    assert refused(ledger, 56.0).retry_after == pytest.approx(0.1)
    ledger.reserve(CALL, 56.1)


def test_what_is_held_for_a_dead_holder_is_let_go() -> None:
    """A holder that never came back is over at its deadline."""
    ledger = Ledger(Budget(calls=1, per=6.0))
    dead = ledger.reserve(CALL, 0.0)
    dead.defer(10.0)
    refused(ledger, 9.9)
    ledger.reserve(CALL, 10.0)
    assert ledger.spent == calls(1)
    dead.begin(11.0)  # it was not dead after all: it counts, and the next ones pay
    assert ledger.spent == calls(2)
    ledger.settle(dead, NOTHING, 11.0)
    assert ledger.spent == calls(1)


def test_what_is_deferred_after_it_was_forgotten_counts_again() -> None:
    """The window has left its slice behind, and the attempt has not begun yet."""
    ledger = Ledger(Budget(calls=2, per=6.0))
    slow = ledger.reserve(CALL, 0.0)
    ledger.reserve(CALL, 7.0)
    assert ledger.spent == calls(1)
    slow.defer(20.0)
    assert ledger.spent == calls(2)
    slow.begin(8.0)
    assert ledger.spent == calls(2)


def test_what_never_began_is_free_again() -> None:
    """Given back while it waits, and after nobody held it any more."""
    ledger = Ledger(Budget(calls=2, per=6.0))
    waiting, late = ledger.reserve(CALL, 0.0), ledger.reserve(CALL, 0.0)
    waiting.defer(5.0)
    ledger.settle(waiting, NOTHING, 1.0)
    assert ledger.spent == calls(1)
    late.defer(2.0)
    assert ledger.spent == calls(1)
    ledger.reserve(calls(2), 3.0)
    ledger.settle(late, NOTHING, 3.0)
    assert ledger.spent == calls(2)


def test_a_reload_keeps_what_is_spent() -> None:
    """Under a lower limit nothing is free until enough is forgotten; a longer window remembers longer."""
    ledger = Ledger(Budget(calls=4, per=60.0))
    ledger.reserve(calls(4), 0.0)
    ledger.configure(Budget(calls=2, per=120.0))
    assert ledger.spent == calls(4)
    error = refused(ledger, 100.0)
    assert error.retry_after == 21.0
    assert error.failure.message == "4 of 2 calls are spent or reserved in 120 s"
    ledger.reserve(CALL, 121.0)
    assert ledger.spent == calls(1)


def test_a_shorter_window_begins_a_shorter_slice() -> None:
    """What was booked into a slice of an hour's window does not stay for a minute under a window of a second."""
    ledger = Ledger(Budget(calls=1, per=3600.0))
    ledger.reserve(CALL, 0.0)
    ledger.configure(Budget(calls=1, per=6.0))
    assert refused(ledger, 1.0).retry_after == pytest.approx(6.1)
    ledger.reserve(CALL, 7.2)
    assert refused(ledger, 7.2).retry_after == pytest.approx(6.1)


@pytest.mark.parametrize("how", ["reserve", "begin", "beyond"])
def test_what_is_booked_as_a_slice_ends_is_not_forgotten_with_it(how: str) -> None:
    """Whatever books it: at the very end of a slice begins the next one."""
    ledger = Ledger(Budget(calls=2, per=60.0))
    first, second = ledger.reserve(CALL, 0.0), None
    if how == "reserve":
        second = ledger.reserve(CALL, 1.0)
    elif how == "begin":
        second = ledger.reserve(CALL, 0.5)
        second.defer(9.0)
        second.begin(1.0)
    else:
        ledger.settle(first, calls(2), 1.0)
    ledger.reserve(CALL, 61.0)
    assert ledger.spent == calls(2)
    assert refused(ledger, 61.0).retry_after == 1.0


def test_a_clock_read_out_of_order_counts() -> None:
    """Who read the clock before another turned the slice is booked with the other, and forgotten no earlier."""
    ledger = Ledger(Budget(calls=2, per=6.0))
    ledger.reserve(CALL, 5.0)
    ledger.reserve(CALL, 4.9)
    refused(ledger, 11.0)
    ledger.reserve(CALL, 11.1)


def test_a_window_too_short_to_slice_still_forgets() -> None:
    """Where a slice is less than the clock can tell apart, each moment has its own."""
    ledger = Ledger(Budget(calls=1, per=1e-300))
    for moment in (1000.0, 1000.5, 1001.0):
        ledger.reserve(CALL, moment)
    assert len(ledger._slices) == 1


def test_a_ledger_does_not_grow_with_traffic() -> None:
    """A million calls over a day are sixty slices and the one under way."""
    ledger = Ledger(Budget(calls=10**9, per=60.0))
    for number in range(20_000):
        ledger.reserve(CALL, number * 0.37)
        assert len(ledger._slices) <= SLICES + 1
    ledger.reserve(CALL, 1e6)
    assert (len(ledger._slices), ledger.spent) == (1, calls(1))


def test_a_fork_keeps_what_is_spent_and_forgets_who_waits() -> None:
    """What the parent's calls wait for is spent there, if at all."""
    ledger = Ledger(Budget(calls=3))
    ledger.reserve(CALL, 0.0)
    ledger.reserve(CALL, 0.0).defer(100.0)
    before = ledger._lock
    before.acquire()  # some thread of the parent holds it at the moment of the fork
    ledger.forked()
    assert ledger.spent == calls(1)
    ledger.reserve(calls(2), 1.0)


def test_threads_never_overspend() -> None:
    """Eight threads that reserve, wait and give back at once spend exactly what there is."""
    ledger = Ledger(Budget(calls=500, per=60.0))
    spent: list[int] = []

    def spend() -> None:
        for number in range(200):
            try:
                reservation = ledger.reserve(CALL, 0.0)
            except BudgetExhaustedError:
                return
            if number % 3 == 0:
                ledger.settle(reservation, NOTHING, 0.0)
                continue
            if number % 3 == 1:
                reservation.defer(10.0)
                reservation.begin(1.0)
            spent.append(1)

    threads = [threading.Thread(target=spend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(spent) == 500
    assert ledger.spent == calls(500)


# --- the stage


def begins(then: Any = "ok") -> Callable[[Call], Any]:
    """Return an attempt that begins, then ends as it is told."""

    def attempt(call: Call) -> Any:
        call.run.started = call.clock.now()
        return then

    return attempt


@pytest.mark.parametrize(
    ("ending", "began", "spent"),
    [
        pytest.param(None, True, 1, id="success"),
        pytest.param(failing(FailureKind.SERVER_ERROR), True, 1, id="failure"),
        pytest.param(failing(FailureKind.TIMEOUT, stage="deadline"), True, 1, id="timeout"),
        pytest.param(failing(FailureKind.BULKHEAD_FULL, stage="component"), True, 1, id="inner-boundary"),
        pytest.param(KeyboardInterrupt(), True, 1, id="interrupt"),
        pytest.param(failing(FailureKind.BULKHEAD_FULL, stage="attempt"), True, 0, id="no-worker"),
        pytest.param(failing(FailureKind.CIRCUIT_OPEN, stage="breaker"), False, 0, id="breaker"),
        pytest.param(failing(FailureKind.BULKHEAD_FULL, stage="bulkhead"), False, 0, id="bulkhead"),
        pytest.param(failing(FailureKind.DEADLINE_EXHAUSTED, stage="bulkhead"), False, 0, id="queue"),
        pytest.param(GeneratorExit(), False, 0, id="dropped"),
    ],
)
def test_an_attempt_that_began_is_spent_and_no_other(
    clock: VirtualClock,
    ending: BaseException | None,
    began: bool,  # noqa: FBT001 - a table
    spent: int,
) -> None:
    """However it ended; what was turned away or cancelled before it began is given back."""
    ledger = Ledger(Budget(calls=2))
    rest = Rest(begins(ending) if began else ending)
    with contextlib.nullcontext() if ending is None else pytest.raises(type(ending)):
        run(BudgetStage(ledger), rest, call_for(clock))
    assert ledger.spent == calls(spent)
    assert len(rest.calls) == 1


def test_a_call_beyond_the_budget_never_reaches_the_component(clock: VirtualClock) -> None:
    """It is refused before the rest of the pipeline, until the window has moved on."""
    stage, rest = BudgetStage(Ledger(Budget(calls=1, per=6.0))), Rest(begins())
    run(stage, rest, call_for(clock))
    with pytest.raises(BudgetExhaustedError) as caught:
        run(stage, rest, call_for(clock))
    assert len(rest.calls) == 1
    assert caught.value.retry_after == pytest.approx(6.1)
    clock.advance(6.1)
    run(stage, rest, call_for(clock))


def test_the_reservation_is_there_for_who_makes_the_attempt_wait(clock: VirtualClock) -> None:
    """The run carries it while the attempt lasts."""
    ledger = Ledger(Budget(calls=1, per=6.0))

    def wait(call: Call) -> None:
        assert call.run.reservation is not None
        call.run.reservation.defer(call.deadline)
        clock.advance(8.0)
        call.run.reservation.begin(clock.now())
        call.run.started = clock.now()

    run(BudgetStage(ledger), Rest(wait), call_for(clock, within=10.0))
    assert refused(ledger, clock.now()).retry_after == pytest.approx(6.1)


@pytest.mark.parametrize(
    ("ending", "reported", "counted", "learned"),
    [
        pytest.param(None, 10, 10, 10, id="answer"),
        pytest.param(failing(FailureKind.EMPTY_OUTPUT), 10, 10, 10, id="invalid answer"),
        pytest.param(failing(FailureKind.SERVER_ERROR), 10, 50, 0, id="failure"),
        pytest.param(failing(FailureKind.SERVER_ERROR), 80, 80, 0, id="failure that used more"),
        pytest.param(failing(FailureKind.BULKHEAD_FULL), 0, 0, 0, id="turned away inside"),
        pytest.param(KeyboardInterrupt(), 10, 50, 0, id="interrupt"),
        pytest.param(KeyboardInterrupt(), 80, 80, 0, id="interrupt that used more"),
    ],
)
def test_what_an_attempt_counts_for_and_teaches(
    clock: VirtualClock, ending: BaseException | None, reported: int, counted: int, learned: int
) -> None:
    """What it reported, if it went to its end; else what was set aside, at least. Only the former teaches."""
    budget = Budget(tokens=1000, reserve_tokens=50)
    ledger = Ledger(budget)

    def attempt(call: Call) -> Any:
        call.run.started = call.clock.now()
        call.run.used = [Usage(reported)] if reported else None
        return ending

    with contextlib.nullcontext() if ending is None else pytest.raises(type(ending)):
        run(BudgetStage(ledger, Meter("b", budget, None, ledger.largest)), Rest(attempt), call_for(clock))
    assert ledger.spent == (1, counted, 0)
    assert ledger.largest.tokens == learned
