"""List bookings in pages: those of a user, and those of an event."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.store import Position
from eventapp.bookings.types import StoredBooking
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Query
from eventapp.core.json import JsonObject
from eventapp.events import service as events


@dataclass(frozen=True)
class PageRequest:
    """Which bookings are listed, and which page of them.

    Attributes:
        status: only bookings of this status.
        event_id: only bookings of this event.
        upcoming: True for dates from today on, False for dates before today.
        page: the number of the page, from 1; ignored if there is a `cursor`.
        limit: bookings of a page.
        cursor: the position after which the page begins, as an earlier page gave it in `next`.
    """

    status: str | None = None
    event_id: int | None = None
    upcoming: bool | None = None
    page: int = 1
    limit: int = 20
    cursor: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class _Start:
    """Where a page begins.

    Attributes:
        after: the position that it begins after; None to count from the newest booking.
        skip: bookings to skip; None if the page is behind the last booking.
        counted: bookings that match, counted no further than the limit of paging.
        page: the number of the page.
    """

    after: Position | None
    skip: int | None
    counted: int
    page: int


def list_user_bookings(
    context: BookingContext, user_id: ObjectId, request: PageRequest, now: datetime
) -> JsonObject:
    """Return a page of a user's bookings, newest first."""
    return _list_page(context, "userId", user_id, _filters(request, now), request)


def list_event_bookings(
    context: BookingContext, event_id: int, actor: Actor, request: PageRequest, now: datetime
) -> JsonObject:
    """Return a page of an event's bookings, newest first, to its organizer.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
    """
    events.get_managed(context.db, event_id, actor)
    filters = _filters(request, now)
    if request.status and request.status not in rules.ACTIVE_STATUSES:
        # The index over the few bookings that have ended requires this condition.
        filters["active"] = False
    # A hold lasts minutes, so the holds of all events are fewer than the bookings of one event.
    hint = store.HELD_INDEX if request.status == rules.HELD else None
    return _list_page(context, "eventId", event_id, filters, request, hint)


def _list_page(
    context: BookingContext,
    owner_field: str,
    owner_id: ObjectId | int,
    filters: Query,
    request: PageRequest,
    hint: str | None = None,
) -> JsonObject:
    """Return a page of the bookings of one user or one event.

    Args:
        owner_field: `userId` or `eventId`. It cannot be replaced by a filter.
    """
    list_id = f"{owner_field}:{owner_id}"
    where = {**filters, owner_field: owner_id}
    if request.cursor is not None:
        start = _start_after(request.cursor, list_id)
    else:
        counted = store.count_bookings(context.db, where, up_to=paging.COUNT_LIMIT + 1, hint=hint)
        skip = paging.page_offset(page=request.page, limit=request.limit, counted=counted)
        start = _Start(None, skip, counted, request.page)
    found: list[StoredBooking] = []
    if start.skip is not None:
        found = store.find_page(
            context.db,
            where,
            skip=start.skip,
            limit=request.limit + 1,
            after=start.after,
            hint=hint,
        )
    bookings = found[: request.limit]
    has_more = len(found) > request.limit
    return {
        "bookings": [rules.view(booking) for booking in bookings],
        **paging.page_envelope(page=start.page, limit=request.limit, counted=start.counted),
        "next": _position_after(bookings[-1], start, list_id) if has_more else None,
    }


def _filters(request: PageRequest, now: datetime) -> Query:
    where: Query = {}
    if request.status:
        where["status"] = request.status
    if request.event_id is not None:
        where["eventId"] = request.event_id
    if request.upcoming is not None:
        today = datetime.combine(now.date(), time.min, UTC)
        where["date"] = {"$gte": today} if request.upcoming else {"$lt": today}
    return where


def _position_after(booking: StoredBooking, start: _Start, list_id: str) -> JsonObject:
    """Return what a cursor must hold to continue after this booking, the last of a page."""
    return {
        "of": list_id,
        "value": int(booking["createdAt"].timestamp() * 1000),
        "id": str(booking["_id"]),
        "counted": start.counted,
        "page": start.page,
    }


def _start_after(cursor: Mapping[str, Any], list_id: str) -> _Start:
    """Return the start of the page after a cursor's position.

    Raises:
        ValidationFailed: it is not a cursor of this list.
    """
    if cursor.get("of") != list_id:
        raise paging.invalid_cursor()
    counted, page = paging.counted_before(cursor)
    created_at = paging.cursor_time(paging.cursor_int(cursor.get("value")))
    booking_id = paging.cursor_object_id(cursor.get("id"))
    return _Start((created_at, booking_id), 0, counted, page)
