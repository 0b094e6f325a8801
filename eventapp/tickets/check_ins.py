"""Check in tickets, each once, by scanners that are online or offline, and undo check-ins."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bson import ObjectId

from eventapp.accounts import device_tokens
from eventapp.bookings import service as bookings
from eventapp.bookings.ledger import service as ledger
from eventapp.bookings.ledger.types import LedgerEntry
from eventapp.bookings.shown_holders import find_holders, show_holder
from eventapp.bookings.types import CheckIn, StoredBooking
from eventapp.core.access.actor import Actor, ActorLoader
from eventapp.core.database import Db
from eventapp.events import service as events
from eventapp.tickets import rules, store
from eventapp.tickets.errors import AlreadyCheckedIn, NotCheckedIn, ScanUndone, TicketNotFound
from eventapp.tickets.service import render_ticket
from eventapp.tickets.signing_key import TicketKey, load_key
from eventapp.tickets.types import CheckedInTicket, ScanResult, UndoneTicket, ValidTicket

CHECKED_IN = "checked_in"
# How many bookings are read at once.
BATCH_SIZE = 500
# How often a ticket is tried that becomes valid during the check-in.
CHECK_IN_ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class Scan:
    """A ticket that a scanner checked in while it was offline.

    Attributes:
        code: what the scanner read; None if the ticket was chosen from the list of the door.
        ticket_id: the ticket that was chosen; None if a code was read.
        scanned_at: the time of the scanner's clock; None for a check-in that is online.
    """

    code: str | None = None
    ticket_id: str | None = None
    scanned_at: datetime | None = None


class EventCheckIn:
    """Check-in at one event."""

    def __init__(
        self, db: Db, event_id: int, key: TicketKey, token_id: ObjectId | None = None
    ) -> None:
        """Open the check-in.

        Args:
            token_id: of the API token or door device that checks in; None for a login.
        """
        self.db, self.event_id, self.key, self.token_id = db, event_id, key, token_id

    def check_in(
        self, code: str, now: datetime, scanned_at: datetime | None = None
    ) -> CheckedInTicket:
        """Check in the ticket with this code and return it, as `check_scan_in` does."""
        return self.check_scan_in(Scan(code=code, scanned_at=scanned_at), now)

    def check_scan_in(self, scan: Scan, now: datetime) -> CheckedInTicket:
        """Check in the ticket of a scan and return it.

        If several scanners send a code at the same time, one of them succeeds. An offline scan that
        is sent again gets the same answer again; it is recognized by its time. One that was made
        before the check-in of its ticket was undone checks nothing in.

        A time of the scan in the future counts as `now`.

        Raises:
            TicketNotFound, AlreadyCheckedIn, ScanUndone: nothing is written.
        """
        ticket = self._find_ticket(scan)
        if ticket is None:
            raise TicketNotFound
        scanned_at = scan.scanned_at
        check_in: CheckIn = {"at": min(scanned_at or now, now), "scannedAt": scanned_at}
        if self.token_id:
            check_in["tokenId"] = self.token_id
        for _attempt in range(CHECK_IN_ATTEMPTS):
            if checked_in := self._try_to_check_in(ticket, check_in, now):
                return checked_in
        raise TicketNotFound

    def _find_ticket(self, scan: Scan) -> rules.Ticket | None:
        if scan.code is not None:
            return self.key.verify(self.event_id, scan.code)
        return rules.parse_ticket_id(scan.ticket_id or "")

    def _try_to_check_in(
        self, ticket: rules.Ticket, check_in: CheckIn, now: datetime
    ) -> CheckedInTicket | None:
        """Check in a ticket as `check_in` does.

        Returns:
            None, with nothing written, if the booking was confirmed only after the attempt.
        """
        booking_id = ObjectId(ticket.booking_id)
        entry = ledger.build_check_in_entry(ticket.local_id, now)
        updated = self._store(ticket, check_in, entry)
        booking = updated or store.find_booking(self.db, booking_id)
        if booking and updated is None and not booking.get("entries"):
            # A booking of an older version that is not migrated yet. Webhooks are not told of it.
            updated = self._store(ticket, check_in, None)
            booking = updated or booking
        type_names = dict(rules.iter_tickets(booking)) if booking else {}
        if booking is None or ticket not in type_names or booking["eventId"] != self.event_id:
            raise TicketNotFound
        if updated is None:
            _refuse_undone_scan(booking, ticket, check_in["scannedAt"])
            if rules.find_check_in_time(booking, ticket) is None:
                return None
            self._refuse_another_scan(booking, ticket, check_in["scannedAt"])
        shown = bookings.follow_event(self.db, booking)
        holder = show_holder(booking, find_holders(self.db, [booking]))
        return {
            **render_ticket(booking, ticket, type_names[ticket], self.key),
            "name": rules.find_name(booking, ticket, holder),
            "bookingReference": booking["bookingReference"],
            "scheduleId": shown.get("scheduleId"),
            "date": shown["date"].date().isoformat(),
            "startsAt": shown.get("startsAt"),
            "location": shown["location"],
        }

    def _store(
        self, ticket: rules.Ticket, check_in: CheckIn, entry: LedgerEntry | None
    ) -> StoredBooking | None:
        return store.check_in(
            self.db,
            ObjectId(ticket.booking_id),
            ticket.local_id,
            event_id=self.event_id,
            check_in=check_in,
            entry=entry,
        )

    def _refuse_another_scan(
        self, booking: StoredBooking, ticket: rules.Ticket, scanned_at: datetime | None
    ) -> None:
        """Refuse a ticket that is checked in, unless by this very offline scan.

        Raises:
            AlreadyCheckedIn: the ticket was checked in by another scan.
        """
        check_in = booking["checkIns"][ticket.local_id]
        if scanned_at is None or check_in["scannedAt"] != scanned_at:
            token_id = check_in.get("tokenId")
            raise AlreadyCheckedIn(
                ticketId=ticket.ticket_id,
                checkedInAt=check_in["at"],
                checkedInBy=device_tokens.find_name(self.db, token_id) if token_id else None,
            )

    def undo(self, ticket_id: str, now: datetime) -> UndoneTicket:
        """Undo the check-in of a ticket, which can then be checked in again or be cancelled.

        Offline scans from before the undo check nothing in any more.

        Raises:
            TicketNotFound: the event has no such ticket.
            NotCheckedIn: nothing is written.
        """
        ticket = rules.parse_ticket_id(ticket_id)
        for _attempt in range(CHECK_IN_ATTEMPTS):
            booking = store.find_booking(self.db, ObjectId(ticket.booking_id)) if ticket else None
            type_names = dict(rules.iter_tickets(booking)) if booking else {}
            if booking is None or ticket not in type_names or booking["eventId"] != self.event_id:
                raise TicketNotFound
            check_in = booking.get("checkIns", {}).get(ticket.local_id)
            if check_in is None:
                raise NotCheckedIn
            if store.undo_check_in(
                self.db,
                booking["_id"],
                ticket.local_id,
                event_id=self.event_id,
                check_in=check_in,
                now=now,
            ):
                return {
                    "ticketId": ticket.ticket_id,
                    "type": type_names[ticket],
                    "checkedInAt": None,
                    "undoneAt": now,
                }
        raise NotCheckedIn

    def iter_valid_tickets(self, load_actor: ActorLoader) -> Iterator[list[ValidTicket]]:
        """Yield the valid tickets of the event, in lists for at most BATCH_SIZE bookings each.

        Args:
            load_actor: loads the caller again, who must still manage the event at that moment.

        Raises:
            Unauthorized, EventNotFound, Forbidden: the caller no longer manages the event.
        """
        batches = self._iter_valid_tickets()
        return events.iterate_while_managed(self.db, self.event_id, load_actor, batches)

    def _iter_valid_tickets(self) -> Iterator[list[ValidTicket]]:
        after = None
        while batch := store.find_confirmed(self.db, self.event_id, after=after, limit=BATCH_SIZE):
            after = (batch[-1]["createdAt"], batch[-1]["_id"])
            holders = find_holders(self.db, batch)
            yield [
                rules.render_valid_ticket(booking, ticket, type_name, show_holder(booking, holders))
                for booking in bookings.follow_events(self.db, batch)
                for ticket, type_name in rules.iter_tickets(booking)
            ]

    def upload_scans(self, scans: list[Scan], now: datetime) -> list[ScanResult]:
        """Check in the tickets of offline scans; return the result of each, in the given order.

        If a ticket was scanned several times, the earliest scan checks it in. A scan that is
        uploaded again gets the same result again, unless the check-in was undone.
        """
        by_time = sorted(range(len(scans)), key=lambda index: scans[index].scanned_at or now)
        results = {index: self._check_in_scan(scans[index], now) for index in by_time}
        return [results[index] for index in range(len(scans))]

    def _check_in_scan(self, scan: Scan, now: datetime) -> ScanResult:
        try:
            ticket = self.check_scan_in(scan, now)
        except TicketNotFound as error:
            return {"status": error.code}
        except AlreadyCheckedIn as error:
            return {
                "status": error.code,
                "ticketId": error.details["ticketId"],
                "checkedInAt": error.details["checkedInAt"],
                "checkedInBy": error.details["checkedInBy"],
            }
        except ScanUndone as error:
            return {
                "status": error.code,
                "ticketId": error.details["ticketId"],
                "undoneAt": error.details["undoneAt"],
            }
        return {
            "status": CHECKED_IN,
            "ticketId": ticket["ticketId"],
            "type": ticket["type"],
            "name": ticket["name"],
            "checkedInAt": ticket["checkedInAt"],
        }


def _refuse_undone_scan(
    booking: StoredBooking, ticket: rules.Ticket, scanned_at: datetime | None
) -> None:
    """Refuse an offline scan that was made before the check-in of its ticket was undone.

    Raises:
        ScanUndone: it was.
    """
    undo = booking.get("undoneCheckIns", {}).get(ticket.local_id)
    if undo and scanned_at and rules.is_scan_undone(undo, scanned_at):
        raise ScanUndone(ticketId=ticket.ticket_id, undoneAt=undo["at"])


def open_check_in(db: Db, event_id: int, actor: Actor, now: datetime) -> EventCheckIn:
    """Return the check-in of an event, for its organizer and admins.

    Raises:
        EventNotFound, Forbidden: there is no such event, or it is not the caller's.
    """
    events.get_managed(db, event_id, actor)
    token_id = actor.token.token_id if actor.token else None
    return EventCheckIn(db, event_id, load_key(db, now), token_id)
