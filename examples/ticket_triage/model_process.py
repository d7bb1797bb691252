"""The model's process, as the demo holds it: started, hung, killed, replaced, and never left behind."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

HOST: Final = "127.0.0.1"
ROOT: Final = Path(__file__).resolve().parents[2]
READY_WITHIN: Final = 60.0
SERVER: Final = "examples.ticket_triage.model_server"


class ModelError(Exception):
    """The model cannot be served; the message says what to do."""


def free_port(wanted: int | None) -> int:
    """
    Return a port of loopback that nobody listens on.

    Args:
        wanted: The port that was asked for; `None` for any.

    Raises:
        ModelError: Where the port that was asked for cannot be had.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
        except OSError as error:
            raise ModelError(_refused(wanted, error)) from error
        return int(probe.getsockname()[1])


class ModelProcess:
    """
    A context manager: leaving it ends the process, whatever state it is in.

    Args:
        port: Where the model listens, before and after it is replaced.
        command: What serves it: called with the port, and with `--nonsense` for the replacement.
    """

    def __init__(self, port: int, command: tuple[str, ...] = (sys.executable, "-m", SERVER)) -> None:
        self.port = port
        self.state = "not started"
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None
        self._errors: IO[bytes] | None = None

    @property
    def base_url(self) -> str:
        """The address for an OpenAI client."""
        return f"http://{HOST}:{self.port}/v1"

    @property
    def pid(self) -> int | None:
        """The process that serves, if one does."""
        return None if self._process is None else self._process.pid

    async def start(self, *, nonsense: bool = False) -> None:
        """Start the model, in place of one that runs; return once it listens."""
        self.stop()
        self.state = "starting"
        try:
            listens = await asyncio.wait_for(asyncio.to_thread(self._launch(nonsense=nonsense)), READY_WITHIN)
        except BaseException as error:
            self.stop()  # ends the process, which frees the thread that reads from it
            if isinstance(error, TimeoutError):
                raise ModelError(_late(self.port)) from error
            raise
        if not listens:
            raise ModelError(self._complaint())
        self.state = "talking nonsense" if nonsense else "serving"

    def hang(self) -> None:
        """Stop it as a debugger would: it accepts connections, and never answers."""
        self._signal(signal.SIGSTOP)
        self.state = "hung"

    def kill(self) -> None:
        """Kill it: connections are refused from now on."""
        self.stop()
        self.state = "dead"

    def stop(self) -> None:
        """End the process and wait until it has ended. It holds nothing that could be lost, so it is not asked."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
        if self._errors is not None:
            self._errors.close()
            self._errors = None
        self.state = "stopped"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise RuntimeError("the model does not run")
        self._process.send_signal(number)

    def _launch(self, *, nonsense: bool) -> Callable[[], bool]:
        """Start the process; return what waits until it listens, or has ended instead."""
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process may write to it
        process = subprocess.Popen(
            [*self._command, str(self.port), *(["--nonsense"] if nonsense else [])],
            cwd=ROOT,
            stdin=subprocess.PIPE,  # stays open as long as we live: the server ends when it closes
            stdout=subprocess.PIPE,
            stderr=self._errors,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle, not the model's
        )
        self._process = process
        return lambda: process.stdout is not None and process.stdout.readline().strip() == b"ready"

    def _complaint(self) -> str:
        """End the process; return what it said last, and what to do."""
        process, errors = self._process, self._errors
        status, said = None, b""
        if process is not None and errors is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                status = process.wait(1)
            errors.seek(0)
            said = errors.read()
        self.stop()
        lines = [f"  {line}" for line in said.decode(errors="replace").strip().splitlines()[-5:]]
        return "\n".join(
            [
                f"The model's process ended (status {status}) before it listened on port {self.port}. Its last words:",
                *(lines or ["  (nothing)"]),
                "Try another port with --port; if the installation is damaged: `make clean demo`.",
            ]
        )


def point_clients_at(model: ModelProcess) -> None:
    """Have OpenAI's clients of this process ask that model."""
    os.environ["OPENAI_BASE_URL"] = model.base_url
    os.environ["OPENAI_API_KEY"] = "none-is-needed-here"
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = HOST  # a proxy for the internet knows nothing of our loopback


def _late(port: int) -> str:
    return (
        f"The model did not listen on port {port} within {READY_WITHIN:.0f} s: this machine is too busy for it.\n"
        f"Try again when it has less to do."
    )


def _refused(wanted: int | None, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        reason = f"Port {wanted} is taken by another process."
    elif error.errno == errno.EACCES:
        reason = f"Port {wanted} is reserved for the system's own services."
    else:
        reason = f"Port {wanted} of {HOST} cannot be opened: {error.strerror}."
    return f"{reason}\nLeave --port out, and the demo picks a free one; or name another: --port {_another(wanted)}."


def _another(wanted: int | None) -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        free = int(probe.getsockname()[1])
    return free if wanted != free else free + 1
