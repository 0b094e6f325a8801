"""Use cases that list events: browse, search, favorites, recommendations."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.errors import Unauthorized
from eventapp.core.mongo import Db, Document
from eventapp.core.security import Actor
from eventapp.events import rules, store, store_list
from eventapp.events.service import may_see, present
from eventapp.events.service_place import counted_before, next_place, place_of
from eventapp.events.service_search import Search
from eventapp.events.service_words import Matches
from eventapp.favorites import service as favorites

MAX_UNPAGED = 500
FEW = 500


@dataclass(frozen=True)
class Filters:
    """What `GET /events` filters by; the names are the API's."""

    search: str = ""
    city: str = ""
    category: str | None = None
    date_from: date | None = None
    date_to: date | None = None
    available_only: bool = False
    upcoming: bool = True
    min_price: float | None = None
    max_price: float | None = None
    tags: tuple[str, ...] = ()
    organizer_id: ObjectId | None = None
    mine: bool = False


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

    Where the eventIds are all that had to be read, the events are only these.

    Raises:
        ValidationFailed: a page beyond what is counted, or a place of another list.
        Unauthorized: `mine` without a signed-in user.
    """
    if (matches := _matches(asked, now, search)) is not None:
        return _find_best(db, asked, matches)
    where = _where(asked.filters, actor, rules.midnight(now.date()))
    key = _order(asked)
    page = asked.page
    place: tuple[Any, int] | None = None
    skip: int | None = 0
    if asked.after is not None:
        counted, page = counted_before(asked.after)
        place = place_of(asked.after, key[0])
    else:
        counted = store_list.count(db, where, up_to=paging.COUNTED + 1)
        skip = paging.offset(page=page, limit=asked.limit, counted=counted)
    answer = paging.envelope(page=page, limit=asked.limit, counted=counted)
    found: list[Document] = []
    if skip is not None:
        most, hint = asked.limit + 1, _hint(asked.filters, counted)
        found = store_list.rows(db, where, key, after=place, skip=skip, limit=most, hint=hint)
    rows, more = found[: asked.limit], len(found) > asked.limit
    answer["next"] = next_place(rows[-1], key[0], counted, page) if more else None
    return rows, answer


def _hint(filters: Filters, counted: int) -> str | None:
    """The index of a filter that leaves few events: to sort those beats walking the order for them.

    The server can't know, for it does not count first; for many events its own way is better.
    """
    if counted > FEW or not filters.upcoming or filters.mine or filters.search:
        return None
    if filters.organizer_id:
        return "organizer"
    if filters.tags:
        return "listed_tags"
    return "listed_category" if filters.category else None


def list_events(
    db: Db, asked: Asked, *, actor: Actor, now: datetime, images_at: str, search: Search
) -> dict[str, Any]:
    """A page of events as this caller sees them, with what stands beside them. Raises as find."""
    found, answer = find(db, asked, actor, now, search)
    ids = [event for event in found if isinstance(event, int)]
    rows = in_order(db, ids) if ids else [event for event in found if not isinstance(event, int)]
    return {"events": present(db, rows, actor, images_at), **answer}


def in_order(db: Db, event_ids: list[int]) -> list[Document]:
    """The events of these ids that exist, in this order."""
    by_id = {event["eventId"]: event for event in store.get_many(db, event_ids)}
    return [by_id[event_id] for event_id in event_ids if event_id in by_id]


def _matches(asked: Asked, now: datetime, search: Search) -> Matches | None:
    """What the words match, where best match first is asked for and this process knows it."""
    filters = asked.filters
    if not filters.search or asked.sort_by or filters.mine or not filters.upcoming:
        return None
    return search.matches(filters.search, now.date())


def _find_best(db: Db, asked: Asked, matches: Matches) -> tuple[list[int], dict[str, Any]]:
    """A page of the best matches that the other filters let through."""
    others = _conditions(replace(asked.filters, search=""))
    if any(others):
        where = store_list.narrowed(store_list.public_filter(upcoming=True), conditions=others)
        matches = matches.among(store_list.ids_among(db, where, matches.ids.tolist()))
    page, skip = asked.page, 0
    if asked.after is not None:
        counted, page = counted_before(asked.after)
        matches = matches.after(*place_of(asked.after, store_list.RELEVANCE))
        most = asked.limit + 1
    else:
        counted = min(len(matches), paging.COUNTED + 1)
        offset = paging.offset(page=page, limit=asked.limit, counted=counted)
        skip = offset or 0
        most = 0 if offset is None else skip + asked.limit + 1
    best = matches.best(most)[skip:]
    answer = paging.envelope(page=page, limit=asked.limit, counted=counted)
    rows, more = best[: asked.limit], len(best) > asked.limit
    last_row = {"eventId": rows[-1][0], store_list.RELEVANCE: rows[-1][1]} if more else {}
    answer["next"] = next_place(last_row, store_list.RELEVANCE, counted, page) if more else None
    return [event_id for event_id, _ in rows], answer


def _where(filters: Filters, actor: Actor, today: datetime) -> Document:
    return store_list.narrowed(_base(filters, actor, today), conditions=_conditions(filters))


def _conditions(filters: Filters) -> list[Document]:
    return [
        store_list.in_words(filters.search),
        store_list.in_category(filters.category),
        store_list.in_city(rules.fold(filters.city)),
        store_list.with_tags([rules.fold(tag) for tag in filters.tags]),
        store_list.by_organizer(filters.organizer_id),
        store_list.between_dates(_midnight(filters.date_from), _midnight(filters.date_to)),
        store_list.with_price(
            filters.min_price, filters.max_price, available_only=filters.available_only
        ),
    ]


def _base(filters: Filters, actor: Actor, today: datetime) -> Document:
    if not filters.mine:
        return store_list.public_filter(upcoming=filters.upcoming)
    if actor.user_id is None:
        raise Unauthorized
    if not actor.may_see_counts:
        public = store_list.public_filter(upcoming=filters.upcoming)
        return {**public, **store_list.by_organizer(actor.user_id)}
    return store_list.organizers_filter(today, actor.user_id, upcoming=filters.upcoming)


def _midnight(day: date | None) -> datetime | None:
    return rules.midnight(day) if day else None


def _order(asked: Asked) -> tuple[str, int]:
    if asked.sort_by is None and asked.filters.search:
        return store_list.RELEVANCE, -1
    return rules.SORTS[asked.sort_by or "eventId"], -1 if asked.descending else 1


def popular(db: Db, *, limit: int, actor: Actor, images_at: str) -> list[dict[str, Any]]:
    """The most popular upcoming events, best first."""
    where = store_list.public_filter(upcoming=True)
    found = store_list.rows(db, where, ("popularity", -1), limit=limit)
    return present(db, found, actor, images_at)


def recommend(
    db: Db, categories: list[str], *, actor: Actor, images_at: str
) -> list[dict[str, Any]]:
    """Upcoming events of these categories, soonest first; of no category, the most popular."""
    if not categories:
        return popular(db, limit=MAX_UNPAGED, actor=actor, images_at=images_at)
    where = store_list.public_filter(upcoming=True)
    where = store_list.narrowed(where, conditions=[store_list.in_categories(categories)])
    found = store_list.rows(db, where, ("nextDate", 1), limit=MAX_UNPAGED)
    return present(db, found, actor, images_at)


def upcoming(db: Db, *, actor: Actor, images_at: str) -> list[dict[str, Any]]:
    """Up to 500 upcoming events by eventId, for the app that filters on the phone."""
    where = store_list.public_filter(upcoming=True)
    found = store_list.rows(db, where, ("eventId", 1), limit=MAX_UNPAGED)
    return present(db, found, actor, images_at)


def favorite_events(db: Db, *, actor: Actor, images_at: str) -> list[dict[str, Any]]:
    """The caller's favorites that still exist, newest favorite first."""
    ids = favorites.newest_first(db, actor.key)
    found = store.get_many(db, ids) if ids else []
    by_id = {event["eventId"]: event for event in found if may_see(event, actor)}
    return present(db, [by_id[id_] for id_ in ids if id_ in by_id], actor, images_at)
