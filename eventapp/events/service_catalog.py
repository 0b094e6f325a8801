"""What a process remembers of events and lists, kept right by what changed.

A change made here is forgotten at once; one made by another process within FRESH_SECONDS, for
every event notes when it was changed (`changedAt`, the database's clock) and is asked for by that.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from eventapp.core import json
from eventapp.core.crowd import Crowd
from eventapp.core.errors import DatabaseUnavailable
from eventapp.core.mongo import Db, Document
from eventapp.core.remembered import Remembered
from eventapp.events import store
from eventapp.events.errors import EventNotFound
from eventapp.events.service_rendered import Listed, Rendered, emptied, render
from eventapp.events.service_search import Search
from eventapp.favorites import service as favorites

MAX_EVENTS, MAX_LISTS, MAX_CALLERS = 12_000, 1_000, 5_000
# Ask for changes when the last answer is older than the first; wait for it beyond the second.
ASK_SECONDS, FRESH_SECONDS = 0.4, 0.8
# Writes of the same moment may become visible in another order than their times.
OVERLAP = timedelta(seconds=0.5)
NEVER = datetime.min.replace(tzinfo=UTC)

# The events of a page, or only their eventIds in order, and what stands beside them.
Found = tuple[list[Document] | list[int], dict[str, Any]]


class Catalog:
    """The events and lists of one database, as one process remembers them."""

    def __init__(self, db: Db) -> None:
        self._db = db
        self.search = Search(db)
        self._events: Remembered[Rendered] = Remembered(MAX_EVENTS)
        self._lists: Remembered[Listed] = Remembered(MAX_LISTS)
        self._liked: Remembered[tuple[float, frozenset[int]]] = Remembered(MAX_CALLERS)
        self._makers: Crowd[Callable[[], Listed], Listed] = Crowd(_make_once)
        # `generation` counts what may change a list, `stamp` what changes any answer, and
        # `writes` what this process wrote: a read that overlaps one may be old already.
        self._generation = self._stamp = self._writes = 0
        self._asking = threading.Lock()
        self._asked = self._failed = -FRESH_SECONDS
        self._since, self._heard = NEVER, time.monotonic()

    # What a request asks for.

    def event(self, event_id: int) -> Rendered:
        """The event as everyone sees it. EventNotFound, DatabaseUnavailable."""
        self._freshen()
        rendered = self._events.get(event_id)
        if rendered is None:
            read = self._read(lambda: [found] if (found := store.get(self._db, event_id)) else [])
            if not read:
                raise EventNotFound
            rendered = read[0]
        return rendered

    def known(self, key: Hashable) -> Listed | None:
        """The page of this key, where it is remembered and still true."""
        self._freshen()
        listed = self._lists.get(key)
        return listed if listed and listed.generation == self._generation else None

    def page(self, key: Hashable, find: Callable[[], Found]) -> Listed:
        """The page of this key; `find` gives its events and what stands beside them."""
        known = self.known(key)
        return known or self._makers.submit(key, lambda: self._find(key, find))

    def answer(self, listed: Listed, caller: str, images_at: str) -> tuple[bytes, str]:
        """The page's JSON as this caller sees it, and its ETag."""
        liked = self.liked(caller).intersection(listed.event_ids)
        as_seen = (self._stamp, images_at, liked)
        seen = listed.seen
        if seen[0] != as_seen:
            body = self._body(listed, liked, images_at)
            seen = (as_seen, body, etag_of(body))
            if listed.asked:
                listed.seen = seen
            listed.asked = True
        return seen[1], seen[2]

    def liked(self, caller: str) -> frozenset[int]:
        """The eventIds of the caller's favorites, within FRESH_SECONDS."""
        known, now, writes = self._liked.get(caller), time.monotonic(), self._writes
        if known and now - known[0] < FRESH_SECONDS:
            return known[1]
        ids = frozenset(favorites.newest_first(self._db, caller))
        if writes == self._writes:
            self._liked.put(caller, (now, ids))
        return ids

    # What a change made here says.

    def changed(self, event_id: int) -> None:
        """This process created, edited or deleted the event."""
        self._writes += 1
        self.search.changed(event_id)
        self._events.drop(event_id)
        self._generation += 1
        self._stamp += 1

    def sold(self, sale: Document) -> None:
        """This process sold or took back tickets: the event's state of sale after it."""
        self._writes += 1
        rendered = self._events.get(sale["eventId"])
        if rendered is None or rendered.rev >= sale["rev"]:
            return
        if rendered.version != sale["__v"]:
            self.changed(sale["eventId"])
            return
        if rendered.emptied != emptied(sale):
            self._generation += 1
        self._events.put(sale["eventId"], rendered.after_sale(sale))
        self._stamp += 1

    def forget(self) -> None:
        """Everything may have changed."""
        self._writes += 1
        self.search.restart()
        for remembered in (self._events, self._lists, self._liked):
            remembered.clear()
        self._generation += 1
        self._stamp += 1

    def liked_changed(self, caller: str) -> None:
        """This process changed the caller's favorites."""
        self._writes += 1
        self._liked.drop(caller)

    # How it is kept right.

    def _freshen(self) -> None:
        """Ask for others' changes when it is time; one caller asks, most need not wait for it."""
        age = time.monotonic() - self._asked
        if age < ASK_SECONDS or not self._asking.acquire(blocking=age > FRESH_SECONDS):
            return
        try:
            if time.monotonic() - self._failed < FRESH_SECONDS:
                raise DatabaseUnavailable  # who waited behind a failure need not fail as slowly
            if time.monotonic() - self._asked >= ASK_SECONDS:
                self._ask_anew()
        finally:
            self._asking.release()

    def _ask_anew(self) -> None:
        began, heard = time.monotonic(), False
        try:
            self._ask()
            self._asked, heard = began, True
        finally:
            if not heard:
                self._failed = time.monotonic()

    def _ask(self) -> None:
        if self._since == NEVER:
            self._since = store.last_change(self._db)
        settled = time.monotonic() - self._heard > 2 * OVERLAP.total_seconds()
        since = self._since if settled else self._since - OVERLAP
        for change in store.changed_since(self._db, since):
            if change["changedAt"] > self._since:
                self._since, self._heard = change["changedAt"], time.monotonic()
            self._hear(change)

    def _hear(self, change: Document) -> None:
        """Another's change; or our own come back, which is known by its rev."""
        rendered = self._events.get(change["eventId"])
        if rendered and rendered.rev >= change["rev"]:
            return
        if not rendered or "gone" in change or _differs(rendered, change):
            self.search.changed(change["eventId"], change.get("__v"))
            self._generation += 1
        self._events.drop(change["eventId"])
        self._stamp += 1

    # How it is filled.

    def _read(self, read: Callable[[], list[Document]]) -> list[Rendered]:
        """Events read now, remembered unless a write of our own came between."""
        writes = self._writes
        shown = [render(event) for event in read()]
        if writes == self._writes:
            for rendered in shown:
                self._events.put(rendered.event_id, rendered)
        return shown

    def _find(self, key: Hashable, find: Callable[[], Found]) -> Listed:
        generation, writes = self._generation, self._writes
        found, beside = find()
        ids = tuple(self._id_of(event, writes) for event in found)
        listed = Listed(generation, ids, json.dumps(beside)[1:])
        self._lists.put(key, listed)
        return listed

    def _id_of(self, found: Document | int, writes: int) -> int:
        """The eventId of what a list found; an event that was read is remembered."""
        if isinstance(found, int):
            return found
        if writes == self._writes:
            self._events.put(found["eventId"], render(found))
        event_id: int = found["eventId"]
        return event_id

    def _body(self, listed: Listed, liked: frozenset[int], images_at: str) -> bytes:
        base = json.dumps(images_at)[1:-1]
        shown = self._all(listed.event_ids)
        rows = b",".join(event.body(base, favorited=event.event_id in liked) for event in shown)
        return b'{"events":[' + rows + b"]," + listed.beside

    def _all(self, event_ids: Iterable[int]) -> list[Rendered]:
        """The events that exist, remembered or read together."""
        known = {id_: self._events.get(id_) for id_ in event_ids}
        missing = [id_ for id_, rendered in known.items() if rendered is None]
        if missing:
            read = self._read(lambda: store.get_many(self._db, missing))
            known.update((rendered.event_id, rendered) for rendered in read)
        return [rendered for rendered in known.values() if rendered]


def _differs(rendered: Rendered, change: Document) -> bool:
    """True where what lists go by may have changed, more than by a sale that left tickets."""
    return rendered.version != change["__v"] or rendered.emptied != emptied(change)


def etag_of(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def _make_once(_key: Hashable, makers: Sequence[Callable[[], Listed]]) -> Sequence[Listed]:
    """All who wait for the same list get the one that the first of them finds."""
    listed = makers[0]()
    return [listed] * len(makers)
