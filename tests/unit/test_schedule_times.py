"""When schedule entries begin, end and are over, around changes of the offset from UTC."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.core.clock import load_zone
from eventapp.events import current_schedules, schedule_times
from eventapp.events.rules import midnight
from eventapp.events.schedule_times import NonexistentTime, compute_times, find_begin

ATHENS, LOS_ANGELES = "Europe/Athens", "America/Los_Angeles"
KATHMANDU, APIA = "Asia/Kathmandu", "Pacific/Apia"


def compute(zone, day, start=None, end=None, doors=None):
    return compute_times(date.fromisoformat(day), ZoneInfo(zone), start=start, end=end, doors=doors)


def utc(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None


# Zone, date, start, end; begin, end, over, in UTC.
CASES = [
    # Clocks go forward at 03:00 to 04:00 in Athens, and back at 04:00 to 03:00.
    (ATHENS, "2026-03-28", "23:30", "04:30", "2026-03-28T21:30", "2026-03-29T01:30", None),
    (ATHENS, "2026-03-29", None, None, "2026-03-28T22:00", None, "2026-03-29T21:00"),
    (ATHENS, "2026-03-29", "02:59", "04:00", "2026-03-29T00:59", "2026-03-29T01:00", None),
    (ATHENS, "2026-03-29", "20:30", None, "2026-03-29T17:30", None, "2026-03-30T21:00"),
    (ATHENS, "2026-03-29", "19:59", None, "2026-03-29T16:59", None, "2026-03-29T21:00"),
    (ATHENS, "2026-10-25", None, None, "2026-10-24T21:00", None, "2026-10-25T22:00"),
    (ATHENS, "2026-10-25", "03:30", "03:45", "2026-10-25T00:30", "2026-10-25T00:45", None),
    (ATHENS, "2026-10-25", "03:30", "04:00", "2026-10-25T00:30", "2026-10-25T02:00", None),
    (ATHENS, "2026-10-24", "22:00", "03:30", "2026-10-24T19:00", "2026-10-25T00:30", None),
    (ATHENS, "2026-10-24", "20:00", None, "2026-10-24T17:00", None, "2026-10-25T22:00"),
    # An end at the start, or before it, is on the next day.
    (ATHENS, "2026-06-15", "20:30", "23:00", "2026-06-15T17:30", "2026-06-15T20:00", None),
    (ATHENS, "2026-06-15", "20:30", "20:30", "2026-06-15T17:30", "2026-06-16T17:30", None),
    (ATHENS, "2026-06-15", "20:30", "02:00", "2026-06-15T17:30", "2026-06-15T23:00", None),
    (ATHENS, "2026-06-15", "00:00", "23:59", "2026-06-14T21:00", "2026-06-15T20:59", None),
    # Without a start, an end says nothing.
    (ATHENS, "2026-06-15", None, "23:00", "2026-06-14T21:00", None, "2026-06-15T21:00"),
    # Clocks go forward at 02:00 to 03:00 in Los Angeles, and back at 02:00 to 01:00.
    (LOS_ANGELES, "2026-03-08", None, None, "2026-03-08T08:00", None, "2026-03-09T07:00"),
    (LOS_ANGELES, "2026-03-08", "01:59", "03:00", "2026-03-08T09:59", "2026-03-08T10:00", None),
    (LOS_ANGELES, "2026-03-07", "21:00", "03:00", "2026-03-08T05:00", "2026-03-08T10:00", None),
    (LOS_ANGELES, "2026-11-01", None, None, "2026-11-01T07:00", None, "2026-11-02T08:00"),
    (LOS_ANGELES, "2026-11-01", "01:30", "02:00", "2026-11-01T08:30", "2026-11-01T10:00", None),
    (LOS_ANGELES, "2026-10-31", "20:00", None, "2026-11-01T03:00", None, "2026-11-02T08:00"),
    (LOS_ANGELES, "2026-12-31", "23:00", "01:00", "2027-01-01T07:00", "2027-01-01T09:00", None),
    # Kathmandu has 05:45, since 1986.
    (KATHMANDU, "2026-06-15", None, None, "2026-06-14T18:15", None, "2026-06-15T18:15"),
    (KATHMANDU, "2026-06-15", "19:45", "21:15", "2026-06-15T14:00", "2026-06-15T15:30", None),
    (KATHMANDU, "2026-06-15", "20:00", None, "2026-06-15T14:15", None, "2026-06-16T18:15"),
    (KATHMANDU, "1985-12-31", None, None, "1985-12-30T18:30", None, "1985-12-31T18:30"),
    # Apia left out 2011-12-30: the clocks went from -10:00 to +14:00.
    (APIA, "2011-12-29", None, None, "2011-12-29T10:00", None, "2011-12-30T10:00"),
    (APIA, "2011-12-29", "19:00", None, "2011-12-30T05:00", None, "2011-12-30T10:00"),
    (APIA, "2011-12-29", "21:00", None, "2011-12-30T07:00", None, "2011-12-30T10:00"),
    (APIA, "2011-12-29", "22:00", "23:30", "2011-12-30T08:00", "2011-12-30T09:30", None),
    (APIA, "2011-12-31", None, None, "2011-12-30T10:00", None, "2011-12-31T10:00"),
    (APIA, "2011-12-31", "20:00", None, "2011-12-31T06:00", None, "2012-01-01T10:00"),
    (APIA, "2021-04-03", "23:00", "03:30", "2021-04-03T09:00", "2021-04-03T13:30", None),
    # A day begins at 01:00 where clocks go forward at midnight, and at half past in one zone.
    ("Africa/Cairo", "2026-04-24", None, None, "2026-04-23T22:00", None, "2026-04-24T21:00"),
    ("America/Toronto", "1919-03-31", None, None, "1919-03-31T04:30", None, "1919-04-01T04:00"),
    # Clocks went back from 00:01 to 23:01, so the day before went on until the second midnight.
    ("America/St_Johns", "2010-11-06", None, None, "2010-11-06T02:30", None, "2010-11-07T03:30"),
    ("America/St_Johns", "2010-11-07", None, None, "2010-11-07T02:30", None, "2010-11-08T03:30"),
    ("UTC", "2026-06-15", "20:00", None, "2026-06-15T20:00", None, "2026-06-17T00:00"),
]


@pytest.mark.parametrize(("zone", "day", "start", "end", "begin", "ends", "over"), CASES)
def test_begin_end_and_over(zone, day, start, end, begin, ends, over):
    times = compute(zone, day, start, end)
    entry = {"date": midnight(date.fromisoformat(day)), "timezone": zone}
    if times.starts_at:
        entry["startsAt"] = times.starts_at
    assert (find_begin(entry), times.ends_at) == (utc(begin), utc(ends))
    assert times.over_at == utc(over or ends)
    assert times.starts_at == (utc(begin) if start else None)


@pytest.mark.parametrize(
    ("zone", "day", "start", "end", "doors", "field"),
    [
        (ATHENS, "2026-03-29", "03:00", None, None, "startTime"),
        (ATHENS, "2026-03-29", "03:59", None, None, "startTime"),
        (ATHENS, "2026-03-28", "22:00", "03:30", None, "endTime"),
        (ATHENS, "2026-03-29", None, "03:30", None, "endTime"),
        (ATHENS, "2026-03-29", "04:30", None, "03:30", "doorsTime"),
        (APIA, "2011-12-31", "00:30", None, "23:30", "doorsTime"),
        (LOS_ANGELES, "2026-03-08", "02:30", None, None, "startTime"),
        (APIA, "2011-12-30", None, None, None, "date"),
        (APIA, "2011-12-30", "20:00", None, None, "date"),
        (APIA, "2011-12-29", "22:00", "01:00", None, "endTime"),
        ("Africa/Cairo", "2026-04-24", "00:30", None, None, "startTime"),
        ("Pacific/Kwajalein", "1993-08-21", None, None, None, "date"),
    ],
)
def test_what_does_not_exist_is_named(zone, day, start, end, doors, field):
    with pytest.raises(NonexistentTime) as error:
        compute(zone, day, start, end, doors)
    assert error.value.field == field


ZONES = st.sampled_from(
    [ATHENS, LOS_ANGELES, KATHMANDU, APIA, "UTC", "Africa/Cairo", "America/Havana"]
    + ["America/St_Johns", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Tehran", "Asia/Gaza"]
)
DAYS = st.dates(date(1975, 1, 1), date(2037, 12, 31))


@given(zone=ZONES, day=DAYS)
def test_days_follow_one_another_without_a_gap(zone, day):
    """Each instant around a day lies in it exactly if it is local to it, by brute force."""
    zone = ZoneInfo(zone)
    start, end = schedule_times.find_day_start(day, zone), schedule_times.find_day_end(day, zone)
    step = timedelta(minutes=1)
    if not schedule_times.has_day(day, zone):
        assert start == schedule_times.find_day_start(day + timedelta(days=1), zone)
        return
    assert start.astimezone(zone).date() == (end - step).astimezone(zone).date() == day
    assert (start - step).astimezone(zone).date() != day
    assert end.astimezone(zone).date() > day
    assert timedelta(hours=22) < end - start < timedelta(hours=26)


@given(zone=ZONES, day=DAYS, minute=st.integers(0, 1439))
def test_an_instant_has_the_local_time_and_is_the_first_that_has_it(zone, day, minute):
    local, zone = time(minute // 60, minute % 60), ZoneInfo(zone)
    instant = schedule_times.find_instant(day, local, zone)
    wanted = datetime.combine(day, local)
    around = [
        datetime.combine(day, local, UTC) + timedelta(minutes=offset)
        for offset in range(-15 * 60, 15 * 60 + 1, 15)
    ]
    found = [each for each in around if each.astimezone(zone).replace(tzinfo=None) == wanted]
    assert instant == (found[0] if found else None)


@pytest.mark.parametrize(
    ("start", "end", "doors", "field"),
    [
        ("20:00", "23:00", "19:00", None),
        ("20:00", "02:00", "20:00", None),
        ("20:00", None, "20:01", "doorsTime"),
        ("20:00", "20:30", "21:00", "doorsTime"),
        ("00:30", "05:00", "23:30", None),
        ("00:00", None, "23:00", None),
        ("02:00", None, "20:00", None),
        ("02:00", None, "19:59", "doorsTime"),
        ("06:00", None, "23:59", "doorsTime"),
        (None, "18:00", "19:00", "endTime"),
        (None, "19:00", "19:00", None),
        (None, None, "19:00", None),
        ("20:00", "19:00", None, None),
    ],
)
def test_local_times_are_in_order(start, end, doors, field):
    fault = schedule_times.find_order_fault(start, end, doors)
    assert (fault and fault[0]) == field


@pytest.mark.parametrize(
    "name",
    ["", "Mars/Olympus", "europe/athens", "localtime", "Factory", "posix/UTC", "../UTC", "\0"],
)
def test_what_is_no_zone_has_none(name):
    with pytest.raises(ValueError):
        load_zone(name)
    assert load_zone(ATHENS).key == ATHENS


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["Pacific/Kiritimati", "Etc/GMT+12", ATHENS, APIA]),
            st.integers(0, 5),
            st.sampled_from([None, "00:00", "23:59"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_the_entry_that_begins_first_is_found_whatever_the_zones(rows):
    entries = []
    for zone, offset, start in rows:
        day = date(2026, 6, 15) + timedelta(days=offset)
        times = compute(zone, day.isoformat(), start)
        entries.append({"date": midnight(day), "timezone": zone, "overAt": times.over_at})
        if times.starts_at:
            entries[-1]["startsAt"] = times.starts_at
    first = min(entries, key=find_begin)
    assert current_schedules.choose_next_entry(entries, utc("2026-06-01")) is first
    assert current_schedules.choose_next_entry(entries, utc("2026-07-01")) is first
