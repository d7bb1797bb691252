"""What a verification finds: each way to change the record afterwards, by the first number that is wrong."""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiguard.governance.audit import GENESIS, NOTHING, canonical, chained, following
from aiguard.governance.reconciliation import begun
from aiguard.governance.store import Actor, Store
from aiguard.governance.verification import verified
from aiguard.halts import Halt

if TYPE_CHECKING:
    from pathlib import Path

ANNA = Actor("anna", 1001)
COUNT = 10


@pytest.fixture
def written(state: Path) -> Store:
    """A store with ten records, of which the triggers are gone: somebody had the file."""
    store = Store(state)
    for number in range(1, COUNT + 1):
        with store.changed(ANNA, 1000.0 + number) as change:
            halt = Halt(
                f"{number:032x}", "triage", None, "anna", f"INC-{number}", 1.0, None, stays=False, recorded=True
            )
            begun(change, halt)
    by_hand(
        store,
        "DROP TRIGGER audit_is_a_chain",
        "DROP TRIGGER audit_is_not_edited",
        "DROP TRIGGER audit_is_not_cut",
        "DROP TRIGGER halts_are_kept",
    )
    return store


def by_hand(store: Store, *statements: str) -> None:
    """Change the store as somebody would who has the file."""
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def flaws(store: Store) -> list[tuple[str, int]]:
    """Return what a verification finds, and where."""
    return [(flaw.kind, flaw.seq) for flaw in verified(store.state).flaws]


def test_a_record_that_nobody_touched_passes(written: Store) -> None:
    """To its end, which is anchored."""
    verdict = verified(written.state)
    assert (verdict.head.seq, verdict.anchored, verdict.flaws, verdict.unreadable) == (COUNT, COUNT, (), 0)


SWAP = (
    "UPDATE audit SET seq = -1 WHERE seq = 4",
    "UPDATE audit SET seq = 4 WHERE seq = 7",
    "UPDATE audit SET seq = 7 WHERE seq = -1",
)


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        (("UPDATE audit SET record = replace(record, 'INC-4', 'INC-5') WHERE seq = 4",), ("edited", 4)),
        (("UPDATE audit SET hash = (SELECT hash FROM audit WHERE seq = 3) WHERE seq = 4",), ("edited", 4)),
        (("UPDATE audit SET record = 'nothing' WHERE seq = 1",), ("edited", 1)),
        (("UPDATE audit SET record = 42 WHERE seq = 10",), ("edited", 10)),
        (("DELETE FROM audit WHERE seq = 4",), ("missing", 4)),
        (("DELETE FROM audit WHERE seq = 1",), ("missing", 1)),
        (("DELETE FROM audit WHERE seq = 4", "UPDATE audit SET seq = seq - 1 WHERE seq > 4"), ("moved", 4)),
        (SWAP, ("moved", 4)),
        (("INSERT INTO audit VALUES (0, '{}', '')",), ("missing", 1)),
    ],
)
def test_what_was_changed_within_the_chain_is_found(
    written: Store, statements: tuple[str, ...], found: tuple[str, int]
) -> None:
    """At the first number that is wrong."""
    by_hand(written, *statements)
    assert flaws(written)[0] == found


def test_a_tail_that_was_cut_off_is_found_by_the_anchor(written: Store) -> None:
    """The chain itself is in order to its new end."""
    by_hand(written, "DELETE FROM audit WHERE seq > 8", "DELETE FROM halts WHERE seq > 8")
    assert flaws(written) == [("cut", 9)]


def test_a_cut_stays_found_when_the_record_goes_on(written: Store) -> None:
    """The new records have numbers that were anchored with other hashes."""
    by_hand(written, "DELETE FROM audit WHERE seq > 8", "DELETE FROM halts WHERE seq > 8")
    for _ in range(5):
        with written.changed(ANNA, 2000.0) as change:
            change.append("policy")
    assert flaws(written) == [("rewritten", 9)]


def test_a_chain_that_was_made_again_is_found_by_the_anchor(written: Store) -> None:
    """Every hash fits, and none is the one that was anchored."""
    with contextlib.closing(sqlite3.connect(written.path, isolation_level=None)) as connection:
        head = NOTHING
        for (text,) in connection.execute("SELECT record FROM audit ORDER BY seq").fetchall():
            data = json.loads(text)
            if data["seq"] == 4:
                data["actor"] = "ben"
            record = following(head, data)
            connection.execute(
                "UPDATE audit SET record = ?, hash = ? WHERE seq = ?", (record.text, record.hash, record.seq)
            )
            head = type(head)(record.seq, record.hash)
    assert flaws(written) == [("rewritten", 4)]


def test_anchors_that_are_gone_are_told(written: Store) -> None:
    """Without them nobody knows whether the end is there."""
    (written.state / "audit-anchor").unlink()
    assert flaws(written) == [("unanchored", 1)]


def test_anchors_that_name_nothing_are_told(written: Store) -> None:
    """A file that was emptied tells no more than one that is gone."""
    (written.state / "audit-anchor").write_text("")
    assert flaws(written) == [("unanchored", 1)]


def test_a_record_that_is_gone_is_told_by_its_anchors(written: Store) -> None:
    """It is no record that nobody has begun yet; of one that was begun anew, the hashes are others."""
    written.path.unlink()
    verdict = verified(written.state)
    assert (verdict.head, verdict.anchored) == (NOTHING, COUNT)
    assert [(flaw.kind, flaw.seq) for flaw in verdict.flaws] == [("cut", 1)]
    with written.changed(ANNA, 2000.0) as change:
        change.append("policy")
    assert [kind for kind, _ in flaws(written)] == ["cut", "rewritten"]


def test_anchors_that_were_kept_elsewhere_tell_more(written: Store, tmp_path: Path) -> None:
    """Who cuts the record and the anchors beside it is found by a copy of them."""
    kept = tmp_path / "kept"
    shutil.copy(written.state / "audit-anchor", kept)
    by_hand(written, "DELETE FROM audit WHERE seq > 8", "DELETE FROM halts WHERE seq > 8")
    lines = (written.state / "audit-anchor").read_text().splitlines(keepends=True)
    (written.state / "audit-anchor").write_text("".join(lines[:8]))
    assert flaws(written) == []
    assert [(flaw.kind, flaw.seq) for flaw in verified(written.state, kept).flaws] == [("cut", 9)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE halts SET ended = 9 WHERE seq = 4",
        "DELETE FROM halts WHERE seq = 4",
        "UPDATE halts SET seq = 5 WHERE seq = 4",
        "UPDATE halts SET halt = replace(halt, 'triage', 'elsewhere') WHERE seq = 4",
        "UPDATE halts SET halt = 'notes' WHERE seq = 4",
    ],
)
def test_a_state_that_is_not_the_recorded_one_is_found(written: Store, statement: str) -> None:
    """Nobody lifts a halt by editing the table beside the record."""
    by_hand(written, statement)
    assert flaws(written) == [("state", 4)]


def test_a_halt_that_nobody_recorded_is_found(written: Store) -> None:
    """A row of the table without a record is one."""
    by_hand(written, "INSERT INTO halts SELECT 'f', halt, 3, NULL, NULL, 'x' FROM halts WHERE seq = 3")
    assert flaws(written) == [("state", 3)]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(st.dictionaries(st.text(), JSON, max_size=5))
def test_a_record_has_one_spelling(data: dict[str, object]) -> None:
    """Read and written again it is the same, byte for byte, in ASCII."""
    text = canonical(data)
    assert text.isascii()
    assert canonical(json.loads(text)) == text


def test_the_chain_can_be_followed_without_aiguard() -> None:
    """The hash of the one before, as text, and the record's text."""
    record = following(NOTHING, {"event": "halt"})
    assert record.text == '{"event":"halt","seq":1}'
    assert record.hash == chained(GENESIS, record.text)
    assert record.hash == "7652f8b9b176aaf41b16f3925a09e0b4bd438ab6594e2cc329825ae6cc489d6c"
