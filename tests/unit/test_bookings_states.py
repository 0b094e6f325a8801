"""Held and confirmed bookings, their pending notifications, refunds and cancelled tickets."""

from datetime import UTC, datetime, timedelta

import pytest

from eventapp.bookings import rules, transitions

NOW = datetime(2026, 5, 20, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EVENT = {
    "eventId": 7,
    "title": "Show",
    "organizerId": "olga",
    "ticketTypes": [{"ticketTypeId": 1, "type": "A", "price": 19.99}],
}
ENTRY = {
    "scheduleId": 3,
    "date": datetime(2026, 6, 1, tzinfo=UTC),
    "timezone": "Europe/Athens",
    "location": "Volos",
    "startsAt": NOW,
    "endsAt": NOW + SECOND,
    "overAt": NOW + SECOND,
    "moves": 2,
}


def build(taken=None, **more):
    return rules.build_booking(
        "b",
        reference="EVT-AAAAAA",
        user_id="ann",
        event=EVENT,
        schedule_entry=ENTRY,
        taken=taken or {1: 2},
        currency="EUR",
        now=NOW,
        **{"hold_until": None, **more},
    )


CONFIRMED = {
    "_id": "b",
    "bookingReference": "EVT-AAAAAA",
    "userId": "ann",
    "eventId": 7,
    "eventTitle": "Show",
    "organizerId": "olga",
    "scheduleId": 3,
    "date": ENTRY["date"],
    "location": "Volos",
    "timezone": "Europe/Athens",
    "startsAt": NOW,
    "endsAt": NOW + SECOND,
    "bookedMoves": 2,
    "copiedMoves": 2,
    "items": [
        {
            "ticketTypeId": 1,
            "type": "A",
            "quantity": 2,
            "unitPrice": 19.99,
            "subtotal": 39.98,
            "discount": 0,
            "total": 39.98,
        }
    ],
    "quantity": 2,
    "totalPrice": 39.98,
    "totalCents": 3998,
    "discountCents": 0,
    "currency": "EUR",
    "status": "confirmed",
    "active": True,
    "slot": "direct",
    "expiresAt": None,
    "createdAt": NOW,
    "updatedAt": NOW,
    "cancelledAt": None,
    "refund": None,
    "holderIsShown": True,
}


def test_a_booking_without_a_hold_is_confirmed_and_its_holder_is_to_be_notified():
    notified = {"tell": {"booking_confirmed": NOW}, "tellAt": NOW}
    assert build() == {**CONFIRMED, **notified}
    assert build(promo_code="Spring") == {**CONFIRMED, **notified, "promoCode": "Spring"}


def test_the_copy_of_a_schedule_entry_says_how_often_it_was_moved():
    copied = ("scheduleId", "date", "location", "timezone", "startsAt", "endsAt")
    assert rules.copy_entry(ENTRY) == {**{name: ENTRY[name] for name in copied}, "copiedMoves": 2}


def test_a_hold_ends_and_nobody_is_notified_of_it():
    held = build(hold_until=NOW + SECOND)
    assert held == {**CONFIRMED, "status": "held", "expiresAt": NOW + SECOND}
    assert rules.is_open_hold(held, NOW)
    assert not rules.is_open_hold(held, NOW + SECOND)
    assert not rules.is_open_hold({**held, "status": "confirmed"}, NOW)
    assert not rules.is_open_hold(build(), NOW)


def test_attendees_get_the_tickets_of_their_type_in_order():
    attendees = {1: [{"name": "Zoe"}, None, {"name": "Yan"}, {"name": "Xia"}], 2: [{"name": "W"}]}
    assert build({1: 3}, attendees=attendees)["attendees"] == {
        "1-1": {"name": "Zoe"},
        "1-3": {"name": "Yan"},
    }
    assert "attendees" not in build({1: 1}, attendees={1: [None]})
    assert "attendees" not in build({1: 1}, attendees={2: [{"name": "W"}]})


def test_a_quote_shows_the_price_of_each_item_and_what_all_cost():
    items = rules.price_items(EVENT, {1: 2}, {1: 100})
    shown = {key: value for key, value in items[0].items() if key != "type"}
    assert rules.build_quote(items, "EUR") == {
        "items": [shown],
        "subtotal": 39.98,
        "discount": 2,
        "total": 37.98,
        "currency": "EUR",
    }


def test_a_notification_is_added_beside_others_of_the_booking():
    fields = rules.build_pending_notification_fields("booking_cancelled", NOW)
    assert fields == {"tell.booking_cancelled": NOW, "tellAt": NOW}
    assert rules.build_pending_notification_fields(None, NOW) == {}
    assert rules.get_pending_notifications(build()) == {"booking_confirmed": NOW}


@pytest.mark.parametrize(
    ("kind", "status", "is_worth"),
    [
        ("waitlist_offer", "held", True),
        ("waitlist_offer", "confirmed", False),
        ("waitlist_offer", "expired", False),
        ("booking_confirmed", "cancelled", True),
    ],
)
def test_an_offer_is_worth_a_notification_while_it_is_open(kind, status, is_worth):
    assert rules.is_worth_notifying(kind, {**CONFIRMED, "status": status}) is is_worth


def cancel(*places, **more):
    return {"places": list(places), **more}


def test_a_notification_of_cancelled_tickets_tells_of_its_cancellation():
    first, second = cancel("1-1"), cancel("1-2")
    booking = {**CONFIRMED, "cancellations": [first, second]}
    for number, cancellation in ((1, first), (2, second)):
        kind = rules.make_cancellation_kind(number)
        assert rules.find_notified_cancellation(booking, kind) == cancellation
    assert rules.find_notified_cancellation(booking, "booking_cancelled") is None


def test_a_cancellation_left_the_tickets_that_later_ones_have_cancelled_too():
    first, second = cancel("1-1"), cancel("1-2", "1-3")
    booking = {**CONFIRMED, "quantity": 4, "cancellations": [first, second]}
    assert rules.count_left_after(booking, first) == 6
    assert rules.count_left_after(booking, second) == 4
    ended = {**booking, "cancellations": [first, second, cancel("1-4", ended=True)]}
    assert rules.count_left_after(ended, first) == 6


def test_offers_are_no_direct_bookings():
    offer = {**CONFIRMED, "slot": "offer-1"}
    assert not rules.has_direct_booking([])
    assert not rules.has_direct_booking([offer])
    assert rules.has_direct_booking([offer, CONFIRMED])


def test_a_move_is_pending_until_it_is_recorded_as_applied():
    move = {"key": "give-b", "changes": [], "reason": "cancelled"}
    assert rules.get_pending_move({**CONFIRMED, "restock": "due", "due": move}) == move
    assert rules.get_pending_move({**CONFIRMED, "restock": "done", "due": move}) is None
    assert rules.get_pending_move(CONFIRMED) is None


def test_the_refunds_of_a_booking_are_those_of_its_parts_and_of_its_end():
    part, last = {"amount": 1}, {"amount": 2}
    parts = [cancel("1-1", refund=part), cancel("1-2", refund=None)]
    assert rules.list_refunds(CONFIRMED) == []
    assert rules.list_refunds({**CONFIRMED, "refund": last}) == [last]
    assert rules.list_refunds({**CONFIRMED, "refund": last, "cancellations": parts}) == [part, last]


@pytest.mark.parametrize(
    ("reason", "is_paid_in_request"),
    [("cancelled", True), ("part_cancelled", True), ("event_cancelled", False)],
)
def test_the_worker_pays_a_refund_at_once_unless_the_request_does(reason, is_paid_in_request):
    wait = rules.REQUEST_TIME if is_paid_in_request else 0 * SECOND
    assert rules.find_refund_due_time(reason, NOW) == NOW + wait


LATER = NOW + timedelta(minutes=1)
PAID = {"state": "succeeded", "revision": 1, "attempts": []}


def end(booking, status="cancelled", reason="cancelled"):
    return transitions.build_end_fields(booking, status, reason, LATER)


def test_a_free_booking_that_is_cancelled_returns_its_tickets_and_has_no_refund():
    fields = end({**build(), "totalCents": 0, "promoCode": "Spring"})
    assert fields["due"] == {
        "key": "give-b",
        "changes": [[1, {"availableTickets": 2, "soldTickets": -2}]],
        "reason": "cancelled",
        "code": "spring",
    }
    assert (fields["status"], fields["active"], fields["restock"]) == ("cancelled", False, "due")
    assert (fields["updatedAt"], fields["cancelledAt"], fields["expiresAt"]) == (LATER, LATER, None)
    assert (fields["tell.booking_cancelled"], fields["tellAt"]) == (LATER, LATER)
    assert not {"refund", "refundDueAt", "payment", "reconcileAt"} & fields.keys()


def test_a_hold_that_expires_keeps_its_time_and_its_open_payment_is_asked_about():
    held = build(hold_until=NOW)
    fields = end(held, "expired", "expired")
    assert fields["due"]["changes"] == [[1, {"availableTickets": 2, "heldTickets": -2}]]
    assert (fields["status"], fields["expiresAt"]) == ("expired", NOW)
    assert (fields["tell.booking_expired"], fields["tellAt"]) == (LATER, LATER)
    assert not {"cancelledAt", "refund", "reconcileAt"} & fields.keys()


def test_a_booking_that_has_ended_before_returns_its_tickets_by_another_move():
    again = {**build(), "totalCents": 0, "retakenBy": "attempt"}
    assert end(again)["due"]["key"] == "give-retaken-b"


def test_the_refund_of_a_cancelled_booking_is_of_what_it_has_left():
    paid = {**build(), "payment": PAID}
    fields = end(paid, reason="event_cancelled")
    refund = {"amount": 39.98, "currency": "EUR", "reason": "event_cancelled", "refundedAt": LATER}
    assert (fields["refund"], fields["refundDueAt"]) == (refund, LATER)
    assert fields["payment"]["revision"] > PAID["revision"]
    assert fields["payment"]["state"] == "refunding"
