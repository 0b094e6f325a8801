"""A process that was suspended before a write of the protocol changes nothing twice."""

import pytest
from bson import ObjectId

from eventapp.bookings import recovery, transitions, waitlist_offers
from eventapp.bookings import store as bookings_store
from eventapp.core.clock import utc_now
from eventapp.core.errors import DatabaseUnavailable
from eventapp.inventory import store as inventory_store
from eventapp.waitlist import service as waitlist
from eventapp.waitlist import store as waitlist_store
from tests import factories
from tests.race import kit


def event_of(db, tickets):
    return factories.make_event(
        db, ticketTypes=[{"type": "General", "price": 20, "availableTickets": tickets}]
    )


def applies_a_move(_db, _event, _changes, *, new_entries=None, **_rest):
    return any(key.startswith(inventory_store.MOVE_PREFIXES) for key in new_entries or {})


def confirm_suspended(context, db, event, monkeypatch):
    """Confirm a hold, suspended before its move while others apply it and clear its entry."""
    user, now = ObjectId(), utc_now()
    held = kit.booked(kit.book(context, event, 2, user=user, hold=True))
    with kit.stalled(monkeypatch, inventory_store, "update_stock", when=applies_a_move) as stall:
        confirming = lambda: transitions.confirm(context, held, kit.person(user), now)  # noqa: E731
        with kit.in_background(confirming) as confirmed:
            stall.wait()
            transitions.finish_pending_move(context, held, now)
            kit.book(context, event)  # clears the entry of the move
            assert db.events.find_one({"eventId": event["eventId"]})["inFlight"].keys() <= {
                str(b["_id"]) for b in db.bookings.find({})
            }
            stall.let_go()
            confirmed.result()


def test_a_move_that_another_process_applied_meanwhile_is_not_applied_again(
    context, db, monkeypatch
):
    event = event_of(db, 10)
    confirm_suspended(context, db, event, monkeypatch)
    assert kit.amounts(db, event) == (7, 0, 3, 0)
    kit.audit(context)


def test_control_without_the_count_of_clearings_it_is_applied_twice(context, db, monkeypatch):
    def absent_only(_event, keys):
        return {f"inFlight.{key}": {"$exists": False} for key in keys}

    monkeypatch.setattr(inventory_store, "never_existed_guard", absent_only)
    event = event_of(db, 10)
    confirm_suspended(context, db, event, monkeypatch)
    assert kit.amounts(db, event)[1] < 0


def test_recording_a_move_as_applied_does_not_record_the_next_one(context, db, monkeypatch):
    event, user, now = event_of(db, 5), ObjectId(), utc_now()
    held = kit.booked(kit.book(context, event, 2, user=user, hold=True))
    with kit.stalled(monkeypatch, bookings_store, "mark_moves_made") as stall:
        confirming = lambda: transitions.confirm(context, held, kit.person(user), now)  # noqa: E731
        with kit.in_background(confirming) as confirmed:
            stall.wait()
            transitions.finish_pending_move(context, held, now)
            booking = transitions.find_booking(context, held)
            assert transitions.end(context, booking, "cancelled", "cancelled", now)  # and crashes
            stall.let_go()
            confirmed.result()
    kit.audit(context)
    assert kit.amounts(db, event) == (5, 0, 0, 0)


def test_a_booking_with_a_tombstone_is_never_recorded(context, db, monkeypatch):
    event = event_of(db, 1)
    with (
        kit.stalled(monkeypatch, bookings_store, "insert_bookings") as stall,
        kit.in_background(lambda: kit.book(context, event)) as late,
    ):
        stall.wait()
        recovery.recover(context, utc_now() + kit.LATER)
        assert kit.book(kit.another(context), event).status == 201
        stall.let_go()
        with pytest.raises(DatabaseUnavailable):
            late.result()
    assert kit.amounts(db, event) == (0, 0, 1, 0)
    kit.audit(context)


def test_control_without_the_tombstone_the_ticket_is_sold_twice(context, db, monkeypatch):
    event = event_of(db, 1)
    monkeypatch.setattr(bookings_store, "void_id", lambda _db, _id: True)
    with (
        kit.stalled(monkeypatch, bookings_store, "insert_bookings") as stall,
        kit.in_background(lambda: kit.book(context, event)) as late,
    ):
        stall.wait()
        recovery.recover(context, utc_now() + kit.LATER)
        kit.book(kit.another(context), event)
        stall.let_go()
        late.result()
    assert db.bookings.count_documents({"active": True}) == 2
    assert kit.faults(context)


def test_a_waitlist_entry_with_a_tombstone_is_never_stored(context, db, monkeypatch):
    event = event_of(db, 0)
    with (
        kit.stalled(monkeypatch, waitlist_store, "insert_entry") as stall,
        kit.in_background(lambda: kit.book(context, event, 2, on_shortfall="waitlist")) as late,
    ):
        stall.wait()
        recovery.recover(context, utc_now() + kit.LATER)
        stall.let_go()
        with pytest.raises(waitlist.AlreadyWaitlisted):
            late.result()
    assert kit.amounts(db, event) == (0, 0, 0, 0)
    kit.audit(context)


@pytest.mark.parametrize("step", ["take_for_offer", "record"])
def test_an_offer_with_a_tombstone_is_not_made(context, db, monkeypatch, step):
    event, user = event_of(db, 1), ObjectId()
    first = kit.booked(kit.book(context, event, user=user))
    kit.book(context, event, on_shortfall="waitlist")
    kit.book(context, event, on_shortfall="waitlist")
    owner = context.inventory if step == "take_for_offer" else context.sales
    transitions.cancel(context, first, kit.person(user), utc_now())
    with (
        kit.stalled(monkeypatch, owner, step) as stall,
        kit.in_background(
            lambda: waitlist_offers.offer_tickets(context, event["eventId"], utc_now())
        ) as late,
    ):
        stall.wait()
        recovery.recover(context, utc_now() + kit.LATER)
        stall.let_go()
        assert late.result() == 0
    kit.audit(context)
    assert kit.amounts(db, event) == (0, 1, 0, 1)
    assert db.bookings.count_documents({"status": "held"}) == 1


def test_a_key_used_for_another_order_meanwhile_leaves_no_tickets_taken(context, db, monkeypatch):
    one, other, user = event_of(db, 5), event_of(db, 5), ObjectId()
    with (
        kit.stalled(monkeypatch, bookings_store, "insert_bookings") as stall,
        kit.in_background(lambda: kit.book(context, other, 2, user=user, key="k")) as late,
    ):
        stall.wait()
        assert kit.book(kit.another(context), one, 1, user=user, key="k").status == 201
        stall.let_go()
        assert late.exception().code == "idempotency_mismatch"
    assert kit.amounts(db, other) == (5, 0, 0, 0)
    kit.audit(context)
