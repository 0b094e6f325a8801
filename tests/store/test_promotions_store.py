"""Promo codes are written to an event that is open, unchanged, and has room in its log."""

from datetime import timedelta

import pytest

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.events import event_log
from eventapp.promotions import store
from tests.bookings_factories import event_of

NOW = utc_now()
OLD = {"codeId": 1, "code": "Old", "used": 2, "taken": True}
NEW = {"codeId": 2, "code": "New", "used": 0, "taken": False}


def write(db, event, codes, **more):
    note = event_log.note_edit(Actor(), {"promoCodes": []}, {"promoCodes": [NEW]}, NOW)
    return store.write_if_unchanged(db, event, codes, note=note, now=NOW, **more)


@pytest.fixture
def event(db):
    event_of(db, 5), event_of(db, 5)
    codes = {"promoCodes": {"old": OLD, "other": OLD}, "terms": 3}
    db.events.update_one({"eventId": 2}, {"$set": codes})
    return store.find_promo_codes(db, 2)


def find(db):
    return db.events.find_one({"eventId": 2})


def test_the_codes_are_read_with_what_a_change_depends_on(db, event):
    assert event["promoCodes"] == {"old": OLD, "other": OLD}
    assert (event["eventId"], event["rev"]) == (2, find(db)["rev"])
    assert [each["ticketTypeId"] for each in event["ticketTypes"]] == [1]
    assert store.find_promo_codes(db, 9) is None


def test_a_write_sets_and_removes_codes_of_its_event_alone(db, event):
    first = db.events.find_one({"eventId": 1})
    assert write(db, event, {"new": NEW}, removed=["old"], next_code_id=3)
    after = find(db)
    assert after["promoCodes"] == {"new": NEW, "other": OLD}
    assert (after["nextCodeId"], after["rev"], after["terms"]) == (3, event["rev"] + 1, 4)
    assert (len(after["logEntries"]), after["logDue"]) == (1, True)
    assert db.events.find_one({"eventId": 1}) == first
    again = store.find_promo_codes(db, 2)
    assert write(db, again, {"new": NEW})
    assert (find(db)["nextCodeId"], len(find(db)["logEntries"])) == (3, 2)


@pytest.mark.parametrize("fields", [{"rev": 99}, {"closedUntil": NOW + timedelta(seconds=1)}])
def test_nothing_is_written_to_an_event_that_has_changed_or_is_closed(db, event, fields):
    db.events.update_one({"eventId": 2}, {"$set": fields})
    before = find(db)
    assert not write(db, event, {"new": NEW})
    assert find(db) == before
    db.events.update_one({"eventId": 2}, {"$set": {"rev": event["rev"], "closedUntil": NOW}})
    assert write(db, event, {"new": NEW})


def test_nothing_is_written_while_the_log_of_the_event_is_full(db, event):
    while write(db, event, {"new": NEW}):
        event = store.find_promo_codes(db, 2)
    before = find(db)
    assert not write(db, store.find_promo_codes(db, 2), {"new": NEW})
    assert find(db) == before
