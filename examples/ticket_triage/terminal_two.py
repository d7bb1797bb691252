"""The second terminal: who sits at it, what they may do, and the commands that they type."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shlex
import sys
from pathlib import Path
from typing import Final, NamedTuple

COMMAND: Final = Path(sys.executable).with_name("aiguard")

POLICIES: Final = """\
version: 1
boundaries:
  ticket-triage: {{owner: support-ml, risk: medium}}
directory:
  people: {{{user}: {{name: Whoever runs this demo}}}}
  teams: {{support-ml: {{members: [{user}]}}}}
control: {{halt: [support-ml], resume: [support-ml]}}
"""
"""At high risk another person would have to resume; here is one."""


class Typed(NamedTuple):
    """
    A command that has ended.

    Attributes:
        status: Its exit status.
        said: What it printed, on both of its outputs.
    """

    status: int
    said: str


def user() -> str:
    """Return the name by which the operating system knows who runs this; a number where it has none."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def write_policies(path: Path) -> None:
    """Write the file that lets that person halt and resume."""
    path.write_text(POLICIES.format(user=json.dumps(user())), encoding="utf-8")


async def type_in(*arguments: str) -> Typed:
    """Run `aiguard` in a process of its own, and show it as it is typed."""
    show(f"$ aiguard {shlex.join(arguments)}")
    process = await asyncio.create_subprocess_exec(
        COMMAND, *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    said = output.decode(errors="replace")
    show(*said.splitlines())
    return Typed(process.returncode or 0, said)


def show(*lines: str) -> None:
    """Print what is on the second terminal, apart from the tickets."""
    for line in lines:
        print(f"    │ {line}", flush=True)
