"""The event routes of the Android app, decoded as its Gson models decode them."""

import json
import math
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventapp.android import rules
from eventapp.core.json import dumps
from eventapp.events import service as events
from eventapp.events import store as events_store
from tests.factories import day, event_body, make_event, make_user, utc_now
from tests.http.gson import BASE, decode_events

EVENTS_FILE = Path(__file__).parents[2] / "data" / "events.json"


@pytest.fixture
def seeded(db: Any) -> list[dict[str, Any]]:
    """Insert the sample events, moved so that all are upcoming, and one with a price of 12.50."""
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
    document = events.make_new_event(
        {**body, "schedule": schedule}, organizer_id=None, now=utc_now()
    )
    return events_store.insert(db, document)


def test_gson_can_read_all_upcoming_events(client, seeded):
    shown = decode_events(client.get(BASE + "events"))
    assert [event["eventId"] for event in shown] == [event["eventId"] for event in seeded]
    assert len(shown) > 24
    assert shown[0]["schedule"][0]["date"] == day(1)
    assert all(event["image"].startswith(("http://", "https://")) for event in shown)


def test_the_app_gets_no_times_and_zones(client, db):
    times = {"startTime": "20:30", "endTime": "23:00", "timezone": "Europe/Athens"}
    entry = {"date": day(3), "location": "Volos", "lat": 39.36}
    make_event(db, schedule=[{**entry, **times}, {"date": day(4), "location": "Larissa"}])
    shown = client.get(BASE + "events").json[0]["schedule"]
    assert shown == [entry, {"date": day(4), "location": "Larissa"}]


def test_only_the_app_gets_prices_rounded_up(client, seeded):
    last = seeded[-1]["eventId"]
    assert decode_events(client.get(BASE + "events"))[-1]["ticketTypes"][0]["price"] == 13
    assert client.get(f"/api/events/{last}").json["ticketTypes"][0]["price"] == 12.5
    whole = {each["price"] for event in seeded for each in event["ticketTypes"]}
    shown = client.get(BASE + "events").json
    assert {each["price"] for event in shown for each in event["ticketTypes"]} == {
        math.ceil(price) for price in whole
    }


def test_the_home_screen_finds_the_events_it_shows(client, seeded):
    shown = client.get(BASE + "events").json
    assert all(shown[index] for index in (2, 4, 5))


def test_the_list_contains_at_most_500_upcoming_events(client, db):
    body = {**event_body(), "schedule": [{"date": date.fromisoformat(day(3)), "location": "X"}]}
    many = [events.make_new_event(body, organizer_id=None, now=utc_now()) for _ in range(502)]
    for number, event in zip(events_store.allocate_event_ids(db, 502), many, strict=True):
        event["eventId"] = number
    events_store.insert_many(db, many)
    shown = decode_events(client.get(BASE + "events"))
    assert [event["eventId"] for event in shown] == list(range(1, 501))


def test_the_list_hides_past_draft_and_cancelled_events(client, db):
    make_event(db, schedule=[{"date": day(-1), "location": "Volos"}])
    make_event(db, status="draft")
    make_event(db, status="cancelled")
    today = make_event(db, schedule=[{"date": day(0), "location": "Volos"}])
    assert [event["eventId"] for event in client.get(BASE + "events").json] == [today["eventId"]]


def test_the_list_answers_304_to_its_etag(client, seeded):
    tag = client.get(BASE + "events").headers["ETag"]
    again = client.get(BASE + "events", headers={"If-None-Match": tag})
    assert (again.status_code, again.data) == (304, b"")


def test_recommendations_are_events_of_the_categories(client, seeded):
    shown = decode_events(client.post(BASE + "recoms", json=["concert", "theater"]))
    wanted = [event for event in seeded if event["category"] in ("concert", "theater")]
    assert {event["category"] for event in shown} == {"concert", "theater"}
    assert len(shown) == len(wanted)


def test_recommendations_without_categories_are_all_events(client, seeded):
    assert len(decode_events(client.post(BASE + "recoms", json=[]))) == len(seeded)


def test_an_unknown_category_matches_no_event(client, seeded):
    assert decode_events(client.post(BASE + "recoms", json=["opera"])) == []
    mixed = decode_events(client.post(BASE + "recoms", json=["opera", "movie"]))
    assert {event["category"] for event in mixed} == {"movie"}


@pytest.mark.parametrize("body", [{}, {"categories": []}, [1], [None], "concert", None])
def test_recommendations_require_a_list_of_strings(client, body):
    assert client.post(BASE + "recoms", json=body).status_code == 400


def test_favorites_belong_to_the_shared_guest(client, db, app):
    event = make_event(db)
    added = client.post(BASE + "favorites", json={"eventId": event["eventId"]})
    assert (added.status_code, added.json) == (201, {"message": "Event favorited"})
    assert decode_events(client.get(BASE + "favorites"))[0]["favorited"] is True
    assert client.get(BASE + "events").json[0]["favorited"] is True
    assert len(client.get("/api/favorites").json["events"]) == 1
    someone = make_user(app)["headers"]
    assert client.get("/api/favorites", headers=someone).json == {"events": []}


@pytest.mark.parametrize("chosen", [(), (1,), (4,), (2, 3), (4, 2, 1), (1, 2, 3, 4)])
def test_lists_show_the_favorites_of_the_guest(client, db, chosen):
    """They are put into JSON that was converted without them."""
    for number in range(4):
        title = f'{number},"favorited":false,"favorited":true,'
        make_event(db, title=title, category="concert", tags=[',"favorited":false,'])
    etags = [client.get(BASE + "events").headers["ETag"]]
    for event_id in chosen:
        assert client.post(BASE + "favorites", json={"eventId": event_id}).status_code == 201
        etags.append(client.get(BASE + "events").headers["ETag"])
    assert len(set(etags)) == len(etags)
    shown = client.post("/api/recoms", json=["concert"]).json
    assert [each["favorited"] for each in shown] == [n in chosen for n in (1, 2, 3, 4)]
    converted = dumps([rules.render_event(each) for each in shown])
    assert client.post(BASE + "recoms", json=["concert"]).data == converted
    assert client.get(BASE + "events").data == converted
    assert client.get(BASE + "events", headers={"If-None-Match": etags[-1]}).status_code == 304
    for event_id in chosen:
        client.delete(BASE + "favorites", json={"eventId": event_id})
    assert client.get(BASE + "events").headers["ETag"] == etags[0]


def test_events_are_converted_once_whatever_the_favorites(client, db, monkeypatch):
    converted, render = [], rules.render_event
    for _ in range(3):
        make_event(db)
    monkeypatch.setattr(
        rules, "render_event", lambda event: converted.append(event["eventId"]) or render(event)
    )
    for event_id in (1, 2, 3):
        client.post(BASE + "favorites", json={"eventId": event_id})
        found = [each["favorited"] for each in client.get(BASE + "events").json]
        assert found == [n <= event_id for n in (1, 2, 3)]
    assert converted == [1, 2, 3]


def test_favorites_belong_to_the_guest_also_with_a_token_or_device(client, db, attendee):
    event = make_event(db)
    headers = {**attendee["headers"], "X-Device-Id": "device-1234"}
    client.post(BASE + "favorites", json={"eventId": event["eventId"]}, headers=headers)
    assert [entry["_id"] for entry in db.favorites.find()] == ["guest"]
    assert len(client.get(BASE + "favorites", headers=headers).json) == 1


def test_a_favorite_is_added_once_and_removed_by_its_body(client, db):
    body = {"eventId": make_event(db)["eventId"]}
    client.post(BASE + "favorites", json=body)
    again = client.post(BASE + "favorites", json=body)
    assert (again.status_code, again.json["message"]) == (409, "Already favorited")
    removed = client.delete(BASE + "favorites", json=body)
    assert (removed.status_code, removed.json) == (200, {"message": "Favorite removed"})
    assert client.get(BASE + "favorites").json == []
    assert client.delete(BASE + "favorites", json=body).status_code == 404
    assert client.post(BASE + "favorites", json={"eventId": 99}).status_code == 404
