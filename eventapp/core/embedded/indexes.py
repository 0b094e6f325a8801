"""The indexes of an embedded collection: what must be unique, and what is found at once."""

from collections.abc import Hashable, Iterator, Mapping
from itertools import product
from typing import Any

from pymongo.errors import DuplicateKeyError

from eventapp.core.embedded.mongomock_engine import MISSING, Document, fits, found_at


def frozen(value: Any) -> Hashable:
    """Return a hashable stand-in, equal exactly when MongoDB calls the two values equal."""
    if isinstance(value, bool):  # true is not 1 in BSON, but Python says so
        return (bool, value)
    if isinstance(value, Mapping):
        return (dict, tuple((name, frozen(item)) for name, item in value.items()))
    if isinstance(value, list | tuple):
        return (list, tuple(frozen(item) for item in value))
    hashable: Hashable = value
    return hashable


def values_at(document: Document, path: str) -> list[Any]:
    """Return the values at a dotted path, arrays opened; a missing one counts as None."""
    found: list[Any] = []
    for value in found_at(path, document):
        found.extend(value) if isinstance(value, list) else found.append(value)
    return [None if value is MISSING else value for value in found] or [None]


def exists_at(document: Document, path: str) -> bool:
    """Tell whether anything, None included, is stored at a dotted path."""
    return any(value is not MISSING for value in found_at(path, document))


class HashIndex:
    """One declared index, kept as two maps: key values -> owner, first field -> documents."""

    def __init__(self, namespace: str, definition: Document) -> None:
        self.definition = definition
        self.fields = list(definition["key"])
        self._namespace = namespace
        self._owners: dict[Hashable, Hashable] = {}
        self._by_first: dict[Hashable, dict[Hashable, None]] = {}

    def check(self, key: Hashable, document: Document) -> None:
        """Raise DuplicateKeyError if another document holds one of these values; writes nothing."""
        for values in self._unique_values(document):
            if self._owners.get(frozen(values), key) != key:
                raise self._duplicate(values)

    def replace(self, key: Hashable, old: Document | None, new: Document | None) -> None:
        """Follow one document from `old` to `new`; None stands for absent."""
        if old is not None:
            for values in self._unique_values(old):
                self._owners.pop(frozen(values), None)
        if new is not None:
            for values in self._unique_values(new):
                self._owners[frozen(values)] = key
        self._move(key, self._first_values(old), self._first_values(new))

    def find(self, value: Any) -> dict[Hashable, None]:
        """Return the keys of the documents that may hold `value` in the first field."""
        return self._by_first.get(frozen(value), {})

    def _first_values(self, document: Document | None) -> set[Hashable]:
        if document is None:
            return set()
        return {frozen(value) for value in values_at(document, self.fields[0])}

    def _move(self, key: Hashable, old: set[Hashable], new: set[Hashable]) -> None:
        for value in old - new:
            del self._by_first[value][key]
            if not self._by_first[value]:
                del self._by_first[value]
        for value in new - old:
            self._by_first.setdefault(value, {})[key] = None

    def _unique_values(self, document: Document) -> Iterator[tuple[Any, ...]]:
        if self.definition.get("unique") and self._covers(document):
            yield from product(*(values_at(document, path) for path in self.fields))

    def _covers(self, document: Document) -> bool:
        if self.definition.get("sparse"):
            return any(exists_at(document, path) for path in self.fields)
        return fits(self.definition.get("partialFilterExpression", {}), document)

    def _duplicate(self, values: tuple[Any, ...]) -> DuplicateKeyError:
        key_value = dict(zip(self.fields, values, strict=True))
        return duplicate_key(
            self._namespace, self.definition["name"], dict(self.definition["key"]), key_value
        )


def duplicate_key(
    namespace: str, index: str, pattern: Document, values: Document
) -> DuplicateKeyError:
    """Build the error a MongoDB server answers, details included."""
    shown = ", ".join(f"{name}: {value!r}" for name, value in values.items())
    message = (
        f"E11000 duplicate key error collection: {namespace} index: {index} dup key: {{ {shown} }}"
    )
    details = {"index": 0, "code": 11000, "errmsg": message}
    return DuplicateKeyError(message, 11000, {**details, "keyPattern": pattern, "keyValue": values})
