"""What `aiguard halt` prints: what is in force since when, until when, and its number on the record."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from aiguard.cli.printable import printable
from aiguard.cli.status_words import counted
from aiguard.config.durations import seconds
from aiguard.config.live import FILE_VARIABLE, path_of_file
from aiguard.governance.control import halt
from aiguard.governance.errors import ControlError
from aiguard.halts import EVERY, moment
from aiguard.monitor.client import states
from aiguard.state_directory import UnusableError

if TYPE_CHECKING:
    from pathlib import Path

    from aiguard.halts import Halt

_NOBODY: Final = "no process that has it can be looked into there: whether it reached any is not known\n"


def show(name: str, *, reason: str, key: str | None, lasting: str | None, unknown: bool, state: Path) -> int:
    """Halt a boundary and say what that did; return the exit code."""
    try:
        for_ = None if lasting is None else _seconds(lasting)
    except ValueError:
        sys.stderr.write(f"aiguard: `--for {printable(lasting or '')}` is no time: write 90m, 4h or 1h30m\n")
        return 2
    try:
        done = halt(
            name,
            reason=reason,
            key=key,
            for_=for_,
            unknown=unknown,
            state=state,
        )
    except ControlError as error:
        sys.stderr.write(f"aiguard: {printable(str(error))}\n")
        if error.rule == "boundary":
            tell_of_no_rules()
        return 1
    sys.stdout.write(f"{printable(what(done.halt))}: {printable(str(done.halt))}\n{_until(done.halt)}\n")
    sys.stdout.write(f"state directory: {printable(str(state))}\n{_reach(done.halt, state)}")
    if lasting is not None:
        tell_of_no_rules()  # which might have said that the risk is high
    if done.number is not None:
        sys.stdout.write(f"on the record as number {done.number}\n")
    else:
        told = "it holds, and is not on the record yet; the next halt or resume that can will write it down"
        sys.stderr.write(f"aiguard: {told}: {printable(str(done.unrecorded))}\n")
    return 0


def tell_of_no_rules() -> None:
    """Say that no file was read, where one might have said something else."""
    if path_of_file(None) is None:
        sys.stderr.write(f"aiguard: no file with rules was read: set {FILE_VARIABLE}\n")


def what(one: Halt) -> str:
    """Return what a halt is about."""
    name = "every boundary" if one.boundary == EVERY else one.boundary
    return name if one.key is None else f"{name}, for the key {one.key}"


def _reach(one: Halt, state: Path) -> str:
    """Return how many of the processes that have the boundary say so, or that none can be asked."""
    try:
        answers = states(state)
    except UnusableError:
        return _NOBODY
    concerned = [
        [halt["id"] for boundary in answer["boundaries"] for halt in boundary.get("halts", ())]
        for answer in answers.answers
        if any(one.concerns(boundary["name"]) for boundary in answer["boundaries"])
    ]
    if not concerned and not answers.silent:
        return _NOBODY
    reached = sum(one.id in ids for ids in concerned)
    silent = f", {counted(len(answers.silent), 'process does', 'processes do')} not answer" if answers.silent else ""
    return f"in force in {reached} of {counted(len(concerned), 'process', 'processes')} that can be asked{silent}\n"


def _until(one: Halt) -> str:
    if one.until is None:
        return "until somebody resumes it"
    if one.stays:
        return f"until somebody resumes it: at high risk no time ends it, {moment(one.until)} neither"
    return f"until {moment(one.until)}" + (
        ", and where the risk is high until somebody resumes it" if one.boundary == EVERY else ""
    )


def _seconds(text: str) -> float:
    """Return the seconds that `--for` says, below zero too: the rules judge them. Raises `ValueError`."""
    sign, given = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    return sign * (float(given) if given.isdecimal() else seconds(given))
