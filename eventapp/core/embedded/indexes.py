"""The indexes of an embedded collection: uniqueness, lookup by equality, text search, expiry."""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping
from heapq import nlargest, nsmallest
from itertools import product
from typing import Any, NotRequired, TypeAlias, TypedDict, cast

from pymongo import IndexModel
from pymongo.errors import DuplicateKeyError, OperationFailure

from eventapp.core.embedded.filters import find_equal_values
from eventapp.core.embedded.mongomock_internals import MISSING, Document, matches_filter
from eventapp.core.embedded.text_index import TextIndex
from eventapp.core.embedded.values import (
    copy_as_stored,
    find_indexed_values,
    has_path,
    make_hashable,
)

# Error codes of MongoDB.
_INDEX_NOT_FOUND, _UNSUPPORTED_OPTION, _CANNOT_CREATE = 27, 9, 67
_OPTIONS_CONFLICT, _KEY_SPECS_CONFLICT, _DUPLICATE_KEY = 85, 86, 11000

# What has a meaning in `$search` besides words: phrases, and hyphens before excluded words.
_TEXT_SYNTAX = re.compile(r'"|(?:^|\s)-')

KeyedDocuments: TypeAlias = Iterable[tuple[Hashable, Document]]


class IndexDefinition(TypedDict):
    """The document of a `pymongo.IndexModel` as it is stored. It may have further options."""

    name: str
    key: dict[str, Any]  # 1, -1, "text" or "2dsphere" for each field, in the order of the index
    unique: NotRequired[bool]
    sparse: NotRequired[bool]  # whether documents without any of the fields are left out
    partialFilterExpression: NotRequired[Document]  # a filter; other documents are left out
    expireAfterSeconds: NotRequired[float]  # in a TTL index, the age at which documents are deleted
    default_language: NotRequired[str]  # of a text index; "none" alone
    weights: NotRequired[dict[str, float]]  # in a text index, for every field


def make_index_definition(model: IndexModel) -> IndexDefinition:
    """Return the definition of an index. In a text index, the default weight of a field is 1."""
    document = copy_as_stored(model.document)
    document.pop("background", None)
    definition = cast(IndexDefinition, document)
    if is_text_index(definition):
        fields = [name for name, index_type in definition["key"].items() if index_type == "text"]
        if definition.get("default_language") != "none":
            message = "the embedded store has text indexes of the default_language none alone"
            raise OperationFailure(message, _UNSUPPORTED_OPTION)
        definition["weights"] = {**dict.fromkeys(fields, 1), **definition.get("weights", {})}
    return definition


def describe_index(definition: IndexDefinition) -> Document:
    """Return an index as a server lists it."""
    description: Document = {"v": 2, **definition}
    if is_text_index(definition):
        description["key"] = {"_fts": "text", "_ftsx": 1}
    return description


def is_geo_index(definition: IndexDefinition) -> bool:
    """Return whether a definition is that of an index of positions, which serves no query here."""
    return "2dsphere" in definition["key"].values()


def is_text_index(definition: IndexDefinition) -> bool:
    """Return whether a definition is that of a text index."""
    return "text" in definition["key"].values()


class HashIndex:
    """One index, kept as two maps.

    `_owners` maps the values of all fields to the key of the one document that has them; it stays
    empty if the index is not unique. `_by_first_field` maps each value of the first field to the
    keys of the documents that have it.
    """

    def __init__(self, namespace: str, definition: IndexDefinition) -> None:
        """Create an empty index; `namespace` is used in error messages."""
        self.definition = definition
        self.fields = list(definition["key"])
        self._is_unique = bool(definition.get("unique"))
        self._names = _find_names(self.fields, definition.get("partialFilterExpression", {}))
        self._namespace = namespace
        self._owners: dict[Hashable, Hashable] = {}
        self._by_first_field: dict[Hashable, dict[Hashable, None]] = {}

    def check(self, key: Hashable, document: Document) -> None:
        """Raise DuplicateKeyError if another document has one of the document's unique values."""
        for values in self._iter_unique_values(document):
            if self._owners.get(make_hashable(values), key) != key:
                raise self._make_duplicate_key_error(values)

    def is_unchanged(self, old: Document, new: Document) -> bool:
        """Return whether the index would read the very same objects from both documents.

        A stored document shares what did not change with the one that it replaces.
        """
        return self._names is not None and all(
            old.get(name, MISSING) is new.get(name, MISSING) for name in self._names
        )

    def update(self, key: Hashable, old: Document | None, new: Document | None) -> None:
        """Replace the entries of `old` by those of `new`; None stands for no document."""
        if old is not None:
            for values in self._iter_unique_values(old):
                self._owners.pop(make_hashable(values), None)
        if new is not None:
            for values in self._iter_unique_values(new):
                self._owners[make_hashable(values)] = key
        self._update_first_field(key, self._find_first_values(old), self._find_first_values(new))

    def find_keys(self, value: Any) -> dict[Hashable, None]:
        """Return the keys of the documents whose first field is `value`, or an array with `value`.

        A missing field and an empty array count as None.
        """
        return self._by_first_field.get(make_hashable(value), {})

    def find_extreme_keys(self, count: int, *, descending: bool) -> list[Hashable] | None:
        """Return the keys with the lowest or highest values; None if not all are integers."""
        values = [value for value in self._by_first_field if type(value) is int]
        if len(values) < len(self._by_first_field):
            return None
        picked = nlargest(count, values) if descending else nsmallest(count, values)
        keys = dict.fromkeys(key for value in picked for key in self._by_first_field[value])
        # A document with an array of integers has several values.
        return list(keys) if len(keys) == len(picked) else None

    def _find_first_values(self, document: Document | None) -> set[Hashable]:
        if document is None:
            return set()
        return {make_hashable(value) for value in find_indexed_values(document, self.fields[0])}

    def _update_first_field(self, key: Hashable, old: set[Hashable], new: set[Hashable]) -> None:
        for value in old - new:
            del self._by_first_field[value][key]
            if not self._by_first_field[value]:
                del self._by_first_field[value]
        for value in new - old:
            self._by_first_field.setdefault(value, {})[key] = None

    def _iter_unique_values(self, document: Document) -> Iterator[tuple[Any, ...]]:
        if self._is_unique and self._covers(document):
            yield from product(*(find_indexed_values(document, path) for path in self.fields))

    def _covers(self, document: Document) -> bool:
        if self.definition.get("sparse"):
            return any(has_path(document, path) for path in self.fields)
        return matches_filter(self.definition.get("partialFilterExpression", {}), document)

    def _make_duplicate_key_error(self, values: tuple[Any, ...]) -> DuplicateKeyError:
        return make_duplicate_key_error(
            self._namespace,
            self.definition["name"],
            dict(self.definition["key"]),
            dict(zip(self.fields, values, strict=True)),
        )


def _find_names(fields: list[str], partial_filter: Document) -> set[str] | None:
    """Return the top-level fields on which an index depends; None if it may be any."""
    paths = [*fields, *partial_filter]
    if any(path.startswith("$") for path in paths):
        return None
    return {path.partition(".")[0] for path in paths}


class IndexCatalog:
    """The indexes of one collection. They are updated with every write of a document.

    Attributes:
        definitions: the definition of each index, by its name. That of `_id` is not among them.
        ttl_definitions: those of the TTL indexes.
    """

    def __init__(self, namespace: str) -> None:
        """Create an empty catalog; `namespace` is used in error messages."""
        self.definitions: dict[str, IndexDefinition] = {}
        self.ttl_definitions: list[IndexDefinition] = []
        self._namespace = namespace
        self._hash_indexes: dict[str, HashIndex] = {}
        self._by_first_path: dict[str, HashIndex] = {}
        self._text_index: TextIndex | None = None

    def replace(self, key: Hashable, old: Document | None, new: Document) -> None:
        """Replace `old` by `new` in every index; None stands for no document.

        Raises:
            DuplicateKeyError: a unique index refuses the new document. Nothing has changed.
        """
        changed = [
            index
            for index in self._hash_indexes.values()
            if old is None or not index.is_unchanged(old, new)
        ]
        for index in changed:
            index.check(key, new)
        for index in changed:
            index.update(key, old, new)
        if self._text_index:
            self._text_index.record_change(key, new)

    def update(self, key: Hashable, old: Document | None, new: Document | None) -> None:
        """Replace `old` by `new` in every index without a check; None stands for no document."""
        for index in self._hash_indexes.values():
            index.update(key, old, new)
        if self._text_index:
            self._text_index.record_change(key, new)

    def contains(self, definition: IndexDefinition) -> bool:
        """Return whether this index exists already.

        Raises:
            OperationFailure: it conflicts with another index, as on a server (codes 67, 85, 86).
        """
        name = definition["name"]
        if name in self.definitions:
            if _is_same(self.definitions[name], definition):
                return True
            message = f"An index named {name} exists with different options"
            raise OperationFailure(message, _KEY_SPECS_CONFLICT)
        for other in self.definitions.values():
            if is_text_index(other) and is_text_index(definition):
                message = "only one text index per collection allowed"
                raise OperationFailure(message, _CANNOT_CREATE)
            if _get_key_and_filter(other) == _get_key_and_filter(definition):
                message = f"Index already exists as {other['name']}"
                raise OperationFailure(message, _OPTIONS_CONFLICT)
        return False

    def add(self, definition: IndexDefinition, stored: KeyedDocuments) -> None:
        """Create an index of the stored documents.

        Raises:
            DuplicateKeyError: their values are not unique. The index is not added.
        """
        if is_text_index(definition):
            self._text_index = TextIndex(definition["weights"])
            for key, document in stored:
                self._text_index.record_change(key, document)
        elif not is_geo_index(definition):
            index = HashIndex(self._namespace, definition)
            for key, document in stored:
                index.check(key, document)
                index.update(key, None, document)
            self._hash_indexes[definition["name"]] = index
        self.definitions[definition["name"]] = definition
        self._list_indexes()

    def remove(self, name: str) -> None:
        """Remove an index by name; raise OperationFailure (27) if there is none."""
        if name not in self.definitions:
            raise OperationFailure(f"index not found with name [{name}]", _INDEX_NOT_FOUND)
        if is_text_index(self.definitions.pop(name)):
            self._text_index = None
        self._hash_indexes.pop(name, None)
        self._list_indexes()

    def _list_indexes(self) -> None:
        """List the TTL indexes, and the first index of each path that begins one."""
        self.ttl_definitions = [
            definition
            for definition in self.definitions.values()
            if "expireAfterSeconds" in definition
        ]
        self._by_first_path = {}
        for index in self._hash_indexes.values():
            self._by_first_path.setdefault(index.fields[0], index)

    def find_text_keys(self, text: Mapping[str, Any]) -> set[Hashable]:
        """Return the keys of the documents that match a `$text` operator.

        Raises:
            OperationFailure: there is no text index (27), or an option is not supported (9).
        """
        if self._text_index is None:
            raise OperationFailure("text index required for $text query", _INDEX_NOT_FOUND)
        if text.get("$caseSensitive") or text.get("$diacriticSensitive"):
            message = "the embedded store searches regardless of case and accents"
            raise OperationFailure(message, _UNSUPPORTED_OPTION)
        if _TEXT_SYNTAX.search(text["$search"]):
            message = "the embedded store searches no phrases and excludes no words"
            raise OperationFailure(message, _UNSUPPORTED_OPTION)
        return self._text_index.find_keys(text["$search"])

    def find_keys(self, conditions: Iterable[tuple[str, Any]]) -> dict[Hashable, None] | None:
        """Return the keys of all documents that may meet these (path, condition) pairs.

        Returns:
            The fewest keys that an index gives, or None if no index covers a condition.
        """
        by_condition = (self._find_keys(path, condition) for path, condition in conditions)
        candidates = [keys for keys in by_condition if keys is not None]
        return min(candidates, key=len) if candidates else None

    def find_extreme_keys(self, path: str, direction: Any, count: int) -> list[Hashable] | None:
        """Return the keys of the documents with the lowest or highest values at a path, in order.

        Args:
            direction: 1 for the lowest values, -1 for the highest.
            count: how many keys to return.

        Returns:
            None if no unique index covers the path, or if not all documents have an integer there.
        """
        for index in self._hash_indexes.values():
            if index.fields == [path] and index.definition.get("unique"):
                return index.find_extreme_keys(count, descending=direction == -1)
        return None

    def _find_keys(self, path: str, condition: Any) -> dict[Hashable, None] | None:
        index = self._by_first_path.get(path)
        values = find_equal_values(condition) if index else None
        if index is None or values is None:
            return None
        if len(values) == 1:
            return index.find_keys(values[0])
        return dict.fromkeys(key for value in values for key in index.find_keys(value))


def make_duplicate_key_error(
    namespace: str, index: str, pattern: Document, values: Document
) -> DuplicateKeyError:
    """Return the error that PyMongo raises for a MongoDB server, with the same details.

    Args:
        index: the name of the index.
        pattern: the directions of the index by field.
        values: the duplicate values by field.
    """
    shown = ", ".join(f"{name}: {value!r}" for name, value in values.items())
    message = (
        f"E11000 duplicate key error collection: {namespace} index: {index} dup key: {{ {shown} }}"
    )
    details = {
        "index": 0,
        "code": _DUPLICATE_KEY,
        "errmsg": message,
        "keyPattern": pattern,
        "keyValue": values,
    }
    return DuplicateKeyError(message, _DUPLICATE_KEY, details)


def _get_key_and_filter(
    definition: IndexDefinition,
) -> tuple[list[tuple[str, Any]], Document | None]:
    """Return the ordered fields and the partial filter. No two indexes may have both in common."""
    return list(definition["key"].items()), definition.get("partialFilterExpression")


def _is_same(one: IndexDefinition, other: IndexDefinition) -> bool:
    """Return whether two definitions are equal, with their fields in the same order."""
    return one == other and _get_key_and_filter(one) == _get_key_and_filter(other)
