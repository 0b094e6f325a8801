"""The parts of mongomock that the embedded store uses, with types.

Most of them are private. So the version of mongomock is pinned exactly, and
tests/store/test_mongomock_internals.py fails if an update breaks one of them. Importing this module
also patches mongomock where its results differ from those of MongoDB.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from operator import lt
from typing import Any, Protocol, TypeAlias

import mongomock
import mongomock.aggregate
import mongomock.collection
import mongomock.filtering
import mongomock.helpers
import numpy as np
from bson import ObjectId

from eventapp.core.geography import EARTH_RADIUS_KM, Position, compute_distances

# A document, a filter, an update or a pipeline stage.
Document: TypeAlias = dict[str, Any]

# mongomock's own functions carry no types.
_aggregate: Any = mongomock.aggregate
_collection: Any = mongomock.collection
_filtering: Any = mongomock.filtering
_helpers: Any = mongomock.helpers

# The value of a field that a document does not have.
MISSING: Any = _filtering.NOTHING
_NULL_RANK: int = _filtering._get_compare_type(None)
_SCALAR_TYPES = frozenset((str, int, float, bool, ObjectId, datetime))
_ORDER_OPERATORS = frozenset(("$lt", "$lte", "$gt", "$gte"))


# The interfaces that mongomock expects of the object that is passed to its client.


class CollectionStoreInterface(Protocol):
    """The documents of a collection, also for `$lookup` and `$out`."""

    name: str
    indexes: dict[str, Any]

    @property
    def is_created(self) -> bool: ...
    @property
    def is_empty(self) -> bool: ...
    @property
    def documents(self) -> Iterator[Document]: ...
    def create(self) -> None: ...
    def drop(self) -> None: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: Any) -> bool: ...
    def __getitem__(self, key: Any) -> Document: ...
    def __setitem__(self, key: Any, value: Document) -> None: ...
    def __delitem__(self, key: Any) -> None: ...


class DatabaseStoreInterface(Protocol):
    """The collections of a database."""

    @property
    def is_created(self) -> bool: ...
    def __getitem__(self, name: str) -> CollectionStoreInterface: ...
    def list_created_collection_names(self) -> list[str]: ...
    def create_collection(self, name: str) -> CollectionStoreInterface: ...


class ServerStoreInterface(Protocol):
    """The databases of a client."""

    def __getitem__(self, name: str) -> DatabaseStoreInterface: ...
    def list_created_database_names(self) -> list[str]: ...


def open_mongomock(server: ServerStoreInterface) -> Any:
    """Return a mongomock client that keeps its documents in `server`.

    All its datetimes are naive and in UTC. Callers of the embedded store get aware copies.
    """
    return mongomock.MongoClient(_store=server, tz_aware=False)


# Functions over documents.


def matches_filter(query: Document, document: Document) -> bool:
    """Return whether a document matches a filter.

    Raises:
        OperationFailure: the filter is malformed.
    """
    # mongomock takes about ten times as long for the plain conditions with which filters begin.
    for path, condition in query.items():
        is_met = _meets_plain_condition(document, path, condition)
        if is_met is None:
            return bool(_filtering.filter_applies(query, document))
        if not is_met:
            return False
    return True


def _meets_plain_condition(document: Document, path: str, condition: Any) -> bool | None:
    """Return whether a field has a scalar value, or exists; None if that is for mongomock."""
    if path.startswith("$") or "." in path:
        return None
    value = document.get(path, MISSING)
    if type(condition) in _SCALAR_TYPES:
        if value is MISSING:
            return False
        if type(value) not in _SCALAR_TYPES:
            return None
        # In Python, True == 1; in BSON, true differs from 1.
        is_same_kind = isinstance(value, bool) is isinstance(condition, bool)
        return is_same_kind and bool(value == condition)
    if type(condition) is dict and len(condition) == 1:
        ((operator, operand),) = condition.items()
        if operator == "$exists":
            return bool(operand) == (value is not MISSING)
        if operator in _ORDER_OPERATORS and value is MISSING:
            return False
    return None


def get_values_at_path(path: str, document: Document) -> list[Any]:
    """Return the values at a dotted path: one for each item of an array on the way, or MISSING."""
    return list(_filtering.iter_key_candidates(path, document))


def get_value_at_path(path: str, document: Document) -> Any:
    """Return the one value at a dotted path with numeric array indexes, or MISSING."""
    try:
        return _helpers.get_value_by_dot(document, path)
    except KeyError:
        return MISSING


class _BsonOrdered:
    """A wrapper for a value that Python and BSON compare differently."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BsonOrdered) and bool(self.value == other.value)

    def __lt__(self, other: "_BsonOrdered") -> bool:
        return bool(_filtering.bson_compare(lt, self.value, other.value))


def make_bson_sort_key(value: Any) -> tuple[int, Any]:
    """Return a key that sorts like BSON: by type, where missing equals null, and then by value."""
    if value is MISSING or value is None:
        return (_NULL_RANK, 0)
    direct = isinstance(value, str | int | float | datetime | ObjectId)
    return (_filtering._get_compare_type(value), value if direct else _BsonOrdered(value))


class MongomockOperators:
    """mongomock's operators on the documents of one collection. They never use the store."""

    def __init__(self, mongomock_collection: Any) -> None:
        """Wrap a collection that a mongomock client returned."""
        self._collection: Any = mongomock_collection

    def apply_operators(self, document: Document, update: Document, *, inserting: bool) -> None:
        """Apply update operators in place; `$setOnInsert` counts only if `inserting`."""
        self._collection._apply_update_document(document, {}, update, inserting)

    def project(self, document: Document, fields: Document | None) -> Document:
        """Return a copy with the projected fields, or with all of them for None."""
        result: Document = self._collection._copy_only_fields(document, fields, dict)
        return result

    def run_stages(self, documents: list[Document], stages: list[Document]) -> Iterable[Document]:
        """Run aggregation stages over `documents`, which may be modified.

        Raises:
            NotImplementedError: mongomock does not support a stage or an operator.
        """
        results: Iterable[Document] = _aggregate.process_pipeline(
            documents, self._collection.database, stages, None
        )
        return results


# Checks of arguments, which raise what PyMongo raises.


def check_filter(query: Any) -> None:
    """Raise TypeError unless `query` is a mapping."""
    _collection.validate_is_mapping("filter", query)


def check_document(document: Any) -> None:
    """Raise TypeError unless `document` can be given an `_id`."""
    _collection.validate_is_mutable_mapping("document", document)


def check_update(update: Any) -> None:
    """Raise ValueError or TypeError unless `update` consists of operators."""
    _collection.validate_ok_for_update(update)


def check_replacement(replacement: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError if `replacement` contains operators."""
    _collection.validate_ok_for_replace(replacement)


# Patches of mongomock, applied when this module is imported.

_unpatched_candidates: Any = _filtering.iter_key_candidates
_unpatched_type_op: Any = _filtering._type_op
# The names of BSON types by their numbers.
_TYPE_NAMES = {
    1: "double",
    2: "string",
    3: "object",
    4: "array",
    7: "objectId",
    8: "bool",
    9: "date",
    16: "int",
    18: "long",
}


def _iter_candidates_with_missing(path: str, value: Any) -> Any:
    """Treat a path that continues below null or a scalar as missing: `{"a.b": None}` matches."""
    if path and not isinstance(value, dict | list):
        return [MISSING]
    return _unpatched_candidates(path, value)


def _match_type(value: Any, wanted: Any) -> bool:
    """Evaluate `$type`, also for type numbers and lists of types."""
    names = wanted if isinstance(wanted, list) else [wanted]
    return any(_unpatched_type_op(value, _TYPE_NAMES.get(name, name)) for name in names)


def _match_mod(value: Any, wanted: list[float]) -> bool:
    """Evaluate `$mod`, also for arrays, of which items that are not numbers are ignored."""
    divisor, remainder = wanted
    values = value if isinstance(value, list) else [value]
    numbers = (
        item for item in values if isinstance(item, int | float) and not isinstance(item, bool)
    )
    return any(int(number) % int(divisor) == remainder for number in numbers)


def _match_geo_within(value: Any, shape: Document) -> bool:
    """Evaluate `$geoWithin` of a GeoJSON point and a `$centerSphere`, the only shape it knows."""
    if list(shape) != ["$centerSphere"]:
        raise NotImplementedError(f"the embedded store knows no {', '.join(shape)}")
    if not isinstance(value, dict) or value.get("type") != "Point":
        return False
    (center_lng, center_lat), radians = shape["$centerSphere"]
    lng, lat = value["coordinates"]
    (distance,) = compute_distances(
        Position(center_lat, center_lng), np.array([lat]), np.array([lng])
    )
    return bool(distance <= radians * EARTH_RADIUS_KM)


class _Parser(_aggregate._Parser):  # type: ignore[misc]
    """Evaluates expressions, with `$round` and comparisons with a missing field added."""

    def parse(self, expression: Any) -> Any:
        if isinstance(expression, dict) and list(expression) == ["$round"]:
            return self._round(expression["$round"])
        if _counts_fields(expression):
            counted = self.parse(expression["$size"]["$objectToArray"])
            if isinstance(counted, dict):
                return len(counted)
        return super().parse(expression)

    def _round(self, operands: Any) -> Any:
        number, *digits = self.parse_many(operands if isinstance(operands, list) else [operands])
        return None if number is None else round(number, *digits)

    def _handle_comparison_operator(self, operator: str, operands: list[Any]) -> Any:
        first, second = (self._parse_or_nothing(operand) for operand in operands)
        if MISSING in (first, second):
            # A missing field sorts before every value, null included, as False does before True.
            first, second = first is not MISSING, second is not MISSING
        literals = [{"$literal": first}, {"$literal": second}]
        return super()._handle_comparison_operator(operator, literals)


def _counts_fields(expression: Any) -> bool:
    """Return whether an expression makes an array of an object's fields only to take its size."""
    operand = expression.get("$size") if isinstance(expression, dict) else None
    return isinstance(operand, dict) and list(operand) == ["$objectToArray"]


def _evaluate(expression: Any, document: Any, ignore_missing_keys: bool) -> Any:
    """Evaluate an `$expr`; return None for an expression without a value."""
    try:
        return _Parser(document, ignore_missing_keys=ignore_missing_keys).parse(expression)
    except KeyError:
        return None


_filtering.iter_key_candidates = _iter_candidates_with_missing
_filtering._filterer_inst._operator_map |= {"$type": _match_type, "$mod": _match_mod}
_filtering._filterer_inst._operator_map["$geoWithin"] = _match_geo_within
_filtering.register_parse_expression(_evaluate)
_aggregate._Parser = _Parser
