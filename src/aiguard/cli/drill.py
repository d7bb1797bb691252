"""
What `aiguard drill` prints: what happened when, since the halt was asked for, and whether the drill passed.

    {
      "version": 1,
      "boundary": "ticket-triage",
      "key": "drill-3f2a9c41",
      "floor": "shop.rules:triage",   what was drilled, as `aiguard check` compares it
      "rung": "triage",               the rung that answered
      "passed": true,
      "flaws": [],                    why it failed
      "ms": {"seen": 1.2, "recorded": 9.4, "answered": 10.1, "resumed": 19.9, "open": 20.3},
      "processes": [{"pid": 4711, "program": "serve.py", "ms": 4.6}],
      "silent": [],                   processes that gave no answer
      "record": 3
    }

`version` changes when something here changes its meaning or goes away; what is added does not change it.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from aiguard.boundary import Boundary, boundaries, get
from aiguard.check import UncheckableError
from aiguard.check.importing import from_here, import_app
from aiguard.cli import text
from aiguard.cli.printable import printable
from aiguard.config import live
from aiguard.errors import PolicyError
from aiguard.governance.control import control_of
from aiguard.governance.drill import drill
from aiguard.governance.errors import ControlError
from aiguard.governance.trial import Given
from aiguard.problem import nearest, shown
from aiguard.state_directory import VARIABLE, state_directory

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from aiguard.governance.drill import Drilled

VERSION: Final = 1

NO_INPUT: Final = Given((), {})


def show(name: str, *, apps: Sequence[str], given: str | None, key: str | None, state: Path, as_json: bool) -> int:
    """Drill a boundary and say what that showed; return the exit code."""
    if state != state_directory():
        os.environ[VARIABLE] = str(state)  # the application's calls look there
    try:
        what = NO_INPUT if given is None else _given(given)
        with live.nothing_configured(), from_here():
            boundary = _declared(name, apps)
            drilled = drill(boundary, control_of(state), what, key=key)
    except (_NothingError, UncheckableError, PolicyError) as error:
        return _said(error, 2)
    except ControlError as error:
        return _said(error, 1)
    if as_json:
        sys.stdout.write(json.dumps(data_of(drilled), indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(drilled)))
    return 1 if drilled.flaws else 0


class _NothingError(Exception):
    """There is nothing to drill; the message says why."""


def _given(text_: str) -> Given:
    try:
        said = json.loads(text_)
    except (ValueError, RecursionError):
        raise _NothingError(f"`--input` is no JSON; a text stands in quotes: --input '{json.dumps('text')}'") from None
    if isinstance(said, list):
        return Given(said, {})
    return Given((), said) if isinstance(said, dict) else Given((said,), {})


def _declared(name: str, apps: Sequence[str]) -> Boundary:
    """Return the boundary, under the policy of the file and the code together."""
    with live.as_coded():  # its own `configure(…)` does nothing: which file is laid over the code is said here
        failed = [finding for app in dict.fromkeys(apps) for finding in import_app(app)]
    if failed:
        text.show_findings(failed, sys.stderr)
        raise _NothingError(f"{', '.join(apps)} cannot be imported")
    with _unrecorded():
        live.configure()
    if not apps:
        return _of_file(name)
    try:
        return get(name)
    except KeyError:
        near = nearest(name, [boundary.name for boundary in boundaries()])
        raise _NothingError(f"{', '.join(apps)} declares no boundary {shown(name)}{near}") from None


def _of_file(name: str) -> Boundary:
    """Return a boundary that has what the file says of it, and no function."""
    boundary = Boundary(name)
    if boundary.policy.deadline is None:
        raise _NothingError(f"no file says all of {shown(name)}: name the module that declares it, with --app")
    return boundary


@contextlib.contextmanager
def _unrecorded() -> Iterator[None]:
    """Configure a process that serves nobody: no policy comes into force that the record should tell of."""
    hears, live.came_into_force = live.came_into_force, lambda _: None
    try:
        yield
    finally:
        live.came_into_force = hears


def data_of(drilled: Drilled) -> dict[str, Any]:
    """Return what a drill showed as JSON data."""
    return {
        "version": VERSION,
        "boundary": drilled.boundary,
        "key": drilled.key,
        "floor": drilled.floor,
        "rung": drilled.rung,
        "passed": not drilled.flaws,
        "flaws": list(drilled.flaws),
        "ms": {name: _ms(at) for name, at in drilled.moments._asdict().items()},
        "processes": [{"pid": one.pid, "program": one.program, "ms": _ms(one.seen)} for one in drilled.reached],
        "silent": list(drilled.silent),
        "record": drilled.number,
    }


def _lines(drilled: Drilled) -> Iterator[str]:
    yield f"{drilled.boundary}, halted for the key {drilled.key}"
    moments = drilled.moments
    told = [
        (moments.seen, "this process turns its calls away"),
        *((one.seen, f"so does process {one.pid} ({one.program})") for one in drilled.reached),
        (moments.recorded, "the halt is on the record"),
        (moments.answered, f"the rung {drilled.rung} has answered" if drilled.rung else "no rung has answered"),
        (moments.resumed, "resumed, and that is on the record"),
        (moments.open, "calls get through again"),
    ]
    for at, what in sorted((at, what) for at, what in told if at is not None):
        yield f"{1000 * at:8.1f} ms  {what}"
    for pid in drilled.silent:
        yield f"process {pid} gives no answer: whether the halt reached it is not known"
    for flaw in drilled.flaws:
        yield f"failed: {flaw}"
    number = "" if drilled.number is None else f", on the record as number {drilled.number}"
    yield f"{'failed' if drilled.flaws else 'passed'}{number}"


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(1000 * seconds, 3)


def _said(why: object, code: int) -> int:
    sys.stderr.write(f"aiguard: {printable(str(why))}\n")
    return code
