"""
The file that says which boundaries are halted, to every process that shares the state directory.

    0         64                    64 + 512 Ki           64 + 2 × 512 Ki
    ├─ head ──┼────── half 0 ───────┼────── half 1 ───────┤

    head  magic (8) · generation (8) · version (4) · 0 (4) · birth (16) · 0 (24)
    half  CRC-32 of what follows (4) · length (4) · generation (8) · the halts in force, as JSON

Written in place, never renamed, and as large from the first day as it may ever get: a full disk cannot stop a halt.
A writer fills the half that is not in force, and only then moves the head's generation on, whose lowest bit says which
half is. So a writer that is killed leaves the old state or the new one, and a reader needs no lock.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import stat
import struct
import threading
import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.clock import unique
from aiguard.halts import Halt
from aiguard.problem import shown_path
from aiguard.state_directory import UnusableError, check_directory, make_directory, record_in

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Halts = tuple[Halt, ...]

NAME: Final = "gate"

HEAD: Final = 64
HALF: Final = 512 * 1024
SIZE: Final = HEAD + 2 * HALF

MAGIC: Final = b"aiguard\n"
VERSION: Final = 1

_HEAD: Final = struct.Struct("<8sQII16s24x")  # low byte first: half of a generation written is the whole of it
_GENERATION: Final = struct.Struct("<Q")
_GENERATION_AT: Final = len(MAGIC)
_HALF: Final = struct.Struct("<II")
_ROOM: Final = HALF - _HALF.size - _GENERATION.size

PATIENCE: Final = 2.0
"""Seconds that a writer waits for another one: each takes milliseconds."""

_PAUSE: Final = 0.002

_LOOKS: Final = 100
"""How often a reader looks again where a writer has moved on meanwhile."""

_BIRTH: Final = 16
_AS_ITS_DIRECTORY: Final = 0o664

_sync: Final = getattr(os, "fdatasync", os.fsync)  # the times of the file are nobody's business

logger: Final = logging.getLogger("aiguard")


class BrokenError(UnusableError):
    """What is in the file is not a gate's state; the message says what is wrong."""


class NewerError(BrokenError):
    """A newer version wrote it."""


class State(NamedTuple):
    """
    What the file says.

    Attributes:
        generation: How often it was changed.
        halts: The halts in force, the oldest first.
    """

    generation: int
    halts: Halts


class OpenGate:
    """
    The file, open for reading.

    It is read by position, so that forked processes may share it, and not through memory: a map of a file that
    somebody truncates ends the process.

    Args:
        path: Where it is.

    Attributes:
        descriptor: What the system knows it by.

    Raises:
        UnusableError: There is none, or it cannot be trusted.
    """

    __slots__ = ("_identity", "_name", "_path", "descriptor")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = shown_path(path)
        self.descriptor = _opened(path, os.O_RDONLY)
        self._identity = _identity(os.fstat(self.descriptor))

    def head(self) -> bytes:
        """Return the head as it stands: equal bytes, equal state. Raises `OSError`."""
        return os.pread(self.descriptor, HEAD, 0)

    def state(self) -> tuple[bytes, State]:
        """Return the head, and the state that it stands for. Raises `BrokenError`."""
        try:
            return _state_of(self.descriptor, self._name)
        except OSError as error:
            raise BrokenError(f"{self._name} cannot be read: {error.strerror}") from None

    def check(self) -> None:
        """Raises `UnusableError` where a process that starts now would not read what is read here."""
        opened = _opened(self._path, os.O_RDONLY)
        try:
            found = os.fstat(opened)
        finally:
            os.close(opened)
        there, held = _identity(found), None
        with contextlib.suppress(OSError):
            held = _identity(os.fstat(self.descriptor))
        if held != self._identity:
            raise BrokenError(f"{self._name} was closed, by something in this process that closes what is not its own")
        if there != self._identity:
            raise BrokenError(f"{self._name} is another file than the one that was opened")
        if found.st_size < SIZE:
            raise BrokenError(f"{self._name} is truncated")

    def close(self) -> None:
        """Let go of the descriptor, unless it is another file's by now."""
        with contextlib.suppress(OSError):
            if _identity(os.fstat(self.descriptor)) == self._identity:
                os.close(self.descriptor)


class GateFile:
    """
    The file, for whoever reads it once, or changes it.

    Args:
        state: The directory that processes share.

    Attributes:
        path: Where the file is.
    """

    __slots__ = ("_directory", "path")

    def __init__(self, state: Path) -> None:
        self._directory = state
        self.path = state / NAME

    def is_lost(self) -> bool:
        """Whether it was there once, and is not: the control store has been made since."""
        return not os.path.lexists(self.path) and os.path.isfile(record_in(self._directory))  # noqa: PTH113 - it raises nothing

    def make(self) -> None:
        """
        Make the directory and the file, in full, where they are not there yet; what is there stays as it is.

        Raises:
            UnusableError: That cannot be done, or somebody else could change them.
        """
        make_directory(self._directory, shared=True)
        if os.path.lexists(self.path):
            return
        new = self._directory / f"{NAME}.{unique(8).hex()}"  # nobody sees half of it, and nothing is ever renamed
        try:
            try:
                self._fill(new)
                with contextlib.suppress(FileExistsError):
                    os.link(new, self.path)
            finally:
                new.unlink(missing_ok=True)
        except OSError as error:
            raise UnusableError(f"{shown_path(self.path)} cannot be made: {error.strerror}") from None

    def open(self) -> OpenGate:
        """Return the file, open for reading. Raises `UnusableError`."""
        check_directory(self._directory, shared=True)
        return OpenGate(self.path)

    def read(self) -> State:
        """
        Return the generation and the halts in force.

        Raises:
            BrokenError: What is there is no gate's state.
            UnusableError: There is nothing, or it cannot be read, or not be trusted.
        """
        opened = self.open()
        try:
            return opened.state()[1]
        finally:
            opened.close()

    def change(self, fn: Callable[[Halts], Halts]) -> State:
        """
        Write what `fn` makes of the halts in force; return what is in force now.

        One process at a time. A file that is missing is made; of one that is damaged, the halts are taken for none:
        what they were, only the control store knows. It is in force at once; a disk that does not keep it is logged.

        Raises:
            UnusableError: It cannot be written, somebody else could change it, a newer version wrote it, or there are
                more halts than it holds. What was in force is in force.
        """
        self.make()
        try:
            with self._locked() as descriptor:
                return _changed(descriptor, fn, shown_path(self.path))
        except OSError as error:
            raise UnusableError(f"{shown_path(self.path)} cannot be written: {error.strerror}") from None

    def _fill(self, new: Path) -> None:
        """Make the file under another name, as readable and writable as its directory."""
        mode = stat.S_IMODE(self._directory.stat().st_mode) & _AS_ITS_DIRECTORY
        descriptor = os.open(new, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, mode)
            _write(descriptor, bytes(SIZE), 0)
            _write(descriptor, _half_of(0, ()), HEAD)
            _write(descriptor, _HEAD.pack(MAGIC, 0, VERSION, 0, unique(_BIRTH)), 0)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _locked(self) -> Iterator[int]:
        """Give a descriptor of one's own, and the file to oneself: forked processes share the lock of a shared one."""
        import fcntl  # noqa: PLC0415 - not on every system

        waited = 0.0
        while True:
            descriptor = self._opened_for_writing()
            try:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:  # whoever may read it may hold it, for as long as they like
                    if waited >= PATIENCE:
                        held = f"{shown_path(self.path)} is held by another process: see `lslocks`, and end that"
                        raise UnusableError(held) from None
                    threading.Event().wait(_PAUSE)
                    waited += _PAUSE
                    continue
                if _identity(self.path.lstat()) != _identity(os.fstat(descriptor)):
                    continue  # replaced while we waited
                yield descriptor
                return
            finally:
                os.close(descriptor)

    def _opened_for_writing(self) -> int:
        try:
            return _opened(self.path, os.O_RDWR)
        except UnusableError:
            # its owner may write it, whatever somebody has made of its mode: a halt must not fail for that
            found = self.path.lstat()
            if found.st_uid != os.geteuid() or not stat.S_ISREG(found.st_mode):
                raise
            mode = (stat.S_IMODE(found.st_mode) | stat.S_IRUSR | stat.S_IWUSR) & ~stat.S_IWOTH
            self.path.chmod(mode)
        return _opened(self.path, os.O_RDWR)


def _opened(path: Path, flags: int) -> int:
    """Return a descriptor. Raises `UnusableError` where there is none, or the file cannot be trusted."""
    name = shown_path(path)
    try:
        descriptor = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise UnusableError(f"{name} is not there") from None
    except OSError as error:
        raise UnusableError(f"{name} cannot be opened: {error.strerror}") from None
    try:
        flaw = _flaw_of(os.fstat(descriptor), path.parent.stat())
    except OSError as error:
        flaw = f"cannot be read: {error.strerror}"
    if flaw is not None:
        os.close(descriptor)
        raise UnusableError(f"{name} {flaw}")
    return descriptor


def _flaw_of(found: os.stat_result, directory: os.stat_result) -> str | None:
    """Return why a file is not to be trusted; `None` where it is."""
    if not stat.S_ISREG(found.st_mode):
        return "is no file"
    if found.st_uid not in {os.geteuid(), 0, directory.st_uid}:
        return f"belongs to the user {found.st_uid}: who may write it may lift halts"
    if found.st_mode & stat.S_IWOTH:
        return "may be written to by everybody: `chmod o-w` it"
    return None


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _place_of(generation: int) -> int:
    return HEAD + (generation & 1) * HALF


def _half_of(generation: int, halts: Halts) -> bytes:
    """Return a half that says so. Raises `UnusableError` where it has no room for that."""
    text = json.dumps([halt.in_json() for halt in halts], separators=(",", ":")).encode()
    if len(text) > _ROOM:
        raise UnusableError(f"{len(halts)} halts are more than the gate's file has room for: resume some of them")
    body = _GENERATION.pack(generation) + text
    return _HALF.pack(zlib.crc32(body), len(body)) + body


def _generation_of(head: bytes, name: str) -> int:
    """Return the generation in the head. Raises `BrokenError`."""
    if len(head) != HEAD:
        raise BrokenError(f"{name} is truncated")
    magic, generation, version, _, _ = _HEAD.unpack(head)
    if magic != MAGIC:
        raise BrokenError(f"{name} is not a gate's file")
    if version != VERSION:
        raise NewerError(f"{name} was written by another version, {version}: this one knows {VERSION}")
    return int(generation)


def _state_of(descriptor: int, name: str) -> tuple[bytes, State]:
    """Return the head and the state that it stands for. Raises `BrokenError`, `OSError`."""
    head = os.pread(descriptor, HEAD, 0)
    for _ in range(_LOOKS):
        generation = _generation_of(head, name)
        state = _half_at(descriptor, generation)
        if state is not None:
            return head, state
        before, head = head, os.pread(descriptor, HEAD, 0)
        if head == before:
            break
    raise BrokenError(f"{name} is damaged: what it says about halts is not whole")


def _half_at(descriptor: int, generation: int) -> State | None:
    """Return what the half of that generation says; `None` where it is not whole, or of another one."""
    place = _place_of(generation)
    start = os.pread(descriptor, _HALF.size, place)
    if len(start) != _HALF.size:
        return None
    crc, length = _HALF.unpack(start)
    if not _GENERATION.size <= length <= HALF - _HALF.size:
        return None
    body = os.pread(descriptor, length, place + _HALF.size)
    if zlib.crc32(body) != crc or len(body) != length:
        return None
    (own,) = _GENERATION.unpack_from(body)
    # of a writer that was killed between two bytes of the head's generation, the lowest is there
    if own != generation and not (own > generation and own & 0xFF == generation & 0xFF):
        return None
    try:
        return State(own, _halts_in(body[_GENERATION.size :]))
    except (ValueError, TypeError, RecursionError):
        return None


@lru_cache(maxsize=2)
def _halts_in(text: bytes) -> Halts:
    """Return the halts that the JSON stands for, which is read again at each proof. Raises what is wrong with it."""
    return tuple(map(Halt.of_json, json.loads(text)))


def _changed(descriptor: int, fn: Callable[[Halts], Halts], name: str) -> State:
    """Change the file behind `descriptor`, which is ours alone. Raises `UnusableError`, `OSError`."""
    try:
        _, before = _state_of(descriptor, name)
    except NewerError:
        raise
    except BrokenError:
        return _repaired(descriptor, fn, name)
    halts = fn(before.halts)
    if halts == before.halts and before.generation > 0:
        return before
    after = State(before.generation + 1, halts)
    _fill_up(descriptor)
    _write(descriptor, _half_of(*after), _place_of(after.generation))
    _write(descriptor, _GENERATION.pack(after.generation), _GENERATION_AT)
    _keep(descriptor, name)
    return after


def _repaired(descriptor: int, fn: Callable[[Halts], Halts], name: str) -> State:
    """Make a damaged file whole, with a birth of its own: no reader takes it for what it has read before."""
    after = State(1, fn(()))
    half = _half_of(*after)
    logger.warning("%s was damaged, and is made anew", name)
    _write(descriptor, bytes(HEAD), 0)
    _fill_up(descriptor)
    _write(descriptor, half, _place_of(after.generation))
    _write(descriptor, _HEAD.pack(bytes(len(MAGIC)), after.generation, VERSION, 0, unique(_BIRTH)), 0)
    _write(descriptor, MAGIC, 0)
    _keep(descriptor, name)
    return after


def _fill_up(descriptor: int) -> None:
    """Make a file that was cut as large as it has to be, unless the disk is full: it may have room for what is said."""
    size = os.fstat(descriptor).st_size
    with contextlib.suppress(OSError):
        _write(descriptor, bytes(max(0, SIZE - size)), size)


def _write(descriptor: int, data: bytes, place: int) -> None:
    """Write all of `data`. Raises `OSError`."""
    while data:
        written = os.pwrite(descriptor, data, place)
        data, place = data[written:], place + written


def _keep(descriptor: int, name: str) -> None:
    """Have the disk keep what is in force already: a stop does not wait for a disk."""
    try:
        _sync(descriptor)
    except OSError as error:
        logger.warning("%s may be lost where the machine stops: %s", name, error.strerror)
