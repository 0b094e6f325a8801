"""List the tickets of an event with who comes with them, for those who manage the event.

A ticket is not a document: bookings are read newest first, and each yields its tickets. A filter
that the database cannot apply to bookings is applied to the tickets. So that a request with such a
filter stays bounded, it looks at MAX_BOOKINGS bookings at most; the next page goes on from there,
even if this one is not full.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from bson import ObjectId

from eventapp.bookings import service as bookings
from eventapp.bookings.shown_holders import find_holders, show_holder
from eventapp.core import paging
from eventapp.core.access.actor import Actor
from eventapp.core.database import Db, Query
from eventapp.core.json import MAX_INT64, JsonObject
from eventapp.core.textsearch import fold_text
from eventapp.events import service as events
from eventapp.tickets import rules, store
from eventapp.tickets.types import AttendeeRow, TicketedBooking

# How many bookings a request looks at, and how many it reads at once.
MAX_BOOKINGS, BATCH_SIZE = 5_000, 500


@dataclass(frozen=True)
class AttendeeFilters:
    """Which tickets a list shows; None for all.

    Attributes:
        search: a text in the name or the email of the attendee or of the holder, or in the
            reference, in any case and with or without accents.
        type_id: the ticketTypeId.
        schedule_id: the booked schedule entry.
        checked_in: whether the ticket is checked in.
    """

    search: str | None = None
    type_id: int | None = None
    schedule_id: int | None = None
    checked_in: bool | None = None

    @property
    def is_of_bookings(self) -> bool:
        """Whether every booking that the database finds has a ticket that the list shows."""
        return self.search is None and self.checked_in is None

    def build_query(self) -> Query:
        """Return the condition of the bookings that may have such tickets."""
        where: Query = {}
        if self.type_id is not None:
            where["items.ticketTypeId"] = self.type_id
        if self.schedule_id is not None:
            where["scheduleId"] = self.schedule_id
        if self.checked_in:
            where["checkIns"] = {"$exists": True}
        return where

    def matches(self, row: AttendeeRow) -> bool:
        """Return whether the list shows a ticket of such a booking."""
        if self.type_id not in (None, row["ticketTypeId"]):
            return False
        if self.checked_in not in (None, row["checkedInAt"] is not None):
            return False
        return self.search is None or self._is_found(fold_text(self.search), row)

    @staticmethod
    def _is_found(wanted: str, row: AttendeeRow) -> bool:
        people = (row["attendee"], row["holder"])
        texts = [each[name] for each in people if each for name in ("name", "email")]
        texts.append(row["bookingReference"])
        return any(wanted in fold_text(text) for text in texts if text)


ALL_TICKETS = AttendeeFilters()


class _Position(NamedTuple):
    """A ticket, after which a page begins.

    Attributes:
        created_at, booking_id: of its booking.
        place: its ticketTypeId and its number.
    """

    created_at: datetime
    booking_id: ObjectId
    place: tuple[int, int]


# Sorts after every place, so that a page begins with the next booking.
_END_OF_BOOKING = (MAX_INT64, 0)


def list_attendees(
    db: Db,
    event_id: int,
    actor: Actor,
    filters: AttendeeFilters,
    *,
    limit: int,
    list_position: JsonObject | None,
) -> tuple[list[AttendeeRow], JsonObject | None]:
    """Return a page of the tickets of an event, those of the newest bookings first.

    Returns:
        At most `limit` tickets, and the list position of the next page; None at the end. A page of
        a list with filters may have fewer tickets, or none, and a next page nevertheless.

    Raises:
        EventNotFound, Forbidden: there is no such event, or the caller may not see its attendees.
        ValidationFailed: the list position is malformed.
    """
    events.get_managed(db, event_id, actor)
    after = _parse_position(list_position, event_id) if list_position is not None else None
    size = limit + 1 if filters.is_of_bookings else BATCH_SIZE
    rows: list[AttendeeRow] = []
    last, looked_at = after, 0
    while looked_at < MAX_BOOKINGS:
        batch = _read(db, event_id, filters, after, size)
        for booking, place, row in _iter_rows(db, batch, after):
            if not filters.matches(row):
                continue
            if len(rows) == limit:
                return rows, _render_position(last, event_id)
            rows.append(row)
            last = _locate(booking, place)
        if len(batch) < size:
            return rows, None
        after = _locate(batch[-1], _END_OF_BOOKING)
        looked_at += len(batch)
    return rows, _render_position(after, event_id)


def iterate_attendees(db: Db, event_id: int) -> Iterator[AttendeeRow]:
    """Yield all tickets of an event in the order of the list; at most BATCH_SIZE bookings are in
    memory at a time.
    """
    after = None
    while batch := _read(db, event_id, ALL_TICKETS, after, BATCH_SIZE):
        for _booking, _place, row in _iter_rows(db, batch, after):
            yield row
        after = _locate(batch[-1], _END_OF_BOOKING)


def _read(
    db: Db, event_id: int, filters: AttendeeFilters, after: _Position | None, limit: int
) -> list[TicketedBooking]:
    return store.find_confirmed(
        db,
        event_id,
        after=(after.created_at, after.booking_id) if after else None,
        is_inclusive=after is not None and after.place != _END_OF_BOOKING,
        where=filters.build_query(),
        limit=limit,
    )


def _iter_rows(
    db: Db, batch: Sequence[TicketedBooking], after: _Position | None
) -> Iterator[tuple[TicketedBooking, tuple[int, int], AttendeeRow]]:
    """Yield the tickets after a position, each with its booking and its place."""
    holders = find_holders(db, batch)
    for booking in bookings.follow_events(db, batch):
        holder = show_holder(booking, holders)
        for ticket, type_name in rules.iter_by_place(booking):
            is_shown_before = after is not None and (
                booking["_id"] == after.booking_id and ticket.place <= after.place
            )
            if not is_shown_before:
                row = rules.render_attendee_row(booking, ticket, type_name, holder)
                yield booking, ticket.place, row


def _locate(booking: TicketedBooking, place: tuple[int, int]) -> _Position:
    return _Position(booking["createdAt"], booking["_id"], place)


def _render_position(position: _Position | None, event_id: int) -> JsonObject | None:
    """Return a position as a cursor holds it."""
    if position is None:
        return None
    return {
        "of": event_id,
        "value": int(position.created_at.timestamp() * 1000),
        "id": str(position.booking_id),
        "place": list(position.place),
    }


def _parse_position(cursor: JsonObject, event_id: int) -> _Position:
    """Return the position in a cursor.

    Raises:
        InvalidCursor: it is not a cursor of this list.
    """
    place = cursor.get("place")
    if cursor.get("of") != event_id or not isinstance(place, list) or len(place) != 2:
        raise paging.InvalidCursor
    created_at = paging.parse_cursor_time(paging.parse_cursor_int(cursor.get("value")))
    booking_id = paging.parse_cursor_object_id(cursor.get("id"))
    type_id, number = map(paging.parse_cursor_int, place)
    return _Position(created_at, booking_id, (type_id, number))
