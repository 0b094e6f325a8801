"""The cache of events and lists in one process.

What this process changes is shown at once, what another process changed within about a second; see
`freshness` for how, and docs/caching.md for the whole picture.
"""

import itertools
import time
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from eventapp.core import json
from eventapp.core.app_key import AppKey
from eventapp.core.batching import Batcher
from eventapp.core.database import Db
from eventapp.core.lru_cache import LRUCache
from eventapp.core.shared_cache import NO_SHARED_CACHE, SharedCache
from eventapp.events.cache.freshness import (
    MAX_AGE_SECONDS,
    ChangeFeed,
    Effect,
    Freshness,
)
from eventapp.events.cache.loader import EventLoader
from eventapp.events.cache.rendering import (
    FoundPage,
    ListPage,
    PageView,
    RenderedEvent,
    RenderedPage,
    render_event,
    render_page,
)
from eventapp.events.cache.shared_events import SharedEvents
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.rules import list_state
from eventapp.events.types import EventChange, SaleState
from eventapp.favorites import service as favorites

LISTS_BYTES, RENDERED_PAGES_BYTES, FAVORITES_BYTES = 4_000_000, 8_000_000, 4_000_000
# About the bytes that the favorites of an owner take, and each of them.
OWNER_BYTES, FAVORITE_BYTES = 400, 80

PageKey = tuple[Hashable, ...]


class FavoritesEntry(NamedTuple):
    """The favorites of an owner, as read at a time in monotonic seconds."""

    read_at: float
    event_ids: frozenset[int]

    @property
    def size_bytes(self) -> int:
        """About how many bytes of memory a cache needs for it."""
        return OWNER_BYTES + FAVORITE_BYTES * len(self.event_ids)


class EventCache:
    """Rendered events, pages of lists and favorites of one database, as one process holds them.

    It is the process's `EventChanges`: services notify it of what they write.
    """

    def __init__(self, db: Db, shared_cache: SharedCache = NO_SHARED_CACHE) -> None:
        """Create an empty cache; nothing is read yet.

        Args:
            shared_cache: holds what other processes rendered.
        """
        self._db = db
        self.index = LiveIndex(db)
        self._freshness = Freshness()
        self._change_feed = ChangeFeed(db, self._freshness, self._apply_change)
        shared_events = SharedEvents(shared_cache, db.name)
        self._loader = EventLoader(db, self._freshness, shared_events)
        self._pages: LRUCache[PageKey, ListPage] = LRUCache(
            LISTS_BYTES, lambda page: page.size_bytes
        )
        self._rendered_pages: LRUCache[PageKey, RenderedPage] = LRUCache(
            RENDERED_PAGES_BYTES, lambda page: page.size_bytes
        )
        self._favorites: LRUCache[str, FavoritesEntry] = LRUCache(
            FAVORITES_BYTES, lambda entry: entry.size_bytes
        )
        self._page_finders: Batcher[Callable[[], ListPage], ListPage] = Batcher(_find_once)
        # What is held is outdated when the version that it was made of is no longer the current
        # one: a page, after a change that may alter lists; a page's JSON, after any change of an
        # event. Favorites that were read while this process changed any are not held.
        self._list_version = self._content_version = self._favorites_version = 0
        # Versions are never used again, so that an outdated page can't become valid later.
        self._new_versions = itertools.count(1)

    # What requests ask for.

    def get_event(self, event_id: int) -> RenderedEvent:
        """Return the event as callers without special permissions see it, drafts included.

        Raises:
            EventNotFound, DatabaseUnavailable.
        """
        self._change_feed.poll_if_due()
        return self._loader.load(event_id)

    def get_page(self, key: PageKey) -> ListPage | None:
        """Return the page of this key if it is held and up to date.

        Raises:
            DatabaseUnavailable.
        """
        self._change_feed.poll_if_due()
        page = self._pages.get(key)
        return page if page and page.list_version == self._list_version else None

    def load_page(self, key: PageKey, find: Callable[[], FoundPage]) -> ListPage:
        """Return the page of this key, found anew if none is held.

        Calls for the same key at the same time find it once.

        Args:
            find: finds the page in the index or the database.
        """
        page = self.get_page(key)
        return page or self._page_finders.submit(key, lambda: self._find_page(key, find))

    def render_page(self, page: ListPage, caller: str, image_base_url: str) -> RenderedPage:
        """Return the page as JSON for this caller (an actor's key)."""
        favorited = self.get_favorites(caller).intersection(page.event_ids)
        view = PageView(self._content_version, image_base_url, favorited)
        rendered = self._rendered_pages.get(page.key)
        if rendered is None or rendered.view != view:
            rendered = render_page(page, self._loader.load_many(page.event_ids), view)
            if page.was_shown:
                self._rendered_pages.put(page.key, rendered)
            page.was_shown = True
        return rendered

    def get_favorites(self, owner: str) -> frozenset[int]:
        """Return the eventIds of the owner's favorites, at most MAX_AGE_SECONDS old."""
        entry, now, version = self._favorites.get(owner), time.monotonic(), self._favorites_version
        if entry and now - entry.read_at < MAX_AGE_SECONDS:
            return entry.event_ids
        event_ids = frozenset(favorites.list_event_ids(self._db, owner))
        if version == self._favorites_version:
            self._favorites.put(owner, FavoritesEntry(now, event_ids))
        return event_ids

    # What services of this process changed (EventChanges).

    def changed(self, event_id: int) -> None:
        """Receive that this process created, edited or deleted the event."""
        self._freshness.record_edit(event_id)
        self.index.event_changed(event_id)
        self._expire_pages(lists_differ=True)

    def stock_changed(self, sale_state: SaleState) -> None:
        """Receive that this process sold or returned tickets: the event's stock after it."""
        lists_differ = self._freshness.record_sale(sale_state)
        if lists_differ:
            self.index.event_changed(sale_state["eventId"], list_state(sale_state))
        self._expire_pages(lists_differ=lists_differ)

    def favorites_changed(self, owner: str) -> None:
        """Receive that this process changed the owner's favorites."""
        self._favorites_version = next(self._new_versions)
        self._favorites.discard(owner)

    def reset(self) -> None:
        """Forget everything, because anything may have changed."""
        self._favorites_version = next(self._new_versions)
        self._freshness.reset()
        self._change_feed.expire()
        self.index.reset()
        self._pages.clear()
        self._rendered_pages.clear()
        self._favorites.clear()
        self._expire_pages(lists_differ=True)

    # How the cache is filled and kept up to date.

    def _apply_change(self, change: EventChange, effect: Effect) -> None:
        """Expire what a change that a poll returned makes outdated."""
        lists_differ = effect is Effect.LISTS
        if lists_differ:
            state = None if "gone" in change else list_state(change)
            self.index.event_changed(change["eventId"], state)
        self._expire_pages(lists_differ=lists_differ)

    def _expire_pages(self, *, lists_differ: bool) -> None:
        if lists_differ:
            self._list_version = next(self._new_versions)
        self._content_version = next(self._new_versions)

    def _find_page(self, key: PageKey, find: Callable[[], FoundPage]) -> ListPage:
        list_version, started = self._list_version, self._freshness.start_read()
        found = find()
        for event in found.events:
            self._freshness.keep(render_event(event), started)
        page = ListPage(key, list_version, found.event_ids, json.dumps(found.envelope)[1:])
        self._pages.put(key, page)
        return page


EVENT_CACHE: AppKey[EventCache] = AppKey("event_cache")


def _find_once(_key: Hashable, finders: Sequence[Callable[[], ListPage]]) -> Sequence[ListPage]:
    """Return the page that the first of these calls finds to all of them."""
    page = finders[0]()
    return [page] * len(finders)
