"""The operations on one embedded collection: find, insert, rewrite and delete over its store.

The caller holds the client's lock, and checks the arguments and options.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import bson
from pymongo.errors import OperationFailure

from eventapp.core.embedded.filters import split_text
from eventapp.core.embedded.indexes import duplicate_key_error
from eventapp.core.embedded.mongomock_internals import (
    MISSING,
    Document,
    MongomockCollection,
    bson_sort_key,
    matches_filter,
    values_at_path,
)
from eventapp.core.embedded.pymongo_interface import TEXT_SCORE, Sort
from eventapp.core.embedded.storage import CollectionStore
from eventapp.core.embedded.updates import upsert_base, with_id
from eventapp.core.embedded.values import caller_copy, document_key, hashable, stored_copy

# Returns the new document for an old one; the flag says whether it is being inserted.
Change = Callable[[Document, bool], Document]


@dataclass
class Matches:
    """The stored documents that match a filter, with their text scores if it had a `$text`."""

    documents: list[Document] = field(default_factory=list)
    scores: dict[Hashable, float] | None = None

    def score(self, document: Document) -> float:
        """Return the text score of a document; raise OperationFailure without a `$text`."""
        if self.scores is None:
            raise OperationFailure("query requires text score metadata, but it is not available")
        return self.scores[hashable(document["_id"])]

    def sort(self, sort: Sort) -> None:
        """Sort the documents in place. The sort is stable."""
        for path, direction in reversed(sort):
            self._sort_by(path, direction)

    def _sort_by(self, path: str, direction: Any) -> None:
        """Sort by one field; by TEXT_SCORE the best score comes first."""
        if direction == TEXT_SCORE:
            self.documents.sort(key=self.score, reverse=True)
        elif path == "$natural":
            self.documents = self.documents[::direction]
        else:
            descending = direction < 0
            self.documents.sort(
                key=lambda one: _sort_key(one, path, descending), reverse=descending
            )


def _sort_key(document: Document, path: str, descending: bool) -> tuple[int, Any]:
    """Return the key of a path. An array sorts by its least item, descending by its greatest."""
    keys = list(_item_keys(values_at_path(path, document)))
    if not keys:
        return (0, bson_sort_key(None))
    return (1, max(keys) if descending else min(keys))


def _item_keys(values: list[Any]) -> Iterable[tuple[int, Any]]:
    for value in values or [None]:
        for item in value if isinstance(value, list) else [value]:
            yield bson_sort_key(item)


@dataclass
class WriteOutcome:
    """What a write did.

    Attributes:
        matched, modified: how many documents it found, and how many it changed.
        upserted_id: the `_id` of the document it inserted, or None.
        before, after: the first document, before and after the write; None and the document for
            an insert, both None if nothing matched.
    """

    matched: int = 0
    modified: int = 0
    upserted_id: Any = None
    before: Document | None = None
    after: Document | None = None


class CollectionOperations:
    """The operations of one collection.

    Attributes:
        native: mongomock's operators for it.
        store: its documents and indexes.
    """

    def __init__(self, native: MongomockCollection, store: CollectionStore) -> None:
        self.native = native
        self.store = store

    def match(self, query: Mapping[str, Any], sort: Sort | None = None) -> Matches:
        """Return the documents that match a filter, sorted."""
        rest, text = split_text(stored_copy(query))
        if self.store.is_empty:
            matches_filter(rest, {})  # A malformed filter is refused even without documents.
        if text is None:
            matches = Matches(list(self.store.find_candidates(rest)))
        else:
            scores = self.store.text_scores(text)
            matches = Matches(self.store.find_existing(scores), scores)
        matches.documents = [one for one in matches.documents if matches_filter(rest, one)]
        matches.sort(sort or ())
        return matches

    def project(self, matches: Matches, document: Document, projection: Any) -> Document:
        """Return the projected copy of one match, for the caller."""
        if projection is None or projection == {}:
            return caller_copy(document)
        if not isinstance(projection, Mapping):
            projection = dict.fromkeys(projection, 1) or {"_id": 1}
        fields = {name: value for name, value in projection.items() if value != TEXT_SCORE}
        result = self.native.project(document, fields or None)
        for name in projection.keys() - fields.keys():
            result[name] = matches.score(document)
        return caller_copy(result)

    def find(
        self, query: Mapping[str, Any], projection: Any, sort: Sort | None, skip: int, limit: int
    ) -> list[Document]:
        """Return the copies that a cursor yields. A limit of 0 is no limit."""
        matches = self.match(query, sort)
        stop = skip + abs(limit) if limit else None
        return [self.project(matches, one, projection) for one in matches.documents[skip:stop]]

    def distinct(self, path: str, query: Mapping[str, Any]) -> list[Any]:
        """Return each value at `path` once, array items each, in order of first appearance."""
        found: dict[Hashable, Any] = {}
        for document in self.match(query).documents:
            for value in values_at_path(path, document):
                for item in value if isinstance(value, list) else [value]:
                    if item is not MISSING:
                        found.setdefault(hashable(item), item)
        values: list[Any] = caller_copy({"values": list(found.values())})["values"]
        return values

    def insert(self, document: Mapping[str, Any]) -> None:
        """Insert a document that has an `_id`.

        Raises:
            DuplicateKeyError: its `_id` or a unique value is taken; nothing has changed.
        """
        key = document_key(document)
        if key in self.store:
            taken = {"_id": document["_id"]}
            raise duplicate_key_error(self.store.namespace, "_id_", {"_id": 1}, taken)
        self.store[key] = document

    def rewrite(
        self,
        query: Mapping[str, Any],
        change: Change,
        *,
        base: Document | None = None,
        sort: Sort | None = None,
        many: bool = False,
    ) -> WriteOutcome:
        """Replace the first match by `change(match, False)`, or every match if `many`.

        Args:
            base: if nothing matches, `change(base, True)` is inserted; None inserts nothing.
        """
        found = self.match(query, sort).documents
        if not found and base is not None:
            return self._insert_upserted(change(base, True))
        outcome = WriteOutcome()
        for document in found if many else found[:1]:
            self._replace(document, change(document, False), outcome)
        return outcome

    def _replace(self, old: Document, new: Document, outcome: WriteOutcome) -> None:
        key = hashable(old["_id"])
        outcome.matched += 1
        if bson.encode(new) != bson.encode(old):
            self.store[key] = new
            outcome.modified += 1
        if outcome.before is None:
            outcome.before, outcome.after = old, self.store[key]

    def _insert_upserted(self, document: Document) -> WriteOutcome:
        document = with_id(document)
        self.insert(document)
        return WriteOutcome(upserted_id=document["_id"], after=self.store[document_key(document)])

    def upsert_base(self, query: Mapping[str, Any]) -> Document:
        """Return the document that an upsert with this filter starts from."""
        return upsert_base(self.native, split_text(stored_copy(query))[0])

    def delete(
        self, query: Mapping[str, Any], sort: Sort | None = None, *, many: bool = False
    ) -> Matches:
        """Delete the first match, or every match if `many`; return what was deleted."""
        matches = self.match(query, sort)
        if not many:
            matches.documents = matches.documents[:1]
        for document in matches.documents:
            del self.store[hashable(document["_id"])]
        return matches
