"""The stored documents of the embedded store, and the changes since the last flush.

A document has a key, which is its `_id` in a hashable form, and a row: a number in the order of
insertion, which is its primary key in the SQLite file. A replaced document keeps its row.

The classes have the methods of mongomock's own stores (the protocols in mongomock_internals), so
that mongomock's `$lookup` can read other collections. The caller of a method must hold the client's
lock.
"""

import threading
import time
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from eventapp.core.embedded.filters import find_equal_values, iter_required_conditions
from eventapp.core.embedded.indexes import IndexCatalog, IndexDefinition
from eventapp.core.embedded.mongomock_internals import Document, matches_filter
from eventapp.core.embedded.pymongo_interface import Sort
from eventapp.core.embedded.values import copy_as_stored, find_indexed_values, make_hashable

_EXPIRY_CHECK_INTERVAL = timedelta(seconds=1)
_NEVER = datetime.min


@dataclass
class PendingChanges:
    """The rows and collections that changed since the last flush.

    Attributes:
        since: the time of the first change, in seconds of `time.monotonic`.
        rows: the store and the key of each changed document, by its row.
        collections: the collections whose existence or indexes changed.
    """

    since: float = field(default_factory=time.monotonic)
    rows: "dict[int, tuple[CollectionStore, Hashable]]" = field(default_factory=dict)
    collections: "dict[CollectionStore, None]" = field(default_factory=dict)


class ChangeLog:
    """Records changes for the next flush."""

    def __init__(self, *, is_active: bool) -> None:
        """Create an empty log.

        Args:
            is_active: False for a store in memory only, whose log records nothing.
        """
        self._is_active = is_active
        self.next_row = 1
        self.pending: PendingChanges | None = None
        self.has_pending = threading.Event()

    def allocate_row(self) -> int:
        """Return the row of a document that is being inserted."""
        self.next_row += 1
        return self.next_row - 1

    def record_document(self, row: int, store: "CollectionStore", key: Hashable) -> None:
        """Record that a document was written or deleted."""
        if self._is_active:
            self._ensure_pending().rows[row] = (store, key)

    def record_collection(self, store: "CollectionStore") -> None:
        """Record that the existence or the indexes of a collection changed."""
        if self._is_active:
            self._ensure_pending().collections[store] = None

    def _ensure_pending(self) -> PendingChanges:
        if self.pending is None:
            self.pending = PendingChanges()
            self.has_pending.set()
        return self.pending

    def take(self) -> PendingChanges | None:
        """Remove and return all changes; None if there are none."""
        pending, self.pending = self.pending, None
        self.has_pending.clear()
        return pending

    def put_back(self, changes: PendingChanges) -> None:
        """Record changes again that could not be written. Those recorded since then are kept."""
        if self.pending is not None:
            changes.rows |= self.pending.rows
            changes.collections |= self.pending.collections
        self.pending = changes
        self.has_pending.set()


@dataclass
class Snapshot:
    """The data that one flush writes: the changed parts of all collections at one moment.

    Attributes:
        written: (row, database, collection, document) of each document to write.
        deleted: the rows to delete.
        collections: (database, name, index definitions); the definitions are None for a dropped
            collection.
    """

    written: list[tuple[int, str, str, Document]] = field(default_factory=list)
    deleted: list[int] = field(default_factory=list)
    collections: list[tuple[str, str, list[IndexDefinition] | None]] = field(default_factory=list)


def take_snapshot(changes: PendingChanges) -> Snapshot:
    """Return the present state of the documents and collections that changed."""
    snapshot = Snapshot()
    for row, (store, key) in changes.rows.items():
        document = store.get_document_in_row(row, key)
        if document is None:
            snapshot.deleted.append(row)
        else:
            snapshot.written.append((row, store.database, store.name, document))
    for store in changes.collections:
        indexes = list(store.catalog.definitions.values()) if store.is_created else None
        snapshot.collections.append((store.database, store.name, indexes))
    return snapshot


class CollectionStore:
    """The documents of one collection in order of insertion, and its indexes.

    A read first deletes the documents that a TTL index has expired, at most once a second.

    Attributes:
        catalog: the indexes.
        indexes: always empty. mongomock checks unique indexes by it; here `catalog` does that.
    """

    def __init__(self, database: str, name: str, changes: ChangeLog) -> None:
        self.database, self.name = database, name
        self.catalog = IndexCatalog(f"{database}.{name}")
        self.indexes: dict[str, Any] = {}
        self._changes = changes
        self._documents: dict[Hashable, Document] = {}
        self._rows: dict[Hashable, int] = {}
        self._was_created = False
        self._last_expiry_check = _NEVER

    @property
    def namespace(self) -> str:
        """The full name, as error messages give it: database.collection."""
        return f"{self.database}.{self.name}"

    @property
    def is_created(self) -> bool:
        """Whether the collection exists for `list_collection_names`."""
        return bool(self._documents or self.catalog.definitions or self._was_created)

    @property
    def is_empty(self) -> bool:
        """Whether no document is stored."""
        return len(self) == 0

    def create(self) -> None:
        """Make the collection exist while it is empty."""
        self._was_created = True
        self._changes.record_collection(self)

    def drop(self) -> None:
        """Remove the documents, the indexes and the collection itself."""
        for key in list(self._documents):
            del self[key]
        for name in list(self.catalog.definitions):
            self.drop_index(name)
        self._was_created = False
        self._changes.record_collection(self)

    def __setitem__(self, key: Hashable, value: Mapping[str, Any]) -> None:
        """Store a copy of a document, which replaces the one that has this key.

        Raises:
            DuplicateKeyError: a unique index refuses the document. Nothing has changed.
        """
        self.replace(key, copy_as_stored(value))

    def replace(self, key: Hashable, document: Document) -> None:
        """Store a document as `__setitem__` does, but not a copy of it.

        Args:
            document: as it is stored; it is not changed any more. It may share parts with the
                document that it replaces.
        """
        self.catalog.replace(key, self._documents.get(key), document)
        self._documents[key] = document
        if key not in self._rows:
            self._rows[key] = self._changes.allocate_row()
            if not self._was_created:
                self.create()  # A collection outlives its documents.
        self._changes.record_document(self._rows[key], self, key)

    def __delitem__(self, key: Hashable) -> None:
        self.catalog.update(key, self._documents.pop(key), None)
        self._changes.record_document(self._rows.pop(key), self, key)

    def __getitem__(self, key: Hashable) -> Document:
        self._remove_expired_documents()
        return self._documents[key]

    def __contains__(self, key: Hashable) -> bool:
        self._remove_expired_documents()
        return key in self._documents

    def __len__(self) -> int:
        self._remove_expired_documents()
        return len(self._documents)

    @property
    def documents(self) -> Iterator[Document]:
        """The documents of this moment, in order of insertion."""
        self._remove_expired_documents()
        return iter(list(self._documents.values()))

    def get_document_in_row(self, row: int, key: Hashable) -> Document | None:
        """Return the document of this key if it is still in this row, or None if it was deleted."""
        return self._documents.get(key) if self._rows.get(key) == row else None

    def load_document(self, row: int, document: Document) -> None:
        """Store a document that was read from the disk, without recording a change."""
        key = make_hashable(document["_id"])
        self._documents[key] = document
        self._rows[key] = row
        self.catalog.update(key, None, document)

    def load_collection(self, definitions: list[IndexDefinition]) -> None:
        """Make the collection exist with these indexes, as read from the disk."""
        self._was_created = True
        for definition in definitions:
            self.add_index(definition)

    def add_index(self, definition: IndexDefinition) -> None:
        """Add an index over the present documents.

        Raises:
            DuplicateKeyError: they are not unique; the index is not added.
        """
        self.catalog.add(definition, self._documents.items())
        self._changes.record_collection(self)

    def drop_index(self, name: str) -> None:
        """Remove an index by name; raise OperationFailure (27) if there is none."""
        self.catalog.remove(name)
        self._changes.record_collection(self)

    def find_text_keys(self, text: Mapping[str, Any]) -> set[Hashable]:
        """Return the keys of the matching documents; see IndexCatalog.find_text_keys."""
        self._remove_expired_documents()
        return self.catalog.find_text_keys(text)

    def find_candidates(self, query: Mapping[str, Any]) -> Iterable[Document]:
        """Return the documents that may match a filter, through an index if one applies."""
        self._remove_expired_documents()
        ids = find_equal_values(query.get("_id"))
        if ids is not None:
            return self.find_existing(dict.fromkeys(map(make_hashable, ids)))
        keys = self.catalog.find_keys(iter_required_conditions(query))
        return list(self._documents.values()) if keys is None else self.find_existing(keys)

    def find_extremes(self, sort: Sort, count: int) -> list[Document] | None:
        """Return the first `count` of all documents in this order.

        Returns:
            None if no index gives them: then they must be sorted.
        """
        self._remove_expired_documents()
        keys = self.catalog.find_extreme_keys(*sort[0], count) if len(sort) == 1 else None
        return None if keys is None else self.find_existing(keys)

    def find_existing(self, keys: Iterable[Hashable]) -> list[Document]:
        """Return the stored documents among those with these keys."""
        return [self._documents[key] for key in keys if key in self._documents]

    def _remove_expired_documents(self) -> None:
        """Delete the documents that a TTL index has expired, at most once a second."""
        if not self.catalog.ttl_definitions:
            return
        now = datetime.now(UTC).replace(tzinfo=None)
        if now - self._last_expiry_check < _EXPIRY_CHECK_INTERVAL:
            return
        self._last_expiry_check = now
        for definition in self.catalog.ttl_definitions:
            cutoff = now - timedelta(seconds=definition["expireAfterSeconds"])
            self._delete_expired(definition, cutoff)

    def _delete_expired(self, definition: IndexDefinition, cutoff: datetime) -> None:
        (path,) = definition["key"]
        partial = definition.get("partialFilterExpression", {})
        for key, document in list(self._documents.items()):
            values = find_indexed_values(document, path)
            times = [value for value in values if isinstance(value, datetime)]
            if times and min(times) <= cutoff and matches_filter(partial, document):
                del self[key]


class DatabaseStore:
    """The collections of one database."""

    def __init__(self, name: str, changes: ChangeLog) -> None:
        self.name = name
        self._changes = changes
        self._collections: dict[str, CollectionStore] = {}

    def __getitem__(self, name: str) -> CollectionStore:
        if name not in self._collections:
            self._collections[name] = CollectionStore(self.name, name, self._changes)
        return self._collections[name]

    @property
    def is_created(self) -> bool:
        """Whether the database has a collection."""
        return any(store.is_created for store in self._collections.values())

    def list_created_collection_names(self) -> list[str]:
        """Return the names of the collections that exist."""
        return [name for name, store in self._collections.items() if store.is_created]

    def create_collection(self, name: str) -> CollectionStore:
        """Make an empty collection exist, and return it."""
        store = self[name]
        store.create()
        return store


class ServerStore:
    """All databases of one client. It replaces the class of the same name in mongomock."""

    def __init__(self, changes: ChangeLog) -> None:
        self.changes = changes
        self._databases: dict[str, DatabaseStore] = {}

    def __getitem__(self, name: str) -> DatabaseStore:
        if name not in self._databases:
            self._databases[name] = DatabaseStore(name, self.changes)
        return self._databases[name]

    def list_created_database_names(self) -> list[str]:
        """Return the names of the databases that exist."""
        return [name for name, store in self._databases.items() if store.is_created]
