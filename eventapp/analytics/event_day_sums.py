"""The sums of events by day and ticket type, from what the job kept and what changed since.

Exact at any time: a part of which any booking changed after the job's marker is counted anew.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from bson import ObjectId

from eventapp.analytics import day_sums, rules, store, store_day_sums
from eventapp.analytics.day_sums import Part
from eventapp.analytics.rules import Tally
from eventapp.analytics.store_day_sums import Span
from eventapp.bookings import service as bookings
from eventapp.core.database import Db, Document

# Bookings of a part: as many are counted in some milliseconds.
MOST = 2000

Day = tuple[int, datetime]  # eventId, first moment
Minutes = dict[datetime, Part]


def of_event(db: Db, event_id: int) -> list[Part]:
    """The sums of an event's bookings, in parts that each lie within a UTC day."""
    marker = store.marker(db)
    if marker is None:
        days, _ = _counted(db, [(event_id, None)], store.DAY)
        return [part for day in days.values() for part in day.values()]
    changed = store.changed_since(db, marker["upTo"], event_id=event_id)
    return [part for day in _now(db, [event_id], changed)[0].values() for part in day]


def by_event(db: Db, changed: Sequence[Document]) -> dict[int, Tally]:
    """The tallies of the events of which these bookings, `{eventId, createdAt}`, changed."""
    days, _ = _now(db, {booking["eventId"] for booking in changed}, changed)
    return _totals(days)


def keep(db: Db, run: int, event_ids: Iterable[int], changed: Sequence[Document] | None) -> None:
    """Count anew, of these events, the parts of what changed, or all; and keep what it comes to."""
    if changed is None:
        minutes, owners = _counted(db, [(event_id, None) for event_id in event_ids])
        days = {day: day_sums.cut(counted.values(), MOST) for day, counted in minutes.items()}
        new = set(days)
    else:
        days, owners = _now(db, event_ids, changed)
        new = {_day_of(booking) for booking in changed}
    store.keep(db, "eventDays", run, [_document(day, days[day]) for day in new])
    store.keep(
        db,
        "eventSales",
        run,
        [
            ({"_id": event_id, "organizerId": owners[event_id]}, {"numbers": tally.numbers})
            for event_id, tally in _totals(days).items()
        ],
    )


def _day_of(booking: Document) -> Day:
    return booking["eventId"], rules.day_of(booking["createdAt"])


def _document(day: Day, parts: Sequence[Part]) -> tuple[Document, Document]:
    event_id, begin = day
    rows = [
        {
            "since": part.since,
            "numbers": part.tally.numbers,
            "cents": [list(pair) for pair in part.cents.items()],
        }
        for part in parts
    ]
    named = {"_id": f"{event_id}:{begin:%Y-%m-%d}", "eventId": event_id, "day": begin}
    return named, {"parts": rows}


def _totals(days: dict[Day, list[Part]]) -> dict[int, Tally]:
    tallies: defaultdict[int, Tally] = defaultdict(Tally)
    for (event_id, _), parts in days.items():
        tallies[event_id].include_all(part.tally.numbers for part in parts)
    return dict(tallies)


def _now(
    db: Db, event_ids: Iterable[int], changed: Sequence[Document]
) -> tuple[dict[Day, list[Part]], dict[int, ObjectId]]:
    """All parts of these events as they are now, and the organizers of those that changed."""
    days = _kept(db, event_ids)
    stale: defaultdict[Day, set[int]] = defaultdict(set)
    for booking in changed:
        day = _day_of(booking)
        stale[day].add(day_sums.place_of(booking["createdAt"], days.get(day, [])))
    spans = [_span(day, place, days) for day, places in stale.items() for place in places]
    counted, owners = _counted(db, spans)
    for day, places in stale.items():
        days[day] = day_sums.with_counted(days.get(day, []), counted[day], places, MOST)
    return days, owners


def _span(day: Day, place: int, days: dict[Day, list[Part]]) -> Span:
    event_id, begin = day
    times = day_sums.span_of(place, days.get(day, [Part(begin)]), begin)
    return event_id, times


def _kept(db: Db, event_ids: Iterable[int]) -> dict[Day, list[Part]]:
    return {
        (kept["eventId"], kept["day"].astimezone(UTC)): [_part(row) for row in kept["parts"]]
        for kept in store_day_sums.days(db, event_ids)
    }


def _part(row: Document) -> Part:
    return Part(row["since"], Tally(row["numbers"]), defaultdict(int, map(tuple, row["cents"])))


def _counted(
    db: Db, spans: Sequence[Span], moment: Document = store.MINUTE
) -> tuple[defaultdict[Day, Minutes], dict[int, ObjectId]]:
    """The bookings of these times, by day and moment; and whose events they are."""
    days: defaultdict[Day, Minutes] = defaultdict(dict)
    owners = {}
    for row in store_day_sums.sums(db, spans, moment):
        owners[row["event"]] = row["organizer"]
        _at(days, row).tally.add(row["status"], row["bookings"], row["tickets"], row["cents"])
    for row in store_day_sums.prices(db, spans, moment):
        _at(days, row).cents[row["type"]] += bookings.to_cents(row["price"]) * row["tickets"]
    return days, owners


def _at(days: defaultdict[Day, Minutes], row: Document) -> Part:
    moment = datetime.fromisoformat(row["moment"]).replace(tzinfo=UTC)
    return days[row["event"], rules.day_of(moment)].setdefault(moment, Part(moment))
