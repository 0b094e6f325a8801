"""Let the holder of a ticket say who comes with it, until the ticket is checked in.

The questions are marked as answered in the event before the answers are stored (see
`events.question_editing`). One guarded write stores the attendee: the booking is confirmed and
still the holder's, and the ticket is neither checked in nor cancelled. The counterparts are in
`tickets.store.check_in` and `bookings.partial_cancellations`.
"""

from bson import ObjectId

from eventapp.bookings import rules, store, ticket_places
from eventapp.bookings.bodies import AttendeeView
from eventapp.bookings.context import BookingContext
from eventapp.bookings.errors import BookingNotFound, TicketCheckedIn, TicketNotFound
from eventapp.bookings.service import find_own_booking
from eventapp.bookings.types import StoredBooking
from eventapp.bookings.views import render_attendee
from eventapp.core.access.actor import Actor
from eventapp.core.errors import Conflict
from eventapp.events import service as events
from eventapp.events.attendees import check_attendee, list_answered_ids, mark_answered
from eventapp.events.question_types import AttendeeInput

# How often an attendee is written while the booking or the event changes.
ATTEMPTS = 20


def set_attendee(
    context: BookingContext, ticket_id: str, body: AttendeeInput, actor: Actor
) -> AttendeeView:
    """Store who comes with a ticket of the caller, and return it.

    Raises:
        TicketNotFound: the caller has no such ticket. A booking that is not confirmed has none.
        TicketCheckedIn: it is checked in.
        ValidationFailed: an answer is missing or not valid.
    """
    for _attempt in range(ATTEMPTS):
        booking, place = _find_ticket(context, ticket_id, actor)
        event = events.get_event(context.db, booking["eventId"])
        attendee = check_attendee(body, event, ticket_places.get_type_id(place))
        if not mark_answered(context.db, event, list_answered_ids([attendee])):
            continue
        if store.set_attendee(context.db, booking, place, attendee):
            return render_attendee(booking, place, attendee)
    raise Conflict("The ticket is being changed; try again")


def _find_ticket(
    context: BookingContext, ticket_id: str, actor: Actor
) -> tuple[StoredBooking, str]:
    """Return the booking of a ticket that can still be changed, and the place of the ticket.

    Raises:
        TicketNotFound, TicketCheckedIn: see `set_attendee`.
    """
    booking_id = ticket_id.partition("-")[0]
    if not ObjectId.is_valid(booking_id):
        raise TicketNotFound
    try:
        booking = find_own_booking(context, ObjectId(booking_id), actor)
    except BookingNotFound:
        raise TicketNotFound from None
    place = ticket_places.parse_place(booking, ticket_id)
    if booking["status"] != rules.CONFIRMED or place not in ticket_places.list_places(booking):
        raise TicketNotFound
    if place in booking.get("checkIns", {}):
        raise TicketCheckedIn(ticketIds=[ticket_id])
    return booking, place
