"""
The control store: SQLite, in a directory of its own.

    <state>/control/            0700
    <state>/control/control.db  0600; with `-wal` and `-shm` beside it while somebody has it open

What is in force and the record of how it came about are written in one transaction, to the disk before it returns. No
call of a boundary ever waits for it: calls read the gate's file. It is opened for one operation and closed again, so
nothing of it is there when a process forks.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import stat
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

from aiguard.call import logger
from aiguard.gate_file import GateFile
from aiguard.governance.anchor import anchor
from aiguard.governance.audit import NOTHING, Head, Record, following
from aiguard.governance.errors import NoRecordError, StoreError
from aiguard.governance.modes import directory_mode_in, mode_in, settle
from aiguard.halts import Halt
from aiguard.problem import shown_path
from aiguard.state_directory import UnusableError, record_in

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator
    from pathlib import Path

VERSION: Final = 1
"""Of the tables; a store of a newer one is refused."""

LOWEST: Final = -(2**63)
"""The least number that a row can have."""

PATIENCE: Final = 5.0
"""Seconds that a writer waits for another one: each takes milliseconds."""

_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH

_TABLES: Final = """
CREATE TABLE audit (seq INTEGER PRIMARY KEY, record TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE halts (
  id TEXT PRIMARY KEY, halt TEXT NOT NULL, seq INTEGER NOT NULL, expired INTEGER, ended INTEGER, boundary TEXT NOT NULL
);
CREATE INDEX halts_by_boundary ON halts (boundary);
CREATE INDEX halts_in_force ON halts (seq) WHERE ended IS NULL;
CREATE TABLE policies (file TEXT PRIMARY KEY, digest TEXT NOT NULL);
CREATE TRIGGER audit_is_a_chain BEFORE INSERT ON audit
  WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit)
  BEGIN SELECT RAISE(ABORT, 'the audit is appended to, in order'); END;
CREATE TRIGGER audit_is_not_edited BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit is appended to, never changed'); END;
CREATE TRIGGER audit_is_not_cut BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit is appended to, never cut'); END;
CREATE TRIGGER halts_are_kept BEFORE DELETE ON halts
  BEGIN SELECT RAISE(ABORT, 'halts are ended, never forgotten'); END;
"""


IN_FORCE: Final = "WHERE ended IS NULL ORDER BY seq"


class Kept(NamedTuple):
    """
    A halt, as the store has it.

    Attributes:
        halt: As it was recorded.
        seq: The number of its record.
        expired: The number of the record that its time was over; `None` where it has not been told yet.
        ended: The number of the record that ended it; `None` while it is in force.
    """

    halt: Halt
    seq: int
    expired: int | None
    ended: int | None


class Actor(NamedTuple):
    """
    Who is acting.

    Attributes:
        person: As the directory names them; else the system's name of the user.
        uid: The effective user.
    """

    person: str
    uid: int


class Change:
    """
    A transaction that is being written: what it appends and what it changes come about together, or not at all.

    Attributes:
        records: What was appended.
        unanchored: Why the head could not be written down outside the store; `None` where it was. Known afterwards.
    """

    def __init__(self, connection: sqlite3.Connection, actor: Actor, at: float) -> None:
        self._connection = connection
        self._actor = actor
        self._at = at
        self.records: list[Record] = []
        self.unanchored: str | None = None
        found = connection.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
        self.head = NOTHING if found is None else Head(*found)

    def append(self, event: str, **said: Any) -> int:
        """Append a record of who did what and when; return its number."""
        data = {**said, "event": event, "at": self._at, "actor": self._actor.person, "uid": self._actor.uid}
        record = following(self.head, data)
        self._connection.execute("INSERT INTO audit VALUES (?, ?, ?)", record)
        self.records.append(record)
        self.head = Head(record.seq, record.hash)
        return record.seq

    def in_force(self) -> dict[str, Kept]:
        """Return the halts in force, by their ids, as they were begun."""
        return _halts(self._connection, IN_FORCE)

    def among(self, ids: Iterable[str]) -> dict[str, Kept]:
        """Return those of these halts that the store has, in force or ended."""
        found: dict[str, Kept] = {}
        for id_ in ids:
            found |= _halts(self._connection, "WHERE id = ?", id_)
        return found

    def begin(self, halt: Halt, seq: int) -> None:
        """Keep a halt that is in force, recorded under that number."""
        text = json.dumps(halt.in_json(), sort_keys=True)
        self._connection.execute(
            "INSERT INTO halts VALUES (?, ?, ?, NULL, NULL, ?)", (halt.id, text, seq, halt.boundary)
        )

    def expire(self, id_: str, seq: int) -> None:
        """Note that the time of a halt was over."""
        self._connection.execute("UPDATE halts SET expired = ? WHERE id = ? AND expired IS NULL", (seq, id_))

    def end(self, id_: str, seq: int) -> None:
        """Note that a halt is in force no more."""
        self._connection.execute("UPDATE halts SET ended = ? WHERE id = ? AND ended IS NULL", (seq, id_))

    def policy(self, file: str) -> str | None:
        """Return the digest of the file that was in force last."""
        found = self._connection.execute("SELECT digest FROM policies WHERE file = ?", (file,)).fetchone()
        return None if found is None else str(found[0])

    def put_policy(self, file: str, digest: str) -> None:
        """Note which digest of the file is in force."""
        self._connection.execute("INSERT OR REPLACE INTO policies VALUES (?, ?)", (file, digest))


class Reading:
    """The store at one moment, whoever writes meanwhile."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, first: int | None = None) -> Iterator[tuple[int, bytes, bytes]]:
        """Return number, text and hash of each record, or from `first` on, as they are there: nothing is believed."""
        asked = "SELECT seq, CAST(record AS BLOB), CAST(hash AS BLOB) FROM audit WHERE seq >= ? ORDER BY seq"
        return self._connection.execute(asked, (LOWEST if first is None else first,))

    def last(self) -> int:
        """Return the number of the last record; 0 where there is none."""
        return int(self._connection.execute("SELECT coalesce(max(seq), 0) FROM audit").fetchone()[0])

    def halts(self) -> dict[str, Kept]:
        """Return every halt that was ever recorded, by its id."""
        return _halts(self._connection)

    def in_force(self) -> dict[str, Kept]:
        """Return the halts in force, by their ids, as they were begun."""
        return _halts(self._connection, IN_FORCE)

    def states(self) -> Iterator[tuple[bytes, int, int | None, bytes]]:
        """Return each halt's id, the numbers of its record and of the one that ended it; of one in force all of it."""
        what = "CASE WHEN ended IS NULL THEN CAST(halt AS BLOB) ELSE x'' END"
        return self._connection.execute(f"SELECT CAST(id AS BLOB), seq, ended, {what} FROM halts")  # noqa: S608 - ours

    def has_halt_of(self, boundary: str) -> bool:
        """Whether that boundary was ever halted."""
        found = self._connection.execute("SELECT 1 FROM halts WHERE boundary = ? LIMIT 1", (boundary,)).fetchone()
        return found is not None


class Store:
    """
    The control store of a state directory. Making this object touches nothing.

    Args:
        state: The directory that processes share.
        patience: Seconds to wait for another writer.
    """

    def __init__(self, state: Path, *, patience: float = PATIENCE) -> None:
        self.state = state
        self.path = record_in(state)
        self._patience = patience

    @property
    def _name(self) -> str:
        return shown_path(self.path)

    def exists(self) -> bool:
        """Whether there is one; one that nobody may look at counts as there."""
        try:
            self.path.lstat()
        except FileNotFoundError:
            return False
        except OSError:
            return True
        return True

    @contextlib.contextmanager
    def changed(self, actor: Actor, at: float) -> Generator[Change]:
        """
        Give a transaction; it is on the disk once the block has ended without an exception, and anchored.

        Raises:
            StoreError: The store cannot be opened or written; nothing of the transaction is there then.
        """
        with self._told(), contextlib.closing(self._opened()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                change = Change(connection, actor, at)
                yield change
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
            if change.records:  # before it is closed: that takes a while, and a head is not anchored till then
                self._anchor(change, at)

    def _anchor(self, change: Change, at: float) -> None:
        try:
            anchor(self.state, change.head, at)
        except OSError as error:
            change.unanchored = error.strerror or str(error)
            logger.warning("the head of the audit, %d, could not be anchored: %s", change.head.seq, change.unanchored)

    @contextlib.contextmanager
    def read(self) -> Generator[Reading]:
        """
        Give the store as it is now.

        Raises:
            NoRecordError: There is none.
            StoreError: It cannot be read.
        """
        with self._told(), contextlib.closing(self._opened_to_read()) as connection:
            connection.execute("BEGIN")
            yield Reading(connection)

    @contextlib.contextmanager
    def _told(self) -> Generator[None]:
        """Raise SQLite's and the system's errors as ours."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError("store", f"the control store {self._name} cannot be used: {error}") from error
        except OSError as error:
            why = error.strerror or str(error)
            raise StoreError("store", f"the control store {self._name} cannot be used: {why}") from error

    def _opened(self) -> sqlite3.Connection:
        """Open it to be written, made where it is not there."""
        directory = self.path.parent
        if not self.exists():
            try:
                GateFile(self.state).make()  # first: where there is a record and no gate, the gate was lost
            except UnusableError as error:
                raise StoreError("store", f"no control store is made here: {error}") from error
        made = True
        try:
            directory.mkdir(mode=0o700)
        except FileExistsError:
            made = False
        opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if made:
                settle(opened, self.state, directory_mode_in(self.state))
            if stat.S_IMODE(os.fstat(opened).st_mode) & _OTHERS & ~directory_mode_in(self.state):
                why = f"{shown_path(directory)} may be written to by others: `chmod go-w` it"
                raise StoreError("store", why)
            if not self.exists():
                self._make_file()
            connection = self._connected("rw")
            try:
                if self._version_of(connection) == 0:
                    fcntl.flock(opened, fcntl.LOCK_EX)
                    self._make_tables(connection)
                connection.execute("PRAGMA synchronous = FULL")
                connection.execute("PRAGMA fullfsync = ON")  # on macOS, where a plain fsync does not reach the disk
            except BaseException:
                connection.close()
                raise
            return connection
        finally:
            os.close(opened)

    def _make_file(self) -> None:
        with contextlib.suppress(FileExistsError):
            made = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                settle(made, self.state, mode_in(self.state))
            finally:
                os.close(made)

    def _make_tables(self, connection: sqlite3.Connection) -> None:
        if self._version_of(connection) != 0:  # another process was quicker
            return
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;")

    def _opened_to_read(self) -> sqlite3.Connection:
        nothing = f"nothing was recorded yet: there is no control store in {shown_path(self.path.parent)}"
        if not self.exists():
            raise NoRecordError("store", nothing)
        connection = self._connected("rw")  # a writer that was killed may have left something to be finished
        try:
            try:
                version = self._version_of(connection)
            except sqlite3.OperationalError:
                if (
                    os.access(self.path.parent, os.W_OK, effective_ids=os.access in os.supports_effective_ids)
                    or self.path.with_name(f"{self.path.name}-wal").exists()
                ):
                    raise
                connection.close()
                connection = self._connected("ro&immutable=1")  # a copy that nobody may write to, kept as evidence
                version = self._version_of(connection)
            connection.execute("PRAGMA query_only = ON")
        except BaseException:
            connection.close()
            raise
        if version == 0:  # its maker was killed
            connection.close()
            raise NoRecordError("store", nothing)
        return connection

    def _connected(self, mode: str) -> sqlite3.Connection:
        address = f"file:{quote(os.fsencode(self.path))}?mode={mode}"
        return sqlite3.connect(address, uri=True, timeout=self._patience, isolation_level=None)

    def _version_of(self, connection: sqlite3.Connection) -> int:
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            why = f"the control store has version {version}, and this aiguard knows {VERSION}: use the newer aiguard"
            raise StoreError("store-version", why)
        return version


def _halts(connection: sqlite3.Connection, which: str = "", *values: str) -> dict[str, Kept]:
    rows = connection.execute(f"SELECT id, halt, seq, expired, ended FROM halts {which}", values)  # noqa: S608 - ours
    try:
        return {id_: Kept(Halt.of_json(json.loads(text)), *numbers) for id_, text, *numbers in rows}
    except ValueError as error:
        raise StoreError("store", f"the control store is damaged: {error}; see `aiguard audit verify`") from None
