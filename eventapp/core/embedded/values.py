"""Copy, compare and look into documents by the rules of BSON."""

from collections.abc import Hashable, Mapping
from typing import Any

import bson
from bson.codec_options import CodecOptions

from eventapp.core.embedded.mongomock_internals import MISSING, Document, get_values_at_path

_AWARE: CodecOptions[Document] = CodecOptions(tz_aware=True)


def copy_as_stored(document: Mapping[str, Any]) -> Document:
    """Return a copy as BSON stores it: with naive UTC datetimes in milliseconds, and plain types.

    Raises:
        bson.errors.InvalidDocument: a value has no BSON form.
    """
    return bson.decode(bson.encode(document))


def copy_for_caller(document: Mapping[str, Any]) -> Document:
    """Return a copy for the caller, as PyMongo returns it with `tz_aware=True`."""
    return bson.decode(bson.encode(document), _AWARE)


def make_hashable(value: object) -> Hashable:
    """Return a hashable form of a value. Forms are equal if and only if MongoDB's values are."""
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
    values: list[Any] = []
    for value in get_values_at_path(path, document):
        if isinstance(value, list):
            values.extend(value)
        else:
            values.append(value)
    return [None if value is MISSING else value for value in values] or [None]


def has_path(document: Document, path: str) -> bool:
    """Return whether the document has a value, None included, at a dotted path."""
    return any(value is not MISSING for value in get_values_at_path(path, document))
