"""Clients follow what changes of the public events: what they get, and for how long."""

from datetime import timedelta

import pytest

from eventapp.core import paging
from eventapp.core.clock import utc_now
from eventapp.events import public_changes
from eventapp.events.public_changes import FeedPosition
from eventapp.events.store_changes import ChangeKey
from tests.bookings_factories import Caller
from tests.factories import event_body, make_event, make_events

PATH = "/api/events/changes"
TYPE = {"type": "A", "price": 20, "availableTickets": 5}


@pytest.fixture
def ask(client):
    def call(cursor=None, **query):
        if cursor:
            query["cursor"] = cursor
        answer = client.get(PATH, query_string=query)
        assert answer.status_code == 200, answer.json
        return answer.json

    return call


@pytest.fixture
def host(client, app):
    return Caller(client, app, "organizer")


def ids_of(answer):
    return [event["eventId"] for event in answer["events"]], answer["deletedEventIds"]


def make_old(db, minutes=1):
    """Let all that was written be so old that no round repeats it."""
    for collection, field in (("events", "changedAt"), ("events", "publicUntil")):
        for event in db[collection].find({field: {"$exists": True}}):
            moment = event[field] - timedelta(minutes=minutes)
            db[collection].update_one({"_id": event["_id"]}, {"$set": {field: moment}})


def make_cursor(age, event_id=0):
    return public_changes.render_position(FeedPosition(ChangeKey(utc_now() - age, event_id)))


def test_an_empty_server_has_nothing_to_tell(ask):
    answer = ask()
    assert {**answer, "nextCursor": ""} == {
        "events": [],
        "deletedEventIds": [],
        "nextCursor": "",
        "hasMore": False,
    }
    assert ids_of(ask(answer["nextCursor"])) == ([], [])


def test_the_walk_has_each_public_event_once(ask, db):
    make_events(db, [None] * 5)
    make_event(db, status="draft")
    make_event(db, ticketTypes=[{**TYPE, "visibility": "secret"}])
    pages = [ask(limit=2)]
    while pages[-1]["hasMore"]:
        pages.append(ask(pages[-1]["nextCursor"], limit=2))
    # The walk took several answers, so the changes since its start follow.
    assert [ids_of(page)[0] for page in pages[:3]] == [[1, 2], [3, 4], [5]]
    assert {each for page in pages[3:] for each in ids_of(page)[0]} <= {1, 2, 3, 4, 5}
    make_old(db)
    assert ids_of(ask(pages[-1]["nextCursor"])) == ([], [])


def test_a_row_is_the_event_without_what_follows_from_the_time_or_the_caller(ask, client, db, host):
    secret = {**TYPE, "type": "S", "price": 1, "visibility": "secret"}
    make_event(db, organizer_id=host.id, ticketTypes=[TYPE, secret])
    shown = client.get("/api/events/1").json
    del shown["favorited"]
    for ticket_type in shown["ticketTypes"]:
        del ticket_type["saleState"]
    for headers in ({}, host.headers):
        answer = client.get(PATH, headers=headers)
        assert answer.json["events"] == [shown]
        assert answer.headers["Cache-Control"] == "private, no-store"


def test_a_row_does_not_depend_on_the_time(ask, db):
    make_event(db, ticketTypes=[{**TYPE, "salesUntil": utc_now() + timedelta(hours=1)}])
    before = ask()["events"]
    make_old(db, minutes=60 * 24 * 300)
    assert ask()["events"] == before


def test_sales_and_edits_are_changes(ask, client, app, db, host):
    make_event(db, organizer_id=host.id, ticketTypes=[TYPE])
    make_event(db, organizer_id=host.id)
    make_old(db)
    cursor = ask()["nextCursor"]
    Caller(client, app).book(1)
    (event,) = ask(cursor)["events"]
    assert (event["eventId"], event["ticketTypes"][0]["availableTickets"]) == (1, 4)
    host.call("PATCH", "/events/2/ticket-types/1", {"price": 7})
    assert ids_of(ask(cursor)) == ([1, 2], [])


WITHDRAWALS = {
    "deleted": ("DELETE", "/events/1", None),
    "cancelled": ("POST", "/events/1/cancel", None),
    "hidden": ("PATCH", "/events/1/ticket-types/1", {"visibility": "hidden"}),
    "a draft": ("PUT", "/events/1", "draft"),
}


@pytest.mark.parametrize("name", WITHDRAWALS)
def test_an_event_that_is_not_public_any_more_is_told_once(ask, db, host, name):
    method, path, body = WITHDRAWALS[name]
    make_event(db, organizer_id=host.id)
    first = ask()["nextCursor"]
    body = event_body(status="draft") if body == "draft" else body
    assert host.call(method, path, body).status_code == 200
    assert ids_of(ask(first)) == ([], [1])
    assert ids_of(ask()) == ([], [])
    if name != "deleted":
        make_old(db)
        since = make_cursor(timedelta(seconds=30))
        host.call("PATCH", "/events/1/schedule/0", {"location": "Elsewhere"})
        assert ids_of(ask(since)) == ([], [])


def test_an_event_that_is_published_again_is_told(ask, db, host):
    make_event(db, organizer_id=host.id)
    host.call("PUT", "/events/1", event_body(status="draft"))
    cursor = ask()["nextCursor"]
    host.call("POST", "/events/1/publish")
    assert ids_of(ask(cursor)) == ([1], [])


def test_nobody_learns_of_a_draft(ask, db, host):
    make_event(db, organizer_id=host.id, status="draft")
    cursor = ask()["nextCursor"]
    host.call("PATCH", "/events/1/schedule/0", {"location": "Elsewhere"})
    assert ids_of(ask(cursor)) == ([], [])
    assert host.call("DELETE", "/events/1").status_code == 200
    assert ids_of(ask(cursor)) == ([], [])


def test_a_deleted_event_that_was_a_draft_in_the_end_is_told(ask, db, host):
    make_event(db, organizer_id=host.id)
    cursor = ask()["nextCursor"]
    host.call("PUT", "/events/1", event_body(status="draft"))
    host.call("DELETE", "/events/1")
    assert ids_of(ask(cursor)) == ([], [1])


def test_events_with_equal_times_are_told_page_by_page(ask, db):
    make_events(db, [None] * 5)
    moment = utc_now().replace(microsecond=0) - timedelta(minutes=5)
    db.events.update_many({}, {"$set": {"changedAt": moment}})
    page = ask(make_cursor(timedelta(minutes=6)), limit=2)
    ids = [ids_of(page)[0]]
    while page["hasMore"]:
        page = ask(page["nextCursor"], limit=2)
        ids.append(ids_of(page)[0])
    assert ids == [[1, 2], [3, 4], [5]]


def test_a_cursor_is_good_for_30_days(ask, client, db):
    make_event(db)
    assert ids_of(ask(make_cursor(timedelta(days=29, hours=23)))) == ([1], [])
    old = make_cursor(timedelta(days=30, minutes=1))
    settled = utc_now() - timedelta(days=31)
    slow = FeedPosition(ChangeKey(utc_now(), 5), next_round=settled)
    walk = FeedPosition(ChangeKey(settled, 0), walked_to=3)
    for cursor in (old, *map(public_changes.render_position, (slow, walk))):
        answer = client.get(PATH, query_string={"cursor": cursor})
        assert (answer.status_code, answer.json["code"]) == (410, "cursor_expired")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"at": 1},
        {"at": "1", "id": 0},
        {"at": -1, "id": 0},
        {"at": 2**62, "id": 0},
        {"at": 10**12, "id": True},
        {"at": 10**12, "id": 0, "again": []},
        {"at": 10**12, "id": 0, "walkedTo": -1},
        {"value": 3, "id": 3, "counted": 3, "page": 1},
    ],
)
def test_another_cursor_is_refused(client, fields):
    answer = client.get(PATH, query_string={"cursor": paging.encode_cursor(fields)})
    assert (answer.status_code, list(answer.json["errors"])) == (400, ["cursor"])


@pytest.mark.parametrize("at", [0, 10**14, 253402300799999])
def test_a_forged_time_does_no_harm(client, db, at):
    make_event(db)
    for more in ({}, {"again": at}, {"walkedTo": 2**63 - 1}):
        cursor = paging.encode_cursor({"at": at, "id": 2**63 - 1, **more})
        assert client.get(PATH, query_string={"cursor": cursor}).status_code in (200, 410)


def test_the_clock_of_the_process_plays_no_part(ask, app, db, monkeypatch):
    """The position in a cursor is a time of the database, also if the process is 90 s ahead."""
    ahead = utc_now() + timedelta(seconds=90)
    monkeypatch.setattr("eventapp.core.database.server_clock.utc_now", lambda: ahead)
    monkeypatch.setattr("eventapp.events.routes.changes.read_server_time", lambda _db: utc_now())
    cursor = ask()["nextCursor"]
    make_event(db)
    assert ids_of(ask(cursor)) == ([1], [])
