"""Booking available tickets: forms of the body, prices, dates, holds and references."""

import re
from datetime import timedelta

import pytest

from eventapp.bookings.sales import batches
from eventapp.core.clock import utc_now
from tests.bookings_factories import event_of, refused, stock_of, types
from tests.factories import day
from tests.seen_library import replace_seen

pytestmark = pytest.mark.usefixtures("clean_inventory")
A = {"type": "A", "quantity": 1}
FIELDS = """
    _id bookingReference userId eventId eventTitle scheduleId date startsAt endsAt timezone
    location items quantity subtotal discount totalPrice promoCode currency
    status expiresAt createdAt updatedAt cancelledAt payment refund refunds
    attendees incompleteTickets
"""


def booked(answer):
    assert answer.status_code == 201, answer.json
    return answer.json["data"]["booking"]


def test_the_answer_shows_the_booking(db, ann):
    event_of(db, 10, 5, title="Night")
    answer = ann.order(1, ticketTypeId=2, quantity=3)
    booking = booked(answer)
    assert answer.json["message"] == "Booked 3 tickets."
    assert list(answer.json["data"]) == ["booking"]
    assert list(booking) == FIELDS.split()
    item = {"ticketTypeId": 2, "type": "B", "quantity": 3, "unitPrice": 20, "subtotal": 60}
    assert booking["items"] == [{**item, "discount": 0, "total": 60}]
    assert (booking["userId"], booking["eventId"], booking["eventTitle"]) == (
        str(ann.id),
        1,
        "Night",
    )
    assert (booking["date"], booking["location"]) == (day(30), "Volos")
    assert (booking["quantity"], booking["totalPrice"], booking["currency"]) == (3, 60, "EUR")
    assert (booking["status"], booking["expiresAt"]) == ("confirmed", None)
    assert (booking["cancelledAt"], booking["refund"]) == (None, None)
    assert re.fullmatch(r"EVT-[A-HJKMNP-Z2-9]{6}", booking["bookingReference"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", booking["createdAt"])
    assert stock_of(db, 1, 2) == (2, 3, 0, 0)
    assert stock_of(db, 1, 1) == (10, 0, 0, 0)
    assert ann.get(f"/bookings/{booking['_id']}").json["data"]["booking"] == booking


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ({"ticketTypeId": 1, "quantity": 2}, {1: 2}),
        ({"type": "B", "quantity": 2}, {2: 2}),
        ({"type": " B ", "quantity": 2}, {2: 2}),
        ({"items": [{"ticketTypeId": 1, "quantity": 1}]}, {1: 1}),
        ({"items": [{"type": "C", "quantity": 4}]}, {3: 4}),
        ({"items": [A, {"ticketTypeId": 3, "quantity": 2}]}, {1: 1, 3: 2}),
        ({"items": [A, {"ticketTypeId": 1, "quantity": 2}]}, {1: 3}),
    ],
)
def test_a_ticket_type_is_named_by_id_or_by_name(db, ann, body, taken):
    event_of(db, 10, 10, 10)
    booking = booked(ann.order(1, **body))
    assert {item["ticketTypeId"]: item["quantity"] for item in booking["items"]} == taken
    for type_id in (1, 2, 3):
        sold = taken.get(type_id, 0)
        assert stock_of(db, 1, type_id) == (10 - sold, sold, 0, 0)


def test_a_quantity_alone_is_of_the_only_ticket_type(db, ann):
    event_of(db, 10)
    assert booked(ann.order(1, quantity=4))["items"][0]["quantity"] == 4


def test_a_quantity_alone_is_refused_if_there_are_several_types(db, ann):
    event_of(db, 10, 10)
    body = refused(ann.order(1, quantity=4), 400, "ticket_type_required")
    assert "ticketTypeId" in body["errors"]
    assert db.bookings.count_documents({}) == 0


def test_an_unknown_ticket_type_or_event_is_not_found(db, ann):
    event_of(db, 10)
    refused(ann.order(1, ticketTypeId=7, quantity=1), 404, "ticket_type_not_found")
    refused(ann.order(1, type="Z", quantity=1), 404, "ticket_type_not_found")
    both = [{"ticketTypeId": 1, "quantity": 1}, {"ticketTypeId": 7, "quantity": 1}]
    refused(ann.order(1, items=both), 404, "ticket_type_not_found")
    refused(ann.order(99, quantity=1), 404, "event_not_found")
    assert stock_of(db, 1) == (10, 0, 0, 0)


@pytest.mark.parametrize(
    ("price", "quantity", "subtotal"),
    [
        (0, 3, 0),
        (19.99, 3, 59.97),
        (0.1, 3, 0.3),
        (0.07, 10, 0.7),
        (12.5, 2, 25),
        (1.15, 7, 8.05),
        (1_000_000, 10, 10_000_000),
        (999_999.99, 10, 9_999_999.9),
    ],
)
def test_the_total_is_exact_to_the_cent(db, ann, price, quantity, subtotal):
    event_of(db, ticketTypes=types(10, price=price))
    answer = ann.order(1, quantity=quantity)
    assert booked(answer)["totalPrice"] == booked(answer)["items"][0]["subtotal"] == subtotal
    if subtotal == int(subtotal):
        assert f'"totalPrice":{int(subtotal)},' in answer.text


def test_the_total_adds_up_several_prices(db, ann):
    ticket_types = types(10, 10)
    ticket_types[0]["price"], ticket_types[1]["price"] = 0.1, 0.2
    event_of(db, ticketTypes=ticket_types)
    items = [{"ticketTypeId": 1, "quantity": 1}, {"ticketTypeId": 2, "quantity": 1}]
    assert booked(ann.order(1, items=items))["totalPrice"] == 0.3


def test_a_booking_keeps_the_price_it_was_made_at(db, client, app, ann, organizer, bob):
    event_of(db, 10, organizer_id=organizer["id"])
    old = ann.book(1, 2)
    answer = client.patch(
        "/api/events/1/ticketTypes/0", json={"price": 30.5}, headers=organizer["headers"]
    )
    assert answer.status_code == 200
    assert bob.book(1, 2)["totalPrice"] == 61
    assert ann.get(f"/bookings/{old['_id']}").json["data"]["booking"]["totalPrice"] == 40


def test_a_hold_keeps_tickets_for_ten_minutes(db, ann):
    event_of(db, 10)
    answer = ann.order(1, quantity=3, hold=True)
    booking = booked(answer)
    assert (booking["status"], answer.json["message"]) == ("held", "Held 3 tickets.")
    stored = db.bookings.find_one({})
    assert (stored["expiresAt"] - stored["createdAt"]).total_seconds() == 600
    assert stock_of(db, 1) == (7, 0, 3, 0)


def make_schedule():
    return [
        {"date": day(20), "location": "Late"},
        {"date": day(-1), "location": "Past"},
        {"date": day(0), "location": "Now"},
    ]


@pytest.mark.parametrize(
    ("index", "location"),
    [({}, "Now"), ({"scheduleIndex": 0}, "Late"), ({"scheduleIndex": 2}, "Now")],
)
def test_the_schedule_entry_is_the_one_named_or_the_next(db, ann, index, location):
    event_of(db, 10, schedule=make_schedule())
    assert booked(ann.order(1, quantity=1, **index))["location"] == location


def test_a_schedule_entry_that_is_over_or_missing_is_refused(db, ann):
    event_of(db, 10, schedule=make_schedule())
    refused(ann.order(1, quantity=1, scheduleIndex=1), 409, "event_past")
    body = refused(ann.order(1, quantity=1, scheduleIndex=3), 400, "validation_error")
    assert body["message"] == "Invalid schedule index"
    assert stock_of(db, 1) == (10, 0, 0, 0)
    assert db.bookings.count_documents({}) == 0


def test_a_reference_in_use_is_not_given_again(db, ann, bob, monkeypatch):
    event_of(db, 10)
    draws = iter("AAAAAA" + "AAAAAA" + "BBBBBB")
    replace_seen(monkeypatch, batches, "secrets", choice=lambda _letters: next(draws))
    first = ann.book(1)
    second = booked(bob.order(1, key="k", ticketTypeId=1, quantity=1))
    assert first["bookingReference"] == "EVT-AAAAAA"
    assert second["bookingReference"] == "EVT-BBBBBB"
    again = booked(bob.order(1, key="k", ticketTypeId=1, quantity=1))
    assert again["bookingReference"] == "EVT-BBBBBB"
    found = bob.get("/bookings/reference/evt-bbbbbb").json["data"]["booking"]
    assert found["_id"] == second["_id"]


def test_a_booking_follows_an_edit_that_the_cached_state_lacks(db, client, ann, bob, organizer):
    """The inventory caches sale states; an edit since must not book what nobody asked for."""
    event_of(db, 5, 5, organizer_id=organizer["id"])
    ann.book(1, 1)
    renamed = [
        {"ticketTypeId": 1, "type": "B", "price": 1, "availableTickets": 5},
        {"ticketTypeId": 2, "type": "A", "price": 2, "availableTickets": 5},
    ]
    event = client.get("/api/events/1").json
    kept = ("title", "category", "organizer")
    body = {**{name: event[name] for name in kept}, "ticketTypes": renamed}
    body["schedule"] = [
        {"date": day(1), "location": "One"},
        {"date": day(2), "location": "Two"},
    ]
    answer = client.put("/api/events/1", json=body, headers=organizer["headers"])
    assert answer.status_code == 200
    booking = booked(bob.order(1, type="A", quantity=1, scheduleIndex=1))
    assert (booking["items"][0]["ticketTypeId"], booking["totalPrice"]) == (2, 2)
    assert booking["location"] == "Two"


def test_a_date_that_an_edit_moved_to_the_past_is_refused_and_nothing_is_taken(db, ann, bob):
    """The cached sale state still has the old date; the guard of the take notices the edit."""
    event_of(
        db, 10, schedule=[{"date": day(1), "location": "X"}, {"date": day(9), "location": "Y"}]
    )
    bob.book(1)
    yesterday = utc_now() - timedelta(days=1)
    dates = {"schedule.0.date": yesterday, "schedule.0.overAt": yesterday}
    moved = {"$set": dates, "$inc": {"rev": 1, "terms": 1}}
    db.events.update_one({"eventId": 1}, moved)
    refused(ann.order(1, ticketTypeId=1, quantity=1, scheduleIndex=0), 409, "event_past")
    assert stock_of(db, 1) == (9, 1, 0, 0)
    assert db.bookings.count_documents({}) == 1


def test_a_quantity_alone_is_refused_after_a_type_was_added(db, client, ann, bob, organizer):
    event_of(db, 5, organizer_id=organizer["id"])
    ann.book(1, 1)
    new = {"type": "New", "price": 1, "availableTickets": 5}
    client.post("/api/events/1/ticket-types", json=new, headers=organizer["headers"])
    refused(bob.order(1, quantity=1), 400, "ticket_type_required")
    assert stock_of(db, 1) == (4, 1, 0, 0)


def test_a_deleted_event_is_not_found(db, client, ann, organizer, bob):
    event_of(db, 5, organizer_id=organizer["id"])
    ann.cancel(ann.book(1, 1))
    assert client.delete("/api/events/1", headers=organizer["headers"]).status_code == 200
    refused(bob.order(1, quantity=1), 404, "event_not_found")


def test_booking_requires_a_token(db, client):
    event_of(db, 5)
    answer = client.post("/api/bookings", json={"eventId": 1, "quantity": 1})
    refused(answer, 401, "unauthorized")
