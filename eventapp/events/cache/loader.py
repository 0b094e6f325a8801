"""Load the events that a process has not cached: from the shared cache, else from the database.

The loader never records that an event does not exist. Another process may have created it just now,
and its client may ask this process for it at once.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import bson
from bson.codec_options import CodecOptions

from eventapp.core import json
from eventapp.core.batching import Batcher
from eventapp.core.database import Db, Document
from eventapp.core.metrics import SHARED_CACHE
from eventapp.core.shared_cache import SharedCache
from eventapp.events import quotas, rules, store, ticket_types
from eventapp.events.cache import rendering
from eventapp.events.cache.freshness import Freshness
from eventapp.events.cache.rendering import RenderedEvent, render_event

EventIds = tuple[int, ...]
EventsById = dict[int, RenderedEvent]

HITS, OUTDATED = SHARED_CACHE.labels("hit"), SHARED_CACHE.labels("outdated")
# Long enough for other processes to find an event. Answers are fresh without this limit. It only
# bounds how long events are shown as they were before the database was restored from a backup.
SHARED_LIFETIME_MS = 60_000
# The modules whose code decides how an event is rendered.
_RENDERING_MODULES = (json, rules, ticket_types, quotas, rendering)
_FIELD_NAMES = tuple(field.name for field in fields(RenderedEvent))
_AWARE_TIMES: CodecOptions[Document] = CodecOptions(tz_aware=True)


class SharedEvents:
    """The rendered events of one database in a shared cache.

    `Freshness.keep_shared` decides whether a process may show what it finds here.
    """

    def __init__(self, cache: SharedCache, database_name: str) -> None:
        """Use names that begin with the database's name and the version of the rendering."""
        self._cache = cache
        self._prefix = f"eventapp:{database_name}:{_hash_rendering_code()}:event:"

    def find(self, event_ids: Iterable[int]) -> list[tuple[RenderedEvent, datetime]]:
        """Return the events that are found, each with the `complete_up_to` of its read."""
        values = self._cache.get([self._make_name(event_id) for event_id in event_ids])
        return [_unpack(value) for value in values if value is not None]

    def store(self, events: Sequence[RenderedEvent], complete_up_to: datetime) -> None:
        """Store events from a read that contains every change made up to `complete_up_to`."""
        pairs = (
            (self._make_name(event.event_id), _pack(event, complete_up_to)) for event in events
        )
        self._cache.put(pairs, SHARED_LIFETIME_MS)

    def _make_name(self, event_id: int) -> str:
        return f"{self._prefix}{event_id}"


def _pack(event: RenderedEvent, complete_up_to: datetime) -> bytes:
    values = {name: getattr(event, name) for name in _FIELD_NAMES}
    return bson.encode({"complete_up_to": complete_up_to, **values})


def _unpack(packed: bytes) -> tuple[RenderedEvent, datetime]:
    values = bson.decode(packed, _AWARE_TIMES)
    complete_up_to = values.pop("complete_up_to")
    # BSON has no tuples.
    values["empty_stocks"] = tuple(values["empty_stocks"])
    return RenderedEvent(**values), complete_up_to


def _hash_rendering_code() -> str:
    """Return a hash of the code that renders events.

    During an update, processes of the old and the new version do not find each other's events.
    """
    sources = [Path(str(module.__file__)).read_bytes() for module in _RENDERING_MODULES]
    return hashlib.blake2b(b"".join(sources), digest_size=6).hexdigest()


class EventLoader:
    """Loads the rendered events of one database, once for equal requests at the same time."""

    def __init__(
        self,
        db: Db,
        freshness: Freshness,
        shared_events: SharedEvents,
        clock: Callable[[], datetime],
    ) -> None:
        """Create a loader that gives what it loads to `freshness`, which decides what is cached.

        Args:
            clock: returns the time by the database's clock.
        """
        self._db, self._freshness, self._shared_events = db, freshness, shared_events
        self._clock = clock
        self._loads: Batcher[EventIds, EventsById] = Batcher(self._load_once)

    def load(self, event_ids: EventIds) -> EventsById:
        """Return those of these events that exist.

        Raises:
            DatabaseUnavailable.
        """
        return self._loads.submit(event_ids, event_ids)

    def _load_once(self, _key: Hashable, requests: Sequence[EventIds]) -> Sequence[EventsById]:
        """Load the events of equal requests once, and return them to each."""
        event_ids = requests[0]
        # Another batch may have loaded some of them since these requests did not find them.
        found = {id_: event for id_ in event_ids if (event := self._freshness.get(id_))}
        for find in (self._find_shared, self._find_stored):
            missing = [event_id for event_id in event_ids if event_id not in found]
            if missing:
                found.update((event.event_id, event) for event in find(missing))
        return [found] * len(requests)

    def _find_shared(self, event_ids: list[int]) -> list[RenderedEvent]:
        """Return the events in the shared cache that this process may show."""
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
        """Return the events that exist in the database, and share them."""
        started = self._freshness.start_read()
        stored = store.find_events(self._db, event_ids)
        now = self._clock()
        events = [render_event(event, now) for event in stored]
        for event in events:
            self._freshness.keep(event, started)
        if events and started.complete_up_to is not None:
            self._shared_events.store(events, started.complete_up_to)
        return events
