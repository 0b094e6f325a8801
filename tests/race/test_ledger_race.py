"""The ledger gets every entry once, in the order of its numbers, however many processes copy."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from bson import ObjectId

from eventapp.bookings.ledger import service as ledger
from eventapp.bookings.ledger import store
from eventapp.core.clock import utc_now
from eventapp.core.failpoints import set_failpoint_hook
from eventapp.due_work import service as due_work

COPIERS, WRITERS, WRITES = 3, 2, 20


class Killed(BaseException):
    """Stands for the death of a process."""


@pytest.fixture(autouse=True)
def small_batches(monkeypatch):
    monkeypatch.setattr(ledger, "BATCH_SIZE", 3)


@pytest.fixture
def failpoint_hook():
    yield set_failpoint_hook
    set_failpoint_hook(None)


def entry():
    return {"at": utc_now(), "kind": "held", "held": 1}


def store_booking(db, entries=1):
    """Store a booking with entries that are due; return its id."""
    id_, now = ObjectId(), utc_now()
    booking = {
        "_id": id_,
        "bookingReference": f"EVT-{id_}",
        "userId": id_,
        "eventId": 1,
        "organizerId": None,
        "createdAt": now,
        "entries": [entry() for _ in range(entries)],
        "ledgerDue": True,
    }
    db.bookings.insert_one(booking)
    return id_


def push_entry(db, booking_id):
    db.bookings.update_one({"_id": booking_id}, store.build_update({}, [entry()]))


def list_entry_ids(db):
    return {
        f"{booking['_id']}-{number}"
        for booking in db.bookings.find({})
        for number in range(1, len(booking["entries"]) + 1)
    }


def assert_complete(db):
    """Assert that the ledger has all entries and no gap, and that no booking is due."""
    rows = list(db.ledger.find().sort("number", 1))
    assert [row["number"] for row in rows] == list(range(1, len(rows) + 1))
    assert {row["_id"] for row in rows} == list_entry_ids(db)
    assert db.bookings.count_documents({"ledgerDue": {"$exists": True}}) == 0


def test_entries_are_copied_with_what_readers_need(db):
    id_ = store_booking(db, entries=2)
    assert ledger.copy_entries(db, utc_now()) == 1
    assert_complete(db)
    booking, row = db.bookings.find_one({}), db.ledger.find_one({"number": 2})
    assert row == {
        "_id": f"{id_}-2",
        "number": 2,
        "eventId": 1,
        "organizerId": None,
        "bookedAt": booking["createdAt"],
        **booking["entries"][1],
    }
    assert ledger.copy_entries(db, utc_now()) == 0
    push_entry(db, id_)
    assert ledger.copy_entries(db, utc_now()) == 1
    assert ledger.find_highest_number(db) == 3
    assert_complete(db)


def test_a_broken_booking_delays_no_other(db):
    broken, sound = store_booking(db), [store_booking(db) for _ in range(7)]
    db.bookings.update_one({"_id": broken}, {"$unset": {"eventId": ""}})
    assert ledger.copy_entries(db, utc_now()) == 7
    assert {row["_id"] for row in db.ledger.find()} == {f"{id_}-1" for id_ in sound}
    (failed,) = due_work.get_failed_work(db)["items"]
    assert (failed["kind"], failed["key"]) == ("ledger entry", str(broken))
    db.bookings.update_one({"_id": broken}, {"$set": {"eventId": 1}})
    ledger.copy_entries(db, utc_now() + timedelta(minutes=1))
    assert due_work.get_failed_work(db)["items"] == []
    assert_complete(db)


def test_one_call_copies_a_bounded_number(db, monkeypatch):
    monkeypatch.setattr(ledger, "MAX_BATCHES", 2)
    for _ in range(8):
        store_booking(db)
    assert [ledger.copy_entries(db, utc_now()) for _ in range(3)] == [6, 2, 0]
    assert_complete(db)


def run_copiers_and_writers(db):
    """Copy in several threads while entries are written, and check what a reader sees."""
    writing = threading.Event()

    def write():
        for number in range(WRITES):
            id_ = store_booking(db, entries=1 + number % 2)
            if number % 3 == 0:
                push_entry(db, id_)

    def copy():
        while not writing.is_set():
            ledger.copy_entries(db, utc_now())

    def read():
        """Look for a row that appears below a number up to which rows were read before."""
        faults = 0
        while not writing.is_set():
            highest = ledger.find_highest_number(db)
            faults += db.ledger.count_documents({"number": {"$lte": highest}}) != highest
        return faults

    with ThreadPoolExecutor(COPIERS + WRITERS + 1) as pool:
        others = [pool.submit(each) for each in (*[copy] * COPIERS, read)]
        try:
            for written in [pool.submit(write) for _ in range(WRITERS)]:
                written.result()
        finally:
            writing.set()
        results = [each.result() for each in others]
    ledger.copy_entries(db, utc_now())
    return results[-1]


def test_copiers_leave_no_gap_and_no_entry_out(db):
    assert run_copiers_and_writers(db) == 0
    assert_complete(db)


def test_control_without_the_unique_index_numbers_are_used_twice(db):
    (index,) = [each for each in store.INDEXES["ledger"] if each.document["name"] == "number"]
    db.ledger.drop_index("number")
    try:
        _copy_at_the_same_moment(db)
        numbers = [row["number"] for row in db.ledger.find()]
        assert len(numbers) > len(set(numbers))
    finally:
        db.ledger.delete_many({})
        db.ledger.create_indexes([index])


def _copy_at_the_same_moment(db):
    """Let two copiers append different rows after they have read the same highest number."""
    rows = [ledger._build_rows(db.bookings.find_one({"_id": store_booking(db)})) for _ in range(2)]
    gate, real = threading.Barrier(2), store.find_highest_number
    waited = threading.local()

    def read_together(db_):
        number = real(db_)
        if not hasattr(waited, "done"):
            waited.done = True
            gate.wait(20)
        return number

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(2) as pool:
        patch.setattr(store, "find_highest_number", read_together)
        list(pool.map(partial(store.append_rows, db), rows))


def test_copiers_that_choose_the_same_number_use_it_once(db):
    for _ in range(3):
        _copy_at_the_same_moment(db)
    assert [row["number"] for row in db.ledger.find().sort("number", 1)] == [1, 2, 3, 4, 5, 6]


def test_a_copier_that_dies_leaves_its_work_to_the_next(db, failpoint_hook):
    id_ = store_booking(db, entries=2)

    def die(_name):
        raise Killed

    failpoint_hook(die)
    with pytest.raises(Killed):
        ledger.copy_entries(db, utc_now())
    failpoint_hook(None)
    assert db.bookings.find_one({"_id": id_})["ledgerDue"] is True
    push_entry(db, id_)
    ledger.copy_entries(db, utc_now())
    assert_complete(db)


def test_rows_that_another_copier_has_stored_use_up_no_number(db):
    rows = [row for _ in range(5) for row in _rows_of_new_booking(db)]
    store.append_rows(db, rows[1:4:2])
    store.append_rows(db, rows)
    store.append_rows(db, rows)
    ledger.copy_entries(db, utc_now())
    assert_complete(db)


def _rows_of_new_booking(db):
    return ledger._build_rows(db.bookings.find_one({"_id": store_booking(db)}))


def push_after_the_copy(db, failpoint_hook):
    """Push an entry after the booking was read and its rows stored; copy twice."""
    id_ = store_booking(db)
    failpoint_hook(lambda _name: (failpoint_hook(None), push_entry(db, id_)))
    ledger.copy_entries(db, utc_now())
    ledger.copy_entries(db, utc_now())


def test_an_entry_that_is_pushed_during_the_copy_is_copied_next(db, failpoint_hook):
    push_after_the_copy(db, failpoint_hook)
    assert_complete(db)


def test_control_without_the_guard_an_entry_is_lost(db, failpoint_hook, monkeypatch):
    def clear_unguarded(db_, bookings):
        ids = [booking["_id"] for booking in bookings]
        db_.bookings.update_many({"_id": {"$in": ids}}, {"$unset": {"ledgerDue": ""}})

    monkeypatch.setattr(store, "clear_due", clear_unguarded)
    push_after_the_copy(db, failpoint_hook)
    with pytest.raises(AssertionError):
        assert_complete(db)
