"""Cache what sales need to know of events.

The last sale state seen of each event is kept in memory to save a read. Every update verifies it,
and a refusal is never based on it.
"""

from collections.abc import Iterable

from eventapp.core.database import Db
from eventapp.core.lru_cache import CacheBudget, LRUCache
from eventapp.events.changes import EventChanges
from eventapp.events.service import EventNotFound
from eventapp.events.types import SaleState
from eventapp.inventory import rules, store


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
        self.put(state)
        return state

    def put(self, state: SaleState) -> None:
        """Cache a sale state."""
        self._states.put(state["eventId"], state)

    def discard(self, event_id: int) -> None:
        """Drop a sale state from the cache, if it is there."""
        self._states.discard(event_id)

    def publish(self, state: SaleState) -> None:
        """Cache the sale state after a change of the stock, and notify `event_changes`."""
        self.put(state)
        self._event_changes.stock_changed(state)
