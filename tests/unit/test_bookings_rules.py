"""Totals, deadlines and parts of bookings, as tables of cases."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.bookings import rules, views

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
EVENT = {
    "eventId": 7,
    "title": "Show",
    "organizerId": None,
    "ticketTypes": [
        {"ticketTypeId": 1, "type": "A", "price": 19.99},
        {"ticketTypeId": 4, "type": "B", "price": 5},
    ],
}
ENTRY = {
    "scheduleId": 3,
    "date": datetime(2026, 6, 1, tzinfo=UTC),
    "timezone": "Europe/Athens",
    "location": "Volos",
    "moves": 2,
}
whole_cents = st.integers(0, 100_000_000)


def booking(taken, discounts=None, **changes):
    made = rules.build_booking(
        "id",
        reference="EVT-AAAAAA",
        user_id="user",
        event=EVENT,
        schedule_entry=ENTRY,
        taken=taken,
        discounts=discounts,
        currency="EUR",
        hold_until=None,
        now=NOW,
    )
    return {**made, **changes}


@pytest.mark.parametrize(
    ("cents", "amount"), [(0, 0), (1, 0.01), (100, 1), (1999, 19.99), (30, 0.3), (10**9, 10**7)]
)
def test_an_amount_is_an_int_if_it_is_whole(cents, amount):
    assert rules.from_cents(cents) == amount
    assert isinstance(rules.from_cents(cents), int) == (cents % 100 == 0)
    assert rules.to_cents(amount) == cents


@given(whole_cents)
def test_cents_survive_the_conversion_to_an_amount(cents):
    assert rules.to_cents(rules.from_cents(cents)) == cents


@given(whole_cents, st.integers(1, 10_000))
def test_a_total_is_exact(cents, quantity):
    event = {"ticketTypes": [{"ticketTypeId": 1, "type": "A", "price": rules.from_cents(cents)}]}
    sums = rules.sum_items(rules.price_items(event, {1: quantity}))
    assert sums["totalCents"] == cents * quantity
    assert rules.to_cents(sums["totalPrice"]) == cents * quantity


def test_a_new_booking_adds_up_its_items():
    made = booking({1: 3, 4: 1})
    assert (made["status"], made["expiresAt"], made["active"]) == ("confirmed", None, True)
    assert (made["quantity"], made["totalPrice"], made["totalCents"]) == (4, 64.97, 6497)
    assert [item["subtotal"] for item in made["items"]] == [59.97, 5]
    assert rules.collect_quantities(made["items"]) == {1: 3, 4: 1}


def test_a_new_booking_subtracts_its_discounts():
    made = booking({1: 3, 4: 1}, discounts={1: 150})
    assert [(i["discount"], i["total"]) for i in made["items"]] == [(4.5, 55.47), (0, 5)]
    assert (made["totalPrice"], made["totalCents"], made["discountCents"]) == (60.47, 6047, 450)
    shown = views.render_booking(made)
    assert (shown["subtotal"], shown["discount"], shown["totalPrice"]) == (64.97, 4.5, 60.47)


def test_a_booking_from_before_there_were_discounts_shows_none():
    old = booking({1: 3})
    del old["discountCents"]
    old["items"] = [{k: v for k, v in old["items"][0].items() if k not in ("discount", "total")}]
    assert views.render_booking(old) == views.render_booking(booking({1: 3}))
    assert rules.split_items(old["items"], 2)[0][0]["total"] == 39.98


def test_the_part_of_an_item_keeps_the_discount_of_its_tickets():
    made = booking({1: 3, 4: 2}, discounts={1: 333, 4: 500})
    totals = rules.sum_items(rules.split_items(made["items"], 4)[0])
    assert (totals["discountCents"], totals["totalCents"]) == (3 * 333 + 500, 3 * (1999 - 333))


def test_the_view_hides_internal_fields():
    shown = views.render_booking(booking({1: 1}))
    assert tuple(shown) == views.VIEW_FIELDS
    assert shown["date"] == "2026-06-01"
    assert not {"active", "slot", "totalCents", "organizerId", "restock", "due"} & shown.keys()


def test_a_new_booking_copies_its_schedule_entry():
    made = booking({1: 1})
    assert (made["scheduleId"], made["bookedMoves"], made["copiedMoves"]) == (3, 2, 2)
    assert (made["date"], made["location"]) == (ENTRY["date"], "Volos")
    assert (made["timezone"], made["startsAt"], made["endsAt"]) == ("Europe/Athens", None, None)


@pytest.mark.parametrize(("cents", "amount"), [(5997, 59.97), (1999, 19.99), (2000, 20), (0, 0)])
def test_a_refund_is_of_whole_cents_and_not_paid_yet(cents, amount):
    refund = rules.build_refund(cents, "EUR", "cancelled", NOW)
    assert refund == {
        "amount": amount,
        "currency": "EUR",
        "reason": "cancelled",
        "refundedAt": NOW,
    }


@pytest.mark.parametrize(
    ("quantity", "kept", "returned"),
    [
        (1, {1: 1}, {1: 2, 4: 2}),
        (3, {1: 3}, {4: 2}),
        (4, {1: 3, 4: 1}, {4: 1}),
        (5, {1: 3, 4: 2}, {}),
        (99, {1: 3, 4: 2}, {}),
    ],
)
def test_items_are_split_at_a_quantity(quantity, kept, returned):
    items, back = rules.split_items(booking({1: 3, 4: 2})["items"], quantity)
    assert (rules.collect_quantities(items), back) == (kept, returned)
    assert all(
        rules.to_cents(item["subtotal"]) == rules.to_cents(item["unitPrice"]) * item["quantity"]
        for item in items
    )
