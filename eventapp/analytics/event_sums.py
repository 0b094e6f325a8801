"""Sum the bookings of events by day and ticket type, from stored segments and later changes.

sales_sums.py describes how stored sums are refreshed and combined with changes. The unit that this
module stores and recounts is a segment of an event's day (segments.py).
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bson import ObjectId

from eventapp.analytics import rules, segments, store_sums
from eventapp.analytics.rules import BookingTotals
from eventapp.analytics.segments import Segment
from eventapp.analytics.store_sums import EventTimeRange, SumsDocument
from eventapp.analytics.types import (
    ChangedBooking,
    EventTimeSums,
    StoredSegment,
    TicketPriceSums,
)
from eventapp.bookings import service as bookings
from eventapp.core.database import Db, Query

# This many bookings are counted in a few milliseconds.
MAX_BOOKINGS_PER_SEGMENT = 2000

EventDayKey = tuple[int, datetime]  # eventId, and the first moment of a UTC day
SegmentsByDay = dict[EventDayKey, list[Segment]]
MinutesByDay = defaultdict[EventDayKey, dict[datetime, Segment]]


def load_segments(db: Db, event_id: int) -> list[Segment]:
    """Return the current totals of an event, in segments that each lie within a UTC day."""
    checkpoint = store_sums.find_checkpoint(db)
    if checkpoint is None:
        counted, _ = _count_bookings(db, [(event_id, None)], store_sums.DAY)
        return [segment for day in counted.values() for segment in day.values()]
    changed = store_sums.find_changed(db, checkpoint, event_ids=[event_id])
    days, _ = _load_current_segments(db, [event_id], changed)
    return [segment for day in days.values() for segment in day]


def sum_changed_events(db: Db, changed: Sequence[ChangedBooking]) -> dict[int, BookingTotals]:
    """Return the current totals, by eventId, of the events of these changed bookings."""
    days, _ = _load_current_segments(db, {booking["eventId"] for booking in changed}, changed)
    return _sum_by_event(days)


def save_event_sums(
    db: Db, run: int, event_ids: Iterable[int], changed: Sequence[ChangedBooking] | None
) -> None:
    """Recount the segments of changed bookings, and store them and the totals of their events.

    Args:
        run: the number of the run that writes.
        event_ids: the events of the changed bookings.
        changed: the changed bookings of these events; None to count all their bookings.
    """
    if changed is None:
        counted, organizers = _count_bookings(db, [(event_id, None) for event_id in event_ids])
        days = {
            day: segments.build_segments(minutes.values(), MAX_BOOKINGS_PER_SEGMENT)
            for day, minutes in counted.items()
        }
        changed_days = set(days)
    else:
        days, organizers = _load_current_segments(db, event_ids, changed)
        changed_days = {_make_day_key(booking) for booking in changed}
    store_sums.save_sums(
        db, "eventDays", run, [_build_day_document(day, days[day]) for day in changed_days]
    )
    store_sums.save_sums(
        db,
        "eventSales",
        run,
        [
            SumsDocument(
                {"_id": event_id, "organizerId": organizers[event_id]}, {"numbers": totals.numbers}
            )
            for event_id, totals in _sum_by_event(days).items()
        ],
    )


def _make_day_key(booking: ChangedBooking) -> EventDayKey:
    return booking["eventId"], rules.floor_to_utc_day(booking["createdAt"])


def _build_day_document(day: EventDayKey, day_segments: Sequence[Segment]) -> SumsDocument:
    """Return the document of `eventDays` for an event and a day."""
    event_id, utc_day = day
    parts: list[StoredSegment] = [
        {
            "since": segment.since,
            "numbers": segment.totals.numbers,
            "cents": [list(pair) for pair in segment.cents_by_type.items()],
            "discounts": [list(pair) for pair in segment.discounts_by_type.items()],
        }
        for segment in day_segments
    ]
    identity = {"_id": f"{event_id}:{utc_day:%Y-%m-%d}", "eventId": event_id, "day": utc_day}
    return SumsDocument(identity, {"parts": parts})


def _sum_by_event(days: SegmentsByDay) -> dict[int, BookingTotals]:
    totals: defaultdict[int, BookingTotals] = defaultdict(BookingTotals)
    for (event_id, _), day_segments in days.items():
        totals[event_id].add_all_numbers(segment.totals.numbers for segment in day_segments)
    return dict(totals)


def _load_current_segments(
    db: Db, event_ids: Iterable[int], changed: Sequence[ChangedBooking]
) -> tuple[SegmentsByDay, dict[int, ObjectId | None]]:
    """Load the stored segments of events, and recount those of changed bookings.

    Returns:
        All current segments of these events, and the organizers of the recounted events.
    """
    days = _load_stored_segments(db, event_ids)
    stale: defaultdict[EventDayKey, set[int]] = defaultdict(set)
    for booking in changed:
        day = _make_day_key(booking)
        stale[day].add(segments.find_segment(booking["createdAt"], days.get(day, [])))
    ranges = [
        _compute_time_range(day, index, days) for day, indexes in stale.items() for index in indexes
    ]
    counted, organizers = _count_bookings(db, ranges)
    for day, indexes in stale.items():
        days[day] = segments.replace_stale_segments(
            days.get(day, []), counted[day], indexes, MAX_BOOKINGS_PER_SEGMENT
        )
    return days, organizers


def _compute_time_range(day: EventDayKey, index: int, days: SegmentsByDay) -> EventTimeRange:
    event_id, utc_day = day
    day_segments = days.get(day, [Segment(utc_day)])
    return event_id, segments.compute_segment_range(index, day_segments, utc_day)


def _load_stored_segments(db: Db, event_ids: Iterable[int]) -> SegmentsByDay:
    return {
        (stored["eventId"], stored["day"].astimezone(UTC)): [
            _load_segment(part) for part in stored["parts"]
        ]
        for stored in store_sums.find_event_days(db, event_ids)
    }


def _load_segment(stored: StoredSegment) -> Segment:
    cents_by_type = defaultdict(int, {pair[0]: pair[1] for pair in stored["cents"]})
    discounts = defaultdict(int, {pair[0]: pair[1] for pair in stored.get("discounts", [])})
    totals = BookingTotals(rules.read_numbers(stored["numbers"]))
    return Segment(stored["since"], totals, cents_by_type, discounts)


def _count_bookings(
    db: Db, ranges: Sequence[EventTimeRange], granularity: Query = store_sums.MINUTE
) -> tuple[MinutesByDay, dict[int, ObjectId | None]]:
    """Count the bookings of these events and time ranges.

    Args:
        granularity: store_sums.MINUTE or DAY.

    Returns:
        The totals by day and then by minute (or day), and the organizers of the events.
    """
    days: MinutesByDay = defaultdict(dict)
    organizers: dict[int, ObjectId | None] = {}
    for row in store_sums.sum_by_event_and_time(db, ranges, granularity):
        organizers[row["event"]] = row["organizer"]
        totals = _get_row_segment(days, row).totals
        totals.add(row["status"], row["bookings"], row["tickets"], row["cents"], row["discount"])
    for price_row in store_sums.count_tickets_by_price(db, ranges, granularity):
        segment, type_id = _get_row_segment(days, price_row), price_row["type"]
        cents = bookings.to_cents(price_row["price"]) * price_row["tickets"]
        discount = bookings.to_cents(price_row["discount"]) * price_row["bookings"]
        segment.cents_by_type[type_id] += cents - discount
        if discount:
            segment.discounts_by_type[type_id] += discount
    return days, organizers


def _get_row_segment(days: MinutesByDay, row: EventTimeSums | TicketPriceSums) -> Segment:
    """Return the segment of a row's minute or day, which is added if it does not exist yet."""
    start = datetime.fromisoformat(row["time"]).replace(tzinfo=UTC)
    minutes = days[row["event"], rules.floor_to_utc_day(start)]
    return minutes.setdefault(start, Segment(start))
