"""Perform many writes in one call, for `insert_many` and `bulk_write`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from pymongo.errors import BulkWriteError, InvalidOperation, WriteConcernError, WriteError
from pymongo.operations import (
    DeleteMany,
    DeleteOne,
    InsertOne,
    ReplaceOne,
    UpdateMany,
    UpdateOne,
)
from pymongo.results import BulkWriteResult, DeleteResult, InsertOneResult, UpdateResult

from eventapp.core.embedded.mongomock_internals import Document

Write: TypeAlias = (
    InsertOne[Document] | UpdateOne | UpdateMany | ReplaceOne[Document] | DeleteOne | DeleteMany
)


class Writer(Protocol):
    """The methods of a collection that a bulk write calls for its single writes."""

    def insert_one(self, document: Any) -> InsertOneResult: ...
    def update_one(self, filter: Any, update: Any, **options: Any) -> UpdateResult: ...
    def update_many(self, filter: Any, update: Any, **options: Any) -> UpdateResult: ...
    def replace_one(self, filter: Any, replacement: Any, **options: Any) -> UpdateResult: ...
    def delete_one(self, filter: Any) -> DeleteResult: ...
    def delete_many(self, filter: Any) -> DeleteResult: ...


def run_bulk_write(writer: Writer, requests: Sequence[Write], *, ordered: bool) -> BulkWriteResult:
    """Perform the writes one after the other.

    Args:
        ordered: whether to stop at the first write that is refused.

    Raises:
        BulkWriteError: a write was refused. Those before it have been performed and, unless
            `ordered`, those after it as well.
        InvalidOperation: there are no writes.
    """
    if not requests:
        raise InvalidOperation("No operations to execute")
    result = _make_empty_result()
    for index, request in enumerate(requests):
        try:
            _HANDLERS[type(request)](writer, request, result, index)
        except WriteConcernError as error:  # The write was made, as far as is known.
            result["writeConcernErrors"].append(error.details)
        except WriteError as error:
            operation = getattr(request, "_doc", None)
            result["writeErrors"].append(_make_write_error(error, index, operation))
            if ordered:
                break
    if result["writeErrors"] or result["writeConcernErrors"]:
        raise BulkWriteError(result)
    return BulkWriteResult(result, True)


def _make_empty_result() -> Document:
    counts = dict.fromkeys(("nInserted", "nMatched", "nModified", "nRemoved", "nUpserted"), 0)
    return {**counts, "upserted": [], "writeErrors": [], "writeConcernErrors": []}


def _make_write_error(error: WriteError, index: int, operation: Any) -> Document:
    details: Mapping[str, Any] = error.details or {}
    message = details.get("errmsg", str(error))
    return {**details, "index": index, "code": error.code, "errmsg": message, "op": operation}


def _insert(writer: Writer, request: Any, result: Document, _: int) -> None:
    writer.insert_one(request._doc)
    result["nInserted"] += 1


def _add_update(update: UpdateResult, result: Document, index: int) -> None:
    result["nMatched"] += update.matched_count
    result["nModified"] += update.modified_count
    if update.upserted_id is not None:
        result["nUpserted"] += 1
        result["upserted"].append({"index": index, "_id": update.upserted_id})


def _update_one(writer: Writer, request: Any, result: Document, index: int) -> None:
    options = {**_get_update_options(request), "sort": request._sort}
    update = writer.update_one(request._filter, request._doc, **options)
    _add_update(update, result, index)


def _update_many(writer: Writer, request: Any, result: Document, index: int) -> None:
    update = writer.update_many(request._filter, request._doc, **_get_update_options(request))
    _add_update(update, result, index)


def _get_update_options(request: Any) -> Document:
    return {"upsert": bool(request._upsert), "array_filters": request._array_filters}


def _replace(writer: Writer, request: Any, result: Document, index: int) -> None:
    upsert = bool(request._upsert)
    update = writer.replace_one(request._filter, request._doc, upsert=upsert, sort=request._sort)
    _add_update(update, result, index)


def _delete_one(writer: Writer, request: Any, result: Document, _: int) -> None:
    result["nRemoved"] += writer.delete_one(request._filter).deleted_count


def _delete_many(writer: Writer, request: Any, result: Document, _: int) -> None:
    result["nRemoved"] += writer.delete_many(request._filter).deleted_count


_HANDLERS: dict[type, Callable[[Writer, Any, Document, int], None]] = {
    InsertOne: _insert,
    UpdateOne: _update_one,
    UpdateMany: _update_many,
    ReplaceOne: _replace,
    DeleteOne: _delete_one,
    DeleteMany: _delete_many,
}
