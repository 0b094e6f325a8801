"""Events from before there were cells get them at the start, also while their tickets are sold."""

import pytest
from bson import ObjectId

from eventapp import prepare_database
from eventapp.bookings import cell_counts, transitions
from eventapp.bookings.cell_counts import count_cells
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from tests.bookings_factories import Caller, context_of, event_of
from tests.race import kit

pytestmark = pytest.mark.usefixtures("clean_inventory")
ADMIN = Actor(user_id=ObjectId(), role="admin")


@pytest.fixture
def booked(db, client, app):
    """Event 1 has 4 tickets sold and 2 held, event 2 none, and both are without cells."""
    event_of(db, 10, 0)
    event_of(db, 10)
    Caller(client, app).book(1, 4)
    Caller(client, app).book(1, 2, hold=True)
    forget_cells(db)


def forget_cells(db):
    db.events.update_many({}, {"$unset": {"cells": "", "cellsCounted": ""}, "$inc": {"rev": 1}})


def cells_of(db, event_id=1):
    event = db.events.find_one({"eventId": event_id})
    assert event["cellsCounted"] is True
    return event.get("cells", {})


def test_cells_are_counted_from_bookings_and_takes_in_flight(db, app, booked):
    kit.book(context_of(app), db.events.find_one({"eventId": 2}), 3)
    assert count_cells(db, utc_now()) is True
    assert cells_of(db) == {"1": {"1": {"sold": 4, "held": 2}}}
    assert cells_of(db, 2) == {"1": {"1": {"sold": 3}}}
    kit.book(context_of(app), db.events.find_one({"eventId": 2}), 1)
    assert cells_of(db, 2) == {"1": {"1": {"sold": 4}}}


def test_a_second_count_writes_nothing(db, booked):
    count_cells(db, utc_now())
    before = list(db.events.find({}))
    assert count_cells(db, utc_now()) is True
    assert list(db.events.find({})) == before


def test_empty_cells_are_not_counted_again(db, app, booked):
    count_cells(db, utc_now())
    booking = db.bookings.find_one({"status": "confirmed"})
    transitions.cancel_booking(context_of(app), booking["_id"], ADMIN, utc_now())
    assert cells_of(db)["1"]["1"] == {"sold": 0, "held": 2}
    before = db.events.find_one({"eventId": 1})
    assert count_cells(db, utc_now()) is True
    assert db.events.find_one({"eventId": 1}) == before


def test_the_places_of_quotas_follow_from_what_is_counted(db, booked):
    quota = {"quotaId": 1, "name": "hall", "capacity": 9, "availableTickets": 9, "waiting": 0}
    db.events.update_one({"eventId": 1}, {"$set": {"quotas": [quota]}})
    count_cells(db, utc_now())
    assert db.events.find_one({"eventId": 1})["quotas"] == [{**quota, "availableTickets": 3}]


def test_a_sale_between_the_read_and_the_write_is_counted(db, app, booked, monkeypatch):
    real, sold = cell_counts.read_expected_stock, []

    def sold_after(*arguments):
        expected = real(*arguments)
        if not sold:
            sold.append(kit.book(context_of(app), db.events.find_one({"eventId": 1}), 1))
        return expected

    monkeypatch.setattr(cell_counts, "read_expected_stock", sold_after)
    assert count_cells(db, utc_now()) is True
    assert cells_of(db) == {"1": {"1": {"sold": 5, "held": 2}}}


def forget_queues(db):
    """Make the waitlist of event 1 one of schema version 2, with 5 as its last number."""
    db.waitlist.update_many({}, {"$unset": {"scheduleId": ""}, "$set": {"sequence": 5}})
    db.events.update_many({}, {"$unset": {"queues": "", "waitSequence": ""}, "$inc": {"rev": 1}})
    db.events.update_one({"eventId": 1}, {"$set": {"ticketTypes.1.waitSequence": 5}})


def test_queues_are_counted_and_numbered_at_the_start(db, client, app, booked):
    ann, bob = Caller(client, app), Caller(client, app)
    ann.wait(1, 1, 2)
    forget_queues(db)
    assert bob.join(1, 1, 2).status_code == 503
    db.counters.delete_one({"_id": "schemaVersion"})
    prepare_database(db)
    event = db.events.find_one({"eventId": 1})
    assert (event["queues"], event["waitSequence"]) == ({"1": {"2": {"waiting": 1}}}, 5)
    assert [each["waiting"] for each in event["ticketTypes"]] == [0, 1]
    assert "waitSequence" not in event["ticketTypes"][1]
    assert db.events.find_one({"eventId": 2})["waitSequence"] == 0
    bob.wait(1, 1, 2)
    assert sorted(each["sequence"] for each in db.waitlist.find({})) == [5, 6]


def test_who_leaves_before_the_queues_are_counted_is_not_counted(db, client, app, booked):
    ann = Caller(client, app)
    ann.wait(1, 1, 2)
    forget_queues(db)
    assert ann.call("DELETE", "/waitlist/1").status_code == 200
    event = db.events.find_one({"eventId": 1})
    assert (event["ticketTypes"][1]["waiting"], "queues" in event) == (0, False)
    count_cells(db, utc_now())
    assert db.events.find_one({"eventId": 1})["queues"] == {}


def test_events_are_counted_in_batches_and_at_the_start(db, booked, monkeypatch):
    monkeypatch.setattr(cell_counts, "BATCH_SIZE", 1)
    db.counters.delete_one({"_id": "schemaVersion"})
    prepare_database(db)
    assert cells_of(db) == {"1": {"1": {"sold": 4, "held": 2}}}
    assert cells_of(db, 2) == {}
    forget_cells(db)
    prepare_database(db)  # the version is recorded, so nothing is read again
    assert "cellsCounted" not in db.events.find_one({"eventId": 1})


def test_an_event_that_cannot_be_counted_delays_no_other(db, booked, monkeypatch):
    real = cell_counts.recount_quota

    def recount(quota, cells):
        if quota["name"] == "broken":
            raise ValueError
        return real(quota, cells)

    monkeypatch.setattr(cell_counts, "recount_quota", recount)
    quota = {"quotaId": 1, "name": "broken", "capacity": 9, "availableTickets": 3, "waiting": 0}
    db.events.update_one({"eventId": 1}, {"$set": {"quotas": [quota]}})
    assert count_cells(db, utc_now()) is False
    assert "cellsCounted" not in db.events.find_one({"eventId": 1})
    assert cells_of(db, 2) == {}
    monkeypatch.undo()
    count_cells(db, utc_now() + kit.AFTER_ABANDONMENT * 60)
    assert cells_of(db) == {"1": {"1": {"sold": 4, "held": 2}}}
