"""What is in a file, read in a way that comes back whatever the file is."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

LARGEST: Final = 16 * 2**20
"""Bytes of a file: some ten thousand boundaries, and far below what a machine cannot hold."""

_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)  # a pipe without a writer waits


class UnreadableFileError(Exception):
    """A file cannot be read; the message says why."""


def contents(file: Path) -> bytes:
    """Return what is in `file`. Raises `UnreadableFileError`."""
    try:
        with os.fdopen(os.open(file, _FLAGS), "rb") as opened:
            if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
                raise UnreadableFileError("cannot be read: is no regular file")
            data = opened.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise UnreadableFileError(f"cannot be read: {reason or type(error).__name__}") from None
    if len(data) > LARGEST:
        raise UnreadableFileError(f"cannot be read: is larger than {LARGEST // 2**20} MiB")
    return data
