"""Use cases that list events: browse, search, favorites, recommendations."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.core.errors import Unauthorized
from eventapp.events import rules, store, store_listing
from eventapp.events.filters import Filters, conditions
from eventapp.events.index.live_index import Search
from eventapp.events.index.matches import Matches
from eventapp.events.list_pages import Page, page_at
from eventapp.events.service import may_see, present
from eventapp.favorites import service as favorites

MAX_UNPAGED = 500
# Few matches: no more than the first, or than one event in so many.
FEW, RARE = 500, 500


@dataclass(frozen=True)
class Asked:
    """A list that is asked for, and the place in it.

    Attributes:
        sort_by: one of rules.SORTS or None: best match where searched, else eventId.
        after: a `next` of an earlier answer, in place of `page`.
    """

    filters: Filters
    sort_by: str | None = None
    descending: bool = False
    page: int = 1
    limit: int = 20
    after: dict[str, Any] | None = None


def find(
    db: Db, asked: Asked, actor: Actor, now: datetime, search: Search
) -> tuple[list[Document] | list[int], dict[str, Any]]:
    """The events of a page and what stands beside them: `page, limit, total, pages, next`.

    Where the eventIds are all that had to be found, the events are only these.

    Raises:
        ValidationFailed: a page beyond what is counted, or a place of another list.
        Unauthorized: `mine` without a signed-in user.
    """
    filters, order = asked.filters, _order(asked)
    matches = _matches(filters, now, search)
    where = _where(filters, actor, rules.midnight(now.date()))

    def count() -> int:
        if matches is not None:
            return matches.count
        known = search.count(now.date()) if filters == Filters() else None
        return (
            store_listing.count(db, where, up_to=paging.COUNT_LIMIT + 1) if known is None else known
        )

    page = page_at(asked.page, asked.after, limit=asked.limit, field=order[0], count=count)
    if matches is not None and order[0] == store_listing.RELEVANCE:
        return _best(page, matches)
    if matches is not None and order[0] == "eventId":
        return _by_id(page, matches, order[1])
    if matches is not None and matches.count <= max(FEW, matches.among // RARE):
        # To sort these beats walking the order for them, which the database can't know.
        where = {
            **store_listing.public_filter(upcoming=True),
            **store_listing.among(matches.all_ids()),
        }
    elif matches is not None and filters.search:
        return _by_walking(db, page, order, matches)
    found: list[Document] = []
    if page.skip is not None:
        most = asked.limit + 1
        found = store_listing.rows(db, where, order, after=page.after, skip=page.skip, limit=most)
    return page.of(found)


def _matches(filters: Filters, now: datetime, search: Search) -> Matches | None:
    """What the filters leave, where this process knows it and there is something to filter."""
    if filters.mine or not filters.upcoming or filters == Filters():
        return None
    return search.matches(filters, now.date())


def _best(page: Page, matches: Matches) -> tuple[list[int], dict[str, Any]]:
    """A page of the best matches."""
    if page.after is not None:
        matches = matches.worse_than(*page.after)
    best = matches.best(page.most)[page.skip or 0 :]
    rows = [{"eventId": event_id, store_listing.RELEVANCE: score} for event_id, score in best]
    return _ids_of(page, rows)


def _by_id(page: Page, matches: Matches, direction: int) -> tuple[list[int], dict[str, Any]]:
    """A page of the matches by eventId."""
    if page.after is not None:
        matches = matches.beyond_id(page.after[1], direction)
    ids = matches.by_id(page.most, direction)[page.skip or 0 :]
    return _ids_of(page, [{"eventId": event_id} for event_id in ids])


def _by_walking(
    db: Db, page: Page, order: tuple[str, int], matches: Matches
) -> tuple[list[int], dict[str, Any]]:
    """A page of many matches of words, in another order than words have.

    The database would read all that match to sort them; here the order is walked until the page is
    full, and with many matches that is soon.
    """
    rows: list[Document] = []
    everything = store_listing.public_filter(upcoming=True)
    for part in store_listing.walk(db, everything, order, after=page.after) if page.most else ():
        held = matches.holding([row["eventId"] for row in part])
        rows += [row for row, is_held in zip(part, held, strict=True) if is_held]
        if len(rows) >= page.most:
            break
    return _ids_of(page, rows[page.skip or 0 : page.most])


def _ids_of(page: Page, rows: list[Document]) -> tuple[list[int], dict[str, Any]]:
    """As `Page.of`, the eventIds alone."""
    found, answer = page.of(rows)
    return [row["eventId"] for row in found], answer


def list_events(
    db: Db, asked: Asked, *, actor: Actor, now: datetime, image_base_url: str, search: Search
) -> dict[str, Any]:
    """A page of events as this caller sees them, with what stands beside them. Raises as find."""
    found, answer = find(db, asked, actor, now, search)
    ids = [event for event in found if isinstance(event, int)]
    rows = in_order(db, ids) if ids else [event for event in found if not isinstance(event, int)]
    return {"events": present(db, rows, actor, image_base_url), **answer}


def in_order(db: Db, event_ids: list[int]) -> list[Document]:
    """The events of these ids that exist, in this order."""
    by_id = {event["eventId"]: event for event in store.get_many(db, event_ids)}
    return [by_id[event_id] for event_id in event_ids if event_id in by_id]


def _where(filters: Filters, actor: Actor, today: datetime) -> Document:
    return store_listing.narrowed(_base(filters, actor, today), conditions=conditions(filters))


def _base(filters: Filters, actor: Actor, today: datetime) -> Document:
    if not filters.mine:
        return store_listing.public_filter(upcoming=filters.upcoming)
    if actor.user_id is None:
        raise Unauthorized
    if not actor.may_organize:
        public = store_listing.public_filter(upcoming=filters.upcoming)
        return {**public, **store_listing.by_organizer(actor.user_id)}
    return store_listing.organizers_filter(today, actor.user_id, upcoming=filters.upcoming)


def _order(asked: Asked) -> tuple[str, int]:
    if asked.sort_by is None and asked.filters.search:
        return store_listing.RELEVANCE, -1
    return rules.SORTS[asked.sort_by or "eventId"], -1 if asked.descending else 1


def popular(db: Db, *, limit: int, actor: Actor, image_base_url: str) -> list[dict[str, Any]]:
    """The most popular upcoming events, best first."""
    where = store_listing.public_filter(upcoming=True)
    found = store_listing.rows(db, where, ("popularity", -1), limit=limit)
    return present(db, found, actor, image_base_url)


def recommend(
    db: Db, categories: list[str], *, actor: Actor, image_base_url: str
) -> list[dict[str, Any]]:
    """Upcoming events of these categories, soonest first; of no category, the most popular."""
    if not categories:
        return popular(db, limit=MAX_UNPAGED, actor=actor, image_base_url=image_base_url)
    where = store_listing.public_filter(upcoming=True)
    where = store_listing.narrowed(where, conditions=[store_listing.in_categories(categories)])
    found = store_listing.rows(db, where, ("nextDate", 1), limit=MAX_UNPAGED)
    return present(db, found, actor, image_base_url)


def upcoming(db: Db, *, actor: Actor, image_base_url: str) -> list[dict[str, Any]]:
    """Up to 500 upcoming events by eventId, for the app that filters on the phone."""
    where = store_listing.public_filter(upcoming=True)
    found = store_listing.rows(db, where, ("eventId", 1), limit=MAX_UNPAGED)
    return present(db, found, actor, image_base_url)


def favorite_events(db: Db, *, actor: Actor, image_base_url: str) -> list[dict[str, Any]]:
    """The caller's favorites that still exist, newest favorite first."""
    ids = favorites.newest_first(db, actor.favorites_key)
    found = store.get_many(db, ids) if ids else []
    by_id = {event["eventId"]: event for event in found if may_see(event, actor)}
    return present(db, [by_id[id_] for id_ in ids if id_ in by_id], actor, image_base_url)
