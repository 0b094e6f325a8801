"""Concurrent transitions of a booking: its tickets move once, whichever succeeds."""

import sys
from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import event_closing, transitions, waitlist_offers
from eventapp.bookings import store as bookings_store
from eventapp.bookings.ledger.store import build_update
from eventapp.bookings.payments import reconciliation, refunds, settlement
from eventapp.core.clock import utc_now
from eventapp.core.database import Document
from eventapp.core.errors import AppError, Conflict
from eventapp.events import editing
from eventapp.events import store as events_store
from eventapp.inventory import queues as inventory_queues
from eventapp.inventory import store as inventory_store
from eventapp.jobs import service as jobs
from eventapp.payments.providers import Providers
from tests import factories
from tests.bookings_factories import RecordingProvider, confirm_booking
from tests.race import kit

AFTER_THE_HOLD = timedelta(minutes=11)


def event_of(db, tickets, **changes):
    types = [{"type": "General", "price": 20, "availableTickets": tickets}]
    return factories.make_event(db, ticketTypes=types, **changes)


def update_booking_unguarded(
    db, booking_id, where, fields, entries=(), removed=(), cancellation=None
):
    """Do what `store.update_booking` does, without its guards."""
    pushed = {"cancellations": cancellation} if cancellation else None
    update = build_update(fields, entries, removed, pushed)
    return db.bookings.find_one_and_update({"_id": booking_id}, update) and {
        **db.bookings.find_one({"_id": booking_id})
    }


def cancel_concurrently(context, event, user):
    booking_id = kit.booking_id(kit.book(context, event, 3, user=user))
    contexts = [kit.another_process(context) for _ in range(8)]
    now = utc_now()
    return kit.run_concurrently(
        *[
            partial(transitions.cancel_booking, one, booking_id, kit.attendee(user), now)
            for one in contexts
        ]
    )


def test_concurrent_cancellations_return_the_tickets_once(context, db):
    event = event_of(db, 10)
    results = cancel_concurrently(context, event, ObjectId())
    assert {r["status"] for r in results} == {"cancelled"}
    assert [r["refund"]["amount"] for r in results] == [60] * len(results)
    assert db.bookings.find_one({})["refund"]["refundId"]
    assert kit.stock_counters(db, event) == (10, 0, 0, 0)
    kit.assert_consistent(context)


def test_control_without_the_guard_tickets_are_returned_twice(context, db, monkeypatch):
    monkeypatch.setattr(bookings_store, "update_booking", update_booking_unguarded)
    event, user, now = event_of(db, 10), ObjectId(), utc_now()
    booking = transitions.find_booking(
        context, kit.booking_id(kit.book(context, event, 3, user=user))
    )
    for each in (context, kit.another_process(context)):
        ended = transitions.end_booking(each, booking, "cancelled", "cancelled", now)
        transitions.apply_pending_moves(each, [ended], now)
        context.inventory.allow_clearing(event["eventId"], [ended["due"]["key"]])
        kit.book(context, event)  # clears the in-flight entry
    assert kit.stock_counters(db, event)[2] < db.bookings.count_documents({"active": True})


def confirm_and_expire_concurrently(context, db, event):
    user, now = ObjectId(), utc_now()
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True, now=now))
    booking = transitions.find_booking(context, held)
    in_time = partial(confirm_booking, context, held, kit.attendee(user), now)
    over = partial(
        transitions.expire_hold, kit.another_process(context), booking, now + AFTER_THE_HOLD
    )
    confirmed, expired = kit.run_concurrently(in_time, over)
    return transitions.find_booking(context, held), confirmed, expired


def test_a_hold_is_either_confirmed_or_expires(context, db):
    """It is never charged without its tickets: a charge after the end buys them again."""
    context.payments = Providers(RecordingProvider())
    event, sold = event_of(db, 100), 0
    for _ in range(15):
        booking, confirmed, expired = confirm_and_expire_concurrently(context, db, event)
        is_retaken = "retakenBy" in booking
        is_confirmed = booking["status"] == "confirmed"
        assert is_confirmed == (is_retaken or not expired)
        assert isinstance(confirmed, AppError) != is_confirmed
        assert not is_retaken or expired
        sold += 2 * is_confirmed
    assert kit.stock_counters(db, event) == (100 - sold, 0, sold, 0)
    assert context.payments.current.balance == 2000 * sold
    kit.assert_consistent(context, utc_now() + AFTER_THE_HOLD)


def confirm_after_expiry(context, event, monkeypatch):
    """Pay for a hold, suspended before the write that confirms it while it expires."""
    user, now = ObjectId(), utc_now()
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True, now=now))
    with kit.suspended(monkeypatch, settlement, "confirm_hold") as suspension:
        paying = partial(confirm_booking, context, held, kit.attendee(user), now)
        with kit.in_background(paying) as paid:
            suspension.wait()
            waitlist_offers.expire_holds(kit.another_process(context), now + AFTER_THE_HOLD)
            suspension.resume()
            assert paid.result()["status"] == "confirmed"


def test_a_hold_that_expires_before_it_is_confirmed_takes_its_tickets_again(
    context, db, monkeypatch
):
    event = event_of(db, 5)
    confirm_after_expiry(context, event, monkeypatch)
    assert "retakenBy" in db.bookings.find_one({})
    assert kit.stock_counters(db, event) == (3, 0, 2, 0)
    kit.assert_consistent(context, utc_now() + AFTER_THE_HOLD)


def test_control_without_the_guard_an_expired_hold_is_confirmed(context, db, monkeypatch):
    event = event_of(db, 5)
    monkeypatch.setattr(bookings_store, "update_booking", update_booking_unguarded)
    confirm_after_expiry(context, event, monkeypatch)
    assert kit.stock_counters(db, event)[1] < 0


def test_a_charge_for_a_hold_that_is_cancelled_meanwhile_is_refunded(context, db, monkeypatch):
    event, user, now = event_of(db, 5), ObjectId(), utc_now()
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True, now=now))
    with kit.suspended(monkeypatch, context.payments.current, "create", after=True) as suspension:
        paying = partial(confirm_booking, context, held, kit.attendee(user), now)
        with kit.in_background(paying) as paid:
            suspension.wait()
            other = kit.another_process(context)
            transitions.cancel_booking(other, held, kit.attendee(user), now)
            suspension.resume()
            assert paid.exception().code == "not_held"
    booking = db.bookings.find_one({"_id": held})
    assert (booking["status"], booking["refund"]["amount"]) == ("cancelled", 40)
    assert kit.stock_counters(db, event) == (5, 0, 0, 0)
    kit.assert_consistent(context, utc_now() + AFTER_THE_HOLD)


@pytest.mark.parametrize("charged", [True, False])
def test_the_charge_of_a_process_that_dies_is_refunded(context, db, monkeypatch, charged):
    """The process that cancels the hold has read it before the payment began."""
    event, user, now = event_of(db, 5), ObjectId(), utc_now()
    provider = RecordingProvider()
    context.payments = Providers(provider)
    monkeypatch.setattr(provider, "after" if charged else "before", lambda: sys.exit())
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True, now=now))
    before = transitions.find_booking(context, held)
    with pytest.raises(SystemExit):
        confirm_booking(context, held, kit.attendee(user), now)
    assert not transitions.end_booking(context, before, "cancelled", "cancelled", now)
    transitions.cancel_booking(context, held, kit.attendee(user), now)
    monkeypatch.undo()
    reconciliation.reconcile_payments(context, now)
    refund = db.bookings.find_one({"_id": held})["refund"]
    assert ((refund or {}).get("amount"), provider.balance) == (40 if charged else None, 0)
    kit.assert_consistent(context, utc_now() + AFTER_THE_HOLD)


def test_concurrent_confirmations_charge_once(context, db):
    event, user, now = event_of(db, 5), ObjectId(), utc_now()
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True, now=now))
    contexts = [kit.another_process(context) for _ in range(8)]
    results = kit.run_concurrently(
        *[partial(confirm_booking, one, held, kit.attendee(user), now) for one in contexts]
    )
    assert {r["status"] for r in results} == {"confirmed"}
    assert kit.stock_counters(db, event) == (3, 0, 2, 0)
    kit.assert_consistent(context)


def reorder(event: Document):
    return {"ticketTypes": event["ticketTypes"][::-1]}


def test_edits_during_a_sale_lose_no_ticket(context, db):
    event = factories.make_event(
        db,
        ticketTypes=[
            {"type": "A", "price": 20, "availableTickets": 60},
            {"type": "B", "price": 30, "availableTickets": 60},
        ],
    )
    sales = [
        partial(kit.book, kit.another_process(context), event, items=((n % 2 + 1, None, 2),))
        for n in range(24)
    ]
    patches = [
        partial(kit.edit, db, event, editing.make_type_patch(1, {"capacity": 40})) for _ in range(2)
    ]
    orders = [partial(kit.edit, db, event, reorder) for _ in range(4)]
    results = kit.run_concurrently(*sales, *patches, *orders)
    assert not [r for r in results if isinstance(r, AppError)]
    types_by_id = {each["ticketTypeId"]: each for each in db.events.find_one()["ticketTypes"]}
    assert (types_by_id[1]["availableTickets"], types_by_id[1]["soldTickets"]) == (16, 24)
    assert (types_by_id[2]["availableTickets"], types_by_id[2]["soldTickets"]) == (36, 24)
    kit.assert_consistent(context)


def edit_during_sale(context, db, monkeypatch):
    """Edit the available tickets while a sale comes between the edit's read and its write."""
    event = event_of(db, 5)
    with kit.suspended(monkeypatch, events_store, "write_if_unchanged") as suspension:
        lowering = partial(kit.edit, db, event, editing.make_type_patch(1, {"capacity": 5}))
        with kit.in_background(lowering) as low:
            suspension.wait()
            kit.book(context, event, 4)
            suspension.resume()
            low.result()
    return event


def test_a_sale_between_the_read_and_the_write_of_an_edit_is_kept(context, db, monkeypatch):
    event = edit_during_sale(context, db, monkeypatch)
    assert kit.stock_counters(db, event) == (1, 0, 4, 0)
    kit.assert_consistent(context)


def test_control_an_edit_without_its_guard_loses_the_sale(context, db, monkeypatch):
    def unguarded(db, event, fields, **_rest):
        db.events.update_one({"eventId": event["eventId"]}, {"$set": fields})
        return events_store.find_event(db, event["eventId"])

    monkeypatch.setattr(events_store, "write_if_unchanged", unguarded)
    event = edit_during_sale(context, db, monkeypatch)
    assert kit.stock_counters(db, event) == (5, 0, 0, 0)
    assert kit.find_faults(context)


def cancel_event(context, event):
    return event_closing.cancel_event(
        context, event["eventId"], kit.ADMIN, now=utc_now(), image_base_url="http://localhost"
    )


def test_no_booking_of_a_cancelled_event_stays_active(context, db):
    event = event_of(db, 20)
    contexts = [kit.another_process(context) for _ in range(4)]
    sales = [
        partial(kit.book, contexts[n % 4], event, 2, on_shortfall="waitlist", hold=n % 3 == 0)
        for n in range(14)
    ]
    results = kit.run_concurrently(*sales, partial(cancel_event, context, event))
    assert set(kit.count_outcomes(results)) <= {201, 202, "event_not_on_sale", "dict"}
    for rounds in range(1, 4):
        kit.run_all_jobs(context, utc_now() + rounds * kit.AFTER_ABANDONMENT)
    assert db.bookings.count_documents({"active": True}) == 0
    assert db.waitlist.count_documents({"active": True}) == 0
    assert kit.stock_counters(db, event) == (20, 0, 0, 0)
    assert "closing" not in db.events.find_one()
    kit.assert_consistent(context)


@pytest.mark.parametrize("meanwhile", ["confirmed", "cancelled"])
def test_a_booking_that_changes_while_its_event_is_closed_ends_once(
    context, db, monkeypatch, meanwhile
):
    """It is read as held, and confirmed or cancelled before all bookings are ended."""
    event, user, now = event_of(db, 5), ObjectId(), utc_now()
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True, now=now))
    other = kit.another_process(context)
    change = {
        "confirmed": confirm_booking,
        "cancelled": transitions.cancel_booking,
    }[meanwhile]
    end_all = partial(
        event_closing.end_all_bookings, context, event["eventId"], "event_cancelled", now
    )
    with (
        kit.suspended(monkeypatch, bookings_store, "update_bookings") as suspension,
        kit.in_background(end_all) as ending,
    ):
        suspension.wait()
        change(other, held, kit.attendee(user), now)
        suspension.resume()
        assert ending.result() == 0
    assert end_all() == (meanwhile == "confirmed")
    refunds.pay_due_refunds(context, now)
    assert kit.stock_counters(db, event) == (5, 0, 0, 0)
    refund = db.bookings.find_one({"_id": held})["refund"]
    assert (refund["amount"] if refund else 0) == (40 if meanwhile == "confirmed" else 0)
    kit.assert_consistent(context)


def test_the_worker_ends_a_sale_recorded_after_the_event_was_cancelled(context, db, monkeypatch):
    event = event_of(db, 5)
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(partial(kit.book, context, event)) as sale,
    ):
        suspension.wait()
        other = kit.another_process(context)
        cancel_event(other, event)
        jobs.JOBS["close-cancelled"].function(other, utc_now())
        assert "closing" in db.events.find_one()
        suspension.resume()
        assert sale.result().status == 201
    jobs.JOBS["close-cancelled"].function(context, utc_now())
    assert db.bookings.find_one()["status"] == "cancelled"
    assert kit.stock_counters(db, event) == (5, 0, 0, 0)
    kit.assert_consistent(context)


def test_control_without_the_guards_a_cancelled_event_is_sold(context, db, monkeypatch):
    event = event_of(db, 5)
    seen = context.inventory.get_sale_state(event["eventId"])
    cancel_event(kit.another_process(context), event)
    with pytest.raises(Conflict):
        kit.book(context, event)
    context.inventory._states.put(seen)
    monkeypatch.setattr(inventory_queues, "build_sale_guards", lambda *_: {})
    monkeypatch.setattr(inventory_store, "build_on_sale_guard", lambda *_: {})
    monkeypatch.setattr(inventory_store, "build_terms_guard", lambda _event: {})
    kit.book(context, event)
    assert db.bookings.count_documents({"active": True}) == 1


def test_concurrent_workers_do_everything_once(context, db):
    event, now = event_of(db, 10), utc_now()
    for n in range(3):
        kit.book(context, event, 2, hold=True, now=now)
        kit.book(context, event, 1, now=now + timedelta(milliseconds=n))
    for _ in range(4):
        kit.book(context, event, 2, on_shortfall="waitlist", now=now)
    contexts = [kit.another_process(context) for _ in range(6)]
    kit.run_concurrently(
        *[partial(kit.run_all_jobs, one, now + AFTER_THE_HOLD) for one in contexts]
    )
    # One ticket was available for the first in the queue, who later got one of the holds' six more.
    assert kit.stock_counters(db, event)[2] == 3 + 1
    assert sum(kit.stock_counters(db, event)[:3]) == 10
    kit.assert_consistent(context, utc_now() + AFTER_THE_HOLD)
