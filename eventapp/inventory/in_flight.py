"""Read and clear the in-flight entries of events, without changing the stock.

`inventory.store` describes what an entry means, and when it may be cleared.
"""

import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import NamedTuple, cast

from eventapp.core.clock import utc_now
from eventapp.core.database import Db
from eventapp.events.service import EventOverloaded
from eventapp.events.stock_types import InFlightEntry
from eventapp.events.types import InFlightState
from eventapp.inventory import store, store_promo_codes
from eventapp.inventory.entry_keys import parse_retake_key
from eventapp.inventory.promo_codes import count_uses_left
from eventapp.inventory.rules import find_promo_code
from eventapp.inventory.types import Quantities

# How many keys one update clears. More would make it slow.
MAX_CLEARED_KEYS = 200
# Bounds of ClearableEntries: events, keys of each event, and keys of all events. A key takes 100
# bytes, so all take at most 5 MB.
MAX_EVENTS, MAX_KEYS, MAX_ALL_KEYS = 5000, 2000, 50_000


class ClearableEntries:
    """The keys of in-flight entries that the next writes of this process may clear.

    They are kept in memory, within MAX_EVENTS, MAX_KEYS and MAX_ALL_KEYS. The worker clears the
    entries whose keys are dropped here.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: defaultdict[int, list[str]] = defaultdict(list)
        self._key_count = 0  # of all events

    def add(self, event_id: int, keys: Iterable[str]) -> None:
        """Add keys of entries of an event that may be cleared."""
        with self._lock:
            if len(self._keys) >= MAX_EVENTS or self._key_count >= MAX_ALL_KEYS:
                self._keys.clear()
                self._key_count = 0
            event_keys = self._keys[event_id]
            self._key_count -= len(event_keys)
            event_keys.extend(keys)
            # Without a bound, a process that seldom takes tickets, such as the worker, would
            # collect ever more keys.
            del event_keys[:-MAX_KEYS]
            self._key_count += len(event_keys)

    def pop(self, event_id: int, at_least: int = 1) -> list[str]:
        """Remove and return up to MAX_CLEARED_KEYS keys, none if there are fewer than `at_least`.

        The caller clears them, or adds them again when its write fails.
        """
        with self._lock:
            if len(self._keys.get(event_id, ())) < at_least:
                return []
            keys = self._keys.pop(event_id)
            if len(keys) > MAX_CLEARED_KEYS:
                self._keys[event_id] = keys[MAX_CLEARED_KEYS:]
            popped = keys[:MAX_CLEARED_KEYS]
            self._key_count -= len(popped)
        return popped


class CodeUses(NamedTuple):
    """The uses of a promo code at one moment.

    Attributes:
        is_exhausted: whether it has no use left.
        takes: the keys of the takes in flight that use it. Other uses are recorded.
    """

    is_exhausted: bool
    takes: list[str]


class InFlightEntries:
    """Reads and clears in-flight entries for recovery, audits and the ticket limit."""

    def __init__(self, db: Db) -> None:
        self._db = db

    def find_event(self, event_id: int) -> InFlightState | None:
        """Return the event's sale state with its in-flight entries."""
        return store.find_with_entries(self._db, event_id)

    def find_event_ids_before(
        self, moment: datetime, limit: int, without: Sequence[object] = ()
    ) -> list[int]:
        """Return the ids of events that may have an entry from before this moment, oldest first.

        Args:
            without: eventIds to leave out.
        """
        return store.find_ids_with_entries_before(self._db, moment, limit, without)

    def find_before(self, event_id: int, moment: datetime) -> dict[str, InFlightEntry]:
        """Return the event's entries from before this moment by their keys."""
        entries = self._entries(event_id)
        return {key: entry for key, entry in entries.items() if entry["at"] < moment}

    def has_take(self, event_id: int, requesters: Collection[str]) -> bool:
        """Return whether a take of one of these requesters is in flight."""
        return any(
            entry["kind"] == "take" and entry.get("by") in requesters
            for entry in self._entries(event_id).values()
        )

    def find_taken(self, event_id: int, requester_prefix: str) -> dict[str, Quantities]:
        """Return the tickets of each take whose requester has this prefix, by its key."""
        return {
            key: dict(cast(list[tuple[int, int]], entry["items"]))
            for key, entry in self._entries(event_id).items()
            if entry["kind"] == "take" and entry.get("by", "").startswith(requester_prefix)
        }

    def find_sales(self, event_id: int) -> list[str]:
        """Return the keys of all takes but those of offers and of late payments.

        They are the hex ids of the bookings.
        """
        return [
            key
            for key, entry in self._entries(event_id).items()
            if entry["kind"] == "take" and "leftQueue" not in entry and not parse_retake_key(key)
        ]

    def find_uses(self, event_id: int, promo_code: str) -> CodeUses | None:
        """Return the uses of a promo code, with the takes in flight; None if there is none.

        Args:
            promo_code: the folded code.
        """
        event = store_promo_codes.find_code_with_entries(self._db, event_id, promo_code)
        code = event.get("promoCodes", {}).get(promo_code) if event else None
        if not event or not code:
            return None
        takes = [k for k, e in event["inFlight"].items() if find_promo_code(e) == promo_code]
        left = count_uses_left(code)
        return CodeUses(is_exhausted=left is not None and left <= 0, takes=takes)

    def make_room(self, event_id: int, clearable: ClearableEntries) -> None:
        """Clear entries that this process knows if the event has as many as are allowed.

        Raises:
            EventOverloaded: there are too many, and this process may clear none of them.
        """
        if len(self._entries(event_id)) < store.MAX_ENTRIES:
            return
        keys = clearable.pop(event_id)
        if not keys:
            raise EventOverloaded
        self.clear(event_id, keys)

    def clear(self, event_id: int, keys: Sequence[str]) -> None:
        """Remove entries of an event, unless it is closed; ignore keys that do not exist."""
        for start in range(0, len(keys), MAX_CLEARED_KEYS):
            some = keys[start : start + MAX_CLEARED_KEYS]
            store.clear_entries(self._db, event_id, some, utc_now())

    def refresh_oldest(self, event_id: int) -> None:
        """Update the stored time of the oldest entry, which `find_event_ids_before` compares.

        Nothing is written if the event changes meanwhile.
        """
        event = store.find_with_entries(self._db, event_id)
        if event:
            times = [entry["at"] for entry in event["inFlight"].values()]
            store.set_oldest_entry_time(self._db, event, min(times, default=None))

    def _entries(self, event_id: int) -> dict[str, InFlightEntry]:
        event = store.find_with_entries(self._db, event_id)
        return event["inFlight"] if event else {}
