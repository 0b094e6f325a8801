"""Many writes in one call: `insert_many` and `bulk_write` of the embedded store."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from pymongo.errors import BulkWriteError, InvalidOperation, WriteError
from pymongo.operations import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    UpdateMany,
    UpdateOne,
)
from pymongo.results import BulkWriteResult, DeleteResult, InsertOneResult, UpdateResult

from eventapp.core.embedded.mongomock_engine import Document

Write = InsertOne[Document] | UpdateOne | UpdateMany | ReplaceOne[Document] | DeleteOne | DeleteMany


class Writer(Protocol):
    """The single writes a bulk is made of."""

    def insert_one(self, document: Any) -> InsertOneResult: ...
    def update_one(self, filter: Any, update: Any, **options: Any) -> UpdateResult: ...
    def update_many(self, filter: Any, update: Any, **options: Any) -> UpdateResult: ...
    def replace_one(self, filter: Any, replacement: Any, **options: Any) -> UpdateResult: ...
    def delete_one(self, filter: Any) -> DeleteResult: ...
    def delete_many(self, filter: Any) -> DeleteResult: ...


def bulk_write(writer: Writer, requests: Sequence[Write], *, ordered: bool) -> BulkWriteResult:
    """Do the writes one after the other.

    Raises:
        BulkWriteError: one was refused; `ordered` stops there, else the others are done.
    """
    if not requests:
        raise InvalidOperation("No operations to execute")
    total = _nothing_done()
    for at, request in enumerate(requests):
        try:
            _HANDLERS[type(request)](writer, request, total, at)
        except WriteError as error:
            total["writeErrors"].append(_refusal(error, at, getattr(request, "_doc", None)))
            if ordered:
                break
    if total["writeErrors"]:
        raise BulkWriteError(total)
    return BulkWriteResult(total, True)


def _nothing_done() -> Document:
    counts = dict.fromkeys(("nInserted", "nMatched", "nModified", "nRemoved", "nUpserted"), 0)
    return {**counts, "upserted": [], "writeErrors": [], "writeConcernErrors": []}


def _refusal(error: WriteError, at: int, operation: Any) -> Document:
    details: Mapping[str, Any] = error.details or {}
    message = details.get("errmsg", str(error))
    return {**details, "index": at, "code": error.code, "errmsg": message, "op": operation}


def _insert(writer: Writer, request: Any, total: Document, _: int) -> None:
    writer.insert_one(request._doc)
    total["nInserted"] += 1


def _count(result: UpdateResult, total: Document, at: int) -> None:
    total["nMatched"] += result.matched_count
    total["nModified"] += result.modified_count
    if result.upserted_id is not None:
        total["nUpserted"] += 1
        total["upserted"].append({"index": at, "_id": result.upserted_id})


def _update_one(writer: Writer, request: Any, total: Document, at: int) -> None:
    _count(writer.update_one(request._filter, request._doc, **_options(request)), total, at)


def _update_many(writer: Writer, request: Any, total: Document, at: int) -> None:
    _count(writer.update_many(request._filter, request._doc, **_options(request)), total, at)


def _options(request: Any) -> Document:
    return {"upsert": bool(request._upsert), "array_filters": request._array_filters}


def _replace(writer: Writer, request: Any, total: Document, at: int) -> None:
    upsert = bool(request._upsert)
    _count(writer.replace_one(request._filter, request._doc, upsert=upsert), total, at)


def _delete_one(writer: Writer, request: Any, total: Document, _: int) -> None:
    total["nRemoved"] += writer.delete_one(request._filter).deleted_count


def _delete_many(writer: Writer, request: Any, total: Document, _: int) -> None:
    total["nRemoved"] += writer.delete_many(request._filter).deleted_count


_HANDLERS: dict[type, Callable[[Writer, Any, Document, int], None]] = {
    InsertOne: _insert,
    UpdateOne: _update_one,
    UpdateMany: _update_many,
    ReplaceOne: _replace,
    DeleteOne: _delete_one,
    DeleteMany: _delete_many,
}
