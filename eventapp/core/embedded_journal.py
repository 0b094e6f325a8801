"""What has changed since the last flush, and the one snapshot a flush writes."""

import threading
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from eventapp.core.embedded_engine import Document

if TYPE_CHECKING:
    from eventapp.core.embedded_store import CollectionStore


class Journal:
    """What has changed since the last flush; guarded by the client's lock."""

    def __init__(self, *, active: bool) -> None:
        self._active = active
        self.next_row = 1
        self.rows: dict[int, tuple[CollectionStore, Hashable]] = {}
        self.collections: dict[CollectionStore, None] = {}
        self.changed = threading.Event()

    def new_row(self) -> int:
        """Return the next row number: rows in order are documents in order of insertion."""
        self.next_row += 1
        return self.next_row - 1

    def document(self, row: int, store: "CollectionStore", key: Hashable) -> None:
        """Mark one document as changed or gone."""
        if self._active:
            self.rows[row] = (store, key)
            self.changed.set()

    def collection(self, store: "CollectionStore") -> None:
        """Mark the existence or the indexes of a collection as changed."""
        if self._active:
            self.collections[store] = None
            self.changed.set()


@dataclass
class Batch:
    """What one flush writes: the state at one moment, across all collections."""

    puts: list[tuple[int, str, str, Document]]
    deletes: list[int]
    collections: list[tuple[str, str, list[Document] | None]]


def take_batch(journal: Journal) -> Batch:
    """Empty the journal into a batch; the caller holds the client's lock."""
    batch = Batch([], [], [])
    for row, (store, key) in journal.rows.items():
        document = store.row(row, key)
        if document is None:
            batch.deletes.append(row)
        else:
            batch.puts.append((row, store.database, store.name, document))
    for store in journal.collections:
        indexes = list(store.catalog.definitions.values()) if store.is_created else None
        batch.collections.append((store.database, store.name, indexes))
    journal.rows, journal.collections = {}, {}
    journal.changed.clear()
    return batch
