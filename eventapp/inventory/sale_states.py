"""Cache what sales need to know of events.

The last sale state seen of each event is kept in memory to save a read. Every update verifies it,
and a refusal is never based on it.

PyMongo makes new strings for the keys of each document that it decodes. They would take more than a
third of the memory of a state, so all states share them, and the fields of schedule entries that no
sale reads are left out.
"""

import sys
from collections.abc import Iterable, Mapping
from typing import cast

from eventapp.core.database import Db
from eventapp.core.lru_cache import CacheBudget, LRUCache
from eventapp.events.changes import EventChanges
from eventapp.events.service import EventNotFound
from eventapp.events.types import SaleState
from eventapp.inventory import rules, store

# What queries compare of a schedule entry.
UNUSED_ENTRY_FIELDS = frozenset({"locationKey", "point"})


class SaleStates:
    """The sale states of the events of one database."""

    def __init__(self, db: Db, event_changes: EventChanges, budget: CacheBudget) -> None:
        """Begin with an empty cache, which `budget` bounds.

        `event_changes` receives each change of the stock.
        """
        self._db = db
        self._event_changes = event_changes
        self._states: LRUCache[int, SaleState] = LRUCache(
            budget.get_bytes("sale states"), rules.get_state_bytes
        )

    def get(self, event_id: int) -> SaleState:
        """Return the cached sale state, or read it if there is none.

        Raises:
            EventNotFound: there is no such event.
        """
        return self._states.get(event_id) or self.read(event_id)

    def read(self, event_id: int, promo_codes: Iterable[str] = ()) -> SaleState:
        """Read the sale state, with these folded promo codes of it, and cache it.

        Raises:
            EventNotFound: there is no such event.
        """
        state = store.find_sale_state(self._db, event_id, promo_codes)
        if state is None:
            self.discard(event_id)
            raise EventNotFound
        compact = _compact_edited_fields(state)
        self.put(compact)
        return compact

    def put(self, state: SaleState) -> None:
        """Cache a sale state."""
        ticket_types = [_share_keys(each) for each in state["ticketTypes"]]
        compact = {**_share_keys(state), "ticketTypes": ticket_types}
        self._states.put(state["eventId"], cast(SaleState, compact))

    def discard(self, event_id: int) -> None:
        """Drop a sale state from the cache, if it is there."""
        self._states.discard(event_id)

    def publish(self, state: SaleState) -> None:
        """Cache the sale state after a change of the stock, and notify `event_changes`."""
        self.put(state)
        self._event_changes.stock_changed(state)


def _compact_edited_fields(state: SaleState) -> SaleState:
    """Return a state with compact lists that only edits change, so that sales pass them on."""
    compact: dict[str, object] = {**state}
    compact["schedule"] = [
        {sys.intern(name): each[name] for name in each if name not in UNUSED_ENTRY_FIELDS}
        for each in cast(list[Mapping[str, object]], state["schedule"])
    ]
    if "quotas" in state:
        compact["quotas"] = [_share_keys(each) for each in state["quotas"]]
    return cast(SaleState, compact)


def _share_keys(document: Mapping[str, object]) -> dict[str, object]:
    """Return a document whose keys are the strings of all other documents with such keys."""
    return {sys.intern(key): value for key, value in document.items()}
