"""Sum bookings by day and by event, from sums that a job stores and from later changes.

**What is stored.** The job `count-sales` calls `refresh_sums` every 30 seconds. It stores

- `dailySales`: totals of each UTC day in buckets of 15 minutes, for all bookings and for each
  organizer. A local day of any time zone consists of whole buckets.
- `eventSales`: totals of each event.
- `eventDays`: totals of each event and UTC day in segments (segments.py, event_sums.py).

**When it is refreshed.** Changes are found by the ledger (bookings/ledger), not by a clock. The
checkpoint is a number of the ledger: every change with this number or a lower one is in the stored
sums. A run copies the pending entries of bookings into the ledger, then reads its highest number,
then the rows from the checkpoint to that number. It recounts the buckets and segments of their
bookings from the bookings, stores them, and moves the checkpoint to that number. A lease prevents
that two runs work at the same time. A run that dies does not move the checkpoint, so that the next
run repeats its work. The first run counts all bookings; so does the first run on a database of an
older version, whose checkpoint was a time.

**How a reader combines stored sums and changes.** It reads the checkpoint first, then the bookings
with entries that are not in the ledger yet, and last the rows of the ledger after the checkpoint. A
bucket (or segment) in which one of these bookings was made is stale. The reader takes the stored
totals of all other buckets, and counts the stale ones from the bookings. Before there is a
checkpoint, the reader counts all bookings.

**Why the result is exact.** Take a change that was written before the reader began, and the entry
that was written with it. When the reader looks for bookings with pending entries, either it finds
the booking there, or the entry has been copied, because a booking stays due until all its entries
are in the ledger. In the second case the row has a number. If the number is above the checkpoint,
the reader finds the row, because it reads the ledger later and rows stay. In both cases it recounts
the bucket. If the number is not above the checkpoint, the run that set this checkpoint had read
that number before it counted, so it counted the booking with the change. The stored bucket may also
be newer than the checkpoint, because a run stores its buckets before it moves the checkpoint. Then
it was counted later, and is exact as well. No lower number appears later, so the argument holds
for slow requests, suspended processes and wrong clocks.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.analytics import event_sums, rules, store_sums
from eventapp.analytics.rules import BUCKET, BUCKETS_PER_DAY, ONE_DAY, BookingTotals
from eventapp.analytics.store_sums import SumsDocument
from eventapp.analytics.types import ChangedBooking, MinuteSums, StatusSums, TimeRange
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import start_clock
from eventapp.core.database import Db, Query

LEASE = timedelta(seconds=120)
BUCKET_OFFSETS = tuple(number * BUCKET for number in range(BUCKETS_PER_DAY))
DAYS_PER_BATCH, EVENTS_PER_BATCH = 7, 500

Item = TypeVar("Item")
DailyTotals = dict[date, BookingTotals]


def sum_by_day(
    db: Db, organizer_id: ObjectId | None, first: date, last: date, zone: ZoneInfo
) -> DailyTotals:
    """Return the totals of each local day from `first` to `last`. Empty days may be missing.

    Args:
        organizer_id: count the bookings of this organizer's events, or of all events if None.
    """
    start, end = rules.find_day_start(first, zone), rules.find_day_start(last + ONE_DAY, zone)
    checkpoint = store_sums.find_checkpoint(db)
    if checkpoint is None:
        return _count_by_day(db, organizer_id, [(start, end)], zone)
    changed = store_sums.find_changed(db, checkpoint, organizer_id)
    stale = {rules.floor_to_bucket(booking["createdAt"]) for booking in changed}
    days = _load_by_day(db, organizer_id, start, end, zone, stale_buckets=stale)
    stale_ranges = rules.merge_adjacent((each for each in stale if start <= each < end), BUCKET)
    for day, totals in _count_by_day(db, organizer_id, stale_ranges, zone).items():
        days[day].add_numbers(totals.numbers)
    return {day: totals for day, totals in days.items() if first <= day <= last}


def sum_all_days(db: Db, organizer_id: ObjectId | None) -> DailyTotals:
    """Return the totals of all bookings by UTC day."""
    booking_times = store_sums.find_first_and_last_time(db)
    if booking_times is None:
        return {}
    first, last = booking_times
    return sum_by_day(db, organizer_id, first.date(), last.date(), ZoneInfo("UTC"))


def _load_by_day(
    db: Db,
    organizer_id: ObjectId | None,
    start: datetime,
    end: datetime,
    zone: ZoneInfo,
    *,
    stale_buckets: Container[datetime],
) -> defaultdict[date, BookingTotals]:
    """Return the stored totals by local day, leaving out the stale buckets."""
    scope = str(organizer_id) if organizer_id else store_sums.ALL_ORGANIZERS
    days: defaultdict[date, BookingTotals] = defaultdict(BookingTotals)
    for stored in store_sums.find_day_sums(db, scope, rules.floor_to_utc_day(start), end):
        utc_day = stored["day"].astimezone(UTC)  # Arithmetic with bson's own UTC class is slow.
        buckets = {int(number): numbers for number, numbers in stored["slots"].items()}
        for day, bucket_numbers in rules.split_utc_day(utc_day, zone):
            current = (
                number
                for number in bucket_numbers
                if number in buckets and utc_day + BUCKET_OFFSETS[number] not in stale_buckets
            )
            days[day].add_all_numbers(rules.read_numbers(buckets[number]) for number in current)
    return days


def _count_by_day(
    db: Db, organizer_id: ObjectId | None, ranges: Sequence[TimeRange], zone: ZoneInfo
) -> DailyTotals:
    """Count the bookings that were made in these time ranges, by local day."""
    days: defaultdict[date, BookingTotals] = defaultdict(BookingTotals)
    for row in store_sums.sum_by_minute(db, ranges, organizer_id):
        _add_row(days[_find_row_bucket(row).astimezone(zone).date()], row)
    return dict(days)


def _find_row_bucket(row: MinuteSums) -> datetime:
    return rules.floor_to_bucket(datetime.fromisoformat(row["minute"]).replace(tzinfo=UTC))


def _add_row(totals: BookingTotals, row: StatusSums) -> None:
    totals.add(row["status"], row["bookings"], row["tickets"], row["cents"], row["discount"])


def sum_by_event(
    db: Db, organizer_id: ObjectId | None, event_ids: Sequence[int] | None = None
) -> dict[int, BookingTotals]:
    """Return the totals by eventId of all events that have bookings.

    Args:
        organizer_id: return this organizer's events, or all events if None.
        event_ids: return only these events.
    """
    checkpoint = store_sums.find_checkpoint(db)
    if checkpoint is None:
        counted: defaultdict[int, BookingTotals] = defaultdict(BookingTotals)
        for row in store_sums.sum_by_event(db, organizer_id, event_ids):
            _add_row(counted[row["event"]], row)
        return dict(counted)
    changed = store_sums.find_changed(db, checkpoint, organizer_id, event_ids)
    stored = store_sums.find_event_sums(db, organizer_id, event_ids)
    totals = {event["_id"]: BookingTotals(rules.read_numbers(event["numbers"])) for event in stored}
    return totals | event_sums.sum_changed_events(db, changed)


def recount_all(db: Db) -> None:
    """Let the next run count all bookings, because events got another organizer.

    The ledger does not tell of it. Until then, readers count all bookings.
    """
    store_sums.forget_checkpoint(db)


def refresh_sums(db: Db, now: datetime) -> int:
    """Bring the stored sums up to date, and return how many days and events were written.

    Any number of processes may call it at any time. While one of them has the lease, the calls of
    the others return 0 at once.
    """
    state = store_sums.begin_run(db, now, LEASE)
    if state is None:
        return 0
    run, clock, checkpoint = state["run"], start_clock(now), store_sums.get_checkpoint(state)
    ledger.copy_entries(db, now)
    with store_sums.allow_job_timeout():
        # The number is read before the bookings are counted.
        reached = store_sums.Checkpoint(ledger.find_highest_number(db), now)
        changed = None
        if checkpoint is not None:
            changed = store_sums.find_copied_changes(db, checkpoint, reached)
        buckets_by_day = _group_by_utc_day(_find_stale_buckets(db, changed))
        changed_by_event = _group_by_event(db, changed)
    for days in _split_into_batches(sorted(buckets_by_day), DAYS_PER_BATCH):
        with store_sums.allow_job_timeout():
            _save_days(db, run, [bucket for day in days for bucket in buckets_by_day[day]])
        store_sums.extend_lease(db, run, clock() + LEASE)
    for event_ids in _split_into_batches(sorted(changed_by_event), EVENTS_PER_BATCH):
        with store_sums.allow_job_timeout():
            batch = [booking for id_ in event_ids for booking in changed_by_event[id_]]
            event_sums.save_event_sums(db, run, event_ids, None if changed is None else batch)
        store_sums.extend_lease(db, run, clock() + LEASE)
    store_sums.end_run(db, run, reached, now)
    return len(buckets_by_day) + len(changed_by_event)


def _find_stale_buckets(db: Db, changed: Sequence[ChangedBooking] | None) -> list[datetime]:
    """Return the buckets in which changed bookings were made, all buckets if `changed` is None."""
    if changed is not None:
        return sorted({rules.floor_to_bucket(booking["createdAt"]) for booking in changed})
    booking_times = store_sums.find_first_and_last_time(db)
    if booking_times is None:
        return []
    start, last_day = (rules.floor_to_utc_day(moment) for moment in booking_times)
    count = (last_day + ONE_DAY - start) // BUCKET
    return [start + number * BUCKET for number in range(count)]


def _group_by_event(
    db: Db, changed: Sequence[ChangedBooking] | None
) -> dict[int, list[ChangedBooking]]:
    """Return the changed bookings by eventId.

    If `changed` is None, every event that has bookings is returned, with an empty list.
    """
    if changed is None:
        return {event_id: [] for event_id in store_sums.find_booked_event_ids(db)}
    events: defaultdict[int, list[ChangedBooking]] = defaultdict(list)
    for booking in changed:
        events[booking["eventId"]].append(booking)
    return events


def _group_by_utc_day(buckets: Iterable[datetime]) -> dict[datetime, list[datetime]]:
    days: defaultdict[datetime, list[datetime]] = defaultdict(list)
    for bucket in buckets:
        days[rules.floor_to_utc_day(bucket)].append(bucket)
    return days


def _save_days(db: Db, run: int, buckets: Sequence[datetime]) -> None:
    """Count the bookings of these buckets, and store their totals in all and by organizer."""
    counted: defaultdict[tuple[str, datetime], BookingTotals] = defaultdict(BookingTotals)
    for row in store_sums.sum_by_minute(db, rules.merge_adjacent(buckets, BUCKET)):
        for scope in (store_sums.ALL_ORGANIZERS, str(row["organizer"])):
            _add_row(counted[scope, _find_row_bucket(row)], row)
    fields: defaultdict[tuple[str, datetime], Query] = defaultdict(dict)
    for (scope, bucket), totals in counted.items():
        utc_day = rules.floor_to_utc_day(bucket)
        fields[scope, utc_day][f"slots.{(bucket - utc_day) // BUCKET}"] = totals.numbers
    documents = [SumsDocument(_build_day_identity(*key), values) for key, values in fields.items()]
    store_sums.save_sums(db, "dailySales", run, documents)


def _build_day_identity(scope: str, utc_day: datetime) -> Query:
    return {"_id": f"{scope}:{utc_day:%Y-%m-%d}", "scope": scope, "day": utc_day}


def _split_into_batches(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[first : first + size] for first in range(0, len(items), size)]
