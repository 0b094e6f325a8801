"""The collection `ledger`: how rows are numbered, found and summed, and which bookings are due."""

from datetime import timedelta

import pytest
from bson import ObjectId
from pymongo.errors import AutoReconnect

from eventapp.bookings import store_reports
from eventapp.bookings.ledger import store
from eventapp.core.clock import utc_now

NOW = utc_now()
DAY = timedelta(days=1)


def row_of(id_, **changes):
    figures = {"bookings": 1, "sold": 2, "cents": 300, "discount": 20, "paid": 300, "fee": 9}
    row = {"_id": id_, "eventId": 1, "organizerId": None, "kind": "confirmed", "at": NOW}
    return {**row, **figures, **changes}


def numbers(db):
    return {each["_id"]: each["number"] for each in db.ledger.find()}


def test_rows_are_numbered_from_1_without_gaps_and_each_is_appended_once(db):
    assert store.find_highest_number(db) == 0
    store.append_rows(db, [])
    store.append_rows(db, [row_of("a"), row_of("b")])
    store.append_rows(db, [row_of("b"), row_of("c"), row_of("a"), row_of("d")])
    assert numbers(db) == {"a": 1, "b": 2, "c": 3, "d": 4}
    assert store.find_highest_number(db) == 4


def test_rows_are_found_by_their_numbers_or_ids_in_order(db):
    store.append_rows(db, [row_of(id_) for id_ in "dcba"])
    assert [each["_id"] for each in store.find_rows(db, 1, 3)] == ["c", "b"]
    assert [each["_id"] for each in store.find_rows(db, 0, 9)] == ["d", "c", "b", "a"]
    assert [each["_id"] for each in store.find_rows_by_id(db, ["a", "c", "x"])] == ["c", "a"]


def test_rows_get_the_next_number_if_others_take_theirs_meanwhile(db, monkeypatch):
    read = store.find_highest_number
    others = iter(["x", "y"])

    def read_before_another_row_is_stored(db):
        highest = read(db)
        if id_ := next(others, None):
            db.ledger.insert_one({**row_of(id_), "number": highest + 1})
        return highest

    monkeypatch.setattr(store, "find_highest_number", read_before_another_row_is_stored)
    store.append_rows(db, [row_of("a"), row_of("b")])
    assert numbers(db) == {"x": 1, "y": 2, "a": 3, "b": 4}


def test_rows_that_can_never_be_numbered_are_reported(db, monkeypatch):
    monkeypatch.setattr(store, "MAX_ATTEMPTS", 2)
    monkeypatch.setattr(store, "find_highest_number", lambda _db: 0)
    db.ledger.insert_one({**row_of("x"), "number": 1})
    with pytest.raises(AutoReconnect):
        store.append_rows(db, [row_of("a")])
    assert numbers(db) == {"x": 1}


def add_booking(db, count, **changes):
    booking = {
        "_id": ObjectId(),
        "bookingReference": str(ObjectId()),
        "userId": ObjectId(),
        "eventId": 1,
        "organizerId": None,
        "createdAt": NOW,
        "entries": [{"kind": "confirmed"}] * count,
        "ledgerDue": True,
        "slot": "direct",
        **changes,
    }
    db.bookings.insert_one(booking)
    return booking


def test_bookings_with_new_entries_are_due_until_all_of_them_are_in_the_ledger(db):
    add_booking(db, 1, ledgerDue=False)
    grown, done, other, two = (add_booking(db, count) for count in (1, 1, 1, 2))
    found = store.find_due(db, 10)
    assert sorted(each["_id"] for each in found) == [b["_id"] for b in (grown, done, other, two)]
    copied = {key: done[key] for key in ("_id", *store.COPIED_FIELDS)}
    assert store.find_due(db, 10, [grown["_id"], other["_id"], two["_id"]]) == [copied]
    assert len(store.find_due(db, 3)) == 3
    entries = [{"kind": "confirmed"}, {"kind": "cancelled"}]
    db.bookings.update_one({"_id": grown["_id"]}, {"$set": {"entries": entries}})
    store.clear_due(db, [grown, done, two])
    still_due = sorted(each["_id"] for each in store.find_due(db, 10))
    assert still_due == [grown["_id"], other["_id"]]
    assert "ledgerDue" not in db.bookings.find_one({"_id": done["_id"]})


def sum_kinds(db, **period):
    whole = {"_id": "daily:1", "since": NOW, "after": 2, "upTo": 4}
    sums = store_reports.sum_ledger(db, {**whole, **period}, NOW + DAY)
    return sorted((each["kind"], each["rows"]) for each in sums)


def test_a_period_has_the_rows_of_its_time_and_those_that_came_late(db):
    before = NOW - timedelta(seconds=1)
    rows = [
        row_of("in time", kind="a"),
        row_of("before", kind="b", at=before),
        row_of("late", kind="c", at=before),  # the number 3
        row_of("in time and new", kind="d"),
        row_of("after the last number", kind="e"),
    ]
    store.append_rows(db, rows)
    assert sum_kinds(db) == [("a", 1), ("c", 1), ("d", 1)]
    assert sum_kinds(db, after=3) == [("a", 1), ("d", 1)]
    assert sum_kinds(db, upTo=3) == [("a", 1), ("c", 1)]
    assert sum_kinds(db, since=before) == [("a", 1), ("b", 1), ("c", 1), ("d", 1)]


def test_a_period_has_no_rows_from_its_end_on(db):
    at_end = {"at": NOW + DAY}
    store.append_rows(db, [row_of("a", **at_end), row_of("b"), row_of("c", **at_end)])
    assert sum_kinds(db, after=1) == [("confirmed", 1)]
    assert sum_kinds(db, after=2) == [("confirmed", 1)]


def test_an_opening_counts_in_the_period_of_its_time_even_if_it_came_late(
    db,
):
    before = NOW - timedelta(seconds=1)
    rows = [row_of(n, kind="opening", at=at) for n, at in (("a", NOW), ("b", NOW), ("c", before))]
    rows += [row_of("d", kind="checked_in"), row_of("e", kind="opening")]
    store.append_rows(db, rows)
    assert sum_kinds(db, after=1) == [("opening", 2)]
    assert sum_kinds(db, after=0, upTo=1) == [("opening", 1)]
    assert sum_kinds(db, after=0, upTo=9) == [("opening", 3)]


def test_the_figures_of_rows_are_summed_by_event_organizer_and_kind(db):
    olga = ObjectId()
    rows = [
        row_of("a"),
        row_of("b", paid=-100, cents=-100, sold=-1, bookings=0, discount=-5, fee=1),
        row_of("c", eventId=2, paid=1),
        row_of("d", organizerId=olga),
        row_of("e", kind="cancelled"),
    ]
    store.append_rows(db, rows)
    period = {"_id": "daily:1", "since": NOW, "after": 9, "upTo": 9}
    sums = store_reports.sum_ledger(db, period, NOW + DAY)
    one = {"rows": 1, "bookings": 1, "tickets": 2, "cents": 300, "discount": 20}
    one |= {"charged": 300, "refunded": 0, "fees": 9}
    two = {"rows": 2, "bookings": 1, "tickets": 1, "cents": 200, "discount": 15}
    two |= {"charged": 300, "refunded": 100, "fees": 10}
    key = {"event": 1, "organizer": None, "kind": "confirmed"}
    assert sorted(sums, key=str) == sorted(
        [
            {**key, **two},
            {**key, **one, "event": 2, "charged": 1},
            {**key, **one, "organizer": olga},
            {**key, **one, "kind": "cancelled"},
        ],
        key=str,
    )
