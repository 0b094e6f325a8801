"""Find, render and list bookings, and refuse callers that may not see them.

This is also the module that other features call.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import cast

from bson import ObjectId

from eventapp.bookings import rules, store, store_untold_holders, views
from eventapp.bookings.bodies import BookingView, CheckedInView
from eventapp.bookings.booked_entries import follow_event, follow_events
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import BookingNotFound
from eventapp.bookings.rules import from_cents, to_cents
from eventapp.bookings.store import BookingPosition
from eventapp.bookings.ticket_places import list_issued_items
from eventapp.bookings.types import StoredBooking
from eventapp.bookings.views import list_attendees, list_refunds
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Query
from eventapp.core.json import JsonObject
from eventapp.events import service as events
from eventapp.inventory.service import EventNotFound, start_of_day
from eventapp.payments.types import Refund

# Routes and other features use these, and cannot import the rules.
__all__ = [
    "follow_event",
    "follow_events",
    "from_cents",
    "list_attendees",
    "list_issued_items",
    "list_refunds",
    "to_cents",
]

BOOKINGS_PER_QUERY = 500


def find_booking(context: BookingContext, booking_id: ObjectId) -> StoredBooking:
    """Return the booking with this id.

    Raises:
        BookingNotFound: there is none.
    """
    booking = store.find_booking(context.db, booking_id)
    if booking is None:
        raise BookingNotFound
    return booking


def find_bookings(db: Db, booking_ids: Collection[ObjectId]) -> list[StoredBooking]:
    """Return the bookings of these ids that exist, as they are shown (`follow_events`)."""
    return follow_events(db, store.find_bookings(db, booking_ids))


def render_for_organizer(booking: StoredBooking, *, with_attendees: bool) -> BookingView:
    """Return a booking as the API shows it to the organizer of its event.

    Args:
        booking: as `follow_events` returns it.
        with_attendees: whether it says who comes with the tickets.
    """
    return views.render_booking(booking, with_attendees=with_attendees)


def render_checked_in_ticket(
    booking: StoredBooking, place: str, *, with_attendees: bool
) -> CheckedInView:
    """Return the ticket at a place of a booking, whose check-in may be undone by now.

    Args:
        with_attendees: whether it says who comes with the ticket.
    """
    return views.render_checked_in_ticket(booking, place, with_attendees=with_attendees)


def find_own_booking(context: BookingContext, booking_id: ObjectId, actor: Actor) -> StoredBooking:
    """Return a booking of the caller, or any booking if the caller is an admin.

    Raises:
        BookingNotFound: there is none, or it is another user's.
    """
    booking = find_booking(context, booking_id)
    if not is_holder_or_admin(booking, actor):
        raise BookingNotFound
    return booking


def find_visible_booking(
    context: BookingContext, booking_id: ObjectId, actor: Actor
) -> StoredBooking:
    """Return a booking that the caller made or that is for an event of the caller.

    Admins may see every booking.

    Raises:
        BookingNotFound: there is none, or the caller may not see it.
    """
    return _require_visible(context, store.find_booking(context.db, booking_id), actor)


def _require_visible(
    context: BookingContext, booking: StoredBooking | None, actor: Actor
) -> StoredBooking:
    if booking and is_holder_or_admin(booking, actor):
        return booking
    if booking and is_organizer_or_admin(context, booking, actor):
        return booking
    raise BookingNotFound


def is_holder_or_admin(booking: StoredBooking, actor: Actor) -> bool:
    """Return whether the caller is the holder of this booking, or an admin."""
    is_allowed = actor.may_manage_booking(booking["_id"], booking["userId"])
    return is_allowed and actor.reaches_event(booking["eventId"])


def is_organizer_or_admin(context: BookingContext, booking: StoredBooking, actor: Actor) -> bool:
    """Return whether the caller may do the action of the request as organizer, or is an admin.

    Members of the organizer's team may do it if their role in the team allows it.

    The event is read, because it may have another organizer than when it was booked. If it was
    deleted, its last organizer is the one in the booking.
    """
    if actor.is_admin or not actor.may_manage_events:
        return actor.is_admin
    try:
        organizer_id = events.get_event(context.db, booking["eventId"])["organizerId"]
    except EventNotFound:
        organizer_id = booking["organizerId"]
    return actor.may_manage_event(booking["eventId"], organizer_id)


def may_see_attendees(booking: StoredBooking, actor: Actor) -> bool:
    """Return whether a booking that the caller sees shows them who comes with its tickets.

    An API token shows that only to the holder. For organizers there is a list with a scope of its
    own.
    """
    return actor.token is None or is_holder_or_admin(booking, actor)


def render_current(
    context: BookingContext,
    booking: StoredBooking,
    actor: Actor,
    client_secret: str | None = None,
) -> BookingView:
    """Return a booking as the API shows it to a caller, with the present state of its entry.

    Args:
        client_secret: lets the buyer pay; it is shown to the buyer alone.
    """
    return views.render_booking(
        follow_event(context.db, booking),
        client_secret,
        with_attendees=may_see_attendees(booking, actor),
    )


def render_visible_booking(
    context: BookingContext, booking_id: ObjectId, actor: Actor
) -> BookingView:
    """Return a booking as the API shows it.

    Raises:
        BookingNotFound: there is none, or the caller may not see it.
    """
    return render_current(context, find_visible_booking(context, booking_id, actor), actor)


def render_booking_by_reference(
    context: BookingContext, reference: str, actor: Actor
) -> BookingView:
    """Return the booking with this reference as the API shows it.

    Raises:
        BookingNotFound: there is none, or the caller may not see it.
    """
    found = _require_visible(context, store.find_by_reference(context.db, reference), actor)
    return render_current(context, found, actor)


# Lists.


@dataclass(frozen=True)
class BookingPageRequest:
    """A request for a page of a list of bookings.

    Attributes:
        status: list only bookings of this status; None for all.
        event_id: list only bookings of this event; None for all.
        upcoming: True to list dates from today on, False for dates before today, None for all.
        page: the number of the page, from 1; ignored if there is a `cursor`.
        limit: the bookings of a page.
        cursor: the position after which the page begins, from `next` of an earlier page.
    """

    status: str | None = None
    event_id: int | None = None
    upcoming: bool | None = None
    page: int = 1
    limit: int = 20
    cursor: JsonObject | None = None


@dataclass(frozen=True)
class _Start:
    """Where a page begins.

    Attributes:
        after: the position that it begins after; None to count from the newest booking.
        counted: bookings that match, counted no further than `paging.COUNT_LIMIT` + 1.
        page: the number of the page.
    """

    after: BookingPosition | None
    counted: int
    page: int


def list_user_bookings(
    context: BookingContext, user_id: ObjectId, request: BookingPageRequest, now: datetime
) -> JsonObject:
    """Return a page of a user's bookings, newest first."""
    filters = _build_filters(context, request, now)
    return _list_page(context, "userId", user_id, filters, request, with_attendees=True)


def list_event_bookings(
    context: BookingContext, event_id: int, actor: Actor, request: BookingPageRequest, now: datetime
) -> JsonObject:
    """Return a page of an event's bookings, newest first, for its organizer.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
    """
    events.get_managed(context.db, event_id, actor)
    filters = _build_filters(context, request, now)
    if request.status and request.status not in rules.ACTIVE_STATUSES:
        # Without this condition the index over bookings that have ended is not used.
        filters["active"] = False
    # A hold lasts minutes, so all events together have fewer holds than one event has bookings.
    hint = store.HELD_INDEX if request.status == rules.HELD else None
    return _list_page(
        context,
        "eventId",
        event_id,
        filters,
        request,
        hint,
        with_attendees=actor.token is None,
    )


def _list_page(
    context: BookingContext,
    owner_field: str,
    owner_id: ObjectId | int,
    filters: Query,
    request: BookingPageRequest,
    hint: str | None = None,
    *,
    with_attendees: bool,
) -> JsonObject:
    """Return a page of the bookings of one user or one event.

    Args:
        owner_field: `userId` or `eventId`. No filter overrides it.

    Returns:
        `bookings` as the API shows them, the fields of `paging.make_page_envelope`, and `next`: the
        position of the next page, None if this is the last one.
    """
    list_id = f"{owner_field}:{owner_id}"
    where = {**filters, owner_field: owner_id}
    find = partial(store.find_page, context.db, where, hint=hint)
    if request.cursor is not None:
        start = _parse_cursor(request.cursor, list_id)
        found = find(skip=0, limit=request.limit + 1, after=start.after)
    else:
        found, counted = paging.find_counted_page(
            page=request.page,
            limit=request.limit,
            count=lambda up_to: store.count_bookings(context.db, where, up_to=up_to, hint=hint),
            find=lambda skip, limit: find(skip=skip, limit=limit, after=None),
        )
        start = _Start(None, counted, request.page)
    bookings = found[: request.limit]
    has_more = len(found) > request.limit
    return {
        "bookings": [
            views.render_booking(each, with_attendees=with_attendees)
            for each in follow_events(context.db, bookings)
        ],
        **paging.make_page_envelope(page=start.page, limit=request.limit, counted=start.counted),
        "next": _build_position(bookings[-1], start, list_id) if has_more else None,
    }


def _build_filters(context: BookingContext, request: BookingPageRequest, now: datetime) -> Query:
    """Return the query for the filters of a request.

    Dates are those of the bookings' copies of their entries, which the worker refreshes.
    """
    where: Query = {}
    if request.status:
        where["status"] = request.status
    if request.event_id is not None:
        where["eventId"] = request.event_id
    if request.upcoming is not None:
        today = start_of_day(now.astimezone(context.default_zone))
        where["date"] = {"$gte": today} if request.upcoming else {"$lt": today}
    return where


def _build_position(booking: StoredBooking, start: _Start, list_id: str) -> JsonObject:
    """Return the position of a cursor that continues after this booking, the last of a page."""
    return {
        "of": list_id,
        "value": int(booking["createdAt"].timestamp() * 1000),
        "id": str(booking["_id"]),
        "counted": start.counted,
        "page": start.page,
    }


def _parse_cursor(cursor: JsonObject, list_id: str) -> _Start:
    """Return the start of the page that a cursor leads to.

    Raises:
        ValidationFailed: it is not a cursor of this list.
    """
    if cursor.get("of") != list_id:
        raise paging.InvalidCursor
    counted, page = paging.parse_cursor_page(cursor)
    created_at = paging.parse_cursor_time(paging.parse_cursor_int(cursor.get("value")))
    booking_id = paging.parse_cursor_object_id(cursor.get("id"))
    return _Start((created_at, booking_id), counted, page)


def iterate_event_bookings(db: Db, event_id: int) -> Iterator[StoredBooking]:
    """Yield all bookings of an event as they are shown, newest first.

    At most BOOKINGS_PER_QUERY are in memory at a time. The `refund` of each is the sum of its
    refunds.
    """
    for batch in store.iterate_batches(db, {"eventId": event_id}, BOOKINGS_PER_QUERY):
        for booking in follow_events(db, batch):
            yield {**booking, "refund": cast(Refund | None, views.sum_refunds(booking))}


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Remove a deleted user from their bookings, which are kept."""
    store.forget_user(db, user_id)
    store_untold_holders.remove(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return the bookings of a user, with all attempts to pay for them."""
    bookings = follow_events(db, store.find_bookings_of_user(db, user_id))
    return {"bookings": [views.render_export(booking) for booking in bookings]}
