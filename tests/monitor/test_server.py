"""The socket of a process: real ones, with clients that behave and clients that do not."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from aiguard.monitor import server as module
from aiguard.monitor.directory import sockets_in
from aiguard.monitor.server import CLIENTS, QUESTION, Server
from aiguard.state_directory import UnusableError
from tests.monitor.asking import ask, connected, rest_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server(state: Path) -> Iterator[Server]:
    """A server that gives back what it is asked, and fails where it is asked to."""

    def answer(question: Any) -> Any:
        if question == "fail":
            raise ZeroDivisionError("SECRET-PROMPT")
        if question == "much":
            return ["x" * 1000] * 4000
        return {"asked": question}

    server = Server(state, answer)
    server.open()
    server.start()
    yield server
    server.close()


def path_of(server: Server) -> Path:
    """Return where its socket is."""
    assert server.path is not None
    return server.path


def test_one_line_is_answered_with_one_line(server: Server) -> None:
    """Then it hangs up."""
    with connected(path_of(server)) as asking:
        asking.sendall(b'{"want": 1}\n{"want": 2}\n')
        assert rest_of(asking) == b'{"asked":{"want":1}}\n'


def test_only_its_user_may_ask(server: Server) -> None:
    """The socket is for its owner alone, in a directory for its owner alone, and nothing else is left in it."""
    path = path_of(server)
    assert path.name == f"{os.getpid()}.sock"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert os.listdir(path.parent) == [path.name]  # noqa: PTH208 - names are what is compared


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"garbage\n", {"version": 1, "error": "the question is no JSON"}),
        (b"\xff\xfe\n", {"version": 1, "error": "the question is no JSON"}),
        (b"[" * 4000 + b"\n", {"version": 1, "error": "the question is no JSON"}),
        (b"\n", {"version": 1, "error": "the question is no JSON"}),
        (b'"fail"\n', {"version": 1, "error": "the answer could not be put together: ZeroDivisionError"}),
        (b"x" * QUESTION, None),
        (b"x" * (2 * QUESTION) + b"\n", None),
    ],
)
def test_a_bad_question_harms_nobody(server: Server, sent: bytes, said: Any) -> None:
    """It is refused in a word, or not answered at all where it is too long; the next is answered."""
    with contextlib.suppress(ConnectionError):  # it may have hung up before it was told everything
        assert ask(path_of(server), sent) == said
    assert ask(path_of(server), 7) == {"asked": 7}


def test_who_hangs_up_harms_nobody(server: Server) -> None:
    """Before the question, in it, or before the answer."""
    for sent in (b"", b'{"wa', b'"much"\n'):
        connected(path_of(server)).close()
        with connected(path_of(server)) as asking:
            asking.sendall(sent)
    assert ask(path_of(server), 7) == {"asked": 7}


def test_who_hangs_is_given_up(state: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nobody waits for them meanwhile: neither for who does not ask, nor for who takes no answer."""
    del state
    monkeypatch.setattr(module, "PATIENCE", 0.3)
    with connected(path_of(server)) as silent, connected(path_of(server)) as deaf:
        deaf.sendall(b'"much"\n')
        assert ask(path_of(server), 7) == {"asked": 7}
        assert rest_of(silent) == b""
        threading.Event().wait(0.4)
        with contextlib.suppress(ConnectionError):
            assert not rest_of(deaf).endswith(b"]\n")


def test_a_large_answer_comes_whole(server: Server) -> None:
    """However many pieces it takes."""
    assert len(ask(path_of(server), "much")) == 4000


def test_a_crowd_waits_in_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """More clients than it serves at once are served one after another."""
    monkeypatch.setattr(module, "PATIENCE", 0.5)
    idle = [connected(path_of(server)) for _ in range(CLIENTS)]
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda number=number: answers.append(ask(path_of(server), number)))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10.0)
    for asking in idle:
        asking.close()
    assert sorted(answer["asked"] for answer in answers) == list(range(20))


def test_a_socket_that_was_taken_away_comes_back(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who cleans up a directory for temporary files does not shut the window."""
    monkeypatch.setattr(module, "GLANCE", 0.02)
    server = Server(state, lambda question: {"asked": question})
    server.open()
    server.start()
    try:
        before = server.path
        assert before is not None
        before.unlink()
        sockets_in(state).rmdir()
        for _ in range(500):
            with contextlib.suppress(OSError):
                assert ask(before, 7) == {"asked": 7}
                break
            threading.Event().wait(0.01)
        else:
            pytest.fail("it did not come back")
    finally:
        server.close()
    assert not before.exists()


def test_a_stale_socket_of_the_same_number_is_replaced(state: Path, server: Server) -> None:
    """A process that was killed had the same number."""
    path = path_of(server)
    server.close()
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(path))
    assert path.exists()
    server.open()
    server.start()
    assert server.path == path
    assert ask(path, 7) == {"asked": 7}
    del state


def test_another_containers_process_of_the_same_number_is_left_alone(state: Path, server: Server) -> None:
    """It gets a name beside it."""
    other = Server(state, lambda question: {"other": question})
    other.open()
    other.start()
    try:
        assert path_of(other).name == f"{os.getpid()}-1.sock"
        assert ask(path_of(other), 7) == {"other": 7}
        assert ask(path_of(server), 7) == {"asked": 7}
    finally:
        other.close()
    assert path_of(server).exists()


def test_sockets_of_processes_that_were_killed_are_taken_away(state: Path, server: Server) -> None:
    """By the next one that opens its own."""
    server.close()
    stale = sockets_in(state) / f"{2**22 + 1}.sock"
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(stale))
    server.open()
    assert not stale.exists()


def test_closing_leaves_nothing(state: Path, server: Server) -> None:
    """And twice is once."""
    server.close()
    server.close()
    assert list(sockets_in(state).iterdir()) == []


def test_closing_takes_no_ones_elses_socket_away(server: Server) -> None:
    """Where another has taken its place."""
    path = path_of(server)
    path.unlink()
    path.touch()
    server.close()
    assert path.exists()


def test_who_asks_during_a_pause_waits(server: Server) -> None:
    """As in the moment of a fork."""
    server.stop()
    with connected(path_of(server)) as asking:
        asking.sendall(b"7\n")
        server.start()
        assert json.loads(rest_of(asking)) == {"asked": 7}


def test_a_pause_keeps_half_a_question(server: Server) -> None:
    """What came before it is not lost."""
    with connected(path_of(server)) as asking:
        asking.sendall(b'{"wa')
        assert ask(path_of(server), 7) == {"asked": 7}  # by now it has been heard
        server.stop()
        server.start()
        asking.sendall(b'nt": 1}\n')
        assert json.loads(rest_of(asking)) == {"asked": {"want": 1}}


def test_a_full_directory_is_refused(state: Path, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody tries names for ever."""
    del server
    monkeypatch.setattr(module, "NAMES", 1)
    other = Server(state, lambda question: question)
    with pytest.raises(UnusableError, match="holds 1 sockets"):
        other.open()
    assert len(list(sockets_in(state).iterdir())) == 1


def test_without_descriptors_it_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no more connections can be accepted for a while, it neither ends nor spins, and looks again."""
    server.stop()
    monkeypatch.setattr(module, "GLANCE", 0.05)
    listening = server._listening
    assert listening is not None
    refused: list[int] = []

    class Poor:
        """Refuses twice."""

        def __init__(self, real: socket.socket) -> None:
            self.fileno, self.close, self._accept = real.fileno, real.close, real.accept

        def accept(self) -> Any:
            if len(refused) < 2:
                refused.append(1)
                raise OSError(24, "Too many open files")
            return self._accept()

    server._listening = Poor(listening)  # type: ignore[assignment]
    server.start()
    assert ask(path_of(server), 7) == {"asked": 7}
    assert len(refused) == 2
