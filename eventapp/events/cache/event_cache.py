"""The cache of events, pages of lists, and favorites in one process.

`EventCache` also owns what keeps its contents fresh: the `Freshness` of rendered events, the
`ChangeFeed` that polls for changes by other processes, the `EventLoader` that reads missing events,
and the in-memory index of listed events. A change by this process shows at once. One by another
process shows within about a second, because a request polls first if the last poll is older than
0.4 s. A caller who has just written sees the own write at once: such a request polls in any case.
`freshness` describes the protocol, and docs/caching.md is an overview.
"""

import itertools
from collections.abc import Hashable, Sequence
from datetime import date, datetime
from zoneinfo import ZoneInfo

from eventapp.core import json
from eventapp.core.access.actor import GUEST_FAVORITES_KEY, Actor
from eventapp.core.app_key import AppKey
from eventapp.core.batching import Batcher
from eventapp.core.clock import get_local_date
from eventapp.core.database import Db, ServerClock
from eventapp.core.lru_cache import DEFAULT_BUDGET, CacheBudget, LRUCache
from eventapp.core.shared_cache import NO_SHARED_CACHE, SharedCache
from eventapp.events.cache.change_feed import ChangeFeed
from eventapp.events.cache.favorites_cache import FavoritesCache
from eventapp.events.cache.freshness import Effect, Freshness
from eventapp.events.cache.loader import EventLoader, SharedEvents
from eventapp.events.cache.rendering import (
    CachedPage,
    PageKey,
    PageView,
    RenderedEvent,
    RenderedPage,
    render_event,
    render_page,
)
from eventapp.events.cache.shared_body import CallerPage, EventsBody
from eventapp.events.errors import EventNotFound
from eventapp.events.facet_counts import add_facets
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.list_pages import find_page
from eventapp.events.list_requests import ListRequest
from eventapp.events.rules import get_list_state
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.types import EventChange, SaleState
from eventapp.favorites import service as favorites

_ANYONE = Actor()
# Popularity scores change without setting `changedAt`, so that no poll returns the change. A page
# in that order is therefore cached no longer than this.
POPULARITY_PAGE_SECONDS = 5


class EventCache:
    """The cached events, pages of lists and favorites of one database in one process.

    It implements `EventChanges`: the services of the process notify it of what they write.

    Attributes:
        index: the in-memory index of listed events. It contains the changes by other processes up
            to the last poll. A query of the index does not poll; call `receive_changes` before.
    """

    def __init__(
        self,
        db: Db,
        shared_cache: SharedCache = NO_SHARED_CACHE,
        default_zone: ZoneInfo = UTC_ZONE,
        budget: CacheBudget = DEFAULT_BUDGET,
    ) -> None:
        """Create an empty cache; nothing is read yet.

        Args:
            shared_cache: contains what other processes rendered.
            default_zone: the zone of today in lists.
            budget: bounds the cached events, pages and favorites.
        """
        self._db, self._default_zone = db, default_zone
        self._server_clock = ServerClock(db)
        self._clock = self._server_clock.now
        self.index = LiveIndex(db, self._clock)
        self._freshness = Freshness(self._clock, budget)
        self._change_feed = ChangeFeed(
            db, self._freshness, self._apply_change, self.favorites_changed
        )
        self._loader = EventLoader(
            db, self._freshness, SharedEvents(shared_cache, db.name), self._clock
        )
        self._pages: LRUCache[PageKey, CachedPage] = LRUCache(
            budget.get_bytes("pages"), lambda page: page.size_bytes
        )
        self._rendered_pages: LRUCache[PageKey, RenderedPage] = LRUCache(
            budget.get_bytes("rendered pages"), lambda page: page.size_bytes
        )
        self._favorites = FavoritesCache(db, budget.get_bytes("favorites"))
        self._page_searches: Batcher[PageKey, CachedPage] = Batcher(self._find_once)
        # What was found or rendered under another version is outdated. Every version is used once.
        self._new_versions = itertools.count(1)
        # Of all pages: changes with every change that may alter which events a list contains.
        self._list_version = 0
        # Of the JSON of all pages: changes with every change of an event.
        self._content_version = 0

    def receive_changes(self, actor: Actor = _ANYONE) -> None:
        """Receive the changes by other processes, unless that was done less than 0.4 s ago.

        Args:
            actor: the caller for whom the cache is used. For one who has just written, every
                change is received that was made before this call.

        Raises:
            DatabaseUnavailable.
        """
        if actor.has_recent_writes:
            self._change_feed.poll_now()
        else:
            self._change_feed.poll_if_due()

    def get_today(self, now: datetime) -> date:
        """Return the date by which lists contain upcoming events."""
        return get_local_date(now, self._default_zone)

    # Events.

    def show_event(self, event_id: int, actor: Actor, image_base_url: str) -> bytes | None:
        """Return the event as JSON for this caller.

        Returns:
            None if the event is a draft, or if the caller may manage it. The caller of this method
            must then read the event from the database and check who may see it.

        Raises:
            EventNotFound, DatabaseUnavailable.
        """
        event = self.get_event(event_id, actor)
        if event.is_draft or actor.may_manage_event(event_id, event.organizer_id):
            return None
        favorited = event_id in self._get_favorites(actor)
        return event.to_json(image_base_url, favorited=favorited)

    def get_event(self, event_id: int, actor: Actor = _ANYONE) -> RenderedEvent:
        """Return the event without the counts that only its organizer and admins see.

        It may be a draft, which only they may see at all; `is_draft` says so.

        Args:
            actor: as in `receive_changes`.

        Raises:
            EventNotFound, DatabaseUnavailable.
        """
        self.receive_changes(actor)
        event = self._freshness.get(event_id) or self._loader.load((event_id,)).get(event_id)
        if event is None:
            raise EventNotFound
        return event

    def get_events(self, event_ids: Sequence[int], actor: Actor = _ANYONE) -> list[RenderedEvent]:
        """Return those of these events that exist, in this order, as `get_event` returns them.

        Args:
            actor: as in `receive_changes`.

        Raises:
            DatabaseUnavailable.
        """
        self.receive_changes(actor)
        return self._load_events(event_ids)

    def _load_events(self, event_ids: Sequence[int]) -> list[RenderedEvent]:
        events = {event_id: self._freshness.get(event_id) for event_id in event_ids}
        missing = tuple(event_id for event_id, event in events.items() if event is None)
        if missing:
            events.update(self._loader.load(missing))
        return [event for event in events.values() if event]

    # Pages of the list.

    def load_page(
        self,
        request: ListRequest,
        now: datetime,
        actor: Actor,
        image_base_url: str,
        *,
        is_bare: bool = False,
    ) -> CallerPage:
        """Return a page of the public list as JSON for all callers, and the caller's favorites.

        Args:
            is_bare: return only the array of the events.

        Raises:
            ValidationFailed: the page begins after the last row that a page number can reach.
            DatabaseUnavailable.
        """
        self.receive_changes(actor)
        key = _make_page_key(request, now, self.get_today(now))
        page = self._get_page(key._replace(is_bare=True) if is_bare else key)
        favorite_ids = self._get_favorites(actor)
        view = PageView(self._content_version, image_base_url)
        rendered = self._rendered_pages.get(page.key)
        if rendered is None or rendered.view != view or rendered.is_outdated(self._clock()):
            # The page may name an event that has become a draft since it was found.
            events = [each for each in self._load_events(page.event_ids) if each.may_be_listed]
            rendered = render_page(page, events, view)
            if page.was_shown:
                self._rendered_pages.put(page.key, rendered)
            page.was_shown = True
        return CallerPage(rendered.shared_body, favorite_ids)

    def _get_page(self, key: PageKey) -> CachedPage:
        """Return the page of this key, found again if it is outdated.

        If several threads need the same page at the same time, one of them finds it for all.
        """
        page = self._pages.get(key)
        if page and page.list_version == self._list_version:
            return page
        return self._page_searches.submit(key, key)

    def _find_once(self, _key: Hashable, keys: Sequence[PageKey]) -> Sequence[CachedPage]:
        """Find the page of these equal keys once, cache it, and return it for each of them."""
        key = keys[0]
        list_version, started = self._list_version, self._freshness.start_read()
        found = find_page(self._db, key.request, key.day, self.index)
        found = add_facets(self._db, found, key.request, key.day, self.index)
        now = self._clock()
        for event in found.events:
            self._freshness.keep(render_event(event, now), started)
        envelope = json.dumps(found.envelope)[1:]
        page = CachedPage(key, list_version, found.event_ids, found.distances, envelope)
        self._pages.put(key, page)
        return [page] * len(keys)

    # Favorites.

    def _get_favorites(self, actor: Actor) -> frozenset[int]:
        """Return the eventIds of the caller's favorites. Call `receive_changes` before."""
        if actor.is_device:
            # Nothing says whether a device has just written, so its favorites are never cached.
            return frozenset(favorites.list_event_ids(self._db, actor.favorites_key))
        return self._favorites.load(actor.favorites_key)

    # Answers for callers without a token, if they need no database.

    def peek_event(self, event_id: int, image_base_url: str) -> bytes | None:
        """Return what `show_event` shows to a caller without a token or device id.

        Returns:
            None if the event is a draft or does not exist, or if the database must be asked.
        """
        favorite_ids = self._peek_guest_favorites()
        event = None if favorite_ids is None else self._freshness.get(event_id)
        if favorite_ids is None or event is None or event.is_draft:
            return None
        return event.to_json(image_base_url, favorited=event_id in favorite_ids)

    def peek_page(self, request: ListRequest, image_base_url: str) -> EventsBody | None:
        """Return what `load_page` gives a caller without a token or device id.

        Args:
            request: as it was parsed, for the public list.

        Returns:
            None if the page must be found or rendered again, or if the database must be asked.
        """
        favorite_ids = self._peek_guest_favorites()
        if favorite_ids is None:
            return None
        now = self._clock()
        key = _make_page_key(request.at(now), now, self.get_today(now))
        page, rendered = self._pages.get(key), self._rendered_pages.get(key)
        if page is None or rendered is None or page.list_version != self._list_version:
            return None
        view = PageView(self._content_version, image_base_url)
        is_current = rendered.view == view and not rendered.is_outdated(now)
        return rendered.shared_body.show(favorite_ids) if is_current else None

    def _peek_guest_favorites(self) -> frozenset[int] | None:
        """Return the favorites of the shared guest; None if the database must be asked."""
        may_answer = self._change_feed.may_skip_poll() and self._server_clock.needs_no_measurement
        return self._favorites.get(GUEST_FAVORITES_KEY) if may_answer else None

    # Changes by services of this process (EventChanges).

    def event_changed(self, event_id: int) -> None:
        """Record that this process created, edited or deleted the event."""
        self._freshness.record_edit(event_id)
        self.index.mark_stale(event_id)
        self._expire_pages(lists_differ=True)

    def stock_changed(self, sale_state: SaleState) -> None:
        """Record that this process sold or returned tickets: `sale_state` is the result."""
        lists_differ = self._freshness.record_sale(sale_state)
        if lists_differ:
            self.index.mark_stale(sale_state["eventId"], get_list_state(sale_state))
        self._expire_pages(lists_differ=lists_differ)

    def favorites_changed(self, owner: str) -> None:
        """Record that this or another process changed the owner's favorites."""
        self._favorites.drop(owner)

    def reset(self) -> None:
        """Drop everything that is cached, because anything may have changed."""
        self._freshness.reset()
        self._change_feed.force_poll()
        self.index.reset()
        self._pages.clear()
        self._rendered_pages.clear()
        self._favorites.clear()
        self._expire_pages(lists_differ=True)

    # Changes by other processes.

    def _apply_change(self, change: EventChange, effect: Effect) -> None:
        """Expire what a change that a poll returned makes outdated."""
        lists_differ = effect is Effect.LISTS
        if lists_differ:
            state = None if "gone" in change else get_list_state(change)
            self.index.mark_stale(change["eventId"], state)
        self._expire_pages(lists_differ=lists_differ)

    def _expire_pages(self, *, lists_differ: bool) -> None:
        """Make the JSON of all pages outdated, and if lists differ, the pages themselves too."""
        if lists_differ:
            self._list_version = next(self._new_versions)
        self._content_version = next(self._new_versions)


EVENT_CACHE: AppKey[EventCache] = AppKey("event_cache")


def _make_page_key(request: ListRequest, now: datetime, today: date) -> PageKey:
    if request.sort_by == "popularity":
        return PageKey(request, today, int(now.timestamp() // POPULARITY_PAGE_SECONDS))
    return PageKey(request, today)
