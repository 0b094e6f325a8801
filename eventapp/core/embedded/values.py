"""Copy, compare and look into documents by the rules of BSON.

A stored document is never changed in place. So its successor may share parts with it.
"""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any

import bson
from bson import ObjectId
from bson.codec_options import CodecOptions

from eventapp.core.embedded.mongomock_internals import (
    MISSING,
    Document,
    get_value_at_path,
    get_values_at_path,
)

_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)
# The most frequent types of values that `make_hashable` leaves as they are.
_HASHABLE_TYPES = frozenset((str, int, float, ObjectId, datetime, type(None)))


def copy_as_stored(document: Mapping[str, Any]) -> Document:
    """Return a copy as BSON stores it: with naive UTC datetimes in milliseconds, and plain types.

    Raises:
        bson.errors.InvalidDocument: a value has no BSON form.
    """
    return bson.decode(bson.encode(document))


def copy_for_caller(document: Mapping[str, Any]) -> Document:
    """Return a copy for the caller, as PyMongo returns it with `tz_aware=True`."""
    return bson.decode(bson.encode(document), _AWARE)


def copy_along_paths(document: Document, paths: Iterable[str]) -> Document:
    """Return a copy of which every object and array at and above these dotted paths is new.

    The copy shares everything else with `document`. So a change at the paths leaves `document` as
    it is, and the rest of a large document need not be copied.
    """
    result = dict(document)
    copied = {id(result)}
    for path in paths:
        container: Any = result
        for part in path.split("."):
            key = _find_key(container, part)
            value = MISSING if key is None else container[key]
            if not isinstance(value, dict | list):
                break
            if id(value) not in copied:
                value = container[key] = value.copy()
                copied.add(id(value))
            container = value
    return result


def convert_to_stored(document: Document, paths: Iterable[str]) -> None:
    """Replace the value at each of these dotted paths as `copy_as_stored` copies it."""
    for path in paths:
        parents, _, last = path.rpartition(".")
        container = get_value_at_path(parents, document) if parents else document
        key = _find_key(container, last)
        if key is not None:
            container[key] = copy_as_stored({"value": container[key]})["value"]


def _find_key(container: Any, part: str) -> Any:
    """Return the field or index that a part of a dotted path names; None if there is none."""
    if isinstance(container, list):
        return int(part) if part.isdecimal() and int(part) < len(container) else None
    return part if isinstance(container, dict) and part in container else None


def is_stored_alike(old: Any, new: Any) -> bool:
    """Return whether two values have the same form in BSON. Shared parts are not looked into."""
    if old is new:
        return True
    if isinstance(old, dict) and isinstance(new, dict):
        return list(old) == list(new) and all(map(is_stored_alike, old.values(), new.values()))
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(is_stored_alike, old, new))
    return bson.encode({"value": old}) == bson.encode({"value": new})


def include_paths(value: Any, tree: Mapping[str, Any]) -> Any:
    """Return the parts of an object, or of each object in an array, that a projection includes.

    Args:
        tree: the fields to include, each with the tree of the fields below it, which is empty to
            include the whole field.

    Returns:
        MISSING for a value that has no fields.
    """
    if isinstance(value, list):
        items = (include_paths(item, tree) for item in value)
        return [item for item in items if item is not MISSING]
    if not isinstance(value, dict):
        return MISSING
    included = {
        name: include_paths(item, tree[name]) if tree[name] else item
        for name, item in value.items()
        if name in tree
    }
    return {name: item for name, item in included.items() if item is not MISSING}


def make_hashable(value: object) -> Hashable:
    """Return a hashable form of a value. Forms are equal if and only if MongoDB's values are."""
    if type(value) in _HASHABLE_TYPES:
        return value
    if isinstance(value, bool):  # In Python, True == 1; in BSON, true differs from 1.
        return (bool, value)
    if isinstance(value, Mapping):
        return (dict, tuple((name, make_hashable(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return (list, tuple(make_hashable(item) for item in value))
    return value


def make_document_key(document: Mapping[str, Any]) -> Hashable:
    """Return the key under which a document is stored, which is made from its `_id`."""
    return make_hashable(copy_as_stored({"_id": document["_id"]})["_id"])


def find_indexed_values(document: Document, path: str) -> list[Any]:
    """Return the values to index for a path.

    They are each item of an array, and None for a missing field or an empty array.
    """
    if "." not in path:
        found = document.get(path)
        return found or [None] if isinstance(found, list) else [found]
    values: list[Any] = []
    for value in get_values_at_path(path, document):
        if isinstance(value, list):
            values.extend(value)
        else:
            values.append(value)
    return [None if value is MISSING else value for value in values] or [None]


def has_path(document: Document, path: str) -> bool:
    """Return whether the document has a value, None included, at a dotted path."""
    if "." not in path:
        return path in document
    return any(value is not MISSING for value in get_values_at_path(path, document))
