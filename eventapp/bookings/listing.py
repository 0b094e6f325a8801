"""Reading bookings: one's own, an event's, anyone's."""

from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Document
from eventapp.events import service as events


@dataclass(frozen=True)
class Asked:
    """Filters and place in a list; `after` is a `next` of an earlier answer."""

    status: str | None = None
    event_id: int | None = None
    upcoming: bool | None = None
    page: int = 1
    limit: int = 20
    after: dict[str, Any] | None = None


def of_user(
    context: BookingContext, user_id: ObjectId, asked: Asked, now: datetime
) -> dict[str, Any]:
    """The user's bookings, newest first, as a page."""
    return _page(context, {"userId": user_id}, _filters(asked, now), asked)


def of_event(
    context: BookingContext, event_id: int, actor: Actor, asked: Asked, now: datetime
) -> dict[str, Any]:
    """An event's bookings for its organizer, newest first. EventNotFound, Forbidden."""
    events.managed(context.db, event_id, actor)
    filters = _filters(asked, now)
    if asked.status and asked.status not in rules.ACTIVE:
        filters["active"] = False  # as the index says of the few that have ended
    # Holds last for minutes: those of all events are fewer than the bookings of one.
    hint = store.HELD if asked.status == rules.HELD else None
    return _page(context, {"eventId": event_id}, filters, asked, hint)


def _page(
    context: BookingContext,
    whose: Document,
    filters: Document,
    asked: Asked,
    hint: str | None = None,
) -> dict[str, Any]:
    (of,) = (f"{name}:{value}" for name, value in whose.items())
    where = {**filters, **whose}  # no filter may stand in for whose they are
    skip: int | None
    if asked.after is not None:
        after, counted, page, skip = _place(asked.after, of)
    else:
        counted = store.count(context.db, where, up_to=paging.COUNT_LIMIT + 1, hint=hint)
        after, page = None, asked.page
        skip = paging.page_offset(page=page, limit=asked.limit, counted=counted)
    found: list[Document] = []
    if skip is not None:
        most = asked.limit + 1
        found = store.page(context.db, where, skip=skip, limit=most, after=after, hint=hint)
    rows = found[: asked.limit]
    more = len(found) > asked.limit
    return {
        "bookings": [rules.view(booking) for booking in rows],
        **paging.page_envelope(page=page, limit=asked.limit, counted=counted),
        "next": _next(rows[-1], counted, page, of) if more else None,
    }


def _filters(asked: Asked, now: datetime) -> Document:
    where: Document = {}
    if asked.status:
        where["status"] = asked.status
    if asked.event_id is not None:
        where["eventId"] = asked.event_id
    if asked.upcoming is not None:
        today = datetime.combine(now.date(), time.min, UTC)
        where["date"] = {"$gte": today} if asked.upcoming else {"$lt": today}
    return where


def _next(row: Document, counted: int, page: int, of: str) -> dict[str, Any]:
    created = int(row["createdAt"].timestamp() * 1000)
    return {"of": of, "value": created, "id": str(row["_id"]), "counted": counted, "page": page}


def _place(after: dict[str, Any], of: str) -> tuple[tuple[datetime, ObjectId], int, int, int]:
    if after.get("of") != of:
        raise paging.invalid_cursor()
    counted, page = paging.counted_before(after)
    created_at = paging.cursor_time(paging.cursor_int(after.get("value")))
    return (created_at, paging.cursor_object_id(after.get("id"))), counted, page, 0
