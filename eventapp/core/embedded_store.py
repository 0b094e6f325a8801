"""Where the embedded documents live: mongomock's stores, told of every change.

A stored document is never changed in place: each write puts a new one, so that a reference taken
under the lock stays a consistent snapshot, and a refused write has changed nothing.
"""

import threading
from collections.abc import Hashable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from mongomock import store as mongomock_store
from pymongo.errors import OperationFailure

from eventapp.core.embedded_engine import Document, fits
from eventapp.core.embedded_index import HashIndex, frozen, is_text, values_at
from eventapp.core.textsearch import TextIndex

_EXPIRY_PERIOD = timedelta(seconds=1)
_NEVER = datetime.min


def plain(value: Mapping[str, Any]) -> Document:
    """Return a private copy as BSON would keep it: naive UTC milliseconds, lists, plain types.

    Raises:
        bson.errors.InvalidDocument: it holds something BSON cannot.
    """
    return bson.decode(bson.encode(value))


class Journal:
    """What has changed since the last flush; guarded by the client's lock."""

    def __init__(self, *, active: bool) -> None:
        self._active = active
        self.next_row = 1
        self.rows: dict[int, tuple[CollectionStore, Hashable]] = {}
        self.collections: dict[CollectionStore, None] = {}
        self.changed = threading.Event()

    def new_row(self) -> int:
        """Return the next row number: rows in order are documents in order of insertion."""
        self.next_row += 1
        return self.next_row - 1

    def document(self, row: int, store: "CollectionStore", key: Hashable) -> None:
        """Mark one document as changed or gone."""
        if self._active:
            self.rows[row] = (store, key)
            self.changed.set()

    def collection(self, store: "CollectionStore") -> None:
        """Mark the existence or the indexes of a collection as changed."""
        if self._active:
            self.collections[store] = None
            self.changed.set()


class CollectionStore(mongomock_store.CollectionStore):
    """The documents of one collection in order of insertion, and its indexes."""

    def __init__(self, database: str, name: str, journal: Journal) -> None:
        super().__init__(name)  # type: ignore[no-untyped-call]
        self.database = database
        self.definitions: dict[str, Document] = {}
        self._journal = journal
        self._rows: dict[Hashable, int] = {}
        self._hashes: dict[str, HashIndex] = {}
        self._text: TextIndex | None = None
        self._expired_at = _NEVER

    @property
    def namespace(self) -> str:
        """The full name, as error messages give it: database.collection."""
        return f"{self.database}.{self.name}"

    @property
    def is_created(self) -> bool:
        """Whether the collection exists for `list_collection_names`."""
        return bool(self._documents or self.definitions or self._is_force_created)

    def create(self) -> None:
        """Make the collection exist while it is empty."""
        super().create()  # type: ignore[no-untyped-call]
        self._journal.collection(self)

    def drop(self) -> None:
        """Remove the documents, the indexes and the collection itself."""
        for key in list(self._documents):
            del self[key]
        for name in list(self.definitions):
            self.drop_index(name)
        self._is_force_created = False
        self._journal.collection(self)

    def __setitem__(self, key: Hashable, value: Mapping[str, Any]) -> None:
        """Put a document.

        Raises:
            DuplicateKeyError: a unique index refuses it; nothing has changed.
        """
        document = plain(value)
        for index in self._hashes.values():
            index.check(key, document)
        self._follow(key, self._documents.get(key), document)
        self._documents[key] = document
        if key not in self._rows:
            self._rows[key] = self._journal.new_row()
            if not self._is_force_created:
                self.create()  # a collection outlives its documents
        self._journal.document(self._rows[key], self, key)

    def __delitem__(self, key: Hashable) -> None:
        self._follow(key, self._documents.pop(key), None)
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
        self._follow(key, None, document)

    def restore(self, definitions: list[Document]) -> None:
        """Make the collection exist with these indexes, as read from the disk."""
        self._is_force_created = True
        for definition in definitions:
            self.create_index(definition["name"], definition)

    def create_index(self, name: str, definition: Document) -> None:
        """Add an index over the present documents.

        Raises:
            DuplicateKeyError: they are not unique already; the index is not added.
        """
        index = None if is_text(definition) else HashIndex(self.namespace, definition)
        text = TextIndex(definition["weights"]) if index is None else None
        for key, document in self._documents.items():
            if index:
                index.check(key, document)
                index.replace(key, None, document)
            if text:
                text.changed(key, document)
        self._add_index(name, definition, index, text)

    def _add_index(
        self, name: str, definition: Document, index: HashIndex | None, text: TextIndex | None
    ) -> None:
        self.definitions[name] = definition
        self._text = text or self._text
        if index:
            self._hashes[name] = index
        self._journal.collection(self)

    def drop_index(self, name: str) -> None:
        """Remove an index by name; KeyError if there is none."""
        if is_text(self.definitions.pop(name)):
            self._text = None
        self._hashes.pop(name, None)
        self._journal.collection(self)

    def text_scores(self, text: Mapping[str, Any]) -> dict[Hashable, float]:
        """Answer a `$text` operator: {key: score}.

        Raises:
            OperationFailure: no text index (27), or an option that is not supported.
        """
        if self._text is None:
            raise OperationFailure("text index required for $text query", 27)
        if text.get("$caseSensitive") or text.get("$diacriticSensitive"):
            raise OperationFailure("the embedded store searches regardless of case and accents", 9)
        self._remove_expired_documents()
        return self._text.search(text["$search"])

    def candidates(self, spec: Mapping[str, Any]) -> Iterable[Document]:
        """Return the documents that may match `spec`, by an index if one helps."""
        self._remove_expired_documents()
        answers = (self._keys(path, condition) for path, condition in spec.items())
        found = [keys for keys in answers if keys is not None]
        if not found:
            return list(self._documents.values())
        fewest = min(found, key=len)
        return self.existing(fewest)

    def existing(self, keys: Iterable[Hashable]) -> list[Document]:
        """Return the documents of those keys that are stored."""
        return [self._documents[key] for key in keys if key in self._documents]

    def _keys(self, path: str, condition: Any) -> list[Hashable] | None:
        """Return the keys an index gives for one condition; None if no index can tell."""
        values = _wanted(condition)
        if values is None:
            return None
        if path == "_id":
            return list(dict.fromkeys(frozen(value) for value in values))
        for index in self._hashes.values():
            if index.fields[0] == path:
                return list(dict.fromkeys(key for value in values for key in index.find(value)))
        return None

    def _follow(self, key: Hashable, old: Document | None, new: Document | None) -> None:
        for index in self._hashes.values():
            index.replace(key, old, new)
        if self._text:
            self._text.changed(key, new)

    def _remove_expired_documents(self) -> None:
        """Delete what a TTL index says is over, at most once a second."""
        now = datetime.now(UTC).replace(tzinfo=None)
        if now - self._expired_at < _EXPIRY_PERIOD:
            return
        self._expired_at = now
        for definition in self.definitions.values():
            if "expireAfterSeconds" in definition:
                self._expire(definition, now - timedelta(seconds=definition["expireAfterSeconds"]))

    def _expire(self, definition: Document, limit: datetime) -> None:
        (path,) = definition["key"]
        partial = definition.get("partialFilterExpression", {})
        for key, document in list(self._documents.items()):
            dates = [v for v in values_at(document, path) if isinstance(v, datetime)]
            if dates and min(dates) <= limit and fits(partial, document):
                del self[key]


def _wanted(condition: Any) -> list[Any] | None:
    """Return the scalars a condition asks for, or None if it asks for something else."""
    if isinstance(condition, dict) and len(condition) == 1:
        condition = condition.get("$in", [condition.get("$eq")])
    values = condition if isinstance(condition, list) else [condition]
    plain_types = str | int | float | bson.ObjectId | datetime
    return values if all(isinstance(value, plain_types) for value in values) else None


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
