"""Peers in processes of their own."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import remote, worker
from benchmarks.peers.catalogue import FRAMEWORKS, GUARD, Peer, Shape
from benchmarks.remote import Worker, WorkerError
from benchmarks.slices import Spent, Subject, WrongAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable

SHAPES: tuple[Shape, ...] = ("asynchronous", "synchronous")
PYTHON = Path(sys.executable)
PEER = Peer("floor", "by hand", "floor", "pydantic", asynchronous=("deadline", "timeout"), synchronous=("deadline",))
ABSENT = next(peer for peer in FRAMEWORKS if peer.name == "litellm")
FRAMEWORK_PYTHON = remote.ROOT / remote.ENVIRONMENT / "bin" / "python"


def _asks(shape: str, subject: str, times: int = 3) -> str:
    return json.dumps({"shape": shape, "subject": subject, "times": times})


def _measured(python: Path, peer: Peer) -> None:
    """Hold a worker to what the benchmark asks of it."""
    with Worker(peer, python) as one:
        one.wait()
        assert one.version[0].isdigit()
        for shape in SHAPES:
            subjects = one.subjects(shape)
            assert [subject.name for subject in subjects] == [peer.name, f"{peer.name}/guard"]
            assert all(subject.run(3).cpu > 0 for subject in subjects)


def test_a_worker_measures_its_peer_and_a_guarded_call() -> None:
    """In both shapes, when it is asked to, in a process of its own."""
    _measured(PYTHON, PEER)


@pytest.mark.skipif(not FRAMEWORK_PYTHON.exists(), reason=f"{remote.ENVIRONMENT} is not there: `make bench` makes it")
@pytest.mark.parametrize("peer", FRAMEWORKS, ids=lambda peer: peer.name)
def test_a_framework_is_measured(peer: Peer) -> None:
    """Where its environment was made; it has proved before that it is set up as its description says."""
    _measured(FRAMEWORK_PYTHON, peer)


def test_a_shape_that_a_peer_lacks_is_no_subject() -> None:
    """As hyx has nothing for a function."""
    with Worker(PEER, PYTHON) as one:
        assert one.subjects("threaded") == []


def test_what_is_wrong_with_a_worker_is_said_here() -> None:
    """Here: its peer is not installed in the environment that it was given."""
    with (
        Worker(ABSENT, PYTHON) as one,
        pytest.raises(WorkerError, match=r"LiteLLM Router .* failed: .*No module named"),
    ):
        one.wait()


def _script(folder: Path, text: str) -> Path:
    file = folder / "python"
    file.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    file.chmod(0o755)
    return file


def test_a_worker_that_ends_without_a_word_is_noticed(tmp_path: Path) -> None:
    """Killed for its memory, say: while it gets ready, or between two slices."""
    with Worker(PEER, _script(tmp_path, "exit 3")) as one, pytest.raises(WorkerError, match=r"by hand ended with 3\.$"):
        one.wait()
    gone = _script(tmp_path, """echo '{"version": "1"}'; exec <&-; exit 4""")
    with Worker(PEER, gone) as one:
        one.wait()
        one._process.wait()
        with pytest.raises(WorkerError, match=r"by hand ended with 4\.$"):
            one.subjects("synchronous")[0].run(1)


def test_a_worker_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The benchmark does not wait for it for ever."""
    monkeypatch.setattr(remote, "ENDING", 0.05)
    with Worker(PEER, _script(tmp_path, "exec sleep 600")) as one:
        pass
    assert one._process.returncode == -9


def test_an_environment_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what makes it, and with what does without."""
    monkeypatch.setattr(remote, "ENVIRONMENT", ".venv-nowhere")
    with (
        pytest.raises(WorkerError, match=r"^\.venv-nowhere is not there: `make bench` .* --no-frameworks"),
        remote.frameworks(),
    ):
        pass


def test_workers_are_started_together_and_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One for each framework."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    _script(tmp_path / ".venv" / "bin", """echo '{"version": "1.2"}'; cat""")
    monkeypatch.setattr(remote, "ROOT", tmp_path)
    monkeypatch.setattr(remote, "ENVIRONMENT", ".venv")
    with remote.frameworks() as workers:
        assert [(one.peer, one.version) for one in workers] == [(peer, "1.2") for peer in FRAMEWORKS]
    assert [one._process.returncode for one in workers] == [0] * len(workers)


def test_only_answers_reach_the_pipe() -> None:
    """What a library prints goes to standard error."""
    code = (
        "import sys; from benchmarks import worker\n"
        "worker.serve = lambda peer, requests, reply: (print('a banner'), reply({'version': '1'}))\n"
        "worker.main(['floor'])"
    )
    done = subprocess.run(
        [PYTHON, "-c", code], cwd=remote.ROOT, input="", capture_output=True, text=True, check=True, timeout=60
    )
    assert json.loads(done.stdout) == {"version": "1"}
    assert done.stderr == "a banner\n"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[dict[str, Any]]]:
    """Serve requests from fixed subjects, in this process; the collector's memory stays as it is."""

    def serve(run: Callable[[int], Spent], *requests: str) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = []
        ready = {("synchronous", "floor"): Subject("floor", "by hand", run)}
        monkeypatch.setattr(worker, "subjects", lambda _peer, _stack: ready)
        monkeypatch.setattr("gc.freeze", lambda: None)
        worker.serve(PEER, requests, answers.append)
        return answers

    return serve


def test_a_slice_is_what_was_asked_for(served: Callable[..., list[dict[str, Any]]]) -> None:
    """After one call that is not counted, because the process was idle."""
    asked: list[int] = []

    def run(times: int) -> Spent:
        asked.append(times)
        return Spent(0.5 * times, 0.75 * times)

    answers = served(run, _asks("synchronous", "floor"), _asks("synchronous", "floor", 5))
    assert answers[1:] == [{"cpu": 1.5, "wall": 2.25}, {"cpu": 2.5, "wall": 3.75}]
    assert asked == [1, 3, 1, 5]


def test_a_wrong_answer_ends_a_worker(served: Callable[..., list[dict[str, Any]]]) -> None:
    """It is not timed."""

    def run(_times: int) -> Spent:
        raise WrongAnswerError("floor", None)

    with pytest.raises(WrongAnswerError):
        served(run, _asks("synchronous", "floor"))


def test_what_a_worker_times_was_proved_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peer and the guarded call, in each shape that the peer has."""
    proved: list[tuple[str, str]] = []
    monkeypatch.setattr(worker, "prove", lambda peer, shape, _runner: proved.append((peer.name, shape)))
    with ExitStack() as stack:
        ready = worker.subjects(PEER, stack)
        assert all(subject.run(2).wall > 0 for subject in ready.values())
    assert proved == [(name, shape) for shape in SHAPES for name in (PEER.name, GUARD.name)]
    assert set(ready) == {(shape, name) for name, shape in proved}
