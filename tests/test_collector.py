"""What a collected stream holds is given back, whatever the collector interrupted."""

from __future__ import annotations

import gc
import logging
import os
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import BoundaryError, Breaker, Budget, Bulkhead, collector, guard
from aiguard.stages.circuit import Circuit
from aiguard.stages.permit import Verdict
from aiguard.testing import VirtualClock
from tests.waiting import WAIT, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def frozen() -> Iterator[None]:
    """Leave what is there already out of every collection, and put the collector back afterwards."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)
    gc.enable()


def in_a_thread(work: Callable[[], None]) -> None:
    """Do `work` where a deadlock is a failed test."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(WAIT)
    assert not thread.is_alive(), "it waits for ever"


def collecting(work: Callable[[], None]) -> None:
    """Do `work` inside a run of the collector."""

    class Ends:
        def __del__(self) -> None:
            work()

    ends: Any = Ends()
    ends.itself = ends
    del ends
    gc.collect()


@pytest.mark.usefixtures("frozen")
def test_a_stream_that_is_collected_inside_any_allocation_of_the_next_one_gives_its_permit_back() -> None:
    """The only permit is held by a stream in a cycle; wherever the collector comes by, nobody waits for ever."""

    @guard(
        "endless",
        deadline=0.02,
        isolation="inline",
        bulkhead=Bulkhead(limit=1, queue=5),
        budget=Budget(calls=10**9, per=1e-4),
        stream="passthrough",
    )
    def endless() -> Iterator[int]:
        while True:
            yield 1

    served = []

    def drop_one() -> None:
        stream: Any = endless()
        next(stream)
        cycle: list[Any] = [stream]
        cycle.append(cycle)

    def every_allocation() -> None:
        for after in range(1, 90):
            gc.disable()
            drop_one()
            gc.set_threshold(gc.get_count()[0] + after, 10**6, 10**6)
            gc.enable()
            stream = endless()
            try:
                served.append(next(stream))
            except BoundaryError:
                served.append(0)  # the collector came too late
            gc.disable()
            stream.close()
            gc.collect()

    in_a_thread(every_allocation)
    assert sum(served) > 5  # it came in time for some
    permits = endless.boundary.bulkhead
    assert permits is not None
    until(lambda: permits.in_flight == 0)


@pytest.mark.usefixtures("frozen")
def test_nobody_is_in_a_run_of_the_collector_but_the_thread_that_it_interrupted() -> None:
    """`interrupts` says so there and then, and nowhere else."""
    collector.watch()
    said: list[bool] = []

    def look() -> None:
        said.append(collector.interrupts())
        thread = threading.Thread(target=lambda: said.append(collector.interrupts()))
        thread.start()
        thread.join()

    collecting(look)
    said.append(collector.interrupts())
    assert said == [True, False, False]


@pytest.mark.usefixtures("frozen")
def test_a_lock_is_never_waited_for_where_the_collector_interrupted_its_holder() -> None:
    """It is taken where it is free, waited for elsewhere, and refused only there."""
    collector.watch()
    lock = threading.Lock()
    took: list[bool] = []

    def inside() -> None:
        took.append(collector.take(lock))

    with lock:
        in_a_thread(lambda: collecting(inside))
    collecting(inside)
    lock.release()
    assert took == [False, True]
    with lock:
        waiting = threading.Thread(target=inside, daemon=True)
        waiting.start()
        waiting.join(0.05)
        assert waiting.is_alive()
    waiting.join(WAIT)
    assert took == [False, True, True]
    lock.release()


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.usefixtures("frozen")
def test_a_breaker_that_opens_in_a_run_of_the_collector_tells_it_from_another_thread(*, held: bool) -> None:
    """Who is told has locks of its own; where the breaker's own is held, the call counts a moment later too."""
    collector.watch()
    told: list[int] = []

    class Telling(Circuit):
        def _moved(self, before: str, after: str) -> None:
            assert (before, after) == ("closed", "open")
            told.append(threading.get_ident())

    circuit = Telling(Breaker(minimum_calls=1), VirtualClock())
    permit = circuit.acquire(1.0)
    if held:
        with circuit._counting:
            collecting(lambda: circuit.settle(permit, Verdict.FAILURE))
            assert circuit.is_closed
    else:
        collecting(lambda: circuit.settle(permit, Verdict.FAILURE))
        assert not circuit.is_closed
    until(lambda: bool(told))
    assert told != [threading.get_ident()]
    assert not circuit.is_closed


def test_what_is_due_is_done_in_order_by_another_thread(caplog: pytest.LogCaptureFixture) -> None:
    """What raises is told of, and what comes after it is done all the same."""
    done: list[Any] = []
    collector.afterwards(lambda: done.append(threading.get_ident()))
    with caplog.at_level(logging.WARNING, "aiguard"):
        collector.afterwards(lambda: 1 / 0)
        for number in range(100):
            collector.afterwards(lambda number=number: done.append(number))  # type: ignore[misc]
        until(lambda: len(done) == 101)
    assert done[0] != threading.get_ident()
    assert done[1:] == list(range(100))
    assert "ZeroDivisionError" in caplog.text


def test_more_is_taken_up_after_a_rest() -> None:
    """Each time that something is due after all was done, it is done."""
    for _ in range(50):
        done = threading.Event()
        collector.afterwards(done.set)
        assert done.wait(WAIT)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_process_does_what_its_parent_had_not_done_yet() -> None:
    """The parent's thread is not there: what was due is taken up by one of the child's own."""
    begun, go_on = threading.Event(), threading.Event()
    read, write = os.pipe()

    def linger() -> None:
        begun.set()
        go_on.wait(WAIT)

    collector.afterwards(linger)
    assert begun.wait(WAIT)
    mine = os.getpid()
    collector.afterwards(lambda: os.write(write, b"child") if os.getpid() != mine else None)
    pid = os.fork()
    if pid == 0:
        go_on.wait(WAIT)
        os._exit(1)
    try:
        assert os.read(read, 5) == b"child"
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        go_on.set()
        os.close(read)
        os.close(write)
