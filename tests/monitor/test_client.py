"""Asking every process of a directory."""

from __future__ import annotations

import json
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from aiguard.monitor import client
from aiguard.monitor.client import Silent, states, traces
from aiguard.monitor.directory import made, sockets_in
from aiguard.state_directory import UnusableError
from tests.monitor.incident import Incident

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from aiguard.testing import VirtualClock


class Process:
    """Something that listens where a process of aiguard would, and says the same to everybody."""

    def __init__(self, path: Path, said: bytes | None) -> None:
        self.heard: list[bytes] = []
        self._said = said
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()
        self._let_go = threading.Event()
        self._thread = threading.Thread(target=self._answer)
        self._thread.start()

    def _answer(self) -> None:
        peer, _ = self._listening.accept()
        with peer:
            if self._said is None:
                self._let_go.wait(30.0)
                return
            self.heard.append(peer.recv(4096))
            peer.sendall(self._said)

    def end(self) -> None:
        """Let everybody go."""
        self._let_go.set()
        self._thread.join(30.0)
        self._listening.close()


@pytest.fixture
def processes(state: Path) -> Iterator[dict[int, Process]]:
    """Processes that a test adds; all of them end with it."""
    made(state)
    processes: dict[int, Process] = {}
    yield processes
    for one in processes.values():
        one.end()


def add(processes: dict[int, Process], state: Path, said: bytes | None) -> None:
    """Add a process that says this."""
    pid = 4711 + len(processes)
    processes[pid] = Process(sockets_in(state) / f"{pid}.sock", said)


def test_every_process_is_asked(
    processes: dict[int, Process], state: Path, clock: VirtualClock, tmp_path: Path
) -> None:
    """Each its own socket, and each answer is read whole."""
    incident = Incident(clock, tmp_path)
    for answer in incident.states().answers:
        add(processes, state, json.dumps(answer).encode() + b"\n")
    found = states(state)
    assert [answer["process"]["pid"] for answer in found.answers] == [4711, 4712]
    assert found.silent == ()
    assert json.loads(processes[4711].heard[0]) == {"want": "state"}


def test_a_trace_asks_for_what_is_wanted(
    processes: dict[int, Process], state: Path, clock: VirtualClock, tmp_path: Path
) -> None:
    """The process sends no more than that."""
    [first, _] = Incident(clock, tmp_path).traces().answers
    add(processes, state, json.dumps(first).encode() + b"\n")
    found = traces(state, boundary="embed", last=5, failed=True)
    assert found.answers == (first,)
    assert json.loads(processes[4711].heard[0]) == {"want": "trace", "boundary": "embed", "last": 5, "failed": True}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b"", "it hung up"),
        (b"garbage\n", "its answer is not one of aiguard's"),
        (b"\xff\n", "its answer is not one of aiguard's"),
        (b"[]\n", "its answer is not one of aiguard's"),
        (b'{"version": 1}\n', "its answer is not one of aiguard's"),
        (b"[" * 60_000 + b"\n", "its answer is not one of aiguard's"),
        (b'{"version": 2}\n', "it answers in version 2, and this aiguard reads 1"),
        (b'{"version": 1, "error": "no such question"}\n', "it answers: no such question"),
    ],
)
def test_what_cannot_be_read_is_told(processes: dict[int, Process], state: Path, said: bytes, why: str) -> None:
    """Of the process that said it; the others are read all the same."""
    add(processes, state, said)
    found = states(state)
    assert (found.answers, found.silent) == ((), (Silent(4711, why),))


def test_a_process_that_hangs_does_not_hang_the_others(
    processes: dict[int, Process],
    state: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: VirtualClock,
    tmp_path: Path,
) -> None:
    """It is stopped, or in a debugger."""
    monkeypatch.setattr(client, "PATIENCE", 0.2)
    add(processes, state, None)
    add(processes, state, json.dumps(Incident(clock, tmp_path).states().answers[0]).encode() + b"\n")
    found = states(state)
    assert found.silent == (Silent(4711, "no answer within 0.2 s"),)
    assert len(found.answers) == 1


def test_an_answer_without_an_end_is_cut(
    processes: dict[int, Process], state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would fill the memory of who asks."""
    monkeypatch.setattr(client, "LARGEST", 1000)
    add(processes, state, b"x" * 5000)
    assert states(state).silent == (Silent(4711, "its answer has no end"),)


def test_a_process_that_was_killed_is_not_there(state: Path) -> None:
    """Its socket is taken away, and nothing is said of it."""
    path = made(state) / "4711.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    found = states(state)
    assert (found.answers, found.silent) == ((), ())
    assert not path.exists()


def test_what_is_no_socket_is_no_process(state: Path) -> None:
    """It is left where it is."""
    path = made(state) / "4711.sock"
    path.touch()
    assert (states(state).answers, states(state).silent) == ((), ())
    assert path.exists()


def test_where_there_is_no_directory_there_is_no_process(state: Path) -> None:
    """To look makes none."""
    assert states(state / "nowhere").answers == ()
    assert not (state / "nowhere").exists()


def test_a_directory_that_others_may_write_to_is_not_read(state: Path) -> None:
    """Anybody could answer there."""
    made(state).chmod(0o777)
    with pytest.raises(UnusableError, match="may be written to by others"):
        states(state)
