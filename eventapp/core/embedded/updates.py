"""What an update makes of one document: mongomock's operators, with their gaps filled.

Every function returns a new document and leaves the one it is given as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from numbers import Number
from operator import add, mul
from typing import Any

from bson import ObjectId
from pymongo.errors import WriteError

from eventapp.core.embedded.filters import required_conditions
from eventapp.core.embedded.mongomock_internals import (
    MISSING,
    Document,
    MongomockCollection,
    bson_sort_key,
    matches_filter,
    value_at_path,
)
from eventapp.core.embedded.values import stored_copy

# Error codes of MongoDB.
_BAD_VALUE, _FAILED_TO_PARSE, _TYPE_MISMATCH = 2, 9, 14
_PATH_NOT_VIABLE, _CONFLICTING_UPDATE, _IMMUTABLE_FIELD = 28, 40, 66

# Operators that create the path they write to.
_CREATING = frozenset(
    ("$set", "$setOnInsert", "$inc", "$mul", "$min", "$max", "$currentDate", "$push", "$addToSet")
)
_OPERATORS = _CREATING | {"$unset", "$pull", "$pullAll", "$pop", "$rename"}


def apply_operators(
    collection: MongomockCollection,
    document: Document,
    query: Document,
    update: Document,
    array_filters: list[Document],
    *,
    inserting: bool = False,
) -> Document:
    """Return `document` with the `$` operators of `update` applied.

    Args:
        query: the filter that found the document, which the positional `$` refers to.
        array_filters: the filters that `$[name]` refers to.
        inserting: whether `$setOnInsert` counts.

    Raises:
        WriteError: an operator does not fit the document, as on a server.
    """
    _check_operators(update)
    result = stored_copy(document)
    resolved = {
        operator: {
            path: operand
            for name, operand in fields.items()
            for path in _resolve_positions(result, name, query, array_filters)
        }
        for operator, fields in update.items()
    }
    for operator in _CREATING & resolved.keys():
        for path in resolved[operator]:
            _check_path(result, path)
    try:
        with_values = _compute_values(result, resolved)
        collection.apply_operators(result, with_values, inserting=inserting)
    except (TypeError, IndexError, AttributeError) as error:
        raise WriteError(f"the update does not fit the document: {error}", _BAD_VALUE) from error
    return require_same_id(document, result)


def apply_replacement(document: Document, replacement: Document) -> Document:
    """Return `replacement` under the `_id` of `document`."""
    if "_id" not in document:
        return replacement
    return require_same_id(document, {"_id": document["_id"], **replacement})


def upsert_base(collection: MongomockCollection, query: Document) -> Document:
    """Return the document that an upsert starts from: the equalities of its filter."""
    document: Document = {}
    for path, value in _equalities(query):
        collection.apply_operators(document, {"$set": {path: value}}, inserting=True)
    return document


def with_id(document: Document) -> Document:
    """Return `document` with its `_id` first, a new one if it has none."""
    return {"_id": document["_id"] if "_id" in document else ObjectId(), **document}


def require_same_id(old: Document, new: Document) -> Document:
    """Return `new`, or raise WriteError if its `_id` differs from that of `old`."""
    if "_id" in old and new.get("_id", MISSING) != old["_id"]:
        raise WriteError("the immutable field '_id' cannot be altered", _IMMUTABLE_FIELD)
    return new


def _check_operators(update: Document) -> None:
    """Refuse unknown operators, and two operators on one field or on a field and its part."""
    if unknown := update.keys() - _OPERATORS:
        raise WriteError(f"Unknown modifier: {min(unknown)}", _FAILED_TO_PARSE)
    paths = sorted(tuple(path.split(".")) for fields in update.values() for path in fields)
    for first, second in pairwise(paths):
        if second[: len(first)] == first:
            message = f"Updating the path '{'.'.join(second)}' would create a conflict"
            raise WriteError(message, _CONFLICTING_UPDATE)


def _check_path(document: Document, path: str) -> None:
    """Refuse a path that goes through a scalar or null, where no field can be created."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        value, part = value_at_path(".".join(parts[:length]), document), parts[length]
        if value is MISSING:
            return
        if not (isinstance(value, dict) or (isinstance(value, list) and part.isdecimal())):
            raise WriteError(f"Cannot create field '{part}' of '{path}'", _PATH_NOT_VIABLE)


def _equalities(query: Document) -> Iterator[tuple[str, Any]]:
    for path, condition in required_conditions(query):
        if not _has_operators(condition):
            yield path, condition
        elif "$eq" in condition:
            yield path, condition["$eq"]


def _has_operators(condition: Any) -> bool:
    return isinstance(condition, dict) and any(name.startswith("$") for name in condition)


# Positional operators: `$`, `$[]` and `$[name]` become array indexes.


def _resolve_positions(
    document: Document, path: str, query: Document, array_filters: list[Document]
) -> Iterator[str]:
    """Yield `path` once for each combination of array indexes that its operators stand for."""
    parts = path.split(".")
    position = next((at for at, part in enumerate(parts) if part.startswith("$")), None)
    if position is None:
        yield path
        return
    prefix, operator = ".".join(parts[:position]), parts[position]
    array = _array_at(document, prefix)
    for index in _positions(array, prefix, operator, query, array_filters):
        resolved = ".".join([prefix, str(index), *parts[position + 1 :]])
        yield from _resolve_positions(document, resolved, query, array_filters)


def _array_at(document: Document, path: str) -> list[Any]:
    value = value_at_path(path, document)
    if not isinstance(value, list):
        raise WriteError(f"The path '{path}' must exist and be an array", _BAD_VALUE)
    return value


def _positions(
    array: list[Any], prefix: str, operator: str, query: Document, array_filters: list[Document]
) -> list[int]:
    if operator == "$[]":
        return list(range(len(array)))
    if operator == "$":
        return [_first_match(array, prefix, query)]
    name = operator[2:-1]
    named = [one for one in array_filters if all(key.split(".")[0] == name for key in one)]
    if not named:
        raise WriteError(f"No array filter found for identifier '{name}'", _BAD_VALUE)
    return [index for index, item in enumerate(array) if matches_filter(named[0], {name: item})]


def _first_match(array: list[Any], prefix: str, query: Document) -> int:
    """Return the index of the first item that meets the filter's conditions on this array."""
    conditions = [
        {"item" + path[len(prefix) :]: condition}
        for path, condition in required_conditions(query)
        if path == prefix or path.startswith(prefix + ".")
    ]
    for index, item in enumerate(array):
        if conditions and all(matches_filter(one, {"item": [item]}) for one in conditions):
            return index
    raise WriteError(
        "The positional operator did not find the match needed from the query", _BAD_VALUE
    )


# Arithmetic and comparing operators, whose edge cases mongomock gets wrong.


def _compute_values(document: Document, update: Mapping[str, Document]) -> Document:
    """Return the update with `$inc`, `$mul`, `$min` and `$max` computed and turned into `$set`."""
    others = {name: fields for name, fields in update.items() if name not in _COMPUTED}
    values = dict(others.pop("$set", {}))
    for name, compute in _COMPUTED.items():
        for path, operand in update.get(name, {}).items():
            values[path] = compute(value_at_path(path, document), operand)
    return {**others, "$set": values}


def _arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compute(current: Any, operand: Any) -> Any:
        for value in (current, operand):
            if value is not MISSING and (isinstance(value, bool) or not isinstance(value, Number)):
                raise WriteError(f"Cannot calculate with the non-numeric {value!r}", _TYPE_MISMATCH)
        return operation(0 if current is MISSING else current, operand)

    return compute


def _min(current: Any, operand: Any) -> Any:
    is_less = current is MISSING or bson_sort_key(operand) < bson_sort_key(current)
    return operand if is_less else current


def _max(current: Any, operand: Any) -> Any:
    is_greater = current is MISSING or bson_sort_key(current) < bson_sort_key(operand)
    return operand if is_greater else current


_COMPUTED: dict[str, Callable[[Any, Any], Any]] = {
    "$inc": _arithmetic(add),
    "$mul": _arithmetic(mul),
    "$min": _min,
    "$max": _max,
}
