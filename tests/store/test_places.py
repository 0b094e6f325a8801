"""Lists by place: the index, the database and a plain loop over all events agree.

Events have several entries in several places on several days. One entry must satisfy all filters of
entries, and the nearest such entry gives the distance.
"""

import math
import random
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.core.geography import EARTH_RADIUS_KM
from eventapp.events import distance_search, list_pages, service, store, store_listing, timekeeping
from eventapp.events.index.live_index import LiveIndex
from eventapp.events.schemas.queries import EventQuery
from tests import factories

TODAY = utc_now().date()
CENTERS = [(40.64, 22.94), (90, 0), (-89.9, 100), (0, 180), (-17.2, -179.9), (38, 23.7)]
CITIES = ["Athens", "Volos", "Łódź"]
EVENTS = 300


class NoIndex:
    """Stands in for LiveIndex and leaves every query to the database."""

    def find(self, _filters, _search, _today):
        return None

    def count(self, _today):
        return None

    def correct(self, _query, _today):
        return None


def measure(center, entry):
    """Return the distance of an entry in km to the millimetre, by the formula of textbooks."""
    if "lat" not in entry or "lng" not in entry:
        return None
    lat, lng, center_lat, center_lng = map(math.radians, (entry["lat"], entry["lng"], *center))
    haversine = math.sin((lat - center_lat) / 2) ** 2
    haversine += math.cos(lat) * math.cos(center_lat) * math.sin((lng - center_lng) / 2) ** 2
    return round(2 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(haversine, 1))), 6)


def is_inside(box, entry):
    """Return whether an entry is in a box, by the degrees from its west edge to the east."""
    if "lat" not in entry or "lng" not in entry:
        return False
    west, south, east, north = box
    width = 360 if (west, east) == (-180, 180) else (east - west) % 360
    return south <= entry["lat"] <= north and (entry["lng"] - west) % 360 <= width


def draw_entry(rng):
    center_lat, center_lng = rng.choice(CENTERS)
    lat = max(-90, min(90, center_lat + rng.gauss(0, 1.5)))
    lng = (center_lng + rng.gauss(0, 2) / max(0.01, math.cos(math.radians(lat))) + 180) % 360 - 180
    entry = {
        "date": TODAY + timedelta(days=rng.randint(-30, 60)),
        "location": f"Arena, {rng.choice(CITIES)}",
        "lat": rng.choice([lat, lat, lat, lat, 90.0]),
        "lng": rng.choice([lng, lng, lng, lng, 180.0, -180.0]),
    }
    for name in ("lat", "lng"):
        if rng.random() < 0.1:
            del entry[name]
    return entry


@pytest.fixture
def events(db):
    """Return the database and the events in it, with past entries, drafts and ties of distances."""
    rng, made = random.Random(3), []
    for number in range(1, EVENTS + 1):
        schedule = [draw_entry(rng) for _ in range(rng.randint(1, 4))]
        if number % 7 == 0:
            schedule = [dict(made[-1]["input"][0])]
        body = factories.event_body(
            title=f"Evening {number % 9}",
            schedule=schedule,
            status="draft" if number % 20 == 0 else "published",
        )
        event = service.make_new_event(body, organizer_id=None, now=utc_now())
        made.append({**event, "eventId": number, "input": schedule})
    store.insert_many(db, [{k: v for k, v in each.items() if k != "input"} for each in made])
    timekeeping.prepare(db, utc_now())
    return db, made


def draw_query(rng):
    """Return parameters of a list by place, as a client sends them."""
    lat, lng = rng.choice(CENTERS)
    query = {}
    if rng.random() < 0.6:
        query["near"] = f"{lat + rng.choice([0, 0.2, -0.2]) * (abs(lat) < 89)},{lng}"
        if rng.random() < 0.8:
            query["radius"] = str(rng.choice([0, 30, 120, 333.3, 500]))
        query["sortBy"] = rng.choice(["", "distance", "title", "date"])
    else:
        west, east = ((lng + x + 180) % 360 - 180 for x in (-rng.uniform(0, 9), rng.uniform(0, 9)))
        south, north = max(-90, lat - rng.uniform(0, 4)), min(90, lat + rng.uniform(0, 4))
        if rng.random() < 0.3:
            west, east = rng.choice([(-180, 180), (-180, 20), (20, 180), (90, -90), (20, 19)])
        query["bbox"] = f"{west},{south},{east},{north}"
        query["sortBy"] = rng.choice(["", "title"])
    if rng.random() < 0.4:
        query["city"] = rng.choice(["athens", "volos", "lodz", "arena"])
    if rng.random() < 0.4:
        query["dateFrom"] = str(TODAY + timedelta(days=rng.randint(-20, 40)))
    if rng.random() < 0.3:
        query["dateTo"] = str(TODAY + timedelta(days=rng.randint(0, 60)))
    if rng.random() < 0.3:
        query["order"] = "desc"
    if rng.random() < 0.2:
        query["search"] = "evening"
    if rng.random() < 0.3:
        query["upcoming"] = "false"
    return {name: value for name, value in query.items() if value}


def find_by_loop(made, query):
    """Return (eventId, distance) of what the query must find, in order; None is no distance."""
    center = tuple(map(float, query["near"].split(","))) if "near" in query else None
    box = tuple(map(float, query["bbox"].split(","))) if "bbox" in query else None
    upcoming = query.get("upcoming") != "false"
    radius = float(query.get("radius", 25))
    first, last = query.get("dateFrom", "1900-01-01"), query.get("dateTo", "8999-01-01")
    found = []
    for event in made:
        entries = [
            entry
            for entry in event["input"]
            if first <= str(entry["date"]) <= last
            and (not upcoming or entry["date"] >= TODAY)
            and query.get("city", "").replace("lodz", "Łódź").lower() in entry["location"].lower()
            and (box is None or is_inside(box, entry))
        ]
        distances = [measure(center, entry) for entry in entries] if center else []
        near = [each for each in distances if each is not None and each <= radius]
        if event["status"] == "published" and entries and (near or not center):
            found.append((event, min(near, default=None)))
    direction = -1 if query.get("order") == "desc" else 1
    sort_by = query.get("sortBy", "distance" if center else "eventId")
    if "search" in query and "near" not in query and "sortBy" not in query:
        direction = 1  # All titles have the same words, so the eventIds decide.

    def get_key(row):
        event, distance = row
        values = {"distance": distance, "title": event["titleKey"], "eventId": 0}
        value = event["nextDate"] if sort_by == "date" else values[sort_by]
        return (value, event["eventId"])

    found.sort(key=get_key, reverse=direction < 0)
    return [(event["eventId"], distance) for event, distance in found]


def walk(db, query, index):
    """Return the (eventId, distance) of all pages of a list, and the total of the first."""
    rows, total = [], None
    while query:
        request = EventQuery().load(query).at(utc_now())
        page = list_pages.find_page(db, request, TODAY, next(index))
        rows += [(event_id, page.distances.get(event_id)) for event_id in page.event_ids]
        total = page.envelope["total"] if total is None else total
        cursor = page.envelope["nextCursor"]
        query = cursor and {"cursor": cursor, "limit": query["limit"]}
    return rows, total


def alternate(*indexes):
    while True:
        yield from indexes


@pytest.mark.parametrize("seed", range(3))
def test_the_index_the_database_and_a_loop_agree(events, monkeypatch, seed):
    db, made = events
    monkeypatch.setattr(list_pages, "MAX_FEW_MATCHES", [0, 500][seed % 2])
    monkeypatch.setattr(store_listing, "SCAN_BATCH_SIZE", 11)
    monkeypatch.setattr(store_listing, "CANDIDATE_BATCH_SIZE", 13)
    monkeypatch.setattr(distance_search, "MIN_BATCH_SIZE", 5)
    rng, index, found = random.Random(seed), LiveIndex(db), 0
    for _ in range(25):
        query = draw_query(rng) | {"limit": str(rng.randint(3, 40))}
        expected = find_by_loop(made, query)
        walks = [
            walk(db, query, alternate(index)),
            walk(db, query, alternate(NoIndex())),
            # Index and database change places from page to page.
            walk(db, query, alternate(index, NoIndex())),
        ]
        for rows, total in walks:
            assert [event_id for event_id, _ in rows] == [each for each, _ in expected], query
            assert total == len(expected)
            for (_, distance), (_, right) in zip(rows, expected, strict=True):
                assert distance == pytest.approx(right, abs=1e-5), query
        assert walks[0] == walks[1] == walks[2]
        found += len(expected)
    assert found > 100
