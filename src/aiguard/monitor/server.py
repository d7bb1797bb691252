"""
One thread that answers who looks into this process.

    one line:   {"want": "state"}   or   {"want": "trace", "boundary": "triage", "last": 20, "failed": true}
    one line:   the answer; see `schema.py`

A client has two seconds and 4 KiB for its question, and nobody waits for one: all are served at once, by one loop.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import socket
import threading
from typing import TYPE_CHECKING, Any, Final

from aiguard.call import logger
from aiguard.clock import SYSTEM
from aiguard.monitor.directory import address_of, entries, is_running, made, remove_stale
from aiguard.monitor.schema import VERSION
from aiguard.state_directory import UnusableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE: Final = 2.0
"""Seconds that a client has to ask, and as long again to take its answer."""

QUESTION: Final = 4096
"""Bytes of a question."""

CLIENTS: Final = 32
"""Clients at a time; the others wait in the system's own line."""

WAITING: Final = 128
"""Places in that line."""

GLANCE: Final = 5.0
"""Seconds between two looks at whether the socket is still where it was put: who cleans up may have taken it."""

NAMES: Final = 100
"""Processes of one number that may share a directory, from as many containers."""


class Connection:
    """
    One client.

    Attributes:
        peer: Its socket.
        asked: What it has sent so far.
        left: What it has not taken yet of its answer; `None` while it is asking.
        until: When it is given up.
    """

    __slots__ = ("asked", "left", "peer", "until")

    def __init__(self, peer: socket.socket, until: float) -> None:
        self.peer = peer
        self.asked = bytearray()
        self.left: memoryview | None = None
        self.until = until


class Server:
    """
    The socket of this process, and the thread behind it.

    Args:
        state: The directory that processes share.
        answer: What a question, which is any JSON, is answered with.
    """

    _wake: socket.socket
    _woken: socket.socket

    def __init__(self, state: Path, answer: Callable[[Any], Any]) -> None:
        self.state = state
        self._answer = answer
        self._listening: socket.socket | None = None
        self._path: Path | None = None
        self._inode = 0
        self._connections: dict[socket.socket, Connection] = {}
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._full = False

    @property
    def path(self) -> Path | None:
        """Where its socket is; `None` while there is none."""
        return self._path

    def open(self) -> None:
        """
        Put the socket into the directory; it is there at once, or not at all.

        Raises:
            UnusableError: The directory cannot be used.
        """
        directory = made(self.state)
        for entry in entries(directory):
            if not is_running(entry.pid):
                remove_stale(entry.path)
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listening.settimeout(0.0)
            path = self._put(listening, directory)
            self._inode = path.lstat().st_ino
        except OSError as error:
            listening.close()
            raise UnusableError(f"no socket could be made in {str(directory)!r}: {error.strerror or error}") from None
        except BaseException:
            listening.close()
            raise
        self._listening, self._path = listening, path

    def _put(self, listening: socket.socket, directory: Path) -> Path:
        """Listen under a name of its own, then give it the one that is looked for: nobody finds it half made."""
        pid = os.getpid()
        new = directory / f".{pid}.{threading.get_native_id()}.new"
        with contextlib.suppress(FileNotFoundError):
            new.unlink()
        with address_of(new) as address:
            listening.bind(address)
        try:
            new.chmod(0o600)
            listening.listen(WAITING)
            for number in range(NAMES):
                path = directory / (f"{pid}-{number}.sock" if number else f"{pid}.sock")
                remove_stale(path)
                with contextlib.suppress(FileExistsError):
                    os.link(new, path, follow_symlinks=False)
                    return path
            raise UnusableError(f"{str(directory)!r} holds {NAMES} sockets of processes with the number {pid}")
        finally:
            with contextlib.suppress(OSError):
                new.unlink()

    def start(self) -> None:
        """Answer from now on. Raises `RuntimeError` where no thread can be started."""
        self._stopping = False
        if self._thread is not None:
            return  # it was to stop, and has not come to it
        self._wake, self._woken = socket.socketpair()
        self._woken.settimeout(0.0)
        thread = threading.Thread(target=self._run, name="aiguard-monitor", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self._wake.close()
            self._woken.close()
            raise
        self._thread = thread

    def stop(self) -> None:
        """Pause: who asks waits until `start`. An answer that is being put together is finished first."""
        thread = self._thread
        if thread is None:
            return
        self._stopping = True
        with contextlib.suppress(OSError):
            self._wake.send(b".")
        thread.join(PATIENCE)
        if not thread.is_alive():
            self._thread = None
            self._wake.close()
            self._woken.close()

    def close(self) -> None:
        """Stop, and take the socket away."""
        self.stop()
        if self._path is not None:
            with contextlib.suppress(OSError):
                if self._path.lstat().st_ino == self._inode:
                    self._path.unlink()
        self.forked()

    def forked(self) -> None:
        """Let go of what is the parent's, and leave its socket where it is."""
        for connection in (self._listening, *self._connections):
            if connection is not None:
                connection.close()
        self._listening = self._path = self._thread = None
        self._connections = {}

    # --- the thread's own

    def _run(self) -> None:
        with selectors.DefaultSelector() as selector:
            try:
                self._serve(selector)
            except Exception as error:  # noqa: BLE001 - the program goes on without its window
                logger.warning("aiguard answers nobody who looks into this process any more: %s", type(error).__name__)

    def _serve(self, selector: selectors.BaseSelector) -> None:
        selector.register(self._woken, selectors.EVENT_READ)
        for connection in self._connections.values():
            selector.register(connection.peer, _wanted(connection))
        due = SYSTEM.now() + GLANCE
        while not self._stopping:
            self._listen(selector)
            now = SYSTEM.now()
            first = min((connection.until for connection in self._connections.values()), default=due)
            for key, _ in selector.select(max(min(first, due) - now, 0.0)):
                if key.fileobj is self._listening:
                    self._accept(selector)
                elif (connection := self._connections.get(key.fileobj)) is not None:  # type: ignore[call-overload]
                    self._go_on(connection, selector)
            now = SYSTEM.now()
            for connection in [one for one in self._connections.values() if one.until <= now]:
                self._drop(connection, selector)
            if now >= due:
                due = now + GLANCE
                self._full = False
                self._look(selector)

    def _listen(self, selector: selectors.BaseSelector) -> None:
        """Hear new clients while there is room for them."""
        listening = self._listening
        if listening is None:
            return
        wanted = not self._full and len(self._connections) < CLIENTS
        heard = listening in selector.get_map()
        if wanted and not heard:
            selector.register(listening, selectors.EVENT_READ)
        elif heard and not wanted:
            selector.unregister(listening)

    def _accept(self, selector: selectors.BaseSelector) -> None:
        if self._listening is None:
            return
        try:
            peer, _ = self._listening.accept()
        except BlockingIOError:
            return
        except OSError:
            self._full = True  # no descriptor is left: look again in a while
            return
        peer.settimeout(0.0)
        self._connections[peer] = connection = Connection(peer, SYSTEM.now() + PATIENCE)
        selector.register(peer, _wanted(connection))

    def _go_on(self, connection: Connection, selector: selectors.BaseSelector) -> None:
        """Hear the rest of the question, or send more of the answer."""
        try:
            if connection.left is None:
                heard = connection.peer.recv(QUESTION)
                connection.asked += heard
                line, ended, _ = connection.asked.partition(b"\n")
                if not heard or (not ended and len(connection.asked) >= QUESTION) or len(line) >= QUESTION:
                    self._drop(connection, selector)
                    return
                if not ended:
                    return
                connection.left = memoryview(self._answered(bytes(line)))
                connection.until = SYSTEM.now() + PATIENCE
                selector.modify(connection.peer, _wanted(connection))
            connection.left = connection.left[connection.peer.send(connection.left) :]
        except BlockingIOError:
            return
        except OSError:
            self._drop(connection, selector)
            return
        if not connection.left:
            self._drop(connection, selector)

    def _answered(self, line: bytes) -> bytes:
        try:
            answer = self._answer(json.loads(line))
        except (ValueError, RecursionError):
            answer = {"version": VERSION, "error": "the question is no JSON"}
        except Exception as error:  # noqa: BLE001 - who looks must not end who answers
            answer = {"version": VERSION, "error": f"the answer could not be put together: {type(error).__name__}"}
        return json.dumps(answer, separators=(",", ":")).encode() + b"\n"

    def _drop(self, connection: Connection, selector: selectors.BaseSelector) -> None:
        del self._connections[connection.peer]
        with contextlib.suppress(KeyError, ValueError):
            selector.unregister(connection.peer)
        connection.peer.close()

    def _look(self, selector: selectors.BaseSelector) -> None:
        """Put the socket back where somebody has taken it away."""
        with contextlib.suppress(OSError):
            if self._path is not None and self._path.lstat().st_ino == self._inode:
                return
        before = self._listening
        try:
            self.open()
        except UnusableError:
            return
        if before is not None:
            with contextlib.suppress(KeyError, ValueError):
                selector.unregister(before)
            before.close()


def _wanted(connection: Connection) -> int:
    return selectors.EVENT_READ if connection.left is None else selectors.EVENT_WRITE
