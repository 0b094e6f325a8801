"""Entries of an event's log wait in the event until they are moved: each once, and not too many."""

import pymongo
import pytest
from bson import ObjectId
from pymongo.errors import PyMongoError

from eventapp.core.access.actor import Actor
from eventapp.core.clock import utc_now
from eventapp.events import deletions, editing, event_log, store_log
from eventapp.events.changes import NO_EVENT_CACHE
from eventapp.events.log_entries import MAX_PENDING
from eventapp.promotions import service as promotions
from tests.factories import make_event
from tests.race import kit

CODE = {"code": "Spring", "kind": "percent", "value": 50}


class MoveFailed(PyMongoError):
    """Stands for a database that refuses to store entries."""


@pytest.fixture
def event(db):
    return make_event(db)


@pytest.fixture
def stuck(monkeypatch):
    """No entry can be moved."""

    def fail(*_arguments):
        raise MoveFailed

    with monkeypatch.context() as patch:
        patch.setattr(store_log, "insert", fail)
        yield patch


def set_price(db, event, price, actor=kit.ADMIN):
    editing.apply_edit(
        db,
        event["eventId"],
        editing.make_type_patch(1, {"price": price}),
        event_changes=NO_EVENT_CACHE,
        actor=actor,
        now=utc_now(),
    )


def read_event(db, event):
    return db.events.find_one({"eventId": event["eventId"]})


def list_prices(db):
    """Return the prices that the moved entries set, the oldest first."""
    rows = db.eventLog.find().sort([("at", 1), ("_id", 1)])
    return [each["after"] for row in rows for each in row["changes"]]


def test_an_event_never_holds_more_than_its_share(db, event, stuck):
    for price in range(1, MAX_PENDING + 1):
        set_price(db, event, price)
    full = read_event(db, event)
    assert len(full["logEntries"]) == MAX_PENDING
    with pytest.raises(MoveFailed):
        set_price(db, event, 1_000)
    with pytest.raises(MoveFailed):
        promotions.create_promo_code(db, event["eventId"], kit.ADMIN, CODE, utc_now())
    assert read_event(db, event) == full
    assert list_prices(db) == []
    stuck.undo()
    set_price(db, event, 1_000)  # It moves the entries first.
    assert list_prices(db) == [*range(1, MAX_PENDING + 1), 1_000]
    assert not {"logEntries", "logDue"} & read_event(db, event).keys()


def test_the_worker_moves_what_requests_have_left(db, event, stuck):
    other = make_event(db)
    for price in (1, 2):
        set_price(db, event, price)
    set_price(db, other, 3)
    assert db.failedWork.count_documents({"kind": event_log.FAILED_MOVES}) == 2
    stuck.undo()
    later = utc_now() + kit.AFTER_ABANDONMENT * 10
    assert event_log.move_due_entries(db, later) == 2
    assert sorted(list_prices(db)) == [1, 2, 3]
    assert db.failedWork.count_documents({}) == 0
    assert db.events.count_documents({"logDue": True}) == 0
    assert event_log.move_due_entries(db, later) == 0


def test_an_entry_is_moved_once_by_many(db, event, stuck):
    for price in range(1, 8):
        set_price(db, event, price)
    stuck.undo()
    moves = [lambda: event_log.move_entries(db, event["eventId"])] * 6
    edits = [lambda price=price: set_price(db, event, price) for price in (50, 60)]
    with pymongo.timeout(30):
        kit.run_concurrently(*moves, *edits)
    assert sorted(list_prices(db)) == [*range(1, 8), 50, 60]
    assert not {"logEntries", "logDue"} & read_event(db, event).keys()


def test_a_mover_that_read_before_an_erasure_does_not_bring_the_person_back(
    db, event, stuck, monkeypatch
):
    person = Actor(user_id=ObjectId(), role="admin", session_id=ObjectId())
    set_price(db, event, 5, person)
    stuck.undo()
    find = store_log.find_pending

    def find_and_be_overtaken(*arguments):
        found = find(*arguments)
        monkeypatch.setattr(store_log, "find_pending", find)
        event_log.forget_user(db, person.user_id)
        return found

    monkeypatch.setattr(store_log, "find_pending", find_and_be_overtaken)
    event_log.move_entries(db, event["eventId"])
    (row,) = db.eventLog.find()
    assert (row["userId"], row["changes"][0]["after"]) == (None, 5)
    assert str(person.user_id) not in str(read_event(db, event))


def test_a_mover_that_read_before_a_deletion_leaves_nothing(db, event, stuck, monkeypatch):
    set_price(db, event, 5)
    stuck.undo()
    find = store_log.find_pending

    def find_and_be_overtaken(*arguments):
        found = find(*arguments)
        deletions.delete_event(db, event["eventId"], kit.ADMIN, NO_EVENT_CACHE, utc_now())
        return found

    monkeypatch.setattr(store_log, "find_pending", find_and_be_overtaken)
    event_log.move_entries(db, event["eventId"])
    assert read_event(db, event) is None
    assert db.eventLog.count_documents({}) == 0


def test_a_write_without_a_guard_would_fill_the_event(db, event, stuck, monkeypatch):
    """The control of the bound: without the guard, an event that is full takes more entries."""
    monkeypatch.setattr("eventapp.events.log_entries.MAX_PENDING", 10**6)
    for price in range(1, MAX_PENDING + 3):
        set_price(db, event, price)
    assert len(read_event(db, event)["logEntries"]) == MAX_PENDING + 2
