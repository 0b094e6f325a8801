"""What an update makes of one document: mongomock's operators, with its gaps filled.

Every function returns a new document; the one it is given stays as it is.
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from numbers import Number
from operator import add, mul
from typing import Any

from bson import ObjectId
from pymongo.errors import WriteError

from eventapp.core.embedded_engine import MISSING, Document, Engine, Ordered, fits, value_at
from eventapp.core.embedded_store import plain

_BAD_VALUE, _TYPE_MISMATCH, _CONFLICT, _IMMUTABLE = 2, 14, 40, 66


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
    _refuse_conflicts(update)
    result = plain(document)
    concrete = {
        operator: {
            path: operand
            for name, operand in fields.items()
            for path in _concrete(result, name, spec, array_filters or [])
        }
        for operator, fields in update.items()
    }
    try:
        engine.apply(result, _computed(result, concrete), inserting=inserting)
    except (TypeError, IndexError, AttributeError) as error:
        raise WriteError(f"the update does not fit the document: {error}", _BAD_VALUE) from error
    return _same_id(document, result)


def replaced(document: Document, replacement: Document) -> Document:
    """Return `replacement` under the `_id` of `document`."""
    if "_id" not in document:
        return replacement
    return _same_id(document, {"_id": document["_id"], **replacement})


def seed(engine: Engine, spec: Document) -> Document:
    """Return what an upsert starts from: the equalities of its filter."""
    document: Document = {}
    for path, value in _equalities(spec):
        engine.apply(document, {"$set": {path: value}}, inserting=True)
    return document


def with_id(document: Document) -> Document:
    """Return `document` with its `_id` first, a new one if it has none."""
    return {"_id": document["_id"] if "_id" in document else ObjectId(), **document}


def _same_id(old: Document, new: Document) -> Document:
    if "_id" in old and new.get("_id", MISSING) != old["_id"]:
        raise WriteError("the immutable field '_id' cannot be altered", _IMMUTABLE)
    return new


def _refuse_conflicts(update: Document) -> None:
    paths = sorted(tuple(path.split(".")) for fields in update.values() for path in fields)
    for first, second in pairwise(paths):
        if second[: len(first)] == first:
            message = f"Updating the path '{'.'.join(second)}' would create a conflict"
            raise WriteError(message, _CONFLICT)


def _conditions(spec: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the (path, condition) pairs that must all hold, `$and` opened."""
    for path, condition in spec.items():
        if path == "$and":
            for clause in condition:
                yield from _conditions(clause)
        elif not path.startswith("$"):
            yield path, condition


def _equalities(spec: Document) -> Iterator[tuple[str, Any]]:
    for path, condition in _conditions(spec):
        if not _is_operators(condition):
            yield path, condition
        elif "$eq" in condition:
            yield path, condition["$eq"]


def _is_operators(condition: Any) -> bool:
    return isinstance(condition, dict) and any(name.startswith("$") for name in condition)


def _concrete(
    document: Document, path: str, spec: Document, filters: list[Document]
) -> Iterator[str]:
    """Yield `path` with each `$`, `$[]` and `$[name]` replaced by the indexes it stands for."""
    parts = path.split(".")
    wild = next((at for at, part in enumerate(parts) if part.startswith("$")), None)
    if wild is None:
        yield path
        return
    prefix, part = ".".join(parts[:wild]), parts[wild]
    for index in _indexes(_array(document, prefix), prefix, part, spec, filters):
        narrowed = ".".join([prefix, str(index), *parts[wild + 1 :]])
        yield from _concrete(document, narrowed, spec, filters)


def _array(document: Document, path: str) -> list[Any]:
    value = value_at(path, document)
    if not isinstance(value, list):
        raise WriteError(f"The path '{path}' must exist and be an array", _BAD_VALUE)
    return value


def _indexes(
    array: list[Any], prefix: str, part: str, spec: Document, filters: list[Document]
) -> list[int]:
    if part == "$[]":
        return list(range(len(array)))
    if part == "$":
        return [_matched(array, prefix, spec)]
    name = part[2:-1]
    chosen = [one for one in filters if all(key.split(".")[0] == name for key in one)]
    if not chosen:
        raise WriteError(f"No array filter found for identifier '{name}'", _BAD_VALUE)
    return [at for at, item in enumerate(array) if fits(chosen[0], {name: item})]


def _matched(array: list[Any], prefix: str, spec: Document) -> int:
    """Return the index of the first item that the filter's conditions on this array fit."""
    wanted = [
        {"item" + path[len(prefix) :]: condition}
        for path, condition in _conditions(spec)
        if path == prefix or path.startswith(prefix + ".")
    ]
    for at, item in enumerate(array):
        if wanted and all(fits(one, {"item": [item]}) for one in wanted):
            return at
    raise WriteError("The positional operator did not find the match needed from the query", 2)


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
    return operand if current is MISSING or Ordered(operand) < Ordered(current) else current


def _max(current: Any, operand: Any) -> Any:
    return operand if current is MISSING or Ordered(current) < Ordered(operand) else current


_OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "$inc": _arithmetic(add),
    "$mul": _arithmetic(mul),
    "$min": _min,
    "$max": _max,
}
