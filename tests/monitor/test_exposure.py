"""The window of a process, opened by hand and by the environment, in this process and in real others."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
from typing import TYPE_CHECKING, Any

import pytest

import aiguard
from aiguard import PolicyError, guard
from aiguard.engine.observer import OBSERVED
from aiguard.monitor import client
from aiguard.monitor import exposure as module
from aiguard.monitor.client import states
from aiguard.monitor.directory import made, sockets_in
from aiguard.state_directory import UnusableError
from tests.monitor.asking import ask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiguard.monitor.exposure import Exposure
    from aiguard.testing import VirtualClock

PROLOGUE = r"""
import os, sys, threading
import aiguard

@aiguard.guard("echo", owner="anna", deadline=5.0, isolation="inline")
def echo(text):
    return text

def said(word):
    os.write(1, f"{word}\n".encode())  # in one piece: workers speak at once

def wait():
    sys.stdin.readline()
"""


class Program:
    """A real process: it says words on standard output, and goes on when it is told to."""

    def __init__(self, script: str, state: Path, *, environment: bool) -> None:
        known = {name: value for name, value in os.environ.items() if name != "AIGUARD_STATE"}
        self._process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROLOGUE) + textwrap.dedent(script), str(state)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=known | ({"AIGUARD_STATE": str(state)} if environment else {}),
        )

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    def hears(self) -> str:
        """Return the next word it says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def go_on(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """End it as the system does that is out of memory."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait(30)

    def ends(self) -> str:
        """Let it run to its end, and return what it wrote on standard error."""
        _, errors = self._process.communicate("\n\n\n", timeout=60)
        return errors

    def leave(self) -> None:
        """End it, however it is."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate(timeout=30)


@pytest.fixture
def started(state: Path) -> Iterator[Any]:
    """Start programs, and end those that a test leaves behind."""
    programs: list[Program] = []

    def start(script: str, *, environment: bool = False) -> Program:
        programs.append(Program(script, state, environment=environment))
        return programs[-1]

    yield start
    for program in programs:
        program.leave()


def outcomes(state: Path) -> dict[int, dict[str, int]]:
    """Return how the calls of `echo` ended in every process that answers."""
    return {
        answer["process"]["pid"]: boundary["outcomes"]
        for answer in states(state).answers
        for boundary in answer["boundaries"]
        if boundary["name"] == "echo"
    }


def test_a_process_can_be_looked_into(exposure: Exposure, state: Path, clock: VirtualClock) -> None:
    """Its state, its last calls, and a word where it is asked for something else."""
    del clock

    @guard("echo", deadline=1.0, isolation="inline")
    def echo(text: str) -> str:
        return text

    exposure.open(state)
    echo("hello")
    server = exposure.server
    assert server is not None
    assert server.path is not None
    assert ask(server.path, {"want": "state"})["boundaries"][0]["outcomes"] == {"success": 1}
    assert len(ask(server.path, {"want": "trace"})["calls"]) == 1
    assert ask(server.path, {"want": "trace", "boundary": "echo", "failed": True, "last": 3})["calls"] == []
    questions: list[Any] = [
        {"want": "halt"},
        {},
        [],
        7,
        None,
        {"want": "trace", "last": 0},
        {"want": "trace", "last": "all"},
        {"want": "trace", "boundary": 7},
    ]
    for question in questions:
        assert "no question" in ask(server.path, question)["error"]


def test_it_is_opened_once(exposure: Exposure, state: Path) -> None:
    """A second time changes nothing; in another directory it is refused, and the first stays."""
    exposure.open(state)
    server = exposure.server
    exposure.open(state)
    assert exposure.server is server
    with pytest.raises(UnusableError, match="already"):
        exposure.open(state / "other")
    assert not (state / "other").exists()
    exposure.close()
    exposure.close()
    assert OBSERVED.observer is None


def test_what_is_wrong_is_a_policy_error(exposure: Exposure, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the call of `expose`, with what to do."""
    monkeypatch.setattr(module, "EXPOSURE", exposure)
    made(state).chmod(0o777)
    with pytest.raises(PolicyError, match=r"expose: .* may be written to by others: `chmod go-w`"):
        aiguard.expose(state)
    assert exposure.server is None
    assert OBSERVED.observer is None
    sockets_in(state).chmod(0o700)
    aiguard.expose(state)
    aiguard.expose(str(state))
    assert exposure.server is not None


def test_without_unix_sockets_it_is_refused(exposure: Exposure, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system may have none."""
    monkeypatch.delattr(socket, "AF_UNIX")
    with pytest.raises(UnusableError, match="no Unix sockets"):
        exposure.open(state)


def test_the_environment_opens_it_with_the_first_call(started: Any, state: Path) -> None:
    """A program that only imports something leaves nothing in the directory; at its end the socket is gone."""
    program = started(
        """
        said("ready"); wait()
        echo("hello")
        while not any(thread.name == "aiguard-monitor" for thread in threading.enumerate()): pass
        from aiguard.monitor.exposure import EXPOSURE
        while EXPOSURE.server is None: pass
        said("called"); wait()
        """,
        environment=True,
    )
    assert program.hears() == "ready"
    assert not sockets_in(state).exists()
    program.go_on()
    assert program.hears() == "called"
    assert outcomes(state) == {program.pid: {"success": 1}}
    assert program.ends() == ""
    assert list(sockets_in(state).iterdir()) == []


def test_a_bad_directory_in_the_environment_is_one_warning(started: Any, state: Path) -> None:
    """No call is touched by it."""
    made(state).chmod(0o777)
    program = started(
        """
        import logging; logging.basicConfig()
        for number in range(100):
            assert echo(number) == number
        while any(thread.name == "aiguard-monitor" for thread in threading.enumerate()): pass
        assert echo("hello") == "hello"
        from aiguard.engine.observer import OBSERVED
        assert OBSERVED.observer is None
        """,
        environment=True,
    )
    errors = program.ends()
    assert errors.count("\n") == 1
    assert "nobody can look into this process: " in errors
    assert "may be written to by others" in errors


def test_forked_workers_open_their_own(started: Any, state: Path) -> None:
    """Each counts its own calls; the parent's window stays open."""
    program = started(
        """
        aiguard.expose(sys.argv[1])
        echo("parent")
        workers = []
        for number in range(3):
            pid = os.fork()
            if not pid:
                for _ in range(number):
                    echo("child")
                said("forked")
                os.read(0, 1)
                os._exit(0)
            workers.append(pid)
        said(" ".join(map(str, workers)))
        for pid in workers:
            os.waitpid(pid, 0)
        """
    )
    words = [program.hears() for _ in range(4)]
    [numbers] = [word for word in words if word != "forked"]
    workers = [int(number) for number in numbers.split()]
    found = outcomes(state)
    assert found.pop(program.pid) == {"success": 1}
    assert found == {workers[0]: {}, workers[1]: {"success": 1}, workers[2]: {"success": 2}}
    program.ends()
    assert outcomes(state) == {}
    assert list(sockets_in(state).iterdir()) == []  # the workers were not given the time to take theirs away


def test_workers_of_multiprocessing_are_seen_too(started: Any, state: Path) -> None:
    """With the start method `fork`, which takes the window of the parent along."""
    program = started(
        """
        import multiprocessing
        aiguard.expose(sys.argv[1])
        context = multiprocessing.get_context("fork")
        done = context.Event()
        def work(number):
            echo(number); ready.release(); done.wait(30)
        ready = context.Semaphore(0)
        workers = [context.Process(target=work, args=(number,)) for number in range(2)]
        for worker in workers: worker.start()
        for worker in workers: ready.acquire()
        said("ready"); wait(); done.set()
        for worker in workers: worker.join()
        """
    )
    assert program.hears() == "ready"
    assert sorted(map(str, outcomes(state).values())) == ["{'success': 1}", "{'success': 1}", "{}"]
    program.ends()


def test_a_fork_is_safe_while_others_ask(started: Any, state: Path) -> None:
    """A hundred forks while somebody looks on: none hangs, and the parent answers all the time."""
    program = started(
        """
        aiguard.expose(sys.argv[1])
        said("ready")
        for _ in range(100):
            pid = os.fork()
            if not pid:
                os._exit(echo(0))
            assert os.waitpid(pid, 0)[1] == 0
        said("forked"); wait()
        """
    )
    assert program.hears() == "ready"
    answered = 0
    for _ in range(20):
        answered += program.pid in outcomes(state)
    assert answered == 20
    assert program.hears() == "forked"
    assert list(outcomes(state)) == [program.pid]


def test_who_was_killed_leaves_a_socket_that_is_cleared_away(started: Any, state: Path) -> None:
    """By whoever looks next."""
    program = started('aiguard.expose(sys.argv[1]); said("ready"); wait()')
    assert program.hears() == "ready"
    assert list(outcomes(state)) == [program.pid]
    program.kill()
    assert len(list(sockets_in(state).iterdir())) == 1
    found = states(state)
    assert (found.answers, found.silent) == ((), ())
    assert list(sockets_in(state).iterdir()) == []


def test_a_process_that_is_stopped_is_silent(started: Any, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who looks is told so instead of hanging."""
    monkeypatch.setattr(client, "PATIENCE", 0.5)
    program = started('aiguard.expose(sys.argv[1]); said("ready"); wait()')
    assert program.hears() == "ready"
    os.kill(program.pid, signal.SIGSTOP)
    os.waitpid(program.pid, os.WUNTRACED)
    try:
        [silent] = states(state).silent
    finally:
        os.kill(program.pid, signal.SIGCONT)
    assert (silent.pid, silent.why) == (program.pid, "no answer within 0.5 s")
    monkeypatch.undo()
    assert list(outcomes(state)) == [program.pid]


def test_a_child_that_cannot_open_one_goes_on(
    exposure: Exposure, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It says so once, and its calls are as they were."""
    exposure.open(state)
    exposure.before_fork()
    exposure.after_fork_in_parent()
    parents = exposure.server
    assert parents is not None
    parents.stop()
    sockets_in(state).chmod(0o777)
    with caplog.at_level(logging.WARNING, "aiguard"):
        exposure.after_fork_in_child()
    assert exposure.server is None
    assert OBSERVED.observer is None
    [message] = caplog.messages
    assert "may be written to by others" in message


def test_without_a_thread_no_call_is_touched(
    exposure: Exposure,
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    clock: VirtualClock,
) -> None:
    """There are too many, or the interpreter is about to end: one warning, and nothing is left in the directory."""
    del clock

    @guard("echo", deadline=1.0, isolation="inline")
    def echo(text: str) -> str:
        return text

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    exposure.await_first_call()
    with caplog.at_level(logging.WARNING, "aiguard"):
        assert [echo("hello"), echo("hello")] == ["hello", "hello"]
    assert caplog.messages == ["nobody can look into this process: no thread could be started: can't start new thread"]
    with pytest.raises(UnusableError, match="no thread could be started"):
        exposure.open(state)
    assert list(sockets_in(state).iterdir()) == []


def test_a_child_that_was_forked_while_it_was_being_opened_opens_its_own(
    exposure: Exposure, state: Path, monkeypatch: pytest.MonkeyPatch, clock: VirtualClock
) -> None:
    """With its own first call: the thread that was about to do it is its parent's."""
    del clock

    @guard("echo", deadline=1.0, isolation="inline")
    def echo(text: str) -> str:
        return text

    started: list[threading.Thread] = []
    monkeypatch.setattr(threading.Thread, "start", lambda thread: started.append(thread))  # noqa: PLW0108 - a method
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    exposure.await_first_call()
    echo("hello")
    exposure.before_fork()
    exposure.after_fork_in_child()
    monkeypatch.undo()
    monkeypatch.setenv("AIGUARD_STATE", str(state))
    assert exposure.server is None
    echo("hello")
    while exposure.server is None:
        threading.Event().wait(0.01)
    assert list(outcomes(state).values()) == [{"success": 1}]
    assert len(started) == 1


def test_importing_aiguard_opens_nothing() -> None:
    """`import aiguard` alone has neither a socket's code nor a thread, unless the environment asks for it."""
    code = (
        "import sys, threading, aiguard; assert 'aiguard.monitor' not in sys.modules; print(threading.active_count())"
    )
    known = {name: value for name, value in os.environ.items() if name != "AIGUARD_STATE"}
    ended = subprocess.run([sys.executable, "-c", code], env=known, check=True, capture_output=True, text=True)
    assert ended.stdout == "1\n"
