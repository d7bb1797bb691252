"""The bulkhead: against a reference model, from many threads, and as a stage alone."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from aiguard import Bulkhead, BulkheadFullError, ComponentError, DeadlineExceededError, FailureKind
from aiguard.signals import Expired, Full
from aiguard.stages.bulkhead import BulkheadStage, Permits
from tests.stages.fakes import Rest, call_for, failing, run, runtime_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiguard.call import Call, Queue
    from aiguard.events import Release
    from aiguard.testing import VirtualClock


class Somebody:
    """A waiter; one whose loop is closed cannot be reached."""

    def __init__(self, *, reachable: bool) -> None:
        self.reachable = reachable
        self.woken = 0

    def wake(self) -> bool:
        """Be handed a permit."""
        self.woken += self.reachable
        return self.reachable


class BulkheadMachine(RuleBasedStateMachine):
    """Callers come, wait, give up, and give back, in any order; the model is a number and a list."""

    @initialize(limit=st.integers(1, 3), queue=st.integers(0, 4))
    def declare(self, limit: int, queue: int) -> None:
        self.limit, self.queue = limit, queue
        self.permits = Permits(Bulkhead(limit=limit, queue=queue))
        self.most, self.longest = limit, queue
        self.holding = 0
        self.line: list[Somebody] = []
        self.handed: list[Somebody] = []

    @rule()
    def take(self) -> None:
        free = self.holding + len(self.handed) < self.limit
        assert self.permits.try_take() is free
        self.holding += free

    @rule(reachable=st.booleans())
    def join(self, reachable: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        somebody = Somebody(reachable=reachable)
        if self.holding + len(self.handed) < self.limit:
            assert self.permits.join(somebody) is True
            self.holding += 1
        elif len(self.line) >= self.queue:
            with pytest.raises(Full):
                self.permits.join(somebody)
        else:
            assert self.permits.join(somebody) is False
            self.line.append(somebody)

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def leave_the_line(self, data: st.DataObject) -> None:
        somebody = self.line.pop(data.draw(st.integers(0, len(self.line) - 1)))
        assert self.permits.leave(somebody) is True

    @precondition(lambda self: self.line)
    @rule(data=st.data())
    def lose_the_loop(self, data: st.DataObject) -> None:
        self.line[data.draw(st.integers(0, len(self.line) - 1))].reachable = False

    @precondition(lambda self: self.handed)
    @rule(data=st.data(), late=st.booleans())
    def hear_of_the_permit(self, data: st.DataObject, late: bool) -> None:  # noqa: FBT001 - hypothesis passes by name
        somebody = self.handed.pop(data.draw(st.integers(0, len(self.handed) - 1)))
        self.holding += 1
        if late:  # whoever gave up in the same moment finds that it left no line
            assert self.permits.leave(somebody) is False
            self._give_back()

    @precondition(lambda self: self.holding)
    @rule()
    def give_back(self) -> None:
        self._give_back()

    @rule(limit=st.integers(1, 4), queue=st.integers(0, 4))
    def configure(self, limit: int, queue: int) -> None:
        self.limit, self.queue = limit, queue
        self.permits.configure(Bulkhead(limit=limit, queue=queue))
        while self.line and self.holding + len(self.handed) < limit:
            first = self.line.pop(0)
            assert first.woken == first.reachable, "whoever waits goes in where there is room now"
            self.handed += [first] if first.reachable else []
        self.most = max(limit, self.holding + len(self.handed))
        self.longest = max(queue, len(self.line))

    def _give_back(self) -> None:
        over = self.holding + len(self.handed) > self.limit
        self.holding -= 1
        before = {somebody: somebody.woken for somebody in self.line}
        self.permits.give_back()
        while self.line and not over:  # one over a limit that was lowered goes to nobody
            first = self.line.pop(0)
            if first.reachable:
                assert first.woken == before[first] + 1, "first come, first served"
                self.handed.append(first)
                break
            assert first.woken == 0
        assert all(somebody.woken == 0 for somebody in self.line), "one permit wakes one"

    @invariant()
    def no_permit_is_lost_or_doubled(self) -> None:
        taken = self.holding + len(self.handed)
        self.most = max(self.limit, min(self.most, taken))
        self.longest = max(self.queue, min(self.longest, len(self.line)))
        assert self.permits.in_flight == taken <= self.most
        assert self.permits.queued == len(self.line) <= self.longest
        assert not self.line or taken >= self.limit, "nobody waits while a permit is free"

    def teardown(self) -> None:
        if not hasattr(self, "permits"):
            return
        while self.line:
            assert self.permits.leave(self.line.pop())
        for _ in range(self.holding + len(self.handed)):
            self.permits.give_back()
        assert self.permits.in_flight == 0


BulkheadMachine.TestCase.settings = settings(deadline=None, max_examples=50, stateful_step_count=30)
TestBulkheadMachine = BulkheadMachine.TestCase


class ThreadWaiter:
    """A thread that can be woken."""

    def __init__(self) -> None:
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
    permits.join(Somebody(reachable=True))
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


def test_the_message_of_a_full_bulkhead_says_how_full(clock: VirtualClock) -> None:
    """Limit and queue are named."""
    permits = full(Permits(Bulkhead(limit=4, queue=7)))
    call = call_for(clock)
    runtime_of(call).waiting = refuse
    with pytest.raises(BulkheadFullError, match=r"all 4 permits .* 7 calls wait"):
        run(BulkheadStage(permits), Rest("never"), call)


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
        somebody = Somebody(reachable=True)
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
