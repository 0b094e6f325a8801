"""A collection of the embedded store: reads, writes, and the indexes it declares."""

from collections.abc import Sequence
from typing import Any

from pymongo import IndexModel

from eventapp.core.embedded.base import locked, tolerate
from eventapp.core.embedded.cursor import EmbeddedCommandCursor
from eventapp.core.embedded.index_catalog import is_text
from eventapp.core.embedded.mongomock_engine import Document
from eventapp.core.embedded.reads import Reads
from eventapp.core.embedded.storage import plain
from eventapp.core.embedded.writes import Writes


class EmbeddedCollection(Reads, Writes):
    """Stands in for `pymongo.collection.Collection`."""

    def create_index(self, keys: Any, session: None = None, **options: Any) -> str:
        """Declare an index and return its name; options are those of `pymongo.IndexModel`.

        Raises:
            DuplicateKeyError: unique, and the documents are not; nothing has changed.
            OperationFailure: it clashes with an index that exists.
        """
        options.pop("comment", None)
        return self.create_indexes([IndexModel(keys, **options)], session=session)[0]

    @locked
    def create_indexes(self, indexes: Sequence[IndexModel], **options: Any) -> list[str]:
        """Declare several indexes and return their names."""
        tolerate(options)
        store = self._documents.store
        definitions = [_definition(model) for model in indexes]
        for definition in definitions:
            if not store.catalog.has(definition):
                store.declare_index(definition)
        return [definition["name"] for definition in definitions]

    @locked
    def drop_index(self, index_or_name: Any, **options: Any) -> None:
        """Drop an index by its name or its keys; OperationFailure (27) if there is none."""
        tolerate(options)
        by_name = isinstance(index_or_name, str)
        name = index_or_name if by_name else IndexModel(index_or_name).document["name"]
        self._documents.store.drop_index(name)

    @locked
    def drop_indexes(self, **options: Any) -> None:
        """Drop all indexes but that of `_id`."""
        tolerate(options)
        for name in list(self._documents.store.catalog.definitions):
            self._documents.store.drop_index(name)

    @locked
    def index_information(self, **options: Any) -> dict[str, Any]:
        """Return {name: {"key": [(field, direction)], ...}}, as PyMongo does."""
        tolerate(options)
        return {
            shown.pop("name"): {**shown, "key": list(shown["key"].items())}
            for shown in self._shown_indexes()
        }

    @locked
    def list_indexes(self, **options: Any) -> EmbeddedCommandCursor:
        """Return the indexes as documents."""
        tolerate(options)
        shown = self._shown_indexes()
        return EmbeddedCommandCursor(lambda: shown)

    def _shown_indexes(self) -> list[Document]:
        store = self._documents.store
        if not store.is_created:
            return []
        own = {"v": 2, "key": {"_id": 1}, "name": "_id_"}
        return [own, *(_shown(definition) for definition in store.catalog.definitions.values())]

    @locked
    def drop(self, **options: Any) -> None:
        """Drop the collection with its documents and indexes."""
        tolerate(options)
        self._documents.store.drop()


def _definition(model: IndexModel) -> Document:
    """Return what the store keeps of a declaration; a text index gets all its weights."""
    definition = plain(model.document)
    definition.pop("background", None)
    if is_text(definition):
        fields = [name for name, kind in definition["key"].items() if kind == "text"]
        definition["weights"] = {**dict.fromkeys(fields, 1), **definition.get("weights", {})}
    return definition


def _shown(definition: Document) -> Document:
    shown = {"v": 2, **definition}
    if is_text(definition):
        shown["key"] = {"_fts": "text", "_ftsx": 1}
        shown.setdefault("default_language", "english")
    return shown
