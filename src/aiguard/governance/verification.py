"""
Whether the record is the one that was written: its chain, its end, and what is in force by it.

It finds what was changed afterwards. Whoever may write the store, the anchor file and the log that the anchors went to
can write another record from the start; nothing on one machine can tell.
"""

from __future__ import annotations

import json
import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiguard.governance.anchor import NAME, Anchors, anchors
from aiguard.governance.audit import GENESIS, NOTHING, Head
from aiguard.governance.errors import NoRecordError
from aiguard.governance.store import Store
from aiguard.problem import shown_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aiguard.governance.store import Reading

EDITED: Final = "edited"
MISSING: Final = "missing"
MOVED: Final = "moved"
CUT: Final = "cut"
REWRITTEN: Final = "rewritten"
UNANCHORED: Final = "unanchored"
STATE: Final = "state"

_HALT: Final = re.compile(rb',"halt":"([^"\\]*)"')
"""Where a record names a halt: in its one spelling, no quote of a text stands without a backslash."""

_SAME: Final = ("boundary", "key", "reason", "until", "by", "since", "stays")
"""What a halt and its record both say."""


class Flaw(NamedTuple):
    """
    Something that is wrong with the record.

    Attributes:
        kind: `edited`, `missing` or `moved` (within the chain), `cut` (at its end), `rewritten` (the anchors name other
            hashes), `unanchored` (there are no anchors), `state` (what is in force is not what was recorded).
        seq: The number of the first record that is wrong.
        why: What was found.
    """

    kind: str
    seq: int
    why: str


class Verdict(NamedTuple):
    """
    What a verification found.

    Attributes:
        head: The last record of the chain, as far as it holds.
        anchored: The number of the last record that an anchor names; 0 where there is none.
        flaws: What is wrong; at most one of each kind of check: the chain, its end, the anchors, the state.
        unreadable: Lines of the anchor file that are none of ours: torn by a crash, or edited.
    """

    head: Head
    anchored: int
    flaws: tuple[Flaw, ...]
    unreadable: int


def verified(state: Path, anchor_file: Path | None = None) -> Verdict:
    """
    Follow the whole record.

    Args:
        state: The directory that processes share.
        anchor_file: The anchors; by default those in the directory. A copy that was kept elsewhere tells more.

    Raises:
        NoRecordError: Nothing was recorded yet, and nothing anchored.
        StoreError: The record cannot be read.
        OSError: The anchors cannot be read.
    """
    path = anchor_file or state / NAME
    try:
        known: Anchors | None = anchors(path)  # before the store: it may go on meanwhile
    except FileNotFoundError:
        if anchor_file is not None:
            raise
        known = None
    try:
        with Store(state).read() as reading:
            return _verdict(reading, known, path)
    except NoRecordError:
        if known is None or not known.heads:
            raise
        last = max(known.heads)
        gone = Flaw(CUT, 1, f"{last} {'record was' if last == 1 else 'records were'} anchored, and the record is gone")
        return Verdict(NOTHING, last, (gone,), known.unreadable)


def _verdict(reading: Reading, known: Anchors | None, path: Path) -> Verdict:
    heads: Mapping[int, bytes] = {} if known is None else known.heads
    chain = _Chain(heads)
    broken = chain.follow(reading)
    flaws = [] if broken is None else [broken]
    last, anchored = reading.last(), max(heads, default=0)
    if not heads and last:
        are = "are gone" if known is None else "name no record"
        flaws.append(Flaw(UNANCHORED, 1, f"the anchors {shown_path(path)} {are}: whether the end was cut is unknown"))
    if anchored > last:
        why = f"{anchored} records were anchored, and the record ends with {last}"
        flaws.append(Flaw(CUT, last + 1, why))
    differing = known.differing if known is not None else None
    if broken is None and (chain.differs is not None or differing is not None):
        first = min(seq for seq in (chain.differs, differing) if seq is not None)
        flaws.append(Flaw(REWRITTEN, first, f"record {first} has another hash than the one that was anchored"))
    if broken is None:
        flaws += _state_flaws(chain, reading)
    return Verdict(chain.head, anchored, tuple(flaws), 0 if known is None else known.unreadable)


class _Chain:
    """The chain, followed from its beginning."""

    def __init__(self, anchored: Mapping[int, bytes]) -> None:
        self._anchored = anchored
        self.head = Head(0, GENESIS)
        self.differs: int | None = None
        self.begun: dict[bytes, int] = {}
        self.ended: dict[bytes, int] = {}
        self.in_force: dict[bytes, bytes] = {}

    def follow(self, reading: Reading) -> Flaw | None:
        """Read to the end, or to the first record that is wrong."""
        expected, previous = 0, GENESIS.encode()
        anchored, named = self._anchored, _HALT.search
        begun, ended, in_force = self.begun, self.ended, self.in_force
        try:
            for seq, text, hashed in reading.rows():
                expected += 1
                if seq != expected:
                    expected -= 1
                    return Flaw(MISSING, expected + 1, f"record {expected + 1} is missing: {seq} is the next")
                right = sha256(previous + text).hexdigest().encode()
                if right != hashed or b',"seq":%d,' % seq not in text:
                    expected -= 1
                    return _misplaced(seq, _read(text))
                previous = right
                if anchored.get(seq, right) != right and self.differs is None:
                    self.differs = seq
                id_ = named(text)
                if id_ is None:
                    continue
                if b'"event":"halt"' in text:
                    begun[id_[1]] = seq
                    in_force[id_[1]] = text
                elif b'"ends":true' in text:
                    ended[id_[1]] = seq
                    in_force.pop(id_[1], None)
            return None
        finally:
            self.head = Head(expected, previous.decode())


def _read(text: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _misplaced(seq: int, said: dict[str, Any] | None) -> Flaw:
    """Return what became of a record that does not fit: it says its own number."""
    number = None if said is None else said.get("seq")
    if isinstance(number, int) and number != seq:
        return Flaw(MOVED, seq, f"in the place of record {seq} stands record {number}")
    return Flaw(EDITED, seq, f"record {seq} does not give its hash: it, or its hash, was edited")


def _state_flaws(chain: _Chain, reading: Reading) -> list[Flaw]:
    """Return the first halt whose state is not the one that was recorded."""
    states = {id_: (seq, ended, text) for id_, seq, ended, text in reading.states()}
    wrong = [(seq, id_) for id_, seq in chain.begun.items() if states.get(id_, ())[:2] != (seq, chain.ended.get(id_))]
    wrong += [(state[0], id_) for id_, state in states.items() if id_ not in chain.begun]
    wrong += [
        (chain.begun[id_], id_)
        for id_, text in chain.in_force.items()
        if id_ in states and not _agree(states[id_][2], text)
    ]
    if not wrong:
        return []
    seq, id_ = min(wrong)
    return [
        Flaw(
            STATE, seq, f"the store's state of the halt {id_.decode(errors='replace')} is not the one that was recorded"
        )
    ]


def _agree(state: bytes, text: bytes) -> bool:
    """Whether a halt in force is the one that its record names."""
    kept, said = _read(state), _read(text)
    return kept is not None and said is not None and all(kept.get(one) == said.get(one) for one in _SAME)
