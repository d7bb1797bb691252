"""
The record of control events: shown, verified, handed on.

    aiguard audit show --json     {"version": 1, "directory": "…", "records": [{"seq": 17, "event": "halt", …}]}
    aiguard audit verify --json   {"version": 1, "directory": "…", "records": 17, "head": "9c1b…", "anchored": 17,
                                   "unreadable_anchors": 0, "flaws": [{"kind": "edited", "seq": 4, "why": "…"}]}
    aiguard audit export          a line for each record: {"hash": "9c1b…", "record": {"seq": 17, …}}

`version` changes when something here changes its meaning or goes away; what is added does not change it. In a line of
`export`, the record stands in the one spelling that its hash was made of: see `governance/audit.py`.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from aiguard.cli.printable import printable
from aiguard.cli.status_words import counted
from aiguard.governance.errors import ControlError
from aiguard.governance.store import Store
from aiguard.governance.verification import verified
from aiguard.halts import EVERY, moment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from aiguard.governance.verification import Verdict

VERSION: Final = 1


def show(directory: Path, *, boundary: str | None, last: int, as_json: bool) -> int:
    """Print the last records; return the exit code."""
    try:
        records = list(_last(directory, boundary, last))
    except ControlError as error:
        return _unusable(error)
    if as_json:
        data = {"version": VERSION, "directory": str(directory), "records": records}
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
        return 0
    for said in records:
        sys.stdout.write(printable(line_of(said)) + "\n")
    return 0


def verify(directory: Path, *, anchors: Path | None, as_json: bool) -> int:
    """Follow the record and print what was found; return the exit code."""
    try:
        verdict = verified(directory, anchors)
    except ControlError as error:
        return _unusable(error)
    except OSError as error:
        return _unusable(f"the anchors cannot be read: {error.strerror or error}")
    if as_json:
        sys.stdout.write(json.dumps(data_of(directory, verdict), indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(verdict)))
    return 1 if verdict.flaws else 0


def export(directory: Path) -> int:
    """Print every record with its hash, a line each; return the exit code."""
    try:
        with Store(directory).read() as reading:
            for _, text, hashed in reading.rows():
                sys.stdout.write(f'{{"hash":{json.dumps(hashed.decode("ascii", "replace"))},"record":')
                sys.stdout.write(text.decode("utf-8", "replace").replace("\n", "\\n") + "}\n")
    except ControlError as error:
        return _unusable(error)
    return 0


def data_of(directory: Path, verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as JSON data."""
    return {
        "version": VERSION,
        "directory": str(directory),
        "records": verdict.head.seq,
        "head": verdict.head.hash,
        "anchored": verdict.anchored,
        "unreadable_anchors": verdict.unreadable,
        "flaws": [flaw._asdict() for flaw in verdict.flaws],
    }


def line_of(said: dict[str, Any]) -> str:
    """Return a record in a line: its number, when, who, what."""
    at = said.get("at")
    when = moment(at) if isinstance(at, int | float) else "–"
    return f"{said.get('seq', '?'):>6}  {when}  {said.get('actor', '?')}  {_told(said)}"


def _told(said: dict[str, Any]) -> str:
    form = _FORMS.get(str(said.get("event")))
    return json.dumps(said, sort_keys=True) if form is None else form(said)


def _halted(said: dict[str, Any]) -> str:
    until = said.get("until")
    till = f" until {moment(until)}" if isinstance(until, int | float) else ""
    late = f", recorded late: by {said.get('by')} at {moment(said.get('since', 0.0))}" if said.get("late") else ""
    return f"halted {_where(said)}{till}: {said.get('reason')}{late}"


def _resumed(said: dict[str, Any]) -> str:
    return f"resumed {_where(said)}: {said.get('reason')}"


def _expired(said: dict[str, Any]) -> str:
    ended = "" if said.get("ends") else ": where the risk is high it stays"
    return f"noted that the time of the halt of {_where(said)} was over{ended}"


def _restored(said: dict[str, Any]) -> str:
    return f"put back the halt of {_where(said)}, which the gate's file had lost"


def _refused(said: dict[str, Any]) -> str:
    return f"was refused to {said.get('action')} {_where(said)} by the rule {said.get('rule')}: {said.get('reason')}"


def _policy(said: dict[str, Any]) -> str:
    return f"put the policy {said.get('new')} in force, before it {said.get('old', 'none')}: {said.get('file')}"


def _drilled(said: dict[str, Any]) -> str:
    ended = f"{said.get('rung')} answered" if said.get("passed") else f"it failed: {said.get('reason')}"
    return f"drilled {_where(said)}: {ended}"


def _where(said: dict[str, Any]) -> str:
    name = "every boundary" if said.get("boundary") == EVERY else str(said.get("boundary"))
    return name if said.get("key") is None else f"{name}, for the key {said['key']}"


_FORMS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "halt": _halted,
    "resume": _resumed,
    "expired": _expired,
    "restored": _restored,
    "refused": _refused,
    "policy": _policy,
    "drill": _drilled,
}


def _last(directory: Path, boundary: str | None, last: int) -> Iterator[dict[str, Any]]:
    with Store(directory).read() as reading:
        found: list[dict[str, Any]] = []
        for seq, text, _ in reading.rows(None if boundary is not None else reading.last() - last + 1):
            try:
                said = json.loads(text)
            except (ValueError, RecursionError):
                said = None
            if not isinstance(said, dict):
                said = {"seq": seq, "event": "unreadable"}
            if boundary is None or said.get("boundary") in {boundary, EVERY}:
                found.append(said)
    yield from found[-last:]


def _lines(verdict: Verdict) -> Iterator[str]:
    for flaw in verdict.flaws:
        yield f"{flaw.kind}, from record {flaw.seq} on: {flaw.why}"
    records = counted(verdict.head.seq, "record", "records")
    if verdict.flaws:
        yield f"the record cannot be relied on: {records} in order before the first that is not"
        return
    unanchored = verdict.head.seq - verdict.anchored
    yield f"{records}, one chain, up to {verdict.head.hash}"
    yield f"anchored up to record {verdict.anchored}" + (f", {unanchored} less than there are" if unanchored else "")
    if verdict.unreadable:
        lines = counted(verdict.unreadable, "line", "lines")
        yield f"{lines} of the anchors cannot be read: torn by a crash, or edited"


def _unusable(why: object) -> int:
    sys.stderr.write(f"aiguard: {printable(str(why))}\n")
    return 2
