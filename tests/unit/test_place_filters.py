"""The filters by place find what a plain loop finds among 10,000 positions, poles and edges too."""

import math
import random
from datetime import UTC, datetime

import numpy as np
import pytest

from eventapp.core.embedded.mongomock_internals import matches_filter
from eventapp.core.geography import EARTH_RADIUS_KM, Box, Circle, Position
from eventapp.events import distance_search
from eventapp.events.filter_types import make_conditions
from eventapp.events.filters import ENTRY_FACETS
from eventapp.events.index import entry_table
from eventapp.events.index.distances import EventDistances
from eventapp.events.index.entry_table import EntryTable
from eventapp.events.place_filters import BoxFilter, NearFilter

COUNT, NOW = 10_000, datetime(2030, 1, 1, tzinfo=UTC)
CENTERS = [(40.64, 22.94), (90, 0), (-90, 50), (88, -179), (0, 180), (-16.5, -179.95), (60.2, 24.9)]
CIRCLES = [(center, radius) for center in CENTERS for radius in (25, 500)]
BOXES = [
    (19, 34.8, 29.7, 41.8),
    (170, -60, -170, 60),
    (175, -90, 180, 0),
    (-180, 0, -175, 90),
    (-180, -90, 180, 90),
    (-180, 85, 180, 90),
    (100, -10, 99, 10),
    (22.94, 40.64, 22.94, 40.64),
    (-5.5, -5.5, 5.5, 5.5),
]


def draw_position(rng):
    kind = rng.randrange(4)
    if kind == 0:
        return math.degrees(math.asin(rng.uniform(-1, 1))), rng.uniform(-180, 180)
    if kind == 1:
        return rng.choice([-1, 1]) * (90 - abs(rng.gauss(0, 2)) % 90), rng.uniform(-180, 180)
    if kind == 2:
        return rng.gauss(0, 20), (180 + rng.gauss(0, 2) + 180) % 360 - 180
    lat, lng = rng.choice(CENTERS)
    lat, lng = lat + rng.choice([0, rng.gauss(0, 1)]), lng + rng.choice([0, rng.gauss(0, 2)])
    return max(-90, min(90, lat)), lng if -180 <= lng <= 180 else (lng + 180) % 360 - 180


def make_event(number, position):
    lat, lng = position
    entry = {
        "date": NOW,
        "location": "Hall",
        "locationKey": "hall",
        "lat": lat,
        "lng": lng,
        "point": {"type": "Point", "coordinates": [lng, lat]},
    }
    return {"eventId": number, "schedule": [entry]}


@pytest.fixture(scope="module")
def positions():
    rng = random.Random(11)
    return [draw_position(rng) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def events(positions):
    return [make_event(*each) for each in enumerate(positions)]


@pytest.fixture(scope="module")
def table(events):
    """Return the table of entries as the index has it."""
    made = EntryTable(ENTRY_FACETS)
    for row, event in enumerate(events):
        made.add(event["schedule"], row, NOW)
    made.compact()
    return made


def measure(first, second):
    """Return a distance in km to the millimetre, by the formula of textbooks."""
    (lat, lng), (other_lat, other_lng) = (map(math.radians, each) for each in (first, second))
    haversine = math.sin((other_lat - lat) / 2) ** 2
    haversine += math.cos(lat) * math.cos(other_lat) * math.sin((other_lng - lng) / 2) ** 2
    return round(2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1, haversine))), 6)


def is_inside(box, position):
    west, south, east, north = box
    lat, lng = position
    width = 360 if (west, east) == (-180, 180) else (east - west) % 360
    return south <= lat <= north and (lng - west) % 360 <= width


def assert_condition_admits(filter_, events, expected):
    """Check the condition for the database with some that must be found, and some others."""
    (*rough, exact) = make_conditions([filter_])
    sample = [*sorted(expected)[:60], *range(0, COUNT, 97)]
    for number in sample:
        assert filter_.accepts(events[number]["schedule"][0]) == (number in expected)
        is_found = matches_filter({"$and": [*rough, exact]}, events[number])
        if number in expected:
            assert is_found, events[number]
        elif isinstance(filter_, BoxFilter):
            assert not is_found, events[number]


@pytest.mark.parametrize(("center", "radius"), CIRCLES, ids=str)
def test_positions_in_a_circle(positions, events, table, center, radius):
    distances = {n: measure(center, each) for n, each in enumerate(positions)}
    expected = {n: distance for n, distance in distances.items() if distance <= radius}
    assert len(expected) > 1
    circle_filter = NearFilter(Circle(Position(*center), radius))
    selected = table.select([circle_filter.look_up(table)])
    rows, found = table.freeze(selected).measure(Position(*center), np.ones(COUNT, np.bool_))
    by_index = dict(zip(rows.tolist(), found.tolist(), strict=True))
    in_database = distance_search.measure(events, [circle_filter], Position(*center))
    assert by_index == in_database.find(list(range(COUNT)))
    assert by_index == pytest.approx(expected, abs=2e-6)
    assert_condition_admits(circle_filter, events, expected.keys())


@pytest.mark.parametrize("max_cells", [0, 10**6])
@pytest.mark.parametrize("box", BOXES, ids=str)
def test_positions_in_a_box(positions, events, table, monkeypatch, box, max_cells):
    """They are found by the cells of the index, and by comparing all."""
    monkeypatch.setattr(entry_table, "MAX_CELLS", max_cells)
    expected = {n for n, each in enumerate(positions) if is_inside(box, each)}
    box_filter = BoxFilter(Box(*box))
    assert set(entry_table.find_rows(box_filter.look_up(table)).tolist()) == expected
    assert len(expected) > 1
    assert_condition_admits(box_filter, events, expected)


@pytest.mark.parametrize(
    "filter_", [NearFilter(Circle(Position(0, 0), 500)), BoxFilter(Box(-180, -90, 180, 90))]
)
@pytest.mark.parametrize("position", [{}, {"lat": 0.0}, {"lng": 0.0}], ids=str)
def test_an_entry_without_coordinates_never_matches(filter_, position):
    entry = {"date": NOW, "location": "Hall", "locationKey": "hall", **position}
    made = EntryTable(ENTRY_FACETS)
    made.add([entry], 0, NOW)
    assert not filter_.look_up(made).any()
    assert not filter_.accepts(entry)
    assert not matches_filter({"$and": make_conditions([filter_])}, {"schedule": [entry]})


@pytest.mark.parametrize("direction", [1, -1])
def test_events_in_the_order_of_their_distances(direction):
    rng = random.Random(direction)
    ids = rng.sample(range(1000), 300)
    rows = [(float(rng.randrange(40)), event_id) for event_id in ids]
    distances = EventDistances.join(
        EventDistances(np.array([b for _, b in part]), np.array([a for a, _ in part]))
        for part in (rows[:100], rows[100:])
    )
    expected = sorted(rows, reverse=direction < 0)
    assert distances.count == 300
    for limit in (0, 1, 7, 299, 300, 400):
        assert distances.first(limit, direction) == expected[:limit]
        assert distances.first(limit, direction, skip=5) == expected[5 : 5 + limit]
    for position in (0, 7, 150, 299):
        rest = distances.after(*expected[position], direction)
        assert rest.first(400, direction) == expected[position + 1 :]
    assert distances.find([ids[3], 5000]) == {ids[3]: rows[3][0]}
    assert EventDistances.join([]).first(5, direction) == []
