"""Documents and their values as BSON sees them: copies, equality and paths."""

from collections.abc import Hashable, Mapping
from typing import Any

import bson
from bson.codec_options import CodecOptions

from eventapp.core.embedded.mongomock_internals import MISSING, Document, values_at_path

_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


def stored_copy(document: Mapping[str, Any]) -> Document:
    """Return a private copy as BSON would keep it: naive UTC milliseconds, lists, plain types.

    Raises:
        bson.errors.InvalidDocument: it holds a value that BSON cannot.
    """
    return bson.decode(bson.encode(document))


def caller_copy(document: Mapping[str, Any]) -> Document:
    """Return a copy for the caller, as PyMongo returns it with `tz_aware=True`."""
    return bson.decode(bson.encode(document), _AWARE)


def hashable(value: Any) -> Hashable:
    """Return a hashable stand-in, equal exactly when MongoDB calls the two values equal."""
    if isinstance(value, bool):  # In Python, True == 1; in BSON, true differs from 1.
        return (bool, value)
    if isinstance(value, Mapping):
        return (dict, tuple((name, hashable(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return (list, tuple(hashable(item) for item in value))
    stand_in: Hashable = value
    return stand_in


def document_key(document: Mapping[str, Any]) -> Hashable:
    """Return the key that a document of any origin is stored under: that of its `_id`."""
    return hashable(stored_copy({"_id": document["_id"]})["_id"])


def indexed_values(document: Document, path: str) -> list[Any]:
    """Return the values that an index holds for a path: array items each, None for missing."""
    found: list[Any] = []
    for value in values_at_path(path, document):
        found.extend(value) if isinstance(value, list) else found.append(value)
    return [None if value is MISSING else value for value in found] or [None]


def has_path(document: Document, path: str) -> bool:
    """Return whether the document has a value, None included, at a dotted path."""
    return any(value is not MISSING for value in values_at_path(path, document))
