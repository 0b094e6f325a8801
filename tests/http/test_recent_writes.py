"""It is stored before the answer that a user has written, at little cost, and requests read it."""

import threading
import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from pymongo import _csot
from pymongo.errors import AutoReconnect

from eventapp.accounts import sessions
from eventapp.core.access import recent_writes
from eventapp.core.database import ServerClock
from eventapp.events import service as events
from eventapp.events.cache import change_feed
from tests.bookings_factories import Caller, event_of
from tests.http.test_query_counts import count_calls

ITEM = {"ticketTypeId": 1, "quantity": 1}


@pytest.fixture
def ann(client, app, db):
    event_of(db, 5)
    return Caller(client, app)


def favorite(caller, event_id=1):
    return caller.call("POST", "/favorites", {"eventId": event_id}).status_code


def find_time(db, caller):
    """Return when it is stored that the user has last written, None if it is not."""
    found = db.sessions.find_one({"_id": caller.id})
    return found and found["wroteAt"]


def wrote_long_ago(db, caller):
    ago = ServerClock(db).now() - recent_writes.REMEMBERED
    db.sessions.update_one({"_id": caller.id}, {"$set": {"wroteAt": ago}})


def read_again(caller, path):
    """Return the database calls of a GET that finds its answer in the caches."""
    caller.get(path)
    with count_calls() as calls:
        assert caller.get(path).status_code == 200
    return calls


@pytest.mark.parametrize("path", ["/events/1", "/events", "/events?search=sample"])
def test_a_read_costs_no_call_more_unless_its_user_has_just_written(ann, db, path, monkeypatch):
    usual = ["sessions.find"]
    assert read_again(ann, path) == usual
    favorite(ann)
    poll = ["events.find", "goneEvents.find", "favorites.find"]
    # A change that polls still return makes the favorites outdated each time.
    assert read_again(ann, path) == [*usual, *poll, "favorites.find"]
    monkeypatch.setattr(change_feed, "VISIBILITY_DELAY", timedelta(0))
    assert read_again(ann, path) == [*usual, *poll]
    wrote_long_ago(db, ann)
    assert read_again(ann, path) == usual


def test_a_time_in_the_future_is_recent(ann, db):
    """The clock of the database may go back."""
    favorite(ann)
    future = ServerClock(db).now() + timedelta(hours=1)
    db.sessions.update_one({"_id": ann.id}, {"$set": {"wroteAt": future}})
    assert "favorites.find" in read_again(ann, "/events/1")


def test_another_user_is_not_concerned(ann, client, app):
    favorite(ann)
    assert read_again(Caller(client, app), "/events/1") == ["sessions.find"]


def test_the_time_is_stored_after_the_write_and_before_the_answer(ann, db, monkeypatch):
    written = []
    monkeypatch.setattr(events.favorites, "add", add_after(events.favorites.add, db, written))
    assert favorite(ann) == 201
    slack = timedelta(seconds=0.03)  # of the clock as this process knows it
    assert written[0] - slack <= find_time(db, ann) <= ServerClock(db).now() + slack


def add_after(add, db, written):
    """Return a function that adds a favorite, takes long, and notes when it has ended."""

    def add_slowly(*args, **options):
        added = add(*args, **options)
        time.sleep(0.1)
        written.append(ServerClock(db).now())
        return added

    return add_slowly


def test_further_writes_store_nothing_until_the_time_is_old(ann, db, monkeypatch):
    assert favorite(ann) == 201
    first = find_time(db, ann)
    time.sleep(0.01)
    assert ann.call("DELETE", "/favorites/1").status_code == 200
    assert find_time(db, ann) == first
    monkeypatch.setattr(recent_writes, "RENEWAL_SECONDS", 0)
    assert favorite(ann) == 201
    assert find_time(db, ann) > first


def test_a_request_that_takes_long_stores_a_new_time(ann, db, monkeypatch):
    monkeypatch.setattr(recent_writes, "RENEWAL_SECONDS", 0.05)
    assert favorite(ann) == 201
    first, written = find_time(db, ann), []
    event_of(db, 5)
    monkeypatch.setattr(events.favorites, "add", add_after(events.favorites.add, db, written))
    assert favorite(ann, 2) == 201
    assert find_time(db, ann) > first + timedelta(seconds=0.05)


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "is_stored"),
    [
        ("GET", "/favorites", None, 200, False),
        ("POST", "/recoms", ["other"], 200, False),
        ("POST", "/events/1/quote", {"items": [ITEM]}, 200, False),
        ("PUT", "/auth/profile", {"about": "x"}, 200, False),
        # What is not found now may have been deleted by a request whose answer was lost.
        ("DELETE", "/favorites/1", None, 404, True),
        ("POST", "/bookings", {"eventId": 1, **ITEM}, 201, True),
        ("POST", "/bookings", {}, 400, False),
    ],
)
def test_only_requests_that_may_change_what_is_cached_store_a_time(
    ann, db, method, path, body, status, is_stored
):
    assert ann.call(method, path, body).status_code == status
    assert (find_time(db, ann) is not None) == is_stored


def book(caller):
    return caller.call("POST", "/bookings", {"eventId": 1, **ITEM}).status_code


def test_the_times_of_all_buyers_of_a_batch_are_stored_in_one_write(app, ann, bob, db, monkeypatch):
    stored, real = [], sessions.store_sessions.store_user_writes

    def store(db, user_ids, **options):
        stored.append(set(user_ids))
        real(db, user_ids, **options)

    monkeypatch.setattr(sessions.store_sessions, "store_user_writes", store)
    recent_writes.WRITE_RECORDER.get(app).record_all(db, [ann.id, bob.id])
    assert book(ann) == book(bob) == 201
    assert stored == [{ann.id, bob.id}]


def test_a_booking_stores_the_time_together_with_its_batch(ann, db, monkeypatch):
    monkeypatch.setattr(recent_writes.WriteRecorder, "_store_batch", None)  # That of one request.
    assert book(ann) == 201
    assert find_time(db, ann) is not None


def test_a_time_that_the_batch_cannot_store_is_stored_by_the_request(ann, db, monkeypatch):
    real, errors = sessions.store_sessions.store_user_writes, [AutoReconnect()]

    def store(*arguments, **options):
        if errors:
            raise errors.pop()
        real(*arguments, **options)

    monkeypatch.setattr(sessions.store_sessions, "store_user_writes", store)
    assert book(ann) == 201
    assert not errors
    assert find_time(db, ann) is not None


def test_callers_without_an_account_store_no_time(client, db):
    event_of(db, 5)
    for headers in ({}, {"X-Device-Id": "some-device-1"}):
        answer = client.post("/api/favorites", json={"eventId": 1}, headers=headers)
        assert answer.status_code == 201
    assert db.sessions.count_documents({}) == 0


@pytest.fixture
def waits(monkeypatch):
    """How long answers were to wait, in seconds. The threads of PyMongo sleep on."""
    found = []
    own_time = SimpleNamespace(**{**vars(time), "sleep": found.append})
    monkeypatch.setattr(recent_writes, "time", own_time)
    return found


def test_if_no_time_can_be_stored_the_answer_waits_until_every_cache_is_newer(
    ann, db, monkeypatch, waits
):
    timeouts, took = [], 0.2

    def fail(*_args, **_options):
        timeouts.append(_csot.get_timeout())
        threading.Event().wait(took)
        raise AutoReconnect

    monkeypatch.setattr(sessions.store_sessions, "store_user_writes", fail)
    assert favorite(ann) == 201
    assert recent_writes.GREATEST_AGE_SECONDS - 2 * took < waits[0] + took
    assert waits[0] <= recent_writes.GREATEST_AGE_SECONDS - took
    assert timeouts == [recent_writes.MAX_STORE_SECONDS]
    assert find_time(db, ann) is None


def test_a_refused_request_waits_since_its_beginning(ann, db, monkeypatch, waits):
    real = events.favorites.add
    assert favorite(ann) == 201
    db.sessions.delete_one({"_id": ann.id})

    def add_slowly(*arguments, **options):
        threading.Event().wait(recent_writes.GREATEST_AGE_SECONDS)
        return real(*arguments, **options)

    def fail(*_args, **_options):
        raise AutoReconnect

    monkeypatch.setattr(events.favorites, "add", add_slowly)
    monkeypatch.setattr(recent_writes.WriteRecorder, "record", fail)
    assert favorite(ann) == 409
    assert waits == [0.0]


def test_a_request_that_failed_stores_no_time(ann, db, monkeypatch):
    def fail(*_args, **_options):
        raise AutoReconnect

    monkeypatch.setattr(events.favorites, "add", fail)
    assert favorite(ann) == 503
    assert find_time(db, ann) is None


def test_the_time_is_no_session(ann, db):
    favorite(ann)
    shown = ann.get("/auth/sessions").json
    assert (len(shown["sessions"]), shown["total"]) == (1, 1)
    assert len(ann.get(f"/users/{ann.id}/export").json["sessions"]) == 1
    ann.call("POST", "/auth/logout", {"everywhere": True})
    assert ann.get("/auth/profile").status_code == 401
