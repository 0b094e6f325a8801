"""Events to be shown: from memory, else from the shared cache, else from the database, once.

What is not there is looked for at each call: another process may have made it just now, and who
made it asks for it at once.
"""

from collections.abc import Hashable, Iterable, Sequence

from eventapp.core.batching import Batcher
from eventapp.core.database import Db
from eventapp.events import store
from eventapp.events.cache.freshness import Known
from eventapp.events.cache.rendering import Rendered, render
from eventapp.events.cache.shared_events import HITS, OUTDATED, SharedEvents
from eventapp.events.errors import EventNotFound

EventIds = tuple[int, ...]
Found = dict[int, Rendered]


class Shelf:
    """The rendered events of one database. `shared` is None where nothing is shared."""

    def __init__(self, db: Db, known: Known, shared: SharedEvents | None = None) -> None:
        self._db, self._known, self._shared = db, known, shared
        self._loads: Batcher[EventIds, Found] = Batcher(self._load_once)

    def one(self, event_id: int) -> Rendered:
        """EventNotFound, DatabaseUnavailable."""
        found = self._known.get(event_id)
        if found is None:
            found = self._loaded((event_id,)).get(event_id)
        if found is None:
            raise EventNotFound
        return found

    def many(self, event_ids: Iterable[int]) -> list[Rendered]:
        """Those of these that exist, in their order. DatabaseUnavailable."""
        known = {id_: self._known.get(id_) for id_ in event_ids}
        missing = tuple(id_ for id_, event in known.items() if event is None)
        if missing:
            known.update(self._loaded(missing))
        return [event for event in known.values() if event]

    def _loaded(self, event_ids: EventIds) -> Found:
        return self._loads.submit(event_ids, event_ids)

    def _load_once(self, _key: Hashable, asked: Sequence[EventIds]) -> Sequence[Found]:
        """All who wait for the same get what is loaded once, after they asked for it."""
        found = {id_: event for id_ in asked[0] if (event := self._known.get(id_))}
        for load in (self._from_shared, self._from_database):
            missing = [id_ for id_ in asked[0] if id_ not in found]
            if missing:
                found.update((event.event_id, event) for event in load(missing))
        return [found] * len(asked)

    def _from_shared(self, event_ids: list[int]) -> list[Rendered]:
        if self._shared is None:
            return []
        there = self._shared.find(event_ids)
        found = [event for event, as_of in there if self._known.keep_shared(event, as_of)]
        HITS.inc(len(found))
        OUTDATED.inc(len(there) - len(found))
        return found

    def _from_database(self, event_ids: list[int]) -> list[Rendered]:
        began = self._known.begin()
        found = [render(event) for event in store.get_many(self._db, event_ids)]
        for event in found:
            self._known.keep(event, began)
        if found and self._shared is not None and began.as_of is not None:
            self._shared.offer(found, began.as_of)
        return found
