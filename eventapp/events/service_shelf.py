"""Events to be shown: from memory, else from the shared cache, else from the database, once."""

import threading
import time
from collections.abc import Hashable, Iterable, Sequence

from eventapp.core.crowd import Crowd
from eventapp.core.mongo import Db
from eventapp.core.remembered import Remembered
from eventapp.events import store
from eventapp.events.errors import EventNotFound
from eventapp.events.service_known import Began, Known
from eventapp.events.service_news import FRESH_SECONDS
from eventapp.events.service_rendered import Rendered, render
from eventapp.events.service_shared import HITS, OUTDATED, SharedEvents

ABSENT_BYTES, ABSENT_SIZE = 500_000, 200

EventIds = tuple[int, ...]
Looked = tuple[float, Began]  # when an event was looked for and not found
Found = dict[int, Rendered]


class Shelf:
    """The rendered events of one database. `shared` is None where nothing is shared."""

    def __init__(self, db: Db, known: Known, shared: SharedEvents | None = None) -> None:
        self._db, self._known, self._shared = db, known, shared
        self._loads: Crowd[EventIds, Found] = Crowd(self._load_once)
        self._absent: Remembered[Looked] = Remembered(ABSENT_BYTES, lambda _looked: ABSENT_SIZE)
        self._counts: Crowd[None, None] = Crowd(self._count_once)
        self._highest, self._counted = 0, -FRESH_SECONDS
        self._counting = threading.Lock()

    def one(self, event_id: int) -> Rendered:
        """EventNotFound, DatabaseUnavailable."""
        found = self._known.get(event_id)
        if found is None:
            found = None if self._is_absent(event_id) else self._loaded((event_id,)).get(event_id)
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

    def made(self, event_id: int) -> None:
        """This process may have made the event, and has noted so."""
        self._raise_highest(event_id)

    def forget(self) -> None:
        """Any event may have been made."""
        with self._counting:
            self._highest, self._counted = 0, -FRESH_SECONDS
        self._absent.clear()

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
        began, at = self._known.begin(), time.monotonic()
        found = [render(event) for event in store.get_many(self._db, event_ids)]
        for event in found:
            self._known.keep(event, began)
        for event_id in set(event_ids) - {event.event_id for event in found}:
            self._absent.put(event_id, (at, began))
        if found and self._shared is not None and began.as_of is not None:
            self._shared.offer(found, began.as_of)
        return found

    def _is_absent(self, event_id: int) -> bool:
        """True where within FRESH_SECONDS there was no such event, and none is noted since.

        Ids that were never given are told by the highest in use: they are too many to remember.
        """
        if event_id > self._highest and not _is_fresh(self._counted):
            self._counts.submit("highest", None)
        if event_id > self._highest:
            return True
        looked = self._absent.get(event_id)
        if looked is None or not _is_fresh(looked[0]):
            return False
        return not self._known.overtaken(event_id, looked[1])

    def _count_once(self, _key: Hashable, asked: Sequence[None]) -> Sequence[None]:
        if not _is_fresh(self._counted):
            at = time.monotonic()
            self._raise_highest(store.highest_id(self._db))
            self._counted = at
        return [None] * len(asked)

    def _raise_highest(self, event_id: int) -> None:
        with self._counting:
            self._highest = max(self._highest, event_id)


def _is_fresh(at: float) -> bool:
    return time.monotonic() - at < FRESH_SECONDS
