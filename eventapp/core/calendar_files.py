"""The contents of iCalendar files (RFC 5545), with the times of entries in their zones.

An entry has local times with the `TZID` of its zone, and the file describes each zone in a
`VTIMEZONE`. Where no time of day is known, an entry lasts the whole day.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

# The properties of an entry or of a calendar, by their names.
Properties = Mapping[str, object]

# The values of STATUS.
TENTATIVE, CONFIRMED, CANCELLED = "TENTATIVE", "CONFIRMED", "CANCELLED"


def describe_times(
    day: date, starts_at: datetime | None, ends_at: datetime | None, timezone: str
) -> dict[str, object]:
    """Return the properties that say when an entry takes place, in its zone.

    An entry without an end ends when it begins (RFC 5545, 3.6.1). An entry that lasts the whole day
    does not make anybody busy.

    Args:
        day: the date in the zone.
        starts_at, ends_at: the instants; None where the time of day is not known.
        timezone: the IANA name of the zone.
    """
    if starts_at is None:
        # The end of an all-day entry is exclusive.
        return {"dtstart": day, "dtend": day + timedelta(days=1), "transp": "TRANSPARENT"}
    zone = ZoneInfo(timezone)
    times: dict[str, object] = {"dtstart": starts_at.astimezone(zone), "transp": "OPAQUE"}
    if ends_at is not None:
        times["dtend"] = ends_at.astimezone(zone)
    return times


def render_calendar(properties: Properties, entries: Iterable[Properties]) -> bytes:
    """Return a file with these entries and the zones of their times.

    Args:
        properties: those of the calendar, besides its version and the program that made it.
        entries: the properties of each entry.
    """
    # icalendar takes 3 MB, which a process needs from its first calendar on.
    from eventapp.core.calendar_rendering import render

    return render(properties, entries)
