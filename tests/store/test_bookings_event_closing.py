"""Cancelling an event with many bookings takes few writes, and the caller waits only briefly."""

from contextlib import contextmanager

import pytest
from bson import ObjectId

from eventapp.bookings import event_closing, recovery
from eventapp.bookings.payments.charges import charge_at_once
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.inventory import store as inventory_store
from eventapp.payments.mock import MockPayments
from tests import sales
from tests.bookings_factories import Caller, context_of, event_of, later, pay_refunds, stock_of

pytestmark = pytest.mark.usefixtures("clean_inventory")
ADMIN = Actor(ObjectId(), "admin")
MANY = 650


@pytest.fixture
def host(client, app):
    return Caller(client, app, "organizer")


def sold_out(db, host, count=MANY, waiting=0):
    """Make an event with `count` bookings of type A and `waiting` entries for type B."""
    event_of(db, count, 0, organizer_id=host.id)
    event = db.events.find_one({"eventId": 1})
    rows = [
        sales.booking(event, status="confirmed", at=utc_now(), taken={1: 1}) for _ in range(count)
    ]
    db.bookings.insert_many(rows)
    fields = {"ticketTypes.0.availableTickets": 0, "ticketTypes.0.soldTickets": count}
    fields |= {"available": 0, "ticketTypes.1.waiting": waiting, "hadWaitlist": waiting > 0}
    fields["cells"] = {str(rows[0].get("scheduleId") or 0): {"1": {"sold": count}}}
    db.events.update_one({"eventId": 1}, {"$set": fields})
    entry = {"eventId": 1, "ticketTypeId": 2, "active": True, "quantity": 1, "status": "waiting"}
    entries = [{**entry, "userId": ObjectId(), "sequence": number} for number in range(waiting)]
    if entries:
        db.waitlist.insert_many(entries)


@contextmanager
def count_writes(monkeypatch):
    """Count the writes of the event, and the most in-flight entries that it had."""
    seen, change = {"writes": 0, "entries": 0}, inventory_store.update_stock

    def counted(db, event, *args, **options):
        after = change(db, event, *args, **options)
        entries = db.events.find_one({"eventId": event["eventId"]}, {"inFlight": 1})["inFlight"]
        seen["writes"] += 1
        seen["entries"] = max(seen["entries"], len(entries))
        return after

    monkeypatch.setattr(inventory_store, "update_stock", counted)
    yield seen
    monkeypatch.setattr(inventory_store, "update_stock", change)


def test_all_bookings_end_in_few_writes(db, app, host, monkeypatch):
    monkeypatch.setattr(event_closing, "REQUEST_SECONDS", 60)
    sold_out(db, host, waiting=MANY)
    with count_writes(monkeypatch) as seen:
        assert host.call("POST", "/events/1/cancel").status_code == 200
    assert db.bookings.count_documents({"active": True}) == 0
    assert db.bookings.count_documents({"refund.refundId": {"$exists": True}}) == 0
    assert [pay_refunds(app) for _run in range(3)] == [500, MANY - 500, 0]
    assert db.bookings.count_documents({"refund.refundId": {"$exists": True}}) == MANY
    assert db.bookings.count_documents({"restock": {"$ne": "done"}}) == 0
    assert db.bookings.count_documents({"tell.event_cancelled": {"$exists": True}}) == MANY
    assert db.waitlist.count_documents({"active": True}) == 0
    assert db.waitlist.count_documents({"restock": {"$ne": "done"}}) == 0
    assert (stock_of(db, 1, 1), stock_of(db, 1, 2)) == ((MANY, 0, 0, 0), (0, 0, 0, 0))
    assert seen["writes"] <= 10
    assert seen["entries"] <= 450  # of the moves of this batch and of the one before


def test_bookings_beyond_the_time_limit_are_left_to_the_worker(db, app, host, monkeypatch):
    monkeypatch.setattr(event_closing, "REQUEST_SECONDS", 0)
    sold_out(db, host, waiting=MANY)
    answer = host.call("POST", "/events/1/cancel")
    assert (answer.status_code, answer.json["status"]) == (200, "cancelled")
    left = db.bookings.count_documents({"active": True})
    assert 0 < left < MANY
    assert event_closing.close_cancelled_events(context_of(app), later()) == 1
    assert db.bookings.count_documents({"active": True}) == 0
    assert db.waitlist.count_documents({"active": True}) == 0
    assert stock_of(db, 1, 1) == (MANY, 0, 0, 0)
    assert "closing" in db.events.find_one()
    for minutes in (1, 2, 3):
        recovery.recover(context_of(app), later(minutes=minutes))
        event_closing.close_cancelled_events(context_of(app), later(minutes=minutes))
    assert "closing" not in db.events.find_one()
    assert db.events.find_one()["inFlight"] == {}


def test_a_booking_with_a_pending_move_is_ended_too(db, app, host):
    """Its tickets have still to move from held to sold, or back on sale."""
    context = context_of(app)
    sold_out(db, host, 3)
    ann = Caller(host.client, app)
    more = ("available", "ticketTypes.0.availableTickets", "ticketTypes.0.capacity")
    db.events.update_one({}, {"$inc": dict.fromkeys(more, 2)})
    held = ann.book(1, 2, hold=True)
    moves = [[1, {"heldTickets": -2, "soldTickets": 2}]]
    due = {"key": f"confirm-{held['_id']}", "changes": moves, "reason": "confirmed"}
    change = {"status": "confirmed", "restock": "due", "due": due, "expiresAt": None}
    stored = db.bookings.find_one({"status": "held"})
    change["payment"] = charge_at_once(MockPayments(), stored, utc_now())
    db.bookings.update_one({"status": "held"}, {"$set": change})
    host.call("POST", "/events/1/cancel")
    assert db.bookings.count_documents({"active": True}) == 0
    assert stock_of(db, 1, 1) == (5, 0, 0, 0)
    assert event_closing.end_all_bookings(context, 1, "event_cancelled", utc_now()) == 0


def test_a_booking_that_cannot_be_ended_delays_no_other_of_its_event(db, app, client, host):
    event_of(db, 9, organizer_id=host.id)
    callers = [Caller(client, app) for _ in range(3)]
    bookings = [caller.book(1) for caller in callers]
    broken = db.bookings.find_one({"_id": ObjectId(bookings[1]["_id"])})
    db.bookings.update_one({"_id": broken["_id"]}, {"$unset": {"items": ""}})
    assert host.call("POST", "/events/1/cancel").status_code == 200

    def find_active():
        return [booking["_id"] for booking in db.bookings.find({"active": True})]

    assert find_active() == [broken["_id"]]
    failed = db.failedWork.find_one({"kind": "booking of a cancelled event"})
    assert failed["key"] == broken["_id"]
    for minutes in (1, 2, 3):
        recovery.recover(context_of(app), later(minutes=minutes))
        event_closing.close_cancelled_events(context_of(app), later(minutes=minutes))
    assert find_active() == [broken["_id"]]
    assert "closing" in db.events.find_one({})
    db.bookings.update_one({"_id": broken["_id"]}, {"$set": {"items": broken["items"]}})
    for minutes in (60, 61, 62):
        event_closing.close_cancelled_events(context_of(app), later(minutes=minutes))
        recovery.recover(context_of(app), later(minutes=minutes))
    assert find_active() == []
    assert "closing" not in db.events.find_one({})
    assert db.failedWork.count_documents({}) == 0
    assert stock_of(db, 1) == (9, 0, 0, 0)


def test_the_worker_leaves_a_very_large_event_to_its_next_run(db, app, host, monkeypatch):
    sold_out(db, host)
    monkeypatch.setattr(event_closing, "WORKER_SECONDS", 0)
    fields = {"status": "cancelled", "listed": False, "closing": utc_now()}
    db.events.update_one({"eventId": 1}, {"$set": fields})
    left = MANY
    while left:
        event_closing.close_cancelled_events(context_of(app), utc_now())
        now_left = db.bookings.count_documents({"active": True})
        assert max(0, left - 200) == now_left
        left = now_left


def test_an_event_stays_closing_while_an_entry_is_claimed_for_an_offer(db, app, host):
    sold_out(db, host, count=1, waiting=1)
    entry = db.waitlist.find_one({})
    claim = {"bookingId": ObjectId(), "at": utc_now()}
    db.waitlist.update_one({"_id": entry["_id"]}, {"$set": {"offering": claim}})
    assert host.call("POST", "/events/1/cancel").status_code == 200
    context = context_of(app)
    for minutes in (1, 2):
        db.events.update_one({}, {"$set": {"inFlight": {}}})
        assert event_closing.close_cancelled_events(context, later(minutes=minutes)) == 1
        assert "closing" in db.events.find_one({})
    db.waitlist.update_one({"_id": entry["_id"]}, {"$unset": {"offering": ""}})
    event_closing.close_cancelled_events(context, later(minutes=3))
    assert db.waitlist.count_documents({"active": True}) == 0
    db.events.update_one({}, {"$set": {"inFlight": {}}})
    event_closing.close_cancelled_events(context, later(minutes=4))
    assert "closing" not in db.events.find_one({})
