"""Close events while their stock is compared with the bookings, and replace wrong counters.

`eventapp.bookings.auditing` decides what the counters should be. It runs in scripts. A script is a
process of its own, so nothing here drops a cached sale state or publishes a change.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from eventapp.core.database import Db
from eventapp.events.stock_types import Cells
from eventapp.events.types import AuditedState, CountedStock
from eventapp.inventory import store_repairs as store


class ClosedEvent(NamedTuple):
    """An event that a repair has closed.

    Attributes:
        event: the event as it was when it was closed, with its in-flight entries.
        token: identifies the repair that closed it.
    """

    event: AuditedState
    token: ObjectId


class StockRepairs:
    """Closes and repairs events of one database."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def find_event(self, event_id: int) -> AuditedState | None:
        """Return what an audit reads of the event."""
        return store.find_to_audit(self._db, event_id)

    def find_events_after(self, event_id: int, limit: int) -> list[AuditedState]:
        """Return the next events after this eventId, in order of eventId."""
        return store.find_after(self._db, event_id, limit)

    def find_revisions(self, event_ids: list[int]) -> dict[int, int]:
        """Return the revisions of these events by eventId, without those that do not exist."""
        return store.find_revisions(self._db, event_ids)

    def write_counts(self, counts: Sequence[tuple[AuditedState, Cells, CountedStock]]) -> int:
        """Set cells, queues, types and quotas of events that are unchanged since they were read.

        Returns:
            How many events were written.
        """
        return store.write_counts(self._db, counts)

    @contextmanager
    def close(self, event_id: int, now: datetime, until: datetime) -> Iterator[ClosedEvent | None]:
        """Keep all others from changing an event's stock or editing it, until the block ends.

        Args:
            until: when the event opens by itself if this process dies in the block.

        Yields:
            The closed event; None if there is no such event, or another repair has closed it.
        """
        token = ObjectId()
        event = store.close_event(self._db, event_id, token, now, until)
        try:
            yield ClosedEvent(event, token) if event else None
        finally:
            if event:
                store.reopen_event(self._db, event_id, token)

    def replace(
        self,
        closed: ClosedEvent,
        stock: CountedStock,
        cells: Cells,
        promo_uses: Mapping[str, int],
    ) -> bool:
        """Replace all counters of a closed event, and open it.

        Args:
            stock: the types, the quotas and the queues.
            promo_uses: the uses of each promo code, by folded code.

        Returns:
            False, with nothing written, if the event has changed since it was closed, or another
            repair has closed it.
        """
        return store.replace_stock(self._db, closed.event, closed.token, stock, cells, promo_uses)
