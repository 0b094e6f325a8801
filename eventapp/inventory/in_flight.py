"""What the worker and the auditor look at: marks that stand still, events that are waited for."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from eventapp.core.database import Db, Document
from eventapp.inventory import store


class BackOffice:
    """The quiet half of the box office: it sells nothing."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def waited_for(self, limit: int) -> list[int]:
        """Events on sale with tickets of a type that someone waits for."""
        return store.waited_for(self._db, limit)

    def waited_for_in_vain(self, limit: int) -> list[int]:
        """Cancelled and past events that someone still waits for."""
        return store.waited_for_in_vain(self._db, limit)

    def with_stale_marks(self, before: datetime, limit: int) -> list[int]:
        """Events with something noted that may have stood still since then."""
        return store.with_marks_before(self._db, before, limit)

    def marks_before(self, event_id: int, before: datetime) -> dict[str, Document]:
        """What is noted on the event since before that time, by its key."""
        event = store.read_with_marks(self._db, event_id)
        marks = event["inFlight"] if event else {}
        return {key: mark for key, mark in marks.items() if mark["at"] < before}

    def strike(self, event_id: int, keys: Sequence[str]) -> None:
        """Strike out notes of what is recorded."""
        store.strike(self._db, event_id, keys)

    def reset_marks_since(self, event_id: int) -> None:
        """Note anew how old the oldest mark is, so that settled events are not looked at again."""
        event = store.read_with_marks(self._db, event_id)
        if event:
            times = [mark["at"] for mark in event["inFlight"].values()]
            store.set_marks_since(self._db, event, min(times, default=None))

    def with_marks(self, event_id: int) -> Document | None:
        """The event's amounts and what is under way."""
        return store.read_with_marks(self._db, event_id)

    def after(self, event_id: int, limit: int) -> list[Document]:
        """The same of the events that come after this eventId."""
        return store.after(self._db, event_id, limit)

    def set_types(self, event: Document, types: list[dict[str, Any]]) -> bool:
        """Set the ticket types outright, for repairs; False where the event changed meanwhile."""
        available = sum(kind["availableTickets"] for kind in types)
        return store.settle_amounts(self._db, event, {"ticketTypes": types, "available": available})
