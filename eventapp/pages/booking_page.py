"""Read what the page of a booking shows."""

from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId
from markupsafe import Markup

from eventapp.bookings import booked_entries, links
from eventapp.bookings import service as bookings
from eventapp.bookings.bodies import AttendeeView, BookingView
from eventapp.bookings.context import BookingContext, current_booking_context
from eventapp.bookings.links import LinkInvalid, OpenedLink, limit_token
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.roles import ATTENDEE
from eventapp.core.translations import Translator
from eventapp.events import service as events
from eventapp.events.attendees import list_asked
from eventapp.events.question_types import AnswerValue, Question, QuestionFields
from eventapp.receipts import pages as receipt_pages
from eventapp.receipts import service as receipts
from eventapp.receipts.service import RECEIPT_ISSUER
from eventapp.tickets import calendar_entry
from eventapp.tickets import service as tickets

# For the routes, which may not import other features.
__all__ = ["LinkInvalid", "OpenedLink", "current_booking_context", "limit_token"]
RECEIPT_STYLE = receipt_pages.STYLE
KEY_REFUSALS = links.KEY_REFUSALS


@dataclass(frozen=True)
class ShownTicket:
    """A ticket on the page.

    Attributes:
        number: its number on the page, from 1.
        qr_code: an `svg` element.
        attendee: who comes with it; None if that is not known.
        questions: what its attendee is asked.
    """

    ticket_id: str
    number: int
    type_name: str
    qr_code: Markup
    checked_in_at: datetime | None
    attendee: AttendeeView | None
    questions: list[Question]

    def get_answer(self, question_id: int) -> AnswerValue | None:
        """Return the answer of the attendee to a question; None without one."""
        answers = self.attendee["answers"] if self.attendee else []
        return next((each["value"] for each in answers if each["questionId"] == question_id), None)


@dataclass(frozen=True)
class BookingPage:
    """What the page of a booking shows.

    Attributes:
        booking: as the API shows it to its holder.
        state: of the page: `confirmed`, `held`, `offered`, `cancelled` or `expired`.
        zone: the IANA name of the zone of its times.
        cancel_until: until when the holder may cancel; None for a booking without tickets to
            cancel.
        may_cancel: whether that time has not passed, and tickets are left that were not checked in.
        has_receipt: whether it was paid.
    """

    booking: BookingView
    state: str
    zone: str
    tickets: list[ShownTicket]
    cancel_until: datetime | None
    may_cancel: bool
    has_receipt: bool

    @property
    def may_be_paid(self) -> bool:
        """Whether the booking waits for its holder to pay for it or confirm it."""
        return self.state in ("held", "offered")


def open_own_booking(
    context: BookingContext, reference: str, user_id: ObjectId
) -> OpenedLink | None:
    """Return the booking of a signed-in user; None if it is not the user's."""
    return links.find_own_booking(context, reference, user_id)


def open_by_key(context: BookingContext, reference: str, key: str, now: datetime) -> OpenedLink:
    """Return the booking that the key of its link opens.

    Raises:
        LinkInvalid: see `links.open_link`.
    """
    return links.open_link(context, reference, key, now)


def make_holder(opened: OpenedLink) -> Actor:
    """Return the holder of a booking as an actor, limited to this booking."""
    return Actor(opened.link.user_id, ATTENDEE, link=opened.link)


def read_page(context: BookingContext, opened: OpenedLink, now: datetime) -> BookingPage:
    """Return what the page of a booking shows."""
    holder = make_holder(opened)
    booking = bookings.follow_event(context.db, opened.booking)
    view = bookings.render_current(context, booking, holder)
    shown = _list_tickets(context, booking, holder, now)
    has_tickets_left = any(not each.checked_in_at for each in shown)
    cancel_until = None
    if has_tickets_left:
        cutoff = context.limits.cancellation_cutoff
        cancel_until = booked_entries.compute_cancellation_deadline(booking, cutoff)
    return BookingPage(
        booking=view,
        state=_determine_state(booking, now),
        zone=view["timezone"] or "UTC",
        tickets=shown,
        cancel_until=cancel_until,
        may_cancel=cancel_until is not None and now <= cancel_until,
        has_receipt=receipts.has_receipt(booking),
    )


def _determine_state(booking: StoredBooking, now: datetime) -> str:
    if booking["status"] != "held":
        return booking["status"]
    if booking["expiresAt"] and booking["expiresAt"] <= now:
        return "expired"
    return "offered" if "waitlistEntryId" in booking else "held"


def _list_tickets(
    context: BookingContext, booking: StoredBooking, holder: Actor, now: datetime
) -> list[ShownTicket]:
    event = _find_questions(context, booking["eventId"])
    found = tickets.list_tickets(context, booking["_id"], holder, now)
    return [
        ShownTicket(
            ticket_id=ticket["ticketId"],
            number=number,
            type_name=ticket["type"],
            # The library makes the element, and the code has no character of HTML.
            qr_code=Markup(tickets.draw_inline_qr_code(ticket["code"])),  # noqa: S704
            checked_in_at=ticket["checkedInAt"],
            attendee=ticket["attendee"],
            questions=list_asked(event, _get_type_id(ticket["ticketId"])),
        )
        for number, ticket in enumerate(found, start=1)
    ]


def _get_type_id(ticket_id: str) -> int:
    return int(ticket_id.split("-")[1])


def _find_questions(context: BookingContext, event_id: int) -> QuestionFields:
    """Return the questions of an event; none if it was deleted."""
    try:
        return events.get_event(context.db, event_id)
    except events.EventNotFound:
        return {}


def make_calendar(context: BookingContext, opened: OpenedLink) -> tuple[str, bytes]:
    """Return the reference of a booking and its calendar file."""
    return calendar_entry.build_calendar(context, opened.booking["_id"], make_holder(opened))


def render_receipt(
    context: BookingContext, opened: OpenedLink, now: datetime, translator: Translator
) -> str:
    """Return the receipt of a booking as a page; the first call issues it.

    Raises:
        NoReceipt: the booking was never paid.
    """
    booking_id: ObjectId = opened.booking["_id"]
    holder = make_holder(opened)
    printed = receipts.print_receipt(
        context, RECEIPT_ISSUER.get(), booking_id, holder, now, translator
    )
    return receipt_pages.render_page(printed)
