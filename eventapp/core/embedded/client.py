"""The client and the databases of the embedded store, with the interfaces of PyMongo's."""

import atexit
import sqlite3
import threading
from pathlib import Path
from typing import Any, NoReturn, Self

from pymongo.client_options import ClientOptions
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, ConnectionFailure

from eventapp.core.clock import utc_now
from eventapp.core.embedded.collection import EmbeddedCollection
from eventapp.core.embedded.locking import StoreLock
from eventapp.core.embedded.mongomock_internals import MongomockOperators, open_mongomock
from eventapp.core.embedded.operations import CollectionOperations
from eventapp.core.embedded.persistence import FlushThread
from eventapp.core.embedded.pymongo_interface import PyMongoStandIn
from eventapp.core.embedded.storage import ChangeLog, DatabaseStore, ServerStore


def open_embedded(directory: Path | None) -> "EmbeddedClient":
    """Open the embedded store.

    Args:
        directory: the directory of the data, which is created if it is missing. With None the data
            is kept in memory only.

    Raises:
        EmbeddedStoreBusy: another process has the directory open.
        sqlite3.Error: the file cannot be read or is damaged.
    """
    return EmbeddedClient(directory)


class EmbeddedClient:
    """Stands in for `pymongo.MongoClient(tz_aware=True)`."""

    options = ClientOptions("", "", None, {})  # `gridfs` reads its timeout.

    def __init__(self, directory: Path | None) -> None:
        self._server = ServerStore(ChangeLog(is_active=directory is not None))
        self._lock = StoreLock(directory)
        self._mongomock: Any = open_mongomock(self._server)
        self._databases: dict[str, EmbeddedDatabase] = {}
        self._flush_thread: FlushThread | None = None
        self._close_lock = threading.Lock()
        if directory is not None:
            self._flush_thread = FlushThread(directory, self._server, self._lock.mutex)
            self._lock.after_operation = self._flush_thread.flush_if_late
            self._flush_thread.start()
            atexit.register(self.close)

    def __repr__(self) -> str:
        return "EmbeddedClient()"

    def __getitem__(self, name: str) -> Any:
        return self.get_database(name)

    def get_database(self, name: str, *_: Any, **__: Any) -> Any:
        """Return a database; it exists once something is stored in it.

        The type is Any because callers expect a `pymongo.database.Database`.
        """
        with self._lock:
            if name not in self._databases:
                mongomock_database = self._mongomock.get_database(name)
                self._databases[name] = EmbeddedDatabase(
                    self, mongomock_database, self._server[name], self._lock
                )
            return self._databases[name]

    @property
    def admin(self) -> Any:
        """The database to which callers send `ping`; every database answers it."""
        return self["admin"]

    def list_database_names(self) -> list[str]:
        """Return the names of the databases that exist."""
        with self._lock:
            names: list[str] = self._mongomock.list_database_names()
            return names

    def drop_database(self, name_or_database: Any) -> None:
        """Drop a database with all its collections."""
        name = getattr(name_or_database, "name", name_or_database)
        database = self.get_database(name)
        with self._lock:
            for collection in database.list_collection_names():
                database.drop_collection(collection)

    def check_disk(self) -> None:
        """Raise ConnectionFailure while changes cannot be written to the disk."""
        if self._flush_thread and self._flush_thread.failure:
            failure = self._flush_thread.failure
            raise ConnectionFailure(f"the embedded store cannot write: {failure}")

    def purge_deleted(self) -> None:
        """Remove from the disk what was deleted or replaced before this call.

        Raises:
            ConnectionFailure: the disk cannot be written.
        """
        if self._flush_thread is None:
            return
        try:
            self._flush_thread.purge()
        except (sqlite3.Error, OSError) as error:
            raise ConnectionFailure(f"the embedded store cannot write: {error}") from error

    def close(self) -> None:
        """Write the last changes, unlock the directory, and refuse all further calls.

        Raises:
            sqlite3.Error: the last changes could not be written.
        """
        # A second caller waits for the first one, and then has nothing left to do. If both closed
        # the lock's descriptor, the second might close that of another file.
        with self._close_lock:
            if self._lock.is_closed or self._lock.is_in_fork:
                return
            with self._lock.mutex:  # The last flush then contains every write that was confirmed.
                self._lock.is_closed = True
            atexit.unregister(self.close)
            if self._flush_thread:
                self._flush_thread.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EmbeddedDatabase(PyMongoStandIn):
    """Stands in for `pymongo.database.Database`."""

    stands_in_for = Database

    def __init__(
        self, client: EmbeddedClient, mongomock_database: Any, store: DatabaseStore, lock: StoreLock
    ) -> None:
        self.client = client
        self.name: str = mongomock_database.name
        self._mongomock, self._store, self._lock = mongomock_database, store, lock
        self._collections: dict[str, EmbeddedCollection] = {}

    def __repr__(self) -> str:
        return f"EmbeddedDatabase({self.name!r})"

    def __bool__(self) -> NoReturn:
        # As PyMongo does, so that code that works with one store works with the other.
        raise NotImplementedError("compare a database with None instead of testing its truth")

    def __getitem__(self, name: str) -> EmbeddedCollection:
        return self.get_collection(name)

    def __getattr__(self, name: str) -> EmbeddedCollection:
        if name.startswith("_"):
            raise AttributeError(f"use database[{name!r}] for a collection of that name")
        return self.get_collection(name)

    def get_collection(self, name: str, *_: Any, **__: Any) -> EmbeddedCollection:
        """Return a collection; it exists once something is stored in it."""
        if name in self._collections:
            return self._collections[name]
        with self._lock:
            if name not in self._collections:
                mongomock_operators = MongomockOperators(self._mongomock.get_collection(name))
                operations = CollectionOperations(mongomock_operators, self._store[name])
                self._collections[name] = EmbeddedCollection(self, operations, self._lock)
            return self._collections[name]

    def create_collection(self, name: str) -> EmbeddedCollection:
        """Create an empty collection; raise CollectionInvalid if it exists."""
        with self._lock:
            if name in self.list_collection_names():
                raise CollectionInvalid(f"collection {name} already exists")
            self._mongomock.create_collection(name)
            return self.get_collection(name)

    def list_collection_names(self, **_: Any) -> list[str]:
        """Return the names of the collections that exist."""
        with self._lock:
            names: list[str] = self._mongomock.list_collection_names()
            return names

    def drop_collection(self, name_or_collection: Any, **_: Any) -> None:
        """Drop a collection, if it exists."""
        self[getattr(name_or_collection, "name", name_or_collection)].drop()

    def command(self, command: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Answer `ping`, and `hello` with the time of the store, which is that of the process.

        Raises:
            ConnectionFailure: changes cannot be written to the disk; not for `hello`.
            NotImplementedError: any other command.
        """
        if command == "hello":
            return {"ok": 1.0, "localTime": utc_now()}
        if command != "ping" and "ping" not in command:
            raise NotImplementedError(f"the embedded store has no command {command!r}")
        with self._lock:
            self.client.check_disk()
        return {"ok": 1.0}
