"""List the waitlist offers to a user."""

from datetime import datetime

from bson import ObjectId

from eventapp.bookings import rules, store, views
from eventapp.bookings.bodies import OfferView
from eventapp.bookings.booked_entries import follow_events
from eventapp.bookings.context import BookingContext
from eventapp.bookings.types import OfferStatus, StoredBooking
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.json import JsonObject
from eventapp.core.paging import PageRequest


def list_offers(
    context: BookingContext, actor: Actor, request: PageRequest, now: datetime
) -> tuple[JsonObject, JsonObject | None]:
    """Return a page of the offers to the caller, newest first.

    Returns:
        The body of the answer, and the list position of the next page, which is None at the end.

    Raises:
        ValidationFailed: the page begins after the last row that a page number can reach, or the
            list position is malformed.
    """
    user_id = actor.require_user_id()

    def count(limit: int) -> int:
        return store.count_offers(context.db, user_id, limit)

    def find(before: ObjectId | None, skip: int, limit: int) -> list[StoredBooking]:
        return store.find_offers_page(context.db, user_id, before=before, skip=skip, limit=limit)

    page = paging.find_page_by_id(request, count, find)
    shown = follow_events(context.db, page.rows)
    rows = [render_offer(offer, now) for offer in shown]
    return {"notifications": rows, **page.envelope}, page.next_position


def render_offer(offer: StoredBooking, now: datetime) -> OfferView:
    """Return the offer as the API shows it; `offer` is as `follow_events` returns it."""
    return {
        "bookingId": offer["_id"],
        "bookingReference": offer["bookingReference"],
        "eventId": offer["eventId"],
        "eventTitle": offer["eventTitle"],
        "scheduleId": offer.get("scheduleId"),
        "date": offer["date"].date().isoformat(),
        "startsAt": offer.get("startsAt"),
        "timezone": offer.get("timezone"),
        "location": offer["location"],
        "quantity": offer["quantity"],
        "items": views.render_items(offer["items"]),
        "status": determine_offer_status(offer, now),
        "expiresAt": offer["expiresAt"],
        "createdAt": offer["createdAt"],
    }


def determine_offer_status(offer: StoredBooking, now: datetime) -> OfferStatus:
    """Return what became of an offer."""
    if rules.is_open_hold(offer, now):
        return "open"
    if offer["status"] == rules.CONFIRMED:
        return "accepted"
    return "declined" if offer["status"] == rules.CANCELLED else "expired"
