"""Edits, cancellation and deletion of events that have bookings."""

import pytest

from eventapp.accounts import store as accounts_store
from eventapp.bookings import event_closing, recovery
from eventapp.bookings.sales import service as sales
from eventapp.bookings.sales.purchases import Purchase
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from tests.bookings_factories import (
    Caller,
    context_of,
    event_of,
    expire_holds,
    later,
    pay_refunds,
    refused,
    stock_of,
)
from tests.factories import day, event_body

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def people(client, app):
    return [Caller(client, app) for _ in range(3)]


@pytest.fixture
def ann(people):
    return people[0]


def ticket_type(name, available, **more):
    return {"type": name, "price": 20, "availableTickets": available, **more}


def put(host, *ticket_types, **changes):
    return host.call("PUT", "/events/1", event_body(ticketTypes=list(ticket_types), **changes))


def counters_of(answer, index=0):
    names = ("availableTickets", "soldTickets", "heldTickets", "capacity")
    return tuple(answer.json["ticketTypes"][index][name] for name in names)


def test_available_tickets_do_not_include_sold_and_held_ones(db, host, people):
    event_of(db, 10, organizer_id=host.id)
    people[0].book(1, 3)
    people[1].book(1, 2, hold=True)
    answer = host.call("PATCH", "/events/1/ticketTypes/0", {"availableTickets": 1})
    assert counters_of(answer) == (1, 3, 2, 6)
    people[2].book(1, 1)
    refused(people[0].order(1, ticketTypeId=1, quantity=1), 409, "already_booked")
    assert stock_of(db, 1) == (0, 4, 2, 0)


def test_capacity_cannot_fall_below_sold_and_held_tickets(db, host, people):
    event_of(db, 10, organizer_id=host.id)
    people[0].book(1, 3)
    people[1].book(1, 2, hold=True)
    refused(host.call("PATCH", "/events/1/ticket-types/1", {"capacity": 4}), 409, "tickets_taken")
    answer = host.call("PATCH", "/events/1/ticket-types/1", {"capacity": 5})
    assert counters_of(answer) == (0, 3, 2, 5)
    answer = host.call("PATCH", "/events/1/ticket-types/1", {"capacity": 8})
    assert counters_of(answer) == (3, 3, 2, 8)


def test_a_full_edit_keeps_sold_held_and_waiting_counts(db, host, people):
    event_of(db, 10, 0, organizer_id=host.id)
    people[0].book(1, 3)
    people[1].book(1, 2, hold=True)
    people[2].wait(1, 1, 2)
    answer = put(host, ticket_type("A", 50), ticket_type("B", 0))
    assert (answer.status_code, counters_of(answer)) == (200, (50, 3, 2, 55))
    assert stock_of(db, 1, 2) == (0, 0, 0, 1)


@pytest.mark.parametrize("how", ["sold", "held", "waited for"])
def test_a_ticket_type_in_use_cannot_be_deleted(db, host, ann, how):
    event_of(db, 10, 0, 10, organizer_id=host.id)
    {
        "sold": lambda: ann.book(1, 1, 3),
        "held": lambda: ann.book(1, 1, 3, hold=True),
        "waited for": lambda: ann.wait(1, 1, 2),
    }[how]()
    used = 2 if how == "waited for" else 3
    kept = [ticket_type(name, 1) for id_, name in enumerate("ABC", 1) if id_ != used]
    refused(put(host, *kept), 409, "tickets_taken")
    refused(host.call("DELETE", f"/events/1/ticket-types/{used}"), 409, "tickets_taken")
    assert host.call("DELETE", "/events/1/ticket-types/1").status_code == 200


def test_a_ticket_type_can_be_deleted_once_its_booking_is_cancelled(db, host, ann):
    event_of(db, 10, 10, organizer_id=host.id)
    ann.cancel(ann.book(1, 1, 2))
    assert host.call("DELETE", "/events/1/ticket-types/2").status_code == 200


@pytest.mark.parametrize("ending", ["cancel", "lapse", "confirm"])
def test_reordered_ticket_types_keep_their_counters_apart(db, app, host, ann, ending):
    event_of(db, 10, 10, organizer_id=host.id)
    booking = ann.book(1, 3, 2, hold=ending != "cancel")
    put(host, ticket_type("C", 7), ticket_type("B", 4), ticket_type("A", 5))
    {
        "cancel": lambda: ann.cancel(booking),
        "lapse": lambda: expire_holds(app, minutes=11),
        "confirm": lambda: ann.confirm(booking),
    }[ending]()
    b = (4, 3, 0, 0) if ending == "confirm" else (7, 0, 0, 0)
    assert stock_of(db, 1, 2) == b
    assert (stock_of(db, 1, 1), stock_of(db, 1, 3)) == ((5, 0, 0, 0), (7, 0, 0, 0))


def test_a_booking_keeps_the_names_it_was_made_with(db, host, ann):
    event_of(db, 10, organizer_id=host.id, title="Old")
    booking = ann.book(1, 2)
    put(host, ticket_type("Renamed", 8, ticketTypeId=1), title="New")
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"] == booking


def test_an_event_with_bookings_is_not_deleted(db, host, ann):
    event_of(db, 10, organizer_id=host.id)
    for hold in (True, False):
        booking = ann.book(1, 1, hold=hold)
        refused(host.call("DELETE", "/events/1"), 409, "event_has_bookings")
        ann.cancel(booking)
    assert host.call("DELETE", "/events/1").status_code == 200
    shown = ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]
    assert (shown["status"], shown["eventTitle"]) == ("cancelled", "Sample Event")


def test_an_event_with_bookings_cannot_become_a_draft(db, host, ann):
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    refused(put(host, ticket_type("A", 1), status="draft"), 409, "event_has_bookings")


def test_cancelling_an_event_cancels_and_refunds_its_bookings(db, app, host, people):
    event_of(db, 10, 5, organizer_id=host.id, schedule=[{"date": day(0), "location": "X"}])
    sold, held = people[0].book(1, 3), people[1].book(1, 2, 2, hold=True)
    answer = host.call("POST", "/events/1/cancel")
    assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    assert (counters_of(answer, 0), counters_of(answer, 1)) == ((10, 0, 0, 10), (5, 0, 0, 5))
    assert pay_refunds(app) == 1
    mine = people[0].get(f"/bookings/{sold['_id']}").json["data"]["booking"]
    assert (mine["status"], mine["refund"]["amount"]) == ("cancelled", 60)
    assert (mine["refund"]["reason"], bool(mine["refund"]["refundId"])) == ("event_cancelled", True)
    other = people[1].get(f"/bookings/{held['_id']}").json["data"]["booking"]
    assert (other["status"], other["refund"]) == ("cancelled", None)
    assert people[0].cancel(sold).json["data"]["booking"] == mine
    refused(people[1].confirm(held), 409, "not_held")


def test_a_cancelled_event_stays_cancelled(db, host, ann):
    event_of(db, 10, organizer_id=host.id)
    ann.book(1)
    host.call("POST", "/events/1/cancel")
    refused(host.call("POST", "/events/1/publish"), 409, "not_publishable")
    refused(put(host, ticket_type("A", 1), status="published"), 409, "not_publishable")
    assert host.call("POST", "/events/1/cancel").json["status"] == "cancelled"
    assert host.call("DELETE", "/events/1").status_code == 200


def test_only_the_organizer_and_admins_cancel_an_event(db, client, app, host, ann):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1)
    for person in (ann, Caller(client, app, "organizer")):
        refused(person.call("POST", "/events/1/cancel"), 403, "forbidden")
    refused(client.post("/api/events/1/cancel"), 401, "unauthorized")
    refused(host.call("POST", "/events/9/cancel"), 404, "event_not_found")
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]["status"] == "confirmed"
    admin = Caller(client, app, "admin")
    assert admin.call("POST", "/events/1/cancel").status_code == 200


def test_a_past_event_is_completed_and_keeps_its_bookings(db, app, host, ann):
    event_of(db, 10, organizer_id=host.id, schedule=[{"date": day(1), "location": "X"}])
    booking = ann.book(1)
    context = context_of(app)
    assert event_closing.close_past_events(context, later(days=1)) == 0
    assert event_closing.close_past_events(context, later(days=2)) == 1
    assert event_closing.close_past_events(context, later(days=2)) == 0
    assert db.events.find_one({})["status"] == "completed"
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"]["status"] == "confirmed"
    refused(host.call("POST", "/events/1/cancel"), 409, "event_past")
    refused(host.call("POST", "/events/1/publish"), 409, "not_publishable")


def test_deleting_a_user_ends_their_waitlist_entries(db, client, app, host, people):
    event_of(db, 2, organizer_id=host.id)
    booking = people[0].book(1, 2)
    people[1].wait(1, 1)
    people[2].wait(1, 1)
    assert people[1].call("DELETE", f"/users/{people[1].id}").status_code == 200
    assert people[2].waitlist_entries()[0]["position"] == 1
    recovery.recover(context_of(app), later(seconds=31))
    assert stock_of(db, 1)[3] == 1
    people[0].cancel(booking)
    assert people[2].offers()[0]["quantity"] == 1
    assert stock_of(db, 1) == (1, 0, 1, 0)
    assert db.waitlist.count_documents({"userId": people[1].id}) == 0


def test_the_hold_of_a_deleted_user_ends_at_once_and_is_in_the_export_before(db, app, host, ann):
    event_of(db, 5, 0, organizer_id=host.id)
    held = ann.book(1, 2, hold=True)
    entry = ann.wait(1, 1, 2)
    export = ann.get(f"/users/{ann.id}/export").json
    assert [each["_id"] for each in export["bookings"]] == [held["_id"]]
    assert export["waitlist"] == [{**entry, "attendees": []}]
    ann.call("DELETE", f"/users/{ann.id}")
    assert stock_of(db, 1, 1) == (5, 0, 0, 0)
    assert expire_holds(app, minutes=11) == 0
    recovery.recover(context_of(app), later(seconds=31))
    assert (stock_of(db, 1, 1), stock_of(db, 1, 2)) == ((5, 0, 0, 0), (0, 0, 0, 0))


def test_an_export_holds_payments_and_ended_waitlist_entries(db, ann, host):
    event_of(db, 5, 0, organizer_id=host.id)
    left = ann.wait(1, 1, 2)
    ann.call("DELETE", "/waitlist/1")
    ann.call("POST", f"/bookings/{ann.book(1, 2, hold=True)['_id']}/confirm")
    export = ann.get(f"/users/{ann.id}/export").json
    (paid,), (ended,) = export["bookings"], export["waitlist"]
    (attempt,) = paid["attempts"]
    assert (attempt["provider"], attempt["cents"], attempt["state"]) == ("mock", 4000, "succeeded")
    assert attempt["attemptId"] == paid["payment"]["attemptId"]
    assert ended == {**left, "status": "left", "position": None, "attendees": []}


def test_a_booking_in_progress_when_its_user_is_deleted_is_anonymized_too(
    db, app, ann, monkeypatch
):
    """The request began before the sessions ended and wrote after all was anonymized."""
    event_of(db, 5, 0)
    delete = accounts_store.delete

    def late(database, user_id):
        if not db.bookings.count_documents({}):
            order = Purchase(
                event_id=1, items=((1, None, 1),), idempotency_key="k", body_digest="d"
            )
            sales.book(context_of(app), Actor(user_id, "attendee"), order, utc_now())
        delete(database, user_id)

    monkeypatch.setattr(accounts_store, "delete", late)
    assert ann.call("DELETE", f"/users/{ann.id}").status_code == 200
    (booking,) = db.bookings.find()
    assert (booking["userId"], "idempotency" in booking) == (None, False)
