"""Worker threads: as many as the limit, counted until they end, never waited for."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from aiguard import remaining
from aiguard.clock import SYSTEM
from aiguard.isolation import thread as module
from aiguard.isolation.thread import DEFAULT_LIMIT, Job, Workers
from aiguard.signals import Full
from tests.waiting import WAIT, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from aiguard.events import Scope

colour: ContextVar[str] = ContextVar("colour", default="none")


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idle workers end soon."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.01)


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """What holds the jobs of a test; opened at its end."""
    event = threading.Event()
    yield event
    event.set()


class Told:
    """A job's caller, who is told when it is done."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def job(self, fn: Callable[..., Any], *args: Any, scope: Scope | None = None, **kwargs: Any) -> Job:
        """Return a job that tells this caller."""
        return Job(fn, args, kwargs, (SYSTEM.now() + 60.0, SYSTEM, None), scope, self.event.set)

    def wait(self) -> None:
        """Wait to be told."""
        assert self.event.wait(WAIT)


def done(workers: Workers, fn: Callable[[], Any]) -> Any:
    """Run `fn` in a worker and return what it returned, or raise what it raised."""
    told = Told()
    job = told.job(fn)
    workers.start(job)
    told.wait()
    return job.result()


# --- jobs


def test_a_job_runs_in_a_daemon_thread_of_the_boundary() -> None:
    """Its name says whose it is, and the interpreter does not wait for it."""
    worker = done(Workers("embed", 1), threading.current_thread)
    assert worker is not threading.main_thread()
    assert (worker.name, worker.daemon) == ("aiguard-embed", True)


def test_the_callers_context_goes_along_and_nothing_comes_back() -> None:
    """Context variables are copied at the call; what the component sets stays with it."""
    workers = Workers("embed", 1)
    token = colour.set("red")
    try:

        def look() -> str:
            seen = colour.get()
            colour.set("blue")
            return seen

        assert done(workers, look) == "red"
        assert done(workers, look) == "red", "the same worker, another context"
        assert colour.get() == "red"
    finally:
        colour.reset(token)
    assert done(workers, colour.get) == "none"


class Entered:
    """A scope that notes which thread entered it."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def enter(self) -> object:
        """Note the thread."""
        self.threads.append(threading.current_thread().name)
        return None

    def leave(self, token: object) -> None:
        """Never be left: the context of a job ends with it."""
        raise AssertionError(token)

    def mark(self) -> object:
        """Never be asked for: that is the breaker's affair."""
        raise AssertionError


def test_deadline_and_span_are_in_force_in_the_worker_alone() -> None:
    """The component sees how long it has, inside its own span; its caller's context stays as it was."""
    workers, told, scope = Workers("embed", 1), Told(), Entered()
    job = told.job(lambda a, *, b: (a, b, remaining()), 1, b=2, scope=scope)
    workers.start(job)
    told.wait()
    a, b, left = job.result()
    assert (a, b) == (1, 2)
    assert 0.0 < left <= 60.0
    assert scope.threads == ["aiguard-embed"]
    assert remaining() is None


@pytest.mark.parametrize(
    "error", [ValueError("no"), StopIteration(3), KeyboardInterrupt(), SystemExit(3), GeneratorExit()], ids=repr
)
def test_what_it_raises_is_carried_to_the_caller(error: BaseException) -> None:
    """Whatever it is, and the worker lives on."""
    workers = Workers("embed", 1)

    def raise_it() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        done(workers, raise_it)
    assert caught.value is error
    assert done(workers, lambda: "ok") == "ok"


def test_a_result_is_raised_once_and_held_by_nobody() -> None:
    """An exception that was handed over is not kept alive by the job."""
    job = Told().job(lambda: None)
    job._error = ValueError()
    with pytest.raises(ValueError, match=r"^$"):
        job.result()
    assert job._error is None


# --- leaving


def test_a_job_that_is_left_is_counted_until_it_ends(gate: threading.Event) -> None:
    """An abandoned thread is alive, busy and counted; what it held is released when it really ends."""
    workers, told, released = Workers("embed", 1), Told(), threading.Event()
    job = told.job(gate.wait)
    workers.start(job)
    assert workers.leave(job) is True
    job.when_ended(released.set)
    assert (workers.alive, workers.busy, workers.abandoned) == (1, 1, 1)
    assert not released.is_set()
    with pytest.raises(Full):
        workers.start(Told().job(lambda: None))
    gate.set()
    assert released.wait(WAIT)
    until(lambda: workers.abandoned == 0)
    assert not told.event.is_set(), "nobody is told who left"


def test_the_late_value_of_a_job_that_was_left_is_dropped(gate: threading.Event) -> None:
    """A late answer, which may be large, is kept by nobody; nor is a late error."""
    workers = Workers("embed", 2)

    def late() -> str:
        gate.wait(WAIT)
        return "late"

    def fail_late() -> None:
        gate.wait(WAIT)
        raise ValueError

    jobs = [Told().job(late), Told().job(fail_late)]
    for job in jobs:
        workers.start(job)
        workers.leave(job)
    gate.set()
    until(lambda: workers.abandoned == 0)
    assert [(job._value, job._error) for job in jobs] == [(None, None), (None, None)]


def test_a_job_that_ended_cannot_be_left() -> None:
    """Whoever leaves too late has a result."""
    workers, told = Workers("embed", 1), Told()
    job = told.job(lambda: "ok")
    workers.start(job)
    told.wait()
    assert workers.leave(job) is False
    assert workers.abandoned == 0
    assert job.result() == "ok"


def test_when_ended_is_called_at_once_for_a_job_that_is_done() -> None:
    """A permit that is handed over after the end is not lost."""
    workers, told = Workers("embed", 1), Told()
    released: list[int] = []
    job = told.job(lambda: None)
    workers.start(job)
    told.wait()
    job.when_ended(lambda: released.append(1))
    assert released == [1]


def test_leaving_and_ending_at_the_same_moment_release_exactly_once() -> None:
    """However the race goes, the caller is told or the job was left, and each permit is given back once."""
    workers = Workers("embed", 4)
    for _ in range(200):
        told, released = Told(), threading.Semaphore(0)
        job = told.job(lambda: None)
        workers.start(job)
        if workers.leave(job):
            job.when_ended(released.release)
            assert released.acquire(timeout=WAIT)
            assert not released.acquire(blocking=False)
            assert not told.event.is_set()
        else:
            told.wait()
    until(lambda: workers.busy == 0)
    assert workers.abandoned == 0
    assert workers.alive <= 4


# --- the crew


def test_as_many_are_alive_as_the_limit(gate: threading.Event) -> None:
    """One more is refused at once, not queued."""
    workers = Workers("embed", 3)
    tolds = [Told() for _ in range(3)]
    for told in tolds:
        workers.start(told.job(gate.wait))
    with pytest.raises(Full):
        workers.start(Told().job(lambda: None))
    assert (workers.alive, workers.busy) == (3, 3)
    gate.set()
    for told in tolds:
        told.wait()
    assert done(workers, lambda: "ok") == "ok"


def test_without_a_bulkhead_there_is_a_limit_all_the_same() -> None:
    """Sixty-four, and the limit is the bulkhead's where there is one."""
    assert Workers("embed", None).limit == DEFAULT_LIMIT == 64
    assert Workers("embed", 3).limit == 3


def test_one_after_another_share_a_worker() -> None:
    """A worker is free again before its caller hears of the result."""
    workers = Workers("embed", 1)
    assert len({done(workers, threading.get_ident) for _ in range(50)}) == 1
    assert workers.alive == 1


def test_idle_workers_end() -> None:
    """After a while without a job a thread gives its memory back, and a new one comes when needed."""
    workers = Workers("embed", 2)
    first = done(workers, threading.current_thread)
    first.join(WAIT)
    assert not first.is_alive()
    until(lambda: workers.alive == 0)
    assert workers.busy == 0
    assert done(workers, lambda: "ok") == "ok"


def test_a_job_that_comes_as_a_worker_retires_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retiring and being handed a job exclude each other."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 0.0)
    workers = Workers("embed", 1)
    for number in range(200):
        try:
            assert done(workers, lambda number=number: number) == number  # type: ignore[misc]
        except Full:  # pragma: no cover - the one worker is on its way out
            until(lambda: workers.alive == 0)
    until(lambda: workers.alive == 0)


def test_a_worker_whose_job_is_on_its_way_does_not_retire() -> None:
    """Between being chosen and being handed the job it stays."""
    workers = Workers("embed", 1)
    worker = done(workers, threading.current_thread)
    workers._idle.clear()  # chosen
    assert workers.retire(worker) is False


def test_a_thread_that_cannot_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no thread left, the count stays right and the error is the system's."""
    workers = Workers("embed", 1)

    def refuse(_: object) -> None:
        message = "can't start new thread"
        raise RuntimeError(message)

    with monkeypatch.context() as patch:
        patch.setattr(module._Worker, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            workers.start(Told().job(lambda: None))
    assert workers.alive == 0
    assert done(workers, lambda: "ok") == "ok"


def test_many_callers_at_once_are_counted_right() -> None:
    """Eight threads that start jobs at once never exceed the limit, and leave no job behind."""
    workers, most, refused, counting = Workers("embed", 3), [0], [0], threading.Lock()
    inside = [0]

    def component() -> None:
        with counting:
            inside[0] += 1
            most[0] = max(most[0], inside[0])
        with counting:
            inside[0] -= 1

    def call() -> None:
        for _ in range(50):
            try:
                done(workers, component)
            except Full:
                with counting:
                    refused[0] += 1

    threads = [threading.Thread(target=call) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    until(lambda: workers.busy == 0)
    assert 1 <= most[0] <= 3
    assert workers.alive <= 3


# --- processes


def run_python(source: str) -> subprocess.CompletedProcess[str]:
    """Run `source` in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_the_interpreter_does_not_wait_for_a_worker() -> None:
    """A component that hangs for ever does not keep the process from ending, abandoned or not."""
    begun = time.monotonic()
    ended = run_python(
        """
        import threading, aiguard

        @aiguard.guard("hang", deadline=0.05)
        def hang():
            threading.Event().wait()

        try:
            hang()
        except aiguard.DeadlineExceededError as error:
            print("late:", error.failure.stage)
        """
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "late: deadline\n", "")
    assert time.monotonic() - begun < 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_process_has_its_own_workers() -> None:
    """The child, whose parent's threads and calls are not there, begins with none, and the parent keeps its own."""
    ended = run_python(
        """
        import os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
        from aiguard import Bulkhead, guard

        begun, gate = threading.Event(), threading.Event()

        @guard("embed", deadline=20.0, bulkhead=Bulkhead(limit=1))
        def component(wait):
            if wait:
                begun.set()
                gate.wait()
            return os.getpid()

        assert component(False) == os.getpid()
        caller = threading.Thread(target=component, args=(True,))
        caller.start()
        assert begun.wait(10)                    # the one worker and the one permit are taken as the process forks
        child = os.fork()
        if child == 0:
            code = 1
            try:
                assert component(False) == os.getpid()
                assert component(False) == os.getpid()
                code = 0
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert component.outcome(False).failure.kind == "bulkhead_full"
        gate.set()
        caller.join()
        assert component(False) == os.getpid()
        print("both")
        """
    )
    assert (ended.stdout, ended.stderr) == ("both\n", "")


def test_a_job_waits_for_a_worker_where_the_crew_queues() -> None:
    """A crew that queues turns nobody away: the job begins when a worker is free, in order."""
    crew = Workers("queue", 1, queues=True)
    gate = threading.Event()
    order: list[str] = []
    first, second, third = Told(), Told(), Told()
    crew.start(first.job(gate.wait))
    crew.start(second.job(lambda: order.append("second")))
    crew.start(third.job(lambda: order.append("third")))
    gate.set()
    for told in (first, second, third):
        told.wait()
    assert order == ["second", "third"]
    assert crew.alive == 1


def test_a_job_that_was_left_before_it_began_never_runs() -> None:
    """Its caller stepped out of the queue: nothing is run for nobody, and nothing counts as abandoned."""
    crew = Workers("queue", 1, queues=True)
    gate = threading.Event()
    ran: list[str] = []
    first, second = Told(), Told()
    crew.start(first.job(gate.wait))
    job = second.job(lambda: ran.append("second"))
    crew.start(job)
    assert crew.leave(job)
    gate.set()
    first.wait()
    assert (ran, crew.abandoned) == ([], 0)
