"""Limits of ticket types over HTTP: how many tickets of a booking, and of a user."""

import pytest
from bson import ObjectId

from eventapp.bookings import waitlist_offers
from tests.bookings_factories import Caller, context_of, event_of, later, refused, stock_of, types
from tests.factories import event_body

LIMITS = {"minPerBooking": 2, "maxPerBooking": 4, "maxPerUser": 5}


def limited(quantity, **limits):
    """Return the ticket types of an event: one with these limits."""
    return [{**types(quantity)[0], **limits}]


def offer(app, event_id):
    return waitlist_offers.offer_tickets(context_of(app), event_id, later())


def test_a_type_shows_its_limits_and_null_clears_them(host, ann):
    made = host.call("POST", "/events", event_body(ticketTypes=limited(9, **LIMITS))).json
    path = f"/events/{made['eventId']}"
    (shown,) = ann.get(f"{path}/ticket-types").json["ticketTypes"]
    assert {name: shown[name] for name in LIMITS} == LIMITS
    cleared = host.call("PATCH", f"{path}/ticket-types/1", {"minPerBooking": None}).json
    assert "minPerBooking" not in cleared["ticketTypes"][0]
    assert cleared["ticketTypes"][0]["maxPerUser"] == 5


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"minPerBooking": 0}, "minPerBooking"),
        ({"minPerBooking": 11}, "minPerBooking"),
        ({"maxPerBooking": -1}, "maxPerBooking"),
        ({"maxPerUser": 1.5}, "maxPerUser"),
        ({"maxPerUser": "2"}, "maxPerUser"),
        ({"maxPerUser": True}, "maxPerUser"),
        ({"maxPerUser": 10_000_001}, "maxPerUser"),
        ({"minPerBooking": 3, "maxPerBooking": 2}, "maxPerBooking"),
        ({"minPerBooking": 3, "maxPerUser": 2}, "maxPerUser"),
    ],
)
def test_limits_that_make_no_sense_are_refused(host, rules, field):
    made = host.call("POST", "/events", event_body(ticketTypes=limited(9))).json
    path = f"/events/{made['eventId']}"
    whole = event_body(ticketTypes=limited(9, **rules))
    added = {"type": "Balcony", "price": 9, "availableTickets": 9, **rules}
    for method, where, body, name in [
        ("POST", "/events", whole, f"ticketTypes.0.{field}"),
        ("PUT", path, whole, f"ticketTypes.0.{field}"),
        ("PATCH", f"{path}/ticket-types/1", rules, field),
        ("PATCH", f"{path}/ticketTypes/0", rules, field),
        ("POST", f"{path}/ticket-types", added, field),
    ]:
        answer = refused(host.call(method, where, body), 400, "validation_error")
        assert list(answer["errors"]) == [name]


@pytest.mark.parametrize(("per_booking", "per_user"), [("3", "9"), ("9", "3")])
def test_a_minimum_is_within_the_limits_of_the_server(make_app, per_booking, per_user):
    app = make_app(MAX_TICKETS_PER_BOOKING=per_booking, MAX_TICKETS_PER_USER=per_user)
    host = Caller(app.test_client(), app, "organizer")
    sold = host.call("POST", "/events", event_body(ticketTypes=limited(9, minPerBooking=3)))
    assert sold.status_code == 201
    unsold = host.call("POST", "/events", event_body(ticketTypes=limited(9, minPerBooking=4)))
    errors = refused(unsold, 400, "validation_error")["errors"]
    assert errors == {
        "ticketTypes.0.minPerBooking": ["Must be at most 3, the limit of this server."]
    }


@pytest.mark.parametrize(
    ("quantity", "code", "limit"),
    [(1, "ticket_minimum", 2), (5, "ticket_limit_exceeded", 4)],
)
def test_orders_and_places_outside_the_limits_are_refused_with_the_limit(
    db, ann, quantity, code, limit
):
    event_id = event_of(db, ticketTypes=limited(9, **LIMITS))
    sold_out = event_of(db, ticketTypes=limited(0, **LIMITS))
    answers = [
        ann.order(event_id, ticketTypeId=1, quantity=quantity),
        ann.order(event_id, ticketTypeId=1, quantity=quantity, hold=True),
        ann.order(sold_out, quantity=quantity),
        ann.join(sold_out, quantity),
    ]
    for answer in answers:
        body = refused(answer, 409, code)
        assert (body["ticketTypeId"], body["limit"]) == (1, limit)
    assert stock_of(db, event_id) == (9, 0, 0, 0)
    assert stock_of(db, sold_out) == (0, 0, 0, 0)
    ann.book(event_id, 4)


def test_items_of_one_type_are_counted_together(db, ann):
    event_id = event_of(db, ticketTypes=limited(9, **LIMITS))
    items = [{"ticketTypeId": 1, "quantity": 3}, {"type": "A", "quantity": 3}]
    refused(ann.order(event_id, items=items), 409, "ticket_limit_exceeded")


def test_a_limit_that_was_just_raised_holds(client, app, db):
    host, ann = Caller(client, app, "organizer"), Caller(client, app)
    event_id = event_of(db, ticketTypes=limited(9, maxPerBooking=1), organizer_id=host.id)
    refused(ann.order(event_id, ticketTypeId=1, quantity=2), 409, "ticket_limit_exceeded")
    host.call("PATCH", f"/events/{event_id}/ticket-types/1", {"maxPerBooking": 2})
    ann.book(event_id, 2)


def test_a_partial_grant_below_the_minimum_is_none(db, ann, bob):
    event_id = event_of(db, ticketTypes=limited(3, minPerBooking=2))
    ann.book(event_id, 2)
    order = {"ticketTypeId": 1, "quantity": 2}
    refused(bob.order(event_id, **order, onShortfall="partial"), 409, "sold_out")
    waiting = bob.order(event_id, **order, onShortfall="waitlist")
    assert waiting.status_code == 202, waiting.json
    assert waiting.json["data"]["waitlistEntry"]["quantity"] == 2
    assert stock_of(db, event_id) == (1, 2, 0, 1)


def test_a_place_whose_minimum_cannot_be_met_is_skipped_and_keeps_its_place(app, db, ann, bob):
    """Bob waits for fewer than the minimum, which was lower when he joined."""
    event_id = event_of(db, ticketTypes=limited(4, minPerBooking=1))
    holders = [Caller(ann.client, app) for _ in range(2)]
    bookings = [holders[0].book(event_id, 1), holders[1].book(event_id, 3)]
    ann.wait(event_id, 4)
    bob.wait(event_id, 1)
    db.events.update_one(
        {"eventId": event_id}, {"$set": {"ticketTypes.0.minPerBooking": 3}, "$inc": {"terms": 1}}
    )
    holders[0].cancel(bookings[0])
    assert [each["quantity"] for each in bob.offers()] == [1]
    assert ann.offers() == []
    assert ann.waitlist_entries()[0]["position"] == 1
    holders[1].cancel(bookings[1])
    assert [each["quantity"] for each in ann.offers()] == [3]
    # The one ticket that she still waits for is fewer than the minimum; it is all she wants.
    bob.call("DELETE", f"/waitlist/{event_id}")
    assert sum(each["quantity"] for each in ann.offers()) == 4


def test_an_offer_has_no_more_tickets_than_a_booking_may_have(app, db, ann, bob):
    event_id = event_of(db, ticketTypes=limited(4))
    booking = ann.book(event_id, 4)
    bob.wait(event_id, 4)
    db.events.update_one(
        {"eventId": event_id}, {"$set": {"ticketTypes.0.maxPerBooking": 3}, "$inc": {"terms": 1}}
    )
    ann.cancel(booking)
    assert sorted(each["quantity"] for each in bob.offers()) == [1, 3]


def test_a_user_with_an_offer_may_buy_only_the_rest(app, db, ann, bob):
    event_id = event_of(db, ticketTypes=limited(6, maxPerUser=4))
    bookings = [Caller(ann.client, app) for _ in range(2)]
    held = [each.book(event_id, 3) for each in bookings]
    bob.wait(event_id, 3)
    bookings[0].cancel(held[0])
    assert [each["quantity"] for each in bob.offers()] == [3]
    bookings[1].cancel(held[1])
    body = refused(bob.order(event_id, ticketTypeId=1, quantity=2), 409, "ticket_limit_exceeded")
    assert (body["limit"], body["ticketTypeId"]) == (4, 1)
    assert stock_of(db, event_id) == (3, 0, 3, 0)
    bob.book(event_id, 1)


def test_an_offer_gives_no_more_than_the_limit_of_the_user_leaves(app, db, ann, bob):
    event_id = event_of(db, ticketTypes=limited(6, maxPerUser=4))
    other = Caller(ann.client, app)
    bob.book(event_id, 3)
    held = other.book(event_id, 3)
    entry = bob.wait(event_id, 3)
    other.cancel(held)
    assert [each["quantity"] for each in bob.offers()] == [1]
    stored = db.waitlist.find_one({"_id": ObjectId(entry["_id"])})
    assert (stored["status"], stored["closeReason"]) == ("closed", "ticket_limit")
    assert stock_of(db, event_id) == (2, 3, 1, 0)


def test_the_limit_of_one_type_leaves_the_others_alone(db, ann):
    event_id = event_of(db, ticketTypes=[*limited(9, maxPerUser=1), {**types(9)[0], "type": "B"}])
    items = [{"ticketTypeId": 1, "quantity": 1}, {"ticketTypeId": 2, "quantity": 5}]
    assert ann.order(event_id, items=items).status_code == 201
