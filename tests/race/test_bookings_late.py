"""A process that was suspended before a write of the protocol changes nothing twice."""

from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings import recovery, store_moves, transitions, waitlist_offers
from eventapp.bookings import store as bookings_store
from eventapp.core.clock import utc_now
from eventapp.core.errors import DatabaseUnavailable
from eventapp.inventory import store as inventory_store
from eventapp.waitlist import store as waitlist_store
from tests import factories
from tests.bookings_factories import confirm_booking
from tests.race import kit


def event_of(db, tickets):
    return factories.make_event(
        db, ticketTypes=[{"type": "General", "price": 20, "availableTickets": tickets}]
    )


def applies_a_move(_db, _event, _changes, *, new_entries=None, **_rest):
    return any(key.startswith(inventory_store.MOVE_PREFIXES) for key in new_entries or {})


def confirm_with_suspended_move(context, db, event, monkeypatch):
    """Confirm a hold, suspended before its move while others apply it and clear its entry."""
    user, now = ObjectId(), utc_now()
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True))
    with kit.suspended(
        monkeypatch, inventory_store, "update_stock", when=applies_a_move
    ) as suspension:
        confirming = partial(confirm_booking, context, held, kit.attendee(user), now)
        with kit.in_background(confirming) as confirmed:
            suspension.wait()
            transitions.apply_move_if_pending(context, held, now)
            kit.book(context, event)  # clears the entry of the move
            assert db.events.find_one({"eventId": event["eventId"]})["inFlight"].keys() <= {
                str(b["_id"]) for b in db.bookings.find({})
            }
            suspension.resume()
            confirmed.result()


def test_a_move_that_another_process_applied_meanwhile_is_not_applied_again(
    context, db, monkeypatch
):
    event = event_of(db, 10)
    confirm_with_suspended_move(context, db, event, monkeypatch)
    assert kit.stock_counters(db, event) == (7, 0, 3, 0)
    kit.assert_consistent(context)


def test_control_without_the_count_of_clearings_it_is_applied_twice(context, db, monkeypatch):
    def absent_only(_event, keys):
        return {f"inFlight.{key}": {"$exists": False} for key in keys}

    monkeypatch.setattr(inventory_store, "build_never_existed_guard", absent_only)
    event = event_of(db, 10)
    confirm_with_suspended_move(context, db, event, monkeypatch)
    assert kit.stock_counters(db, event)[1] < 0


def test_recording_a_move_as_applied_does_not_record_the_next_one(context, db, monkeypatch):
    event, user, now = event_of(db, 5), ObjectId(), utc_now()
    held = kit.booking_id(kit.book(context, event, 2, user=user, hold=True))
    with kit.suspended(monkeypatch, store_moves, "record_moves_applied") as suspension:
        confirming = partial(confirm_booking, context, held, kit.attendee(user), now)
        with kit.in_background(confirming) as confirmed:
            suspension.wait()
            transitions.apply_move_if_pending(context, held, now)
            booking = transitions.find_booking(context, held)
            # The process that ends the booking crashes before it applies the stock move.
            assert transitions.end_booking(context, booking, "cancelled", "cancelled", now)
            suspension.resume()
            assert confirmed.exception().code == "not_held"
    kit.assert_consistent(context)
    assert kit.stock_counters(db, event) == (5, 0, 0, 0)


def test_a_booking_with_a_tombstone_is_never_recorded(context, db, monkeypatch):
    event = event_of(db, 1)
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(lambda: kit.book(context, event)) as late,
    ):
        suspension.wait()
        recovery.recover(context, utc_now() + kit.AFTER_ABANDONMENT)
        assert kit.book(kit.another_process(context), event).status == 201
        suspension.resume()
        with pytest.raises(DatabaseUnavailable):
            late.result()
    assert kit.stock_counters(db, event) == (0, 0, 1, 0)
    kit.assert_consistent(context)


def test_control_without_the_tombstone_the_ticket_is_sold_twice(context, db, monkeypatch):
    event = event_of(db, 1)
    monkeypatch.setattr(bookings_store, "insert_tombstone", lambda _db, _id: True)
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(lambda: kit.book(context, event)) as late,
    ):
        suspension.wait()
        recovery.recover(context, utc_now() + kit.AFTER_ABANDONMENT)
        kit.book(kit.another_process(context), event)
        suspension.resume()
        late.result()
    assert db.bookings.count_documents({"active": True}) == 2
    assert kit.find_faults(context)


def test_a_waitlist_entry_with_a_tombstone_is_never_stored(context, db, monkeypatch):
    event = event_of(db, 0)
    with (
        kit.suspended(monkeypatch, waitlist_store, "insert_entry") as suspension,
        kit.in_background(lambda: kit.book(context, event, 2, on_shortfall="waitlist")) as late,
    ):
        suspension.wait()
        recovery.recover(context, utc_now() + kit.AFTER_ABANDONMENT)
        suspension.resume()
        with pytest.raises(DatabaseUnavailable):  # Temporary: the user does not wait.
            late.result()
    assert kit.stock_counters(db, event) == (0, 0, 0, 0)
    kit.assert_consistent(context)


@pytest.mark.parametrize("step", ["take_for_offer", "record"])
def test_an_offer_with_a_tombstone_is_not_made(context, db, monkeypatch, step):
    event, user = event_of(db, 1), ObjectId()
    first = kit.booking_id(kit.book(context, event, user=user))
    kit.book(context, event, on_shortfall="waitlist")
    kit.book(context, event, on_shortfall="waitlist")
    owner = context.inventory if step == "take_for_offer" else context.sales
    transitions.cancel_booking(context, first, kit.attendee(user), utc_now())
    with (
        kit.suspended(monkeypatch, owner, step) as suspension,
        kit.in_background(
            lambda: waitlist_offers.offer_tickets(context, event["eventId"], utc_now())
        ) as late,
    ):
        suspension.wait()
        recovery.recover(context, utc_now() + kit.AFTER_ABANDONMENT)
        suspension.resume()
        assert late.result() == 0
    kit.assert_consistent(context)
    assert kit.stock_counters(db, event) == (0, 1, 0, 1)
    assert db.bookings.count_documents({"status": "held"}) == 1


def test_a_key_used_for_another_order_meanwhile_leaves_no_tickets_taken(context, db, monkeypatch):
    one, other, user = event_of(db, 5), event_of(db, 5), ObjectId()
    with (
        kit.suspended(monkeypatch, bookings_store, "insert_bookings") as suspension,
        kit.in_background(lambda: kit.book(context, other, 2, user=user, key="k")) as late,
    ):
        suspension.wait()
        assert kit.book(kit.another_process(context), one, 1, user=user, key="k").status == 201
        suspension.resume()
        assert late.exception().code == "idempotency_mismatch"
    assert kit.stock_counters(db, other) == (5, 0, 0, 0)
    kit.assert_consistent(context)
