"""The operations on one embedded collection: find, insert, rewrite and delete over its store.

The caller, `EmbeddedCollection`, holds the client's lock, and checks the arguments and options.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, TypeAlias

from eventapp.core.embedded.filters import split_text
from eventapp.core.embedded.indexes import make_duplicate_key_error
from eventapp.core.embedded.mongomock_internals import (
    MISSING,
    Document,
    MongomockOperators,
    get_values_at_path,
    make_bson_sort_key,
    matches_filter,
)
from eventapp.core.embedded.pymongo_interface import Sort
from eventapp.core.embedded.storage import CollectionStore
from eventapp.core.embedded.updates import add_missing_id, make_upsert_base
from eventapp.core.embedded.values import (
    copy_as_stored,
    copy_for_caller,
    include_paths,
    is_stored_alike,
    make_document_key,
    make_hashable,
)

# A function that returns the new document for an old one, as it is stored; the two may share parts.
# Its second argument is whether the document is being inserted.
Change: TypeAlias = Callable[[Document, bool], Document]


@dataclass
class MatchedDocuments:
    """The stored documents that match a filter."""

    documents: list[Document] = field(default_factory=list)

    def sort(self, sort: Sort) -> None:
        """Sort the documents in place. The sort is stable."""
        for path, direction in reversed(sort):
            self._sort_by(path, direction)

    def _sort_by(self, path: str, direction: Any) -> None:
        if path == "$natural":
            self.documents = self.documents[::direction]
        else:
            descending = direction < 0
            self.documents.sort(
                key=lambda document: _make_sort_key(document, path, descending), reverse=descending
            )


def _make_sort_key(document: Document, path: str, descending: bool) -> tuple[int, Any]:
    """Return the sort key of the values at a path.

    An array sorts by its least item, or by its greatest if descending. An empty one sorts before
    all other values.
    """
    keys = list(_iter_item_keys(get_values_at_path(path, document)))
    if not keys:
        return (0, make_bson_sort_key(None))
    return (1, max(keys) if descending else min(keys))


def _iter_item_keys(values: list[Any]) -> Iterator[tuple[int, Any]]:
    for value in values or [None]:
        for item in value if isinstance(value, list) else [value]:
            yield make_bson_sort_key(item)


@dataclass
class WriteOutcome:
    """The result of a write.

    Attributes:
        matched: the number of documents that matched.
        modified: the number of documents that changed.
        upserted_id: the `_id` of the inserted document, or None.
        before: the first match before the write; None for an insert or without a match.
        after: the first match after the write, or the inserted document; None without a match.
    """

    matched: int = 0
    modified: int = 0
    upserted_id: Any = None
    before: Document | None = None
    after: Document | None = None


class CollectionOperations:
    """The operations of one collection.

    Attributes:
        mongomock_operators: mongomock's operators for the documents of the collection.
        store: the documents and indexes of the collection.
    """

    def __init__(self, mongomock_operators: MongomockOperators, store: CollectionStore) -> None:
        self.mongomock_operators = mongomock_operators
        self.store = store

    def match(
        self, query: Mapping[str, Any], sort: Sort | None = None, stop: int | None = None
    ) -> MatchedDocuments:
        """Return the documents that match a filter, sorted.

        Args:
            stop: how many documents the caller needs at most; None for all.
        """
        if not query and sort and stop is not None:
            found = self.store.find_extremes(sort, stop)
            if found is not None:
                return MatchedDocuments(found)
        rest, text = split_text(copy_as_stored(query))
        if self.store.is_empty and text is None:
            matches_filter(rest, {})  # Refuse a malformed filter even without documents.
            return MatchedDocuments()
        if text is None:
            matches = MatchedDocuments(list(self.store.find_candidates(rest)))
        else:
            matches = MatchedDocuments(self.store.find_existing(self.store.find_text_keys(text)))
        matching = (document for document in matches.documents if matches_filter(rest, document))
        matches.documents = list(matching if sort else islice(matching, stop))
        matches.sort(sort or ())
        return matches

    def project(self, documents: Iterable[Document], projection: Any) -> list[Document]:
        """Return projected copies of matches, for the caller."""
        if projection is None or projection == {}:
            return [copy_for_caller(document) for document in documents]
        if not isinstance(projection, Mapping):
            projection = dict.fromkeys(projection, 1) or {"_id": 1}
        tree = _build_inclusion_tree(projection)
        if tree is not None:
            # mongomock copies each value, which takes ten times longer.
            return [copy_for_caller(include_paths(document, tree)) for document in documents]
        project = self.mongomock_operators.project
        return [copy_for_caller(project(document, projection)) for document in documents]

    def find(
        self, query: Mapping[str, Any], projection: Any, sort: Sort | None, skip: int, limit: int
    ) -> list[Document]:
        """Return copies of the matches for a cursor. A limit of 0 means no limit."""
        stop = skip + abs(limit) if limit else None
        matches = self.match(query, sort, stop)
        return self.project(matches.documents[skip:stop], projection)

    def distinct(self, path: str, query: Mapping[str, Any]) -> list[Any]:
        """Return each value, or each array item, at `path` once, in order of first appearance."""
        found: dict[Hashable, Any] = {}
        for document in self.match(query).documents:
            for value in get_values_at_path(path, document):
                for item in value if isinstance(value, list) else [value]:
                    if item is not MISSING:
                        found.setdefault(make_hashable(item), item)
        values: list[Any] = copy_for_caller({"values": list(found.values())})["values"]
        return values

    def insert(self, document: Mapping[str, Any]) -> None:
        """Insert a document that has an `_id`.

        Raises:
            DuplicateKeyError: its `_id` or a unique value is taken; nothing has changed.
        """
        key = make_document_key(document)
        if key in self.store:
            taken = {"_id": document["_id"]}
            raise make_duplicate_key_error(self.store.namespace, "_id_", {"_id": 1}, taken)
        self.store[key] = document

    def rewrite(
        self,
        query: Mapping[str, Any],
        change: Change,
        *,
        upsert_base: Document | None = None,
        sort: Sort | None = None,
        many: bool = False,
    ) -> WriteOutcome:
        """Replace the first match by `change(match, False)`, or every match if `many`.

        Args:
            upsert_base: the document that an upsert starts from; None if the write is no upsert.
                If nothing matches, `change(upsert_base, True)` is inserted.
        """
        found = self.match(query, sort).documents
        if not found and upsert_base is not None:
            return self._insert_upserted(change(upsert_base, True))
        outcome = WriteOutcome()
        for document in found if many else found[:1]:
            self._replace(document, change(document, False), outcome)
        return outcome

    def _replace(self, old: Document, new: Document, outcome: WriteOutcome) -> None:
        outcome.matched += 1
        if not is_stored_alike(old, new):
            self.store.replace(make_hashable(old["_id"]), new)
            outcome.modified += 1
        if outcome.before is None:
            outcome.before, outcome.after = old, new

    def _insert_upserted(self, document: Document) -> WriteOutcome:
        document = add_missing_id(document)
        self.insert(document)
        return WriteOutcome(
            upserted_id=document["_id"], after=self.store[make_document_key(document)]
        )

    def make_upsert_base(self, query: Mapping[str, Any]) -> Document:
        """Return the document that an upsert with this filter starts from."""
        return make_upsert_base(self.mongomock_operators, split_text(copy_as_stored(query))[0])

    def delete(
        self, query: Mapping[str, Any], sort: Sort | None = None, *, many: bool = False
    ) -> MatchedDocuments:
        """Delete the first match, or every match if `many`; return the deleted documents."""
        matches = self.match(query, sort)
        if not many:
            matches.documents = matches.documents[:1]
        for document in matches.documents:
            del self.store[make_hashable(document["_id"])]
        return matches


def _build_inclusion_tree(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the tree that `include_paths` takes for a projection.

    Returns:
        None unless the projection only names fields to return, none of them below another.
    """
    tree: dict[str, Any] = {}
    for path, value in fields.items():
        if value not in (1, True) or "$" in path:
            return None
        branch = tree
        *parents, last = path.split(".")
        for part in parents:
            if branch.get(part) == {}:
                return None
            branch = branch.setdefault(part, {})
        if last in branch:
            return None
        branch[last] = {}
    return {"_id": {}, **tree}
