"""Find single bookings, check who may see them, and offer what other features use of bookings."""

from collections.abc import Iterator

from bson import ObjectId

from eventapp.bookings import rules, store
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import BookingNotFound
from eventapp.bookings.rules import from_cents, to_cents, view
from eventapp.bookings.types import BookingView, StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db
from eventapp.core.json import JsonObject

# Routes and other features convert money and show bookings as the bookings do.
__all__ = ["from_cents", "to_cents", "view"]

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


def find_own_booking(context: BookingContext, booking_id: ObjectId, actor: Actor) -> StoredBooking:
    """Return a booking of the caller; an admin may have any.

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
    """Return a booking that the caller made or that is of the caller's event.

    Raises:
        BookingNotFound: there is none, or the caller may not see it.
    """
    return _require_visible(store.find_booking(context.db, booking_id), actor)


def _require_visible(booking: StoredBooking | None, actor: Actor) -> StoredBooking:
    if booking and (is_holder_or_admin(booking, actor) or is_organizer_or_admin(booking, actor)):
        return booking
    raise BookingNotFound


def is_holder_or_admin(booking: StoredBooking, actor: Actor) -> bool:
    """Return whether the caller has this booking, or is an admin."""
    return actor.may_manage(booking["userId"])


def is_organizer_or_admin(booking: StoredBooking, actor: Actor) -> bool:
    """Return whether the caller organizes the booked event, or is an admin."""
    return actor.may_manage_events_of(booking["organizerId"])


def show_booking(context: BookingContext, booking_id: ObjectId, actor: Actor) -> BookingView:
    """Return a booking as the API shows it.

    Raises:
        BookingNotFound: there is none, or the caller may not see it.
    """
    return view(find_visible_booking(context, booking_id, actor))


def show_booking_by_reference(context: BookingContext, reference: str, actor: Actor) -> BookingView:
    """Return the booking with this reference as the API shows it.

    Raises:
        BookingNotFound: there is none, or the caller may not see it.
    """
    return view(_require_visible(store.find_by_reference(context.db, reference), actor))


def iterate_event_bookings(db: Db, event_id: int) -> Iterator[StoredBooking]:
    """Yield all bookings of an event, newest first, BOOKINGS_PER_QUERY of them in memory at a time.

    Each query continues after the last booking of the one before. So a slow reader runs into no
    timeout of the driver, and no booking is skipped or yielded twice.
    """
    after = None
    while True:
        page = store.find_page(
            db, {"eventId": event_id}, skip=0, limit=BOOKINGS_PER_QUERY, after=after
        )
        yield from page
        if len(page) < BOOKINGS_PER_QUERY:
            return
        after = (page[-1]["createdAt"], page[-1]["_id"])


def forget_user(db: Db, user_id: ObjectId) -> None:
    """Remove a deleted user from their bookings, which stay."""
    store.anonymize_user(db, user_id)


def export_user(db: Db, user_id: ObjectId) -> JsonObject:
    """Return what is stored about a user in bookings."""
    bookings = store.find_bookings_of_user(db, user_id)
    return {"bookings": [{**rules.view(one), "payment": one.get("payment")} for one in bookings]}
