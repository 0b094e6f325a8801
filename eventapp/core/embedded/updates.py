"""What an update makes of one document: mongomock's operators, with its gaps filled.

Every function returns a new document; the one it is given stays as it is.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from numbers import Number
from operator import add, mul
from typing import Any

from bson import ObjectId
from pymongo.errors import WriteError

from eventapp.core.embedded.mongomock_engine import MISSING, Document, Engine, order, value_at
from eventapp.core.embedded.positional import concrete, conditions
from eventapp.core.embedded.storage import plain

_BAD_VALUE, _BAD_OPERATOR, _TYPE_MISMATCH, _DEAD_END, _CONFLICT, _IMMUTABLE = 2, 9, 14, 28, 40, 66
_CREATING = frozenset(
    ("$set", "$setOnInsert", "$inc", "$mul", "$min", "$max", "$currentDate", "$push", "$addToSet")
)
_OPERATORS = _CREATING | {"$unset", "$pull", "$pullAll", "$pop", "$rename"}


def updated(
    engine: Engine,
    document: Document,
    spec: Document,
    update: Document,
    array_filters: list[Document] | None,
    *,
    inserting: bool = False,
) -> Document:
    """Return `document` with the `$` operators of `update` applied.

    Args:
        spec: the filter that found it, for the positional `$`.
        inserting: whether `$setOnInsert` counts.

    Raises:
        WriteError: an operator does not fit the document, as on a server.
    """
    _refuse_unfit(update)
    result = plain(document)
    found = {
        operator: {
            path: operand
            for name, operand in fields.items()
            for path in concrete(result, name, spec, array_filters or [])
        }
        for operator, fields in update.items()
    }
    for operator in _CREATING & found.keys():
        for path in found[operator]:
            _refuse_dead_end(result, path)
    try:
        engine.apply(result, _computed(result, found), inserting=inserting)
    except (TypeError, IndexError, AttributeError) as error:
        raise WriteError(f"the update does not fit the document: {error}", _BAD_VALUE) from error
    return same_id(document, result)


def replaced(document: Document, replacement: Document) -> Document:
    """Return `replacement` under the `_id` of `document`."""
    if "_id" not in document:
        return replacement
    return same_id(document, {"_id": document["_id"], **replacement})


def seed(engine: Engine, spec: Document) -> Document:
    """Return what an upsert starts from: the equalities of its filter."""
    document: Document = {}
    for path, value in _equalities(spec):
        engine.apply(document, {"$set": {path: value}}, inserting=True)
    return document


def with_id(document: Document) -> Document:
    """Return `document` with its `_id` first, a new one if it has none."""
    return {"_id": document["_id"] if "_id" in document else ObjectId(), **document}


def same_id(old: Document, new: Document) -> Document:
    """Return `new`. WriteError where its `_id` is another than that of `old`."""
    if "_id" in old and new.get("_id", MISSING) != old["_id"]:
        raise WriteError("the immutable field '_id' cannot be altered", _IMMUTABLE)
    return new


def _refuse_dead_end(document: Document, path: str) -> None:
    """Refuse a path that goes on where no field can be: through a scalar, null included."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        value, part = value_at(".".join(parts[:length]), document), parts[length]
        if value is MISSING:
            return
        if not (isinstance(value, dict) or (isinstance(value, list) and part.isdecimal())):
            raise WriteError(f"Cannot create field '{part}' of '{path}'", _DEAD_END)


def _refuse_unfit(update: Document) -> None:
    """Refuse unknown operators, and two on one field or on a field and its part."""
    if unknown := update.keys() - _OPERATORS:
        raise WriteError(f"Unknown modifier: {min(unknown)}", _BAD_OPERATOR)
    paths = sorted(tuple(path.split(".")) for fields in update.values() for path in fields)
    for first, second in pairwise(paths):
        if second[: len(first)] == first:
            message = f"Updating the path '{'.'.join(second)}' would create a conflict"
            raise WriteError(message, _CONFLICT)


def _equalities(spec: Document) -> Iterator[tuple[str, Any]]:
    for path, condition in conditions(spec):
        if not _is_operators(condition):
            yield path, condition
        elif "$eq" in condition:
            yield path, condition["$eq"]


def _is_operators(condition: Any) -> bool:
    return isinstance(condition, dict) and any(name.startswith("$") for name in condition)


def _computed(document: Document, update: Document) -> Document:
    """Turn `$inc`, `$mul`, `$min`, `$max` into `$set`: mongomock gets their edges wrong."""
    rest = {name: fields for name, fields in update.items() if name not in _OPERATIONS}
    values = dict(rest.pop("$set", {}))
    for name, operation in _OPERATIONS.items():
        for path, operand in update.get(name, {}).items():
            values[path] = operation(value_at(path, document), operand)
    return {**rest, "$set": values}


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def apply(current: Any, operand: Any) -> Any:
        for value in (current, operand):
            if value is not MISSING and (isinstance(value, bool) or not isinstance(value, Number)):
                raise WriteError(f"Cannot calculate with the non-numeric {value!r}", _TYPE_MISMATCH)
        return operation(0 if current is MISSING else current, operand)

    return apply


def _min(current: Any, operand: Any) -> Any:
    return operand if current is MISSING or order(operand) < order(current) else current


def _max(current: Any, operand: Any) -> Any:
    return operand if current is MISSING or order(current) < order(operand) else current


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "$inc": _arithmetic(add),
    "$mul": _arithmetic(mul),
    "$min": _min,
    "$max": _max,
}
