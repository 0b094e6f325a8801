"""An organizer who is deleted leaves no event without an organizer."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.accounts import service as accounts
from eventapp.accounts.errors import OrganizerHasEvents
from eventapp.accounts.service import PERSONAL_DATA_HANDLERS
from eventapp.analytics import ranking, sales_sums
from eventapp.core.clock import utc_now
from eventapp.core.errors import ValidationFailed
from eventapp.events import ownership
from eventapp.events import service as events
from tests import factories
from tests.bookings_factories import Caller, event_of, refused


@pytest.fixture
def heir(client, app):
    """The organizer who takes over events."""
    return Caller(client, app, "organizer")


def delete(caller, user_id, query=""):
    return caller.call("DELETE", f"/users/{user_id}{query}")


@pytest.mark.parametrize("status", ["published", "draft"])
def test_an_organizer_with_open_events_is_not_deleted(db, host, root, status):
    event_of(db, 5, organizer_id=host.id, status=status)
    before = db.users.find_one({"_id": host.id})
    for caller in (host, root):
        refused(delete(caller, host.id), 409, "organizer_has_events")
    assert db.users.find_one({"_id": host.id}) == before
    assert host.get("/auth/profile").status_code == 200


@pytest.mark.parametrize("change", ["cancelled", "completed", "past"])
def test_an_organizer_whose_events_are_over_is_deleted(db, host, change):
    event_id = event_of(db, 5, organizer_id=host.id)
    past = {"overAt": utc_now() - timedelta(days=2)}
    fields = past if change == "past" else {"status": change}
    db.events.update_one({"eventId": event_id}, {"$set": fields})
    assert delete(host, host.id).status_code == 200
    assert db.users.find_one({"_id": host.id}) is None


def test_an_admin_lets_another_organizer_take_over_the_events(db, host, root, heir, ann):
    draft = event_of(db, 5, organizer_id=host.id, status="draft")
    sold, other = event_of(db, 5, organizer_id=host.id), event_of(db, 5, organizer_id=heir.id)
    ended = event_of(db, 5, organizer_id=host.id)
    db.events.update_one(
        {"eventId": ended}, {"$set": {"status": "completed", "listed": False, "public": False}}
    )
    booking = ann.book(sold, 2)
    assert heir.get(f"/bookings/{booking['_id']}").status_code == 404
    assert ann.get(f"/events/{sold}").json["organizerId"] == str(host.id)
    answer = delete(root, host.id, f"?transferTo={heir.id}")
    assert (answer.status_code, db.users.find_one({"_id": host.id})) == (200, None)
    assert {row["eventId"] for row in heir.get("/events?mine=true&limit=100").json["events"]} == {
        draft,
        sold,
        other,
        ended,
    }
    assert ann.get(f"/events/{sold}").json["organizerId"] == str(heir.id)
    listed = ann.get(f"/events?organizerId={heir.id}").json["events"]
    assert {row["eventId"] for row in listed} == {sold, other}
    assert ann.get(f"/events?organizerId={host.id}").json["events"] == []
    assert heir.get(f"/bookings/{booking['_id']}").status_code == 200
    assert heir.get(f"/events/{sold}/stats").json["revenue"] == 40
    assert heir.get(f"/events/{draft}").status_code == 200
    assert heir.call("POST", f"/events/{draft}/publish").status_code == 200
    assert db.bookings.distinct("organizerId") == [heir.id]


@pytest.mark.parametrize("summed", [False, True], ids=["counted", "stored sums"])
def test_figures_follow_the_events(db, host, root, heir, ann, summed):
    event_id = event_of(db, 5, organizer_id=host.id)
    ann.book(event_id, 2)
    old = utc_now() - timedelta(hours=1)
    db.bookings.update_many({}, {"$set": {"updatedAt": old}})
    if summed:
        sales_sums.refresh_sums(db, utc_now())
        ranking.refresh_ranks(db, utc_now())
    assert heir.get("/analytics/overview").json["revenue"] == 0
    assert delete(root, host.id, f"?transferTo={heir.id}").status_code == 200
    for run in range(2):
        if summed and run:
            later = utc_now() + timedelta(hours=1)
            sales_sums.refresh_sums(db, later)
            ranking.refresh_ranks(db, later)
        assert heir.get("/analytics/overview").json["revenue"] == 40
        (row,) = heir.get("/analytics/events").json["events"]
        assert (row["eventId"], row["revenue"]) == (event_id, 40)
    assert root.get("/analytics/overview").json["revenue"] == 40


def test_only_an_admin_transfers_events_and_only_to_organizers(db, host, root, heir, ann):
    event_of(db, 5, organizer_id=host.id)
    refused(delete(host, host.id, f"?transferTo={heir.id}"), 403, "forbidden")
    for wrong in (ann.id, ObjectId(), host.id, "x"):
        body = refused(delete(root, host.id, f"?transferTo={wrong}"), 400, "validation_error")
        assert "transferTo" in body["errors"]
    assert db.events.count_documents({"organizerId": host.id}) == 1
    assert delete(root, host.id, f"?transferTo={root.id}").status_code == 200
    assert db.events.count_documents({"organizerId": root.id}) == 1


def test_an_event_that_is_created_meanwhile_is_not_left_alone(app, db, host, monkeypatch):
    """The request to create it was let in before the account lost its role."""
    handlers = PERSONAL_DATA_HANDLERS.get(app)
    insert = events.store.insert

    def delete_before_insert(*args):
        accounts.delete_user(
            *(db, host.id), forget_functions=(), now=utc_now(), events=handlers.events
        )
        return insert(*args)

    monkeypatch.setattr(events.store, "insert", delete_before_insert)
    refused(host.call("POST", "/events", factories.event_body()), 403, "forbidden")
    assert (db.events.count_documents({}), db.users.count_documents({"_id": host.id})) == (0, 0)


def test_an_event_that_was_just_created_keeps_the_account(app, db, host, monkeypatch):
    handlers = PERSONAL_DATA_HANDLERS.get(app)
    write = accounts.store.update

    def create_before_write(*args, **kwargs):
        monkeypatch.setattr(accounts.store, "update", write)
        event_of(db, 5, organizer_id=host.id)
        return write(*args, **kwargs)

    monkeypatch.setattr(accounts.store, "update", create_before_write)
    with pytest.raises(OrganizerHasEvents):
        accounts.delete_user(
            *(db, host.id), forget_functions=(), now=utc_now(), events=handlers.events
        )
    assert db.users.find_one({"_id": host.id})["role"] == "organizer"


def test_an_interrupted_transfer_can_be_repeated(app, db, host, root, heir, ann, monkeypatch):
    ids = [event_of(db, 5, organizer_id=host.id) for _ in range(3)]
    ann.book(ids[0])
    monkeypatch.setattr(ownership, "EVENTS_PER_WRITE", 1)
    transfer, calls = ownership.transfer_events, []

    def fail_once(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise RuntimeError("the process died")
        transfer(*args, **kwargs)

    monkeypatch.setattr(ownership, "transfer_events", fail_once)
    assert delete(root, host.id, f"?transferTo={heir.id}").status_code == 500
    assert db.users.find_one({"_id": host.id}) is not None
    assert delete(root, host.id, f"?transferTo={heir.id}").status_code == 200
    assert db.events.distinct("organizerId") == db.bookings.distinct("organizerId") == [heir.id]


def test_a_new_organizer_who_is_deleted_meanwhile_gets_no_events(app, db, host, heir, monkeypatch):
    event_of(db, 5, organizer_id=host.id)
    handlers = PERSONAL_DATA_HANDLERS.get(app)
    set_organizer = ownership.store.set_organizer

    def delete_heir_first(*args, **kwargs):
        monkeypatch.setattr(ownership.store, "set_organizer", set_organizer)
        accounts.delete_user(
            *(db, heir.id), forget_functions=(), now=utc_now(), events=handlers.events
        )
        set_organizer(*args, **kwargs)

    monkeypatch.setattr(ownership.store, "set_organizer", delete_heir_first)
    with pytest.raises(ValidationFailed):
        accounts.delete_user(
            *(db, host.id),
            forget_functions=(),
            now=utc_now(),
            events=handlers.events,
            transfer_to=heir.id,
        )
    assert db.events.distinct("organizerId") == [host.id]
    assert db.users.find_one({"_id": host.id})["role"] == "organizer"
