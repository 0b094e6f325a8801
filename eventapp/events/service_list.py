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
    db: Db, asked: Asked, actor: Actor, now: datetime
) -> tuple[list[Document], dict[str, Any]]:
    """The stored events of a page, and `page, limit, total, pages, next` to stand beside them.

    Raises:
        ValidationFailed: a page beyond what is counted, or a place of another list.
        Unauthorized: `mine` without a signed-in user.
    """
    where = _where(asked.filters, actor, rules.midnight(now.date()))
    key = _order(asked)
    page = asked.page
    place: tuple[Any, int] | None = None
    skip: int | None = 0
    if asked.after is not None:
        counted, page = _counted_before(asked.after)
        place = _place(asked.after, key[0])
    else:
        counted = store_list.count(db, where, up_to=paging.COUNTED + 1)
        skip = paging.offset(page=page, limit=asked.limit, counted=counted)
    answer = paging.envelope(page=page, limit=asked.limit, counted=counted)
    found: list[Document] = []
    if skip is not None:
        found = store_list.rows(db, where, key, after=place, skip=skip, limit=asked.limit + 1)
    rows, more = found[: asked.limit], len(found) > asked.limit
    answer["next"] = _next(rows[-1], key[0], counted, page) if more else None
    return rows, answer


def list_events(
    db: Db, asked: Asked, *, actor: Actor, now: datetime, images_at: str
) -> dict[str, Any]:
    """A page of events as this caller sees them, with what stands beside them. Raises as find."""
    rows, answer = find(db, asked, actor, now)
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


def _order(asked: Asked) -> tuple[str, int]:
    if asked.sort_by is None and asked.filters.search:
        return store_list.RELEVANCE, -1
    return rules.SORTS[asked.sort_by or "eventId"], -1 if asked.descending else 1


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
