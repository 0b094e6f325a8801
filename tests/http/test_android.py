"""The shipped Android app's eight calls, decoded as its Gson models decode them."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventapp.events import service as events
from eventapp.events import store as events_store
from tests.factories import day, event_body, make_event, sign_in, utc_now
from tests.http.gson import BASE, decoded_events

EVENTS_FILE = Path(__file__).parents[2] / "data" / "events.json"


@pytest.fixture
def seeded(db: Any) -> list[dict[str, Any]]:
    """The sample events, moved so that all are upcoming, and one at 12.50."""
    bodies = json.loads(EVENTS_FILE.read_text())
    first = min(entry["date"] for body in bodies for entry in body["schedule"])
    shift = date.fromisoformat(day(1)) - date.fromisoformat(first)
    half = event_body(
        description="",
        schedule=[{"date": first, "location": "Volos"}],
        ticketTypes=[{"type": "Half", "price": 12.5, "availableTickets": 3}],
    )
    return [store_event(db, body, shift) for body in [*bodies, half]]


def store_event(db: Any, body: dict[str, Any], shift: timedelta) -> dict[str, Any]:
    schedule = [
        {**entry, "date": date.fromisoformat(entry["date"]) + shift} for entry in body["schedule"]
    ]
    document = events.new_event({**body, "schedule": schedule}, organizer_id=None, now=utc_now())
    return events_store.insert(db, document)


def test_all_upcoming_events_come_as_gson_reads_them(client, seeded):
    shown = decoded_events(client.get(BASE + "events"))
    assert [event["eventId"] for event in shown] == [event["eventId"] for event in seeded]
    assert len(shown) > 24
    assert shown[0]["schedule"][0]["date"] == day(1)
    assert all(event["image"].startswith(("http://", "https://")) for event in shown)


def test_prices_are_rounded_up_here_and_only_here(client, seeded):
    last = seeded[-1]["eventId"]
    assert decoded_events(client.get(BASE + "events"))[-1]["ticketTypes"][0]["price"] == 13
    assert client.get(f"/api/events/{last}").json["ticketTypes"][0]["price"] == 12.5
    whole = {kind["price"] for event in seeded for kind in event["ticketTypes"]}
    shown = client.get(BASE + "events").json
    assert {kind["price"] for event in shown for kind in event["ticketTypes"]} == {
        -int(-price // 1) for price in whole
    }


def test_home_screen_finds_its_six_events(client, seeded):
    shown = client.get(BASE + "events").json
    assert all(shown[place] for place in (2, 4, 5))


def test_events_gives_up_to_500_of_those_to_come(client, db):
    body = {**event_body(), "schedule": [{"date": date.fromisoformat(day(3)), "location": "X"}]}
    many = [events.new_event(body, organizer_id=None, now=utc_now()) for _ in range(502)]
    for number, event in zip(events_store.take_event_ids(db, 502), many, strict=True):
        event["eventId"] = number
    events_store.insert_many(db, many)
    shown = decoded_events(client.get(BASE + "events"))
    assert [event["eventId"] for event in shown] == list(range(1, 501))


def test_events_hides_past_draft_and_cancelled_ones(client, db):
    make_event(db, schedule=[{"date": day(-1), "location": "Volos"}])
    make_event(db, status="draft")
    make_event(db, status="cancelled")
    today = make_event(db, schedule=[{"date": day(0), "location": "Volos"}])
    assert [event["eventId"] for event in client.get(BASE + "events").json] == [today["eventId"]]


def test_events_answers_304_to_its_etag(client, seeded):
    tag = client.get(BASE + "events").headers["ETag"]
    again = client.get(BASE + "events", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_recoms_answers_events_of_the_categories(client, seeded):
    shown = decoded_events(client.post(BASE + "recoms", json=["concert", "theater"]))
    wanted = [event for event in seeded if event["category"] in ("concert", "theater")]
    assert {event["category"] for event in shown} == {"concert", "theater"}
    assert len(shown) == len(wanted)


def test_recoms_of_nothing_answers_all(client, seeded):
    assert len(decoded_events(client.post(BASE + "recoms", json=[]))) == len(seeded)


def test_recoms_of_an_unknown_category_matches_nothing(client, seeded):
    assert decoded_events(client.post(BASE + "recoms", json=["opera"])) == []
    mixed = decoded_events(client.post(BASE + "recoms", json=["opera", "movie"]))
    assert {event["category"] for event in mixed} == {"movie"}


@pytest.mark.parametrize("body", [{}, {"categories": []}, [1], [None], "concert", None])
def test_recoms_refuses_what_is_no_list_of_strings(client, body):
    assert client.post(BASE + "recoms", json=body).status_code == 400


def test_favorites_are_the_shared_guests(client, db, app):
    event = make_event(db)
    added = client.post(BASE + "favorites", json={"eventId": event["eventId"]})
    assert (added.status_code, added.json) == (201, {"message": "Event favorited"})
    assert decoded_events(client.get(BASE + "favorites"))[0]["favorited"] is True
    assert client.get(BASE + "events").json[0]["favorited"] is True
    assert len(client.get("/api/favorites").json["events"]) == 1
    someone = sign_in(app)["headers"]
    assert client.get("/api/favorites", headers=someone).json == {"events": []}


def test_favorites_stay_the_guests_whoever_asks(client, db, attendee):
    event = make_event(db)
    headers = {**attendee["headers"], "X-Device-Id": "device-1234"}
    client.post(BASE + "favorites", json={"eventId": event["eventId"]}, headers=headers)
    assert [entry["_id"] for entry in db.favorites.find()] == ["guest"]
    assert len(client.get(BASE + "favorites", headers=headers).json) == 1


def test_favorite_again_is_409_and_delete_takes_a_body(client, db):
    body = {"eventId": make_event(db)["eventId"]}
    client.post(BASE + "favorites", json=body)
    again = client.post(BASE + "favorites", json=body)
    assert (again.status_code, again.json["message"]) == (409, "Already favorited")
    removed = client.delete(BASE + "favorites", json=body)
    assert (removed.status_code, removed.json) == (200, {"message": "Favorite removed"})
    assert client.get(BASE + "favorites").json == []
    assert client.delete(BASE + "favorites", json=body).status_code == 404
    assert client.post(BASE + "favorites", json={"eventId": 99}).status_code == 404
