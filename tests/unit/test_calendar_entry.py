"""The times of a calendar entry, as two independent parsers read them, in zones with and without
summer time, on both sides of its changes."""

import io
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import icalendar
import pytest
import vobject
from dateutil.tz import tzical

from eventapp.tickets import calendar_entry

# (zone, begin, end) in local time. The end is on the next day where it is not after the begin.
CASES = [
    # The clock goes from 03:00 to 04:00 on 29 March 2026, and back at 04:00 on 25 October.
    ("Europe/Athens", "2026-03-28T20:00", "2026-03-29T02:30"),
    ("Europe/Athens", "2026-03-29T02:59", "2026-03-29T04:00"),
    ("Europe/Athens", "2026-03-29T04:30", "2026-03-29T06:00"),
    ("Europe/Athens", "2026-10-25T02:59", "2026-10-25T03:30"),
    ("Europe/Athens", "2026-10-25T03:30", "2026-10-25T04:00"),
    ("Europe/Athens", "2026-10-24T22:00", "2026-10-25T05:00"),
    ("Europe/Athens", "2060-07-01T20:00", "2060-07-02T01:00"),
    # From 02:00 to 03:00 on 8 March 2026, and back at 02:00 on 1 November.
    ("America/Los_Angeles", "2026-03-08T01:59", "2026-03-08T03:00"),
    ("America/Los_Angeles", "2026-03-08T03:30", "2026-03-08T09:00"),
    ("America/Los_Angeles", "2026-11-01T00:30", "2026-11-01T01:30"),
    ("America/Los_Angeles", "2026-10-31T20:00", "2026-11-01T02:30"),
    ("Asia/Kathmandu", "2026-03-29T03:30", "2026-03-29T23:59"),
    ("Asia/Kathmandu", "2026-10-25T00:00", "2026-10-25T02:00"),
    ("Pacific/Apia", "2026-04-05T03:30", "2026-04-06T00:00"),
    ("Pacific/Apia", "2026-09-27T00:00", "2026-09-27T12:00"),
    # No change of the clock for the year around the event, then one.
    ("Europe/Dublin", "2026-12-31T22:00", "2027-01-01T03:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:30", "2026-10-04T04:00"),
]
OFFSETS = ("TZOFFSETFROM", "TZOFFSETTO")


def instant(text, zone):
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def booking(zone="Europe/Athens", begin=None, end=None, **changes):
    return {
        "_id": "booking",
        "bookingReference": "EVT-AAAAAA",
        "eventTitle": "Show",
        "status": "confirmed",
        "active": True,
        "date": datetime(2026, 3, 29, tzinfo=UTC),
        "timezone": zone,
        "startsAt": begin and instant(begin, zone),
        "endsAt": end and instant(end, zone),
        "location": "Volos",
        "items": [{"type": "A", "quantity": 2}],
        "createdAt": datetime(2026, 1, 1, tzinfo=UTC),
        "updatedAt": datetime(2026, 1, 1, tzinfo=UTC),
        **changes,
    }


def render(shown):
    entry = calendar_entry.build_entry(shown, None, sequence=3)
    return calendar_entry.render_file(entry, "PUBLISH", organizer="tickets@example.org").decode()


@pytest.fixture(autouse=True)
def forget_zones():
    """Empty vobject's memory of zones: it keeps the first zone of each name that it reads."""
    known = vars(vobject.icalendar)["__tzidMap"]
    before = dict(known)
    yield
    known.clear()
    known.update(before)


@pytest.mark.parametrize(("zone", "begin", "end"), CASES)
def test_other_parsers_read_the_same_instants(zone, begin, end):
    shown = booking(zone, begin, end)
    text = render(shown)
    (read,) = icalendar.Calendar.from_ical(text).walk("VEVENT")
    assert [read[name].dt.isoformat()[:16] for name in ("DTSTART", "DTEND")] == [begin, end]
    assert read["DTSTART"].params["TZID"] == read["DTEND"].params["TZID"] == zone
    other = vobject.readOne(text).vevent
    for value, expected in ((other.dtstart, shown["startsAt"]), (other.dtend, shown["endsAt"])):
        assert value.value.astimezone(UTC) == expected
        assert value.params["X-VOBJ-ORIGINAL-TZID"] == [zone]


@pytest.mark.parametrize(
    ("zone", "offsets"),
    [
        ("Europe/Athens", {2, 3}),
        ("America/Los_Angeles", {-8, -7}),
        ("Asia/Kathmandu", {5.75}),
        ("Pacific/Apia", {13}),
        ("Antarctica/Troll", {0, 2}),
    ],
)
def test_the_zone_of_the_file_agrees_with_the_zone_at_every_hour_of_the_year(zone, offsets):
    text = render(booking(zone, "2026-06-01T20:00"))
    described = tzical(io.StringIO(text.replace("\r\n", "\n"))).get(zone)
    hours, found = datetime(2026, 1, 1, 0, 30), set()
    while hours.year == 2026:
        real, read = (hours.replace(tzinfo=each) for each in (ZoneInfo(zone), described))
        exists = real.astimezone(UTC).astimezone(ZoneInfo(zone)) == real
        is_read_once = real.utcoffset() == real.replace(fold=1).utcoffset()
        if exists and is_read_once:
            assert read.utcoffset() == real.utcoffset(), hours
            found.add(real.utcoffset() / timedelta(hours=1))
        hours += timedelta(hours=1)
    assert found == offsets


@pytest.mark.parametrize(
    ("zone", "onset", "before", "after"),
    [
        ("Europe/Athens", "2026-03-29T03:00", 2, 3),
        ("Europe/Athens", "2026-10-25T04:00", 3, 2),
        ("America/Los_Angeles", "2026-03-08T02:00", -8, -7),
        ("America/Los_Angeles", "2026-11-01T02:00", -7, -8),
    ],
)
def test_a_change_of_the_clock_is_written_in_the_time_before_it(zone, onset, before, after):
    (calendar,) = icalendar.Calendar.from_ical(render(booking(zone, "2026-06-01T20:00"))).timezones
    written = {
        (when.isoformat()[:16], *(each[name].td / timedelta(hours=1) for name in OFFSETS))
        for each in calendar.subcomponents
        for when in (
            each["DTSTART"].dt,
            *(rdate.dt for rdate in getattr(each.get("RDATE"), "dts", ())),
        )
    }
    assert (onset, before, after) in written


def test_without_a_time_the_entry_lasts_all_day_and_has_no_zone():
    text = render(booking())
    assert "VTIMEZONE" not in text
    read = vobject.readOne(text).vevent
    assert read.dtstart.value == date(2026, 3, 29)
    assert read.dtend.value == date(2026, 3, 30)
    assert read.transp.value == "TRANSPARENT"


def test_without_an_end_the_entry_has_none():
    read = vobject.readOne(render(booking(begin="2026-03-29T20:00"))).vevent
    assert not hasattr(read, "dtend")
    assert read.transp.value == "OPAQUE"


def test_times_in_utc_need_no_zone():
    text = render(booking("UTC", "2026-03-29T20:00"))
    assert "DTSTART:20260329T200000Z" in text
    assert "VTIMEZONE" not in text


def sequence(edits=3, entries=1, status="confirmed", *, deleted=False):
    shown = booking(status=status, entries=[{}] * entries)
    return calendar_entry.compute_sequence(shown, None if deleted else {"__v": edits})


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"edits": 4}),
        ({"status": "held"}, {"entries": 2}),
        ({}, {"entries": 2}),
        ({"entries": 2}, {"entries": 3, "status": "cancelled"}),
        ({"entries": 0}, {"entries": 0, "status": "cancelled"}),
        ({"entries": 9, "edits": 99, "status": "cancelled"}, {"deleted": True}),
    ],
    ids=["edit", "confirmation", "part", "cancellation", "older version", "deletion"],
)
def test_each_change_raises_the_sequence(before, after):
    assert sequence(**after) > sequence(**before)
