"""Load the events to show: from memory, else from the shared cache, else from the database.

That an event does not exist is never remembered: another process may have created it just now, and
its client may ask this process for it at once.
"""

from collections.abc import Hashable, Iterable, Sequence

from eventapp.core.batching import Batcher
from eventapp.core.database import Db
from eventapp.core.metrics import SHARED_CACHE
from eventapp.events import store
from eventapp.events.cache.freshness import Freshness
from eventapp.events.cache.rendering import RenderedEvent, render_event
from eventapp.events.cache.shared_events import SharedEvents
from eventapp.events.errors import EventNotFound

EventIds = tuple[int, ...]
EventsById = dict[int, RenderedEvent]
HITS, OUTDATED = SHARED_CACHE.labels("hit"), SHARED_CACHE.labels("outdated")


class EventLoader:
    """Loads the rendered events of one database, equal requests at the same time only once."""

    def __init__(self, db: Db, freshness: Freshness, shared_events: SharedEvents) -> None:
        """Load into and from `freshness`, whose rules decide what may be shown."""
        self._db, self._freshness, self._shared_events = db, freshness, shared_events
        self._loads: Batcher[EventIds, EventsById] = Batcher(self._load_once)

    def load(self, event_id: int) -> RenderedEvent:
        """Return the event.

        Raises:
            EventNotFound, DatabaseUnavailable.
        """
        event = self._freshness.get(event_id)
        if event is None:
            event = self._load_missing((event_id,)).get(event_id)
        if event is None:
            raise EventNotFound
        return event

    def load_many(self, event_ids: Iterable[int]) -> list[RenderedEvent]:
        """Return those of these events that exist, in this order.

        Raises:
            DatabaseUnavailable.
        """
        events = {event_id: self._freshness.get(event_id) for event_id in event_ids}
        missing = tuple(event_id for event_id, event in events.items() if event is None)
        if missing:
            events.update(self._load_missing(missing))
        return [event for event in events.values() if event]

    def _load_missing(self, event_ids: EventIds) -> EventsById:
        return self._loads.submit(event_ids, event_ids)

    def _load_once(self, _key: Hashable, requests: Sequence[EventIds]) -> Sequence[EventsById]:
        """Load the events of equal requests that arrived before, once for all of them."""
        event_ids = requests[0]
        found = {id_: event for id_ in event_ids if (event := self._freshness.get(id_))}
        for find in (self._find_shared, self._find_stored):
            missing = [event_id for event_id in event_ids if event_id not in found]
            if missing:
                found.update((event.event_id, event) for event in find(missing))
        return [found] * len(requests)

    def _find_shared(self, event_ids: list[int]) -> list[RenderedEvent]:
        """Return the events that the shared cache holds and this process may show."""
        shared = self._shared_events.find(event_ids)
        fresh = [
            event
            for event, complete_up_to in shared
            if self._freshness.keep_shared(event, complete_up_to)
        ]
        if shared:
            HITS.inc(len(fresh))
            OUTDATED.inc(len(shared) - len(fresh))
        return fresh

    def _find_stored(self, event_ids: list[int]) -> list[RenderedEvent]:
        """Return the events that the database holds, and share them."""
        started = self._freshness.start_read()
        stored = store.find_events(self._db, event_ids)
        events = [render_event(event) for event in stored]
        for event in events:
            self._freshness.keep(event, started)
        if events and started.complete_up_to is not None:
            self._shared_events.store(events, started.complete_up_to)
        return events
