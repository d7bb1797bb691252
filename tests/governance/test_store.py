"""The control store: what is on the disk once a transaction has ended, and what is not."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from aiguard.governance.errors import StoreError
from aiguard.governance.store import VERSION, Actor, Store
from aiguard.governance.verification import verified
from aiguard.halts import Halt

ANNA = Actor("anna", 1001)
HALT = Halt("a" * 32, "triage", None, "anna", "INC-12", 1000.0, None, stays=False, recorded=False)


def write(store: Store, *events: str) -> None:
    """Append records, all in one transaction."""
    with store.changed(ANNA, 1000.0) as change:
        for event in events:
            change.append(event)


def by_hand(store: Store, *statements: str) -> None:
    """Change the store as somebody would who has the file."""
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_record_says_who_did_what_and_when(store: Store) -> None:
    """And its number, in one spelling."""
    write(store, "halt", "resume")
    with store.read() as reading:
        rows = list(reading.rows())
    assert rows[0][1] == b'{"actor":"anna","at":1000.0,"event":"halt","seq":1,"uid":1001}'
    assert [row[0] for row in rows] == [1, 2]


def test_the_directory_and_its_files_are_the_owners_alone(store: Store) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        write(store, "halt")
        with store.read():
            modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in store.path.parent.iterdir()}
    finally:
        os.umask(before)
    assert set(modes.values()) == {0o600}
    assert "control.db" in modes
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700
    assert stat.S_IMODE((store.state / "audit-anchor").stat().st_mode) == 0o600


def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    """Neither the halt nor its record, and no anchor of it."""
    write(store, "halt")

    def fail() -> None:
        with store.changed(ANNA, 1000.0) as change:
            change.begin(HALT, change.append("halt"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with store.read() as reading:
        assert reading.last() == 1
        assert reading.halts() == {}
    assert verified(store.state).flaws == ()


def test_a_halt_is_kept_until_it_is_ended(store: Store) -> None:
    """And afterwards as one that was ended, and by which record."""
    with store.changed(ANNA, 1000.0) as change:
        change.begin(HALT, change.append("halt", halt=HALT.id))
    with store.changed(ANNA, 1001.0) as change:
        assert change.in_force()[HALT.id] == (HALT, 1, None, None)
        change.end(HALT.id, change.append("resume", halt=HALT.id, ends=True))
    with store.read() as reading:
        assert reading.halts()[HALT.id] == (HALT, 1, None, 2)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET record = '{}' WHERE seq = 1",
        "DELETE FROM audit WHERE seq = 2",
        "INSERT OR REPLACE INTO audit VALUES (1, '{}', '')",
        "INSERT INTO audit VALUES (7, '{}', '')",
        "DELETE FROM halts",
    ],
)
def test_the_tables_refuse_what_is_no_appending(store: Store, statement: str) -> None:
    """A slip of somebody's hand, or of a program, cannot change the record."""
    with store.changed(ANNA, 1000.0) as change:
        change.begin(HALT, change.append("halt", halt=HALT.id))
        change.append("policy")
    with pytest.raises(sqlite3.IntegrityError, match=r"appended|ended"):
        by_hand(store, statement)


def test_a_store_of_a_newer_version_is_refused(store: Store) -> None:
    """To be read as to be written, and it is left as it is."""
    write(store, "halt")
    by_hand(store, f"PRAGMA user_version = {VERSION + 1}")
    before = store.path.read_bytes()
    for use in (store.read(), store.changed(ANNA, 1000.0)):
        with pytest.raises(StoreError, match="use the newer aiguard") as refused, use:
            pass
        assert refused.value.rule == "store-version"
    assert store.path.read_bytes() == before


def test_what_is_no_store_is_refused(store: Store) -> None:
    """With the path, and what SQLite makes of it."""
    write(store, "halt")
    store.path.write_bytes(b"notes of the meeting" * 100)
    for use in (store.read(), store.changed(ANNA, 1000.0)):
        with pytest.raises(StoreError, match=r"control\.db.*not a database") as refused, use:
            pass
        assert refused.value.rule == "store"


def test_nothing_recorded_yet_is_told_as_that(store: Store) -> None:
    """To look makes nothing."""
    with pytest.raises(StoreError, match="nothing was recorded yet"), store.read():
        pass
    assert not store.state.exists()


def test_a_directory_that_others_may_write_is_refused(store: Store) -> None:
    """They could put another record in its place."""
    write(store, "halt")
    store.path.parent.chmod(0o770)
    with pytest.raises(StoreError, match="chmod go-w"), store.changed(ANNA, 1000.0):
        pass


def test_no_store_is_made_where_the_gates_file_cannot_be(store: Store) -> None:
    """Else the first process that starts once the directory is mended would take that file for lost."""
    store.state.mkdir()
    store.state.chmod(0o777)
    with pytest.raises(StoreError, match="may be written to by others"), store.changed(ANNA, 1000.0):
        pass
    assert list(store.state.iterdir()) == []


def test_something_in_the_place_of_the_directory_is_told(store: Store) -> None:
    """The error says where."""
    store.state.mkdir()
    store.path.parent.write_text("")
    with pytest.raises(StoreError, match=r"control\.db' cannot be used"), store.changed(ANNA, 1000.0):
        pass


def test_a_record_without_an_anchor_is_a_record_all_the_same(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """It is told of, and the next anchor covers it."""
    (store.state / "audit-anchor").mkdir(parents=True)
    write(store, "halt")
    assert "could not be anchored" in caplog.text
    (store.state / "audit-anchor").rmdir()
    write(store, "resume")
    verdict = verified(store.state)
    assert (verdict.head.seq, verdict.anchored, verdict.flaws) == (2, 2, ())


def test_an_anchor_that_was_torn_spoils_no_other(store: Store) -> None:
    """The next begins on a line of its own."""
    write(store, "halt")
    with (store.state / "audit-anchor").open("ab") as file:
        file.write(b'{"at":10')
    write(store, "resume")
    verdict = verified(store.state)
    assert (verdict.anchored, verdict.unreadable, verdict.flaws) == (2, 1, ())


WRITER = """
import sys
from pathlib import Path
from aiguard.governance.store import Actor, Store
store = Store(Path(sys.argv[1]), patience=60.0)
for number in range(int(sys.argv[2])):
    with store.changed(Actor("anna", 1001), float(number)) as change:
        change.append("halt", halt=f"{sys.argv[3]}-{number}", boundary="triage")
"""


def test_four_writers_at_once_keep_one_chain(state: Path) -> None:
    """From the moment on at which all four make the store."""
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(state), "25", str(one)]) for one in range(4)]
    assert [writer.wait(120.0) for writer in writers] == [0] * 4
    verdict = verified(state)
    assert verdict.head.seq == verdict.anchored == 100
    assert [flaw.kind for flaw in verdict.flaws] == ["state"]  # records of halts that no table has: see above


def test_a_writer_waits_for_another_one_and_then_says_so(store: Store) -> None:
    """Nobody hangs behind a writer that hangs."""
    write(store, "halt")
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="locked"), Store(store.state, patience=0.01).changed(ANNA, 1000.0):
            pass


def test_a_full_disk_is_told_and_loses_nothing(store: Store) -> None:
    """What was recorded before is there, and the record goes on once there is room."""
    write(store, "halt")
    script = f"""
import resource, sys
from pathlib import Path
from aiguard.governance.errors import StoreError
from aiguard.governance.store import Actor, Store
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    with Store(Path({str(store.state)!r})).changed(Actor("anna", 1001), 1.0) as change:
        change.append("halt", reason="x" * 5000)
except StoreError as error:
    print(error)
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "cannot be used: " in told
    with store.read() as reading:
        assert reading.last() == 1
    write(store, "resume")
    assert verified(store.state).head.seq == 2


READER = """
import os, sys
from pathlib import Path
from aiguard.governance.errors import StoreError
from aiguard.governance.store import Actor, Store
from aiguard.governance.verification import verified
if os.geteuid() == 0:
    os.setegid(65534)
    os.seteuid(65534)
print(verified(Path(sys.argv[1])).head.seq)
try:
    with Store(Path(sys.argv[1])).changed(Actor("eve", 65534), 1.0):
        pass
except StoreError as error:
    print(error)
"""


def test_the_record_can_be_read_where_nothing_may_be_written() -> None:
    """A copy kept as evidence is read as it is; to write to it is refused."""
    with tempfile.TemporaryDirectory() as directory:  # pytest's own are closed to other users
        store = Store(Path(directory) / "state")
        write(store, "policy", "policy")
        for path in (store.path, store.state / "audit-anchor"):
            path.chmod(0o444)
        for path in (Path(directory), store.state, store.path.parent):
            path.chmod(0o555)
        told = subprocess.run(
            [sys.executable, "-c", READER, str(store.state)], capture_output=True, text=True, check=True
        )
        for path in (store.path.parent, store.state, Path(directory)):
            path.chmod(0o700)
    assert told.stdout.splitlines()[0] == "2"
    assert "readonly" in told.stdout


def test_in_a_directory_of_a_group_the_store_is_the_groups(store: Store) -> None:
    """So that several people of a group can act, each as themselves; nobody else can."""
    store.state.mkdir()
    store.state.chmod(0o1770)
    write(store, "halt")
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o2770
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o660
    assert stat.S_IMODE((store.state / "audit-anchor").stat().st_mode) == 0o660
    write(store, "resume")
