"""Parts of a day: any way they are cut and counted anew, they are the sums of its minutes."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from eventapp.analytics.day_sums import Part, cut, place_of, span_of, with_counted
from eventapp.analytics.rules import DAY_SPAN
from tests.sales import utc

DAY = utc(2026, 5, 1)
BOOKED = st.dictionaries(st.integers(0, 1439), st.integers(1, 9), max_size=30)


def minutes(booked):
    made = {}
    for minute, bookings in booked.items():
        part = made[DAY + timedelta(minutes=minute)] = Part(DAY + timedelta(minutes=minute))
        part.tally.add("confirmed", bookings, bookings * 2, bookings * 100)
        part.cents[1] += bookings * 100
    return made


def total(parts):
    return sum(part.bookings for part in parts), sum(part.cents[1] for part in parts)


@given(BOOKED, st.integers(1, 20))
def test_they_are_small_and_add_up(booked, most):
    parts = cut(minutes(booked).values(), most)
    assert total(parts) == (sum(booked.values()), 100 * sum(booked.values()))
    alone = [bookings for bookings in booked.values() if bookings > most]
    assert all(part.bookings <= most or part.bookings in alone for part in parts)


@given(BOOKED, st.integers(1, 20))
def test_together_they_are_the_day(booked, most):
    parts = cut(minutes(booked).values(), most)
    spans = [span_of(place, parts, DAY) for place in range(len(parts))]
    ends = [DAY, *(until for _, until in spans)]
    assert [since for since, _ in spans] == ends[:-1]
    assert ends[-1] == DAY + DAY_SPAN or not parts
    for minute in minutes(booked):
        since, until = spans[place_of(minute, parts)]
        assert since <= minute < until


@given(BOOKED, BOOKED, st.integers(1, 20))
def test_counted_anew_where_something_came(booked, more, most):
    parts = cut(minutes(booked).values(), most)
    now = {minute: booked.get(minute, 0) + more.get(minute, 0) for minute in {*booked, *more}}
    stale = {place_of(DAY + timedelta(minutes=minute), parts) for minute in more}
    counted = {
        moment: part for moment, part in minutes(now).items() if place_of(moment, parts) in stale
    }
    after = with_counted(parts, counted, stale, most)
    assert total(after)[0] == sum(now.values())
    assert [part.since for part in after] == sorted({part.since for part in after})
