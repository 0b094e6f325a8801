"""Views, favorites and bookings raise the score of an event, and requests write no score."""

import threading
from datetime import timedelta

import pytest
from pymongo.errors import BulkWriteError, InvalidOperation, OperationFailure

from eventapp.core.clock import utc_now
from eventapp.core.database import OPEN_DATABASE
from eventapp.events import popularity as popularity_module
from eventapp.events import store as events_store
from eventapp.events.popularity import (
    BOOKING,
    HALF_LIFE,
    POPULARITY,
    increase_score,
    scale_weight,
)
from tests.bookings_factories import Caller, event_of
from tests.factories import event_body


@pytest.fixture
def popularity(app, db):
    counters = POPULARITY.get(app)
    counters.flush(utc_now())  # write the views of other tests
    return counters


@pytest.fixture
def events(db, popularity):
    return [event_of(db, 10) for _ in range(4)]


def listed_ids(client, path="/api/events/popular"):
    return [event["eventId"] for event in client.get(path).json["events"]]


def view(client, event_id, times=1):
    for _ in range(times):
        assert client.get(f"/api/events/{event_id}").status_code == 200


def test_the_event_with_the_most_views_comes_first(client, events, popularity):
    view(client, 2, 3)
    view(client, 4, 1)
    popularity.flush(utc_now())
    assert listed_ids(client)[:2] == [2, 4]


def test_bookings_weigh_more_than_favorites_and_those_more_than_views(
    client, app, events, popularity
):
    ann = Caller(client, app)
    view(client, 1, 4)
    ann.call("POST", "/favorites", {"eventId": 2})
    ann.book(3, 1)
    popularity.flush(utc_now())
    assert listed_ids(client) == [3, 2, 1, 4]


def take_interactions(popularity):
    """Remove the favorites and bookings not yet collected; return them as `(eventId, weight)`."""
    queued = list(popularity._other_interactions)
    popularity._other_interactions.clear()
    return queued


def test_a_repeated_order_counts_once(client, app, db, popularity):
    ann = Caller(client, app)
    event_of(db, 10)
    for _twice in range(2):
        answer = ann.order(1, ticketTypeId=1, quantity=1, key="k")
        assert answer.status_code == 201
    assert take_interactions(popularity) == [(1, BOOKING)]


def test_a_hold_counts_when_it_is_made_and_not_again_when_it_is_confirmed(
    client, app, db, popularity
):
    ann = Caller(client, app)
    event_of(db, 10)
    held = ann.book(1, hold=True)
    for _twice in range(2):
        assert ann.confirm(held).status_code == 200
    assert take_interactions(popularity) == [(1, BOOKING)]


@pytest.mark.parametrize("way", ["accept", "confirm"])
def test_an_offer_counts_when_it_is_accepted(client, app, db, popularity, way):
    ann, bob = Caller(client, app), Caller(client, app)
    event_of(db, 2)
    booking = ann.book(1, 2)
    bob.wait(1, 2)
    assert ann.order(1, ticketTypeId=1, quantity=1).status_code == 409
    ann.cancel(booking)
    assert take_interactions(popularity) == [(1, BOOKING)]
    offer = {"_id": bob.offers()[0]["bookingId"]}
    for _twice in range(2):
        if way == "accept":
            bob.accept(1)
        else:
            bob.confirm(offer)
    assert bob.get(f"/bookings/{offer['_id']}").json["data"]["booking"]["status"] == "confirmed"
    assert take_interactions(popularity) == [(1, BOOKING)]


def test_favorites_of_the_android_app_count(client, events, popularity):
    client.post("/android/api/favorites", json={"eventId": 3})
    popularity.flush(utc_now())
    assert listed_ids(client)[0] == 3


def test_scores_lose_half_their_weight_with_each_half_life(client, events, popularity):
    now = utc_now()
    view(client, 1, 7)
    popularity.flush(now - 3 * HALF_LIFE)
    view(client, 2, 1)
    popularity.flush(now)
    assert listed_ids(client)[:2] == [2, 1]
    view(client, 3, 9)
    popularity.flush(now - 3 * HALF_LIFE)
    assert listed_ids(client)[:3] == [3, 2, 1]


def test_only_the_flush_writes_and_it_is_no_edit(db, client, events, popularity):
    before = db.events.find_one({"eventId": 1})
    view(client, 1, 5)
    assert db.events.find_one({"eventId": 1}) == before
    now = utc_now()
    assert popularity.flush(now) == 1
    after = db.events.find_one({"eventId": 1})
    assert after.pop("views") == 5
    assert after.pop("popularity") == pytest.approx(increase_score(0.0, scale_weight(5, now)))
    del before["popularity"]
    assert after == before
    assert popularity.flush(now) == 0


def test_drafts_and_missing_events_count_no_views(db, client, app, events, popularity):
    host = Caller(client, app, "organizer")
    event_of(db, 5, status="draft", organizer_id=host.id)
    assert host.get("/events/5").status_code == 200
    assert client.get("/api/events/77").status_code == 404
    assert popularity.flush(utc_now()) == 0


def test_an_edit_keeps_the_score(db, client, app, popularity):
    host = Caller(client, app, "organizer")
    event_of(db, 10, organizer_id=host.id)
    view(client, 1, 3)
    popularity.flush(utc_now())
    score = db.events.find_one({"eventId": 1})["popularity"]
    assert host.call("PUT", "/events/1", event_body(title="New")).status_code == 200
    assert db.events.find_one({"eventId": 1})["popularity"] == score > 0


def test_no_view_is_lost_between_threads(db, events, popularity):
    def view_often():
        for _ in range(2000):
            popularity.add_view(1)

    threads = [threading.Thread(target=view_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        popularity.flush(utc_now())
    popularity.flush(utc_now())
    assert db.events.find_one({"eventId": 1})["views"] == 16_000


def test_scores_that_could_not_be_written_are_written_later(db, events, popularity, monkeypatch):
    popularity.add_view(1)
    popularity.add_favorite(1)
    with monkeypatch.context() as patched:
        patched.setattr(events_store, "increase_scores", lambda *_args: [])
        assert popularity.flush(utc_now()) == 0
    now = utc_now()
    assert popularity.flush(now) == 1
    event = db.events.find_one({"eventId": 1})
    assert (event["views"], event["popularity"]) == (
        1,
        pytest.approx(increase_score(0.0, scale_weight(6, now))),
    )


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (OperationFailure("out of disk", 14031), 1),
        (BulkWriteError({"writeErrors": [{"index": 0, "code": 34}]}), 0),
        (InvalidOperation("closed"), 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_of_the_database_does_not_end_the_thread(
    db, events, popularity, monkeypatch, error, kept
):
    popularity.add_view(1)

    def fail(*_arguments, **_options):
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(type(db.events), "bulk_write", fail)
        assert popularity.flush(utc_now()) == 1 - kept
    assert popularity.flush(utc_now()) == kept


def test_the_events_with_the_most_weight_are_written_first(db, events, popularity, monkeypatch):
    monkeypatch.setattr(popularity_module, "MAX_WRITTEN", 2)
    for event_id, times in ((1, 1), (2, 3), (3, 2), (4, 4)):
        for _ in range(times):
            popularity.add_view(event_id)

    def stored_views():
        return [event.get("views", 0) for event in db.events.find({}).sort("eventId", 1)]

    assert (popularity.flush(utc_now()), stored_views()) == (2, [0, 3, 0, 4])
    popularity.add_view(1)
    assert (popularity.flush(utc_now()), stored_views()) == (2, [2, 3, 2, 4])
    assert popularity.flush(utc_now()) == 0


def test_the_number_of_pending_events_is_bounded(db, popularity, monkeypatch):
    monkeypatch.setattr(popularity_module, "MAX_PENDING", 3)
    monkeypatch.setattr(events_store, "increase_scores", lambda *_args: [])
    for event_id in (5, 6, 7, 8, 8):
        popularity.add_view(event_id)
    popularity.add_favorite(6)
    popularity.flush(utc_now())
    monkeypatch.undo()
    assert popularity.flush(utc_now()) == 3


def test_a_cached_list_by_popularity_is_renewed_within_seconds(
    app, client, events, popularity, monkeypatch
):
    path = "/api/events?sortBy=popularity&sortOrder=desc"
    now, clock = utc_now(), OPEN_DATABASE.get(app).clock
    monkeypatch.setattr(clock, "now", lambda: now)
    view(client, 1, 2)
    popularity.flush(now)
    assert listed_ids(client, path)[0] == 1
    view(client, 2, 5)
    popularity.flush(now)
    monkeypatch.setattr(clock, "now", lambda: now + timedelta(seconds=5))
    assert listed_ids(client, path)[:2] == [2, 1]


def test_pages_by_popularity_neither_skip_nor_repeat(client, events, popularity):
    view(client, 3, 2)
    view(client, 1, 1)
    popularity.flush(utc_now())
    path, seen = "/api/events?sortBy=popularity&sortOrder=desc&limit=1", []
    cursor = ""
    while cursor is not None:
        body = client.get(path + (f"&cursor={cursor}" if cursor else "")).json
        seen += [event["eventId"] for event in body["events"]]
        cursor = body["nextCursor"]
    assert seen == [3, 1, 4, 2]
