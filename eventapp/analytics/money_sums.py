"""Sum the money in the ledger by day and by event, from stored sums and from later rows.

**What is stored.** The job `count-money` calls `refresh_sums` every 30 seconds. It adds the rows of
the ledger to the documents of `moneySums`. There is one for each scope and UTC day, in buckets of
15 minutes, and one for each scope over all time. The scopes are all events, each organizer, and
each event. A row belongs to the organizer of the event when it was stored: money that moved before
an event was transferred stays in the figures of the account that had it.

**Why no row is added twice.** A document has the number of the ledger up to which it has all rows
(`upTo`). The write that adds rows replaces this number, and is guarded by the number that was read.
So a run that dies, or is suspended and goes on beside a later run, adds no row twice. The
checkpoint is the number up to which every document has all rows. It moves after the documents.

**Why a reader's sums are exact.** A reader reads, in this order, the checkpoint, the stored sums,
the bookings with entries that may not be in the ledger yet, the highest number N of the ledger, and
the rows from the checkpoint to N. A document that it has read has no row above N. It adds to each
document the rows above the document's `upTo`, and the entries of those bookings that are not in the
ledger up to N. A change that was written before the reader began has its entry in the same write.
Its booking is due until the entry is in the ledger, so the reader finds the entry at the booking,
or else its number is not above N.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.analytics import rules, store_money, store_sums
from eventapp.analytics.money import NO_MONEY, MoneyTotals, split_entry
from eventapp.analytics.rules import BUCKET, ONE_DAY
from eventapp.analytics.store_money import SumsChange
from eventapp.analytics.store_sums import Checkpoint
from eventapp.analytics.types import MoneyRow, StoredMoney
from eventapp.bookings.ledger import service as ledger
from eventapp.core.clock import start_clock
from eventapp.core.database import Db, Query

JOB_STATE_ID = "money"
ALL_EVENTS = "all"
LEASE = timedelta(seconds=120)
ROWS_PER_BATCH = 2000

# A scope, and a UTC day or None for all time.
SumsKey = tuple[str, datetime | None]
DailyMoney = dict[date, MoneyTotals]


def make_event_scope(event_id: int) -> str:
    """Return the scope of the sums of an event."""
    return f"event-{event_id}"


def make_organizer_scope(organizer_id: ObjectId | None) -> str:
    """Return the scope of the sums of an organizer's events, or of all events if None."""
    return str(organizer_id) if organizer_id else ALL_EVENTS


def sum_all(db: Db, organizer_id: ObjectId | None) -> MoneyTotals:
    """Return the sums of an organizer's events, or of all events if None, over all time."""
    scope = make_organizer_scope(organizer_id)
    return _sum_scopes(db, [scope], store_sums.build_organizer_filter(organizer_id))[scope]


def sum_by_event(db: Db, event_ids: Sequence[int]) -> dict[int, MoneyTotals]:
    """Return the sums of each of these events over all time."""
    scopes = {make_event_scope(id_): id_ for id_ in event_ids}
    sums = _sum_scopes(db, list(scopes), {"eventId": {"$in": list(event_ids)}})
    return {id_: sums[scope] for scope, id_ in scopes.items()}


def _sum_scopes(db: Db, scopes: Sequence[str], where: Query) -> dict[str, MoneyTotals]:
    """Return the sums of each scope over all time.

    Args:
        where: finds the rows of the ledger, and the bookings, that belong to one of the scopes.
    """
    checkpoint = _find_checkpoint(db)
    stored = {each["_id"]: each for each in store_money.find_totals(db, scopes)}
    sums = {scope: _sum_slots(stored.get(scope)) for scope in scopes}
    for row in _find_later_rows(db, checkpoint, where):
        for scope in _list_scopes(row):
            if scope in sums and _is_missing(row, stored.get(scope)):
                sums[scope] += _get_money(row)
    return sums


def sum_by_day(
    db: Db, organizer_id: ObjectId | None, first: date, last: date, zone: ZoneInfo
) -> DailyMoney:
    """Return the sums of each local day from `first` to `last`. Days without money are missing.

    Args:
        organizer_id: sum up this organizer's events, or all events if None.
    """
    start, end = rules.find_day_start(first, zone), rules.find_day_start(last + ONE_DAY, zone)
    checkpoint, scope = _find_checkpoint(db), make_organizer_scope(organizer_id)
    stored = store_money.find_days(db, scope, rules.floor_to_utc_day(start), end)
    where = store_sums.build_organizer_filter(organizer_id)
    buckets = _collect_buckets(stored, _find_later_rows(db, checkpoint, where))
    days: defaultdict[date, MoneyTotals] = defaultdict(MoneyTotals)
    for utc_day, of_day in buckets.items():
        for day, numbers in rules.split_utc_day(utc_day, zone):
            if first <= day <= last and (found := [n for n in numbers if n in of_day]):
                days[day] = sum((of_day[number] for number in found), days[day])
    return dict(days)


def sum_event_by_day(db: Db, event_id: int) -> DailyMoney:
    """Return the sums of an event by UTC day. Days without money are missing."""
    checkpoint = _find_checkpoint(db)
    stored = store_money.find_days(db, make_event_scope(event_id))
    buckets = _collect_buckets(stored, _find_later_rows(db, checkpoint, {"eventId": event_id}))
    return {day.date(): sum(of_day.values(), NO_MONEY) for day, of_day in buckets.items()}


def _collect_buckets(
    stored: Iterable[StoredMoney], later: Iterable[MoneyRow]
) -> dict[datetime, dict[int, MoneyTotals]]:
    """Return the sums by UTC day and number of the bucket.

    Days outside of the stored ones may be incomplete.
    """
    documents = {each["day"].astimezone(UTC): each for each in stored if each["day"]}
    buckets: defaultdict[datetime, dict[int, MoneyTotals]] = defaultdict(dict)
    for day, document in documents.items():
        for slot, amounts in document["slots"].items():
            buckets[day][int(slot)] = MoneyTotals(**amounts)
    for row in later:
        day, number = _find_bucket(row)
        money = _get_money(row)
        if money != NO_MONEY and _is_missing(row, documents.get(day)):
            buckets[day][number] = buckets[day].get(number, NO_MONEY) + money
    return buckets


def _sum_slots(document: StoredMoney | None) -> MoneyTotals:
    slots = document["slots"].values() if document else ()
    return sum((MoneyTotals(**amounts) for amounts in slots), NO_MONEY)


def _is_missing(row: MoneyRow, document: StoredMoney | None) -> bool:
    """Return whether a document lacks a row. One that is not in the ledger has the number 0."""
    return not row["number"] or document is None or row["number"] > document["upTo"]


def _find_checkpoint(db: Db) -> int:
    checkpoint = store_sums.find_checkpoint(db, JOB_STATE_ID)
    return checkpoint.number if checkpoint else 0


def _find_later_rows(db: Db, checkpoint: int, where: Query) -> list[MoneyRow]:
    """Return the rows after the checkpoint, and the entries that are not in the ledger yet.

    Call it after the stored sums were read.
    """
    pending = [row for row in store_money.find_pending_rows(db, where) if _has_money(row)]
    number = ledger.find_highest_number(db)
    rows = store_money.find_rows(db, checkpoint, number, where)
    copied = store_money.find_copied_ids(db, [row["_id"] for row in pending], number)
    return rows + [row for row in pending if row["_id"] not in copied]


def _get_money(row: MoneyRow) -> MoneyTotals:
    return split_entry(row["kind"], row["paid"], row.get("fee", 0))


def _has_money(row: MoneyRow) -> bool:
    return _get_money(row) != NO_MONEY


def _list_scopes(row: MoneyRow) -> Iterator[str]:
    """Yield the scopes that a row belongs to."""
    yield ALL_EVENTS
    if row["organizerId"]:
        yield make_organizer_scope(row["organizerId"])
    yield make_event_scope(row["eventId"])


def _find_bucket(row: MoneyRow) -> tuple[datetime, int]:
    """Return the UTC day of a row, and the number of the bucket of its time."""
    at = row["at"].astimezone(UTC)
    day = rules.floor_to_utc_day(at)
    return day, (at - day) // BUCKET


def refresh_sums(db: Db, now: datetime) -> int:
    """Add the rows of the ledger that the stored sums lack; return how many rows were added.

    Any number of processes may call it at any time. While one of them has the lease, the calls of
    the others return 0 at once.
    """
    state = store_sums.begin_run(db, now, LEASE, JOB_STATE_ID)
    if state is None:
        return 0
    run, clock, checkpoint = state["run"], start_clock(now), store_sums.get_checkpoint(state)
    ledger.copy_entries(db, now)
    number, reached = checkpoint.number if checkpoint else 0, ledger.find_highest_number(db)
    added = 0
    while number < reached:
        with store_sums.allow_job_timeout():
            last = min(number + ROWS_PER_BATCH, reached)
            rows = store_money.find_rows(db, number, last, {})
            if not _add_rows(db, rows, last):
                break  # A later run has begun, and goes on.
        number, added = last, added + len(rows)
        store_sums.move_checkpoint(db, run, Checkpoint(number, now), JOB_STATE_ID)
        store_sums.extend_lease(db, run, clock() + LEASE, JOB_STATE_ID)
    store_sums.end_run(db, run, Checkpoint(number, now), now, JOB_STATE_ID)
    return added


def _add_rows(db: Db, rows: Iterable[MoneyRow], last: int) -> bool:
    """Add rows to all documents that lack them.

    Args:
        last: the number of the last row.

    Returns:
        False if a later run has changed one of the documents.
    """
    by_document = _group_by_document(row for row in rows if _has_money(row))
    ids = [store_money.make_id(*key) for key in by_document]
    up_to = store_money.find_up_to(db, ids)
    changes = [
        SumsChange(key, id_, up_to.get(id_), last, slots)
        for id_, (key, found) in zip(ids, by_document.items(), strict=True)
        if (slots := _sum_by_slot(found, up_to.get(id_, 0)))
    ]
    return store_money.add_sums(db, changes)


def _group_by_document(
    rows: Iterable[MoneyRow],
) -> Mapping[SumsKey, list[tuple[str, MoneyRow]]]:
    """Return the rows of each document with the slot that each belongs to."""
    groups: defaultdict[SumsKey, list[tuple[str, MoneyRow]]] = defaultdict(list)
    for row in rows:
        day, number = _find_bucket(row)
        for scope in _list_scopes(row):
            groups[scope, None].append(("0", row))
            groups[scope, day].append((str(number), row))
    return groups


def _sum_by_slot(rows: Iterable[tuple[str, MoneyRow]], up_to: int) -> dict[str, dict[str, int]]:
    """Return the sums by slot of the rows with a number above `up_to`."""
    sums: defaultdict[str, MoneyTotals] = defaultdict(MoneyTotals)
    for slot, row in rows:
        if row["number"] > up_to:
            sums[slot] += _get_money(row)
    return {
        slot: {"charged": each.charged, "refunded": each.refunded, "fees": each.fees}
        for slot, each in sums.items()
    }
