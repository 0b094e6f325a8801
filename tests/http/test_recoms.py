"""POST /api/recoms."""

import pytest

from tests.factories import day, make_event


def at(offset):
    return [{"date": day(offset), "location": "X"}]


@pytest.fixture(autouse=True)
def events(db):
    make_event(db, title="Late", category="concert", schedule=at(9))
    make_event(db, title="Soon", category="theater", schedule=at(2))
    make_event(db, title="Running", category="concert", schedule=[*at(-3), *at(5)])
    make_event(db, title="Match", category="sports", schedule=at(1))
    make_event(db, title="Past", category="concert", schedule=at(-1))
    make_event(db, title="Draft", category="concert", status="draft")
    make_event(db, title="Cancelled", category="concert", status="cancelled")


def titles(client, body):
    answer = client.post("/api/recoms", json=body)
    assert answer.status_code == 200
    return [event["title"] for event in answer.json]


def test_recommends_upcoming_events_of_the_categories_soonest_first(client):
    assert titles(client, ["concert", "theater"]) == ["Soon", "Running", "Late"]
    assert titles(client, ["sports"]) == ["Match"]
    assert titles(client, ["movie"]) == []
    assert titles(client, ["sports", "sports"]) == ["Match"]


def test_no_categories_give_the_most_popular_events(client, db):
    db.events.update_one({"title": "Late"}, {"$set": {"popularity": 2.0}})
    db.events.update_one({"title": "Match"}, {"$set": {"popularity": 3.0}})
    found = titles(client, [])
    assert found[:2] == ["Match", "Late"]
    assert sorted(found) == ["Late", "Match", "Running", "Soon"]


def test_recommendations_are_whole_events(client):
    client.post("/api/favorites", json={"eventId": 4})
    shown = client.post("/api/recoms", json=["sports"]).json
    assert shown == [client.get("/api/events/4").json]
    assert shown[0]["favorited"] is True


def test_favorited_depends_on_the_caller(client, attendee):
    client.post("/api/favorites", json={"eventId": 4}, headers=attendee["headers"])
    headers = attendee["headers"]
    assert client.post("/api/recoms", json=["sports"], headers=headers).json[0]["favorited"]
    assert not client.post("/api/recoms", json=["sports"]).json[0]["favorited"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"categories": ["concert"]},
        "concert",
        None,
        5,
        ["opera"],
        ["concert", "opera"],
        [None],
        [1],
        [["concert"]],
        [{"$ne": "concert"}],
        ["concert"] * 51,
    ],
)
def test_a_body_that_is_no_list_of_categories_is_refused(client, body):
    answer = client.post("/api/recoms", json=body)
    assert (answer.status_code, answer.json["code"]) == (400, "validation_error")


def test_a_missing_or_malformed_body_is_refused(client):
    assert client.post("/api/recoms").status_code == 400
    assert client.post("/api/recoms", data="[]").status_code == 415
    broken = client.post("/api/recoms", data="[", content_type="application/json")
    assert (broken.status_code, broken.json["code"]) == (400, "malformed_json")
