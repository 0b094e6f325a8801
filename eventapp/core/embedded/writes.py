"""Writing an embedded collection with PyMongo's calls; a write refused has changed nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bson import ObjectId
from pymongo import InsertOne, ReturnDocument
from pymongo.results import (
    BulkWriteResult,
    DeleteResult,
    InsertManyResult,
    InsertOneResult,
    UpdateResult,
)

from eventapp.core.embedded.aggregation import piped
from eventapp.core.embedded.base import CollectionBase, locked, tolerate
from eventapp.core.embedded.bulk_writes import Write, bulk_write
from eventapp.core.embedded.cursor import sort_list
from eventapp.core.embedded.documents import Change, Written
from eventapp.core.embedded.matches import Matches
from eventapp.core.embedded.mongomock_engine import (
    Document,
    check_document,
    check_replacement,
    check_update,
)
from eventapp.core.embedded.storage import plain
from eventapp.core.embedded.updates import replaced, updated

Filter = Mapping[str, Any]


class Writes(CollectionBase):
    """Errors are PyMongo's: DuplicateKeyError, WriteError, BulkWriteError."""

    @locked
    def insert_one(self, document: Any, **options: Any) -> InsertOneResult:
        """Insert `document`, giving it an `_id` if it has none."""
        tolerate(options)
        check_document(document)
        if "_id" not in document:
            document["_id"] = ObjectId()
        self._documents.insert(document)
        return InsertOneResult(document["_id"], True)

    @locked
    def insert_many(
        self, documents: Iterable[Any], ordered: bool = True, **options: Any
    ) -> InsertManyResult:
        """Insert one after the other; BulkWriteError names those refused."""
        documents = list(documents)
        if not documents:
            raise TypeError("documents must be a non-empty list")
        self.bulk_write([InsertOne(document) for document in documents], ordered, **options)
        return InsertManyResult([document["_id"] for document in documents], True)

    @locked
    def bulk_write(
        self, requests: Sequence[Write], ordered: bool = True, **options: Any
    ) -> BulkWriteResult:
        """Do several writes as one step; BulkWriteError names those refused."""
        tolerate(options)
        return bulk_write(self, list(requests), ordered=ordered)

    def update_one(self, filter: Filter, update: Any, **options: Any) -> UpdateResult:
        """Update the first match; options: upsert, sort, array_filters."""
        return _result(self._update(filter, update, **options))

    def update_many(self, filter: Filter, update: Any, **options: Any) -> UpdateResult:
        """Update all matches; options: upsert, array_filters."""
        return _result(self._update(filter, update, many=True, **options))

    def replace_one(self, filter: Filter, replacement: Filter, **options: Any) -> UpdateResult:
        """Replace the first match; options: upsert, sort."""
        return _result(self._replace(filter, replacement, **options))

    def delete_one(self, filter: Filter, **options: Any) -> DeleteResult:
        """Delete the first match."""
        return DeleteResult({"n": len(self._delete(filter, **options).documents)}, True)

    def delete_many(self, filter: Filter, **options: Any) -> DeleteResult:
        """Delete all matches."""
        return DeleteResult({"n": len(self._delete(filter, many=True, **options).documents)}, True)

    @locked
    def find_one_and_update(
        self,
        filter: Filter,
        update: Any,
        projection: Any = None,
        sort: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        **options: Any,
    ) -> Document | None:
        """Update the first match and return it, before or after; None if there was none."""
        written = self._update(filter, update, upsert=upsert, sort=sort, **options)
        return self._returned(written, projection, return_document)

    @locked
    def find_one_and_replace(
        self,
        filter: Filter,
        replacement: Filter,
        projection: Any = None,
        sort: Any = None,
        upsert: bool = False,
        return_document: bool = ReturnDocument.BEFORE,
        **options: Any,
    ) -> Document | None:
        """Replace the first match and return it, before or after; None if there was none."""
        written = self._replace(filter, replacement, upsert=upsert, sort=sort, **options)
        return self._returned(written, projection, return_document)

    @locked
    def find_one_and_delete(
        self, filter: Filter, projection: Any = None, sort: Any = None, **options: Any
    ) -> Document | None:
        """Delete the first match and return it; None if there was none."""
        gone = self._delete(filter, sort=sort, **options)
        if not gone.documents:
            return None
        return self._documents.project(gone, gone.documents[0], projection)

    def _returned(self, written: Written, projection: Any, after: bool) -> Document | None:
        document = written.after if after else written.before
        if document is None:
            return None
        return self._documents.project(Matches(), document, projection)

    @locked
    def _update(
        self, spec: Filter, update: Any, *, array_filters: Any = None, **options: Any
    ) -> Written:
        engine, start = self._documents.engine, self._documents.start(spec)
        if isinstance(update, list) and not array_filters:
            return self._rewrite(spec, lambda old, _: piped(engine, old, update), start, **options)
        check_update(update)
        where, what = plain(spec), plain(update)
        filters = plain({"filters": array_filters or []})["filters"]

        def change(document: Document, inserting: bool) -> Document:
            return updated(engine, document, where, what, filters, inserting=inserting)

        return self._rewrite(spec, change, start, **options)

    @locked
    def _replace(self, spec: Filter, replacement: Filter, **options: Any) -> Written:
        check_replacement(replacement)
        new = plain(replacement)
        start = {name: id_ for name, id_ in self._documents.start(spec).items() if name == "_id"}
        return self._rewrite(spec, lambda old, _: replaced(old, new), start, **options)

    def _rewrite(
        self,
        spec: Filter,
        change: Change,
        start: Document,
        *,
        upsert: bool = False,
        sort: Any = None,
        many: bool = False,
        **options: Any,
    ) -> Written:
        tolerate(options)
        order = sort_list(sort) if sort else None
        origin = start if upsert else None
        return self._documents.rewrite(spec, change, start=origin, sort=order, many=many)

    @locked
    def _delete(
        self, spec: Filter, *, sort: Any = None, many: bool = False, **options: Any
    ) -> Matches:
        tolerate(options)
        return self._documents.delete(spec, sort_list(sort) if sort else None, many=many)


def _result(written: Written) -> UpdateResult:
    raw: Document = {"n": written.matched, "nModified": written.modified}
    if written.upserted_id is not None:
        raw |= {"n": 1, "upserted": written.upserted_id}
    return UpdateResult(raw, True)
