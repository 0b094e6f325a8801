"""Promo codes that unlock secret ticket types."""

import pytest

from eventapp.bookings import waitlist_offers
from tests.bookings_factories import Caller, context_of, event_of, later, refused, stock_of, types
from tests.http.test_promo_codes import add, codes, delete, patch

SECRET = {"type": "Backstage", "price": 80, "availableTickets": 2, "visibility": "secret"}
# A code that discounts nothing: a fixed price above the price.
UNLOCK = {"code": "Band", "kind": "fixed_price", "value": 100, "unlocks": [2]}

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def event_id(db, host):
    return event_of(db, organizer_id=host.id, ticketTypes=[*types(5), SECRET])


@pytest.fixture
def code(host, event_id):
    return add(host, event_id, **UNLOCK)


def order(caller, event_id, promo_code=None, type_id=2, quantity=1, **body):
    if promo_code:
        body["promoCode"] = promo_code
    return caller.order(event_id, ticketTypeId=type_id, quantity=quantity, **body)


def quote(caller, event_id, promo_code=None, type_id=2, quantity=1, **body):
    if promo_code:
        body["promoCode"] = promo_code
    items = [{"ticketTypeId": type_id, "quantity": quantity}]
    return caller.call("POST", f"/events/{event_id}/quote", {"items": items, **body})


def test_a_code_unlocks_a_secret_type(db, host, ann, bob, event_id, code):
    assert code["unlocks"] == [2]
    priced = quote(ann, event_id, "band").json
    assert (priced["total"], priced["discount"]) == (80, 0)
    booking = order(ann, event_id, "BAND").json["data"]["booking"]
    assert (booking["items"][0]["type"], booking["totalPrice"], booking["promoCode"]) == (
        "Backstage",
        80,
        "Band",
    )
    assert codes(host, event_id)[0]["used"] == 1
    by_name = bob.order(event_id, type="Backstage", quantity=1, promoCode="band")
    assert by_name.status_code == 201
    assert stock_of(db, event_id, 2) == (0, 2, 0, 0)
    assert ann.cancel(booking).status_code == 200
    assert codes(host, event_id)[0]["used"] == 1


def test_a_quote_shows_what_the_code_unlocks(db, host, ann, event_id, code):
    def ask(promo_code, *items, **body):
        path = f"/events/{event_id}/quote"
        return ann.call("POST", path, {"items": list(items), "promoCode": promo_code, **body})

    shown = {"ticketTypeId": 2, "type": "Backstage", "price": 80}
    shown |= {"availableTickets": 2, "saleState": "on_sale", "visibility": "secret"}
    assert ask("band").json == {
        **{"items": [], "subtotal": 0, "discount": 0, "total": 0, "currency": "EUR"},
        "unlockedTypes": [shown],
    }
    order(ann, event_id, "band", quantity=2)
    shown |= {"availableTickets": 0, "saleState": "sold_out"}
    public = {"ticketTypeId": 1, "quantity": 1}
    refused(ask("band", public), 409, "promo_not_applicable")
    assert ask("band", scheduleId=1).json["unlockedTypes"] == [shown]
    add(host, event_id, code="Other", kind="percent", value=10)
    assert "unlockedTypes" not in ask("other").json
    refused(ask("wrong-one"), 404, "promo_not_found")
    assert ask(None).json["errors"] == {"items": ["Name a ticket type or a promo code."]}
    patch(host, event_id, code, maxUses=1)
    refused(ask("band"), 409, "promo_exhausted")


def test_a_discount_and_an_unlocked_type_go_together(host, ann, event_id):
    add(host, event_id, code="Half", kind="percent", value=50, unlocks=[2], ticketTypeIds=[1])
    items = [{"ticketTypeId": type_id, "quantity": 1} for type_id in (1, 2)]
    booking = ann.order(event_id, items=items, promoCode="half").json["data"]["booking"]
    assert (booking["discount"], booking["totalPrice"]) == (10, 90)


def answers_to(caller, event_id, type_id, promo_code, **body):
    """Return the statuses and bodies of an order, of one at once above all limits, and a quote."""
    sent = [
        order(caller, event_id, promo_code, type_id=type_id, **body),
        order(caller, event_id, promo_code, type_id=type_id, quantity=9, **body),
        quote(caller, event_id, promo_code, type_id=type_id),
    ]
    return [(answer.status_code, answer.data) for answer in sent]


@pytest.mark.parametrize("promo_code", [None, "Other", "wrong-one", "no code!", "Idle", "Band2"])
def test_without_its_code_a_secret_type_is_an_unknown_one(
    db, host, ann, event_id, code, promo_code
):
    limits = {"minPerBooking": 2, "maxPerBooking": 3, "salesUntil": "2020-01-01T00:00:00Z"}
    host.call("PATCH", f"/events/{event_id}/ticket-types/2", limits)
    add(host, event_id, code="Other")
    add(host, event_id, code="Idle", active=False)
    path = f"/events/{event_id}/ticket-types"
    host.call("POST", path, {**SECRET, "type": "Third"})
    add(host, event_id, **{**UNLOCK, "code": "Band2", "unlocks": [3]})
    told = answers_to(ann, event_id, 2, promo_code)
    assert told == answers_to(ann, event_id, 99, promo_code)
    valid = promo_code in (None, "Other", "Band2")
    expected = b"ticket_type_not_found" if valid else b"promo_not_found"
    assert all(status == 404 and expected in body for status, body in told)


def test_an_inactive_code_is_not_found_whatever_it_unlocked(host, ann, event_id, code):
    assert quote(ann, event_id, "band").status_code == 200
    patch(host, event_id, code, active=False)
    assert answers_to(ann, event_id, 2, "band") == answers_to(ann, event_id, 99, "band")
    refused(order(ann, event_id, "band"), 404, "promo_not_found")
    patch(host, event_id, code, active=True, unlocks=None)
    refused(order(ann, event_id, "band"), 404, "ticket_type_not_found")
    patch(host, event_id, code, unlocks=[2])
    assert order(ann, event_id, "band").status_code == 201


def test_a_code_that_neither_discounts_nor_unlocks_is_not_applicable(ann, event_id, code):
    refused(order(ann, event_id, "band", type_id=1), 409, "promo_not_applicable")
    refused(quote(ann, event_id, "band", type_id=1), 409, "promo_not_applicable")


def test_a_code_is_used_up_for_unlocked_types_too(host, ann, bob, event_id, code):
    patch(host, event_id, code, maxUses=1)
    assert order(ann, event_id, "band").status_code == 201
    refused(order(bob, event_id, "band"), 409, "promo_exhausted")


@pytest.mark.parametrize("unlocks", [[1], [3], [99], [1, 2], [], [0], "2", [True]])
def test_a_code_unlocks_secret_types_of_the_event_alone(host, event_id, unlocks):
    host.call(
        "POST", f"/events/{event_id}/ticket-types", {**SECRET, "type": "C", "visibility": "hidden"}
    )
    body = {**UNLOCK, "unlocks": unlocks}
    answer = host.call("POST", f"/events/{event_id}/promo-codes", body)
    refused(answer, 400, "validation_error")
    code = add(host, event_id, **UNLOCK)
    refused(patch(host, event_id, code, unlocks=unlocks), 400, "validation_error")
    assert codes(host, event_id)[0]["unlocks"] == [2]


def test_a_code_keeps_what_it_unlocks_when_the_type_becomes_public(host, ann, event_id, code):
    path = f"/events/{event_id}/ticket-types/2"
    host.call("PATCH", path, {"visibility": "public"})
    assert patch(host, event_id, code, maxUses=5).status_code == 200
    assert patch(host, event_id, code, unlocks=[2]).status_code == 200
    refused(patch(host, event_id, code, unlocks=[1, 2]), 400, "validation_error")
    assert order(ann, event_id).status_code == 201
    host.call("PATCH", path, {"visibility": "secret"})
    assert codes(host, event_id)[0]["unlocks"] == [2]
    delete(host, event_id, code)
    add(host, event_id, code="Keep", unlocks=[2])
    host.call("POST", f"/events/{event_id}/ticket-types", {**SECRET, "type": "C"})
    more = add(host, event_id, code="More", unlocks=[2, 3])
    host.call("DELETE", f"/events/{event_id}/ticket-types/3")
    assert codes(host, event_id)[-1]["unlocks"] == [2]
    assert more["unlocks"] == [2, 3]


def test_a_place_for_a_secret_type_is_made_by_a_booking_with_its_code(
    app, db, ann, bob, event_id, code
):
    refused(ann.join(event_id, type_id=2), 404, "ticket_type_not_found")
    first = order(ann, event_id, "band", quantity=2).json["data"]["booking"]
    refused(ann.join(event_id, type_id=2), 404, "ticket_type_not_found")
    refused(order(bob, event_id, onShortfall="waitlist"), 404, "ticket_type_not_found")
    placed = order(bob, event_id, "band", onShortfall="waitlist")
    assert placed.status_code == 202, placed.json
    assert ann.cancel(first).status_code == 200
    waitlist_offers.offer_tickets(context_of(app), event_id, later())
    assert bob.call("POST", f"/waitlist/{event_id}/accept", {}).status_code == 200
    assert stock_of(db, event_id, 2) == (1, 1, 0, 0)


def test_an_edit_between_the_look_and_the_take_counts(app, client, db, event_id, code):
    """The take finds that the code no longer unlocks the type, though the look allowed it."""
    inventory = context_of(app).inventory
    take = inventory._taker.take_batch
    done = []

    def edit_then_take(*args):
        if not done:
            edit = {"$unset": {"promoCodes.band.unlocks": ""}, "$inc": {"rev": 1, "terms": 1}}
            done.append(db.events.update_one({"eventId": event_id}, edit).modified_count)
        return take(*args)

    inventory._taker.take_batch = edit_then_take
    try:
        answer = order(Caller(client, app), event_id, "band")
    finally:
        del inventory._taker.take_batch
    assert done == [1]
    refused(answer, 404, "ticket_type_not_found")
    assert stock_of(db, event_id, 2) == (2, 0, 0, 0)
