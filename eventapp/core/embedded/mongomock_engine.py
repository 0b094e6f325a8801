"""The parts of mongomock the embedded store stands on, typed, in one place.

Some are private to mongomock, which is why its version is pinned exactly.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from operator import lt
from typing import Any

import mongomock.aggregate
import mongomock.collection
import mongomock.filtering
import mongomock.helpers
from bson import ObjectId

import eventapp.core.embedded.mongomock_patches  # noqa: F401 (it mends mongomock)

Document = dict[str, Any]

# mongomock's own functions carry no types.
_aggregate: Any = mongomock.aggregate
_collection: Any = mongomock.collection
_filtering: Any = mongomock.filtering
_helpers: Any = mongomock.helpers
MISSING: Any = _filtering.NOTHING
_NULL_RANK: int = _filtering._get_compare_type(None)


def fits(spec: Document, document: Document) -> bool:
    """Tell whether a document matches a filter; OperationFailure if the filter is none."""
    return bool(_filtering.filter_applies(spec, document))


def found_at(path: str, document: Document) -> list[Any]:
    """Return what stands at a dotted path, in each array item on the way; MISSING included."""
    return list(_filtering.iter_key_candidates(path, document))


def value_at(path: str, document: Document) -> Any:
    """Return the one value at a dotted path with numeric array indexes, or MISSING."""
    try:
        return _helpers.get_value_by_dot(document, path)
    except KeyError:
        return MISSING


class _Ordered:
    """A value that Python would compare otherwise than BSON does."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Ordered) and bool(self.value == other.value)

    def __lt__(self, other: "_Ordered") -> bool:
        return bool(_filtering.bson_compare(lt, self.value, other.value))


def order(value: Any) -> tuple[int, Any]:
    """Return what a value sorts by in BSON: its type, null and missing alike, then itself."""
    if value is MISSING or value is None:
        return (_NULL_RANK, 0)
    direct = isinstance(value, str | int | float | datetime | ObjectId)
    return (_filtering._get_compare_type(value), value if direct else _Ordered(value))


class Engine:
    """mongomock's work on the documents of one collection; it never touches its store."""

    def __init__(self, native: Any) -> None:
        self._native: Any = native

    def apply(self, document: Document, update: Document, *, inserting: bool) -> None:
        """Apply update operators in place."""
        self._native._apply_update_document(document, {}, update, inserting)

    def project(self, document: Document, fields: Document | None) -> Document:
        """Return a copy with the projected fields; None is all of them."""
        result: Document = self._native._copy_only_fields(document, fields, dict)
        return result

    def run(self, documents: list[Document], stages: list[Document]) -> Iterable[Document]:
        """Run aggregation stages over `documents`, which may be changed."""
        results: Iterable[Document] = _aggregate.process_pipeline(
            documents, self._native.database, stages, None
        )
        return results


def check_filter(spec: Any) -> None:
    """Raise TypeError unless `spec` is a mapping."""
    _collection.validate_is_mapping("filter", spec)


def check_document(document: Any) -> None:
    """Raise TypeError unless `document` can be given an `_id`."""
    _collection.validate_is_mutable_mapping("document", document)


def check_update(update: Any) -> None:
    """Raise ValueError or TypeError unless `update` consists of operators."""
    _collection.validate_ok_for_update(update)


def check_replacement(replacement: Mapping[str, Any]) -> None:
    """Raise ValueError or TypeError if `replacement` holds operators."""
    _collection.validate_ok_for_replace(replacement)
