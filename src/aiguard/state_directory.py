"""
The directory that processes share with each other and with the commands.

    <state>/gate         which boundaries are halted: `gate_file.py`
    <state>/sockets/     where running processes can be asked: `monitor/directory.py`
    <state>/control/     who halted what, and when: `governance/store.py`
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from aiguard.problem import shown_path

VARIABLE: Final = "AIGUARD_STATE"
"""Names the directory, and opens the window of every process that has it."""

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class UnusableError(Exception):
    """The directory, or something in it, cannot be used; the message says why, and what to do."""


def state_directory(state: str | os.PathLike[str] | None = None) -> Path:
    """
    Return the directory that processes share: `state`, else what `AIGUARD_STATE` names, else the user's own.

    Raises:
        UnusableError: Nobody knows where the user's home is.
    """
    given = os.fspath(state) if state is not None else os.environ.get(VARIABLE, "")
    if given:
        try:
            return Path(given).absolute()
        except OSError as error:
            why = f"and where this process is cannot be told: {_why(error)}"
            raise UnusableError(f"{shown_path(Path(given))} is no absolute path, {why}") from None
    base = os.environ.get("XDG_STATE_HOME", "")
    if base.startswith("/"):
        return Path(base) / "aiguard"
    try:
        return Path.home() / ".local" / "state" / "aiguard"
    except RuntimeError:
        raise UnusableError(f"nobody knows where this user's home is: name a directory with {VARIABLE}") from None


def record_in(state: Path) -> Path:
    """Return where the control store is; it is never made before the gate's file."""
    return state / "control" / "control.db"


def make_directory(path: Path, *, shared: bool) -> None:
    """
    Make `path` where it is not there yet, for its owner alone; of a shared one, everything above it too.

    Raises:
        UnusableError: It cannot be made, or somebody else could put something into it: see `check_directory`.
    """
    try:
        path.mkdir(mode=0o700, parents=shared, exist_ok=True)
    except (OSError, ValueError) as error:
        raise UnusableError(f"{shown_path(path)} cannot be made: {_why(error)}") from None
    check_directory(path, shared=shared)


def check_directory(path: Path, *, shared: bool, reading: bool = False) -> bool:
    """
    Return whether `path` is a directory that can be trusted; `False` where there is none at all.

    Args:
        path: The directory.
        shared: Whether several users may use it: it may be the superuser's, or a link, and others may write to it
            where nobody may take away what is another's (the sticky bit).
        reading: Whether nothing is put into it: the superuser may read that of anybody.

    Raises:
        UnusableError: There is one, and somebody else could put something into it.
    """
    name = shown_path(path)
    try:
        found = path.stat() if shared else path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise UnusableError(f"{name} cannot be read: {_why(error)}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise UnusableError(f"{name} is no directory")
    user = os.geteuid()
    owners = {user, 0} if shared else {user}
    if found.st_uid not in owners and not (reading and user == 0):
        raise UnusableError(f"{name} belongs to the user {found.st_uid}, not to {user}: name another directory")
    if found.st_mode & _OTHERS and not (shared and found.st_mode & stat.S_ISVTX):
        raise UnusableError(f"{name} may be written to by others: `chmod go-w` it, or name another directory")
    return True


def _why(error: OSError | ValueError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
