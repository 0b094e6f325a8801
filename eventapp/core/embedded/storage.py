"""Where the embedded documents live: mongomock's stores, told of every change.

A stored document is never changed in place: each write puts a new one, so that a reference taken
under the lock stays a consistent snapshot, and a refused write has changed nothing.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from mongomock import store as mongomock_store

from eventapp.core.embedded.index_catalog import Catalog, scalars
from eventapp.core.embedded.indexes import frozen, values_at
from eventapp.core.embedded.journal import Journal
from eventapp.core.embedded.mongomock_engine import Document, fits
from eventapp.core.embedded.positional import conditions

_EXPIRY_PERIOD = timedelta(seconds=1)
_NEVER = datetime.min


def plain(value: Mapping[str, Any]) -> Document:
    """Return a private copy as BSON would keep it: naive UTC milliseconds, lists, plain types.

    Raises:
        bson.errors.InvalidDocument: it holds something BSON cannot.
    """
    return bson.decode(bson.encode(value))


class CollectionStore(mongomock_store.CollectionStore):
    """The documents of one collection in order of insertion, and its indexes."""

    def __init__(self, database: str, name: str, journal: Journal) -> None:
        super().__init__(name)  # type: ignore[no-untyped-call]
        self.database = database
        self.catalog = Catalog(f"{database}.{name}")
        self._journal = journal
        self._rows: dict[Hashable, int] = {}
        self._expired_at = _NEVER

    @property
    def namespace(self) -> str:
        """The full name, as error messages give it: database.collection."""
        return f"{self.database}.{self.name}"

    @property
    def is_created(self) -> bool:
        """Whether the collection exists for `list_collection_names`."""
        return bool(self._documents or self.catalog.definitions or self._is_force_created)

    def create(self) -> None:
        """Make the collection exist while it is empty."""
        super().create()  # type: ignore[no-untyped-call]
        self._journal.collection(self)

    def drop(self) -> None:
        """Remove the documents, the indexes and the collection itself."""
        for key in list(self._documents):
            del self[key]
        for name in list(self.catalog.definitions):
            self.drop_index(name)
        self._is_force_created = False
        self._journal.collection(self)

    def __setitem__(self, key: Hashable, value: Mapping[str, Any]) -> None:
        """Put a document.

        Raises:
            DuplicateKeyError: a unique index refuses it; nothing has changed.
        """
        document = plain(value)
        self.catalog.check(key, document)
        self.catalog.follow(key, self._documents.get(key), document)
        self._documents[key] = document
        if key not in self._rows:
            self._rows[key] = self._journal.new_row()
            if not self._is_force_created:
                self.create()  # a collection outlives its documents
        self._journal.document(self._rows[key], self, key)

    def __delitem__(self, key: Hashable) -> None:
        self.catalog.follow(key, self._documents.pop(key), None)
        self._journal.document(self._rows.pop(key), self, key)

    def __getitem__(self, key: Hashable) -> Document:
        self._remove_expired_documents()
        document: Document = self._documents[key]
        return document

    def __contains__(self, key: Hashable) -> bool:
        self._remove_expired_documents()
        return key in self._documents

    def __len__(self) -> int:
        self._remove_expired_documents()
        return len(self._documents)

    @property
    def documents(self) -> Iterator[Document]:
        """The documents as of now, in order of insertion."""
        self._remove_expired_documents()
        return iter(list(self._documents.values()))

    def row(self, row: int, key: Hashable) -> Document | None:
        """Return the document that has this row number, or None if it is gone."""
        return self._documents.get(key) if self._rows.get(key) == row else None

    def load(self, row: int, document: Document) -> None:
        """Put a document read from the disk, without marking it as changed."""
        key = frozen(document["_id"])
        self._documents[key] = document
        self._rows[key] = row
        self.catalog.follow(key, None, document)

    def restore(self, definitions: list[Document]) -> None:
        """Make the collection exist with these indexes, as read from the disk."""
        self._is_force_created = True
        for definition in definitions:
            self.declare_index(definition)

    def declare_index(self, definition: Document) -> None:
        """Add an index over the present documents.

        Raises:
            DuplicateKeyError: they are not unique already; the index is not added.
        """
        self.catalog.add(definition, self._documents.items())
        self._journal.collection(self)

    def drop_index(self, name: str) -> None:
        """Remove an index by name; OperationFailure (27) if there is none."""
        self.catalog.remove(name)
        self._journal.collection(self)

    def text_scores(self, text: Mapping[str, Any]) -> dict[Hashable, float]:
        """Answer a `$text` operator: {key: score}; OperationFailure as of the catalog."""
        self._remove_expired_documents()
        return self.catalog.text_scores(text)

    def candidates(self, spec: Mapping[str, Any]) -> Iterable[Document]:
        """Return the documents that may match `spec`, by an index if one helps."""
        self._remove_expired_documents()
        ids = scalars(spec.get("_id"))
        keys = self.catalog.keys(conditions(spec)) if ids is None else [frozen(one) for one in ids]
        if keys is None:
            return list(self._documents.values())
        return self.existing(dict.fromkeys(keys))

    def existing(self, keys: Iterable[Hashable]) -> list[Document]:
        """Return the documents of those keys that are stored."""
        return [self._documents[key] for key in keys if key in self._documents]

    def _remove_expired_documents(self) -> None:
        """Delete what a TTL index says is over, at most once a second."""
        now = datetime.now(UTC).replace(tzinfo=None)
        if now - self._expired_at < _EXPIRY_PERIOD:
            return
        self._expired_at = now
        for definition in self.catalog.expiring():
            self._expire(definition, now - timedelta(seconds=definition["expireAfterSeconds"]))

    def _expire(self, definition: Document, limit: datetime) -> None:
        (path,) = definition["key"]
        partial = definition.get("partialFilterExpression", {})
        for key, document in list(self._documents.items()):
            dates = [v for v in values_at(document, path) if isinstance(v, datetime)]
            if dates and min(dates) <= limit and fits(partial, document):
                del self[key]


class DatabaseStore(mongomock_store.DatabaseStore):
    """The collections of one database."""

    def __init__(self, name: str, journal: Journal) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.name = name
        self._journal = journal

    def __getitem__(self, name: str) -> CollectionStore:
        if name not in self._collections:
            self._collections[name] = CollectionStore(self.name, name, self._journal)
        store: CollectionStore = self._collections[name]
        return store


class ServerStore(mongomock_store.ServerStore):
    """All databases of one client."""

    def __init__(self, journal: Journal) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.journal = journal

    def __getitem__(self, name: str) -> DatabaseStore:
        if name not in self._databases:
            self._databases[name] = DatabaseStore(name, self.journal)
        store: DatabaseStore = self._databases[name]
        return store
