"""Places of tickets, and what a cancellation leaves of a booking, as tables of cases."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventapp.bookings import rules, ticket_places, transitions, views
from eventapp.tickets import rules as tickets

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)


def item(type_id, quantity, price=20, discount=0, **changes):
    return {
        "ticketTypeId": type_id,
        "type": f"Type {type_id}",
        "quantity": quantity,
        "unitPrice": price,
        "subtotal": rules.from_cents(rules.to_cents(price) * quantity),
        "discount": rules.from_cents(rules.to_cents(discount) * quantity),
        "total": rules.from_cents(rules.to_cents(price - discount) * quantity),
        **changes,
    }


def booking(*items, cancelled=(), **changes):
    totals = rules.sum_items(items)
    parts = [{"places": list(places), "refund": None} for places in cancelled]
    return {
        "_id": "b",
        "status": "confirmed",
        "active": True,
        "refund": None,
        "date": NOW,
        **totals,
        **({"cancellations": parts} if parts else {}),
        **changes,
    }


@pytest.mark.parametrize(
    ("items", "cancelled", "places"),
    [
        ([item(1, 3)], [], ["1-1", "1-2", "1-3"]),
        ([item(1, 1), item(12, 2)], [], ["1-1", "12-1", "12-2"]),
        ([item(1, 2, issued=3)], [["1-2"]], ["1-1", "1-3"]),
        ([item(1, 1, issued=4)], [["1-4", "1-3"], ["1-1"]], ["1-2"]),
        ([item(2, 2)], [["1-1", "1-2"]], ["2-1", "2-2"]),
        ([item(1, 1), item(11, 1, issued=2)], [["11-1"]], ["1-1", "11-2"]),
    ],
)
def test_the_places_that_are_left_keep_their_numbers(items, cancelled, places):
    made = booking(*items, cancelled=cancelled)
    assert ticket_places.list_places(made) == places
    assert [ticket.local_id for ticket, _ in tickets.iter_tickets(made)] == places


@pytest.mark.parametrize(
    ("items", "places", "left"),
    [
        ([item(1, 3)], ["1-3"], [item(1, 2, issued=3)]),
        ([item(1, 2, issued=3)], ["1-1"], [item(1, 1, issued=3)]),
        ([item(1, 2), item(2, 3)], ["1-1", "1-2"], [item(2, 3)]),
        ([item(1, 2), item(2, 3)], ["2-2", "1-2"], [item(1, 1, issued=2), item(2, 2, issued=3)]),
        ([item(1, 3, 19.99, 2.5)], ["1-2"], [item(1, 2, 19.99, 2.5, issued=3)]),
        ([item(1, 2)], ["1-1", "1-2"], []),
    ],
)
def test_what_is_left_has_its_quantity_and_price(items, places, left):
    totals = ticket_places.subtract_places(booking(*items), places)
    assert totals == rules.sum_items(left)


@given(
    price=st.integers(0, 100_000),
    discount=st.integers(0, 100_000),
    parts=st.lists(st.integers(1, 5), min_size=2, max_size=6),
)
def test_the_parts_cost_together_what_was_paid(price, discount, parts):
    """However the tickets are cancelled one after the other, nothing is lost to rounding."""
    unit, off = rules.from_cents(price), rules.from_cents(min(price, discount))
    now = booking(item(1, sum(parts), unit, off))
    paid, back = now["totalCents"], 0
    for quantity in parts[:-1]:
        places = ticket_places.list_places(now)[-quantity:]
        left = ticket_places.subtract_places(now, places)
        back += now["totalCents"] - left["totalCents"]
        earlier = [each["places"] for each in now.get("cancellations", [])]
        now = booking(*left["items"], cancelled=[*earlier, places])
    assert back + now["totalCents"] == paid
    assert now["quantity"] == parts[-1]


@pytest.mark.parametrize(
    ("ticket_id", "place"),
    [("b-1-2", "1-2"), ("b-12-34", "12-34"), ("c-1-2", ""), ("bb-1-2", ""), ("", "")],
)
def test_a_ticket_of_another_booking_has_no_place(ticket_id, place):
    assert ticket_places.parse_place(booking(item(1, 2)), ticket_id) == place


def refund(amount, refund_id=None, reason="part_cancelled"):
    paid = {"refundId": refund_id} if refund_id else {}
    return {"amount": amount, "currency": "EUR", "reason": reason, "refundedAt": NOW, **paid}


def with_refunds(*parts, last=None, ended=False):
    cancellations = [{"places": [f"1-{n}"], "refund": one} for n, one in enumerate(parts, start=1)]
    if ended:
        cancellations.append({"places": ["1-9"], "refund": None, "ended": True})
    return booking(item(1, 1), cancellations=cancellations, refund=last)


@pytest.mark.parametrize(
    ("made", "total"),
    [
        (booking(item(1, 1)), None),
        (with_refunds(None), None),
        (with_refunds(refund(5, "r")), refund(5, "r")),
        (with_refunds(refund(5)), refund(5)),
        (with_refunds(refund(0.1, "r"), None, refund(0.2, "s")), refund(0.3, "s")),
        (with_refunds(refund(5, "r"), refund(5)), refund(10)),
        (with_refunds(refund(5), refund(5, "s")), refund(10)),
        (
            with_refunds(refund(5, "r"), last=refund(7.5, "s", "cancelled")),
            refund(12.5, "s", "cancelled"),
        ),
    ],
)
def test_the_refund_of_a_booking_is_the_sum_and_paid_once_all_are_paid(made, total):
    assert views.sum_refunds(made) == total


def test_each_refund_names_its_tickets():
    made = with_refunds(refund(5, "r"), None, refund(5, "s"), last=refund(7, "t", "cancelled"))
    listed = views.list_refunds(made)
    assert [each.get("ticketIds") for each in listed] == [["b-1-1"], ["b-1-3"], None]
    made = with_refunds(refund(5, "r"), last=refund(7, "t", "cancelled"), ended=True)
    assert [each["ticketIds"] for each in views.list_refunds(made)] == [["b-1-1"], ["b-1-9"]]
    assert "ticketIds" not in made["refund"]


def pay(made, *attempts):
    """Return a booking with these attempts to pay for it."""
    return {**made, "payment": {"state": "succeeded", "revision": 1, "attempts": [*attempts]}}


def attempt(attempt_id, state="succeeded", **fields):
    return {"attemptId": attempt_id, "provider": "p", "cents": 2000, "state": state, **fields}


def test_unpaid_refunds_have_keys_that_differ():
    made = with_refunds(refund(5), refund(5, "paid"), None, refund(3), last=refund(7))
    given_up = attempt("a", refund=refund(20, reason="paid_twice"))
    made = pay(made, given_up, attempt("b", "cancelled"), attempt("c"))
    unpaid = ticket_places.list_unpaid_refunds(made)
    assert [(each.path, each.attempt["attemptId"], each.key) for each in unpaid] == [
        ("", "a", "a"),
        ("cancellations.0.refund", "c", "c-1"),
        ("cancellations.3.refund", "c", "c-4"),
        ("refund", "c", "c"),
    ]
    assert [each.key for each in ticket_places.list_paid_refunds(made)] == ["c-2"]


def test_a_refund_that_came_back_is_paid_under_another_key():
    made = pay(with_refunds(last={**refund(7), "returns": 2}), attempt("c"))
    assert [each.key for each in ticket_places.list_unpaid_refunds(made)] == ["c-again2"]


def test_a_booking_without_money_has_no_refund_to_pay():
    made = with_refunds(refund(0), last=refund(7))
    assert ticket_places.list_unpaid_refunds(made) == []
    assert ticket_places.list_unpaid_refunds(pay(made, attempt("c", "cancelled"))) == []
    assert ticket_places.list_unpaid_refunds(pay(with_refunds(refund(0)), attempt("c"))) == []


@pytest.mark.parametrize("parts", [[], [refund(20)], [refund(20), None, refund(20)]])
def test_the_end_of_a_booking_refunds_what_the_parts_have_not(parts):
    made = pay(with_refunds(*parts), attempt("c", cents=2000 + 2000 * len(parts)))
    fields = transitions._build_refund_fields({**made, "currency": "EUR"}, "cancelled", NOW)
    assert fields["refund"]["amount"] == 20
    assert fields["payment"]["state"] == "refunding"
