"""Render events as iCalendar files that calendars subscribe to.

There is a feed of one event, of the events of a list, and of an organizer. Each schedule entry is
an entry of the calendar, with a UID that never changes. Each edit of an event that everybody sees
raises the SEQUENCE of its entries. Feeds say nothing of tickets, so no sale changes them, and they
do not depend on who reads them.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import islice
from typing import NamedTuple, cast

from bson import ObjectId

from eventapp.core import calendar_files
from eventapp.core.calendar_files import CANCELLED, CONFIRMED, Properties
from eventapp.core.database import Db
from eventapp.core.json import JsonObject
from eventapp.events import listing, organizer_pages, rules
from eventapp.events.cache.event_cache import EventCache
from eventapp.events.errors import EventNotFound
from eventapp.events.filter_types import EntryFilter
from eventapp.events.list_requests import make_list_request
from eventapp.events.schedules import UTC_ZONE
from eventapp.events.service import get_event
from eventapp.events.types import Event, IndexedEntry, ScheduleEntry

# The most entries of the feed of a list.
MAX_ENTRIES = 500
# The most characters of a description. Every entry repeats it, and to fold it into lines takes
# 0.2 ms for 1,000 characters.
MAX_DESCRIPTION = 500
# The file describes the changes of summer time in the years of its entries. Entries further away
# from the present, in years, have their times in UTC, so that it does not describe millennia.
MAX_ZONE_YEARS = 10
ALL_EVENTS = "Events"


class DatedEvent(NamedTuple):
    """An event on one of its dates."""

    event: Event
    entry: ScheduleEntry

    @property
    def sort_key(self) -> tuple[datetime, int, int]:
        """Return the key that orders by time, then by event."""
        begins_at = self.entry.get("startsAt", self.entry["date"])
        return begins_at, self.event["eventId"], self.entry["scheduleId"]


def render_event_feed(db: Db, event_id: int, *, host: str, now: datetime) -> bytes:
    """Return the calendar of an event with all of its dates, past ones too.

    The entries of a cancelled event are cancelled.

    Args:
        host: what the UIDs end with.

    Raises:
        EventNotFound: there is no such event, or it is a draft.
    """
    event = get_event(db, event_id)
    if event["status"] == rules.DRAFT:
        raise EventNotFound
    dated = [DatedEvent(event, entry) for entry in event["schedule"]]
    return _render(event["title"], dated, host, now)


def render_list_feed(
    db: Db, query: JsonObject, *, event_cache: EventCache, host: str, now: datetime
) -> bytes:
    """Return the calendar of the next entries of the events that match the filters of a list.

    An event that matches is in the calendar with the dates that are not over and meet the filters
    by date and place.

    Args:
        query: the filters and the search, as the query of the list loads them.
        now: the time by the database's clock.
    """
    dated = _find_dated(db, query, event_cache, now)
    return _render(ALL_EVENTS, dated, host, now)


def render_organizer_feed(
    db: Db, organizer_id: ObjectId, *, event_cache: EventCache, host: str, now: datetime
) -> bytes:
    """Return the calendar of the next entries of the events of an organizer.

    Raises:
        OrganizerNotFound: the organizer has no public page.
    """
    name = organizer_pages.get_shown_name(db, organizer_id)
    dated = _find_dated(db, {"organizerId": organizer_id}, event_cache, now)
    return _render(name, dated, host, now)


def _find_dated(
    db: Db, query: JsonObject, event_cache: EventCache, now: datetime
) -> list[DatedEvent]:
    """Return the entries of a list that are not over, soonest first, at most MAX_ENTRIES.

    They are looked for among the first MAX_ENTRIES events that match, in the order of their next
    dates. So among more events, a filter by date or place may leave out entries of the others.
    """
    request = make_list_request(
        {**query, "upcoming": True, "mine": False, "sortBy": "date"},
        page=1,
        limit=MAX_ENTRIES,
        position=None,
        cursor_query={},
    ).at(now)
    events = listing.find_public_events(db, request, event_cache=event_cache, now=now)
    entry_filters = [each for each in request.filters if isinstance(each, EntryFilter)]
    upcoming = (
        DatedEvent(event, entry)
        for event in events
        for entry in event["schedule"]
        if entry["overAt"] > now
        and all(each.accepts(cast(IndexedEntry, entry)) for each in entry_filters)
    )
    return list(islice(sorted(upcoming, key=lambda dated: dated.sort_key), MAX_ENTRIES))


def _render(name: str, dated: Iterable[DatedEvent], host: str, now: datetime) -> bytes:
    entries = [_make_entry(each.event, each.entry, host, now) for each in dated]
    # Calendars show this name. It is no part of RFC 5545, but most of them know it.
    return calendar_files.render_calendar({"x-wr-calname": name}, entries)


def _make_entry(event: Event, entry: ScheduleEntry, host: str, now: datetime) -> Properties:
    is_near = abs(entry["date"].year - now.year) <= MAX_ZONE_YEARS
    properties: dict[str, object] = {
        "uid": f"event-{event['eventId']}-{entry['scheduleId']}@{host}",
        "sequence": event["__v"],
        "status": CANCELLED if event["status"] == rules.CANCELLED else CONFIRMED,
        "summary": event["title"],
        "description": _shorten(event["description"]),
        "location": entry["location"],
        "categories": [event["category"]],
        "dtstamp": event["updatedAt"],
        "last-modified": event["updatedAt"],
        "created": event["createdAt"],
        **calendar_files.describe_times(
            entry["date"].date(),
            entry.get("startsAt"),
            entry.get("endsAt"),
            entry["timezone"] if is_near else UTC_ZONE.key,
        ),
    }
    if "lat" in entry and "lng" in entry:
        properties["geo"] = (entry["lat"], entry["lng"])
    return properties


def _shorten(text: str) -> str:
    """Return a text of at most MAX_DESCRIPTION characters, which ends with `…` if it was longer."""
    if len(text) <= MAX_DESCRIPTION:
        return text
    return text[: MAX_DESCRIPTION - 1].rstrip() + "…"
