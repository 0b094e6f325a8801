"""A former organizer has no more rights over events than any other user."""

import pytest

from eventapp.analytics import csv_tables
from eventapp.core.clock import utc_now
from eventapp.core.errors import Forbidden, Unauthorized
from eventapp.events import service as event_service
from eventapp.tickets import check_ins
from tests.bookings_factories import Caller, event_of, refused, stock_of

pytestmark = pytest.mark.usefixtures("clean_inventory")


def demote(client, app, person):
    admin = Caller(client, app, "admin")
    answer = admin.call("PUT", f"/users/{person.id}", {"role": "attendee"})
    assert answer.status_code == 200, answer.json


def test_a_former_organizer_cannot_see_others_bookings(db, client, app, ann, host):
    event_of(db, 10, organizer_id=host.id)
    booking, own = ann.book(1, 2), host.book(1)
    path = f"/bookings/{booking['_id']}"
    assert host.get(path).status_code == 200
    demote(client, app, host)
    refused(host.get(path), 404, "booking_not_found")
    refused(
        host.get(f"/bookings/reference/{booking['bookingReference']}"), 404, "booking_not_found"
    )
    refused(host.cancel(booking), 404, "booking_not_found")
    refused(host.get("/events/1/bookings"), 403, "forbidden")
    assert stock_of(db, 1) == (7, 3, 0, 0)
    assert host.get(f"/bookings/{own['_id']}").status_code == 200
    assert host.cancel(own).status_code == 200


def test_the_cancellation_cutoff_applies_to_a_former_organizer(db, client, app, host):
    event_of(
        db,
        10,
        organizer_id=host.id,
        schedule=[{"date": utc_now().date().isoformat(), "location": "X"}],
    )
    own = host.book(1)
    demote(client, app, host)
    refused(host.cancel(own), 409, "cancellation_closed")


def test_a_former_organizer_sees_no_drafts_and_counts(db, client, app, host):
    event_of(db, 10, organizer_id=host.id)
    event_of(db, 10, organizer_id=host.id, status="draft")
    assert "capacity" in host.get("/events/1").json["ticketTypes"][0]
    assert [e["eventId"] for e in host.get("/events?mine=true").json["events"]] == [1, 2]
    demote(client, app, host)
    assert "capacity" not in host.get("/events/1").json["ticketTypes"][0]
    assert [e["eventId"] for e in host.get("/events?mine=true").json["events"]] == [1]
    for answer in (
        host.get("/events/2"),
        host.get("/events/2/ticket-types"),
        host.get("/events/2/messages"),
        host.get("/events/2/stream"),
        host.call("POST", "/favorites", {"eventId": 2}),
        host.order(2, quantity=1),
    ):
        refused(answer, 404, "event_not_found")


def test_a_former_organizer_cannot_delete_others_messages(db, client, app, ann, host):
    event_of(db, 10, organizer_id=host.id)
    ann.call("POST", "/events/1/messages", {"text": "hello"})
    id_ = db.messages.find_one({"text": "hello"})["_id"]
    demote(client, app, host)
    refused(host.call("DELETE", f"/events/1/messages/{id_}"), 403, "forbidden")


@pytest.mark.parametrize("path", ["bookings.csv", "check-in"])
@pytest.mark.parametrize("loss", ["role", "session"])
def test_a_long_answer_breaks_off_for_who_may_no_longer_see_it(
    db, client, app, ann, bob, host, monkeypatch, path, loss
):
    monkeypatch.setattr(event_service, "RECHECK_SECONDS", 0)
    monkeypatch.setattr(csv_tables, "ROWS_PER_CHUNK", 1)
    monkeypatch.setattr(check_ins, "BATCH_SIZE", 1)
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    bob.book(1)
    answer = client.get(f"/api/events/1/{path}", headers=host.headers, buffered=False)
    parts = iter(answer.response)
    next(parts)
    if loss == "role":
        demote(client, app, host)
    else:
        host.call("POST", "/auth/logout")
    with pytest.raises(Forbidden if loss == "role" else Unauthorized):
        list(parts)
    answer.close()
