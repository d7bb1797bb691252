"""Opening and closing the window into this process."""

from __future__ import annotations

import atexit
import os
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from aiguard.call import logger
from aiguard.engine.observer import OBSERVED
from aiguard.errors import PolicyError
from aiguard.monitor import snapshot
from aiguard.monitor.schema import VERSION
from aiguard.monitor.server import Server
from aiguard.monitor.watch import Watch
from aiguard.problem import Problem, shown_path
from aiguard.state_directory import UnusableError, state_directory

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.call import Call
    from aiguard.failure import Failure

LAST: Final = 20
"""Calls of a trace, unless it says how many."""


class Exposure:
    """
    The window of this process, opened once at most.

    Attributes:
        watch: What is taken note of while it is open.
        server: Who answers; `None` while it is shut.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self.watch = Watch()
        self.server: Server | None = None
        self._is_opening = False

    def open(self, state: Path) -> None:
        """
        Open it, where it is not open.

        Raises:
            UnusableError: The directory cannot be used, or another one is in use.
        """
        with self._lock:
            if self.server is not None:
                if self.server.state != state:
                    raise UnusableError(f"this process is exposed in {shown_path(self.server.state)} already")
                return
            if not hasattr(socket, "AF_UNIX"):
                raise UnusableError("this system has no Unix sockets")
            server = Server(state, self.answer)
            server.open()
            try:
                server.start()
            except RuntimeError as error:  # there are too many, or the interpreter is about to end
                server.close()
                raise UnusableError(f"no thread could be started: {error}") from None
            self.server = server
            self.watch.begin()
            atexit.register(self.close)

    def close(self) -> None:
        """Shut it, and leave nothing behind in the directory."""
        with self._lock:
            if self.server is not None:
                atexit.unregister(self.close)
                self.watch.end()
                self.server.close()
                self.server = None

    def answer(self, question: Any) -> Any:
        """Return the answer to a question, whatever it is."""
        if isinstance(question, dict):
            if question.get("want") == "state":
                return snapshot.state_of_process(self.watch)
            if question.get("want") == "trace":
                last, boundary = question.get("last", LAST), question.get("boundary")
                if isinstance(last, int) and last > 0 and isinstance(boundary, str | None):
                    failed = question.get("failed") is True
                    return snapshot.trace_of_process(self.watch, boundary=boundary, last=last, failed=failed)
        return {"version": VERSION, "error": "that is no question: want `state` or `trace`"}

    # --- by the environment

    def await_first_call(self) -> None:
        """Open it when the first call has ended: a program that only imports something makes no socket."""
        self._is_opening = False
        OBSERVED.observer = self._first_call

    def _first_call(self, boundary: str, call: Call, outcome: str, failure: Failure | None) -> None:
        with self._lock:
            if OBSERVED.observer == self._first_call:
                self.watch.begin()
                self._is_opening = True
                # not in the call's own time: the directory may be on a slow disk
                opening = threading.Thread(target=self._open_by_environment, name="aiguard-monitor", daemon=True)
                try:
                    opening.start()
                except RuntimeError as error:
                    self._is_shut(f"no thread could be started: {error}")
        self.watch.ended(boundary, call, outcome, failure)

    def _open_by_environment(self) -> None:
        try:
            self.open(state_directory())
        except UnusableError as error:
            self._is_shut(str(error))
        finally:
            self._is_opening = False

    def _is_shut(self, why: str) -> None:
        self.watch.end()
        logger.warning("nobody can look into this process: %s", why)

    # --- around a fork

    def before_fork(self) -> None:
        """Have no thread of ours running in the moment of the fork."""
        self._lock.acquire()
        if self.server is not None:
            self.server.stop()

    def after_fork_in_parent(self) -> None:
        """Go on."""
        try:
            if self.server is not None:
                self.server.start()
        except RuntimeError as error:
            self._is_shut(f"no thread could be started: {error}")
        finally:
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """Open a window of the child's own, where the parent's was open."""
        self._lock = threading.RLock()
        self.watch.forked()
        if self._is_opening:
            self.await_first_call()  # the thread that was about to open it is not here
        if self.server is None:
            return
        server, self.server = self.server, None
        atexit.unregister(self.close)
        server.forked()
        try:
            self.open(server.state)
        except UnusableError as error:
            self._is_shut(str(error))


EXPOSURE: Final = Exposure()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=EXPOSURE.before_fork,
        after_in_parent=EXPOSURE.after_fork_in_parent,
        after_in_child=EXPOSURE.after_fork_in_child,
    )


def expose(state: str | os.PathLike[str] | None = None) -> None:
    """
    Let `aiguard top`, `aiguard status` and `aiguard trace` look into this process, and its forked children.

    It answers on a Unix socket that its own user alone may open; what it answers holds no content. Done once: a second
    call changes nothing. `AIGUARD_STATE` in the environment does the same when the first call of a boundary has ended.

    Args:
        state: The directory that processes share; by default what `AIGUARD_STATE` names, else `aiguard` in the user's
            state directory.

    Raises:
        PolicyError: The directory cannot be used; the message says why.
    """
    try:
        EXPOSURE.open(state_directory(state))
    except UnusableError as error:
        raise PolicyError(Problem(f"expose: {error}")) from None
