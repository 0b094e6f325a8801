"""Persistence of the embedded store: a thread writes its changes to one SQLite file."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import bson
from bson.errors import BSONError

from eventapp.core.embedded.indexes import IndexDefinition
from eventapp.core.embedded.locking import lock_directory
from eventapp.core.embedded.storage import PendingChanges, ServerStore, Snapshot, take_snapshot

_LOG = logging.getLogger(__name__)

_GATHER_SECONDS = 0.1  # the time for which changes are collected before one flush writes them
_LATE_SECONDS = 0.4  # the age from which the calling threads write the changes
_RETRY_SECONDS = 1.0
_ROWS_PER_STATEMENT = 200  # SQLite allows 999 variables in a statement, and a row has 4
# What encoding and writing documents may raise. If another error ended the thread, nothing would
# be written any more, and nobody would notice.
_FLUSH_ERRORS = (
    *(sqlite3.Error, OSError, BSONError, MemoryError, RuntimeError),
    *(ArithmeticError, LookupError, TypeError, ValueError, AttributeError),
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents(
    row INTEGER PRIMARY KEY, database TEXT NOT NULL, collection TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS collections(
    database TEXT, name TEXT, indexes BLOB NOT NULL, PRIMARY KEY (database, name));
"""


class SqliteFile:
    """The SQLite file of a directory.

    Each call of `write` is one durable transaction. A document is stored as BSON under its row.
    """

    def __init__(self, directory: Path) -> None:
        """Open the file, or create it; raise sqlite3.Error if it is damaged."""
        path = directory / "eventapp.sqlite3"
        # The file contains personal data and keys. SQLite gives its logs the same mode.
        path.touch(mode=0o600)
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        # Deleted and replaced data is overwritten with zeros, because it may be personal.
        self._connection.execute("PRAGMA secure_delete=ON")
        self._connection.executescript(_SCHEMA)

    def load_into(self, server: ServerStore) -> None:
        """Load the content of the file into `server`, which must be empty."""
        with closing(self._connection.cursor()) as cursor:
            for row, database, name, body in cursor.execute(
                "SELECT row, database, collection, body FROM documents ORDER BY row"
            ):
                server[database][name].load_document(row, bson.decode(body))
                server.changes.next_row = row + 1
            for database, name, indexes in cursor.execute("SELECT * FROM collections"):
                server[database][name].load_collection(bson.decode(indexes)["indexes"])

    def write(self, snapshot: Snapshot) -> None:
        """Write the whole snapshot, or nothing and raise sqlite3.Error."""
        written = [
            (row, database, name, bson.encode(document))
            for row, database, name, document in snapshot.written
        ]
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            self._execute_in_chunks("REPLACE INTO documents VALUES {}", written)
            deleted = [(row,) for row in snapshot.deleted]
            self._execute_in_chunks("DELETE FROM documents WHERE row IN (VALUES {})", deleted)
            for database, name, indexes in snapshot.collections:
                self._write_collection(database, name, indexes)

    def _execute_in_chunks(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Execute a statement for many rows at a time. In it, `{}` stands for their values.

        Each call of SQLite releases the GIL, and in a busy process this thread gets it back only
        after milliseconds. With one call for each row, a flush would take seconds.
        """
        for start in range(0, len(rows), _ROWS_PER_STATEMENT):
            chunk = rows[start : start + _ROWS_PER_STATEMENT]
            placeholders = "(" + ", ".join("?" * len(chunk[0])) + ")"
            filled = statement.format(", ".join([placeholders] * len(chunk)))
            self._connection.execute(filled, [value for row in chunk for value in row])

    def _write_collection(
        self, database: str, name: str, indexes: list[IndexDefinition] | None
    ) -> None:
        if indexes is None:
            delete = "DELETE FROM collections WHERE database = ? AND name = ?"
            self._connection.execute(delete, (database, name))
        else:
            row = (database, name, bson.encode({"indexes": indexes}))
            self._connection.execute("REPLACE INTO collections VALUES (?, ?, ?)", row)

    def empty_log(self) -> None:
        """Merge the write-ahead log into the file, and empty it. It holds what pages were before.

        Raises:
            sqlite3.Error: the log cannot be merged.
        """
        is_blocked, *_ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if is_blocked:
            raise sqlite3.OperationalError("another process reads the file")

    def close(self) -> None:
        """Merge the write-ahead log into the file and close it."""
        self._connection.close()


class FlushThread(threading.Thread):
    """Writes changes to the disk shortly after they are made.

    Attributes:
        failure: the error of the last flush, or None if it succeeded.
    """

    def __init__(self, directory: Path, server: ServerStore, mutex: threading.RLock) -> None:
        """Lock the directory and load its file into `server`, without starting the thread.

        Args:
            mutex: the client's lock.

        Raises:
            EmbeddedStoreBusy: another process has the directory open.
            sqlite3.Error: the file cannot be read.
        """
        super().__init__(name="embedded-store", daemon=True)
        self.failure: Exception | None = None
        self._directory, self._changes, self._mutex = directory, server.changes, mutex
        self._stopping = threading.Event()
        self._flush_lock = threading.Lock()
        # The changes that a flush is writing. They are not pending, but not on the disk either.
        self._being_written: PendingChanges | None = None
        self._lock_descriptor = lock_directory(directory)
        with ExitStack() as on_failure:
            on_failure.callback(os.close, self._lock_descriptor)
            self._file = SqliteFile(directory)
            self._file.load_into(server)
            on_failure.pop_all()

    def run(self) -> None:
        """Flush until stopped. A failed flush is logged, stored as `failure`, and retried."""
        while not self._stopping.is_set():
            self._changes.has_pending.wait()
            self._stopping.wait(_RETRY_SECONDS if self.failure else _GATHER_SECONDS)
            self._try_flush()

    def flush_if_late(self) -> None:
        """Flush on the calling thread if changes have waited too long.

        In a busy process, the flush thread may wait for the GIL for seconds. Then the callers do
        its work, or wait until it is done, so that a killed process loses less than a second.
        """
        waiting = self._being_written or self._changes.pending
        if waiting and not self.failure and time.monotonic() - waiting.since > _LATE_SECONDS:
            self._try_flush()

    def _try_flush(self) -> None:
        try:
            self.flush()
        except _FLUSH_ERRORS as error:
            self.failure = error
            _LOG.error("cannot write to %s, will try again: %r", self._directory, error)

    def flush(self) -> None:
        """Write all changes so far. If that fails, keep them pending and raise the error."""
        with self._flush_lock, ExitStack() as on_failure:
            with self._mutex:
                changes = self._being_written = self._changes.take()
                snapshot = take_snapshot(changes) if changes else Snapshot()
            if changes:
                on_failure.callback(self._put_back, changes)
                self._file.write(snapshot)
                on_failure.pop_all()
            self._being_written = self.failure = None

    def purge(self) -> None:
        """Write all changes so far, and remove from the disk what they have replaced or deleted.

        Raises:
            sqlite3.Error, OSError: the disk cannot be written. Changes are kept pending.
        """
        self.flush()
        with self._flush_lock:
            self._file.empty_log()

    def _put_back(self, changes: PendingChanges) -> None:
        with self._mutex:
            self._changes.put_back(changes)
            self._being_written = None

    def stop(self) -> None:
        """Write the last changes and unlock the directory.

        Raises:
            sqlite3.Error: the changes could not be written. The directory is unlocked all the same.
        """
        self._stopping.set()
        self._changes.has_pending.set()
        self.join()
        try:
            self.flush()
        finally:
            self._file.close()
            os.close(self._lock_descriptor)
