"""Peers in processes of their own, as subjects of this one: a slice is asked for through a pipe."""

from __future__ import annotations

import json
import subprocess
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from benchmarks.peers.catalogue import FRAMEWORKS, GUARD
from benchmarks.slices import Spent, Subject

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import IO, Self

    from benchmarks.peers.catalogue import Peer, Shape

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ".venv-bench-frameworks"
ENDING = 10.0  # seconds


class WorkerError(Exception):
    """A worker said what is wrong with it, or ended without a word."""


class Worker:
    """
    A process that holds one peer ready, and a guarded call beside it.

    Args:
        peer: What it measures.
        python: The interpreter of the environment that has it.
        module: What runs there.
    """

    def __init__(self, peer: Peer, python: Path, module: str = "benchmarks.worker") -> None:
        self.peer = peer
        self.version = ""
        self._process = subprocess.Popen(  # noqa: S603 - our own file
            [python, "-m", module, peer.name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._requests = cast("IO[str]", self._process.stdin)
        self._answers = cast("IO[str]", self._process.stdout)

    def wait(self) -> None:
        """Wait until it has proved its peer and is ready to measure."""
        self.version = self._answer()["version"]

    def subjects(self, shape: Shape) -> list[Subject]:
        """Return its peer and the guarded call beside it, named after the peer; nothing where it lacks the shape."""
        if self.peer.has(shape) is None:
            return []
        return [
            Subject(self.peer.name, self.peer.label, partial(self.slice, shape, self.peer.name)),
            Subject(beside(self.peer.name), "  aiguard, in that process", partial(self.slice, shape, GUARD.name)),
        ]

    def slice(self, shape: str, name: str, times: int) -> Spent:
        """Have a subject of that process repeated so many times; return what that took."""
        with suppress(BrokenPipeError):  # it is gone: what it said last, or that it said nothing, is the answer
            self._requests.write(json.dumps({"shape": shape, "subject": name, "times": times}) + "\n")
            self._requests.flush()
        return Spent(**self._answer())

    def _answer(self) -> dict[str, Any]:
        line = self._answers.readline()
        if not line:
            raise WorkerError(f"The process that measures {self.peer.label} ended with {self._process.wait(ENDING)}.")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise WorkerError(f"The process that measures {self.peer.label} failed: {answer['error']}")
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with suppress(BrokenPipeError):
            self._requests.close()  # it reads to the end of its requests, and ends
        try:
            self._process.wait(ENDING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._answers.close()


def beside(name: str) -> str:
    """Return the name of the guarded call that is measured in a peer's process."""
    return f"{name}/guard"


@contextmanager
def frameworks() -> Iterator[list[Worker]]:
    """
    Start a worker for each framework, all at once.

    Raises:
        WorkerError: Where their environment is not there, or one of them is set up wrongly.
    """
    python = ROOT / ENVIRONMENT / "bin" / "python"
    if not python.exists():
        raise WorkerError(f"{ENVIRONMENT} is not there: `make bench` makes it; --no-frameworks does without.")
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(peer, python)) for peer in FRAMEWORKS]
        for worker in workers:
            worker.wait()
        yield workers
