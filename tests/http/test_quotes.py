"""POST /events/:id/quote: what tickets would cost."""

import pytest

from tests.bookings_factories import Caller, event_of, stock_of, types
from tests.factories import day, make_event


def quote(client, event_id, *items, headers=None, **body):
    """Ask for the price of (ticketTypeId, quantity) pairs; return the response."""
    listed = [{"ticketTypeId": type_id, "quantity": quantity} for type_id, quantity in items]
    path = f"/api/events/{event_id}/quote"
    return client.post(path, json={"items": listed, **body}, headers=headers)


def test_a_quote_has_each_line_and_the_sums_and_takes_nothing(client, db):
    event_id = event_of(db, ticketTypes=[*types(5, price=19.99), *types(0, 5, price=4)[1:]])
    answer = quote(client, event_id, (1, 3), (2, 2))
    assert (answer.status_code, answer.json) == (
        200,
        {
            "items": [
                {
                    "ticketTypeId": 1,
                    "quantity": 3,
                    "unitPrice": 19.99,
                    "subtotal": 59.97,
                    "discount": 0,
                    "total": 59.97,
                },
                {
                    "ticketTypeId": 2,
                    "quantity": 2,
                    "unitPrice": 4,
                    "subtotal": 8,
                    "discount": 0,
                    "total": 8,
                },
            ],
            "subtotal": 67.97,
            "discount": 0,
            "total": 67.97,
            "currency": "EUR",
        },
    )
    assert stock_of(db, event_id) == (5, 0, 0, 0)


def test_a_booking_costs_what_the_quote_says(client, app, db):
    event_id = event_of(db, 5, 5)
    quoted = quote(client, event_id, (1, 1), (2, 2)).json
    items = [{"ticketTypeId": 1, "quantity": 1}, {"type": "B", "quantity": 2}]
    booked = Caller(client, app).order(event_id, items=items).json["data"]["booking"]
    assert [{k: v for k, v in i.items() if k != "type"} for i in booked["items"]] == quoted["items"]
    names = ("subtotal", "discount", "currency")
    assert [booked[n] for n in names] == [quoted[n] for n in names]
    assert booked["totalPrice"] == quoted["total"]


def test_items_of_one_type_are_added_up(client, db):
    assert quote(client, event_of(db, 5), (1, 1), (1, 2)).json["items"][0]["quantity"] == 3


@pytest.mark.parametrize(
    ("items", "status", "code"),
    [
        ([{"ticketTypeId": 9, "quantity": 1}], 404, "ticket_type_not_found"),
        ([{"type": "Z", "quantity": 1}], 404, "ticket_type_not_found"),
        ([], 400, "validation_error"),
        ([{"ticketTypeId": 1, "quantity": 0}], 400, "validation_error"),
        ([{"ticketTypeId": 1, "type": "A", "quantity": 1}], 400, "validation_error"),
    ],
)
def test_what_cannot_be_priced_is_refused(client, db, items, status, code):
    answer = client.post(f"/api/events/{event_of(db, 5)}/quote", json={"items": items})
    assert (answer.status_code, answer.json["code"]) == (status, code)


def test_a_draft_is_priced_for_its_organizer_alone(client, app, db):
    organizer = Caller(client, app, "organizer")
    draft = make_event(db, organizer_id=organizer.id, status="draft")["eventId"]
    assert quote(client, draft, (1, 1), headers=organizer.headers).status_code == 200
    refused = quote(client, draft, (1, 1))
    assert (refused.status_code, refused.json["code"]) == (404, "event_not_found")
    assert quote(client, 999_999, (1, 1)).status_code == 404


def test_a_quote_names_a_schedule_entry_that_can_be_booked(client, db):
    event_id = event_of(
        db,
        5,
        schedule=[{"date": day(-2), "location": "Volos"}, {"date": day(9), "location": "Volos"}],
    )
    assert quote(client, event_id, (1, 1), scheduleId=2).json["total"] == 20
    over, unknown = (quote(client, event_id, (1, 1), scheduleId=id_) for id_ in (1, 3))
    assert (over.status_code, over.json["code"]) == (409, "event_past")
    assert (unknown.status_code, list(unknown.json["errors"])) == (400, ["scheduleId"])
