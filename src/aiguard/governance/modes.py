"""The modes of what a state directory holds: its owner's alone, or its group's where the directory is, and nobody's."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

_GROUP: Final = stat.S_IRGRP | stat.S_IWGRP


def mode_in(state: Path) -> int:
    """Return the mode of a file of that directory: 0600, or 0660 where its group may write to it."""
    return 0o660 if state.stat().st_mode & stat.S_IWGRP else 0o600


def directory_mode_in(state: Path) -> int:
    """Return the mode of a directory in it; what is made in one of a group is the group's."""
    return 0o2770 if mode_in(state) & _GROUP else 0o700


def settle(opened: int, state: Path, mode: int) -> None:
    """
    Give what was just made its mode, whatever the umask says, and its owner.

    What the superuser made belongs to who owns the directory: a halt by `sudo` would lock its users out otherwise.
    """
    os.fchmod(opened, mode)
    owner = state.stat()
    if os.geteuid() == 0:
        os.fchown(opened, owner.st_uid, owner.st_gid)
    elif mode & _GROUP:
        os.fchown(opened, -1, owner.st_gid)
