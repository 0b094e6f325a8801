"""What a process remembers of events and lists, kept right by what changed.

A change made here is forgotten at once; one made by another process within FRESH_SECONDS.
"""

import itertools
import time
from collections.abc import Callable, Hashable, Sequence
from typing import Any

from eventapp.core import json
from eventapp.core.app_key import AppKey
from eventapp.core.batching import Batcher
from eventapp.core.database import Db, Document
from eventapp.core.etags import content_etag
from eventapp.core.lru_cache import Remembered
from eventapp.core.shared_cache import SharedCache
from eventapp.events.cache.change_feed import FRESH_SECONDS, News
from eventapp.events.cache.freshness import Began, Known
from eventapp.events.cache.loader import Shelf
from eventapp.events.cache.rendering import Answer, Listed, Rendered, render, shape_of
from eventapp.events.cache.shared_events import SharedEvents
from eventapp.events.index.live_index import Search
from eventapp.events.types import SaleState
from eventapp.favorites import service as favorites

LISTS_BYTES, ANSWERS_BYTES, LIKED_BYTES = 4_000_000, 8_000_000, 4_000_000
# About what it takes to remember a caller, and each of the caller's favorites.
CALLER_SIZE, FAVORITE_SIZE = 400, 80

# The events of a page, or only their eventIds in order, and what stands beside them.
Found = tuple[list[Document] | list[int], dict[str, Any]]
Liked = tuple[float, frozenset[int]]


class EventCache:
    """The events and lists of one database, as one process remembers them."""

    def __init__(self, db: Db, cache: SharedCache | None = None) -> None:
        """`cache` is what other processes may have read, None where nothing is shared."""
        self._db = db
        self.search = Search(db)
        self._known = Known()
        self._news = News(db, self._known, self._hear)
        self._shelf = Shelf(db, self._known, SharedEvents(cache, db.name) if cache else None)
        self._lists: Remembered[Listed] = Remembered(LISTS_BYTES, lambda listed: listed.size)
        self._answers: Remembered[Answer] = Remembered(ANSWERS_BYTES, lambda answer: answer.size)
        self._liked: Remembered[Liked] = Remembered(LIKED_BYTES, _liked_size)
        self._makers: Batcher[Callable[[], Listed], Listed] = Batcher(_make_once)
        # `generation` counts what may change a list, `stamp` what changes any answer, and
        # `likes` the changes of favorites made here: a read that overlaps one may be old already.
        self._generation = self._stamp = self._likes = 0
        self._numbers = itertools.count(1)  # a number that came back would make old lists true

    # What a request asks for.

    def event(self, event_id: int) -> Rendered:
        """The event as everyone sees it. EventNotFound, DatabaseUnavailable."""
        self._news.freshen()
        return self._shelf.one(event_id)

    def known(self, key: tuple[Any, ...]) -> Listed | None:
        """The page of this key, where it is remembered and still true."""
        self._news.freshen()
        listed = self._lists.get(key)
        return listed if listed and listed.generation == self._generation else None

    def page(self, key: tuple[Any, ...], find: Callable[[], Found]) -> Listed:
        """The page of this key; `find` gives its events and what stands beside them."""
        known = self.known(key)
        return known or self._makers.submit(key, lambda: self._find(key, find))

    def answer(self, listed: Listed, caller: str, image_base_url: str) -> tuple[bytes, str]:
        """The page's JSON as this caller sees it, and its ETag."""
        liked = self.liked(caller).intersection(listed.event_ids)
        as_seen = (self._stamp, image_base_url, liked)
        seen = self._answers.get(listed.key)
        if seen is None or seen.as_seen != as_seen:
            body = self._body(listed, liked, image_base_url)
            seen = Answer(as_seen, body, content_etag(body))
            if listed.asked:
                self._answers.put(listed.key, seen)
            listed.asked = True
        return seen.body, seen.etag

    def liked(self, caller: str) -> frozenset[int]:
        """The eventIds of the caller's favorites, within FRESH_SECONDS."""
        known, now, likes = self._liked.get(caller), time.monotonic(), self._likes
        if known and now - known[0] < FRESH_SECONDS:
            return known[1]
        ids = frozenset(favorites.newest_first(self._db, caller))
        if likes == self._likes:
            self._liked.put(caller, (now, ids))
        return ids

    # What a change made here says.

    def changed(self, event_id: int) -> None:
        """This process created, edited or deleted the event."""
        self._known.edited(event_id)
        self.search.changed(event_id)
        self._generation = next(self._numbers)
        self._stamp = next(self._numbers)

    def stock_changed(self, sale_state: SaleState) -> None:
        """This process sold or took back tickets: the event's state of sale after it."""
        if self._known.sold(sale_state):
            self.search.changed(sale_state["eventId"], shape_of(sale_state))
            self._generation = next(self._numbers)
        self._stamp = next(self._numbers)

    def forget(self) -> None:
        """Everything may have changed."""
        self._likes = next(self._numbers)
        self._known.forget()
        self._news.forget()
        self.search.restart()
        for remembered in (self._lists, self._answers, self._liked):
            remembered.clear()
        self._generation = next(self._numbers)
        self._stamp = next(self._numbers)

    def favorites_changed(self, owner: str) -> None:
        """This process changed the owner's favorites."""
        self._likes = next(self._numbers)
        self._liked.drop(owner)

    # How it is kept right, and filled.

    def _hear(self, change: Document, began: Began) -> None:
        """Another's change; or our own come back."""
        lists_changed = self._known.heard(change, began)
        if lists_changed is None:
            return
        if lists_changed:
            self.search.changed(change["eventId"], None if "gone" in change else shape_of(change))
            self._generation = next(self._numbers)
        self._stamp = next(self._numbers)

    def _find(self, key: tuple[Any, ...], find: Callable[[], Found]) -> Listed:
        generation, began = self._generation, self._known.begin()
        found, beside = find()
        ids = tuple(self._id_of(event, began) for event in found)
        listed = Listed(key, generation, ids, json.dumps(beside)[1:])
        self._lists.put(key, listed)
        return listed

    def _id_of(self, found: Document | int, began: Began) -> int:
        """The eventId of what a list found; an event that was read is remembered."""
        if isinstance(found, int):
            return found
        rendered = render(found)
        self._known.keep(rendered, began)
        return rendered.event_id

    def _body(self, listed: Listed, liked: frozenset[int], image_base_url: str) -> bytes:
        base = json.dumps(image_base_url)[1:-1]
        shown = self._shelf.many(listed.event_ids)
        rows = b",".join(event.body(base, favorited=event.event_id in liked) for event in shown)
        return b'{"events":[' + rows + b"]," + listed.beside


EVENT_CACHE: AppKey[EventCache] = AppKey("event_cache")


def _liked_size(liked: Liked) -> int:
    return CALLER_SIZE + FAVORITE_SIZE * len(liked[1])


def _make_once(_key: Hashable, makers: Sequence[Callable[[], Listed]]) -> Sequence[Listed]:
    """All who wait for the same list get the one that the first of them finds."""
    listed = makers[0]()
    return [listed] * len(makers)
