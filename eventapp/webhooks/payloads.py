"""Turn rows of the ledger and entries of events' logs into facts, with the data of their payloads.

The data is what the API shows the owner of the webhook when the delivery is made, which may be
later than the fact: a booking that was confirmed and then cancelled appears as cancelled in both.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.context import BookingContext
from eventapp.bookings.ledger.types import LedgerRow
from eventapp.bookings.types import StoredBooking
from eventapp.core.access.actor import Actor
from eventapp.core.roles import ORGANIZER
from eventapp.events import service as events
from eventapp.events.log_types import LogRow
from eventapp.events.types import Event
from eventapp.webhooks import rules
from eventapp.webhooks.types import EventType, Fact

# The kinds of entries of bookings of which webhooks may be told.
TOLD_ENTRIES = frozenset({*rules.BOOKING_TYPES, rules.HELD_ENTRY})


def get_booking_id(row: LedgerRow) -> ObjectId:
    """Return the id of the booking of a row of the ledger."""
    return ObjectId(row["_id"].partition("-")[0])


def make_booking_fact(row: LedgerRow, booking: StoredBooking, owner_id: ObjectId) -> Fact | None:
    """Return the fact of a row of the ledger; None if webhooks receive no such fact.

    Args:
        booking: as `bookings.service.follow_events` returns it.
        owner_id: the organizer of the event.
    """
    type_ = _find_booking_type(row, booking)
    if type_ is None:
        return None
    return Fact(
        fact_id=row["_id"],
        type=type_,
        event_id=row["eventId"],
        owner_id=owner_id,
        subject=str(booking["_id"]),
        at=row["at"],
        holder_id=booking["userId"],
        render=lambda with_attendees: _show_booking(row, booking, with_attendees=with_attendees),
    )


def _show_booking(
    row: LedgerRow, booking: StoredBooking, *, with_attendees: bool
) -> dict[str, object]:
    """Return a booking, and the ticket if the row is about one."""
    shown = {"booking": bookings.render_for_organizer(booking, with_attendees=with_attendees)}
    if "place" not in row:
        return dict(shown)
    ticket = bookings.render_checked_in_ticket(booking, row["place"], with_attendees=with_attendees)
    return {"ticket": ticket, **shown}


def _find_booking_type(row: LedgerRow, booking: StoredBooking) -> EventType | None:
    if row["kind"] == rules.HELD_ENTRY:
        return rules.OFFER_TYPE if "waitlistEntryId" in booking else None
    return rules.BOOKING_TYPES.get(row["kind"])


def make_event_facts(
    context: BookingContext,
    rows: Sequence[LogRow],
    owner_ids: Mapping[int, ObjectId | None],
    now: datetime,
) -> list[Fact]:
    """Return what entries of logs tell of. An event that was deleted is left out.

    Args:
        owner_ids: the organizer of each event.
    """
    told = [row for row in rows if row["action"] in rules.LOG_TYPES]
    found = events.find_events(context.db, {row["eventId"] for row in told})
    by_id = {event["eventId"]: event for event in found}
    return [
        _make_event_fact(context, row, by_id[row["eventId"]], owner_id, now)
        for row in told
        if row["eventId"] in by_id and (owner_id := owner_ids.get(row["eventId"]))
    ]


def _make_event_fact(
    context: BookingContext, row: LogRow, event: Event, owner_id: ObjectId, now: datetime
) -> Fact:
    return Fact(
        fact_id=str(row["_id"]),
        type=rules.LOG_TYPES[row["action"]],
        event_id=row["eventId"],
        owner_id=owner_id,
        subject=f"event:{row['eventId']}",
        at=row["at"],
        holder_id=None,
        render=lambda _with_attendees: {"event": _show_event(context, event, owner_id, now)},
    )


def _show_event(
    context: BookingContext, event: Event, owner_id: ObjectId, now: datetime
) -> Mapping[str, object]:
    owner = Actor(owner_id, ORGANIZER)
    base_url = context.outbox.base_url.rstrip("/")
    (view,) = events.present_events(context.db, [event], owner, base_url, now)
    return view
