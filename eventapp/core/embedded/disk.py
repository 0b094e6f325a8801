"""How the embedded store outlives its process: one SQLite file, written in whole snapshots."""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import bson

from eventapp.core.embedded.journal import Batch
from eventapp.core.embedded.mongomock_engine import Document
from eventapp.core.embedded.storage import ServerStore

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
        path = directory / "eventapp.sqlite3"
        path.touch(mode=0o600)  # it holds people's data and keys; SQLite gives its logs the same
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
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
