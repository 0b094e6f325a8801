"""Recovery of each state that a crash can leave (docs/concurrency.md), built by hand, twice."""

from datetime import timedelta

import pytest
from bson import ObjectId

from eventapp.bookings import auditing, recovery, waitlist_offers
from eventapp.core.clock import utc_now
from eventapp.inventory.service import CELL_COUNTERS
from eventapp.waitlist import service as waitlist
from tests.bookings_factories import Caller, context_of, event_of, stock_of

pytestmark = pytest.mark.usefixtures("clean_inventory")
OLD, YOUNG = timedelta(seconds=31), timedelta(seconds=25)


@pytest.fixture
def context(app):
    return context_of(app)


@pytest.fixture
def ann(client, app):
    return Caller(client, app)


def recover_twice(context):
    for _run in range(2):
        recovery.recover(context, utc_now())


def in_flight_entries(db):
    return db.events.find_one({})["inFlight"]


def store_entry(db, key, entry, age, **counts):
    """Store an in-flight entry on event 1 and the changes of its update, as a crash leaves them."""
    at = utc_now() - age
    changes = {f"ticketTypes.0.{name}": change for name, change in counts.items()}
    changes["available"] = counts.get("availableTickets", 0)
    booking = db.bookings.find_one({"_id": ObjectId(key.rpartition("-")[2])}) or entry
    schedule_id = booking.get("scheduleId") or 0
    for counter, cell_counter in CELL_COUNTERS.items():
        changes[f"cells.{schedule_id}.1.{cell_counter}"] = counts.get(counter, 0)
    changes[f"queues.{schedule_id}.1.waiting"] = counts.get("waiting", 0)
    db.events.update_one(
        {"eventId": 1},
        {
            "$set": {f"inFlight.{key}": {**entry, "at": at}},
            "$min": {"marksSince": at},
            "$inc": {**changes, "rev": 1},
        },
    )


def store_take(db, age, quantity=3, held=False):
    """Store a take without a booking; return the id that the booking would have."""
    id_ = ObjectId()
    entry = {"kind": "take", "items": [[1, quantity]], "held": held, "by": ""}
    taken = "heldTickets" if held else "soldTickets"
    store_entry(db, str(id_), entry, age, availableTickets=-quantity, **{taken: quantity})
    return id_


def add_pending_move(db, booking, key, changes, **fields):
    """Give a booking a pending stock move, as a transition does."""
    db.bookings.update_one(
        {"_id": ObjectId(booking["_id"])},
        {
            "$set": {
                "restock": "due",
                "due": {"key": key, "changes": changes},
                "updatedAt": utc_now() - OLD,
                **fields,
            }
        },
    )


def cancelled(db, booking, quantity):
    changes = [[1, {"availableTickets": quantity, "soldTickets": -quantity}]]
    fields = {"status": "cancelled", "active": False}
    add_pending_move(db, booking, f"give-{booking['_id']}", changes, **fields)


@pytest.mark.parametrize("held", [True, False])
def test_a_take_without_a_booking_is_undone(db, context, held):
    event_of(db, 10)
    id_ = store_take(db, OLD, held=held)
    recover_twice(context)
    assert stock_of(db, 1) == (10, 0, 0, 0)
    assert in_flight_entries(db) == {}
    assert "marksSince" not in db.events.find_one({})
    late = {"_id": id_, "bookingReference": "EVT-LATEST", "status": "confirmed"}
    late |= {"entries": [{}], "ledgerDue": True}
    assert context.sales.record(late) is False  # a suspended process can no longer store it


def test_a_take_with_its_booking_only_loses_its_entry(db, context, ann):
    event_of(db, 10)
    booking = ann.book(1, 3)
    before = utc_now() - OLD
    assert list(in_flight_entries(db)) == [booking["_id"]]
    changes = {f"inFlight.{booking['_id']}.at": before, "marksSince": before}
    db.events.update_one({}, {"$set": changes})
    recover_twice(context)
    assert (stock_of(db, 1), in_flight_entries(db)) == ((7, 3, 0, 0), {})


def test_a_pending_return_is_made_once(db, context, ann):
    event_of(db, 10)
    booking = ann.book(1, 3)
    cancelled(db, booking, 3)
    recover_twice(context)
    assert stock_of(db, 1) == (10, 0, 0, 0)
    assert db.bookings.find_one({})["restock"] == "done"


def test_a_return_that_was_made_is_recorded_and_not_made_again(db, context, ann):
    event_of(db, 10)
    booking = ann.book(1, 3)
    cancelled(db, booking, 3)
    key = f"give-{booking['_id']}"
    store_entry(db, key, {"kind": "give"}, OLD, availableTickets=3, soldTickets=-3)
    recover_twice(context)
    assert stock_of(db, 1) == (10, 0, 0, 0)
    assert db.bookings.find_one({})["restock"] == "done"
    assert key not in in_flight_entries(db)


def test_a_recorded_return_loses_its_entry(db, context, ann):
    event_of(db, 10)
    booking = ann.book(1, 3)
    ann.cancel(booking)
    before = utc_now() - OLD
    changes = {f"inFlight.{key}.at": before for key in in_flight_entries(db)} | {
        "marksSince": before
    }
    db.events.update_one({}, {"$set": changes})
    recover_twice(context)
    assert (stock_of(db, 1), in_flight_entries(db)) == ((10, 0, 0, 0), {})


@pytest.mark.parametrize("made", [True, False])
def test_an_interrupted_confirmation_is_completed(db, context, ann, made):
    event_of(db, 10)
    booking = ann.book(1, 3, hold=True)
    key = f"confirm-{booking['_id']}"
    changes = [[1, {"heldTickets": -3, "soldTickets": 3, "availableTickets": 0}]]
    add_pending_move(db, booking, key, changes, status="confirmed", expiresAt=None)
    if made:
        store_entry(db, key, {"kind": "confirm"}, OLD, heldTickets=-3, soldTickets=3)
    recover_twice(context)
    assert stock_of(db, 1) == (7, 3, 0, 0)


def test_a_join_without_a_waitlist_entry_is_undone(db, context):
    event_of(db, 0)
    store_entry(
        db, f"wait-{ObjectId()}", {"kind": "enter", "type": 1, "scheduleId": 1}, OLD, waiting=1
    )
    recover_twice(context)
    assert (stock_of(db, 1), in_flight_entries(db)) == ((0, 0, 0, 0), {})


def test_an_ended_waitlist_entry_is_counted_out_once(db, context, ann):
    event_of(db, 0)
    ann.wait(1)
    gone = {"active": False, "status": "left", "restock": "due", "updatedAt": utc_now() - OLD}
    db.waitlist.update_one({}, {"$set": gone})
    recover_twice(context)
    assert stock_of(db, 1) == (0, 0, 0, 0)


def test_an_offer_interrupted_before_its_take_is_released(db, app, context, ann):
    event_of(db, 0)
    ann.wait(1, 2)
    offering = {"bookingId": ObjectId(), "at": utc_now() - OLD}
    db.waitlist.update_one({}, {"$set": {"offering": offering}})
    recover_twice(context)
    assert "offering" not in db.waitlist.find_one({})
    assert ann.waitlist_entries()[0]["position"] == 1


@pytest.mark.parametrize("last", [0, 1])
def test_an_offer_interrupted_before_it_was_stored_is_undone(db, context, ann, last):
    event_of(db, 0)
    ann.wait(1, 3)
    db.events.update_one(
        {},
        {
            "$inc": {
                "ticketTypes.0.availableTickets": 2 + last,
                "available": 2 + last,
                "ticketTypes.0.capacity": 2 + last,
            }
        },
    )
    id_, quantity = ObjectId(), 2 + last
    entry = {"kind": "take", "items": [[1, quantity]], "held": True, "scheduleId": 1}
    entry["leftQueue"] = [[1, last]]
    counts = {"availableTickets": -quantity, "heldTickets": quantity, "waiting": -last}
    store_entry(db, str(id_), entry, OLD, **counts)
    db.waitlist.update_one({}, {"$set": {"offering": {"bookingId": id_, "at": utc_now() - OLD}}})
    assert list(auditing.check(context, utc_now())) == []
    recover_twice(context)
    assert stock_of(db, 1) == (quantity, 0, 0, 1)
    assert waitlist_offers.offer_available_tickets(context, utc_now()) == 1
    assert stock_of(db, 1) == (0, 0, quantity, 1 - last)


def test_a_stored_offer_is_counted_against_its_entry(db, context, ann):
    event_of(db, 0)
    ann.wait(1, 2)
    db.events.update_one(
        {},
        {
            "$inc": {
                "ticketTypes.0.availableTickets": 2,
                "available": 2,
                "ticketTypes.0.capacity": 2,
            }
        },
    )
    waitlist_offers.offer_available_tickets(context, utc_now())
    booking = db.bookings.find_one({})
    offering = {"bookingId": booking["_id"], "at": utc_now() - OLD}
    uncounted = {"active": True, "status": "waiting", "quantity": 2, "offers": []}
    db.waitlist.update_one({}, {"$set": {**uncounted, "offering": offering}})
    recover_twice(context)
    entry = db.waitlist.find_one({})
    assert (entry["active"], entry["quantity"], entry["offers"]) == (False, 0, [booking["_id"]])
    assert stock_of(db, 1) == (0, 0, 2, 0)


def test_entries_that_are_not_old_are_left_alone(db, context, ann):
    event_of(db, 10)
    store_take(db, YOUNG)
    booking = ann.book(1, 2)
    cancelled(db, booking, 2)
    db.bookings.update_one({}, {"$set": {"updatedAt": utc_now() - YOUNG}})
    before = db.events.find_one({}), db.bookings.find_one({})
    recover_twice(context)
    assert (db.events.find_one({}), db.bookings.find_one({})) == before
    recovery.recover(context, utc_now() + OLD)


def test_an_old_entry_is_resolved_beside_a_new_one(db, context):
    event_of(db, 10)
    store_take(db, OLD, 1)
    young = store_take(db, YOUNG, 2)
    recover_twice(context)
    assert (stock_of(db, 1), list(in_flight_entries(db))) == ((8, 2, 0, 0), [str(young)])
    assert db.events.find_one({})["marksSince"] == in_flight_entries(db)[str(young)]["at"]


def test_the_take_of_an_offer_stays_in_flight_while_its_entry_is_claimed(
    db, context, ann, monkeypatch
):
    """Without it, the check would count the entry that the take has subtracted from `waiting`."""
    event_of(db, 0)
    ann.wait(1, 2)
    db.events.update_one({}, {"$inc": {"ticketTypes.0.availableTickets": 2, "available": 2}})
    db.events.update_one({}, {"$inc": {"ticketTypes.0.capacity": 2}})
    with monkeypatch.context() as patch:
        patch.setattr(waitlist, "subtract_offer", lambda *_args: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            waitlist_offers.offer_tickets(context, 1, utc_now() - OLD)
        recovery.recover(context, utc_now())
    assert [fault.message for fault in auditing.check(context, utc_now())] == []
    recovery.recover(context, utc_now() + OLD)
    assert in_flight_entries(db) == {}
    assert db.waitlist.find_one({})["active"] is False


def test_an_entry_that_failed_and_was_resolved_elsewhere_leaves_no_failed_work(
    db, context, monkeypatch
):
    def fail(*_arguments):
        raise RuntimeError("too much contention")

    event_of(db, 10)
    id_ = store_take(db, OLD, 1)
    with monkeypatch.context() as patch:
        patch.setattr(context.inventory, "undo", fail)
        recovery.recover(context, utc_now())
    assert db.failedWork.count_documents({}) == 1
    context.inventory.undo(1, str(id_))
    recovery.recover(context, utc_now() + timedelta(hours=1))
    assert db.failedWork.count_documents({}) == 0
