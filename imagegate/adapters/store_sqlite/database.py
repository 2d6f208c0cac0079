"""The SQLite file: connections, schema, transactions, and its errors as ``StoreError``.

Write-ahead log with full synchronisation: a commit is on disk before it is answered, readers never wait for
writers, and a killed process leaves nothing half-written. Connections belong to one thread of one process, so a
server may be forked after the database was first used.
"""

from __future__ import annotations

import fcntl
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from imagegate.adapters.store_sqlite.bounded_reads import BoundedReads
from imagegate.adapters.store_sqlite.reserve import LOW_BYTES, Reserve
from imagegate.ports.image_store import StoreBusy, StoreError, StoreFull

T = TypeVar("T")
APPLICATION_ID = 0x696D6774  # "imgt"
BUSY_TIMEOUT_S = 10.0
LOG_MAX_PAGES = 200
"""Bytes at which the log is moved into the file: a full disk may not have room for its contents twice."""
WRITE_OVERHEAD_BYTES = 64 * 1024
"""Bytes that any write needs for pages of tables and indexes."""
CACHE_KIB = 64
"""Cache of each connection; the rest is in the system's cache. The file is not mapped: every thread of every worker
would map it, and a read error of the disk would end the process instead of becoming a StoreError."""

MIGRATIONS = (
    """
    CREATE TABLE objects (
        id INTEGER PRIMARY KEY,
        kind TEXT NOT NULL,          -- RESOURCE.GROUP, or RESOURCE in the core group
        namespace TEXT NOT NULL,     -- '' for cluster-scoped objects
        name TEXT NOT NULL,
        version INTEGER NOT NULL,    -- of the last change
        body BLOB NOT NULL           -- JSON without metadata.resourceVersion
    );
    CREATE UNIQUE INDEX objects_by_name ON objects (kind, namespace, name);
    CREATE TABLE changes (
        version INTEGER PRIMARY KEY AUTOINCREMENT,
        kind TEXT NOT NULL,
        namespace TEXT NOT NULL,
        name TEXT NOT NULL,
        type TEXT NOT NULL,          -- ADDED, MODIFIED, DELETED
        labels_before BLOB,          -- JSON; NULL: none
        body BLOB NOT NULL
    );
    CREATE TABLE terms (             -- what objects can be found by besides their names
        term TEXT NOT NULL,
        object INTEGER NOT NULL REFERENCES objects (id) ON DELETE CASCADE,
        PRIMARY KEY (term, object)
    ) WITHOUT ROWID;
    CREATE INDEX terms_by_object ON terms (object);
    """,
    """
    CREATE TABLE trust_states (      -- what was trusted of a repository at a trust server
        server TEXT NOT NULL,
        gun TEXT NOT NULL,
        body BLOB NOT NULL,          -- JSON of core.content_trust.state
        PRIMARY KEY (server, gun)
    );
    """,
)


FAILURE_SHOWN_S = 60.0
PROBE_S = 2.0
"""Seconds until ``trouble`` reports that the disk does not answer; less than a probe of Kubernetes waits."""
_SET_UP = b"set up\n"
"""Content of the lock file once the store has been set up: it is never treated as a new one again."""
_PROBES = (
    "SELECT version FROM changes LIMIT 1",
    "SELECT body FROM objects LIMIT 1",
    "SELECT id FROM objects INDEXED BY objects_by_name ORDER BY kind, namespace, name LIMIT 1",
    "SELECT object FROM terms LIMIT 1",
    "SELECT object FROM terms INDEXED BY terms_by_object ORDER BY object LIMIT 1",
    "SELECT body FROM trust_states LIMIT 1",
)
_SECURE_DELETE = ("OFF", "ON", "FAST")
"""Error classes by SQLite's error code."""
_INHERITED: list[sqlite3.Connection] = []
"""Connections of a parent process. SQLite forbids a child to use or even close them, so they stay referenced."""


class Database:
    """One SQLite file. Opening creates it, with its folder, and brings its schema up to date.

    Args:
        path: the file; only this user may read it.
        max_bytes: the file may not grow beyond this (0: no limit).
        busy_timeout_s: how long a write waits for other writers.

    Raises:
        StoreError: not our file, a newer schema, or no way to read or write it.
    """

    def __init__(self, path: Path, *, max_bytes: int = 0, busy_timeout_s: float = BUSY_TIMEOUT_S) -> None:
        self.path = path
        self._max_bytes = max_bytes
        self._busy_timeout_s = busy_timeout_s
        self._local = threading.local()
        self._reads = BoundedReads(str(path))
        self._file: tuple[int, int] | None = None
        """Device and inode of the file, once it is set up."""
        self._last_failure = (-math.inf, "")
        with self._only_opener():
            self._reserve = Reserve(path.with_name(f"{path.name}.reserve"))
            try:
                self._prepare()
            except StoreFull:  # even reading a file needs some room beside it
                self.close()
                with self._reserve.given_up():
                    self._prepare()
        self._file = _identity(path)
        self.close()  # nothing stays open that a fork could inherit

    def _prepare(self) -> None:
        with translated(self.path):
            _use_write_ahead_log(self.path, self.connection())
        self._migrate()

    @contextmanager
    def _only_opener(self) -> Iterator[None]:
        """Create the file if need be; while it is set up, other processes wait."""
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            lock = os.open(f"{self.path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"{self.path}: cannot be opened: {error.strerror}") from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.pread(lock, 1, 0) and not self.path.stat().st_size:
                raise StoreError(
                    f"{self.path}: is empty, but was set up as a store; restore it, or delete it with its .lock file "
                    "to start with an empty store, without its images and their annotations"
                )
            yield
            os.pwrite(lock, _SET_UP, 0)
        finally:
            os.close(lock)

    def _migrate(self) -> None:
        with self.transaction() as connection:
            application = connection.execute("PRAGMA application_id").fetchone()[0]
            schema = connection.execute("PRAGMA user_version").fetchone()[0]
            is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
            if application != APPLICATION_ID and not is_empty:
                raise StoreError(f"{self.path}: is a database of another program")
            if schema > len(MIGRATIONS):
                raise StoreError(
                    f"{self.path}: was written by a newer imagegate (schema {schema}, this one knows {len(MIGRATIONS)})"
                )
            for script in MIGRATIONS[schema:]:
                for statement in _statements(script):
                    connection.execute(statement)
            if schema < len(MIGRATIONS):
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def connection(self) -> sqlite3.Connection:
        """This thread's connection; a new one in a new thread and after a fork."""
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None:
            if held[0] == os.getpid():
                return held[1]
            set_aside(held[1])
        connection = self.open_connection()
        self._local.held = (os.getpid(), connection)
        return connection

    @contextmanager
    def own_connection(self) -> Iterator[sqlite3.Connection]:
        """A connection of its own: its ``data_version`` changes with this thread's writes too."""
        with translated(self.path):
            connection = self.open_connection()
            try:
                yield connection
            finally:
                connection.close()

    def open_connection(self) -> sqlite3.Connection:
        """A new connection, closed by the caller; for any thread, but one at a time.

        Raises:
            StoreError: it cannot be opened. A missing file is never created again: an empty store would report that
                images and their annotations do not exist.
        """
        with translated(self.path):
            self.check_file()
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=rw",
                uri=True,
                timeout=self._busy_timeout_s,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=64,
            )
            try:
                self._set_up(connection)
            except sqlite3.Error:
                connection.close()
                raise
            return connection

    def _set_up(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {LOG_MAX_PAGES}")
        if self._max_bytes:
            page_bytes = connection.execute("PRAGMA page_size").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {max(1, self._max_bytes // page_bytes)}")

    def check_file(self) -> None:
        """Check that the path still leads to the file that was opened.

        Otherwise open connections read old data, and their writes are lost.

        Raises:
            StoreError: it was deleted, or replaced.
        """
        if self._file is not None and _identity(self.path) != self._file:
            raise StoreError(f"{self.path}: was deleted or replaced while it was open; put it back or restart")

    def within(self, read: Callable[[], T], seconds: float) -> T:
        """The result of ``read`` in another thread, with a connection of that thread.

        Raises:
            StoreTimeout: the disk does not answer within ``seconds``, or did not answer before.
        """
        return self._reads.run(read, within_s=seconds)

    def trouble(self) -> str:
        """The reason the store cannot be read, now or a moment ago; empty if it can.

        A new connection reads a row through every index and table, so that neither an open descriptor nor a cached
        page hides an error. Damage elsewhere in the file is noticed when it is read.
        """
        try:
            self.within(self._probe, PROBE_S)
        except StoreBusy:
            return ""  # being written is being well
        except StoreError as error:
            return str(error)
        at, why = self._last_failure
        return why if time.monotonic() - at < FAILURE_SHOWN_S else ""

    def _probe(self) -> None:
        with self.own_connection() as connection:
            for statement in _PROBES:
                connection.execute(statement).fetchone()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Translates errors, and stores the last one that waiting does not solve, for ``trouble``."""
        self.check_file()
        try:
            yield
        except sqlite3.Error as error:
            found = _store_error(self.path, error)
            if not isinstance(found, (StoreBusy, StoreFull)):
                self._last_failure = (time.monotonic(), str(found))
            raise found from error

    @contextmanager
    def transaction(self, grows_by: int | None = None) -> Iterator[sqlite3.Connection]:
        """A write transaction: committed and on disk at the end, or rolled back.

        Args:
            grows_by: approximate bytes that it adds; None: it frees room or hardly needs any, and is always tried.

        Raises:
            StoreError: an error of SQLite, or not enough room.
        """
        with self._watched():
            if grows_by is not None:
                self._reserve.check(grows_by + WRITE_OVERHEAD_BYTES)
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            if self._reserve.free_bytes() < LOW_BYTES:
                _fold_log(connection)

    @contextmanager
    def with_reserve(self) -> Iterator[None]:
        """Free the room that is reserved for deletes meanwhile.

        Freed pages are not overwritten then, as SQLite is often built to do: that would take as much of the log as
        writing them.
        """
        with self._reserve.given_up(), self._watched():
            connection = self.connection()
            before = connection.execute("PRAGMA secure_delete").fetchone()[0]
            connection.execute("PRAGMA secure_delete = OFF")
            try:
                yield
                _fold_log(connection)
            finally:
                connection.execute(f"PRAGMA secure_delete = {_SECURE_DELETE[before]}")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, for reads that need one view: one transaction, that of the first read."""
        with self._watched():
            connection = self.connection()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    @contextmanager
    def reading_once(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection, for one statement."""
        with self._watched():
            yield self.connection()

    def close(self) -> None:
        """Close this thread's connection. The last one to close moves the log into the file."""
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            held[1].close()
            self._local.held = None


def set_aside(connection: sqlite3.Connection) -> None:
    """Keep a connection that this process inherited from its parent open and unused."""
    _INHERITED.append(connection)


def _use_write_ahead_log(path: Path, connection: sqlite3.Connection) -> None:
    mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
    if mode != "wal":
        raise StoreError(f"{path}: its file system has no shared memory for a write-ahead log (network file system?)")


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None if the file does not exist."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _fold_log(connection: sqlite3.Connection) -> None:
    """Move the log into the file, so that the next write starts the log again, in the room it has.

    Pages that readers still need are moved the next time; pages without room on the disk stay safely in the log.
    """
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def _statements(script: str) -> list[str]:
    return [statement for statement in script.split(";\n") if statement.strip()]


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours: ``StoreError`` and its kinds."""
    try:
        yield
    except sqlite3.Error as error:
        raise _store_error(path, error) from error


def _store_error(path: Path, error: sqlite3.Error) -> StoreError:
    code = getattr(error, "sqlite_errorcode", None)
    primary = code & 0xFF if code is not None else None
    match primary:
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return StoreBusy(f"{path}: other writers keep it locked, try again")
        case sqlite3.SQLITE_FULL:
            return StoreFull(f"{path}: no room left to write; nothing was changed")
        case sqlite3.SQLITE_IOERR if _is_full(path):
            return StoreFull(f"{path}: no room left to write; nothing was changed")
        case sqlite3.SQLITE_IOERR:
            return StoreError(f"{path}: cannot be written or read, the disk may be full: {error}; nothing was changed")
        case sqlite3.SQLITE_CANTOPEN:
            return StoreError(f"{path}: cannot be opened: it is gone, may not be read, or no file descriptor is left")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return StoreError(f"{path}: is damaged or not a database: {error}")
    return StoreError(f"{path}: {error}")


def _is_full(path: Path) -> bool:
    """True if the disk is full, so that SQLite could not create the files it needs beside the store."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < WRITE_OVERHEAD_BYTES
