"""The embedded store: what eventapp keeps its data in when no MongoDB server is set.

It takes plain PyMongo calls, so that no caller knows which store it has. Every operation runs under
one lock for the whole client: mongomock alone lets two threads through one guard.
"""

import atexit
from pathlib import Path
from typing import Any, NoReturn, Self

from mongomock import MongoClient
from pymongo.client_options import ClientOptions
from pymongo.database import Database
from pymongo.errors import CollectionInvalid, ConnectionFailure

from eventapp.core.embedded.base import StandIn, StoreLock
from eventapp.core.embedded.collection import EmbeddedCollection
from eventapp.core.embedded.disk import EmbeddedStoreBusy
from eventapp.core.embedded.documents import Documents
from eventapp.core.embedded.journal import Journal
from eventapp.core.embedded.mongomock_engine import Engine
from eventapp.core.embedded.saver import Saver
from eventapp.core.embedded.storage import DatabaseStore, ServerStore

__all__ = ["EmbeddedClient", "EmbeddedDatabase", "EmbeddedStoreBusy", "open_embedded"]


def open_embedded(directory: Path | None) -> "EmbeddedClient":
    """Open the embedded store.

    Args:
        directory: where the data lives, made if missing; None keeps it in memory, without a
            thread or a file.

    Raises:
        EmbeddedStoreBusy: another process has the directory open.
        sqlite3.Error: the file cannot be read or is damaged.
    """
    return EmbeddedClient(directory)


class EmbeddedClient:
    """Stands in for `pymongo.MongoClient(tz_aware=True)`."""

    options = ClientOptions("", "", None, {})

    def __init__(self, directory: Path | None) -> None:
        self._server = ServerStore(Journal(active=directory is not None))
        self._lock = StoreLock(directory)
        # mongomock works on naive UTC throughout; what is returned is made aware on its way out.
        self._native: Any = MongoClient(_store=self._server, tz_aware=False)
        self._databases: dict[str, EmbeddedDatabase] = {}
        self._saver: Saver | None = None
        if directory is not None:
            self._saver = Saver(directory, self._server, self._lock.inner)
            self._lock.between = self._saver.keep_up
            self._saver.start()
            atexit.register(self.close)

    def __repr__(self) -> str:
        return "EmbeddedClient()"

    def __getitem__(self, name: str) -> Any:
        return self.get_database(name)

    def get_database(self, name: str, *_: Any, **__: Any) -> Any:
        """Return a database; it exists once something is stored in it.

        The type is left open, for callers that say `pymongo.database.Database`.
        """
        with self._lock:
            if name not in self._databases:
                native = self._native.get_database(name)
                self._databases[name] = EmbeddedDatabase(
                    self, native, self._server[name], self._lock
                )
            return self._databases[name]

    @property
    def admin(self) -> Any:
        """The database that answers `ping`."""
        return self["admin"]

    def list_database_names(self) -> list[str]:
        """Return the names of the databases that hold something."""
        with self._lock:
            names: list[str] = self._native.list_database_names()
            return names

    def drop_database(self, name_or_database: Any) -> None:
        """Drop a database with all its collections."""
        name = getattr(name_or_database, "name", name_or_database)
        database = self.get_database(name)
        with self._lock:
            for collection in database.list_collection_names():
                database.drop_collection(collection)

    def server_info(self) -> dict[str, Any]:
        """Return what a server would tell of itself."""
        return {**self._native.server_info(), "embedded": True}

    def check_disk(self) -> None:
        """Raise ConnectionFailure while what was changed cannot be written to the disk."""
        if self._saver and self._saver.failure:
            raise ConnectionFailure(f"the embedded store cannot write: {self._saver.failure}")

    def close(self) -> None:
        """Write what is left, give the directory back, and refuse all further calls.

        Raises:
            sqlite3.Error: the last changes could not be written.
        """
        if self._lock.closed or self._lock.forked:
            return
        with self._lock.inner:  # whoever is told that a write is done finds it in the last flush
            self._lock.closed = True
        atexit.unregister(self.close)
        if self._saver:
            self._saver.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class EmbeddedDatabase(StandIn):
    """Stands in for `pymongo.database.Database`."""

    stands_in_for = Database

    def __init__(
        self, client: EmbeddedClient, native: Any, store: DatabaseStore, lock: StoreLock
    ) -> None:
        self.client = client
        self.name: str = native.name
        self._native, self._store, self._lock = native, store, lock
        self._collections: dict[str, EmbeddedCollection] = {}

    def __repr__(self) -> str:
        return f"EmbeddedDatabase({self.name!r})"

    def __bool__(self) -> NoReturn:
        # As PyMongo does, so that code that works here works there.
        raise NotImplementedError("compare a database with None instead of testing its truth")

    def __getitem__(self, name: str) -> EmbeddedCollection:
        return self.get_collection(name)

    def __getattr__(self, name: str) -> EmbeddedCollection:
        if name.startswith("_"):
            raise AttributeError(f"use database[{name!r}] for a collection of that name")
        return self.get_collection(name)

    def get_collection(self, name: str, *_: Any, **__: Any) -> EmbeddedCollection:
        """Return a collection; it exists once something is stored in it."""
        with self._lock:
            if name not in self._collections:
                native = self._native.get_collection(name)
                documents = Documents(Engine(native), self._store[name])
                self._collections[name] = EmbeddedCollection(self, documents, self._lock)
            return self._collections[name]

    def create_collection(self, name: str) -> EmbeddedCollection:
        """Make an empty collection; CollectionInvalid if it exists."""
        with self._lock:
            if name in self.list_collection_names():
                raise CollectionInvalid(f"collection {name} already exists")
            self._native.create_collection(name)
            return self.get_collection(name)

    def list_collection_names(self, **_: Any) -> list[str]:
        """Return the names of the collections that exist."""
        with self._lock:
            names: list[str] = self._native.list_collection_names()
            return names

    def drop_collection(self, name_or_collection: Any, **_: Any) -> None:
        """Drop a collection, if it exists."""
        self[getattr(name_or_collection, "name", name_or_collection)].drop()

    def command(self, command: Any, *_: Any, **__: Any) -> dict[str, Any]:
        """Answer `ping`.

        Raises:
            ConnectionFailure: what was changed cannot be written to the disk.
            NotImplementedError: any other command.
        """
        if command != "ping" and "ping" not in command:
            raise NotImplementedError(f"the embedded store has no command {command!r}")
        with self._lock:
            self.client.check_disk()
        return {"ok": 1.0}
