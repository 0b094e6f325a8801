"""The sample events in data/events.json and their posters in images/ are complete and varied."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from eventapp.events.schedule_times import LATE_START
from eventapp.events.schedules import UTC_ZONE, build_schedule

ROOT = Path(__file__).resolve().parents[2]
EVENTS = json.loads((ROOT / "data" / "events.json").read_text(encoding="utf-8"))
CATEGORIES = {
    "concert",
    "theater",
    "sports",
    "festival",
    "conference",
    "comedy",
    "workshop",
    "exhibition",
    "movie",
    "other",
}
EVENT_KEYS = {
    "title",
    "description",
    "category",
    "image",
    "schedule",
    "ticketTypes",
    "organizer",
    "tags",
}
MAX_BYTES = 60_000

each_event = pytest.mark.parametrize("event", EVENTS, ids=lambda event: event["image"])


def days() -> list[dict]:
    """Return every date of every event."""
    return [day for event in EVENTS for day in event["schedule"]]


def tickets() -> list[dict]:
    """Return every ticket type of every event."""
    return [ticket for event in EVENTS for ticket in event["ticketTypes"]]


def test_there_are_enough_events_with_different_titles():
    assert len({event["title"] for event in EVENTS}) == len(EVENTS) >= 24


def test_every_category_appears_at_least_twice():
    seen = [event["category"] for event in EVENTS]
    assert set(seen) == CATEGORIES
    assert min(seen.count(category) for category in CATEGORIES) >= 2


def test_events_take_place_in_many_cities():
    assert len({day["location"].rsplit(", ", 1)[1] for day in days()}) >= 8


def test_several_events_have_more_than_one_date_and_ticket_type():
    assert sum(len(event["schedule"]) > 1 for event in EVENTS) >= 8
    assert sum(len(event["ticketTypes"]) > 1 for event in EVENTS) >= 8


def test_prices_and_stocks_include_the_unusual_cases():
    prices = [ticket["price"] for ticket in tickets()]
    assert 0 in prices
    assert any(price % 1 for price in prices)
    assert any(ticket["availableTickets"] <= 2 for ticket in tickets())


def test_first_events_are_concert_theater_and_festival():
    assert [event["category"] for event in EVENTS[:3]] == ["concert", "theater", "festival"]


def test_times_and_zones_include_the_unusual_cases():
    starts = [(day.get("startTime"), day.get("endTime")) for day in days()]
    assert (None, None) in starts
    assert any(start and end is None for start, end in starts)
    assert any(start and end and end < start for start, end in starts)
    assert any(start and start >= LATE_START and end is None for start, end in starts)
    assert len({day["timezone"] for day in days()}) >= 8


@pytest.mark.parametrize("weeks", range(0, 156))
def test_every_week_that_the_dates_are_moved_to_has_the_local_times(weeks):
    for event in EVENTS:
        entries = [
            {**day, "date": date.fromisoformat(day["date"]) + timedelta(weeks=weeks)}
            for day in event["schedule"]
        ]
        assert len(build_schedule(entries, UTC_ZONE).entries) == len(entries)


def test_text_goes_beyond_ascii():
    assert sum(not event["description"].isascii() for event in EVENTS) >= 8


def test_a_venue_always_has_the_same_coordinates():
    locations = {(day["location"], day["lat"], day["lng"]) for day in days()}
    assert len(locations) == len({day["location"] for day in days()})


def test_every_poster_belongs_to_one_event():
    named = [event["image"] for event in EVENTS]
    drawn = [f"/images/{path.name}" for path in (ROOT / "images").glob("*.webp")]
    assert sorted(named) == sorted(drawn)


@each_event
def test_an_event_has_exactly_the_expected_keys(event):
    assert set(event) == EVENT_KEYS
    required = {"date", "timezone", "location", "lat", "lng"}
    times = {"startTime", "endTime", "doorsTime"}
    assert all(required <= set(day) <= required | times for day in event["schedule"])
    assert all(set(t) == {"type", "price", "availableTickets"} for t in event["ticketTypes"])


@each_event
def test_texts_are_not_empty(event):
    assert event["title"].strip()
    assert event["organizer"].strip()
    assert len(event["description"]) >= 80
    assert 2 <= len(event["tags"]) <= 5
    assert all(tag == tag.lower().strip() and len(tag) <= 20 for tag in event["tags"])


@each_event
def test_dates_are_in_order_and_locations_are_in_europe(event):
    dates = [date.fromisoformat(day["date"]) for day in event["schedule"]]
    assert 1 <= len(dates) <= 4
    assert dates == sorted(set(dates))
    assert date(2027, 1, 8) <= dates[0]
    assert dates[-1] <= date(2027, 6, 30)
    for day in event["schedule"]:
        assert 35 <= day["lat"] <= 70
        assert -11 <= day["lng"] <= 40


@each_event
def test_ticket_types_have_distinct_names_and_valid_numbers(event):
    names = [ticket["type"] for ticket in event["ticketTypes"]]
    assert 1 <= len(names) <= 3
    assert len(set(names)) == len(names)
    for ticket in event["ticketTypes"]:
        assert ticket["price"] >= 0
        assert isinstance(ticket["availableTickets"], int)
        assert ticket["availableTickets"] > 0


@each_event
def test_the_poster_is_a_small_webp_file(event):
    data = (ROOT / event["image"].lstrip("/")).read_bytes()
    assert len(data) <= MAX_BYTES
    assert data[:4] == b"RIFF"
    assert data[8:12] == b"WEBP"
