"""At the door: who may come in, each once, whether the scanner is online or not."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bson import ObjectId

from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Document
from eventapp.events import service as events
from eventapp.tickets import rules, store
from eventapp.tickets.errors import AlreadyCheckedIn, TicketNotFound
from eventapp.tickets.service import shown
from eventapp.tickets.signing_key import Key, key_of

CHECKED_IN = "checked_in"
BOOKINGS_AT_ONCE = 500


@dataclass(frozen=True)
class Scan:
    """A code that a scanner read while it was offline, and when."""

    code: str
    scanned_at: datetime


class Door:
    """The door of one event."""

    def __init__(self, db: Db, event_id: int, key: Key) -> None:
        self.db, self.event_id, self.key = db, event_id, key

    def check_in(self, code: str, now: datetime, scanned_at: datetime | None = None) -> Document:
        """Let in who has this code; the ticket.

        Of several at the same moment, by however many scanners, one is let in. The same offline
        scan again, known by its time, answers as it did the first time.

        Args:
            scanned_at: of an offline scan; one of the future counts as now.

        Raises:
            TicketNotFound, AlreadyCheckedIn: nothing is written.
        """
        seat = self.key.seat(self.event_id, code)
        if seat is None:
            raise TicketNotFound
        note = {"at": min(scanned_at or now, now), "scannedAt": scanned_at}
        booking_id = ObjectId(seat.booking_id)
        after = store.check_in(self.db, booking_id, seat.place, event_id=self.event_id, note=note)
        booking = after or store.booking(self.db, booking_id)
        types = dict(rules.seats(booking)) if booking else {}
        if booking is None or seat not in types:
            raise TicketNotFound
        if after is None:
            _refuse_second(booking, seat, scanned_at)
        return {
            **shown(booking, seat, types[seat], self.key),
            "bookingReference": booking["bookingReference"],
            "date": booking["date"].date().isoformat(),
            "location": booking["location"],
        }

    def tickets(self) -> Iterator[list[dict[str, Any]]]:
        """All tickets that are valid, a batch of bookings at a time."""
        after = None
        while batch := store.confirmed(self.db, self.event_id, after=after, limit=BOOKINGS_AT_ONCE):
            after = (batch[-1]["createdAt"], batch[-1]["_id"])
            yield [
                rules.row(booking, seat, type_)
                for booking in batch
                for seat, type_ in rules.seats(booking)
            ]


def _refuse_second(booking: Document, seat: rules.Seat, scanned_at: datetime | None) -> None:
    note = booking["checkIns"][seat.place]
    if scanned_at is None or note["scannedAt"] != scanned_at:
        raise AlreadyCheckedIn(ticketId=seat.ticket_id, checkedInAt=note["at"])


def open_door(db: Db, event_id: int, actor: Actor, now: datetime) -> Door:
    """The door of an event, for its organizer and admins. EventNotFound, Forbidden."""
    events.managed(db, event_id, actor)
    return Door(db, event_id, key_of(db, now))


def upload(door: Door, scans: list[Scan], now: datetime) -> list[dict[str, Any]]:
    """Check in what scanners read while they were offline; what became of each, in order.

    It may be sent again, whole or in part: a scan that counted counts as it did. The earliest
    scan of a ticket within a batch is the one that counts.
    """
    order = sorted(range(len(scans)), key=lambda place: scans[place].scanned_at)
    results = {place: _outcome(door, scans[place], now) for place in order}
    return [results[place] for place in range(len(scans))]


def _outcome(door: Door, scan: Scan, now: datetime) -> dict[str, Any]:
    try:
        ticket = door.check_in(scan.code, now, scan.scanned_at)
    except TicketNotFound as refusal:
        return {"status": refusal.code}
    except AlreadyCheckedIn as refusal:
        return {"status": refusal.code, **refusal.details}
    told = ("ticketId", "type", "checkedInAt")
    return {"status": CHECKED_IN, **{name: ticket[name] for name in told}}
