"""
The sockets in the directory that processes share.

    <state>/sockets/           ours alone: 0700
    <state>/sockets/4711.sock  of the process 4711: 0600; `4711-1.sock` where another container has a 4711 of its own
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from aiguard.problem import shown_path
from aiguard.state_directory import UnusableError, check_directory, make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST: Final = 103
"""Bytes of a socket's path that every system takes: Linux has room for 107, macOS for 103."""

DESCRIPTORS: Final = Path("/proc/self/fd")
"""Where Linux shows an open directory under a short name."""

_SOCKET: Final = re.compile(r"(\d{1,10})(?:-\d{1,3})?\.sock")


@dataclass(frozen=True, slots=True)
class Entry:
    """
    A socket in the directory.

    Attributes:
        path: Where it is.
        pid: The process that its name names.
    """

    path: Path
    pid: int


def sockets_in(state: Path) -> Path:
    """Return where the sockets are."""
    return state / "sockets"


def made(state: Path) -> Path:
    """
    Return the directory of the sockets, made where it is not there yet.

    Raises:
        UnusableError: It cannot be made, or somebody else could put something into it.
    """
    make_directory(state, shared=True)
    directory = sockets_in(state)
    make_directory(directory, shared=False)
    return directory


def check(state: Path, *, reading: bool = False) -> bool:
    """
    Return whether there is a directory of sockets that can be trusted; `False` where there is none at all.

    The superuser may read that of anybody.

    Raises:
        UnusableError: There is one, and somebody else could put something into it.
    """
    return check_directory(state, shared=True, reading=reading) and check_directory(
        sockets_in(state), shared=False, reading=reading
    )


def entries(directory: Path) -> list[Entry]:
    """Return the sockets of the directory, by the number of their process."""
    found = []
    with contextlib.suppress(OSError), os.scandir(directory) as listed:
        for one in listed:
            named = _SOCKET.fullmatch(one.name)
            if named is not None:
                found.append(Entry(directory / one.name, int(named[1])))
    return sorted(found, key=lambda entry: (entry.pid, entry.path.name))


@contextlib.contextmanager
def address_of(path: Path) -> Iterator[str]:
    """
    Give the address of a socket at `path`, as short as the system wants it, while the block lasts.

    Raises:
        UnusableError: It is too long, and this system has no other name for it.
        OSError: The directory is not there.
    """
    if len(os.fsencode(path)) <= LONGEST:
        yield str(path)
        return
    if not DESCRIPTORS.is_dir():
        length = len(os.fsencode(path))
        raise UnusableError(
            f"{shown_path(path)} has {length} bytes, and a socket's path {LONGEST} at most: name a shorter directory"
        )
    opened = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield str(DESCRIPTORS / str(opened) / path.name)
    finally:
        os.close(opened)


def is_stale(path: Path) -> bool:
    """Whether nobody listens at `path` any more: its process has ended without taking it away."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(0.0)
        try:
            with address_of(path) as address:
                asking.connect(address)
        except ConnectionRefusedError:
            return True
        except (OSError, UnusableError):
            return False  # it is busy, or not ours to judge
    return False


def remove_stale(path: Path) -> bool:
    """Take a socket away at which nobody listens; return whether that was one."""
    with contextlib.suppress(OSError):
        before = path.lstat()
        if stat.S_ISSOCK(before.st_mode) and is_stale(path) and path.lstat().st_ino == before.st_ino:
            path.unlink()
            return True
    return False


def is_running(pid: int) -> bool:
    """Whether this machine, as far as this process sees it, has a process of that number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
