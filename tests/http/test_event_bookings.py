"""GET /events/:id/bookings for the organizer and admins, in pages and by status."""

import pytest
from bson import ObjectId

from eventapp.bookings import service
from eventapp.core.access.actor import Actor
from tests.bookings_factories import Caller, context_of, event_of, later, refused
from tests.factories import day

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def people(client, app):
    return [Caller(client, app) for _ in range(3)]


def ids(answer):
    assert answer.status_code == 200, answer.json
    return [booking["_id"] for booking in answer.json["bookings"]]


def test_an_events_bookings_are_listed_newest_first(db, client, app, host, people):
    event_of(db, 10, organizer_id=host.id)
    event_of(db, 10, organizer_id=host.id)
    made = [person.book(1)["_id"] for person in people]
    people[0].book(2)
    for person in (host, Caller(client, app, "admin")):
        answer = person.get("/events/1/bookings")
        assert ids(answer) == made[::-1]
        assert (answer.json["total"], answer.json["pages"]) == (3, 1)


def test_an_events_bookings_are_filtered_and_paged(db, host, people):
    event_of(db, 10, organizer_id=host.id)
    made = [person.book(1, hold=index == 1) for index, person in enumerate(people)]
    people[0].cancel(made[0])
    for status, booking in zip(("cancelled", "held", "confirmed"), made, strict=True):
        assert ids(host.get(f"/events/1/bookings?status={status}")) == [booking["_id"]]
    first = host.get("/events/1/bookings?limit=2")
    cursor = first.json["nextCursor"]
    rest = host.get(f"/events/1/bookings?limit=2&cursor={cursor}")
    assert ids(first) + ids(rest) == [booking["_id"] for booking in made[::-1]]
    assert ids(host.get("/events/1/bookings?limit=2&page=2")) == [made[0]["_id"]]
    refused(host.get("/events/1/bookings?status=lost"), 400, "validation_error")


def test_no_query_reaches_bookings_of_other_events_or_users(db, client, app, host, people):
    event_of(db, 10, organizer_id=host.id)
    event_of(db, 10, organizer_id=Caller(client, app, "organizer").id)
    mine, other = people[0].book(1), people[1].book(2)
    for query in ("eventId=2", "upcoming=true&eventId=2", f"userId={people[1].id}", "$or=x"):
        refused(host.get(f"/events/1/bookings?{query}"), 400, "validation_error")
        answer = people[0].get(f"/bookings?{query}")
        got = answer.json["bookings"] if answer.status_code == 200 else []
        assert other["_id"] not in [booking["_id"] for booking in got]
    assert ids(host.get("/events/1/bookings")) == [mine["_id"]]
    request = service.BookingPageRequest(event_id=2)
    page = service.list_event_bookings(
        context_of(app), 1, Actor(host.id, "organizer"), request, later()
    )
    assert [booking["_id"] for booking in page["bookings"]] == [ObjectId(mine["_id"])]


def test_no_other_user_sees_an_events_bookings(db, client, app, host, people):
    event_of(db, 10, organizer_id=host.id)
    people[0].book(1)
    for person in (people[0], Caller(client, app, "organizer")):
        refused(person.get("/events/1/bookings"), 403, "forbidden")
    refused(client.get("/api/events/1/bookings"), 401, "unauthorized")
    refused(host.get("/events/9/bookings"), 404, "event_not_found")
    assert host.get("/events/x/bookings").status_code == 400


def test_the_booking_of_a_deleted_user_is_listed_without_a_user(db, client, app, host, people):
    event_of(db, 10, organizer_id=host.id)
    made = [person.book(1, 2, hold=person is people[2]) for person in people]
    for person in people[:2]:
        assert person.call("DELETE", f"/users/{person.id}").status_code == 200
    rows = host.get("/events/1/bookings").json["bookings"]
    assert [(row["_id"], row["userId"]) for row in rows] == [
        (made[2]["_id"], str(people[2].id)),
        (made[1]["_id"], None),
        (made[0]["_id"], None),
    ]
    assert all(row["status"] in ("confirmed", "held") for row in rows)
    assert host.cancel(made[0]).status_code == 200


def test_the_bookings_of_a_past_event_are_listed(db, host, people):
    event_of(db, 10, organizer_id=host.id, schedule=[{"date": day(0), "location": "X"}])
    booking = people[0].book(1)
    db.events.update_one({}, {"$set": {"status": "completed"}})
    assert ids(host.get("/events/1/bookings")) == [booking["_id"]]
