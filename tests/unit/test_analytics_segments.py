"""Segments of a day: however they are built and replaced, they add up to its minutes."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from eventapp.analytics.rules import ONE_DAY
from eventapp.analytics.segments import (
    Segment,
    build_segments,
    compute_segment_range,
    find_segment,
    replace_stale_segments,
)
from tests.sales import utc

DAY = utc(2026, 5, 1)
BOOKED = st.dictionaries(st.integers(0, 1439), st.integers(1, 9), max_size=30)


def minutes(booked):
    """Return the totals of minutes for {minute of the day: bookings}."""
    by_minute = {}
    for minute, bookings in booked.items():
        moment = DAY + timedelta(minutes=minute)
        segment = by_minute[moment] = Segment(moment)
        segment.totals.add("confirmed", bookings, bookings * 2, bookings * 100)
        segment.cents_by_type[1] += bookings * 100
    return by_minute


def total(segments):
    bookings = sum(segment.totals.all_bookings for segment in segments)
    return bookings, sum(segment.cents_by_type[1] for segment in segments)


@given(BOOKED, st.integers(1, 20))
def test_segments_are_small_and_add_up(booked, max_bookings):
    segments = build_segments(minutes(booked).values(), max_bookings)
    assert total(segments) == (sum(booked.values()), 100 * sum(booked.values()))
    alone = [bookings for bookings in booked.values() if bookings > max_bookings]
    assert all(
        segment.totals.all_bookings <= max_bookings or segment.totals.all_bookings in alone
        for segment in segments
    )


@given(BOOKED, st.integers(1, 20))
def test_segments_cover_the_whole_day(booked, max_bookings):
    segments = build_segments(minutes(booked).values(), max_bookings)
    periods = [compute_segment_range(index, segments, DAY) for index in range(len(segments))]
    ends = [DAY, *(until for _, until in periods)]
    assert [since for since, _ in periods] == ends[:-1]
    assert ends[-1] == DAY + ONE_DAY or not segments
    for minute in minutes(booked):
        since, until = periods[find_segment(minute, segments)]
        assert since <= minute < until


@given(BOOKED, BOOKED, st.integers(1, 20))
def test_stale_segments_are_replaced_by_their_recount(booked, more, max_bookings):
    segments = build_segments(minutes(booked).values(), max_bookings)
    now = {minute: booked.get(minute, 0) + more.get(minute, 0) for minute in {*booked, *more}}
    stale = {find_segment(DAY + timedelta(minutes=minute), segments) for minute in more}
    counted = {
        moment: segment
        for moment, segment in minutes(now).items()
        if find_segment(moment, segments) in stale
    }
    after = replace_stale_segments(segments, counted, stale, max_bookings)
    assert total(after)[0] == sum(now.values())
    assert [segment.since for segment in after] == sorted({segment.since for segment in after})
