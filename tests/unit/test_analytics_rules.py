"""Rules of analytics: local calendars, totals, the CSV table and quantiles."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.analytics import bookings_csv, csv_tables, rules
from eventapp.analytics.rules import BookingTotals
from eventapp.analytics.server_health import estimate_quantile
from eventapp.core.clock import load_zone
from tests.sales import booking, utc

DAYS = st.dates(date(2000, 1, 1), date(2040, 12, 31))
ZONES = st.sampled_from(
    ["UTC", "Europe/Athens", "America/New_York", "Asia/Kolkata", "Asia/Kathmandu"]
    + ["Australia/Lord_Howe", "Pacific/Chatham", "America/Sao_Paulo"]
)


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Athens", date(2026, 3, 29), 23),
        ("Europe/Athens", date(2026, 10, 25), 25),
        ("Europe/Athens", date(2026, 6, 1), 24),
        ("America/New_York", date(2026, 3, 8), 23),
        ("Australia/Lord_Howe", date(2026, 4, 5), 24.5),
        ("UTC", date(2026, 3, 29), 24),
    ],
)
def test_a_day_with_a_clock_change_is_shorter_or_longer(zone, day, hours):
    zone = load_zone(zone)
    length = rules.find_day_start(day + timedelta(days=1), zone) - rules.find_day_start(day, zone)
    assert length == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["", "Europe", "Nowhere/City", "../etc/passwd", "EUROPE/ATHENS "])
def test_an_unknown_time_zone_is_refused(name):
    with pytest.raises(ValueError, match="^"):
        load_zone(name)


@pytest.mark.parametrize(
    ("interval", "first", "last", "starts"),
    [
        ("day", (2026, 2, 27), (2026, 3, 1), ["2026-02-27", "2026-02-28", "2026-03-01"]),
        ("week", (2026, 1, 1), (2026, 1, 12), ["2025-12-29", "2026-01-05", "2026-01-12"]),
        ("month", (2025, 12, 31), (2026, 2, 1), ["2025-12-01", "2026-01-01", "2026-02-01"]),
        ("month", (2026, 1, 31), (2026, 1, 31), ["2026-01-01"]),
    ],
)
def test_intervals_start_on_their_first_day(interval, first, last, starts):
    found = rules.iter_interval_starts(date(*first), date(*last), interval)
    assert [day.isoformat() for day in found] == starts


@given(
    DAYS,
    st.integers(0, 400),
    st.sampled_from(rules.INTERVALS),
    ZONES,
    st.lists(st.tuples(st.integers(-2 * 86400, 402 * 86400), st.integers(0, 10**9)), max_size=30),
)
def test_intervals_count_each_booking_of_the_period_once(first, days, interval, zone, made):
    zone, last = load_zone(zone), first + timedelta(days=days)
    moments = [(datetime.combine(first, datetime.min.time(), UTC) + timedelta(seconds=s), c)
               for s, c in made]  # fmt: skip
    days, expected = {}, 0
    for moment, cents in moments:
        day = moment.astimezone(zone).date()
        if first <= day <= last:
            days.setdefault(day, BookingTotals()).add("confirmed", 1, 1, cents)
            expected += cents
    intervals = rules.group_by_interval(days, first, last, interval)
    assert rules.sum_totals(intervals.values()).revenue == expected
    assert list(intervals) == sorted(set(intervals))


@given(DAYS, ZONES)
def test_each_bucket_of_a_utc_day_belongs_to_its_local_day(day, zone):
    begin, zone = datetime.combine(day, datetime.min.time(), UTC), load_zone(zone)
    by_number = {n: local for local, numbers in rules.split_utc_day(begin, zone) for n in numbers}
    assert list(by_number) == list(range(96))
    for number, local in by_number.items():
        assert (begin + number * rules.BUCKET).astimezone(zone).date() == local


@given(st.sets(st.integers(0, 60), max_size=40))
def test_merged_ranges_cover_exactly_their_parts(numbers):
    starts = {utc(2026, 1, 1) + n * rules.BUCKET for n in numbers}
    ranges = rules.merge_adjacent(starts, rules.BUCKET)
    covered = {s + n * rules.BUCKET for s, e in ranges for n in range((e - s) // rules.BUCKET)}
    assert covered == starts
    assert all(a[1] < b[0] for a, b in zip(ranges, ranges[1:], strict=False))


def test_totals_add_up_by_status():
    totals = BookingTotals()
    assert totals.numbers == [0] * 13
    assert (totals.revenue, totals.cancellation_rate) == (0, 0.0)
    totals.add("confirmed", 2, 5, 1999, 250)
    totals.add("cancelled", 1, 3, 500, 60)
    totals.add("held", 4, 4, 400, 7)
    assert (totals.revenue, totals.discount) == (1999, 250)
    assert totals.all_bookings == 7
    assert totals.cancellation_rate == 0.3333
    assert rules.count_by_status(totals) == {
        "total": 7, "confirmed": 2, "held": 4, "cancelled": 1, "expired": 0,
    }  # fmt: skip


EVENT = {"eventId": 7, "title": "x", "organizerId": None, "schedule": [{"date": utc(2026, 5, 1)}]}


def table(*bookings):
    text = b"".join(bookings_csv.write_csv(bookings))
    assert text.startswith(b"\xef\xbb\xbf")
    return list(csv.DictReader(io.StringIO(text[3:].decode(), newline="")))


def test_a_row_of_the_csv_table_has_the_values_of_its_booking():
    made = booking(EVENT, status="confirmed", at=utc(2026, 3, 1, 9), taken={1: 3}, price=9.99)
    (row,) = table(made)
    assert row["totalPrice"] == "29.97"
    assert row["items"] == "3 x T1"
    assert row["createdAt"] == "2026-03-01T09:00:00.000Z"
    assert (row["date"], row["cancelledAt"], row["refund"]) == ("2026-05-01", "", "")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", '=cmd|"/c calc"!A1']


@pytest.mark.parametrize("title", FORMULAS)
def test_a_formula_is_escaped(title):
    made = booking(EVENT, status="confirmed", at=utc(2026, 3, 1), taken={1: 1})
    (row,) = table({**made, "eventTitle": title})
    assert row["eventTitle"] == f"'{title}"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=5))
def test_any_text_is_preserved_and_none_is_a_formula(titles):
    made = booking(EVENT, status="held", at=utc(2026, 3, 1), taken={1: 1})
    rows = table(*({**made, "eventTitle": title} for title in titles))
    assert [row["eventTitle"].removeprefix("'") for row in rows] == [
        title.removeprefix("'") for title in titles
    ]
    assert not any(row["eventTitle"].startswith(csv_tables.FORMULA_STARTS) for row in rows)


def test_lines_and_quotes_follow_rfc_4180():
    made = booking(EVENT, status="held", at=utc(2026, 3, 1), taken={1: 1})
    text = b"".join(bookings_csv.write_csv([{**made, "location": 'a "b",\nc'}]))
    assert text.endswith(b"\r\n")
    assert b'"a ""b"",\nc"' in text


@pytest.mark.parametrize(
    ("buckets", "fraction", "milliseconds"),
    [
        ([], 0.5, 0.0),
        ([(0.1, 10), (float("inf"), 10)], 0.5, 50.0),
        ([(0.1, 0), (0.2, 10), (float("inf"), 10)], 0.5, 150.0),
        ([(0.1, 1), (float("inf"), 10)], 0.99, 100.0),
    ],
)
def test_quantiles_are_interpolated(buckets, fraction, milliseconds):
    assert estimate_quantile(buckets, fraction) == milliseconds
