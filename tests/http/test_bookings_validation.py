"""Invalid bodies are answered with 400 and the invalid field, and nothing is written.

Tables are walked within a test: emptying the database for each line would take minutes.
"""

import pytest

from tests.bookings_factories import event_of, refused

ITEM = {"ticketTypeId": 1, "quantity": 1}


@pytest.fixture(autouse=True)
def nothing_is_written(db, clean_inventory):
    event_of(db, 10)
    before = db.events.find_one({})
    yield
    assert db.events.find_one({}) == before
    assert db.bookings.count_documents({}) == db.waitlist.count_documents({}) == 0


NO_QUANTITIES = [0, -1, 1.5, "2", True, None, [], {}, 10**4 + 1, 2**64 - 1, 1e300]


@pytest.mark.parametrize("named", [{}, {"ticketTypeId": 1}, {"type": "A"}])
def test_an_invalid_quantity_is_refused(ann, named):
    for quantity in NO_QUANTITIES:
        body = refused(ann.order(1, quantity=quantity, **named), 400, "validation_error")
        assert list(body["errors"]) == ["quantity"], quantity


def test_an_invalid_quantity_of_an_item_is_refused(ann):
    for quantity in NO_QUANTITIES:
        items = [ITEM, {"ticketTypeId": 1, "quantity": quantity}]
        body = refused(ann.order(1, items=items), 400, "validation_error")
        assert list(body["errors"]) == ["items.1.quantity"], quantity


AT_FAULT = [
    ({}, "quantity"),
    ({"ticketTypeId": 1}, "quantity"),
    ({"type": "A"}, "quantity"),
    ({"items": []}, "items"),
    ({"items": None}, "items"),
    ({"items": {}}, "items"),
    ({"items": [1]}, "items.0"),
    ({"items": [ITEM] * 51}, "items"),
    ({"items": [{"quantity": 1}]}, "items.0.ticketTypeId"),
    ({"items": [{**ITEM, "type": "A"}]}, "items.0.ticketTypeId"),
    ({"items": [{**ITEM, "price": 1}]}, "items.0.price"),
    ({"items": [ITEM], "quantity": 1}, "items"),
    ({"items": [ITEM], "type": "A"}, "items"),
    ({"items": [ITEM], "ticketTypeId": 1, "quantity": 1}, "items"),
    ({"ticketTypeId": 1, "type": "A", "quantity": 1}, "ticketTypeId"),
    ({"ticketTypeId": 0, "quantity": 1}, "ticketTypeId"),
    ({"ticketTypeId": "1", "quantity": 1}, "ticketTypeId"),
    ({"ticketTypeId": {"$gt": 0}, "quantity": 1}, "ticketTypeId"),
    ({"type": "", "quantity": 1}, "type"),
    ({"type": 1, "quantity": 1}, "type"),
    ({"type": "x" * 101, "quantity": 1}, "type"),
    ({"quantity": 1, "scheduleIndex": -1}, "scheduleIndex"),
    ({"quantity": 1, "scheduleIndex": "0"}, "scheduleIndex"),
    ({"quantity": 1, "scheduleIndex": 2**63}, "scheduleIndex"),
    ({"quantity": 1, "hold": "yes"}, "hold"),
    ({"quantity": 1, "hold": None}, "hold"),
    ({"quantity": 1, "onShortfall": "perhaps"}, "onShortfall"),
    ({"quantity": 1, "onShortfall": "queue"}, "onShortfall"),
    ({"quantity": 1, "userId": "5f5f5f5f5f5f5f5f5f5f5f5f"}, "userId"),
    ({"quantity": 1, "totalPrice": 0}, "totalPrice"),
    ({"quantity": 1, "$where": "1"}, "$where"),
    ({"quantity": 1, "a.b": 1}, "a.b"),
]


def test_the_answer_names_the_invalid_field(ann):
    for body, field in AT_FAULT:
        errors = refused(ann.order(1, **body), 400, "validation_error")["errors"]
        assert field in errors, body


def test_an_invalid_event_id_is_refused(ann):
    for event_id in (0, -1, "1", 1.5, True, None, 2**63, {"$gt": 0}, [1]):
        body = refused(ann.order(event_id, quantity=1), 400, "validation_error")
        assert list(body["errors"]) == ["eventId"], event_id


def send(client, person, raw):
    headers = {**person.headers, "Content-Type": "application/json"}
    return client.post("/api/bookings", data=raw, headers=headers)


def test_a_body_that_is_not_json_is_refused(client, ann):
    for raw in ('{"eventId": 1, "quantity": NaN}', '{"eventId": 1, "quan', "nul"):
        refused(send(client, ann, raw), 400, "malformed_json")


def test_numbers_out_of_range_are_refused(client, ann):
    for number in ("1" + "0" * 30, "1e400", "-1e400", "1e-400", "-0"):
        raw = f'{{"eventId": 1, "quantity": {number}}}'
        assert send(client, ann, raw).status_code == 400, number


def test_a_body_that_is_not_an_object_is_refused(client, ann):
    for raw in ("[]", "1", '"x"', "null"):
        refused(send(client, ann, raw), 400, "validation_error")


def test_an_invalid_idempotency_key_is_refused(ann):
    for key in ("", "k" * 201, "tab\there"):
        body = refused(ann.order(1, key=key, quantity=1), 400, "validation_error")
        assert list(body["errors"]) == ["Idempotency-Key"], key


def test_an_invalid_booking_id_is_not_found(ann):
    for method, path in (
        ("GET", "/bookings/{}"),
        ("DELETE", "/bookings/{}"),
        ("PUT", "/bookings/{}/cancel"),
        ("POST", "/bookings/{}/confirm"),
        ("GET", "/users/{}/bookings"),
    ):
        for id_ in ("abc", "5f5f5f5f5f5f5f5f5f5f5f5", "zz5f5f5f5f5f5f5f5f5f5f5f"):
            assert ann.call(method, path.format(id_)).status_code in (400, 404), path


def test_an_invalid_waitlist_body_is_refused(ann):
    for body in (
        {},
        {"eventId": 1, "quantity": 0},
        {"eventId": 1, "quantity": "1"},
        {"eventId": "1"},
        {"eventId": 1, "ticketTypeId": 0},
        {"eventId": 1, "type": "A"},
        {"eventId": 1, "position": 1},
    ):
        for path in ("/waitlist", "/waitlist/join"):
            refused(ann.call("POST", path, body), 400, "validation_error")


def test_an_invalid_body_of_an_acceptance_is_refused(ann):
    for body in ({"quantity": 0}, {"quantity": "1"}, {"more": 1}, []):
        refused(ann.call("POST", "/waitlist/1/accept", body), 400, "validation_error")
