"""The bulkhead: against a reference model, from many threads, and as a stage alone."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aiguard import Bulkhead, BulkheadFullError, ComponentError, DeadlineExceededError, FailureKind
from aiguard.priority import CRITICAL, NORMAL, SHEDDABLE
from aiguard.signals import Expired, Full
from aiguard.stages.bulkhead import BulkheadStage, Permits
from tests.stages.fakes import Rest, call_for, failing, later, run, runtime_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call, Queue
    from aiguard.events import Release
    from aiguard.testing import VirtualClock


class Time:
    """Whole seconds that pass when a test says so."""

    now = 0


class Somebody:
    """A waiter; one whose loop is closed cannot be reached."""

    def __init__(
        self, *, priority: int = NORMAL, deadline: float = 1e9, time: type[Time] | Time = Time, reachable: bool = True
    ) -> None:
        self.priority = priority
        self.deadline = deadline
        self.time = time
        self.reachable = reachable
        self.admitted = False
        self.refusal: Exception | None = None
        self.woken = 0

    def left(self) -> float:
        """Return what is left of its time."""
        return self.deadline - self.time.now

    def wake(self) -> bool:
        """Be handed a permit, or a refusal."""
        self.woken += self.reachable
        return self.reachable


@dataclass
class Inside:
    """A call that holds a permit."""

    since: int
    generation: int


bulkheads = st.builds(
    lambda floor, below, above, queue, adapts: Bulkhead(
        limit=floor + below, queue=queue, **({"floor": floor, "ceiling": floor + below + above} if adapts else {})
    ),
    *(st.integers(1, 3), st.integers(0, 3), st.integers(0, 4), st.integers(0, 4), st.booleans()),
)


class BulkheadMachine(RuleBasedStateMachine):
    """
    Callers come, wait, give up, are shed, go in and come out, in any order, and the limit follows.

    The model is written with lists only: who waits in order of arrival, who is inside, how long calls took.
    """

    @initialize(policy=bulkheads, line=st.lists(st.sampled_from([CRITICAL, NORMAL, SHEDDABLE]), max_size=4))
    def declare(self, policy: Bulkhead, line: list[int]) -> None:
        self.policy = policy
        self.permits = Permits(policy)
        self.time = Time()
        self.inside: list[Inside] = []
        self.line: list[Somebody] = []
        self.handed: list[Somebody] = []
        self.took: list[int] = []
        self.exact = float(policy.limit)
        self.generation = 0
        self.shedding = False
        self.most = self.limit
        self.longest = policy.queue
        while self.permits.try_take():  # what is of interest happens where it is crowded
            self.enter()
        for priority in line[: policy.queue]:
            self.line.append(Somebody(priority=priority, deadline=12, time=self.time))
            self.permits.join(self.line[-1])

    # --- the model

    @property
    def adapts(self) -> bool:
        return self.policy.floor is not None

    @property
    def limit(self) -> int:
        return int(self.exact)

    @property
    def taken(self) -> int:
        return len(self.inside) + len(self.handed)

    @property
    def quickest(self) -> int:
        return min(self.took[-64:], default=0)

    def enter(self) -> None:
        self.inside.append(Inside(self.time.now, self.generation))

    def serve(self) -> None:
        """Let in who may go in; whoever was not to be woken was not."""
        woken = []
        while self.line and self.taken < self.limit:
            first = min(self.line, key=lambda waiter: waiter.priority)
            self.line.remove(first)
            if first.left() < self.quickest:
                assert isinstance(first.refusal, Expired)
                assert not first.admitted
                woken.append(first)
            elif first.reachable:
                assert first.admitted
                assert first.refusal is None
                self.handed.append(first)
                woken.append(first)
            else:
                assert not first.admitted
        assert all(waiter.woken == waiter.reachable for waiter in woken), "each is woken once"
        assert not any(waiter.woken or waiter.admitted or waiter.refusal for waiter in self.line), "nobody else is"
        if self.taken < self.limit:
            self.shedding = False

    # --- what happens

    @rule(seconds=st.integers(1, 5))
    def time_passes(self, seconds: int) -> None:
        self.time.now += seconds

    @rule()
    def take(self) -> None:
        free = self.taken < self.limit
        assert self.permits.try_take() is free
        if free:
            self.enter()

    @rule(priority=st.sampled_from([CRITICAL, NORMAL, SHEDDABLE]), ttl=st.integers(0, 12), reachable=st.booleans())
    def join(self, priority: int, ttl: int, reachable: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        deadline = self.time.now + ttl
        somebody = Somebody(priority=priority, deadline=deadline, time=self.time, reachable=reachable)
        lower = [waiter for waiter in self.line if waiter.priority > priority]
        if self.taken < self.limit:
            assert self.permits.join(somebody) is True
            self.enter()
        elif ttl <= self.quickest:
            with pytest.raises(Expired):
                self.permits.join(somebody)
        elif self.shedding and priority == SHEDDABLE:
            with pytest.raises(Full, match="sheddable"):
                self.permits.join(somebody)
        elif len(self.line) >= self.policy.queue and not lower:
            reason = f"{len(self.line)} of" if self.policy.queue else "there is no queue"
            with pytest.raises(Full, match=rf"all permits are taken \(limit: {self.limit}\), and {reason}"):
                self.permits.join(somebody)
        else:
            full = len(self.line) >= self.policy.queue
            assert self.permits.join(somebody) is False
            if full:
                lowest = max(waiter.priority for waiter in lower)
                displaced = [waiter for waiter in lower if waiter.priority == lowest][-1]
                self.line.remove(displaced)
                assert displaced.woken == displaced.reachable
                assert not displaced.admitted
                assert "higher priority" in str(displaced.refusal)
            self.line.append(somebody)
        assert not any(waiter.woken for waiter in self.line)

    @rule(data=st.data())
    def leave_the_line(self, data: st.DataObject) -> None:
        if not self.line:
            return
        somebody = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        self.permits.leave(somebody)
        self.permits.leave(somebody)  # whoever is out has nothing to give back
        assert not somebody.woken

    @rule(data=st.data())
    def lose_the_loop(self, data: st.DataObject) -> None:
        if self.line:
            self.line[data.draw(st.integers(0, len(self.line) - 1))].reachable = False

    @rule(data=st.data(), late=st.booleans())
    def hear_of_the_permit(self, data: st.DataObject, late: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        if not self.handed:
            return
        somebody = self.handed.pop(data.draw(st.integers(0, len(self.handed) - 1)))
        if late:  # whoever gives up in the same moment passes the permit on
            self.permits.leave(somebody)
            self.serve()
            self.permits.leave(somebody)  # once
        else:
            self.enter()

    @rule(data=st.data())
    def give_back(self, data: st.DataObject) -> None:
        if not self.inside:
            return
        self.inside.pop(data.draw(st.integers(0, len(self.inside) - 1)))
        self.permits.give_back()
        self.serve()

    @rule(data=st.data(), timed=st.booleans())
    def succeed(self, data: st.DataObject, timed: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        if not self.inside:
            return
        one = self.inside[data.draw(st.integers(0, len(self.inside) - 1))]
        took = self.time.now - one.since
        if timed:
            self.took.append(took)
        if self.adapts and self.taken * 2 >= self.limit:
            self.exact = min(self.policy.ceiling or 0, self.exact + 1 / self.exact)
        self.inside.remove(one)
        self.permits.succeeded(took if timed else None)
        self.serve()

    @rule(data=st.data())
    def run_into_an_overload(self, data: st.DataObject) -> None:
        if not self.inside:
            return
        one = self.inside[data.draw(st.integers(0, len(self.inside) - 1))]
        self.permits.overloaded(one.generation)
        if self.adapts and one.generation == self.generation:
            self.generation += 1
            self.exact = max(float(self.policy.floor or 0), self.limit * 0.75)
            if self.taken > self.limit:
                self.shedding = True
                shed = [waiter for waiter in self.line if waiter.priority == SHEDDABLE]
                assert all(waiter.woken == waiter.reachable and not waiter.admitted for waiter in shed)
                assert all("overloaded" in str(waiter.refusal) for waiter in shed)
                self.line = [waiter for waiter in self.line if waiter not in shed]
        assert not any(waiter.woken for waiter in self.line)

    @rule(policy=bulkheads)
    def configure(self, policy: Bulkhead) -> None:
        adapted, self.policy = self.adapts, policy
        if not self.adapts:
            self.exact = float(policy.limit)
        elif adapted:
            self.exact = max(float(policy.floor or 0), min(self.exact, float(policy.ceiling or 0)))
        else:
            self.exact, self.generation = float(policy.limit), 0
        self.permits.configure(policy)
        self.serve()
        self.most = max(self.limit, self.taken)
        self.longest = max(policy.queue, len(self.line))

    @invariant()
    def no_permit_is_lost_or_doubled(self) -> None:
        if not hasattr(self, "permits"):
            return
        self.most = max(self.limit, min(self.most, self.taken))
        self.longest = max(self.policy.queue, min(self.longest, len(self.line)))
        assert self.permits.limit == self.limit
        assert self.permits.in_flight == self.taken <= self.most
        assert self.permits.queued == len(self.line) <= self.longest
        assert self.permits.quickest == self.quickest
        assert self.permits.until(100.0) == 100.0 - self.quickest
        assert not self.line or self.taken >= self.limit, "nobody waits while a permit is free"

    def teardown(self) -> None:
        if not hasattr(self, "permits"):
            return
        while self.line:
            self.permits.leave(self.line.pop())
        for _ in range(self.taken):
            self.permits.give_back()
        assert (self.permits.in_flight, self.permits.queued) == (0, 0)


TestBulkheadMachine = BulkheadMachine.TestCase
TestBulkheadMachine.settings = settings(deadline=None, max_examples=100, stateful_step_count=50)


def line_of(permits: Permits, *priorities: int) -> list[Somebody]:
    """Return who stands in line, one of each priority."""
    line = [Somebody(priority=priority) for priority in priorities]
    for waiter in line:
        assert permits.join(waiter) is False
    return line


def test_a_higher_limit_lets_in_and_wakes_who_waits() -> None:
    """As many as fit, in their order."""
    permits = full(Permits(Bulkhead(limit=1, queue=3)))
    line = line_of(permits, NORMAL, NORMAL, CRITICAL)
    permits.configure(Bulkhead(limit=3, queue=3))
    assert [(waiter.admitted, waiter.woken) for waiter in line] == [(True, 1), (False, 0), (True, 1)]


def test_who_is_displaced_hears_of_it_at_once() -> None:
    """The youngest sheddable makes room for a normal call, and nobody for a sheddable one."""
    permits = full(Permits(Bulkhead(limit=1, queue=2)))
    old, young = line_of(permits, SHEDDABLE, SHEDDABLE)
    with pytest.raises(Full, match=r"all permits are taken \(limit: 1\), and 2 of 2 places in the queue"):
        permits.join(Somebody(priority=SHEDDABLE))
    line_of(permits, NORMAL)
    assert (old.woken, old.refusal) == (0, None)
    assert young.woken == 1
    assert str(young.refusal) == "the queue is full, and a call of higher priority took this one's place"
    assert permits.queued == 2


def test_sheddable_waiters_are_shed_until_there_is_room_again() -> None:
    """From the fall of the limit below what is inside until a permit is free; at the limit itself nobody is."""
    permits = full(Permits(Bulkhead(limit=4, queue=9, floor=1)))
    permits.give_back()
    assert permits.in_flight == 3
    permits.overloaded(0)  # to three, which is what is inside
    (waits,) = line_of(permits, SHEDDABLE)
    permits.overloaded(1)
    assert (permits.limit, waits.woken) == (2, 1)
    assert isinstance(waits.refusal, Full)
    assert str(waits.refusal) == (
        "the component is overloaded, its limit has fallen to 2, and no sheddable call may wait"
    )
    assert permits._line is None
    with pytest.raises(Full, match="its limit has fallen to 2, and no sheddable call may wait"):
        permits.join(Somebody(priority=SHEDDABLE))
    permits.give_back()  # two are inside of two: still no room
    with pytest.raises(Full, match="no sheddable call may wait"):
        permits.join(Somebody(priority=SHEDDABLE))
    permits.give_back()
    assert permits.try_take()
    line_of(permits, SHEDDABLE)


def test_a_success_makes_room_for_the_sheddable_too() -> None:
    """As any other end of a call, once fewer are inside than may be."""
    permits = full(Permits(Bulkhead(limit=4, queue=9, floor=1)))
    permits.overloaded(0)
    permits.succeeded(None)
    with pytest.raises(Full, match="no sheddable call may wait"):
        permits.join(Somebody(priority=SHEDDABLE))
    permits.succeeded(None)
    assert permits.try_take()
    line_of(permits, SHEDDABLE)


def test_who_leaves_as_it_is_let_in_passes_the_permit_on() -> None:
    """Once, however often it leaves."""
    permits = full(Permits(Bulkhead(limit=1, queue=2)))
    first, second = line_of(permits, NORMAL, NORMAL)
    permits.give_back()
    assert first.admitted
    for _ in range(2):
        permits.leave(first)
        assert (second.admitted, second.woken, permits.in_flight) == (True, 1, 1)


def test_an_empty_line_is_let_go_of() -> None:
    """However it emptied: a bulkhead that has not queued for long is as small as one that never did."""
    permits = full(Permits(Bulkhead(limit=1, queue=9)))
    (left,) = line_of(permits, NORMAL)
    permits.leave(left)
    assert permits._line is None
    line_of(permits, NORMAL)
    permits.give_back()
    assert permits._line is None


def test_who_has_exactly_enough_time_left_is_let_in() -> None:
    """And who has less is passed over, and told."""
    time = Time()
    permits = full(Permits(Bulkhead(limit=1, queue=9)))
    less = Somebody(deadline=9, time=time)
    enough = Somebody(deadline=10, time=time)
    for waiter in (less, enough):
        permits.join(waiter)
    time.now = 6
    permits.succeeded(4.0)
    assert isinstance(less.refusal, Expired)
    assert (less.admitted, less.woken) == (False, 1)
    assert (enough.admitted, enough.woken) == (True, 1)
    assert permits.until(100.0) == 96.0


class ThreadWaiter(Somebody):
    """A thread that can be woken."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.Lock()
        self.lock.acquire()

    def wake(self) -> bool:
        """Let it go on."""
        self.lock.release()
        return True


def test_from_many_threads_no_more_than_the_limit_are_inside() -> None:
    """Eight threads that take, wait and give back at once never exceed the limit and leave nothing behind."""
    permits = Permits(Bulkhead(limit=2, queue=8))
    inside, most = [0], [0]
    counting = threading.Lock()

    def visit() -> None:
        for _ in range(150):
            waiter = ThreadWaiter()
            if not permits.try_take() and not permits.join(waiter):
                assert waiter.lock.acquire(timeout=10)
            with counting:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            with counting:
                inside[0] -= 1
            permits.give_back()

    threads = [threading.Thread(target=visit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (permits.in_flight, permits.queued) == (0, 0)
    assert 1 <= most[0] <= 2


def test_reset_forgets_what_a_parent_process_held() -> None:
    """In a forked child every permit is free."""
    permits = Permits(Bulkhead(limit=1, queue=1))
    permits.try_take()
    permits.join(Somebody())
    permits.reset()
    assert (permits.in_flight, permits.queued) == (0, 0)


# --- the stage


def full(permits: Permits) -> Permits:
    """Return `permits` with all of them taken."""
    while permits.try_take():
        pass
    return permits


def test_the_permit_is_held_while_the_call_is_inside(clock: VirtualClock) -> None:
    """It is taken before the rest of the pipeline and free afterwards."""
    permits = Permits(Bulkhead(limit=2))
    rest = Rest(lambda _: permits.in_flight)
    assert run(BulkheadStage(permits), rest, call_for(clock)) == 1
    assert permits.in_flight == 0


@pytest.mark.parametrize(
    "ending",
    [failing(FailureKind.CONNECTION), KeyboardInterrupt(), SystemExit(), GeneratorExit(), TypeError("misuse")],
    ids=lambda error: type(error).__name__,
)
def test_the_permit_comes_back_whatever_ends_the_call(clock: VirtualClock, ending: BaseException) -> None:
    """A failure, an interrupt or a programmer's error gives it back."""
    permits = Permits(Bulkhead(limit=1))
    with pytest.raises(type(ending)):
        run(BulkheadStage(permits), Rest(ending), call_for(clock))
    assert permits.in_flight == 0


def refuse(_: Queue, __: Call) -> None:
    """Wait in vain: the line is full."""
    raise Full


def expire(_: Queue, __: Call) -> None:
    """Wait in vain: the deadline comes."""
    raise Expired


def interrupt(_: Queue, __: Call) -> None:
    """Be interrupted while waiting."""
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("waiting", "error", "kind"),
    [
        (refuse, BulkheadFullError, FailureKind.BULKHEAD_FULL),
        (expire, DeadlineExceededError, FailureKind.DEADLINE_EXHAUSTED),
    ],
)
def test_waiting_in_vain_is_told_from_a_failure(
    clock: VirtualClock, waiting: Callable[[Queue, Call], None], error: type[Exception], kind: FailureKind
) -> None:
    """A full line is a rejection, a deadline in the line is a deadline; the component is never asked."""
    permits = full(Permits(Bulkhead(limit=1, queue=3)))
    call, rest = call_for(clock), Rest("never")
    runtime_of(call).waiting = waiting
    with pytest.raises(error) as caught:
        run(BulkheadStage(permits), rest, call)
    failure = caught.value.failure  # type: ignore[attr-defined]
    assert (failure.kind, failure.stage) == (kind, "bulkhead")
    assert caught.value.__cause__ is None
    assert not rest.calls
    assert permits.in_flight == 1


def queueing(queue: Queue, call: Call) -> None:
    """Stand in line as the call, and expect to be turned away at once."""
    now = call.clock.now()
    somebody = Somebody(priority=call.journal.priority, deadline=call.deadline - now)
    queue.join(somebody)


def test_the_message_of_a_full_bulkhead_says_how_full(clock: VirtualClock) -> None:
    """Limit and waiters are named."""
    permits = full(Permits(Bulkhead(limit=4, queue=1)))
    permits.join(Somebody())
    call = call_for(clock)
    runtime_of(call).waiting = queueing
    with pytest.raises(BulkheadFullError, match=r"all permits are taken \(limit: 4\), and 1 of 1 places in the queue"):
        run(BulkheadStage(permits), Rest("never"), call)


def test_the_message_of_a_wait_in_vain_says_what_time_there_was(clock: VirtualClock) -> None:
    """Where the deadline has come it says so; before, it names what was left and what the quickest call took."""
    permits = full(Permits(Bulkhead(limit=1, queue=1)))
    permits.succeeded(1.5)
    assert permits.try_take()
    for within, message in (
        (0.5, r"0\.5 s were left .* no call of late took under 1\.5 s"),
        (0.0, "the deadline came while waiting for a permit"),
    ):
        call = call_for(clock, within=within)
        runtime_of(call).waiting = queueing
        with pytest.raises(DeadlineExceededError, match=message):
            run(BulkheadStage(permits), Rest("never"), call)
    assert (permits.in_flight, permits.queued) == (1, 0)


@pytest.mark.parametrize(("late", "enters"), [(9.9, True), (10.0, False), (10.1, False)])
def test_a_permit_that_arrives_after_the_deadline_goes_on(clock: VirtualClock, late: float, enters: bool) -> None:  # noqa: FBT001 - a table
    """However late a thread is woken: at its deadline it begins nothing any more."""
    permits = Permits(Bulkhead(limit=1, queue=1))
    assert permits.try_take()
    call, rest = call_for(clock, within=10.0), Rest("ok")
    runtime_of(call).waiting = lambda *_: clock.advance(late)  # with the permit that is out
    if enters:
        assert run(BulkheadStage(permits), rest, call) == "ok"
    else:
        with pytest.raises(DeadlineExceededError, match="the deadline came"):
            run(BulkheadStage(permits), rest, call)
    assert len(rest.calls) == enters
    assert permits.in_flight == 0


def test_an_interrupt_while_waiting_passes_and_holds_nothing(clock: VirtualClock) -> None:
    """Whoever waits has no permit to give back."""
    permits = full(Permits(Bulkhead(limit=1, queue=1)))
    call = call_for(clock)
    runtime_of(call).waiting = interrupt
    with pytest.raises(KeyboardInterrupt):
        run(BulkheadStage(permits), Rest("never"), call)
    assert permits.in_flight == 1


def test_a_permit_handed_over_in_the_line_is_given_back_once(clock: VirtualClock) -> None:
    """Who waited and was let in gives back one permit, not two."""
    permits = full(Permits(Bulkhead(limit=1, queue=1)))
    call = call_for(clock)

    def wait(queue: Queue, _: Call) -> None:
        somebody = Somebody()
        assert not queue.join(somebody)
        permits.give_back()  # the one inside leaves
        assert somebody.woken == 1

    runtime_of(call).waiting = wait
    assert run(BulkheadStage(permits), Rest(lambda _: permits.in_flight), call) == 1
    assert permits.in_flight == 0


class LeftBehind:
    """A thread that still runs the component."""

    def __init__(self) -> None:
        self.releases: list[Release] = []

    def when_ended(self, release: Release) -> None:
        """Remember what is to be released."""
        self.releases.append(release)


def test_an_abandoned_thread_keeps_the_permit_until_it_ends(clock: VirtualClock) -> None:
    """The caller is free at its deadline, the permit is not."""
    permits = Permits(Bulkhead(limit=1))
    call, thread = call_for(clock), LeftBehind()

    def abandon(inner: Call) -> Any:
        inner.run.abandoned = thread
        return failing(FailureKind.TIMEOUT, stage="deadline")

    with pytest.raises(ComponentError):
        run(BulkheadStage(permits), Rest(abandon), call)
    assert permits.in_flight == 1
    thread.releases.pop()()
    assert permits.in_flight == 0
    assert not thread.releases


# --- what the stage tells the permits


def test_the_quickest_of_the_last_successes_is_known(clock: VirtualClock) -> None:
    """From admission to answer, failures left out; forgotten once 64 others have succeeded."""
    permits = Permits(Bulkhead(limit=1, queue=1))
    stage = BulkheadStage(permits)
    assert permits.quickest == 0.0
    for seconds in (3.0, 2.0, 4.0):
        run(stage, Rest(later(clock, seconds)), call_for(clock))
    assert permits.quickest == 2.0
    with pytest.raises(ComponentError):
        run(stage, Rest(later(clock, 1.0, failing(FailureKind.CONNECTION))), call_for(clock))
    assert permits.quickest == 2.0
    for _ in range(62):
        run(stage, Rest(later(clock, 5.0)), call_for(clock))
    assert permits.quickest == 2.0
    run(stage, Rest(later(clock, 5.0)), call_for(clock))
    assert permits.quickest == 4.0
    run(stage, Rest(later(clock, 5.0)), call_for(clock))
    assert permits.quickest == 5.0


def test_the_time_in_the_line_is_not_the_component_s(clock: VirtualClock) -> None:
    """A call is timed from its permit on."""
    permits = full(Permits(Bulkhead(limit=1, queue=1)))
    call = call_for(clock)
    runtime_of(call).waiting = lambda *_: clock.advance(3.0)
    run(BulkheadStage(permits), Rest(later(clock, 2.0)), call)
    assert permits.quickest == 2.0


def test_a_stream_that_was_delivered_is_not_timed(clock: VirtualClock) -> None:
    """It took as long as its consumer did."""
    permits = Permits(Bulkhead(limit=1, queue=1))

    def deliver(call: Call) -> None:
        clock.advance(60.0)
        call.journal.delivered = 3

    run(BulkheadStage(permits), Rest(deliver), call_for(clock))
    assert (permits.quickest, permits.in_flight) == (0.0, 0)


def test_without_a_queue_nothing_is_timed(clock: VirtualClock) -> None:
    """Nobody waits, so nobody needs to know."""
    permits = Permits(Bulkhead(limit=1))
    run(BulkheadStage(permits), Rest(later(clock, 2.0)), call_for(clock))
    assert permits.quickest == 0.0
    assert not permits._took


def test_an_overload_lowers_the_limit_once_a_round(clock: VirtualClock) -> None:
    """Of the calls that were inside together, the first to fail counts; one let in afterwards counts again."""
    permits = Permits(Bulkhead(limit=16, floor=4))
    stage, overloaded = BulkheadStage(permits), failing(FailureKind.OVERLOADED)

    def nested(_: Call) -> Any:
        with pytest.raises(ComponentError):
            run(stage, Rest(overloaded), call_for(clock))
        assert permits.limit == 12
        return overloaded

    with pytest.raises(ComponentError):
        run(stage, Rest(nested), call_for(clock))
    assert permits.limit == 12
    with pytest.raises(ComponentError):
        run(stage, Rest(overloaded), call_for(clock))
    assert (permits.limit, permits.in_flight) == (9, 0)


@pytest.mark.parametrize(
    ("kind", "stage", "shortened", "limit"),
    [
        (FailureKind.TIMEOUT, "attempt", True, 12),
        (FailureKind.TIMEOUT, "deadline", False, 12),
        (FailureKind.TIMEOUT, "deadline", True, 16),
        (FailureKind.CONNECTION, "component", False, 16),
    ],
)
def test_only_an_overload_lowers_the_limit(
    clock: VirtualClock,
    kind: FailureKind,
    stage: str,
    shortened: bool,  # noqa: FBT001 - a table
    limit: int,
) -> None:
    """Another failure does not, nor what only a caller's own deadline cut."""
    permits = Permits(Bulkhead(limit=16, floor=4))
    call = call_for(clock)
    call.journal.shortened = shortened
    with pytest.raises((ComponentError, DeadlineExceededError)):
        run(BulkheadStage(permits), Rest(failing(kind, stage=stage)), call)
    assert (permits.limit, permits.in_flight) == (limit, 0)


def test_success_raises_a_limit_that_is_used(clock: VirtualClock) -> None:
    """A failure that is no overload, and a call that nobody waited for, do not."""
    permits = Permits(Bulkhead(limit=1, ceiling=2))
    with pytest.raises(ComponentError):
        run(BulkheadStage(permits), Rest(failing(FailureKind.CONNECTION)), call_for(clock))
    with pytest.raises(KeyboardInterrupt):
        run(BulkheadStage(permits), Rest(KeyboardInterrupt()), call_for(clock))
    assert permits.limit == 1
    for _ in range(3):
        run(BulkheadStage(permits), Rest("ok"), call_for(clock))
        assert permits.limit == 2
    assert permits.in_flight == 0


def test_a_limit_with_a_ceiling_alone_only_rises() -> None:
    """Where no `floor` is set, it is what it began as."""
    permits = Permits(Bulkhead(limit=4, ceiling=8))
    permits.overloaded(0)
    assert permits.limit == 4


@pytest.mark.parametrize(("limit", "end"), [(4, failing(FailureKind.OVERLOADED)), (1, "ok")])
def test_a_call_let_in_under_a_fixed_limit_teaches_nothing(clock: VirtualClock, limit: int, end: Any) -> None:
    """Though the policy has a limit that adapts by the time it ends."""
    permits = Permits(Bulkhead(limit=limit))

    def reloads(_: Call) -> Any:
        permits.configure(Bulkhead(limit=limit, floor=1, ceiling=8))
        return end

    with contextlib.suppress(ComponentError):
        run(BulkheadStage(permits), Rest(reloads), call_for(clock))
    assert (permits.limit, permits.in_flight) == (limit, 0)


def test_a_fixed_limit_learns_nothing(clock: VirtualClock) -> None:
    """Without `floor` and `ceiling` neither success nor overload moves it."""
    permits = Permits(Bulkhead(limit=4, queue=1))
    for end in ("ok", failing(FailureKind.OVERLOADED)):
        with contextlib.suppress(ComponentError):
            run(BulkheadStage(permits), Rest(end), call_for(clock))
        permits.overloaded(0)
        assert permits.limit == 4


# --- the limit of a new policy


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        ({"limit": 16, "floor": 2}, 9),  # nothing about the limit has changed
        ({"limit": 16, "floor": 2, "queue": 3}, 9),
        ({"limit": 12, "floor": 2}, 9),  # the learned one is inside the new bounds
        ({"limit": 8, "floor": 2}, 8),
        ({"limit": 16, "floor": 10}, 10),
        ({"limit": 4, "floor": 4, "ceiling": 6}, 6),
        ({"limit": 7}, 7),  # it adapts no more
    ],
)
def test_a_reload_keeps_what_was_learned(policy: dict[str, int], limit: int) -> None:
    """Inside the new bounds; a fixed limit is what the policy says."""
    permits = Permits(Bulkhead(limit=16, floor=2))
    permits.overloaded(0)
    permits.overloaded(1)
    assert permits.limit == 9
    permits.configure(Bulkhead(**policy))
    assert permits.limit == limit
    assert permits.queue == policy.get("queue", 0)


def test_a_limit_begins_to_adapt_from_what_the_policy_says() -> None:
    """A reload that gives a fixed limit a floor begins at `limit`."""
    permits = Permits(Bulkhead(limit=3))
    permits.configure(Bulkhead(limit=8, floor=1))
    assert permits.limit == 8
    permits.overloaded(0)
    assert permits.limit == 6


def test_a_bulkhead_taken_away_lets_everybody_in_and_one_set_again_holds() -> None:
    """Whoever waited goes in, past the limit; set again, it has the limit it had, and nobody more goes in."""
    permits = full(Permits(Bulkhead(limit=2, queue=3, floor=1)))
    line = [Somebody() for _ in range(3)]
    for waiter in line:
        permits.join(waiter)
    permits.let_all_in()
    assert [(waiter.admitted, waiter.woken) for waiter in line] == [(True, 1)] * 3
    assert (permits.in_flight, permits.queued) == (5, 0)
    permits.configure(Bulkhead(limit=2, queue=3, floor=1))
    assert permits.limit == 2
    assert not permits.try_take()


def test_a_fork_keeps_what_was_learned() -> None:
    """Limit and times are of the component, not of the calls that the parent process has under way."""
    permits = full(Permits(Bulkhead(limit=4, queue=1, floor=1)))
    permits.succeeded(2.0)
    permits.overloaded(0)
    permits.reset()
    assert (permits.limit, permits.quickest, permits.in_flight) == (3, 2.0, 0)


# --- what is reserved while a call waits


class Reserved:
    """What was set aside for an attempt; remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, float]] = []

    def defer(self, until: float) -> None:
        """Be kept."""
        self.told.append(("defer", until))

    def begin(self, now: float) -> None:
        """Be spent."""
        self.told.append(("begin", now))


def test_a_reservation_is_deferred_while_the_call_waits(clock: VirtualClock) -> None:
    """Until its deadline at most; it is spent at the moment at which the call goes in."""
    permits = full(Permits(Bulkhead(limit=1, queue=1)))
    call, reserved = call_for(clock, within=10.0), Reserved()
    call.run.reservation = reserved
    runtime_of(call).waiting = lambda *_: clock.advance(3.0)
    run(BulkheadStage(permits), Rest(lambda _: None), call)
    assert reserved.told == [("defer", clock.start + 10.0), ("begin", clock.start + 3.0)]


@pytest.mark.parametrize("waiting", [refuse, expire, lambda *_: None])
def test_a_reservation_is_not_spent_by_who_does_not_go_in(
    clock: VirtualClock, waiting: Callable[[Queue, Call], None]
) -> None:
    """Turned away, or let in too late: whoever made the reservation takes it back."""
    permits = full(Permits(Bulkhead(limit=1, queue=1)))
    call, reserved = call_for(clock, within=0.0), Reserved()
    call.run.reservation = reserved
    runtime_of(call).waiting = waiting
    with pytest.raises((BulkheadFullError, DeadlineExceededError)):
        run(BulkheadStage(permits), Rest("never"), call)
    assert reserved.told == [("defer", clock.start)]


def test_who_does_not_wait_defers_nothing(clock: VirtualClock) -> None:
    """A call that finds a permit begins at once."""
    call, reserved = call_for(clock), Reserved()
    call.run.reservation = reserved
    run(BulkheadStage(Permits(Bulkhead(limit=1, queue=1))), Rest("ok"), call)
    assert reserved.told == []
