"""Bookings of schema version 1 get the id of their schedule entry, once, however it is begun."""

from datetime import UTC, datetime, timedelta

import pytest
from bson import ObjectId

from eventapp import prepare_database
from eventapp.bookings import migration, service, store_migration
from eventapp.bookings.booked_entries import follow_event
from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from tests.bookings_factories import Caller, context_of, event_of
from tests.factories import day
from tests.race import kit

pytestmark = pytest.mark.usefixtures("clean_inventory")
ENTRY_FIELDS = (*("scheduleId", "bookedMoves", "copiedMoves", "timezone", "startsAt", "endsAt"),)
NEW_EVENT_FIELDS = ("overAt", "nextScheduleId", "cells", "cellsCounted")


@pytest.fixture
def old(db, client, app):
    """Return bookings as version 1 stored them: of both entries of an event, and one that ended."""
    schedule = [{"date": day(number), "location": "Volos"} for number in (30, 40)]
    event = event_of(db, 50, schedule=schedule)
    people = [Caller(client, app) for _ in range(3)]
    made = [one.book(event, 1, scheduleIndex=n % 2) for n, one in enumerate(people)]
    people[2].cancel(made[2])
    make_old(db)
    return [ObjectId(booking["_id"]) for booking in made]


def make_old(db):
    """Take out of all bookings and events what version 2 has added."""
    db.bookings.update_many({}, {"$unset": dict.fromkeys(ENTRY_FIELDS, "")})
    for event in db.events.find({}):
        schedule = [
            {name: entry[name] for name in ("date", "location")} for entry in event["schedule"]
        ]
        db.events.update_one(
            {"_id": event["_id"]},
            {"$set": {"schedule": schedule}, "$unset": dict.fromkeys(NEW_EVENT_FIELDS, "")},
        )
    db.counters.delete_one({"_id": "schemaVersion"})


def stored(db, booking_id):
    return db.bookings.find_one({"_id": booking_id})


def test_a_start_migrates_bookings_after_their_events(db, app, old):
    before = [stored(db, id_) for id_ in old]
    prepare_database(db)
    after = [stored(db, id_) for id_ in old]
    assert [booking["scheduleId"] for booking in after] == [1, 2, 1]
    for was, booking in zip(before, after, strict=True):
        assert {name: value for name, value in booking.items() if name not in ENTRY_FIELDS} == was
        assert booking["timezone"] == "UTC"
    assert [booking.get("copiedMoves") for booking in after] == [0, 0, None]
    kit.assert_consistent(context_of(app))


def test_it_may_be_repeated_and_changes_nothing_then(db, old):
    prepare_database(db)
    after = list(db.bookings.find({}))
    assert migration.migrate_bookings(db, utc_now())
    db.counters.delete_one({"_id": "schemaVersion"})
    prepare_database(db)
    assert list(db.bookings.find({})) == after


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_batches_leave_no_booking_out(db, old, monkeypatch, batch_size):
    monkeypatch.setattr(migration, "BATCH_SIZE", batch_size)
    prepare_database(db)
    assert db.bookings.count_documents({"scheduleId": {"$gte": 1}}) == 3
    assert db.bookings.count_documents({"scheduleId": {"$exists": False}}) == 0


def test_a_booking_that_fits_no_entry_keeps_its_copy(db, app, old):
    moved = datetime.now(UTC) + timedelta(days=3)
    other = {"date": moved.replace(hour=0, minute=0, second=0, microsecond=0), "location": "X"}
    db.bookings.update_one({"_id": old[0]}, {"$set": other})
    prepare_database(db)
    booking = stored(db, old[0])
    assert booking["scheduleId"] is None
    assert follow_event(db, booking) == booking
    shown = service.render_current(context_of(app), booking, Actor())
    assert (shown["scheduleId"], shown["location"]) == (None, "X")


def test_one_that_fails_delays_no_other(db, old):
    db.bookings.update_one({"_id": old[0]}, {"$unset": {"location": ""}})
    prepare_database(db)
    assert [stored(db, id_).get("scheduleId") for id_ in old] == [None, 2, 1]
    assert db.counters.count_documents({"_id": "schemaVersion"}) == 0
    (failed,) = db.failedWork.find({"kind": "booking migration"})
    assert failed["key"] == old[0]


def test_one_that_ends_meanwhile_keeps_the_copy_that_it_ended_with(
    db, client, app, old, monkeypatch
):
    real, root = store_migration.write_if_unmigrated, Caller(client, app, "admin")

    def end_first(db_, changes):
        assert root.cancel({"_id": old[0]}).status_code == 200
        monkeypatch.setattr(store_migration, "write_if_unmigrated", real)
        return real(db_, changes)

    monkeypatch.setattr(store_migration, "write_if_unmigrated", end_first)
    prepare_database(db)
    assert stored(db, old[0])["scheduleId"] == 1
    assert "copiedMoves" not in stored(db, old[0])


def test_a_migrated_booking_follows_its_event(db, client, app, old):
    host = Caller(client, app, "admin")
    prepare_database(db)
    answer = host.call("PATCH", "/events/1/schedule/0", {"location": "Larissa"})
    assert answer.status_code == 200, answer.json
    shown = host.get(f"/bookings/{old[0]}").json["data"]["booking"]
    assert (shown["scheduleId"], shown["location"]) == (1, "Larissa")
    ended = host.get(f"/bookings/{old[2]}").json["data"]["booking"]
    assert (ended["scheduleId"], ended["location"]) == (1, "Volos")
