"""Limits on tickets and bookings of a user, and which events are on sale."""

import pytest

from eventapp.core.database import OPEN_DATABASE
from tests.bookings_factories import Caller, event_of, expire_holds, refused, stock_of
from tests.factories import day

pytestmark = pytest.mark.usefixtures("clean_inventory")


def items_of(*pairs):
    return [{"ticketTypeId": type_id, "quantity": quantity} for type_id, quantity in pairs]


def test_a_booking_has_at_most_ten_tickets(db, ann):
    event_of(db, 50, 50)
    refused(ann.order(1, items=items_of((1, 6), (2, 5))), 409, "ticket_limit_exceeded")
    refused(ann.order(1, ticketTypeId=1, quantity=11), 409, "ticket_limit_exceeded")
    assert db.bookings.count_documents({}) == 0
    assert ann.order(1, items=items_of((1, 5), (2, 5))).status_code == 201


def test_a_quantity_over_the_limit_does_not_join_the_waitlist(db, ann):
    event_of(db, 2)
    refused(ann.order(1, quantity=11), 409, "ticket_limit_exceeded")
    assert stock_of(db, 1) == (2, 0, 0, 0)


def test_the_limits_are_settings(make_app):
    app = make_app(MAX_TICKETS_PER_BOOKING="3", MAX_TICKETS_PER_USER="2", HOLD_MINUTES="0.5")
    db, ann = OPEN_DATABASE.get(app).db, Caller(app.test_client(), app)
    event_of(db, 50)
    body = refused(ann.order(1, ticketTypeId=1, quantity=4), 409, "ticket_limit_exceeded")
    assert (body["message"], body["limit"]) == ("At most 3 tickets a booking", 3)
    body = refused(ann.order(1, ticketTypeId=1, quantity=3), 409, "ticket_limit_exceeded")
    assert (body["message"], body["limit"]) == ("At most 2 tickets of an event", 2)
    assert refused(ann.join(1, 3), 409, "ticket_limit_exceeded")["limit"] == 2
    ann.book(1, 2, hold=True)
    stored = db.bookings.find_one({})
    assert (stored["expiresAt"] - stored["createdAt"]).total_seconds() == 30


@pytest.mark.parametrize("hold", [True, False])
def test_a_user_has_one_active_booking_of_an_event(db, ann, bob, hold):
    event_of(db, 50)
    event_of(db, 50)
    ann.book(1, hold=hold)
    refused(ann.order(1, ticketTypeId=1, quantity=1), 409, "already_booked")
    refused(ann.order(1, quantity=1, hold=True), 409, "already_booked")
    assert sum(stock_of(db, 1)[1:3]) == 1
    bob.book(1)
    ann.book(2)


def test_a_sold_out_event_refuses_its_holders_as_already_booked(db, ann):
    event_of(db, 2)
    ann.book(1, 2)
    refused(ann.order(1, ticketTypeId=1, quantity=1), 409, "already_booked")
    refused(ann.order(1, quantity=1), 409, "already_booked")
    assert stock_of(db, 1) == (0, 2, 0, 0)
    assert db.waitlist.count_documents({}) == 0


def test_a_cancelled_booking_does_not_count(db, ann):
    event_of(db, 10)
    for _again in range(3):
        ann.cancel(ann.book(1, 10))
    ann.book(1, 10)
    assert stock_of(db, 1) == (0, 10, 0, 0)


def test_an_expired_booking_does_not_count(db, app, ann):
    event_of(db, 10)
    for _again in range(3):
        ann.book(1, 10, hold=True)
        assert expire_holds(app, minutes=11) == 1
    ann.book(1, 10)
    assert stock_of(db, 1) == (0, 10, 0, 0)


def test_an_offer_is_cut_to_what_the_booking_leaves(db, client, app, ann, bob):
    """Bob has 8 tickets of one type and waits for 5 of another; the limit is 10."""
    event_of(db, 2, 20)
    booking = ann.book(1, 2, 1)
    bob.wait(1, 5, 1)
    bob.book(1, 9, 2)
    assert ann.call("DELETE", f"/bookings/{booking['_id']}").status_code == 200
    (offer,) = bob.offers()
    assert offer["quantity"] == 1
    held = db.bookings.find({"userId": bob.id, "active": True})
    assert sum(booking["quantity"] for booking in held) == 10


def test_a_booking_is_refused_beyond_what_the_offer_leaves(db, ann, bob):
    event_of(db, 6, 20)
    booking = ann.book(1, 6, 1)
    bob.wait(1, 6, 1)
    ann.cancel(booking)
    assert bob.offers()[0]["quantity"] == 6
    body = refused(bob.order(1, ticketTypeId=2, quantity=5), 409, "ticket_limit_exceeded")
    assert body["limit"] == 10
    assert stock_of(db, 1, 2) == (20, 0, 0, 0)
    bob.book(1, 4, 2)


ORDERS = (
    {"quantity": 1},
    {"ticketTypeId": 1, "quantity": 1},
    {"quantity": 1, "hold": True},
)


def test_past_events_are_not_on_sale(db, ann):
    event_of(db, 10, schedule=[{"date": day(-1), "location": "X"}])
    for body in ORDERS:
        refused(ann.order(1, **body), 409, "event_not_on_sale")
    refused(ann.join(1), 409, "event_not_on_sale")
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_a_draft_is_not_on_sale_and_others_do_not_find_it(db, client, app, ann):
    """No refusal may reveal to others that the draft exists."""
    host, boss = Caller(client, app, "organizer"), Caller(client, app, "admin")
    event_of(db, 10, 10, status="draft", organizer_id=host.id)
    event_of(db, 10, status="draft", schedule=[{"date": day(-1), "location": "X"}])
    invalid_orders = (
        {"ticketTypeId": 99, "quantity": 1},
        {"type": "Nobody knows", "quantity": 1},
        {"ticketTypeId": 1, "quantity": 11},
        {"ticketTypeId": 1, "quantity": 1, "scheduleIndex": 7},
    )
    for event_id in (1, 2):
        for body in (*ORDERS, *invalid_orders):
            answer = refused(ann.order(event_id, **body), 404, "event_not_found")
            assert answer == ann.order(77, **body).json
        for type_id, quantity in ((1, 1), (99, 1), (None, 1), (1, 11)):
            answer = refused(ann.join(event_id, quantity, type_id), 404, "event_not_found")
            assert answer == ann.join(77, quantity, type_id).json
    for person in (host, boss):
        refused(person.order(1, ticketTypeId=1, quantity=1), 409, "event_not_on_sale")
        refused(person.join(1), 409, "event_not_on_sale")
        refused(person.order(1, quantity=1), 400, "ticket_type_required")
    assert stock_of(db, 1) == (10, 0, 0, 0)


def test_an_event_turned_into_a_draft_is_refused_at_once(db, client, app, ann):
    host = Caller(client, app, "organizer")
    event_of(db, 10, organizer_id=host.id)
    ann.cancel(ann.book(1))  # the inventory has cached it on sale
    db.events.update_one({"eventId": 1}, {"$set": {"status": "draft"}, "$inc": {"rev": 1}})
    refused(ann.order(1, ticketTypeId=1, quantity=1), 404, "event_not_found")
    db.events.update_one({"eventId": 1}, {"$set": {"status": "published"}, "$inc": {"rev": 1}})
    refused(ann.order(1, ticketTypeId=1, quantity=11), 409, "ticket_limit_exceeded")


def test_a_cancelled_event_is_not_on_sale(db, client, ann, organizer):
    event_of(db, 10, organizer_id=organizer["id"])
    ann.cancel(ann.book(1))  # the inventory has cached it on sale
    client.post("/api/events/1/cancel", headers=organizer["headers"])
    refused(ann.order(1, quantity=1), 409, "event_not_on_sale")


def test_an_event_of_today_and_a_published_draft_are_on_sale(db, client, ann, organizer):
    today = [{"date": day(0), "location": "X"}]
    event_of(db, 10, schedule=today, status="draft", organizer_id=organizer["id"])
    refused(ann.order(1, quantity=1), 404, "event_not_found")
    client.post("/api/events/1/publish", headers=organizer["headers"])
    ann.book(1)
