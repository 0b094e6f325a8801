"""Render iCalendar files (RFC 5545) with the zones of their entries.

`calendar_files` imports this module when the first file is rendered.
"""

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
from icalendar.cal.timezone import TimezoneDaylight, TimezoneStandard

PRODID = "-//eventapp//bookings//EN"
UTC_ZONE = ZoneInfo("UTC")


def render(properties: Mapping[str, object], entries: Iterable[Mapping[str, object]]) -> bytes:
    """Return the file that `calendar_files.render_calendar` describes."""
    calendar = icalendar.Calendar()
    for name, value in {"prodid": PRODID, "version": "2.0", **properties}.items():
        calendar.add(name, value)
    years = set[int]()
    for each in entries:
        entry = _make_entry(each)
        calendar.add_component(entry)
        if _has_zone(entry):
            years.add(entry.DTSTART.year)
    if years:
        _add_zones(calendar, min(years), max(years))
    file: bytes = calendar.to_ical()
    return file


def _make_entry(properties: Mapping[str, object]) -> icalendar.Event:
    entry = icalendar.Event()
    for name, value in properties.items():
        entry.add(name, value)
    return entry


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
