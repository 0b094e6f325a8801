"""Waitlist entries of schema version 2 get the next schedule entry, once, however it is begun."""

import pytest
from bson import ObjectId

from eventapp import prepare_database
from eventapp.core.clock import utc_now
from eventapp.core.database import SCHEMA_VERSION, check_schema_version, ensure_indexes
from eventapp.features import INDEXES
from eventapp.waitlist import migration, store_migration
from eventapp.waitlist.store import RETIRED_INDEXES
from tests.bookings_factories import Caller, context_of, event_of
from tests.factories import day
from tests.race import kit

pytestmark = pytest.mark.usefixtures("clean_inventory")


@pytest.fixture
def people(db, client, app):
    """Return who waits for an event of which entry 2 is the next, as version 2 stored it.

    The last one has left.
    """
    schedule = [{"date": day(number), "location": "Volos"} for number in (40, 30)]
    event_id = event_of(db, 0, schedule=schedule)
    people = [Caller(client, app) for _ in range(4)]
    for person in people:
        person.wait(event_id)
    assert people[3].call("DELETE", f"/waitlist/{event_id}").status_code == 200
    make_old(db)
    return people


def make_old(db):
    db.waitlist.update_many({}, {"$unset": {"scheduleId": ""}})
    db.counters.update_one({"_id": "schemaVersion"}, {"$set": {"value": 2}}, upsert=True)


def schedule_ids(db):
    return [entry.get("scheduleId") for entry in db.waitlist.find({}).sort("_id", 1)]


def test_a_start_gives_active_entries_the_next_date(db, app, people):
    before = list(db.waitlist.find({}))
    prepare_database(db)
    assert schedule_ids(db) == [2, 2, 2, None]
    for was, entry in zip(before, db.waitlist.find({}), strict=True):
        assert {name: value for name, value in entry.items() if name != "scheduleId"} == was
    assert [person.waitlist_entries()[0]["date"] for person in people[:3]] == [day(30)] * 3
    assert check_schema_version(db) == SCHEMA_VERSION
    kit.assert_consistent(context_of(app))


def test_it_may_be_repeated_and_changes_nothing_then(db, people):
    prepare_database(db)
    after = list(db.waitlist.find({}))
    assert migration.migrate_waitlist(db, utc_now())
    db.counters.delete_one({"_id": "schemaVersion"})
    prepare_database(db)
    assert list(db.waitlist.find({})) == after


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_batches_leave_no_entry_out(db, people, monkeypatch, batch_size):
    monkeypatch.setattr(migration, "BATCH_SIZE", batch_size)
    prepare_database(db)
    assert schedule_ids(db) == [2, 2, 2, None]


def fail_on(entry_id, monkeypatch):
    """Let every write fail that migrates this entry."""
    real = store_migration.write_if_unmigrated

    def write(db, schedule_ids_):
        if entry_id in schedule_ids_:
            raise ValueError("broken")
        return real(db, schedule_ids_)

    monkeypatch.setattr(store_migration, "write_if_unmigrated", write)


def test_one_that_fails_delays_no_other(db, people, monkeypatch):
    first, second = list(db.waitlist.find({}).sort("_id", 1).limit(2))
    fail_on(second["_id"], monkeypatch)
    prepare_database(db)
    assert schedule_ids(db) == [2, None, 2, None]
    assert check_schema_version(db) == 2
    (failed,) = db.failedWork.find({"kind": "waitlist migration"})
    assert failed["key"] == second["_id"] != first["_id"]


def test_the_next_start_tries_it_again_without_a_pause(db, app, people, monkeypatch):
    second = list(db.waitlist.find({}).sort("_id", 1))[1]
    with monkeypatch.context() as patch:
        fail_on(second["_id"], patch)
        prepare_database(db)
        prepare_database(db)
    prepare_database(db)
    assert schedule_ids(db) == [2, 2, 2, None]
    assert check_schema_version(db) == SCHEMA_VERSION
    assert not list(db.failedWork.find({}))
    kit.assert_consistent(context_of(app))


def test_who_joined_again_keeps_the_first_place_only(db, app, people):
    second = list(db.waitlist.find({}).sort("_id", 1))[1]
    db.waitlist.insert_one({**second, "_id": ObjectId(), "scheduleId": 2, "sequence": 5})
    db.events.update_one({}, {"$inc": {"ticketTypes.0.waiting": 1}})
    prepare_database(db)
    assert schedule_ids(db) == [2, 2, 2, None, 2]
    assert [e["active"] for e in db.waitlist.find({}).sort("_id", 1)] == [True] * 3 + [False] * 2
    assert check_schema_version(db) == SCHEMA_VERSION
    context = context_of(app)
    kit.run_all_jobs(context, utc_now() + kit.AFTER_ABANDONMENT)
    kit.assert_consistent(context)
    assert db.events.find_one({})["queues"]["2"]["1"]["waiting"] == 3
    for person in people[:3]:
        assert person.call("DELETE", "/waitlist/1").status_code == 200
    assert db.events.find_one({})["ticketTypes"][0]["waiting"] == 0


def test_one_that_ends_meanwhile_stays_as_it_is(db, people, monkeypatch):
    real = store_migration.write_if_unmigrated

    def leave_first(db_, schedule_ids_):
        assert people[0].call("DELETE", "/waitlist/1").status_code == 200
        return real(db_, schedule_ids_)

    monkeypatch.setattr(store_migration, "write_if_unmigrated", leave_first)
    prepare_database(db)
    assert schedule_ids(db) == [None, 2, 2, None]


def test_the_index_of_version_2_is_replaced(db, people):
    keys = [("userId", 1), ("eventId", 1), ("ticketTypeId", 1)]
    only_active = {"partialFilterExpression": {"active": True}}
    db.waitlist.create_index(keys, name="one_active_entry", unique=True, **only_active)
    prepare_database(db)
    assert "one_active_entry" not in db.waitlist.index_information()
    assert "one_active_place" in db.waitlist.index_information()
    people[0].wait(1, scheduleId=1)
    ensure_indexes(db, INDEXES, RETIRED_INDEXES)
