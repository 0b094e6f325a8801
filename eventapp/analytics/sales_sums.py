"""Sums of all bookings, from what the job counted before and, anew, what changed since then.

Both together are exact: a quarter of an hour, or a part of an event (see `service_parts`), of which
any booking changed after the job's marker is counted from its bookings. Where the job never ran
everything is.
"""

from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from bson import ObjectId

from eventapp.analytics import event_day_sums, rules, store
from eventapp.analytics.rules import DAY_SPAN, SLOT, Tally
from eventapp.core.clock import advancing_clock
from eventapp.core.database import Db, Document

LEASE = timedelta(seconds=120)
OFFSETS = tuple(n * SLOT for n in range(96))
DAYS_AT_ONCE, EVENTS_AT_ONCE = 7, 500

Item = TypeVar("Item")
Days = dict[date, Tally]


def sales(db: Db, organizer_id: ObjectId | None, first: date, last: date, zone: ZoneInfo) -> Days:
    """The sums of what was booked, by day of a zone's calendar, `first` and `last` included.

    Args:
        organizer_id: of this organizer's events; None for all.
    """
    start, end = rules.begin_of(first, zone), rules.begin_of(last + DAY_SPAN, zone)
    marker = store.marker(db)
    if marker is None:
        return _counted(db, organizer_id, [(start, end)], zone)
    changed = store.changed_since(db, marker["upTo"], organizer_id)
    fresh = {rules.slot_of(booking["createdAt"]) for booking in changed}
    days = _kept(db, organizer_id, start, end, zone, without=fresh)
    inside = [slot for slot in fresh if start <= slot < end]
    for day, tally in _counted(db, organizer_id, rules.spans(inside, SLOT), zone).items():
        days[day].include(tally.numbers)
    return {day: tally for day, tally in days.items() if first <= day <= last}


def all_sales(db: Db, organizer_id: ObjectId | None) -> Days:
    """The sums of all that was ever booked, by UTC day."""
    ends = store.first_and_last(db)
    if ends is None:
        return {}
    return sales(db, organizer_id, ends[0].date(), ends[1].date(), rules.zone("UTC"))


def _kept(
    db: Db,
    organizer_id: ObjectId | None,
    start: datetime,
    end: datetime,
    zone: ZoneInfo,
    *,
    without: Container[datetime],
) -> defaultdict[date, Tally]:
    scope = str(organizer_id) if organizer_id else store.ALL
    days: defaultdict[date, Tally] = defaultdict(Tally)
    for kept in store.days(db, scope, rules.day_of(start), end):
        begin = kept["day"].astimezone(UTC)  # BSON's own zone is slow to reckon with
        slots = {int(number): numbers for number, numbers in kept["slots"].items()}
        for day, numbers in rules.days_of_slots(begin, zone):
            mine = (n for n in numbers if n in slots and begin + OFFSETS[n] not in without)
            days[day].include_all([slots[n] for n in mine])
    return days


def _counted(
    db: Db,
    organizer_id: ObjectId | None,
    spans: Sequence[tuple[datetime, datetime]],
    zone: ZoneInfo,
) -> Days:
    days: defaultdict[date, Tally] = defaultdict(Tally)
    for row in store.by_minute(db, spans, organizer_id):
        _add(days[_slot(row).astimezone(zone).date()], row)
    return dict(days)


def _slot(row: Document) -> datetime:
    return rules.slot_of(datetime.fromisoformat(row["minute"]).replace(tzinfo=UTC))


def _add(tally: Tally, row: Document) -> None:
    tally.add(row["status"], row["bookings"], row["tickets"], row["cents"])


def by_event(db: Db, organizer_id: ObjectId | None) -> dict[int, Tally]:
    """The sums by eventId of all events that were ever booked."""
    marker = store.marker(db)
    if marker is None:
        tallies: defaultdict[int, Tally] = defaultdict(Tally)
        for row in store.by_event(db, organizer_id):
            _add(tallies[row["event"]], row)
        return dict(tallies)
    changed = store.changed_since(db, marker["upTo"], organizer_id)
    kept = {kept["_id"]: Tally(kept["numbers"]) for kept in store.event_sales(db, organizer_id)}
    return kept | event_day_sums.by_event(db, changed)


# The job.


def count_sales(db: Db, now: datetime) -> int:
    """Count anew what changed since the last run, and keep it; how many days and events.

    Safe at any time, by any number at once. Cut off, the next run begins where the last one that
    ended did. The first run counts everything.
    """
    begun = store.begin_run(db, now, LEASE)
    if begun is None:
        return 0
    run, clock = begun["run"], advancing_clock(now)
    with store.without_hurry():
        since = begun.get("upTo")
        changed = store.changed_since(db, since) if since else None
        days, events = _by_day(_slots(db, changed)), _events(db, changed)
    for some in _parts(sorted(days), DAYS_AT_ONCE):
        with store.without_hurry():
            _keep_days(db, run, [slot for day in some for slot in days[day]])
        store.hold_on(db, run, clock() + LEASE)
    for some_events in _parts(sorted(events), EVENTS_AT_ONCE):
        with store.without_hurry():
            of_them = changed and [one for id_ in some_events for one in events[id_]]
            event_day_sums.keep(db, run, some_events, of_them)
        store.hold_on(db, run, clock() + LEASE)
    store.end_run(db, run, now - rules.SETTLED_AFTER, now)
    return len(days) + len(events)


def _slots(db: Db, changed: Sequence[Document] | None) -> list[datetime]:
    """The quarters of an hour of which a booking changed; all, where never counted."""
    if changed is not None:
        return sorted({rules.slot_of(booking["createdAt"]) for booking in changed})
    ends = store.first_and_last(db)
    if ends is None:
        return []
    first = rules.day_of(ends[0])
    number = (rules.day_of(ends[1]) + DAY_SPAN - first) // SLOT
    return [first + n * SLOT for n in range(number)]


def _events(db: Db, changed: Sequence[Document] | None) -> dict[int, list[Document]]:
    """The events of which a booking changed, with these; all, where never counted."""
    if changed is None:
        return {event_id: [] for event_id in store.booked_events(db)}
    events: defaultdict[int, list[Document]] = defaultdict(list)
    for booking in changed:
        events[booking["eventId"]].append(booking)
    return events


def _by_day(slots: Iterable[datetime]) -> dict[datetime, list[datetime]]:
    days: defaultdict[datetime, list[datetime]] = defaultdict(list)
    for slot in slots:
        days[rules.day_of(slot)].append(slot)
    return days


def _keep_days(db: Db, run: int, slots: Sequence[datetime]) -> None:
    tallies: defaultdict[tuple[str, datetime], Tally] = defaultdict(Tally)
    for row in store.by_minute(db, rules.spans(slots, SLOT)):
        for scope in (store.ALL, str(row["organizer"])):
            _add(tallies[scope, _slot(row)], row)
    fields: defaultdict[tuple[str, datetime], Document] = defaultdict(dict)
    for (scope, slot), tally in tallies.items():
        day = rules.day_of(slot)
        fields[scope, day][f"slots.{(slot - day) // SLOT}"] = tally.numbers
    store.keep(db, "dailySales", run, [(_day(*key), value) for key, value in fields.items()])


def _day(scope: str, day: datetime) -> Document:
    return {"_id": f"{scope}:{day:%Y-%m-%d}", "scope": scope, "day": day}


def _parts(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
