"""The entries of bookings: one for each change of tickets or money."""

from contextlib import nullcontext
from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import (
    event_closing,
    offer_answers,
    partial_cancellations,
    transitions,
    waitlist_offers,
)
from eventapp.bookings.context import BOOKING_CONTEXT
from eventapp.bookings.errors import HoldExpired, PaymentFailed
from eventapp.bookings.payments import reconciliation, refunds
from eventapp.core.clock import utc_now
from eventapp.payments.provider import ProviderPayment
from eventapp.payments.providers import Providers
from tests.bookings_factories import RecordingProvider, changed, confirm_booking, event_of
from tests.race import kit

NAMES = ("kind", "bookings", "held", "sold", "cents", "paid")
LATER = timedelta(minutes=11)
ERRORS = (HoldExpired, PaymentFailed)


@pytest.fixture
def context(app, db, clean_inventory):
    return kit.another_process(BOOKING_CONTEXT.get(app))


@pytest.fixture
def event(db):
    return db.events.find_one({"eventId": event_of(db, 10)})


def entries_of(db, booking_id):
    """Return the entries of a booking as tuples of NAMES."""
    booking = db.bookings.find_one({"_id": booking_id})
    assert booking["ledgerDue"] is True
    assert kit.find_wrong_entries(db) == []
    return [tuple(entry[name] for name in NAMES) for entry in booking["entries"]]


SOLD = ("sold", 1, 0, 2, 4000, 4000)
HELD = ("held", 0, 2, 0, 0, 0)
CONFIRMED = ("confirmed", 1, -2, 2, 4000, 4000)
REFUNDED = ("refunded", 0, 0, 0, 0, -4000)


def test_a_sale_that_is_cancelled_and_refunded(context, db, event):
    user = kit.attendee()
    id_ = kit.booking_id(kit.book(context, event, 2, user=user.user_id))
    assert entries_of(db, id_) == [SOLD]
    transitions.cancel_booking(context, id_, user, utc_now())
    assert entries_of(db, id_) == [SOLD, ("cancelled", -1, 0, -2, -4000, 0), REFUNDED]


def add_code(db):
    """Add a promo code that halves all prices."""
    code = {"codeId": 1, "code": "Half", "kind": "percent", "value": 5_000}
    code |= {"active": True, "used": 0, "taken": False}
    db.events.update_one({}, {"$set": {"promoCodes": {"half": code}}, "$inc": {"terms": 1}})


def discounts_of(db, booking_id):
    booking = db.bookings.find_one({"_id": booking_id})
    assert kit.find_wrong_entries(db) == []
    return [(each["kind"], each.get("discount")) for each in booking["entries"]]


def test_entries_have_the_discount_of_confirmed_tickets(context, db, event):
    add_code(db)
    user, now = kit.attendee(), utc_now()
    id_ = kit.booking_id(
        kit.book(context, event, 3, user=user.user_id, promo_code="half", hold=True, now=now)
    )
    confirm_booking(context, id_, user, now)
    one = partial_cancellations.CancellationRequest({1: 1}, (), None)
    partial_cancellations.cancel_tickets(context, id_, one, user, now)
    transitions.cancel_booking(context, id_, user, now)
    assert [each for each in discounts_of(db, id_) if each[0] != "refunded"] == [
        ("held", 0),
        ("confirmed", 3000),
        ("part_cancelled", -1000),
        ("cancelled", -2000),
    ]


def test_entries_of_an_older_version_have_no_discount(context, db, event):
    add_code(db)
    user, now = kit.attendee(), utc_now()
    id_ = kit.booking_id(kit.book(context, event, 3, user=user.user_id, promo_code="half", now=now))
    db.bookings.update_one({"_id": id_}, {"$unset": {"entries.0.discount": ""}})
    transitions.cancel_booking(context, id_, user, now)
    assert discounts_of(db, id_)[:2] == [("sold", None), ("cancelled", 0)]


def test_a_hold_that_is_paid_or_expires(context, db, event):
    user, now = kit.attendee(), utc_now()
    paid, over = (
        kit.booking_id(kit.book(context, event, 2, user=id_, hold=True, now=now))
        for id_ in (user.user_id, ObjectId())
    )
    confirm_booking(context, paid, user, now)
    assert waitlist_offers.expire_holds(context, now + LATER) == 1
    assert entries_of(db, paid) == [HELD, CONFIRMED]
    assert entries_of(db, over) == [HELD, ("expired", 0, -2, 0, 0, 0)]


def test_an_offer_of_which_a_part_is_accepted(context, db, event):
    holder, waiting, now = kit.attendee(), kit.attendee(), utc_now()
    sold = kit.booking_id(kit.book(context, event, 10, user=holder.user_id))
    kit.book(context, event, 3, user=waiting.user_id, on_shortfall="waitlist")
    waitlist_offers.cancel_and_offer(context, sold, holder, now)
    offer = db.bookings.find_one({"userId": waiting.user_id})["_id"]
    confirm_booking(context, offer, waiting, now, quantity=1)
    assert entries_of(db, offer) == [
        ("held", 0, 3, 0, 0, 0),
        ("part_declined", 0, -2, 0, 0, 0),
        ("confirmed", 1, -1, 1, 2000, 2000),
    ]


def test_an_offer_that_is_declined(context, db, event):
    holder, waiting, now = kit.attendee(), kit.attendee(), utc_now()
    sold = kit.booking_id(kit.book(context, event, 10, user=holder.user_id))
    kit.book(context, event, 3, user=waiting.user_id, on_shortfall="waitlist")
    waitlist_offers.cancel_and_offer(context, sold, holder, now)
    offer_answers.leave_waitlist(context, event["eventId"], waiting, now)
    offer = db.bookings.find_one({"userId": waiting.user_id})["_id"]
    assert entries_of(db, offer) == [("held", 0, 3, 0, 0, 0), ("declined", 0, -3, 0, 0, 0)]


def test_bookings_of_a_cancelled_event(context, db, event):
    sold = kit.booking_id(kit.book(context, event, 2))
    held = kit.booking_id(kit.book(context, event, 2, hold=True))
    event_closing.end_all_bookings(context, event["eventId"], "event_cancelled", utc_now())
    refunds.pay_due_refunds(context, utc_now())
    ended = ("event_cancelled", -1, 0, -2, -4000, 0)
    assert entries_of(db, sold) == [SOLD, ended, REFUNDED]
    assert entries_of(db, held) == [HELD, ("event_cancelled", 0, -2, 0, 0, 0)]


class ForgetfulProvider(RecordingProvider):
    """Says that a payment is cancelled that has succeeded, so only the request learns of it."""

    def cancel(self, attempt):
        seen = super().cancel(attempt)
        return ProviderPayment(seen.provider_id, "cancelled")


CHARGED = ("charged", 0, 0, 0, 0, 4000)


@pytest.mark.parametrize(
    ("make_provider", "moment", "is_charged"),
    [
        (RecordingProvider, "before", False),
        (RecordingProvider, "after", True),
        (ForgetfulProvider, "after", True),
    ],
)
@pytest.mark.parametrize("is_sold_out", [False, True])
def test_a_hold_that_ends_during_its_charge(
    context, db, event, make_provider, moment, is_charged, is_sold_out
):
    user, now, provider = kit.attendee(), utc_now(), make_provider()
    held = kit.booking_id(kit.book(context, event, 2, user=user.user_id, hold=True, now=now))

    def expire():
        provider.before = provider.after = lambda: None
        assert waitlist_offers.expire_holds(context, now + LATER) == 1
        if is_sold_out:
            kit.book(context, event, 9, hold=True)
        reconciliation.reconcile_payments(context, now + 2 * LATER)
        refunds.pay_due_refunds(context, now + 2 * LATER)  # The job has a clock that goes on.

    expected = nullcontext() if is_charged and not is_sold_out else pytest.raises(ERRORS)
    with (
        changed(context, payments=Providers(provider)),
        changed(provider, **{moment: expire}),
        expected,
    ):
        confirm_booking(context, held, user, now)
    outcome = REFUNDED if is_sold_out else ("retaken", 1, 0, 2, 4000, 0)
    money = [CHARGED, outcome] if is_charged else []
    assert entries_of(db, held) == [HELD, ("expired", 0, -2, 0, 0, 0), *money]
    assert provider.balance == (4000 if is_charged and not is_sold_out else 0)


@pytest.mark.parametrize("hold", [False, True])
def test_a_booking_without_entries_gets_an_opening_entry(context, db, event, hold):
    """It was stored before there were entries."""
    user = kit.attendee()
    id_ = kit.booking_id(kit.book(context, event, 2, user=user.user_id, hold=hold))
    db.bookings.update_one({"_id": id_}, {"$unset": {"entries": "", "ledgerDue": ""}})
    transitions.cancel_booking(context, id_, user, utc_now())
    if hold:
        assert entries_of(db, id_) == [
            ("opening", 0, 2, 0, 0, 0),
            ("cancelled", 0, -2, 0, 0, 0),
        ]
    else:
        opening, *rest = entries_of(db, id_)
        assert opening == ("opening", *SOLD[1:])
        assert rest == [("cancelled", -1, 0, -2, -4000, 0), REFUNDED]


def test_a_refund_of_a_booking_that_ended_without_entries(context, db, event):
    """The process that cancelled it was an older one, and died before the refund."""
    user = kit.attendee()
    id_ = kit.booking_id(kit.book(context, event, 2, user=user.user_id))
    booking, now = db.bookings.find_one({"_id": id_}), utc_now()
    ended = transitions.build_end_fields(booking, "cancelled", "cancelled", now)
    old = {"$set": ended, "$unset": {"entries": "", "ledgerDue": ""}}
    db.bookings.update_one({"_id": id_}, old)
    transitions.apply_move_if_pending(context, id_, now)
    refunds.pay_due_refunds(context, now + LATER)
    assert entries_of(db, id_) == [("opening", 0, 0, 0, 0, 4000), REFUNDED]
