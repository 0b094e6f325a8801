"""What has changed since the last flush, and the one snapshot a flush writes."""

import threading
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from eventapp.core.embedded.mongomock_engine import Document

if TYPE_CHECKING:
    from eventapp.core.embedded.storage import CollectionStore


@dataclass
class Marks:
    """Which rows and collections changed, and when the first of them did (`time.monotonic`)."""

    since: float = field(default_factory=time.monotonic)
    rows: "dict[int, tuple[CollectionStore, Hashable]]" = field(default_factory=dict)
    collections: "dict[CollectionStore, None]" = field(default_factory=dict)


class Journal:
    """What has changed since the last flush; guarded by the client's lock."""

    def __init__(self, *, active: bool) -> None:
        self._active = active
        self.next_row = 1
        self.marks: Marks | None = None
        self.changed = threading.Event()

    def new_row(self) -> int:
        """Return the next row number: rows in order are documents in order of insertion."""
        self.next_row += 1
        return self.next_row - 1

    def document(self, row: int, store: "CollectionStore", key: Hashable) -> None:
        """Mark one document as changed or gone."""
        if self._active:
            self._marked().rows[row] = (store, key)

    def collection(self, store: "CollectionStore") -> None:
        """Mark the existence or the indexes of a collection as changed."""
        if self._active:
            self._marked().collections[store] = None

    def _marked(self) -> Marks:
        if self.marks is None:
            self.marks = Marks()
            self.changed.set()
        return self.marks

    def take(self) -> Marks | None:
        """Return all marks, leaving none; None if there are none."""
        marks, self.marks = self.marks, None
        self.changed.clear()
        return marks

    def put_back(self, marks: Marks) -> None:
        """Return what could not be written, to be written with what has changed meanwhile."""
        if self.marks is not None:
            marks.rows |= self.marks.rows
            marks.collections |= self.marks.collections
        self.marks = marks
        self.changed.set()


@dataclass
class Batch:
    """What one flush writes: the state at one moment, across all collections."""

    puts: list[tuple[int, str, str, Document]] = field(default_factory=list)
    deletes: list[int] = field(default_factory=list)
    collections: list[tuple[str, str, list[Document] | None]] = field(default_factory=list)


def snapshot(marks: Marks) -> Batch:
    """Return the present state of what is marked; the caller holds the client's lock."""
    batch = Batch()
    for row, (store, key) in marks.rows.items():
        document = store.row(row, key)
        if document is None:
            batch.deletes.append(row)
        else:
            batch.puts.append((row, store.database, store.name, document))
    for store in marks.collections:
        indexes = list(store.catalog.definitions.values()) if store.is_created else None
        batch.collections.append((store.database, store.name, indexes))
    return batch
