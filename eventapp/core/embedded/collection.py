"""A collection of the embedded store, with the interface of PyMongo's.

`EmbeddedCollection` checks arguments as PyMongo does, takes the client's lock, and returns the
result types of PyMongo. `CollectionOperations` does the work, on the documents of a
`CollectionStore`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NoReturn, TypeAlias

from bson import ObjectId
from pymongo import IndexModel, InsertOne, ReturnDocument
from pymongo.collection import Collection
from pymongo.errors import OperationFailure
from pymongo.results import (
    BulkWriteResult,
    DeleteResult,
    InsertManyResult,
    InsertOneResult,
    UpdateResult,
)

from eventapp.core.embedded.aggregation import apply_pipeline, run_pipeline
from eventapp.core.embedded.bulk_writes import Write, run_bulk_write
from eventapp.core.embedded.cursors import EmbeddedCommandCursor, EmbeddedCursor
from eventapp.core.embedded.indexes import describe_index, make_index_definition
from eventapp.core.embedded.locking import StoreLock, locked
from eventapp.core.embedded.mongomock_internals import (
    Document,
    check_document,
    check_filter,
    check_replacement,
    check_update,
)
from eventapp.core.embedded.operations import (
    Change,
    CollectionOperations,
    MatchedDocuments,
    WriteOutcome,
)
from eventapp.core.embedded.pymongo_interface import (
    PyMongoStandIn,
    Sort,
    check_options,
    parse_sort,
    refuse_sort,
)
from eventapp.core.embedded.updates import apply_operators, apply_replacement
from eventapp.core.embedded.values import copy_as_stored

# PyMongo names the parameter `filter`; private functions of the embedded store name it `query`.
QueryFilter: TypeAlias = Mapping[str, Any]

_BAD_LIMIT = 15958  # MongoDB's error code


class EmbeddedCollection(PyMongoStandIn):
    """Stands in for `pymongo.collection.Collection`.

    Reads return copies, whose datetimes are aware, in UTC, to the millisecond. Errors are PyMongo's
    (DuplicateKeyError, WriteError, BulkWriteError), and a write that is refused changes nothing.
    """

    stands_in_for = Collection

    def __init__(self, database: Any, operations: CollectionOperations, lock: StoreLock) -> None:
        self.database = database
        self.name: str = operations.store.name
        self.full_name = operations.store.namespace
        self._operations = operations
        self._lock = lock

    def __repr__(self) -> str:
        return f"EmbeddedCollection({self.full_name!r})"

    def __bool__(self) -> NoReturn:
        # As PyMongo does, so that code that works with one store works with the other.
        raise NotImplementedError("compare a collection with None instead of testing its truth")

    @property
    def files(self) -> Any:
        """The collection in which `gridfs` describes the files of a bucket of this name."""
        return self.database[f"{self.name}.files"]

    @property
    def chunks(self) -> Any:
        """The collection in which `gridfs` keeps the contents of the files."""
        return self.database[f"{self.name}.chunks"]

    # Reads

    def find(
        self,
        filter: QueryFilter | None = None,
        projection: Any = None,
        skip: int = 0,
        limit: int = 0,
        *,
        sort: Any = None,
        **options: Any,
    ) -> EmbeddedCursor:
        """Return a cursor. It reads all results at once when the first one is fetched."""
        check_options(options)
        query = {} if filter is None else filter
        check_filter(query)
        return EmbeddedCursor(partial(self._read, query, projection), sort, skip, limit)

    @locked
    def _read(
        self, query: QueryFilter, projection: Any, sort: Sort | None, skip: int, limit: int
    ) -> list[Document]:
        return self._operations.find(query, projection, sort, skip, limit)

    def find_one(
        self, filter: Any = None, projection: Any = None, **options: Any
    ) -> Document | None:
        """Return the first match, or None. A filter that is not a mapping is an `_id`."""
        query = filter if filter is None or isinstance(filter, Mapping) else {"_id": filter}
        return next(self.find(query, projection, limit=1, **options), None)

    @locked
    def count_documents(
        self, filter: QueryFilter, skip: int = 0, limit: int | None = None, **options: Any
    ) -> int:
        """Count the matches after the first `skip`, up to `limit`."""
        check_options(options)
        if limit is not None and limit <= 0:
            raise OperationFailure("the limit must be positive", _BAD_LIMIT)
        count = max(len(self._operations.match(filter).documents) - skip, 0)
        return count if limit is None else min(count, limit)

    @locked
    def distinct(self, key: str, filter: QueryFilter | None = None, **options: Any) -> list[Any]:
        """Return the distinct values of a field. The items of an array count as separate values."""
        check_options(options)
        return self._operations.distinct(key, filter or {})

    @locked
    def aggregate(
        self, pipeline: Sequence[Mapping[str, Any]], **options: Any
    ) -> EmbeddedCommandCursor:
        """Run a pipeline, and return a cursor of its results.

        Raises:
            NotImplementedError: mongomock does not support a stage or an operator.
        """
        check_options(options)
        results = run_pipeline(self._operations, pipeline)
        return EmbeddedCommandCursor(lambda: results)

    # Writes

    @locked
    def insert_one(self, document: Any, **options: Any) -> InsertOneResult:
        """Insert `document`, after adding an `_id` to it if it has none."""
        check_options(options)
        check_document(document)
        if "_id" not in document:
            document["_id"] = ObjectId()
        self._operations.insert(document)
        return InsertOneResult(document["_id"], True)

    @locked
    def insert_many(
        self, documents: Iterable[Any], ordered: bool = True, **options: Any
    ) -> InsertManyResult:
        """Insert the documents one after the other. A BulkWriteError lists the refused ones."""
        documents = list(documents)
        if not documents:
            raise TypeError("documents must be a non-empty list")
        self.bulk_write([InsertOne(document) for document in documents], ordered, **options)
        return InsertManyResult([document["_id"] for document in documents], True)

    @locked
    def bulk_write(
        self, requests: Sequence[Write], ordered: bool = True, **options: Any
    ) -> BulkWriteResult:
        """Perform several writes in one operation. A BulkWriteError lists the refused ones."""
        check_options(options)
        return run_bulk_write(self, list(requests), ordered=ordered)

    def update_one(self, filter: QueryFilter, update: Any, **options: Any) -> UpdateResult:
        """Update the first match. The options are upsert, sort and array_filters."""
        return _make_update_result(self._update(filter, update, **options))

    def update_many(self, filter: QueryFilter, update: Any, **options: Any) -> UpdateResult:
        """Update all matches. The options are upsert and array_filters."""
        refuse_sort(options)
        return _make_update_result(self._update(filter, update, many=True, **options))

    def replace_one(
        self, filter: QueryFilter, replacement: Mapping[str, Any], **options: Any
    ) -> UpdateResult:
        """Replace the first match. The options are upsert and sort."""
        return _make_update_result(self._replace(filter, replacement, **options))

    def delete_one(self, filter: QueryFilter, **options: Any) -> DeleteResult:
        """Delete the first match."""
        refuse_sort(options)
        return DeleteResult({"n": len(self._delete(filter, **options).documents)}, True)

    def delete_many(self, filter: QueryFilter, **options: Any) -> DeleteResult:
        """Delete all matches."""
        refuse_sort(options)
        return DeleteResult({"n": len(self._delete(filter, many=True, **options).documents)}, True)

    @locked
    def find_one_and_update(
        self,
        filter: QueryFilter,
        update: Any,
        projection: Any = None,
        sort: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        **options: Any,
    ) -> Document | None:
        """Update the first match. Return it before or after the update, or None without a match."""
        outcome = self._update(filter, update, upsert=upsert, sort=sort, **options)
        return self._project_outcome(outcome, projection, return_document)

    @locked
    def find_one_and_replace(
        self,
        filter: QueryFilter,
        replacement: Mapping[str, Any],
        projection: Any = None,
        sort: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        **options: Any,
    ) -> Document | None:
        """Replace the first match. Return the old or the new document, or None without a match."""
        outcome = self._replace(filter, replacement, upsert=upsert, sort=sort, **options)
        return self._project_outcome(outcome, projection, return_document)

    @locked
    def find_one_and_delete(
        self, filter: QueryFilter, projection: Any = None, sort: Any = None, **options: Any
    ) -> Document | None:
        """Delete the first match and return it, or None without a match."""
        deleted = self._delete(filter, sort=sort, **options)
        if not deleted.documents:
            return None
        return self._operations.project(deleted.documents, projection)[0]

    def _project_outcome(
        self, outcome: WriteOutcome, projection: Any, return_after: bool
    ) -> Document | None:
        document = outcome.after if return_after else outcome.before
        if document is None:
            return None
        return self._operations.project([document], projection)[0]

    @locked
    def _update(
        self, query: QueryFilter, update: Any, *, array_filters: Any = None, **options: Any
    ) -> WriteOutcome:
        mongomock = self._operations.mongomock_operators
        make_base = partial(self._operations.make_upsert_base, query)
        if isinstance(update, list) and not array_filters:
            return self._rewrite(
                query, lambda old, _: apply_pipeline(mongomock, old, update), make_base, **options
            )
        check_update(update)
        stored_query, stored_update = copy_as_stored(query), copy_as_stored(update)
        stored_filters = copy_as_stored({"filters": array_filters or []})["filters"]

        def change(document: Document, inserting: bool) -> Document:
            return apply_operators(
                mongomock,
                document,
                stored_query,
                stored_update,
                stored_filters,
                inserting=inserting,
            )

        return self._rewrite(query, change, make_base, **options)

    @locked
    def _replace(
        self, query: QueryFilter, replacement: Mapping[str, Any], **options: Any
    ) -> WriteOutcome:
        check_replacement(replacement)
        new = copy_as_stored(replacement)

        def make_base() -> Document:
            base = self._operations.make_upsert_base(query)
            return {name: value for name, value in base.items() if name == "_id"}

        return self._rewrite(
            query, lambda old, _: apply_replacement(old, new), make_base, **options
        )

    def _rewrite(
        self,
        query: QueryFilter,
        change: Change,
        make_upsert_base: Callable[[], Document],
        *,
        upsert: bool = False,
        sort: Any = None,
        many: bool = False,
        **options: Any,
    ) -> WriteOutcome:
        check_options(options)
        return self._operations.rewrite(
            query,
            change,
            upsert_base=make_upsert_base() if upsert else None,
            sort=parse_sort(sort) if sort else None,
            many=many,
        )

    @locked
    def _delete(
        self, query: QueryFilter, *, sort: Any = None, many: bool = False, **options: Any
    ) -> MatchedDocuments:
        check_options(options)
        return self._operations.delete(query, parse_sort(sort) if sort else None, many=many)

    # Indexes

    def create_index(self, keys: Any, session: None = None, **options: Any) -> str:
        """Create an index and return its name. The options are those of `pymongo.IndexModel`.

        Raises:
            DuplicateKeyError: the index is unique, but the stored values are not. The index is not
                created.
            OperationFailure: the index conflicts with an existing one.
        """
        options.pop("comment", None)
        return self.create_indexes([IndexModel(keys, **options)], session=session)[0]

    @locked
    def create_indexes(self, indexes: Sequence[IndexModel], **options: Any) -> list[str]:
        """Create several indexes and return their names."""
        check_options(options)
        store = self._operations.store
        definitions = [make_index_definition(model) for model in indexes]
        for definition in definitions:
            if not store.catalog.contains(definition):
                store.add_index(definition)
        return [definition["name"] for definition in definitions]

    @locked
    def drop_index(self, index_or_name: Any, **options: Any) -> None:
        """Drop an index by its name or its keys; raise OperationFailure (27) if there is none."""
        check_options(options)
        by_name = isinstance(index_or_name, str)
        name = index_or_name if by_name else IndexModel(index_or_name).document["name"]
        self._operations.store.drop_index(name)

    @locked
    def drop_indexes(self, **options: Any) -> None:
        """Drop all indexes except that of `_id`."""
        check_options(options)
        for name in list(self._operations.store.catalog.definitions):
            self._operations.store.drop_index(name)

    @locked
    def index_information(self, **options: Any) -> dict[str, Any]:
        """Return {name: {"key": [(field, direction)], ...}}, as PyMongo does."""
        check_options(options)
        return {
            description.pop("name"): {**description, "key": list(description["key"].items())}
            for description in self._describe_indexes()
        }

    @locked
    def list_indexes(self, **options: Any) -> EmbeddedCommandCursor:
        """Return the indexes as documents."""
        check_options(options)
        descriptions = self._describe_indexes()
        return EmbeddedCommandCursor(lambda: descriptions)

    def _describe_indexes(self) -> list[Document]:
        store = self._operations.store
        if not store.is_created:
            return []
        id_index = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
        definitions = store.catalog.definitions.values()
        return [id_index, *(describe_index(definition) for definition in definitions)]

    @locked
    def drop(self, **options: Any) -> None:
        """Drop the collection with its documents and indexes."""
        check_options(options)
        self._operations.store.drop()


def _make_update_result(outcome: WriteOutcome) -> UpdateResult:
    raw: Document = {"n": outcome.matched, "nModified": outcome.modified}
    if outcome.upserted_id is not None:
        raw |= {"n": 1, "upserted": outcome.upserted_id}
    return UpdateResult(raw, True)
