"""Use cases that list events: browse, search, favorites, recommendations."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypeGuard

from bson import ObjectId

from eventapp.core import paging
from eventapp.core.errors import Unauthorized
from eventapp.core.mongo import Db, Document
from eventapp.core.security import Actor
from eventapp.events import rules, store, store_list
from eventapp.events.service import may_see, present
from eventapp.favorites import service as favorites

MAX_UNPAGED = 500
MAX_INT64 = 2**63 - 1


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


def list_events(
    db: Db,
    filters: Filters,
    order: tuple[str | None, bool],
    *,
    page: int,
    limit: int,
    after: dict[str, Any] | None,
    actor: Actor,
    now: datetime,
    images_at: str,
) -> dict[str, Any]:
    """A page of events with `page, limit, total, pages` and `next`: the place to go on after.

    Args:
        order: one of rules.SORTS or None (best match, else eventId), and whether descending.
        after: a `next` of an earlier answer, in place of `page`.

    Raises:
        ValidationFailed: a page beyond what is counted, or a place of another list.
        Unauthorized: `mine` without a signed-in user.
    """
    where = _where(filters, actor, rules.midnight(now.date()))
    key = _order(order, searching=bool(filters.search))
    skip: int | None = 0
    if after is not None:
        counted, page = _counted_before(after)
        place = _place(after, key[0])
    else:
        counted = store_list.count(db, where, up_to=paging.COUNTED + 1)
        skip, place = paging.offset(page=page, limit=limit, counted=counted), None
    answer = paging.envelope(page=page, limit=limit, counted=counted)
    found: list[Document] = []
    if skip is not None:
        found = store_list.rows(db, where, key, after=place, skip=skip, limit=limit + 1)
    rows = found[:limit]
    answer["next"] = _next(rows[-1], key[0], counted, page) if len(found) > limit else None
    return {"events": present(db, rows, actor, images_at), **answer}


def _where(filters: Filters, actor: Actor, today: datetime) -> Document:
    conditions = [
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
    return store_list.narrowed(_base(filters, actor, today), conditions=conditions)


def _base(filters: Filters, actor: Actor, today: datetime) -> Document:
    if not filters.mine:
        return store_list.public_filter(upcoming=filters.upcoming)
    if actor.user_id is None:
        raise Unauthorized
    return store_list.organizers_filter(today, actor.user_id, upcoming=filters.upcoming)


def _midnight(day: date | None) -> datetime | None:
    return rules.midnight(day) if day else None


def _order(order: tuple[str | None, bool], *, searching: bool) -> tuple[str, int]:
    sort_by, descending = order
    if sort_by is None and searching:
        return store_list.RELEVANCE, -1
    return rules.SORTS[sort_by or "eventId"], -1 if descending else 1


def _next(row: Document, field: str, counted: int, page: int) -> dict[str, Any]:
    """A place in a list, as JSON can hold it."""
    value = row[field]
    if isinstance(value, datetime):
        value = value.date().isoformat()
    return {"value": value, "id": row["eventId"], "counted": counted, "page": page}


def _counted_before(after: dict[str, Any]) -> tuple[int, int]:
    """Counts as they stood where the walk began: to count again would cost on every page."""
    counted, page = after.get("counted"), after.get("page")
    if not _is_whole(counted, paging.COUNTED + 1) or not _is_whole(page, MAX_INT64):
        raise paging.bad_cursor()
    return counted, page + 1


def _place(after: dict[str, Any], field: str) -> tuple[Any, int]:
    value, event_id = after.get("value"), after.get("id")
    if not _is_whole(event_id, MAX_INT64):
        raise paging.bad_cursor()
    if field == "nextDate":
        return _day(value), event_id
    if field == "titleKey":
        fits = isinstance(value, str)
    else:
        fits = isinstance(value, float) or _is_whole(value, MAX_INT64)
    if not fits:
        raise paging.bad_cursor()
    return value, event_id


def _is_whole(value: Any, high: int) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= high


def _day(value: Any) -> datetime:
    try:
        return rules.midnight(date.fromisoformat(value))
    except (TypeError, ValueError):
        raise paging.bad_cursor() from None


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
