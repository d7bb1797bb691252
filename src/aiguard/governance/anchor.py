"""
The head of the chain, written down outside the store: `<state>/audit-anchor`, a line for each commit.

    {"at":1795471804.0,"hash":"9c1b…","seq":17}

Who cuts the end off the record has to cut it off here too, and off the log that `aiguard.audit.anchor` went to.
"""

from __future__ import annotations

import json
import operator
import os
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from aiguard.governance.modes import mode_in, settle
from aiguard.telemetry import events

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.governance.audit import Head

NAME: Final = "audit-anchor"

_LINE: Final = re.compile(rb'(?m)^\{"at":[-+.0-9e]+,"hash":"([0-9a-f]{64})","seq":([0-9]{1,18})\}\n')
_GROUPS: Final = operator.methodcaller("groups")


class Anchors(NamedTuple):
    """
    What an anchor file says.

    Attributes:
        heads: The hash of each record that it names, by number.
        differing: The number of the first record that it names with two hashes; `None` where there is none.
        unreadable: How many lines are none of ours: one that was torn by a crash, or edited.
    """

    heads: dict[int, bytes]
    differing: int | None
    unreadable: int


def line_of(head: Head, at: float) -> bytes:
    """Return the line that anchors a head, written at that time."""
    return json.dumps({"at": at, "hash": head.hash, "seq": head.seq}, separators=(",", ":")).encode() + b"\n"


def anchor(state: Path, head: Head, at: float) -> None:
    """
    Write the head down in the file, and tell OpenTelemetry's log.

    Raises:
        OSError: The file cannot be written; the log has been told.
    """
    events.anchored(head.seq, head.hash)
    path = state / NAME
    line = line_of(head, at)
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        opened = os.open(path, flags)  # some systems refuse to make what another user has made in a shared directory
    except FileNotFoundError:
        opened = os.open(path, flags | os.O_CREAT, 0o600)
    try:
        size = os.fstat(opened).st_size
        if size == 0:
            settle(opened, state, mode_in(state))
        elif os.pread(opened, 1, size - 1) != b"\n":
            line = b"\n" + line  # the line before was torn
        written = os.write(opened, line)
        if written != len(line):
            raise OSError(f"only {written} of {len(line)} bytes were written")
        os.fsync(opened)
    finally:
        os.close(opened)


def anchors(path: Path) -> Anchors:
    """Return what the file says. Raises `FileNotFoundError` where there is none, `OSError` where it cannot be read."""
    heads: dict[int, bytes] = {}
    differing: int | None = None
    data = path.read_bytes()
    found = 0
    for hashed, number in map(_GROUPS, _LINE.finditer(data)):
        found += 1
        seq = int(number)
        if heads.setdefault(seq, hashed) != hashed and (differing is None or seq < differing):
            differing = seq
    lines = data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    return Anchors(heads, differing, lines - found)
