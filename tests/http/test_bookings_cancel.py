"""Cancelling a booking: until when, by whom, and what is given back, exactly once."""

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.bookings_factories import (
    Caller,
    changed,
    context_of,
    event_of,
    expire_holds,
    later,
    pay_refunds,
    refused,
    set_clock,
    stock_of,
    types,
)
from tests.factories import day

pytestmark = pytest.mark.usefixtures("clean_inventory")


def cancelled(answer):
    assert answer.status_code == 200, answer.json
    booking = answer.json["data"]["booking"]
    assert booking["status"] == "cancelled"
    return booking


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/bookings/{}/cancel"), ("DELETE", "/bookings/{}")]
)
def test_cancelling_returns_the_tickets_and_records_a_refund(db, ann, method, path):
    event_of(db, ticketTypes=types(10, price=19.99))
    booking = ann.book(1, 3)
    answer = ann.call(method, path.format(booking["_id"]))
    shown = cancelled(answer)
    assert answer.json["message"] == "Booking cancelled"
    refund = shown["refund"]
    assert (refund["amount"], refund["currency"], refund["reason"]) == (59.97, "EUR", "cancelled")
    assert refund["refundId"]
    assert refund["refundedAt"] == shown["cancelledAt"] == shown["updatedAt"]
    assert shown["expiresAt"] is None
    kept = ("_id", "bookingReference", "items", "totalPrice", "createdAt", "date")
    assert {name: shown[name] for name in kept} == {name: booking[name] for name in kept}
    assert stock_of(db, 1) == (10, 0, 0, 0)
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"] == shown


def test_cancelling_again_returns_nothing(db, ann, bob):
    event_of(db, 10)
    bob.book(1, 4)
    booking = ann.book(1, 3)
    first, second = ann.cancel(booking), ann.cancel(booking)
    third = ann.call("DELETE", f"/bookings/{booking['_id']}")
    assert first.data == second.data == third.data
    assert stock_of(db, 1) == (6, 4, 0, 0)
    bob.order(1, ticketTypeId=1, quantity=1)  # a later take clears the in-flight entries
    assert cancelled(ann.cancel(booking)) == first.json["data"]["booking"]
    assert stock_of(db, 1) == (6, 4, 0, 0)


def test_cancelling_returns_the_tickets_of_all_types(db, ann):
    event_of(db, 10, 10, 10)
    items = [{"ticketTypeId": 1, "quantity": 2}, {"ticketTypeId": 3, "quantity": 4}]
    answer = ann.order(1, items=items)
    cancelled(ann.cancel(answer.json["data"]["booking"]))
    assert [stock_of(db, 1, id_)[0] for id_ in (1, 2, 3)] == [10, 10, 10]


def test_a_held_booking_can_be_cancelled_at_any_time_without_a_refund(db, ann):
    event_of(db, 10, schedule=[{"date": day(0), "location": "X"}])
    booking = ann.book(1, 3, hold=True)
    shown = cancelled(ann.cancel(booking))
    assert shown["refund"] is None
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_an_expired_booking_is_not_cancellable(db, app, ann):
    event_of(db, 10)
    booking = ann.book(1, 3, hold=True)
    expire_holds(app, minutes=11)
    refused(ann.cancel(booking), 409, "not_cancellable")
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_cancelling_ends_24_hours_before_midnight_of_the_booked_date(db, ann, monkeypatch):
    event_of(db, 10, schedule=[{"date": day(3), "location": "X"}])
    booking = ann.book(1)
    deadline = db.bookings.find_one({})["date"] - timedelta(hours=24)
    set_clock(monkeypatch, deadline + timedelta(milliseconds=1))
    refused(ann.cancel(booking), 409, "cancellation_closed")
    refused(ann.call("DELETE", f"/bookings/{booking['_id']}"), 409, "cancellation_closed")
    assert stock_of(db, 1) == (9, 1, 0, 0)
    set_clock(monkeypatch, deadline)
    cancelled(ann.cancel(booking))


def test_the_deadline_is_counted_from_the_booked_schedule_entry(db, ann, monkeypatch):
    schedule = [{"date": day(1), "location": "X"}, {"date": day(9), "location": "Y"}]
    event_of(db, 10, schedule=schedule)
    event_of(db, 10, schedule=schedule)
    soon, late = ann.book(1, scheduleIndex=0), ann.book(2, scheduleIndex=1)
    set_clock(monkeypatch, later(days=1, hours=1))
    refused(ann.cancel(soon), 409, "cancellation_closed")
    cancelled(ann.cancel(late))


def test_the_cancellation_cutoff_is_a_setting(db, app, ann):
    event_of(db, 10, schedule=[{"date": day(1), "location": "X"}])
    booking = ann.book(1)
    refused(ann.cancel(booking), 409, "cancellation_closed")
    context = context_of(app)
    with changed(context, limits=replace(context.limits, cancellation_cutoff=timedelta(0))):
        cancelled(ann.cancel(booking))


def test_organizers_and_admins_cancel_after_the_deadline(
    db, client, app, ann, bob, host, monkeypatch
):
    event_of(db, 10, organizer_id=host.id)
    for person in (host, Caller(client, app, "admin")):
        monkeypatch.undo()
        booking = ann.book(1)
        set_clock(monkeypatch, later(days=40))
        refused(ann.cancel(booking), 409, "cancellation_closed")
        cancelled(person.cancel(booking))
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_no_other_user_can_cancel(db, client, app, ann, bob, host):
    event_of(db, 10, organizer_id=host.id)
    booking = ann.book(1)
    for person in (bob, Caller(client, app, "organizer")):
        refused(person.cancel(booking), 404, "booking_not_found")
        refused(person.call("DELETE", f"/bookings/{booking['_id']}"), 404, "booking_not_found")
    refused(client.put(f"/api/bookings/{booking['_id']}/cancel"), 401, "unauthorized")
    refused(ann.cancel({"_id": "5f5f5f5f5f5f5f5f5f5f5f5f"}), 404, "booking_not_found")
    assert stock_of(db, 1) == (9, 1, 0, 0)


def test_no_refund_is_recorded_for_a_free_booking(db, app, ann):
    event_of(db, ticketTypes=types(10, price=0))
    booking = ann.book(1)
    assert cancelled(ann.cancel(booking))["refund"] is None
    assert pay_refunds(app, minutes=1) == 0
    assert cancelled(ann.cancel(booking))["refund"] is None
    assert stock_of(db, 1) == (10, 0, 0, 0)
