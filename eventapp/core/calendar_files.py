"""Build iCalendar files (RFC 5545) with the times of entries in their zones.

An entry has local times with the `TZID` of its zone, and the file describes each zone in a
`VTIMEZONE`. Where no time of day is known, an entry lasts the whole day.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
from icalendar.cal.timezone import TimezoneDaylight, TimezoneStandard

PRODID = "-//eventapp//bookings//EN"
UTC_ZONE = ZoneInfo("UTC")
# The values of STATUS.
TENTATIVE, CONFIRMED, CANCELLED = "TENTATIVE", "CONFIRMED", "CANCELLED"


def make_calendar() -> icalendar.Calendar:
    """Return a calendar without entries."""
    calendar = icalendar.Calendar()
    calendar.add("prodid", PRODID)
    calendar.add("version", "2.0")
    return calendar


def make_entry(properties: Mapping[str, object]) -> icalendar.Event:
    """Return an entry with these properties."""
    entry = icalendar.Event()
    for name, value in properties.items():
        entry.add(name, value)
    return entry


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


def render_calendar(calendar: icalendar.Calendar, entries: Iterable[icalendar.Event]) -> bytes:
    """Add entries and the zones of their times to a calendar, and return the file."""
    years = set[int]()
    for entry in entries:
        calendar.add_component(entry)
        if _has_zone(entry):
            years.add(entry.DTSTART.year)
    if years:
        _add_zones(calendar, min(years), max(years))
    file: bytes = calendar.to_ical()
    return file


def _has_zone(entry: icalendar.Event) -> bool:
    """Return whether the file must describe the zone of an entry's times."""
    begin = entry.DTSTART
    return isinstance(begin, datetime) and begin.tzinfo != UTC_ZONE


def _add_zones(calendar: icalendar.Calendar, first_year: int, last_year: int) -> None:
    """Add the VTIMEZONEs of the entries, with the changes of summer time from a year before on."""
    calendar.add_missing_timezones(date(first_year - 1, 1, 1), date(last_year + 2, 1, 1))
    observances: list[TimezoneStandard | TimezoneDaylight] = []
    for zone in calendar.timezones:
        observances += [*zone.standard, *zone.daylight]
    for observance in observances:
        _correct_onset(observance)


def _correct_onset(observance: TimezoneStandard | TimezoneDaylight) -> None:
    """Write the onset of summer time in the local time before the change, as RFC 5545 demands.

    icalendar writes it in the local time after the change, where the clock is put forward: 04:00
    in place of 03:00 in Athens. A reader could then take the first hour of summer time for the
    last one of winter time.
    """
    ahead = observance.TZOFFSETTO - observance.TZOFFSETFROM
    if ahead > timedelta(0):
        later = [onset - ahead for onset, _end in observance.rdates]
        observance.DTSTART -= ahead
        observance.pop("RDATE", None)
        if later:
            observance.add("RDATE", later)
