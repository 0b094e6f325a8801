"""GET /api/events near a position, in a box, and with one entry that satisfies all filters."""

import pytest

from tests.factories import day, make_event

# Latitudes and longitudes: three places in Thessaloniki, and others.
PORT, TOWER, AIRPORT = (40.6335, 22.9330), (40.6264, 22.9483), (40.5197, 22.9709)
VOLOS, ATHENS = (39.3622, 22.9420), (37.9838, 23.7275)
NEAR = "near=40.6335,22.933"

REFUSED = [
    ("near=40.64", ["near"]),
    ("near=40.64,22.94,1", ["near"]),
    ("near=", ["near"]),
    ("near=x,22.94", ["near"]),
    ("near=nan,22.94", ["near"]),
    ("near=40.64,inf", ["near"]),
    ("near=1_0,2", ["near"]),
    ("near=٣,2", ["near"]),
    ("near=90.01,0", ["near"]),
    ("near=0,-180.5", ["near"]),
    ("near=0,1e400", ["near"]),
    ("near=0,0&radius=-1", ["radius"]),
    ("near=0,0&radius=500.1", ["radius"]),
    ("near=0,0&radius=nan", ["radius"]),
    ("near=0,0&radius=x", ["radius"]),
    ("near=0,0&near=1,1", ["near"]),
    ("radius=10", ["radius"]),
    ("radius=10&bbox=0,0,1,1", ["radius"]),
    ("bbox=0,0,1", ["bbox"]),
    ("bbox=0,0,1,x", ["bbox"]),
    ("bbox=0,0,1,inf", ["bbox"]),
    ("bbox=0,2,1,1", ["bbox"]),
    ("bbox=-181,0,1,1", ["bbox"]),
    ("bbox=0,-91,1,1", ["bbox"]),
    ("bbox=0,0,1,90.5", ["bbox"]),
    ("near=0,0&bbox=0,0,1,1", ["bbox"]),
    ("sortBy=distance", ["sortBy"]),
    ("sortBy=distance&bbox=0,0,1,1", ["sortBy"]),
]


def entry(offset, position=None, location="Hall, Thessaloniki", **fields):
    lat_lng = {} if position is None else {"lat": position[0], "lng": position[1]}
    return {"date": day(offset), "location": location, **lat_lng, **fields}


def rows(client, query, headers=None):
    answer = client.get(f"/api/events?{query}", headers=headers)
    assert answer.status_code == 200, answer.json
    return [(row["title"], row.get("distanceKm")) for row in answer.json["events"]]


@pytest.fixture
def events(db, organizer):
    make_event(db, title="Airport", schedule=[entry(5, AIRPORT)])
    make_event(db, title="Tour", schedule=[entry(6, VOLOS, "Volos"), entry(9, TOWER)])
    make_event(db, title="Port", schedule=[entry(7, PORT)], organizer_id=organizer["id"])
    make_event(db, title="Again at the port", schedule=[entry(1, PORT)])
    make_event(db, title="Nowhere", schedule=[entry(2), entry(3, None, lat=PORT[0])])
    make_event(db, title="Past", schedule=[entry(-5, PORT), entry(4, ATHENS, "Athens")])
    make_event(
        db,
        title="Draft",
        status="draft",
        schedule=[entry(3, TOWER)],
        organizer_id=organizer["id"],
    )


NEAREST = [("Port", 0.0), ("Again at the port", 0.0), ("Tour", 1.51), ("Airport", 13.05)]


@pytest.mark.parametrize("caller", ["guest", "organizer"])
def test_the_nearest_events_come_first_with_their_distances(client, events, organizer, caller):
    """Pages of guests are cached as JSON, and those of organizers are not."""
    headers = organizer["headers"] if caller == "organizer" else None
    for _again in range(3):
        assert rows(client, NEAR, headers) == NEAREST
        assert rows(client, f"{NEAR}&sortBy=distance&sortOrder=desc", headers) == NEAREST[::-1]
        assert rows(client, f"{NEAR}&radius=1.52", headers) == NEAREST[:3]
        assert rows(client, f"{NEAR}&radius=0", headers) == NEAREST[:2]
        titles = [NEAREST[n] for n in (1, 3, 0, 2)]
        assert rows(client, f"{NEAR}&sortBy=title", headers) == titles
        assert rows(client, "sortBy=title&limit=1", headers) == [("Again at the port", None)]


def test_a_cursor_continues_the_list_by_distance(client, events):
    found, query = [], f"{NEAR}&limit=1"
    while query:
        answer = client.get(f"/api/events?{query}").json
        assert (answer["total"], answer["pages"]) == (4, 4)
        found += [(row["title"], row["distanceKm"]) for row in answer["events"]]
        query = answer["nextCursor"] and f"limit=1&cursor={answer['nextCursor']}"
    assert found == NEAREST
    assert rows(client, f"{NEAR}&limit=1&page=3") == NEAREST[2:3]
    assert rows(client, f"{NEAR}&limit=1&page=5") == []


def test_past_and_own_events_are_found_near_a_position(client, events, organizer):
    far = f"{NEAR}&radius=300"
    assert ("Past", 303.49) not in rows(client, far)
    assert rows(client, f"{NEAR}&upcoming=false") == [*NEAREST[:2], ("Past", 0.0), *NEAREST[2:]]
    own = [("Port", 0.0), ("Draft", 1.51)]
    assert rows(client, f"{NEAR}&mine=true", organizer["headers"]) == own
    assert rows(client, f"{NEAR}&mine=true&sortBy=title", organizer["headers"]) == own[::-1]


def test_one_entry_satisfies_all_filters(client, events):
    first, last = f"dateFrom={day(6)}&dateTo={day(6)}", f"dateFrom={day(9)}&dateTo={day(9)}"
    for more in ("", "&upcoming=false"):
        assert rows(client, f"city=volos&{first}{more}") == [("Tour", None)]
        assert rows(client, f"city=volos&{last}{more}") == []
        assert rows(client, f"{NEAR}&{last}{more}") == [("Tour", 1.51)]
        assert rows(client, f"{NEAR}&{first}{more}") == []
        assert rows(client, f"{NEAR}&city=volos{more}") == []
        # The nearest entry is another than the one that satisfies the filters.
        assert rows(client, f"{NEAR}&radius=200&city=volos{more}") == [("Tour", 141.36)]
    # Its entry at the port is over, and its upcoming one is elsewhere.
    assert ("Past", None) not in rows(client, "city=thessaloniki")
    assert ("Past", None) in rows(client, "city=thessaloniki&upcoming=false")


@pytest.mark.parametrize("more", ["", "&upcoming=false"])
def test_a_box(client, db, events, more):
    make_event(db, title="Fiji", schedule=[entry(5, (-17.7, 178.4), "Nadi")])
    make_event(db, title="Taveuni", schedule=[entry(5, (-16.8, -179.9), "Taveuni")])
    make_event(db, title="Meridian", schedule=[entry(5, (-16.8, -180), "Vuna")])
    south = rows(client, f"bbox=178,-20,-179,-10{more}")
    assert south == [("Fiji", None), ("Taveuni", None), ("Meridian", None)]
    assert rows(client, f"bbox=-180,-20,-179,-10{more}") == south[1:]
    assert rows(client, f"bbox=178,-20,180,-10{more}") == [south[0], south[2]]
    assert rows(client, f"bbox=-179,-20,178,-10{more}") == []
    assert rows(client, f"bbox=22.933,40.6335,22.933,40.6335{more}")[:2] == [
        ("Port", None),
        ("Again at the port", None),
    ]
    assert rows(client, f"bbox=-180,-90,180,90&sortBy=title&limit=3{more}") == [
        ("Again at the port", None),
        ("Airport", None),
        ("Fiji", None),
    ]


@pytest.mark.parametrize(("query", "fields"), REFUSED, ids=[query for query, _ in REFUSED])
def test_a_wrong_place_is_refused_by_its_name(client, query, fields):
    answer = client.get(f"/api/events?{query}")
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error"), answer.json
    assert list(answer.json["errors"]) == fields


def test_a_position_may_be_written_in_many_ways(client, events):
    for near in ("40.6335,22.933", "+40.6335%20,%2022.9330", "4.06335e1,22.933000"):
        assert rows(client, f"near={near}&radius=1e0") == NEAREST[:2]
    assert rows(client, "near=-0,0&radius=1") == []


def test_every_write_of_a_schedule_moves_the_event(client, db, organizer):
    headers = organizer["headers"]
    created = make_event(db, title="Moved", schedule=[entry(30)], organizer_id=organizer["id"])
    path = f"/api/events/{created['eventId']}"
    assert rows(client, NEAR) == []
    patched = client.patch(
        f"{path}/schedule/0", json={"lat": PORT[0], "lng": PORT[1]}, headers=headers
    )
    assert patched.status_code == 200
    for more in ("", "&upcoming=false"):
        assert rows(client, f"{NEAR}{more}") == [("Moved", 0.0)]
    copy = client.post(f"{path}/duplicate", json={}, headers=headers).json
    assert client.post(f"/api/events/{copy['eventId']}/publish", headers=headers).status_code == 200
    assert [distance for _, distance in rows(client, NEAR)] == [0.0, 0.0]
    # An edit that names only one of both removes the position.
    body = {
        "title": "Moved",
        "category": "concert",
        "schedule": [{"date": day(30), "location": "Hall", "lat": PORT[0]}],
        "ticketTypes": [{"type": "A", "price": 1, "availableTickets": 5}],
        "organizer": "O",
    }
    assert client.put(path, json=body, headers=headers).status_code == 200
    assert [distance for _, distance in rows(client, NEAR)] == [0.0]
    (stored,) = db.events.find_one({"eventId": created["eventId"]})["schedule"]
    assert "point" not in stored


def test_no_answer_shows_what_queries_compare(client, db, organizer, admin):
    event = make_event(db, schedule=[entry(30, PORT)], organizer_id=organizer["id"])
    headers, event_id = organizer["headers"], event["eventId"]
    assert {"point", "locationKey"} <= event["schedule"][0].keys()
    edit = client.patch(
        f"/api/events/{event_id}/schedule/0",
        json={"lat": 1, "location": "Elsewhere"},
        headers=headers,
    )
    assert edit.status_code == 200
    for path in (
        f"/api/events/{event_id}",
        "/api/events?limit=5",
        "/api/events?mine=true",
        f"/api/events/{event_id}/log",
        "/api/auth/export",
        "/android/api/events",
    ):
        for caller in (headers, admin["headers"]):
            answer = client.get(path, headers=caller)
            assert answer.status_code in (200, 404), path
            assert "locationKey" not in answer.text, path
            assert '"point"' not in answer.text, path
            assert ".point" not in answer.text, path


def test_the_android_app_knows_no_places(client, events):
    plain = client.get("/android/api/events").json
    assert client.get(f"/android/api/events?{NEAR}&radius=x").json == plain
    assert "distanceKm" not in str(plain)
