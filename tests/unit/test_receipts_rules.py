"""Which bookings have a receipt, and how its texts are written."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from bson import ObjectId

from eventapp.bookings.service import list_issued_items
from eventapp.core.translations import get_translator
from eventapp.receipts import rules
from eventapp.receipts.types import RefundFact

AT = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)
ENGLISH = get_translator("en")
ATHENS = ZoneInfo("Europe/Athens")
REFUND = {"amount": 20, "currency": "EUR", "reason": "cancelled", "refundedAt": AT}
OPENING, ENDED = {"kind": "opening", "bookings": 0}, {"kind": "cancelled", "bookings": -1}
PAID = {"provider": "mock", "state": "succeeded", "succeededAt": AT}
VOID = {**PAID, "voidAt": AT}
PAYMENT = {"payment": {"attempts": [PAID]}}
LATE = {**REFUND, "reason": "hold_expired"}
SOLD, HELD = {"kind": "sold", "bookings": 1}, {"kind": "held", "bookings": 0}


def item(type_id=1, quantity=1, price=20, discount=0, **more):
    subtotal = price * quantity
    return {
        "ticketTypeId": type_id,
        "type": f"Type {type_id}",
        "quantity": quantity,
        "unitPrice": price,
        "subtotal": subtotal,
        "discount": discount,
        "total": subtotal - discount,
        **more,
    }


@pytest.mark.parametrize(
    ("booking", "expected"),
    [
        ({"status": "confirmed"}, True),
        ({"status": "held", "entries": [HELD]}, False),
        ({"status": "expired", "entries": [HELD, HELD]}, False),
        ({"status": "cancelled", "entries": [SOLD, ENDED]}, True),
        ({"status": "cancelled", "entries": [HELD, HELD], "refund": REFUND}, False),
        # Stored before bookings had entries, and cancelled after that, or before.
        ({"status": "cancelled", "entries": [{**SOLD, "kind": "opening"}, ENDED]}, True),
        ({"status": "cancelled", "entries": [OPENING], "refund": REFUND, **PAYMENT}, True),
        ({"status": "cancelled", "entries": [OPENING]}, False),
        ({"status": "cancelled"}, False),
        ({"status": "expired", "refund": LATE, **PAYMENT}, False),
        ({"status": "cancelled", "refund": REFUND, **PAYMENT}, True),
        ({"status": "cancelled", "refund": REFUND, "payment": {"attempts": [VOID]}}, False),
    ],
)
def test_only_what_was_confirmed_was_paid(booking, expected):
    assert rules.was_confirmed({"refund": None, **booking}) is expected


def test_the_payment_is_the_attempt_that_succeeded_and_was_not_given_up():
    later = AT.replace(year=2027)
    attempts = [
        {"provider": "a", "state": "refused", "begunAt": AT},
        {"provider": "b", "state": "succeeded", "succeededAt": AT, "voidAt": AT},
        {"provider": "c", "state": "succeeded", "succeededAt": later},
    ]
    booking = {"createdAt": AT, "payment": {"state": "succeeded", "attempts": attempts}}
    assert rules.find_payment(booking) == {"provider": "c", "paidAt": later}


def test_refunds_of_money_that_the_receipt_does_not_count_are_left_out():
    reasons = ("cancelled", "part_cancelled", "event_cancelled", "hold_expired", "paid_twice")
    assert [rules.is_for_tickets(reason) for reason in reasons] == [True] * 3 + [False] * 2


@pytest.mark.parametrize(
    ("cents", "text"),
    [
        (0, "0.00"),
        (5, "0.05"),
        (1234567890, "12,345,678.90"),
        (-5, "−0.05"),
        (-200000, "−2,000.00"),
    ],
)
def test_amounts_have_two_decimals(cents, text):
    assert rules.format_cents(cents) == text


def test_numbers_sort_as_texts():
    assert rules.format_number({"year": 2026, "number": 17}) == "2026-000017"
    assert rules.format_number({"year": 2026, "number": 1234567}) == "2026-1234567"


@pytest.mark.parametrize(
    ("starts_at", "zone", "text"),
    [
        (None, None, "2027-06-15"),
        (None, "Europe/Athens", "2027-06-15"),
        (
            datetime(2027, 6, 15, 17, 30, tzinfo=UTC),
            "Europe/Athens",
            "2027-06-15, 20:30 (Europe/Athens)",
        ),
    ],
)
def test_the_time_of_the_event_is_in_its_zone(starts_at, zone, text):
    day = datetime(2027, 6, 15, tzinfo=UTC)
    entry = {"date": day, "startsAt": starts_at, "timezone": zone, "location": "Volos"}
    assert rules.format_entry(entry) == text


def receipt_of(**changes):
    day = datetime(2027, 6, 15, tzinfo=UTC)
    return {
        "_id": ObjectId(),
        "organizerId": None,
        "year": 2027,
        "number": 1,
        "issuedAt": AT,
        "seller": "Odeon",
        "userId": ObjectId(),
        "buyer": "Ann",
        "bookingReference": "EVT-ABCDEF",
        "eventId": 1,
        "eventTitle": "A",
        "entry": {"date": day, "startsAt": None, "timezone": None, "location": "Volos"},
        "items": [],
        "subtotalCents": 5000,
        "discountCents": 0,
        "totalCents": 5000,
        "currency": "EUR",
        "payment": {"provider": None, "paidAt": AT},
        **changes,
    }


def test_dates_are_in_the_default_zone_and_refunds_reduce_what_remains():
    refunds = [RefundFact(AT, 1, 2000, True), RefundFact(AT, 2, 3000, False)]
    printed = rules.compose_receipt(receipt_of(), refunds, ATHENS, ENGLISH, shows_buyer=True)
    facts = dict(printed.facts)
    assert facts["Date"] == facts["Paid"] == "2027-01-01"
    assert "Seller ID" not in facts
    assert [tuple(refund) for refund in printed.refunds] == [
        ("2027-01-01", "1 ticket", "paid", "−20.00"),
        ("2027-01-01", "2 tickets", "to be paid", "−30.00"),
    ]
    assert (printed.refunded, printed.remaining) == ("−50.00 EUR", "0.00 EUR")


def test_the_buyer_is_left_out_for_others_and_after_an_erasure():
    for buyer, shows_buyer in (("Ann", False), (None, True)):
        receipt = receipt_of(buyer=buyer)
        printed = rules.compose_receipt(receipt, [], ATHENS, ENGLISH, shows_buyer=shows_buyer)
        assert "Buyer" not in dict(printed.facts)


def test_issued_items_include_those_of_cancelled_tickets():
    left = [item(1, 2, discount=4, issued=3), item(3, 1)]
    cancellations = [
        {"places": ["1-3"], "refund": REFUND, "items": [item(1, 1, discount=2)]},
        {"places": ["2-2"], "refund": REFUND, "items": [item(2, 1, price=30, discount=5)]},
        {"places": ["2-1"], "refund": REFUND, "items": [item(2, 1, price=30, discount=5)]},
        {"places": ["1-1", "1-2", "3-1"], "refund": None, "ended": True, "items": left},
    ]
    issued = list_issued_items({"items": left, "cancellations": cancellations})
    assert issued == [item(1, 3, discount=6), item(3, 1), item(2, 2, price=30, discount=10)]


def test_issued_items_of_older_versions_have_no_discount():
    old = {name: value for name, value in item().items() if name not in ("discount", "total")}
    assert list_issued_items({"items": [old]}) == [item()]
