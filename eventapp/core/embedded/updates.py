"""Apply an update to one document.

This module checks the update, resolves its positional operators, and computes the operators that
mongomock gets wrong. mongomock applies the rest. No function changes its arguments.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import chain, pairwise
from numbers import Number
from operator import add, mul
from typing import Any

from bson import ObjectId
from pymongo.errors import WriteError

from eventapp.core.embedded.filters import iter_required_conditions
from eventapp.core.embedded.mongomock_internals import (
    MISSING,
    Document,
    MongomockOperators,
    get_value_at_path,
    make_bson_sort_key,
    matches_filter,
)
from eventapp.core.embedded.values import convert_to_stored, copy_along_paths

# Error codes of MongoDB.
_BAD_VALUE, _FAILED_TO_PARSE, _TYPE_MISMATCH = 2, 9, 14
_PATH_NOT_VIABLE, _CONFLICTING_UPDATE, _IMMUTABLE_FIELD = 28, 40, 66

# Operators that create the path to which they write.
_CREATING = frozenset(
    ("$set", "$setOnInsert", "$inc", "$mul", "$min", "$max", "$currentDate", "$push", "$addToSet")
)
_OPERATORS = _CREATING | {"$unset", "$pull", "$pullAll", "$pop", "$rename"}


def apply_operators(
    mongomock: MongomockOperators,
    document: Document,
    query: Document,
    update: Document,
    array_filters: list[Document],
    *,
    inserting: bool = False,
) -> Document:
    """Return the document that the `$` operators of `update` make of `document`, as it is stored.

    It shares the parts with `document` that the update does not name.

    Args:
        query: the filter that found the document, which the positional `$` refers to.
        array_filters: the filters that `$[name]` refers to.
        inserting: whether `$setOnInsert` applies.

    Raises:
        WriteError: an operator cannot be applied to the document.
    """
    _check_operators(update)
    resolved = {
        operator: {
            path: operand
            for name, operand in fields.items()
            for path in _resolve_positions(document, name, query, array_filters)
        }
        for operator, fields in update.items()
    }
    created_paths = [path for name in _CREATING & resolved.keys() for path in resolved[name]]
    for path in created_paths:
        _check_path(document, path)
    result = copy_along_paths(document, chain.from_iterable(resolved.values()))
    try:
        others, values = _compute_values(result, resolved)
        if others:
            mongomock.apply_operators(result, others, inserting=inserting)
        for path, value in values.items():
            _set_value(result, path, value)
    except (TypeError, IndexError, AttributeError) as error:
        raise WriteError(f"the update does not fit the document: {error}", _BAD_VALUE) from error
    # What `$set` sets has been copied as it is stored with the update.
    already_stored = resolved.get("$set", {})
    convert_to_stored(result, (path for path in created_paths if path not in already_stored))
    return require_same_id(document, result)


def apply_replacement(document: Document, replacement: Document) -> Document:
    """Return `replacement` under the `_id` of `document`."""
    if "_id" not in document:
        return replacement
    return require_same_id(document, {"_id": document["_id"], **replacement})


def make_upsert_base(mongomock: MongomockOperators, query: Document) -> Document:
    """Return the document that an upsert starts from: the equalities of its filter, as fields."""
    document: Document = {}
    for path, value in _iter_equalities(query):
        mongomock.apply_operators(document, {"$set": {path: value}}, inserting=True)
    return document


def add_missing_id(document: Document) -> Document:
    """Return `document` with its `_id` first, a new one if it has none."""
    return {"_id": document["_id"] if "_id" in document else ObjectId(), **document}


def require_same_id(old: Document, new: Document) -> Document:
    """Return `new`, or raise WriteError if its `_id` differs from that of `old`."""
    if "_id" in old and new.get("_id", MISSING) != old["_id"]:
        raise WriteError("the immutable field '_id' cannot be altered", _IMMUTABLE_FIELD)
    return new


def _check_operators(update: Document) -> None:
    """Refuse unknown operators, and two operators on one field or on a field and its subfield."""
    if unknown := update.keys() - _OPERATORS:
        raise WriteError(f"Unknown modifier: {min(unknown)}", _FAILED_TO_PARSE)
    paths = sorted(tuple(path.split(".")) for fields in update.values() for path in fields)
    for first, second in pairwise(paths):
        if second[: len(first)] == first:
            message = f"Updating the path '{'.'.join(second)}' would create a conflict"
            raise WriteError(message, _CONFLICTING_UPDATE)


def _check_path(document: Document, path: str) -> None:
    """Refuse a path through a scalar or null, in which no field can be created."""
    parts = path.split(".")
    for length in range(1, len(parts)):
        value, part = get_value_at_path(".".join(parts[:length]), document), parts[length]
        if value is MISSING:
            return
        if not (isinstance(value, dict) or (isinstance(value, list) and part.isdecimal())):
            raise WriteError(f"Cannot create field '{part}' of '{path}'", _PATH_NOT_VIABLE)


def _iter_equalities(query: Document) -> Iterator[tuple[str, Any]]:
    for path, condition in iter_required_conditions(query):
        if not _has_operators(condition):
            yield path, condition
        elif "$eq" in condition:
            yield path, condition["$eq"]


def _has_operators(condition: Any) -> bool:
    return isinstance(condition, dict) and any(name.startswith("$") for name in condition)


# Positional operators: `$`, `$[]` and `$[name]` are replaced by array indexes.


def _resolve_positions(
    document: Document, path: str, query: Document, array_filters: list[Document]
) -> Iterator[str]:
    """Yield `path` once for each combination of array indexes that its operators stand for."""
    parts = path.split(".")
    position = next((n for n, part in enumerate(parts) if part.startswith("$")), None)
    if position is None:
        yield path
        return
    prefix, operator = ".".join(parts[:position]), parts[position]
    array = _get_array(document, prefix)
    for index in _find_positions(array, prefix, operator, query, array_filters):
        resolved = ".".join([prefix, str(index), *parts[position + 1 :]])
        yield from _resolve_positions(document, resolved, query, array_filters)


def _get_array(document: Document, path: str) -> list[Any]:
    value = get_value_at_path(path, document)
    if not isinstance(value, list):
        raise WriteError(f"The path '{path}' must exist and be an array", _BAD_VALUE)
    return value


def _find_positions(
    array: list[Any], prefix: str, operator: str, query: Document, array_filters: list[Document]
) -> list[int]:
    if operator == "$[]":
        return list(range(len(array)))
    if operator == "$":
        return [_find_first_match(array, prefix, query)]
    name = operator[2:-1]
    named = [
        array_filter
        for array_filter in array_filters
        if all(path.split(".")[0] == name for path in array_filter)
    ]
    if not named:
        raise WriteError(f"No array filter found for identifier '{name}'", _BAD_VALUE)
    return [index for index, item in enumerate(array) if matches_filter(named[0], {name: item})]


def _find_first_match(array: list[Any], prefix: str, query: Document) -> int:
    """Return the index of the first item that meets the filter's conditions on this array."""
    conditions = [
        {"item" + path[len(prefix) :]: condition}
        for path, condition in iter_required_conditions(query)
        if path == prefix or path.startswith(prefix + ".")
    ]
    for index, item in enumerate(array):
        if conditions and all(
            matches_filter(condition, {"item": [item]}) for condition in conditions
        ):
            return index
    raise WriteError(
        "The positional operator did not find the match needed from the query", _BAD_VALUE
    )


# Arithmetic and comparison operators. mongomock gets their edge cases wrong.


def _compute_values(
    document: Document, update: Mapping[str, Document]
) -> tuple[Document, Document]:
    """Return what is left for mongomock of an update, and the values that the update sets.

    The values are those of `$set`, and the computed ones of `$inc`, `$mul`, `$min` and `$max`.
    """
    others = {name: fields for name, fields in update.items() if name not in _COMPUTED}
    values = dict(others.pop("$set", {}))
    for name, compute in _COMPUTED.items():
        for path, operand in update.get(name, {}).items():
            values[path] = compute(get_value_at_path(path, document), operand)
    return others, values


def _set_value(document: Document, path: str, value: Any) -> None:
    """Set the value at a dotted path in place, and create the objects on the way."""
    *parents, last = path.split(".")
    container: Any = document
    for part in parents:
        is_list = isinstance(container, list)
        container = container[int(part)] if is_list else container.setdefault(part, {})
    if isinstance(container, list):
        index = int(last)
        container.extend([None] * (index + 1 - len(container)))
        container[index] = value
    else:
        container[last] = value


def _make_arithmetic(operation: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def compute(current: Any, operand: Any) -> Any:
        for value in (current, operand):
            if value is not MISSING and (isinstance(value, bool) or not isinstance(value, Number)):
                raise WriteError(f"Cannot calculate with the non-numeric {value!r}", _TYPE_MISMATCH)
        return operation(0 if current is MISSING else current, operand)

    return compute


def _compute_min(current: Any, operand: Any) -> Any:
    is_less = current is MISSING or make_bson_sort_key(operand) < make_bson_sort_key(current)
    return operand if is_less else current


def _compute_max(current: Any, operand: Any) -> Any:
    is_greater = current is MISSING or make_bson_sort_key(current) < make_bson_sort_key(operand)
    return operand if is_greater else current


_COMPUTED: dict[str, Callable[[Any, Any], Any]] = {
    "$inc": _make_arithmetic(add),
    "$mul": _make_arithmetic(mul),
    "$min": _compute_min,
    "$max": _compute_max,
}
