"""What `aiguard resume` prints: what was lifted, its number on the record, and what still stands."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from aiguard.cli.halt import tell_of_no_rules, what
from aiguard.cli.printable import printable
from aiguard.governance.control import resume
from aiguard.governance.errors import ControlError

if TYPE_CHECKING:
    from pathlib import Path


def show(name: str, *, reason: str, key: str | None, state: Path) -> int:
    """Resume a boundary and say what that did; return the exit code."""
    try:
        done = resume(name, reason=reason, key=key, state=state)
    except ControlError as error:
        sys.stderr.write(f"aiguard: {printable(str(error))}\n")
        return 1
    lines = [f"{what(one)}: no longer {one}" for one in done.lifted]
    lines += [f"{what(one)}: still {one}" for one in done.left]
    lines.append(f"on the record as number {done.number}")
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    tell_of_no_rules()  # which might not have let them
    return 0
