"""The indexes an embedded collection declares, kept in step with its documents."""

from collections.abc import Hashable, Iterable, Mapping
from datetime import datetime
from typing import Any

from bson import ObjectId
from pymongo.errors import OperationFailure

from eventapp.core.embedded.indexes import HashIndex
from eventapp.core.embedded.mongomock_engine import Document
from eventapp.core.textsearch import TextIndex

Stored = Iterable[tuple[Hashable, Document]]


class Catalog:
    """All indexes of one collection: what must be unique, what is found at once, what expires."""

    def __init__(self, namespace: str) -> None:
        self.definitions: dict[str, Document] = {}
        self._namespace = namespace
        self._hashes: dict[str, HashIndex] = {}
        self._text: TextIndex | None = None

    def check(self, key: Hashable, document: Document) -> None:
        """Raise DuplicateKeyError if a unique index refuses the document."""
        for index in self._hashes.values():
            index.check(key, document)

    def follow(self, key: Hashable, old: Document | None, new: Document | None) -> None:
        """Follow one document from `old` to `new`; None stands for absent."""
        for index in self._hashes.values():
            index.replace(key, old, new)
        if self._text:
            self._text.changed(key, new)

    def has(self, definition: Document) -> bool:
        """Tell whether this very index is declared.

        Raises:
            OperationFailure: another one is in its way, as on a server (codes 67, 85, 86).
        """
        name = definition["name"]
        if name in self.definitions:
            if _same(self.definitions[name], definition):
                return True
            raise OperationFailure(f"An index named {name} exists with different options", 86)
        for other in self.definitions.values():
            if is_text(other) and is_text(definition):
                raise OperationFailure("only one text index per collection allowed", 67)
            if _coverage(other) == _coverage(definition):
                raise OperationFailure(f"Index already exists as {other['name']}", 85)
        return False

    def add(self, definition: Document, stored: Stored) -> None:
        """Declare an index over what is stored; DuplicateKeyError adds nothing."""
        if is_text(definition):
            self._text = TextIndex(definition["weights"])
            for key, document in stored:
                self._text.changed(key, document)
        else:
            index = HashIndex(self._namespace, definition)
            for key, document in stored:
                index.check(key, document)
                index.replace(key, None, document)
            self._hashes[definition["name"]] = index
        self.definitions[definition["name"]] = definition

    def remove(self, name: str) -> None:
        """Take an index back; OperationFailure (27) if there is none of that name."""
        if name not in self.definitions:
            raise OperationFailure(f"index not found with name [{name}]", 27)
        if is_text(self.definitions.pop(name)):
            self._text = None
        self._hashes.pop(name, None)

    def expiring(self) -> list[Document]:
        """Return the definitions of the TTL indexes."""
        return [one for one in self.definitions.values() if "expireAfterSeconds" in one]

    def text_scores(self, text: Mapping[str, Any]) -> dict[Hashable, float]:
        """Answer a `$text` operator: {key: score}.

        Raises:
            OperationFailure: no text index (27), or an option that is not supported.
        """
        if self._text is None:
            raise OperationFailure("text index required for $text query", 27)
        if text.get("$caseSensitive") or text.get("$diacriticSensitive"):
            raise OperationFailure("the embedded store searches regardless of case and accents", 9)
        return self._text.search(text["$search"])

    def keys(self, conditions: Iterable[tuple[str, Any]]) -> list[Hashable] | None:
        """Return the keys of all that can meet these (path, condition); None if no index tells."""
        answers = (self._keys(path, condition) for path, condition in conditions)
        found = [keys for keys in answers if keys is not None]
        return min(found, key=len) if found else None

    def _keys(self, path: str, condition: Any) -> list[Hashable] | None:
        values = scalars(condition)
        index = next((one for one in self._hashes.values() if one.fields[0] == path), None)
        if values is None or index is None:
            return None
        return list(dict.fromkeys(key for value in values for key in index.find(value)))


def is_text(definition: Mapping[str, Any]) -> bool:
    """Tell whether an index definition declares a text index."""
    return "text" in definition["key"].values()


def scalars(condition: Any) -> list[Any] | None:
    """Return the values a condition of a filter asks for, or None if it asks otherwise."""
    if isinstance(condition, dict) and len(condition) == 1:
        condition = condition.get("$in", [condition.get("$eq")])
    values = condition if isinstance(condition, list) else [condition]
    plain_types = str | int | float | ObjectId | datetime
    return values if all(isinstance(value, plain_types) for value in values) else None


def _coverage(definition: Document) -> tuple[list[tuple[str, Any]], Any]:
    """Return what no two indexes may share: the fields in their order, and the partial filter."""
    return list(definition["key"].items()), definition.get("partialFilterExpression")


def _same(one: Document, other: Document) -> bool:
    return one == other and _coverage(one) == _coverage(other)
