"""How the embedded store outlives its process: one SQLite file, written in whole snapshots."""

import fcntl
import logging
import os
import sqlite3
import threading
from collections.abc import Hashable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import bson

from eventapp.core.embedded_engine import Document
from eventapp.core.embedded_journal import Batch, take_batch
from eventapp.core.embedded_store import CollectionStore, ServerStore

_LOG = logging.getLogger(__name__)
_GATHER_SECONDS = 0.1  # how long changes gather before one flush takes them all
_RETRY_SECONDS = 1.0
_CHUNK = 200  # rows a statement, within the 999 variables any SQLite allows
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents(
    row INTEGER PRIMARY KEY, database TEXT NOT NULL, collection TEXT NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS collections(
    database TEXT, name TEXT, indexes BLOB NOT NULL, PRIMARY KEY (database, name));
"""


class EmbeddedStoreBusy(Exception):  # noqa: N818 (it names a state, not a fault)
    """Another process has the directory open."""

    def __init__(self, directory: Path | None) -> None:
        super().__init__(
            f"The embedded store serves one process, and {directory} is in use by another; "
            "set MONGO_URI to run more than one."
        )


def lock_directory(directory: Path) -> int:
    """Make the directory if need be and take it for this process.

    Returns:
        The descriptor that holds the lock until it is closed.

    Raises:
        EmbeddedStoreBusy: another process, or another client of this one, holds it.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "embedded.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise EmbeddedStoreBusy(directory) from error
    return descriptor


class Disk:
    """The SQLite file: every write is one durable transaction."""

    def __init__(self, directory: Path) -> None:
        self._connection = sqlite3.connect(
            directory / "eventapp.sqlite3", check_same_thread=False, isolation_level=None
        )
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        self._connection.executescript(_SCHEMA)

    def load(self, server: ServerStore) -> None:
        """Put everything on the disk into `server`, which must be new."""
        with closing(self._connection.cursor()) as cursor:
            for row, database, name, body in cursor.execute(
                "SELECT row, database, collection, body FROM documents ORDER BY row"
            ):
                server[database][name].load(row, bson.decode(body))
                server.journal.next_row = row + 1
            for database, name, indexes in cursor.execute("SELECT * FROM collections"):
                server[database][name].restore(bson.decode(indexes)["indexes"])

    def write(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing (sqlite3.Error)."""
        documents = [(row, base, name, bson.encode(doc)) for row, base, name, doc in batch.puts]
        self._connection.execute("BEGIN IMMEDIATE")
        with self._connection:
            self._in_chunks("REPLACE INTO documents VALUES {}", documents)
            gone = [(row,) for row in batch.deletes]
            self._in_chunks("DELETE FROM documents WHERE row IN (VALUES {})", gone)
            for database, name, indexes in batch.collections:
                self._write_collection(database, name, indexes)

    def _in_chunks(self, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run a statement for many rows at a time.

        Each step of SQLite gives up the interpreter's lock, and a busy process lets this thread
        have it back only after milliseconds: row by row, a flush would take seconds.
        """
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            marks = "(" + ", ".join("?" * len(chunk[0])) + ")"
            filled = statement.format(", ".join([marks] * len(chunk)))
            self._connection.execute(filled, [value for row in chunk for value in row])

    def _write_collection(self, database: str, name: str, indexes: list[Document] | None) -> None:
        if indexes is None:
            where = "DELETE FROM collections WHERE database = ? AND name = ?"
            self._connection.execute(where, (database, name))
        else:
            row = (database, name, bson.encode({"indexes": indexes}))
            self._connection.execute("REPLACE INTO collections VALUES (?, ?, ?)", row)

    def close(self) -> None:
        """Fold the write-ahead log in and close the file."""
        self._connection.close()


class Saver(threading.Thread):
    """Writes what changes to the disk, shortly after it changes."""

    def __init__(self, directory: Path, server: ServerStore, lock: threading.RLock) -> None:
        super().__init__(name="embedded-store", daemon=True)
        self.failure: Exception | None = None
        self._directory = directory
        self._server, self._journal, self._lock = server, server.journal, lock
        self._stopping = threading.Event()
        self._writing = threading.Lock()
        self._descriptor = lock_directory(directory)
        with ExitStack() as on_failure:
            on_failure.callback(os.close, self._descriptor)
            self._disk = Disk(directory)
            self._disk.load(server)
            on_failure.pop_all()

    def run(self) -> None:
        """Flush until stopped; a failing flush is logged, told by `failure`, and tried again."""
        while not self._stopping.is_set():
            self._journal.changed.wait()
            self._stopping.wait(_RETRY_SECONDS if self.failure else _GATHER_SECONDS)
            try:
                self.flush()
            except (sqlite3.Error, OSError) as error:
                self.failure = error
                _LOG.error("cannot write to %s, will try again: %s", self._directory, error)

    def flush(self) -> None:
        """Write all changes so far; when that fails they stay marked, and the error is raised."""
        with self._writing:
            with self._lock:
                rows, collections = self._journal.rows, self._journal.collections
                batch = take_batch(self._journal)
            with ExitStack() as on_failure:
                on_failure.callback(self._restore, rows, collections)
                self._disk.write(batch)
                on_failure.pop_all()
            self.failure = None

    def _restore(
        self,
        rows: dict[int, tuple[CollectionStore, Hashable]],
        collections: dict[CollectionStore, None],
    ) -> None:
        with self._lock:
            self._journal.rows = rows | self._journal.rows
            self._journal.collections = collections | self._journal.collections
            self._journal.changed.set()

    def stop(self) -> None:
        """Write what is left and give the directory back, even if that fails (sqlite3.Error)."""
        self._stopping.set()
        self._journal.changed.set()
        self.join()
        try:
            self.flush()
        finally:
            self._disk.close()
            os.close(self._descriptor)
