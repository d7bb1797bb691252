"""What is started is ended: backends as processes, each with a log of its own."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Final, Self

from examples.ticket_triage.model_process import ROOT
from tests.telemetry_e2e.http import Unreachable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

PR_SET_PDEATHSIG: Final = 1
LAST_WORDS: Final = 15


class NotReadyError(Exception):
    """A backend did not come up; the message has its last words."""


class Process:
    """
    A context manager: leaving it kills the process and every process that it has started.

    Args:
        name: What it is called where something goes wrong.
        command: What is run.
        folder: Where its log goes, and where it works, unless it is Python of this repository.
        ours: Whether it is: it works at the root then, where our modules are found.
        environment: What its environment has beside ours.
        ready: Asks it for something; raises `Unreachable` until it is up.
        within: Seconds that takes at most.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        ours: bool = False,
        ready: Callable[[], object],
        within: float = 30.0,
    ) -> None:
        self.name = name
        self.log = folder / f"{name}.log"
        self._command = command
        self._folder = ROOT if ours else folder
        self._environment = environment or {}
        self._ready = ready
        self._within = within
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=os.environ | self._environment,
                stdin=subprocess.PIPE,  # what reads it ends when we do
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own: its children are ended with it
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one call into the kernel, and no locks
            )
        try:
            self._wait()
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    @property
    def said(self) -> str:
        """What it has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        """Kill it, and what it has started. Nothing that it holds is wanted any more."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself, with all that it had started
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def tell(self, line: str) -> None:
        """Write a line to its input."""
        if self._process is None or self._process.stdin is None:
            raise NotReadyError(f"{self.name} is not running")
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()

    def finish(self, within: float) -> int:
        """Close its input, which asks it to end; return its exit status."""
        process = self._process
        if process is None or process.stdin is None:
            raise NotReadyError(f"{self.name} is not running")
        process.stdin.close()
        return process.wait(within)

    def _wait(self) -> None:
        until = time.monotonic() + self._within
        while True:
            try:
                self._ready()
            except Unreachable:
                status = self._process.poll() if self._process is not None else None
                if status is not None:
                    raise NotReadyError(self._complaint(f"ended with status {status}")) from None
                if time.monotonic() > until:
                    raise NotReadyError(self._complaint(f"did not answer within {self._within:g} s")) from None
                time.sleep(0.05)
            else:
                return

    def _complaint(self, what: str) -> str:
        last = "\n".join(f"  {line}" for line in self.said.splitlines()[-LAST_WORDS:])
        return f"{self.name} {what}. Its last words:\n{last or '  (nothing)'}"


def _end_with_parent() -> None:
    """Leave no orphan, also where this process is killed (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
