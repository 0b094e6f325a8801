"""What a client is answered while an event is closed for a repair of its stock."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from eventapp.core.clock import utc_now
from eventapp.events import closures
from tests.bookings_factories import Caller, event_of, refused, stock_of, types
from tests.factories import event_body

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def callers(db, client, app):
    """Ann has a booking of A, and Bob a hold. Cid waits for B, which is sold out.

    Event 2 has no bookings.
    """
    event_of(db, 10, 0)
    event_of(db, 1)
    names = ("ann", "bob", "cid", "dan")
    callers = {name: Caller(client, app) for name in names} | {"ada": Caller(client, app, "admin")}
    callers["ann"].booking = callers["ann"].book(1)
    callers["bob"].booking = callers["bob"].book(1, hold=True)
    callers["cid"].wait(1, 1, 2)
    return callers


def call(method, path, body=None):
    """Return a function that makes this call about event 1 for a caller."""
    return lambda caller: caller.call(method, f"/events/1{path}", body)


# Who makes each call that changes the stock of an event or edits it.
CALLS = {
    "book": ("dan", lambda dan: dan.order(1, ticketTypeId=1, quantity=1)),
    "hold": ("dan", lambda dan: dan.order(1, ticketTypeId=1, quantity=1, hold=True)),
    "cancel": ("ann", lambda ann: ann.cancel(ann.booking)),
    "cancel a hold": ("bob", lambda bob: bob.cancel(bob.booking)),
    "confirm": ("bob", lambda bob: bob.confirm(bob.booking)),
    "join": ("dan", lambda dan: dan.join(1, 1, 2)),
    "leave": ("cid", lambda cid: cid.call("DELETE", "/waitlist/1")),
    "edit": ("ada", lambda ada: ada.call("PUT", "/events/1", event_body(ticketTypes=types(9, 9)))),
    "publish": ("ada", call("POST", "/publish")),
    "edit a type": ("ada", call("PATCH", "/ticket-types/1", {"price": 5})),
    "edit a type by index": ("ada", call("PATCH", "/ticketTypes/0", {"price": 5})),
    "add a type": ("ada", call("POST", "/ticket-types", types(1, 1, 1)[2])),
    "edit a date": ("ada", call("PATCH", "/schedule/0", {"location": "Lamia"})),
    "cancel the event": ("ada", call("POST", "/cancel")),
    "delete": ("ada", lambda ada: ada.call("DELETE", "/events/2")),
}


def close(db, **ahead):
    db.events.update_many({}, {"$set": {"closedUntil": utc_now() + timedelta(**ahead)}})


def open_again(db):
    db.events.update_many({}, {"$unset": {"closedUntil": ""}})


@pytest.mark.parametrize("name", CALLS)
def test_a_closed_event_is_busy(db, callers, name, monkeypatch):
    monkeypatch.setattr(closures, "MAX_WAIT_SECONDS", 0.05)
    close(db, hours=1)
    before = list(db.events.find())
    who, send = CALLS[name]
    answer = send(callers[who])
    refused(answer, 503, "event_busy")
    assert answer.headers["Retry-After"] == "1"
    assert list(db.events.find()) == before
    open_again(db)
    again = send(callers[who])
    # The first attempt has ended the waitlist entry; only the counter had to wait.
    assert again.status_code in (200, 201, 204) or (name, again.status_code) == ("leave", 404)


def test_a_request_waits_for_an_event_that_opens_by_itself(db, callers):
    close(db, seconds=0.3)
    callers["dan"].book(1)
    assert stock_of(db, 1) == (7, 2, 1, 0)


def test_many_requests_for_a_closed_event_wait_no_longer_than_one(db, callers, monkeypatch):
    """They queue in one batch after the other, but all fail together."""
    monkeypatch.setattr(closures, "MAX_WAIT_SECONDS", 1.0)
    close(db, hours=1)
    dan = callers["dan"]

    def order(_number):
        started = time.monotonic()
        refused(dan.order(1, ticketTypeId=1, quantity=1), 503, "event_busy")
        return time.monotonic() - started

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(order, range(8))) < 2 * 1.0
    open_again(db)


def test_a_request_waits_for_two_seconds(db, callers):
    close(db, hours=1)
    started = time.monotonic()
    refused(callers["dan"].order(1, ticketTypeId=1, quantity=1), 503, "event_busy")
    assert time.monotonic() - started >= 2
    open_again(db)
